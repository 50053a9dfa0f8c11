"""smviz beside other evaluators of COCO's numbers: `python -m benchmarks.peers [images] [detections] [rounds]`.

Each evaluator runs as a whole process, from two JSON files to the twelve numbers, in rounds that take turns, so that a
busy machine is busy for all; medians are told. Then each one loads the files once and repeats the evaluation itself.
smviz's process is its command. pycocotools and faster-coco-eval take so long that they run in fewer rounds. At the end
smviz alone evaluates ten times the size. Peers are installed by `pip install -r requirements-bench.txt`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import IO, Any, cast

# This module imports nothing large: the peak of a child is never below that of the process that started it.
PEERS = ("smviz", "pycocotools", "faster-coco-eval", "hotcoco", "ultrafast-pycocotools")
ROUNDS = {"pycocotools": 1, "faster-coco-eval": 2}
TIMES_LARGER = 10
TWELVE = 12  # numbers of COCO's, with which the command's JSON begins
SINGLE_THREADED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # no evaluator here needs linear algebra


@dataclass(frozen=True)
class Usage:
    """What a process took: CPU seconds of all its threads, wall seconds, peak of resident memory in MB."""

    cpu: float
    wall: float
    peak: float


@dataclass(frozen=True)
class Row:
    """One evaluator: its medians as a whole process, the best of its repeats when loaded, and the twelve numbers."""

    name: str
    rounds: int
    whole: Usage
    warm_cpu: float
    warm_wall: float
    numbers: Sequence[float]


def main(images: int = 5_000, detections: int = 500_000, rounds: int = 5) -> None:
    """Print both tables."""
    peers = [name for name in PEERS if installed(name)]
    with tempfile.TemporaryDirectory() as folder:
        files = made_files(Path(folder), images, detections)
        print(f"{images:,} images, {detections:,} detections, {os.cpu_count()} cores\n")
        small = print_table([*measured(peers, files, rounds)])
    with tempfile.TemporaryDirectory() as folder:
        files = made_files(Path(folder), TIMES_LARGER * images, TIMES_LARGER * detections)
        large, _ = run(command("smviz", files))
    print(
        f"\nsmviz at {TIMES_LARGER} times the size: {large.cpu:.2f} s CPU, {large.wall:.2f} s, {large.peak:.0f} MB"
        f" (times {large.cpu / small.cpu:.1f}, {large.wall / small.wall:.1f} and {large.peak / small.peak:.1f})"
    )


def installed(name: str) -> bool:
    """Whether a peer can be imported; one that is missing is told."""
    try:
        found = name == "smviz" or bool(version(name))
    except PackageNotFoundError:
        print(f"{name} is not installed: pip install -r requirements-bench.txt")
        found = False
    return found


def made_files(folder: Path, images: int, detections: int) -> tuple[str, str]:
    """Ground truth and results as JSON, written by another process."""
    files = str(folder / "truth.json"), str(folder / "results.json")
    subprocess.run([sys.executable, "-m", "benchmarks.evaluation", str(images), str(detections), *files], check=True)
    return files


def measured(peers: Sequence[str], files: tuple[str, str], rounds: int) -> list[Row]:
    """Every evaluator in turn, round after round; then the evaluations of what has been loaded."""
    usages: dict[str, list[Usage]] = {name: [] for name in peers}
    numbers: dict[str, list[float]] = {}
    for number in range(rounds):
        for name in peers:
            if number < ROUNDS.get(name, rounds):
                usage, printed = run(command(name, files))
                usages[name].append(usage)
                numbers[name] = list(printed.values())[:TWELVE] if name == "smviz" else printed["numbers"]
    rows = []
    for name in peers:
        repeats = min(rounds, ROUNDS.get(name, rounds))
        _, warm = run([sys.executable, "-m", "benchmarks.peers_process", name, *files, str(repeats)])
        taken = usages[name]
        whole = Usage(*(median(getattr(usage, what) for usage in taken) for what in ("cpu", "wall", "peak")))
        rows.append(Row(name, len(taken), whole, warm["cpu"], warm["wall"], numbers[name]))
    return rows


def command(name: str, files: tuple[str, str]) -> list[str]:
    """The whole way from two files to the numbers; for smviz that is the command which people run."""
    truth, results = files
    if name == "smviz":
        return [sys.executable, "-m", "smviz", "evaluate", "--annotations", truth, "--detections", results, "--json"]
    return [sys.executable, "-m", "benchmarks.peers_process", name, *files]


def run(arguments: Sequence[str]) -> tuple[Usage, dict[str, Any]]:
    """What a process took, and the JSON of the last line that it printed."""
    start = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env={**os.environ, **SINGLE_THREADED}) as process:
        printed = cast(IO[bytes], process.stdout).read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Usage(usage.ru_utime + usage.ru_stime, wall, peak), json.loads(printed.splitlines()[-1])


def print_table(rows: Sequence[Row]) -> Usage:
    """The rows with ratios to smviz (and to pycocotools, where it is there); returns smviz's own."""
    ours = rows[0]
    reference = next((row for row in rows if row.name == "pycocotools"), None)
    print("| two files to numbers | rounds | CPU s | / smviz | / pycocotools | wall s | / smviz | peak MB | differs |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        to_reference = f"{row.whole.cpu / reference.whole.cpu:.3f}" if reference else "—"
        print(
            f"| {row.name} {'' if row is ours else version(row.name)} | {row.rounds} | {row.whole.cpu:.2f} "
            f"| {row.whole.cpu / ours.whole.cpu:.2f} | {to_reference} | {row.whole.wall:.2f} "
            f"| {row.whole.wall / ours.whole.wall:.2f} | {row.whole.peak:.0f} "
            f"| {largest_difference(row, reference) if reference else '—'} |"
        )
    print("\n| loaded, evaluation alone | CPU ms | / smviz | / pycocotools | wall ms | / smviz |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        to_reference = f"{row.warm_cpu / reference.warm_cpu:.4f}" if reference else "—"
        print(
            f"| {row.name} | {1000 * row.warm_cpu:.0f} | {row.warm_cpu / ours.warm_cpu:.2f} | {to_reference} "
            f"| {1000 * row.warm_wall:.0f} | {row.warm_wall / ours.warm_wall:.2f} |"
        )
    return ours.whole


def largest_difference(row: Row, reference: Row) -> str:
    """The largest absolute difference of the twelve numbers."""
    return f"{max(abs(a - b) for a, b in zip(row.numbers, reference.numbers, strict=True)):.1e}"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
