"""Times of day and weather: sun, sky, haze, and from radiance to display values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from demo.scenes.geometry import Array, Rng, lerp, vec

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Time:
    """One kind of light, and how often it occurs.

    Attributes:
        share: of all scenes; the shares sum to 1.
        sun, ambient, zenith, horizon: radiance, linear RGB.
        elevation: of the sun, degrees, range.
        exposure: factor before tone mapping.
        haze: extinction, 1 / metre.
        lamps: how strongly lamps are lit, 0 to 1.
    """

    share: float
    sun: Rgb
    ambient: Rgb
    zenith: Rgb
    horizon: Rgb
    elevation: tuple[float, float]
    exposure: float
    haze: float
    lamps: float


TIMES = {
    "day": Time(
        0.36, (2.3, 2.15, 1.9), (0.62, 0.72, 0.9), (0.22, 0.42, 0.85), (0.80, 0.92, 1.05), (30, 68), 0.62, 0.0011, 0.0
    ),
    "overcast": Time(
        0.2, (0.25, 0.25, 0.25), (1.0, 1.03, 1.08), (0.75, 0.8, 0.88), (1.0, 1.02, 1.05), (40, 70), 0.78, 0.0018, 0.15
    ),
    "golden": Time(
        0.16, (2.4, 1.55, 0.8), (0.42, 0.45, 0.6), (0.25, 0.38, 0.65), (1.15, 0.90, 0.64), (8, 20), 0.72, 0.0014, 0.35
    ),
    "dusk": Time(
        0.12,
        (0.10, 0.08, 0.09),
        (0.20, 0.23, 0.36),
        (0.08, 0.12, 0.28),
        (0.55, 0.38, 0.34),
        (10, 20),
        1.35,
        0.0024,
        1.0,
    ),
    "fog": Time(
        0.07, (0.1, 0.1, 0.1), (0.95, 0.98, 1.0), (0.85, 0.88, 0.9), (0.92, 0.94, 0.95), (40, 60), 0.80, 0.0105, 0.8
    ),
    "rain": Time(
        0.09, (0.08, 0.08, 0.08), (0.62, 0.66, 0.72), (0.5, 0.54, 0.6), (0.66, 0.70, 0.74), (40, 60), 0.95, 0.0045, 0.9
    ),
}


def draw_time(rng: Rng) -> str:
    """The name of a time, drawn by its share."""
    return str(rng.choice(list(TIMES), p=[time.share for time in TIMES.values()]))


def tonemap(radiance: ArrayLike, exposure: float) -> Array:
    """Linear radiance to display values 0..255, float32 (filmic curve, then gamma 2.2)."""
    x = np.maximum(np.asarray(radiance, np.float32) * np.float32(exposure), 0)
    y = np.clip(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1)
    return (255 * y ** (1 / 2.2)).astype(np.float32)


class Light:
    """The light of one scene: its time's values, each a little varied.

    Attributes:
        sun, ambient, zenith, horizon: radiance, float64 [3].
        direction: unit vector towards the sun, [3].
        exposure, haze, lamps: as in `Time`. `wet`: whether the road shines.
    """

    def __init__(self, rng: Rng, name: str) -> None:
        time = TIMES[name]
        self.sun, self.ambient, self.zenith, self.horizon = (
            vec(c) * rng.uniform(0.9, 1.1) for c in (time.sun, time.ambient, time.zenith, time.horizon)
        )
        elevation, azimuth = math.radians(rng.uniform(*time.elevation)), rng.uniform(0, 2 * math.pi)
        self.direction = vec(
            [
                math.cos(elevation) * math.sin(azimuth),
                math.sin(elevation),
                math.cos(elevation) * math.cos(azimuth),
            ]
        )
        self.exposure = time.exposure * rng.uniform(0.85, 1.2)
        self.haze = time.haze * rng.uniform(0.6, 1.5)
        self.lamps = time.lamps
        self.wet = name == "rain"

    def environment(self, vertical: ArrayLike) -> Array:
        """Radiance seen along directions with this vertical component, [..., 3]."""
        ry = np.asarray(vertical)[..., None]
        sky = lerp(self.horizon, self.zenith, np.clip(ry, 0, 1) ** 0.6)
        ground = self.ambient * 0.13 + self.sun * 0.06
        return np.where(ry > 0.02, sky, np.where(ry > -0.06, self.horizon * 0.45, ground))

    def through_haze(self, radiance: Array, distance: ArrayLike) -> Array:
        """What is left of a radiance [..., 3] after `distance` metres of haze."""
        t = 1 - np.exp(-np.asarray(distance) * self.haze)
        return lerp(radiance, self.horizon * 0.97, t[..., None])
