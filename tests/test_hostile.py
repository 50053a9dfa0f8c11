"""Whatever a file holds, smviz gives a typed error with advice or a right result, soon and in little memory."""

import contextlib
import csv
import io
import json
import os
import sqlite3
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks import fuzzing
from smviz import thresholds
from smviz.annotations import canonical_json, ground_truth_of, parse_ground_truth, parse_results
from smviz.cli.inputs import class_names_of
from smviz.errors import BadAnnotations, BadImage, BadResponse, BadSetting, BadSource, StoreError
from smviz.exporting import export_run, failures_csv
from smviz.exports import run_replies, table_csv
from smviz.gate import Name, StoredNumbers
from smviz.images import prepare, thumbnail
from smviz.presets import read_presets
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.responses import FORMATS, parse
from smviz.settings import Connection, Preset, Request
from smviz.sources import from_bytes, from_manifest, images_of, open_source, read_location
from smviz.store import FILE_NAME, Store
from smviz.store import rows as stored_rows
from smviz.store.packing import packed

# Derandomised: the same examples every time, so that a failure is a change in the code.
PROFILE = settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=list(HealthCheck))

NASTY = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>",
    "\u202egpj.exe\u2066\u200b",
    "a\0\x07\x1b[31m\x7f\x85b",
    "=cmd|' /C calc'!A0",
    "x" * 10_000,
    "é" * 100_000,
    "\U0001f697\ufeff\u2028\u2029",
    "CON/../..//NUL.",
)


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """Everything that reads a file, by name."""
    return {target.name: target for target in fuzzing.targets(tmp_path_factory.mktemp("fuzzing"))}


def cells(table):
    """The rows of a CSV file."""
    return list(csv.reader(io.StringIO(table.decode(), newline="")))


def nested(depth, inside='{"a": %s}'):
    """JSON that many levels deep."""
    return inside % ("[" * depth + "]" * depth)


def a_run(store, names=("a.jpg",), class_names=("car",), failed=()):
    """A stored run with a car of each class in each image; `failed` are messages of images without a reply."""
    boxes = [{"class_name": name, "bbox": [1, 2, 3, 4], "score": 0.5} for name in class_names]
    body, preset = json.dumps(boxes).encode(), Preset("records", (), (("boxes", "ltwh"),))
    images = [ImageRef(name) for name in (*names, *(f"failed {at}" for at in range(len(failed))))]
    run = store.create_run("run", Connection("eu-west-1"), Request("e"), preset, images)
    for name in names:
        reply = Reply(body, "application/json", 0.1, "A")
        store.append(run.id, Outcome(name, "ab" * 32, 640, 480, 1, reply=reply)).result()
    for at, message in enumerate(failed):
        failure = Failure("ModelError", message, message)
        store.append(run.id, Outcome(f"failed {at}", "", 640, 480, 1, failure=failure)).result()
    return store.run(run.id)


ONE_IMAGE = b"""{"images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}], "annotations": [],
    "categories": [{"id": 1, "name": "car"}]}"""


class TestBrokenFiles:
    """A fixed, small part of what `benchmarks.fuzzing` does."""

    CASES = 40
    PATIENCE = 30.0  # seconds of a process on a machine that does much else; alone the slowest case takes half of one

    @pytest.mark.filterwarnings("ignore")
    def test_every_reader(self, targets):
        """Good files with something broken in them, and random bytes: nothing else than a typed error or a result."""
        cases = ((target, number) for target in targets.values() for number in range(self.CASES))
        found = [(t.name, n, fuzzing.fault(t, fuzzing.case_of(t, 0, n), self.PATIENCE)) for t, n in cases]
        assert [each for each in found if each[2]] == []

    def test_every_format_is_among_them(self, targets):
        """No format of annotations or replies is forgotten."""
        expected = {f"reply {name}" for name in FORMATS} | {f"annotations {name}" for name in fuzzing.FORMATS}
        assert expected <= targets.keys()

    def test_a_bad_reader_is_found_out(self):
        """The check itself tells an untyped error, an error without advice, and a name that no file can take."""

        def untyped(data):
            raise KeyError(data)

        def without_advice(data):
            raise BadImage("It is bad.", "")

        def half_a_character(data):
            return prepare(data) if data else fuzzing.Detections(np.zeros((1, 4)), [0.5], [0], ("\ud800",))

        faults = [
            fuzzing.fault(fuzzing.Target("", read, ()), b"") for read in (untyped, without_advice, half_a_character)
        ]
        assert [each.split(":")[0][:12] for each in faults] == ["KeyError", "an error of ", "a name that "]


class TestSpreadsheets:
    """No CSV file that smviz writes runs anything, https://owasp.org/www-community/attacks/CSV_Injection."""

    FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠a")

    @pytest.mark.parametrize("formula", FORMULAS)
    def test_every_table(self, tmp_path, formula):
        """Names, messages and headers that begin as a formula have an apostrophe before them in every file."""
        out = io.BytesIO()
        with Store(tmp_path) as store:
            run = a_run(store, (formula,), (formula,), (formula,))
            export_run(store, run, "csv", out)
            tables = [out.getvalue(), failures_csv(store, run), table_csv([formula], [[formula]])]
        texts = [cell for table in tables for row in cells(table) for cell in row if formula.strip() in cell]
        assert len(texts) == 2 + 2 + 2
        assert all(cell.startswith("'") for cell in texts)

    @pytest.mark.parametrize(
        ("cell", "inert"),
        [
            ("a;=1+1", "a;'=1+1"),
            ("a\t@b", "a\t'@b"),
            ("a\n-1;2", "a\n'-1;2"),
            ("a\r\n+1", "a\r\n'+1"),
            ("a;;＝1", "a;;'＝1"),
        ],
    )
    def test_where_a_cell_may_be_split(self, cell, inert):
        """Spreadsheets of some countries split cells at semicolons or tabs: what follows is no formula either."""
        assert cells(table_csv(["head"], [[cell]])) == [["head"], [inert]]

    def test_numbers_stay_numbers(self):
        """A negative number is no text, and text that is no formula is left as it is."""
        rows = cells(table_csv(["n"], [[-1.5], [np.float64(-2)], [-3], ["a=b"], ["a-b; c"], ["'"]]))
        assert [cell for (cell,) in rows] == ["n", "-1.5", "-2.0", "-3", "a=b", "a-b; c", "'"]


class TestNames:
    """Names of classes and images may be anything at all."""

    @pytest.mark.parametrize("name", NASTY)
    def test_from_the_reply_to_the_file(self, tmp_path, name):
        """A run with such names is exported in every format, and each file is whole and says the names."""
        found = {}
        with Store(tmp_path) as store:
            run = a_run(store, (name,), (name,))
            for kind in ("coco", "csv", "parquet", "replies"):
                out = io.BytesIO()
                assert export_run(store, run, kind, out).images == 1
                found[kind] = out.getvalue()
        (row,) = cells(found["csv"])[1:]
        assert [row[0].lstrip("'"), row[2].lstrip("'")] == [name, name]
        index = json.loads(zipfile.ZipFile(io.BytesIO(found["coco"])).read("index.json"))
        assert [index["images"][0]["file_name"], index["categories"][0]["name"]] == [name, name]
        (member,) = zipfile.ZipFile(io.BytesIO(found["replies"])).namelist()
        assert not [character for character in member if unicodedata.category(character) in {"Cc", "Zl", "Zp"}]
        assert not set(member) & set("\u202e\u2066\ufeff<>:|")
        assert all(part.strip(". ") and len(part.encode()) <= 255 for part in member.split("/"))

    @given(st.lists(st.text(st.characters(exclude_categories=()), max_size=300) | st.sampled_from(NASTY), max_size=4))
    @PROFILE
    def test_of_replies_in_a_zip(self, names):
        """Whatever images are called, the zip of their replies can be opened anew, and no system takes two for one."""
        replied = [Outcome(name, "", 1, 1, 1, reply=Reply(b"{}", "application/json", 0, "")) for name in names]
        out = io.BytesIO()
        run_replies(replied, out)
        members = zipfile.ZipFile(out).namelist()
        assert len({unicodedata.normalize("NFC", name).casefold() for name in members}) == len(names)
        assert not [name for name in members if ".." in name.split("/") or name.startswith("/") or "\\" in name]
        with from_bytes([("replies.zip", out.getvalue())]) as source:
            assert all(file.read() == b"{}" for file in source)

    def test_that_become_the_same(self):
        """Names that differ by case, by how an accent is written, or after 200 bytes alone, get numbers, soon."""
        names = ["É.jpg", "é.jpg", "e\u0301.jpg", *("x" * 200 + str(at) for at in range(5_000))]
        replied = [Outcome(name, "", 1, 1, 1, reply=Reply(b"{}", "application/json", 0, "")) for name in names]
        out = io.BytesIO()
        assert fuzzing.fault(fuzzing.Target("", lambda data: run_replies(replied, out), ()), b"") == ""
        members = zipfile.ZipFile(out).namelist()
        assert members[:4] == ["É.jpg.json", "é.jpg (2).json", "e\u0301.jpg (3).json", "x" * 200 + ".json"]
        assert len(set(members)) == len(names)

    @pytest.mark.parametrize("name", NASTY[:5])
    def test_of_classes_in_annotations(self, name):
        """A class is called as the file calls it; what is shown is for the screen to make harmless."""
        shape = {"label": name, "points": [[1, 2], [3, 4]]}
        document = {"imagePath": "a.jpg", "imageWidth": 9, "imageHeight": 9, "shapes": [shape]}
        truth = parse_ground_truth(json.dumps(document).encode())
        assert truth.class_names == (name.strip(),)


class TestPictures:
    """Images that are something else too, or say that they are huge."""

    def test_script_in_a_gif(self):
        """A GIF that is JavaScript at the same time is sent as pixels alone."""
        buffer = io.BytesIO()
        Image.new("P", (0x2A2F, 1)).save(buffer, "GIF")  # the width reads /* as text
        polyglot = buffer.getvalue() + b"*/=1;alert(1)//"
        assert polyglot.startswith((b"GIF89a/*", b"GIF87a/*"))
        payload = prepare(polyglot)
        assert payload.content_type == "image/png"
        assert b"alert" not in payload.body
        assert b"alert" not in thumbnail(polyglot, 64)

    @pytest.mark.parametrize("more", [b"%PDF-1.7 1 0 obj<</JS(alert)>>", b"PK\x03\x04" + b"\0" * 40, b"<?php alert ?>"])
    def test_other_things_in_a_jpeg(self, more):
        """A JPEG that is also a PDF, a zip or a page is a JPEG of its own size, under no other type."""
        buffer = io.BytesIO()
        Image.new("RGB", (8, 6)).save(buffer, "JPEG")
        plain = buffer.getvalue()
        comment = b"\xff\xfe" + struct.pack(">H", len(more) + 2) + more
        for polyglot in (plain[:2] + comment + plain[2:], plain + more):
            payload = prepare(polyglot)
            assert (payload.content_type, payload.width, payload.height) == ("image/jpeg", 8, 6)
            assert more not in thumbnail(polyglot, 64)

    def test_pages_without_end(self):
        """The pages of a TIFF are not all counted: that would take as long as their square."""
        tags = ((256, 4, 4), (257, 4, 4), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, 4), (279, 4, 16))
        page = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, kind, 1, n) for tag, kind, n in tags)
        size, count = len(page) + 4, 20_000
        pages = b"".join(page + struct.pack("<I", 24 + size * (at + 1)) for at in range(count))
        target = fuzzing.Target("", prepare, ())
        data = b"II*\0" + struct.pack("<I", 24) + b"a" * 16 + pages + page + b"\0" * 4
        assert fuzzing.fault(target, data) == ""
        assert "took the first of more than 1000 frames" in prepare(data).notes


BOMBS = r"""
import io, resource, struct, sys, zipfile, zlib
from PIL import Image
from smviz.annotations import ground_truth_of
from smviz.errors import SmvizError
from smviz.images import decoded, prepare, size_of, thumbnail
from smviz.sources import from_bytes

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

def png(width, height, *more, rows=10_000_000):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(rows)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + pixels + chunk(b"IEND", b"")

def sized(kind, at, layout):
    buffer = io.BytesIO()
    Image.new("RGB" if kind != "GIF" else "P", (8, 8)).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    at = data.index(at[0]) + at[1] if isinstance(at, tuple) else at
    struct.pack_into(layout, data, at, 65535, 65535)
    return bytes(data)

def packed(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()

small = zlib.compress(bytes(60_000_000), 9)
images = {
    "PNG": png(60_000, 60_000),
    "PNG, text": png(8, 8, chunk(b"zTXt", b"Comment\0\0" + small), rows=72),
    "PNG, profile": png(8, 8, chunk(b"iCCP", b"p\0\0" + small), rows=72),
    "PNG, more rows than it says": png(8, 8, rows=200_000_000),
    "JPEG": sized("JPEG", (b"\xff\xc0", 5), ">HH"),
    "GIF": sized("GIF", 6, "<HH"),
    "BMP": sized("BMP", 18, "<ii"),
}
inner = packed(("a.txt", bytes(100_000_000)))
zips = {
    "1000 to 1": inner,
    "zip in a zip in a zip": packed(("b.zip", packed(("a.zip", inner)))),
    "many entries": packed(*((f"{at}.txt", b"") for at in range(60_000))),
}
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 400_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
for name, data in images.items():
    for read in (prepare, size_of, decoded, lambda data: thumbnail(data, 64)):
        try:
            read(data)
        except SmvizError as error:
            assert error.advice and "MemoryError" not in str(error), (name, error)
for name, data in zips.items():
    try:
        with from_bytes([("set.zip", data)]) as source:
            for file in source:
                try:
                    file.read()
                except SmvizError as error:
                    assert error.advice
            ground_truth_of(source)
    except SmvizError as error:
        assert error.advice
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured as Linux tells it")
def test_bombs():
    """Huge pictures, texts and zips in small files are met within 400 MB and some seconds, with typed errors."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", BOMBS], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert float(done.stdout) < 30  # 3 s on a machine that does nothing else


LARGEST = r"""
import io, resource
from PIL import Image
from smviz.images import prepare, thumbnail
buffer = io.BytesIO()
Image.new("P", (10_000, 10_000)).save(buffer, "PNG", transparency=0)
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 700_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
print(len(buffer.getvalue()), prepare(buffer.getvalue()).width, len(thumbnail(buffer.getvalue(), 64)))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured as Linux tells it")
def test_the_largest_picture():
    """A few KB that unpack to as many transparent pixels as are allowed are taken, in less than 700 MB."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LARGEST], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    packed, width, shown = map(int, done.stdout.split())
    assert packed < 20_000
    assert width == 10_000
    assert shown > 0


class TestJson:
    """JSON that is deep, large, or says a thing twice."""

    def test_any_depth(self, tmp_path):
        """No depth, not even one at the border of what Python reads, gives anything but a typed error or a result."""
        file = tmp_path / "names.json"

        def class_names(data):
            file.write_bytes(data)
            return class_names_of(file)

        def manifest(data):
            file.write_bytes(data)
            return list(from_manifest(file))

        readers = {
            read_presets: '{"smviz_presets": %s, "presets": {}}',
            class_names: "%s",
            manifest: '{"source-ref": %s}',
            (lambda data: thresholds.loads(data.decode())): '{"smviz_thresholds": 1, "global": %s}',
            (lambda data: StoredNumbers.read(data.decode(), "b").value(Name("AP", "AP"), 0.5, 0.5)): (
                '{"per_class": [], "settings": {}, "AP": %s}'
            ),
        }
        depths = (*range(1, 1100, 7), *range(960, 1000), 100_000)
        wrong = [
            (document, depth, why)
            for read, document in readers.items()
            for depth in depths
            if (why := fuzzing.fault(fuzzing.Target("", read, ()), nested(depth, document).encode()))
        ]
        assert wrong == []

    @pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "NaN", "-Infinity"])
    def test_numbers_of_a_baseline(self, number):
        """A baseline whose number no float can hold has no such number; infinity is none either."""
        kept = StoredNumbers.read(f'{{"per_class": [], "settings": {{}}, "AP": {number}}}', "b.json")
        assert np.isnan(kept.value(Name("AP", "AP"), 0.5, 0.5))

    @pytest.mark.parametrize("side", ["1" + "0" * 400, "-5", "0", "NaN"])
    def test_sizes_in_annotations(self, side):
        """An image whose side no number can be keeps its boxes, and its size is not known."""
        text = f"""{{"images": [{{"id": 1, "file_name": "a.jpg", "width": {side}, "height": 9}}],
            "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}}],
            "categories": [{{"id": 1, "name": "car"}}]}}"""
        truth = parse_ground_truth(text.encode())
        assert truth.image_sizes.tolist() == [[0, 0]]
        assert truth.ltwh.tolist() == [[1, 2, 3, 4]]

    @pytest.mark.parametrize(
        ("format", "body"),
        [
            ("triton-nms", [{"name": "det_boxes", "shape": [1] * 70, "data": [1]}]),
            ("triton-nms", [{"name": "det_boxes", "shape": [0.5], "data": []}]),
            ("triton-nms", [{"name": "det_boxes", "shape": [1, 1, 4], "data": ["\ud800"] * 4}]),
        ],
    )
    def test_tensors(self, format, body):
        """A tensor of too many dimensions, of none, or of half characters does not fit its format."""
        others = [{"name": name, "shape": [1, 1], "data": [1]} for name in ("det_scores", "det_classes")]
        text = json.dumps({"outputs": body + others, "NaN": float("nan")})
        with pytest.raises(BadResponse):
            parse(text.encode(), 640, 480, Preset(format))

    def test_half_a_character(self):
        """Text that no file can take is refused in presets and in replies, in whichever place."""
        with pytest.raises(BadSetting, match="not valid"):
            read_presets(b'{"smviz_presets": 1, "presets": {"a": {"format": "\\ud800"}}}')
        with pytest.raises(BadResponse, match="half a surrogate pair"):
            parse(b'{"predictions": [{"x": "\\ud800"}], "n": NaN}', 640, 480, Preset("roboflow"))

    def test_endless_words(self):
        """What a file says is told in a message as far as anybody reads."""
        long = "x" * 100_000
        preset = f'{{"format": "records", "options": {{"{long}": "1"}}}}'
        for presets in (
            f'{{"{long}": {preset}}}',
            f'{{"a": {preset}}}',
            f'{{"a": {{"{long}": 1}}}}',
            f'{{"{long}": 1}}',
        ):
            with pytest.raises(BadSetting) as caught:
                read_presets(f'{{"smviz_presets": 1, "presets": {presets}}}'.encode())
            assert len(str(caught.value)) < 2_000

    @pytest.mark.parametrize("info", ['{"a": "\\ud800"}', "[1]", "7", "null", '{"smviz": 7}'])
    @pytest.mark.parametrize("identity", ["[1]", "{}", "NaN", "-Infinity", "null"])
    def test_what_is_kept_of_a_run(self, info, identity):
        """Ground truth is kept as it was read, whatever its ids are and whatever stands where nobody looks."""
        rest = f'"annotations": [], "categories": [{{"id": 1, "name": "car"}}], "info": {info}'
        images = f'{{"id": 1, "file_name": "a.jpg"}}, {{"id": {identity}, "file_name": "b.jpg"}}'
        source = from_bytes([("a.json", f'{{"images": [{images}], {rest}, "n": NaN}}'.encode())])
        truth = ground_truth_of(source, "coco")
        assert truth.image_names[:1] == ("a.jpg",)
        assert parse_ground_truth(canonical_json(source, truth, "coco")).image_names == truth.image_names

    def test_deep_results(self):
        """Detections that hide a tower of lists are left out, by name, or the file is refused."""
        truth = parse_ground_truth(ONE_IMAGE)
        result = '{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5'
        for depth in (10, 900, 100_000):
            with contextlib.suppress(BadAnnotations):
                assert len(
                    parse_results(f'[{result}}}, {result}, "more": {"[" * depth}{"]" * depth}}}]'.encode(), truth)
                )

    def test_a_thing_said_twice(self):
        """Of a class that thresholds name twice the last one counts, as in every JSON reader; presets are refused."""
        entry = '"classes": {"car": {"threshold": 0.1}, "car": {"threshold": 0.9}}'
        chosen = thresholds.loads(f'{{"smviz_thresholds": 1, "global": {{"threshold": 0.5}}, {entry}}}')
        assert chosen.classes["car"].value == 0.9
        with pytest.raises(BadSetting, match="twice"):
            read_presets(b'{"smviz_presets": 1, "presets": {"a": {"format": "records"}, "a": {"format": "records"}}}')


class TestPlaces:
    """Files that are not what they seem."""

    @pytest.mark.parametrize("kind", ["pipe", "endless", "folder", "circle"])
    def test_in_a_manifest(self, tmp_path, kind):
        """A pipe that nobody writes to, a device without end, a folder, a link to itself: it cannot be read."""
        place = tmp_path / "a.jpg"
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "folder":
            place.mkdir()
        else:
            place.symlink_to("/dev/zero" if kind == "endless" else place)
        (tmp_path / "list").write_text("a.jpg\n")
        (file,) = images_of(from_manifest(tmp_path / "list"))
        with pytest.raises(BadSource):
            file.read()
        with pytest.raises(BadSource):
            read_location(place.absolute().as_uri())
        with pytest.raises(BadSource):
            from_manifest(place)

    def test_an_enormous_file(self, tmp_path):
        """A file that says a million gigabytes, with nothing in it, is refused where it does not fit into memory."""
        try:
            os.truncate(os.open(tmp_path / "a.jpg", os.O_CREAT | os.O_RDWR), 1 << 43)
        except OSError:
            pytest.skip("this file system has no such files")
        (file,) = open_source(tmp_path)
        with pytest.raises(BadSource):
            file.read()

    def test_many_names_in_yaml(self):
        """A list of names that takes long to read is not read; the boxes are."""
        picture = io.BytesIO()
        Image.new("L", (9, 9)).save(picture, "PNG")
        files = {
            "a.png": picture.getvalue(),
            "a.txt": b"0 0.5 0.5 0.2 0.2",
            "data.yaml": b"names:\n" + b"- a\n" * 200_000,
        }
        read = fuzzing.Target("", lambda data: ground_truth_of(from_bytes(files.items()), "yolo"), ())
        assert fuzzing.fault(read, b"") == ""
        assert [str(each) for each in ground_truth_of(from_bytes(files.items()), "yolo").skipped] == [
            "data.yaml: it is too large for a list of names"
        ]


WRITES = """
import io, sys, tempfile
from pathlib import Path
workspace, hostile = Path(sys.argv[1]), Path(sys.argv[2])
tempfile.tempdir = str(workspace)
from smviz.exporting import FORMS, export_run, failures_csv
from smviz.errors import SmvizError
from smviz.importing import import_run
from smviz.sources import open_source
from smviz.store import Store
written = set()
def look(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & 3:
        written.add(arguments[0])
    if event in ("os.mkdir", "os.symlink", "os.rename", "os.link", "sqlite3.connect", "subprocess.Popen", "os.system"):
        written.add(str(arguments[0]))
refused = 0
sys.addaudithook(look)
with Store(workspace) as store:
    for at, file in enumerate(sorted(hostile.iterdir())):
        try:
            with open_source(file) as source:
                run = import_run(store, source, "replies", f"run {at}", ())
        except SmvizError:
            refused += 1
            continue
        failures_csv(store, run)
        for kind in FORMS:
            try:
                export_run(store, run, kind, io.BytesIO())
            except SmvizError:
                refused += 1
print(refused, sorted(path for path in written if not path.startswith((str(workspace), "file:" + str(workspace)))))
"""


def test_nothing_is_written_outside(tmp_path):
    """Zips with names that climb, drives and links: what Python opens for writing is in the workspace alone."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    reply = b'[{"class_name": "../../car", "bbox": [1, 2, 3, 4], "score": 0.5}]'
    names = (
        "../../up.json",
        "/tmp/root.json",
        "C:\\drive.json",
        "a/./b.json",
        "A.json",
        "con.json",
        "x" * 300 + ".json",
    )
    for at, name in enumerate(names):
        with zipfile.ZipFile(hostile / f"{at}.zip", "w") as archive:
            archive.writestr(name, reply)
    link = zipfile.ZipInfo("link.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(hostile / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.json", reply)
    command = [sys.executable, "-c", WRITES, str(tmp_path / "workspace"), str(hostile)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    refused, outside = done.stdout.split(" ", 1)
    assert int(refused) >= 3
    assert outside.strip() == "[]"


class TestWorkspace:
    """A workspace file that somebody else made, or that was damaged."""

    @staticmethod
    def changed(folder, statement, *values):
        """The workspace of one run, with something in it changed by hand."""
        with Store(folder) as store:
            run = a_run(store)
            store.save_preset("e", Preset("records"))
            store.save_thresholds("e", thresholds.Thresholds(thresholds.Threshold(0.5)))
            store.set_class_map(run.id, {"car": "van"})
        with contextlib.closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
            db.execute(statement, values)
        return run

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 7}', nested(3000), b"\xff\xfe", 7])
    @pytest.mark.parametrize("column", ["preset", "request", "connection", "class_map"])
    def test_settings_that_are_none(self, tmp_path, column, text):
        """A run whose settings cannot be read is told as damage, with what to do."""
        self.changed(tmp_path, f"UPDATE run SET {column} = ?", text)
        with Store(tmp_path) as store, pytest.raises(StoreError, match="damaged") as caught:
            store.runs()
        assert "Move" in caught.value.advice

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"thresholds": 7}'])
    def test_what_is_kept_of_an_endpoint(self, tmp_path, text):
        """So are the preset and the thresholds of an endpoint."""
        self.changed(tmp_path, "UPDATE preset SET preset = ?", text)
        with Store(tmp_path) as store:
            for read in (store.preset, store.thresholds):
                with pytest.raises((StoreError, BadSetting)):
                    read("e")

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x78\x9c", zlib.compress(b"a" * 90)[:-3], packed(b"a" * 90)[:4], packed(b"a" * 90)[:-3], "text", 7],
    )
    def test_replies_that_are_none(self, tmp_path, body):
        """A reply that is cut off, or was never packed, is told as damage."""
        run = self.changed(tmp_path, "UPDATE reply SET body = ?", body)
        with Store(tmp_path) as store, pytest.raises(StoreError, match="reply is damaged"):
            store.outcomes(run.id)

    def test_annotations_that_are_none(self, tmp_path):
        """So is ground truth."""
        run = self.changed(tmp_path, "UPDATE run SET annotations = ?", b"\x78\x9c\0")
        with Store(tmp_path) as store, pytest.raises(StoreError, match="ground truth is damaged"):
            store.annotations(run.id)

    @pytest.mark.parametrize("pack", [zlib.compress, packed])
    def test_a_reply_that_unpacks_without_end(self, tmp_path, monkeypatch, pack):
        """A reply is unpacked up to a limit and no further."""
        monkeypatch.setattr(stored_rows, "LARGEST_REPLY", 1 << 20)
        run = self.changed(tmp_path, "UPDATE reply SET body = ?", pack(bytes(1 << 24)))
        with Store(tmp_path) as store, pytest.raises(StoreError, match="more than 1048576 bytes"):
            store.outcomes(run.id)
        run = self.changed(tmp_path / "b", "UPDATE reply SET body = ?", pack(bytes(1 << 20)))
        with Store(tmp_path / "b") as store:
            assert len(store.outcomes(run.id)[0].reply.body) == 1 << 20
