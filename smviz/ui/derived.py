"""What pages compute from an evaluation, each once: at once what is fast, and beside the page what takes long."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, cast

import numpy as np
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from smviz.choosing import Choice, choose
from smviz.cutoffs import Cutoff, find_cutoffs
from smviz.diagnosis import CrossPairs, near_pairs
from smviz.evaluation import Evaluation
from smviz.intervals import Bands, Bootstrap, Interval, Rates, bands
from smviz.matching import Matches
from smviz.metrics import average_precision
from smviz.operating import Objective, OperatingPoint, operating_point
from smviz.store import Run
from smviz.ui.in_common import InCommon
from smviz.ui.resources import image_url
from smviz.workbench import Packed, Part, pack
from smviz.workbench.classes import AveragePrecisions

AP_NUMBERS = {"all": "AP", "small": "APs", "medium": "APm", "large": "APl"}  # by area range

Result = TypeVar("Result")
Progress = Callable[[float], None]


class Stopped(Exception):
    """Nobody waits for the work any more."""


class Background(Generic[Result]):
    """Work that goes on while the page is there; as much of it at once as there are processors, the rest waits.

    Attributes:
        share: of the work that is done, 0 to 1.
    """

    _at_work: ClassVar = threading.Semaphore(os.cpu_count() or 1)

    def __init__(self, work: Callable[[Progress], Result], after: Background[Any] | None = None) -> None:
        """Begin it; where it needs the result of other work, once that is there, which is the first half of `share`."""
        self.share = 0.0
        self._stopped = False
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work, after), daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether there is a result, or an error."""
        return bool(self._result) or self._error is not None

    def result(self, wait: float = 0.0) -> Result | None:
        """The result; None where it is not there after so many seconds. A bug of the work is raised here."""
        self._thread.join(wait)
        if self._error is not None:
            raise self._error
        return self._result[0] if self._result else None

    def stop(self) -> None:
        """End it where it next tells its progress."""
        self._stopped = True

    def _run(self, work: Callable[[Progress], Result], after: Background[Any] | None) -> None:
        try:
            while after is not None and after.result(0.2) is None:
                self._progress(after.share / 2)
            with self._at_work:
                self._progress(self.share)
                self._result.append(work(self._progress))
        except BaseException as error:
            self._error = error

    def _progress(self, share: float) -> None:
        if self._stopped:
            raise Stopped
        self.share = share


class Derived:
    """An evaluation and what was computed from it so far, for all sessions that look at it.

    Attributes:
        evaluation: whose matches everything here is of.
        word: names the run to the components of the page, which follow each other by it.
    """

    def __init__(self, evaluation: Evaluation, word: str) -> None:
        self.evaluation = evaluation
        self.word = word
        self._kept: dict[Hashable, Any] = {}
        self._lock = threading.RLock()
        self._wanted: dict[str, Hashable] = {}  # the choice that each session asked for last

    @property
    def matches(self) -> Matches:
        """Those of the evaluation."""
        return self.evaluation.matches

    @cached_property
    def packed(self) -> Packed:
        """The columns that the browser counts from."""
        return pack(self.matches)

    def packed_url(self) -> str:
        """Where the browser gets them; asked for in every rerun that shows a component that needs them."""
        return image_url(self.packed.data, "application/octet-stream", f"columns of {self.word}")

    def live(self, threshold: float, part: Part) -> dict[str, Any]:
        """What the data of every live component holds: where the columns are, and the state to begin with.

        Raises:
            BadSetting: when nothing was matched at the IoU or in the area range.
        """
        layout = self.packed.layout
        state = {"threshold": threshold, **part.as_sent(self.matches.settings)}
        return {"word": self.word, "url": self.packed_url(), "layout": layout, "state": state}

    def best(self, part: Part, objective: Objective) -> OperatingPoint:
        """The threshold that serves an objective best, over the chosen classes together."""
        images = len(self.matches.ground_truth.image_names)
        return self.once(
            ("best", part, objective), lambda: operating_point(part.sweep(self.matches), objective, images)
        )

    def rates(self, threshold: float, part: Part) -> Background[Rates]:
        """Precision, recall and F1 of the chosen classes together, with their intervals."""
        return self.once(
            ("rates", threshold, part),
            lambda: Background(lambda _: self.bootstrap.pooled_rates(threshold, part.iou, part.area, part.classes)),
        )

    def bands(self, part: Part) -> Background[Bands]:
        """Precision, recall and F1 of the chosen classes together against confidence, with their intervals."""
        return self.once(
            ("bands", part),
            lambda: Background(
                lambda progress: bands(self.bootstrap, part.iou, part.area, part.classes, progress=progress)
            ),
        )

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """The resamples that every interval is from."""
        return Bootstrap(self.matches)

    @cached_property
    def near(self) -> CrossPairs:
        """The near pairs that the diagnosis looks at."""
        return near_pairs(self.matches, 0.1)

    @cached_property
    def cutoffs(self) -> tuple[Cutoff, ...]:
        """The limits that show in the detections."""
        return find_cutoffs(self.matches)

    @cached_property
    def intervals(self) -> Background[dict[str, Interval]]:
        """Those of COCO's twelve numbers; the numbers of each class follow from the same resamples."""
        return Background(self.bootstrap.numbers)

    def average_precisions(self, area: str) -> AveragePrecisions:
        """AP and AP50 of each class in an area range; with intervals once those of the twelve numbers are there.

        Raises:
            BadSetting: when there is no such area range.
        """
        every = self.once(("average precision", area), lambda: average_precision(self.matches, area))
        at_half = np.isclose(self.matches.settings.ious, 0.5)
        ap50 = every[at_half][0] if at_half.any() else np.full(every.shape[1], np.nan)
        return AveragePrecisions(every.mean(axis=0), ap50, self._class_intervals(AP_NUMBERS[area]))

    def _class_intervals(self, number: str) -> tuple[Interval, ...] | None:
        if self.intervals.result() is None:
            return None
        return self.once(("class intervals", number), lambda: self.bootstrap.classes(number))

    def choice(self, objective: Objective, iou: float) -> Background[Choice]:
        """The thresholds for an objective, with intervals and what other images say of them.

        Only the choice that a session asked for last is worked on.
        """
        wanted, context = ("choice", objective, iou), get_script_run_ctx()
        with self._lock:
            before = self._wanted.get(session := context.session_id if context else "")
            self._wanted[session] = wanted
            if before not in self._wanted.values() and before in self._kept and not self._kept[before].ended:
                self._kept.pop(before).stop()
        return self.once(
            wanted,
            lambda: Background(
                lambda progress: choose(
                    self.matches, objective, iou, held_out=True, bootstrap=self.bootstrap, progress=progress
                )
            ),
        )

    def once(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """What a key names, computed when it is first asked for."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = compute()
            return cast(Result, self._kept[key])


_derivations: InCommon[Derived] = InCommon()


def derived_of(run: Run, evaluation: Evaluation) -> Derived:
    """What was computed from the evaluation of a run as it is now."""
    return _derived(run.id, run.answered, run.class_map, evaluation)


@st.cache_resource(scope="session", max_entries=4, show_spinner=False)
def _derived(
    run_id: str, answered: int, class_map: tuple[tuple[str, str | None], ...], _evaluation: Evaluation
) -> Derived:
    """The first three arguments name the evaluation; its own matches are kept, as pairs belong to just these."""
    return _derivations.get(_evaluation, lambda: Derived(_evaluation, run_id))
