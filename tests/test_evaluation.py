"""A run is joined with its ground truth, and the tables agree with the numbers below them."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.errors import BadResponse, BadSetting
from smviz.evaluation import evaluate, predictions_from
from smviz.metrics import average_precision, coco_numbers, counts
from smviz.records import Detections, Failure, GroundTruth, Outcome, Reply
from smviz.settings import MatchSettings

BOX = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)


def named_truth(images, classes=("dog", "cat"), size=(100, 50), objects=()):
    """Ground truth with these names, and one 10 x 10 object for each (image, class)."""
    return GroundTruth(
        image_names=tuple(images),
        image_ids=tuple(range(len(images))),
        image_sizes=np.array([size] * len(images)),
        class_names=tuple(classes),
        category_ids=tuple(range(len(classes))),
        image=[image for image, _ in objects],
        class_id=[class_id for _, class_id in objects],
        ltwh=[(0, 0, 10, 10)] * len(objects),
        area=[100] * len(objects),
        crowd=[False] * len(objects),
    )


def outcome(image, rows=(("dog", 0.9, (10, 10, 30, 20)),), width=100, height=50):
    """An image that was answered with rows of (name, score, xyxy); rows of None is an unreadable answer."""
    reply = Reply(json.dumps(rows).encode(), "application/json", 0.1, None)
    return Outcome(image, "00", width, height, 1, reply=reply)


def failed(image):
    """An image that was not answered."""
    return Outcome(image, "00", 0, 0, 3, failure=Failure("Throttled", "Too fast.", "Wait."))


def parse(done):
    """Detections from the rows of `outcome`."""
    rows = json.loads(done.reply.body)
    if rows is None:
        raise BadResponse("There is nothing in the reply.", "Choose another format.")
    names = [name for name, _, _ in rows]
    boxes, scores = [xyxy for _, _, xyxy in rows], [np.nan if score is None else score for _, score, _ in rows]
    return Detections(boxes, scores, np.arange(len(rows)), tuple(names))


def joined(ground_truth, *outcomes):
    """The predictions of a run."""
    return predictions_from(outcomes, parse, ground_truth)


class TestPredictionsFrom:
    """Joining by name."""

    def test_columns_in_the_order_of_the_images(self):
        """Boxes become left, top, width, height; images stand in the ground truth's order, whatever the run's."""
        rows = [("cat", 0.5, (1, 2, 3, 5)), ("dog", 0.7, (0, 0, 1, 1))]
        predictions = joined(named_truth(["a.jpg", "b.jpg"]), outcome("b.jpg"), outcome("a.jpg", rows))
        assert predictions.image.tolist() == [0, 0, 1]
        assert predictions.class_id.tolist() == [0, 1, 0]
        assert predictions.confidence.tolist() == [0.7, 0.5, 0.9]
        assert predictions.ltwh.tolist() == [[0, 0, 1, 1], [1, 2, 2, 3], [10, 10, 20, 10]]
        assert predictions.notes == ()

    @pytest.mark.parametrize(
        ("truth_name", "run_name"),
        [("val/a.jpg", "a.jpg"), ("a.jpg", "photos/a.jpg"), ("val/a.jpg", "photos/a.jpg"), ("a.jpg", "C:\\x\\a.jpg")],
    )
    def test_a_base_name_is_enough_where_it_is_unique(self, truth_name, run_name):
        """Folders may differ on either side."""
        assert joined(named_truth([truth_name]), outcome(run_name)).image.tolist() == [0]

    def test_a_base_name_that_occurs_twice_is_not_guessed(self):
        """Only the exact name finds one of two images with the same base name."""
        ground_truth = named_truth(["x/a.jpg", "y/a.jpg"])
        assert joined(ground_truth, outcome("y/a.jpg")).image.tolist() == [1]
        assert joined(ground_truth, outcome("a.jpg")).notes[0] == (
            "1 images of the run are not in the ground truth and were left out: a.jpg."
        )

    @pytest.mark.parametrize("exact_first", [True, False])
    def test_two_images_of_the_run_for_one_of_the_ground_truth(self, exact_first):
        """The exact name wins, in either order, no detection counts twice, and a note tells."""
        run = [outcome("a.jpg", [("dog", 0.1, (0, 0, 9, 9))]), outcome("other/a.jpg")]
        predictions = joined(named_truth(["a.jpg"]), *(run if exact_first else run[::-1]))
        assert predictions.confidence.tolist() == [0.1]
        assert "share a ground truth image" in predictions.notes[0]

    def test_class_names_match_whatever_the_case_and_blanks(self):
        """An exact name comes first, then the folded one."""
        ground_truth = named_truth(["a.jpg"], ["Dog ", "dog", "CAT"])
        rows = [(name, 0.5, (0, 0, 1, 1)) for name in ("dog", "Dog ", " cat")]
        assert joined(ground_truth, outcome("a.jpg", rows)).class_id.tolist() == [1, 0, 2]

    def test_a_name_that_two_categories_share_means_the_most_frequent(self):
        """An empty category of the same name, as some exports have, does not catch the detections."""
        ground_truth = named_truth(["a.jpg"], ["fish", "fish"], objects=[(0, 1)])
        rows = [("fish", 0.5, (0, 0, 1, 1)), ("FISH", 0.5, (0, 0, 1, 1))]
        assert joined(ground_truth, outcome("a.jpg", rows)).class_id.tolist() == [1, 1]

    def test_unknown_classes_are_left_out_by_name(self):
        """Each name is told with how often it occurred."""
        rows = [(name, 0.5, (0, 0, 1, 1)) for name in ("bird", "bird", "fox", "dog")]
        predictions = joined(named_truth(["a.jpg"]), outcome("a.jpg", rows))
        assert len(predictions) == 1
        assert predictions.notes == (
            "3 detections are of classes that the ground truth does not have and were left out: bird (2), fox.",
        )

    def test_a_class_map_says_what_a_name_means(self):
        """The map comes first; several names may mean one class, and names that are not in it are found as ever."""
        ground_truth = named_truth(["a.jpg"], ["vehicle", "person", "Dog"])
        rows = [(name, 0.5, (0, 0, 1, 1)) for name in ("car", "van", "DOG", "person", "Person")]
        class_map = {"car": "vehicle", "van": "vehicle", "person": "Dog"}
        predictions = predictions_from([outcome("a.jpg", rows)], parse, ground_truth, class_map)
        assert predictions.class_id.tolist() == [0, 0, 2, 2, 1]
        assert predictions.notes == ()

    def test_a_class_may_be_left_out_on_purpose(self):
        """A class that the map gives no meaning is counted in a note of its own, even where its name would match."""
        rows = [(name, 0.5, (0, 0, 1, 1)) for name in ("dog", "dog", "cat", "fox", "bird", "Dog")]
        class_map = {"dog": None, "fox": None}
        predictions = predictions_from([outcome("a.jpg", rows)], parse, named_truth(["a.jpg"]), class_map)
        assert predictions.class_id.tolist() == [1, 0]
        assert predictions.notes == (
            "1 detections are of classes that the ground truth does not have and were left out: bird.",
            "3 detections are of classes that are left out on purpose: dog (2), fox.",
        )

    def test_a_class_map_of_another_ground_truth_is_refused(self):
        """A class that is not there is named, also when no image needs it."""
        with pytest.raises(BadSetting, match="does not have: lorry") as caught:
            predictions_from([], parse, named_truth([]), {"van": "lorry", "Katze": " CAT"})
        assert caught.value.advice == "It has 2, such as dog, cat."

    def test_failed_and_unreadable_images_have_no_detections(self):
        """Neither stops the evaluation; both are told by name."""
        predictions = joined(named_truth(["a", "b", "c"]), failed("a"), outcome("b", None), outcome("c"))
        assert predictions.image.tolist() == [2]
        assert predictions.notes == (
            "1 images failed and have no detections: a.",
            "1 replies could not be read and give no detections: b.",
        )

    def test_other_errors_of_a_parser_are_not_hidden(self):
        """A bug in a parser crashes visibly."""

        def broken(_):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            predictions_from([outcome("a")], broken, named_truth(["a"]))

    def test_images_that_were_not_run_are_told(self):
        """Their objects count as missed, so a person must know; a long list is cut."""
        names = [f"{i}.jpg" for i in range(9)]
        assert joined(named_truth(names), outcome("0.jpg")).notes == (
            "8 images of the ground truth are not in the run; their objects count as missed: "
            "1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg, and 3 more.",
        )

    def test_an_empty_run(self):
        """No outcomes: no predictions."""
        predictions = joined(named_truth(["a"]))
        assert (len(predictions), predictions.ltwh.shape) == (0, (0, 4))

    def test_boxes_are_scaled_to_the_ground_truths_image(self):
        """A frame of twice the width and half the height is undone, and noted."""
        predictions = joined(named_truth(["a"]), outcome("a", width=200, height=25))
        assert predictions.ltwh.tolist() == [[5, 20, 10, 20]]
        assert "another size" in predictions.notes[0]

    @pytest.mark.parametrize("frame", [{"width": 0, "height": 0}, {"width": 100, "height": 50}])
    def test_boxes_stay_where_a_size_is_unknown_or_equal(self, frame):
        """Without two sizes that differ there is nothing to scale."""
        predictions = joined(named_truth(["a"]), outcome("a", **frame))
        assert predictions.ltwh.tolist() == [[10, 10, 20, 10]]
        assert predictions.notes == ()
        unknown = joined(named_truth(["a"], size=(0, 0)), outcome("a"))
        assert unknown.ltwh.tolist() == [[10, 10, 20, 10]]

    def test_a_rotated_photo_is_not_squeezed(self):
        """Swapped width and height mean another orientation, not another scale; a note says to look."""
        predictions = joined(named_truth(["a"]), outcome("a", width=50, height=100))
        assert predictions.ltwh.tolist() == [[10, 10, 20, 10]]
        assert "swapped" in predictions.notes[0]

    def test_detections_without_confidence_are_left_out(self):
        """What cannot be ranked cannot be judged; a note tells."""
        predictions = joined(
            named_truth(["a"]), outcome("a", [("dog", None, (0, 0, 1, 1)), ("dog", 0.2, (0, 0, 1, 1))])
        )
        assert predictions.confidence.tolist() == [0.2]
        assert predictions.notes == ("1 detections have no confidence and were left out: a.",)


class TestEvaluation:
    """The tables."""

    @pytest.mark.parametrize("seed", range(8))
    def test_tables_agree_with_the_metrics(self, seed):
        """Numbers, APs and counts are those of the modules below, and both tables add up to the same counts."""
        evaluation = evaluate(*random_columns(seed))
        matches = evaluation.matches
        np.testing.assert_array_equal(list(evaluation.numbers.values()), list(coco_numbers(matches).values()))
        whole = counts(matches, 0.4, 0.6)
        classes, images = evaluation.class_table(0.4, 0.6), evaluation.image_table(0.4, 0.6)
        for table in (classes, images):
            sums = [sum(getattr(row, column) for row in table) for column in ("tp", "fp", "fn")]
            assert sums == [whole.tp, whole.fp, whole.fn]
        precision = average_precision(matches)
        np.testing.assert_allclose([row.ap for row in classes], precision.mean(axis=0), rtol=0, atol=1e-15)
        np.testing.assert_array_equal([row.ap50 for row in classes], precision[0])
        assert [row.name for row in images] == list(matches.ground_truth.image_names)

    def test_class_rows_by_hand(self):
        """One class with one of two found, one class never there."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.8), (0, 0, FAR, 0.3), (0, 1, FAR, 0.6)]
        first, second = evaluate(*small_set(objects, detections)).class_table(0.5)
        assert (first.name, first.objects, first.detections) == ("class 0", 2, 1)
        assert (first.tp, first.fp, first.fn, first.best_threshold) == (1, 0, 1, 0.8)
        assert first.ap50 == pytest.approx(51 / 101)
        assert (second.objects, second.fp, second.precision) == (0, 1, 0.0)
        assert np.isnan([second.ap, second.ap50, second.recall, second.best_threshold]).all()

    def test_best_threshold_is_pooled(self):
        """The best F1 over all classes together, at the lowest IoU of the settings."""
        data = small_set([(0, 0, BOX), (0, 1, BOX)], [(0, 0, BOX, 0.8), (0, 1, (0, 0, 40, 30), 0.6), (0, 1, FAR, 0.3)])
        assert evaluate(*data).best_threshold.confidence == 0.6
        assert evaluate(*data, MatchSettings(ious=(0.9,))).best_threshold.confidence == 0.8

    def test_ap50_is_undefined_where_it_was_not_matched(self):
        """Without IoU 0.5 in the settings there is no AP50."""
        evaluation = evaluate(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]), MatchSettings(ious=(0.75,)))
        row = evaluation.class_table(0.5, 0.75)[0]
        assert row.ap == 1.0
        assert np.isnan(row.ap50)
        with pytest.raises(BadSetting, match=r"0\.75"):
            evaluation.class_table(0.5)

    def test_a_sweep_is_made_once(self):
        """Asking again gives the very same sweep; another IoU or class another one."""
        evaluation = evaluate(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        assert evaluation.sweep(0) is evaluation.sweep(0)
        assert evaluation.sweep(0) is not evaluation.sweep(0, 0.75)
        assert evaluation.sweep() is not evaluation.sweep(0)

    def test_rows_are_plain_values(self):
        """Rows can be written as JSON."""
        evaluation = evaluate(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        rows = [*evaluation.class_table(0.5), *evaluation.image_table(0.5)]
        assert json.loads(json.dumps([asdict(row) for row in rows]))[0]["tp"] == 1

    def test_notes_come_from_both_sides(self):
        """What was left out of the ground truth and of the detections is told together."""
        ground_truth = named_truth(["a.jpg", "b.jpg"])
        evaluation = evaluate(ground_truth, joined(ground_truth, outcome("a.jpg")))
        assert evaluation.notes == (
            "1 images of the ground truth are not in the run; their objects count as missed: b.jpg.",
        )

    def test_a_run_from_outcomes_to_numbers(self):
        """A run that finds every object exactly scores 1."""
        ground_truth = named_truth(["a.jpg", "b.jpg"], objects=[(0, 0), (1, 1)])
        run = [outcome("a.jpg", [("Dog", 0.9, (0, 0, 10, 10))]), outcome("x/b.jpg", [("CAT", 0.8, (0, 0, 10, 10))])]
        evaluation = evaluate(ground_truth, joined(ground_truth, *run))
        assert evaluation.numbers["AP"] == 1.0
        assert evaluation.notes == ()
