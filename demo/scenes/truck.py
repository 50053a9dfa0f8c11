"""Trucks: box, semi-trailer, curtain side, flat bed, tipper, and the small ones.

The cab is mesh group 0 and what stands behind it is group 1, drawn over it.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from demo.scenes.bodywork import CHROME, DARK, LAMP_AMBER, LAMP_RED, REARWARDS, mirrors, paint, upright
from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.light import Light
from demo.scenes.mesh import Body, Mesh

SUBTYPES = {"box": 0.28, "semi": 0.2, "curtain": 0.14, "flat": 0.10, "tipper": 0.08, "small": 0.2}
CAB, BODY = 0, 1
WOOD = vec([0.2, 0.15, 0.1])
CAB_LENGTH = 2.2


class _Shape(NamedTuple):
    """Measures of one truck, metres: half width, body height, floor, body length, cab height."""

    half_width: float
    height: float
    floor: float
    length: float
    cab_height: float


def make_truck(rng: Rng, light: Light, brake: float, coarse: bool = False) -> Body:
    """A truck seen from behind; `brake` is how strongly its lamps shine."""
    kind = rng.choice(list(SUBTYPES), p=list(SUBTYPES.values()))
    mesh = Mesh(coarse)
    w, height, floor = rng.uniform(1.12, 1.25), rng.uniform(3.1, 4.2), rng.uniform(0.95, 1.2)
    length = rng.uniform(5, 8) if kind != "semi" else rng.uniform(10, 14)
    if kind == "small":
        w, height, floor = rng.uniform(0.95, 1.08), rng.uniform(2.3, 2.9), rng.uniform(0.75, 0.9)
        length = rng.uniform(3.0, 4.2)
    colour = vec([0.68, 0.68, 0.67]) * rng.uniform(0.75, 1.1) if rng.random() < 0.68 else paint(rng)
    cab = paint(rng, 0.4)
    cab_height = min(height, rng.uniform(2.4, 3.2)) if kind != "small" else rng.uniform(2.0, 2.2)
    shape = _Shape(w, height, floor, length, cab_height)
    _cab(mesh, kind, shape, cab)
    _running_gear(mesh, rng, kind, shape)
    _lights(mesh, rng, w, floor, _under_run_bar(mesh, rng, w), brake)
    if kind == "flat":
        _flat_bed(mesh, rng, shape)
        height = 2.6
    elif kind == "tipper":
        height = _tipper(mesh, rng, shape, colour)
    else:
        _box(mesh, rng, kind, shape, colour, brake)
    return Body(mesh, (2 * w, max(height, cab_height), length + CAB_LENGTH), kind)


def _cab(mesh: Mesh, kind: str, shape: _Shape, colour: Array) -> None:
    w, top, z = shape.half_width * 0.93, shape.cab_height, shape.length
    mesh.box(-w, w, 0.7, top, z + 0.3, z + CAB_LENGTH, colour, 0.3, CAB, 1)
    if kind in ("flat", "tipper"):
        window = upright(-w * 0.7, w * 0.7, 1.5, top - 0.35, z + 0.28)
        mesh.add(window, (0.03, 0.035, 0.04), 0.5, 0, REARWARDS, CAB, 1.5)
    mirrors(mesh, w + 0.05, 1.7, z + 1.9, DARK, CAB, 2)


def _running_gear(mesh: Mesh, rng: Rng, kind: str, shape: _Shape) -> None:
    """Chassis, wheels, mud flaps."""
    w, floor, length = shape.half_width, shape.floor, shape.length
    mesh.box(-0.45, 0.45, 0.5, floor, 0.3, length + 2, DARK * 1.4, 0, BODY, 0)
    radius = 0.5 if kind != "small" else 0.38
    rigid = (1.6, 2.9, length + 1.2) if rng.random() < 0.5 else (1.9, length + 1.2)
    axles = {"semi": (1.2, 2.5, 3.8, length - 0.6), "small": (1.0, length + 1.2)}.get(kind, rigid)
    mesh.wheels(w * 0.98, radius, axles, tyre=0.55 if kind != "small" else 0.3, group=BODY)
    for s in (-1, 1):
        x0, x1 = sorted((s * w * 0.97, s * w * 0.5))
        colour = DARK * 1.5 if rng.random() < 0.75 else vec([0.6, 0.6, 0.6])
        flap = upright(x0, x1, 0.18, floor - 0.1, axles[0] - radius - 0.15)
        mesh.add(flap, colour, 0.05, 0, REARWARDS, BODY, 0.8)


def _under_run_bar(mesh: Mesh, rng: Rng, w: float) -> float:
    """The bar below the floor, sometimes striped; returns its height above the road."""
    y = rng.uniform(0.42, 0.58)
    colour = DARK * 2 if rng.random() < 0.7 else vec([0.5, 0.1, 0.02])
    mesh.box(-w * 0.96, w * 0.96, y, y + 0.16, 0.03, 0.12, colour, 0.1, BODY, 1)
    if rng.random() < 0.4:
        for i in range(1, 10, 2):
            x = -w * 0.96 + w * 1.92 * i / 10
            stripe = upright(x, x + w * 0.19, y + 0.02, y + 0.14, 0.02)
            mesh.add(stripe, (0.65, 0.45, 0.02), 0.1, 0, REARWARDS, BODY, 1.2)
    return y


def _lights(mesh: Mesh, rng: Rng, w: float, floor: float, bar: float, brake: float) -> None:
    """A row of one to three lamps on each side under the floor, and the plate."""
    for s in (-1, 1):
        for i in range(rng.integers(1, 4)):
            a = w * (0.9 - 0.17 * i)
            x0, x1 = sorted((s * a, s * (a - w * 0.15)))
            lamp = upright(x0, x1, floor - 0.24, floor - 0.12, 0.0)
            colour = LAMP_RED if i < 2 else LAMP_AMBER
            mesh.add(lamp, colour, 0.2, brake if i < 2 else 0, REARWARDS, BODY, 1.3)
    plate = upright(-0.2, 0.2, bar + 0.18, bar + 0.28, 0.01)
    mesh.add(plate, (0.75, 0.75, 0.7), 0, 0, REARWARDS, BODY, 1.4)


def _panel(
    mesh: Mesh,
    x0: float,
    x1: float,
    y0: float,
    y1: float,
    colour: ArrayLike,
    gloss: float = 0.15,
    layer: float = 3.0,
    emission: float = 0.0,
) -> None:
    """A rectangle on the rear of the body."""
    mesh.add(upright(x0, x1, y0, y1, -0.02), colour, gloss, emission, REARWARDS, BODY, layer)


def _flat_bed(mesh: Mesh, rng: Rng, shape: _Shape) -> None:
    w, floor, length = shape.half_width, shape.floor, shape.length
    mesh.box(-w, w, floor - 0.12, floor, 0, length, DARK * 3, 0.1, BODY, 2, top=WOOD)
    if rng.random() < 0.8:
        n = rng.integers(1, 5)
        for i in range(n):
            z = lerp(length - 1.6, 0.3, i / max(1, n - 1)) if n > 1 else length * 0.5
            colour = paint(rng) if rng.random() < 0.6 else WOOD * rng.uniform(0.7, 2)
            hw = w * rng.uniform(0.5, 0.95)
            mesh.box(-hw, hw, floor, floor + rng.uniform(0.5, 1.6), z, z + 1.3, colour, 0.05, BODY, 2.2 + 0.1 * i)
    mesh.box(-w, w, floor, floor + 1.2, length - 0.08, length, DARK * 3, 0.1, BODY, 2.1)


def _tipper(mesh: Mesh, rng: Rng, shape: _Shape, colour: Array) -> float:
    """The skip of a tipper; returns its height."""
    w, floor, length = shape.half_width, shape.floor, shape.length
    panel = partial(_panel, mesh)
    height = rng.uniform(2.4, 3.0)
    mesh.box(-w, w, floor, height, 0.1, length, colour, 0.2, BODY, 2, top=(0.12, 0.09, 0.06))
    panel(-w, w, floor, height, colour, 0.2, 3)
    for x in np.linspace(-0.9, 0.9, 5):
        panel(x * w - 0.05, x * w + 0.05, floor, height, colour * 0.75, 0.1, 3.1)
    panel(-w, w, height - 0.12, height, colour * 0.7, 0.1, 3.2)
    return height


def _box(mesh: Mesh, rng: Rng, kind: str, shape: _Shape, colour: Array, brake: float) -> None:
    """A closed body: sides, then shutter or doors, then writing, marker strip and top lamps."""
    w, height, floor, length = shape.half_width, shape.height, shape.floor, shape.length
    panel = partial(_panel, mesh)
    side_colour = colour if kind != "curtain" else paint(rng) * 0.9
    mesh.box(-w, w, floor, height, 0, length, side_colour, 0.12, BODY, 2, top=colour * 0.9)
    if kind == "curtain" or rng.random() < 0.4:
        _side_bands(mesh, rng, shape)
    frame = colour * rng.uniform(0.55, 0.9) if rng.random() < 0.6 else CHROME * 0.7
    door = colour * rng.uniform(0.9, 1.05)
    panel(-w, w, floor, height, frame, 0.15, 3)
    if (kind == "small" and rng.random() < 0.5) or rng.random() < 0.3:
        _roller_shutter(mesh, shape, door)
    else:
        _doors(mesh, rng, shape, door)
    if rng.random() < 0.45:
        writing = paint(rng)
        right = w * rng.uniform(0.1, 0.6)
        panel(-w * 0.6, right, lerp(floor, height, 0.62), lerp(floor, height, 0.74), writing, 0.1, 3.4)
        right = w * rng.uniform(0, 0.5)
        panel(-w * 0.6, right, lerp(floor, height, 0.54), lerp(floor, height, 0.585), writing * 0.6, 0.1, 3.4)
    if rng.random() < 0.5:
        for i in range(12):
            x = lerp(-w * 0.9, w * 0.9, i / 12)
            marker = (0.5, 0.03, 0.03) if i % 2 else (0.75, 0.75, 0.7)
            panel(x, x + w * 0.15, floor + 0.02, floor + 0.07, marker, 0.1, 3.5)
    for s in (-1, 1):
        panel(*sorted((s * w * 0.97, s * w * 0.88)), height - 0.07, height - 0.02, LAMP_RED, 0.1, 3.6, brake * 0.6)


def _side_bands(mesh: Mesh, rng: Rng, shape: _Shape) -> None:
    colour = paint(rng)
    z0, z1 = shape.length * 0.15, shape.length * 0.85
    for s in (-1, 1):
        x, y = s * (shape.half_width + 0.01), lerp(shape.floor, shape.height, rng.uniform(0.3, 0.5))
        band = [(x, y, z0), (x, y, z1), (x, y + 0.6, z1), (x, y + 0.6, z0)]
        mesh.add(band, colour, 0.1, 0, (s, 0, 0), BODY, 2.5)


def _roller_shutter(mesh: Mesh, shape: _Shape, colour: Array) -> None:
    w, height, floor = shape.half_width, shape.height, shape.floor
    slats = 14
    for i in range(slats):
        y0, y1 = (lerp(floor + 0.1, height - 0.15, t / slats) for t in (i, i + 0.8))
        _panel(mesh, -w * 0.9, w * 0.9, y0, y1, colour * (1 if i % 2 else 0.93), 0.12, 3.1)
    _panel(mesh, -0.25, 0.25, floor + 0.12, floor + 0.2, DARK * 2, 0, 3.3)


def _doors(mesh: Mesh, rng: Rng, shape: _Shape, colour: Array) -> None:
    """Two doors, their lock rods, hinges and handle."""
    w, height, floor = shape.half_width, shape.height, shape.floor
    panel = partial(_panel, mesh)
    panel(-w * 0.93, -0.012, floor + 0.08, height - 0.1, colour, 0.12, 3.1)
    panel(0.012, w * 0.93, floor + 0.08, height - 0.1, colour * rng.uniform(0.96, 1.02), 0.12, 3.1)
    for x in (-0.72, -0.3, 0.3, 0.72):
        panel(x * w - 0.018, x * w + 0.018, floor + 0.03, height - 0.04, CHROME * 0.55, 0.3, 3.2)
    for s in (-1, 1):
        for y in np.linspace(floor + 0.3, height - 0.35, 4):
            panel(*sorted((s * w * 0.86, s * w * 0.99)), y, y + 0.06, CHROME * 0.4, 0.2, 3.3)
    panel(-w * 0.3, w * 0.3, lerp(floor, height, 0.22), lerp(floor, height, 0.25), CHROME * 0.4, 0.2, 3.3)
