"""Verdicts for a pipeline: as JUnit XML, which CI servers show as tests, and as Markdown for a pull request."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from smviz.gate.verdicts import Verdict


def junit_xml(verdicts: Sequence[Verdict], suite: str = "smviz") -> bytes:
    """A test suite with a test case for each verdict, in the form that Jenkins, GitLab and GitHub's actions read.

    Args:
        verdicts: in order.
        suite: what the suite is called.
    """
    failed = sum(not verdict.passed for verdict in verdicts)
    counts = {"tests": str(len(verdicts)), "failures": str(failed), "errors": "0"}
    root = ElementTree.Element("testsuites", counts)
    inside = ElementTree.SubElement(root, "testsuite", {"name": _fit(suite), **counts, "skipped": "0"})
    for verdict in verdicts:
        names = {"classname": f"smviz.{verdict.kind}", "name": _fit(verdict.asked), "time": "0"}
        case = ElementTree.SubElement(inside, "testcase", names)
        if not verdict.passed:
            told = {"message": _fit(verdict.why), "type": verdict.kind}
            ElementTree.SubElement(case, "failure", told).text = _fit(f"{verdict.asked}: {verdict.why}")
    ElementTree.indent(root)
    body: bytes = ElementTree.tostring(root, "utf-8", xml_declaration=True)
    return body + b"\n"


def markdown(verdicts: Sequence[Verdict], what: str = "", notes: Sequence[str] = ()) -> str:
    """A headline and a table, fit for a comment of a pull request or a job's summary.

    Args:
        verdicts: in order.
        what: what was judged, one line below the headline.
        notes: what else to know, a line each.
    """
    failed = sum(not verdict.passed for verdict in verdicts)
    many = "1 check" if len(verdicts) == 1 else f"{len(verdicts)} checks"
    head = f"### ❌ smviz: {failed} of {many} failed" if failed else f"### ✅ smviz: {many} passed"
    lines = [head, "", *([_text(what), ""] if what else [])]
    lines += ["| | Check | Value | Baseline | Change | 95 % interval | |", "|---|---|---:|---:|---:|---|---|"]
    lines += [_row(verdict) for verdict in verdicts]
    lines += ["", *(f"- {_text(note)}" for note in notes)] if notes else []
    return "\n".join(lines) + "\n"


def _row(verdict: Verdict) -> str:
    signed = "+" if verdict.kind == "baseline" else ""
    between = "" if math.isnan(verdict.low) else f"{verdict.low:{signed}.3f} to {verdict.high:{signed}.3f}"
    before = "" if verdict.kind == "check" else _number(verdict.baseline)
    change = "" if verdict.kind == "check" else _number(verdict.change, "+")
    sign = "✅ passed" if verdict.passed else "❌ **failed**"
    cells = (sign, _code(verdict.asked), _number(verdict.value), before, change, between, _text(verdict.why))
    return f"| {' | '.join(cells)} |"


def _number(value: float, sign: str = "") -> str:
    return "—" if math.isnan(value) else f"{value:{sign}.3f}"


def _code(text: str) -> str:
    """A code span: nothing in it is markup, a link or a mention; in a table a bar must be escaped even there."""
    text = " ".join(_fit(text).split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    gap = " " if "`" in text else ""
    return f"{fence}{gap}{text}{gap}{fence}"


def _text(text: str) -> str:
    """Text in which nothing is markup; a zero-width space keeps an @ from calling somebody."""
    return re.sub(r"([\\`*_{}\[\]()<>#|~!&])", r"\\\1", " ".join(_fit(text).split())).replace("@", "@\u200b")


def _fit(text: str) -> str:
    """Text without the control characters that XML 1.0 cannot say and no other reader wants."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
