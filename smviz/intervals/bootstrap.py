"""Every number of an evaluation with its interval, by resampling the images with replacement.

Images are drawn and not objects, because objects of one image are found or missed together; an image that is drawn
twice counts twice (Efron 1979, "Bootstrap methods: another look at the jackknife").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smviz.errors import BadSetting
from smviz.intervals.interval import Interval, corrected_interval, percentile_interval
from smviz.intervals.resampling import COCO_NUMBERS, Progress, class_numbers, drawn, weighted_sums
from smviz.intervals.sweeping import WeightedSweep
from smviz.matching import Flags, Floats, Integers, Matches
from smviz.metrics import coco_numbers
from smviz.operating import F1, Objective, kept

_FEWEST = 10


@dataclass(frozen=True)
class Rates:
    """Precision, recall and F1 at a threshold, each with its interval."""

    precision: Interval
    recall: Interval
    f1: Interval


class Bootstrap:
    """Resamples of the images of an evaluation, from which every number gets its interval; nothing is matched again.

    The same number of images, number of resamples and seed give the same resamples.

    Attributes:
        matches, resamples, seed, level: as they were given.
        weights: uint8 [resamples, I], how often each image is drawn, read-only.
    """

    def __init__(self, matches: Matches, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> None:
        """Draw the images; a number is computed when it is asked for.

        Args:
            matches: of all images.
            resamples: how many, 10 or more.
            seed: of the random numbers.
            level: of the intervals, between 0 and 1.

        Raises:
            BadSetting: when the number of resamples or the level is not usable.
        """
        if resamples < _FEWEST:
            raise BadSetting(f"{resamples} resamples tell nothing.", f"Draw {_FEWEST} or more; 1,000 is usual.")
        if not 0 < level < 1:
            raise BadSetting(f"An interval cannot have the level {level:g}.", "Choose one between 0 and 1, as 0.95.")
        self.matches = matches
        self.resamples = resamples
        self.seed = seed
        self.level = level
        images = len(matches.ground_truth.image_names)
        # The first row is all images as they are, so that a point is computed as its resamples are.
        self._weights = np.concatenate([np.ones((1, images), np.uint8), drawn(images, resamples, seed)])
        self._weights.setflags(write=False)
        self.weights = self._weights[1:]
        self._class_numbers: Floats | None = None

    def numbers(self, progress: Progress | None = None) -> dict[str, Interval]:
        """COCO's twelve numbers; the points are those of `metrics.coco_numbers`.

        A class that a resample does not have is left out of its mean, as COCO leaves out a class that the data set does
        not have.

        Args:
            progress: called with the share of the work that is done, up to 1. What it raises ends the work and is
                passed on: so a page stops it. The work is done once, and kept.
        """
        by_class = self._by_class(progress)
        return {
            name: self._corrected(np.append(point, _mean(by_class[i, 1:])))
            for i, (name, point) in enumerate(coco_numbers(self.matches).items())
        }

    def classes(self, number: str, progress: Progress | None = None) -> tuple[Interval, ...]:
        """One of the twelve numbers of each class [K], such as "AP"; NaN for a class without an object.

        Resamples that do not have the class are left out.

        Args:
            number: a name in `COCO_NUMBERS`.
            progress: as for `numbers`.

        Raises:
            BadSetting: when there is no such number.
        """
        if number not in COCO_NUMBERS:
            raise BadSetting(f"There is no number {number!r}.", f"Choose one of {', '.join(COCO_NUMBERS)}.")
        by_class = self._by_class(progress)[COCO_NUMBERS.index(number)]
        return tuple(self._corrected(values) for values in by_class.T)

    def rates(self, confidence: ArrayLike, iou: float = 0.5) -> tuple[Rates, tuple[Rates, ...]]:
        """Precision, recall and F1 at a threshold: over all classes pooled, and of each class [K].

        Args:
            confidence: the threshold, or that of each class [K]; NaN keeps nothing.
            iou: at which a detection is right.

        Raises:
            BadSetting: when nothing was matched at the IoU, or the thresholds are not one for each class.
        """
        matches, truth = self.matches, self.matches.ground_truth
        classes = len(truth.class_names)
        counted = kept(matches, confidence)
        tp = self._sums(matches.image, matches.class_id, counted & matches.true_positive(iou))
        fp = self._sums(matches.image, matches.class_id, counted & matches.false_positive(iou))
        objects = self._sums(truth.image, truth.class_id, ~matches.ground_truth_ignored())
        pooled = self._rates(*(sums.sum(axis=1) for sums in (tp, fp, objects)))
        return pooled, tuple(self._rates(tp[:, k], fp[:, k], objects[:, k]) for k in range(classes))

    def pooled_rates(
        self, confidence: ArrayLike, iou: float = 0.5, area: str = "all", class_ids: Sequence[int] | None = None
    ) -> Rates:
        """Precision, recall and F1 at a threshold over some classes together, in an area range.

        Args:
            confidence: the threshold, or that of each class [K]; NaN keeps nothing.
            iou: at which a detection is right.
            area: the range of sizes that objects and detections are counted in.
            class_ids: None for all.

        Raises:
            BadSetting: when nothing was matched at the IoU or in the area range, or the thresholds are not one for
                each class.
        """
        matches, truth = self.matches, self.matches.ground_truth
        classes = np.arange(len(truth.class_names)) if class_ids is None else np.asarray(class_ids, np.int64)
        counted = kept(matches, confidence) & np.isin(matches.class_id, classes)
        there = ~matches.ground_truth_ignored(area) & np.isin(truth.class_id, classes)
        return self._rates(
            self._sum(matches.image[counted & matches.true_positive(iou, area)]),
            self._sum(matches.image[counted & matches.false_positive(iou, area)]),
            self._sum(truth.image[there]),
        )

    def threshold(
        self,
        objective: Objective = F1,
        iou: float = 0.5,
        class_id: int | None = None,
        progress: Progress | None = None,
    ) -> Interval:
        """The threshold that an objective chooses, as `operating.operating_point`, for a class or pooled over all.

        Resamples in which no threshold meets the objective are left out.

        Args:
            objective: what to choose for.
            iou: at which a detection is right.
            class_id: None for all classes together.
            progress: as for `numbers`.

        Raises:
            BadSetting: when there is no such class, or nothing was matched at the IoU.
        """
        choose = WeightedSweep.of(self.matches, class_id, iou).chooser(objective)
        chosen = np.empty(len(self._weights))
        for i, weights in enumerate(self._weights):
            chosen[i] = choose(weights).confidence
            if progress:
                progress((i + 1) / len(chosen))
        return percentile_interval(*self._told(chosen), self.level)

    def ratio(self, part: ArrayLike, whole: ArrayLike = 1.0) -> Interval:
        """The sum of one thing over images by the sum of another; the mean over images where the other is 1.

        Args:
            part: of each image [I], such as its false positives.
            whole: of each image [I], or one number for all.
        """
        images = self._weights.shape[1]
        table = np.stack([np.broadcast_to(np.asarray(side, np.float64), images) for side in (part, whole)], axis=1)
        sums = np.stack([weights @ table for weights in self._weights])
        return self._corrected(_ratio(sums[:, 0], sums[:, 1]), (-math.inf, math.inf))

    def _by_class(self, progress: Progress | None) -> Floats:
        """The twelve numbers of each class, of all images and in each resample, float64 [12, 1 + resamples, K]."""
        if self._class_numbers is None:
            self._class_numbers = class_numbers(self.matches, self._weights, progress)
        return self._class_numbers

    def _sums(self, image: Integers, class_id: Integers, counted: Flags) -> Integers:
        """How many of the rows that count each class has, int64 [1 + resamples, K]."""
        rows = np.flatnonzero(counted)
        rows = rows[np.argsort(class_id[rows], kind="stable")]
        classes = np.arange(len(self.matches.ground_truth.class_names) + 1)
        return weighted_sums(self._weights, image[rows], np.searchsorted(class_id[rows], classes))

    def _sum(self, image: Integers) -> Integers:
        """How many rows, whose images are given, each resample has, int64 [1 + resamples]."""
        images = self._weights.shape[1]
        sums: Integers = self._weights @ np.bincount(image, minlength=images)
        return sums

    def _rates(self, tp: Integers, fp: Integers, objects: Integers) -> Rates:
        return Rates(
            precision=self._corrected(_ratio(tp, tp + fp)),
            recall=self._corrected(_ratio(tp, objects)),
            f1=self._corrected(_ratio(2 * tp, tp + fp + objects)),
        )

    def _corrected(self, values: Floats, bounds: tuple[float, float] = (0.0, 1.0)) -> Interval:
        return corrected_interval(*self._told(values), self.level, bounds)

    def _told(self, values: Floats) -> tuple[float, Floats]:
        """The point, and the resamples: one image always draws itself, which tells nothing."""
        return float(values[0]), values[1:] if self._weights.shape[1] > 1 else np.full(self.resamples, np.nan)


def _mean(values: Floats) -> Floats:
    """The mean over the last axis of what is not NaN."""
    return _ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1))


def _ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
    return ratio
