"""Box algebra on float64 arrays; every function is pure. Pixels, no +1 anywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def xyxy_to_ltwh(xyxy: Boxes) -> Boxes:
    """[N, 4] left, top, right, bottom to left, top, width, height."""
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def ltwh_to_xyxy(ltwh: Boxes) -> Boxes:
    """[N, 4] left, top, width, height to left, top, right, bottom."""
    return np.concatenate([ltwh[:, :2], ltwh[:, :2] + ltwh[:, 2:]], axis=1)


def cxcywh_to_xyxy(cxcywh: Boxes) -> Boxes:
    """[N, 4] centre x, centre y, width, height to left, top, right, bottom."""
    half = cxcywh[:, 2:] / 2
    return np.concatenate([cxcywh[:, :2] - half, cxcywh[:, :2] + half], axis=1)


def area(xyxy: Boxes) -> NDArray[np.float64]:
    """Area in square pixels, float64 [N]; a box turned inside out has area 0."""
    sides = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None)
    product: NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return product


def pairwise_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Intersection over union of every pair, float64 [N, M]; 0 where the union is empty.

    `a` is xyxy [N, 4] and `b` is xyxy [M, 4].
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])  # [N, M, 2]
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    overlap = sides[..., 0] * sides[..., 1]  # [N, M]
    union = area(a)[:, None] + area(b)[None] - overlap
    iou: NDArray[np.float64] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou
