"""Detections and tables as JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable
from itertools import chain

from smviz.records import Detections, Payload

# What a spreadsheet may take for a formula: at a cell's beginning, and after what some of them split cells at.
_FORMULA = re.compile("^(?=[=+\\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n])(?=[=+\\-@＝＋－＠])")

COLUMNS = ("image", "class_id", "class_name", "confidence", "left", "top", "right", "bottom")


def detections_json(image: str, payload: Payload, detections: Detections, threshold: float) -> bytes:
    """One JSON object, UTF-8, numbers in full precision, null where a number is undefined.

    Args:
        image: the image's name.
        payload: the frame that the boxes refer to.
        detections: what to write: those at or above the threshold.
        threshold: the confidence threshold to record in the file.
    """
    rows = [
        {
            "class_id": row[1],
            "class_name": row[2],
            "confidence": _defined(row[3]),
            "xyxy": [_defined(c) for c in row[4:]],
        }
        for row in _rows(image, detections)
    ]
    frame = {"image": image, "width": payload.width, "height": payload.height}
    document = {**frame, "threshold": _defined(threshold), "detections": rows}
    return (json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode("utf-8", "replace")


def detections_csv(image: str, detections: Detections) -> bytes:
    """A table with `COLUMNS` as its header, by RFC 4180, UTF-8; empty cells where a number is undefined.

    Text that a spreadsheet may take for a formula gets an apostrophe before it, by the rule of
    https://owasp.org/www-community/attacks/CSV_Injection: before = + - @ and their full-width forms, a tab or a line
    end, at its beginning; and before the former within it after a semicolon, a tab or a line end, where a spreadsheet
    of another country may split it. Numbers stay numbers, negative ones too.
    """
    return table_csv(COLUMNS, _rows(image, detections))


def table_csv(header: Iterable[str], rows: Iterable[Iterable[str | float]]) -> bytes:
    """Any table, by RFC 4180, UTF-8; empty cells where a number is undefined, and no cell that is a formula."""
    return csv_lines(chain([header], rows))


def csv_lines(rows: Iterable[Iterable[str | float]]) -> bytes:
    """The rows of a table as `table_csv` writes them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow(_inert(cell) if isinstance(cell, str) else _defined(cell) for cell in row)
    return buffer.getvalue().encode("utf-8", "replace")


def _rows(image: str, detections: Detections) -> list[tuple[str, int, str, float, float, float, float, float]]:
    columns = (
        detections.class_id.tolist(),
        detections.names(),
        detections.confidence.tolist(),
        detections.xyxy.tolist(),
    )
    return [(image, i, name, confidence, *box) for i, name, confidence, box in zip(*columns, strict=True)]


def _defined(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _inert(text: str) -> str:
    return _FORMULA.sub("'", text)
