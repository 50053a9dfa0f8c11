"""COCO's matching of detections to ground truth, made once; every number of an evaluation is a look-up in it.

The algorithm is that of `cocoeval.py` and `maskApi.c` (https://github.com/cocodataset/cocoapi). Within one image and
class, detections choose by descending confidence: the free object with the highest IoU that reaches the threshold, the
later one at equal IoU; ignored objects (crowds, objects marked to be ignored, and objects outside the area range) only
when no other is left. Any number of detections may take one crowd. Detections on ignored objects count neither way, and
so do detections that take nothing and lie outside the area range.

Because detections choose by descending confidence, dropping the low ones never changes the matches above: one pass
serves every confidence threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from smviz.errors import BadAnnotations, BadSetting
from smviz.records import GroundTruth, Predictions
from smviz.settings import MatchSettings

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

COCO = MatchSettings()

_COCO_IOUS = np.linspace(0.5, 0.95, 10)
_SAME_IOU = 1e-9
_PAIRS_AT_ONCE = 1 << 16  # bounds memory, and the temporaries stay in the processor's cache


class Columns:
    """A dataclass whose arrays become read-only."""

    def __post_init__(self) -> None:
        for value in vars(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)


@dataclass(frozen=True, eq=False)
class Matches(Columns):
    """What each detection took, at every IoU (T) and area range (A) of the settings.

    The n detections kept (at most `max_detections[-1]` per image and class) stand in COCO's accumulate order: by class,
    then by descending confidence, ties by image and then by the order they were read in. Positions, never ids.

    Attributes:
        prediction: int64 [n], index into `predictions`.
        image, class_id: int64 [n], indices into the ground truth's images and classes.
        confidence: float64 [n].
        rank: int64 [n], 0 for the most confident detection of its image and class.
        box_area: float64 [n], width x height in square pixels.
        candidate: int64 [C], the positions, of n, of detections that reach the lowest IoU with any object; the others
            take nothing anywhere.
        candidate_taken: int32 [T, A, C], the ground truth index that a candidate took, or -1.
    """

    ground_truth: GroundTruth
    predictions: Predictions
    settings: MatchSettings
    prediction: Integers
    image: Integers
    class_id: Integers
    confidence: Floats
    rank: Integers
    box_area: Floats
    candidate: Integers
    candidate_taken: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.prediction)

    def taken(self, iou: float = 0.5, area: str = "all") -> Integers:
        """The ground truth index that each detection took, int64 [n]; -1 for none.

        Raises:
            BadSetting: when the settings of this matching do not have the IoU or the area range.
        """
        taken = np.full(len(self), -1, np.int64)
        taken[self.candidate] = self.candidate_taken[self._iou(iou), self._area(area)]
        return taken

    def ignored(self, iou: float = 0.5, area: str = "all") -> Flags:
        """Which detections count neither way, bool [n]. Raises as `taken`."""
        taken = self.taken(iou, area)
        return self._takes_ignored(taken, area) | ((taken < 0) & self._outside(area))

    def true_positive(self, iou: float = 0.5, area: str = "all") -> Flags:
        """Which detections found an object, bool [n]. Raises as `taken`."""
        taken = self.taken(iou, area)
        return (taken >= 0) & ~self._takes_ignored(taken, area)

    def false_positive(self, iou: float = 0.5, area: str = "all") -> Flags:
        """Which detections found nothing and count, bool [n]. Raises as `taken`."""
        return (self.taken(iou, area) < 0) & ~self._outside(area)

    def overlap(self, iou: float = 0.5, area: str = "all") -> Floats:
        """The IoU of each detection with the object it took, float64 [n]; NaN for none. Raises as `taken`."""
        taken = self.taken(iou, area)
        found = np.flatnonzero(taken >= 0)
        overlap = np.full(len(self), np.nan)
        truth = taken[found]
        overlap[found] = coco_iou(
            self.predictions.ltwh[self.prediction[found]], self.ground_truth.ltwh[truth], self.ground_truth.crowd[truth]
        )
        return overlap

    def ground_truth_ignored(self, area: str = "all") -> Flags:
        """Which objects need not be found, bool [G]: crowds, those to ignore, other areas. Raises as `taken`."""
        _, low, high = self.settings.areas[self._area(area)]
        return _not_counted(self.ground_truth, low, high)

    def positives(self, area: str = "all") -> Integers:
        """How many objects of each class are there to be found, int64 [K]. Raises as `taken`."""
        counted = self.ground_truth.class_id[~self.ground_truth_ignored(area)]
        return np.bincount(counted, minlength=len(self.ground_truth.class_names))

    def ranked(self, class_id: int | None = None) -> Integers:
        """Positions, of n, of one class's detections (None: of all) by descending confidence, ties as they stand.

        Raises:
            BadSetting: when there is no such class.
        """
        if class_id is None:
            return _descending(self.confidence)
        if not 0 <= class_id < len(self.ground_truth.class_names):
            raise BadSetting(
                f"There is no class {class_id}.", f"Choose one from 0 to {len(self.ground_truth.class_names) - 1}."
            )
        return np.arange(*np.searchsorted(self.class_id, [class_id, class_id + 1]))

    def candidate_outcomes(self, area: str = "all") -> tuple[Flags, Flags]:
        """True and false positives among the candidates at every IoU, bool [T, C] each. Raises as `taken`.

        Detections that are no candidates are false positives at every IoU, unless they lie outside the area range.
        """
        taken = self.candidate_taken[:, self._area(area)]
        true = (taken >= 0) & ~self._takes_ignored(taken, area)
        return true, (taken < 0) & ~self._outside(area)[self.candidate]

    def background(self, area: str = "all") -> Flags:
        """Which detections are false positives at every IoU because no object is near, bool [n]. Raises as `taken`."""
        background = ~self._outside(area)
        background[self.candidate] = False
        return background

    def _iou(self, iou: float) -> int:
        near = np.flatnonzero(np.abs(np.array(self.settings.ious) - iou) < _SAME_IOU)
        if not len(near):
            known = ", ".join(f"{threshold:g}" for threshold in self.settings.ious)
            raise BadSetting(f"Nothing was matched at IoU {iou:g}.", f"Choose one of {known}.")
        return int(near[0])

    def _area(self, area: str) -> int:
        names = [name for name, _, _ in self.settings.areas]
        if area not in names:
            raise BadSetting(f"There is no area range {area!r}.", f"Choose one of {', '.join(names)}.")
        return names.index(area)

    def _outside(self, area: str) -> Flags:
        _, low, high = self.settings.areas[self._area(area)]
        return (self.box_area < low) | (self.box_area > high)

    def _takes_ignored(self, taken: NDArray[np.signedinteger], area: str) -> Flags:
        # The appended False answers for -1, which takes nothing.
        ignored: Flags = np.append(self.ground_truth_ignored(area), False)[taken]
        return ignored


def match(ground_truth: GroundTruth, predictions: Predictions, settings: MatchSettings = COCO) -> Matches:
    """Match detections to ground truth exactly as COCO's evaluation does, at every IoU and area range at once.

    Raises:
        BadSetting: when the settings contradict themselves.
        BadAnnotations: when the predictions do not belong to this ground truth, or a confidence is NaN.
    """
    _check_settings(settings)
    _check_predictions(ground_truth, predictions)
    cell = cells_of(ground_truth, predictions)
    order, by_cell, rank = _accumulate_order(predictions, cell, settings.max_detections[-1])
    rows = order[by_cell]
    detection, truth, iou = _near_pairs(ground_truth, predictions, rows, cell[rows], min(settings.ious))
    candidates, taken = _take(ground_truth, settings, cell[rows], detection, truth, iou)
    position = by_cell[candidates]
    ascending = np.argsort(position)
    return Matches(
        ground_truth=ground_truth,
        predictions=predictions,
        settings=settings,
        prediction=order,
        image=predictions.image[order],
        class_id=predictions.class_id[order],
        confidence=predictions.confidence[order],
        rank=rank,
        box_area=(predictions.ltwh[:, 2] * predictions.ltwh[:, 3])[order],
        candidate=position[ascending],
        candidate_taken=taken[:, :, ascending],
    )


def choices(matches: Matches, rows: Integers, objects: Integers, iou: float = 0.5) -> Integers:
    """What the detections of one image may take, int64 [P, 2]: place in `rows`, place in `objects`.

    In the order in which they are tried: whoever goes through the pairs and lets a detection take the first object
    that is still free has matched, whichever detections he leaves out.

    Args:
        matches: whose boxes, ignored objects and settings hold.
        rows: int64 [N], the image's detections as indices into the predictions, by descending confidence.
        objects: int64 [G], the image's objects as indices into the ground truth, ascending.
        iou: that a pair must reach.
    """
    predictions, truth = matches.predictions, matches.ground_truth
    chunks = []
    for detection, taken in pairs_of_cells(predictions.class_id[rows], truth.class_id[objects]):
        row, index = rows[detection], objects[taken]
        overlap = coco_iou(predictions.ltwh[row], truth.ltwh[index], truth.crowd[index])
        near = overlap >= reached(iou)
        chunks.append((detection[near], taken[near], overlap[near]))
    if not chunks:
        return np.zeros((0, 2), np.int64)
    detection, taken, overlap = (np.concatenate(column) for column in zip(*chunks, strict=True))
    order = np.lexsort((-taken, -overlap, matches.ground_truth_ignored()[objects[taken]], detection))
    return np.stack([detection[order], taken[order]], axis=1)


def coco_iou(detections: Floats, truths: Floats, crowd: Flags) -> Floats:
    """COCO's IoU of corresponding boxes, float64 [N]: ltwh [N, 4] each, in pixels.

    With a crowd it is the intersection over the detection's own area (`bbIou` in `maskApi.c`).
    """
    left, top, width, height = detections.T
    truth_left, truth_top, truth_width, truth_height = truths.T
    across = np.minimum(left + width, truth_left + truth_width) - np.maximum(left, truth_left)
    down = np.minimum(top + height, truth_top + truth_height) - np.maximum(top, truth_top)
    meets = (across > 0) & (down > 0)
    overlap = across * down
    own = width * height
    union = np.where(crowd, own, own + truth_width * truth_height - overlap)
    iou: Floats = np.divide(overlap, union, out=np.zeros(len(overlap)), where=meets)
    return iou


def reached(iou: float) -> float:
    """The IoU that COCO compares with: IoU 1 allows for rounding, and 0.9 is one bit lower on its grid."""
    on_grid = _COCO_IOUS[np.abs(_COCO_IOUS - iou) < _SAME_IOU]
    return min(float(on_grid[0]) if len(on_grid) else iou, 1 - 1e-10)


def cells_of(ground_truth: GroundTruth, boxes: GroundTruth | Predictions) -> Integers:
    """The image and class of each box as one number, int64 [N], ascending by class and then by image."""
    return boxes.class_id * len(ground_truth.image_names) + boxes.image


def pairs_of_cells(cells: Integers, truth_cells: Integers) -> Iterator[tuple[Integers, Integers]]:
    """All pairs of a box and an object of the same cell, by box and then in the order of the objects.

    Args:
        cells: int64 [N], a number for each box; fastest where equal ones stand together.
        truth_cells: int64 [G], the same of the objects, in any order; not negative.

    Yields:
        Box and object, int64 [p] each; at least one pair, and so many at a time as bounds the memory.
    """
    truths = _stable_order(truth_cells)
    starts = _starts(cells)
    first, last = (np.searchsorted(truth_cells[truths], cells[starts], side) for side in ("left", "right"))
    first, count = (np.repeat(each, np.diff(starts, append=len(cells))) for each in (first, last - first))
    total = np.cumsum(count)
    pairs = int(total[-1]) if len(total) else 0
    borders = np.searchsorted(total, np.arange(0, pairs, _PAIRS_AT_ONCE), "right")
    for low, high in pairwise([*borders.tolist(), len(cells)]):
        here = count[low:high]
        box = np.repeat(np.arange(low, high), here)
        if len(box):
            before = np.cumsum(here) - here
            yield box, truths[np.repeat(first[low:high] - before, here) + np.arange(len(box))]


def _not_counted(ground_truth: GroundTruth, low: float, high: float) -> Flags:
    return ground_truth.crowd | ground_truth.ignore | (ground_truth.area < low) | (ground_truth.area > high)


def _check_settings(settings: MatchSettings) -> None:
    ious, most = np.array(settings.ious), settings.max_detections
    if not len(ious) or not (np.diff(ious) > 0).all() or not (ious[0] > 0 and ious[-1] <= 1):
        raise BadSetting("The IoU thresholds are not usable.", "Give at least one, ascending, above 0 and up to 1.")
    if not most or most[0] < 1 or not (np.diff(most) > 0).all():
        raise BadSetting("The limits of detections are not usable.", "Give at least one, ascending, 1 or more.")
    names = [name for name, low, high in settings.areas if low <= high]
    if names[:1] != ["all"] or len(set(names)) != len(settings.areas):
        raise BadSetting(
            "The area ranges are not usable.", 'Name the first "all", each other differently, and give low before high.'
        )


def _check_predictions(ground_truth: GroundTruth, predictions: Predictions) -> None:
    for column, known in (
        (predictions.image, len(ground_truth.image_names)),
        (predictions.class_id, len(ground_truth.class_names)),
    ):
        if len(column) and not (column.min() >= 0 and column.max() < known):
            raise BadAnnotations(
                "The detections name images or classes that the ground truth does not have.",
                "Read the detections against this ground truth.",
            )
    if np.isnan(predictions.confidence).any():
        raise BadAnnotations("Some detections have no confidence.", "Leave them out: they cannot be ranked.")


def _stable_order(key: Integers) -> Integers:
    """The order by a key that is not negative; ties stay."""
    most = int(key.max(initial=0))
    if most <= np.iinfo(np.uint16).max or most >= np.iinfo(np.int64).max // len(key):
        # NumPy sorts 16 bits by radix, in linear time.
        return np.argsort(key.astype(np.min_scalar_type(most)), kind="stable")
    return _order_of_places(key, np.arange(len(key)))


def _descending(values: Floats) -> Integers:
    """The order by descending values; ties stay."""
    order = np.argsort(-values)
    ranked = values[order]
    tie = np.zeros(len(order), np.int64)
    np.cumsum(ranked[1:] != ranked[:-1], out=tie[1:])
    return _order_of_places(tie, order)


def _order_of_places(key: Integers, place: Integers) -> Integers:
    """Places by key and then by themselves: sorting plain integers takes a fifth of the time of a stable sort."""
    packed = key * len(key) + place
    packed.sort()
    return packed % max(len(key), 1)


def _starts(*keys: NDArray[np.generic]) -> Integers:
    """Where a new group of equal keys starts; equal keys stand together."""
    changes = np.zeros(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.flatnonzero(np.concatenate([np.ones(min(len(keys[0]), 1), np.bool_), changes]))


def _within(starts: Integers, count: int) -> Integers:
    """The position of each of `count` rows within its group."""
    return np.arange(count) - np.repeat(starts, np.diff(starts, append=count))


def _accumulate_order(predictions: Predictions, cell: Integers, most: int) -> tuple[Integers, Integers, Integers]:
    """The kept detections in accumulate order; that order's positions by (class, image, rank); the ranks."""
    order = _stable_order(predictions.image)
    order = order[_descending(predictions.confidence[order])]
    order = order[_stable_order(predictions.class_id[order])]
    by_cell = _stable_order(cell[order])
    rank = np.empty(len(order), np.int64)
    rank[by_cell] = _within(_starts(cell[order][by_cell]), len(order))
    keep = rank < most
    moved = np.cumsum(keep) - 1
    return order[keep], moved[by_cell[keep[by_cell]]], rank[keep]


def _near_pairs(
    ground_truth: GroundTruth, predictions: Predictions, rows: Integers, cells: Integers, lowest: float
) -> tuple[Integers, Integers, Floats]:
    """Pairs of one image and class whose IoU reaches the lowest threshold: place in `rows`, ground truth, IoU."""
    chunks = []
    for detection, truth in pairs_of_cells(cells, cells_of(ground_truth, ground_truth)):
        boxes = predictions.ltwh.take(rows[detection], axis=0)  # a tenth of the time of [...]
        iou = coco_iou(boxes, ground_truth.ltwh.take(truth, axis=0), ground_truth.crowd[truth])
        near = iou >= reached(lowest)
        chunks.append((detection[near], truth[near], iou[near]))
    if not chunks:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    detections, truths, ious = zip(*chunks, strict=True)
    return np.concatenate(detections), np.concatenate(truths), np.concatenate(ious)


def _take(
    ground_truth: GroundTruth,
    settings: MatchSettings,
    cells: Integers,
    detection: Integers,
    truth: Integers,
    iou: Floats,
) -> tuple[Integers, NDArray[np.int32]]:
    """Which of the detections by cell are candidates, [C], and what each took at every IoU and area range, [T, A, C].

    Detections choose in rounds: the k-th candidate of every cell chooses in round k, all at once.
    """
    starts = _starts(detection)
    candidates, choices = detection[starts], np.diff(starts, append=len(detection))
    candidate = np.repeat(np.arange(len(candidates)), choices)
    groups = _starts(cells[candidates])
    turn = np.repeat(_within(groups, len(candidates)), choices)
    last = np.zeros(len(candidates), np.bool_)
    last[groups - 1] = True  # of its cell: the one before a start, and the very last

    ignored = np.stack([_not_counted(ground_truth, low, high) for _, low, high in settings.areas])  # [A, G]
    # Preference is an integer, so that equal IoUs are told apart by place and unequal ones never by rounding.
    by_preference = np.argsort(iou, kind="stable")
    preference = np.empty(len(iou), np.int32)
    preference[by_preference] = np.arange(len(iou))
    wished = np.append(np.tile(truth[by_preference], 2), -1).astype(np.int32)  # what a wish stands for; -1 for none
    reaches = iou >= np.array([reached(threshold) for threshold in settings.ious])[:, None]  # [T, P]

    used = np.zeros((len(settings.ious), len(settings.areas), len(ground_truth)), np.bool_)
    taken = np.full((*used.shape[:2], len(candidates)), -1, np.int32)
    by_turn = _stable_order(turn)
    for low, high in _spans(_starts(turn[by_turn]), len(turn)):
        pairs = by_turn[low:high]
        truths = truth[pairs]
        wish = preference[pairs] + np.int32(len(iou)) * ~ignored[:, truths]  # [A, p]
        free = reaches[:, None, pairs] & ~used[:, :, truths]  # [T, A, p]
        first = _starts(candidate[pairs])
        best = np.maximum.reduceat(np.where(free, wish, np.int32(-1)), first, axis=2)
        won = wished[best]  # [T, A, candidates of this round]
        choosing = candidate[pairs[first]]
        taken[:, :, choosing] = won
        matters = won[:, :, ~last[choosing]]
        t, a, c = np.nonzero(matters >= 0)
        won = matters[t, a, c]
        used[t, a, won] = ~ground_truth.crowd[won]
    return candidates, taken


def _spans(starts: Integers, count: int) -> Iterator[tuple[int, int]]:
    return pairwise([*starts.tolist(), count])
