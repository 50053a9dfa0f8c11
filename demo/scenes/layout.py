"""What a scene is before anything is drawn: road, camera, light. `s` is across the road, `z` along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from demo.scenes.geometry import Array, Camera, Rng
from demo.scenes.light import Light, draw_time

VIEWS = {"overpass": 0.62, "gantry": 0.16, "dashcam": 0.22}
MEDIANS = {"barrier": 0.45, "grass": 0.25, "rail": 0.3}
ROADSIDES = {"trees": 0.45, "wall": 0.3, "city": 0.25}


@dataclass(frozen=True, slots=True)
class Layout:
    """One scene's frame. Lengths in metres, s = 0 in the middle of our carriageway.

    Attributes:
        seed: of the scene. `size`: width and height of the picture, pixels.
        lanes, lane_width, half_width: of our carriageway.
        side: +1 where traffic keeps left (the median is on the right), -1 otherwise.
        curvature: of the road, 1 / metre.
        outer_shoulder, inner_shoulder: widths beside the lanes.
        median, median_width: what divides the carriageways.
        oncoming_lanes, oncoming_start, oncoming_end: the other carriageway and its edges in s.
    """

    seed: int
    size: tuple[int, int]
    lanes: int
    lane_width: float
    half_width: float
    side: int
    time: str
    view: str
    camera: Camera
    light: Light
    curvature: float
    outer_shoulder: float
    inner_shoulder: float
    median: str
    median_width: float
    oncoming_lanes: int
    roadside: str

    @classmethod
    def draw(cls, rng: Rng, seed: int, size: tuple[int, int]) -> Layout:
        """A random layout. The order of the draws is the stream: it must not change."""
        lanes = int(rng.integers(2, 5))
        lane_width = rng.uniform(3.3, 3.7)
        half_width = lanes * lane_width / 2
        side = int(rng.choice([-1, 1]))
        time = draw_time(rng)
        view = _pick(rng, VIEWS)
        camera = Camera(rng, size, half_width, view)
        light = Light(rng, time)
        curvature = rng.normal() * 0.0007 * (rng.random() < 0.7)
        outer_shoulder, inner_shoulder = rng.uniform(1.5, 3.2), rng.uniform(0.6, 2.2)
        median = _pick(rng, MEDIANS)
        median_width = {"barrier": 0.7, "grass": rng.uniform(4, 10), "rail": rng.uniform(1.5, 3.5)}[median]
        oncoming_lanes = int(rng.integers(2, 5))
        roadside = _pick(rng, ROADSIDES)
        return cls(
            seed,
            size,
            lanes,
            lane_width,
            half_width,
            side,
            time,
            view,
            camera,
            light,
            curvature,
            outer_shoulder,
            inner_shoulder,
            median,
            median_width,
            oncoming_lanes,
            roadside,
        )

    @property
    def oncoming_start(self) -> float:
        """The near edge of the other carriageway's lanes."""
        return self.half_width + self.inner_shoulder + self.median_width + self.inner_shoulder

    @property
    def oncoming_end(self) -> float:
        """The far edge of the other carriageway's lanes."""
        return self.oncoming_start + self.oncoming_lanes * self.lane_width

    def at(self, s: ArrayLike, z: ArrayLike, y: ArrayLike = 0.0) -> Array:
        """World points [..., 3] of road coordinates; `y` is the height above the road."""
        s, z, y = np.broadcast_arrays(np.asarray(s, float), np.asarray(z, float), np.asarray(y, float))
        return np.stack([self.side * s + self.curvature * z**2 / 2, y, z], -1)


def _pick(rng: Rng, shares: dict[str, float]) -> str:
    return str(rng.choice(list(shares), p=list(shares.values())))
