"""Charts hold exactly the numbers they were given, thinned only where no screen could tell."""

import base64
import json
import re

import numpy as np
import pytest
from coco_sets import random_columns, small_set
from hypothesis import given
from hypothesis import strategies as st

from smviz.charts import (
    MOST_POINTS,
    Curve,
    breakdown_figure,
    detections_figure,
    precision_recall_figure,
    reliability_figure,
    threshold_figure,
    tide_figure,
)
from smviz.charts.curves import thinned
from smviz.colours import class_colours
from smviz.diagnosis import ERRORS, by_aspect, precision_targets, reliability, tide
from smviz.evaluation import evaluate
from smviz.metrics import precision_recall
from smviz.operating import sweep
from smviz.records import Detections, Payload

PAYLOAD = Payload(b"the bytes", "image/png", 640, 480, "00")


def curve(points, name="dog"):
    """A curve of so many points, every number different."""
    steps = np.linspace(0, 1, points)
    return Curve(name, steps, 1 - steps / 2, 1 - steps)


def many_detections(count):
    """A sweep over so many distinct scores of one image and class."""
    box = (0, 0, 10, 10)
    ground_truth, predictions = small_set([(i, 0, box) for i in range(count)], images=count)
    scored = type(predictions)(
        image=np.arange(count),
        class_id=np.zeros(count),
        ltwh=np.tile(box, (count, 1)),
        confidence=np.linspace(0, 1, count),
    )
    return sweep(evaluate(ground_truth, scored).matches)


def same(values, expected):
    """Equal numbers, NaN included."""
    np.testing.assert_array_equal(np.asarray(values, np.float64), np.asarray(expected, np.float64))


def shown_text(name):
    """What Plotly shows for a label: it takes tags for markup and turns entities into letters."""
    without_tags = re.sub(r"<[^>]*>", "", name)
    return without_tags.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class TestThinning:
    @given(st.integers(1, 10 * MOST_POINTS))
    def test_keeps_both_ends_and_few_points(self, length):
        """Indices rise, begin with the first and end with the last, and are never more than the limit."""
        kept = thinned(length)
        assert (kept[0], kept[-1]) == (0, length - 1)
        assert (np.diff(kept) > 0).all()
        assert len(kept) == min(length, MOST_POINTS)

    @given(st.integers(MOST_POINTS + 1, 10 * MOST_POINTS))
    def test_is_even(self, length):
        """No gap is more than one point wider than another."""
        gaps = np.diff(thinned(length))
        assert gaps.max() - gaps.min() <= 1

    def test_nothing(self):
        """Of nothing, nothing is kept."""
        assert len(thinned(0)) == 0


class TestPrecisionRecall:
    @pytest.mark.parametrize("seed", range(3))
    def test_holds_the_curves(self, seed):
        """Each class is a line with the very numbers of the metrics, in its colour, in the order given."""
        matches = evaluate(*random_columns(seed)).matches
        names = matches.ground_truth.class_names
        known = [precision_recall(matches, k) for k in range(len(names))]
        colours = class_colours(names)
        figure = precision_recall_figure(
            [Curve(n, k.recall, k.precision, k.confidence) for n, k in zip(names, known, strict=True)], colours
        )
        assert [line.name for line in figure.data] == list(names)
        for line, metric in zip(figure.data, known, strict=True):
            same(line.x, metric.recall)
            same(line.y, metric.precision)
            same(line.customdata, metric.confidence)
            assert line.line.color == colours[line.name]

    def test_points_stand_where_they_were_put(self):
        """Only classes with a point have one, beside their line and in its colour."""
        colours = {"dog": "#112233", "cat": "#445566"}
        figure = precision_recall_figure([curve(5), curve(5, "cat")], colours, {"cat": (0.25, 0.75)})
        dog, cat, point = figure.data
        assert (dog.mode, cat.mode, point.mode) == ("lines", "lines", "markers")
        same([*point.x, *point.y], [0.25, 0.75])
        assert point.marker.color == "#445566"
        assert not point.showlegend

    def test_a_long_curve_is_thinned(self):
        """Thinned points are points of the curve, the first and the last among them."""
        given_curve = curve(20 * MOST_POINTS)
        (line,) = precision_recall_figure([given_curve], {}).data
        assert len(line.x) == len(line.y) == len(line.customdata) == MOST_POINTS
        same([line.x[0], line.x[-1]], [given_curve.recall[0], given_curve.recall[-1]])
        places = np.searchsorted(given_curve.recall, line.x)
        same(given_curve.recall[places], line.x)
        same(given_curve.precision[places], line.y)
        same(given_curve.confidence[places], line.customdata)

    def test_nothing_to_show(self):
        """No curves, a curve without points, a class without an object: a chart all the same."""
        assert len(precision_recall_figure([], {}).data) == 0
        (empty,) = precision_recall_figure([curve(0)], {}).data
        assert len(empty.x) == 0
        nothing = np.full(3, np.nan)
        figure = precision_recall_figure([Curve("dog", nothing, nothing, nothing)], {}, {"dog": (np.nan, np.nan)})
        same(figure.data[0].x, nothing)
        assert "NaN" not in figure.to_json()


class TestThreshold:
    @pytest.mark.parametrize("seed", range(3))
    def test_holds_the_sweep(self, seed):
        """Precision, recall and F1 at every distinct score, as the sweep has them."""
        known = sweep(evaluate(*random_columns(seed)).matches)
        figure = threshold_figure(known, 0.5, 0.4)
        assert [line.name for line in figure.data] == ["Precision", "Recall", "F1"]
        for line, values in zip(figure.data, (known.precision, known.recall, known.f1), strict=True):
            same(line.x, known.confidence)
            same(line.y, values)

    def test_a_long_sweep_is_thinned(self):
        """The highest and the lowest score stay."""
        known = many_detections(MOST_POINTS + 200)
        for line in threshold_figure(known, 0.5, 0.4).data:
            assert len(line.x) == len(line.y) == MOST_POINTS
            same([line.x[0], line.x[-1]], [1, 0])

    def test_lines_at_the_threshold_and_at_the_best(self):
        """Each stands at its confidence and says so."""
        figure = threshold_figure(many_detections(5), 0.3, 0.75)
        assert [(line.x0, line.x1) for line in figure.layout.shapes] == [(0.3, 0.3), (0.75, 0.75)]
        assert [note.text for note in figure.layout.annotations] == ["threshold 0.30", "best F1 at 0.75"]

    @pytest.mark.parametrize("best", [np.nan, 0.3, 0.304])
    def test_no_second_line_without_need(self, best):
        """A best threshold that is undefined, or is the threshold itself, has no line of its own."""
        assert len(threshold_figure(many_detections(5), 0.3, best).layout.shapes) == 1

    def test_nothing_to_show(self):
        """A run without a detection has empty lines and the threshold."""
        figure = threshold_figure(sweep(evaluate(*small_set([(0, 0, (0, 0, 9, 9))])).matches), 0.5, np.nan)
        assert [len(line.x) for line in figure.data] == [0, 0, 0]
        assert len(figure.layout.shapes) == 1


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
        (line,) = precision_recall_figure([curve(3, name)], {name: "#112233"}).data
        assert shown_text(line.name) == name
        assert line.line.color == "#112233"

    def test_do_not_get_out_of_a_page(self, name):
        """A report that holds the figure has no script or tag of the name's in it."""
        page = precision_recall_figure([curve(3, name)], {}).to_html(include_plotlyjs=False)
        assert "<script>alert" not in page
        assert "<b>" not in page


def test_figures_are_json():
    """A figure with undefined numbers can be sent to a browser."""
    nothing = np.array([np.nan, 0.5])
    figure = precision_recall_figure([Curve("dog", nothing, nothing, nothing)], {})
    assert json.loads(figure.to_json())["data"][0]["name"] == "dog"
