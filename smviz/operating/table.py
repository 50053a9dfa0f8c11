"""The counts of every class at any threshold, at the pace of a slider."""

from __future__ import annotations

import numpy as np

from smviz.matching import Integers, Matches
from smviz.metrics import PerClass


class ThresholdTable:
    """The counts of every class at any confidence, exact, in microseconds: for a slider.

    All detections stand in one list by ascending confidence, cut into blocks; for the start of each block the counts of
    all that stands from there on are kept. A look-up takes those of the next block and counts the rest of its own. A
    block has as many detections as there are counts to keep (at least 256), so memory is that of the detections.
    """

    def __init__(self, matches: Matches, iou: float = 0.5) -> None:
        """Count once, at one IoU.

        Raises:
            BadSetting: when nothing was matched at the IoU.
        """
        order = matches.ranked()[::-1]
        self._objects = matches.positives()
        self._classes = len(self._objects)
        outcome = matches.true_positive(iou) + 2 * matches.false_positive(iou)  # 0 is ignored
        self._confidence = matches.confidence[order]
        self._cell = (outcome * self._classes + matches.class_id)[order]
        self._block = max(256, 3 * self._classes)
        self._from = _counts_from(self._cell, 3 * self._classes, self._block)

    def counts(self, confidence: float) -> tuple[Integers, Integers, Integers]:
        """True positives, false positives and false negatives of each class, int64 [K] each."""
        _, tp, fp = self._cells(confidence)
        return tp, fp, self._objects - tp

    def per_class(self, confidence: float) -> PerClass:
        """As `metrics.per_class`, which counts anew."""
        ignored, tp, fp = self._cells(confidence)
        return PerClass(tp=tp, fp=fp, fn=self._objects - tp, objects=self._objects.copy(), detections=ignored + tp + fp)

    def _cells(self, confidence: float) -> Integers:
        """Ignored ones, true and false positives, int64 [3, K]."""
        first = int(self._confidence.searchsorted(confidence))
        block = -(-first // self._block)
        cells: Integers = np.bincount(self._cell[first : block * self._block], minlength=3 * self._classes)
        cells += self._from[block]
        return cells.reshape(3, self._classes)


def _counts_from(cell: Integers, cells: int, size: int) -> Integers:
    """How many of each cell stand at or after the start of each block, and 0 after the last, int64 [B + 1, cells]."""
    blocks = -(-len(cell) // size)
    block = np.arange(len(cell)) // size
    counted = np.bincount(block * cells + cell, minlength=(blocks + 1) * cells).reshape(blocks + 1, cells)
    return counted[::-1].cumsum(axis=0)[::-1].copy()
