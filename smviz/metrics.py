"""Numbers of an evaluation, each a look-up in `Matches`. Undefined is NaN; a threshold keeps confidence >= it.

Precision is TP / (TP + FP), recall TP / (TP + FN), and F1 is 2 TP / (2 TP + FP + FN), so that F1 is 0 where something
is there and nothing of it is right, and undefined only where there is neither an object nor a detection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Floats, Integers, Matches

Hits = tuple[Integers, ...]  # IoU and candidate of each true positive

# COCO's twelve numbers, in the order in which cocoeval prints them.
MEANINGS = {
    "AP": "Average precision, mean over IoU 0.50 to 0.95 and classes",
    "AP50": "AP at IoU 0.50",
    "AP75": "AP at IoU 0.75",
    "APs": "AP of small objects, up to 32² pixels",
    "APm": "AP of medium objects, 32² to 96² pixels",
    "APl": "AP of large objects, from 96² pixels",
    "AR1": "Average recall with 1 detection per image and class",
    "AR10": "Average recall with 10 detections per image and class",
    "AR100": "Average recall with 100 detections per image and class",
    "ARs": "AR of small objects",
    "ARm": "AR of medium objects",
    "ARl": "AR of large objects",
}

_RECALLS = np.linspace(0, 1, 101)  # the recalls at which COCO samples precision
_NONE = np.zeros(0)


@dataclass(frozen=True)
class Counts:
    """True positives, false positives and false negatives, with what follows from them."""

    tp: int
    fp: int
    fn: int
    precision: float = field(init=False)
    recall: float = field(init=False)
    f1: float = field(init=False)

    def __post_init__(self) -> None:
        for name, value in _rates(self.tp, self.fp, self.fn).items():
            object.__setattr__(self, name, float(value))


@dataclass(frozen=True, eq=False)
class CountColumns(Columns):
    """Columns of `Counts`: tp, fp and fn as int64 [N]; precision, recall and f1 as float64 [N], read-only."""

    tp: Integers
    fp: Integers
    fn: Integers
    precision: Floats = field(init=False)
    recall: Floats = field(init=False)
    f1: Floats = field(init=False)

    def __post_init__(self) -> None:
        for name, value in _rates(self.tp, self.fp, self.fn).items():
            object.__setattr__(self, name, value)
        super().__post_init__()

    def __len__(self) -> int:
        return len(self.tp)


@dataclass(frozen=True, eq=False)
class PerImage(CountColumns):
    """Counts of each image [I], in the order of the ground truth."""


@dataclass(frozen=True, eq=False)
class PerClass(CountColumns):
    """Counts of each class [K], in the order of the ground truth.

    Attributes:
        objects: int64 [K], how many objects there are to be found.
        detections: int64 [K], how many detections reach the threshold, ignored ones included.
    """

    objects: Integers
    detections: Integers


@dataclass(frozen=True, eq=False)
class PrecisionRecall(Columns):
    """The precision-recall curve: one point for each detection that counts, by descending confidence; float64 [N].

    Attributes:
        recall, precision: at the threshold that keeps the detections up to this one; recall is NaN without an object.
        envelope: the highest precision at this recall or a higher one, which COCO's AP averages.
        confidence: of the detection.
    """

    recall: Floats
    precision: Floats
    envelope: Floats
    confidence: Floats


def coco_numbers(matches: Matches) -> dict[str, float]:
    """COCO's twelve numbers, in COCO's order; NaN where one is undefined or the settings leave it out.

    AP averages over IoUs and classes, AP50 and AP75 over classes at one IoU; s, m and l are the small, medium and large
    objects. AR1, AR10 and AR100 are the recall with so many detections per image and class, over IoUs and classes.
    """
    most, known = matches.settings.max_detections, [name for name, _, _ in matches.settings.areas]
    precision: dict[str, Floats] = {}
    recall: dict[str, Floats] = {}
    for letter, area in {"": "all", "s": "small", "m": "medium", "l": "large"}.items():
        if area in known:
            true, false = matches.candidate_outcomes(area)
            hits = np.nonzero(true)
            precision[letter] = _sampled(matches, area, hits, false).mean(axis=2)
            limits = most if area == "all" else most[-1:]
            recall |= {f"{limit}{letter}": _recall(matches, area, hits, limit) for limit in limits}
    ious = np.array(matches.settings.ious)
    numbers = {"AP": _mean(precision[""])}
    numbers |= {f"AP{t}": _mean(precision[""][np.isclose(ious, t / 100)]) for t in (50, 75)}
    numbers |= {f"AP{letter}": _mean(precision.get(letter, _NONE)) for letter in "sml"}
    numbers |= {f"AR{limit}": _mean(recall.get(str(limit), _NONE)) for limit in (1, 10, 100)}
    return numbers | {f"AR{letter}": _mean(recall.get(f"{most[-1]}{letter}", _NONE)) for letter in "sml"}


def average_precision(matches: Matches, area: str = "all") -> Floats:
    """COCO's average precision of each IoU and class, float64 [T, K]; NaN for a class without an object.

    The mean of the precision envelope at 101 recalls from 0 to 1, zero beyond the last recall that is reached
    (`accumulate` in `cocoeval.py`).

    Raises:
        BadSetting: when the settings of this matching do not have the area range.
    """
    average: Floats = precision_at_recalls(matches, area).mean(axis=2)
    return average


def precision_at_recalls(matches: Matches, area: str = "all") -> Floats:
    """What COCO's average precision averages, float64 [T, K, 101]; NaN for a class without an object.

    The precision envelope at the recalls 0, 0.01 to 1 (`accumulate` in `cocoeval.py`). Raises as `average_precision`.
    """
    true, false = matches.candidate_outcomes(area)
    return _sampled(matches, area, np.nonzero(true), false)


def average_recall(matches: Matches, max_detections: int, area: str = "all") -> Floats:
    """The recall of each IoU and class, float64 [T, K], with so many detections per image; NaN without an object.

    Raises:
        BadSetting: when the settings of this matching do not have the area range or the number of detections.
    """
    if max_detections not in matches.settings.max_detections:
        known = ", ".join(map(str, matches.settings.max_detections))
        raise BadSetting(f"{max_detections} detections per image was not asked for.", f"Choose one of {known}.")
    true, _ = matches.candidate_outcomes(area)
    return _recall(matches, area, np.nonzero(true), max_detections)


def precision_recall(matches: Matches, class_id: int | None = None, iou: float = 0.5) -> PrecisionRecall:
    """The precision-recall curve of a class, or pooled over all classes when `class_id` is None.

    Raises:
        BadSetting: when there is no such class, or nothing was matched at the IoU.
    """
    rows = matches.ranked(class_id)
    true, false = matches.true_positive(iou)[rows], matches.false_positive(iou)[rows]
    counted = true | false
    tp, fp = np.cumsum(true[counted]), np.cumsum(false[counted])
    precision = _ratio(tp, tp + fp)
    return PrecisionRecall(
        recall=_ratio(tp, positives_of(matches, class_id)),
        precision=precision,
        envelope=np.maximum.accumulate(precision[::-1])[::-1],
        confidence=matches.confidence[rows][counted],
    )


def positives_of(matches: Matches, class_id: int | None = None) -> int:
    """How many objects of a class there are to be found; of all classes when `class_id` is None."""
    positives = matches.positives()
    return int(positives.sum() if class_id is None else positives[class_id])


def per_image(matches: Matches, confidence: float, iou: float = 0.5) -> PerImage:
    """Counts of each image at a confidence threshold. Detections that are ignored count neither way.

    Raises:
        BadSetting: when nothing was matched at the IoU.
    """
    true, false = _at(matches, confidence, iou)
    images = len(matches.ground_truth.image_names)
    tp = np.bincount(matches.image[true], minlength=images)
    objects = np.bincount(matches.ground_truth.image[~matches.ground_truth_ignored()], minlength=images)
    return PerImage(tp=tp, fp=np.bincount(matches.image[false], minlength=images), fn=objects - tp)


def per_class(matches: Matches, confidence: float, iou: float = 0.5) -> PerClass:
    """Counts of each class at a confidence threshold. Raises as `per_image`."""
    true, false = _at(matches, confidence, iou)
    objects = matches.positives()
    tp = np.bincount(matches.class_id[true], minlength=len(objects))
    return PerClass(
        tp=tp,
        fp=np.bincount(matches.class_id[false], minlength=len(objects)),
        fn=objects - tp,
        objects=objects,
        detections=np.bincount(matches.class_id[matches.confidence >= confidence], minlength=len(objects)),
    )


def counts(matches: Matches, confidence: float, iou: float = 0.5, class_ids: Iterable[int] | None = None) -> Counts:
    """Counts over all images and the classes given (None: all) at a confidence threshold.

    Raises:
        BadSetting: when there is no such class, or nothing was matched at the IoU.
    """
    table = per_class(matches, confidence, iou)
    chosen = np.arange(len(table)) if class_ids is None else np.unique(np.array(list(class_ids), np.int64))
    if len(chosen) and not 0 <= chosen[0] <= chosen[-1] < len(table):
        raise BadSetting("One of these classes does not exist.", f"Choose from 0 to {len(table) - 1}.")
    return Counts(int(table.tp[chosen].sum()), int(table.fp[chosen].sum()), int(table.fn[chosen].sum()))


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio


def _rates(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> dict[str, Floats]:
    tp, fp, fn = np.asarray(tp), np.asarray(fp), np.asarray(fn)
    return {
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
    }


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan


def _sampled(matches: Matches, area: str, hits: Hits, false: Flags) -> Floats:
    """`precision_at_recalls` from the candidates' outcomes; a curve for each IoU and class, all curves in one row."""
    positives = matches.positives(area)
    iou, hit = hits  # by IoU, then by class, then by descending confidence
    curve = _curve(matches, hits)
    length = np.bincount(curve, minlength=len(false) * len(positives))
    start = np.cumsum(length) - length
    found = np.arange(len(hit)) - start[curve] + 1
    precision = found / (found + _wrong_before(matches, area, false)[iou, hit])
    envelope = np.append(_envelopes(precision, curve), 0.0)
    needed = _objects_needed(positives)  # [K, 101]
    length, start = length.reshape(len(false), -1, 1), start.reshape(len(false), -1, 1)
    sampled = envelope[np.where(needed < length, start + needed, -1)]  # 0 beyond the last recall
    sampled[:, positives == 0] = np.nan
    return sampled


def _recall(matches: Matches, area: str, hits: Hits, most: int) -> Floats:
    positives, ious = matches.positives(area), len(matches.settings.ious)
    kept = matches.rank[matches.candidate][hits[1]] < most
    found = np.bincount(_curve(matches, hits)[kept], minlength=ious * len(positives))
    return _ratio(found.reshape(ious, -1), positives)


def _curve(matches: Matches, hits: Hits) -> Integers:
    """The IoU and class of each true positive as one number."""
    iou, hit = hits
    return iou * len(matches.ground_truth.class_names) + matches.class_id[matches.candidate][hit]


def _wrong_before(matches: Matches, area: str, false: Flags) -> Integers:
    """The false positives of its class that stand before each candidate at every IoU, int64 [T, C]."""
    class_id = matches.class_id[matches.candidate]
    classes = np.arange(len(matches.ground_truth.class_names))
    far = np.cumsum(matches.background(area))
    far_of_class = np.append(0, far)[np.searchsorted(matches.class_id, classes)]
    near = np.cumsum(false, axis=1, dtype=np.int64)
    near_of_class = np.pad(near, ((0, 0), (1, 0)))[:, np.searchsorted(class_id, classes)]
    near += far[matches.candidate]
    near -= (near_of_class + far_of_class)[:, class_id]
    return near


def _envelopes(precision: Floats, curve: Integers) -> Floats:
    """The highest precision from each point to the end of its curve; the points of a curve stand together."""
    order = np.argsort(precision)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    # A later curve's points must not count, so each curve stands above all that follow; whole numbers keep it exact.
    offset = (curve.max(initial=0) - curve) * len(order)
    place += offset
    highest: Floats = precision[order[np.maximum.accumulate(place[::-1])[::-1] - offset]]
    return highest


def _objects_needed(positives: Integers) -> Integers:
    """The first n with n + 1 of the objects reaching each of COCO's recalls, int64 [K, 101]."""
    objects = np.maximum(positives, 1)[:, None]
    # The product may round either way, the quotient is what COCO compares: so begin below and count up.
    first: Integers = np.maximum(np.floor(_RECALLS * objects).astype(np.int64) - 2, 0)
    for _ in range(3):
        first += (first + 1) / objects < _RECALLS
    return first


def _at(matches: Matches, confidence: float, iou: float) -> tuple[Flags, Flags]:
    kept = matches.confidence >= confidence
    return matches.true_positive(iou) & kept, matches.false_positive(iou) & kept
