"""Detections written to files that other programs read."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow.parquet as pq
import pytest

from smviz.annotations import parse_ground_truth, parse_results
from smviz.errors import BadResponse
from smviz.evaluation import predictions_from
from smviz.exports import detections_csv, detections_json, run_coco, run_coco_index, run_csv, run_replies
from smviz.exports.parquet import ROW_GROUP, run_parquet
from smviz.importing import import_run
from smviz.records import Detections, Failure, Outcome, Payload, Reply
from smviz.settings import Preset
from smviz.sources import open_source
from smviz.store import Store

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


def outcome(image, body=b"", latency=0.25, model=None, variant="A", size=(640, 480), content_type="application/json"):
    """An outcome with a reply."""
    return Outcome(image, "", *size, 1, reply=Reply(body, content_type, latency, variant, model))


def failed(image):
    """An outcome with a failure."""
    return Outcome(image, "", 0, 0, 3, failure=Failure("Throttled", "Too many calls.", "Wait."))


def read(outcome):
    """Two detections for every image, but a reply of "no" cannot be read, and one of "none" holds nothing."""
    if outcome.reply.body == b"no":
        raise BadResponse("No.", "Look at it.")
    if outcome.reply.body == b"none":
        return Detections(np.empty((0, 4)), [], [], ())
    return some()


RUN = (outcome("a.jpg"), failed("b.jpg"), outcome("c.jpg", b"no"), outcome("d.jpg", b"none"), outcome("e.jpg"))

TRUTH = parse_ground_truth(
    json.dumps(
        {
            "images": [
                {"id": 70, "file_name": "a.jpg", "width": 640, "height": 480},
                {"id": 50, "file_name": "images/e.jpg", "width": 1280, "height": 960},
            ],
            "annotations": [],
            "categories": [{"id": 3, "name": "car"}, {"id": 9, "name": "VAN"}],
        }
    ).encode()
)


class TestRunCsv:
    def test_a_row_a_detection(self):
        """Each row tells image, class, confidence, box, frame and call; what cannot be read is counted."""
        out = io.BytesIO()
        written = run_csv(RUN, read, out)
        rows = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
        assert [(row["image"], row["class_name"]) for row in rows] == [
            *(("a.jpg", "car"), ("a.jpg", "van")),
            *(("e.jpg", "car"), ("e.jpg", "van")),
        ]
        assert (rows[0]["left"], rows[0]["width"], rows[0]["latency"], rows[0]["variant"]) == (
            "1.5",
            "640",
            "0.25",
            "A",
        )
        assert rows[0]["model_latency"] == ""
        assert (written.images, written.detections, written.failed, written.unreadable) == (3, 4, 1, 1)

    def test_no_formula(self):
        """A name that a spreadsheet would run is made inert, the variant's too."""
        out = io.BytesIO()
        run_csv([outcome("=1+1", variant="@x")], read, out)
        row = list(csv.reader(io.StringIO(out.getvalue().decode(), newline="")))[1]
        assert (row[0], row[12]) == ("'=1+1", "'@x")

    def test_unknown_latency(self):
        """A latency that nobody measured, as in an imported run, is an empty cell."""
        out = io.BytesIO()
        run_csv([outcome("a", latency=float("nan"), variant=None)], read, out)
        row = next(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
        assert (row["latency"], row["variant"]) == ("", "")


class TestRunCoco:
    def test_same_as_the_evaluation(self):
        """The file holds exactly the detections that an evaluation of the run is made from, in the truth's pixels."""
        out = io.BytesIO()
        written = run_coco(RUN, read, out, TRUTH)
        found, expected = parse_results(out.getvalue(), TRUTH), predictions_from(RUN, read, TRUTH)
        order = np.lexsort((-found.confidence, found.image))
        assert (found.image[order] == expected.image).all()
        assert (found.class_id[order] == expected.class_id).all()
        assert (found.ltwh[order] == expected.ltwh).all()
        assert (found.confidence[order] == expected.confidence).all()
        assert {row["image_id"] for row in json.loads(out.getvalue())} == {70, 50}
        assert {row["category_id"] for row in json.loads(out.getvalue())} == {3, 9}
        assert (written.detections, written.left_out) == (4, 0)

    def test_left_out(self):
        """Detections of unknown images, unknown classes, or without a confidence are left out and counted."""
        detections = Detections([[0, 0, 1, 1]] * 3, [np.nan, 0.5, 0.4], [0, 1, 2], ("car", "bus", "van"))
        out = io.BytesIO()
        written = run_coco([outcome("a.jpg"), outcome("z.jpg")], lambda _: detections, out, TRUTH)
        assert [row["category_id"] for row in json.loads(out.getvalue())] == [9]
        assert (written.detections, written.left_out) == (1, 5)

    def test_without_ground_truth(self):
        """Images and classes are numbered, and the table of names beside it is ground truth to read the results by."""
        out, index = io.BytesIO(), io.BytesIO()
        run_coco_index([*RUN, outcome('"ü".jpg')], read, out, index)
        names = parse_ground_truth(index.getvalue())
        found = parse_results(out.getvalue(), names)
        assert names.image_names == ("a.jpg", "d.jpg", "e.jpg", '"ü".jpg')
        assert names.class_names == ("car", "van")
        assert names.image_sizes.tolist() == [[640, 480]] * 4
        assert found.image.tolist() == [0, 0, 2, 2, 3, 3]

    def test_nothing(self):
        """A run without a reply gives valid files, which hold nothing."""
        out, index = io.BytesIO(), io.BytesIO()
        run_coco_index([failed("a")], read, out, index)
        assert json.loads(out.getvalue()) == []
        assert json.loads(index.getvalue()) == {"images": [], "annotations": [], "categories": []}
        out = io.BytesIO()
        run_coco([], read, out, TRUTH)
        assert json.loads(out.getvalue()) == []


class TestRunParquet:
    def test_columns(self):
        """The columns of the CSV, in full precision, with null where a number is undefined."""
        out = io.BytesIO()
        written = run_parquet([*RUN, outcome("f.jpg", latency=float("nan"), model=0.125, variant=None)], read, out)
        table = pq.read_table(io.BytesIO(out.getvalue()))
        rows = table.to_pylist()
        assert table.column_names == next(csv.reader([csv_header()]))
        assert [row["image"] for row in rows] == ["a.jpg", "a.jpg", "e.jpg", "e.jpg", "f.jpg", "f.jpg"]
        assert [rows[1][name] for name in ("confidence", "left", "right")] == [0.1 + 0.2, 0.0, 1 / 3]
        assert [rows[4][name] for name in ("latency", "model_latency", "variant")] == [None, 0.125, None]
        assert (written.detections, written.failed, written.unreadable) == (6, 1, 1)

    def test_row_groups(self):
        """Rows are written in groups, which bound the memory."""
        many = Detections(np.ones((ROW_GROUP // 2, 4)), np.full(ROW_GROUP // 2, 0.5), [0] * (ROW_GROUP // 2), ("car",))
        out = io.BytesIO()
        run_parquet([outcome(str(i)) for i in range(5)], lambda _: many, out)
        groups = pq.ParquetFile(io.BytesIO(out.getvalue())).metadata
        assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [
            *(ROW_GROUP, ROW_GROUP, ROW_GROUP // 2)
        ]

    def test_nothing(self):
        """A run without a detection is a table without a row."""
        out = io.BytesIO()
        run_parquet([failed("a"), outcome("b", b"none")], read, out)
        assert pq.read_table(io.BytesIO(out.getvalue())).num_rows == 0

    def test_names_that_are_no_text(self):
        """Half a character in a class name does not stop the export."""
        out = io.BytesIO()
        run_parquet([outcome("a")], lambda _: some(names=("\ud800", "van")), out)
        assert pq.read_table(io.BytesIO(out.getvalue()))["class_name"].to_pylist() == ["?", "van"]


def csv_header():
    """The header of a run's CSV."""
    out = io.BytesIO()
    run_csv([], read, out)
    return out.getvalue().decode()


class TestRunReplies:
    def test_there_and_back(self, tmp_path):
        """What was exported can be imported: the same replies of the same images."""
        bodies = {"a.jpg": b'[{"class_name": "car", "bbox": [1, 2, 3, 4], "score": 0.9}]', "sub/ü.png": b"[]"}
        with open(tmp_path / "replies.zip", "wb") as file:
            written = run_replies([*(outcome(name, body) for name, body in bodies.items()), failed("c.jpg")], file)
        assert (written.images, written.failed) == (2, 1)
        images = [{"id": i, "file_name": name, "width": 9, "height": 9} for i, name in enumerate(bodies)]
        truth = json.dumps({"images": images, "annotations": [], "categories": [{"id": 1, "name": "car"}]}).encode()
        with Store(tmp_path) as store:
            source = open_source(tmp_path / "replies.zip")
            run = import_run(store, source, "replies", "back", (), truth, Preset("mmdetection"))
            assert {o.image: o.reply.body for o in store.iter_outcomes(run.id)} == bodies

    @pytest.mark.parametrize(
        "name", ["../../etc/passwd", "/etc/passwd", "..\\..\\boot.ini", "C:\\x.jpg", "a\n\0b", "..", "/", "con. "]
    )
    def test_no_name_climbs_out(self, name):
        """Whatever an image is called, its reply stays in the folder that the zip is unpacked in."""
        out = io.BytesIO()
        run_replies([outcome(name, b"[]")], out)
        (member,) = zipfile.ZipFile(out).namelist()
        parts = PurePosixPath(member).parts
        assert parts
        assert not set(parts) & {"/", "..", "."}
        assert not set(member) & set("\\:\n\0")

    def test_names_that_become_the_same(self):
        """Names that differ only in what is made safe, or in case, stay apart."""
        out = io.BytesIO()
        run_replies([outcome(name, b"[]") for name in ("a:b", "a?b", "A_b")], out)
        assert zipfile.ZipFile(out).namelist() == ["a_b.json", "a_b (2).json", "A_b (3).json"]

    def test_suffix(self):
        """The suffix is that of the content type, or of what the reply looks like."""
        replies = [
            outcome("a", b"1,2", content_type="text/csv; charset=utf-8"),
            outcome("b", b" {}", content_type=""),
            outcome("c", b"\x93NUMPY", content_type="application/x-npy"),
            outcome("d", b"\0", content_type="x/y"),
        ]
        out = io.BytesIO()
        run_replies(replies, out)
        assert zipfile.ZipFile(out).namelist() == ["a.csv", "b.json", "c.npy", "d.bin"]


class TestMemory:
    CODE = """
import json, resource, sys
from smviz import exports
from smviz.exports.parquet import run_parquet
from smviz.evaluation import read_by
from smviz.records import Outcome, Reply
from smviz.settings import Preset

box = {"class_name": "car", "bbox": [1, 2, 3, 4], "score": 0.9}
body = json.dumps([box] * 10 + [{**box, "mask": "x" * 18_000}]).encode()
read = read_by(Preset("mmdetection"))

def outcomes(count):
    for i in range(count):
        yield Outcome(f"{i}.jpg", "", 640, 480, 1, reply=Reply(body + b" " * (i % 7), "application/json", 0.1, "A"))

class Nowhere:
    def write(self, data):
        return len(data)
    def flush(self):
        pass
    closed = False

def everything(count):
    for write in (exports.run_csv, run_parquet):
        write(outcomes(count), read, Nowhere())
    exports.run_coco_index(outcomes(count), read, Nowhere(), Nowhere())
    exports.run_replies(outcomes(count), Nowhere())

everything(200)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
everything(3000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""

    def test_flat(self):
        """Exporting 3,000 images takes hardly more memory than 200: their replies alone are 55 MB."""
        process = subprocess.run(
            [sys.executable, "-c", self.CODE], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
        )
        assert int(process.stdout) < 30_000  # kB
