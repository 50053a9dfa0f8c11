"""Matching is COCO's, detection by detection, and one pass serves every threshold."""

from dataclasses import replace

import numpy as np
import pytest
from coco_sets import coco_json, columns, oracle, pycocotools, random_columns, results_json, small_set

from smviz import matching
from smviz.errors import BadAnnotations, BadSetting
from smviz.matching import coco_iou, match
from smviz.metrics import coco_numbers
from smviz.records import Predictions
from smviz.settings import MatchSettings

BOX = (0, 0, 40, 40)
HALF = (0, 0, 40, 20)  # IoU 0.5 with BOX
FAR = (300, 300, 40, 40)


def at_least(predictions, confidence):
    """The predictions that reach a threshold, and where they were."""
    kept = np.flatnonzero(predictions.confidence >= confidence)
    return Predictions(
        predictions.image[kept], predictions.class_id[kept], predictions.ltwh[kept], predictions.confidence[kept]
    ), kept


@pytest.mark.parametrize("seed", range(80))
def test_every_detection_takes_what_pycocotools_says(seed):
    """At every IoU and area range, each detection takes the same object and is ignored or not, as in pycocotools."""
    evaluation = oracle(seed)
    matches = match(*random_columns(seed))
    params = evaluation.params
    area_names = {tuple(area): name for area, name in zip(params.areaRng, params.areaRngLbl, strict=True)}
    compared = 0
    for theirs in filter(None, evaluation.evalImgs):
        image = matches.ground_truth.image_ids.index(theirs["image_id"] - 1)
        rows = np.flatnonzero((matches.image == image) & (matches.class_id == theirs["category_id"] - 1))
        rows = rows[np.argsort(matches.rank[rows])]
        area = area_names[tuple(theirs["aRng"])]
        np.testing.assert_array_equal(matches.prediction[rows] + 1, theirs["dtIds"])
        for t, iou in enumerate(matches.settings.ious):
            np.testing.assert_array_equal(matches.taken(iou, area)[rows] + 1, theirs["dtMatches"][t])
            np.testing.assert_array_equal(matches.ignored(iou, area)[rows], theirs["dtIgnore"][t])
        compared += len(rows)
    assert compared == len(matches) * len(matches.settings.areas)


@pytest.mark.parametrize("seed", range(20))
def test_one_pass_serves_every_threshold(seed):
    """Dropping the detections below a threshold and matching again changes nothing for those above it."""
    ground_truth, predictions = random_columns(seed)
    matches = match(ground_truth, predictions)
    for threshold in np.quantile(predictions.confidence, [0.2, 0.5, 0.9]) if len(predictions) else []:
        fewer, kept = at_least(predictions, threshold)
        again = match(ground_truth, fewer)
        above = matches.confidence >= threshold
        np.testing.assert_array_equal(kept[again.prediction], matches.prediction[above])
        for iou in matches.settings.ious:
            for area, _, _ in matches.settings.areas:
                np.testing.assert_array_equal(again.taken(iou, area), matches.taken(iou, area)[above])
                np.testing.assert_array_equal(again.ignored(iou, area), matches.ignored(iou, area)[above])


@pytest.mark.parametrize("seed", range(8))
def test_the_size_of_the_portions_does_not_matter(seed, monkeypatch):
    """Pairs are compared some at a time to bound memory; the outcome is the same however many."""
    whole = match(*random_columns(seed))
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 3)
    portions = match(*random_columns(seed))
    np.testing.assert_array_equal(portions.candidate, whole.candidate)
    np.testing.assert_array_equal(portions.candidate_taken, whole.candidate_taken)


class TestWhatIsTaken:
    """Which object a detection takes."""

    def test_the_first_object_of_all_can_be_found(self):
        """Object 0 counts as found like any other: positions are never mistaken for "no match"."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        assert matches.taken().tolist() == [0]
        assert matches.true_positive().tolist() == [True]

    def test_iou_equal_to_the_threshold_is_enough(self):
        """A pair at exactly 0.5 matches at 0.5 and not at 0.55."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, HALF, 0.9)]))
        assert matches.true_positive(0.5).tolist() == [True]
        assert matches.true_positive(0.55).tolist() == [False]

    def test_an_exact_copy_matches_at_iou_one(self):
        """IoU 1 as a threshold is met by the same box."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]), MatchSettings(ious=(1.0,)))
        assert matches.true_positive(1.0).tolist() == [True]

    def test_iou_one_allows_for_rounding(self):
        """The same box whose IoU with itself is computed a bit below 1 still matches at 1."""
        box = (0.7, 0.7, 0.1, 0.1)
        assert coco_iou(np.array([box]), np.array([box]), np.zeros(1, bool))[0] < 1
        matches = match(*small_set([(0, 0, box)], [(0, 0, box, 0.9)]), MatchSettings(ious=(1.0,)))
        assert matches.true_positive(1.0).tolist() == [True]

    def test_iou_of_nine_tenths_is_cocos(self):
        """COCO's threshold 0.9 is the double below 0.9, and a pair exactly there matches, as in pycocotools."""
        box, narrower = (0.0, 0.0, 2.85, 2.85), (0.0, 0.0, 2.565, 2.85)
        assert coco_iou(np.array([narrower]), np.array([box]), np.zeros(1, bool))[0] == np.nextafter(0.9, 0)
        files = coco_json([0], 1, [(0, 0, box, 8.0, 0)]), results_json([(0, 0, narrower, 0.9)])
        matches = match(*columns(*files))
        assert matches.true_positive(0.9).tolist() == [True]
        assert coco_numbers(matches)["AP"] == pytest.approx(pycocotools(*files).stats[0], abs=1e-12)

    def test_equal_iou_goes_to_the_later_object(self):
        """Of two objects with the same box the one later in the file is taken first, the other one next."""
        matches = match(*small_set([(0, 0, BOX), (0, 0, BOX)], [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8)]))
        assert matches.taken().tolist() == [1, 0]

    def test_confidence_decides_who_chooses_first(self):
        """The more confident detection takes the object even when another one fits better."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.5), (0, 0, HALF, 0.9)]))
        assert matches.prediction.tolist() == [1, 0]
        assert matches.taken().tolist() == [0, -1]
        assert matches.taken(0.75).tolist() == [-1, 0]

    def test_a_hair_of_iou_decides(self):
        """Of two objects whose IoUs differ in the last bit the better one is taken, though it comes first."""
        better, worse = (0.0, 0.0, 10.0, np.nextafter(10.0, 11)), (0.0, 0.0, 10.0, np.nextafter(10.0, 0))
        detection = (0.0, 0.0, 10.0, 20.0)
        ious = coco_iou(np.array([detection] * 2), np.array([better, worse]), np.zeros(2, bool))
        assert 0 < ious[0] - ious[1] < 4e-16
        settings = MatchSettings(ious=(0.4,))
        for crowd in (False, True):
            objects = [(0, 0, box, 100, crowd) for box in (better, worse)]
            assert match(*small_set(objects, [(0, 0, detection, 0.9)]), settings).taken(0.4).tolist() == [0]

    def test_other_images_and_classes_are_out_of_reach(self):
        """A detection takes nothing from another image or class."""
        matches = match(*small_set([(0, 0, BOX)], [(1, 0, BOX, 0.9), (0, 1, BOX, 0.8)]))
        assert matches.taken().tolist() == [-1, -1]
        assert matches.false_positive().tolist() == [True, True]

    def test_boxes_without_area_match_nothing(self):
        """A detection without width, or turned inside out, takes nothing."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, (0, 0, 0, 40), 0.9), (0, 0, (40, 40, -40, -40), 0.8)]))
        assert matches.taken().tolist() == [-1, -1]


class TestWhatIsIgnored:
    """Crowds and areas."""

    def test_many_detections_may_take_one_crowd(self):
        """Each detection inside a crowd is ignored: neither right nor wrong."""
        crowd = (0, 0, (0, 0, 200, 200), 40_000, True)
        matches = match(*small_set([crowd], [(0, 0, BOX, 0.9), (0, 0, (50, 50, 40, 40), 0.8)]))
        assert matches.taken().tolist() == [0, 0]
        assert matches.ignored().tolist() == [True, True]
        assert not (matches.true_positive() | matches.false_positive()).any()
        assert matches.positives().tolist() == [0, 0]

    def test_a_crowd_is_taken_last(self):
        """An object is preferred to a crowd, even to one that overlaps more."""
        matches = match(*small_set([(0, 0, BOX, 1600, True), (0, 0, HALF)], [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8)]))
        assert matches.taken().tolist() == [1, 0]
        assert matches.true_positive().tolist() == [True, False]

    def test_area_is_the_annotations_and_borders_belong_to_both_sides(self):
        """An object of area 32 x 32 counts as small and as medium, whatever its box measures."""
        matches = match(*small_set([(0, 0, BOX, 32.0**2)], [(0, 0, BOX, 0.9)]))
        found = {area: bool(matches.true_positive(0.5, area)[0]) for area, _, _ in matches.settings.areas}
        assert found == {"all": True, "small": True, "medium": True, "large": False}
        assert matches.ignored(0.5, "large").tolist() == [True]

    def test_unmatched_detections_outside_the_area_are_ignored(self):
        """A false positive counts only in the range of its own box's area."""
        matches = match(*small_set([], [(0, 0, FAR, 0.9)]))
        wrong = {area: bool(matches.false_positive(0.5, area)[0]) for area, _, _ in matches.settings.areas}
        assert wrong == {"all": True, "small": False, "medium": True, "large": False}

    def test_a_false_positive_on_the_border_of_two_areas_counts_in_both(self):
        """A wrong box of 32 x 32 is a small and a medium one."""
        matches = match(*small_set([], [(0, 0, (0, 0, 32, 32), 0.9)]))
        assert matches.false_positive(0.5, "small").tolist() == [True]
        assert matches.false_positive(0.5, "medium").tolist() == [True]

    @pytest.mark.parametrize("seed", range(12))
    def test_every_detection_is_one_of_three(self, seed):
        """True positive, false positive and ignored share out the detections, at every IoU and area."""
        matches = match(*random_columns(seed))
        for iou in matches.settings.ious:
            for area, _, _ in matches.settings.areas:
                parts = (matches.true_positive, matches.false_positive, matches.ignored)
                np.testing.assert_array_equal(sum(part(iou, area).astype(int) for part in parts), 1)


class TestOrder:
    """COCO's accumulate order, and the cap on detections."""

    def test_class_then_confidence_then_image_then_file(self):
        """Detections stand by class, by descending confidence, and ties by image, then as they were read."""
        detections = [(1, 0, BOX, 0.5), (0, 0, FAR, 0.5), (0, 0, BOX, 0.5), (0, 1, BOX, 0.9), (1, 0, FAR, 0.7)]
        matches = match(*small_set([], detections))
        assert matches.prediction.tolist() == [4, 1, 2, 0, 3]
        assert matches.rank.tolist() == [0, 0, 1, 1, 0]

    def test_the_cap_comes_before_matching(self):
        """A detection beyond the limit of its image and class is not there, even if it alone would be right."""
        detections = [(0, 0, FAR, 0.9), (0, 0, FAR, 0.8), (0, 0, BOX, 0.7), (1, 0, FAR, 0.1), (0, 1, BOX, 0.1)]
        matches = match(*small_set([(0, 0, BOX)], detections), MatchSettings(max_detections=(2,)))
        assert matches.prediction.tolist() == [0, 1, 3, 4]
        assert not matches.true_positive().any()

    def test_ties_at_the_cap_go_to_the_earlier_in_the_file(self):
        """Of equal scores at the limit the first read is kept."""
        detections = [(0, 0, BOX, 0.5), (0, 0, FAR, 0.5)]
        matches = match(*small_set([(0, 0, BOX)], detections), MatchSettings(max_detections=(1,)))
        assert matches.prediction.tolist() == [0]

    def test_ranked_gives_one_class_or_all_by_confidence(self):
        """The positions of a class stand by confidence, and those of all classes together too."""
        matches = match(*small_set([], [(0, 0, BOX, 0.2), (0, 1, BOX, 0.9), (0, 0, FAR, 0.4)]))
        assert matches.confidence[matches.ranked(0)].tolist() == [0.4, 0.2]
        assert matches.confidence[matches.ranked()].tolist() == [0.9, 0.4, 0.2]


class TestLookUps:
    """What else can be read from the matches."""

    def test_overlap_is_the_iou_of_the_pair(self):
        """The IoU with the taken object; NaN where nothing was taken; for a crowd, over the detection's own area."""
        objects = [(0, 0, BOX), (1, 0, (0, 0, 200, 200), 40_000, True)]
        matches = match(*small_set(objects, [(0, 0, HALF, 0.9), (0, 0, FAR, 0.8), (1, 0, BOX, 0.7)]))
        np.testing.assert_array_equal(matches.overlap(), [0.5, np.nan, 1.0])

    def test_positives_leave_out_crowds_and_other_sizes(self):
        """Only objects of the area range that are no crowd are there to be found."""
        objects = [(0, 0, BOX), (0, 0, BOX, 100), (0, 1, BOX, 1600, True), (1, 1, BOX)]
        matches = match(*small_set(objects))
        assert matches.positives().tolist() == [2, 1]
        assert matches.positives("small").tolist() == [1, 0]
        assert matches.ground_truth_ignored("small").tolist() == [True, False, True, True]

    def test_arrays_cannot_be_written(self):
        """Matches are frozen, arrays included."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        for array in (matches.prediction, matches.confidence, matches.candidate_taken):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0

    def test_an_iou_is_found_whatever_its_last_bit(self):
        """A threshold computed by a slider finds its IoU."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        assert matches.taken(float(np.linspace(0.5, 0.95, 10)[8])).tolist() == [0]

    def test_nothing_at_all_can_be_matched(self):
        """No objects, no detections, or neither: empty look-ups, no error."""
        for objects in ([], [(0, 0, BOX)]):
            matches = match(*small_set(objects))
            assert matches.taken().tolist() == []
            assert matches.ranked(1).tolist() == []
        assert match(*small_set([], [(0, 0, BOX, 0.9)])).false_positive().tolist() == [True]


class TestRefusals:
    """Wrong settings and wrong data are told, with what to do."""

    def test_an_iou_that_was_not_matched(self):
        """Asking for IoU 0.3 names those that there are."""
        with pytest.raises(BadSetting, match=r"IoU 0\.3.*0\.5, 0\.55"):
            match(*small_set()).taken(0.3)

    def test_an_area_range_that_was_not_matched(self):
        """Asking for an unknown area range names those that there are."""
        with pytest.raises(BadSetting, match=r"'tiny'.*all, small, medium, large"):
            match(*small_set()).positives("tiny")

    @pytest.mark.parametrize("class_id", [-1, 2])
    def test_a_class_that_is_not_there(self, class_id):
        """A class id outside the ground truth is refused, negative ones too."""
        with pytest.raises(BadSetting, match=r"class -?\d.*0 to 1"):
            match(*small_set()).ranked(class_id)

    @pytest.mark.parametrize(
        "change",
        [
            {"ious": ()},
            {"ious": (0.0, 0.5)},
            {"ious": (0.6, 0.5)},
            {"ious": (0.5, 1.1)},
            {"ious": (float("nan"),)},
            {"max_detections": ()},
            {"max_detections": (0,)},
            {"max_detections": (10, 1)},
            {"areas": ()},
            {"areas": (("small", 0.0, 1.0),)},
            {"areas": (("all", 0.0, 1.0), ("all", 0.0, 2.0))},
            {"areas": (("all", 2.0, 1.0),)},
        ],
        ids=str,
    )
    def test_settings_that_contradict_themselves(self, change):
        """Empty, unordered or impossible settings are refused."""
        with pytest.raises(BadSetting):
            match(*small_set(), replace(MatchSettings(), **change))

    @pytest.mark.parametrize("detection", [(2, 0, BOX, 0.9), (-1, 0, BOX, 0.9), (0, 2, BOX, 0.9), (0, -1, BOX, 0.9)])
    def test_predictions_of_another_ground_truth(self, detection):
        """Images or classes beyond the ground truth's are refused."""
        with pytest.raises(BadAnnotations, match="does not have"):
            match(*small_set([], [detection]))

    def test_a_detection_without_confidence(self):
        """NaN cannot be ranked, so it is refused."""
        with pytest.raises(BadAnnotations, match="no confidence"):
            match(*small_set([], [(0, 0, BOX, float("nan"))]))
