"""The operating point: the threshold that serves an objective best, and how far it can move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from smviz.matching import Floats, Matches
from smviz.operating.objectives import F1, Objective
from smviz.operating.sweeping import Sweep, sweeps


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it gives. All but the counts are NaN where no threshold meets the objective.

    Attributes:
        value: what the objective measures there: F-beta, recall, precision, false positives per image or total cost.
        reason: why there is no threshold, one sentence; "" where there is one.
    """

    confidence: float
    tp: int
    fp: int
    fn: int
    precision: float
    recall: float
    f1: float
    value: float
    reason: str = ""


@dataclass(frozen=True)
class OperatingPoints:
    """The operating point over all classes pooled, and that of each class [K] on its own."""

    pooled: OperatingPoint
    classes: tuple[OperatingPoint, ...]


def operating_point(sweep: Sweep, objective: Objective, images: int) -> OperatingPoint:
    """The threshold that serves an objective best, exactly: every distinct score is a candidate.

    - f: the highest F-beta, (1 + b2) TP / ((1 + b2) TP + b2 FN + FP) with b2 = beta squared, which weighs recall beta
      times as much as precision (van Rijsbergen 1979); of equal ones the highest threshold.
    - recall: the highest threshold whose recall reaches the value.
    - precision: the lowest threshold, so the highest recall, whose precision reaches the value. Precision is not
      monotone: lower thresholds are tried also where a higher one falls short.
    - fp: the lowest threshold with at most so many false positives per image.
    - cost: the lowest total of fp x FP + fn x FN; of equal ones the highest threshold. There is none where each costs
      more than showing nothing at all.

    Args:
        sweep: of one class, or pooled.
        objective: what to choose for.
        images: how many images the sweep's detections are from; only the false positives per image look at it.
    """
    reason = _hindrance(sweep, objective, images)
    if not reason:
        measured = _measured(sweep, objective, images)
        row = _chosen(measured, objective)
        reason = _shortfall(sweep, objective, measured, row)
    if reason:
        return OperatingPoint(math.nan, 0, 0, sweep.positives, math.nan, math.nan, math.nan, math.nan, reason)
    return OperatingPoint(
        confidence=float(sweep.confidence[row]),
        tp=int(sweep.tp[row]),
        fp=int(sweep.fp[row]),
        fn=int(sweep.fn[row]),
        precision=float(sweep.precision[row]),
        recall=float(sweep.recall[row]),
        f1=float(sweep.f1[row]),
        value=float(measured[row]),
    )


def best_f1(sweep: Sweep, beta: float = 1.0) -> OperatingPoint:
    """The threshold with the highest F-beta; the highest such threshold where several are equal.

    Raises:
        BadSetting: when beta is not above 0.
    """
    return operating_point(sweep, Objective("f", (beta,)), images=0)


def operating_points(matches: Matches, objective: Objective = F1, iou: float = 0.5) -> OperatingPoints:
    """The operating point of all classes pooled, and of each class on its own.

    Raises:
        BadSetting: when nothing was matched at the IoU.
    """
    images = len(matches.ground_truth.image_names)
    every = sweeps(matches, (None, *range(len(matches.ground_truth.class_names))), iou)
    pooled, *classes = (operating_point(swept, objective, images) for swept in every)
    return OperatingPoints(pooled, tuple(classes))


def flat_region(sweep: Sweep, objective: Objective, images: int, tolerance: float = 0.01) -> tuple[float, float]:
    """The lowest and the highest threshold round the operating point between which little changes.

    Every threshold between them measures, by the objective, within the tolerance of the operating point's value. The
    tolerance is a difference of F-beta, recall, precision or false positives per image, and a share of the total cost.
    NaN, NaN where there is no operating point.
    """
    point = operating_point(sweep, objective, images)
    if point.reason:
        return math.nan, math.nan
    margin = tolerance * (point.value if objective.kind == "cost" else 1.0)
    far = ~(np.abs(_measured(sweep, objective, images) - point.value) <= margin)
    row = int(np.searchsorted(-sweep.confidence, -point.confidence))
    above, below = np.flatnonzero(far[:row]), np.flatnonzero(far[row:])
    first = int(above[-1]) + 1 if len(above) else 0
    last = row + int(below[0]) - 1 if len(below) else len(sweep) - 1
    return float(sweep.confidence[last]), float(sweep.confidence[first])


def _measured(sweep: Sweep, objective: Objective, images: int) -> Floats:
    """What the objective looks at, at every threshold, float64 [N]."""
    if objective.kind in {"recall", "precision"}:
        return sweep.recall if objective.kind == "recall" else sweep.precision
    if objective.kind == "fp":
        measured: Floats = sweep.fp / images
    elif objective.kind == "cost":
        measured = objective.values[0] * sweep.fp + objective.values[1] * sweep.fn
    else:
        weight = objective.values[0] ** 2
        hits = (1 + weight) * sweep.tp
        measured = hits / (hits + weight * sweep.fn + sweep.fp)
    return measured


def _chosen(measured: Floats, objective: Objective) -> int:
    """The row of the operating point; -1 where no row reaches what is asked."""
    if objective.kind == "f":
        return int(np.argmax(measured))
    if objective.kind == "cost":
        return int(np.argmin(measured))
    value = objective.values[0]
    good = np.flatnonzero(measured <= value if objective.kind == "fp" else measured >= value)
    if not len(good):
        return -1
    return int(good[0] if objective.kind == "recall" else good[-1])


def _hindrance(sweep: Sweep, objective: Objective, images: int) -> str:
    if not len(sweep):
        return "There is no detection to put a threshold to."
    if not sweep.positives and objective.kind in {"f", "recall", "precision"}:
        return "There is no object to be found."
    if not images and objective.kind == "fp":
        return "There is no image."
    return ""


def _shortfall(sweep: Sweep, objective: Objective, measured: Floats, row: int) -> str:
    if objective.kind == "cost":
        nothing = objective.values[1] * sweep.positives
        return "Every threshold costs more than showing nothing at all." if measured[row] > nothing else ""
    if row >= 0:
        return ""
    if objective.kind == "fp":
        return f"Even the highest threshold lets {measured[0]:.3g} false positives per image through."
    return f"No threshold has a {objective.kind} above {np.nanmax(measured, initial=0):.3g}."
