"""Breakdowns share out the objects and the detections, and COCO's sizes are COCO's."""

import math

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.boxes import ltwh_to_xyxy, pairwise_iou
from smviz.diagnosis import by_area, by_aspect, by_crowding, by_neighbour, by_size, near_pairs
from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import average_precision, counts
from smviz.settings import MatchSettings

BOX = (100, 100, 40, 40)
FAR = (300, 300, 40, 40)
OVER_ALL = (by_area, by_aspect, by_crowding, by_neighbour)


def slow_parts(matches, confidence, iou, part_of_truth, part_of_detection):
    """For each part: objects, tp, fp and AP, one detection after the other."""
    parts = {}
    ignored, taken = matches.ground_truth_ignored(), matches.taken(iou)

    def part(name):
        return parts.setdefault(name, {"objects": 0, "tp": 0, "fp": 0, "positives": {}, "outcomes": {}})

    for g in np.flatnonzero(~ignored):
        entry, k = part(part_of_truth(g)), int(matches.ground_truth.class_id[g])
        entry["objects"] += 1
        entry["positives"][k] = entry["positives"].get(k, 0) + 1
    for d in np.flatnonzero(~matches.ignored(iou)):
        entry = part(part_of_truth(taken[d]) if taken[d] >= 0 else part_of_detection(d))
        entry["outcomes"].setdefault(int(matches.class_id[d]), []).append(taken[d] >= 0)
        if matches.confidence[d] >= confidence:
            entry["tp" if taken[d] >= 0 else "fp"] += 1
    for entry in parts.values():
        values = [slow_ap(entry["outcomes"].get(k, []), count) for k, count in entry["positives"].items()]
        entry["ap"] = np.mean(values) if values else math.nan
    return parts


def slow_ap(outcomes, positives):
    """COCO's AP from hits by descending confidence."""
    hits = np.cumsum(outcomes)
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / positives
    return np.mean([max(precision[recall >= r], default=0.0) for r in np.linspace(0, 1, 101)])


def place(value, edges):
    return sum(value >= edge for edge in edges) - 1


def assert_equal(breakdown, parts):
    nothing = {"objects": 0, "tp": 0, "fp": 0, "ap": math.nan}
    for b in range(len(breakdown)):
        expected = parts.get(b, nothing)
        found = {name: getattr(breakdown, name)[b] for name in ("objects", "tp", "fp")}
        assert found == {name: expected[name] for name in found}
        assert breakdown.ap[b] == pytest.approx(expected["ap"], abs=1e-12, nan_ok=True)
    assert breakdown.fn.tolist() == (breakdown.objects - breakdown.tp).tolist()


class TestBySize:
    """Small, medium and large."""

    @pytest.mark.parametrize("seed", range(20))
    def test_is_coco_s(self, seed):
        """AP, objects and hits of each size are those of the evaluation in that area range."""
        matches = match(*random_columns(seed))
        sizes = by_size(matches, 0.4, 0.75)
        assert sizes.names == ("small", "medium", "large")
        assert sizes.high.tolist() == [32.0**2, 96.0**2, 1e10]
        at = matches.settings.ious.index(0.75)
        for b, name in enumerate(sizes.names):
            ap = average_precision(matches, name)[at]
            expected = ap[~np.isnan(ap)].mean() if not np.isnan(ap).all() else math.nan
            assert sizes.ap[b] == pytest.approx(expected, abs=1e-12, nan_ok=True)
            assert sizes.objects[b] == matches.positives(name).sum()
            kept = matches.confidence >= 0.4
            assert sizes.tp[b] == (matches.true_positive(0.75, name) & kept).sum()
            assert sizes.fp[b] == (matches.false_positive(0.75, name) & kept).sum()

    def test_without_area_ranges_it_is_empty(self):
        """Settings that only know all areas give no parts."""
        settings = MatchSettings(areas=(("all", 0.0, 1e10),))
        assert len(by_size(match(*small_set([(0, 0, BOX)]), settings), 0.5)) == 0


class TestByValue:
    """Area, aspect, crowding and neighbours, against loops."""

    @pytest.mark.parametrize("seed", range(15))
    def test_by_area(self, seed):
        """Bins of as many objects each; every box has its place in them."""
        matches = match(*random_columns(seed))
        found, area = by_area(matches, 0.3, bins=3), matches.ground_truth.area
        assert_equal(
            found,
            slow_parts(
                matches, 0.3, 0.5, lambda g: place(area[g], found.low), lambda d: place(matches.box_area[d], found.low)
            ),
        )

    @pytest.mark.parametrize("seed", range(15))
    def test_by_aspect(self, seed):
        """Width over height of the object, or of the box where there is none."""
        matches = match(*random_columns(seed))
        edges, truth, found = (0, 0.5, 0.75, 4 / 3, 2), matches.ground_truth.ltwh, matches.predictions.ltwh
        of_detection = lambda d: place(np.divide(*found[matches.prediction[d], 2:]), edges)  # noqa: E731
        parts = slow_parts(matches, 0.3, 0.75, lambda g: place(truth[g, 2] / truth[g, 3], edges), of_detection)
        assert_equal(by_aspect(matches, 0.3, 0.75), parts)

    @pytest.mark.parametrize("seed", range(15))
    def test_by_crowding(self, seed):
        """How many objects to be found the image has."""
        matches = match(*random_columns(seed))
        images, wanted = matches.ground_truth.image, ~matches.ground_truth_ignored()

        def of_image(image):
            return place((images[wanted] == image).sum(), (0, 1, 2, 5, 10, 20))

        parts = slow_parts(matches, 0.3, 0.5, lambda g: of_image(images[g]), lambda d: of_image(matches.image[d]))
        assert_equal(by_crowding(matches, 0.3), parts)

    @pytest.mark.parametrize("seed", range(15))
    def test_by_neighbour(self, seed):
        """The highest IoU with another object of the class; a false positive goes with its nearest object."""
        matches = match(*random_columns(seed))
        truth, edges = matches.ground_truth, (0, 0.1, 0.3, 0.5)
        boxes = ltwh_to_xyxy(truth.ltwh)

        def near(image, class_id, xyxy):
            alike = (truth.image == image) & (truth.class_id == class_id) & ~truth.crowd
            return np.where(alike, pairwise_iou(xyxy[None], boxes)[0], 0.0)

        def of_truth(g):
            others = near(truth.image[g], truth.class_id[g], boxes[g])
            others[g] = 0
            return place(round(others.max(), 12), edges)

        def of_detection(d):
            box = ltwh_to_xyxy(matches.predictions.ltwh[matches.prediction[[d]]])[0]
            others = np.round(near(matches.image[d], matches.class_id[d], box), 12)
            if not len(others) or others.max() < 0.1:
                return 0
            return of_truth(np.flatnonzero(others == others.max())[-1])

        assert_equal(by_neighbour(matches, 0.3), slow_parts(matches, 0.3, 0.5, of_truth, of_detection))

    @pytest.mark.parametrize("breakdown", OVER_ALL)
    @pytest.mark.parametrize("seed", range(5))
    def test_parts_add_up(self, breakdown, seed):
        """Every object and every detection that counts is in one part."""
        matches = match(*random_columns(seed))
        found, whole = breakdown(matches, 0.25), counts(matches, 0.25)
        assert (found.tp.sum(), found.fp.sum(), found.fn.sum()) == (whole.tp, whole.fp, whole.fn)


class TestByHand:
    """Small sets with the answer in sight."""

    def test_equal_areas_make_one_bin(self):
        """Objects of one size cannot be told apart by size."""
        found = by_area(match(*small_set([(0, 0, BOX)] * 4, [(0, 0, BOX, 0.9), (0, 0, (0, 0, 1, 1), 0.9)])), 0.5)
        assert (found.names, found.objects.tolist(), found.fp.tolist()) == (("0 px² and more",), [4], [1])

    def test_a_range_holds_its_lower_end(self):
        """Two objects of 100 and two of 400: the second bin begins where the larger ones do."""
        objects = [(0, 0, (0, 0, side, side)) for side in (10, 10, 20, 20)]
        found = by_area(match(*small_set(objects)), 0.5, bins=4)
        assert found.objects.sum() == 4
        assert found.low[-1] == 400
        assert found.objects[-1] == 2

    def test_a_tall_object_that_is_missed(self):
        """A pole of 10 x 40 is very tall; it lowers no other part's recall."""
        found = by_aspect(match(*small_set([(0, 0, BOX), (0, 0, (300, 300, 10, 40))], [(0, 0, BOX, 0.9)])), 0.5)
        assert dict(zip(found.names, found.recall.tolist(), strict=True))["very tall"] == 0.0
        assert dict(zip(found.names, found.recall.tolist(), strict=True))["square"] == 1.0

    def test_a_box_without_height_is_very_wide(self):
        """It does not divide by zero."""
        found = by_aspect(match(*small_set([], [(0, 0, (0, 0, 10, 0), 0.9)])), 0.5)
        assert found.fp.tolist() == [0, 0, 0, 0, 1]

    def test_images_without_objects_have_their_part(self):
        """False alarms on empty images stand apart, where there is nothing to recall."""
        found = by_crowding(match(*small_set([(0, 0, BOX)], [(1, 0, BOX, 0.9)])), 0.5)
        assert (found.names[0], found.fp[0], found.precision[0]) == ("0", 1, 0.0)
        assert math.isnan(found.recall[0])

    def test_near_pairs_at_hand_change_nothing(self):
        """By neighbour, with the pairs of a lower IoU."""
        matches = match(*random_columns(3))
        again = by_neighbour(matches, 0.3, near=near_pairs(matches, 0.05))
        np.testing.assert_array_equal(by_neighbour(matches, 0.3).fp, again.fp)

    @pytest.mark.parametrize("breakdown", [by_size, *OVER_ALL])
    @pytest.mark.parametrize("parts", [{"images": 0}, {"classes": 1}, {"detections": [(0, 0, BOX, 0.9)]}])
    def test_without_objects_recall_and_ap_are_undefined(self, breakdown, parts):
        """Parts are still there."""
        found = breakdown(match(*small_set(**parts)), 0.5)
        assert len(found) == len(found.names) == len(found.low) > 0
        assert np.isnan([*found.recall, *found.ap]).all()

    @pytest.mark.parametrize("breakdown", [by_size, *OVER_ALL])
    def test_what_cannot_be_asked(self, breakdown):
        """A confidence that is no number, an IoU that was not matched."""
        matches = match(*small_set([(0, 0, BOX)]))
        with pytest.raises(BadSetting, match="confidence"):
            breakdown(matches, float("nan"))
        with pytest.raises(BadSetting, match="IoU"):
            breakdown(matches, 0.5, 0.33)

    def test_no_bins_are_refused(self):
        """There must be one."""
        with pytest.raises(BadSetting, match="bins"):
            by_area(match(*small_set()), 0.5, bins=0)
