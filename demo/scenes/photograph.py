"""From the drawn scene to a photograph: glow, rain, blur, vignette, colour, grain."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from demo.scenes.canvas import Canvas
from demo.scenes.geometry import Array, Rng
from demo.scenes.layout import Layout


def develop(canvas: Canvas, rng: Rng) -> Image.Image:
    """The finished picture at the layout's size."""
    layout = canvas.layout
    pixels = _with_glow(canvas)
    if layout.light.wet:
        pixels += _rain(layout.size, rng)
    image = _through_lens(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), rng)
    return _on_sensor(image, layout, rng)


def _with_glow(canvas: Canvas) -> Array:
    """The picture scaled down, with light of lamps added, float32 [H, W, 3]."""
    width, height = size = canvas.layout.size
    pixels = np.asarray(canvas.image.resize((width, height), Image.Resampling.BOX), np.float32)

    def spread(radius: float) -> Array:
        blurred = canvas.glow.filter(ImageFilter.GaussianBlur(radius))
        return np.asarray(blurred.resize(size, Image.Resampling.BILINEAR), np.float32)

    narrow, wide = spread(width / 480), spread(width / 110)
    k = 0.30 + 0.7 * canvas.layout.light.lamps
    return 255 - (255 - pixels) * (1 - np.clip(narrow / 255 * 0.55 * k, 0, 1)) * (
        1 - np.clip(wide / 255 * 0.9 * k, 0, 1)
    )


def _rain(size: tuple[int, int], rng: Rng) -> Array:
    width, height = size
    streaks = Image.new("L", size)
    draw = ImageDraw.Draw(streaks)
    for _ in range(420):
        x, y, length = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(5, 22) * width / 960
        draw.line([x, y, x + length * 0.12, y + length], fill=int(rng.uniform(15, 60)))
    return np.asarray(streaks.filter(ImageFilter.GaussianBlur(0.7)), np.float32)[..., None] * 0.6


def _through_lens(image: Image.Image, rng: Rng) -> Image.Image:
    """Out of focus, moved, or sharp."""
    scale = image.width / 960
    kind = rng.random()
    if kind < 0.16:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.9, 2.1) * scale))
    if kind < 0.30:
        return _moved(image, rng, scale)
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.7) * scale))
    if rng.random() < 0.6:
        image = image.filter(ImageFilter.UnsharpMask(1.4, int(rng.uniform(30, 110)), 2))
    return image


def _moved(image: Image.Image, rng: Rng, scale: float) -> Image.Image:
    length = int(rng.integers(3, 9) * scale) + 1
    angle = rng.uniform(-0.4, 0.4) + (math.pi / 2) * (rng.random() < 0.3)
    pixels = np.asarray(image, np.float32)
    padded = np.pad(pixels, ((length, length), (length, length), (0, 0)), "edge")
    steps = [(length + round(math.sin(angle) * i), length + round(math.cos(angle) * i)) for i in range(length)]
    total = sum(padded[y : y + image.height, x : x + image.width] for y, x in steps)
    return Image.fromarray((total / length).astype(np.uint8))


def _on_sensor(image: Image.Image, layout: Layout, rng: Rng) -> Image.Image:
    """Vignette, white balance, saturation, contrast, grain."""
    width, height = image.size
    pixels = np.array(image, np.float32)
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32)
    corner = ((xx - width / 2) / width) ** 2 + ((yy - height / 2) / height) ** 2
    pixels *= (1 - rng.uniform(0.02, 0.22) * corner * 2)[..., None] * (1 + rng.normal(0, 0.03, 3))
    saturation, contrast = rng.uniform(0.75, 1.12), rng.uniform(0.9, 1.1)
    grey = pixels.mean(-1, keepdims=True)
    pixels = grey + (pixels - grey) * saturation
    pixels = (pixels - 118) * contrast + 118
    strength = rng.uniform(0.8, 3.2) * (1.7 if layout.time in ("dusk", "rain") else 1)
    grain = rng.normal(0, 1, (height, width, 1)) * 0.8 + rng.normal(0, 1, (height, width, 3)) * 0.5
    pixels += grain * strength * np.sqrt(np.clip(pixels, 8, 255) / 128 + 0.2)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
