"""Two runs judged on the images that both have: where they agree, and what flipped from one to the other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from smviz.comparing.joining import Joined, join
from smviz.comparing.reading import Reading
from smviz.datasets import ClassMap
from smviz.evaluation import Evaluation, judge
from smviz.matching import Columns, Flags, Integers, Matches, match
from smviz.names import base_name, folded
from smviz.records import Detections, GroundTruth, Outcome, Predictions
from smviz.settings import MatchSettings

_EVERY_SIZE = (("all", 0.0, math.inf),)


@dataclass(frozen=True, eq=False)
class Agreement(Columns):
    """What two runs found at their thresholds, by image, int64 [I] each.

    Detections of equal class agree one to one: by falling confidence each of A's takes the free one of B's with the
    highest IoU, if that reaches the limit.

    Attributes:
        both: pairs that agree; only_a, only_b: detections without a partner.
    """

    both: Integers
    only_a: Integers
    only_b: Integers


@dataclass(frozen=True, eq=False)
class Flips(Columns):
    """What one run has right and the other has not, by image, int64 [I] each.

    Attributes:
        found_a, found_b: objects that only A, or only B, found.
        wrong_a, wrong_b: false positives of A, or of B, with which no false positive of the other agrees.
    """

    found_a: Integers
    found_b: Integers
    wrong_a: Integers
    wrong_b: Integers

    @property
    def gain(self) -> Integers:
        """How much more B has right, int64 [I]; negative where A has."""
        return self.found_b - self.found_a + self.wrong_a - self.wrong_b

    @property
    def flipped(self) -> Integers:
        """How many objects and false positives differ, int64 [I]."""
        return self.found_a + self.found_b + self.wrong_a + self.wrong_b


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two runs judged on the images that both have.

    Attributes:
        a, b: the evaluations, by the same ground truth; without objects where there is none.
        images: [I], the outcomes of each image of it in A and in B.
        joined: how the images came together.
        labelled: whether there is ground truth.
        unlabelled: how many joined images the ground truth does not have; they are left out.
    """

    a: Evaluation
    b: Evaluation
    images: tuple[tuple[Outcome, Outcome], ...]
    joined: Joined
    labelled: bool
    unlabelled: int

    def agreement(self, confidence_a: float, confidence_b: float, iou: float = 0.5) -> Agreement:
        """Where they agree, each at its own threshold.

        Raises:
            BadSetting: when the IoU is not above 0 and up to 1.
        """
        parts = [
            (found, found.confidence >= confidence)
            for found, confidence in zip(self._predictions, (confidence_a, confidence_b), strict=True)
        ]
        return self._agreement(parts, iou)

    def flips(self, confidence_a: float, confidence_b: float, iou: float = 0.5) -> Flips:
        """Which objects and mistakes only one of them has, each at its own threshold.

        Raises:
            BadSetting: when nothing was matched at the IoU.
        """
        truth = self.a.matches.ground_truth
        found, parts = [], []
        for matches, confidence in ((self.a.matches, confidence_a), (self.b.matches, confidence_b)):
            kept = matches.confidence >= confidence
            hit = np.zeros(len(truth), np.bool_)
            hit[matches.taken(iou)[kept & matches.true_positive(iou)]] = True
            found.append(hit)
            parts.append(_flagged(matches, kept & matches.false_positive(iou)))
        wrong = self._agreement(parts, iou)
        only = (found[0] & ~found[1], found[1] & ~found[0])
        found_a, found_b = (np.bincount(truth.image[flags], minlength=len(self.images)) for flags in only)
        return Flips(found_a, found_b, wrong.only_a, wrong.only_b)

    @property
    def _predictions(self) -> tuple[Predictions, Predictions]:
        return self.a.matches.predictions, self.b.matches.predictions

    def _agreement(self, parts: Sequence[tuple[Predictions, Flags]], iou: float) -> Agreement:
        (a, kept_a), (b, kept_b) = parts
        truth = self.a.matches.ground_truth
        others = _as_objects(truth, b, kept_b)
        settings = MatchSettings((iou,), _EVERY_SIZE, (len(a) + 1,))
        pairs = match(others, _only(a, kept_a), settings)
        taken = pairs.taken(iou)
        count = len(self.images)
        both = np.bincount(pairs.image[taken >= 0], minlength=count)
        found_a, found_b = (np.bincount(part.image[kept], minlength=count) for part, kept in parts)
        return Agreement(both, found_a - both, found_b - both)


def compare(
    a: Reading,
    b: Reading,
    truth: GroundTruth | None,
    class_map_a: ClassMap | None = None,
    class_map_b: ClassMap | None = None,
) -> Comparison:
    """Judge two runs on the images that both have an answer for; without ground truth they are only laid side by side.

    Args:
        a, b: the runs.
        truth: what both are judged by. Images are found in it by A's names, as `evaluation.judge` finds them.
        class_map_a, class_map_b: what the classes of each mean, as `evaluation.judge` takes it.

    Raises:
        BadSetting: when a class map names a class that the ground truth does not have.
    """
    joined = join(a.outcomes, b.outcomes)
    labels = _without_objects(joined, a, b) if truth is None else truth  # one without objects is false
    names = _names_in(labels, [one.image for one, _ in joined.pairs])
    found = {name: pair for name, pair in reversed(list(zip(names, joined.pairs, strict=True))) if name is not None}
    labels = _of_images(labels, found)

    def judged(run: Reading, side: int, class_map: ClassMap | None) -> Evaluation:
        def detections(outcome: Outcome) -> Detections:
            return run.detections(found[outcome.image][side].image)

        outcomes = (replace(pair[side], image=name) for name, pair in found.items())
        return judge(labels, outcomes, detections, class_map=class_map)

    in_a, in_b = judged(a, 0, class_map_a), judged(b, 1, class_map_b)
    images = tuple(found[name] for name in labels.image_names)
    return Comparison(in_a, in_b, images, joined, truth is not None, len(joined.pairs) - len(images))


def class_map_for(class_map: Iterable[tuple[str, str | None]], truth: GroundTruth | None) -> ClassMap:
    """What a run's classes mean, as far as this ground truth has the classes: it may be another run's."""
    if truth is None:
        return {}
    known = set(map(folded, truth.class_names))
    return {name: meant for name, meant in class_map if meant is None or folded(meant) in known}


def _flagged(matches: Matches, flags: Flags) -> tuple[Predictions, Flags]:
    """The predictions, and which of them are the flagged detections of the matches."""
    chosen = np.zeros(len(matches.predictions), np.bool_)
    chosen[matches.prediction[flags]] = True
    return matches.predictions, chosen


def _only(found: Predictions, kept: Flags) -> Predictions:
    return Predictions(found.image[kept], found.class_id[kept], found.ltwh[kept], found.confidence[kept])


def _as_objects(truth: GroundTruth, found: Predictions, kept: Flags) -> GroundTruth:
    """Detections in the place of objects, by falling confidence."""
    rows = np.flatnonzero(kept)
    ltwh = found.ltwh[rows]
    return replace(
        truth,
        image=found.image[rows],
        class_id=found.class_id[rows],
        ltwh=ltwh,
        area=ltwh[:, 2] * ltwh[:, 3],
        crowd=np.zeros(len(rows), np.bool_),
        ignore=np.zeros(len(rows), np.bool_),
        notes=(),
        skipped=(),
    )


def _without_objects(joined: Joined, a: Reading, b: Reading) -> GroundTruth:
    """The common images with nothing in them, in the frames that A was sent; a class has one name in both runs."""
    names = tuple(one.image for one, _ in joined.pairs)
    classes: dict[str, str] = {}
    for name in (*a.class_names, *b.class_names):
        classes.setdefault(folded(name), name)
    none = np.zeros(0, np.int64)
    return GroundTruth(
        image_names=names,
        image_ids=names,
        image_sizes=np.array([(one.width, one.height) for one, _ in joined.pairs], np.int64),
        class_names=tuple(classes.values()),
        category_ids=tuple(classes.values()),
        image=none,
        class_id=none,
        ltwh=np.zeros((0, 4)),
        area=np.zeros(0),
        crowd=np.zeros(0, np.bool_),
    )


def _names_in(truth: GroundTruth, names: Sequence[str]) -> list[str | None]:
    """What the ground truth calls each image: by its name, or its base name where only one has it."""
    known = set(truth.image_names)
    bases = Counter(map(base_name, truth.image_names))
    by_base = {base_name(name): name for name in truth.image_names if bases[base_name(name)] == 1}
    return [name if name in known else by_base.get(base_name(name)) for name in names]


def _of_images(truth: GroundTruth, names: Iterable[str]) -> GroundTruth:
    """The ground truth of some of its images."""
    wanted = set(names)
    kept = np.array([name in wanted for name in truth.image_names], np.bool_)
    objects = kept[truth.image]
    chosen = np.flatnonzero(kept).tolist()
    columns = {name: getattr(truth, name)[objects] for name in ("class_id", "ltwh", "area", "crowd", "ignore")}
    return replace(
        truth,
        image_names=tuple(truth.image_names[image] for image in chosen),
        image_ids=tuple(truth.image_ids[image] for image in chosen),
        image_sizes=truth.image_sizes[kept],
        image=(np.cumsum(kept) - 1)[truth.image[objects]],
        **columns,
    )
