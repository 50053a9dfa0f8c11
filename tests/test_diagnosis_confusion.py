"""The confusion matrix counts each detection and each object once, and near pairs are all there are."""

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.boxes import ltwh_to_xyxy, pairwise_iou
from smviz.diagnosis import confusion_matrix, near_pairs
from smviz.errors import BadSetting
from smviz.matching import match
from smviz.metrics import per_class
from smviz.settings import MatchSettings

BOX = (100, 100, 40, 40)
NEAR = (100, 100, 40, 32)  # IoU 0.8 with BOX
HALF = (100, 100, 40, 20)  # IoU 0.5 with BOX
FAR = (300, 300, 40, 40)


def by_hand(objects=(), detections=(), confidence=0.5, **rest):
    return confusion_matrix(match(*small_set(objects, detections, **rest)), confidence)


def slow_ious(matches):
    """IoU of every detection with every object, [n, G], by another formula; 0 across images."""
    boxes, truth = ltwh_to_xyxy(matches.predictions.ltwh[matches.prediction]), matches.ground_truth
    iou = pairwise_iou(boxes, ltwh_to_xyxy(truth.ltwh))
    union_to_own = np.divide(
        iou * (matches.box_area[:, None] + (truth.ltwh[:, 2] * truth.ltwh[:, 3])[None]),
        (1 + iou) * matches.box_area[:, None],
    )
    return np.where(truth.crowd, union_to_own, iou) * (matches.image[:, None] == truth.image)


def slow_confusion(matches, confidence, threshold):
    """Cells as (detection, object, row, column), one choice after the other, as the definition is written."""
    truth, iou = matches.ground_truth, slow_ious(matches)
    ignored, background = matches.ground_truth_ignored(), len(truth.class_names)
    free_d, free_g = {d for d in range(len(matches)) if matches.confidence[d] >= confidence}, set(range(len(truth)))
    free_g -= set(np.flatnonzero(ignored).tolist())
    reaching = [(d, g) for d in range(len(matches)) for g in range(len(truth)) if iou[d, g] >= threshold - 1e-12]
    reaching.sort(key=lambda pair: (-round(iou[pair], 9), -matches.confidence[pair[0]], pair[0], -pair[1]))
    cells = []
    for same_class in (True, False):
        for d, g in reaching:
            same = matches.class_id[d] == truth.class_id[g]
            if d in free_d and g in free_g and same >= same_class:
                cells.append((d, g, truth.class_id[g], matches.class_id[d]))
                free_d.remove(d)
                free_g.remove(g)
        for d, g in reaching:
            same = matches.class_id[d] == truth.class_id[g]
            if ignored[g] and (same or (not same_class and not truth.crowd[g])):
                free_d.discard(d)
    cells += [(d, -1, background, matches.class_id[d]) for d in free_d]
    return sorted(cells + [(-1, g, truth.class_id[g], background) for g in free_g])


class TestNearPairs:
    """Detections and objects of one image, across classes."""

    @pytest.mark.parametrize("seed", range(25))
    @pytest.mark.parametrize("lowest", [0.1, 0.5])
    def test_are_all_that_reach_the_lowest_iou(self, seed, lowest):
        """Exactly the pairs of one image that another formula finds, best first."""
        matches = match(*random_columns(seed))
        near, iou = near_pairs(matches, lowest), slow_ious(matches)
        found = dict(zip(zip(near.detection.tolist(), near.truth.tolist(), strict=True), near.iou, strict=True))
        assert set(found) >= set(zip(*(axis.tolist() for axis in np.nonzero(iou > lowest + 1e-9)), strict=True))
        assert all(value == pytest.approx(iou[pair], abs=1e-12) for pair, value in found.items())
        assert len(found) == len(near)
        assert (np.diff(near.iou) <= 0).all()
        assert near.iou.min(initial=1) >= lowest
        same = matches.class_id[near.detection] == matches.ground_truth.class_id[near.truth]
        np.testing.assert_array_equal(near.same_class, same)

    def test_an_iou_of_1_allows_for_rounding(self):
        """A box that is the object's own reaches IoU 1, though its computed IoU is a bit less."""
        box = (63.7, 27.0, 5.1, 2.7)
        near = near_pairs(match(*small_set([(0, 0, box)], [(0, 0, box, 0.9)])))
        assert near.iou[0] < 1
        assert near.reaching(1.0) == 1

    def test_columns_are_read_only(self):
        """Nobody changes what all share."""
        near = near_pairs(match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)])))
        with pytest.raises(ValueError, match="read-only"):
            near.iou[0] = 0

    @pytest.mark.parametrize("lowest", [0.0, -1.0, 1.1, float("nan")])
    def test_an_iou_that_says_nothing_is_refused(self, lowest):
        """Pairs that do not meet are not near."""
        with pytest.raises(BadSetting, match="IoU"):
            near_pairs(match(*small_set()), lowest)

    def test_many_pairs_at_once(self):
        """More pairs than are looked at together: 600 detections on an image of 600 objects, all the same box."""
        objects, detections = [(1, 0, BOX)] * 600, [(1, 0, BOX, 0.9)] * 600
        matches = match(*small_set(objects, detections), MatchSettings(max_detections=(1000,)))
        assert len(near_pairs(matches)) == 600 * 600


class TestKnownTraps:
    """What other confusion matrices got wrong."""

    def test_false_alarms_on_images_without_objects_count(self):
        """An image without objects and a detection on it: one false alarm."""
        matrix = by_hand([(0, 0, BOX)], [(0, 0, BOX, 0.9), (1, 1, BOX, 0.9)])
        assert matrix.counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]

    def test_a_misclassified_box_counts_once(self):
        """Neither as a false alarm nor as a miss besides."""
        matrix = by_hand([(0, 0, BOX)], [(0, 1, BOX, 0.9)])
        assert matrix.counts.tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]

    @pytest.mark.parametrize(("wrong", "right"), [(0.99, 0.5), (0.6, 0.9)])
    def test_a_box_of_the_wrong_class_never_takes_the_object_of_a_right_one(self, wrong, right):
        """Though it lies better and is more confident: the right class is the hit, the wrong one a false alarm."""
        matrix = by_hand([(0, 0, BOX)], [(0, 1, BOX, wrong), (0, 0, HALF, right)])
        assert matrix.counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]

    def test_images_without_detections_count_as_misses(self):
        """An image that nothing was found on still has its objects."""
        assert by_hand([(0, 0, BOX), (1, 1, BOX)]).counts.tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]


class TestConfusionMatrix:
    """Rows are ground truth, columns predictions, background last."""

    @pytest.mark.parametrize("seed", range(30))
    @pytest.mark.parametrize(("confidence", "iou"), [(0.0, 0.5), (0.3, 0.75), (0.6, 0.2)])
    def test_equals_choosing_one_pair_after_the_other(self, seed, confidence, iou):
        """The cells and what is behind them, on random sets with crowds, doubles and ties."""
        matches = match(*random_columns(seed))
        matrix = confusion_matrix(matches, confidence, iou, near_pairs(matches, 0.2))
        columns = (matrix.detection, matrix.truth, matrix.row, matrix.column)
        assert sorted(zip(*(c.tolist() for c in columns), strict=True)) == slow_confusion(matches, confidence, iou)

    @pytest.mark.parametrize("seed", range(20))
    def test_every_object_and_detection_counts_once(self, seed):
        """Rows add up to the objects, and columns to the detections that are left."""
        matches = match(*random_columns(seed))
        matrix = confusion_matrix(matches, 0.3)
        assert matrix.counts[:-1].sum(axis=1).tolist() == matches.positives().tolist()
        assert (matrix.counts[:, :-1].sum(axis=0) <= per_class(matches, 0.3).detections).all()
        for side in (matrix.detection, matrix.truth):
            assert len(np.unique(side[side >= 0])) == (side >= 0).sum()

    @pytest.mark.parametrize("seed", range(10))
    def test_a_cell_opens_to_its_pairs(self, seed):
        """As many as it counts, of its classes, the more confident ones first."""
        matches = match(*random_columns(seed))
        matrix = confusion_matrix(matches, 0.2)
        names = np.append(matches.class_id, len(matrix.counts) - 1)
        labels = np.append(matches.ground_truth.class_id, len(matrix.counts) - 1)
        for row, column in np.ndindex(*matrix.counts.shape):
            detection, truth = matrix.pairs(row, column)
            assert len(detection) == len(truth) == matrix.counts[row, column]
            assert set(names[detection]) <= {column}
            assert set(labels[truth]) <= {row}
            assert (np.diff(matches.confidence[detection[detection >= 0]]) <= 0).all()

    def test_shares(self):
        """Of two objects one is confused and one missed; of two detections of class 1 one is a false alarm."""
        matrix = by_hand([(0, 0, BOX), (1, 0, BOX)], [(0, 1, BOX, 0.9), (1, 1, FAR, 0.9)])
        np.testing.assert_array_equal(matrix.by_truth(), [[0, 0.5, 0.5], [np.nan] * 3, [0, 1, 0]])
        np.testing.assert_array_equal(matrix.by_prediction(), [[np.nan, 0.5, 1], [np.nan, 0, 0], [np.nan, 0.5, 0]])

    def test_thresholds_keep_what_equals_them(self):
        """Confidence 0.5 and IoU 0.5 are kept at 0.5."""
        assert by_hand([(0, 0, BOX)], [(0, 0, HALF, 0.5)]).counts[0, 0] == 1

    def test_the_best_overlap_chooses_first(self):
        """Of two boxes on one object the better placed one is the hit, though less confident."""
        matrix = by_hand([(0, 0, BOX)], [(0, 0, HALF, 0.9), (0, 0, NEAR, 0.6)])
        assert matrix.pairs(0, 0)[0].tolist() == [1]

    def test_a_crowd_hides_detections_of_its_own_class_only(self):
        """On a crowd of class 0: class 0 counts neither way, class 1 is a false alarm, and the crowd is no miss."""
        crowd = (0, 0, (0, 0, 600, 400), 240000, True)
        matrix = by_hand([crowd], [(0, 0, BOX, 0.9), (0, 0, FAR, 0.9), (0, 1, BOX, 0.9)])
        assert matrix.counts.tolist() == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]

    def test_a_crowd_keeps_its_detections_from_objects_of_other_classes(self):
        """A detection in a crowd of its class is not confused with an object of another class there."""
        matrix = by_hand([(0, 0, (0, 0, 600, 400), 240000, True), (0, 1, BOX)], [(0, 0, BOX, 0.9)])
        assert matrix.counts.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]

    @pytest.mark.parametrize("class_id", [0, 1])
    def test_an_object_to_ignore_hides_detections_of_every_class(self, class_id):
        """It is one box: what is found on it, whatever its name, counts neither way."""
        ground_truth, predictions = small_set([(0, 0, BOX)], [(0, class_id, NEAR, 0.9)])
        object.__setattr__(ground_truth, "ignore", np.array([True]))
        assert confusion_matrix(match(ground_truth, predictions), 0.5).counts.sum() == 0

    @pytest.mark.parametrize(
        ("parts", "counts"),
        [
            ({"images": 0}, [[0] * 3] * 3),
            ({"objects": [(0, 0, BOX)], "classes": 1}, [[0, 1], [0, 0]]),
            ({"detections": [(0, 0, BOX, 0.9)], "classes": 1}, [[0, 0], [1, 0]]),
        ],
    )
    def test_without_objects_detections_or_images(self, parts, counts):
        """There is always a matrix."""
        assert by_hand(**parts).counts.tolist() == counts

    def test_what_cannot_be_asked(self):
        """Thresholds that are none, pairs that do not serve, and cells that are not there."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        for confidence, iou in ((float("nan"), 0.5), (0.5, 0.0), (0.5, 1.5), (0.5, float("nan"))):
            with pytest.raises(BadSetting):
                confusion_matrix(matches, confidence, iou)
        with pytest.raises(BadSetting, match=r"from 0\.3"):
            confusion_matrix(matches, 0.5, 0.2, near_pairs(matches, 0.3))
        with pytest.raises(BadSetting, match="another evaluation"):
            confusion_matrix(matches, 0.5, near=near_pairs(match(*small_set())))
        for cell in ((3, 0), (0, -1)):
            with pytest.raises(BadSetting, match="no cell"):
                confusion_matrix(matches, 0.5).pairs(*cell)
