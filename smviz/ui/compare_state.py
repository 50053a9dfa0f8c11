"""Two runs that are compared: read once, joined, judged by the same ground truth; and what was computed from that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeVar, cast

import streamlit as st

from smviz.annotations import parse_ground_truth
from smviz.comparing import (
    Agreement,
    Comparison,
    Flips,
    Reading,
    class_map_for,
    compare,
    latencies,
    latency_changes,
    read_run,
)
from smviz.evaluation import read_by
from smviz.intervals import Bootstrap, Change, Difference, RateChanges, difference
from smviz.matching import Floats
from smviz.operating import best_f1, fingerprint
from smviz.records import GroundTruth
from smviz.store import Run
from smviz.ui.derived import Background
from smviz.ui.resources import store

Side = Literal["a", "b"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Changes:
    """How the numbers differ that no threshold changes.

    Attributes:
        numbers: COCO's twelve; empty without ground truth.
        classes: the AP of each class [K].
        latency: p50, p95 and p99, in seconds.
    """

    numbers: dict[str, Change]
    classes: tuple[Change, ...]
    latency: tuple[Change, ...]


class Compared:
    """A comparison and what was computed from it so far; everything is computed once.

    Attributes:
        comparison: of the runs `a` and `b`.
        seconds: float64 [2, L], the latencies of the images that both called for.
    """

    def __init__(self, comparison: Comparison, a: Run, b: Run) -> None:
        self.comparison = comparison
        self.a, self.b = a, b
        self.seconds: Floats = latencies(comparison.images)
        self._kept: dict[Hashable, Any] = {}
        self._lock = threading.Lock()
        self._works: list[Background[Any]] = []

    @property
    def truth(self) -> GroundTruth:
        """What both are judged by; of the images that both have."""
        return self.comparison.a.matches.ground_truth

    @cached_property
    def place(self) -> dict[str, int]:
        """Where each image is, by its name in A."""
        return {one.image: place for place, (one, _) in enumerate(self.comparison.images)}

    def difference(self) -> Difference:
        """The paired resamples that every interval is from."""
        with self._lock:  # several works ask for them at once
            return self.once(
                "difference",
                lambda: difference(Bootstrap(self.comparison.a.matches), Bootstrap(self.comparison.b.matches)),
            )

    @cached_property
    def changes(self) -> Background[Changes]:
        """The differences that no threshold changes."""
        return self._begun(self._changes)

    def _changes(self, progress: Callable[[float], None]) -> Changes:
        latency = latency_changes(self.seconds)
        if not self.comparison.labelled:
            return Changes({}, (), latency)
        return Changes(self.difference().numbers(progress), self.difference().classes("AP"), latency)

    def rates(self, confidence_a: float, confidence_b: float, iou: float) -> Background[RateChanges]:
        """How precision, recall and F1 differ, each run at its threshold."""
        return self.once(
            ("rates", confidence_a, confidence_b, iou),
            lambda: self._begun(lambda _: self.difference().rates(confidence_a, confidence_b, iou)[0]),
        )

    def agreement(self, confidence_a: float, confidence_b: float, iou: float) -> Agreement:
        """What both found, by image."""
        key = ("agreement", confidence_a, confidence_b, iou)
        return self.once(key, lambda: self.comparison.agreement(confidence_a, confidence_b, iou))

    def flips(self, confidence_a: float, confidence_b: float, iou: float) -> Flips:
        """What only one has right, by image."""
        key = ("flips", confidence_a, confidence_b, iou)
        return self.once(key, lambda: self.comparison.flips(confidence_a, confidence_b, iou))

    def best(self, side: Side, iou: float) -> float | None:
        """The threshold with the best F1 of one run; None where there is none."""
        evaluation = self.comparison.a if side == "a" else self.comparison.b
        point = self.once(("best", side, iou), lambda: best_f1(evaluation.sweep(None, iou)))
        return None if point.reason else point.confidence

    def once(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """What a key names, computed when it is first asked for."""
        if key not in self._kept:
            self._kept[key] = compute()
        return cast(Result, self._kept[key])

    def stop(self) -> None:
        """End all work that goes on."""
        for work in self._works:
            work.stop()

    def _begun(self, work: Callable[[Callable[[float], None]], Result]) -> Background[Result]:
        self._works.append(Background(work))
        return self._works[-1]


def compared_runs(a: Run, b: Run, judge: Side | None) -> Compared:
    """Two runs as they are now, judged by the ground truth of one of them, or by none.

    Raises:
        StoreError: when the workspace cannot be read.
        BadAnnotations: when the ground truth cannot be read.
    """
    key = tuple((run.id, run.answered, run.class_map) for run in (a, b))
    return _compared(key, judge, a, b)


@st.cache_resource(scope="session", max_entries=4, show_spinner=False, on_release=lambda kept: kept.stop())
def _compared(key: tuple[Any, ...], judge: Side | None, _a: Run, _b: Run) -> Compared:
    """`key` and `judge` name what is kept: a run grows, and what its classes mean may be changed."""
    in_a, in_b = (_reading(run.id, run.answered, run) for run in (_a, _b))
    with st.spinner("Joining the runs image by image …"):
        truth = None if judge is None else truth_of((_a if judge == "a" else _b).id)
        map_a, map_b = (class_map_for(run.class_map, truth) for run in (_a, _b))
        return Compared(compare(in_a, in_b, truth, map_a, map_b), _a, _b)


@st.cache_resource(scope="session", max_entries=4, show_spinner="Reading the replies of a run …")
def _reading(run_id: str, answered: int, _run: Run) -> Reading:
    return read_run(store().iter_outcomes(run_id), read_by(_run.preset))


@st.cache_resource(scope="session", max_entries=4, show_spinner="Reading the ground truth …")
def truth_of(run_id: str) -> GroundTruth | None:
    """The ground truth of a run; None where it has none.

    Raises:
        BadAnnotations: when it cannot be read.
    """
    annotations = store().annotations(run_id)
    return None if annotations is None else parse_ground_truth(annotations, "The run's ground truth")


@st.cache_data(scope="session", max_entries=50, show_spinner="Comparing the ground truths …")
def same_truth(a: str, b: str) -> bool:
    """Whether the same is to be found by the ground truths of two runs, which both have one."""
    if store().annotations(a) == store().annotations(b):
        return True
    truths = [truth_of(run) for run in (a, b)]
    return len({fingerprint(truth) for truth in truths if truth}) == 1
