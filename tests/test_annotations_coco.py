"""COCO files as they are found in the wild: read what can be read, tell what was left out, refuse the rest in words."""

import json

import numpy as np
import pytest
from coco_sets import random_set

from smviz.annotations import (
    ground_truth_json,
    parse_ground_truth,
    parse_results,
    read_ground_truth,
    read_results,
    results_json,
)
from smviz.errors import BadAnnotations, BadSource
from smviz.matching import match
from smviz.metrics import coco_numbers

BOX = [10.0, 20.0, 30.0, 40.0]


def truth(annotations=None, images=None, categories=None, **keys):
    """A file of two images and two categories with one annotation, or with what is given instead."""
    return {
        "images": images or [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}, {"id": 2}],
        "annotations": [annotation()] if annotations is None else annotations,
        "categories": categories or [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
        **keys,
    }


def annotation(**keys):
    """One annotation; None takes a key away."""
    full = {"id": 5, "image_id": 1, "category_id": 2, "bbox": BOX, "area": 900.0, "iscrowd": 0, **keys}
    return {key: value for key, value in full.items() if value is not None}


def result(**keys):
    """One result."""
    return {"image_id": 1, "category_id": 2, "bbox": BOX, "score": 0.9, **keys}


def parsed(file):
    """The ground truth in a Python object."""
    return parse_ground_truth(json.dumps(file).encode())


def parsed_results(results, ground_truth=None):
    """The predictions in a Python object."""
    return parse_results(json.dumps(results).encode(), ground_truth or parsed(truth()))


def same_truth(a, b):
    """Whether two ground truths hold the same, to the last bit."""
    assert (a.image_names, a.image_ids) == (b.image_names, b.image_ids)
    assert (a.class_names, a.category_ids) == (b.class_names, b.category_ids)
    for column in ("image_sizes", "image", "class_id", "ltwh", "area", "crowd"):
        np.testing.assert_array_equal(getattr(a, column), getattr(b, column))


class TestGroundTruth:
    """What is read."""

    def test_columns_of_a_plain_file(self):
        """Each column holds what the file says, with indices instead of ids."""
        ground_truth = parsed(truth())
        assert ground_truth.image_names == ("a.jpg", "2")
        assert ground_truth.image_sizes.tolist() == [[640, 480], [0, 0]]
        assert ground_truth.class_names == ("dog", "cat")
        assert (ground_truth.image.tolist(), ground_truth.class_id.tolist()) == ([0], [1])
        assert ground_truth.ltwh.tolist() == [BOX]
        assert (ground_truth.area.tolist(), ground_truth.crowd.tolist()) == ([900.0], [False])
        assert ground_truth.notes == ()

    def test_images_and_classes_stand_by_id(self):
        """Whatever the order of the file, images and classes are numbered by their ids, as COCO's evaluation does."""
        file = truth([], [{"id": 30}, {"id": 4}, {"id": 100}], [{"id": 9, "name": "z"}, {"id": 3, "name": "y"}])
        ground_truth = parsed(file)
        assert ground_truth.image_ids == (4, 30, 100)
        assert ground_truth.class_names == ("y", "z")

    def test_id_zero_is_an_id_like_any_other(self):
        """Image, category and annotation 0 are read, and a detection of them is found."""
        file = truth([annotation(id=0, image_id=0, category_id=0)], [{"id": 0}], [{"id": 0, "name": "dog"}])
        ground_truth = parsed(file)
        predictions = parsed_results([result(image_id=0, category_id=0)], ground_truth)
        assert coco_numbers(match(ground_truth, predictions))["AP"] == 1.0

    def test_text_ids(self):
        """Ids may be text; text that is a number means the number, unless the file has both."""
        images = [{"id": "b"}, {"id": "7"}, {"id": "a"}]
        ground_truth = parsed(truth([annotation(image_id="b"), annotation(image_id=7)], images))
        assert ground_truth.image_ids == ("7", "a", "b")
        assert ground_truth.image.tolist() == [2, 0]
        assert parsed_results([result(image_id="1"), result(category_id=2.0)]).image.tolist() == [0, 0]
        both = parsed(
            truth([annotation(image_id="7"), annotation(image_id=7)], [{"id": 7}, {"id": "7", "file_name": "x"}])
        )
        assert both.image.tolist() == [1, 0]

    def test_whole_numbers_written_as_floats(self):
        """An id of 3.0, as tables export it, is id 3."""
        assert parsed(truth([], [{"id": 3.0}])).image_ids == (3,)

    def test_images_without_annotations_are_kept(self):
        """Empty images are part of the data set."""
        assert len(parsed(truth([])).image_names) == 2

    @pytest.mark.parametrize("area", [None, -1.0, float("nan")])
    def test_area_is_the_boxes_when_the_file_has_none(self, area):
        """Missing or impossible, it is width x height, and a note tells."""
        ground_truth = parsed(truth([annotation(area=area)]))
        assert ground_truth.area.tolist() == [1200.0]
        assert "1 annotations have no usable area" in ground_truth.notes[0]

    @pytest.mark.parametrize(("iscrowd", "crowd"), [(None, False), (0, False), (1, True), (True, True)])
    def test_iscrowd(self, iscrowd, crowd):
        """Missing means no crowd; true and 1 mean one."""
        assert parsed(truth([annotation(iscrowd=iscrowd)])).crowd.tolist() == [crowd]

    @pytest.mark.parametrize(
        "segmentation",
        [[], [[1, 2, 3]], {"size": [4, 4], "counts": [0, 16]}, {"counts": "abc", "size": "x"}, "none", 7, [[[{}]]]],
        ids=str,
    )
    def test_segmentation_is_never_looked_at(self, segmentation):
        """Whatever its shape, it does not matter to boxes."""
        assert len(parsed(truth([annotation(segmentation=segmentation)]))) == 1

    @pytest.mark.parametrize("info", [None, [], "2024", {"year": "2024"}, {"date_created": 0}, 5], ids=str)
    def test_odd_info_and_extra_keys(self, info):
        """`info` may be anything or missing, and unknown keys are passed over."""
        file = truth([annotation(attributes={"x": [1]}, keypoints="?")], licenses=0, videos=[{}])
        assert len(parsed(file if info is None else {**file, "info": info})) == 1

    def test_a_byte_order_mark(self):
        """A file that begins with a UTF-8 mark, or is UTF-16, is read all the same."""
        text = json.dumps(truth())
        for data in (b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
            same_truth(parse_ground_truth(data), parsed(truth()))

    def test_names_in_any_script(self):
        """Names are kept as they are."""
        file = truth([], [{"id": 1, "file_name": "дом/犬 1.jpg"}], [{"id": 1, "name": "собака 🐕"}])
        ground_truth = parse_ground_truth(json.dumps(file, ensure_ascii=False).encode())
        assert (ground_truth.image_names, ground_truth.class_names) == (("дом/犬 1.jpg",), ("собака 🐕",))

    def test_a_category_without_a_name(self):
        """It is called by its id."""
        assert parsed(truth([], None, [{"id": 3}])).class_names == ("category 3",)


class TestWhatIsLeftOut:
    """What cannot be used is left out and counted."""

    @pytest.mark.parametrize(
        "bbox",
        [
            None,
            [],
            [1, 2, 3],
            [1, 2, 3, 4, 5],
            [0, 0, 0, 5],
            [0, 0, 5, -1],
            [0, 0, float("nan"), 5],
            [float("inf"), 0, 5, 5],
            [0, 0, float("inf"), 5],
        ],
        ids=str,
    )
    def test_boxes_that_are_none(self, bbox):
        """Missing, wrong in number, empty, negative and non-finite boxes are left out, the others stay."""
        ground_truth = parsed(truth([annotation(bbox=bbox), annotation(id=6)]))
        assert ground_truth.ltwh.tolist() == [BOX]
        assert ground_truth.notes == (
            "1 annotations without a usable box (four numbers, width and height > 0) were left out.",
        )

    def test_a_box_with_null_in_it(self):
        """Null, as some tables write NaN, is no number."""
        assert len(parsed(truth([annotation(bbox=[1, 2, None, 4])]))) == 0

    def test_unknown_images_and_categories(self):
        """Annotations that point nowhere are left out, and each kind is counted."""
        ground_truth = parsed(truth([annotation(image_id=9), annotation(category_id=0), annotation(image_id="1 ")]))
        assert len(ground_truth) == 0
        assert ground_truth.notes == (
            "2 annotations on images that the file does not list were left out.",
            "1 annotations of categories that the file does not list were left out.",
            "2 annotations repeat an id; each counts as an object.",
        )

    def test_each_annotation_that_is_left_out_is_named(self):
        """By its id, or by its place where it has none, with the reason."""
        file = truth(
            [
                annotation(id=3, image_id=9),
                annotation(id="x", category_id=9),
                annotation(id=None, bbox=[0, 0, 0, 1]),
                annotation(id=0, bbox=None),
                annotation(),
            ]
        )
        ground_truth = parse_ground_truth(json.dumps(file).encode(), "labels.json")
        assert len(ground_truth) == 1
        assert [str(record) for record in ground_truth.skipped] == [
            "labels.json, annotation 3: its image is not listed",
            "labels.json, annotation x: its category is not listed",
            "labels.json, annotation number 2 (from 0): its box is not four numbers with width and height above 0",
            "labels.json, annotation 0: its box is not four numbers with width and height above 0",
        ]

    @pytest.mark.parametrize(
        ("broken", "where", "why"),
        [
            ("text", "number 1 (from 0)", "got `str`"),
            (None, "number 1 (from 0)", "got `null`"),
            ({}, "number 1 (from 0)", "image_id"),
            (annotation(image_id=None), "5", "image_id"),
            (annotation(image_id=[1]), "5", "at `image_id`"),
            (annotation(bbox=["1", 2, 3, 4]), "5", "at `bbox[0]`"),
            (annotation(bbox={"x": 1}), "5", "at `bbox`"),
            (annotation(area="big"), "5", "at `area`"),
            (annotation(id=True), "number 1 (from 0)", "at `id`"),
        ],
        ids=str,
    )
    def test_an_entry_of_another_kind_stops_nothing(self, broken, where, why):
        """It is named with what is wrong in it, and the annotations around it are read."""
        ground_truth = parsed(truth([annotation(id=1), broken, annotation(id=2, category_id=1)]))
        assert ground_truth.class_id.tolist() == [1, 0]
        (record,) = ground_truth.skipped
        assert (record.where, why in record.why) == (f"annotation {where}", True)
        assert ground_truth.notes == (f"1 records were left out: {record.why}.",)

    def test_broken_images_and_categories(self):
        """They are named too; annotations that need them are left out like any that point nowhere."""
        file = truth([annotation(), annotation(id=6, image_id=2)], ["?", {"id": 2}], [{"name": "dog"}, {"id": 2}])
        ground_truth = parsed(file)
        assert (ground_truth.image_names, ground_truth.class_names, len(ground_truth)) == (("2",), ("category 2",), 1)
        assert [record.where for record in ground_truth.skipped] == [
            "image number 0 (from 0)",
            "category number 0 (from 0)",
            "annotation 5",
        ]

    def test_sizes_that_no_image_has(self):
        """They are as unknown as missing ones."""
        images = [{"id": at, "width": side, "height": 10} for at, side in enumerate([-1, 0, 1e300, 10**9, 640.0])]
        assert parsed(truth([], images)).image_sizes.tolist() == [[0, 0]] * 4 + [[640, 10]]

    def test_repeated_annotation_ids(self):
        """Each annotation counts, whatever its id; one file without ids is fine."""
        ground_truth = parsed(truth([annotation(), annotation(image_id=2)]))
        assert ground_truth.image.tolist() == [0, 1]
        assert ground_truth.notes == ("1 annotations repeat an id; each counts as an object.",)
        assert parsed(truth([annotation(id=None)] * 2)).notes == ()

    def test_categories_of_one_name(self):
        """They stay apart, and a note tells."""
        ground_truth = parsed(truth([], None, [{"id": 0, "name": "fish"}, {"id": 1, "name": "fish"}]))
        assert ground_truth.class_names == ("fish", "fish")
        assert "repeat a name" in ground_truth.notes[0]


class TestRefusals:
    """What is no ground truth is refused with the file's name, what was found and what to do."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"not json",
            b"{",
            b"[]",
            b"null",
            b"{}",
            b'{"images": []}',
            b'{"images": [], "annotations": [], "categories": []}',
            b'{"images": [{"id": 1}], "annotations": [], "categories": []}',
            b'{"images": [{"id": 1}], "categories": [{"id": 1}]}',
            b'{"images": {"1": "a.jpg"}, "annotations": [], "categories": [{"id": 1}]}',
            b"\xff\xd8\xff\xe0\x00\x10JFIF",
            b"\xff\xfe\x00",
            b'{"images": [{"id": "\xff"}]}',
            b'{"info": ' + b"[" * 100_000,
            b'{"info": NaN, "images": ' + b"[" * 100_000,
            b"<annotations",
        ],
        ids=lambda data: data[:40],
    )
    def test_files_that_are_something_else(self, data):
        """Broken JSON, other JSON and other files are named, with the content that is expected."""
        with pytest.raises(BadAnnotations, match=r"^labels\.json ") as caught:
            parse_ground_truth(data, "labels.json")
        assert '"images", "annotations" and "categories"' in caught.value.advice

    @pytest.mark.parametrize("image", [{}, "a.jpg", {"id": True}, {"id": None}, 7], ids=str)
    def test_files_without_one_good_image(self, image):
        """When no image can be used there is no data set, and the first reasons are told."""
        with pytest.raises(BadAnnotations, match=r"no image that can be used.*image number 0"):
            parsed(truth(images=[image]))

    def test_two_images_of_one_id(self):
        """Which one is meant cannot be known, unless the entries are the same."""
        with pytest.raises(BadAnnotations, match="image id 1"):
            parsed(truth([], [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]))
        twice = parsed(truth(images=[{"id": 1, "file_name": "a"}, {"id": 2}, {"id": 1, "file_name": "a"}]))
        assert (twice.image_names, twice.image.tolist()) == (("a", "2"), [0])
        assert twice.notes == ("1 images are listed again, with the same entry; each counts once.",)

    def test_two_categories_of_one_id(self):
        """Which one is meant cannot be known."""
        with pytest.raises(BadAnnotations, match="category id 1"):
            parsed(truth([], None, [{"id": 1, "name": "a"}, {"id": 1.0, "name": "b"}]))

    def test_two_images_of_one_file_name(self):
        """A run knows images by name only, so two of one name are refused."""
        with pytest.raises(BadAnnotations, match=r"'a\.jpg'.*own file name"):
            parsed(truth([], [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.jpg"}]))

    def test_files_that_cannot_be_opened(self, tmp_path):
        """A path that is missing, or a folder, is told with its name."""
        for path in (tmp_path / "missing.json", tmp_path):
            with pytest.raises((BadAnnotations, BadSource), match=path.name):
                read_ground_truth(path)
            with pytest.raises(BadAnnotations, match=path.name):
                read_results(path, parsed(truth()))


class TestResults:
    """Detections."""

    def test_columns_in_the_order_of_the_file(self):
        """Nothing is sorted or thresholded."""
        predictions = parsed_results([result(score=0.1), result(image_id=2, category_id=1, bbox=[1, 2, 3, 4.5])])
        assert predictions.image.tolist() == [0, 1]
        assert predictions.class_id.tolist() == [1, 0]
        assert predictions.ltwh.tolist() == [BOX, [1.0, 2.0, 3.0, 4.5]]
        assert predictions.confidence.tolist() == [0.1, 0.9]

    def test_an_empty_list_is_no_detections(self):
        """A detector that found nothing is judged like any other."""
        predictions = parsed_results([])
        assert len(predictions) == 0
        assert coco_numbers(match(parsed(truth()), predictions))["AP"] == 0.0

    def test_unknown_images_and_categories_are_left_out(self):
        """One detection that points nowhere does not spoil the rest."""
        predictions = parsed_results([result(image_id=99), result(), result(category_id="bird")])
        assert len(predictions) == 1
        assert predictions.notes == (
            "1 detections on images that the ground truth does not list were left out.",
            "1 detections of categories that the ground truth does not list were left out.",
        )

    def test_boxes_without_area_are_kept(self):
        """They count as detections, as in COCO's evaluation, and a note tells."""
        predictions = parsed_results([result(bbox=[5, 5, 0, 3])])
        assert len(predictions) == 1
        assert "match nothing" in predictions.notes[0]

    @pytest.mark.parametrize(
        "results",
        [
            {"annotations": []},
            [1],
            [[1, 2]],
            [{**result(), "score": None}],
            [{**result(), "score": "0.9"}],
            [{**result(), "bbox": [1, 2, 3]}],
            [{**result(), "bbox": [1, 2, 3, None]}],
            [{"image_id": 1, "category_id": 2, "segmentation": {}, "score": 0.5}],
            [{**result(), "score": float("nan")}],
            [{**result(), "bbox": [1, 2, float("inf"), 4]}],
        ],
        ids=str,
    )
    def test_anything_else_is_refused(self, results):
        """What is no list of results, or a list without one that can be used, is named, with what to do."""
        with pytest.raises(BadAnnotations, match=r"^found\.json") as caught:
            parse_results(json.dumps(results).encode(), parsed(truth()), "found.json")
        assert caught.value.advice

    @pytest.mark.parametrize(
        "broken",
        ["text", None, [1], {}, {**result(), "bbox": [1, 2, 3]}, {**result(), "score": "0.9"}, result(score=None)],
        ids=str,
    )
    def test_a_broken_result_stops_nothing(self, broken):
        """It is left out and named by its place, and the others are read."""
        predictions = parsed_results([result(score=0.5), broken, result(image_id=2)])
        assert predictions.confidence.tolist() == [0.5, 0.9]
        assert [record.where for record in predictions.skipped] == ["result number 1 (from 0)"]
        assert predictions.notes[0].startswith("1 broken results were left out: result number 1 (from 0): ")

    def test_scores_and_boxes_that_are_not_finite(self):
        """They are named by their place, and the note tells the first."""
        infinite = result(bbox=[0, 0, float("inf"), 1])
        predictions = parsed_results([result(), result(score=float("nan")), infinite])
        assert len(predictions) == 1
        places = ["result number 1 (from 0)", "result number 2 (from 0)"]
        assert [record.where for record in predictions.skipped] == places
        behind = parsed_results([result(), "text", infinite])
        assert sorted(record.where for record in behind.skipped) == places
        assert predictions.notes[0].startswith("2 broken results were left out: result number 1 (from 0): ")


class TestRoundTrip:
    """What is written is read back the same, to the last bit."""

    @pytest.mark.parametrize("seed", range(8))
    def test_ground_truth_and_results(self, seed, tmp_path):
        """Ground truth and detections survive writing and reading, through files, and score the same."""
        file, results = random_set(seed)
        ground_truth = parsed(file)
        predictions = parsed_results(results, ground_truth)
        (tmp_path / "truth.json").write_bytes(ground_truth_json(ground_truth))
        (tmp_path / "results.json").write_bytes(results_json(predictions, ground_truth))
        truth_again = read_ground_truth(tmp_path / "truth.json")
        again = read_results(tmp_path / "results.json", truth_again)
        same_truth(truth_again, ground_truth)
        for column in ("image", "class_id", "ltwh", "confidence"):
            np.testing.assert_array_equal(getattr(again, column), getattr(predictions, column))
        expected = coco_numbers(match(ground_truth, predictions))
        np.testing.assert_array_equal(list(coco_numbers(match(truth_again, again)).values()), list(expected.values()))

    def test_objects_to_ignore(self):
        """They are written with a key of smviz's own, and stay what they are."""
        ground_truth = parsed(truth([annotation(), annotation(id=6, difficult=1)]))
        assert ground_truth.ignore.tolist() == [False, True]
        assert parse_ground_truth(ground_truth_json(ground_truth)).ignore.tolist() == [False, True]

    def test_full_precision_and_text_ids(self):
        """The last bit of a float and the text of an id are kept; other tools find no annotation id 0."""
        box = [0.1 + 0.2, 1e-7, 1 / 3, 123456.789]
        file = truth([annotation(image_id="x", bbox=box, area=2 / 3, iscrowd=1)], [{"id": "x", "file_name": "é.png"}])
        ground_truth = parsed(file)
        written = ground_truth_json(ground_truth)
        same_truth(parse_ground_truth(written), ground_truth)
        assert json.loads(written)["annotations"][0]["id"] == 1
        predictions = parsed_results([result(image_id="x", bbox=box, score=1 / 3)], ground_truth)
        assert json.loads(results_json(predictions, ground_truth)) == [
            {"image_id": "x", "category_id": 2, "bbox": box, "score": 1 / 3}
        ]
