"""Paint and the parts that several kinds of vehicle share."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from demo.scenes.face import Face
from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.mesh import Material, Mesh, Profile

PAINTS = [  # colour, and its weight
    ((0.74, 0.74, 0.73), 34),
    ((0.42, 0.43, 0.44), 16),
    ((0.16, 0.165, 0.175), 16),
    ((0.02, 0.02, 0.022), 14),
    ((0.03, 0.06, 0.22), 6),
    ((0.28, 0.02, 0.02), 6),
    ((0.09, 0.01, 0.02), 3),
    ((0.36, 0.32, 0.24), 3),
    ((0.03, 0.09, 0.06), 2),
    ((0.05, 0.16, 0.30), 2),
    ((0.45, 0.22, 0.03), 1),
    ((0.50, 0.42, 0.05), 1),
]
DARK = vec([0.014, 0.014, 0.015])
CHROME = vec([0.5, 0.5, 0.52])
WINDSCREEN: Material = (vec([0.02, 0.024, 0.028]), 0.5)
SIDE_WINDOW = (0.02, 0.025, 0.03)
CARGO = vec([0.25, 0.16, 0.08])
LAMP_RED = (0.38, 0.012, 0.015)
LAMP_AMBER = (0.7, 0.3, 0.05)
BRAKE_STRIP = (0.3, 0.01, 0.01)
REARWARDS = (0, 0, -1)


def paint(rng: Rng, white: float = 0.0) -> Array:
    """A body colour; white with the given probability, and by weight otherwise."""
    if rng.random() < white:
        return vec(PAINTS[0][0]) * rng.uniform(0.85, 1.08)
    weights = vec([p[1] for p in PAINTS], float)
    return vec(PAINTS[rng.choice(len(PAINTS), p=weights / weights.sum())][0]) * rng.uniform(0.8, 1.15)


def upright(x0: float, x1: float, y0: float, y1: float, z: float) -> list[tuple[float, float, float]]:
    """The corners of a rectangle that faces along the road."""
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def mirrors(
    mesh: Mesh, half_width: float, y: float, z: float, colour: ArrayLike, group: int = 0, scale: float = 1.0
) -> None:
    """A pair of outside mirrors."""
    for side in (-1, 1):
        x0, x1 = sorted((side * half_width, side * (half_width + 0.15 * scale)))
        mesh.box(x0, x1, y, y + 0.14 * scale, z, z + 0.1, colour, 0.1, group, 0.5)


def side_windows(
    mesh: Mesh,
    widths: tuple[float, float],
    heights: tuple[float, float],
    ends: tuple[float, float],
    rakes: tuple[float, float],
    group: int = 0,
    posts: tuple[float, ...] = (0.35, 0.68),
) -> None:
    """Side windows on both sides: a trapezoid split by pillars.

    `widths` and `heights` are (bottom, top); `ends` and `rakes`, how far the top is shorter, (rear, front).
    """
    for side in (-1, 1):
        for a, b in pairwise((0.0, *posts, 1.0)):
            low = [(side * (widths[0] + 0.006), heights[0], lerp(*ends, t)) for t in (a + 0.02, b - 0.02)]
            high = [
                (side * (widths[1] + 0.006), heights[1], lerp(ends[0] + rakes[0], ends[1] - rakes[1], t))
                for t in (b - 0.02, a + 0.02)
            ]
            mesh.add([*low, *high], SIDE_WINDOW, 0.55, 0, (side, 0.15, 0), group, 1.3)


def bumper(face: Face, rng: Rng, colour: Array, y0: float, y1: float, plastic: bool) -> None:
    """The lower rear: bumper, insert, reflectors and, sometimes, an exhaust."""
    face.panel(-0.97, 0.97, y0, y1, DARK * 1.8 if plastic else colour * 0.85, 0.12, n=7)
    face.panel(-0.62, 0.62, y0 - 0.01, y0 + 0.1, DARK, 0.05, n=5, layer=0.1)
    for side in (-1, 1):
        face.panel(*sorted((side * 0.68, side * 0.86)), y0 + 0.1, y0 + 0.14, BRAKE_STRIP, 0.2, n=2, layer=0.2)
    if rng.random() < 0.6:
        side = rng.choice([-1, 1])
        face.panel(*sorted((side * 0.5, side * 0.62)), y0 - 0.02, y0 + 0.03, CHROME * 0.5, 0.4, n=3, layer=0.3)


def bulge(profile: Profile, materials: list[Material], first: int, amount: float) -> tuple[Profile, list[Material]]:
    """Split the segment after `first` into three and push it rearwards, so that light grades over it."""
    a, b = vec(profile[first]), vec(profile[first + 1])
    middle = [tuple(lerp(a, b, t) - vec([amount * 4 * t * (1 - t), 0, 0])) for t in np.arange(1, 3) / 3]
    cut = first + 1
    return profile[:cut] + middle + profile[cut:], materials[:cut] + [materials[first]] * 2 + materials[cut:]


def load(mesh: Mesh, rng: Rng, half_width: float, floor: float, length: float, group: int, layer: float) -> None:
    """One to three crates on a load bed."""
    for _ in range(rng.integers(1, 4)):
        colour = paint(rng) if rng.random() < 0.5 else CARGO * rng.uniform(0.4, 1.2)
        sx, sy, sz = rng.uniform(0.15, 0.45) * half_width, rng.uniform(0.15, 0.65), rng.uniform(0.25, 0.7)
        x, z = rng.uniform(-half_width + sx, half_width - sx), rng.uniform(0.1, max(0.15, length - sz - 0.1))
        mesh.box(x - sx, x + sx, floor, floor + sy, z, z + sz, colour, 0.05, group, layer + 0.05 * (1 - z / 3))
