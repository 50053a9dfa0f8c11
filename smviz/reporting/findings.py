"""Everything that a report tells, computed once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from smviz import diagnosis
from smviz.choosing import Choice, choose
from smviz.diagnosis import Breakdown, ConfusionMatrix, CrossPairs, Reliability, Tide, near_pairs
from smviz.intervals import Bootstrap
from smviz.matching import Floats, Matches
from smviz.metrics import precision_at_recalls
from smviz.operating import Sweep
from smviz.reporting.numbers import RATES, At
from smviz.reporting.subject import Options, Subject

Progress = Callable[[float], None]

MOST_LINES = 12  # classes of a chart
BINS = 50
BREAKDOWNS: dict[str, Callable[..., Breakdown]] = {
    "Size": diagnosis.by_size,
    "Area": diagnosis.by_area,
    "Shape": diagnosis.by_aspect,
    "Objects in the image": diagnosis.by_crowding,
    "Nearest neighbour": diagnosis.by_neighbour,
}


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found of a subject.

    Attributes:
        at: the threshold and the IoU that all that depends on them is at.
        choice: the thresholds for the objective, with intervals and held out.
        confidence: float64 [N], thresholds from 0 to 1 that the curves are drawn at.
        precision, recall, f1: float64 [N], over all classes together.
        shown: class ids, ascending: those with most objects.
        curves: float64 [len(shown), 101], the precision at the recalls 0, 0.01 to 1 that AP averages, at the IoU.
        true, false: int64 [BINS], detections by confidence, in equal bins from 0 to 1.
        tide: None where the settings lack IoU 0.5.
        calibration: over all detections; `kept_error` is its error from the threshold on, `placed_error` LaECE0.
        breakdowns: by title.
    """

    subject: Subject
    options: Options
    at: At
    bootstrap: Bootstrap
    choice: Choice
    confidence: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    shown: tuple[int, ...]
    curves: Floats
    true: tuple[int, ...]
    false: tuple[int, ...]
    tide: Tide | None
    confusion: ConfusionMatrix
    calibration: Reliability
    kept_error: float
    placed_error: float
    breakdowns: dict[str, Breakdown]

    @property
    def matches(self) -> Matches:
        """Those of the evaluation."""
        return self.subject.evaluation.matches


def find(
    subject: Subject,
    options: Options,
    progress: Progress,
    bootstrap: Bootstrap | None = None,
    choice: Choice | None = None,
    near: CrossPairs | None = None,
) -> Findings:
    """Compute it.

    Args:
        subject: what the report is about.
        options: what a person chose.
        progress: called with the share of the work that is done, up to 1; what it raises ends the work.
        bootstrap: of these matches, where it is at hand; so `choice`, for the objective and IoU, and `near`.

    Raises:
        BadSetting: when nothing was matched at the IoU.
    """
    evaluation, iou = subject.evaluation, options.iou
    matches = evaluation.matches
    bootstrap = bootstrap or Bootstrap(matches)
    bootstrap.numbers(lambda share: progress(0.5 * share))
    choice = choice or choose(
        matches,
        options.objective,
        iou,
        held_out=True,
        bootstrap=bootstrap,
        progress=lambda share: progress(0.5 + 0.4 * share),
    )
    at = At(_threshold(options, choice), iou)
    near = near or near_pairs(matches, 0.1)
    positives = matches.positives()
    shown = np.sort(np.argsort(-positives, kind="stable")[:MOST_LINES])
    targets = diagnosis.precision_targets(matches, iou)
    progress(0.95)
    confidence, rows = _sampled(evaluation.sweep(None, iou))
    found = Findings(
        subject=subject,
        options=options,
        at=at,
        bootstrap=bootstrap,
        choice=choice,
        confidence=confidence,
        **{rate: np.append(getattr(evaluation.sweep(None, iou), rate), np.nan)[rows] for rate in RATES},
        shown=tuple(shown.tolist()),
        curves=precision_at_recalls(matches)[int(np.argmin(np.abs(np.array(matches.settings.ious) - iou))), shown],
        true=_histogram(matches.confidence[matches.true_positive(iou)]),
        false=_histogram(matches.confidence[matches.false_positive(iou)]),
        tide=diagnosis.tide(matches, 0.5, near=near) if 0.5 in matches.settings.ious else None,
        confusion=diagnosis.confusion_matrix(matches, at.confidence, iou, near),
        calibration=diagnosis.reliability(targets),
        kept_error=diagnosis.reliability(targets, confidence=at.confidence).error,
        placed_error=diagnosis.laece0(matches),
        breakdowns={title: made(matches, at.confidence, iou) for title, made in _breakdowns(near).items()},
    )
    progress(1.0)
    return found


def _threshold(options: Options, choice: Choice) -> float:
    if options.confidence is not None:
        return options.confidence
    best = choice.pooled.interval.point
    return 0.5 if math.isnan(best) else best


def _sampled(sweep: Sweep) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Thresholds from 0 to 1, and the row of the sweep that each keeps; -1 where it keeps nothing."""
    confidence = np.arange(201) / 200
    below = np.searchsorted(sweep.confidence[::-1], confidence, side="left")
    rows = len(sweep) - below - 1
    return confidence, rows


def _histogram(confidence: Floats) -> tuple[int, ...]:
    counts, _ = np.histogram(np.clip(confidence, 0.0, 1.0), BINS, (0.0, 1.0))
    return tuple(counts.tolist())


def _breakdowns(near: CrossPairs) -> dict[str, Callable[..., Breakdown]]:
    return BREAKDOWNS | {"Nearest neighbour": partial(diagnosis.by_neighbour, near=near)}
