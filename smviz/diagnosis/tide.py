"""TIDE: which kind of error costs how much AP (Bolya et al. 2020, https://arxiv.org/abs/2008.08115).

Each false positive is of the first kind that fits, as in `quantify.py` of https://github.com/dbolya/tide; IoU is that
with the best object of the class, or of the other classes, taken or not:

    Loc     right class, background <= IoU <= positive
    Cls     wrong class, IoU >= positive
    Dupe    right class, IoU >= positive with an object that another detection took
    Bkg     IoU <= background with every object
    Both    anything else: wrong class and badly placed
    Miss    an object that nothing took, and that is not the best one of any Loc or Cls error

Fixing Loc or Cls makes the error a true positive (of the object's class) where its object is free and no other Loc or
Cls error of that object has a higher confidence, and takes it away otherwise; fixing Dupe, Bkg and Both takes it away;
fixing Miss takes the objects away. Each is fixed alone. What it gives is not additive.

Where the package `tidecv` 1.0.1 differs: there a class without an object weighs in with AP 0, and so does one that
fixing leaves without an object but with detections; here, as in COCO's mean, they are left out. There a detection
that is ignored, because it stands on a crowd, is an error as well; here it counts neither way. There the first 100
detections of an image count, here those of an image and class; there AP is in percent, here from 0 to 1. Of objects
with equal IoU, there the first one is the best, here the last one, as in COCO's matching.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from smviz.diagnosis.evidence import Evidence, false, missed, of_classes
from smviz.diagnosis.pairs import CrossPairs, pairs_of
from smviz.diagnosis.precision import class_average_precision, mean
from smviz.errors import BadSetting
from smviz.matching import Columns, Flags, Floats, Integers, Matches

ERRORS = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")

_CLS, _LOC, _BOTH, _DUPE, _BKG, _MISS = range(len(ERRORS))
_FIXABLE = (_CLS, _LOC)


@dataclass(frozen=True, eq=False)
class TideError(Columns):
    """All errors of one kind, N of them, by descending confidence.

    Attributes:
        name: one of `ERRORS`.
        delta_ap: the AP that fixing them alone would add, not below 0; NaN where either AP is undefined.
        detection: int64 [N], position in the matches; -1 for a Miss.
        truth: int64 [N], the object it is about, as position in the ground truth; -1 for Both and Bkg.
        class_id: int64 [N], of the detection; of the object for a Miss.
        class_ap: float64 [K], the AP of each class once they are fixed; NaN without an object.
    """

    name: str
    delta_ap: float
    detection: Integers
    truth: Integers
    class_id: Integers
    class_ap: Floats

    def __len__(self) -> int:
        return len(self.detection)

    def evidence(self) -> Evidence:
        """The errors themselves, the surest first."""
        return missed(self.truth) if self.name == "Miss" else false(self.detection, self.truth)


@dataclass(frozen=True, eq=False)
class Tide(Columns):
    """The six errors, and what all false positives and all false negatives cost.

    Attributes:
        positive, background: the IoUs that made it.
        ap: COCO's AP at the positive IoU, 0 to 1; NaN without an object.
        errors: one for each name in `ERRORS`, in that order.
        false_positives: the AP that would be added if every false positive ranked below all true ones.
        false_negatives: the AP that would be added if no object were missing and no precision changed.
        class_ap: float64 [3, K], the AP of each class: as it is, without false positives, without false negatives.
    """

    positive: float
    background: float
    ap: float
    errors: tuple[TideError, ...]
    false_positives: float
    false_negatives: float
    class_ap: Floats

    def __getitem__(self, name: str) -> TideError:
        """The errors of a kind.

        Raises:
            BadSetting: when there is no such kind.
        """
        if name not in ERRORS:
            raise BadSetting(f"TIDE has no error {name!r}.", f"Choose one of {', '.join(ERRORS)}.")
        return self.errors[ERRORS.index(name)]

    def only(self, classes: Collection[int] | None) -> Tide:
        """The errors of some classes, and what they cost the mean over just these; all where `classes` is None."""
        if classes is None:
            return self
        ids = list(classes)
        return _summed(
            replace(self, class_ap=self.class_ap[:, ids], errors=tuple(_only(error, ids) for error in self.errors))
        )


def tide(matches: Matches, positive: float = 0.5, background: float = 0.1, near: CrossPairs | None = None) -> Tide:
    """Sort every error by its kind, and tell what each kind costs.

    Args:
        near: the near pairs of these matches, where they are at hand.

    Raises:
        BadSetting: when nothing was matched at the positive IoU, the background IoU is not below it, or the near pairs
            do not serve.
    """
    if not 0 < background < positive:
        raise BadSetting(
            f"Background at IoU {background:g} leaves nothing below a match at {positive:g}.",
            "Choose an IoU above 0 for background and a higher one for a match.",
        )
    taken = matches.taken(positive)
    near = pairs_of(matches, near, background)
    kind, truth = _kinds(near, positive, background)
    repaired = _repaired(matches, kind, truth, taken)
    missing = _missed(matches, kind, truth, taken)
    parts = _Parts(matches, matches.true_positive(positive), matches.positives())
    wrong = kind >= 0
    fixed = [parts.fixed(kind, truth, repaired, error) for error in range(_MISS)]
    fixed.append(parts.ap(wrong, parts.positives - parts.per_class(missing)))
    by_confidence = matches.ranked()
    found = [by_confidence[kind[by_confidence] == error] for error in range(_MISS)]
    columns = [(rows, truth[rows], matches.class_id[rows]) for rows in found]
    columns.append((np.full(len(missing), -1), missing, matches.ground_truth.class_id[missing]))
    without = parts.ap(np.zeros(len(matches), np.bool_), parts.positives)
    found_objects = parts.per_class(taken[parts.true])
    errors = zip(ERRORS, columns, fixed, strict=True)
    return _summed(
        Tide(
            positive=positive,
            background=background,
            ap=np.nan,
            errors=tuple(TideError(name, np.nan, *column, class_ap) for name, column, class_ap in errors),
            false_positives=np.nan,
            false_negatives=np.nan,
            class_ap=np.stack([parts.ap(wrong, parts.positives), without, parts.ap(wrong, found_objects)]),
        )
    )


def _summed(tide: Tide) -> Tide:
    """With the means over the classes that it has."""
    ap, without_false, without_missed = (mean(row) for row in tide.class_ap)
    return replace(
        tide,
        ap=ap,
        errors=tuple(
            # below 0 by rounding only
            replace(error, delta_ap=float(np.maximum(mean(error.class_ap) - ap, 0.0)))
            for error in tide.errors
        ),
        false_positives=without_false - ap,
        false_negatives=without_missed - ap,
    )


def _only(error: TideError, classes: list[int]) -> TideError:
    kept = of_classes(error.class_id, classes)
    columns = {name: getattr(error, name)[kept] for name in ("detection", "truth", "class_id")}
    return replace(error, class_ap=error.class_ap[classes], **columns)


@dataclass(frozen=True)
class _Parts:
    """What AP is made from."""

    matches: Matches
    true: Flags
    positives: Integers

    def per_class(self, truths: Integers) -> Integers:
        return np.bincount(self.matches.ground_truth.class_id[truths], minlength=len(self.positives))

    def ap(self, wrong: Flags, positives: Integers) -> Floats:
        """Of each class, float64 [K]."""
        counted = self.true | wrong
        return class_average_precision(self.matches.class_id[counted], self.true[counted], positives)

    def fixed(self, kind: Integers, truth: Integers, repaired: Flags, error: int) -> Floats:
        """The AP of each class when the errors of one kind are fixed, float64 [K]."""
        mended = repaired & (kind == error)
        wrong = (kind >= 0) & (kind != error)
        if not mended.any():
            return self.ap(wrong, self.positives)
        counted = np.flatnonzero(self.true | wrong | mended)
        class_id = np.where(mended, self.matches.ground_truth.class_id[truth], self.matches.class_id)[counted]
        if error == _CLS:
            order = np.lexsort((-self.matches.confidence[counted], class_id))
            counted, class_id = counted[order], class_id[order]
        return class_average_precision(class_id, (self.true | mended)[counted], self.positives)


def _kinds(near: CrossPairs, positive: float, background: float) -> tuple[Integers, Integers]:
    """Which error each detection is, int64 [n], -1 for none, and the object it is about, int64 [n], -1 for none."""
    matches = near.matches
    counted = ~matches.ground_truth_ignored()[near.truth]
    right, right_iou = near.best(counted & near.same_class)
    wrong, wrong_iou = near.best(counted & ~near.same_class)
    conditions = {
        _LOC: (right_iou >= background) & (right_iou <= positive),
        _CLS: wrong_iou >= positive,
        _DUPE: right_iou >= positive,  # it is a false positive, so its object was taken
        _BKG: np.maximum(right_iou, wrong_iou) <= background,
    }
    error = np.select(list(conditions.values()), list(conditions), _BOTH)
    row = np.select([error == _CLS, (error == _LOC) | (error == _DUPE)], [wrong, right], -1)
    false = matches.false_positive(positive)
    truth = np.append(near.truth, -1)[row]
    return np.where(false, error, -1), np.where(false, truth, -1)


def _repaired(matches: Matches, kind: Integers, truth: Integers, taken: Integers) -> Flags:
    """Which Loc and Cls errors become true positives when fixed, bool [n]: the most confident one of a free object."""
    by_confidence = matches.ranked()
    rows = by_confidence[np.isin(kind[by_confidence], _FIXABLE)]
    _, first = np.unique(truth[rows], return_index=True)
    repaired = np.zeros(len(matches), np.bool_)
    repaired[rows[first]] = ~np.isin(truth[rows[first]], taken)
    return repaired


def _missed(matches: Matches, kind: Integers, truth: Integers, taken: Integers) -> Integers:
    """The objects that nothing took and no Loc or Cls error is about, ascending."""
    left = ~matches.ground_truth_ignored()
    left[taken[taken >= 0]] = False
    left[truth[np.isin(kind, _FIXABLE)]] = False
    return np.flatnonzero(left)
