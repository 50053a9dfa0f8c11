"""Box algebra agrees with counting pixels, and turns boxes back into themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smviz.boxes import area, cxcywh_to_xyxy, ltwh_to_xyxy, pairwise_iou, xyxy_to_ltwh

GRID = 12
SIDES = st.integers(0, GRID)
BOXES = st.lists(st.tuples(SIDES, SIDES, SIDES, SIDES), max_size=6).map(
    lambda rows: np.array(rows, np.float64).reshape(-1, 4)
)
EMPTY = np.zeros((0, 4))


def pixels(box):
    """The pixels that a box of whole numbers covers; none when it is turned inside out."""
    left, top, right, bottom = map(int, box)
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


class TestLayouts:
    def test_by_hand(self):
        """A box of 30 x 40 pixels at (10, 20), in each layout."""
        xyxy = np.array([[10.0, 20.0, 40.0, 60.0]])
        ltwh = np.array([[10.0, 20.0, 30.0, 40.0]])
        assert xyxy_to_ltwh(xyxy).tolist() == ltwh.tolist()
        assert ltwh_to_xyxy(ltwh).tolist() == xyxy.tolist()
        assert cxcywh_to_xyxy(np.array([[25.0, 40.0, 30.0, 40.0]])).tolist() == xyxy.tolist()

    @given(BOXES)
    def test_there_and_back(self, boxes):
        """Changing the layout and back gives the same box, turned inside out or not."""
        assert ltwh_to_xyxy(xyxy_to_ltwh(boxes)).tolist() == boxes.tolist()
        ltwh = xyxy_to_ltwh(boxes)
        centred = np.concatenate([ltwh[:, :2] + ltwh[:, 2:] / 2, ltwh[:, 2:]], axis=1)
        assert cxcywh_to_xyxy(centred).tolist() == boxes.tolist()

    @pytest.mark.parametrize("change", [xyxy_to_ltwh, ltwh_to_xyxy, cxcywh_to_xyxy])
    def test_no_boxes(self, change):
        """None in, none out, still four columns."""
        assert change(EMPTY).shape == (0, 4)

    @pytest.mark.parametrize("change", [xyxy_to_ltwh, ltwh_to_xyxy, cxcywh_to_xyxy])
    def test_nothing_is_changed_in_place(self, change):
        """A read-only array is taken, and the result is another array."""
        boxes = np.array([[1.0, 2.0, 3.0, 4.0]])
        boxes.setflags(write=False)
        assert not np.shares_memory(change(boxes), boxes)


class TestArea:
    @given(BOXES)
    def test_counts_pixels(self, boxes):
        """On whole numbers the area is the number of pixels: no +1, and none inside out."""
        assert area(boxes).tolist() == [len(pixels(box)) for box in boxes]

    def test_inside_out_twice(self):
        """Two negative sides do not make a positive area."""
        assert area(np.array([[5.0, 5.0, 1.0, 1.0]])).tolist() == [0]


class TestPairwiseIou:
    @given(BOXES, BOXES)
    def test_counts_pixels(self, a, b):
        """Every pair's IoU is common pixels by all pixels, and 0 where there are none."""
        iou = pairwise_iou(a, b)
        assert iou.shape == (len(a), len(b))
        for i, one in enumerate(a):
            for j, other in enumerate(b):
                both, either = pixels(one) & pixels(other), pixels(one) | pixels(other)
                assert iou[i, j] == (len(both) / len(either) if either else 0)

    @given(BOXES, BOXES)
    def test_is_symmetric_and_within_0_and_1(self, a, b):
        """The order of the two does not matter."""
        iou = pairwise_iou(a, b)
        np.testing.assert_array_equal(iou, pairwise_iou(b, a).T)
        assert ((iou >= 0) & (iou <= 1)).all()

    @given(st.tuples(*[st.floats(0, 1e4)] * 2), st.tuples(*[st.floats(0.01, 1e4)] * 2))
    def test_a_box_with_itself(self, corner, size):
        """It is 1, whatever the numbers."""
        box = np.array([[*corner, corner[0] + size[0], corner[1] + size[1]]])
        assert pairwise_iou(box, box)[0, 0] == 1

    def test_boxes_that_only_touch(self):
        """A common edge or corner is no overlap."""
        box = np.array([[0.0, 0.0, 10.0, 10.0]])
        others = np.array([[10.0, 0.0, 20.0, 10.0], [10.0, 10.0, 20.0, 20.0]])
        assert pairwise_iou(box, others).tolist() == [[0, 0]]

    @pytest.mark.parametrize(("a", "b", "shape"), [(EMPTY, np.ones((2, 4)), (0, 2)), (np.ones((2, 4)), EMPTY, (2, 0))])
    def test_no_boxes_on_a_side(self, a, b, shape):
        """The table is empty in that direction."""
        assert pairwise_iou(a, b).shape == shape
