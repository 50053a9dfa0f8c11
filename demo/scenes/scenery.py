"""What stands beside and above the road: hills, trees, buildings, walls, rails, gantries, poles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demo.scenes.canvas import BACKGROUND, Canvas
from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.light import tonemap
from demo.scenes.noise import bank

Colour = tuple[float, float, float]
Colours = tuple[Colour, Colour]
Item = tuple[float, str, float, Any]  # z, kind, place across the road, size

GREENS: list[Colours] = [
    ((0.035, 0.07, 0.02), (0.10, 0.14, 0.035)),
    ((0.05, 0.08, 0.03), (0.13, 0.13, 0.05)),
    ((0.03, 0.055, 0.03), (0.07, 0.10, 0.05)),
]
BARK = vec([0.09, 0.07, 0.05])
FACADES = [
    vec([0.45, 0.40, 0.33]),
    vec([0.30, 0.16, 0.11]),
    vec([0.5, 0.5, 0.48]),
    vec([0.24, 0.26, 0.29]),
    vec([0.55, 0.48, 0.36]),
]
WINDOW, LIT_WINDOW = vec([0.04, 0.05, 0.06]), vec([1.2, 0.8, 0.4])
STEEL, POLE = (0.30, 0.31, 0.32), vec([0.28, 0.29, 0.30])
SIGNS = [(0.01, 0.16, 0.06), (0.02, 0.07, 0.28)]
SIGN_NAMES = ["City", "Airport", "North", "Harbour", "Ring Rd", "Exit 12", "M4 West", "Centre", "Port"]
TREES_PER_SIDE = 85
TREE_DENSITY = {"trees": 1.0, "wall": 0.45, "city": 0.4}


def draw_roadside(canvas: Canvas, rng: Rng) -> None:
    """Everything behind the traffic, from the hills to the outer guard rails."""
    layout = canvas.layout
    flips = np.random.default_rng([layout.seed, 999])
    _hills(canvas, rng)
    greens = GREENS[rng.integers(3)]
    standing: list[Item] = []
    walls = []
    outer_edges = ((-1, layout.half_width + layout.outer_shoulder), (1, layout.oncoming_end + layout.outer_shoulder))
    for outwards, edge in outer_edges:
        standing += _plan_trees(canvas, rng, outwards, edge)
        if layout.roadside != "trees" or rng.random() < 0.3:
            standing += _plan_buildings(canvas, rng, outwards, edge)
        if layout.roadside == "wall":
            walls.append((outwards * (edge + 2.6), rng.uniform(3, 5)))
    for z, kind, place, size in sorted(standing, key=lambda item: -item[0]):
        if kind == "tree":
            _tree(canvas, flips, bank().trees[rng.integers(12)], place, z, size, greens)
        else:
            _building(canvas, rng, z, place, *size)
    for s, height in walls:
        _noise_wall(canvas, rng, s, height)
    for s in (-(outer_edges[0][1] + 0.5), outer_edges[1][1] + 0.5):
        if rng.random() < 0.75:
            draw_rail(canvas, s)


def _hills(canvas: Canvas, rng: Rng) -> None:
    noises, light = bank().noises, canvas.layout.light
    azimuths = np.linspace(-1.2, 1.2, 160)
    for k in range(rng.integers(1, 3)):
        row = noises[0][int(rng.integers(512))]
        ridge = row[(np.arange(160) * 2 + 17 * k) % 512] * 0.6 + noises[2][7][(np.arange(160) * 3) % 512] * 0.12
        d = 1800 - 500 * k
        top = vec(
            [
                [d * math.sin(a), d * 0.10 * max(0.0, h - 0.2), d * math.cos(a)]
                for a, h in zip(azimuths, ridge, strict=True)
            ]
        )
        foot = top[::-1].copy()
        foot[:, 1] = -4
        points, depth = canvas.layout.camera.project(np.concatenate([top, foot]))
        if (depth > 1).all():
            radiance = vec([0.05, 0.08, 0.05]) * (light.ambient + light.sun * 0.4)
            radiance = light.through_haze(radiance, vec(900.0 - 250 * k))
            canvas.polygon(np.clip(points, -4000, 6000), tonemap(radiance, light.exposure))


def _plan_trees(canvas: Canvas, rng: Rng, outwards: int, edge: float) -> list[Item]:
    """(z, "tree", x, height) for each tree on one side."""
    layout, trees = canvas.layout, []
    for distance in np.geomspace(14, 700, int(TREES_PER_SIDE * TREE_DENSITY[layout.roadside])):
        z = distance * rng.uniform(0.95, 1.05)
        s = outwards * (edge + rng.uniform(3.5, 9) + abs(rng.normal()) * 8)
        if layout.roadside == "wall":
            s += outwards * 4
        trees.append((z, "tree", layout.at(s, z)[0], rng.uniform(4, 11)))
    return trees


def _plan_buildings(canvas: Canvas, rng: Rng, outwards: int, edge: float) -> list[Item]:
    """(z, "building", s, (outwards, width, depth, height)) for each building on one side."""
    tall = canvas.layout.roadside == "city"
    buildings, z = [], rng.uniform(40, 70)
    while z < 420:
        width, depth = rng.uniform(12, 34), rng.uniform(12, 30)
        height = rng.uniform(7, 42) if tall else rng.uniform(5, 14)
        s = outwards * (edge + rng.uniform(9, 18))
        buildings.append((z, "building", s, (outwards, width, depth, height)))
        z += depth + rng.uniform(4, 50)
    return buildings


def _tree(canvas: Canvas, flips: Rng, sprite: Image.Image, x: float, z: float, height: float, greens: Colours) -> None:
    """Paste a tree sprite that stands at (x, z)."""
    light, scale = canvas.layout.light, canvas.scale
    points, depth = canvas.layout.camera.project(vec([[x, 0, z], [x, height, z]]))
    if depth.min() < 4:
        return
    h = (points[0, 1] - points[1, 1]) * scale
    if h < 3 or h > 2600:
        return
    w = h * 0.95
    x0, y0 = int(points[1, 0] * scale - w / 2), int(points[1, 1] * scale)
    if x0 > canvas.image.width or x0 + w < 0 or y0 > canvas.image.height or y0 + h < 0:
        return
    size = max(2, int(w)), max(2, int(h))
    small = min(size[0], 256), min(size[1], 256)
    image = sprite.resize(small, Image.Resampling.BILINEAR)
    if flips.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shade, hue, bark, alpha = np.split(np.asarray(image, np.float32) / 255, 4, axis=-1)
    colour = lerp(lerp(vec(greens[0]), vec(greens[1]), hue), BARK, bark)
    radiance = colour * (light.ambient * 0.75 + light.sun * 0.42) * (shade * 1.6)
    radiance = light.through_haze(radiance, vec(float(z)))
    pixels = np.concatenate([tonemap(radiance, light.exposure), alpha * 255], -1).astype(np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    if small != size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    canvas.image.paste(image, (x0, y0), image)


def _building(
    canvas: Canvas, rng: Rng, z: float, s: float, outwards: int, width: float, depth: float, height: float
) -> None:
    layout, camera = canvas.layout, canvas.layout.camera
    colour = FACADES[rng.integers(5)] * rng.uniform(0.7, 1.15)
    x0, x1 = sorted((layout.at(s, z)[0], layout.at(s + outwards * width, z)[0]))
    near = x0 if abs(x0 - camera.x) < abs(x1 - camera.x) else x1
    z1 = z + depth
    canvas.flat([(x0, 0, z), (x1, 0, z), (x1, height, z), (x0, height, z)], colour)
    canvas.flat([(near, 0, z), (near, 0, z1), (near, height, z1), (near, height, z)], colour)
    if camera.altitude > height:
        canvas.flat([(x0, height, z), (x1, height, z), (x1, height, z1), (x0, height, z1)], colour * 0.7)
    if z > 330:
        return
    ahead = near + (0.05 if camera.x > near else -0.05)
    for frontal, n in ((True, int(width / 3.2)), (False, int(depth / 3.2))):
        for a, b, y0, y1, glass in _windows(canvas, rng, z, height, n):
            if frontal:
                u0, u1 = lerp(x0, x1, a), lerp(x0, x1, b)
                pane = [(u0, y0, z - 0.05), (u1, y0, z - 0.05), (u1, y1, z - 0.05), (u0, y1, z - 0.05)]
            else:
                w0, w1 = lerp(z, z1, a), lerp(z, z1, b)
                pane = [(ahead, y0, w0), (ahead, y0, w1), (ahead, y1, w1), (ahead, y1, w0)]
            canvas.flat(pane, glass)


def _windows(
    canvas: Canvas, rng: Rng, z: float, height: float, n: int
) -> list[tuple[float, float, float, float, Array]]:
    """(from, to, bottom, top, colour) of each window of a facade `n` windows wide, or of each band."""
    if n < 1:
        return []
    light = canvas.layout.light
    floors = max(1, int(height / 3.4))
    band = rng.random() < 0.35 or z > 160
    windows = []
    for i in range(floors):
        y0, y1 = height * (i + 0.35) / floors, height * (i + 0.8) / floors
        for j in range(1 if band else n):
            a, b = (0.03, 0.97) if band else ((j + 0.22) / n, (j + 0.78) / n)
            if light.lamps > 0.9:
                glass = WINDOW + LIT_WINDOW * (rng.random() < 0.4)
            else:
                glass = WINDOW + light.environment(vec(0.3)) * 0.22 * rng.uniform(0.3, 1)
            windows.append((a, b, y0, y1, glass))
    return windows


def _noise_wall(canvas: Canvas, rng: Rng, s: float, height: float) -> None:
    """A wall of panels with two seams and a post each."""
    layout = canvas.layout
    colour = vec([0.34, 0.31, 0.27]) * rng.uniform(0.7, 1.2)
    up = vec([0, height, 0])
    z = np.arange(5, 300, 5.0)[::-1]
    for i in range(len(z) - 1):
        tone = colour * rng.uniform(0.94, 1.05)
        a, b = layout.at(s, z[i]), layout.at(s, z[i + 1])
        canvas.flat([a, b, b + up, a + up], tone)
        if z[i] < 140:
            for y in (0.33, 0.66):
                canvas.flat([a + up * y, b + up * y, b + up * (y + 0.015), a + up * (y + 0.015)], tone * 0.75)
            post = (b - a) * 0.05
            canvas.flat([a, a + post, a + post + up * 1.05, a + up * 1.05], tone * 0.8)


def draw_rail(canvas: Canvas, s: float, z0: float = 2.0) -> None:
    """A guard rail on posts."""
    for z in np.arange(4, 120, 4.0)[::-1]:
        _post(canvas, canvas.layout.at(s, z), 0.06, 0.75, (0.16, 0.16, 0.16))
    for y0, y1, c in ((0.45, 0.56, 0.30), (0.56, 0.64, 0.18), (0.64, 0.76, 0.38)):
        canvas.ribbon((s, s), (y0, y1), z0, 320, vec([c, c, c * 1.02]))


def _post(
    canvas: Canvas,
    foot: Array,
    half_width: float,
    height: float,
    colour: Colour,
    object_id: int | None = None,
) -> None:
    left, right = vec([-half_width, 0, 0]), vec([half_width, 0, 0])
    top = [foot + vec([half_width, height, 0]), foot + vec([-half_width, height, 0])]
    canvas.flat([foot + left, foot + right, *top], colour, object_id)


def draw_median(canvas: Canvas, rng: Rng) -> list[tuple[float, float, float]]:
    """The barrier or rail between the carriageways; returns (z, s, arm) of the lamp poles on it."""
    layout = canvas.layout
    centre = layout.half_width + layout.inner_shoulder + layout.median_width / 2
    if layout.median == "barrier":
        colour = vec([0.40, 0.39, 0.36]) * rng.uniform(0.75, 1.1)
        stains = [colour * v for v in rng.uniform(0.92, 1.05, 7)]
        w = layout.median_width / 2
        near = -1 if layout.camera.x * layout.side < centre else 1
        foot, waist, top = centre + near * w, centre + near * w * 0.55, centre + near * w * 0.3
        canvas.ribbon((foot, waist), (0, 0.28), 1, 400, [v * 0.9 for v in stains])
        canvas.ribbon((waist, top), (0.28, 0.88), 1, 400, stains)
        canvas.ribbon((centre - w * 0.3, centre + w * 0.3), (0.88, 0.88), 1, 400, colour)
    elif layout.median == "rail":
        draw_rail(canvas, centre, 1.0)
    if layout.median != "grass" and rng.random() < 0.4:
        return [(z, centre, layout.side * rng.choice([-1, 1])) for z in np.arange(rng.uniform(12, 40), 260, 38)]
    return []


def draw_pole(canvas: Canvas, z: float, s: float, arm: float) -> None:
    """A lamp pole; `arm` is the direction of its arm, -1 or 1. At dusk the lamp is lit."""
    layout = canvas.layout
    p = layout.at(s, z)
    pole = [(-0.11, 0, 0), (0.11, 0, 0), (0.07, 9, 0), (-0.07, 9, 0)]
    shade = [(0.035, 0, -0.05), (0.11, 0, -0.05), (0.07, 9, -0.05), (0.02, 9, -0.05)]
    canvas.flat([p + vec(c) for c in pole], POLE, BACKGROUND)
    canvas.flat([p + vec(c) for c in shade], POLE * 0.7, BACKGROUND)
    q = p + vec([arm * 2.2, 9.4, 0])
    canvas.flat([p + vec([0, 8.9, 0]), q, q + vec([0, 0.12, 0]), p + vec([0, 9.05, 0])], POLE, BACKGROUND)
    if layout.light.lamps >= 1:
        points, depth = layout.camera.project(q[None])
        if depth[0] > 3:
            r = max(0.6, layout.camera.focal * 0.22 / depth[0] / 2)
            x, y = points[0] / 2
            canvas.lamps.ellipse([x - r, y - r, x + r, y + r], fill=(255, 205, 130))


def draw_gantry(canvas: Canvas, rng: Rng, z: float) -> None:
    """A sign gantry over our carriageway."""
    layout = canvas.layout
    a, b = -(layout.half_width + layout.outer_shoulder + 0.8), layout.half_width + layout.inner_shoulder + 0.3
    y = 6.0
    for s in (a, b):
        _post(canvas, layout.at(s, z), 0.2, y + 1.6, STEEL, BACKGROUND)
    for height in (y, y + 1.3):
        _beam(canvas, layout.at(a, z, height), layout.at(b, z, height), 0.18)
    for i in range(12):
        p = layout.at(lerp(a, b, i / 12), z, y + (1.3 if i % 2 else 0))
        q = layout.at(lerp(a, b, (i + 1) / 12), z, y + (0 if i % 2 else 1.3))
        _beam(canvas, p, q, 0.1)
    n = rng.integers(1, 3)
    background = SIGNS[rng.integers(2)]
    for i in range(n):
        centre = lerp(a, b, (i + 0.5) / n + rng.uniform(-0.08, 0.08))
        half_width, half_height = rng.uniform(1.6, 2.8), rng.uniform(0.9, 1.4)
        left = layout.at(centre - half_width, z - 0.2, y + 0.6)
        right = layout.at(centre + half_width, z - 0.2, y + 0.6)
        if left[0] > right[0]:
            left, right = right, left
        _sign(canvas, rng, left, right, half_height, background)


def _beam(canvas: Canvas, p: Array, q: Array, thickness: float) -> None:
    up = vec([0, thickness, 0])
    canvas.flat([p, q, q + up, p + up], STEEL, BACKGROUND)


def _sign(canvas: Canvas, rng: Rng, left: Array, right: Array, half_height: float, colour: Colour) -> None:
    """A sign between two points, with two lines of text where it is large enough to be read."""
    light, scale = canvas.layout.light, canvas.scale
    up = vec([0, half_height, 0])
    canvas.flat([left - up, right - up, right + up, left + up], (0.7, 0.7, 0.7), BACKGROUND)
    edge, inner = vec([0.08, 0, 0]), vec([0, half_height - 0.08, 0])
    face = [left + edge - inner, right - edge - inner, right - edge + inner, left + edge + inner]
    canvas.flat(face, colour, BACKGROUND)
    points, depth = canvas.layout.camera.project(vec([left + edge + inner, right - edge - inner]))
    width, height = (points[1] - points[0]) * scale
    if depth.min() <= 8 or width <= 26 or height <= 10:
        return
    text = Image.new("L", (int(width), int(height)))
    draw = ImageDraw.Draw(text)
    font = ImageFont.load_default(max(6, int(height * 0.36)))
    draw.text((width * 0.08, height * 0.06), str(rng.choice(SIGN_NAMES)), 255, font)
    draw.text((width * 0.08, height * 0.50), str(rng.choice(SIGN_NAMES)), 255, font)
    radiance = light.through_haze(vec([0.75] * 3) * (light.ambient + light.sun * 0.2), depth[0])
    ink = tonemap(radiance, light.exposure)
    canvas.image.paste(tuple(int(v) for v in ink), tuple((points[0] * scale).astype(int)), text)
