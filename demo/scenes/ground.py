"""Sky and ground, computed per pixel: clouds, grass, tarmac, markings, shadows, wetness, haze."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.layout import Layout
from demo.scenes.light import Light, tonemap
from demo.scenes.noise import bank

FARTHEST = 4000  # metres
GRASS, DRY_GRASS = vec([0.10, 0.13, 0.045]), vec([0.19, 0.16, 0.08])
ASPHALT, CONCRETE, GRAVEL = vec([1, 0.99, 0.96]), vec([0.30, 0.29, 0.27]), vec([0.26, 0.25, 0.23])
WHITE_LINE, YELLOW_LINE = vec([0.72, 0.72, 0.70]), vec([0.75, 0.45, 0.05])


@dataclass(frozen=True, slots=True)
class Shadows:
    """Outlines in pixels: shadows that the sun casts, and the dark below each vehicle."""

    cast: list[list[tuple[float, float]]] = field(default_factory=list)
    contact: list[Array] = field(default_factory=list)


def backdrop(layout: Layout, rng: Rng, shadows: Shadows, scale: int) -> Image.Image:
    """The scene without anything that stands in it, RGB, `scale` times the layout's size."""
    width, height = layout.size
    rays = layout.camera.rays()
    vertical = rays[..., 1]
    slope = vertical / np.linalg.norm(rays, axis=-1)
    radiance = np.zeros((height, width, 3), np.float32)
    sky_rows = np.nonzero((vertical > 0).any(1))[0]
    horizon = sky_rows[-1] + 1 if len(sky_rows) else 0
    radiance[:horizon] = _sky(layout, rng, rays[:horizon], slope[:horizon])
    top = np.nonzero((vertical < 0).any(1))[0][0]
    ground = _Ground.under(layout, rays[top:])
    albedo = _albedo(layout, rng, ground)
    lit = _lit(layout, rng, ground, albedo, slope[top:], _masks(layout.size, shadows, top))
    radiance[top:] = np.where(ground.above[..., None], radiance[top:], lit)
    picture = Image.fromarray(tonemap(radiance, layout.light.exposure).astype(np.uint8))
    return picture.resize((width * scale, height * scale), Image.Resampling.BICUBIC)


def _sky(layout: Layout, rng: Rng, rays: Array, slope: Array) -> Array:
    light, noises = layout.light, bank().noises
    elevation = np.clip(slope, 0, 1)
    blue = lerp(
        light.horizon.astype(np.float32),
        light.zenith.astype(np.float32),
        (np.clip(elevation * 2.2, 0, 1) ** 0.55)[..., None],
    )
    k = 38 / np.maximum(rays[..., 1], 0.012)
    u, v = rays[..., 0] * k + float(rng.integers(512)), rays[..., 2] * k + float(rng.integers(512))
    clouds = _texture(noises[0], v, u) * 0.7 + _texture(noises[1], v * 3, u * 3) * 0.3
    cover = rng.uniform(0.35, 0.75) if layout.time != "overcast" else 0.15
    strength = 0.9 if layout.time in ("day", "golden", "dusk") else 0.35
    amount = np.clip((clouds - cover) * 5, 0, 1) * np.clip(elevation * 14, 0, 1) * strength
    colour = lerp(light.horizon * 1.15, light.ambient * 1.2 + light.sun * 0.12, 0.5).astype(np.float32)
    return lerp(blue, colour * (1.15 - 0.35 * clouds[..., None]), amount[..., None])


def _texture(noise: Array, v: Array, u: Array) -> Array:
    """A tileable [512, 512] texture at whole coordinates."""
    return noise[v.astype(np.int32) & 511, u.astype(np.int32) & 511]


@dataclass(frozen=True, slots=True)
class _Ground:
    """Road coordinates of the pixels [H, W] of the lower part of the picture, all float32.

    Attributes:
        above: where a ray does not meet the ground.
        t: distance along the ray in units of its length. `length`: of the ray.
        s, z: where it meets the ground. `step_s`, `step_z`: a pixel's footprint there.
    """

    above: Array
    t: Array
    length: Array
    s: Array
    z: Array
    step_s: Array
    step_z: Array

    @classmethod
    def under(cls, layout: Layout, rays: Array) -> _Ground:
        camera = layout.camera
        above = rays[..., 1] > 0
        t = np.where(above, 1e4, -float(camera.altitude) / np.minimum(rays[..., 1], -1e-4)).astype(np.float32)
        t = np.minimum(t, FARTHEST)
        x, z = float(camera.position[0]) + t * rays[..., 0], t * rays[..., 2]
        near_z = np.minimum(z, 900)
        s = layout.side * (x - (float(layout.curvature) / 2) * near_z * near_z)
        step_s = t / float(camera.focal)
        step_z = np.maximum(t * t / float(camera.focal * camera.altitude), step_s)
        return cls(above, t, np.linalg.norm(rays, axis=-1), s, z, step_s, step_z)

    def noise(self, i: int, scale_s: float, scale_z: float, offset: int = 0) -> Array:
        """Noise number `i` on the ground around 0, faded out where a pixel covers too much of it."""
        a = _texture(bank().noises[i], self.z * scale_z + offset, self.s * scale_s + (3 * offset + 100))
        return (a - 0.5) * np.clip(1.6 - self.step_z * (scale_z / 3), 0, 1)

    def line(self, centre: float, width: float) -> Array:
        """How much of each pixel a line along the road covers, 0..1."""
        edge = np.clip((width / 2 - np.abs(self.s - centre)) / self.step_s + 0.5, 0, 1)
        return edge * np.minimum(1, width / self.step_s)


@dataclass(frozen=True, slots=True)
class _Surface:
    """Albedo float32 [H, W, 3], where the carriageways are, and the noises that shaped it."""

    albedo: Array
    ours: Array
    theirs: Array
    coarse: Array


def _albedo(layout: Layout, rng: Rng, ground: _Ground) -> _Surface:
    half, inner, outer = layout.half_width, layout.inner_shoulder, layout.outer_shoulder
    start, end = layout.oncoming_start, layout.oncoming_end
    ours_colour = ASPHALT * rng.uniform(0.085, 0.20)
    theirs_colour = ours_colour * rng.uniform(0.85, 1.2)
    if rng.random() < 0.18:
        ours_colour = CONCRETE * rng.uniform(0.8, 1.1)
    grass_colour = GRASS if rng.random() < 0.6 else DRY_GRASS
    coarse, middle, fine = ground.noise(0, 6, 2.2, 11), ground.noise(1, 30, 9, 51), ground.noise(3, 110, 70, 77)
    s = ground.s
    albedo = np.empty((*s.shape, 3), np.float32)
    tufts = 1 + 1.3 * ground.noise(0, 9, 7, 5) + 1.2 * ground.noise(2, 60, 40, 9) + 0.8 * fine
    grass = grass_colour.astype(np.float32) * tufts[..., None]
    albedo[:] = grass * np.clip(1 - 0.004 * np.minimum(ground.step_z, 60), 0.7, 1)[..., None]
    ours = (s > -half - outer) & (s < half + inner)
    theirs = (s > start - inner) & (s < end + outer)
    tarmac = _tarmac(layout, rng, ground, 1 + 0.5 * coarse + 0.35 * middle + 0.5 * fine, coarse)
    albedo[ours] = (ours_colour.astype(np.float32) * tarmac[..., None])[ours]
    albedo[theirs] = (theirs_colour.astype(np.float32) * tarmac[..., None])[theirs]
    for _ in range(rng.integers(0, 4)):  # repairs
        a, b = rng.uniform(-half, half - 2), rng.uniform(6, 70)
        patch = (s > a) & (s < a + rng.uniform(1, 3.4)) & (ground.z > b) & (ground.z < b + rng.uniform(2, 14)) & ours
        albedo[patch] *= rng.uniform(0.7, 1.25)
    if layout.median != "grass":
        median = (s > half + inner) & (s < start - inner)
        albedo[median] = (GRAVEL * (1 + 0.6 * middle + 0.4 * coarse + 0.5 * fine)[..., None])[median]
    albedo = _markings(layout, rng, ground, albedo, middle, fine)
    return _Surface(albedo, ours, theirs, coarse)


def _tarmac(layout: Layout, rng: Rng, ground: _Ground, tarmac: Array, coarse: Array) -> Array:
    """Wheel tracks, oil, lane tones, cracks and seams on top of plain tarmac."""
    half, lane_width, s, z = layout.half_width, layout.lane_width, ground.s, ground.z
    in_lane = np.mod(s + half, lane_width) - lane_width / 2
    track = np.exp(-(((np.abs(in_lane) - 0.85) / 0.32) ** 2))
    oil = np.exp(-((in_lane / 0.35) ** 2))
    lanes = (np.abs(s) < half) | ((s > layout.oncoming_start) & (s < layout.oncoming_end))
    tarmac = tarmac * (1 - lanes * (0.10 * track + 0.07 * oil) * (1 + 2 * coarse))
    lane = np.floor((s + half) / lane_width).astype(np.int32)
    slab = np.floor(z / 55).astype(np.int32) * 3 + lane
    tone = (
        rng.uniform(0.9, 1.1, 64).astype(np.float32)[lane % 64]
        * rng.uniform(0.9, 1.1, 64).astype(np.float32)[slab % 64]
    )
    tarmac = tarmac * np.where(lanes, tone, rng.uniform(0.85, 1.2))
    crack = np.abs(_texture(bank().noises[1], z * 14, s * 14 + 9) - 0.5) < 0.006
    tarmac = np.where(crack & (ground.t < 40) & lanes, tarmac * 0.75, tarmac)
    for j in range(1, layout.lanes):
        tarmac = tarmac * (1 - 0.25 * ground.line(-half + j * lane_width + 0.12, 0.05))
    return tarmac


def _markings(layout: Layout, rng: Rng, ground: _Ground, albedo: Array, middle: Array, fine: Array) -> Array:
    """Edge lines and dashed lane lines, worn."""
    white = WHITE_LINE * rng.uniform(0.75, 1.05)
    yellow = YELLOW_LINE * rng.uniform(0.7, 1)
    inner_edge = yellow if rng.random() < 0.4 else white
    period, dash = float(rng.choice([9.0, 12.0])), rng.uniform(2.8, 4.5)
    phase = np.mod(ground.z + rng.uniform(0, 12), period)
    dashes = np.clip((dash / 2 - np.abs(phase - dash / 2)) / ground.step_z + 0.5, 0, 1)
    dashes = np.where(ground.step_z > period / 2, dash / period, dashes)
    worn = np.clip(1.0 + 1.4 * middle + 0.8 * fine - rng.uniform(0, 0.35), 0.1, 1)
    for first, n in ((-layout.half_width, layout.lanes), (layout.oncoming_start, layout.oncoming_lanes)):
        for j in range(n + 1):
            centre = first + j * layout.lane_width
            if 0 < j < n:
                colour, cover = white, ground.line(centre, 0.13) * dashes
            else:
                inner = (j == n) == (first < 0)
                colour, cover = inner_edge if inner else white, ground.line(centre, 0.16)
            albedo = lerp(albedo, colour.astype(np.float32), (cover * worn)[..., None])
    return albedo


def _masks(size: tuple[int, int], shadows: Shadows, top: int) -> tuple[Array, Array]:
    """How much sun and how much sky the ground below row `top` is without, 0..1, [H, W, 1] each."""
    cast, contact = Image.new("L", size), Image.new("L", size)
    draw = ImageDraw.Draw(cast)
    for outline in shadows.cast:
        draw.polygon([tuple(p) for p in outline], fill=225)
    draw = ImageDraw.Draw(contact)
    for outline in shadows.contact:
        draw.polygon([tuple(p) for p in outline], fill=235)

    def mask(image: Image.Image, radius: float) -> Array:
        return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32)[top:, :, None] / 255

    return mask(cast, 1.6), mask(contact, size[0] / 320)


def _lit(
    layout: Layout, rng: Rng, ground: _Ground, surface: _Surface, slope: Array, masks: tuple[Array, Array]
) -> Array:
    """Radiance of the ground: lit, shadowed, wet where it rains, seen through the haze."""
    light: Light = layout.light
    cast, contact = masks
    upwards = max(0, light.direction[1])
    ambient, sun, horizon = (c.astype(np.float32) for c in (light.ambient, light.sun * upwards, light.horizon))
    lit = surface.albedo * (ambient * (1 - 0.85 * contact) + sun * (1 - np.maximum(cast, contact)))
    if light.wet or rng.random() < 0.05:
        grazing = np.clip(1 - np.abs(slope), 0, 1)[..., None] ** 5
        mirror = grazing * np.clip(0.75 + 1.5 * surface.coarse, 0, 1)[..., None]
        roads = (surface.ours | surface.theirs)[..., None]
        lit = np.where(roads, lerp(lit * 0.7, horizon * 0.9, mirror * 0.55), lit)
    haze = 1 - np.exp(np.minimum(ground.t * ground.length, 3000) * -float(light.haze))
    return lerp(lit, horizon * np.float32(0.97), haze[..., None])
