"""The command compare: two stored runs on the images that both have."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from smviz.annotations import parse_ground_truth
from smviz.choosing import known
from smviz.cli.judging import given_truth
from smviz.cli.output import number, out, plain, print_json, print_table
from smviz.comparing import (
    ClassChange,
    Comparison,
    Verdict,
    class_changes,
    class_map_for,
    compare,
    latencies,
    latency_changes,
    read_run,
    signed,
    verdict,
)
from smviz.errors import BadSetting
from smviz.evaluation import read_by
from smviz.intervals import Bootstrap, Change, difference
from smviz.operating import best_f1, fingerprint
from smviz.records import GroundTruth
from smviz.settings import Settings
from smviz.store import Run, Store

_NUMBERS = ("AP", "AP50", "AP75")
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_FLIPPED = 10  # images of each kind that a table names
_WORDS: dict[Verdict, str] = {
    "better": "B better",
    "worse": "A better",
    "no difference": "no difference beyond chance",
    "undefined": "nothing to tell it from",
}


@dataclass(frozen=True)
class _Line:
    """A number of both runs; `lower` is better for latency."""

    name: str
    a: float
    b: float
    change: Change
    lower: bool = False

    @property
    def verdict(self) -> Verdict:
        return verdict(self.change, self.lower)


@dataclass(frozen=True)
class _Compared:
    runs: tuple[Run, Run]
    comparison: Comparison
    cuts: tuple[float, float]
    iou: float
    lines: tuple[_Line, ...]
    classes: tuple[ClassChange, ...]
    notes: tuple[str, ...]


def compare_command(given: argparse.Namespace) -> int:
    """Which of two runs is better, beyond chance, and where."""
    found = _compared(given)
    for note in found.notes:
        print(f"Note: {plain(note)}", file=sys.stderr)
    if given.json:
        print_json(_document(found))
    else:
        _print(found)
    return 0


def _compared(given: argparse.Namespace) -> _Compared:
    with Store(Settings.from_environment().workspace) as store:
        a, b = store.run(given.run_a), store.run(given.run_b)
        in_a, in_b = (read_run(store.iter_outcomes(run.id), read_by(run.preset)) for run in (a, b))
        own = [store.annotations(run.id) for run in (a, b)]
    given.run = a.name  # whose images tell sizes that annotations leave out
    notes: list[str] = []
    truth = given_truth(given, in_a.outcomes) if given.annotations else _own_truth(own, notes)
    map_a, map_b = (class_map_for(run.class_map, truth) for run in (a, b))
    comparison = compare(in_a, in_b, truth, map_a, map_b)
    if not comparison.images:
        raise BadSetting(
            "The runs have no image in common" + (" that the ground truth has." if comparison.joined.pairs else "."),
            "Images are joined by their bytes or their names; compare runs over the same images.",
        )
    notes += _left_out(comparison, a, b)
    cuts = _cuts(comparison, given)
    lines, classes = _judged(comparison, cuts, given.iou) if truth is not None else ((), ())
    return _Compared((a, b), comparison, cuts, given.iou, (*lines, *_latency(comparison)), classes, tuple(notes))


def _own_truth(own: list[bytes | None], notes: list[str]) -> GroundTruth | None:
    """That of both runs, or that of A where they differ, which is noted."""
    there = [None if data is None else parse_ground_truth(data, "The annotations of a run") for data in own]
    known_ones = [truth for truth in there if truth is not None]
    if not known_ones:
        notes.append("Neither run has ground truth: only where they agree is told. Give one with --annotations.")
        return None
    if len(known_ones) == 1:
        notes.append(f"Only run {'A' if there[0] is not None else 'B'} has ground truth; both are judged by it.")
    elif own[0] != own[1] and fingerprint(known_ones[0]) != fingerprint(known_ones[1]):
        notes.append("The runs have different ground truths; both are judged by that of A. Or give --annotations.")
    return known_ones[0]


def _left_out(comparison: Comparison, a: Run, b: Run) -> Iterable[str]:
    joined = comparison.joined
    left_a, left_b = (run.total - len(joined.pairs) for run in (a, b))
    if left_a or left_b:
        yield f"{left_a} images of A and {left_b} of B have no answered partner and are left out."
    if comparison.unlabelled:
        yield f"{comparison.unlabelled} images of both runs are not in the ground truth and are left out."
    if joined.renamed:
        yield f"{joined.renamed} images have other names but the same content."
    if joined.changed:
        yield f"{joined.changed} images were joined by name, though other bytes were sent."
    for letter, side in (("A", comparison.a), ("B", comparison.b)):
        yield from (f"{letter}: {note}" for note in side.notes)


def _cuts(comparison: Comparison, given: argparse.Namespace) -> tuple[float, float]:
    """As asked for; else the best F1 of each, or 0.5 where there is none."""
    cuts = []
    for side, asked in ((comparison.a, given.confidence_a), (comparison.b, given.confidence_b)):
        if asked is None and comparison.labelled:
            asked = best_f1(side.sweep(None, given.iou)).confidence
        cuts.append(0.5 if asked is None or math.isnan(asked) else asked)
    return cuts[0], cuts[1]


def _judged(
    comparison: Comparison, cuts: tuple[float, float], iou: float
) -> tuple[tuple[_Line, ...], tuple[ClassChange, ...]]:
    gap = difference(Bootstrap(comparison.a.matches), Bootstrap(comparison.b.matches))
    changes = gap.numbers()
    lines = [_Line(name, comparison.a.numbers[name], comparison.b.numbers[name], changes[name]) for name in _NUMBERS]
    rates, _ = gap.rates(*cuts, iou)
    counts = [side.sweep(None, iou).at(cut) for side, cut in zip((comparison.a, comparison.b), cuts, strict=True)]
    for name, change in vars(rates).items():
        a, b = (getattr(count, name) for count in counts)
        lines.append(_Line(name, a, b, change))
    return tuple(lines), class_changes(comparison, gap.classes("AP"))


def _latency(comparison: Comparison) -> tuple[_Line, ...]:
    timed = latencies(comparison.images)
    if not timed.shape[1]:
        return ()
    shares = tuple(_QUANTILES.values())
    quantiles = np.quantile(timed, shares, axis=1).tolist()
    changes = latency_changes(timed, shares)
    return tuple(
        _Line(f"latency {name} ms", a * 1000, b * 1000, change, lower=True)
        for name, (a, b), change in zip(_QUANTILES, quantiles, changes, strict=True)
    )


def _print(found: _Compared) -> None:
    a, b = found.runs
    out(plain(f"A  {a.name} ({a.id}), confidence >= {number(found.cuts[0])}"))
    out(plain(f"B  {b.name} ({b.id}), confidence >= {number(found.cuts[1])}"))
    both = found.comparison.agreement(*found.cuts, found.iou)
    out(
        f"{len(found.comparison.images)} images. {both.both.sum()} detections agree, {both.only_a.sum()} are only A's, "
        f"{both.only_b.sum()} only B's (IoU >= {found.iou:g})."
    )
    if found.lines:
        out("")
        print_table(("number", "A", "B", "B - A", "95% interval", ""), [_cells(line) for line in found.lines])
    if found.classes:
        out("")
        rows = [(row.name, str(row.objects), *_of_class(row)) for row in found.classes]
        print_table(("class", "objects", "AP A", "AP B", "B - A", "95% interval", "p (Holm)", ""), rows)
    _print_flips(found)


def _cells(line: _Line) -> tuple[str, ...]:
    scale, digits = (1000.0, 1) if line.lower else (1.0, 3)
    return (
        line.name,
        number(line.a, digits),
        number(line.b, digits),
        signed(line.change.interval.point * scale, digits),
        _between(line.change, scale, digits),
        _WORDS[line.verdict],
    )


def _of_class(row: ClassChange) -> tuple[str, ...]:
    gap = row.change
    point = signed(gap.interval.point)
    return number(row.a), number(row.b), point, _between(gap), _p(row.p), _WORDS[row.verdict]


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else number(value)


def _between(change: Change, scale: float = 1.0, digits: int = 3) -> str:
    low, high = change.interval.low, change.interval.high
    return "—" if math.isnan(low) else f"{signed(low * scale, digits)} to {signed(high * scale, digits)}"


def _print_flips(found: _Compared) -> None:
    rows = _flips(found)
    for title, of_kind in (
        ("B better", [row for row in rows if row["gain"] > 0]),
        ("A better", [row for row in rows if row["gain"] < 0]),
    ):
        if of_kind:
            out("")
            out(f"{title} in {len(of_kind)} images" + (f", the first {_FLIPPED}" if len(of_kind) > _FLIPPED else ""))
            header = ("image", "gain of B", "found only A", "found only B", "wrong only A", "wrong only B")
            print_table(header, [tuple(map(str, row.values())) for row in of_kind[:_FLIPPED]])


def _flips(found: _Compared) -> list[dict[str, Any]]:
    """The images in which something differs, the largest gain first."""
    if not found.comparison.labelled:
        return []
    flips = found.comparison.flips(*found.cuts, found.iou)
    order = np.lexsort((-flips.flipped, -np.abs(flips.gain)))
    return [
        {
            "image": found.comparison.images[image][0].image,
            "gain": int(flips.gain[image]),
            "found_only_a": int(flips.found_a[image]),
            "found_only_b": int(flips.found_b[image]),
            "wrong_only_a": int(flips.wrong_a[image]),
            "wrong_only_b": int(flips.wrong_b[image]),
        }
        for image in order.tolist()
        if flips.flipped[image]
    ]


def _document(found: _Compared) -> dict[str, Any]:
    a, b = found.runs
    both = found.comparison.agreement(*found.cuts, found.iou)
    return {
        "a": {"run": a.id, "name": a.name, "confidence": found.cuts[0]},
        "b": {"run": b.id, "name": b.name, "confidence": found.cuts[1]},
        "images": len(found.comparison.images),
        "iou": found.iou,
        "level": 0.95,
        "numbers": {line.name: _entry(line.a, line.b, line.change, line.verdict, line.lower) for line in found.lines},
        "classes": [
            {"class_name": row.name, "objects": row.objects, "images": row.images}
            | _entry(row.a, row.b, row.change, row.verdict)
            | {"p": known(row.p)}
            for row in found.classes
        ],
        "agreement": {name: int(counts.sum()) for name, counts in vars(both).items()},
        "flipped": _flips(found),
        "notes": list(found.notes),
    }


def _entry(a: float, b: float, change: Change, found: Verdict, lower: bool = False) -> dict[str, Any]:
    scale = 1000.0 if lower else 1.0
    interval = change.interval
    ends = {"difference": interval.point, "low": interval.low, "high": interval.high}
    return {
        "a": known(a),
        "b": known(b),
        **{name: known(value * scale) for name, value in ends.items()},
        "verdict": None if found == "undefined" else found,
    }
