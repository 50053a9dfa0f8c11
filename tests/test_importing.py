"""Runs made from what others made: as good as those made here, and they say where they are from."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from coco_sets import random_set
from PIL import Image

from smviz.annotations import parse_ground_truth, parse_results
from smviz.errors import BadAnnotations, BadSetting, BadSource
from smviz.evaluation import evaluate, judge, read_by
from smviz.importing import import_run
from smviz.records import ImageRef
from smviz.settings import Preset
from smviz.sources import from_bytes, open_source
from smviz.store import Store

CAR = b'[{"class_name": "car", "bbox": [1, 2, 30, 40], "score": 0.9}]'
VAN = b'[{"class_name": "van", "bbox": [5, 6, 70, 80], "score": 0.8}]'
XYXY = Preset("mmdetection")


@pytest.fixture
def store(tmp_path):
    """An open, empty workspace."""
    with Store(tmp_path / "workspace") as opened:
        yield opened


def jpeg(width=64, height=48, orientation=1):
    """A JPEG file of that size."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def write(folder, files):
    """A folder with those files, by their paths in it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def pictures(folder, *names):
    """Images on the disk, by their paths below the folder."""
    write(folder, dict.fromkeys(names, jpeg()))
    return [ImageRef(name, path=folder / name) for name in names]


def truth(*names, size=(64, 48)):
    """The bytes of COCO ground truth that lists those images, two classes and no object."""
    images = [{"id": i, "file_name": name, "width": size[0], "height": size[1]} for i, name in enumerate(names)]
    categories = [{"id": 3, "name": "car"}, {"id": 9, "name": "van"}]
    return json.dumps({"images": images, "annotations": [], "categories": categories}).encode()


def replies(store, run):
    """The body of each reply by image; None where there is none."""
    return {outcome.image: outcome.reply.body if outcome.reply else None for outcome in store.iter_outcomes(run.id)}


def failures(store, run):
    """The kind of each failure by image."""
    return {outcome.image: outcome.failure.kind for outcome in store.iter_outcomes(run.id) if outcome.failure}


class TestCocoResults:
    def test_judged_as_the_file_itself(self, store):
        """A run made from COCO results has the twelve numbers that the file has."""
        labels, results = (json.dumps(part).encode() for part in random_set(8))
        run = import_run(store, from_bytes([("results.json", results)]), "coco-results", "theirs", (), labels)
        reread = parse_ground_truth(labels)
        expected = evaluate(reread, parse_results(results, reread)).numbers
        numbers = judge(parse_ground_truth(store.annotations(run.id)), store.iter_outcomes(run.id), read_by(run.preset))
        assert numbers.numbers == pytest.approx(expected, abs=1e-9, nan_ok=True)
        assert np.isfinite(expected["AP"])

    def test_says_so(self, store):
        """The run says from what it was made; nothing was called, nobody knows how long it took."""
        results = b'[{"image_id": 0, "category_id": 3, "bbox": [1, 2, 30, 40], "score": 0.9}]'
        source = from_bytes([("results.json", results)])
        run = import_run(store, source, "coco-results", "theirs", (), truth("a.jpg", "b.jpg"))
        assert (run.name, run.imported, run.state) == ("theirs", "COCO results results.json", "finished")
        (a, b) = store.outcomes(run.id)
        assert (a.attempts, a.width, a.height, math.isnan(a.reply.latency)) == (0, 64, 48, True)
        assert json.loads(a.reply.body) == [{"class_name": "car", "bbox": [1, 2, 30, 40], "score": 0.9}]
        assert len(read_by(run.preset)(b)) == 0

    def test_boxes_are_in_the_frame_of_the_ground_truth(self, store, tmp_path):
        """The size is the ground truth's, for results are in its frame, though the image on the disk is smaller."""
        source = from_bytes([("r.json", b"[]")])
        labels = truth("a.jpg", size=(640, 480))
        run = import_run(store, source, "coco-results", "r", pictures(tmp_path, "a.jpg"), labels)
        assert [(o.width, o.height) for o in store.outcomes(run.id)] == [(640, 480)]
        assert store.image_data(run.id, "a.jpg") == jpeg()

    def test_size_from_the_file(self, store, tmp_path):
        """Where the ground truth tells no size, the image file does; where neither does, the image has failed."""
        labels = json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
                "annotations": [],
                "categories": [{"id": 1, "name": "car"}],
            }
        ).encode()
        images = [*pictures(tmp_path, "a.jpg"), ImageRef("b.jpg", path=tmp_path / "b.jpg")]
        run = import_run(store, from_bytes([("r.json", b"[]")]), "coco-results", "r", images, labels)
        assert [(o.width, o.height) for o in store.outcomes(run.id)] == [(64, 48), (0, 0)]
        assert failures(store, run) == {"b.jpg": "BadImage"}
        assert "size" in store.outcome(run.id, "b.jpg").failure.message

    def test_what_was_left_out(self, store):
        """Detections on unknown images are counted in the run's note."""
        results = b'[{"image_id": 77, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.9}]'
        run = import_run(store, from_bytes([("r.json", results)]), "coco-results", "r", (), truth("a.jpg"))
        assert run.note.startswith("1 detections on images")

    def test_image_that_has_no_ground_truth(self, store, tmp_path):
        """An image that the ground truth does not list has failed: the results cannot name it."""
        images = pictures(tmp_path, "a.jpg", "z.jpg")
        run = import_run(store, from_bytes([("r.json", b"[]")]), "coco-results", "r", images, truth("a.jpg"))
        assert failures(store, run) == {"z.jpg": "BadSource"}

    @pytest.mark.parametrize(
        ("files", "labels", "error", "words"),
        [
            ([("r.json", b"[]")], None, BadSetting, "ids"),
            ([("r.json", b"[]"), ("s.json", b"[]")], truth("a.jpg"), BadSource, "2 files"),
            ([("r.json", b"{}")], truth("a.jpg"), BadAnnotations, "r.json"),
            ([("r.json", b"[")], truth("a.jpg"), BadAnnotations, "r.json"),
            ([("r.json", b"[]")], b"no json", BadAnnotations, "annotations"),
        ],
    )
    def test_refused(self, store, files, labels, error, words):
        """What is no COCO results, or lacks its ground truth, is an error, and no run is left of it."""
        with pytest.raises(error, match=words):
            import_run(store, from_bytes(files), "coco-results", "r", (), labels)
        assert store.runs() == ()


class TestBatchTransform:
    OUTPUTS = {"0001.jpg.out": CAR, "sub/0002.jpg.out": VAN}
    INPUTS = ("0001.jpg", "sub/0002.jpg", "0003.png")

    def test_outputs_and_what_is_missing(self, store, tmp_path):
        """Each image has the output named after its key; inputs minus outputs are failures with advice."""
        source = open_source(write(tmp_path / "out", self.OUTPUTS))
        run = import_run(store, source, "batch-transform", "job", pictures(tmp_path / "in", *self.INPUTS), preset=XYXY)
        assert replies(store, run) == {"0001.jpg": CAR, "sub/0002.jpg": VAN, "0003.png": None}
        failure = store.outcome(run.id, "0003.png").failure
        assert (failure.kind, "CloudWatch" in failure.advice) == ("ModelError", True)
        assert (run.total, run.answered, run.failed, run.preset) == (3, 2, 1, XYXY)
        assert run.imported.startswith("Batch Transform outputs")

    def test_missing_is_known_from_the_ground_truth(self, store, tmp_path):
        """Without the images, the ground truth tells which were to be answered, and their sizes."""
        source = open_source(write(tmp_path, self.OUTPUTS))
        run = import_run(store, source, "batch-transform", "job", (), truth(*self.INPUTS), XYXY)
        assert failures(store, run) == {"0003.png": "ModelError"}
        assert store.outcome(run.id, "0001.jpg").width == 64

    def test_names_without_their_folders(self, store, tmp_path):
        """Images named without the folder of their output are found where that is unambiguous."""
        source = open_source(write(tmp_path, self.OUTPUTS))
        run = import_run(store, source, "batch-transform", "job", (), truth("0001.jpg", "0002.jpg"), XYXY)
        assert replies(store, run) == {"0001.jpg": CAR, "0002.jpg": VAN}

    def test_whole_keys(self, store, tmp_path):
        """Images may be named by their whole keys in S3; the prefix that all share is no part of an output's name."""
        source = open_source(write(tmp_path, {"a/1.jpg.out": CAR, "b/1.jpg.out": VAN}))
        keys = ("input/images/a/1.jpg", "input/images/b/1.jpg", "input/images/c/1.jpg")
        run = import_run(store, source, "batch-transform", "job", (), truth(*keys), XYXY)
        assert list(replies(store, run).values()) == [CAR, VAN, None]

    def test_output_of_another_folder_is_not_taken(self, store, tmp_path):
        """An image that failed does not get the output of one that has the same name in another folder."""
        source = open_source(write(tmp_path, {"sub/a.jpg.out": CAR}))
        run = import_run(store, source, "batch-transform", "job", (), truth("a.jpg", "sub/a.jpg"), XYXY)
        assert replies(store, run) == {"a.jpg": None, "sub/a.jpg": CAR}

    def test_outputs_alone(self, store, tmp_path):
        """With nothing but outputs the images are known by name, but their sizes are not: that is said."""
        source = open_source(write(tmp_path, self.OUTPUTS))
        run = import_run(store, source, "batch-transform", "job", preset=XYXY)
        assert failures(store, run) == {"0001.jpg": "BadImage", "sub/0002.jpg": "BadImage"}
        assert "images" in store.outcome(run.id, "0001.jpg").failure.advice

    def test_format_is_proposed(self, store, tmp_path):
        """Without a preset the format is proposed from the first reply that has a box."""
        files = {"a.jpg.out": b"[]", "b.jpg.out": CAR}
        source = open_source(write(tmp_path, files))
        run = import_run(store, source, "batch-transform", "job", (), truth("a.jpg", "b.jpg"))
        assert run.preset == XYXY

    def test_no_format_fits(self, store, tmp_path):
        """Where no format fits, a person is asked, and no run is left."""
        source = open_source(write(tmp_path, {"a.jpg.out": b"Internal error"}))
        with pytest.raises(BadSetting, match="cannot be told"):
            import_run(store, source, "batch-transform", "job", (), truth("a.jpg"))
        assert store.runs() == ()

    def test_superfluous_outputs(self, store, tmp_path):
        """Outputs of other images, and other files, are left out; the outputs are named in the note."""
        source = open_source(write(tmp_path, {**self.OUTPUTS, "manifest.json": b"{}"}))
        run = import_run(store, source, "batch-transform", "job", (), truth("0001.jpg"), XYXY)
        assert run.note == "1 replies are for none of the images and were left out: sub/0002.jpg."

    def test_no_outputs(self, store, tmp_path):
        """A folder without outputs is named."""
        with pytest.raises(BadSource, match=r"no \.out file"):
            import_run(store, open_source(write(tmp_path / "x", {"a.json": CAR})), "batch-transform", "job")


class TestReplies:
    def test_joined_by_name_and_by_stem(self, store, tmp_path):
        """A reply is called as its image with a suffix more, or as the image's stem; images may lie beside them."""
        images = pictures(tmp_path, "a.jpg", "sub/b.png", "c.jpeg")
        write(tmp_path, {"a.jpg.json": CAR, "sub/b.json": VAN})
        run = import_run(store, open_source(tmp_path), "replies", "saved", images, preset=XYXY)
        assert replies(store, run) == {"a.jpg": CAR, "sub/b.png": VAN, "c.jpeg": None}
        assert failures(store, run) == {"c.jpeg": "BadSource"}
        assert len(store.outcome(run.id, "a.jpg").sha256) == 64

    def test_stem_of_two_images(self, store, tmp_path):
        """A stem that two images share is nobody's: a guess would be wrong for one of them."""
        source = from_bytes([("a.json", CAR), ("b.json", VAN)])
        run = import_run(store, source, "replies", "saved", pictures(tmp_path, "a.jpg", "a.png", "b.jpg"), preset=XYXY)
        assert replies(store, run) == {"a.jpg": None, "a.png": None, "b.jpg": VAN}
        assert "a" in run.note

    def test_turned_photo(self, store, tmp_path):
        """The frame is that of the upright image, as everywhere in smviz."""
        write(tmp_path, {"a.jpg": jpeg(64, 48, orientation=6)})
        image = ImageRef("a.jpg", path=tmp_path / "a.jpg")
        run = import_run(store, from_bytes([("a.json", CAR)]), "replies", "saved", [image], preset=XYXY)
        assert [(o.width, o.height) for o in store.outcomes(run.id)] == [(48, 64)]

    @pytest.mark.parametrize("data", [b"", b"text", jpeg()[:20]])
    def test_broken_image(self, store, data):
        """An image that is none, of no size that is known, has failed; one of known size has its reply all the same."""
        source = from_bytes([("a.json", CAR), ("b.json", VAN)])
        images = [ImageRef("a.jpg", data=data), ImageRef("b.jpg", data=data)]
        run = import_run(store, source, "replies", "saved", images, truth("b.jpg"), XYXY)
        assert replies(store, run) == {"a.jpg": None, "b.jpg": VAN}

    def test_image_elsewhere(self, store):
        """An image that is not on this machine is read by what was given for that."""
        source = from_bytes([("a.json", CAR)])
        images = [ImageRef("a.jpg", location="s3://bucket/a.jpg")]
        read = {"s3://bucket/a.jpg": jpeg()}.__getitem__
        run = import_run(store, source, "replies", "saved", images, preset=XYXY, remote=read)
        assert store.outcome(run.id, "a.jpg").width == 64

    def test_nothing_saved(self, store, tmp_path):
        """A folder without replies is named."""
        write(tmp_path / "x", {"a.jpg": jpeg()})
        with pytest.raises(BadSource, match="holds no reply"):
            import_run(store, open_source(tmp_path / "x"), "replies", "saved")

    def test_name_taken(self, store):
        """Two imports cannot have one name; the first one stays as it is."""
        source = from_bytes([("a.json", CAR)])
        first = import_run(store, source, "replies", "same", (), truth("a.jpg"), XYXY)
        with pytest.raises(BadSetting, match="exists already"):
            import_run(store, source, "replies", "same", (), truth("a.jpg"), XYXY)
        assert store.runs() == (first,)

    def test_unreadable_reply(self, store, tmp_path):
        """A reply that cannot be read is a failure of its image alone."""
        folder = write(tmp_path / "x", {"a.json": CAR, "b.json": VAN})
        source = open_source(folder)
        listed = list(source)
        Path(folder / "a.json").unlink()
        gone = type(source)(source.label, lambda: iter(listed))
        run = import_run(store, gone, "replies", "saved", (), truth("a.jpg", "b.jpg"), XYXY)
        assert failures(store, run) == {"a.jpg": "BadSource"}
