"""Details drawn on the rear of a lofted body: panels, windows, lamps, the number plate."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.light import Light
from demo.scenes.mesh import Mesh, Profile

RED = vec([0.38, 0.012, 0.015])
AMBER = (0.7, 0.3, 0.05)
REVERSING = (0.6, 0.58, 0.5)
PLATES = [(0.75, 0.75, 0.72), (0.75, 0.75, 0.72), (0.8, 0.62, 0.08), (0.85, 0.85, 0.85)]


class Face:
    """Maps (u, y) on a body's rear to 3-D: u from -1 (left edge) to 1 (right edge), y in metres."""

    def __init__(
        self, mesh: Mesh, profile: Profile, plan: float, group: int = 0, off: float = 0.012, layer: float = 3
    ) -> None:
        self.mesh, self.plan, self.group, self.off, self.layer = mesh, plan, group, off, layer
        prof = np.asarray(profile, float)
        top = int(np.argmax(prof[:, 1])) + 1
        self.profile = prof[:top]
        self.heights = np.maximum.accumulate(self.profile[:, 1] + np.arange(top) * 1e-6)
        self.steps = np.diff(self.heights) + 1e-9
        self.z_and_width = self.profile[:, [0, 2]]

    def points(self, u: Array, y: ArrayLike) -> Array:
        """[N, 3] for N pairs of (u, y), a little in front of the body."""
        y = np.asarray(y, float)
        i = np.clip(np.searchsorted(self.heights, y) - 1, 0, len(self.heights) - 2)
        t = np.clip((y - self.heights[i]) / self.steps[i], 0, 1)
        z, width = self.z_and_width[i].T * (1 - t) + self.z_and_width[i + 1].T * t
        bulge = self.plan * np.clip(y / 0.5, 0.3, 1) * (0.3 * u**2 + 0.7 * u**4) - self.off
        return np.stack([width * u, y, z + bulge], -1)

    def panel(
        self,
        u0: float,
        u1: float,
        y0: float,
        y1: float,
        colour: ArrayLike,
        gloss: float = 0.2,
        emission: float = 0.0,
        cut: float = 0.0,
        taper: float = 0.0,
        n: int = 5,
        layer: float = 0,
    ) -> None:
        """A panel with `n` points along each edge, its corners `cut`, its top narrower by `taper`."""
        t = np.linspace(0, 1, n)
        k = np.zeros(n)
        k[[0, -1]] = cut * (y1 - y0)
        narrowed = 0.5 + (t - 0.5) * (1 - taper)
        u = np.concatenate([u0 + (u1 - u0) * t, (u0 + (u1 - u0) * narrowed)[::-1]])
        points = self.points(u, np.concatenate([y0 + k, y1 - k]))
        self.mesh.add(points, colour, gloss, emission, (0, 0.15, -1), self.group, self.layer + layer)

    def glass(
        self,
        u0: float,
        u1: float,
        y0: float,
        y1: float,
        rng: Rng,
        light: Light,
        taper: float = 0.1,
        heads: bool = True,
    ) -> None:
        """A window with the sky mirrored in it and, sometimes, head rests behind it."""
        tint = vec([0.018, 0.022, 0.025]) * rng.uniform(0.5, 1.6)
        self.panel(u0 - 0.02, u1 + 0.02, y0 - 0.02, y1 + 0.02, (0.01,) * 3, 0.1, cut=0.18, taper=taper)
        k0, k1 = sorted(rng.uniform(0.02, 0.42, 2))
        if rng.random() < 0.5:
            k0, k1 = k1, k0
        sky = light.environment(vec(0.5))
        n = 2 if self.mesh.coarse else 6
        for i in range(n):
            a, b = y0 + (y1 - y0) * i / n, y0 + (y1 - y0) * (i + 1) / n
            m = (u1 - u0) * (taper * i / n) / 2
            k = lerp(k0, k1, (i + 0.5) / n)
            self.panel(u0 + m, u1 - m, a, b + 0.004, tint + sky * k * 0.33, 0.04, taper=taper / n, layer=0.1)
        if heads and not self.mesh.coarse and rng.random() < 0.6:
            for seat in (-0.42, 0.42) if rng.random() < 0.7 else (-0.45, 0.0, 0.45):
                c = seat * (u1 - u0) / 2 * 1.1 + (u0 + u1) / 2
                top = y0 + (y1 - y0) * rng.uniform(0.3, 0.5)
                colour = tint * 0.7 + sky * min(k0, k1) * 0.2
                self.panel(c - 0.11, c + 0.11, y0 + 0.01, top, colour, 0, cut=0.4, n=6, layer=0.2)

    def lamps(self, u0: float, u1: float, y0: float, y1: float, brake: float, amber: bool = True) -> None:
        """A pair of tail lamps, with an amber or white part at their lower inner corner."""
        for side in (-1, 1):
            a, b = (u0, u1) if side > 0 else (-u1, -u0)
            self.panel(a, b, y0, y1, RED * 0.75, 0.25, 0, cut=0.12, n=4)
            lo, hi = lerp(y0, y1, 0.3), lerp(y0, y1, 0.92)
            self.panel(lerp(a, b, 0.1), lerp(a, b, 1 - 0.1), lo, hi, RED, 0.1, brake, n=3, layer=0.1)
            c0, c1 = (a, lerp(a, b, 0.35)) if side > 0 else (lerp(a, b, 0.65), b)
            colour = AMBER if amber else REVERSING
            self.panel(c0, c1, y0 + (y1 - y0) * 0.08, lerp(y0, y1, 0.3), colour, 0.2, 0, n=2, layer=0.2)

    def plate(self, u: float, y: float, rng: Rng, width: float = 0.19, height: float = 0.055) -> None:
        """A number plate around (u, y) with marks that look like letters."""
        h, hw = height, width / self.profile[:, 2].max()
        background = PLATES[rng.integers(4)]
        self.panel(u - hw - 0.02, u + hw + 0.02, y - h - 0.02, y + h + 0.02, (0.02,) * 3, 0, layer=0.3)
        self.panel(u - hw, u + hw, y - h, y + h, background, 0.05, n=2, layer=0.4)
        if self.mesh.coarse:
            return
        for i in (0, 1, 2, 4, 5, 6):
            x = u - hw * 0.86 + hw * 1.74 * i / 7
            a, b = rng.uniform(0, 0.07, 2)
            self.panel(x, x + hw * (0.12 + a), y - h * 0.55, y + h * 0.55, (0.06, 0.06, 0.1), 0, n=2, layer=0.5)
            lo, hi = y - h * 0.3 + h * b, y + h * 0.15
            self.panel(x + hw * 0.05, x + hw * 0.09, lo, hi, background, 0, n=2, layer=0.55)
