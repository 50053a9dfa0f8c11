"""Data sets in memory, and what smviz makes of them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from smviz.annotations import ground_truth_of
from smviz.sources import from_bytes

SAMPLES = Path(__file__).parent / "annotations"

SCENE = {
    "bicycle": [64, 48, 384, 384],
    "dog": [160, 120, 160, 240],
    "person": [448, 96, 128, 360],
}
"""The boxes that every sample has, of an image of 640 x 480 pixels."""


def source(files):
    """A source of {name: text or bytes}."""
    return from_bytes([(name, text.encode() if isinstance(text, str) else text) for name, text in files.items()])


def truth(files, format=None, image_size=None):
    """The ground truth in {name: text or bytes}."""
    return ground_truth_of(source(files), format, image_size)


def image(width=640, height=480, **options):
    """A PNG or, with `format`, another image."""
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def sample(name):
    """The bytes of a sample file."""
    return (SAMPLES / name).read_bytes()


def boxes(ground_truth, image=0, crowd=False):
    """The objects of an image as {class name: ltwh}, without crowds, or only those."""
    chosen = (ground_truth.image == image) & (ground_truth.crowd == crowd)
    names = [ground_truth.class_names[k] for k in ground_truth.class_id[chosen]]
    return dict(zip(names, np.round(ground_truth.ltwh[chosen], 6).tolist(), strict=True))


def reasons(ground_truth):
    """What was left out, as text."""
    return [str(record) for record in ground_truth.skipped]
