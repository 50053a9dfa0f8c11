"""COCO's numbers of weighted images, by class, without matching again.

What a detection took depends on its own image alone, so images drawn with replacement need no new matching: a detection
of an image that was drawn three times counts three times, an object too, and the order by confidence stays. The copies
of one detection stand next to each other, so at equal confidence the order is by image, then as the detections were
read, then by copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smviz.matching import Flags, Floats, Integers, Matches

Weights = NDArray[np.uint8]  # [resamples, images], how often each image counts
Running = NDArray[np.int32]
Progress = Callable[[float], None]

COCO_NUMBERS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")

_CELLS_AT_ONCE = 1 << 18  # so that the temporaries stay in the cache
_RECALLS = np.linspace(0, 1, 101)
# How many of these recalls a recall of x / 100 reaches, by floor(x) + ceil(x): 0.35 does not reach the eleventh bit of
# 35 * 0.01, and COCO compares exactly.
_REACHED = np.searchsorted(_RECALLS, np.arange(201) / 200, side="right").astype(np.float64)
_AREAS = {"all": "", "small": "s", "medium": "m", "large": "l"}


def drawn(images: int, resamples: int, seed: int) -> Weights:
    """How often each image is drawn when as many as there are are drawn with replacement, uint8 [resamples, images]."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((resamples, images), np.uint8)  # 8 bits: no image is drawn 256 times
    for row in weights if images else ():
        row[:] = np.bincount(rng.integers(0, images, images), minlength=images)
    return weights


def weighted_sums(weights: Weights, image: Integers, borders: Integers) -> Integers:
    """The weights of rows, whose images are given, summed between borders [K + 1]: int64 [resamples, K]."""
    sums = np.zeros((len(weights), len(borders) - 1), np.int64)
    for rows in _blocks(len(weights), len(image)):
        at_borders = running(weights[rows], image).take(borders, axis=1)
        sums[rows] = np.diff(at_borders, axis=1)
    return sums


def class_numbers(matches: Matches, weights: Weights, progress: Progress | None = None) -> Floats:
    """COCO's twelve numbers of each class, float64 [12, resamples, K], in the order of `COCO_NUMBERS`.

    NaN for a class without an object in the images drawn, and for numbers that the settings leave out. A resample's
    number over all classes is the mean of its classes that are not NaN.

    Args:
        matches: of all images.
        weights: uint8 [resamples, images].
        progress: called with the share of the work that is done, up to 1.
    """
    classes = len(matches.ground_truth.class_names)
    numbers = np.full((len(COCO_NUMBERS), len(weights), classes), np.nan)
    areas = [_Area.of(matches, name) for name, _, _ in matches.settings.areas if name in _AREAS]
    work = np.append(0, np.searchsorted(matches.class_id, np.arange(classes), side="right"))
    for k in np.flatnonzero(np.bincount(matches.ground_truth.class_id, minlength=classes)):
        for area in areas:
            curve = area.curve(int(k))
            for rows in _blocks(len(weights), curve.cells):
                for number, values in curve.numbers(weights[rows]).items():
                    numbers[COCO_NUMBERS.index(number), rows, k] = values
        if progress:
            progress(float(work[k + 1] / max(work[-1], 1)))
    if progress:
        progress(1.0)
    return numbers


@dataclass(frozen=True, eq=False)
class _Curve:
    """What the numbers of one class and area range need, in COCO's order; T IoUs.

    Attributes:
        objects: the image of each object to be found.
        counted: the image of each detection that counts at every IoU, right or wrong.
        hits: [T], the image of each true positive.
        before: [T], how many of `counted` stand up to each true positive.
        some: [T], the images of detections that count at this IoU but not at each.
        some_before: [T], how many of those stand up to each true positive.
        found: the images of the true positives at all IoUs that each recall counts.
        letter: of the area range.
    """

    letter: str
    ious: tuple[float, ...]
    objects: Integers
    counted: Integers
    hits: tuple[Integers, ...]
    before: tuple[Integers, ...]
    some: tuple[Integers, ...]
    some_before: tuple[Integers, ...]
    found: dict[str, Integers]

    @property
    def cells(self) -> int:
        return max(len(self.counted), len(self.objects), *(len(images) for images in self.found.values()), 1)

    def numbers(self, weights: Weights) -> dict[str, Floats]:
        """Each number of this area range [resamples], NaN without an object."""
        positives = weights.take(self.objects, axis=1).sum(axis=1, dtype=np.float64)
        positives[positives == 0] = np.nan
        precision = self._average_precision(weights, positives)
        numbers = {f"AP{self.letter}": precision.mean(axis=0)}
        for name, images in self.found.items():
            numbers[name] = weights.take(images, axis=1).sum(axis=1, dtype=np.float64) / (positives * len(self.ious))
        if not self.letter:
            ious = np.round(np.array(self.ious), 9).tolist()
            numbers |= {f"AP{t}": precision[ious.index(t / 100)] for t in (50, 75) if t / 100 in ious}
        return numbers

    def _average_precision(self, weights: Weights, positives: Floats) -> Floats:
        counted = running(weights, self.counted)
        average = np.empty((len(self.ious), len(weights)))
        for t, images in enumerate(self.hits):
            seen = counted.take(self.before[t], axis=1)
            if len(self.some[t]):
                seen += running(weights, self.some[t]).take(self.some_before[t], axis=1)
            average[t] = _average_precision(running(weights, images)[:, 1:], seen, positives)
        return average


@dataclass(frozen=True, eq=False)
class _Area:
    """What counts in one area range.

    Attributes:
        letter: of the area range in the names of numbers.
        positives: bool [G], the objects to be found.
        true, counted: bool [T, C], the candidates that are right, and those that count, right or wrong.
        always: bool [n], the detections that count at every IoU.
    """

    matches: Matches
    letter: str
    positives: Flags
    true: Flags
    counted: Flags
    always: Flags

    @classmethod
    def of(cls, matches: Matches, area: str) -> _Area:
        true, false = matches.candidate_outcomes(area)
        counted = true | false
        always = matches.background(area)
        always[matches.candidate] = counted.all(axis=0)
        return cls(matches, _AREAS[area], ~matches.ground_truth_ignored(area), true, counted, always)

    def curve(self, class_id: int) -> _Curve:
        """What one class needs."""
        matches = self.matches
        start, stop = np.searchsorted(matches.class_id, [class_id, class_id + 1])
        chosen = slice(*np.searchsorted(matches.candidate, [start, stop]))
        candidate, true = matches.candidate[chosen], self.true[:, chosen]
        hit = [np.flatnonzero(row) for row in true]
        some = self.counted[:, chosen] & ~self.always[candidate]
        counted = start + np.flatnonzero(self.always[start:stop])
        before = np.searchsorted(counted, candidate, side="right")
        last = max((int(before[rows[-1]]) for rows in hit if len(rows)), default=0)  # the rest changes no precision
        image, rank = matches.image[candidate], matches.rank[candidate]
        truth = matches.ground_truth
        return _Curve(
            letter=self.letter,
            ious=matches.settings.ious,
            objects=truth.image[self.positives & (truth.class_id == class_id)],
            counted=matches.image[counted[:last]],
            hits=tuple(image[rows] for rows in hit),
            before=tuple(before[rows] for rows in hit),
            some=tuple(image[row] for row in some),
            some_before=tuple(np.cumsum(row)[rows] for row, rows in zip(some, hit, strict=True)),
            found={
                name: np.concatenate([image[rows[rank[rows] < most]] for rows in hit])
                for name, most in self._recalls().items()
            },
        )

    def _recalls(self) -> dict[str, int]:
        """The limit of detections of each recall."""
        limits = self.matches.settings.max_detections
        return {f"AR{self.letter}": limits[-1]} if self.letter else {f"AR{n}": n for n in (1, 10, 100) if n in limits}


def _average_precision(found: Running, seen: Running, positives: Floats) -> Floats:
    """As `metrics.average_precision`: the weights found, and those seen, up to each true positive, [resamples, h].

    A true positive that counts several times raises precision with each, so that only the last of them matters.
    """
    if not found.shape[1]:
        return np.where(positives > 0, 0.0, np.nan)
    precision = found / np.maximum(seen, 1)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    percent = found * 100.0 / np.fmax(positives, 1)[:, None]
    reached = _REACHED.take((np.floor(percent) + np.ceil(percent)).astype(np.intp))
    reached[:, 1:] -= reached[:, :-1]
    average: Floats = np.einsum("bh,bh->b", envelope, reached) / len(_RECALLS)
    return np.where(positives > 0, average, np.nan)


def running(weights: Weights, image: Integers) -> Running:
    """The weights of rows, whose images are given, summed up to each, int32 [resamples, rows + 1] from 0."""
    sums = np.zeros((len(weights), len(image) + 1), np.int32)
    np.cumsum(weights.take(image, axis=1), axis=1, dtype=np.int32, out=sums[:, 1:])
    return sums


def _blocks(resamples: int, cells: int) -> Iterator[slice]:
    """So many resamples at a time that the temporaries, of so many cells each, stay in the cache."""
    step = max(1, _CELLS_AT_ONCE // max(cells, 1))
    return (slice(start, min(start + step, resamples)) for start in range(0, resamples, step))
