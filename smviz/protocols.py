"""Other definitions of average precision, beside COCO's, and why tools tell different numbers of the same detections.

COCO's own is in `smviz.metrics`. Pascal VOC's is that of its development kit (`VOCevaldet.m`, `VOCap.m`; also
https://github.com/rafaelpadilla/review_object_detection_metrics).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Floats, Integers, Matches, match
from smviz.metrics import average_precision, precision_recall
from smviz.records import GroundTruth, Predictions
from smviz.settings import MatchSettings

_IOU = 0.5  # what tools are compared at
_RECALLS = np.linspace(0, 1, 101)
_PAIRS_AT_ONCE = 1 << 18  # bounds memory: about 30 MB of temporaries


@dataclass(frozen=True, eq=False)
class VocAveragePrecision(Columns):
    """Pascal VOC's average precision of each class, float64 [K]; NaN for a class without an object.

    Attributes:
        all_point: the area under the precision envelope, as from 2010 on.
        eleven_point: the mean of the envelope at the recalls 0, 0.1 … 1, as until 2009.
    """

    all_point: Floats
    eleven_point: Floats

    @property
    def mean_all_point(self) -> float:
        """Over the classes that have objects; NaN where none has."""
        return _mean(self.all_point)

    @property
    def mean_eleven_point(self) -> float:
        """Over the classes that have objects; NaN where none has."""
        return _mean(self.eleven_point)


@dataclass(frozen=True)
class Difference:
    """What AP at IoU 0.5 is by another definition, on the same detections.

    Attributes:
        name: of the definition.
        value: the mean over classes; NaN where it is undefined.
        sentence: what it does differently, and which tool does so.
    """

    name: str
    value: float
    sentence: str


def voc_average_precision(ground_truth: GroundTruth, predictions: Predictions, iou: float = 0.5) -> VocAveragePrecision:
    """Match and average as Pascal VOC does.

    Boxes count both their border pixels (+1 in width and height). A detection sees only the object of its class that it
    overlaps most, the first in the file of equal ones: it is right when the IoU reaches the threshold and no detection
    of higher confidence has the object; wrong otherwise, also when another object was free. Detections of difficult
    objects (here: crowds and objects to ignore) count neither way. There is no limit of detections per image.

    Raises:
        BadSetting: when the IoU is not above 0, up to 1.
    """
    if not 0 < iou <= 1:
        raise BadSetting(f"The IoU cannot be {iou:g}.", "Choose a number above 0, up to 1.")
    difficult = ground_truth.crowd | ground_truth.ignore
    classes = len(ground_truth.class_names)
    positives = np.bincount(ground_truth.class_id[~difficult], minlength=classes)
    order = np.argsort(-predictions.confidence, kind="stable")
    true, counted = _voc_outcomes(ground_truth, predictions, difficult, order, iou)
    class_id = predictions.class_id[order]
    all_point, eleven_point = np.full(classes, np.nan), np.full(classes, np.nan)
    for k in np.flatnonzero(positives):
        hits = true[counted & (class_id == k)]
        recall = np.cumsum(hits) / positives[k]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)  # 0 beyond the last recall
        all_point[k] = envelope[:-1][hits].sum() / positives[k]
        # Exactly the tenths: 3 objects of 10 reach the recall 0.3.
        eleven_point[k] = envelope[np.searchsorted(recall, np.arange(11) / 10, side="left")].mean()
    return VocAveragePrecision(all_point, eleven_point)


def why_tools_differ(matches: Matches) -> tuple[Difference, ...]:
    """AP at IoU 0.5 by each definition that is in use, computed anew from the same boxes; COCO's comes first.

    Definitions that cannot matter here, for there is no crowd or no object to ignore, are left out.
    """
    truth, predictions = matches.ground_truth, matches.predictions
    most = matches.settings.max_detections[-1]
    coco = _matched(truth, predictions, most)
    voc = voc_average_precision(truth, predictions, _IOU)
    whole = max(len(predictions), 1)
    differences = [
        Difference(
            "COCO AP50",
            _coco(coco),
            f"The precision envelope at 101 recalls, with at most {most} detections per image and class: pycocotools,"
            " and smviz everywhere else.",
        ),
        Difference(
            "VOC, all points",
            voc.mean_all_point,
            "The exact area under the envelope; boxes are a pixel larger, and a detection sees only the object that it"
            " overlaps most: the Pascal VOC kit since 2010, review_object_detection_metrics.",
        ),
        Difference(
            "VOC, 11 points",
            voc.mean_eleven_point,
            "The same matching, but the envelope at 11 recalls only, so a step of the curve weighs up to a tenth: the"
            " Pascal VOC kit until 2009, and tools that report “VOC07”.",
        ),
        Difference(
            "Straight lines, trapezoids",
            _mean(_by_trapezoids(coco)),
            "The points of the curve are joined by straight lines, not steps, and the area is summed as trapezoids at"
            " 101 recalls: Ultralytics, which also matches in another way, so its own figure may still differ.",
        ),
        Difference(
            "COCO, every detection",
            _coco(_matched(truth, predictions, whole)),
            f"No limit of {most} detections per image and class: tools that leave out COCO's maxDets.",
        ),
        Difference(
            "COCO, ties in favour",
            _coco(_matched(truth, _false_last(coco), whole)),
            "Of equal confidences, true positives stand before false ones, which only favours the model: FiftyOne.",
        ),
    ]
    if truth.crowd.any():
        dropped = _matched(_only(truth, ~truth.crowd), predictions, most)
        differences.append(
            Difference(
                "COCO, crowds dropped",
                _coco(dropped),
                "Crowd regions are left out of the ground truth, so detections in them are false positives: data sets"
                " that were converted to a format without crowds.",
            )
        )
    if truth.ignore.any():
        counted = replace(truth, ignore=np.zeros(len(truth), np.bool_))
        differences.append(
            Difference(
                "COCO, all objects count",
                _coco(_matched(counted, predictions, most)),
                "Objects that are to be ignored, such as VOC's difficult ones, must be found like any other: tools that"
                " do not read that mark.",
            )
        )
    return tuple(differences)


def _matched(truth: GroundTruth, predictions: Predictions, most: int) -> Matches:
    return match(truth, predictions, MatchSettings((_IOU,), (("all", 0.0, 1e10),), (most,)))


def _coco(matches: Matches) -> float:
    return _mean(average_precision(matches)[0])


def _by_trapezoids(matches: Matches) -> Floats:
    """The area of each class, float64 [K]: level before the first recall, 0 beyond the last; NaN without an object."""
    areas = np.full(len(matches.ground_truth.class_names), np.nan)
    for k in np.flatnonzero(matches.positives()).tolist():
        curve = precision_recall(matches, k, _IOU)
        if not len(curve.recall):
            areas[k] = 0.0
            continue
        height = np.interp(_RECALLS, curve.recall, curve.envelope, right=0.0)  # at a drop, from its lower end on
        areas[k] = (height[1:] + height[:-1]).mean() / 2
    return areas


def _false_last(matches: Matches) -> Predictions:
    """The detections that were matched, in the same order but for ties, of which false positives come last.

    Matching them anew gives each the same object: a false positive takes none from those that it gives way to.
    """
    false = matches.false_positive(_IOU)
    order = np.lexsort((false, -matches.confidence))
    confidence = np.empty(len(order))
    confidence[order] = np.linspace(1, 0, len(order))
    rows = matches.prediction
    return Predictions(matches.image, matches.class_id, matches.predictions.ltwh[rows], confidence)


def _only(truth: GroundTruth, kept: Flags) -> GroundTruth:
    columns = {name: getattr(truth, name)[kept] for name in ("image", "class_id", "ltwh", "area", "crowd", "ignore")}
    return replace(truth, **columns)


def _voc_outcomes(
    truth: GroundTruth, predictions: Predictions, difficult: Flags, order: Integers, iou: float
) -> tuple[Flags, Flags]:
    """Which detections, in that order, are true positives, and which count at all; bool [D] each."""
    best, overlap = _most_overlapped(truth, predictions)
    best = np.where(overlap >= iou, best, -1)[order]
    counted = ~np.append(difficult, False)[best]
    claims = np.flatnonzero(counted & (best >= 0))
    _, first = np.unique(best[claims], return_index=True)
    true = np.zeros(len(order), np.bool_)
    true[claims[first]] = True
    return true, counted


def _most_overlapped(truth: GroundTruth, predictions: Predictions) -> tuple[Integers, Floats]:
    """The object of its image and class that each detection overlaps most, int64 [D] (-1: none), and the IoU."""
    best, overlap = np.full(len(predictions), -1, np.int64), np.zeros(len(predictions))
    for detection, objects in _pairs(truth, predictions):
        iou = _voc_iou(predictions.ltwh[detection], truth.ltwh[objects])
        starts = np.flatnonzero(np.diff(detection, prepend=-1))
        highest = np.maximum.reduceat(iou, starts)
        is_highest = np.flatnonzero(iou == np.repeat(highest, np.diff(starts, append=len(iou))))
        of, first = np.unique(detection[is_highest], return_index=True)
        best[of], overlap[of] = objects[is_highest[first]], highest
    return best, overlap


def _pairs(truth: GroundTruth, predictions: Predictions) -> Iterator[tuple[Integers, Integers]]:
    """All pairs of one image and class, by detection and then in the order of the file, some at a time; never none."""
    images = len(truth.image_names)
    objects = np.lexsort((truth.image, truth.class_id))
    keys = (truth.class_id * images + truth.image)[objects]
    wanted = predictions.class_id * images + predictions.image
    first = np.searchsorted(keys, wanted, "left")
    count = np.searchsorted(keys, wanted, "right") - first
    total = np.cumsum(count)
    borders = np.searchsorted(total, np.arange(0, total[-1] if len(total) else 0, _PAIRS_AT_ONCE), "right")
    for low, high in pairwise([*borders.tolist(), len(wanted)]):
        here = count[low:high]
        detection = np.repeat(np.arange(low, high), here)
        if len(detection):
            within = np.arange(len(detection)) - np.repeat(np.cumsum(here) - here, here)
            yield detection, objects[first[detection] + within]


def _voc_iou(detections: Floats, truths: Floats) -> Floats:
    """The IoU of corresponding boxes, float64 [N], with both border pixels: ltwh [N, 4] each."""
    ends = np.minimum(detections[:, :2] + detections[:, 2:], truths[:, :2] + truths[:, 2:])
    sides = (ends - np.maximum(detections[:, :2], truths[:, :2]) + 1).clip(min=0)
    overlap = sides.prod(axis=1)
    areas = (detections[:, 2:] + 1).prod(axis=1) + (truths[:, 2:] + 1).prod(axis=1)
    iou: Floats = overlap / (areas - overlap)
    return iou


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan
