"""The numbers are COCO's, and every table tells the same story."""

import numpy as np
import pytest
from coco_sets import NUMBERS, oracle, oracle_numbers, random_columns, small_set

from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import (
    Counts,
    average_precision,
    average_recall,
    coco_numbers,
    counts,
    per_class,
    per_image,
    precision_recall,
)
from smviz.settings import MatchSettings

BOX = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)


def nan_for_minus_one(values):
    """pycocotools says -1 where smviz says NaN."""
    return np.where(values == -1, np.nan, values)


class TestCocoNumbers:
    """COCO's twelve."""

    @pytest.mark.parametrize("seed", range(80))
    def test_all_twelve_equal_pycocotools(self, seed):
        """Within 1e-12, NaN where pycocotools says -1, in its order."""
        numbers = coco_numbers(match(*random_columns(seed)))
        assert list(numbers) == NUMBERS
        assert numbers == pytest.approx(oracle_numbers(oracle(seed)), abs=1e-12, nan_ok=True)

    def test_a_perfect_detector_scores_exactly_one(self):
        """Everything found and nothing else is 1.0 to the last bit, so that a check for it passes."""
        numbers = coco_numbers(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)])))
        assert {numbers[name] for name in ("AP", "AP50", "AP75", "APm", "AR1", "AR10", "AR100", "ARm")} == {1.0}
        assert np.isnan([numbers[name] for name in ("APs", "APl", "ARs", "ARl")]).all()

    def test_nothing_to_find_is_undefined(self):
        """Without an object every number is NaN, whatever was detected."""
        assert np.isnan(list(coco_numbers(match(*small_set([], [(0, 0, BOX, 0.9)]))).values())).all()

    def test_nothing_found_is_zero(self):
        """With objects and no detections, AP and AR are 0."""
        numbers = coco_numbers(match(*small_set([(0, 0, BOX)])))
        assert (numbers["AP"], numbers["AR100"]) == (0.0, 0.0)

    def test_what_the_settings_leave_out_is_undefined(self):
        """With one IoU, one area and one limit, only the numbers that follow from these are there."""
        settings = MatchSettings(ious=(0.5,), areas=(("all", 0.0, 1e10),), max_detections=(100,))
        numbers = coco_numbers(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]), settings))
        assert {name for name, value in numbers.items() if value == 1.0} == {"AP", "AP50", "AR100"}
        assert sum(map(np.isnan, numbers.values())) == 9


class TestAveragePrecision:
    """AP by IoU and class."""

    @pytest.mark.parametrize("seed", range(30))
    def test_per_class_and_iou_equals_pycocotools(self, seed):
        """Every cell, for every area range, equals the mean over recalls that pycocotools has."""
        theirs = oracle(seed).eval["precision"]  # [T, R, K, A, M]
        matches = match(*random_columns(seed))
        for a, (area, _, _) in enumerate(matches.settings.areas):
            expected = nan_for_minus_one(theirs[:, :, :, a, -1]).mean(axis=1)
            np.testing.assert_allclose(average_precision(matches, area), expected, rtol=0, atol=1e-12)

    def test_recall_that_is_not_reached_counts_as_zero(self):
        """One of two objects found at precision 1 fills the recalls 0 to 0.5, which are 51 of 101."""
        matches = match(*small_set([(0, 0, BOX), (1, 0, BOX)], [(0, 0, BOX, 0.9)]))
        assert average_precision(matches)[0].tolist() == pytest.approx([51 / 101, np.nan], nan_ok=True)

    def test_ties_keep_the_order_of_images(self):
        """At one score the false positive of an earlier image stands before the true positive of a later one."""
        first_wrong = small_set([(1, 0, BOX)], [(1, 0, BOX, 0.5), (0, 0, BOX, 0.5)])
        first_right = small_set([(0, 0, BOX)], [(1, 0, BOX, 0.5), (0, 0, BOX, 0.5)])
        assert average_precision(match(*first_wrong))[0, 0] == 0.5
        assert average_precision(match(*first_right))[0, 0] == 1.0


class TestAverageRecall:
    """Recall by IoU and class."""

    @pytest.mark.parametrize("seed", range(20))
    def test_per_class_and_iou_equals_pycocotools(self, seed):
        """Every cell, for every area range and number of detections, is pycocotools' recall."""
        theirs = oracle(seed).eval["recall"]  # [T, K, A, M]
        matches = match(*random_columns(seed))
        for a, (area, _, _) in enumerate(matches.settings.areas):
            for m, most in enumerate(matches.settings.max_detections):
                expected = nan_for_minus_one(theirs[:, :, a, m])
                np.testing.assert_allclose(average_recall(matches, most, area), expected, rtol=0, atol=1e-12)

    def test_a_limit_that_was_not_asked_for(self):
        """A number of detections outside the settings is refused."""
        with pytest.raises(BadSetting, match="1, 10, 100"):
            average_recall(match(*small_set()), 50)


class TestPrecisionRecall:
    """The curve."""

    def test_one_point_for_each_detection_that_counts(self):
        """Raw precision goes up and down, the envelope only down; ignored detections are no points."""
        objects = [(0, 0, BOX), (1, 0, BOX), (0, 0, FAR, 1600, True)]
        detections = [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8), (0, 0, FAR, 0.7), (1, 0, BOX, 0.6)]
        curve = precision_recall(match(*small_set(objects, detections)), 0)
        assert curve.confidence.tolist() == [0.9, 0.8, 0.6]
        assert curve.recall.tolist() == [0.5, 0.5, 1.0]
        assert curve.precision.tolist() == [1.0, 0.5, 2 / 3]
        assert curve.envelope.tolist() == [1.0, 2 / 3, 2 / 3]

    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.parametrize("class_id", [None, 0])
    def test_each_point_is_the_count_at_its_threshold(self, seed, class_id):
        """The last point of each score has the precision and recall that counting at this score gives."""
        matches = match(*random_columns(seed))
        curve = precision_recall(matches, class_id)
        last = np.flatnonzero(np.append(np.diff(curve.confidence) != 0, True)[: len(curve.confidence)])
        for row in last:
            expected = counts(matches, curve.confidence[row], class_ids=None if class_id is None else [class_id])
            assert curve.precision[row] == expected.precision
            assert curve.recall[row] == pytest.approx(expected.recall, nan_ok=True)

    def test_recall_is_undefined_without_an_object(self):
        """A class that is never there has a curve of NaN recalls and precision 0."""
        curve = precision_recall(match(*small_set([], [(0, 0, BOX, 0.9)])), 0)
        assert np.isnan(curve.recall).all()
        assert curve.precision.tolist() == [0.0]


class TestCounts:
    """TP, FP and FN by image, by class, and together."""

    @pytest.mark.parametrize("seed", range(20))
    def test_images_and_classes_add_up_to_the_whole(self, seed):
        """The sums over images equal the sums over classes and the pooled counts, at any threshold and IoU."""
        matches = match(*random_columns(seed))
        for confidence in (0.0, 0.3, 0.7, 1.1):
            for iou in (0.5, 0.75):
                whole = counts(matches, confidence, iou)
                for table in (per_image(matches, confidence, iou), per_class(matches, confidence, iou)):
                    assert (table.tp.sum(), table.fp.sum(), table.fn.sum()) == (whole.tp, whole.fp, whole.fn)
                assert whole.tp + whole.fn == matches.positives().sum()

    def test_the_threshold_itself_is_kept(self):
        """A detection at exactly the threshold counts."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.3)]))
        assert counts(matches, 0.3).tp == 1
        assert counts(matches, np.nextafter(0.3, 1)).tp == 0

    def test_undefined_rates_are_nan(self):
        """An image with nothing in it has no rates; one with a false alarm only has F1 0 and no recall."""
        table = per_image(match(*small_set([], [(1, 0, BOX, 0.9)])), 0.5)
        np.testing.assert_array_equal(table.precision, [np.nan, 0.0])
        np.testing.assert_array_equal(table.recall, [np.nan, np.nan])
        np.testing.assert_array_equal(table.f1, [np.nan, 0.0])

    def test_rates_by_hand(self):
        """Two of three found with one false alarm: 2/3 each."""
        rates = Counts(tp=2, fp=1, fn=1)
        assert (rates.precision, rates.recall, rates.f1) == (2 / 3, 2 / 3, 2 / 3)

    def test_ignored_detections_count_neither_way(self):
        """What lies on a crowd is among the detections of its class, and in no other column."""
        matches = match(*small_set([(0, 0, BOX, 1600, True)], [(0, 0, BOX, 0.9)]))
        table = per_class(matches, 0.5)
        assert (table.detections[0], table.tp[0], table.fp[0], table.fn[0], table.objects[0]) == (1, 0, 0, 0, 0)

    def test_some_classes_only(self):
        """Counts of chosen classes leave the others out, name one twice or not."""
        matches = match(*small_set([(0, 0, BOX), (0, 1, BOX)], [(0, 0, BOX, 0.9), (0, 1, FAR, 0.9)]))
        assert counts(matches, 0.5, class_ids=[0, 0]) == Counts(1, 0, 0)
        assert counts(matches, 0.5, class_ids=[1]) == Counts(0, 1, 1)
        assert counts(matches, 0.5, class_ids=[]).tp == 0

    @pytest.mark.parametrize("class_ids", [[2], [-1], [0, 5]])
    def test_a_class_that_is_not_there(self, class_ids):
        """Unknown classes are refused, negative ones too."""
        with pytest.raises(BadSetting, match="0 to 1"):
            counts(match(*small_set()), 0.5, class_ids=class_ids)
