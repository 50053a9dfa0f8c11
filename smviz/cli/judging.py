"""The evaluation that --run, --detections, --annotations and --class-map name."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from smviz.annotations import ground_truth_of, parse_ground_truth, read_ground_truth, read_results
from smviz.choosing import variants_of
from smviz.cli.inputs import connection_of, read_file
from smviz.cli.output import plain
from smviz.cutoffs import find_cutoffs
from smviz.datasets import ClassMap
from smviz.errors import BadSetting, UnknownRun
from smviz.evaluation import Evaluation, evaluate, judge, read_by
from smviz.gate import StoredNumbers, call_numbers
from smviz.matching import COCO
from smviz.names import base_name
from smviz.records import GroundTruth, Outcome, Skipped
from smviz.settings import MatchSettings, Settings
from smviz.sources import open_source
from smviz.store import Run, Store

_NAMED = 5  # skipped records that are told one by one


@dataclass(frozen=True, eq=False)
class Judged:
    """An evaluation and where its detections come from.

    Attributes:
        truth: all of the ground truth; that of the evaluation has only the images with a reply.
        run: the stored run; None for a file of detections.
        outcomes: of the run's images.
        file: the file of detections; None for a run.
    """

    evaluation: Evaluation
    truth: GroundTruth
    run: Run | None = None
    outcomes: tuple[Outcome, ...] = ()
    file: Path | None = None

    @property
    def variants(self) -> tuple[str, ...]:
        """The production variants that answered, as far as replies tell them."""
        return variants_of(self.outcomes)

    @property
    def calls(self) -> dict[str, float]:
        """How the calls of the run went; empty for a file."""
        return call_numbers(self.run, self.outcomes) if self.run else {}

    @property
    def what(self) -> str:
        """What is judged, in words."""
        matches = self.evaluation.matches
        images, objects = len(matches.ground_truth.image_names), int(matches.positives().sum())
        name = f"Run {self.run.name}" if self.run else str(self.file)
        return f"{name}: {images:,} images, {objects:,} objects, {len(matches.predictions):,} detections"

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was left out or mended, and the limits that show in the detections, in words."""
        limits = (f"{cutoff.sentence} {cutoff.advice}" for cutoff in find_cutoffs(self.evaluation.matches))
        return (*self.evaluation.notes, *limits)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The records of both files that could not be used."""
        matches = self.evaluation.matches
        return matches.ground_truth.skipped + matches.predictions.skipped


def judged(given: argparse.Namespace, settings: MatchSettings = COCO) -> Judged:
    """Evaluate a stored run, or a file of detections, against the annotations given or the run's own."""
    class_map = _class_map(given.class_map)
    if given.detections:
        if class_map is not None:
            raise BadSetting(
                "--class-map is for runs: COCO results name classes by the ids of the ground truth.",
                "Leave it out, or change the category ids in the file.",
            )
        truth = _needed(given_truth(given), f"{given.detections} does not say what there is to be found.")
        return Judged(evaluate(truth, read_results(given.detections, truth), settings), truth, file=given.detections)
    with Store(Settings.from_environment().workspace) as store:
        run = store.run(given.run)
        own = None if given.annotations else store.annotations(run.id)
        outcomes = store.outcomes(run.id)
    known = parse_ground_truth(own, f"the annotations of run {run.name}") if own else given_truth(given, outcomes)
    truth = _needed(known, f"The run {run.name} has no ground truth of its own.")
    means = dict(run.class_map) if class_map is None else class_map
    evaluation = judge(truth, outcomes, read_by(run.preset), settings, means)
    return Judged(evaluation, truth, run, outcomes)


def baseline_of(given: argparse.Namespace, source: Judged) -> Evaluation | StoredNumbers:
    """What --baseline names: the numbers that were kept in a file, or a file or run, judged by the same ground truth.

    Raises:
        BadSetting: when it is neither a file nor a run, or a file that holds no numbers.
    """
    path = Path(given.baseline)
    if path.is_file():
        body = read_file(path)
        if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            return evaluate(source.truth, read_results(path, source.truth))
        return StoredNumbers.read(body.decode("utf-8", "replace"), str(path))
    try:
        with Store(Settings.from_environment().workspace) as store:
            run = store.run(given.baseline)
            outcomes = store.outcomes(run.id)
    except UnknownRun as error:
        raise BadSetting(f"The baseline “{given.baseline}” is neither a file nor a run.", error.advice) from error
    class_map = _class_map(given.class_map)
    means = dict(run.class_map) if class_map is None else class_map
    return judge(source.truth, outcomes, read_by(run.preset), class_map=means)


def tell_notes(source: Judged, more: Iterable[str] = ()) -> None:
    """The notes on stderr, and the first of the records that could not be used, by name."""
    for note in (*source.notes, *more):
        print(f"Note: {plain(note)}", file=sys.stderr)
    for record in source.skipped[:_NAMED]:
        print(f"Skipped: {plain(str(record))}", file=sys.stderr)
    if len(source.skipped) > _NAMED:
        print(f"Skipped: and {len(source.skipped) - _NAMED} more", file=sys.stderr)


def given_truth(given: argparse.Namespace, outcomes: Iterable[Outcome] = ()) -> GroundTruth | None:
    """The ground truth of --annotations; the images that were sent tell sizes that its files leave out."""
    if not given.annotations:
        return None
    form = given.annotations_format
    if given.annotations.startswith("s3://"):
        from smviz.sagemaker import SageMaker  # takes longer to import than two files to read

        in_aws = replace(connection_of(given), endpoint_url=None)  # S3 is AWS's, also where the endpoint is embedded
        source = SageMaker(in_aws).s3_source(given.annotations)
    elif not given.run:
        return read_ground_truth(Path(given.annotations), form)
    else:
        source = open_source(Path(given.annotations))
    sizes = {base_name(one.image): (one.width, one.height) for one in outcomes if one.width > 0}
    with source:
        return ground_truth_of(source, form, lambda name: sizes.get(base_name(name)))


def _class_map(path: Path | None) -> ClassMap | None:
    if path is None:
        return None
    advice = 'Write {"class of the endpoint": "class of the ground truth", "another one": null}; null leaves it out.'
    try:
        class_map = json.loads(read_file(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadSetting(f"The class map in {path} cannot be read: {error}.", advice) from error
    if not isinstance(class_map, dict) or not all(isinstance(meant, str | None) for meant in class_map.values()):
        raise BadSetting(f"{path} holds no class map.", advice)
    return class_map


def _needed(truth: GroundTruth | None, message: str) -> GroundTruth:
    if truth is None:
        raise BadSetting(message, "Give the ground truth with --annotations PATH.")
    return truth
