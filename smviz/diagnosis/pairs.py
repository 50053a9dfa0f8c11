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
    ground_truth, boxes = matches.ground_truth, matches.predictions.ltwh
    found: list[tuple[Integers, Integers, Floats]] = []
    for detection, truth in _meeting(matches):
        iou = coco_iou(boxes[matches.prediction[detection]], ground_truth.ltwh[truth], ground_truth.crowd[truth])
        near = iou >= _reached(lowest)
        found.append((detection[near], truth[near], iou[near]))
    none = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    detection, truth, iou = (np.concatenate(column) for column in zip(none, *found, strict=True))
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


def _meeting(matches: Matches) -> Iterator[tuple[Integers, Integers]]:
    """Detections and objects of one image that meet from left to right, some at a time."""
    detections, truths = matches.predictions.ltwh, matches.ground_truth.ltwh
    left, truth_left = detections[matches.prediction, 0], truths[:, 0].copy()
    right, truth_right = left + detections[matches.prediction, 2], truth_left + truths[:, 2]
    for detection, truth in _of_one_image(matches):
        low, high = np.maximum(left[detection], truth_left[truth]), np.minimum(right[detection], truth_right[truth])
        meets = low < high
        yield detection[meets], truth[meets]


def _of_one_image(matches: Matches) -> Iterator[tuple[Integers, Integers]]:
    """All pairs of a detection and an object of one image, some at a time."""
    truths = np.argsort(matches.ground_truth.image, kind="stable")
    images = np.arange(len(matches.ground_truth.image_names) + 1)
    first = np.searchsorted(matches.ground_truth.image[truths], images)
    count = np.diff(first)[matches.image]
    total = np.cumsum(count)
    pairs = int(total[-1]) if len(total) else 0
    borders = np.searchsorted(total, np.arange(0, pairs, _PAIRS_AT_ONCE), "right")
    for low, high in pairwise([*borders.tolist(), len(matches)]):
        here = count[low:high]
        starts = np.cumsum(here) - here
        detection = np.repeat(np.arange(low, high), here)
        yield detection, truths[np.repeat(first[matches.image[low:high]] - starts, here) + np.arange(len(detection))]


def _reached(iou: float) -> float:
    return min(iou, 1 - 1e-10)  # IoU 1 allows for rounding, as in COCO's evaluation
