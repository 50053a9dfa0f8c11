"""Other definitions of AP, each against a plain loop written from its definition."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import coco_numbers
from smviz.protocols import voc_average_precision, why_tools_differ
from smviz.settings import MatchSettings

BOX = (0, 0, 40, 40)
NEAR = (5, 0, 40, 40)
FAR = (300, 300, 40, 40)


def voc_by_loops(truth, predictions, k, threshold):
    """The two APs of a class as the development kit tells them, one detection and one recall after the other."""
    objects = [i for i in range(len(truth)) if truth.class_id[i] == k]
    difficult = {i for i in objects if truth.crowd[i] or truth.ignore[i]}
    positives = len(objects) - len(difficult)
    if not positives:
        return np.nan, np.nan
    mine = [d for d in range(len(predictions)) if predictions.class_id[d] == k]
    used, outcomes = set(), []
    for d in sorted(mine, key=lambda d: -predictions.confidence[d]):
        best, best_iou = None, -1.0
        for i in objects:
            if truth.image[i] == predictions.image[d]:
                iou = iou_with_borders(predictions.ltwh[d], truth.ltwh[i])
                if iou > best_iou:
                    best, best_iou = i, iou
        if best_iou < threshold:
            outcomes.append(False)
        elif best not in difficult:
            outcomes.append(best not in used)
            used.add(best)
    points = [(0.0, 0.0)] + [
        (sum(outcomes[:n]) / positives, sum(outcomes[:n]) / n) for n in range(1, len(outcomes) + 1)
    ]
    recalls = sorted({recall for recall, _ in points})
    area = sum((b - a) * max(p for r, p in points if r >= b) for a, b in pairwise(recalls))
    eleven = [max((p for r, p in points if r >= tenth / 10), default=0) for tenth in range(11)]
    return area, sum(eleven) / 11


def iou_with_borders(one, other):
    """IoU of ltwh boxes whose last pixel counts."""
    (l1, t1, w1, h1), (l2, t2, w2, h2) = one, other
    width = min(l1 + w1, l2 + w2) - max(l1, l2) + 1
    height = min(t1 + h1, t2 + h2) - max(t1, t2) + 1
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((w1 + 1) * (h1 + 1) + (w2 + 1) * (h2 + 1) - width * height)


def height_at(points, recall):
    """Where straight lines through the points pass a recall: level before the first, 0 beyond the last."""
    before = [point for point in points if point[0] <= recall]
    after = [point for point in points if point[0] > recall]
    if not before:
        return after[0][1] if after else 0.0
    (r1, p1), (r2, p2) = before[-1], after[0] if after else (1.0, 0.0)
    if r1 == recall:
        return p1
    return p1 + (p2 - p1) * (recall - r1) / (r2 - r1) if after else 0.0


def named(differences):
    """The values by name."""
    return {difference.name: difference.value for difference in differences}


class TestVocAveragePrecision:
    @pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
    @pytest.mark.parametrize("seed", range(12))
    def test_equals_plain_loops(self, seed, iou):
        """With crowds, objects to ignore, duplicates and ties: both APs of every class, and their means."""
        truth, predictions = random_columns(seed)
        ignore = np.random.default_rng(seed).random(len(truth)) < 0.2
        truth = replace(truth, ignore=ignore)
        found = voc_average_precision(truth, predictions, iou)
        expected = np.array([voc_by_loops(truth, predictions, k, iou) for k in range(len(truth.class_names))])
        np.testing.assert_allclose(found.all_point, expected[:, 0], atol=1e-12)
        np.testing.assert_allclose(found.eleven_point, expected[:, 1], atol=1e-12)
        if not np.isnan(expected).all():
            assert found.mean_all_point == pytest.approx(np.nanmean(expected[:, 0]))
            assert found.mean_eleven_point == pytest.approx(np.nanmean(expected[:, 1]))

    def test_a_detection_sees_only_what_it_overlaps_most(self):
        """COCO gives the second detection the free neighbour; VOC counts it as wrong."""
        objects = [(0, 0, BOX), (0, 0, NEAR)]
        detections = [(0, 0, BOX, 0.9), (0, 0, (1, 0, 40, 40), 0.8)]
        truth, predictions = small_set(objects, detections)
        assert coco_numbers(match(truth, predictions))["AP50"] == 1.0
        assert voc_average_precision(truth, predictions).all_point[0] == 0.5

    def test_border_pixels_count(self):
        """Boxes of 9 x 9 and 9 x 18 count as 10 x 10 and 10 x 19: the IoU is 10/19, not 1/2."""
        truth, predictions = small_set([(0, 0, (0, 0, 9, 9))], [(0, 0, (0, 0, 9, 18), 0.9)])
        assert voc_average_precision(truth, predictions, 0.52).all_point[0] == 1.0
        assert voc_average_precision(truth, predictions, 0.53).all_point[0] == 0.0

    def test_an_iou_that_just_reaches_the_threshold(self):
        """Boxes of 10 x 10 and 10 x 20 pixels: an IoU of 1/2 is enough at 1/2."""
        truth, predictions = small_set([(0, 0, (0, 0, 9, 9))], [(0, 0, (0, 0, 9, 19), 0.9)])
        assert voc_average_precision(truth, predictions, 0.5).all_point[0] == 1.0

    def test_eleven_points_take_a_tenth_for_a_tenth(self):
        """3 of 10 found: the recalls 0, 0.1, 0.2 and 0.3 are reached, though 0.1 x 3 is above 0.3 in binary."""
        objects = [(0, 0, (100 * i, 0, 40, 40)) for i in range(10)]
        detections = [(0, 0, box, 0.9) for _, _, box in objects[:3]]
        found = voc_average_precision(*small_set(objects, detections))
        assert found.eleven_point[0] == pytest.approx(4 / 11)
        assert found.all_point[0] == pytest.approx(0.3)

    def test_without_objects_or_detections(self):
        """NaN without an object, 0 without a detection, and the mean is over what is defined."""
        found = voc_average_precision(*small_set([(0, 0, BOX)]))
        np.testing.assert_array_equal(found.all_point, [0, np.nan])
        np.testing.assert_array_equal(found.eleven_point, [0, np.nan])
        assert (found.mean_all_point, found.mean_eleven_point) == (0, 0)
        nothing = voc_average_precision(*small_set([], [(0, 0, BOX, 0.5)]))
        assert np.isnan([nothing.mean_all_point, nothing.mean_eleven_point]).all()

    @pytest.mark.parametrize("iou", [0, -1, 1.1, float("nan")])
    def test_an_iou_that_cannot_be(self, iou):
        """It is above 0, up to 1."""
        with pytest.raises(BadSetting, match="IoU"):
            voc_average_precision(*small_set(), iou)


class TestWhyToolsDiffer:
    @pytest.mark.parametrize("seed", range(8))
    def test_is_computed_on_these_detections(self, seed):
        """COCO's and VOC's are those of their own functions; ties in favour and more detections never lower AP."""
        matches = match(*random_columns(seed))
        values = named(why_tools_differ(matches))
        voc = voc_average_precision(matches.ground_truth, matches.predictions)
        np.testing.assert_equal(values["COCO AP50"], coco_numbers(matches)["AP50"])
        np.testing.assert_equal(values["VOC, all points"], voc.mean_all_point)
        np.testing.assert_equal(values["VOC, 11 points"], voc.mean_eleven_point)
        if not np.isnan(values["COCO AP50"]):
            assert values["COCO, ties in favour"] >= values["COCO AP50"]

    @pytest.mark.parametrize("seed", range(8))
    def test_ties_in_favour_by_sorting_outcomes(self, seed):
        """As FiftyOne does it: the outcomes of the same matching, sorted by confidence and then true before false."""
        matches = match(*random_columns(seed))
        true, false = matches.true_positive(), matches.false_positive()
        expected = []
        for k, objects in enumerate(matches.positives()):
            rows = [i for i in range(len(matches)) if matches.class_id[i] == k and (true[i] or false[i])]
            rows.sort(key=lambda i: (-matches.confidence[i], false[i]))
            found, points = 0, []
            for n, row in enumerate(rows, 1):
                found += true[row]
                points.append((found / max(objects, 1), found / n))
            if objects:
                sampled = [max((p for r, p in points if r >= at), default=0) for at in np.linspace(0, 1, 101)]
                expected.append(np.mean(sampled))
        value = named(why_tools_differ(matches))["COCO, ties in favour"]
        np.testing.assert_allclose(value, np.mean(expected) if expected else np.nan, atol=1e-12)

    def test_every_row_has_its_sentence(self):
        """A name, a value from 0 to 1, and a whole sentence; COCO's first, no name twice."""
        differences = why_tools_differ(match(*random_columns(3)))
        assert differences[0].name == "COCO AP50"
        assert len({difference.name for difference in differences}) == len(differences)
        for difference in differences:
            assert 0 <= difference.value <= 1
            assert difference.sentence.endswith(".")
            assert len(difference.sentence) > 40

    def test_a_limit_of_detections(self):
        """With one detection per image, the second object is found only by tools without the limit."""
        data = small_set([(0, 0, BOX), (0, 0, FAR)], [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8)])
        values = named(why_tools_differ(match(*data, MatchSettings(max_detections=(1,)))))
        assert values["COCO AP50"] == pytest.approx(51 / 101)
        assert values["COCO, every detection"] == 1.0
        assert values["COCO, ties in favour"] == values["COCO AP50"]

    def test_straight_lines_and_trapezoids(self):
        """Right, wrong, right of two objects: 1 before the recall 1/2, 2/3 from there on, and half of each between."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        data = small_set(objects, [(0, 0, BOX, 0.9), (0, 0, FAR, 0.8), (1, 0, BOX, 0.7)])
        values = named(why_tools_differ(match(*data)))
        assert values["Straight lines, trapezoids"] == pytest.approx(0.49 * 1 + 0.01 * (1 + 2 / 3) / 2 + 0.5 * 2 / 3)
        assert values["COCO AP50"] == pytest.approx((51 + 50 * 2 / 3) / 101)

    @pytest.mark.parametrize("seed", range(8))
    def test_straight_lines_by_loops(self, seed):
        """Of each class, recall by recall: the line from the last point at or before it to the next one."""
        matches = match(*random_columns(seed))
        true, false = matches.true_positive(), matches.false_positive()
        areas = []
        for k, objects in enumerate(matches.positives()):
            hits = [true[i] for i in range(len(matches)) if matches.class_id[i] == k and (true[i] or false[i])]
            raw = [(sum(hits[:n]) / max(objects, 1), sum(hits[:n]) / n) for n in range(1, len(hits) + 1)]
            points = [(r, max(p for _, p in raw[i:])) for i, (r, _) in enumerate(raw)]
            heights = [height_at(points, recall) for recall in np.linspace(0, 1, 101)]
            if objects:
                areas.append(sum((a + b) / 200 for a, b in pairwise(heights)))
        value = named(why_tools_differ(matches))["Straight lines, trapezoids"]
        np.testing.assert_allclose(value, np.mean(areas) if areas else np.nan, atol=1e-12)

    def test_straight_lines_end_where_the_recall_does(self):
        """One of two objects found: 1 up to recall 1/2, and nothing from the next of the 101 recalls on."""
        data = small_set([(0, 0, BOX), (1, 0, BOX)], [(0, 0, BOX, 0.9)])
        assert named(why_tools_differ(match(*data)))["Straight lines, trapezoids"] == pytest.approx(0.505)

    def test_crowds_and_ignored_objects_only_where_they_are(self):
        """A detection on a crowd, or on an object to ignore, counts for tools that do not know them."""
        detections = [(0, 0, FAR, 0.9), (0, 0, BOX, 0.8)]
        plain = match(*small_set([(0, 0, BOX)], detections))
        assert not {"COCO, crowds dropped", "COCO, all objects count"} & named(why_tools_differ(plain)).keys()

        crowd = named(why_tools_differ(match(*small_set([(0, 0, BOX), (0, 0, FAR, 1600, True)], detections))))
        assert (crowd["COCO AP50"], crowd["COCO, crowds dropped"]) == (1.0, 0.5)

        truth, predictions = small_set([(0, 0, BOX), (1, 0, BOX)], detections[1:])
        ignored = named(why_tools_differ(match(replace(truth, ignore=np.array([False, True])), predictions)))
        assert (ignored["COCO AP50"], ignored["COCO, all objects count"]) == (1.0, pytest.approx(51 / 101))

    def test_without_objects_everything_is_undefined(self):
        """NaN, and no error, for an empty set."""
        assert all(np.isnan(difference.value) for difference in why_tools_differ(match(*small_set())))
