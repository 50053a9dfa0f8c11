"""Are the labelled boxes sound?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smviz.boxes import Boxes, area, ltwh_to_xyxy
from smviz.datasets.findings import Finding, first
from smviz.records import GroundTruth

Which = NDArray[np.bool_]

NEAR_DOUBLE = 0.95  # IoU: two people who label one object hardly ever agree so well
_ROUNDING = 0.5  # pixels: what rounded coordinates may reach over an edge


def unsound_boxes(ground_truth: GroundTruth) -> Iterator[Finding]:
    """Boxes without area, and those off their image where its size is known."""
    if not len(ground_truth):
        yield Finding("no objects", "error", "The ground truth has no objects, so there is nothing to find.", ())
        return
    xyxy = ltwh_to_xyxy(ground_truth.ltwh)
    sizes = ground_truth.image_sizes[ground_truth.image].astype(np.float64)  # [G, 2]
    flat: Which = ~(np.logical_and.reduce(np.isfinite(xyxy), axis=1) & (ground_truth.ltwh[:, 2:].min(axis=1) > 0))
    framed = (sizes > 0).all(axis=1) & ~flat
    within = np.minimum(xyxy[:, 2:], sizes - xyxy[:, :2]).min(axis=1)  # pixels from the box's far side to an edge
    beyond = np.maximum(-xyxy[:, :2], xyxy[:, 2:] - sizes).max(axis=1)  # pixels over an edge
    outside = framed & (within <= 0)
    partly = framed & ~outside & (beyond > _ROUNDING)
    furthest = f"{beyond[partly].max():.0f}" if partly.any() else ""
    yield from _told("box without area", "Boxes without area", "Nothing can match them.", flat, ground_truth)
    yield from _told(
        "box outside",
        "Boxes wholly outside of their image",
        "Nothing can match them: check the image sizes of the ground truth, and which box format is meant.",
        outside,
        ground_truth,
    )
    yield from _told(
        "box over the edge",
        "Boxes that reach over the edge of their image",
        f"The furthest does so by {furthest} pixels: check the image sizes of the ground truth.",
        partly,
        ground_truth,
    )


def doubles(ground_truth: GroundTruth) -> Iterator[Finding]:
    """Boxes that are there twice in one image and class, to the last digit or nearly."""
    columns = (ground_truth.image, ground_truth.class_id, ground_truth.crowd, *ground_truth.ltwh.T)
    order = np.lexsort(columns[::-1])  # by image, class, crowd, left, top, ...
    table = np.column_stack(columns)[order]
    same = np.zeros(len(order), np.bool_)
    same[1:] = (table[1:] == table[:-1]).all(axis=1)
    yield from _told(
        "double",
        "Boxes that are there twice",
        "Only one of the two can be found; the other counts as missed.",
        _among(order[same], ground_truth),
        ground_truth,
    )
    near = order[~same][_near_doubles(table[~same, :3], table[~same, 3:])]
    yield from _told(
        "near double",
        f"Boxes that overlap another one of their class with an IoU above {NEAR_DOUBLE}",
        "Each may be one object that was labelled twice.",
        _among(near, ground_truth),
        ground_truth,
    )


def _near_doubles(group: Boxes, ltwh: Boxes) -> NDArray[np.int64]:
    """The rows with a near double before them in their group [N, 3]; groups, and lefts within one, are in order."""
    xyxy = ltwh_to_xyxy(ltwh)
    reach = ltwh[:, 0] + (1 - NEAR_DOUBLE) * ltwh[:, 2]  # no near double begins further right
    row = np.arange(len(ltwh))
    found = [row[:0]]
    for step in range(1, len(ltwh)):
        row = row[: np.searchsorted(row, len(ltwh) - step)]
        # Lefts only grow: whose reach ends before the next one ends before all that follow.
        row = row[(group[row] == group[row + step]).all(axis=1) & (ltwh[row + step, 0] <= reach[row])]
        if not len(row):
            break
        found.append(row[_paired_iou(xyxy[row], xyxy[row + step]) > NEAR_DOUBLE] + step)
    return np.unique(np.concatenate(found))


def _paired_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """The IoU of each box with its partner, float64 [N]; both are xyxy [N, 4]."""
    overlap = area(np.concatenate([np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=1))
    union = area(a) + area(b) - overlap
    iou: NDArray[np.float64] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou


def _among(rows: NDArray[np.int64], ground_truth: GroundTruth) -> Which:
    which: Which = np.isin(np.arange(len(ground_truth)), rows)
    return which


def _told(kind: str, what: str, follows: str, which: Which, ground_truth: GroundTruth) -> Iterator[Finding]:
    """The warning about these boxes, bool [G], or nothing where there are none; its names are those of their images."""
    if which.any():
        names = tuple(ground_truth.image_names[image] for image in np.unique(ground_truth.image[which]))
        yield Finding(kind, "warning", f"{what}: {int(which.sum())} (on {first(names)}). {follows}", names)
