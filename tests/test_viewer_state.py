"""Which detections the viewer shows: what exports and counts follow. The browser's side is held to it elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from smviz.errors import BadSetting
from smviz.records import Detections
from smviz.viewer import ViewerState

NAMES = ("car", "person")


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    """Detections from rows of left, top, right, bottom, confidence, class."""
    table = np.array(rows, float).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(int), NAMES)


CROWD = boxes(
    (0, 0, 100, 100, 0.9, 0),
    (0, 0, 100, 80, 0.8, 0),  # IoU 0.8 with the first
    (0, 0, 100, 90, 0.7, 1),  # IoU 0.9 with the first, of another class
    (200, 0, 212, 40, 0.6, 1),
    (0, 0, 100, 50, float("nan"), 0),  # IoU 0.5 with the first, 0.625 with the second
)


def kept(detections: Detections, **choice: object) -> list[int]:
    return np.flatnonzero(ViewerState(**{"threshold": 0.0, **choice}).keeps(detections)).tolist()


class TestKeeps:
    def test_the_threshold_includes_what_reaches_it(self) -> None:
        """A confidence equal to the threshold is kept, and one that is unknown is not judged."""
        assert kept(CROWD, threshold=0.8) == [0, 1, 4]

    def test_thresholds_per_class(self) -> None:
        """A class's own threshold takes the place of the global one, for that class alone."""
        assert kept(CROWD, threshold=0.85, class_thresholds={"person": 0.65}) == [0, 2, 4]

    def test_the_shorter_side_counts(self) -> None:
        """A box of 12 x 40 pixels is kept at 12 and cut above."""
        assert kept(CROWD, min_side=12) == [0, 1, 2, 3, 4]
        assert kept(CROWD, min_side=12.01) == [0, 1, 2, 4]

    def test_nms_drops_only_what_overlaps_more(self) -> None:
        """An IoU equal to the limit is kept; the limit is for boxes of one class."""
        assert kept(CROWD, nms_iou=0.8) == [0, 1, 2, 3, 4]
        assert kept(CROWD, nms_iou=0.79) == [0, 2, 3, 4]

    def test_nms_across_classes(self) -> None:
        """Boxes of other classes are suppressed too when asked."""
        assert kept(CROWD, nms_iou=0.79, nms_across_classes=True) == [0, 3, 4]

    def test_what_is_suppressed_suppresses_nothing(self) -> None:
        """The last box overlaps the second by 0.625 and the first by 0.5: with the second gone it stays."""
        assert kept(CROWD, nms_iou=0.55) == [0, 2, 3, 4]

    def test_what_the_threshold_cuts_suppresses_nothing(self) -> None:
        """NMS comes after the threshold."""
        assert kept(CROWD, nms_iou=0.6, class_thresholds={"car": 0.95}) == [2, 3, 4]

    def test_the_top_k_are_counted_after_nms_and_before_classes_are_hidden(self) -> None:
        """Hiding a class shows no other box in its place."""
        assert kept(CROWD, nms_iou=0.79, top_k=3) == [0, 2, 3]
        assert kept(CROWD, nms_iou=0.79, top_k=3, hidden=frozenset({0})) == [2, 3]

    def test_a_hidden_class_still_suppresses(self) -> None:
        """What is seen of the other classes does not depend on which are hidden."""
        assert kept(CROWD, nms_iou=0.79, nms_across_classes=True, hidden=frozenset({0})) == [3]

    @pytest.mark.parametrize("choice", [{}, {"nms_iou": 0.5}, {"top_k": 3}, {"min_side": 4.0, "threshold": 0.5}])
    def test_nothing_stays_nothing(self, choice: dict[str, object]) -> None:
        """No filter trips over an image without detections."""
        assert kept(boxes(), **choice) == []

    def test_twenty_thousand_identical_boxes(self) -> None:
        """NMS leaves one of them, at once."""
        same = Detections(np.tile([0.0, 0, 9, 9], (20_000, 1)), np.full(20_000, 0.5), np.zeros(20_000, int), NAMES)
        assert kept(same, nms_iou=0.5) == [0]


def test_kept_gives_the_detections_themselves() -> None:
    """The columns of what is kept, in the same order, with all class names."""
    left = ViewerState(0.65, hidden=frozenset({1})).kept(CROWD)
    assert left.confidence[:2].tolist() == [0.9, 0.8]
    assert len(left) == 3
    assert left.class_names == NAMES


def shown(**chosen: object) -> dict[str, object]:
    """What the browser is sent of an image with one detection and two objects."""
    at = AppTest.from_function(_page, kwargs={"chosen": chosen}).run()
    assert not at.exception, at.exception[0].message
    sent: dict[str, object] = json.loads(at.get("bidi_component")[0].proto.json)
    return sent


def _page(chosen: dict[str, object]) -> None:
    import numpy as np

    from smviz.records import Detections
    from smviz.viewer import ImageMatches, ImageTruth, viewer

    viewer(
        "data:,",
        Detections(np.array([[0.0, 0, 9, 9]]), np.array([0.9]), np.array([0]), ("car",)),
        width=20,
        height=20,
        key="viewer",
        image_key="one",
        ground_truth=ImageTruth(np.array([[0.0, 0, 9, 9], [10, 10, 19, 19]]), np.array([0, 0]), np.zeros(2, bool)),
        matches=ImageMatches(np.array([[0, 0]]), np.zeros(2, bool), np.array([False])),
        **chosen,
    )


class TestSelection:
    def test_a_detection_or_an_object_is_selected(self) -> None:
        """Python may select either; an object that nothing found can be selected too."""
        assert shown()["selected"] is None
        assert shown(selected=0)["selected"] == {"detection": 0}
        assert shown(selected_truth=1)["selected"] == {"truth": 1}

    @pytest.mark.parametrize(
        ("chosen", "message"),
        [
            ({"selected": 0, "selected_truth": 0}, "A detection and a labelled box"),
            ({"selected_truth": 2}, "no labelled box 2"),
            ({"selected_truth": -1}, "no labelled box -1"),
            ({"selected": 1}, "no detection 1"),
        ],
    )
    def test_of_what_is_not_there_is_refused(self, chosen: dict[str, object], message: str) -> None:
        """Nothing is selected silently."""
        with pytest.raises(BadSetting, match=message):
            _page(chosen)
