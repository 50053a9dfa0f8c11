"""Two runs on the same images, or two thresholds: is one better, or did it have luck with these images?

Both are resampled alike, so that what makes an image hard for both falls out of the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from smviz.errors import BadSetting
from smviz.intervals.bootstrap import Bootstrap
from smviz.intervals.interval import Change, change
from smviz.intervals.resampling import Progress
from smviz.operating import F1, Objective
from smviz.records import GroundTruth


@dataclass(frozen=True)
class RateChanges:
    """How precision, recall and F1 differ between two runs, or two thresholds."""

    precision: Change
    recall: Change
    f1: Change


@dataclass(frozen=True)
class Difference:
    """The differences b - a of every number that `Bootstrap` gives; its methods are those of `Bootstrap`."""

    a: Bootstrap
    b: Bootstrap

    def numbers(self, progress: Progress | None = None) -> dict[str, Change]:
        """COCO's twelve numbers."""
        a, b = self.a.numbers(_half(progress, 0.0)), self.b.numbers(_half(progress, 0.5))
        return {name: change(a[name], b[name]) for name in a}

    def classes(self, number: str, progress: Progress | None = None) -> tuple[Change, ...]:
        """One of the twelve numbers of each class [K]."""
        a, b = self.a.classes(number, _half(progress, 0.0)), self.b.classes(number, _half(progress, 0.5))
        return tuple(map(change, a, b))

    def rates(
        self, confidence_a: ArrayLike, confidence_b: ArrayLike, iou: float = 0.5
    ) -> tuple[RateChanges, tuple[RateChanges, ...]]:
        """Precision, recall and F1, each run at its own threshold or thresholds: pooled, and of each class [K]."""
        pooled_a, classes_a = self.a.rates(confidence_a, iou)
        pooled_b, classes_b = self.b.rates(confidence_b, iou)
        pooled, *classes = (
            RateChanges(*(change(getattr(a, rate.name), getattr(b, rate.name)) for rate in fields(a)))
            for a, b in zip((pooled_a, *classes_a), (pooled_b, *classes_b), strict=True)
        )
        return pooled, tuple(classes)

    def threshold(
        self,
        objective: Objective = F1,
        iou: float = 0.5,
        class_id: int | None = None,
        progress: Progress | None = None,
    ) -> Change:
        """The threshold that an objective chooses."""
        a = self.a.threshold(objective, iou, class_id, _half(progress, 0.0))
        return change(a, self.b.threshold(objective, iou, class_id, _half(progress, 0.5)), corrected=False)


def threshold_changes(
    bootstrap: Bootstrap,
    a: ArrayLike,
    b: ArrayLike,
    iou: float = 0.5,
    area: str = "all",
    class_ids: Sequence[int] | None = None,
) -> RateChanges:
    """How precision, recall and F1 of one run differ between two thresholds, b - a, over some classes together.

    Args:
        bootstrap: of the run.
        a: a threshold, or that of each class [K].
        b: as `a`.
        iou, area, class_ids: as `Bootstrap.pooled_rates`.

    Raises:
        BadSetting: as `Bootstrap.pooled_rates`.
    """
    before, after = (bootstrap.pooled_rates(thresholds, iou, area, class_ids) for thresholds in (a, b))
    return RateChanges(*(change(getattr(before, rate.name), getattr(after, rate.name)) for rate in fields(before)))


def difference(a: Bootstrap, b: Bootstrap) -> Difference:
    """Pair two runs, joined by the index of the image in the ground truth.

    Raises:
        BadSetting: when the ground truths, the settings of the matching, or the resamples are not the same.
    """
    if not _same(a.matches.ground_truth, b.matches.ground_truth):
        raise BadSetting(
            "The two runs are judged by different ground truths.", "Evaluate both against the same annotations."
        )
    if a.matches.settings != b.matches.settings:
        raise BadSetting("The two runs are matched by different settings.", "Evaluate both with the same settings.")
    if (a.resamples, a.seed, a.level) != (b.resamples, b.seed, b.level):
        raise BadSetting("The two runs are resampled differently.", "Give both the same resamples, seed and level.")
    return Difference(a, b)


def _same(a: GroundTruth, b: GroundTruth) -> bool:
    """Whether the same objects are to be found in the same images; ids and notes do not matter."""
    if a is b:
        return True
    names = (a.image_names, a.class_names) == (b.image_names, b.class_names)
    columns = ("image", "class_id", "ltwh", "area", "crowd", "ignore")
    return names and all(np.array_equal(getattr(a, column), getattr(b, column)) for column in columns)


def _half(progress: Progress | None, start: float) -> Progress | None:
    return (lambda done: progress(start + done / 2)) if progress else None
