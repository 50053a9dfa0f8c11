"""Utes (pickup trucks): with a tub, a flat tray, or a canopy over the tub.

The cab is mesh group 0 and what stands behind it is group 1, drawn over it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from demo.scenes.bodywork import (
    BRAKE_STRIP,
    CHROME,
    DARK,
    LAMP_AMBER,
    LAMP_RED,
    REARWARDS,
    WINDSCREEN,
    load,
    mirrors,
    paint,
    side_windows,
    upright,
)
from demo.scenes.face import Face
from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.light import Light
from demo.scenes.mesh import Body, Mesh, Profile

SUBTYPES = {"tub": 0.48, "tray": 0.32, "canopy": 0.20}
CAB, BED = 0, 1
SILL = 0.42


class _Shape(NamedTuple):
    """Measures of one ute, metres: half width, cab height, length, bed's length and rim."""

    half_width: float
    height: float
    length: float
    bed: float
    rim: float


def make_ute(rng: Rng, light: Light, brake: float, coarse: bool = False) -> Body:
    """A ute seen from behind; `brake` is how strongly its lamps shine."""
    kind = rng.choice(list(SUBTYPES), p=list(SUBTYPES.values()))
    colour = paint(rng, 0.3)
    mesh = Mesh(coarse)
    half_width, height, length = rng.uniform(0.88, 0.97), rng.uniform(1.68, 1.88), rng.uniform(5.0, 5.4)
    bed = rng.uniform(1.45, 1.75) if rng.random() < 0.6 else rng.uniform(1.9, 2.4)
    if kind == "tray":
        bed += 0.15
    shape = _Shape(half_width, height, length, bed, rng.uniform(0.98, 1.14))
    _cab(mesh, rng, light, shape, colour, brake)
    if kind == "tray":
        tray_half_width = _tray(mesh, rng, shape, colour, brake)
        return Body(mesh, (2 * max(half_width, tray_half_width), height, length), kind)
    _tub(mesh, rng, kind, shape, colour, brake)
    if kind == "canopy":
        height = max(height, _canopy(mesh, rng, light, shape, colour))
    return Body(mesh, (2 * half_width, height, length), kind)


def _cab(mesh: Mesh, rng: Rng, light: Light, shape: _Shape, colour: Array, brake: float) -> None:
    w, height, length, rim = shape.half_width, shape.height, shape.length, shape.rim
    top = w * rng.uniform(0.76, 0.82)
    z0 = shape.bed + 0.06
    profile: Profile = [
        (z0, 0.45, w * 0.95),
        (z0, rim + 0.02, w * 0.97),
        (z0 + 0.03, rim + 0.06, w * 0.93),
        (z0 + 0.22, height - 0.05, top),
        (z0 + 0.4, height, top * 0.97),
        (lerp(z0, length, 0.42), height - 0.01, top),
        (lerp(z0, length, 0.45), height - 0.04, top),
        (lerp(z0, length, 0.66), 1.12, w * 0.9),
        (length * 0.96, 1.0, w * 0.92),
        (length, 0.75, w * 0.95),
        (length - 0.05, 0.4, w * 0.9),
    ]
    materials = [(colour, 0.4)] * 10
    materials[6] = WINDSCREEN
    mesh.loft(profile, materials, rim + 0.06, 0.1, 4 if mesh.coarse else 9, group=CAB, length=length + z0)
    face = Face(mesh, profile, 0.1, group=CAB)
    face.glass(-0.80, 0.80, rim + 0.14, height - 0.13, rng, light, 0.05)
    face.panel(-0.16, 0.16, height - 0.1, height - 0.07, BRAKE_STRIP, 0.1, brake, n=2, layer=0.6)
    side_windows(
        mesh,
        (w * 0.92, top * 1.01),
        (rim + 0.10, height - 0.13),
        (z0 + 0.1, lerp(z0, length, 0.64)),
        (0.18, 0.42),
        posts=(0.5,),
    )
    mirrors(mesh, w * 0.9, rim + 0.1, lerp(z0, length, 0.58), colour * 0.8, scale=1.15)
    mesh.wheels(w * 0.98, 0.37, (0.95, length - 0.9), group=CAB)


def _tray(mesh: Mesh, rng: Rng, shape: _Shape, colour: Array, brake: float) -> float:
    """A flat tray; returns its half width."""
    w, floor = rng.uniform(0.90, 1.0), rng.uniform(0.78, 0.88)
    length, height = shape.bed, shape.height
    metal = vec([0.38, 0.39, 0.40]) * rng.uniform(0.7, 1.2) if rng.random() < 0.7 else colour
    mesh.box(-w * 0.45, w * 0.45, 0.5, floor - 0.06, 0.2, length, DARK * 1.5, 0, BED, 0)
    mesh.box(-w, w, floor - 0.07, floor, 0, length, metal * 0.6, 0.2, BED, 1, top=metal * 0.5)
    side_height = rng.uniform(0.2, 0.32)
    drop_sides = rng.random() < 0.85
    if drop_sides:
        mesh.box(-w, w, floor, floor + side_height, length - 0.04, length, metal, 0.25, BED, 2)
        for side in (-1, 1):
            x0, x1 = sorted((side * w, side * (w - 0.03)))
            mesh.box(x0, x1, floor, floor + side_height, 0, length, metal, 0.25, BED, 2.2)
    load(mesh, rng, w, floor, length, BED, 2.5)
    if drop_sides:
        _tray_tailgate(mesh, w, floor, side_height, metal)
    if rng.random() < 0.75:  # head board and rack
        for x in np.linspace(-0.85, 0.85, rng.integers(4, 8)):
            x0, x1 = x * w - 0.02, x * w + 0.02
            mesh.box(x0, x1, floor, height + 0.04, length - 0.06, length - 0.02, metal * 0.8, 0.2, BED, 2.1)
        mesh.box(-w * 0.88, w * 0.88, height, height + 0.06, length - 0.07, length, metal * 0.8, 0.2, BED, 2.15)
    _tray_lamps(mesh, w, floor, brake)
    return w


def _tray_tailgate(mesh: Mesh, w: float, floor: float, height: float, metal: Array) -> None:
    mesh.box(-w, w, floor, floor + height, -0.03, 0, metal, 0.25, BED, 3.5)
    for i in range(2):
        y = floor + height * (0.3 + 0.33 * i)
        mesh.add(upright(-w * 0.97, w * 0.97, y, y + 0.03, -0.04), metal * 0.6, 0.1, 0, REARWARDS, BED, 3.7)


def _tray_lamps(mesh: Mesh, w: float, floor: float, brake: float) -> None:
    """Lamps below the floor, mud flaps, plate."""
    for s in (-1, 1):
        for x0, x1, y0, y1, colour, emission, layer in (
            (0.52 * w, 0.86 * w, floor - 0.20, floor - 0.09, DARK, 0, 4),
            (0.64 * w, 0.85 * w, floor - 0.19, floor - 0.10, LAMP_RED, brake, 4.1),
            (0.54 * w, 0.63 * w, floor - 0.19, floor - 0.10, LAMP_AMBER, 0, 4.1),
            (0.56 * w, 0.92 * w, 0.22, floor - 0.28, DARK * 1.2, 0, 0.5),
        ):
            mesh.add(upright(s * x0, s * x1, y0, y1, -0.05), colour, 0.15, emission, REARWARDS, BED, layer)
    plate = upright(-0.19, 0.19, floor - 0.24, floor - 0.12, -0.052)
    mesh.add(plate, (0.75, 0.75, 0.7), 0.05, 0, REARWARDS, BED, 4.1)


def _tub(mesh: Mesh, rng: Rng, kind: str, shape: _Shape, colour: Array, brake: float) -> None:
    """Outer body, far inner wall, rim and tailgate."""
    w, rim, length = shape.half_width, shape.rim, shape.bed
    profile: Profile = [
        (0.1, SILL, w * 0.93),
        (0, SILL + 0.06, w * 0.95),
        (0, 0.60, w * 0.95),
        (0.07, 0.63, w * 0.97),
        (0.05, rim - 0.03, w * 0.97),
        (0.06, rim, w * 0.96),
    ]
    _lining(mesh, rng, w, rim, length)
    if kind == "tub":
        _open_tub(mesh, rng, shape)
    for s in (-1, 1):
        x, top = s * w * 0.97, [(s * w * 0.97, rim, 0.05), (s * w * 0.9, rim, 0.05)]
        outer = [(s * w * 0.96, SILL, 0.1), (x, 0.62, 0.05), (x, rim, 0.1), (x, rim, length + 0.04)]
        mesh.add([*outer, (s * w * 0.96, SILL, length + 0.04)], colour, 0.25, 0, (s, 0.05, 0), BED, 2)
        mesh.add([*top, (s * w * 0.9, rim, length), (x, rim, length)], colour, 0.3, 0, (0, 1, 0), BED, 2)
    _tailgate_skin(mesh, rng, profile, colour)
    _tailgate_details(Face(mesh, profile, 0.07, group=BED, layer=4), rng, rim, colour, brake)


def _lining(mesh: Mesh, rng: Rng, w: float, rim: float, length: float) -> None:
    lining = DARK * rng.uniform(1.2, 3)
    mesh.box(-w * 0.9, w * 0.9, 0.6, rim, length - 0.05, length, lining, 0.05, BED, 1)
    floor = [(-w * 0.92, 0.72, 0.1), (w * 0.92, 0.72, 0.1), (w * 0.92, 0.72, length), (-w * 0.92, 0.72, length)]
    mesh.add(floor, lining, 0.02, 0, (0, 1, 0), BED, 1.05)
    for s in (-1, 1):
        x = s * w * 0.9
        wall = [(x, 0.7, 0.08), (x, rim, 0.08), (x, rim, length), (x, 0.7, length)]
        mesh.add(wall, lining * 1.3, 0.05, 0, (-s, 0.1, 0), BED, 1.1)


def _open_tub(mesh: Mesh, rng: Rng, shape: _Shape) -> None:
    """A tonneau cover, or perhaps a load; perhaps a sports bar."""
    w, rim, length = shape.half_width, shape.rim, shape.bed
    if rng.random() < 0.35:
        near, far = rim + 0.01, rim + 0.03
        cover = [(-w * 0.93, near, 0.06), (w * 0.93, near, 0.06), (w * 0.93, far, length), (-w * 0.93, far, length)]
        mesh.add(cover, DARK * 1.5, 0.1, 0, (0, 1, 0), BED, 1.6)
    elif rng.random() < 0.55:
        load(mesh, rng, w * 0.85, 0.72, length, BED, 1.2)
    if rng.random() < 0.3:
        top, z0, z1 = shape.height - 0.08, length - 0.3, length - 0.22
        for s in (-1, 1):
            x0, x1 = sorted((s * w * 0.72, s * w * 0.66))
            mesh.box(x0, x1, rim, top, z0, z1, CHROME * 0.7 if rng.random() < 0.5 else DARK, 0.3, BED, 1.7)
        mesh.box(-w * 0.72, w * 0.72, shape.height - 0.16, top, z0, z1, CHROME * 0.7, 0.3, BED, 1.75)


def _tailgate_skin(mesh: Mesh, rng: Rng, profile: Profile, colour: Array) -> None:
    prof = np.asarray(profile)
    u = np.linspace(-1, 1, 9)
    for i in range(len(prof) - 1):
        for j in range(8):
            corners = ((i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j))
            quad = [(prof[a, 2] * u[b], prof[a, 1], prof[a, 0] + 0.07 * abs(u[b]) ** 4) for a, b in corners]
            if i < 2:
                rng.random()  # unused: the draw keeps the streams of all scenes as they were
            mesh.add(quad, colour, 0.35, 0, (0, 0.1, -1), BED, 3)


def _tailgate_details(face: Face, rng: Rng, rim: float, colour: Array, brake: float) -> None:
    chrome = rng.random() < 0.5
    face.panel(-0.98, 0.98, SILL + 0.03, 0.58, CHROME * 0.8 if chrome else DARK * 2, 0.45 if chrome else 0.1, n=6)
    face.panel(-0.3, 0.3, SILL + 0.1, 0.56, DARK, 0.05, n=3, layer=0.1)
    face.plate(0, 0.50, rng)
    for s in (-1, 1):
        face.panel(*sorted((s * 0.77, s * 0.785)), 0.64, rim - 0.02, DARK, 0, n=2, layer=0.1)
    face.panel(-0.76, 0.76, 0.635, 0.65, DARK, 0, n=4, layer=0.1)
    face.panel(-0.12, 0.12, rim - 0.14, rim - 0.06, DARK if rng.random() < 0.5 else CHROME, 0.2, n=2, layer=0.3)
    if rng.random() < 0.4:
        lettering = lerp(colour, CHROME if colour.mean() < 0.2 else DARK, 0.6)
        face.panel(-0.5, 0.5, 0.74, 0.82, lettering, 0.1, n=3, layer=0.3)
    face.lamps(0.80, 0.985, 0.66, rim - 0.05, brake, amber=rng.random() < 0.6)


def _canopy(mesh: Mesh, rng: Rng, light: Light, shape: _Shape, colour: Array) -> float:
    """A canopy over the tub; returns its height."""
    w, rim, length = shape.half_width, shape.rim, shape.bed
    if rng.random() >= 0.7:
        colour = vec([0.7, 0.7, 0.7]) if rng.random() < 0.5 else DARK * 2
    height = shape.height + rng.uniform(-0.04, 0.12)
    profile: Profile = [
        (0.06, rim, w * 0.95),
        (0.10, rim + 0.06, w * 0.93),
        (0.10 + rng.uniform(0.05, 0.25), height - 0.06, w * 0.83),
        (0.4, height, w * 0.8),
        (length + 0.05, height, w * 0.8),
        (length + 0.05, rim, w * 0.95),
    ]
    mesh.loft(profile, [(colour, 0.35)] * 5, rim + 0.06, 0.06, 7, group=BED, layer=5, length=length * 2 + 0.2)
    face = Face(mesh, profile, 0.06, group=BED, layer=6)
    face.glass(-0.82, 0.82, rim + 0.1, height - 0.14, rng, light, 0.04, heads=False)
    side_windows(
        mesh,
        (w * 0.935, w * 0.85),
        (rim + 0.14, height - 0.14),
        (0.3, length - 0.1),
        (0.06, 0),
        group=BED,
        posts=(0.5,),
    )
    mesh.keys = [(BED, 5.5) if key == (BED, 1.3) else key for key in mesh.keys]  # windows over the canopy's flanks
    return height
