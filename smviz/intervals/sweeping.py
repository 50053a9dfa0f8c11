"""Sweeps of weighted images: what `operating.sweep` gives for a data set that has each image so many times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smviz.intervals.resampling import running
from smviz.matching import Floats, Integers, Matches
from smviz.operating import Objective, OperatingPoint, Sweep, operating_point


@dataclass(frozen=True, eq=False)
class WeightedSweep:
    """The outcomes of a class, or of all, by descending confidence; N distinct scores.

    Attributes:
        confidence: float64 [N].
        images: the images of true positives, of false positives, and of detections that are ignored.
        ends: int64 [3, N], how many of each stand at every score or above.
        objects: the image of each object to be found.
    """

    confidence: Floats
    images: tuple[Integers, Integers, Integers]
    ends: Integers
    objects: Integers

    @classmethod
    def of(cls, matches: Matches, class_id: int | None = None, iou: float = 0.5) -> WeightedSweep:
        """Look up what was matched.

        Raises:
            BadSetting: when there is no such class, or nothing was matched at the IoU.
        """
        rows = matches.ranked(class_id)
        confidence, image = matches.confidence[rows], matches.image[rows]
        last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(rows)])  # of each distinct score
        true, false = matches.true_positive(iou)[rows], matches.false_positive(iou)[rows]
        outcomes = (true, false, ~(true | false))
        truth = matches.ground_truth
        counted = ~matches.ground_truth_ignored()
        return cls(
            confidence=confidence[last],
            images=(image[outcomes[0]], image[outcomes[1]], image[outcomes[2]]),
            ends=np.stack([np.cumsum(outcome)[last] for outcome in outcomes]),
            objects=truth.image[counted if class_id is None else counted & (truth.class_id == class_id)],
        )

    def sweep(self, weights: NDArray[np.uint8]) -> Sweep:
        """The sweep of images that count so many times each, [images]."""
        tp, fp, ignored = (
            running(weights[None], image)[0].take(end) for image, end in zip(self.images, self.ends, strict=True)
        )
        there = np.flatnonzero(np.diff(tp + fp + ignored, prepend=0))
        tp, fp = tp[there].astype(np.int64), fp[there].astype(np.int64)
        positives = int(weights[self.objects].sum(dtype=np.int64))
        return Sweep(tp=tp, fp=fp, fn=positives - tp, confidence=self.confidence[there], positives=positives)

    def at_hits(self) -> WeightedSweep:
        """Without the scores at which no object is found, which are most of them."""
        hits = np.flatnonzero(np.diff(self.ends[0], prepend=0))
        return WeightedSweep(self.confidence[hits], self.images, self.ends[:, hits], self.objects)

    def chooser(self, objective: Objective) -> Callable[[NDArray[np.uint8]], OperatingPoint]:
        """What tells the operating point of images that count so many times each, [images].

        The best F-beta, and the highest threshold that reaches a recall, are at a score at which an object is found:
        only those are tried. Without any the F-beta is 0 everywhere, and all scores are tried.
        """
        to_hits = objective.kind == "f" or (objective.kind == "recall" and objective.values[0] > 0)
        first = self.at_hits() if to_hits else self

        def choose(weights: NDArray[np.uint8]) -> OperatingPoint:
            images = int(weights.sum(dtype=np.int64))
            point = operating_point(first.sweep(weights), objective, images)
            return point if point.tp or not to_hits else operating_point(self.sweep(weights), objective, images)

        return choose
