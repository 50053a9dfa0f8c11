"""A gate for a pipeline: bounds that numbers must keep, how much they may drop, and the verdicts for people and CI."""

from smviz.gate.asking import Check, MaxDrop, parse_check, parse_max_drop
from smviz.gate.baseline import StoredNumbers, on_common_images
from smviz.gate.numbers import CALL_NUMBERS, Name, Numbers, call_numbers
from smviz.gate.verdicts import Verdict, judge_check, judge_drops
from smviz.gate.writing import junit_xml, markdown

__all__ = [
    "CALL_NUMBERS",
    "Check",
    "MaxDrop",
    "Name",
    "Numbers",
    "StoredNumbers",
    "Verdict",
    "call_numbers",
    "judge_check",
    "judge_drops",
    "junit_xml",
    "markdown",
    "on_common_images",
    "parse_check",
    "parse_max_drop",
]
