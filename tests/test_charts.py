"""Charts hold exactly the numbers they were given."""

import base64
import re

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.charts import (
    breakdown_figure,
    detections_figure,
    reliability_figure,
    tide_figure,
)
from smviz.colours import class_colours
from smviz.diagnosis import ERRORS, by_aspect, precision_targets, reliability, tide
from smviz.evaluation import evaluate
from smviz.records import Detections, Payload

PAYLOAD = Payload(b"the bytes", "image/png", 640, 480, "00")


def same(values, expected):
    """Equal numbers, NaN included."""
    np.testing.assert_array_equal(np.asarray(values, np.float64), np.asarray(expected, np.float64))


def shown_text(name):
    """What Plotly shows for a label: it takes tags for markup and turns entities into letters."""
    without_tags = re.sub(r"<[^>]*>", "", name)
    return without_tags.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class TestDetections:
    def test_the_image_fills_the_frame(self):
        """The picture lies below, with its corner at 0, 0; y points down; a pixel is as high as wide."""
        figure = detections_figure(PAYLOAD, Detections([], [], [], ()))
        (image,) = figure.layout.images
        assert (image.x, image.y, image.sizex, image.sizey, image.layer) == (0, 0, 640, 480, "below")
        assert (image.xref, image.yref) == ("x", "y")
        assert figure.layout.xaxis.range == (0, 640)
        assert figure.layout.yaxis.range == (480, 0)
        assert figure.layout.yaxis.scaleanchor == "x"
        head, _, body = image.source.partition(",")
        assert head == "data:image/png;base64"
        assert base64.b64decode(body) == PAYLOAD.body
        assert len(figure.data) == 0

    def test_boxes_are_where_they_were_found(self):
        """Each box is a closed line around its four corners, and a gap parts it from the next."""
        found = Detections([(10, 20, 30, 50), (1.5, 2.5, 3.5, 4.5)], [0.5, 0.75], [1, 1], ("dog", "cat"))
        (line,) = detections_figure(PAYLOAD, found).data
        same(line.x, [1.5, 3.5, 3.5, 1.5, 1.5, np.nan, 10, 30, 30, 10, 10, np.nan])
        same(line.y, [2.5, 2.5, 4.5, 4.5, 2.5, np.nan, 20, 20, 50, 50, 20, np.nan])
        assert list(line.text) == ["cat 0.750"] * 6 + ["cat 0.500"] * 6
        assert line.name == "cat (2)"
        assert line.line.color == class_colours(found.class_names)["cat"]

    def test_a_line_for_each_class_that_occurs(self):
        """Classes stand in the order of their ids, those that nothing was found of are left out."""
        found = Detections([(0, 0, 9, 9)] * 3, [0.9, 0.8, 0.7], [2, 0, 2], ("dog", "cat", "cow"))
        assert [line.name for line in detections_figure(PAYLOAD, found).data] == ["dog (1)", "cow (2)"]

    def test_the_threshold(self):
        """What is below is left out; what has no confidence stays, without a number."""
        found = Detections([(0, 0, 9, 9)] * 3, [0.9, 0.5, np.nan], [0, 0, 0], ("dog",))
        (line,) = detections_figure(PAYLOAD, found, threshold=0.6).data
        assert list(line.text) == ["dog 0.900"] * 6 + ["dog"] * 6


class TestMistakes:
    """A point of these charts opens what it counts: its place is that of the number."""

    @pytest.mark.parametrize("seed", range(4))
    def test_tide_has_a_bar_for_each_error(self, seed):
        """In TIDE's order, with the number of errors beside the cost."""
        found = tide(evaluate(*random_columns(seed)).matches)
        (bars,) = tide_figure(found).data
        assert list(bars.y) == list(ERRORS)
        same(bars.x, [error.delta_ap for error in found.errors])
        assert list(bars.customdata) == [len(error) for error in found.errors]

    @pytest.mark.parametrize("seed", range(4))
    def test_reliability_has_a_bar_and_a_point_for_each_bin_that_is_not_empty(self, seed):
        """Both in the order of the bins."""
        diagram = reliability(precision_targets(evaluate(*random_columns(seed)).matches))
        bars, points, _ = reliability_figure(diagram).data
        full = np.flatnonzero(diagram.count)
        same(bars.customdata, diagram.count[full])
        same(bars.y, diagram.target[full])
        same(points.x, diagram.confidence[full])

    @pytest.mark.parametrize("seed", range(4))
    def test_breakdown_has_three_bars_for_each_part_with_an_object(self, seed):
        """Recall, precision and AP; parts without an object are left out, and the others keep their order."""
        found = by_aspect(evaluate(*random_columns(seed)).matches, 0.3)
        kept = np.flatnonzero(found.objects)
        figure = breakdown_figure(found, "Shape")
        for bars, values in zip(figure.data, (found.recall, found.precision, found.ap), strict=True):
            assert list(bars.x) == [found.names[part] for part in kept]
            same(bars.y, values[kept])

    def test_nothing_to_show(self):
        """Without objects and detections the charts are there, and empty."""
        matches = evaluate(*small_set()).matches
        assert len(tide_figure(tide(matches)).data[0].y) == len(ERRORS)
        assert len(reliability_figure(reliability(precision_targets(matches))).data[0].x) == 0
        assert len(breakdown_figure(by_aspect(matches, 0.5), "Shape").data[0].x) == 0


@pytest.mark.parametrize(
    "name", ["<b>bold</b>", "<unknown>", "a < b & c", "</script><script>alert(1)</script>", "&lt;"]
)
class TestNamesWithMarkup:
    def test_are_shown_letter_for_letter(self, name):
        """A name is text: no tag in it is obeyed or swallowed."""
        found = Detections([(0, 0, 9, 9)], [0.5], [0], (name,))
        (box,) = detections_figure(PAYLOAD, found).data
        assert shown_text(box.name) == f"{name} (1)"
        assert shown_text(box.text[0]) == f"{name} 0.500"

    def test_do_not_get_out_of_a_page(self, name):
        """A report that holds the figure has no script or tag of the name's in it."""
        found = Detections([(0, 0, 9, 9)], [0.5], [0], (name,))
        page = detections_figure(PAYLOAD, found).to_html(include_plotlyjs=False)
        assert "<script>alert" not in page
        assert "<b>" not in page
