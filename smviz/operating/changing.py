"""What happens to each detection and object when thresholds change, exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Integers, Matches
from smviz.metrics import Counts


@dataclass(frozen=True, eq=False)
class Changes(Columns):
    """What differs between two sets of thresholds, a and b. All positions are int64, of falling confidence.

    Attributes:
        before, after: the counts with a, and with b.
        found: positions, in the matches, of the true positives that b adds.
        false: of the false positives that b adds.
        lost: of the true positives that only a has: b misses their objects.
        cleared: of the false positives that only a has.
        found_objects: index into the ground truth of the object that each of `found` took.
        lost_objects: the same of `lost`.
    """

    before: Counts
    after: Counts
    found: Integers
    false: Integers
    lost: Integers
    cleared: Integers
    found_objects: Integers
    lost_objects: Integers

    def __len__(self) -> int:
        return len(self.found) + len(self.false) + len(self.lost) + len(self.cleared)


def changes(
    matches: Matches,
    a: ArrayLike,
    b: ArrayLike,
    iou: float = 0.5,
    area: str = "all",
    class_ids: Iterable[int] | None = None,
) -> Changes:
    """What changes when the thresholds b take the place of the thresholds a.

    A threshold cuts from the end of the order in which detections chose their objects, so what a detection took does
    not depend on it: an object is found by the same detection or by none.

    Args:
        matches: of all images.
        a: a threshold, or that of each class [K]; NaN keeps nothing.
        b: as `a`.
        iou: from which overlap on a detection is right.
        area: the range of areas in which objects are to be found.
        class_ids: which classes count; None for all.

    Raises:
        BadSetting: when the thresholds are not one for each class, there is no such class, or nothing was matched at
            the IoU or in that range.
    """
    before, after = kept(matches, a), kept(matches, b)
    counted = _counted(matches, class_ids)
    true = matches.true_positive(iou, area) & counted[matches.class_id]
    false = matches.false_positive(iou, area) & counted[matches.class_id]
    positives = int(matches.positives(area)[counted].sum())
    taken = matches.taken(iou, area)
    found, lost = _falling(matches, true & after & ~before), _falling(matches, true & before & ~after)
    return Changes(
        before=_counts(true & before, false & before, positives),
        after=_counts(true & after, false & after, positives),
        found=found,
        false=_falling(matches, false & after & ~before),
        lost=lost,
        cleared=_falling(matches, false & before & ~after),
        found_objects=taken[found],
        lost_objects=taken[lost],
    )


def kept(matches: Matches, confidence: ArrayLike) -> Flags:
    """Which detections reach a threshold, or that of their class [K], bool [n]; NaN keeps nothing.

    Raises:
        BadSetting: when the thresholds are not one for each class.
    """
    classes = len(matches.ground_truth.class_names)
    if np.shape(confidence) not in {(), (classes,)}:
        raise BadSetting("The thresholds do not belong to these classes.", f"Give one, or {classes} of them.")
    thresholds = np.broadcast_to(np.asarray(confidence, np.float64), classes)
    reaches: Flags = matches.confidence >= thresholds[matches.class_id]
    return reaches


def _counted(matches: Matches, class_ids: Iterable[int] | None) -> Flags:
    classes = len(matches.ground_truth.class_names)
    if class_ids is None:
        return np.ones(classes, np.bool_)
    chosen = np.unique(np.array(list(class_ids), np.int64))
    if len(chosen) and not 0 <= chosen[0] <= chosen[-1] < classes:
        raise BadSetting("One of these classes does not exist.", f"Choose from 0 to {classes - 1}.")
    return np.isin(np.arange(classes), chosen)


def _counts(true: Flags, false: Flags, positives: int) -> Counts:
    tp = int(true.sum())
    return Counts(tp, int(false.sum()), positives - tp)


def _falling(matches: Matches, chosen: Flags) -> Integers:
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(-matches.confidence[rows], kind="stable")]
