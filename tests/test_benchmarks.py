"""The benchmarks still run: in small, and without a look at the clock."""

import re
import subprocess
import sys

from browser import ROOT


def printed(name, *numbers):
    """What a benchmark prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *map(str, numbers)]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True, timeout=300).stdout


def test_peers():
    """smviz's command and its functions stand beside the other evaluators, with the same twelve numbers."""
    rows = [line.strip("| ").split("|") for line in printed("peers", 20, 200, 1).splitlines() if line.startswith("| ")]
    differs = {row[0].split()[0]: row[-1].strip() for row in rows if len(row) == 9}
    assert {"smviz", "pycocotools", "ultrafast-pycocotools"} <= set(differs)
    assert float(differs["smviz"]) < 1e-12
    assert len([row for row in rows if row[0].strip() == "smviz"]) == 2, "and once more with everything loaded"


def test_runner():
    """A run with its bookkeeping stands beside every plain way to call."""
    told = printed("runner", 30, 1, 0)
    for way in ("runner", "boto3", "urllib3", "http.client"):
        assert re.search(rf"^{way} +\d+ +\d+ \(", told, re.MULTILINE), way
    assert "of boto3, round by round: median" in told
