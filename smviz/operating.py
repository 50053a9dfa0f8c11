"""Confidence thresholds: every distinct score is a candidate, and nothing is smoothed or put on a grid.

A threshold keeps the detections whose confidence is >= it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smviz.errors import BadSetting
from smviz.matching import Flags, Floats, Integers, Matches
from smviz.metrics import CountColumns, Counts, PerClass, positives_of
from smviz.records import GroundTruth

EXAMPLES = ("f1", "f0.5", "f2", "recall>=0.9", "precision>=0.95", "fp<=0.1", "cost(fp=1,fn=5)")

_ADVICE = f"Write one of {', '.join(EXAMPLES)}, with your own numbers; fp is false positives per image."
_NUMBER = r"((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
_FORMS = {
    "f": f"f{_NUMBER}",
    "recall": f"recall>={_NUMBER}",
    "precision": f"precision>={_NUMBER}",
    "fp": f"fp<={_NUMBER}",
    "cost": rf"cost\(fp={_NUMBER},fn={_NUMBER}\)",
}

Kind = Literal["f", "recall", "precision", "fp", "cost"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What a threshold is chosen for. As text it is what `parse_objective` reads: f1, recall>=0.9 and so on.

    Attributes:
        kind: "f" maximises F-beta; "recall" and "precision" must be reached; "fp" is how many false positives per image
            are allowed; "cost" minimises what the errors cost.
        values: beta; the recall or precision; the false positives; the costs of a false positive and a missed object.

    Raises:
        BadSetting: when there is no such kind, or a value is out of its range.
    """

    kind: Kind
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in _FORMS or len(self.values) != 1 + (self.kind == "cost"):
            raise BadSetting(f"There is no objective {self.kind!r} of {len(self.values)} values.", _ADVICE)
        name, low, high = _RANGES[self.kind]
        for value in self.values:
            if not low <= value <= high:
                raise BadSetting(f"{name} cannot be {value:g}.", f"Choose a number from {low:g} to {high:,.0f}.")

    def __str__(self) -> str:
        values = [repr(float(value)).removesuffix(".0") for value in self.values]
        return _TEXTS[self.kind].format(*values)


_RANGES = {
    "f": ("Beta", 0.001, 1e3),
    "recall": ("The recall to reach", 0.0, 1.0),
    "precision": ("The precision to reach", 0.0, 1.0),
    "fp": ("The number of false positives per image", 0.0, 1e6),
    "cost": ("A cost", 1e-6, 1e6),
}
_TEXTS = {
    "f": "f{}",
    "recall": "recall>={}",
    "precision": "precision>={}",
    "fp": "fp<={}",
    "cost": "cost(fp={},fn={})",
}

F1 = Objective("f", (1.0,))


def parse_objective(text: str) -> Objective:
    """Read an objective such as those in `EXAMPLES`; case and blanks do not matter.

    Raises:
        BadSetting: when it is none, or a value is out of its range.
    """
    compact = re.sub(r"\s+", "", text).lower()
    kind: Kind
    for kind in ("f", "recall", "precision", "fp", "cost"):
        found = re.fullmatch(_FORMS[kind], compact, re.ASCII)
        if found:
            return Objective(kind, tuple(map(float, found.groups())))
    raise BadSetting(f"“{text}” is no objective.", _ADVICE)


@dataclass(frozen=True, eq=False)
class Sweep(CountColumns):
    """The counts at every threshold that makes a difference, [N], by descending confidence.

    Attributes:
        confidence: float64 [N], the distinct scores.
        positives: how many objects there are to be found.
    """

    confidence: Floats
    positives: int

    def at(self, confidence: float) -> Counts:
        """The counts at any threshold, in O(log N)."""
        below = int(np.searchsorted(self.confidence[::-1], confidence, side="left"))
        row = len(self) - below - 1
        return Counts(int(self.tp[row]), int(self.fp[row]), int(self.fn[row])) if row >= 0 else self._nothing()

    def _nothing(self) -> Counts:
        return Counts(0, 0, self.positives)


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


def sweep(matches: Matches, class_id: int | None = None, iou: float = 0.5) -> Sweep:
    """The counts at every distinct score of a class, or pooled over all classes when `class_id` is None.

    Raises:
        BadSetting: when there is no such class, or nothing was matched at the IoU.
    """
    return _swept(matches, class_id, matches.true_positive(iou), matches.false_positive(iou))


def sweeps(matches: Matches, class_ids: Iterable[int | None], iou: float = 0.5) -> tuple[Sweep, ...]:
    """The sweeps of several classes, None for the pooled one, for little more than the price of one. As `sweep`."""
    true, false = matches.true_positive(iou), matches.false_positive(iou)
    return tuple(_swept(matches, class_id, true, false) for class_id in class_ids)


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


class ThresholdTable:
    """The counts of every class at any confidence, exact, in microseconds: for a slider.

    All detections stand in one list by ascending confidence, cut into blocks; for the start of each block the counts of
    all that stands from there on are kept. A look-up takes those of the next block and counts the rest of its own. A
    block has as many detections as there are counts to keep (at least 256), so memory is that of the detections.
    """

    def __init__(self, matches: Matches, iou: float = 0.5) -> None:
        """Count once, at one IoU.

        Raises:
            BadSetting: when nothing was matched at the IoU.
        """
        order = matches.ranked()[::-1]
        self._objects = matches.positives()
        self._classes = len(self._objects)
        outcome = matches.true_positive(iou) + 2 * matches.false_positive(iou)  # 0 is ignored
        self._confidence = matches.confidence[order]
        self._cell = (outcome * self._classes + matches.class_id)[order]
        self._block = max(256, 3 * self._classes)
        self._from = _counts_from(self._cell, 3 * self._classes, self._block)

    def counts(self, confidence: float) -> tuple[Integers, Integers, Integers]:
        """True positives, false positives and false negatives of each class, int64 [K] each."""
        _, tp, fp = self._cells(confidence)
        return tp, fp, self._objects - tp

    def per_class(self, confidence: float) -> PerClass:
        """As `metrics.per_class`, which counts anew."""
        ignored, tp, fp = self._cells(confidence)
        return PerClass(tp=tp, fp=fp, fn=self._objects - tp, objects=self._objects.copy(), detections=ignored + tp + fp)

    def _cells(self, confidence: float) -> Integers:
        """Ignored ones, true and false positives, int64 [3, K]."""
        first = int(self._confidence.searchsorted(confidence))
        block = -(-first // self._block)
        cells: Integers = np.bincount(self._cell[first : block * self._block], minlength=3 * self._classes)
        cells += self._from[block]
        return cells.reshape(3, self._classes)


def fingerprint(ground_truth: GroundTruth) -> str:
    """A SHA-256 in hexadecimal of what is to be found: the same objects in any order of the file give the same.

    It covers the names and sizes of the images, the class names, and of each object its image, class, box, area, and
    whether it is a crowd or to be ignored. Ids, the order of images, classes and objects, and notes do not matter.
    """
    truth = ground_truth
    columns = (truth.ltwh.tolist(), truth.area.tolist(), truth.crowd.tolist(), truth.ignore.tolist())
    images = (truth.image_names[i] for i in truth.image)
    classes = (truth.class_names[k] for k in truth.class_id)
    sizes = zip(truth.image_names, truth.image_sizes.tolist(), strict=True)
    digest = hashlib.sha256()
    for part in (sizes, ((name,) for name in truth.class_names), zip(images, classes, *columns, strict=True)):
        for line in sorted(map(repr, part)):
            digest.update(line.encode() + b"\n")
        digest.update(b"\n")
    return digest.hexdigest()


def _swept(matches: Matches, class_id: int | None, true: Flags, false: Flags) -> Sweep:
    rows = matches.ranked(class_id)
    confidence = matches.confidence[rows]
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(rows)])  # of each distinct score
    positives = positives_of(matches, class_id)
    tp = np.cumsum(true[rows], dtype=np.int64)[last]
    return Sweep(
        tp=tp,
        fp=np.cumsum(false[rows], dtype=np.int64)[last],
        fn=positives - tp,
        confidence=confidence[last],
        positives=positives,
    )


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


def _counts_from(cell: Integers, cells: int, size: int) -> Integers:
    """How many of each cell stand at or after the start of each block, and 0 after the last, int64 [B + 1, cells]."""
    blocks = -(-len(cell) // size)
    block = np.arange(len(cell)) // size
    counted = np.bincount(block * cells + cell, minlength=(blocks + 1) * cells).reshape(blocks + 1, cells)
    return counted[::-1].cumsum(axis=0)[::-1].copy()
