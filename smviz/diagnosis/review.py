"""Which labels a person should look at again: probably missing ones, and probably wrong ones.

A confident detector is a second annotator. Where it and the labels contradict each other, one of them is wrong, and the
queue's order says where that is most likely the labels. Nothing here changes a label or a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smviz.diagnosis.pairs import CrossPairs, box_pairs, pairs_of
from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Floats, Integers, Matches

REASONS = ("missing", "class", "box", "unseen", "double")

_MISSING, _CLASS, _BOX, _UNSEEN, _DOUBLE = range(len(REASONS))


@dataclass(frozen=True, slots=True)
class ReviewSettings:
    """When a label is doubted.

    Attributes:
        confidence: what a detection must have to be believed against a label.
        faint: what a detection must have to show that the detector saw anything.
        near: the IoU from which a detection touches a label; below it, there is nothing labelled.
        covers: the IoU from which a detection and a label mean the same object.
        double: the IoU from which two labels of a class are one object labelled twice.
    """

    confidence: float = 0.8
    faint: float = 0.05
    near: float = 0.1
    covers: float = 0.5
    double: float = 0.8


REVIEW = ReviewSettings()


@dataclass(frozen=True, eq=False)
class Review(Columns):
    """A queue of N doubts, by descending score.

    Attributes:
        matches: what the positions are positions in.
        reason: int64 [N], index into `REASONS`.
        image: int64 [N], index into the ground truth's images.
        detection: int64 [N], the detection that speaks against the labels, as position in the matches; -1 for none.
        truth: int64 [N], the label in doubt, as position in the ground truth; -1 where one is missing.
        other: int64 [N], of a double the label that it repeats; -1 otherwise.
        score: float64 [N], 0 to 1: how sure the detector is, see `probably_missing` and `probably_wrong`.
        iou: float64 [N], of the detection, or of the other label, with the label in doubt; NaN where there is none.
    """

    matches: Matches
    reason: Integers
    image: Integers
    detection: Integers
    truth: Integers
    other: Integers
    score: Floats
    iou: Floats

    def __len__(self) -> int:
        return len(self.reason)

    def sentence(self, row: int) -> str:
        """What is doubted, for a person."""
        matches, reason, detection = self.matches, self.reason[row], self.detection[row]
        names, confidence = matches.ground_truth.class_names, matches.confidence
        found = (
            f"{names[matches.class_id[detection]]} at confidence {confidence[detection]:.2f}" if detection >= 0 else ""
        )
        if reason == _MISSING:
            return f"The detector finds {found} where nothing is labelled."
        label, iou = names[matches.ground_truth.class_id[self.truth[row]]], self.iou[row]
        if reason == _CLASS:
            return f"Labelled {label}, but the detector finds {found} there (IoU {iou:.2f})."
        if reason == _BOX:
            return f"The box of {label} and the detector's ({found}) overlap only by IoU {iou:.2f}."
        if reason == _UNSEEN:
            share = f"{self.score[row]:.0%} of the labels of this class"
            return f"Labelled {label}, but the detector finds nothing there, though it sees {share}."
        return f"{label} is labelled twice here (IoU {iou:.2f})."


def probably_missing(matches: Matches, settings: ReviewSettings = REVIEW, near: CrossPairs | None = None) -> Review:
    """Confident detections that touch no label of any class, crowds and objects to ignore included.

    Of those that cover each other only the most confident one is doubted, as they mean one object. The score is the
    confidence.

    Args:
        near: the near pairs of these matches, where they are at hand.

    Raises:
        BadSetting: when the settings contradict themselves, or the near pairs do not serve.
    """
    near = _pairs(matches, settings, near)
    alone = matches.confidence >= settings.confidence
    alone[near.detection[: near.reaching(settings.near)]] = False
    ranked = matches.ranked()
    detection = _one_each(matches, ranked[alone[ranked]], settings.covers)
    return _queue(matches, [_doubts(_MISSING, detection, _none(detection), matches.confidence[detection])])


def probably_wrong(matches: Matches, settings: ReviewSettings = REVIEW, near: CrossPairs | None = None) -> Review:
    """Labels that a confident detector contradicts. Crowds and objects to ignore are not doubted.

    class: a confident detection of another class covers the label and covers no label of its own class; the score is
        how much more confident it is than the best detection of the label's class there.
    box: the best confident detection of the class touches the label without covering it, no detection of the class
        covers the label, and the detection covers no other label of the class; the score is confidence x (1 - IoU).
    unseen: no detection of any class touches the label, not even a faint one; the score is the share of the labels of
        the class that are touched: the better the detector knows a class, the stranger a label that it does not see.
    double: two labels of a class cover each other; the later one is doubted, and the score is the IoU.

    A label can be in doubt for several reasons. Args and Raises as `probably_missing`.
    """
    near = _pairs(matches, settings, near)
    plain = ~matches.ground_truth_ignored()
    doubts = [_class(near, settings, plain), _box(near, settings, plain), _unseen(near, settings, plain)]
    return _queue(matches, [*doubts, _double(matches, settings, plain)])


@dataclass(frozen=True, eq=False)
class _Doubts:
    """Rows of a review that are not yet in order."""

    reason: Integers
    detection: Integers
    truth: Integers
    other: Integers
    score: Floats
    iou: Floats


def _class(near: CrossPairs, settings: ReviewSettings, plain: Flags) -> _Doubts:
    confidence = near.matches.confidence[near.detection]
    covers = _covers(near, settings)
    of_label = np.zeros(len(plain))  # the best confidence of its own class on each label
    agreeing = covers & near.same_class
    np.maximum.at(of_label, near.truth[agreeing], confidence[agreeing])
    ahead = confidence - of_label[near.truth]
    speaks = covers & ~near.same_class & plain[near.truth] & (confidence >= settings.confidence) & (ahead > 0)
    speaks &= ~_own_label(near, agreeing)[near.detection]
    rows = _first_of_label(near, np.flatnonzero(speaks), ahead)
    return _doubts(_CLASS, near.detection[rows], near.truth[rows], ahead[rows], near.iou[rows])


def _box(near: CrossPairs, settings: ReviewSettings, plain: Flags) -> _Doubts:
    confidence = near.matches.confidence[near.detection]
    agreeing = _covers(near, settings) & near.same_class
    covered = np.zeros(len(plain), np.bool_)
    covered[near.truth[agreeing]] = True
    touching = np.arange(len(near)) < near.reaching(settings.near)
    speaks = touching & near.same_class & plain[near.truth] & (confidence >= settings.confidence)
    speaks &= ~covered[near.truth] & ~_own_label(near, agreeing)[near.detection]
    score = confidence * (1 - near.iou)
    rows = _first_of_label(near, np.flatnonzero(speaks), near.iou)
    return _doubts(_BOX, near.detection[rows], near.truth[rows], score[rows], near.iou[rows])


def _unseen(near: CrossPairs, settings: ReviewSettings, plain: Flags) -> _Doubts:
    truth_class, classes = near.matches.ground_truth.class_id, len(near.matches.ground_truth.class_names)
    touching = np.arange(len(near)) < near.reaching(settings.near)
    touching &= near.matches.confidence[near.detection] >= settings.faint
    seen = np.zeros(len(plain), np.bool_)
    seen[near.truth[touching]] = True
    unseen = np.flatnonzero(plain & ~seen)
    share = np.bincount(truth_class[plain & seen], minlength=classes) / np.maximum(
        np.bincount(truth_class[plain], minlength=classes), 1
    )
    return _doubts(_UNSEEN, _none(unseen), unseen, share[truth_class[unseen]])


def _double(matches: Matches, settings: ReviewSettings, plain: Flags) -> _Doubts:
    truth = matches.ground_truth
    first, second, iou = box_pairs(truth.image, truth.ltwh, settings.double)
    same = (truth.class_id[first] == truth.class_id[second]) & plain[first] & plain[second]
    best = np.flatnonzero(same)[np.argsort(-iou[same], kind="stable")]
    _, once = np.unique(second[best], return_index=True)
    rows = best[once]
    score = np.minimum(iou[rows], 1.0)
    return _doubts(_DOUBLE, _none(rows), second[rows], score, iou[rows], first[rows])


def _one_each(matches: Matches, detection: Integers, covers: float) -> Integers:
    """The detections, by descending confidence, that no more confident one of them covers, as NMS picks them."""
    boxes = matches.predictions.ltwh[matches.prediction[detection]]
    first, second, _ = box_pairs(matches.image[detection], boxes, covers)
    standing = np.ones(len(detection), np.bool_)
    while len(first):
        winner = np.ones(len(detection), np.bool_)
        winner[second] = False  # a more confident one covers it and may stay
        standing[second[winner[first]]] = False
        undecided = standing[first] & standing[second]
        first, second = first[undecided], second[undecided]
    return detection[standing]


def _covers(near: CrossPairs, settings: ReviewSettings) -> Flags:
    covers: Flags = np.arange(len(near)) < near.reaching(settings.covers)
    return covers


def _own_label(near: CrossPairs, agreeing: Flags) -> Flags:
    """Which detections cover a label of their own class, bool [n]: those need no other label to be wrong."""
    own = np.zeros(len(near.matches), np.bool_)
    own[near.detection[agreeing]] = True
    return own


def _first_of_label(near: CrossPairs, rows: Integers, value: Floats) -> Integers:
    """Of the rows of each label the one with the highest value."""
    rows = rows[np.argsort(-value[rows], kind="stable")]
    _, first = np.unique(near.truth[rows], return_index=True)
    chosen: Integers = rows[first]
    return chosen


def _none(like: Integers) -> Integers:
    return np.full(len(like), -1)


def _doubts(
    reason: int,
    detection: Integers,
    truth: Integers,
    score: Floats,
    iou: Floats | None = None,
    other: Integers | None = None,
) -> _Doubts:
    return _Doubts(
        reason=np.full(len(score), reason),
        detection=detection,
        truth=truth,
        other=_none(detection) if other is None else other,
        score=score,
        iou=np.full(len(score), np.nan) if iou is None else iou,
    )


def _queue(matches: Matches, doubts: list[_Doubts]) -> Review:
    """All doubts by descending score; equal ones by image, and then as they stand."""
    names = ("reason", "detection", "truth", "other", "score", "iou")
    columns = {name: np.concatenate([getattr(doubt, name) for doubt in doubts]) for name in names}
    of_label = np.append(matches.ground_truth.image, -1)[columns["truth"]]
    of_detection = np.append(matches.image, -1)[columns["detection"]]
    image = np.maximum(of_label, of_detection)
    order = np.lexsort((image, -columns["score"]))
    return Review(matches=matches, image=image[order], **{name: column[order] for name, column in columns.items()})


def _pairs(matches: Matches, settings: ReviewSettings, near: CrossPairs | None) -> CrossPairs:
    if not (0 < settings.near < settings.covers <= 1 and 0 < settings.double <= 1):
        raise BadSetting(
            f"A detection cannot touch a label at IoU {settings.near:g} and cover it at {settings.covers:g}, with "
            f"doubles at {settings.double:g}.",
            "Choose IoUs above 0 and up to 1, to touch below to cover.",
        )
    if not settings.faint <= settings.confidence:
        raise BadSetting(
            f"A faint detection at {settings.faint:g} is more confident than a sure one at {settings.confidence:g}.",
            "Choose a lower confidence for faint detections.",
        )
    return pairs_of(matches, near, settings.near)
