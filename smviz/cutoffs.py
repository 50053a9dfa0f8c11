"""What an endpoint or the evaluation leaves out before anything is measured: low scores, many boxes, overlapping ones.

Nobody tells such limits; they are guessed from the detections of all images. The guesses are cautious: a limit is told
only where detections pile up against it and smooth data of that size would hardly do so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from smviz.matching import Floats, Integers, Matches, coco_iou
from smviz.records import Predictions

_LEAST_SCORE = 0.02  # a lower cut-off hinders nobody's choice
_FEWEST = 30  # detections or pairs that must stand at a limit
_SHARE = 1 / 200  # of the detections, too, so that the thin tail of a large set is not taken for a cut-off
_IMAGES, _IMAGE_SHARE = 10, 0.1  # images that must have as many detections as any
_LEAST_COUNT = 10  # fewer boxes in every image are a kind of scene, not a limit
_OVERLAPS = (0.2, 0.95)  # where the IoU of non-maximum suppression is set
_PAIRS = 1_000_000  # how many pairs of boxes are looked at, at most about so many


@dataclass(frozen=True)
class Cutoff:
    """A limit that changes what can be measured.

    Attributes:
        kind: "score", of the endpoint's detections; "detections", how many it returns of an image; "overlap", above
            which it drops the less confident box; "max detections", how many of an image and class are evaluated.
        value: the confidence, number or IoU.
        sentence: what is limited, and what cannot be measured for it.
        advice: what to do about it.
        share: of the detections that stand at the limit ("score"), of images that reach it ("detections"), of pairs of
            boxes that nearly reach it ("overlap"), of detections that are left out ("max detections").
    """

    kind: Literal["score", "detections", "overlap", "max detections"]
    value: float
    sentence: str
    advice: str
    share: float


def find_cutoffs(matches: Matches) -> tuple[Cutoff, ...]:
    """The limits that show in the detections of an evaluation; none where there are too few to tell.

    Detections of classes that the ground truth does not have are not among them, so a limit of boxes per image can stay
    unseen; it is never seen where there is none for that reason.
    """
    predictions = matches.predictions
    found: Iterable[Cutoff | None] = (
        _score(predictions.confidence),
        _detections(np.bincount(predictions.image, minlength=len(matches.ground_truth.image_names))),
        _overlap(_overlaps(predictions)),
        _max_detections(matches),
    )
    return tuple(cutoff for cutoff in found if cutoff)


def _score(confidence: Floats) -> Cutoff | None:
    """Many different scores stand just above the lowest one, and it is well above 0."""
    lowest = float(confidence.min(initial=1.0))
    if lowest < _LEAST_SCORE:
        return None
    near = confidence[confidence <= lowest + np.clip(lowest / 4, 0.02, 0.05)]
    if len(near) < max(_FEWEST, _SHARE * len(confidence)) or len(np.unique(near)) < 3:
        return None
    return Cutoff(
        kind="score",
        value=lowest,
        sentence=f"The endpoint seems to leave out everything below {lowest:.3g}: no lower threshold can be chosen, and"
        " AP and recall are lower bounds.",
        advice="Lower the score threshold in the model's container, to 0 if it can, and run again.",
        share=len(near) / len(confidence),
    )


def _detections(counts: Integers) -> Cutoff | None:
    """Many images have as many boxes as any, and hardly one has a few less."""
    most = int(counts.max(initial=0))
    full, less = (int((counts == most).sum()), max(int((counts == most - n).sum()) for n in (1, 2)))
    if most < _LEAST_COUNT or full < max(_IMAGES, _IMAGE_SHARE * len(counts), 5 * less):
        return None
    return Cutoff(
        kind="detections",
        value=most,
        sentence=f"{full} of {len(counts)} images have exactly {most} detections and none has more: the endpoint seems"
        " to return no more, so AP and recall are lower bounds.",
        advice="Raise the limit of detections per image in the model's container, and run again.",
        share=full / len(counts),
    )


def _overlap(overlaps: Floats) -> Cutoff | None:
    """Many pairs of boxes stand just below the highest IoU, no fewer than a little further below."""
    highest = float(overlaps.max(initial=0.0))
    near = int((overlaps > highest - 0.05).sum())
    further = int((overlaps > highest - 0.1).sum()) - near
    if not _OVERLAPS[0] <= highest <= _OVERLAPS[1] or near < max(_FEWEST, further / 2):
        return None
    return Cutoff(
        kind="overlap",
        value=highest,
        sentence=f"No two boxes of a class overlap by an IoU of more than {highest:.2f}, and many nearly do: the"
        " endpoint seems to suppress the less confident of them, so objects that overlap more are found once.",
        advice="Where objects stand that close, raise the IoU of the container's non-maximum suppression, and run"
        " again.",
        share=near / len(overlaps),
    )


def _max_detections(matches: Matches) -> Cutoff | None:
    """The matching itself keeps only so many detections of an image and class."""
    dropped = len(matches.predictions) - len(matches)
    if not dropped:
        return None
    most = matches.settings.max_detections[-1]
    return Cutoff(
        kind="max detections",
        value=most,
        sentence=f"{dropped:,} detections are not evaluated, for only the {most} most confident of an image and class"
        " are: thresholds among the others change nothing.",
        advice="This is COCO's rule when it is 100; raise it in the settings for scenes with more objects than that.",
        share=dropped / len(matches.predictions),
    )


def _overlaps(predictions: Predictions) -> Floats:
    """The IoU of pairs of boxes of one image and class that overlap, float64 [P]; of some images if there are many."""
    group, ltwh = _sampled(predictions)
    order = np.argsort(group, kind="stable")
    group, ltwh = group[order], ltwh[order]
    found = []
    for apart in range(1, len(order)):
        same = np.flatnonzero(group[apart:] == group[:-apart])
        if not len(same):
            break
        iou = coco_iou(ltwh[same], ltwh[same + apart], np.zeros(len(same), np.bool_))
        found.append(iou[iou > 0])
    return np.concatenate([np.zeros(0), *found])


def _sampled(predictions: Predictions) -> tuple[Integers, Floats]:
    """A number for image and class, and the box, of as many images, evenly spaced, as have about a million pairs."""
    group = predictions.image * (1 + predictions.class_id.max(initial=0)) + predictions.class_id
    _, size = np.unique(group, return_counts=True)
    every = 1 + int((size * (size - 1) // 2).sum()) // _PAIRS
    rows = np.flatnonzero(predictions.image % every == 0)
    return group[rows], predictions.ltwh[rows]
