"""The confusion matrix of a detector: which class was found where which one is labelled, and what is behind each cell.

Pairs of the same class are made first, the best IoU first and each side once; then, among what is left, pairs of any
classes. So a detection of the wrong class never takes an object from one of the right class, and a confused pair counts
once, never again as a false alarm and a miss.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from smviz.diagnosis.evidence import Evidence, false, found, missed, of_classes
from smviz.diagnosis.pairs import CrossPairs, pairs_of
from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Floats, Integers, Matches

_LOWEST = 0.1


@dataclass(frozen=True, eq=False)
class ConfusionMatrix(Columns):
    """Counts of pairs, and the pairs themselves. Rows are ground truth, columns predictions; background is the last.

    The N pairs stand by row and column, the more confident detections of a cell first.

    Attributes:
        confidence, iou: the settings that made it.
        counts: int64 [K + 1, K + 1]; background with background is 0.
        detection: int64 [N], position in the matches, or -1 for a missed object.
        truth: int64 [N], position in the ground truth, or -1 for a false alarm.
        row, column: int64 [N], where each pair counts.
    """

    confidence: float
    iou: float
    counts: Integers
    detection: Integers
    truth: Integers
    row: Integers
    column: Integers

    def pairs(self, row: int, column: int) -> tuple[Integers, Integers]:
        """The detections and the objects behind a cell, int64 [counts[row, column]] each; -1 for background.

        Raises:
            BadSetting: when there is no such cell.
        """
        last = len(self.counts) - 1
        if not (0 <= row <= last and 0 <= column <= last):
            raise BadSetting(f"There is no cell ({row}, {column}).", f"Choose rows and columns from 0 to {last}.")
        cell = self.row * len(self.counts) + self.column
        here = slice(*np.searchsorted(cell, [row * len(self.counts) + column, row * len(self.counts) + column + 1]))
        return self.detection[here], self.truth[here]

    def evidence(self, row: int, column: int) -> Evidence:
        """What a cell counts: on the diagonal what was found, elsewhere what is false or missed. Raises as `pairs`."""
        detection, truth = self.pairs(row, column)
        if column == len(self.counts) - 1:
            return missed(truth)
        return found(detection, truth) if row == column else false(detection, truth)

    def only(self, classes: Collection[int] | None) -> ConfusionMatrix:
        """The pairs of which one side is of these classes; all where it is None."""
        if classes is None:
            return self
        kept = of_classes(self.row, classes) | of_classes(self.column, classes)
        counts = np.zeros_like(self.counts)
        np.add.at(counts, (self.row[kept], self.column[kept]), 1)
        columns = {name: getattr(self, name)[kept] for name in ("detection", "truth", "row", "column")}
        return replace(self, counts=counts, **columns)

    def concerned(self) -> Integers:
        """The classes that have any case, int64, ascending."""
        classes = np.union1d(self.row, self.column)
        return classes[classes < len(self.counts) - 1]

    def most_confused(self, most: int) -> Integers:
        """The classes of the most frequent confusions, int64, ascending; at most so many.

        Both classes of the most frequent pair, then of the next one, and where no pair is left those that are missed
        or found on nothing most often.
        """
        errors, last = self.counts.copy(), len(self.counts) - 1
        np.fill_diagonal(errors, 0)
        order = np.argsort(-errors[:-1, :-1], axis=None, kind="stable")
        order = order[: np.count_nonzero(errors[:-1, :-1])]
        alone = np.argsort(-(errors[:-1, last] + errors[last, :-1]), kind="stable")
        ranked = np.concatenate([np.stack(np.divmod(order, max(last, 1)), axis=1).ravel(), alone])
        _, first = np.unique(ranked, return_index=True)
        return np.sort(ranked[np.sort(first)[:most]])

    def by_truth(self) -> Floats:
        """The share of each row, float64 [K + 1, K + 1]: what became of the objects; NaN for an empty row."""
        return _shares(self.counts, self.counts.sum(axis=1, keepdims=True))

    def by_prediction(self) -> Floats:
        """The share of each column, float64 [K + 1, K + 1]: what detections stood for; NaN for an empty column."""
        return _shares(self.counts, self.counts.sum(axis=0, keepdims=True))


def confusion_matrix(
    matches: Matches, confidence: float, iou: float = 0.5, near: CrossPairs | None = None, area: str = "all"
) -> ConfusionMatrix:
    """The confusion matrix of the detections whose confidence is >= the threshold, with pairs of IoU >= `iou`.

    Crowds and objects to ignore count neither way. Nor does a detection that is left over and stands on one: on an
    object to ignore whatever its class, on a crowd only one of the crowd's class, as a crowd is a region that may well
    hold other things. So with objects outside the area range, and detections outside of it that are left over.

    Args:
        near: the near pairs of these matches, where they are at hand; then moving the threshold is fast.
        area: the range of areas that counts.

    Raises:
        BadSetting: when a threshold is not usable, or the near pairs do not serve it.
    """
    if np.isnan(confidence):
        raise BadSetting("The confidence threshold is not a number.", "Choose one from 0 to 1.")
    near = pairs_of(matches, near, min(iou, _LOWEST) if near is None else iou)
    kept = matches.confidence >= confidence
    ignored = matches.ground_truth_ignored(area)
    detection, truth = _paired(near, kept, near.reaching(iou), ignored)
    ground_truth, classes = matches.ground_truth, len(matches.ground_truth.class_names)
    alarms, misses = kept & ~_ignored(near, near.reaching(iou), ignored, area), ~ignored
    alarms[detection] = misses[truth] = False
    alarm, miss = np.flatnonzero(alarms), np.flatnonzero(misses)
    detection = np.concatenate([detection, alarm, np.full(len(miss), -1)])
    truth = np.concatenate([truth, np.full(len(alarm), -1), miss])
    row = np.append(ground_truth.class_id, classes)[truth]  # the appended class answers for -1
    column = np.append(matches.class_id, classes)[detection]
    order = np.lexsort((truth, -np.append(matches.confidence, 0.0)[detection], column, row))
    counts = np.bincount(row * (classes + 1) + column, minlength=(classes + 1) ** 2)
    return ConfusionMatrix(
        confidence=confidence,
        iou=iou,
        counts=counts.reshape(classes + 1, classes + 1),
        detection=detection[order],
        truth=truth[order],
        row=row[order],
        column=column[order],
    )


def _paired(near: CrossPairs, kept: Flags, reaching: int, not_wanted: Flags) -> tuple[Integers, Integers]:
    """Which detections and objects belong together: those of one class first, then any that are left."""
    detection, truth, same = near.detection[:reaching], near.truth[:reaching], near.same_class[:reaching]
    ignored = not_wanted[truth]
    usable = kept[detection] & ~ignored
    right = _greedy(detection, truth, usable & same)
    detection_free, truth_free = kept.copy(), np.ones(len(near.matches.ground_truth), np.bool_)
    detection_free[detection[right]] = truth_free[truth[right]] = False
    detection_free[detection[ignored & same]] = False  # as COCO has it, before the wrong class is thought of
    wrong = _greedy(detection, truth, ~ignored & detection_free[detection] & truth_free[truth])
    rows = np.concatenate([right, wrong])
    return detection[rows], truth[rows]


def _greedy(detection: Integers, truth: Integers, usable: Flags) -> Integers:
    """The rows that are taken when pairs choose in their order and each side serves once.

    In each round every pair that comes first for both its sides is taken, which gives what one pass would.
    """
    left, taken = np.flatnonzero(usable), [np.zeros(0, np.int64)]
    first_detection = np.zeros(int(detection.max(initial=-1)) + 1, np.int64)
    first_truth = np.zeros(int(truth.max(initial=-1)) + 1, np.int64)
    while len(left):
        backwards = left[::-1]
        first_detection[detection[backwards]] = backwards  # the last one written stays
        first_truth[truth[backwards]] = backwards
        mine = left[(first_detection[detection[left]] == left) & (first_truth[truth[left]] == left)]
        taken.append(mine)
        first_detection[detection[mine]] = first_truth[truth[mine]] = -1
        left = left[(first_detection[detection[left]] >= 0) & (first_truth[truth[left]] >= 0)]
    return np.concatenate(taken)


def _ignored(near: CrossPairs, reaching: int, not_wanted: Flags, area: str) -> Flags:
    """Which detections count neither way when nothing is theirs, bool [n]."""
    matches, detection, truth = near.matches, near.detection[:reaching], near.truth[:reaching]
    low, high = next((low, high) for name, low, high in matches.settings.areas if name == area)
    ignored = (matches.box_area < low) | (matches.box_area > high)
    hides = near.same_class[:reaching] | ~matches.ground_truth.crowd[truth]
    ignored[detection[hides & not_wanted[truth]]] = True
    return ignored


def _shares(counts: Integers, whole: Integers) -> Floats:
    shares: Floats = np.divide(counts, whole, out=np.full(counts.shape, np.nan), where=whole > 0)
    return shares
