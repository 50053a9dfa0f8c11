"""Cars: sedan, hatch, wagon, SUV."""

from __future__ import annotations

from typing import NamedTuple

from demo.scenes.bodywork import BRAKE_STRIP, CHROME, DARK, WINDSCREEN, bulge, bumper, mirrors, paint, side_windows
from demo.scenes.face import Face
from demo.scenes.geometry import Array, Rng, vec
from demo.scenes.light import Light
from demo.scenes.mesh import Body, Mesh, Profile

SUBTYPES = {"sedan": 0.36, "hatch": 0.24, "wagon": 0.10, "suv": 0.30}


class _Shape(NamedTuple):
    """Measures of one car, metres; `roof` is an index into the profile."""

    profile: Profile
    half_width: float
    height: float
    length: float
    boot: float
    belt: float
    window: tuple[float, float]
    lamps: tuple[float, float]
    roof: int


def make_car(rng: Rng, light: Light, brake: float, coarse: bool = False) -> Body:
    """A car seen from behind; `brake` is how strongly its lamps shine."""
    kind = rng.choice(list(SUBTYPES), p=list(SUBTYPES.values()))
    colour = paint(rng)
    mesh = Mesh(coarse)
    half_width = rng.uniform(0.84, 0.92)
    shape = _sedan(rng, half_width) if kind == "sedan" else _tall(rng, kind, half_width)
    half_width, height, length = shape.half_width, shape.height, shape.length
    if kind == "suv":
        rng.random()  # unused: the draw keeps the streams of all scenes as they were
    materials = [(DARK, 0.05), *[(colour, 0.42)] * 12]
    materials[9] = WINDSCREEN
    plan = rng.uniform(0.12, 0.2)
    profile, materials = bulge(shape.profile, materials, 3, 0.018)
    mesh.loft(profile, materials, shape.belt, plan, 4 if coarse else 11, length=length)
    roof_width = profile[shape.roof + 2][2]
    side_windows(
        mesh,
        (half_width * 0.90, roof_width * 1.01),
        (shape.belt + 0.03, height - 0.12),
        (profile[8][0] - 0.02 if kind == "sedan" else 0.45, length * 0.70),
        (0.45, 0.62),
    )
    face = Face(mesh, profile, plan)
    _rear(face, rng, light, kind, shape._replace(profile=profile), colour, brake)
    if kind in ("suv", "wagon") and rng.random() < 0.5:
        for side in (-1, 1):
            x0, x1 = sorted((side * roof_width * 0.86, side * roof_width * 0.92))
            mesh.box(x0, x1, height + 0.02, height + 0.07, 0.8, length * 0.48, CHROME * 0.6, 0.3, 0, 4)
    if kind == "suv" and rng.random() < 0.08:
        _spare_wheel(face, shape.boot, colour)
    mesh.wheels(half_width * 0.98, 0.31 + (0.04 if kind == "suv" else 0), (0.85, length - 0.85))
    mirrors(mesh, half_width * 0.86, shape.belt, length * 0.64, colour * 0.8)
    return Body(mesh, (2 * half_width, height, length), kind)


def _sedan(rng: Rng, w: float) -> _Shape:
    length, height, boot = rng.uniform(4.4, 4.95), rng.uniform(1.40, 1.49), rng.uniform(0.94, 1.06)
    deck = rng.uniform(0.42, 0.62)
    profile = [
        (0.12, 0.24, w * 0.93),
        (0.0, 0.34, w * 0.97),
        (0.0, 0.60, w),
        (0.06, 0.66, w),
        (0.09, boot, w * 0.97),
        (0.14, boot + 0.03, w * 0.94),
        (deck, boot + 0.05, w * 0.88),
        (deck + rng.uniform(0.6, 0.8), height - 0.03, w * 0.68),
        (length * 0.42, height, w * 0.68),
        (length * 0.52, height - 0.02, w * 0.7),
        (length * 0.72, 1.0, w * 0.88),
        (length * 0.95, 0.82, w * 0.9),
        (length - 0.02, 0.62, w * 0.95),
        (length - 0.06, 0.28, w * 0.9),
    ]
    window, lamps = (boot + 0.09, height - 0.07), (boot - rng.uniform(0.2, 0.27), boot - 0.05)
    return _Shape(profile, w, height, length, boot, boot + 0.05, window, lamps, 7)


def _tall(rng: Rng, kind: str, w: float) -> _Shape:
    """A hatch, wagon or SUV: the window stands above the lamps."""
    height = {"hatch": rng.uniform(1.43, 1.53), "wagon": rng.uniform(1.45, 1.55), "suv": rng.uniform(1.62, 1.86)}[kind]
    if kind == "suv":
        w *= rng.uniform(1.0, 1.07)
    length = {"hatch": rng.uniform(3.8, 4.3), "wagon": 4.7, "suv": rng.uniform(4.3, 4.95)}[kind]
    boot = height * rng.uniform(0.60, 0.67)
    lean = {"hatch": rng.uniform(0.35, 0.6), "wagon": 0.5, "suv": rng.uniform(0.2, 0.4)}[kind]
    top = w * (0.74 if kind != "suv" else rng.uniform(0.76, 0.86))
    lift = 0.10 if kind == "suv" else 0
    profile = [
        (0.12, 0.24 + lift, w * 0.93),
        (0.0, 0.34 + lift, w * 0.97),
        (0.0, 0.58 + lift, w),
        (0.07, 0.64 + lift, w),
        (0.10, boot, w * 0.96),
        (0.14, boot + 0.03, w * 0.93),
        (0.12 + lean, height - 0.05, top),
        (0.3 + lean, height, top * 0.98),
        (length * 0.5, height, top),
        (length * 0.55, height - 0.03, top),
        (length * 0.75, 1.0 + lift, w * 0.88),
        (length * 0.95, 0.85 + lift, w * 0.9),
        (length - 0.02, 0.62 + lift, w * 0.95),
        (length - 0.06, 0.28 + lift, w * 0.9),
    ]
    window, lamps = (boot + 0.07, height - 0.12), (boot - 0.24, boot - 0.02)
    return _Shape(profile, w, height, length, boot, boot + 0.03, window, lamps, 6)


def _rear(face: Face, rng: Rng, light: Light, kind: str, shape: _Shape, colour: Array, brake: float) -> None:
    """Bumper, window, lamps, plate and what else is on the tailgate."""
    profile, window, lamps = shape.profile, shape.window, shape.lamps
    bumper(
        face,
        rng,
        colour,
        profile[0][1] + 0.03,
        profile[2][1] - rng.uniform(0, 0.12),
        (kind == "suv" and rng.random() < 0.7) or rng.random() < 0.2,
    )
    face.glass(-0.80, 0.80, *window, rng, light, taper=0.06)
    face.panel(-0.9, 0.9, profile[3][1] - 0.005, profile[3][1] + 0.012, DARK, 0, n=7, layer=0.1)
    _tail_lamps(face, rng, kind, shape, brake)
    face.panel(-0.16, 0.16, window[1] + 0.015, window[1] + 0.045, BRAKE_STRIP, 0.1, brake, n=2, layer=0.6)
    plate = (lamps[0] + lamps[1]) / 2 - 0.03 if rng.random() < 0.6 else profile[1][1] + 0.14
    face.panel(-0.3, 0.3, plate - 0.1, plate + 0.09, colour * 0.6, 0.1, n=3, layer=0.25)
    face.plate(0, plate, rng)
    face.panel(-0.05, 0.05, lamps[1] - 0.03, lamps[1] + 0.04, CHROME, 0.4, n=3, cut=0.3, layer=0.6)
    if kind in ("suv", "hatch", "wagon") and rng.random() < 0.7:  # wiper, spoiler
        face.panel(-0.02, 0.42, window[0] + 0.02, window[0] + 0.045, DARK, 0, n=2, layer=0.5)
        face.panel(-0.78, 0.78, window[1] + 0.05, window[1] + 0.09, colour * 0.7, 0.2, n=5, layer=0.5)


def _tail_lamps(face: Face, rng: Rng, kind: str, shape: _Shape, brake: float) -> None:
    style = rng.random()
    low, high = shape.lamps
    if kind in ("suv", "wagon", "hatch") and rng.random() < 0.4:  # tall, beside the window
        top = min(shape.height - 0.25, shape.boot + rng.uniform(0.1, 0.35))
        face.lamps(0.80, 0.985, shape.boot - 0.22, top, brake, amber=style < 0.5)
    elif style < 0.25:  # joined by a bar over the full width
        face.lamps(0.45, 0.98, low + 0.06, high, brake, amber=False)
        lit = style < 0.12
        bar = vec(BRAKE_STRIP) if lit else CHROME
        face.panel(-0.5, 0.5, low + 0.12, high - 0.03, bar, 0.3, brake * 0.4 * lit, n=5, layer=0.05)
    elif style < 0.7:
        face.lamps(rng.uniform(0.50, 0.66), 0.985, low, high, brake, amber=style < 0.5)
    else:
        face.lamps(rng.uniform(0.66, 0.76), 0.985, low - 0.05, high + 0.02, brake, amber=style < 0.85)


def _spare_wheel(face: Face, boot: float, colour: Array) -> None:
    face.panel(-0.36, 0.36, boot - 0.33, boot + 0.3, DARK * 1.2, 0.05, cut=0.3, n=7, layer=0.7)
    face.panel(-0.2, 0.2, boot - 0.17, boot + 0.14, colour * 0.8, 0.2, cut=0.3, n=5, layer=0.8)
