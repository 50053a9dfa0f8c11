"""The counts at every threshold that makes a difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from smviz.matching import Flags, Floats, Matches
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


def sweep(matches: Matches, class_id: int | None = None, iou: float = 0.5) -> Sweep:
    """The counts at every distinct score of a class, or pooled over all classes when `class_id` is None.

    Raises:
        BadSetting: when there is no such class, or nothing was matched at the IoU.
    """
    return _swept(matches, class_id, matches.true_positive(iou), matches.false_positive(iou))


def sweeps(matches: Matches, class_ids: Iterable[int | None], iou: float = 0.5) -> tuple[Sweep, ...]:
    """The sweeps of several classes, None for the pooled one, for little more than the price of one. As `sweep`."""
    true, false = matches.true_positive(iou), matches.false_positive(iou)
    return tuple(_swept(matches, class_id, true, false) for class_id in class_ids)


def _swept(matches: Matches, class_id: int | None, true: Flags, false: Flags) -> Sweep:
    rows = matches.ranked(class_id)
    confidence = matches.confidence[rows]
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(rows)])  # of each distinct score
    positives = positives_of(matches, class_id)
    tp = np.cumsum(true[rows], dtype=np.int64)[last]
    return Sweep(
        tp=tp,
        fp=np.cumsum(false[rows], dtype=np.int64)[last],
        fn=positives - tp,
        confidence=confidence[last],
        positives=positives,
    )
