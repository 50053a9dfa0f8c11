"""Runs that are shared: the same numbers for whoever gets them, read-only, and nothing that is nobody's business."""

import contextlib
import io
import json
import shutil
import sqlite3
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from smviz.annotations import parse_ground_truth
from smviz.errors import BadImage, BadSetting, UnknownRun
from smviz.evaluation import judge, read_by
from smviz.images import prepare, size_of
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.sharing import IMAGES, LONGEST, bare, share_run, shown_image, take_back, zip_shared
from smviz.store import FILE_NAME, Store
from smviz.store.packing import unpacked

ROOT = Path(__file__).parents[1]
ROLE = "arn:aws:iam::123456789012:role/annotators"
SECRETS = {
    "a profile": "prod-admin",
    "a role": "annotators",
    "an account": "123456789012",
    "a private address": "vpce-0a1b2c",
    "custom attributes": "api-token-of-the-container",
    "a place for uploads": "scratch-bucket",
    "a log stream": "AllTraffic/i-0abc",
    "an access key": "AKIAIOSFODNN7EXAMPLE",
    "a home folder": "/home/ann",
    "a folder of the data": "secret-project",
    "a further field of the labels": "annotator-initials",
    "where it was taken": "51.5007N",
}


def photo(width=2000, height=1500, box=(300, 200, 700, 600), place=SECRETS["where it was taken"]):
    """A grey JPEG with one white box, and where it was taken beside the pixels."""
    image = Image.new("RGB", (width, height), (90, 90, 90))
    ImageDraw.Draw(image).rectangle(box, fill="white")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, comment=place.encode())
    return buffer.getvalue()


def labels(folder):
    """COCO ground truth that names its images by where they are, and says more than boxes."""
    names = ("a.jpg", "b.jpg", "c.jpg")
    return json.dumps(
        {
            "info": {"description": f"exported from {folder}"},
            "images": [
                {"id": i, "file_name": f"{folder}/{name}", "width": 2000, "height": 1500}
                for i, name in enumerate(names, 1)
            ],
            "annotations": [
                {
                    "id": i,
                    "image_id": i,
                    "category_id": 1,
                    "bbox": [300, 200, 400, 400],
                    "area": 100_000.0 + i,
                    "iscrowd": 0,
                    "by": SECRETS["a further field of the labels"],
                }
                for i in (1, 2, 3)
            ],
            "categories": [{"id": 1, "name": "car"}],
        }
    ).encode()


def reply(box=(0.15, 0.1333, 0.35, 0.4)):
    return Reply(json.dumps({"prediction": [[0, 0.9, *box]]}).encode(), "application/json", 0.125, "blue")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "workspace") as store:
        yield store


@pytest.fixture
def run(store, tmp_path):
    """A run of four images, one of which failed and one was never called for, that knows all the secrets."""
    folder = tmp_path / "home" / "ann" / "secret-project"
    folder.mkdir(parents=True)
    data = photo()
    refs = []
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        (folder / name).write_bytes(data)
        refs.append(ImageRef(name, path=folder / name))
    connection = Connection("eu-west-1", "https://vpce-0a1b2c.runtime.sagemaker", "prod-admin", ROLE)
    request = Request(
        "detector",
        "blue",
        custom_attributes=SECRETS["custom attributes"],
        s3_input="s3://scratch-bucket/in",
    )
    made = store.create_run(
        f"nightly of {folder}",
        connection,
        request,
        Preset("builtin-ssd", ("car",)),
        refs,
        labels("/home/ann/secret-project"),
        "detector-v3",
        str(folder),
    )
    sha = prepare(data).sha256
    for name in ("a.jpg", "b.jpg"):
        store.append(made.id, Outcome(name, sha, 2000, 1500, 2, reply(), client=0.5))
    failure = Failure(
        "AccessDenied",
        f"User: {ROLE.replace('iam', 'sts')}/ann with {SECRETS['an access key']} may not read "
        "/home/ann/secret-project/c.jpg.",
        f"Allow it in {ROLE}.",
        "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/sagemaker/Endpoints/detector:log-stream:AllTraffic/i-0abc",
    )
    store.append(made.id, Outcome("c.jpg", sha, 2000, 1500, 3, failure=failure)).result()
    store.set_note(made.id, "Looked at with `/home/ann/secret-project/notes.txt` in hand.")
    store.set_class_map(made.id, {"car": "car", "cart": None})
    store.decide(made.id, {"doubt 2": "reject", "doubt 1": "keep"})
    return store.run(made.id)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "shared"


def shared(store, run, folder, images="small"):
    """What `share_run` tells, once the folder is closed."""
    with Store(folder, alone=True) as target:
        return share_run(store, run.id, target, images)


def evaluation(store, run):
    return judge(
        parse_ground_truth(store.annotations(run.id), "labels"),
        store.iter_outcomes(run.id),
        read_by(run.preset),
        class_map=dict(run.class_map),
    )


class TestShareRun:
    @pytest.mark.parametrize("images", IMAGES)
    def test_has_all_that_is_looked_at(self, store, run, folder, images):
        """The copy has the run's id, time, words, settings, outcomes with raw replies, class map and decisions."""
        shared(store, run, folder, images)
        with Store(folder, read_only=True) as there:
            (copy,) = there.runs()
            assert (copy.id, copy.created, copy.preset) == (run.id, run.created, run.preset)
            assert (copy.total, copy.answered, copy.failed) == (4, 2, 1)
            assert (copy.request.endpoint, copy.request.variant) == ("detector", "blue")
            assert (copy.endpoint_config, copy.class_map, copy.shared) == ("detector-v3", run.class_map, images)
            assert copy.source == "…/secret-project"
            answered = [one for one in store.outcomes(run.id) if one.reply]
            assert [one for one in there.outcomes(run.id) if one.reply] == answered
            assert there.image_names(run.id) == ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
            assert list(there.decisions(run.id).items()) == [("doubt 2", "reject"), ("doubt 1", "keep")]

    def test_judges_alike(self, store, run, folder):
        """Every number of the copy is that of the run, to the last bit, though its labels are named otherwise."""
        shared(store, run, folder)
        with Store(folder, read_only=True) as there:
            ours, theirs = evaluation(store, run), evaluation(there, there.run(run.id))
        assert theirs.matches.ground_truth.image_names == ("a.jpg", "b.jpg")
        np.testing.assert_equal(theirs.numbers, ours.numbers)
        for column in ("area", "ltwh", "class_id"):
            np.testing.assert_array_equal(
                getattr(ours.matches.ground_truth, column), getattr(theirs.matches.ground_truth, column)
            )

    @pytest.mark.parametrize("images", IMAGES)
    @pytest.mark.parametrize("secret", sorted(set(SECRETS) - {"where it was taken", "a folder of the data"}))
    def test_tells_no_secret(self, store, run, folder, images, secret):
        """Nothing of whose credentials called, or of the machine, is anywhere in what is given away."""
        shared(store, run, folder, images)
        assert SECRETS[secret] not in everything(folder)

    def test_every_secret_was_there(self, store, run):
        """The test above looks for what the run itself does know."""
        known = everything(store.folder)
        assert [secret for secret, text in SECRETS.items() if text not in known] == ["where it was taken"]

    @pytest.mark.parametrize("images", ["small", "none"])
    def test_tells_not_where_a_picture_was_taken(self, store, run, folder, images):
        """A small picture has nothing of what the camera wrote; the files as they are have it."""
        shared(store, run, folder, images)
        assert SECRETS["where it was taken"].encode() not in (folder / FILE_NAME).read_bytes()

    def test_names_only_the_last_folder(self, store, run, folder):
        """Of the folders of a machine, the data set's own name is told where it says what was looked at."""
        shared(store, run, folder)
        with Store(folder, read_only=True) as there:
            copy = there.run(run.id)
            failed = there.outcome(run.id, "c.jpg")
        assert copy.name == "nightly of …/secret-project"
        assert copy.note == "Looked at with `…/notes.txt` in hand."
        assert failed.failure.message == "User: (an ARN) with (a key) may not read …/c.jpg."
        assert failed.failure.log is None

    def test_nobody_works_on_it(self, store, run, folder):
        """A run that is at work is shared as it stands, and nobody is told to work on the copy."""
        lease = store.claim(run.id)
        shared(store, run, folder)
        lease.release()
        with Store(folder, read_only=True) as there:
            assert there.claims() == ()

    def test_takes_no_reply_for_known(self, store, run, folder):
        """No later call is spared by a copied reply: its key would tell whose call it was."""
        shared(store, run, folder)
        with sqlite3.connect(folder / FILE_NAME) as db:
            assert db.execute("SELECT count(*), count(key) FROM reply").fetchone() == (2, 0)
        db.close()

    def test_again_takes_the_place_of_the_copy(self, store, run, folder):
        """A run that is shared again has one copy, with what is new; others in the folder stay."""
        other = store.keep_run("other", run.preset, [(ImageRef("x"), Outcome("x", "", 9, 9, 1, reply()))], "saved")
        shared(store, run, folder)
        shared(store, other, folder, "none")
        store.append(run.id, Outcome("d.jpg", "", 2000, 1500, 1, reply())).result()
        store.decide(run.id, {"doubt 1": None})
        shared(store, run, folder, "none")
        with Store(folder, read_only=True) as there:
            assert {one.name: one.answered for one in there.runs()} == {"other": 1, "nightly of …/secret-project": 3}
            assert there.decisions(run.id) == {"doubt 2": "reject"}
        with sqlite3.connect(folder / FILE_NAME) as db:
            assert db.execute("SELECT count(*) FROM image").fetchone() == (5,)
            assert db.execute("SELECT count(*) FROM file").fetchone() == (0,)
        db.close()

    def test_broken_off_leaves_the_copy_before(self, store, run, folder):
        """A copy that cannot be finished leaves the earlier one as it was."""
        shared(store, run, folder)

        def tired(share):
            raise KeyboardInterrupt

        with Store(folder, alone=True) as target, pytest.raises(KeyboardInterrupt):
            share_run(store, run.id, target, "none", progress=tired)
        with Store(folder, read_only=True) as there:
            assert [one.shared for one in there.runs()] == ["small"]

    def test_of_two_runs_of_one_name(self, store, run, folder, tmp_path):
        """A run of another workspace may have the same name: its id is added."""
        shared(store, run, folder)
        with Store(tmp_path / "second") as second:
            other = second.keep_run(
                "nightly of …/secret-project",
                run.preset,
                [(ImageRef("x"), Outcome("x", "", 9, 9, 1, reply()))],
                "saved",
            )
            copy = shared(second, other, folder)
        assert copy.run.name == f"nightly of …/secret-project ({other.id})"

    def test_into_its_own_workspace(self, store, run):
        """A run is never overwritten by a copy of itself."""
        with pytest.raises(BadSetting, match="not as a copy") as caught:
            share_run(store, run.id, store)
        assert "another folder" in caught.value.advice
        assert store.run(run.id) == run

    def test_without_such_a_run(self, store, run, folder):
        """A run that is not there is told as everywhere."""
        with Store(folder, alone=True) as target, pytest.raises(UnknownRun):
            share_run(store, "nobody", target)

    def test_copy_of_a_copy(self, store, run, folder, tmp_path):
        """A copy can be shared on, with no more than it has of the images."""
        shared(store, run, folder, "small")
        with Store(folder, read_only=True) as there:
            copy = shared(there, run, tmp_path / "on", "full")
        assert (copy.run.shared, copy.images, copy.missing) == ("small", 4, ())


class TestImages:
    def test_small(self, store, run, folder):
        """Small pictures have a longest side of LONGEST, and none is stored twice."""
        copy = shared(store, run, folder)
        assert (copy.images, copy.missing) == (4, ())
        with Store(folder, read_only=True) as there:
            assert size_of(there.image_data(run.id, "a.jpg")) == (LONGEST, LONGEST * 3 // 4)
            assert there.size() < 200_000

    def test_small_lie_right_under_boxes(self, store, run, folder):
        """A small picture is shown in the frame that was sent: what is within a box there is within it here."""
        shared(store, run, folder)
        with Store(folder, read_only=True) as there:
            image = Image.open(io.BytesIO(shown_image(there, run.id, "a.jpg"))).convert("L")
        assert image.size == (2000, 1500)
        assert image.crop((310, 210, 690, 590)).getextrema()[0] > 230
        assert image.crop((0, 0, 290, 1500)).getextrema()[1] < 120
        assert image.crop((710, 0, 2000, 1500)).getextrema()[1] < 120

    def test_full(self, store, run, folder):
        """The files as they are, byte for byte."""
        shared(store, run, folder, "full")
        with Store(folder, read_only=True) as there:
            assert shown_image(there, run.id, "b.jpg") == photo()

    def test_none(self, store, run, folder):
        """Without images, each says that it was not shared."""
        copy = shared(store, run, folder, "none")
        assert (copy.images, copy.missing) == (0, ())
        with Store(folder, read_only=True) as there, pytest.raises(BadImage, match="shared without it"):
            shown_image(there, run.id, "a.jpg")

    @pytest.mark.parametrize(
        "other", [b"no image", photo(1000, 750), photo(box=(0, 0, 50, 50))], ids=["none", "smaller", "another"]
    )
    def test_small_only_of_what_was_sent(self, store, run, folder, tmp_path, other):
        """A picture of another image than the one that was sent would be a lie under its boxes: it is left out."""
        (tmp_path / "home" / "ann" / "secret-project" / "b.jpg").write_bytes(other)
        copy = shared(store, run, folder)
        assert (copy.images, copy.missing) == (3, ("b.jpg",))

    def test_file_that_is_gone(self, store, run, folder, tmp_path):
        """A run whose image files are gone is shared without these, which are named."""
        shutil.rmtree(tmp_path / "home")
        copy = shared(store, run, folder, "full")
        assert (copy.images, copy.missing) == (0, ("a.jpg", "b.jpg", "c.jpg", "d.jpg"))

    def test_afar(self, store, folder):
        """Images in S3 are read by whoever shares, so that whoever looks need not."""
        made = store.create_run(
            "s3", Connection("x"), Request("e"), Preset("p"), [ImageRef("a", location="s3://bucket/a.jpg")]
        )
        with Store(folder, alone=True) as target:
            copy = share_run(store, made.id, target, remote={"s3://bucket/a.jpg": photo()}.__getitem__)
        assert (copy.images, copy.missing) == (1, ())


class TestTakeBack:
    def test_is_gone_from_the_file(self, store, run, folder):
        """What is taken back is no longer there, not in the file's free pages either."""
        shared(store, run, folder, "full")
        with Store(folder, alone=True) as target:
            take_back(target, run.id)
            assert target.runs() == ()
        left = (folder / FILE_NAME).read_bytes()
        assert SECRETS["where it was taken"].encode() not in left
        assert b"detector" not in left

    def test_only_copies(self, store, run):
        """A run that is no copy is not deleted by it."""
        with pytest.raises(BadSetting, match="not as a copy"):
            take_back(store, run.id)
        assert store.run(run.id) == run

    def test_what_is_not_there(self, folder):
        """A run that was never shared cannot be taken back."""
        with Store(folder, alone=True) as target, pytest.raises(UnknownRun):
            take_back(target, "nobody")


def everything(folder):
    """All text in a workspace: of each column, unpacked where it is packed."""
    with sqlite3.connect(folder / FILE_NAME) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        values = [value for table in tables for row in db.execute(f"SELECT * FROM {table}") for value in row]
    db.close()
    texts = []
    for value in values:
        if isinstance(value, bytes):
            with contextlib.suppress(ValueError):
                value = unpacked(value, 1 << 30)
            texts.append(value.decode("utf-8", "replace"))
        else:
            texts.append(str(value))
    return "\n".join(texts)


class TestZip:
    def test_is_looked_at_when_unpacked(self, store, run, folder, tmp_path):
        """A zip holds a folder with the runs, and a word on what to do with it."""
        shared(store, run, folder)
        with (tmp_path / "shared.zip").open("wb") as file:
            zip_shared(folder, file)
        with zipfile.ZipFile(tmp_path / "shared.zip") as archive:
            assert archive.namelist() == [f"smviz-shared/{FILE_NAME}", "smviz-shared/README.txt"]
            assert b"make run REPLAY=" in archive.read("smviz-shared/README.txt")
            archive.extractall(tmp_path / "unpacked")
        with Store(tmp_path / "unpacked" / "smviz-shared", read_only=True) as there:
            assert [one.id for one in there.runs()] == [run.id]


class TestBare:
    @pytest.mark.parametrize(
        ("text", "left"),
        [
            ("cannot read /home/ann/set/a.jpg", "cannot read …/a.jpg"),
            ("cannot read “C:\\Users\\ann\\a.jpg”", "cannot read “…/a.jpg”"),
            ("cannot read \\\\server\\share\\a.jpg", "cannot read …/a.jpg"),
            ("cannot read file:///home/ann/a.jpg", "cannot read …/a.jpg"),
            ("cannot read ~/set/a.jpg", "cannot read …/a.jpg"),
            (f"may not assume {ROLE}.", "may not assume (an ARN)"),
            (
                "pulls 123456789012.dkr.ecr.eu-west-1.amazonaws.com/image:1",
                "pulls ….dkr.ecr.eu-west-1.amazonaws.com/image:1",
            ),
            (
                "s3://bucket/prefix/a.jpg and https://example.com/a/b",
                "s3://bucket/prefix/a.jpg and https://example.com/a/b",
            ),
            (
                "images/000000397133.jpg, 3/4 of train/val, and/or 1/2",
                "images/000000397133.jpg, 3/4 of train/val, and/or 1/2",
            ),
            ("", ""),
        ],
    )
    def test_keeps_names_and_no_places(self, text, left):
        """Folders, ARNs and keys go; names of files, addresses in S3 and fractions stay."""
        assert bare(text) == left

    def test_is_quick_whatever_the_text(self):
        """A text that is made to be slow is none."""
        start = time.monotonic()
        for text in ("/" * 50_000, "/a" * 50_000, "arn:aws:" * 20_000, "1" * 100_000, "\\\\" * 50_000, "~/" * 50_000):
            bare(text)
        assert time.monotonic() - start < 5
