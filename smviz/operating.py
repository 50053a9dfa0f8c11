"""Confidence thresholds: every distinct score is a candidate, and nothing is smoothed or put on a grid.

A threshold keeps the detections whose confidence is >= it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from smviz.errors import BadSetting
from smviz.matching import Floats, Matches
from smviz.metrics import CountColumns, Counts, positives_of


@dataclass(frozen=True, eq=False)
class Sweep(CountColumns):
    """The counts at every threshold that makes a difference, [N], by descending confidence.

    Attributes:
        confidence: float64 [N], the distinct scores.
        positives: how many objects there are to be found.
    """

    confidence: Floats
    positives: int

    def at(self, confidence: float) -> Counts:
        """The counts at any threshold, in O(log N)."""
        below = int(np.searchsorted(self.confidence[::-1], confidence, side="left"))
        row = len(self) - below - 1
        return Counts(int(self.tp[row]), int(self.fp[row]), int(self.fn[row])) if row >= 0 else self._nothing()

    def _nothing(self) -> Counts:
        return Counts(0, 0, self.positives)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gives. All but the counts are NaN where no threshold can be told."""

    confidence: float
    tp: int
    fp: int
    fn: int
    precision: float
    recall: float
    f1: float
    f_beta: float


def sweep(matches: Matches, class_id: int | None = None, iou: float = 0.5) -> Sweep:
    """The counts at every distinct score of a class, or pooled over all classes when `class_id` is None.

    Raises:
        BadSetting: when there is no such class, or nothing was matched at the IoU.
    """
    rows = matches.ranked(class_id)
    confidence = matches.confidence[rows]
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(rows)])  # of each distinct score
    positives = positives_of(matches, class_id)
    tp = np.cumsum(matches.true_positive(iou)[rows], dtype=np.int64)[last]
    return Sweep(
        tp=tp,
        fp=np.cumsum(matches.false_positive(iou)[rows], dtype=np.int64)[last],
        fn=positives - tp,
        confidence=confidence[last],
        positives=positives,
    )


def best_f1(sweep: Sweep, beta: float = 1.0) -> OperatingPoint:
    """The threshold with the highest F-beta; the highest such threshold where several are equal.

    F-beta is (1 + b2) TP / ((1 + b2) TP + b2 FN + FP) with b2 = beta squared: recall weighs beta times as much as
    precision (van Rijsbergen 1979). Without an object or without a detection there is no such threshold: NaN.

    Raises:
        BadSetting: when beta is not above 0.
    """
    if not 0 < beta < math.inf:
        raise BadSetting(f"Beta cannot be {beta:g}.", "Choose a number above 0; 1 weighs precision and recall alike.")
    if not len(sweep) or not sweep.positives:
        return OperatingPoint(math.nan, 0, 0, sweep.positives, *[math.nan] * 4)
    weight = beta * beta
    hits = (1 + weight) * sweep.tp
    f_beta = hits / (hits + weight * sweep.fn + sweep.fp)
    best = int(np.argmax(f_beta))
    return OperatingPoint(
        confidence=float(sweep.confidence[best]),
        tp=int(sweep.tp[best]),
        fp=int(sweep.fp[best]),
        fn=int(sweep.fn[best]),
        precision=float(sweep.precision[best]),
        recall=float(sweep.recall[best]),
        f1=float(sweep.f1[best]),
        f_beta=float(f_beta[best]),
    )
