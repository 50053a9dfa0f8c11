"""What changes between two thresholds: every detection that comes or goes, exactly."""

import numpy as np
import pytest
from coco_sets import random_columns, small_set
from hypothesis import given, settings
from hypothesis import strategies as st

from smviz.errors import BadSetting
from smviz.intervals import Bootstrap, threshold_changes
from smviz.matching import match
from smviz.metrics import per_class
from smviz.operating import changes, kept
from smviz.records import Predictions

BOX = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, float("nan")])


def example():
    """Two classes; of class 0 two objects found at 0.9 and 0.4 and a false box at 0.6, of class 1 the same lower."""
    objects = [(0, 0, BOX), (1, 0, BOX), (0, 1, FAR), (1, 1, FAR)]
    found = [(0, 0, BOX, 0.9), (1, 0, BOX, 0.4), (0, 0, FAR, 0.6), (0, 1, FAR, 0.3), (1, 1, BOX, 0.2)]
    return match(*small_set(objects, found))


def told(matches, positions):
    """Image, class and confidence of detections."""
    return [(int(matches.image[i]), int(matches.class_id[i]), float(matches.confidence[i])) for i in positions]


class TestChanges:
    def test_a_lower_threshold_adds(self):
        """What it finds and what it gets wrong is named, by falling confidence; nothing is lost."""
        matches = example()
        changed = changes(matches, 0.7, 0.2)
        assert told(matches, changed.found) == [(1, 0, 0.4), (0, 1, 0.3)]
        assert told(matches, changed.false) == [(0, 0, 0.6), (1, 1, 0.2)]
        assert (len(changed.lost), len(changed.cleared), len(changed)) == (0, 0, 4)
        assert changed.found_objects.tolist() == [1, 2]
        assert (changed.before.tp, changed.before.fp, changed.before.fn) == (1, 0, 3)
        assert (changed.after.tp, changed.after.fp, changed.after.fn) == (3, 2, 1)

    def test_a_higher_threshold_takes_away(self):
        """The same detections the other way round: objects no longer found, mistakes no longer made."""
        matches = example()
        up, down = changes(matches, 0.2, 0.7), changes(matches, 0.7, 0.2)
        assert (up.lost == down.found).all()
        assert (up.cleared == down.false).all()
        assert (up.lost_objects == down.found_objects).all()
        assert (len(up.found), len(up.false)) == (0, 0)

    def test_thresholds_per_class(self):
        """One class may lose while another gains."""
        matches = example()
        changed = changes(matches, [0.4, 0.5], [0.7, 0.3])
        assert told(matches, changed.found) == [(0, 1, 0.3)]
        assert told(matches, changed.lost) == [(1, 0, 0.4)]
        assert told(matches, changed.cleared) == [(0, 0, 0.6)]
        assert len(changed.false) == 0

    def test_a_detection_at_the_threshold_is_kept(self):
        """As everywhere a threshold keeps what reaches it."""
        assert len(changes(example(), 0.9, 0.4).found) == 1
        assert len(changes(example(), 0.9, np.nextafter(0.4, 1)).found) == 0

    def test_the_same_thresholds_change_nothing(self):
        """Also where one is told per class and the other for all; NaN keeps nothing."""
        matches = example()
        assert len(changes(matches, 0.5, [0.5, 0.5])) == 0
        assert len(changes(matches, np.nan, [np.nan, 2.0])) == 0

    @pytest.mark.parametrize("seed", range(6))
    @settings(max_examples=15, deadline=None)
    @given(data=st.data())
    def test_is_what_evaluating_twice_tells(self, seed, data):
        """Cutting the detections and matching anew gives the same counts and the same objects found."""
        truth, predictions = random_columns(seed)
        matches = match(truth, predictions)
        a, b = ([data.draw(SCORES) for _ in truth.class_names] for _ in "ab")
        changed = changes(matches, a, b)
        found = []
        for thresholds, counts in ((a, changed.before), (b, changed.after)):
            cut = np.flatnonzero(predictions.confidence >= np.array(thresholds)[predictions.class_id])
            columns = (getattr(predictions, name)[cut] for name in ("image", "class_id", "ltwh", "confidence"))
            anew = match(truth, Predictions(*columns))
            table = per_class(anew, 0)
            assert (counts.tp, counts.fp, counts.fn) == (table.tp.sum(), table.fp.sum(), table.fn.sum())
            found.append(set(anew.taken()[anew.true_positive()].tolist()))
        assert set(changed.found_objects.tolist()) == found[1] - found[0]
        assert set(changed.lost_objects.tolist()) == found[0] - found[1]
        assert changed.after.tp - changed.before.tp == len(changed.found) - len(changed.lost)
        assert changed.after.fp - changed.before.fp == len(changed.false) - len(changed.cleared)
        for rows in (changed.found, changed.false, changed.lost, changed.cleared):
            assert (np.diff(matches.confidence[rows]) <= 0).all()

    def test_other_ious_and_areas(self):
        """What is right depends on them, and so does what changes."""
        near = (0, 0, 40, 28)
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, near, 0.5)]))
        assert len(changes(matches, 0.9, 0.1, 0.5).found) == 1
        assert len(changes(matches, 0.9, 0.1, 0.75).false) == 1
        assert len(changes(matches, 0.9, 0.1, 0.5, "large")) == 0
        assert (changes(matches, 0.9, 0.1, 0.5, "large").before.fn, changes(matches, 0.9, 0.1).before.fn) == (0, 1)

    def test_some_classes(self):
        """Only those count, in what changes and in the counts."""
        matches = example()
        changed = changes(matches, 0.7, 0.2, class_ids=(1,))
        assert told(matches, changed.found) == [(0, 1, 0.3)]
        assert told(matches, changed.false) == [(1, 1, 0.2)]
        assert (changed.before.fn, changed.after.fn) == (2, 1)
        assert len(changes(matches, 0.7, 0.2, class_ids=())) == 0
        with pytest.raises(BadSetting, match="classes does not exist"):
            changes(matches, 0.7, 0.2, class_ids=(2,))

    @pytest.mark.parametrize("wrong", [[0.5], [0.5, 0.5, 0.5], [[0.5, 0.5]]])
    def test_thresholds_of_other_classes(self, wrong):
        """They are told, and so is an IoU that was not matched."""
        with pytest.raises(BadSetting, match="do not belong"):
            changes(example(), 0.5, wrong)
        with pytest.raises(BadSetting, match=r"IoU 0\.33"):
            changes(example(), 0.5, 0.4, 0.33)

    def test_without_detections(self):
        """Nothing can change."""
        changed = changes(match(*small_set([(0, 0, BOX)], [])), 0.9, 0.1)
        assert (len(changed), changed.after.fn) == (0, 1)


class TestKept:
    def test_of_one_and_of_each(self):
        """One threshold serves every class; of several each serves its own."""
        matches = example()
        assert told(matches, np.flatnonzero(kept(matches, 0.6))) == [(0, 0, 0.9), (0, 0, 0.6)]
        assert kept(matches, [1.0, 0.25]).sum() == 1


class TestThresholdChanges:
    def test_is_the_difference_of_the_rates(self):
        """The point is what the counts tell, and the interval knows that both are of the same images."""
        matches = match(*random_columns(5))
        bootstrap, classes = Bootstrap(matches, resamples=200), len(matches.ground_truth.class_names)
        for a, b, class_ids in ((0.7, 0.3, None), (0.7, np.linspace(0.2, 0.9, classes), None), (0.7, 0.3, (0,))):
            told = threshold_changes(bootstrap, a, b, class_ids=class_ids)
            counted = changes(matches, a, b, class_ids=class_ids)
            for name in ("precision", "recall", "f1"):
                difference = getattr(counted.after, name) - getattr(counted.before, name)
                interval = getattr(told, name).interval
                assert interval.point == pytest.approx(difference)
                assert interval.low <= interval.point <= interval.high
        assert told.recall.interval.low >= 0  # a lower threshold finds no fewer, in whichever images

    def test_of_the_same_thresholds(self):
        """There is no difference, and no doubt about it."""
        interval = threshold_changes(Bootstrap(match(*random_columns(5)), resamples=50), 0.5, 0.5).f1.interval
        assert (interval.point, interval.low, interval.high) == (0, 0, 0)
