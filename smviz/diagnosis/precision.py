"""COCO's average precision of outcomes that are not those of the matches: errors fixed, or a part of the objects."""

from __future__ import annotations

import numpy as np

from smviz.matching import Flags, Floats, Integers

_RECALLS = np.linspace(0, 1, 101)  # the recalls at which COCO samples precision


def class_average_precision(class_id: Integers, true: Flags, positives: Integers) -> Floats:
    """The average precision of each class, float64 [K]; NaN for a class without an object to be found.

    Args:
        class_id: int64 [N], of detections that count, by class and within it by descending confidence.
        true: bool [N], which of them found an object; the others are false positives.
        positives: int64 [K], how many objects there are to be found.
    """
    hits = np.flatnonzero(true)
    borders = np.searchsorted(class_id[hits], np.arange(len(positives) + 1))
    starts = np.searchsorted(class_id, np.arange(len(positives)))
    average = np.full(len(positives), np.nan)
    for k in np.flatnonzero(positives > 0):
        ranks = hits[borders[k] : borders[k + 1]] - starts[k] + 1
        average[k] = _average_precision(ranks, int(positives[k]))
    return average


def mean(values: Floats) -> float:
    """The mean of what is defined; NaN where nothing is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan


def _average_precision(ranks: Integers, positives: int) -> float:
    """From the ranks, counted from 1, of the true positives."""
    found = np.arange(1, len(ranks) + 1)
    envelope = np.append(np.maximum.accumulate((found / ranks)[::-1])[::-1], 0.0)  # 0 beyond the last recall
    return float(envelope[np.searchsorted(found / positives, _RECALLS, side="left")].mean())
