"""What the command line prints: tables for people, JSON for machines, messages on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from smviz.errors import (
    SmvizError,
)


def out(*line: str, flush: bool = False) -> None:
    """A line on stdout. When the reader of a pipe has seen enough the rest goes nowhere, and the status stays true."""
    try:
        print(*line, end="\n" if line else "", flush=flush)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(value: object) -> None:
    """A value as JSON, in one line."""
    out(json.dumps(value, allow_nan=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table with aligned columns."""
    lines = [tuple(plain(cell) for cell in line) for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        out("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_detections(rows: Iterable[dict[str, Any]]) -> None:
    """Detections as a table, in their order."""
    print_table(
        ("class", "confidence", "left", "top", "right", "bottom"),
        [(row["class_name"], number(row["confidence"]), *(f"{side:.1f}" for side in row["xyxy"])) for row in rows],
    )


def print_image(row: dict[str, Any]) -> None:
    """One image with its call and its detections."""
    size, latency = f"{row['width']}x{row['height']}", f"{row['latency_ms']:.0f} ms"
    out(plain("  ".join(filter(None, (row["image"], size, latency, row["variant"])))))
    print_detections(row["detections"])


def tell(error: SmvizError, path: Path | None = None) -> None:
    """An error on stderr: what happened, of which file, and what to do."""
    where = f"{path}: " if path else ""
    print(f"smviz: {plain(where + error.message)}\n       {plain(error.advice)}", file=sys.stderr)


def plain(text: str) -> str:
    """Without what a terminal would obey: servers and files may send control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def number(value: float | None, digits: int = 3) -> str:
    """A number for people; an em dash where it is undefined."""
    return "—" if value is None or math.isnan(value) else f"{value:.{digits}f}"
