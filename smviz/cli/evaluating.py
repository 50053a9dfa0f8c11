"""The command evaluate, and its checks."""

from __future__ import annotations

import argparse
import math
import operator
import re
import sys
from collections.abc import Callable

from smviz.cli.judging import judged
from smviz.cli.output import number, plain, print_json, print_table
from smviz.errors import BadSetting

CHECKS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def evaluate_command(given: argparse.Namespace) -> int:
    """COCO's twelve numbers of a stored run or of a detections file; `--check` makes it a gate."""
    evaluation = judged(given).evaluation
    numbers = evaluation.numbers
    failed = [check for check in given.check if not _holds(check, numbers)]
    for note in evaluation.notes:
        print(f"Note: {plain(note)}", file=sys.stderr)
    if given.json:
        print_json({name: None if math.isnan(value) else value for name, value in numbers.items()})
    else:
        print_table(("number", "value"), [(name, number(value)) for name, value in numbers.items()])
    for check in failed:
        name = _check_parts(check)[0]
        print(f"Check failed: {check} ({name} is {number(numbers[name], 6)})", file=sys.stderr)
    return 1 if failed else 0


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
