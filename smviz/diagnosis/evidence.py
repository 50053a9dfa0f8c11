"""What a number counts, one by one: the detections and objects behind a bar, a cell or a bin."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smviz.matching import Columns, Flags, Integers

FOUND, FALSE, MISSED = range(3)


@dataclass(frozen=True, eq=False)
class Evidence(Columns):
    """M cases, in the order in which a person should look at them.

    Attributes:
        kind: uint8 [M], `FOUND`, `FALSE` or `MISSED`: an object and what found it, a detection that is wrong, an
            object that was missed.
        detection: int64 [M], position in the matches; -1 for a missed object.
        truth: int64 [M], position in the ground truth of the object that it is about; -1 for none.
    """

    kind: NDArray[np.uint8]
    detection: Integers
    truth: Integers

    def __len__(self) -> int:
        return len(self.kind)

    def only(self, *kinds: int) -> Evidence:
        """The cases of some kinds."""
        return self.at(np.flatnonzero(np.isin(self.kind, kinds)))

    def at(self, rows: Integers) -> Evidence:
        """Some of the cases, int64 [m], in that order."""
        return Evidence(self.kind[rows], self.detection[rows], self.truth[rows])


def found(detection: Integers, truth: Integers) -> Evidence:
    """Objects, and the detections that found them."""
    return Evidence(np.full(len(detection), FOUND, np.uint8), detection, truth)


def false(detection: Integers, truth: Integers | None = None) -> Evidence:
    """Detections that are wrong, and the objects that they are about, if any."""
    about = np.full(len(detection), -1) if truth is None else truth
    return Evidence(np.full(len(detection), FALSE, np.uint8), detection, about)


def missed(truth: Integers) -> Evidence:
    """Objects that were missed."""
    return Evidence(np.full(len(truth), MISSED, np.uint8), np.full(len(truth), -1), truth)


def joined(*parts: Evidence) -> Evidence:
    """All cases, one part after the other."""
    kinds, detections, truths = zip(*((part.kind, part.detection, part.truth) for part in parts), strict=True)
    return Evidence(np.concatenate(kinds), np.concatenate(detections), np.concatenate(truths))


def of_classes(class_id: Integers, classes: Collection[int] | None) -> Flags:
    """Which of the class ids, int64 [N], are among some classes, or any where `classes` is None; bool [N]."""
    if classes is None:
        return np.ones(len(class_id), np.bool_)
    chosen: Flags = np.isin(class_id, list(classes))
    return chosen
