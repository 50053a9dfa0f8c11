"""What a report is about, and what a person chose for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from smviz.cutoffs import Cutoff, find_cutoffs
from smviz.evaluation import Evaluation
from smviz.operating import F1, Objective
from smviz.records import Outcome
from smviz.store import Run

Shown = Literal["full", "crops", "blurred", "none"]
SHOWN: tuple[Shown, ...] = ("full", "crops", "blurred", "none")
MOST_WORST = 100


@dataclass(frozen=True, eq=False)
class Subject:
    """An evaluation and where its detections come from.

    Attributes:
        evaluation: of all images with a reply.
        run: the stored run; None for a file of detections.
        outcomes: of the run's images; the replies' bodies are not looked at.
        file: what the file of detections is called; "" for a run.
        usd_per_hour: of the endpoint; 0 on this machine, NaN where it is not known.
    """

    evaluation: Evaluation
    run: Run | None = None
    outcomes: tuple[Outcome, ...] = ()
    file: str = ""
    usd_per_hour: float = math.nan

    @property
    def name(self) -> str:
        """What is judged, in a few words."""
        return self.run.name if self.run else self.file

    @property
    def cutoffs(self) -> tuple[Cutoff, ...]:
        """The limits that show in the detections."""
        return find_cutoffs(self.evaluation.matches)


@dataclass(frozen=True, slots=True)
class Options:
    """What a person chose.

    Attributes:
        objective: what the threshold to ship is best for.
        confidence: the threshold that the report stands at; None for the objective's best.
        iou: from which overlap on a detection is right.
        images: how the worst images are shown.
        worst: how many of them, 0 to `MOST_WORST`.
        title: the headline; "" for the subject's name.
    """

    objective: Objective = F1
    confidence: float | None = None
    iou: float = 0.5
    images: Shown = "crops"
    worst: int = 8
    title: str = ""
