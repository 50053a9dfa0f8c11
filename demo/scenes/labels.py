"""Boxes of what can be seen of each vehicle, and which of them are labelled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from demo.scenes.canvas import Canvas
from demo.scenes.geometry import Array
from demo.scenes.traffic import Vehicle

Region = list[int]  # left, top, width, height, pixels

MIN_VISIBLE = 0.35  # share of the vehicle's own pixels that nothing hides
MAX_TRUNCATED = 0.6  # share of the vehicle's box outside the picture
MIN_WIDTH, MIN_HEIGHT = 13, 11  # pixels at 960 wide


class Drawn(NamedTuple):
    """A vehicle in the id image, and how many pixels it had before others were drawn over it."""

    vehicle: Vehicle
    pixels: int


def visible_objects(canvas: Canvas, drawn: dict[int, Drawn]) -> list[dict[str, Any]]:
    """What can be seen of every vehicle: box (left, top, width, height), class and attributes."""
    ids = np.asarray(canvas.ids)
    ys, xs = np.nonzero(ids)
    owners = ids[ys, xs]
    objects = []
    for object_id, (vehicle, total) in drawn.items():
        mine = owners == object_id
        box = _tight_box(xs[mine], ys[mine])
        if box is None:
            continue
        objects.append(
            {
                "bbox": box,
                "class": vehicle.class_name,
                "subtype": vehicle.body.subtype,
                "visible": round(int(mine.sum()) / max(1, total), 3),
                "truncated": round(_truncated(canvas, vehicle), 3),
                "distance": round(float(vehicle.distance), 1),
            }
        )
    return objects


def _tight_box(xs: Array, ys: Array) -> Region | None:
    """The box around pixels, without slivers at its edges; None when too little is left."""
    if len(xs) < 12:
        return None
    x0, y0 = xs.min(), ys.min()
    columns, rows = np.bincount(xs - x0), np.bincount(ys - y0)
    columns = np.nonzero(columns >= max(2, 0.06 * columns.max()))[0]
    rows = np.nonzero(rows >= max(2, 0.06 * rows.max()))[0]
    if len(columns) < 3 or len(rows) < 3:
        return None
    width, height = columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]
    return [int(x0 + columns[0]), int(y0 + rows[0]), int(width), int(height)]


def _truncated(canvas: Canvas, vehicle: Vehicle) -> float:
    """The share of the vehicle's projected box that lies outside the picture."""
    width, height = canvas.layout.size
    points, _ = canvas.layout.camera.project(vehicle.to_world(np.concatenate(vehicle.body.mesh.points)))
    u, v = points[:, 0], points[:, 1]
    whole = np.ptp(u) * np.ptp(v)
    inside = (min(width, u.max()) - max(0, u.min())) * (min(height, v.max()) - max(0, v.min()))
    return float(1 - inside / whole)


def split_labelled(objects: list[dict[str, Any]], size: tuple[int, int]) -> tuple[list[dict[str, Any]], list[Region]]:
    """Objects that are labelled, and regions around the others, which are to be ignored."""
    scale = size[0] / 960
    labelled, rest = [], []
    for item in objects:
        _, _, width, height = item["bbox"]
        large = width >= MIN_WIDTH * scale and height >= MIN_HEIGHT * scale
        clear = item["visible"] >= MIN_VISIBLE and item["truncated"] < MAX_TRUNCATED
        (labelled if large and clear else rest).append(item)
    return labelled, _clusters([item["bbox"] for item in rest], size)


def _clusters(boxes: list[Region], size: tuple[int, int]) -> list[Region]:
    """The boxes, 2 pixels wider on each side, merged where they touch, inside the picture."""
    merged: list[list[int]] = []
    for x, y, width, height in boxes:
        b = [x - 2, y - 2, x + width + 2, y + height + 2]
        touching = [c for c in merged if c[0] < b[2] and b[0] < c[2] and c[1] < b[3] and b[1] < c[3]]
        for c in touching:
            merged.remove(c)
            b = [min(b[0], c[0]), min(b[1], c[1]), max(b[2], c[2]), max(b[3], c[3])]
        merged.append(b)
    width, height = size
    regions = []
    for x0, y0, x1, y1 in merged:
        left, top = max(0, x0), max(0, y0)
        regions.append([left, top, min(width, x1) - left, min(height, y1) - top])
    return regions
