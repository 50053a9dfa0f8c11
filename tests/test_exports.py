"""Detections written to files that other programs read."""

import csv
import io
import json

import numpy as np
import pytest

from smviz.exports import detections_csv, detections_json
from smviz.records import Detections, Payload

PAYLOAD = Payload(b"", "image/png", 640, 480, "")


def some(names=("car", "van"), confidence=(0.9, 0.1 + 0.2)):
    """Two detections."""
    return Detections([[1.5, -2.25, 30, 40], [0, 0, 1 / 3, 1]], confidence, [0, 1], names)


class TestJson:
    def test_document(self):
        """The file holds the image, its frame, the threshold and every detection, in full precision."""
        assert json.loads(detections_json("a.jpg", PAYLOAD, some(), 0.25)) == {
            "image": "a.jpg",
            "width": 640,
            "height": 480,
            "threshold": 0.25,
            "detections": [
                {"class_id": 0, "class_name": "car", "confidence": 0.9, "xyxy": [1.5, -2.25, 30.0, 40.0]},
                {"class_id": 1, "class_name": "van", "confidence": 0.1 + 0.2, "xyxy": [0.0, 0.0, 1 / 3, 1.0]},
            ],
        }

    def test_undefined_is_null(self):
        """Strict JSON: no NaN and no Infinity."""
        text = detections_json("a", PAYLOAD, some(confidence=(np.nan, np.inf)), np.nan)
        document = json.loads(text, parse_constant=lambda word: pytest.fail(word))
        assert [d["confidence"] for d in document["detections"]] == [None, None]
        assert document["threshold"] is None

    def test_any_language(self):
        """Names are readable UTF-8; a file name that is no valid text does not stop the export."""
        assert "自転車".encode() in detections_json("a", PAYLOAD, some(names=("自転車", "van")), 0)
        assert json.loads(detections_json("a\udcff.jpg", PAYLOAD, some(), 0))["image"] == "a?.jpg"

    def test_nothing_detected(self):
        """No detections is an empty list."""
        none = Detections(np.empty((0, 4)), [], [], ())
        assert json.loads(detections_json("a", PAYLOAD, none, 0.5))["detections"] == []


class TestCsv:
    def test_table(self):
        """A header and a row per detection, in full precision, with CRLF as RFC 4180 asks."""
        assert detections_csv("a.jpg", some()).decode().split("\r\n") == [
            "image,class_id,class_name,confidence,left,top,right,bottom",
            "a.jpg,0,car,0.9,1.5,-2.25,30.0,40.0",
            "a.jpg,1,van,0.30000000000000004,0.0,0.0,0.3333333333333333,1.0",
            "",
        ]

    @pytest.mark.parametrize("name", ['a "red" car', "car, blue", "two\nlines", "two\r\nlines", "Fußgänger", " x "])
    def test_quoting(self, name):
        """Quotes, commas, line ends and other languages survive the way there and back."""
        table = detections_csv(name, some(names=(name, "van"))).decode()
        rows = list(csv.reader(io.StringIO(table, newline="")))
        assert rows[1][0] == name
        assert rows[1][2] == name
        assert len(rows) == 3

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_formula_injection(self, start):
        """A class or file name that a spreadsheet would run as a formula is made inert."""
        evil = start + 'HYPERLINK("http://x","y")'
        rows = list(csv.reader(io.StringIO(detections_csv(evil, some(names=(evil, "van"))).decode(), newline="")))
        assert rows[1][0] == "'" + evil
        assert rows[1][2] == "'" + evil

    def test_negative_numbers_stay_numbers(self):
        """A negative coordinate is a number, not a formula."""
        rows = list(csv.reader(io.StringIO(detections_csv("a", some()).decode(), newline="")))
        assert float(rows[1][5]) == -2.25

    def test_undefined_is_empty(self):
        """A detection without a score has an empty cell there."""
        rows = list(csv.reader(io.StringIO(detections_csv("a", some(confidence=(np.nan, 1))).decode(), newline="")))
        assert sorted(row[3] for row in rows[1:]) == ["", "1.0"]
