"""The values that flow through smviz cannot be changed, and refuse what contradicts itself."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from coco_sets import small_set
from hypothesis import given
from hypothesis import strategies as st

from smviz.errors import BadResponse
from smviz.records import Detections, Endpoint, Outcome, frozen_array

BOX = (0.0, 0.0, 1.0, 1.0)
SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan]), max_size=12)


def detections(confidence, class_id=None, class_names=("dog", "cat")):
    """Detections whose left edge tells their place in the order that was given."""
    boxes = [(place, 0, place + 1, 1) for place in range(len(confidence))]
    return Detections(boxes, confidence, [0] * len(confidence) if class_id is None else class_id, class_names)


def places(found):
    """Where each detection stood in the order that was given."""
    return found.xyxy[:, 0].astype(int).tolist()


class TestDetections:
    def test_sorts_by_falling_confidence(self):
        """Ties stay as they were given, and what has no confidence comes last."""
        assert places(detections([0.2, np.nan, 0.9, 0.2, np.nan, 0.9])) == [2, 5, 0, 3, 1, 4]

    @given(SCORES)
    def test_sorting_is_stable(self, confidence):
        """The order is that of Python's own stable sort, and sorting again changes nothing."""
        found = detections(confidence)
        by_confidence = sorted(
            range(len(confidence)), key=lambda i: (np.isnan(confidence[i]), -np.nan_to_num(confidence[i]))
        )
        assert places(found) == by_confidence
        again = Detections(found.xyxy, found.confidence, found.class_id, found.class_names)
        assert places(again) == by_confidence

    def test_all_columns_move_together(self):
        """A box keeps its score and its class."""
        found = Detections([BOX, (5, 5, 9, 9)], [0.1, 0.8], [1, 0], ("dog", "cat"))
        assert found.xyxy.tolist() == [[5, 5, 9, 9], list(BOX)]
        assert found.confidence.tolist() == [0.8, 0.1]
        assert found.names() == ["dog", "cat"]

    def test_columns_are_read_only_copies(self):
        """Neither the columns nor what they were made of can change the value afterwards."""
        boxes = np.array([BOX])
        found = Detections(boxes, np.array([0.5]), np.array([0]), ("dog",))
        boxes[0, 0] = 99
        assert found.xyxy[0, 0] == 0
        for column in (found.xyxy, found.confidence, found.class_id):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 1
        with pytest.raises(FrozenInstanceError):
            found.confidence = np.zeros(1)

    def test_columns_have_one_kind_of_number(self):
        """Whatever is given, boxes and scores are float64 and class ids int64."""
        found = Detections([[0, 0, 1, 1]], [1], [0], ("dog",))
        assert [found.xyxy.dtype, found.confidence.dtype, found.class_id.dtype] == [np.float64, np.float64, np.int64]
        assert found.xyxy.shape == (1, 4)

    def test_classes_without_a_name_get_one(self):
        """Names are padded up to the highest class id, and extra names stay."""
        assert detections([0.5], [3]).class_names == ("dog", "cat", "class 2", "class 3")
        assert detections([0.5], [3]).names() == ["class 3"]
        assert detections([0.5], [0]).class_names == ("dog", "cat")

    @pytest.mark.parametrize(
        ("boxes", "confidence", "class_id"),
        [([BOX], [0.5, 0.4], [0, 0]), ([BOX, BOX], [0.5], [0, 0]), ([BOX, BOX], [0.5, 0.4], [0]), ([], [0.5], [0])],
    )
    def test_columns_of_different_length(self, boxes, confidence, class_id):
        """They are a reply that was misread; the message counts them."""
        numbers = f"{len(boxes)}, {len(confidence)}, {len(class_id)}"
        with pytest.raises(BadResponse, match=numbers) as caught:
            Detections(boxes, confidence, class_id, ())
        assert "response format" in caught.value.advice

    def test_a_negative_class_id(self):
        """It names no class."""
        with pytest.raises(BadResponse, match="negative"):
            detections([0.5, 0.6], [0, -1])

    def test_nothing_found(self):
        """No detections is a value like any other."""
        found = Detections([], [], [], ("dog",))
        assert (len(found), found.xyxy.shape, found.names(), found.class_names) == (0, (0, 4), [], ("dog",))
        assert len(found.at_least(0.5).without([0])) == 0


class TestAtLeast:
    def test_the_threshold_itself_is_kept(self):
        """Kept is confidence >= threshold, bit for bit."""
        below = np.nextafter(0.5, 0)
        assert places(detections([0.5, below, 0.6]).at_least(0.5)) == [2, 0]
        assert places(detections([0.5, below, 0.6]).at_least(below)) == [2, 0, 1]

    def test_what_has_no_confidence_is_kept(self):
        """No threshold can judge it, so none hides it."""
        assert places(detections([0.4, np.nan, 0.6]).at_least(0.5)) == [2, 1]
        assert places(detections([np.nan]).at_least(1.0)) == [0]

    @given(SCORES, st.sampled_from([0.0, 0.25, 0.3, 1.0]))
    def test_drops_exactly_what_is_below(self, confidence, threshold):
        """Kept and dropped together are all, in the same order."""
        found = detections(confidence)
        dropped = [place for place in places(found) if confidence[place] < threshold]
        kept = places(found.at_least(threshold))
        assert set(kept).isdisjoint(dropped)
        assert [place for place in places(found) if place not in dropped] == kept

    def test_names_stay(self):
        """Class ids mean the same afterwards, and the first value is as it was."""
        found = detections([0.9, 0.1], [0, 3])
        assert found.at_least(0.5).class_names == found.class_names
        assert len(found) == 2


class TestWithout:
    def test_leaves_the_other_classes(self):
        """Any collection of ids will do; an id that is not there does no harm."""
        found = detections([0.9, 0.8, 0.7], [0, 1, 0])
        assert places(found.without({0})) == [1]
        assert places(found.without([1, 7])) == [0, 2]
        assert places(found.without(())) == [0, 1, 2]
        assert found.without([0]).class_names == ("dog", "cat")


class TestFrozenArray:
    def test_is_a_read_only_copy(self):
        """What it was made of stays as it was, and can still be changed."""
        values = np.zeros(2)
        array = frozen_array(values, np.float64)
        values[0] = 1
        assert array.tolist() == [0, 0]
        assert not array.flags.writeable

    def test_shapes(self):
        """Flat, or rows of so many columns, even where there are none."""
        assert frozen_array([], np.float64, 4).shape == (0, 4)
        assert frozen_array([[1, 2], [3, 4]], np.int64).shape == (4,)


@pytest.mark.parametrize(
    "record", small_set([(0, 0, BOX)], [(0, 0, BOX, 0.5)]), ids=lambda record: type(record).__name__
)
def test_data_sets_are_read_only(record):
    """Ground truth and predictions of a whole data set cannot be changed either, and know their length."""
    assert len(record) == 1
    arrays = [value for value in vars(record).values() if isinstance(value, np.ndarray)]
    assert len(arrays) >= 4
    assert not any(array.flags.writeable for array in arrays)


@pytest.mark.parametrize(
    ("status", "answers"),
    [("InService", True), ("Updating", True), ("Creating", False), ("Failed", False), ("Deleting", False)],
)
def test_which_endpoints_answer(status, answers):
    """An endpoint answers while it is updated, and not before it is created."""
    assert Endpoint("e", status, "2026-01-01T00:00:00+00:00").answers == answers


def test_an_outcome_starts_as_neither():
    """Reply and failure are both left open, so that exactly one is given."""
    outcome = Outcome("a.jpg", "00", 1, 1, 1)
    assert (outcome.reply, outcome.failure) == (None, None)
