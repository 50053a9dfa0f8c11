"""Vans: panel van, people mover, high roof."""

from __future__ import annotations

from demo.scenes.bodywork import (
    BRAKE_STRIP,
    CHROME,
    DARK,
    PAINTS,
    WINDSCREEN,
    bulge,
    bumper,
    mirrors,
    paint,
    side_windows,
)
from demo.scenes.face import Face
from demo.scenes.geometry import Array, Rng, lerp, vec
from demo.scenes.light import Light
from demo.scenes.mesh import Body, Mesh

SUBTYPES = {"panel": 0.5, "people": 0.3, "hiroof": 0.2}


def make_van(rng: Rng, light: Light, brake: float, coarse: bool = False) -> Body:
    """A van seen from behind; `brake` is how strongly its lamps shine."""
    kind = rng.choice(list(SUBTYPES), p=list(SUBTYPES.values()))
    people = kind == "people"
    colour = paint(rng, 0.62 if not people else 0.25)
    mesh = Mesh(coarse)
    w = rng.uniform(0.90, 1.0)
    height = {"panel": rng.uniform(1.85, 2.1), "people": rng.uniform(1.72, 1.88), "hiroof": rng.uniform(2.25, 2.65)}[
        kind
    ]
    length = {"panel": 4.9, "people": 4.9, "hiroof": 5.7}[kind] + rng.uniform(-0.3, 0.3)
    lean = rng.uniform(0.05, 0.16) if not people else rng.uniform(0.15, 0.35)
    top = w * rng.uniform(0.86, 0.92)
    waist = rng.uniform(1.02, 1.2)
    profile = [
        (0.12, 0.28, w * 0.94),
        (0, 0.38, w * 0.97),
        (0, 0.60, w * 0.99),
        (0.05, 0.64, w),
        (0.06, waist, w * 0.98),
        (0.08, waist + 0.03, w * 0.97),
        (0.05 + lean, height - 0.09, top),
        (0.2 + lean, height, top * 0.95),
        (length * 0.7, height - 0.02, top * 0.95),
        (length * 0.74, height - 0.1, top),
        (length * 0.90, 1.15, w * 0.9),
        (length * 0.98, 0.9, w * 0.92),
        (length - 0.02, 0.6, w * 0.95),
        (length - 0.06, 0.3, w * 0.9),
    ]
    materials = [(DARK, 0.05), *[(colour, 0.35)] * 12]
    materials[9] = WINDSCREEN
    plan = rng.uniform(0.06, 0.13)
    profile, materials = bulge(profile, materials, 3, 0.012)
    mesh.loft(profile, materials, waist + 0.03, plan, 4 if coarse else 11, length=length, crown=0.07)
    face = Face(mesh, profile, plan)
    bumper(face, rng, colour, profile[0][1] + 0.03, profile[2][1] - rng.uniform(0, 0.06), rng.random() < 0.65)
    _rear(face, rng, light, kind, height, waist, colour, brake)
    side_windows(
        mesh,
        (w * 0.95, lerp(w, top, 0.6)),
        (waist + 0.06, min(height - 0.2, waist + 0.6)),
        (length * 0.62 if not people else 0.4, length * 0.88),
        (0.03 if not people else 0.15, 0.25),
        posts=(0.5,) if not people else (0.3, 0.62),
    )
    if not people and rng.random() < 0.25:
        _ladder(mesh, top, height)
    mesh.wheels(w * 0.97, 0.34, (1.0, length - 0.95))
    mirrors(mesh, w * 0.92, waist + 0.05, length * 0.86, DARK, scale=1.3)
    return Body(mesh, (2 * w, height, length), kind)


def _rear(
    face: Face, rng: Rng, light: Light, kind: str, height: float, waist: float, colour: Array, brake: float
) -> None:
    """Doors or tailgate, windows or sign writing, lamps, plate."""
    y0, y1 = waist + 0.06, min(height - 0.2, waist + rng.uniform(0.5, 0.68))
    glazed = kind == "people" or rng.random() < 0.68
    barn_doors = kind != "people" and rng.random() < 0.7
    if kind == "people":
        face.glass(-0.82, 0.82, y0, height - 0.16, rng, light, 0.05)
    elif barn_doors:
        if glazed:
            face.glass(-0.78, -0.06, y0, y1, rng, light, 0.03, heads=False)
            face.glass(0.06, 0.78, y0, y1, rng, light, 0.03, heads=False)
        _hinges(face, height, waist, colour)
    elif glazed:
        face.glass(-0.80, 0.80, y0, y1, rng, light, 0.04, heads=rng.random() < 0.3)
    face.panel(-0.92, 0.92, 0.635, 0.65, DARK, 0, n=6, layer=0.2)
    if not glazed and rng.random() < 0.6:
        _sign_writing(face, rng, waist)
    if rng.random() < 0.75:
        low, high = rng.uniform(0.68, 0.8), rng.uniform(1.0, 1.35)
        face.lamps(0.86, 0.99, low, high, brake, amber=rng.random() < 0.6)
    else:
        face.lamps(0.70, 0.985, 0.70, 0.92, brake)
    face.plate(rng.choice([0, 0, -0.4, 0.4]) if barn_doors else 0, rng.choice([0.5, 0.78]), rng)
    face.panel(-0.13, 0.13, height - 0.13, height - 0.09, BRAKE_STRIP, 0.1, brake, n=2, layer=0.6)


def _hinges(face: Face, height: float, waist: float, colour: Array) -> None:
    face.panel(-0.012, 0.012, 0.62, height - 0.14, DARK, 0, n=2, layer=0.6)
    for side in (-1, 1):
        for y in (0.8, waist + 0.1, height - 0.3):
            face.panel(*sorted((side * 0.93, side * 0.985)), y, y + 0.06, colour * 0.55, 0.1, n=2, layer=0.6)
    face.panel(0.05, 0.12, 0.85, 1.0, DARK, 0, n=2, layer=0.6)


def _sign_writing(face: Face, rng: Rng, waist: float) -> None:
    colour = vec(PAINTS[rng.choice([4, 5, 9, 10])][0])
    face.panel(-0.6, rng.uniform(0, 0.6), waist + 0.15, waist + 0.3, colour, 0.1, n=3, layer=0.5)
    face.panel(-0.6, rng.uniform(0, 0.5), waist - 0.02, waist + 0.06, DARK, 0.1, n=3, layer=0.5)


def _ladder(mesh: Mesh, half_width: float, height: float) -> None:
    """A roof rack and the ladder on it."""
    for z in (0.9, 2.0, 3.0):
        w = half_width * 0.9
        mesh.box(-w, w, height + 0.06, height + 0.1, z, z + 0.06, CHROME * 0.5, 0.2, 0, 4)
    for x in (-0.3, 0.15):
        mesh.box(x, x + 0.06, height + 0.1, height + 0.16, 0.4, 3.4, CHROME, 0.3, 0, 5)
