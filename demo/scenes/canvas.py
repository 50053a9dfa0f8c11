"""What a scene is drawn on: a super-sampled picture, an image of object ids, and the glow of lamps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from demo.scenes.geometry import Array, vec
from demo.scenes.layout import Layout
from demo.scenes.light import tonemap

NEAR = 0.3  # metres; what is nearer is clipped
BACKGROUND = 0  # the object id of everything without a label


class Canvas:
    """The picture is `scale` times as large as the frame; ids are at 1x, glow at half.

    Attributes:
        image, ids, glow: Pillow images, RGB, L and RGB. `lamps`: draws on `glow`.
    """

    def __init__(self, layout: Layout, backdrop: Image.Image, scale: int) -> None:
        self.layout, self.scale = layout, scale
        width, height = layout.size
        self.image = backdrop
        self.ids = Image.new("L", (width, height))
        self.glow = Image.new("RGB", (width // 2, height // 2))
        self.lamps = ImageDraw.Draw(self.glow)
        self._picture = ImageDraw.Draw(self.image)
        self._objects = ImageDraw.Draw(self.ids)

    def polygon(self, points: Array, colour: ArrayLike, object_id: int | None = None) -> None:
        """A polygon of pixels [N, 2]; colour in 0..255; where an id is given it takes the id image too."""
        fill = tuple(int(c) for c in np.asarray(colour))
        self._picture.polygon([tuple(p) for p in (points * self.scale).tolist()], fill=fill)
        if object_id is not None:
            self._objects.polygon([tuple(p) for p in points.tolist()], fill=object_id)

    def flat(self, points: ArrayLike, colour: ArrayLike, object_id: int | None = None) -> None:
        """A polygon that stands in the world, [N, 3]: clipped, shaded, seen through the haze, drawn."""
        camera, light = self.layout.camera, self.layout.light
        p = np.asarray(points, float)
        q = _clip((p - camera.position) @ camera.rotation.T)
        if not len(q):
            return
        u = camera.width / 2 + camera.focal * q[:, 0] / q[:, 2]
        v = camera.height / 2 - camera.focal * q[:, 1] / q[:, 2]
        if u.max() < -50 or u.min() > camera.width + 50 or v.max() < -50 or v.min() > camera.height + 50:
            return
        normal = np.cross(p[1] - p[0], p[2] - p[0])
        normal = normal / (np.linalg.norm(normal) + 1e-9)
        if normal @ (camera.position - p.mean(0)) < 0:
            normal = -normal
        sun = light.sun * max(0, normal @ light.direction)
        radiance = np.asarray(colour) * (light.ambient * (0.6 + 0.4 * normal[1]) + sun)
        radiance = light.through_haze(radiance, vec(np.linalg.norm(q.mean(0))))
        self.polygon(np.clip(np.stack([u, v], -1), -4000, 6000), tonemap(radiance, light.exposure), object_id)

    def ribbon(
        self,
        s: tuple[float, float],
        y: tuple[float, float],
        z0: float,
        z1: float,
        colour: Array | list[Array],
        n: int = 48,
    ) -> None:
        """A strip along the road between two (s, y) edges; a list of colours is used in turn."""
        z = np.geomspace(max(z0, 0.5), z1, n)[::-1]
        a, b = self.layout.at(s[0], z, y[0]), self.layout.at(s[1], z, y[1])
        for i in range(n - 1):
            self.flat([a[i], a[i + 1], b[i + 1], b[i]], colour[i % len(colour)] if isinstance(colour, list) else colour)


def _clip(q: Array) -> Array:
    """The part of a polygon in camera space [N, 3] that is farther than NEAR."""
    if (q[:, 2] < NEAR).all():
        return q[:0]
    if not (q[:, 2] < NEAR).any():
        return q
    kept = []
    for a, b in zip(q, np.roll(q, -1, 0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    return vec(kept)
