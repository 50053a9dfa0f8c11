"""Thresholds are exact: every distinct score is tried."""

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import counts
from smviz.operating import best_f1, sweep

BOX = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)


class TestSweep:
    """The counts at every threshold."""

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("class_id", [None, 0])
    def test_equals_counting_at_every_candidate(self, seed, class_id):
        """Each row, and the look-up at, just above and just below each score, equals counting from the matches."""
        matches = match(*random_columns(seed))
        swept = sweep(matches, class_id, 0.75)
        classes = None if class_id is None else [class_id]
        scores = matches.confidence[matches.ranked(class_id)]
        np.testing.assert_array_equal(swept.confidence, np.unique(scores)[::-1])
        for row, score in enumerate(swept.confidence):
            expected = counts(matches, score, 0.75, classes)
            assert (swept.tp[row], swept.fp[row], swept.fn[row]) == (expected.tp, expected.fp, expected.fn)
            for near in (score, np.nextafter(score, 2), np.nextafter(score, -1)):
                found, expected = swept.at(near), counts(matches, near, 0.75, classes)
                assert (found.tp, found.fp, found.fn) == (expected.tp, expected.fp, expected.fn)

    def test_above_the_highest_score_nothing_is_left(self):
        """A threshold that no detection reaches misses every object."""
        swept = sweep(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)])))
        nothing = swept.at(0.95)
        assert (nothing.tp, nothing.fp, nothing.fn, nothing.recall) == (0, 0, 1, 0.0)
        assert np.isnan(nothing.precision)

    def test_without_detections_it_is_empty_and_still_answers(self):
        """No detections: no candidates, and every threshold misses everything."""
        swept = sweep(match(*small_set([(0, 0, BOX)])))
        assert len(swept) == 0
        assert swept.at(0.5).fn == 1

    def test_a_class_that_is_not_there(self):
        """An unknown class is refused."""
        with pytest.raises(BadSetting, match="class 7"):
            sweep(match(*small_set()), 7)


class TestBestF1:
    """The operating point."""

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
    def test_no_threshold_is_better(self, seed, beta):
        """By brute force from precision and recall: the best F-beta, at the highest threshold that reaches it."""
        matches = match(*random_columns(seed))
        point = best_f1(sweep(matches), beta)
        scores = np.unique(matches.confidence)
        tried = {}
        for score in scores:
            at = counts(matches, score)
            weighted = beta**2 * at.precision + at.recall
            tried[score] = (1 + beta**2) * at.precision * at.recall / weighted if at.tp else 0.0
        if not tried or not matches.positives().sum():
            assert np.isnan(point.confidence)
            return
        best = max(tried.values())
        assert point.value == pytest.approx(best, abs=1e-12)
        assert point.confidence == max(score for score, value in tried.items() if value > best - 1e-12)

    def test_by_hand(self):
        """Found, found, wrong, missed: the point is the second score, with what it gives."""
        objects = [(0, 0, BOX), (0, 0, FAR), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (1, 0, FAR, 0.7)]
        point = best_f1(sweep(match(*small_set(objects, detections)), 0))
        assert (point.confidence, point.tp, point.fp, point.fn) == (0.8, 2, 0, 1)
        assert (point.precision, point.recall, point.f1, point.value) == (1.0, 2 / 3, 0.8, 0.8)

    def test_of_equal_thresholds_the_highest(self):
        """One right then one wrong for two objects is F1 2/3, and so is a third that is right: the first one wins."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (0, 0, FAR, 0.7), (1, 0, BOX, 0.6)]
        swept = sweep(match(*small_set(objects, detections)), 0)
        assert swept.f1.tolist() == [2 / 3, 0.5, 0.4, 2 / 3]
        assert best_f1(swept).confidence == 0.9

    @pytest.mark.parametrize(
        ("objects", "detections", "missed"), [([], [(0, 0, BOX, 0.9)], 0), ([(0, 0, BOX)], [], 1), ([], [], 0)]
    )
    def test_without_objects_or_detections_there_is_no_best(self, objects, detections, missed):
        """The point is NaN but for its counts."""
        point = best_f1(sweep(match(*small_set(objects, detections))))
        assert np.isnan([point.confidence, point.precision, point.recall, point.f1, point.value]).all()
        assert (point.tp, point.fp, point.fn) == (0, 0, missed)

    def test_beta_moves_the_point(self):
        """A high beta buys recall with false alarms, a low one does not."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (0, 0, FAR, 0.7), (1, 0, BOX, 0.6)]
        swept = sweep(match(*small_set(objects, detections)), 0)
        assert best_f1(swept, beta=2.0).confidence == 0.6
        assert best_f1(swept, beta=0.5).confidence == 0.9

    @pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
    def test_beta_must_be_a_positive_number(self, beta):
        """Anything else is refused."""
        with pytest.raises(BadSetting, match="Beta"):
            best_f1(sweep(match(*small_set())), beta)
