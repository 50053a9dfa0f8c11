"""One scene from its seed: a JPEG and its labels."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from demo.scenes import ground, labels, photograph, scenery, traffic
from demo.scenes.canvas import BACKGROUND, Canvas
from demo.scenes.geometry import Rng
from demo.scenes.labels import Drawn, Region
from demo.scenes.layout import Layout

SUPER_SAMPLING = 2
MAX_OBJECTS = 250  # ids are 8 bits


@dataclass(frozen=True, slots=True)
class Scene:
    """A generated picture.

    Attributes:
        jpeg: the encoded picture.
        objects: labelled vehicles: "bbox" (left, top, width, height, pixels), "class", "subtype",
            "visible", "truncated", "distance".
        ignored: regions with vehicles that are too small, hidden or cut off to be labelled.
        attributes: "seed", "time", "view", "density", "lanes", "quality" (of the JPEG).
    """

    jpeg: bytes
    objects: list[dict[str, Any]]
    ignored: list[Region]
    attributes: dict[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """The labels as JSON has them: "objects", "ignored" and "attributes"."""
        return {"objects": self.objects, "ignored": self.ignored, "attributes": self.attributes}


def generate(seed: int, size: tuple[int, int] = (960, 720)) -> Scene:
    """The scene of a seed: equal seeds and sizes give equal bytes, on equal Pillow and NumPy."""
    rng = np.random.default_rng(seed)
    layout = Layout.draw(rng, seed, size)
    flow = traffic.Traffic(layout, rng)
    shadows = traffic.shadows_of(layout, flow.vehicles)
    canvas = Canvas(layout, ground.backdrop(layout, rng, shadows, SUPER_SAMPLING), SUPER_SAMPLING)
    scenery.draw_roadside(canvas, rng)
    for vehicle in sorted((v for v in flow.vehicles if v.oncoming), key=lambda v: -v.distance):
        traffic.draw_vehicle(canvas, vehicle, BACKGROUND)
    drawn = _draw_our_side(canvas, rng, [v for v in flow.vehicles if not v.oncoming])
    image = photograph.develop(canvas, rng)
    quality = int(rng.integers(62, 93))
    objects, ignored = labels.split_labelled(labels.visible_objects(canvas, drawn), size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=2 if quality < 85 else 0)
    attributes = {
        "seed": seed,
        "time": layout.time,
        "view": layout.view,
        "density": flow.density,
        "lanes": layout.lanes,
        "quality": quality,
    }
    return Scene(buffer.getvalue(), objects, ignored, attributes)


def _draw_our_side(canvas: Canvas, rng: Rng, vehicles: list[traffic.Vehicle]) -> dict[int, Drawn]:
    """Median, gantry, poles and vehicles, far ones first; returns what got which object id."""
    layout = canvas.layout
    drawn: dict[int, Drawn] = {}

    def draw(vehicle: traffic.Vehicle) -> None:
        object_id = len(drawn) + 1
        if object_id <= MAX_OBJECTS and traffic.draw_vehicle(canvas, vehicle, object_id):
            drawn[object_id] = Drawn(vehicle, int((np.asarray(canvas.ids) == object_id).sum()))

    steps: list[tuple[float, Callable[[], object]]] = []

    def add_pole(z: float, s: float, arm: float) -> None:
        steps.append((z, lambda: scenery.draw_pole(canvas, z, s, arm)))

    for pole in scenery.draw_median(canvas, rng):
        add_pole(*pole)
    steps += [(v.distance, lambda v=v: draw(v)) for v in vehicles]
    if rng.random() < 0.35:
        z = rng.uniform(35, 120)
        steps.append((z, lambda: scenery.draw_gantry(canvas, rng, z)))
    if rng.random() < 0.35:
        edge = -(layout.half_width + layout.outer_shoulder + 0.9)
        for distance in np.arange(rng.uniform(10, 40), 260, 40):
            add_pole(distance, edge, layout.side)
    for _, step in sorted(steps, key=lambda item: -item[0]):
        step()
    return drawn
