"""Detections and objects of one image that lie near each other, whatever their classes; computed once.

Confusion, TIDE and the review of annotations look across classes, which COCO's matching does not. What they share is
the list of near pairs: no threshold of confidence changes it, so moving one is a look-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Floats, Integers, Matches, coco_iou

_PAIRS_AT_ONCE = 1 << 18  # bounds memory: about 30 MB of temporaries


@dataclass(frozen=True, eq=False)
class CrossPairs(Columns):
    """Pairs of a detection and an object of the same image, by descending IoU; at equal IoU the more confident
    detection first, and then the later object, as COCO prefers it.

    Attributes:
        matches: whose detections and objects these are.
        lowest: the IoU that all of these pairs reach, and no other pair does.
        detection: int64 [P], positions in `matches`.
        truth: int64 [P], positions in the ground truth.
        iou: float64 [P]; with a crowd, the intersection over the detection's own area.
        same_class: bool [P].
    """

    matches: Matches
    lowest: float
    detection: Integers
    truth: Integers
    iou: Floats
    same_class: Flags

    def __len__(self) -> int:
        return len(self.detection)

    def reaching(self, iou: float) -> int:
        """How many of the pairs, which are the first ones, reach an IoU.

        Raises:
            BadSetting: when the IoU is below the lowest of these pairs, or above 1.
        """
        if not self.lowest <= iou <= 1:
            raise BadSetting(f"An IoU of {iou:g} cannot be looked up.", f"Choose one from {self.lowest:g} to 1.")
        return int(np.searchsorted(-self.iou, -_reached(iou), side="right"))

    def best(self, chosen: Flags) -> tuple[Integers, Floats]:
        """For each detection the best of the chosen pairs, bool [P]: its row, or -1, and its IoU, or 0; [n] each."""
        rows = np.flatnonzero(chosen)[::-1]
        row = np.full(len(self.matches), -1)
        row[self.detection[rows]] = rows  # the last one written stays, which is the first of the pairs
        return row, np.where(row >= 0, np.append(self.iou, 0.0)[row], 0.0)


def near_pairs(matches: Matches, lowest: float = 0.1) -> CrossPairs:
    """All pairs of a detection and an object of one image, of any classes, whose IoU is at least `lowest`.

    Crowds and objects to ignore are among them.

    Raises:
        BadSetting: when the IoU is not above 0 and up to 1.
    """
    if not 0 < lowest <= 1:
        raise BadSetting(f"An IoU of {lowest:g} says nothing.", "Choose one above 0 and up to 1.")
    ground_truth = matches.ground_truth
    boxes = matches.predictions.ltwh[matches.prediction]
    detection, truth, iou = _overlapping(
        matches.image, boxes, ground_truth.image, ground_truth.ltwh, ground_truth.crowd, lowest
    )
    order = np.lexsort((-truth, detection, -matches.confidence[detection], -iou))
    detection, truth = detection[order], truth[order]
    same_class = matches.class_id[detection] == ground_truth.class_id[truth]
    return CrossPairs(matches, lowest, detection, truth, iou[order], same_class)


def pairs_of(matches: Matches, near: CrossPairs | None, lowest: float) -> CrossPairs:
    """The pairs at hand, or new ones where there are none.

    Raises:
        BadSetting: when the pairs are of other matches, or leave out some that reach the lowest IoU.
    """
    if near is None:
        return near_pairs(matches, lowest)
    if near.matches is not matches:
        raise BadSetting("The near pairs are those of another evaluation.", "Compute them from these matches.")
    near.reaching(lowest)
    return near


def box_pairs(image: Integers, ltwh: Floats, lowest: float) -> tuple[Integers, Integers, Floats]:
    """All pairs of two boxes of one image with an IoU of at least `lowest`: first < second, int64 [P] each, and IoU.

    `image` is int64 [N]; `ltwh` is float64 [N, 4], in pixels.
    """
    first, second, iou = _overlapping(image, ltwh, image, ltwh, np.zeros(len(image), np.bool_), lowest)
    once = first < second
    return first[once], second[once], iou[once]


def _overlapping(
    image: Integers, ltwh: Floats, truth_image: Integers, truth_ltwh: Floats, crowd: Flags, lowest: float
) -> tuple[Integers, Integers, Floats]:
    """The pairs of a box and an object of its image that reach the lowest IoU: box, object, IoU."""
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    left, truth_left = ltwh[:, 0].copy(), truth_ltwh[:, 0].copy()  # columns of their own are read much faster
    right, truth_right = left + ltwh[:, 2], truth_left + truth_ltwh[:, 2]
    for box, truth in _of_one_image(image, truth_image):
        meets = np.maximum(left[box], truth_left[truth]) < np.minimum(right[box], truth_right[truth])
        box, truth = box[meets], truth[meets]
        iou = coco_iou(ltwh[box], truth_ltwh[truth], crowd[truth])
        near = iou >= _reached(lowest)
        found.append((box[near], truth[near], iou[near]))
    boxes, truths, ious = zip(*found, strict=True)
    return np.concatenate(boxes), np.concatenate(truths), np.concatenate(ious)


def _of_one_image(image: Integers, truth_image: Integers) -> Iterator[tuple[Integers, Integers]]:
    """All pairs of a box and an object of its image, some at a time."""
    truths = np.argsort(truth_image, kind="stable")
    images = np.arange(int(max(image.max(initial=-1), truth_image.max(initial=-1))) + 2)
    first = np.searchsorted(truth_image[truths], images)
    count = np.diff(first)[image]
    total = np.cumsum(count)
    pairs = int(total[-1]) if len(total) else 0
    borders = np.searchsorted(total, np.arange(0, pairs, _PAIRS_AT_ONCE), "right")
    for low, high in pairwise([*borders.tolist(), len(image)]):
        here = count[low:high]
        starts = np.cumsum(here) - here
        box = np.repeat(np.arange(low, high), here)
        yield box, truths[np.repeat(first[image[low:high]] - starts, here) + np.arange(len(box))]


def _reached(iou: float) -> float:
    return min(iou, 1 - 1e-10)  # IoU 1 allows for rounding, as in COCO's evaluation
