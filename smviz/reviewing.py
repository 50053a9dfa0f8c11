"""What a person decides about the labels in doubt, and what becomes of the ground truth and of the numbers then.

A doubt is kept by what it says, never by its place in a queue: queues change when more images are answered, or when the
endpoint's classes mean something else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from smviz.annotations import Corrections, corrected
from smviz.diagnosis import REASONS, Review
from smviz.evaluation import Evaluation, evaluate
from smviz.metrics import counts

Decision = Literal["keep", "reject"]
"""Whether the labels stay as they are, or the correction that the detector suggests is accepted."""

DECISIONS: tuple[Decision, ...] = get_args(Decision)


@dataclass(frozen=True)
class Numbers:
    """How a detector does by some ground truth: COCO's AP and AP50, and what a threshold gives; NaN if undefined."""

    ap: float
    ap50: float
    precision: float
    recall: float
    f1: float


def doubt_keys(review: Review) -> tuple[str, ...]:
    """What identifies each doubt of a queue: its reason, the image, the label in doubt and what was detected there."""
    matches = review.matches
    truth, boxes = matches.ground_truth, np.round(matches.predictions.ltwh[matches.prediction], 2)
    labels = np.round(truth.ltwh, 2)

    def told(row: int) -> str:
        parts = [REASONS[review.reason[row]], truth.image_names[review.image[row]]]
        detection, label = review.detection[row], review.truth[row]
        if detection >= 0:
            parts += [truth.class_names[matches.class_id[detection]], str(boxes[detection].tolist())]
        if label >= 0:
            parts += [truth.class_names[truth.class_id[label]], str(labels[label].tolist())]
        return "\n".join(parts)

    return tuple(hashlib.sha256(told(row).encode("utf-8", "replace")).hexdigest()[:24] for row in range(len(review)))


def corrections_of(reviews: Iterable[tuple[Review, Collection[int]]]) -> Corrections:
    """The corrections of the doubts, by row of each queue, whose correction was accepted.

    missing: the detection becomes an object. class: the label gets the detection's class. box: it gets the detection's
    box. unseen, double: the label goes, whatever else was accepted about it.
    """
    rows = {name: np.zeros((0, 2), np.int64) for name in REASONS}
    boxes, classes, images = np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.int64)
    for review, accepted in reviews:
        matches, chosen = review.matches, np.array(sorted(accepted), np.int64)
        boxes, classes, images = matches.predictions.ltwh[matches.prediction], matches.class_id, matches.image
        pairs = np.stack([review.truth[chosen], review.detection[chosen]], axis=1)
        for number, name in enumerate(REASONS):
            rows[name] = np.concatenate([rows[name], pairs[review.reason[chosen] == number]])
    missing, other, askew = rows["missing"][:, 1], rows["class"], rows["box"]
    return Corrections(
        removed=np.unique(np.concatenate([rows["unseen"][:, 0], rows["double"][:, 0]])),
        renamed=other[:, 0],
        class_id=classes[other[:, 1]],
        moved=askew[:, 0],
        ltwh=boxes[askew[:, 1]],
        added_image=images[missing],
        added_class=classes[missing],
        added_ltwh=boxes[missing],
    )


def judged_again(evaluation: Evaluation, corrections: Corrections) -> Evaluation:
    """The same detections matched to the corrected ground truth. Raises as `matching.match`."""
    matches = evaluation.matches
    return evaluate(corrected(matches.ground_truth, corrections), matches.predictions, matches.settings)


def numbers(evaluation: Evaluation, confidence: float, iou: float = 0.5) -> Numbers:
    """What there is to tell before and after a correction, over all classes and sizes.

    Raises:
        BadSetting: when nothing was matched at the IoU, or the confidence is not a number.
    """
    counted = counts(evaluation.matches, confidence, iou)
    whole = evaluation.numbers
    return Numbers(whole["AP"], whole["AP50"], counted.precision, counted.recall, counted.f1)
