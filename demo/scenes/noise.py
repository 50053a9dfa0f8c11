"""Fractal noise and tree sprites, made once per process from a seed of their own."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from demo.scenes.geometry import Array, Rng

BANK_SEED = 7


@dataclass(frozen=True, slots=True)
class Bank:
    """Textures that all scenes share: float32 [512, 512] noises and RGBA tree sprites."""

    noises: tuple[Array, ...]
    trees: tuple[Image.Image, ...]


@functools.cache
def bank() -> Bank:
    """The textures, made at the first call."""
    rng = np.random.default_rng(BANK_SEED)
    noises = tuple(fractal_noise(rng, 512, beta) for beta in (1.9, 1.9, 1.2, 0.3))
    return Bank(noises, tuple(tree_sprite(rng, kind) for kind in range(12)))


def fractal_noise(rng: Rng, n: int = 512, beta: float = 1.9) -> Array:
    """Tileable 1/f noise in 0..1 with mean 0.5, float32 [n, n]."""
    f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None])
    f[0, 0] = 1.0
    s = np.exp(2j * np.pi * rng.random(f.shape)) / f ** (beta / 2 + 0.5)
    s[0, 0] = 0
    a = np.fft.irfft2(s, (n, n))
    return np.clip(0.5 + a / a.std() * 0.17, 0, 1).astype(np.float32)


def tree_sprite(rng: Rng, kind: int, n: int = 192) -> Image.Image:
    """A tree as an RGBA image whose channels are shade / 1.6, hue mix, bark and alpha."""
    yy, xx = np.mgrid[0:n, 0:n] / n
    field, lit = _crown(rng, yy, xx, conical=kind % 4 == 3)
    fine = fractal_noise(rng, n, 0.6)
    coarse = fractal_noise(rng, n, 1.4)
    alpha = np.clip((field - 0.22 + 1.5 * (fine - 0.5) * np.clip(field * 5, 0, 1)) * 7, 0, 1)
    shade = np.clip(lit + 1.5 * (fine - 0.5) + 0.6 * (coarse - 0.5), 0.12, 1.5)
    trunk = (np.abs(xx - 0.5 - 0.02 * np.sin(yy * 9)) < 0.016 + 0.012 * yy) & (yy > 0.5) & (yy < 0.99)
    hue = np.clip(coarse, 0, 1)
    sprite = np.stack([shade / 1.6, hue, np.zeros_like(hue), alpha], -1)
    sprite[trunk & (alpha < 0.5)] = (0.30, 0.0, 1.0, 1.0)
    return Image.fromarray((255 * np.clip(sprite, 0, 1)).astype(np.uint8), "RGBA")


def _crown(rng: Rng, yy: Array, xx: Array, conical: bool) -> tuple[Array, Array]:
    """Overlapping blobs of leaves: how deep inside one each pixel is, and how lit it is."""
    field, lit = np.zeros(yy.shape), np.zeros(yy.shape)
    for _ in range(34):
        if conical:
            v = rng.random() ** 0.7
            cy, cx, radius = 0.08 + 0.74 * v, 0.5 + rng.normal() * 0.11 * v, 0.04 + 0.10 * v
        else:
            a, q = rng.random() * 6.28, rng.random() ** 0.5
            cy, cx, radius = 0.38 + 0.26 * q * math.sin(a), 0.5 + 0.36 * q * math.cos(a), rng.uniform(0.07, 0.15)
        distance = np.hypot(xx - cx, yy - cy) / radius
        b = np.clip(1.35 - distance, 0, 1)
        field = np.maximum(field, b)
        lit = np.where(b >= field - 1e-6, 0.75 - 0.9 * (yy - cy) / radius * 0.45 + 0.3 * (0.5 - cy), lit)
    return field, lit
