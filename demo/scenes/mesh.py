"""Vehicle bodies as flat polygons in local metres: x right, y up, z forward, the rear at z = 0.

Polygons are drawn by the painter's algorithm: first by `group` (the farther group first), then by
ascending `layer` within a group, then by distance.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from demo.scenes.geometry import Array, vec

Profile = list[tuple[float, ...]]
Material = tuple[Any, float]

TYRE_SHADOW = (0.008,) * 3
TYRE = (0.012,) * 3
TREAD = (0.014,) * 3
RIM = (0.20,) * 3
HUB = (0.05,) * 3
SPOKE = (0.24,) * 3


class Body(NamedTuple):
    """One vehicle: its mesh, its width, height and length in metres, and its subtype's name."""

    mesh: Mesh
    dims: tuple[float, float, float]
    subtype: str


class Mesh:
    """Lists of polygons and, for each, its colour, gloss, emission, normal's hint and (group, layer).

    A hint is a vector on the side that the polygon is seen from. `coarse` meshes have less detail,
    for vehicles of few pixels.
    """

    def __init__(self, coarse: bool = False) -> None:
        self.coarse = coarse
        self.points: list[Array] = []
        self.colours: list[Array] = []
        self.gloss: list[float] = []
        self.emission: list[float] = []
        self.hints: list[ArrayLike] = []
        self.keys: list[tuple[int, float]] = []

    def add(
        self,
        points: ArrayLike,
        colour: ArrayLike,
        gloss: float = 0.0,
        emission: float = 0.0,
        hint: ArrayLike = (0, 0, 0),
        group: int = 0,
        layer: float = 0,
    ) -> None:
        """One flat polygon, [N, 3]."""
        self.points.append(np.asarray(points, float))
        self.colours.append(np.asarray(colour, float))
        self.gloss.append(gloss)
        self.emission.append(emission)
        self.hints.append(hint)
        self.keys.append((group, layer))

    def box(
        self,
        x0: float,
        x1: float,
        y0: float,
        y1: float,
        z0: float,
        z1: float,
        colour: ArrayLike,
        gloss: float = 0.05,
        group: int = 0,
        layer: float = 0,
        top: ArrayLike | None = None,
    ) -> None:
        """A block without its underside; `top` is the colour of its upper side."""
        rear = [(x0, y0, z0), (x1, y0, z0), (x1, y1, z0), (x0, y1, z0)]
        front = [(x, y, z1) for x, y, _ in rear]
        self.add(rear, colour, gloss, 0, (0, 0, -1), group, layer)
        self.add(front, colour, gloss, 0, (0, 0, 1), group, layer)
        for x, side in ((x0, -1), (x1, 1)):
            self.add([(x, y0, z0), (x, y0, z1), (x, y1, z1), (x, y1, z0)], colour, gloss, 0, (side, 0, 0), group, layer)
        lid = [(x0, y1, z0), (x1, y1, z0), (x1, y1, z1), (x0, y1, z1)]
        self.add(lid, colour if top is None else top, gloss, 0, (0, 1, 0), group, layer)

    def loft(
        self,
        profile: Profile,
        materials: list[Material],
        belt: float,
        plan: float = 0.14,
        columns: int = 9,
        group: int = 0,
        layer: float = 1,
        crown: float = 0.05,
        length: float = 4.5,
    ) -> None:
        """A body of (z, y, half width) from the rear bottom over the roof to the front bottom.

        `materials` has one (colour, gloss) per segment; `belt` is the height of the waist, `plan` how
        far the ends bulge in plan, `crown` how far the roof falls to its edges, all in metres.
        """
        prof = np.asarray(profile, float)
        u = np.linspace(-1, 1, columns)
        s = np.where(prof[:, 0] < length / 2, 1.0, -1.0) * plan * np.clip(prof[:, 1] / 0.5, 0.3, 1)
        z = prof[:, :1] + s[:, None] * (0.3 * u**2 + 0.7 * u**4)
        y = prof[:, 1:2] - crown * np.abs(u) ** 3 * (prof[:, 1:2] > prof[:, 1].max() - 0.12)
        grid = np.stack([prof[:, 2:3] * u, y, z], -1)  # [profile, column, 3]
        middle = vec([0, prof[:, 1].mean() * 0.8, length / 2])
        quads = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]], 2)
        hints = quads.mean(2) - middle
        n = columns - 1
        for i in range(len(prof) - 1):
            colour, gloss = materials[i]
            self.points += list(quads[i])
            self.hints += hints[i].tolist()
            self.colours += [colour] * n
            self.gloss += [gloss] * n
            self.emission += [0.0] * n
            self.keys += [(group, layer)] * n
        body = vec(materials[-1][0]) if len(materials) >= len(prof) else vec(materials[len(materials) // 2][0])
        self._flanks(grid, prof[:, 1], belt, body, group, layer)

    def _flanks(self, grid: Array, heights: Array, belt: float, colour: Array, group: int, layer: float) -> None:
        """Both sides of a lofted body: below the waist, the darker sill, above the waist."""
        low, high = heights <= belt + 1e-6, heights >= belt - 1e-6
        for side, j in ((-1, 0), (1, -1)):
            lower = grid[low, j].copy()
            self.add(lower, colour, 0.25, 0, (side, -0.05, 0), group, layer)
            sill = lower.copy()
            sill[:, 1] = np.minimum(sill[:, 1], 0.58)
            self.add(sill, colour * 0.72, 0.1, 0, (side, -0.2, 0), group, layer + 0.1)
            if high.sum() > 2:
                self.add(grid[high, j], colour, 0.25, 0, (side, 0.1, 0), group, layer)

    def wheels(
        self, half_track: float, radius: float, axles: tuple[float, ...], tyre: float = 0.22, group: int = 0
    ) -> None:
        """Wheels on both sides at each of the `axles` (z); `tyre` is the tread's width."""
        for z in axles:
            for side in (-1, 1):
                self._wheel(side, half_track, radius, z, group)
                x0, x1 = sorted((side * half_track * 0.985, side * (half_track - tyre)))
                self.box(x0, x1, 0.0, radius * 1.5, z - radius * 0.75, z + radius * 0.75, TREAD, 0.02, group, 0)

    def _wheel(self, side: int, half_track: float, radius: float, z: float, group: int) -> None:
        a = np.linspace(0, 2 * np.pi, 7 if self.coarse else 19)[:-1]

        def disc(r: float) -> Array:
            return np.stack(
                [np.full(len(a), side * (half_track + 0.005)), radius + r * np.cos(a), z + r * np.sin(a)], -1
            )

        outwards = (side, 0, 0)
        self.add(disc(radius * 1.13), TYRE_SHADOW, 0, 0, outwards, group, 1.5)
        self.add(disc(radius), TYRE, 0, 0, outwards, group, 1.6)
        self.add(disc(radius * 0.64), RIM, 0.3, 0, outwards, group, 1.7)
        if self.coarse:
            return
        self.add(disc(radius * 0.5), HUB, 0.1, 0, outwards, group, 1.75)
        centre = vec([side * (half_track + 0.006), radius, z])
        for t in np.arange(5) * 1.2566 + z:
            d = vec([0, math.cos(t), math.sin(t)]) * radius
            e = vec([0, -math.sin(t), math.cos(t)]) * radius * 0.09
            spoke = [centre + d * 0.1 + e, centre + d * 0.6 + e, centre + d * 0.6 - e, centre + d * 0.1 - e]
            self.add(spoke, SPOKE, 0.3, 0, outwards, group, 1.8)
