"""The command thresholds: the threshold to ship, of each class and of all, with its interval; and their file."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smviz.cli.judging import Judged, judged
from smviz.cli.output import number, plain, print_json, print_table
from smviz.cutoffs import find_cutoffs
from smviz.errors import BadSetting
from smviz.intervals import Bootstrap, Interval, is_weak
from smviz.matching import Matches
from smviz.metrics import Counts
from smviz.operating import Objective, fingerprint, operating_point, parse_objective, sweeps
from smviz.settings import MatchSettings
from smviz.thresholds import Threshold, Thresholds, dumps

_POOLED = "all classes"


@dataclass(frozen=True)
class _Row:
    """A threshold and what it gives; of a weak class, the threshold of all classes pooled.

    Attributes:
        interval: of the threshold; its point is what to ship, NaN where there is none.
        counts: of the class at the threshold.
        reason: why there is no threshold.
    """

    name: str
    objects: int
    interval: Interval
    counts: Counts
    weak: bool
    reason: str = ""


def thresholds_command(given: argparse.Namespace) -> int:
    """The operating point for an objective; exit 1 where no threshold meets it."""
    objective = parse_objective(given.objective)
    source = judged(given, MatchSettings(ious=(given.iou,), areas=MatchSettings().areas[:1]))
    matches = source.evaluation.matches
    pooled, *classes = _rows(matches, objective, given.iou, given.per_class)
    limits = [f"{cutoff.sentence} {cutoff.advice}" for cutoff in find_cutoffs(matches)]
    reasons = [f"No threshold for {row.name}: {row.reason}" for row in (pooled, *classes) if row.reason]
    for note in (*source.evaluation.notes, *limits, *reasons):
        print(f"Note: {plain(note)}", file=sys.stderr)
    if given.json:
        print_json(_document(objective, given.iou, pooled, classes))
    else:
        header = ("class", "objects", "threshold", "interval", "precision", "recall", "F1", "")
        print_table(header, [_cells(row) for row in (*classes, pooled)])
    if pooled.reason:
        return 1
    if given.output:
        _write(given.output, dumps(_file(source, objective, given.iou, pooled, classes)))
    return 0


def _rows(matches: Matches, objective: Objective, iou: float, per_class: bool) -> Iterator[_Row]:
    """The pooled row first, then each class's if they are wanted."""
    names = matches.ground_truth.class_names if per_class else ()
    images = len(matches.ground_truth.image_names)
    every = sweeps(matches, (None, *range(len(names))), iou)
    points = [operating_point(swept, objective, images) for swept in every]
    bootstrap = Bootstrap(matches)
    pooled = bootstrap.threshold(objective, iou)
    for class_id, (name, swept, point) in enumerate(zip((_POOLED, *names), every, points, strict=True), start=-1):
        weak = is_weak(swept.positives)
        leans = weak or class_id < 0
        interval = pooled if leans else bootstrap.threshold(objective, iou, class_id)
        yield _Row(
            name=name,
            objects=swept.positives,
            interval=interval,
            counts=swept.at(interval.point),
            weak=weak,
            reason=(points[0] if leans else point).reason,
        )


def _cells(row: _Row) -> tuple[str, ...]:
    low, high = number(row.interval.low), number(row.interval.high)
    return (
        row.name,
        str(row.objects),
        number(row.interval.point),
        "—" if math.isnan(row.interval.low) else f"{low} to {high}",
        *map(number, _rates(row).values()),
        "weak" if row.weak else "",
    )


def _rates(row: _Row) -> dict[str, float]:
    counts = row.counts
    found = {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
    return dict.fromkeys(found, math.nan) if row.reason else found


def _document(objective: Objective, iou: float, pooled: _Row, classes: Sequence[_Row]) -> dict[str, Any]:
    return {
        "objective": str(objective),
        "iou": iou,
        "level": pooled.interval.level,
        "global": _entry(pooled),
        "classes": [{"class_name": row.name} | _entry(row) for row in classes],
    }


def _entry(row: _Row) -> dict[str, Any]:
    numbers = {"threshold": row.interval.point, "low": row.interval.low, "high": row.interval.high} | _rates(row)
    return {
        "objects": row.objects,
        **{name: _known(value) for name, value in numbers.items()},
        **({} if row.reason else {"tp": row.counts.tp, "fp": row.counts.fp, "fn": row.counts.fn}),
        "weak": row.weak,
        "reason": row.reason,
    }


def _file(source: Judged, objective: Objective, iou: float, pooled: _Row, classes: Sequence[_Row]) -> Thresholds:
    """What goes to production; a class that has no threshold of its own is left to the global one."""
    truth, run = source.evaluation.matches.ground_truth, source.run
    told = sorted((row for row in classes if not row.reason), key=lambda row: row.objects)  # the last of a name stays
    return Thresholds(
        overall=_threshold(pooled),
        classes={row.name: _threshold(row) for row in told},
        objective=str(objective),
        iou=iou,
        level=pooled.interval.level,
        fingerprint=fingerprint(truth),
        images=len(truth.image_names),
        objects=pooled.objects,
        endpoint=run.request.endpoint if run else "",
        variant=source.variants[0] if len(source.variants) == 1 else "",
        run_id=run.id if run else "",
        run_name=run.name if run else "",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _threshold(row: _Row) -> Threshold:
    ends = (_known(row.interval.low), _known(row.interval.high))
    return Threshold(row.interval.point, *ends, objects=row.objects, weak=row.weak)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"Cannot write {path}: {error.strerror}.", "Choose another file.") from error
