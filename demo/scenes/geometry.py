"""Vectors and the pinhole camera. Metres; x right, y up, z along the road; pixels from the top left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
Rng = np.random.Generator
vec = np.array


def lerp(a: Any, b: Any, t: Any) -> Any:
    """Linear interpolation from `a` (t = 0) to `b` (t = 1)."""
    return a + (b - a) * t


def convex_hull(points: Array) -> list[tuple[float, float]]:
    """The convex hull of [N, 2] points (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, points))
    return _half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1]


def _half_hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    chain: list[tuple[float, float]] = []
    for q in points:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], q) <= 0:
            chain.pop()
        chain.append(q)
    return chain


def _turn(o: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])


class Camera:
    """Where the picture is taken from: on an overpass, on a pole beside the road, or in a car.

    Attributes:
        width, height: of the picture, pixels.
        altitude, x: of the lens, metres.
        focal: focal length, pixels.
        rotation: [3, 3], world to camera. `position`: [3], of the lens in the world.
    """

    def __init__(self, rng: Rng, size: tuple[int, int], road_half_width: float, view: str) -> None:
        self.width, self.height = size
        if view == "overpass":
            self.altitude = rng.uniform(5.2, 8.5)
            self.x = rng.uniform(-road_half_width * 0.9, road_half_width * 0.9)
            field_of_view, pitch = rng.uniform(30, 58), rng.uniform(7.5, 15)
        elif view == "gantry":
            self.altitude = rng.uniform(4.0, 6.5)
            self.x = rng.choice([-1, 1]) * (road_half_width + rng.uniform(0.5, 2))
            field_of_view, pitch = rng.uniform(30, 50), rng.uniform(7, 12)
        else:
            self.altitude = rng.uniform(1.35, 2.3)
            self.x = rng.uniform(-road_half_width * 0.7, road_half_width * 0.7)
            field_of_view, pitch = rng.uniform(42, 64), rng.uniform(1.0, 4.5)
        yaw = math.atan2(-self.x * rng.uniform(0.3, 0.9), 45) + math.radians(rng.normal() * 1.5)
        self.focal = self.width / 2 / math.tan(math.radians(field_of_view / 2))
        self.rotation = _rotation(yaw, math.radians(pitch), math.radians(rng.normal() * 0.5))
        self.position = vec([self.x, self.altitude, 0.0])

    def project(self, points: ArrayLike) -> tuple[Array, Array]:
        """World points [..., 3] to pixels [..., 2] and their depth [...] in metres."""
        q = (np.asarray(points, float) - self.position) @ self.rotation.T
        z = np.maximum(q[..., 2], 0.05)
        u = self.width / 2 + self.focal * q[..., 0] / z
        v = self.height / 2 - self.focal * q[..., 1] / z
        return np.stack([u, v], -1), q[..., 2]

    def rays(self) -> Array:
        """The direction that each pixel looks in, float32 [height, width, 3], not normalised."""
        u, v = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        d = np.stack(
            [(u - self.width / 2) / self.focal, -(v - self.height / 2) / self.focal, np.ones_like(u)],
            -1,
        )
        return (d @ self.rotation).astype(np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> Array:
    cy, sy, cp, sp, cr, sr = (g(a) for a in (yaw, pitch, roll) for g in (math.cos, math.sin))
    about_y = vec([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = vec([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = vec([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y
