"""The detections of one image as files for labelling tools and training."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from smviz.annotations import ground_truth_of, parse_ground_truth
from smviz.boxes import ltwh_to_xyxy
from smviz.exports.image import detections_coco, detections_yolo, filtered_json
from smviz.records import Detections, Payload
from smviz.sources import from_bytes

NAMES = ("car", 'Fußgänger, <b>"alt"</b>', "line\nbreak")
PAYLOAD = Payload(b"", "image/png", 400, 200, "")


def found(*rows, names=NAMES):
    table = np.array(rows, dtype=float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int), names)


TWO = found([10.125, 20, 110.5, 70.25, 0.9, 0], [-20, 150, 40, 260, 0.25, 1])


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class TestCoco:
    def test_is_read_back_exactly(self):
        """Read as ground truth, it has the image, every class and the very boxes."""
        truth = parse_ground_truth(detections_coco("a/b 1.jpg", PAYLOAD, TWO))
        assert truth.image_names == ("a/b 1.jpg",)
        np.testing.assert_array_equal(truth.image_sizes, [[400, 200]])
        assert [truth.class_names[i] for i in truth.class_id] == TWO.names()
        np.testing.assert_array_equal(ltwh_to_xyxy(truth.ltwh), TWO.xyxy)

    def test_annotations_carry_scores(self):
        """Each annotation has its score, as results have; where it is undefined there is none, not a wrong one."""
        rows = json.loads(detections_coco("a.jpg", PAYLOAD, found([0, 0, 4, 5, 0.75, 0], [0, 0, 4, 5, np.nan, 0])))
        assert [row.get("score") for row in rows["annotations"]] == [0.75, None]
        assert rows["annotations"][0] | {"score": 0} == {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [0, 0, 4, 5],
            "area": 20,
            "iscrowd": 0,
            "score": 0,
        }

    def test_boxes_that_are_no_numbers_are_left_out(self):
        """JSON has no infinity: such a box is left out, and the ids stay without a gap."""
        rows = json.loads(detections_coco("a", PAYLOAD, found([0, 0, np.inf, 5, 0.9, 0], [0, 0, 4, 5, 0.5, 0])))
        assert [row["id"] for row in rows["annotations"]] == [1]

    def test_nothing_found(self):
        """Without detections it is a data set with an image, its classes, and no annotations."""
        rows = json.loads(detections_coco("a", PAYLOAD, found()))
        assert rows["annotations"] == []
        assert [row["name"] for row in rows["categories"]] == list(NAMES)


class TestYolo:
    def test_is_read_back(self):
        """Read as ground truth beside its image's size, boxes are the same to a millionth, clipped to the image."""
        files = members(detections_yolo("photo.jpg", PAYLOAD, TWO))
        assert list(files) == ["photo.txt", "classes.txt"]
        truth = ground_truth_of(from_bytes(list(files.items())), image_size=lambda name: (400, 200))
        np.testing.assert_allclose(ltwh_to_xyxy(truth.ltwh), [[10.125, 20, 110.5, 70.25], [0, 150, 40, 200]], atol=1e-5)
        assert len(truth.class_names) == 3

    def test_lines(self):
        """A line is class, centre, size and confidence, as shares; an undefined confidence is left out."""
        files = members(detections_yolo("x", PAYLOAD, found([100, 50, 300, 150, 0.5, 2], [0, 0, 400, 200, np.nan, 0])))
        first, second = files["x.txt"].decode().splitlines()
        assert [float(cell) for cell in first.split()] == [2, 0.5, 0.5, 0.5, 0.5, 0.5]
        assert [float(cell) for cell in second.split()] == [0, 0.5, 0.5, 1, 1]

    def test_a_class_is_one_line(self):
        """The class list has a line for each class, whatever is in the names, so that the ids stay right."""
        names = members(detections_yolo("x", PAYLOAD, TWO))["classes.txt"].decode().splitlines()
        assert names == ["car", 'Fußgänger, <b>"alt"</b>', "line break"]

    @pytest.mark.parametrize("box", [[500, 10, 600, 20], [10, 10, 10, 20], [np.nan, 0, 1, 1], [30, 30, 20, 20]])
    def test_boxes_without_area_in_the_image_are_left_out(self, box):
        """The format cannot hold a box beside the image, a line, or what is no number."""
        assert members(detections_yolo("x", PAYLOAD, found([*box, 0.9, 0])))["x.txt"] == b""

    @pytest.mark.parametrize("name", ["../../etc/passwd.jpg", "C:\\photos\\passwd.jpg", "/passwd.jpg", "passwd"])
    def test_no_name_leads_out_of_the_folder(self, name):
        """The label file is named after the image's last part alone."""
        assert next(iter(members(detections_yolo(name, PAYLOAD, TWO)))) == "passwd.txt"


class TestFilteredJson:
    def test_tells_the_filters(self):
        """The file has the frame, the threshold and the filters, and the detections that they left."""
        document = json.loads(filtered_json("a.jpg", PAYLOAD, TWO, 0.2, {"top_k": 2, "hidden_classes": ["van"]}))
        assert list(document) == ["image", "width", "height", "threshold", "filters", "detections"]
        assert document["filters"] == {"top_k": 2, "hidden_classes": ["van"]}
        assert document["detections"][0]["xyxy"] == TWO.xyxy[0].tolist()
