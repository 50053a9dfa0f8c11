"""How each class differs between two runs, when all of them are looked at together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smviz.comparing.chance import Verdict, holm, p_value, verdict
from smviz.comparing.comparison import Comparison
from smviz.intervals import Change

BELIEVED = 0.05
"""Below this corrected p-value a difference is believed."""


@dataclass(frozen=True)
class ClassChange:
    """One class in two runs.

    Attributes:
        objects, images: how many objects there are to be found, and in how many images.
        a, b: the AP in each run; NaN without an object.
        change: of the AP, b - a, with the interval of this class by itself.
        p: how often chance alone would make as large a difference, corrected for the number of classes (Holm).
        verdict: whether `p` is below 0.05, and the interval leaves out 0.
    """

    name: str
    objects: int
    images: int
    a: float
    b: float
    change: Change
    p: float
    verdict: Verdict


def class_changes(comparison: Comparison, changes: Sequence[Change]) -> tuple[ClassChange, ...]:
    """A row for each class [K].

    Args:
        comparison: of two runs with ground truth.
        changes: of the AP of each class [K], as `intervals.Difference.classes` gives them.
    """
    a, b = comparison.a, comparison.b
    truth = a.matches.ground_truth
    counted = ~a.matches.ground_truth_ignored()
    objects = a.matches.positives()
    cells = np.unique(np.stack([truth.class_id[counted], truth.image[counted]]), axis=1)
    images = np.bincount(cells[0], minlength=len(objects)).tolist()
    p_values = holm([p_value(change, count) for change, count in zip(changes, images, strict=True)])
    return tuple(
        ClassChange(
            name=name,
            objects=int(objects[k]),
            images=images[k],
            a=float(a.average_precision[:, k].mean()),
            b=float(b.average_precision[:, k].mean()),
            change=changes[k],
            p=p_values[k],
            verdict=_believed(changes[k], p_values[k]),
        )
        for k, name in enumerate(truth.class_names)
    )


def _believed(change: Change, p: float) -> Verdict:
    if math.isnan(p):
        return "undefined"
    return verdict(change) if p < BELIEVED else "no difference"
