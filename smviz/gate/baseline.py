"""What the numbers are held against: an earlier evaluation on the same images, or the numbers that were kept of one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smviz.errors import BadSetting
from smviz.evaluation import Evaluation, evaluate, of_images
from smviz.gate.numbers import Name, Numbers
from smviz.reporting.numbers import RATES

_ADVICE = "Give what `smviz evaluate --json` printed, or the JSON of a report, or a run, or COCO results."


@dataclass(frozen=True, eq=False)
class StoredNumbers:
    """The numbers that `smviz evaluate --json` or `smviz report --json` told once.

    They have no resamples, so a difference to them has no interval.

    Attributes:
        label: where they were read.
        document: the JSON object.
    """

    label: str
    document: Mapping[str, Any]

    @classmethod
    def read(cls, text: str, label: str) -> StoredNumbers:
        """Read such a document.

        Raises:
            BadSetting: when it is none.
        """
        try:
            document = json.loads(text.removeprefix("\ufeff"))
        except (ValueError, RecursionError) as error:
            raise BadSetting(f"{label} is not JSON ({error}).", _ADVICE) from error
        parts = {"per_class": list, "settings": dict}
        if not isinstance(document, dict) or not all(isinstance(document.get(p), kind) for p, kind in parts.items()):
            raise BadSetting(f"{label} holds no numbers of smviz.", _ADVICE)
        return cls(label, document)

    def check_same(self, numbers: Numbers) -> None:
        """See that they are of the same ground truth.

        Raises:
            BadSetting: when they are not, as far as the document tells.
        """
        truth = numbers.evaluation.matches.ground_truth
        there, told = self.document["settings"], self.document.get("provenance") or {}
        here = {"images": len(truth.image_names), "objects": int(numbers.evaluation.matches.positives().sum())}
        differ = [name for name, count in here.items() if there.get(name) != count]
        known = told.get("ground_truth") if isinstance(told, dict) else None
        if differ or (known and known != numbers.fingerprint):
            counts = " with ".join(f"{_told(there.get(name))} {name}" for name in here)
            raise BadSetting(
                f"The numbers in {self.label} are of another ground truth: {counts}, and here are "
                f"{here['images']} with {here['objects']}{'' if differ else ', which differ'}.",
                "Compare with a run or a detections file, which are judged anew, or keep new numbers for the baseline.",
            )

    def value(self, name: Name, confidence: float | None, iou: float) -> float:
        """A number of the document; NaN where it has none, and for rates at another threshold or IoU."""
        place: Any = self.document
        if name.number in RATES:
            place = self.document.get("at_confidence")
            if not isinstance(place, dict) or (place.get("confidence"), place.get("iou")) != (confidence, iou):
                return math.nan
        if name.class_id is not None:
            rows = (row for row in self.document["per_class"] if isinstance(row, dict))
            place = next((row for row in rows if row.get("class_name") == name.class_name), {})
        value = place.get(name.number)
        # A whole number may be too large for a float, so it is compared first; NaN compares with nothing.
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300
        return float(value) if number else math.nan


def _told(count: object) -> str:
    return str(count) if isinstance(count, int) and abs(count) < 1e15 else "an unknown number of"


def on_common_images(one: Evaluation, other: Evaluation) -> tuple[Evaluation, Evaluation, int]:
    """Two evaluations on the images that both have, and how many images of either are left out.

    An image that failed in one run says nothing of the other.

    Raises:
        BadSetting: when they have no image in common.
    """
    names, others = (each.matches.ground_truth.image_names for each in (one, other))
    if names == others:
        return one, other, 0
    common = frozenset(names) & frozenset(others)
    if not common:
        raise BadSetting("The baseline has none of the images.", "Compare runs over the same images.")
    left_out = len(frozenset(names) | frozenset(others)) - len(common)
    return _only(one, _kept(names, common)), _only(other, _kept(others, common)), left_out


def _kept(names: Sequence[str], common: frozenset[str]) -> NDArray[np.bool_]:
    return np.array([name in common for name in names], np.bool_)


def _only(evaluation: Evaluation, kept: NDArray[np.bool_]) -> Evaluation:
    """The evaluation of some images, bool [I]."""
    predictions, place = evaluation.matches.predictions, np.cumsum(kept) - 1
    found = kept[predictions.image]
    columns = {column: getattr(predictions, column)[found] for column in ("class_id", "ltwh", "confidence")}
    anew = replace(predictions, image=place[predictions.image[found]], **columns)
    return evaluate(of_images(evaluation.matches.ground_truth, kept), anew, evaluation.matches.settings)
