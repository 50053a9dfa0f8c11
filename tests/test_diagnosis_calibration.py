"""Calibration errors are those of their papers, written here a second time as plain loops."""

import math

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.boxes import ltwh_to_xyxy, pairwise_iou
from smviz.diagnosis import (
    class_errors,
    d_ece,
    d_ece_with_boxes,
    laece0,
    localisation_targets,
    precision_targets,
    reliability,
)
from smviz.errors import BadSetting
from smviz.matching import match

BOX = (100, 100, 40, 40)
HALF = (100, 100, 40, 20)  # IoU 0.5 with BOX
FAR = (300, 300, 40, 40)


def slow_error(rows, bins):
    """The calibration error of (confidence, target) rows, bin after bin; NaN for none."""
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = [(c, t) for c, t in rows if low <= c < high or (b == bins - 1 and c == high)]
        if inside:
            confidence, target = np.mean(inside, axis=0)
            total += len(inside) / len(rows) * abs(target - confidence)
    return total if rows else math.nan


def slow_overlaps(matches):
    """(class, confidence, IoU reached) of each detection that counts, by greedy choice among all that overlap."""
    truth, found, rows = matches.ground_truth, matches.predictions, []
    iou = pairwise_iou(ltwh_to_xyxy(found.ltwh), ltwh_to_xyxy(truth.ltwh))
    free = set(np.flatnonzero(~truth.crowd).tolist())
    for p in matches.prediction.tolist():  # within a class by descending confidence
        near = [g for g in range(len(truth)) if truth.image[g] == found.image[p]]
        near = [g for g in near if truth.class_id[g] == found.class_id[p] and iou[p, g] > 0]
        best = max((g for g in near if g in free), key=lambda g: (round(iou[p, g], 12), g), default=None)
        if best is not None:
            free.remove(best)
        elif any(truth.crowd[g] for g in near):
            continue
        rows.append((found.class_id[p], found.confidence[p], 0.0 if best is None else iou[p, best]))
    return rows


class TestDece:
    """Precision against confidence."""

    @pytest.mark.parametrize("seed", range(20))
    @pytest.mark.parametrize(("confidence", "bins"), [(0.0, 10), (0.3, 25)])
    def test_equals_the_definition(self, seed, confidence, bins):
        """Pooled and by class, on random sets with crowds and rounded scores."""
        matches = match(*random_columns(seed))
        true, false = matches.true_positive(0.75), matches.false_positive(0.75)
        rows = [
            (k, c, float(t))
            for k, c, t, counted in zip(matches.class_id, matches.confidence, true, true | false, strict=True)
            if counted and c >= confidence
        ]
        pooled = slow_error([row[1:] for row in rows], bins)
        assert d_ece(matches, 0.75, confidence, bins) == pytest.approx(pooled, abs=1e-12, nan_ok=True)
        targets = precision_targets(matches, 0.75)
        for k, error in enumerate(class_errors(targets, confidence, bins)):
            expected = slow_error([row[1:] for row in rows if row[0] == k], bins)
            assert error == pytest.approx(expected, abs=1e-12, nan_ok=True)
            assert reliability(targets, k, confidence, bins).error == pytest.approx(error, abs=1e-12, nan_ok=True)

    def test_by_hand(self):
        """At 0.9 one of two is right, at 0.2 none of one: 2/3 x 0.4 + 1/3 x 0.2 = 1/3."""
        detections = [(0, 0, BOX, 0.9), (0, 0, FAR, 0.9), (1, 0, FAR, 0.2)]
        matches = match(*small_set([(0, 0, BOX)], detections))
        assert d_ece(matches) == pytest.approx(1 / 3)
        assert d_ece(matches, confidence=0.5) == pytest.approx(0.4)

    def test_a_detector_whose_confidence_is_its_precision_has_no_error(self):
        """Half of the detections at 0.5 are right."""
        assert d_ece(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.5), (0, 0, FAR, 0.5)]))) == 0.0


class TestDeceWithBoxes:
    """Precision against confidence, where in the image and how large."""

    @pytest.mark.parametrize("seed", range(10))
    def test_equals_the_definition(self, seed):
        """Each detection in its cell of five dimensions, cell after cell."""
        matches = match(*random_columns(seed))
        cells = {}
        for d in np.flatnonzero(matches.true_positive(0.5) | matches.false_positive(0.5)):
            left, top, width, height = matches.predictions.ltwh[matches.prediction[d]]
            values = [matches.confidence[d], (left + width / 2) / 640, (top + height / 2) / 480, width / 640]
            place = tuple(min(max(math.floor(5 * v + 1e-12), 0), 4) for v in [*values, height / 480])
            cells.setdefault(place, []).append((matches.confidence[d], float(matches.true_positive(0.5)[d])))
        counted = sum(map(len, cells.values()))
        errors = [len(cell) * abs(np.subtract(*np.mean(cell, axis=0))) for cell in cells.values()]
        expected = sum(errors) / counted if counted else math.nan
        assert d_ece_with_boxes(matches) == pytest.approx(expected, abs=1e-12, nan_ok=True)

    def test_sees_what_the_average_hides(self):
        """Always right on the left and never on the right, both at 0.5: D-ECE 0 without boxes, 0.5 with them."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.5), (0, 0, (500, 300, 40, 40), 0.5)]))
        assert (d_ece(matches), d_ece_with_boxes(matches)) == (0.0, 0.5)

    def test_is_undefined_where_an_image_has_no_size(self):
        """A box cannot be placed in an image of unknown size."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.5)], sizes=(0, 0)))
        assert math.isnan(d_ece_with_boxes(matches))


class TestLaece0:
    """IoU against confidence."""

    @pytest.mark.parametrize("seed", range(25))
    @pytest.mark.parametrize("confidence", [0.0, 0.4])
    def test_equals_the_definition(self, seed, confidence):
        """25 bins, by class, then the mean over classes with detections."""
        matches = match(*random_columns(seed))
        rows = [row for row in slow_overlaps(matches) if row[1] >= confidence]
        errors = [slow_error([row[1:] for row in rows if row[0] == k], 25) for k in {row[0] for row in rows}]
        expected = np.mean(errors) if errors else math.nan
        assert laece0(matches, confidence) == pytest.approx(expected, abs=1e-9, nan_ok=True)

    def test_by_hand(self):
        """Class 0 reaches IoU 0.5 at 0.9 and is 0.4 off; class 1 finds nothing at 0.2: the mean is 0.3."""
        assert laece0(match(*small_set([(0, 0, BOX)], [(0, 0, HALF, 0.9), (1, 1, FAR, 0.2)]))) == pytest.approx(0.3)

    def test_any_overlap_is_a_match(self):
        """IoU 1/23, far below any usual threshold, is the target; boxes that only touch are false positives."""
        sliver, beside = (135, 100, 40, 20), (140, 100, 40, 40)
        targets = localisation_targets(match(*small_set([(0, 0, BOX)], [(0, 0, sliver, 0.9), (0, 0, beside, 0.5)])))
        np.testing.assert_allclose(targets.target, [1 / 23, 0.0])


class TestReliability:
    """The diagram's columns."""

    def test_by_hand(self):
        """Five bins: an edge belongs to the bin above it, and 1 to the last; empty bins are undefined."""
        detections = [(0, 0, BOX, 0.6), (0, 0, FAR, 0.7), (0, 1, FAR, 1.0), (1, 1, FAR, 0.59)]
        diagram = reliability(precision_targets(match(*small_set([(0, 0, BOX)], detections))), bins=5)
        np.testing.assert_allclose(diagram.edges, [0, 0.2, 0.4, 0.6, 0.8, 1])
        assert diagram.count.tolist() == [0, 0, 1, 2, 1]
        assert diagram.share.tolist() == [0, 0, 0.25, 0.5, 0.25]
        np.testing.assert_allclose(diagram.confidence, [np.nan, np.nan, 0.59, 0.65, 1])
        np.testing.assert_allclose(diagram.target, [np.nan, np.nan, 0, 0.5, 0])

    def test_of_one_class(self):
        """Only its detections are counted."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.6), (0, 1, FAR, 0.7)]))
        assert reliability(precision_targets(matches), 1).count.sum() == 1

    def test_a_score_beyond_1_counts_in_the_last_bin(self):
        """A detector that does not keep to 0 to 1 is not left out."""
        matches = match(*small_set([], [(0, 0, BOX, 3.5), (0, 0, BOX, -1.0)]))
        assert reliability(precision_targets(matches), confidence=-np.inf).count[[0, -1]].tolist() == [1, 1]

    def test_ignored_detections_do_not_count(self):
        """What stands on a crowd is neither right nor wrong."""
        matches = match(*small_set([(0, 0, (0, 0, 600, 400), 240000, True)], [(0, 0, BOX, 0.9)]))
        assert reliability(precision_targets(matches)).count.sum() == 0
        assert math.isnan(laece0(matches))

    @pytest.mark.parametrize("parts", [{"images": 0}, {"objects": [(0, 0, BOX)]}, {"classes": 1}])
    def test_without_detections_all_is_undefined(self, parts):
        """Counts are 0, every other number is NaN."""
        matches = match(*small_set(**parts))
        diagram = reliability(precision_targets(matches))
        assert diagram.count.tolist() == [0] * 10
        assert np.isnan([*diagram.share, *diagram.confidence, *diagram.target, diagram.error]).all()
        assert np.isnan([d_ece(matches), d_ece_with_boxes(matches), laece0(matches)]).all()
        assert np.isnan(class_errors(localisation_targets(matches))).all()

    def test_what_cannot_be_asked(self):
        """No bins, a least confidence that is no number, an unknown class, an IoU that was not matched."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        with pytest.raises(BadSetting, match="bins"):
            d_ece(matches, bins=0)
        with pytest.raises(BadSetting, match="least confidence"):
            laece0(matches, float("nan"))
        for class_id in (2, -1):
            with pytest.raises(BadSetting, match="no class"):
                reliability(precision_targets(matches), class_id)
        with pytest.raises(BadSetting, match="IoU"):
            d_ece(matches, 0.33)
