"""Whether a confidence means what it says: reliability diagrams and calibration errors of a detector.

D-ECE compares the mean confidence of detections with their precision (Küppers et al. 2020,
https://arxiv.org/abs/2004.13546), LaECE0 with the IoU that they reach (Kuzucu et al. 2024,
https://arxiv.org/abs/2405.20459). Both weigh the difference in each bin of confidence with the share of its detections.
Bins have equal width from 0 to 1 and hold their lower edge, the last one both; a confidence outside counts in the
nearest bin. Detections that are ignored count neither way.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from smviz.diagnosis.evidence import FALSE, FOUND, Evidence, of_classes
from smviz.diagnosis.precision import mean
from smviz.errors import BadSetting
from smviz.matching import Columns, Floats, Integers, Matches, match
from smviz.settings import MatchSettings

_TAU_0 = float(np.finfo(np.float64).tiny)  # any overlap is a match


@dataclass(frozen=True, eq=False)
class Targets(Columns):
    """What the confidence of each detection is held against; N detections that count, as they stand in the matches.

    Attributes:
        detection: int64 [N], positions in the matches.
        class_id: int64 [N].
        confidence: float64 [N].
        target: float64 [N]: 1 for a true positive or the IoU it reaches, 0 for a false positive.
        truth: int64 [N], the object that each detection found; -1 for none.
        classes: how many classes there are.
    """

    detection: Integers
    class_id: Integers
    confidence: Floats
    target: Floats
    truth: Integers
    classes: int

    def only(self, classes: Collection[int] | None) -> Targets:
        """Those of some classes; of all where it is None."""
        kept = of_classes(self.class_id, classes)
        columns = ("detection", "class_id", "confidence", "target", "truth")
        return replace(self, **{name: getattr(self, name)[kept] for name in columns})

    def evidence(self, diagram: Reliability, place: int) -> Evidence:
        """What a bin of a reliability diagram of these targets counts, by descending confidence.

        Raises:
            BadSetting: when there is no such bin.
        """
        if not 0 <= place < len(diagram.count):
            raise BadSetting(f"There is no bin {place}.", f"Choose one from 0 to {len(diagram.count) - 1}.")
        rows = np.flatnonzero((self.confidence >= diagram.least) & (_bin(self.confidence, diagram.edges) == place))
        rows = rows[np.argsort(-self.confidence[rows], kind="stable")]
        kind = np.where(self.truth[rows] >= 0, FOUND, FALSE).astype(np.uint8)
        return Evidence(kind, self.detection[rows], self.truth[rows])


@dataclass(frozen=True, eq=False)
class Reliability(Columns):
    """A reliability diagram of B bins.

    Attributes:
        edges: float64 [B + 1], from 0 to 1.
        count: int64 [B], detections.
        share: float64 [B], of all detections; NaN without any.
        confidence: float64 [B], the mean; NaN in an empty bin.
        target: float64 [B], what it should be: the precision, or the mean IoU; NaN in an empty bin.
        error: the mean of |confidence - target| over the bins, weighed by share; NaN without detections.
        least: the least confidence of what is counted.
    """

    edges: Floats
    count: Integers
    share: Floats
    confidence: Floats
    target: Floats
    error: float
    least: float


def precision_targets(matches: Matches, iou: float = 0.5, area: str = "all") -> Targets:
    """Whether each detection found an object, for D-ECE.

    Raises:
        BadSetting: when nothing was matched at the IoU, or in the area range.
    """
    true = matches.true_positive(iou, area)
    counted = np.flatnonzero(true | matches.false_positive(iou, area))
    return _targets(matches, counted, true.astype(np.float64), np.where(true, matches.taken(iou, area), -1))


def localisation_targets(matches: Matches) -> Targets:
    """The IoU that each detection reaches, for LaECE0: any overlap makes it a true positive (tau 0).

    Matched anew, in COCO's way, as long as a first matching takes.
    """
    settings = matches.settings
    overlapping = MatchSettings((_TAU_0,), settings.areas[:1], settings.max_detections)
    anew = match(matches.ground_truth, matches.predictions, overlapping)
    true = anew.true_positive(_TAU_0)
    counted = np.flatnonzero(true | anew.false_positive(_TAU_0))
    reached = np.where(true, anew.overlap(_TAU_0), 0.0)
    return _targets(anew, counted, reached, np.where(true, anew.taken(_TAU_0), -1))


def reliability(targets: Targets, class_id: int | None = None, confidence: float = 0.0, bins: int = 10) -> Reliability:
    """The reliability diagram of a class, or of all classes pooled when `class_id` is None.

    Args:
        confidence: the least that a detection must have; a detector's many faint detections outweigh all others.

    Raises:
        BadSetting: when there is no such class, or the bins or the least confidence are not usable.
    """
    if class_id is not None and not 0 <= class_id < targets.classes:
        raise BadSetting(f"There is no class {class_id}.", f"Choose one from 0 to {targets.classes - 1}.")
    edges = _edges(bins, confidence)
    kept = targets.confidence >= confidence
    if class_id is not None:
        kept &= targets.class_id == class_id
    count, scores, reached = _binned(targets, np.flatnonzero(kept), edges, 0)
    gap = np.abs(scores - reached)  # of sums: |mean - mean| x count
    return Reliability(
        edges=edges,
        count=count[0],
        share=_ratio(count[0], count.sum()),
        confidence=_ratio(scores[0], count[0]),
        target=_ratio(reached[0], count[0]),
        error=float(_ratio(gap.sum(), count.sum())),
        least=confidence,
    )


def class_errors(targets: Targets, confidence: float = 0.0, bins: int = 25) -> Floats:
    """The calibration error of each class, float64 [K]; NaN for a class without detections. Raises as `reliability`."""
    edges = _edges(bins, confidence)
    rows = np.flatnonzero(targets.confidence >= confidence)
    count, scores, reached = _binned(targets, rows, edges, targets.classes)
    return _ratio(np.abs(scores - reached).sum(axis=1), count.sum(axis=1))


def d_ece(matches: Matches, iou: float = 0.5, confidence: float = 0.0, bins: int = 10) -> float:
    """D-ECE from confidence alone, over all classes together; NaN without detections.

    Raises:
        BadSetting: when nothing was matched at the IoU, or the bins or the least confidence are not usable.
    """
    return reliability(precision_targets(matches, iou), None, confidence, bins).error


def d_ece_with_boxes(matches: Matches, iou: float = 0.5, confidence: float = 0.0, bins: int = 5) -> float:
    """D-ECE in bins of confidence and of the box's centre, width and height, each relative to its image.

    It sees what D-ECE from confidence alone averages out: being sure at the border and shy in the middle. `bins` is
    that of each of the five dimensions; NaN without detections, or where an image's size is not known. Raises as
    `d_ece`.
    """
    targets = precision_targets(matches, iou)
    edges = _edges(bins, confidence)
    rows = np.flatnonzero(targets.confidence >= confidence)
    detection = targets.detection[rows]
    sizes = matches.ground_truth.image_sizes[matches.image[detection]]
    if not len(rows) or (sizes <= 0).any():
        return np.nan
    ltwh = matches.predictions.ltwh[matches.prediction[detection]]
    relative = np.concatenate([ltwh[:, :2] + ltwh[:, 2:] / 2, ltwh[:, 2:]], axis=1) / np.tile(sizes, 2)
    cell = _bin(targets.confidence[rows], edges)
    for dimension in relative.T:
        cell = cell * bins + _bin(dimension, edges)
    _, cell = np.unique(cell, return_inverse=True)
    gap = np.bincount(cell, targets.confidence[rows] - targets.target[rows])
    return float(np.abs(gap).sum() / len(rows))


def laece0(matches: Matches, confidence: float = 0.0, bins: int = 25) -> float:
    """LaECE0: the mean of its classes' errors, over the classes with detections; NaN without any.

    Raises:
        BadSetting: when the bins or the least confidence are not usable.
    """
    return mean(class_errors(localisation_targets(matches), confidence, bins))


def _targets(matches: Matches, counted: Integers, target: Floats, truth: Integers) -> Targets:
    class_id, confidence = matches.class_id[counted], matches.confidence[counted]
    classes = len(matches.ground_truth.class_names)
    return Targets(counted, class_id, confidence, target[counted], truth[counted], classes)


def _edges(bins: int, confidence: float) -> Floats:
    if bins < 1:
        raise BadSetting(f"{bins} bins hold nothing.", "Choose 1 or more; 10 to 25 are usual.")
    if np.isnan(confidence):
        raise BadSetting("The least confidence is not a number.", "Choose one from 0 to 1.")
    return np.arange(bins + 1) / bins  # so that a confidence of 0.3 lies on the edge 3 / 10


def _bin(values: Floats, edges: Floats) -> Integers:
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def _binned(targets: Targets, rows: Integers, edges: Floats, classes: int) -> tuple[Integers, Floats, Floats]:
    """The count of rows in each class and bin, the sum of their confidence and of their targets; [K or 1, B] each.

    With 0 classes all rows are pooled.
    """
    bins = len(edges) - 1
    cell = _bin(targets.confidence[rows], edges) + (targets.class_id[rows] * bins if classes else 0)
    shape = (classes or 1, bins)
    count = np.bincount(cell, minlength=shape[0] * bins).reshape(shape)
    sums = [np.bincount(cell, column[rows], shape[0] * bins) for column in (targets.confidence, targets.target)]
    scores, reached = np.array(sums, np.float64).reshape(2, *shape)
    return count, scores, reached


def _ratio(part: Floats | np.floating, whole: Integers | np.integer) -> Floats:
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole))
    ratio: Floats = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return ratio
