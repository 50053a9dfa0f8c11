"""Precision, recall and F1 with their intervals at every threshold worth drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smviz.intervals.bootstrap import Bootstrap
from smviz.intervals.interval import Interval, corrected_interval
from smviz.intervals.resampling import Progress, Weights
from smviz.matching import Columns, Flags, Floats, Matches

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
    bootstrap: Bootstrap,
    iou: float = 0.5,
    area: str = "all",
    class_ids: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Bands:
    """Precision, recall and F1 with their intervals against confidence, each as `Bootstrap.pooled_rates` gives it.

    Args:
        bootstrap: whose resamples of the images the intervals are from.
        iou: from which overlap on a detection is right.
        area: the range of sizes that objects and detections are counted in.
        class_ids: of the classes that are counted together; None for all.
        progress: called with the share of the work that is done; what it raises ends the work.

    Raises:
        BadSetting: when nothing was matched at the IoU or in the area range.
    """
    matches, truth = bootstrap.matches, bootstrap.matches.ground_truth
    classes = np.arange(len(truth.class_names)) if class_ids is None else np.asarray(class_ids, np.int64)
    mine = np.isin(matches.class_id, classes)
    confidence = grid(np.unique(matches.confidence[mine])[::-1])
    weights = np.concatenate([np.ones((1, bootstrap.weights.shape[1]), np.uint8), bootstrap.weights])
    share = _Shares(progress, 2 * -(-weights.shape[1] // _IMAGES_AT_ONCE) + len(confidence))
    tp = _resampled(matches, weights, mine & matches.true_positive(iou, area), confidence, share)
    fp = _resampled(matches, weights, mine & matches.false_positive(iou, area), confidence, share)
    there = truth.image[~matches.ground_truth_ignored(area) & np.isin(truth.class_id, classes)]
    objects = (weights @ np.bincount(there, minlength=weights.shape[1])).astype(np.float64)[:, None]
    rates = (_ratio(tp, tp + fp), _ratio(tp, objects), _ratio(2 * tp, tp + fp + objects))
    columns: tuple[list[Interval], ...] = ([], [], [])
    for at in range(len(confidence)):
        for column, rate in zip(columns, rates, strict=True):
            column.append(_interval(rate[:, at], bootstrap))
        share.step()
    precision, recall, f1 = map(_band, columns)
    method = f"bias-corrected bootstrap, {bootstrap.resamples:,} resamples of the images"
    return Bands(confidence, precision, recall, f1, bootstrap.level, method)


def grid(scores: Floats, most: int = POINTS) -> Floats:
    """Scores to draw a curve by, float64 [M], of distinct falling ones: all of them where they are few.

    Of more, half stand evenly in their order, so that the curve is followed where scores are dense, and half evenly in
    confidence, so that no part of the axis is bare. The highest and the lowest are always among them.
    """
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


def _interval(values: Floats, bootstrap: Bootstrap) -> Interval:
    """Of a rate in all images as they are, and in each resample: one image always draws itself, which tells nothing."""
    told = bootstrap.weights.shape[1] > 1
    return corrected_interval(
        float(values[0]), values[1:] if told else np.full(bootstrap.resamples, np.nan), bootstrap.level
    )


def _ratio(part: Floats, whole: Floats) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole != 0)
    return ratio


def _band(intervals: list[Interval]) -> Band:
    return Band(*(np.array([getattr(one, end) for one in intervals]) for end in ("point", "low", "high")))
