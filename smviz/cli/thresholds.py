"""The command thresholds: the threshold to ship, of each class and of all, with its interval; and their file."""

from __future__ import annotations

import argparse
from pathlib import Path

from smviz.choosing import Choice, ChosenThreshold, choose, known, thresholds_of
from smviz.cli.judging import judged, tell_notes
from smviz.cli.output import number, print_json, print_table
from smviz.errors import BadSetting
from smviz.intervals import HoldOut
from smviz.operating import parse_objective
from smviz.reporting.thresholds import thresholds_document
from smviz.settings import MatchSettings
from smviz.thresholds import dumps


def thresholds_command(given: argparse.Namespace) -> int:
    """The operating point for an objective; exit 1 where no threshold meets it."""
    objective = parse_objective(given.objective)
    source = judged(given, MatchSettings(ious=(given.iou,), areas=MatchSettings().areas[:1]))
    choice = choose(source.evaluation.matches, objective, given.iou, given.per_class, given.hold_out)
    rows = (choice.pooled, *choice.classes)
    tell_notes(source, [f"No threshold for {row.name}: {row.reason}" for row in rows if row.reason])
    if given.json:
        print_json(thresholds_document(choice))
    else:
        _print(choice, given.hold_out)
    if choice.pooled.reason:
        return 1
    if given.output:
        _write(given.output, dumps(thresholds_of(choice, source.run, source.variants)))
    return 0


def _print(choice: Choice, hold_out: bool) -> None:
    held_out = ("held-out F1",) if hold_out else ()
    header = ("class", "objects", "threshold", "interval", "precision", "recall", "F1", *held_out, "")
    print_table(header, [_cells(row, hold_out) for row in (*choice.classes, choice.pooled)])


def _cells(row: ChosenThreshold, hold_out: bool) -> tuple[str, ...]:
    low, high = known(row.interval.low), known(row.interval.high)
    return (
        row.name,
        str(row.objects),
        number(row.interval.point),
        "—" if low is None else f"{number(low)} to {number(high)}",
        *map(number, row.rates.values()),
        *((_told(row.held_out),) if hold_out else ()),
        "weak" if row.weak else "",
    )


def _told(held_out: HoldOut | None) -> str:
    """The median of the F1 on the halves that did not choose, and how far it reaches."""
    if held_out is None or known(held_out.judged("f1").median) is None:
        return "—"
    spread = held_out.judged("f1")
    return f"{number(spread.median)} ({number(spread.low)} to {number(spread.high)})"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"Cannot write {path}: {error.strerror}.", "Choose another file.") from error
