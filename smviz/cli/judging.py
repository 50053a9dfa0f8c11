"""The evaluation that --run, --detections and --annotations name."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from smviz.annotations import parse_ground_truth, read_ground_truth, read_results
from smviz.errors import BadSetting
from smviz.evaluation import Evaluation, evaluate, judge, read_by
from smviz.matching import COCO
from smviz.records import GroundTruth
from smviz.settings import MatchSettings, Settings
from smviz.store import Run, Store


@dataclass(frozen=True, eq=False)
class Judged:
    """An evaluation and where its detections come from.

    Attributes:
        run: the stored run; None for a file of detections.
        variants: the production variants that answered, as far as replies tell them.
    """

    evaluation: Evaluation
    run: Run | None = None
    variants: tuple[str, ...] = ()


def judged(given: argparse.Namespace, settings: MatchSettings = COCO) -> Judged:
    """Evaluate a stored run, or a file of detections, against the annotations given or the run's own."""
    truth = read_ground_truth(given.annotations) if given.annotations else None
    if given.detections:
        truth = _needed(truth, f"{given.detections} does not say what there is to be found.")
        return Judged(evaluate(truth, read_results(given.detections, truth), settings))
    with Store(Settings.from_environment().workspace) as store:
        run = store.run(given.run)
        own = None if truth else store.annotations(run.id)
        outcomes = store.outcomes(run.id)
    truth = truth or (parse_ground_truth(own, f"the annotations of run {run.name}") if own else None)
    truth = _needed(truth, f"The run {run.name} has no ground truth of its own.")
    variants = {outcome.reply.variant for outcome in outcomes if outcome.reply and outcome.reply.variant}
    return Judged(judge(truth, outcomes, read_by(run.preset), settings), run, tuple(sorted(variants)))


def _needed(truth: GroundTruth | None, message: str) -> GroundTruth:
    if truth is None:
        raise BadSetting(message, "Give the ground truth with --annotations PATH.")
    return truth
