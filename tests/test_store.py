"""The workspace: what was reported stored is there, whoever is killed and whoever else has the file open."""

import gc
import json
import math
import os
import re
import resource
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
import zlib
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from smviz.database import Database
from smviz.errors import BadImage, BadSetting, StoreError, UnknownRun
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import FILE_NAME, Store, reply_key
from smviz.store.schema import MIGRATIONS
from smviz.thresholds import Threshold, Thresholds

CONNECTION = Connection("eu-central-1", "http://127.0.0.1:8080")
REQUEST = Request("traffic", "A", "application/json")
PRESET = Preset("builtin", ("car", "van"), (("order", "xyxy"), ("normalised", "yes")))


@pytest.fixture
def store(tmp_path):
    """An open, empty workspace."""
    with Store(tmp_path) as opened:
        yield opened


def begin(store, name="run", images=3):
    """A run over uploads a, b, c ..."""
    refs = [ImageRef(f"{i:04d}.png", data=b"image %d" % i) for i in range(images)]
    return store.create_run(name, CONNECTION, REQUEST, PRESET, refs)


def answered(image, body=b'{"prediction": []}'):
    """An outcome that holds a reply."""
    return Outcome(image, "ab" * 32, 640, 480, 1, reply=Reply(body, "application/json", 0.25, "A"))


def failed(image, message="Too many calls."):
    """An outcome that holds a failure."""
    log = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/sagemaker/Endpoints/traffic:log-stream:A/i-1"
    return Outcome(image, "ab" * 32, 640, 480, 6, failure=Failure("Throttled", message, "Wait a little.", log))


def in_another_process(code, *arguments, **options):
    """A Python process that runs `code` with smviz importable."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


class TestRuns:
    def test_comes_back_as_it_was_made(self, store):
        """A run read from the file equals what it was made from."""
        run = begin(store, "first", images=3)
        assert store.run(run.id) == run
        assert (run.name, run.connection, run.request, run.preset) == ("first", CONNECTION, REQUEST, PRESET)
        assert (run.total, run.answered, run.failed) == (3, 0, 0)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", run.created)

    def test_optional_settings(self, store):
        """A run against AWS itself, with traffic to any variant, comes back with None where nothing was chosen."""
        run = store.create_run("aws", Connection("us-east-1"), Request("e"), Preset("x"), [ImageRef("a", data=b"")])
        assert (run.connection.endpoint_url, run.request.variant) == (None, None)
        assert run.preset == Preset("x")

    def test_by_name_or_id(self, store):
        """A run is found by its id and by its name."""
        run = begin(store, "night shift")
        assert store.run("night shift") == store.run(run.id)

    def test_new_names_are_free(self, store):
        """Runs that begin at the same time get names of their own, which say when."""
        names = [begin(store, store.new_name("cars on night")).name for _ in range(20)]
        assert len(set(names)) == 20
        assert all(re.fullmatch(r"cars on night, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d( \(\d+\))?", name) for name in names)
        assert any(name.endswith("(2)") for name in names)

    def test_newest_first(self, store):
        """The list of runs begins with the newest."""
        for name in ("one", "two", "three"):
            begin(store, name)
        assert [run.name for run in store.runs()] == ["three", "two", "one"]

    def test_unknown(self, store):
        """An unknown run is an error that names the known ones."""
        with pytest.raises(UnknownRun, match="No run has been made"):
            store.run("x")
        begin(store, "one")
        begin(store, "two")
        with pytest.raises(UnknownRun, match=r"“x”.*two, one"):
            store.run("x")

    def test_counts(self, store):
        """A run tells how many images have a reply and how many have failed."""
        run = begin(store, images=5)
        store.append(run.id, answered("0000.png"))
        store.append(run.id, answered("0001.png"))
        store.append(run.id, failed("0002.png"))
        store.flush()
        run = store.run(run.id)
        assert (run.total, run.answered, run.failed) == (5, 2, 1)

    @pytest.mark.parametrize("name", ["", "  ", "\t", "a\udcff"])
    def test_no_name(self, store, name):
        """A run must have a name that can be read."""
        with pytest.raises(BadSetting, match="name"):
            begin(store, name)

    def test_name_taken(self, store):
        """Names are unique, and nothing is left of the run that could not be made."""
        first = begin(store, "same")
        with pytest.raises(BadSetting, match="exists already"):
            begin(store, "same", images=7)
        with pytest.raises(BadSetting, match="exists already"):
            begin(store, first.id)
        assert store.runs() == (first,)

    def test_no_images(self, store):
        """A run over nothing is refused."""
        with pytest.raises(BadSetting, match="no images"):
            begin(store, images=0)

    def test_image_names(self, store):
        """Two images of one name are refused, and so is a name that is no text."""
        for names, words in ((("a.jpg", "b.jpg", "a.jpg"), "Two images"), (("a\udcff.jpg",), "not valid text")):
            with pytest.raises(BadSetting, match=words):
                store.create_run("r", CONNECTION, REQUEST, PRESET, [ImageRef(n, data=b"x") for n in names])

    def test_rename(self, store):
        """A run can be renamed, but not to the name of another or to none."""
        one, _ = begin(store, "one"), begin(store, "two")
        assert store.rename_run(one.id, "uno").name == "uno"
        assert store.rename_run(one.id, "uno").name == "uno"
        for name in ("two", ""):
            with pytest.raises(BadSetting):
                store.rename_run(one.id, name)
        with pytest.raises(UnknownRun):
            store.rename_run("nothing", "x")

    def test_delete(self, store, tmp_path):
        """Deleting a run forgets its images and outcomes, leaves other runs, and touches no file."""
        file = tmp_path / "a.jpg"
        file.write_bytes(b"jpeg")
        gone = store.create_run("gone", CONNECTION, REQUEST, PRESET, [ImageRef("a.jpg", path=file)])
        kept = begin(store, "kept")
        store.append(gone.id, answered("a.jpg")).result()
        store.append(kept.id, answered("0000.png")).result()
        store.delete_run(gone.id)
        with pytest.raises(UnknownRun):
            store.run(gone.id)
        assert store.image_names(gone.id) == ()
        assert store.outcomes(gone.id) == ()
        assert store.run(kept.id).answered == 1
        assert file.exists()


class TestAboutRuns:
    def test_told_at_the_start(self, store):
        """A run keeps its endpoint's config and where its images are from; nothing else is known about a new one."""
        refs = [ImageRef("a", data=b"x")]
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, refs, endpoint_config="config-3", source="a folder")
        assert store.run(run.id) == run
        assert (run.endpoint_config, run.source, run.imported, run.note) == ("config-3", "a folder", "", "")

    def test_class_map(self, store):
        """What the endpoint's class names mean is kept with the run, may be changed, and is nothing at first."""
        run = begin(store)
        assert run.class_map == ()
        assert dict(store.set_class_map(run.id, {"LKW": "truck", "tram": None}).class_map) == {
            "LKW": "truck",
            "tram": None,
        }
        assert store.set_class_map(run.id, {}).class_map == ()
        with pytest.raises(UnknownRun):
            store.set_class_map("nothing", {})

    def test_note(self, store):
        """A note is any text, replaces the one before, and survives what is no text."""
        run = begin(store)
        assert store.set_note(run.id, "before the rain\n自転車").note == "before the rain\n自転車"
        assert store.set_note(run.id, "\ud800").note == "?"
        assert store.set_note(run.id, "").note == ""
        with pytest.raises(UnknownRun):
            store.set_note("nothing", "x")

    def test_state(self, store):
        """A run is finished when every image has been called for, whatever came of it."""
        run = begin(store, images=2)
        states = [store.run(run.id).state]
        for outcome in (answered("0000.png"), failed("0001.png")):
            store.append(run.id, outcome).result()
            states.append(store.run(run.id).state)
        assert states == ["not started", "unfinished", "finished"]

    def test_kept_from_elsewhere(self, store):
        """A run that was made elsewhere is kept whole, says from what, and its images may be nowhere."""
        rows = [(ImageRef("a"), answered("a")), (ImageRef("b"), failed("b"))]
        run = store.keep_run("theirs", PRESET, rows, "saved replies of Tuesday", b"{}", "a folder", "left out: 3")
        assert (run.imported, run.source, run.note) == ("saved replies of Tuesday", "a folder", "left out: 3")
        assert (run.total, run.answered, run.failed, run.state) == (2, 1, 1, "finished")
        assert store.outcomes(run.id) == (answered("a"), failed("b"))
        assert store.annotations(run.id) == b"{}"
        with pytest.raises(BadImage, match="imported or shared without it"):
            store.image_data(run.id, "a")

    def test_size(self, store):
        """The size of a run is that of its replies, uploads and ground truth; that of the workspace is the files'."""
        big = os.urandom(200_000)
        refs = [ImageRef("a", data=big), ImageRef("b", data=big), ImageRef("c", data=b"x")]
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, refs, annotations=os.urandom(50_000))
        assert 250_000 <= store.size(run.id) <= 251_000
        store.append(run.id, answered("a", os.urandom(30_000))).result()
        assert 280_000 <= store.size(run.id) <= 281_000
        assert store.size() > store.size(run.id)
        assert store.size("nothing") == 0

    def test_compact(self, store, tmp_path):
        """After deleting, the room is given back to the disk, and what is left is whole."""
        gone, kept = begin(store, "gone", images=200), begin(store, "kept")
        for name in store.image_names(gone.id):
            store.append(gone.id, answered(name, os.urandom(20_000)))
        store.append(kept.id, answered("0000.png")).result()
        before = store.size()
        store.delete_run(gone.id)
        freed = store.compact()
        assert freed > 3_000_000
        assert store.size() < before - 3_000_000
        assert store.size() == sum(file.stat().st_size for file in tmp_path.glob("*") if file.suffix != ".db-shm")
        assert store.outcomes(kept.id) == (answered("0000.png"),)
        store.append(kept.id, answered("0001.png")).result()

    def test_compact_while_others_read(self, store, tmp_path):
        """Another program that reads meanwhile is not disturbed, nor is what it sees."""
        run = begin(store)
        store.append(run.id, answered("0000.png")).result()
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            assert other.execute("SELECT count(*) FROM outcome").fetchone() == (1,)
            store.delete_run(run.id)
            store.compact()
            assert other.execute("SELECT count(*) FROM outcome").fetchone() == (0,)
        other.close()


class TestManyImages:
    def test_streamed(self, store):
        """Images stream in: uploads that would not fit in memory do not have to."""
        piece = os.urandom(1_000_000)
        gc.collect()
        tracemalloc.start()
        refs = (ImageRef(f"{i}.png", data=b"%d" % i + piece) for i in range(80))
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, refs)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40_000_000
        assert run.total == 80
        assert store.image_data(run.id, "79.png") == b"79" + piece

    def test_all_or_nothing(self, store):
        """When the images end in an error there is no run, its name is free, and others saw nothing of it."""

        def images():
            for i in range(1200):
                yield ImageRef(str(i), data=b"%d" % i)
            assert store.runs() == ()
            raise OSError("the disk was unplugged")

        with pytest.raises(OSError, match="unplugged"):
            store.create_run("r", CONNECTION, REQUEST, PRESET, images())
        assert store.runs() == ()
        assert store._database.read("SELECT (SELECT count(*) FROM image) + (SELECT count(*) FROM file)") == [(0,)]
        begin(store, "r")

    def test_repeated_name_far_away(self, store):
        """Two images of one name are refused however far apart they come."""
        names = [*map(str, range(1500)), "3"]
        with pytest.raises(BadSetting, match="Two images are called “3”"):
            store.create_run("r", CONNECTION, REQUEST, PRESET, (ImageRef(n, data=b"") for n in names))

    def test_name_taken_meanwhile(self, store):
        """A run whose name is taken while its images stream in is refused; the other one stays."""

        def images():
            yield ImageRef("a", data=b"")
            begin(store, "same")

        with pytest.raises(BadSetting, match="exists already"):
            store.create_run("same", CONNECTION, REQUEST, PRESET, images())
        assert [run.total for run in store.runs()] == [3]

    def test_uploads_are_kept_once(self, store):
        """An upload is kept once for all runs that have it, and as long as one of them is there."""
        data = os.urandom(1000)
        runs = [store.create_run(name, CONNECTION, REQUEST, PRESET, [ImageRef("a", data=data)]) for name in "xy"]
        assert store._database.read("SELECT count(*) FROM file") == [(1,)]
        store.delete_run(runs[0].id)
        assert store.image_data(runs[1].id, "a") == data
        store.delete_run(runs[1].id)
        assert store._database.read("SELECT count(*) FROM file") == [(0,)]


class TestPending:
    def test_those_without_a_reply(self, store):
        """The images without a reply come in order, failed ones among them, uploads with their bytes."""
        run = begin(store, images=1000)
        for i in range(0, 1000, 2):
            store.append(run.id, answered(f"{i:04d}.png"))
        store.append(run.id, failed("0001.png"))
        store.flush()
        expected = [ImageRef(f"{i:04d}.png", data=b"image %d" % i) for i in range(1, 1000, 2)]
        assert list(store.pending(run.id)) == expected

    def test_where_they_are(self, store, tmp_path):
        """Images come back as the places they were given as."""
        odd = tmp_path / os.fsdecode(b"caf\xe9 50%20 !.jpg")
        refs = [
            ImageRef("a", path=odd),
            ImageRef("b", location="s3://bucket/a key.jpg"),
            ImageRef("c", location="zip:///x.zip!/a.jpg"),
            ImageRef("d", data=b""),
        ]
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, refs)
        assert list(store.pending(run.id)) == refs

    def test_answered_meanwhile(self, store):
        """Answers that come while the images are listed disturb nothing: none is doubled or left out."""
        run = begin(store, images=700)
        seen = []
        for image in store.pending(run.id):
            seen.append(image.name)
            store.append(run.id, answered(image.name))
        assert tuple(seen) == store.image_names(run.id)
        store.flush()
        assert list(store.pending(run.id)) == []

    def test_deleted_meanwhile(self, store):
        """A run that is deleted while its images are listed ends the list."""
        run = begin(store, images=700)
        images = store.pending(run.id)
        next(images)
        store.delete_run(run.id)
        assert sum(1 for _ in images) < 700


class TestReplies:
    KEY = reply_key(CONNECTION, "config", REQUEST, "ab" * 32)

    def test_known(self, store):
        """A reply that was stored under a key is known by it, whole; no other key knows it, nor does none."""
        run = begin(store)
        reply = Reply(b"x" * 999, "text/csv", 0.5, None, model=0.25)
        store.append(run.id, replace(answered("0000.png"), reply=reply), self.KEY).result()
        store.append(run.id, answered("0001.png")).result()
        assert store.known_reply(self.KEY) == reply
        assert store.known_reply("other") is None
        assert store.known_reply("") is None
        assert store.outcome(run.id, "0000.png").reply == reply

    def test_shared(self, store):
        """A reused reply is kept once for all its runs, and as long as one of them is there."""
        one, two = begin(store, "one"), begin(store, "two")
        store.append(one.id, answered("0000.png"), self.KEY).result()
        reused = replace(answered("0000.png"), reply=store.known_reply(self.KEY), attempts=0, reused=True, client=0.125)
        store.append(two.id, reused, self.KEY).result()
        assert store._database.read("SELECT count(*) FROM reply") == [(1,)]
        assert store.outcomes(two.id) == (reused,)
        assert not store.outcomes(one.id)[0].reused
        store.delete_run(one.id)
        assert store.outcomes(two.id) == (reused,)
        assert store.known_reply(self.KEY) == reused.reply
        store.delete_run(two.id)
        assert store.known_reply(self.KEY) is None
        assert store._database.read("SELECT count(*) FROM reply") == [(0,)]

    def test_called_again(self, store):
        """A call that was made again keeps its own reply: each run shows what it got, and the newest is known."""
        one, two = begin(store, "one"), begin(store, "two")
        store.append(one.id, answered("0000.png", b"before"), self.KEY).result()
        store.append(two.id, answered("0000.png", b"after"), self.KEY).result()
        assert [store.outcome(run.id, "0000.png").reply.body for run in (one, two)] == [b"before", b"after"]
        assert store.known_reply(self.KEY).body == b"after"

    def test_forgotten_meanwhile(self, store):
        """A known reply whose only run is deleted before it is stored again is stored as it was known."""
        one, two = begin(store, "one"), begin(store, "two")
        store.append(one.id, answered("0000.png"), self.KEY).result()
        reused = replace(answered("0000.png"), reused=True)
        store.delete_run(one.id)
        store.append(two.id, reused, self.KEY).result()
        assert store.outcomes(two.id) == (reused,)

    def test_unmeasured(self, store):
        """A latency that nobody measured stays undefined."""
        run = begin(store)
        outcome = replace(answered("0000.png"), reply=Reply(b"x", "", math.nan, None))
        store.append(run.id, outcome).result()
        assert math.isnan(store.outcome(run.id, "0000.png").reply.latency)

    def test_one_outcome(self, store):
        """The outcome of one image is found by its name; there is none where nothing happened yet."""
        run = begin(store)
        store.append(run.id, failed("0001.png")).result()
        assert store.outcome(run.id, "0001.png") == failed("0001.png")
        assert store.outcome(run.id, "0000.png") is None
        assert store.outcome(run.id, "nothing.png") is None

    def test_memory(self, store):
        """Outcomes are streamed: 200 replies of 400 kB, 80 MB, are never in memory together."""
        rows = ((ImageRef(str(i)), answered(str(i), os.urandom(400_000))) for i in range(200))
        run = store.keep_run("big", PRESET, rows, "elsewhere")
        gc.collect()
        tracemalloc.start()
        assert sum(len(outcome.reply.body) for outcome in store.iter_outcomes(run.id)) == 80_000_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 25_000_000


class TestReplyKey:
    def test_same_call(self):
        """The same image by the same request to the same endpoint has one key, at whichever port of this machine."""
        keys = {
            reply_key(Connection("local", f"http://{host}"), "config", REQUEST, "ab")
            for host in ("127.0.0.1:8080", "localhost:9", "[::1]:80")
        }
        assert len(keys) == 1

    def test_other_call(self):
        """Another image, setting, config, region, account or address is another call."""
        here = Connection("eu-central-1")
        keys = [
            reply_key(here, "config", REQUEST, "ab"),
            reply_key(here, "config", REQUEST, "cd"),
            reply_key(here, "config 2", REQUEST, "ab"),
            reply_key(here, "config", replace(REQUEST, accept="text/csv"), "ab"),
            reply_key(here, "config", replace(REQUEST, endpoint="other"), "ab"),
            reply_key(Connection("us-east-1"), "config", REQUEST, "ab"),
            reply_key(Connection("eu-central-1", profile="prod"), "config", REQUEST, "ab"),
            reply_key(Connection("eu-central-1", "https://vpce-1.example.com"), "config", REQUEST, "ab"),
            reply_key(Connection("eu-central-1", "http://127.0.0.1"), "config", REQUEST, "ab"),
        ]
        assert len(set(keys)) == len(keys)

    def test_unknown(self):
        """A call whose config or image is not known, or whose model may change under its config, has no key."""
        assert reply_key(CONNECTION, "", REQUEST, "ab") == ""
        assert reply_key(CONNECTION, "config", REQUEST, "") == ""
        for changing in (replace(REQUEST, component="c"), replace(REQUEST, target_model="m.tar.gz")):
            assert reply_key(CONNECTION, "config", changing, "ab") == ""


class TestLocations:
    def read(self, store, location, remote=None):
        """What is at a location, by way of a run."""
        run = store.create_run(location, CONNECTION, REQUEST, PRESET, [ImageRef("a", location=location)])
        return store.image_data(run.id, "a", remote)

    def test_file(self, store, tmp_path):
        """A file is found by its URL, whatever it is called."""
        file = tmp_path / os.fsdecode(b"50%20 \xe9!#?.jpg")
        file.write_bytes(b"jpeg")
        assert self.read(store, file.as_uri()) == b"jpeg"

    def test_zip(self, store, tmp_path):
        """A member of a zip is read without unpacking the rest, and again after the zip was replaced."""
        archive = tmp_path / "a !.zip"
        for content in (b"one", b"two two"):
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
                out.writestr("sub/ü 1.jpg", content)
            location = "zip" + archive.as_uri().removeprefix("file") + "!/sub/%C3%BC%201.jpg"
            assert self.read(store, location) == content
            store.delete_run(store.run(location).id)

    def test_remote(self, store):
        """What is in S3 is read by what was given for that, and without that says so."""
        assert self.read(store, "s3://b/k", {"s3://b/k": b"jpeg"}.__getitem__) == b"jpeg"
        with pytest.raises(BadImage, match="s3://b/other is in S3, and there is no connection"):
            self.read(store, "s3://b/other")

    @pytest.mark.parametrize(
        "missing", ["file:///nowhere/a.jpg", "zip:///nowhere/a.zip!/a.jpg", "zip:///etc/passwd!/a"]
    )
    def test_gone(self, store, missing):
        """What is not where it was is an error that says where that was."""
        with pytest.raises(BadImage, match=r"nowhere|passwd"):
            self.read(store, missing)

    def test_gone_from_a_zip(self, store, tmp_path):
        """A member that a zip does not have, or that is damaged in it, is named."""
        archive = tmp_path / "a.zip"
        with zipfile.ZipFile(archive, "w") as out:
            out.writestr("a.jpg", b"jpeg" * 100)
        with pytest.raises(BadImage, match=r"no file named 'b\.jpg'"):
            self.read(store, f"zip://{archive}!/b.jpg")
        archive.write_bytes(archive.read_bytes().replace(b"jpegjpeg", b"pngxpngx"))
        with pytest.raises(BadImage, match=r"a\.jpg in .* cannot be unpacked"):
            self.read(store, f"zip://{archive}!/a.jpg")


VERSION_1 = """
CREATE TABLE run (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created TEXT NOT NULL,
    connection TEXT NOT NULL, request TEXT NOT NULL, preset TEXT NOT NULL,
    annotations BLOB);
CREATE TABLE image (
    run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
    path BLOB, data BLOB, PRIMARY KEY (run, name), CHECK ((path IS NULL) != (data IS NULL)));
CREATE TABLE outcome (
    run TEXT NOT NULL, image TEXT NOT NULL, sha256 TEXT NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, attempts INTEGER NOT NULL,
    failure_kind TEXT, failure_message TEXT, failure_advice TEXT,
    content_type TEXT, latency REAL, variant TEXT, body BLOB,
    PRIMARY KEY (run, image), FOREIGN KEY (run, image) REFERENCES image (run, name) ON DELETE CASCADE,
    CHECK ((failure_kind IS NULL) != (body IS NULL)));
CREATE TABLE preset (endpoint TEXT PRIMARY KEY, preset TEXT NOT NULL);
CREATE TABLE request (endpoint TEXT PRIMARY KEY, request TEXT NOT NULL);
PRAGMA user_version = 1;
"""


class TestOldFiles:
    @pytest.fixture
    def old(self, tmp_path):
        """A workspace as version 1 of the schema wrote it, with two runs."""
        db = sqlite3.connect(tmp_path / FILE_NAME)
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(VERSION_1)
        how = [json.dumps(asdict(part)) for part in (CONNECTION, REQUEST, PRESET)]
        truth = zlib.compress(b'{"images": []}')
        for run_id, name, annotations in (("aaaa", "first", truth), ("bbbb", "second", None)):
            db.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)",
                (run_id, name, f"2025-01-0{len(name) - 4}T00:00:00.000000+00:00", *how, annotations),
            )
            path = os.fsencode(tmp_path / os.fsdecode(b"caf\xe9 1.jpg"))
            images = (("z.jpg", None, b"same upload"), ("é.jpg", path, None), ("a.jpg", None, b""))
            for position, (image, place, data) in enumerate(images):
                db.execute("INSERT INTO image VALUES (?, ?, ?, ?, ?)", (run_id, position, image, place, data))
            body = zlib.compress(b"reply of " + name.encode(), 1)
            db.execute(
                "INSERT INTO outcome VALUES (?, 'a.jpg', 'cd', 640, 480, 2, NULL, NULL, NULL, 'text/csv', 0.5, 'A', ?)",
                (run_id, body),
            )
            db.execute(
                """INSERT INTO outcome VALUES
                    (?, 'z.jpg', 'ab', 0, 0, 6, 'Throttled', 'Too many.', 'Wait.', NULL, NULL, NULL, NULL)""",
                (run_id,),
            )
        db.execute("INSERT INTO preset VALUES ('eu/traffic', ?)", (how[2],))
        db.execute("INSERT INTO request VALUES ('eu/traffic', ?)", (how[1],))
        db.commit()
        db.close()
        (tmp_path / os.fsdecode(b"caf\xe9 1.jpg")).write_bytes(b"jpeg")
        return tmp_path

    def test_everything_is_there(self, old):
        """A file of version 1 opens with all its runs, images, outcomes, ground truth and settings."""
        with Store(old) as store:
            second, first = store.runs()
            assert (first.id, first.name, second.id, second.name) == ("aaaa", "first", "bbbb", "second")
            assert (first.connection, first.request, first.preset) == (CONNECTION, REQUEST, PRESET)
            assert (first.total, first.answered, first.failed, first.state) == (3, 1, 1, "unfinished")
            assert (first.note, first.endpoint_config, first.source, first.imported) == ("", "", "", "")
            assert (store.annotations("aaaa"), store.annotations("bbbb")) == (b'{"images": []}', None)
            assert store.preset("eu/traffic") == PRESET
            assert store.request("eu/traffic") == REQUEST
            for run in (first, second):
                assert store.image_names(run.id) == ("z.jpg", "é.jpg", "a.jpg")
                datas = [store.image_data(run.id, name) for name in store.image_names(run.id)]
                assert datas == [b"same upload", b"jpeg", b""]
                reply = Reply(b"reply of " + run.name.encode(), "text/csv", 0.5, "A")
                assert store.outcomes(run.id) == (
                    Outcome("z.jpg", "ab", 0, 0, 6, failure=Failure("Throttled", "Too many.", "Wait.")),
                    Outcome("a.jpg", "cd", 640, 480, 2, reply=reply),
                )

    def test_goes_on(self, old):
        """An old run can be resumed, and is still there after the file was opened twice."""
        with Store(old) as store:
            assert [image.name for image in store.pending("aaaa")] == ["z.jpg", "é.jpg"]
            store.append("aaaa", answered("z.jpg")).result()
        with Store(old) as store:
            assert store.run("first").answered == 2
            store.delete_run("bbbb")
            assert store.image_data("aaaa", "z.jpg") == b"same upload"

    def test_nothing_of_the_old_tables_is_left(self, old):
        """An old file and a new one have the same schema in the end."""
        Store(old).close()
        Store(old / "new").close()
        schemas = []
        for folder in (old, old / "new"):
            db = sqlite3.connect(folder / FILE_NAME)
            schemas.append(sorted(db.execute("SELECT type, name, sql FROM sqlite_schema").fetchall(), key=str))
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            db.close()
        assert schemas[0] == schemas[1]

    def test_version_2(self, tmp_path):
        """A file of version 2 opens with its outcomes; of its failures no log is known, and of new ones it is."""
        database = Database(tmp_path / FILE_NAME, MIGRATIONS[:2])
        how = [json.dumps(asdict(part)) for part in (CONNECTION, REQUEST, PRESET)]
        body = zlib.compress(b"reply", 1)

        def fill(db):
            db.execute(
                """INSERT INTO run VALUES (7, 'aaaa', 'first', '2025-01-01T00:00:00.000000+00:00', ?, ?, ?, 'config',
                    'a folder', '', 'a note', '{"car": "van"}', 3, NULL)""",
                how,
            )
            for number, name in enumerate(("a", "b", "c")):
                db.execute("INSERT INTO image VALUES (?, 7, ?, ?, 's3://bucket/x', NULL)", (number, number, name))
            db.execute("INSERT INTO reply VALUES (1, 'key', '2025', 'text/csv', 0.5, NULL, 'A', ?)", (body,))
            db.execute("INSERT INTO outcome VALUES (0, 7, 'ab', 640, 480, 1, 0, 0.5, NULL, NULL, NULL, 1)")
            db.execute("INSERT INTO outcome VALUES (1, 7, 'cd', 0, 0, 6, 0, 0.5, 'Throttled', 'Many.', 'Wait.', NULL)")

        database.write(fill)
        database.close()
        with Store(tmp_path) as store:
            run = store.run("first")
            assert (run.total, run.answered, run.failed, run.note) == (3, 1, 1, "a note")
            assert (run.class_map, run.endpoint_config) == ((("car", "van"),), "config")
            first = Outcome("a", "ab", 640, 480, 1, reply=Reply(b"reply", "text/csv", 0.5, "A"), client=0.5)
            second = Outcome("b", "cd", 0, 0, 6, failure=Failure("Throttled", "Many.", "Wait."), client=0.5)
            assert store.outcomes("aaaa") == (first, second)
            assert store.known_reply("key") == first.reply
            assert store.claims() == ()
            store.append("aaaa", failed("c")).result()
            assert store.outcomes("aaaa") == (first, second, failed("c"))
            store.claim("aaaa").release()

    def test_interrupted(self, old):
        """When the file cannot be brought up to date, it stays as it was."""
        before = (old / FILE_NAME).read_bytes()
        code = "import sys; from pathlib import Path; from smviz.store import Store; Store(Path(sys.argv[1]))"
        limit = len(before) // 2
        process = in_another_process(
            code, old, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        assert "StoreError" in process.communicate(timeout=60)[1]
        assert (old / FILE_NAME).read_bytes() == before
        with Store(old) as store:
            assert len(store.runs()) == 2


class TestImages:
    def test_uploads_come_back(self, store):
        """Images given as bytes are kept byte for byte, empty ones included."""
        files = {"b.png": b"\0\xff" * 1000, "a.png": b"", "ü 自.png": b"x"}
        refs = [ImageRef(name, data=data) for name, data in files.items()]
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, refs)
        assert {name: store.image_data(run.id, name) for name in files} == files

    def test_order(self, store):
        """Images keep the order they were given in, not the alphabet's."""
        refs = [ImageRef(name, data=b"") for name in ("10.png", "9.png", "b", "a")]
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, refs)
        assert store.image_names(run.id) == ("10.png", "9.png", "b", "a")

    def test_files_are_read_where_they_are(self, store, tmp_path, monkeypatch):
        """A file on the disk is found again from another working folder, for its path is kept whole."""
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a.jpg").write_bytes(b"jpeg")
        monkeypatch.chdir(tmp_path)
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, [ImageRef("a.jpg", path=Path("images/a.jpg"))])
        monkeypatch.chdir("/")
        assert store.image_data(run.id, "a.jpg") == b"jpeg"

    def test_file_is_gone(self, store, tmp_path):
        """A file that was moved away is an error that names it."""
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, [ImageRef("a.jpg", path=tmp_path / "a.jpg")])
        with pytest.raises(BadImage, match=re.escape(str(tmp_path / "a.jpg"))):
            store.image_data(run.id, "a.jpg")

    def test_path_that_is_no_text(self, store, tmp_path):
        """A path need not be valid text for its file to be found."""
        file = tmp_path / os.fsdecode(b"caf\xe9.jpg")
        file.write_bytes(b"jpeg")
        run = store.create_run("r", CONNECTION, REQUEST, PRESET, [ImageRef("cafe.jpg", path=file)])
        assert store.image_data(run.id, "cafe.jpg") == b"jpeg"

    def test_unknown_image(self, store):
        """An image that the run does not have is an error."""
        run = begin(store)
        with pytest.raises(UnknownRun, match=r"nothing\.png"):
            store.image_data(run.id, "nothing.png")


class TestOutcomes:
    def test_come_back_as_they_were(self, store):
        """Replies and failures come back exactly, the reply's bytes included."""
        run = begin(store, images=4)
        outcomes = (
            answered("0000.png", bytes(range(256)) * 200),
            failed("0001.png", "Über 60 s"),
            answered("0002.png", b""),
            Outcome("0003.png", "", 0, 0, 0, failure=Failure("BadImage", "Broken.", "Copy it again.")),
        )
        for outcome in outcomes:
            store.append(run.id, outcome)
        store.flush()
        assert store.outcomes(run.id) == outcomes
        assert store.answered(run.id) == {"0000.png", "0002.png"}

    def test_reply_without_variant(self, store):
        """A reply that names no variant keeps None."""
        run = begin(store)
        outcome = Outcome("0000.png", "", 1, 1, 1, reply=Reply(b"x", "", 0.1, None))
        store.append(run.id, outcome).result()
        assert store.outcomes(run.id) == (outcome,)

    def test_in_the_order_of_the_images(self, store):
        """Outcomes are listed as the images are, whatever order they came in."""
        run = begin(store, images=50)
        names = store.image_names(run.id)
        for name in sorted(names, key=lambda n: n[::-1]):
            store.append(run.id, answered(name))
        store.flush()
        assert tuple(outcome.image for outcome in store.outcomes(run.id)) == names

    def test_failure_gives_way(self, store):
        """A later outcome replaces a failure: by another failure, and by a reply."""
        run = begin(store)
        for outcome in (failed("0000.png"), failed("0000.png", "Again."), answered("0000.png")):
            store.append(run.id, outcome).result()
            assert store.outcomes(run.id) == (outcome,)

    def test_reply_stays(self, store):
        """A reply is never replaced, neither by a failure nor by another reply."""
        run = begin(store)
        first = answered("0000.png", b"first")
        for outcome in (first, failed("0000.png"), answered("0000.png", b"second")):
            store.append(run.id, outcome).result()
        assert store.outcomes(run.id) == (first,)

    def test_server_text_that_is_no_text(self, store):
        """A container's message with half a character in it can be stored."""
        run = begin(store)
        store.append(run.id, failed("0000.png", "bad \ud800 text")).result()
        assert store.outcomes(run.id)[0].failure.message == "bad ? text"

    def test_deleted_run(self, store):
        """An outcome of a run that was deleted meanwhile is an error, and takes no other outcome with it."""
        kept, gone = begin(store, "kept"), begin(store, "gone")
        store.delete_run(gone.id)
        futures = [
            store.append(kept.id, answered("0000.png")),
            store.append(gone.id, answered("0000.png")),
            store.append(kept.id, answered("no such image")),
            store.append(kept.id, answered("0001.png")),
        ]
        store.flush()
        assert [isinstance(f.exception(), StoreError) for f in futures] == [False, True, True, False]
        assert store.answered(kept.id) == {"0000.png", "0001.png"}

    def test_future_is_done_when_others_can_read(self, store, tmp_path):
        """When the future is done, another connection sees the outcome."""
        run = begin(store)
        store.append(run.id, answered("0000.png")).result()
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            assert other.execute("SELECT name FROM outcome JOIN image ON id = image").fetchall() == [("0000.png",)]

    def test_cannot_be_cancelled(self, store):
        """What was appended is stored, even when the caller tries to take it back."""
        run = begin(store)
        future = store.append(run.id, answered("0000.png"))
        assert not future.cancel()
        store.flush()
        assert store.answered(run.id) == {"0000.png"}

    def test_many_threads(self, store):
        """Threads that append and read at once disturb nobody."""
        run = begin(store, images=400)
        names = store.image_names(run.id)

        def work(share):
            for name in share:
                store.append(run.id, answered(name))
                store.answered(run.id)

        threads = [threading.Thread(target=work, args=(names[i::8],)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.flush()
        assert len(store.outcomes(run.id)) == 400

    def test_fast(self, store):
        """2,000 replies of 19 kB are on the disk within seconds, because many share one commit."""
        run = begin(store, images=2000)
        body = b'{"prediction": [' + b"[0.0, 0.9, 0.1, 0.2, 0.3, 0.4], " * 600 + b"]}"
        start = time.monotonic()
        for name in store.image_names(run.id):
            store.append(run.id, answered(name, body))
        store.flush()
        assert time.monotonic() - start < 8
        assert store.run(run.id).answered == 2000

    def test_damaged_reply(self, store, tmp_path):
        """A reply that was damaged on the disk is a StoreError."""
        run = begin(store)
        store.append(run.id, answered("0000.png")).result()
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            other.execute("UPDATE reply SET body = x'00112233'")
        with pytest.raises(StoreError, match="damaged"):
            store.outcomes(run.id)


class TestPresets:
    def test_kept(self, store):
        """A preset comes back for its endpoint, the last one saved counts, and others have none."""
        store.save_preset("eu/traffic", Preset("old"))
        store.save_preset("eu/traffic", PRESET)
        assert store.preset("eu/traffic") == PRESET
        assert store.preset("us/traffic") is None

    def test_odd_class_names(self, store):
        """Class names may be any text."""
        preset = Preset("x", ("", "自転車", "a'b\"c", "\ud800"))
        store.save_preset("e", preset)
        assert store.preset("e") == preset


class TestSavedThresholds:
    CHOSEN = Thresholds(Threshold(0.4, 0.3, 0.5), {"car": Threshold(0.6)}, objective="recall>=0.8", run_name="nightly")

    def test_kept(self, store):
        """They come back for their endpoint with the time, the last ones saved count, and others have none."""
        store.save_thresholds("eu/traffic", Thresholds(Threshold(0.1)))
        store.save_thresholds("eu/traffic", self.CHOSEN, "thresholds.json")
        kept = store.thresholds("eu/traffic")
        assert (kept.thresholds, kept.file) == (self.CHOSEN, "thresholds.json")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", kept.saved)
        assert store.thresholds("us/traffic") is None

    def test_stand_beside_the_preset(self, store):
        """Neither takes the other's place, and forgetting one leaves the other."""
        store.save_preset("eu/traffic", PRESET)
        store.save_thresholds("eu/traffic", self.CHOSEN)
        assert store.preset("eu/traffic") == PRESET
        store.forget_thresholds("eu/traffic")
        store.forget_thresholds("eu/traffic")
        assert (store.thresholds("eu/traffic"), store.preset("eu/traffic")) == (None, PRESET)

    def test_odd_class_names(self, store):
        """Class names and file names may be any text."""
        odd = Thresholds(Threshold(0.4), {name: Threshold(0.6) for name in ("", "自転車", "a'b\"c", "\ud800")})
        store.save_thresholds("e", odd, "\udcff.json")
        assert (store.thresholds("e").thresholds, store.thresholds("e").file) == (odd, "\udcff.json")

    def test_no_number(self, store):
        """A threshold that cannot be applied is not kept."""
        with pytest.raises(BadSetting, match="not a number"):
            store.save_thresholds("e", Thresholds(Threshold(math.nan)))
        assert store.thresholds("e") is None

    def test_of_a_newer_smviz(self, store, tmp_path):
        """They are not read wrong, but told."""
        store.save_thresholds("e", self.CHOSEN)
        with sqlite3.connect(tmp_path / FILE_NAME) as other:
            other.execute(
                """UPDATE preset SET preset = replace(preset, 'smviz_thresholds\\": 1', 'smviz_thresholds\\": 9')"""
            )
        with pytest.raises(BadSetting, match="version 9"):
            store.thresholds("e")


WRITER = """
import sys
from pathlib import Path
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

store = Store(Path(sys.argv[1]))
names = [f"{i:06d}" for i in range(int(sys.argv[3]))]
refs = [ImageRef(name, data=b"") for name in names]
run = store.create_run(sys.argv[2], Connection("x"), Request("e"), Preset("p"), refs)
print("run", flush=True)
for name in names:
    outcome = Outcome(name, "", 1, 1, 1, reply=Reply(name.encode() * 500, "", 0.1, None))
    store.append(run.id, outcome).add_done_callback(lambda _, name=name: print(name + "\\n", end="", flush=True))
store.close()
"""


class TestProcesses:
    @pytest.mark.parametrize("reports", [1, 300, 1500])
    def test_kill(self, tmp_path, reports):
        """After a kill -9 in mid-writing every outcome that was reported durable is there, whole, and work goes on."""
        process = in_another_process(WRITER, tmp_path, "killed", 20_000)
        reported = [process.stdout.readline().strip() for _ in range(1 + reports)][1:]
        process.kill()
        reported += [line for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
        with Store(tmp_path) as store:
            run = store.run("killed")
            outcomes = store.outcomes(run.id)
            assert {name.strip() for name in reported} <= {outcome.image for outcome in outcomes}
            assert all(outcome.reply.body == outcome.image.encode() * 500 for outcome in outcomes)
            assert reports <= len(outcomes) < 20_000
            store.append(run.id, answered("019999")).result()
            assert store.run(run.id).answered == len(outcomes) + 1

    def test_two_writers(self, tmp_path):
        """Processes that make and fill the same new workspace at once lose nothing."""
        processes = [in_another_process(WRITER, tmp_path, f"run {i}", 500) for i in range(3)]
        for process in processes:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        with Store(tmp_path) as store:
            assert sorted((run.name, run.answered) for run in store.runs()) == [(f"run {i}", 500) for i in range(3)]

    def test_sees_what_others_write(self, tmp_path):
        """Two open stores of one folder see each other's work at once."""
        with Store(tmp_path) as app, Store(tmp_path) as cli:
            run = begin(app)
            cli.append(run.id, answered("0000.png")).result()
            assert app.run(run.id).answered == 1

    def test_many_open_a_new_workspace(self, tmp_path):
        """Threads that open the same new workspace at once all get it."""
        problems = []

        def work():
            try:
                Store(tmp_path / "new").close()
            except StoreError as error:
                problems.append(error)

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []


class TestOpening:
    def test_makes_the_folder(self, tmp_path):
        """A workspace folder that does not exist is made, with those above it."""
        with Store(tmp_path / "a" / "b") as store:
            begin(store)
        assert (tmp_path / "a" / "b" / FILE_NAME).exists()

    def test_reopens(self, tmp_path):
        """What was stored is there when the workspace is opened again."""
        with Store(tmp_path) as store:
            run = begin(store)
            store.append(run.id, answered("0000.png"))
        with Store(tmp_path) as store:
            assert store.outcomes(run.id) == (answered("0000.png"),)

    def test_durable_settings(self, store):
        """The file is in write-ahead mode, every commit is synced, and a schema version is set."""
        read = store._database.read
        assert [read(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "user_version")] == [
            "wal",
            2,
            6,
        ]

    @pytest.mark.parametrize("content", [b"This is a text file, not a database.\n" * 50, b"\0" * 4096])
    def test_not_a_database(self, tmp_path, content):
        """A file that is something else is named, and left as it is."""
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(StoreError, match=re.escape(str(tmp_path / FILE_NAME))) as caught:
            Store(tmp_path)
        assert "Move that file away" in caught.value.advice
        assert (tmp_path / FILE_NAME).read_bytes() == content

    def test_damaged_database(self, tmp_path):
        """A workspace whose pages were overwritten is a StoreError, at the latest when it is read."""
        with Store(tmp_path) as store:
            begin(store, images=3000)
        file = tmp_path / FILE_NAME
        data = bytearray(file.read_bytes())
        data[4096 : len(data) - 4096] = b"\xa5" * (len(data) - 8192)
        file.write_bytes(data)
        with pytest.raises(StoreError), Store(tmp_path) as store:
            store.runs()

    def test_newer_schema(self, tmp_path):
        """A file of a newer smviz is not touched; the advice is to update."""
        Store(tmp_path).close()
        with sqlite3.connect(tmp_path / FILE_NAME) as db:
            db.execute("PRAGMA user_version = 99")
        with pytest.raises(StoreError, match=r"newer smviz.*99") as caught:
            Store(tmp_path)
        assert "Update" in caught.value.advice

    def test_folder_is_a_file(self, tmp_path):
        """A workspace folder that is a file, or below one, cannot be used."""
        (tmp_path / "file").write_text("x")
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(StoreError, match="cannot be made") as caught:
                Store(folder)
            assert "SMVIZ_WORKSPACE" in caught.value.advice

    def test_folder_that_takes_no_files(self):
        """A folder that exists but takes no files cannot be used."""
        with pytest.raises(StoreError) as caught:
            Store(Path("/proc/self"))
        assert "SMVIZ_WORKSPACE" in caught.value.advice

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_read_only_folder(self, tmp_path):
        """A folder without write permission cannot be used."""
        tmp_path.chmod(0o500)
        with pytest.raises(StoreError, match="opened"):
            Store(tmp_path)

    def test_locked(self, tmp_path, monkeypatch):
        """A file that another program keeps locked is an error after a while, not a hang."""
        monkeypatch.setattr("smviz.database.writing.BUSY_SECONDS", 0.2)
        Store(tmp_path).close()
        with sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="in use by another program"):
                Store(tmp_path)
            other.execute("ROLLBACK")
        Store(tmp_path).close()

    def test_disk_full(self, tmp_path):
        """When the file cannot grow, the write fails with advice, and what was stored before is safe."""
        with Store(tmp_path) as store:
            run = begin(store)
            store.append(run.id, answered("0000.png")).result()
        code = """
import os
import sys
from pathlib import Path
from smviz.records import Outcome, Reply
from smviz.store import Store

store = Store(Path(sys.argv[1]))
big = Outcome("0001.png", "", 1, 1, 1, reply=Reply(os.urandom(3_000_000), "", 0.1, None))
error = store.append(sys.argv[2], big).exception()
print(type(error).__name__, error.advice)
print(len(store.outcomes(sys.argv[2])))
"""
        limit = 1_000_000
        process = in_another_process(
            code, tmp_path, run.id, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        )
        out, errors = process.communicate(timeout=60)
        assert out.startswith(("StoreError Check the disk", "StoreError Free some space")), errors
        assert out.splitlines()[1] == "1"
        with Store(tmp_path) as store:
            assert store.outcomes(run.id) == (answered("0000.png"),)

    def test_closed(self, tmp_path):
        """A closed store says so instead of hanging; closing twice is harmless."""
        store = Store(tmp_path)
        run = begin(store)
        store.close()
        store.close()
        for call in (store.runs, store.flush, lambda: store.append(run.id, answered("0000.png"))):
            with pytest.raises(StoreError, match="closed"):
                call()
