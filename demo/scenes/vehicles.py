"""A vehicle of any class, from its own random stream; far ones are coarser."""

from __future__ import annotations

import numpy as np

from demo.scenes.bodywork import DARK, REARWARDS, paint, upright
from demo.scenes.car import make_car
from demo.scenes.geometry import Rng
from demo.scenes.light import Light
from demo.scenes.mesh import Body, Mesh
from demo.scenes.truck import make_truck
from demo.scenes.ute import make_ute
from demo.scenes.van import make_van

MAKERS = {"car": make_car, "van": make_van, "ute": make_ute, "truck": make_truck}
CLASSES = tuple(MAKERS)
COARSE_BELOW = 30  # apparent width, pixels at 960 wide
BLOCK_BELOW = 9
BLOCKS = {"car": (0.88, 1.5), "van": (0.95, 2.0), "ute": (0.92, 1.75), "truck": (1.2, 3.6)}


def make_vehicle(class_name: str, seed: list[int], light: Light, brake: float, apparent_width: float) -> Body:
    """A vehicle with as much detail as its apparent width (pixels at 960 wide) can show."""
    rng = np.random.default_rng(seed)
    if apparent_width < BLOCK_BELOW:
        return _block(rng, class_name)
    return MAKERS[class_name](rng, light, brake, apparent_width < COARSE_BELOW)


def _block(rng: Rng, class_name: str) -> Body:
    """A few pixels wide: a box, a window, a shadow below."""
    mesh = Mesh(coarse=True)
    w, h = BLOCKS[class_name]
    mesh.box(-w, w, 0.25, h, 0, 4.5, paint(rng, 0.3), 0.3)
    if class_name != "truck":
        mesh.add(upright(-w * 0.7, w * 0.7, h * 0.66, h * 0.92, -0.02), (0.03,) * 3, 0.2, 0, REARWARDS, 0, 1)
    mesh.add(upright(-w, w, 0.05, 0.4, -0.02), DARK, 0, 0, REARWARDS, 0, 1)
    return Body(mesh, (2 * w, h, 4.5), class_name)


def add_front(body: Body, rng: Rng, light: Light) -> None:
    """Head lamps, grille and plate at the far end, for a vehicle that comes towards the camera."""
    w, length = body.dims[0] / 2, body.dims[2]
    lit = light.lamps > 0.3 or rng.random() < 0.25
    ahead = (0, 0, 1)
    for s in (-1, 1):
        x0, x1 = sorted((s * w * 0.55, s * w * 0.92))
        lamp = [(x0, 0.62, length + 0.02), (x1, 0.62, length - 0.1), (x1, 0.78, length - 0.12), (x0, 0.76, length)]
        colour = (0.7, 0.7, 0.72) if lit else (0.10, 0.10, 0.11)
        body.mesh.add(lamp, colour, 0.5, 1.6 if lit else 0, ahead, 0, 9)
    low, high = length + 0.02, length + 0.01
    grille = [(-w * 0.5, 0.48, low), (w * 0.5, 0.48, low), (w * 0.5, 0.72, high), (-w * 0.5, 0.72, high)]
    body.mesh.add(grille, (0.02,) * 3, 0.2, 0, ahead, 0, 9)
    plate = upright(-w * 0.3, w * 0.3, 0.40, 0.50, length + 0.03)
    body.mesh.add(plate, (0.7, 0.7, 0.68), 0.1, 0, ahead, 0, 9)
