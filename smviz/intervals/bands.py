"""Precision, recall and F1 with their intervals at every threshold worth drawing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smviz.intervals.bootstrap import Bootstrap
from smviz.intervals.interval import Interval, corrected_interval
from smviz.intervals.resampling import Progress, Weights
from smviz.matching import Columns, Flags, Floats, Integers, Matches
from smviz.operating import Sweep, sweep

POINTS = 256  # thresholds, at most: a chart has no room for more
_IMAGES_AT_ONCE = 1024  # so that the table of counts does not grow with the data set


@dataclass(frozen=True, eq=False)
class Band(Columns):
    """A rate at every threshold, with the ends of its interval, float64 [M] each; NaN where undefined."""

    point: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Bands(Columns):
    """Precision, recall and F1 at thresholds that occur as scores, by falling confidence.

    Attributes:
        confidence: float64 [M].
        level: of the intervals. Each holds at its own threshold; the whole curve leaves the band more often than that.
        method: how the ends were found, in words for a person.
    """

    confidence: Floats
    precision: Band
    recall: Band
    f1: Band
    level: float
    method: str


def bands(
    bootstrap: Bootstrap, iou: float = 0.5, class_id: int | None = None, progress: Progress | None = None
) -> Bands:
    """Precision, recall and F1 with their intervals against confidence, each as `Bootstrap.rates` gives it there.

    Args:
        bootstrap: whose resamples of the images the intervals are from.
        iou: from which overlap on a detection is right.
        class_id: None for all classes together.
        progress: called with the share of the work that is done; what it raises ends the work.

    Raises:
        BadSetting: when there is no such class, or nothing was matched at the IoU.
    """
    matches = bootstrap.matches
    confidence = grid(sweep(matches, class_id, iou))
    weights = np.concatenate([np.ones((1, bootstrap.weights.shape[1]), np.uint8), bootstrap.weights])
    share = _Shares(progress, 2 * -(-weights.shape[1] // _IMAGES_AT_ONCE) + len(confidence))
    mine = np.ones(len(matches), np.bool_) if class_id is None else matches.class_id == class_id
    tp = _resampled(matches, weights, mine & matches.true_positive(iou), confidence, share)
    fp = _resampled(matches, weights, mine & matches.false_positive(iou), confidence, share)
    objects = weights.take(_object_images(matches, class_id), axis=1).sum(axis=1, dtype=np.float64)[:, None]
    rates = (_ratio(tp, tp + fp), _ratio(tp, objects), _ratio(2 * tp, tp + fp + objects))
    told = bootstrap.weights.shape[1] > 1  # one image always draws itself, which tells nothing
    columns: tuple[list[Interval], ...] = ([], [], [])
    for at in range(len(confidence)):
        for column, rate in zip(columns, rates, strict=True):
            resampled = rate[1:, at] if told else np.full(bootstrap.resamples, np.nan)
            column.append(corrected_interval(float(rate[0, at]), resampled, bootstrap.level))
        share.step()
    precision, recall, f1 = map(_band, columns)
    method = f"bias-corrected bootstrap, {bootstrap.resamples:,} resamples of the images"
    return Bands(confidence, precision, recall, f1, bootstrap.level, method)


def grid(swept: Sweep, most: int = POINTS) -> Floats:
    """Distinct scores to draw a curve by, falling, float64 [M]: all of them where they are few.

    Of more, half stand evenly in their order, so that the curve is followed where scores are dense, and half evenly in
    confidence, so that no part of the axis is bare. The highest and the lowest are always among them.
    """
    scores = swept.confidence
    if len(scores) <= most:
        return scores
    in_order = np.linspace(0, len(scores) - 1, most // 2).round().astype(np.int64)
    steps = np.linspace(scores[0], scores[-1], most - most // 2)
    in_confidence = np.searchsorted(-scores, -steps, side="left").clip(0, len(scores) - 1)
    chosen: Floats = scores[np.unique(np.concatenate([in_order, in_confidence]))]
    return chosen


class _Shares:
    """Tells how much of the steps is done."""

    def __init__(self, progress: Progress | None, steps: int) -> None:
        self._progress, self._steps, self._done = progress, max(steps, 1), 0

    def step(self) -> None:
        self._done += 1
        if self._progress:
            self._progress(self._done / self._steps)


def _resampled(matches: Matches, weights: Weights, counted: Flags, confidence: Floats, share: _Shares) -> Floats:
    """How many of the detections that count reach each threshold, float64 [resamples, M]; whole numbers, exactly."""
    rows = np.flatnonzero(counted)
    rows = rows[np.argsort(matches.image[rows], kind="stable")]
    image = matches.image[rows]
    # The first threshold of the falling ones that each detection reaches.
    reached = np.searchsorted(-confidence, -matches.confidence[rows], side="left")
    sums = np.zeros((len(weights), len(confidence)))
    for start in range(0, weights.shape[1], _IMAGES_AT_ONCE):
        stop = min(start + _IMAGES_AT_ONCE, weights.shape[1])
        here = slice(*np.searchsorted(image, [start, stop]))
        cell = (image[here] - start) * (len(confidence) + 1) + reached[here]
        table = np.bincount(cell, minlength=(stop - start) * (len(confidence) + 1)).reshape(stop - start, -1)
        sums += weights[:, start:stop].astype(np.float64) @ table[:, :-1].astype(np.float64)
        share.step()
    reaching: Floats = np.cumsum(sums, axis=1)
    return reaching


def _object_images(matches: Matches, class_id: int | None) -> Integers:
    truth = matches.ground_truth
    counted = ~matches.ground_truth_ignored()
    return truth.image[counted if class_id is None else counted & (truth.class_id == class_id)]


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
    return ratio


def _band(intervals: list[Interval]) -> Band:
    return Band(*(np.array([getattr(one, end) for one in intervals]) for end in ("point", "low", "high")))
