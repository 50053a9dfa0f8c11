"""One training example: crop, scale, mirror and recolour a scene, and its labels with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from demo import storage
from demo.loss import Target
from demo.recipe import INPUT_SIZE
from demo.scenes import CLASSES

Boxes = NDArray[np.float32]

CROP_SHARE = 0.55
MIN_CROP = 0.55  # of the picture's width
KEPT_SHARE = 0.4  # of an object's area inside the crop, for it to stay labelled
MIN_SIDES = (5, 4)  # pixels, exclusive
MIRROR_SHARE, GREY_SHARE = 0.5, 0.15


class Example(NamedTuple):
    """A scene in memory: picture, boxes xyxy [G, 4], classes [G], regions to ignore xyxy [I, 4]."""

    image: Image.Image
    boxes: Boxes
    classes: NDArray[np.int64]
    ignored: Boxes


def load(folder: Path) -> list[Example]:
    """All scenes of a folder, decoded."""
    return [_example(folder, record) for record in storage.read(folder)]


def _example(folder: Path, record: dict[str, Any]) -> Example:
    image = Image.open(storage.picture(folder, record["attributes"]["seed"])).convert("RGB")
    boxes = np.array([o["bbox"] for o in record["objects"]], np.float32).reshape(-1, 4)
    ignored = np.array(record["ignored"], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    ignored[:, 2:] += ignored[:, :2]
    classes = np.array([CLASSES.index(o["class"]) for o in record["objects"]], np.int64)
    return Example(image, boxes, classes, ignored)


def augmented(example: Example, rng: np.random.Generator) -> tuple[NDArray[np.float32], Target]:
    """The example as the network sees it, float32 [3, H, W] in 0..1, and its labels."""
    height, width = INPUT_SIZE
    x0, y0, crop_width, crop_height = _crop(example.image.size, rng)
    window = (x0, y0, x0 + crop_width, y0 + crop_height)
    image = example.image.resize((width, height), Image.Resampling.BILINEAR, box=window)
    boxes, classes, ignored = _crop_labels(example, x0, y0, width / crop_width)
    pixels = np.asarray(image, np.float32) / 255
    if rng.random() < MIRROR_SHARE:
        pixels, boxes, ignored = pixels[:, ::-1], _mirrored(boxes, width), _mirrored(ignored, width)
    pixels = _recoloured(pixels, rng)
    target = Target(
        torch.as_tensor(boxes, dtype=torch.float32),
        torch.as_tensor(classes),
        torch.as_tensor(ignored, dtype=torch.float32),
    )
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), target


def _crop(size: tuple[int, int], rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Left, top, width and height of a window with the picture's aspect ratio."""
    width, height = size
    if rng.random() < CROP_SHARE:
        scale = rng.uniform(MIN_CROP, 1)
        crop_width, crop_height = width * scale, height * scale
        return rng.uniform(0, width - crop_width), rng.uniform(0, height - crop_height), crop_width, crop_height
    return 0.0, 0.0, float(width), float(height)


def _crop_labels(example: Example, x0: float, y0: float, scale: float) -> tuple[Boxes, NDArray[np.int64], Boxes]:
    """Labels in the crop; objects that are mostly cut off become regions to ignore."""
    height, width = INPUT_SIZE
    offset = np.array([x0, y0, x0, y0], np.float32)
    limit = np.array([width, height, width, height], np.float32)
    boxes, ignored = (example.boxes - offset) * scale, (example.ignored - offset) * scale
    boxes, ignored = np.clip(boxes, 0, limit), np.clip(ignored, 0, limit)
    kept = _area(boxes) / (_area(example.boxes) * scale * scale + 1e-6)
    sides = boxes[:, 2:] - boxes[:, :2]
    whole = (kept > KEPT_SHARE) & (sides > MIN_SIDES).all(1)
    ignored = np.concatenate([ignored, boxes[~whole & (kept > 0.02)]])
    ignored = ignored[((ignored[:, 2:] - ignored[:, :2]) > 1).all(1)]
    return boxes[whole], example.classes[whole], ignored


def _area(boxes: Boxes) -> NDArray[np.float32]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _mirrored(boxes: Boxes, width: int) -> NDArray[Any]:
    return boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]


def _recoloured(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Brightness, colour balance, gamma and, sometimes, no colour at all."""
    gain = rng.uniform(0.7, 1.35) * rng.uniform(0.9, 1.1, 3)
    pixels = np.clip(pixels * gain.astype(np.float32), 0, 1) ** np.float32(rng.uniform(0.75, 1.3))
    if rng.random() < GREY_SHARE:
        pixels = np.repeat(pixels.mean(-1, keepdims=True), 3, -1)
    return pixels
