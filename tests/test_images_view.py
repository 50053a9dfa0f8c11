"""What the pictures of an evaluation show: which crops, what is cut, which rows a file holds, and what a link says."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from smviz import images
from smviz.errors import BadImage, BadSetting
from smviz.evaluation import Evaluation, evaluate
from smviz.records import GroundTruth, Predictions
from smviz.ui.crops import FN, FP, TP, Crops
from smviz.workbench import Part
from smviz.workbench.grid import Asked, Opened, as_sent, opened, stepper
from smviz.workbench.image_table import image_table, per_image
from smviz.workbench.images import COLUMNS, Choice, from_link

NAMES = ("a.jpg", "b.jpg", "c.jpg")
# Image, class, left, confidence. Boxes of 10 x 10 in a row 20 pixels apart, so that none meets another's object.
OBJECTS = [(0, 0, 0), (0, 1, 20), (1, 0, 0), (1, 0, 40), (2, 1, 0)]
FOUND = [(0, 0, 0, 0.9), (0, 1, 60, 0.8), (1, 0, 0, 0.6), (1, 0, 80, 0.7), (2, 1, 0, 0.3), (2, 0, 20, 0.5)]


@pytest.fixture(scope="module")
def small() -> Evaluation:
    """At confidence 0.5: two found (0.9, 0.6), three false (0.8, 0.7, 0.5), three missed, one of them seen at 0.3."""
    truth = GroundTruth(
        image_names=NAMES,
        class_names=("car", "traffic light"),
        image_ids=(1, 2, 3),
        category_ids=(1, 2),
        image_sizes=np.full((3, 2), 100),
        image=np.array([image for image, _, _ in OBJECTS]),
        class_id=np.array([k for _, k, _ in OBJECTS]),
        ltwh=np.array([(left, 0, 10, 10) for _, _, left in OBJECTS], float),
        area=np.full(len(OBJECTS), 100.0),
        crowd=np.zeros(len(OBJECTS), bool),
        ignore=np.zeros(len(OBJECTS), bool),
    )
    predictions = Predictions(
        image=np.array([image for image, *_ in FOUND]),
        class_id=np.array([k for _, k, _, _ in FOUND]),
        ltwh=np.array([(left, 0, 10, 10) for _, _, left, _ in FOUND], float),
        confidence=np.array([confidence for *_, confidence in FOUND]),
    )
    return evaluate(truth, predictions)


def scores(small: Evaluation, crops: Crops) -> list[float]:
    return np.append(small.matches.confidence, -1.0)[crops.detection].tolist()


class TestCrops:
    def test_true_positives_with_their_objects(self, small):
        """By falling score, each with the object that it took."""
        crops = Crops.of(small.matches, TP, 0.5)
        assert scores(small, crops) == [0.9, 0.6]
        assert crops.truth.tolist() == [0, 2]

    def test_false_positives(self, small):
        """By falling score; they took nothing, and one that is equal to the threshold counts."""
        crops = Crops.of(small.matches, FP, 0.5)
        assert scores(small, crops) == [0.8, 0.7, 0.5]
        assert crops.truth.tolist() == [-1, -1, -1]

    def test_missed_objects_first_those_that_were_nearly_found(self, small):
        """With the detection below the threshold that would have found them; those that nothing saw come last."""
        crops = Crops.of(small.matches, FN, 0.5)
        assert crops.truth.tolist() == [4, 1, 3]
        assert scores(small, crops) == [0.3, -1, -1]

    def test_a_threshold_moves_from_found_to_missed(self, small):
        """Of all objects each is either found or missed, at every threshold."""
        for threshold in (0.0, 0.3, 0.31, 0.6, 0.95, 1.0):
            found, missed = (Crops.of(small.matches, kind, threshold).truth.tolist() for kind in (TP, FN))
            assert sorted(found + missed) == list(range(len(OBJECTS)))

    def test_of_some_classes(self, small):
        """Only those classes; of none there is nothing."""
        assert scores(small, Crops.of(small.matches, FP, 0.5, classes=[1])) == [0.8]
        assert Crops.of(small.matches, FN, 0.5, classes=[0]).truth.tolist() == [3]
        assert len(Crops.of(small.matches, FN, 0.5, classes=[])) == 0

    def test_of_a_range_of_sizes(self, small):
        """Objects and detections of other sizes count neither way."""
        assert len(Crops.of(small.matches, FN, 0.5, area="large")) == 0
        assert len(Crops.of(small.matches, FP, 0.5, area="small")) == 3

    def test_columns_that_do_not_belong_together(self):
        """They are refused at once."""
        with pytest.raises(BadSetting, match="differ in length"):
            Crops(np.zeros(2, np.uint8), np.zeros(1, np.int64), np.zeros(2, np.int64))


def quarters(side: int = 200) -> bytes:
    """A JPEG whose quarters are red, green, blue and white."""
    picture = Image.new("RGB", (side, side), "white")
    for colour, place in {"red": (0, 0), "lime": (side // 2, 0), "blue": (0, side // 2)}.items():
        picture.paste(colour, (*place, place[0] + side // 2, place[1] + side // 2))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def cut(region: tuple[float, float, float, float], size: int = 64) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(images.crop(images.decoded(quarters()), region, size)))).astype(int)


class TestCropping:
    def test_shows_the_region(self):
        """Of a region in the middle each quarter of the crop has its colour."""
        pixels = cut((0.3, 0.3, 0.7, 0.7))
        assert pixels.shape == (64, 64, 3)
        for place, colour in {(10, 10): (255, 0, 0), (10, 54): (0, 255, 0), (54, 10): (0, 0, 255)}.items():
            assert np.abs(pixels[place] - colour).max() < 30

    def test_is_black_beyond_the_image(self):
        """What lies beyond is black, and what lies within stays in its place."""
        pixels = cut((-0.5, -0.5, 0.5, 0.5))
        assert pixels[:30, :30].max() < 20
        assert np.abs(pixels[48, 48] - (255, 0, 0)).max() < 30

    @pytest.mark.parametrize(
        "region", [(3, 3, 4, 4), (-4, 0, -3, 1), (-1e9, -1e9, 1e9, 1e9), (0.5, 0.5, 0.5 + 1e-9, 0.5 + 1e-9)]
    )
    def test_has_its_size_wherever_it_is(self, region):
        """Far beyond the image, larger than all of it, or smaller than a pixel."""
        assert cut(region).shape == (64, 64, 3)

    def test_of_a_smaller_decoding(self):
        """A JPEG that was decoded at a fraction of its size shows the same region."""
        data = quarters(1600)
        whole, small = images.decoded(data), images.decoded(data, shrink=8)
        assert small.size == (200, 200)
        regions = [images.crop(pixels, (0.3, 0.3, 0.7, 0.7), 64) for pixels in (whole, small)]
        first, second = (np.asarray(Image.open(io.BytesIO(region))).astype(int) for region in regions)
        assert np.abs(first - second).mean() < 8

    def test_of_an_image_on_its_side(self):
        """The upright picture is cut, as boxes refer to it."""
        exif, buffer = Image.Exif(), io.BytesIO()
        exif[0x0112] = 6
        Image.open(io.BytesIO(quarters())).save(buffer, "JPEG", exif=exif, quality=95)
        pixels = np.asarray(images.decoded(buffer.getvalue())).astype(int)
        assert np.abs(pixels[20, 180] - (255, 0, 0)).max() < 30

    def test_of_what_is_no_image(self):
        """It is told, with its name."""
        with pytest.raises(BadImage, match=r"moon\.jpg"):
            images.decoded(b"not a picture", "moon.jpg")


class TestTable:
    def test_counts_are_those_of_the_evaluation(self, small):
        """With all classes and sizes, at every threshold and IoU."""
        for threshold in (0.0, 0.5, 0.8, 1.0):
            for iou in (0.5, 0.95):
                counts = per_image(small.matches, threshold, Part(iou))
                expected = small.image_table(threshold, iou)
                assert counts.tp.tolist() == [row.tp for row in expected]
                assert counts.fp.tolist() == [row.fp for row in expected]
                assert counts.fn.tolist() == [row.fn for row in expected]

    def test_classes_add_up(self, small):
        """The counts of each class alone add up to those of all."""
        parts = [per_image(small.matches, 0.4, Part(classes=(k,))) for k in (0, 1)]
        whole = per_image(small.matches, 0.4, Part())
        assert (parts[0].fp + parts[1].fp).tolist() == whole.fp.tolist()
        assert (parts[0].fn + parts[1].fn).tolist() == whole.fn.tolist()

    def test_holds_the_rows_and_columns_that_are_shown(self, small):
        """In their order; pictures are no column of a file, and counts are whole numbers."""
        table = image_table(
            small.matches,
            0.5,
            Part(),
            names=NAMES,
            latency=(10.0, float("nan"), 30.0),
            rows=np.array([2, 0]),
            columns=("picture", "name", "fp", "latency", "scores"),
        )
        assert list(table) == ["Image", "FP", "Latency (ms)"]
        assert table["Image"] == ["c.jpg", "a.jpg"]
        assert [type(value) for value in np.asarray(table["FP"]).tolist()] == [int, int]
        assert np.asarray(table["FP"]).tolist() == [1, 1]
        assert np.asarray(table["Latency (ms)"]).tolist() == [30.0, 10.0]

    def test_images_without_a_reply_have_no_numbers(self, small):
        """They are rows with a name and nothing else."""
        table = image_table(
            small.matches,
            0.5,
            Part(),
            names=(*NAMES, "broken.jpg"),
            latency=(1.0, 2.0, 3.0),
            rows=np.array([3]),
            columns=COLUMNS,
        )
        assert table["Image"] == ["broken.jpg"]
        assert all(np.isnan(column).all() for name, column in table.items() if name != "Image")


class TestLink:
    @pytest.mark.parametrize(
        "choice",
        [
            Choice(),
            Choice("gallery", "fn", 'not (name ~ "night") & ünï', "f1", False, ("name", "fp")),
            Choice("crops", "failed", "", "latency", True, COLUMNS),
        ],
    )
    def test_restores_the_choice(self, choice):
        """What stands in the address bar gives the same choice again."""
        assert from_link(choice.link()) == choice

    def test_of_what_is_as_at_first_is_empty(self):
        """Nothing is added to an address for nothing."""
        assert Choice().link() == {}

    @pytest.mark.parametrize(
        "query",
        [
            {"view": "list", "show": "all of them", "sort": "-colour"},
            {"sort": "", "columns": ""},
            {"columns": "nothing,<script>"},
            {"filter": "x" * 10_000},
        ],
    )
    def test_of_a_stranger_asks_for_nothing_that_is_not_there(self, query):
        """Unknown words are left out, a name is always a column, and a filter is no longer than can be typed."""
        choice = from_link(query)
        assert replace(choice, filter="", columns=COLUMNS) == Choice()
        assert "name" in choice.columns
        assert set(choice.columns) <= set(COLUMNS)
        assert len(choice.filter) <= 500


class TestOpened:
    def test_a_link_opens_at_first_and_the_person_afterwards(self):
        """What the browser tells later counts, once each."""
        key, name = "first grid", "abc".__getitem__
        assert opened(key, Asked(), "v", name, "z") == Opened(0, "z")
        assert opened(key, Asked(open_turn=1, open_version="v", opened=1), "v", name) == Opened(1, "b")
        assert opened(key, Asked(open_turn=1, open_version="v", opened=2), "v", name) == Opened(1, "b")
        assert opened(key, Asked(open_turn=2, opened=None), "v", name) == Opened(2, None)

    def test_an_id_of_another_list_does_not_count(self):
        """A list may change between the click and the rerun: nothing wrong is opened then."""
        assert opened("second grid", Asked(open_turn=1, open_version="old", opened=1), "new", str) == Opened(0, None)

    def test_steps_are_asked_for_by_turns(self):
        """Each step has a turn of its own, so that it is made once."""
        step = stepper("third grid")
        step(1)
        step(-1)
        assert as_sent("third grid", Opened(3, "a"), 7, "a")["step"] == {"turn": 2, "by": -1}
