"""Which locations learn which object, and what they learn: task-aligned assignment, soft BCE, GIoU."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from demo.network import STRIDES, boxes_at

CANDIDATES = 8  # locations per object
SCORE_POWER, IOU_POWER = 0.5, 4.0
MIN_REACH = 0.55  # strides around a small object's centre, on the finest level
MIN_SIZE, MAX_SIZE = 1.2, 16  # strides; objects outside are left to the other levels
EPSILON = 1e-9


class Target(NamedTuple):
    """The labels of one image, in pixels of the network's input.

    Attributes:
        boxes: xyxy, float [G, 4]. `classes`: int64 [G].
        ignored: xyxy, float [I, 4], regions where scores are not trained.
    """

    boxes: Tensor
    classes: Tensor
    ignored: Tensor


class Losses(NamedTuple):
    """Scalars: the score loss, the box loss, and the mean IoU of the assigned locations."""

    score: Tensor
    box: Tensor
    iou: Tensor


def iou_of(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU of boxes xyxy [..., 4] that broadcast, and the area of their union."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    sides = (high - low).clamp(min=0)
    overlap = sides[..., 0] * sides[..., 1]
    union = _area(a) + _area(b) - overlap + 1e-6
    return overlap / union, union


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def giou_of(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019) of boxes that broadcast."""
    iou, union = iou_of(a, b)
    sides = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull = sides[..., 0] * sides[..., 1] + 1e-6
    return iou, iou - (hull - union) / hull


@torch.no_grad()
def assign(logits: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """Task-aligned assignment (Feng et al. 2021) for one image.

    Returns:
        The index of the object of each location, int64 [A], -1 for none, and its soft target [A].
    """
    n_objects, n_locations = len(target.boxes), len(centres)
    if n_objects == 0:
        return torch.full((n_locations,), -1), torch.zeros(n_locations)
    iou, _ = iou_of(target.boxes[:, None], boxes[None])  # [G, A]
    scores = logits.sigmoid()[:, target.classes].T
    inside = _candidates(target.boxes, centres, strides)
    alignment = (scores**SCORE_POWER * iou**IOU_POWER) * inside + EPSILON * inside
    best, at = alignment.topk(min(CANDIDATES, n_locations), 1)
    chosen = torch.zeros_like(alignment).scatter_(1, at, (best > 0).float()).bool()
    alignment = torch.where(chosen, alignment, torch.zeros_like(alignment))
    owner_iou, owner = torch.where(chosen, iou, torch.full_like(iou, -1)).max(0)  # one object per location
    owner = torch.where(owner_iou >= 0, owner, torch.full_like(owner, -1))
    owned = owner[None] == torch.arange(n_objects)[:, None]
    alignment, iou = alignment * owned, iou * owned
    soft = alignment / (alignment.amax(1, keepdim=True) + EPSILON) * iou.amax(1, keepdim=True)
    return owner, soft.sum(0)


def _candidates(boxes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Which locations lie in which object and are on a level that suits its size, bool [G, A]."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    finest = strides == STRIDES[0]
    reach = MIN_REACH * strides[None, :, None] * finest[None, :, None]
    half = torch.maximum((boxes[:, 2:] - boxes[:, :2])[:, None] / 2, reach)
    size = (boxes[:, 2:] - boxes[:, :2]).amax(1)[:, None]
    inside = ((centres[None] - middle[:, None]).abs() < half).all(-1)
    inside &= (size > strides[None] * MIN_SIZE) | finest[None]
    inside &= size < strides[None] * MAX_SIZE
    return inside


def losses(
    logits: Tensor, distances: Tensor, targets: list[Target], centres: Tensor, strides: Tensor, gamma: float
) -> Losses:
    """The losses of a batch; `gamma` > 0 weakens easy background as focal loss does."""
    boxes = boxes_at(centres, distances)
    soft_targets = torch.zeros(logits.shape)
    weights = torch.ones(*logits.shape[:2], 1)
    predicted, wanted, shares = [], [], []
    for i, target in enumerate(targets):
        owner, soft = assign(logits[i], boxes[i], centres, strides, target)
        positive = owner >= 0
        soft_targets[i, positive, target.classes[owner[positive]]] = soft[positive]
        if len(target.ignored):
            weights[i, _covered(centres, target.ignored) & ~positive] = 0
        predicted.append(boxes[i][positive])
        wanted.append(target.boxes[owner[positive]])
        shares.append(soft[positive])
    share = torch.cat(shares)
    total = share.sum().clamp(min=1)
    focal = 1.0
    if gamma > 0:
        scores = logits.sigmoid().detach()
        focal = torch.where(soft_targets > 0, torch.ones_like(soft_targets), scores**gamma)
    bce = F.binary_cross_entropy_with_logits(logits, soft_targets, reduction="none")
    iou, giou = giou_of(torch.cat(predicted), torch.cat(wanted))
    return Losses(
        (bce * weights * focal).sum() / total,
        ((1 - giou) * share).sum() / total,
        (iou * share).sum().detach() / total,
    )


def _covered(centres: Tensor, regions: Tensor) -> Tensor:
    """Which centres [A] lie in any of the regions."""
    inside = (centres[:, None] > regions[None, :, :2]) & (centres[:, None] < regions[None, :, 2:])
    return inside.all(-1).any(1)
