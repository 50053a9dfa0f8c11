"""The command thresholds: the threshold to ship, of each class and of all, with its interval; and their file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Literal

from smviz.choosing import Choice, ChosenThreshold, choose, known, thresholds_of
from smviz.cli.judging import judged, tell_notes
from smviz.cli.output import number, print_json, print_table
from smviz.errors import BadSetting
from smviz.intervals import HoldOut, Spread
from smviz.operating import parse_objective
from smviz.settings import MatchSettings
from smviz.thresholds import dumps

_RATES: tuple[Literal["precision", "recall", "f1"], ...] = ("precision", "recall", "f1")


def thresholds_command(given: argparse.Namespace) -> int:
    """The operating point for an objective; exit 1 where no threshold meets it."""
    objective = parse_objective(given.objective)
    source = judged(given, MatchSettings(ious=(given.iou,), areas=MatchSettings().areas[:1]))
    choice = choose(source.evaluation.matches, objective, given.iou, given.per_class, given.hold_out)
    rows = (choice.pooled, *choice.classes)
    tell_notes(source, [f"No threshold for {row.name}: {row.reason}" for row in rows if row.reason])
    if given.json:
        print_json(_document(choice))
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


def _document(choice: Choice) -> dict[str, Any]:
    return {
        "objective": str(choice.objective),
        "iou": choice.iou,
        "level": choice.pooled.interval.level,
        "global": _entry(choice.pooled),
        "classes": [{"class_name": row.name} | _entry(row) for row in choice.classes],
    }


def _entry(row: ChosenThreshold) -> dict[str, Any]:
    numbers = {"threshold": row.interval.point, "low": row.interval.low, "high": row.interval.high} | row.rates
    return {
        "objects": row.objects,
        **{name: known(value) for name, value in numbers.items()},
        **({} if row.reason else {"tp": row.counts.tp, "fp": row.counts.fp, "fn": row.counts.fn}),
        "flat": None if known(row.flat[0]) is None else list(row.flat),
        "weak": row.weak,
        "reason": row.reason,
        **({} if row.held_out is None else {"held_out": _held_out(row.held_out)}),
    }


def _held_out(held_out: HoldOut) -> dict[str, Any]:
    rates: dict[str, Any] = {rate: _spread(held_out.judged(rate)) for rate in _RATES}
    return {"threshold": _spread(held_out.threshold), **rates, "directions": len(held_out.directions)}


def _spread(spread: Spread) -> dict[str, float | None]:
    return {"median": known(spread.median), "low": known(spread.low), "high": known(spread.high)}


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"Cannot write {path}: {error.strerror}.", "Choose another file.") from error
