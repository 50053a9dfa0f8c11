"""Where a detector is weak: recall, precision and AP by the size and shape of objects, and by how crowded they stand.

In each part the objects of that part are to be found. A true positive belongs to the part of its object, a false
positive to the part of its own box or image; so precision tells how far to trust a detection of that part.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from smviz.diagnosis.evidence import Evidence, false, found, joined, missed, of_classes
from smviz.diagnosis.pairs import CrossPairs, box_pairs, pairs_of
from smviz.diagnosis.precision import class_average_precision, mean
from smviz.errors import BadSetting
from smviz.matching import Flags, Floats, Integers, Matches
from smviz.metrics import CountColumns

ASPECTS = {"very tall": 0.0, "tall": 1 / 2, "square": 3 / 4, "wide": 4 / 3, "very wide": 2.0}  # from width / height
CROWDING = (0, 1, 2, 5, 10, 20)  # objects in the image, from
NEIGHBOURS = (0.0, 0.1, 0.3, 0.5)  # IoU with the nearest object of the class, from


@dataclass(frozen=True, eq=False)
class Breakdown(CountColumns):
    """Counts of each part [B], at a confidence and an IoU.

    Attributes:
        names: of the parts.
        low, high: float64 [B], the range: its lower end belongs to the part, its upper end to the next one. COCO's
            sizes hold both ends.
        objects: int64 [B], how many objects there are to be found.
        ap: float64 [B], COCO's AP at the IoU over detections of every confidence; NaN without an object.
        evidence: what the counts of each part are of: tp found, fp false and fn missed cases, the surest first.
    """

    names: tuple[str, ...]
    low: Floats
    high: Floats
    objects: Integers
    ap: Floats
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, eq=False)
class _Part:
    """What is right and wrong in a part, bool [n] each; the object that each detection took; the objects, bool [G]."""

    true: Flags
    false: Flags
    taken: Integers
    wanted: Flags


def by_size(matches: Matches, confidence: float, iou: float = 0.5, classes: Collection[int] | None = None) -> Breakdown:
    """By COCO's small, medium and large, exactly as COCO counts them; or the area ranges that the settings have.

    Args:
        classes: the class ids that count; None for all.

    Raises:
        BadSetting: when nothing was matched at the IoU, or the confidence is not a number.
    """
    kept = _kept(matches, confidence)
    areas = matches.settings.areas[1:]
    parts = [
        _Part(
            matches.true_positive(iou, name),
            matches.false_positive(iou, name),
            matches.taken(iou, name),
            ~matches.ground_truth_ignored(name),
        )
        for name, _, _ in areas
    ]
    return _breakdown(matches, kept, [area[0] for area in areas], [area[1:] for area in areas], parts, classes)


def by_area(
    matches: Matches,
    confidence: float,
    iou: float = 0.5,
    classes: Collection[int] | None = None,
    area: str = "all",
    bins: int = 5,
) -> Breakdown:
    """By area in square pixels, in bins of as many objects each; fewer bins where many objects are equally large.

    Args:
        classes: the class ids that count; None for all.
        area: the range of areas that counts.

    Raises:
        BadSetting: when nothing was matched at the IoU, the confidence is not a number, or there are no bins.
    """
    if bins < 1:
        raise BadSetting(f"{bins} bins hold nothing.", "Choose 1 or more.")
    areas = matches.ground_truth.area
    counted = areas[~matches.ground_truth_ignored(area) & of_classes(matches.ground_truth.class_id, classes)]
    inner = np.unique(np.quantile(counted, np.arange(1, bins) / bins)) if len(counted) else np.zeros(0)
    edges = np.concatenate([[0.0], inner[inner > counted.min(initial=np.inf)], [np.inf]])
    names = [f"{low:,.0f} to {high:,.0f} px²" for low, high in pairwise(edges)]
    names[-1] = f"{edges[-2]:,.0f} px² and more"
    parts = _Parts(names, edges, areas, matches.box_area)
    return _by_value(matches, confidence, iou, parts, classes, area)


def by_aspect(
    matches: Matches,
    confidence: float,
    iou: float = 0.5,
    classes: Collection[int] | None = None,
    area: str = "all",
) -> Breakdown:
    """By width / height, in the parts of `ASPECTS`. Args as `by_area`, raises as `by_size`."""
    edges = np.array([*ASPECTS.values(), np.inf])
    boxes = matches.predictions.ltwh[matches.prediction]
    parts = _Parts(list(ASPECTS), edges, _aspect(matches.ground_truth.ltwh), _aspect(boxes))
    return _by_value(matches, confidence, iou, parts, classes, area)


def by_crowding(
    matches: Matches,
    confidence: float,
    iou: float = 0.5,
    classes: Collection[int] | None = None,
    area: str = "all",
) -> Breakdown:
    """By how many objects to be found the image has, of any class and size, in the parts of `CROWDING`.

    Args as `by_area`, raises as `by_size`.
    """
    truth = matches.ground_truth
    objects = np.bincount(truth.image[~matches.ground_truth_ignored()], minlength=len(truth.image_names))
    names = [f"{low} to {high - 1}" if high - low > 1 else str(low) for low, high in pairwise(CROWDING)]
    names.append(f"{CROWDING[-1]} and more")
    edges = np.array([*CROWDING, np.inf])
    parts = _Parts(names, edges, objects[truth.image], objects[matches.image])
    return _by_value(matches, confidence, iou, parts, classes, area)


def by_neighbour(
    matches: Matches,
    confidence: float,
    iou: float = 0.5,
    classes: Collection[int] | None = None,
    area: str = "all",
    near: CrossPairs | None = None,
) -> Breakdown:
    """By the highest IoU with another object of the class, in the parts of `NEIGHBOURS`; where NMS eats objects.

    A false positive belongs with the object of its class that it is nearest to, or to the first part where none is
    near. Crowds are no neighbours.

    Args:
        classes: the class ids that count; None for all.
        area: the range of areas that counts.
        near: the near pairs of these matches, where they are at hand.

    Raises:
        BadSetting: as `by_size`, or when the near pairs do not serve.
    """
    truth, lowest = matches.ground_truth, NEIGHBOURS[1]
    near = pairs_of(matches, near, lowest)
    first, second, overlap = box_pairs(truth.image, truth.ltwh, lowest)
    same = (truth.class_id[first] == truth.class_id[second]) & ~truth.crowd[first] & ~truth.crowd[second]
    neighbour = np.zeros(len(truth))
    for side in (first, second):
        np.maximum.at(neighbour, side[same], overlap[same])
    row, _ = near.best(near.same_class & ~truth.crowd[near.truth])
    of_nearest = np.append(neighbour[near.truth], 0.0)[row]
    names = [f"IoU {low:g} to {high:g}" for low, high in pairwise(NEIGHBOURS)]
    names[0], last = f"IoU below {lowest:g}", f"IoU {NEIGHBOURS[-1]:g} and more"
    edges = np.array([*NEIGHBOURS, np.inf])
    parts = _Parts([*names, last], edges, neighbour, of_nearest)
    return _by_value(matches, confidence, iou, parts, classes, area)


@dataclass(frozen=True, eq=False)
class _Parts:
    """Parts by a value of each object [G] and of each detection [n]; the edges reach from the lowest to infinity."""

    names: list[str]
    edges: Floats
    of_truth: Floats | Integers
    of_detection: Floats | Integers


def _by_value(
    matches: Matches, confidence: float, iou: float, parts: _Parts, classes: Collection[int] | None, area: str
) -> Breakdown:
    kept = _kept(matches, confidence)
    part_of_truth = np.searchsorted(parts.edges, parts.of_truth, side="right") - 1
    true, wrong, taken = matches.true_positive(iou, area), matches.false_positive(iou, area), matches.taken(iou, area)
    own = np.searchsorted(parts.edges, parts.of_detection, side="right") - 1
    part = np.where(true, np.append(part_of_truth, -1)[taken], own)
    wanted = ~matches.ground_truth_ignored(area)
    outcomes = [
        _Part(true & (part == place), wrong & (part == place), taken, wanted & (part_of_truth == place))
        for place in range(len(parts.names))
    ]
    return _breakdown(matches, kept, parts.names, list(pairwise(parts.edges.tolist())), outcomes, classes)


def _breakdown(
    matches: Matches,
    kept: Flags,
    names: list[str],
    ranges: list[tuple[float, float]],
    parts: list[_Part],
    classes: Collection[int] | None,
) -> Breakdown:
    counted, wanted = of_classes(matches.class_id, classes), of_classes(matches.ground_truth.class_id, classes)
    parts = [_Part(part.true & counted, part.false & counted, part.taken, part.wanted & wanted) for part in parts]
    evidence = tuple(_evidence(matches, kept, part) for part in parts)
    low, high = np.array(ranges, np.float64).reshape(-1, 2).T
    objects = np.array([part.wanted.sum() for part in parts], np.int64)
    tp = np.array([np.count_nonzero(part.true & kept) for part in parts], np.int64)
    return Breakdown(
        tp=tp,
        fp=np.array([np.count_nonzero(part.false & kept) for part in parts], np.int64),
        fn=objects - tp,
        names=tuple(names),
        low=low.copy(),
        high=high.copy(),
        objects=objects,
        ap=np.array([_ap(matches, part) for part in parts], np.float64),
        evidence=evidence,
    )


def _ap(matches: Matches, part: _Part) -> float:
    counted = part.true | part.false
    truth = matches.ground_truth
    positives = np.bincount(truth.class_id[part.wanted], minlength=len(truth.class_names))
    return mean(class_average_precision(matches.class_id[counted], part.true[counted], positives))


def _evidence(matches: Matches, kept: Flags, part: _Part) -> Evidence:
    hits, errors = (_by_confidence(matches, outcome & kept) for outcome in (part.true, part.false))
    left = part.wanted.copy()
    left[part.taken[hits]] = False
    return joined(found(hits, part.taken[hits]), false(errors), missed(np.flatnonzero(left)))


def _by_confidence(matches: Matches, chosen: Flags) -> Integers:
    rows = np.flatnonzero(chosen)
    return rows[np.argsort(-matches.confidence[rows], kind="stable")]


def _aspect(ltwh: Floats) -> Floats:
    width, height = np.maximum(ltwh[:, 2:], 0).T
    aspect: Floats = np.divide(width, height, out=np.full(len(ltwh), np.finfo(np.float64).max), where=height > 0)
    return aspect


def _kept(matches: Matches, confidence: float) -> Flags:
    if np.isnan(confidence):
        raise BadSetting("The confidence threshold is not a number.", "Choose one from 0 to 1.")
    return matches.confidence >= confidence
