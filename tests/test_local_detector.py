"""The demo detectors, on the sample scenes that ship with them."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from PIL import Image

from smviz.boxes import ltwh_to_xyxy, pairwise_iou
from smviz.errors import BadSetting
from smviz.local import DEMO_CLASSES, SAMPLES
from smviz.local.demo import MODEL_FILES, MODELS
from smviz.local.detector import MAX_ROWS, MIN_SCORE, Detector


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(MODELS / MODEL_FILES[0])


@pytest.fixture(scope="module")
def scene() -> Image.Image:
    return Image.open(SAMPLES.images[0]).convert("RGB")


def corners(rows: list[list[float]]) -> np.ndarray:
    return np.array([row[2:] for row in rows]).reshape(-1, 4)


class TestSamples:
    def test_every_image_is_labelled(self):
        """The samples are JPEG files, sorted by name, and the ground truth names exactly those."""
        truth = json.loads(SAMPLES.annotations.read_bytes())
        assert sorted(image["file_name"] for image in truth["images"]) == [path.name for path in SAMPLES.images]

    def test_classes_are_the_detectors(self):
        """The ground truth's categories are the detectors' classes, in order."""
        truth = json.loads(SAMPLES.annotations.read_bytes())
        assert tuple(category["name"] for category in truth["categories"]) == DEMO_CLASSES


class TestDetect:
    def test_finds_what_is_labelled(self, detector):
        """In most samples the row of the highest score lies on an object of the ground truth (IoU above 0.5)."""
        truth = json.loads(SAMPLES.annotations.read_bytes())
        ids = {image["file_name"]: image["id"] for image in truth["images"]}
        hits = 0
        for path in SAMPLES.images[:6]:
            image = Image.open(path)
            best = corners(detector.detect(image))[:1] * np.tile(image.size, 2)
            labelled = [a["bbox"] for a in truth["annotations"] if a["image_id"] == ids[path.name]]
            hits += pairwise_iou(best, ltwh_to_xyxy(np.array(labelled, dtype=float))).max() > 0.5
        assert hits >= 5

    def test_rows_are_normalised_and_sorted(self, detector, scene):
        """Rows are class, score and corners in order, inside the image, by descending score down to the floor."""
        rows = np.array(detector.detect(scene))
        assert rows.shape[1] == 6
        assert len(rows) <= MAX_ROWS
        assert set(rows[:, 0]) <= set(range(len(DEMO_CLASSES)))
        assert (np.diff(rows[:, 1]) <= 0).all()
        assert rows[-1, 1] >= MIN_SCORE
        assert ((rows[:, 2:] >= 0) & (rows[:, 2:] <= 1)).all()
        assert (rows[:, 4:] > rows[:, 2:4]).all()

    def test_no_two_boxes_of_a_class_overlap_much(self, detector, scene):
        """Of boxes of one class that overlap by more than 0.5 IoU only the best one is left."""
        rows = detector.detect(scene)
        for class_id in range(len(DEMO_CLASSES)):
            boxes = corners([row for row in rows if row[0] == class_id])
            assert np.triu(pairwise_iou(boxes, boxes), 1).max(initial=0) <= 0.5

    def test_coordinates_do_not_depend_on_padding(self, detector, scene):
        """The upper part of a scene, which is padded below, has its boxes where the whole scene has them."""
        part = scene.crop((0, 0, scene.width, scene.height * 3 // 4))
        boxes = corners(detector.detect(part)) * np.tile(part.size, 2)
        whole = boxes[boxes[:, 3] < part.height * 0.9][0]  # the best one that the lower edge does not cut
        assert pairwise_iou(whole[None], corners(detector.detect(scene)) * np.tile(scene.size, 2)).max() > 0.8

    def test_exif_orientation_is_not_applied(self, detector, scene, tmp_path):
        """An orientation tag changes nothing: boxes refer to the pixels as they are stored."""
        exif = Image.Exif()
        exif[0x0112] = 6
        scene.save(tmp_path / "plain.jpg", quality=95)
        scene.save(tmp_path / "tagged.jpg", quality=95, exif=exif)
        plain, tagged = (detector.detect(Image.open(tmp_path / name)) for name in ("plain.jpg", "tagged.jpg"))
        assert plain == tagged

    def test_an_empty_picture_has_no_confident_rows(self, detector):
        """In a plain grey picture nothing is found with a score above one half."""
        rows = detector.detect(Image.new("RGB", (640, 480), (120, 120, 120)))
        assert all(row[1] < 0.5 for row in rows)

    def test_detectors_differ(self, detector, scene):
        """A and B are two networks."""
        assert Detector(MODELS / MODEL_FILES[1]).detect(scene) != detector.detect(scene)

    def test_threads_share_one_detector(self, scene):
        """Threads that use a detector before it is loaded all get the same rows."""
        shared, found = Detector(MODELS / MODEL_FILES[0]), []
        threads = [threading.Thread(target=lambda: found.append(shared.detect(scene))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert all(rows == found[0] for rows in found)


def test_a_missing_file_is_a_bad_setting(tmp_path):
    """A network file that is not there is told before anything is detected."""
    with pytest.raises(BadSetting, match=r"gone\.onnx"):
        Detector(tmp_path / "gone.onnx")
