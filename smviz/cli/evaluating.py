"""The command evaluate, and its checks."""

from __future__ import annotations

import argparse
import operator
import re
import sys
from collections.abc import Callable
from typing import Any

from smviz.choosing import known
from smviz.cli.judging import Judged, judged, tell_notes
from smviz.cli.output import number, print_json, print_table
from smviz.errors import BadSetting
from smviz.intervals import Bootstrap, Interval, is_weak

CHECKS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def evaluate_command(given: argparse.Namespace) -> int:
    """COCO's twelve numbers of a stored run or of a detections file; `--check` makes it a gate."""
    source = judged(given)
    numbers = source.evaluation.numbers
    failed = [check for check in given.check if not _holds(check, numbers)]
    tell_notes(source)
    bootstrap = Bootstrap(source.evaluation.matches) if given.intervals else None
    if given.json:
        print_json(_document(source, bootstrap))
    elif bootstrap:
        rows = [(name, number(found.point), _between(found)) for name, found in bootstrap.numbers().items()]
        print_table(("number", "value", f"{bootstrap.level:.0%} interval"), rows)
    else:
        print_table(("number", "value"), [(name, number(value)) for name, value in numbers.items()])
    for check in failed:
        name = _check_parts(check)[0]
        print(f"Check failed: {check} ({name} is {number(numbers[name], 6)})", file=sys.stderr)
    return 1 if failed else 0


def _document(source: Judged, bootstrap: Bootstrap | None) -> dict[str, Any]:
    """The twelve numbers at the top; undefined is None."""
    matches = source.evaluation.matches
    intervals = {} if bootstrap is None else {"intervals": _intervals(bootstrap)}
    settings = matches.settings
    return {
        **{name: known(value) for name, value in source.evaluation.numbers.items()},
        **intervals,
        "per_class": _classes(source, bootstrap),
        "settings": {
            "protocol": "COCO",
            "ious": list(settings.ious),
            "areas": {name: [low, high] for name, low, high in settings.areas},
            "max_detections": list(settings.max_detections),
            "min_confidence": 0.0,
            "images": len(matches.ground_truth.image_names),
            "objects": int(matches.positives().sum()),
            "detections": len(matches.predictions),
        },
        "notes": list(source.notes),
        "skipped": [{"file": one.file, "where": one.where, "why": one.why} for one in source.skipped],
    }


def _intervals(bootstrap: Bootstrap) -> dict[str, Any]:
    numbers = {name: _entry(interval) for name, interval in bootstrap.numbers().items()}
    return {"level": bootstrap.level, "resamples": bootstrap.resamples, "seed": bootstrap.seed, **numbers}


def _entry(interval: Interval) -> dict[str, Any]:
    return {"low": known(interval.low), "high": known(interval.high), "method": interval.method}


def _classes(source: Judged, bootstrap: Bootstrap | None) -> list[dict[str, Any]]:
    rows = source.evaluation.class_table(confidence=0.0)
    intervals = [{}] * len(rows) if bootstrap is None else [{"AP_interval": _entry(i)} for i in bootstrap.classes("AP")]
    return [
        {
            "class_name": row.name,
            "objects": row.objects,
            "detections": row.detections,
            "AP": known(row.ap),
            "AP50": known(row.ap50),
            "best_threshold": known(row.best_threshold),
            "weak": is_weak(row.objects),
            **interval,
        }
        for row, interval in zip(rows, intervals, strict=True)
    ]


def _between(interval: Interval) -> str:
    low = known(interval.low)
    return "—" if low is None else f"{number(low)} to {number(interval.high)}"


def _holds(check: str, numbers: dict[str, float]) -> bool:
    """Whether a check such as "AP50>=0.6" holds; an undefined number holds none.

    Raises:
        BadSetting: when it is no check, or there is no such number.
    """
    name, comparison, bound = _check_parts(check)
    if name not in numbers:
        raise BadSetting(f"There is no number “{name}” to check.", f"Choose one of {', '.join(numbers)}.")
    return CHECKS[comparison](numbers[name], bound)


def _check_parts(check: str) -> tuple[str, str, float]:
    match = re.fullmatch(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d*)?|\.\d+)\s*", check, re.ASCII)
    if match is None:
        raise BadSetting(f"“{check}” is no check.", "Write a number's name, >=, <=, > or <, and a bound: AP50>=0.6")
    return match[1], match[2], float(match[3])
