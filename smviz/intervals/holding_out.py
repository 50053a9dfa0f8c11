"""What a threshold is worth on images that did not choose it.

A threshold that is chosen and judged on the same images looks better than it is. Here it is chosen on one half of the
images and judged on the other, in both directions, over several splits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smviz.errors import BadSetting
from smviz.intervals.sweeping import WeightedSweep
from smviz.matching import Matches
from smviz.metrics import Counts
from smviz.operating import F1, Objective

Rate = Literal["precision", "recall", "f1"]


@dataclass(frozen=True)
class HeldOut:
    """One half of the images chose a threshold, and the other judges it.

    Attributes:
        confidence: the threshold; NaN where none meets the objective, and then both counts are those of no detection.
        chosen: the counts on the half that chose.
        judged: the counts on the other half.
    """

    confidence: float
    chosen: Counts
    judged: Counts


@dataclass(frozen=True)
class Spread:
    """The median over the directions in which a threshold was found, and between what nine of ten lie; NaN of none."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class HoldOut:
    """Every direction of every split, two by two: the halves of a split swap.

    The halves overlap from split to split, so a spread is no confidence interval; it tells how much hangs on which
    images chose.
    """

    directions: tuple[HeldOut, ...]

    @property
    def threshold(self) -> Spread:
        """Of the thresholds chosen."""
        return _spread([one.confidence for one in self.directions])

    def chosen(self, rate: Rate) -> Spread:
        """Of a rate on the halves that chose."""
        return _spread([getattr(one.chosen, rate) for one in self._found])

    def judged(self, rate: Rate) -> Spread:
        """Of the same rate on the other halves."""
        return _spread([getattr(one.judged, rate) for one in self._found])

    def optimism(self, rate: Rate) -> Spread:
        """Of how much higher the rate is on the half that chose than on the other."""
        return _spread([getattr(one.chosen, rate) - getattr(one.judged, rate) for one in self._found])

    @property
    def _found(self) -> list[HeldOut]:
        return [one for one in self.directions if not math.isnan(one.confidence)]


def hold_out(
    matches: Matches,
    objective: Objective = F1,
    iou: float = 0.5,
    class_id: int | None = None,
    seed: int = 0,
    splits: int = 20,
) -> HoldOut:
    """Choose on one half of the images and judge on the other, in both directions, for several random splits.

    The same number of images and seed give the same splits for every class.

    Args:
        matches: of all images.
        objective: what to choose for.
        iou: at which a detection is right.
        class_id: None for all classes pooled.
        seed: of the random numbers.
        splits: how many.

    Raises:
        BadSetting: when there are fewer than two images, no split is asked for, there is no such class, or nothing was
            matched at the IoU.
    """
    images = len(matches.ground_truth.image_names)
    if images < 2:
        raise BadSetting("There are no two halves of one image.", "Evaluate two images or more.")
    if splits < 1:
        raise BadSetting(f"{splits} splits tell nothing.", "Split once or more; 20 is usual.")
    outcomes = WeightedSweep.of(matches, class_id, iou)
    choose = outcomes.chooser(objective)
    rng = np.random.default_rng(seed)
    directions = []
    for _ in range(splits):
        half = np.zeros(images, np.uint8)
        half[rng.permutation(images)[: images // 2]] = 1
        for one, other in ((half, 1 - half), (1 - half, half)):
            point = choose(one)
            judged = outcomes.sweep(other).at(point.confidence)
            directions.append(HeldOut(point.confidence, Counts(point.tp, point.fp, point.fn), judged))
    return HoldOut(tuple(directions))


def _spread(values: list[float]) -> Spread:
    defined = [value for value in values if not math.isnan(value)]
    return Spread(*np.quantile(defined, [0.5, 0.05, 0.95]).tolist()) if defined else Spread(*[math.nan] * 3)
