"""The numbers that a gate may name, each with its interval; computed when they are first asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from smviz.errors import BadSetting
from smviz.evaluation import Evaluation
from smviz.intervals import COCO_NUMBERS, Bootstrap, Interval, Rates
from smviz.matching import Floats
from smviz.metrics import average_precision, average_recall
from smviz.operating import fingerprint
from smviz.records import Outcome
from smviz.reporting.numbers import RATES
from smviz.runner.progress import quantiles
from smviz.store import Run

COUNTS = ("failures", "unanswered")
CALL_NUMBERS = (*COUNTS, "latency_p50", "latency_p95", "latency_p99")
"""Images that failed; images without a reply, failed or not called yet; seconds from send to last byte."""

_AREAS = {"s": "small", "m": "medium", "l": "large"}


@dataclass(frozen=True, slots=True)
class Name:
    """A number that exists; `class_id` is None for all classes together.

    Attributes:
        text: as it was asked for.
        number: one of COCO's twelve, of `RATES` or of `CALL_NUMBERS`.
        class_name: "" for all classes together.
    """

    text: str
    number: str
    class_id: int | None = None
    class_name: str = ""


class Numbers:
    """The numbers of one evaluation.

    Attributes:
        evaluation: whose numbers these are.
        confidence: the threshold of precision, recall and F1; None where none was given.
        iou: from which overlap on these take a detection as right.
        calls: what `call_numbers` tells; empty for a file of detections.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        confidence: float | None = None,
        iou: float = 0.5,
        calls: Mapping[str, float] | None = None,
    ) -> None:
        self.evaluation = evaluation
        self.confidence = confidence
        self.iou = iou
        self.calls = calls or {}

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """The resamples that every interval is from."""
        return Bootstrap(self.evaluation.matches)

    @cached_property
    def fingerprint(self) -> str:
        """Of the ground truth, as `operating.fingerprint` makes it."""
        return fingerprint(self.evaluation.matches.ground_truth)

    def find(self, text: str) -> Name:
        """The number of a name such as "AP50", "recall", "car.AP50" or "latency_p95".

        Raises:
            BadSetting: when there is no such number or class, or what it needs was not given.
        """
        pooled = text in {*COCO_NUMBERS, *RATES, *CALL_NUMBERS}
        name = Name(text, text) if pooled else self._of_class(text)
        if name.number in RATES and self.confidence is None:
            raise BadSetting(f"“{text}” needs a confidence threshold.", "Give it with --confidence, as 0.5.")
        if name.number in CALL_NUMBERS and not self.calls:
            raise BadSetting(f"A file of detections does not tell “{text}”.", "Check it of a stored run, with --run.")
        return name

    def value(self, name: Name) -> float:
        """The number; NaN where it is undefined."""
        if name.number in CALL_NUMBERS:
            return self.calls[name.number]
        if name.number in RATES:
            assert self.confidence is not None
            return float(getattr(self.evaluation.sweep(name.class_id, self.iou).at(self.confidence), name.number))
        if name.class_id is None:
            return self.evaluation.numbers[name.number]
        values = self._class_values(name.number)[:, name.class_id]
        return float(values.mean()) if len(values) else math.nan

    def interval(self, name: Name) -> Interval | None:
        """Its interval; None for what calls tell, which has none."""
        if name.number in CALL_NUMBERS:
            return None
        if name.number in RATES:
            pooled, classes = self._rates
            interval: Interval = getattr(pooled if name.class_id is None else classes[name.class_id], name.number)
            return interval
        if name.class_id is None:
            return self._twelve[name.number]
        return self.bootstrap.classes(name.number)[name.class_id]

    @cached_property
    def _twelve(self) -> dict[str, Interval]:
        return self.bootstrap.numbers()

    @cached_property
    def _rates(self) -> tuple[Rates, tuple[Rates, ...]]:
        assert self.confidence is not None
        return self.bootstrap.rates(self.confidence, self.iou)

    def _of_class(self, text: str) -> Name:
        class_name, dot, number = text.rpartition(".")
        names = self.evaluation.matches.ground_truth.class_names
        if not dot or number not in {*COCO_NUMBERS, *RATES}:
            raise BadSetting(
                f"There is no number “{text}” to check.",
                f"Choose one of {', '.join((*COCO_NUMBERS, *RATES, *CALL_NUMBERS))}, or of a class, as car.AP50.",
            )
        if class_name not in names:
            some = ", ".join(names[:10])
            raise BadSetting(f"There is no class “{class_name}” in the ground truth.", f"Its classes are: {some}.")
        return Name(text, number, names.index(class_name), class_name)

    def _class_values(self, number: str) -> Floats:
        """What one of the twelve numbers of a class is the mean of, float64 [T, K]."""
        matches, letter = self.evaluation.matches, number[-1:]
        if number in {"AP50", "AP75"}:
            at = np.isclose(matches.settings.ious, int(number[2:]) / 100)
            return self.evaluation.average_precision[at]
        if number.startswith("AP"):
            return average_precision(matches, _AREAS.get(letter, "all"))
        if letter in _AREAS:
            return average_recall(matches, matches.settings.max_detections[-1], _AREAS[letter])
        return average_recall(matches, int(number[2:]))


def call_numbers(run: Run, outcomes: Iterable[Outcome]) -> dict[str, float]:
    """How the calls of a run went, by the names in `CALL_NUMBERS`; a reply that was known took no call."""
    replies = [outcome.reply for outcome in outcomes if outcome.reply and not outcome.reused]
    latencies = [reply.latency for reply in replies if math.isfinite(reply.latency)]
    return {
        "failures": float(run.failed),
        "unanswered": float(run.total - run.answered),
        **dict(zip(CALL_NUMBERS[len(COUNTS) :], quantiles(latencies), strict=True)),
    }
