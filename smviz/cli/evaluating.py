"""The command evaluate: numbers with intervals, and the gate that its checks and its baseline make."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from smviz.choosing import known
from smviz.cli.judging import Judged, baseline_of, judged, tell_notes
from smviz.cli.output import number, out, print_json, print_table
from smviz.errors import BadSetting
from smviz.gate import (
    Check,
    MaxDrop,
    Numbers,
    StoredNumbers,
    Verdict,
    judge_check,
    judge_drops,
    junit_xml,
    markdown,
    on_common_images,
    parse_check,
    parse_max_drop,
)
from smviz.intervals import Interval
from smviz.reporting.numbers import RATES, At, numbers_document


def evaluate_command(given: argparse.Namespace) -> int:
    """COCO's twelve numbers of a stored run or of a detections file; `--check` and `--baseline` make it a gate."""
    checks, drops = _asked(given)
    source = judged(given)
    numbers = Numbers(source.evaluation, given.confidence, calls=source.calls)
    verdicts = [judge_check(check, numbers, given.use_interval) for check in checks]
    compared, notes = _compared(given, source, numbers, drops)
    verdicts += compared
    tell_notes(source, notes)
    _print(given, source, numbers, verdicts)
    _write(given, source, verdicts, notes)
    for verdict in verdicts:
        if not verdict.passed:
            print(f"Check failed: {verdict.asked} ({_why(verdict)})", file=sys.stderr)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _asked(given: argparse.Namespace) -> tuple[list[Check], list[MaxDrop]]:
    """What the gate is to look at.

    Raises:
        BadSetting: when a check or drop cannot be read, or an option says something of a gate that there is not.
    """
    checks, drops = [parse_check(text) for text in given.check], [parse_max_drop(text) for text in given.max_drop]
    if drops and not given.baseline:
        raise BadSetting("--max-drop tells how far below a baseline numbers may be.", "Give one with --baseline.")
    for option, value in (
        ("--use-interval", given.use_interval),
        ("--junit", given.junit),
        ("--markdown", given.markdown),
    ):
        if value and not checks and not given.baseline:
            raise BadSetting(f"{option} is for checks, and there are none.", "Add --check or --baseline.")
    return checks, drops or [MaxDrop("", 0.0)]


def _compared(
    given: argparse.Namespace, source: Judged, numbers: Numbers, drops: Sequence[MaxDrop]
) -> tuple[tuple[Verdict, ...], list[str]]:
    """The verdicts on the baseline, and what is to be known of the comparison."""
    if not given.baseline:
        return (), []
    baseline = baseline_of(given, source)
    if isinstance(baseline, StoredNumbers):
        return judge_drops(drops, numbers, baseline, given.use_interval), []
    here, there, left_out = on_common_images(source.evaluation, baseline)
    if left_out:
        numbers = Numbers(here, given.confidence)
    verdicts = judge_drops(drops, numbers, Numbers(there, given.confidence), given.use_interval)
    told = f"{left_out} images are in only one of the two; drops are judged on the others."
    return verdicts, [told] if left_out else []


def _print(given: argparse.Namespace, source: Judged, numbers: Numbers, verdicts: Sequence[Verdict]) -> None:
    evaluation = source.evaluation
    at = None if given.confidence is None else At(given.confidence, numbers.iou)
    bootstrap = numbers.bootstrap if given.intervals else None
    if given.json:
        print_json(numbers_document(evaluation, source.notes, bootstrap, at))
        return
    names = [numbers.find(name) for name in (*evaluation.numbers, *(RATES if at else ()))]
    values = [(name.text, number(numbers.value(name))) for name in names]
    if bootstrap is None:
        print_table(("number", "value"), values)
    else:
        rows = [(*row, _between(numbers.interval(name))) for row, name in zip(values, names, strict=True)]
        print_table(("number", "value", f"{bootstrap.level:.0%} interval"), rows)
    drops = [verdict for verdict in verdicts if verdict.kind == "baseline"]
    if drops:
        out("")
        header = ("number", "baseline", "value", "change", "interval of it", "")
        print_table(header, [_drop_row(verdict) for verdict in drops])


def _drop_row(verdict: Verdict) -> tuple[str, ...]:
    between = "—" if math.isnan(verdict.low) else f"{verdict.low:+.3f} to {verdict.high:+.3f}"
    change = "—" if math.isnan(verdict.change) else f"{verdict.change:+.3f}"
    passed = "passed" if verdict.passed else "failed"
    return verdict.name, number(verdict.baseline), number(verdict.value), change, between, passed


def _write(given: argparse.Namespace, source: Judged, verdicts: Sequence[Verdict], notes: Sequence[str]) -> None:
    if given.junit:
        write_bytes(given.junit, junit_xml(verdicts))
    if given.markdown:
        text = markdown(verdicts, source.what, (*source.notes, *notes))
        write_bytes(given.markdown, text.encode("utf-8", "replace"))


def write_bytes(path: Path, body: bytes) -> None:
    """Write a file that a person named.

    Raises:
        BadSetting: when it cannot be written.
    """
    try:
        path.write_bytes(body)
    except OSError as error:
        raise BadSetting(f"Cannot write {path}: {error.strerror}.", "Choose another file.") from error


def _why(verdict: Verdict) -> str:
    """In short what failed."""
    if verdict.kind == "check" and math.isnan(verdict.value):
        return f"{verdict.name} is —"
    return verdict.why.removesuffix(".")


def _between(interval: Interval | None) -> str:
    low = None if interval is None else known(interval.low)
    return "—" if interval is None or low is None else f"{number(low)} to {number(interval.high)}"
