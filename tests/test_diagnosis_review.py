"""The queue of labels to look at again holds what a confident detector contradicts, and nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.boxes import ltwh_to_xyxy, pairwise_iou
from smviz.diagnosis import REASONS, ReviewSettings, near_pairs, probably_missing, probably_wrong
from smviz.errors import BadSetting
from smviz.matching import match

BOX = (100, 100, 40, 40)
NEAR = (100, 100, 40, 36)  # IoU 0.9 with BOX
HALF = (100, 100, 40, 16)  # IoU 0.4 with BOX
FAR = (300, 300, 40, 40)
CROWD = (0, 0, (0, 0, 600, 400), 240000, True)


def rows(review):
    """The queue as (reason, detection, label, other label, score)."""
    columns = (review.reason, review.detection, review.truth, review.other, review.score)
    listed = zip(*(column.tolist() for column in columns), strict=True)
    return [(REASONS[reason], d, g, other, pytest.approx(score)) for reason, d, g, other, score in listed]


def wrong(objects=(), detections=()):
    return rows(probably_wrong(match(*small_set(objects, detections))))


def slow_review(matches, settings):
    """Every doubt as {(reason, label or detection): score}, label after label, as the definitions are written."""
    truth, doubts = matches.ground_truth, {}
    labels, boxes = ltwh_to_xyxy(truth.ltwh), ltwh_to_xyxy(matches.predictions.ltwh[matches.prediction])
    same_image = matches.image[:, None] == truth.image
    iou = pairwise_iou(boxes, labels) * same_image
    own = matches.box_area[:, None]
    both = own + (truth.ltwh[:, 2] * truth.ltwh[:, 3])[None]
    iou = np.round(np.where(truth.crowd, iou * both / (1 + iou) / own, iou), 12)
    alike = matches.class_id[:, None] == truth.class_id
    confidence = matches.confidence
    sure = [d for d in range(len(matches)) if confidence[d] >= settings.confidence]
    has_own = {d for d in range(len(matches)) if (alike[d] & (iou[d] >= settings.covers)).any()}
    for d in sorted(sure, key=lambda d: (-confidence[d], d)):
        beside = [e for _, e in doubts if matches.image[e] == matches.image[d]]
        covered = pairwise_iou(boxes[[d]], boxes[beside]).max(initial=0) >= settings.covers - 1e-12
        if iou[d].max(initial=0) < settings.near and not covered:
            doubts["missing", d] = confidence[d]
    plain = [g for g in range(len(truth)) if not truth.crowd[g]]
    touched = {
        g
        for g in plain
        if any(iou[d, g] >= settings.near for d in range(len(matches)) if confidence[d] >= settings.faint)
    }
    for g in plain:
        agreeing = [d for d in range(len(matches)) if alike[d, g] and iou[d, g] >= settings.covers]
        best = max((confidence[d] for d in agreeing), default=0)
        others = [d for d in sure if not alike[d, g] and iou[d, g] >= settings.covers and d not in has_own]
        ahead = max((confidence[d] - best for d in others), default=0)
        if ahead > 0:
            doubts["class", g] = ahead
        askew = [d for d in sure if alike[d, g] and iou[d, g] >= settings.near and d not in has_own]
        if askew and not agreeing:
            d = max(askew, key=lambda d: (iou[d, g], confidence[d]))
            doubts["box", g] = confidence[d] * (1 - iou[d, g])
        if g not in touched:
            of_class = [other for other in plain if truth.class_id[other] == truth.class_id[g]]
            doubts["unseen", g] = len(touched & set(of_class)) / len(of_class)
        twins = [
            f for f in plain if f < g and truth.image[f] == truth.image[g] and truth.class_id[f] == truth.class_id[g]
        ]
        double = max((pairwise_iou(labels[[f]], labels[[g]])[0, 0] for f in twins), default=0)
        if double >= settings.double - 1e-12:
            doubts["double", g] = double
    return doubts


class TestQueue:
    """Both queues, against loops."""

    @pytest.mark.parametrize("seed", range(40))
    @pytest.mark.parametrize(
        "settings", [ReviewSettings(), ReviewSettings(confidence=0.3, faint=0.1, near=0.2, covers=0.75, double=0.5)]
    )
    def test_holds_every_doubt_once(self, seed, settings):
        """On random sets with crowds and doubles, with the score that its definition gives."""
        matches = match(*random_columns(seed))
        found, near = {}, near_pairs(matches, 0.1)
        for review in (probably_missing(matches, settings, near), probably_wrong(matches, settings, near)):
            for reason, detection, truth, _, score in rows(review):
                assert (reason, truth) not in found
                found[reason, detection if reason == "missing" else truth] = score
        assert found == slow_review(matches, settings)

    @pytest.mark.parametrize("seed", range(10))
    def test_is_in_the_order_of_its_scores_and_names_the_image(self, seed):
        """The strangest label first, with the image of its label or detection."""
        matches = match(*random_columns(seed))
        for review in (probably_missing(matches, ReviewSettings(0.2)), probably_wrong(matches, ReviewSettings(0.2))):
            assert (np.diff(review.score) <= 0).all()
            has_label, has_box = review.truth >= 0, review.detection >= 0
            images = matches.ground_truth.image[review.truth[has_label]]
            np.testing.assert_array_equal(review.image[has_label], images)
            np.testing.assert_array_equal(review.image[has_box], matches.image[review.detection[has_box]])
            assert (has_label | has_box).all()

    @pytest.mark.parametrize("queue", [probably_missing, probably_wrong])
    def test_without_objects_and_detections_it_is_empty(self, queue):
        """Nothing is doubted where there is nothing."""
        assert len(queue(match(*small_set(images=0)))) == len(queue(match(*small_set(classes=1)))) == 0

    @pytest.mark.parametrize("queue", [probably_missing, probably_wrong])
    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"near": 0.6}, "touch a label"),
            ({"near": 0.0}, "touch a label"),
            ({"covers": 1.5}, "touch a label"),
            ({"double": 0.0}, "doubles"),
            ({"faint": 0.9}, "faint"),
            ({"confidence": float("nan")}, "faint"),
        ],
    )
    def test_settings_that_contradict_themselves_are_refused(self, queue, changed, words):
        """With advice instead of an empty queue."""
        with pytest.raises(BadSetting, match=words):
            queue(match(*small_set()), replace(ReviewSettings(), **changed))

    def test_near_pairs_must_serve(self):
        """Pairs that begin too high would hide touching boxes."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9)]))
        with pytest.raises(BadSetting, match=r"0\.3"):
            probably_missing(matches, near=near_pairs(matches, 0.3))


class TestProbablyMissing:
    """Confident detections on nothing."""

    def test_a_confident_detection_on_nothing(self):
        """It is queued with its confidence; a less confident one is not."""
        review = probably_missing(match(*small_set([(0, 0, BOX)], [(0, 0, FAR, 0.9), (1, 0, BOX, 0.79)])))
        assert rows(review) == [("missing", 0, -1, -1, 0.9)]
        assert review.sentence(0) == "The detector finds class 0 at confidence 0.90 where nothing is labelled."
        assert math.isnan(review.iou[0])

    def test_one_object_is_missing_once(self):
        """Three names for one box: the most confident one; a fourth box that only the second one covers stays."""
        fourth = (100, 122, 40, 40)
        detections = [(0, 0, BOX, 0.95), (0, 1, (100, 111, 40, 40), 0.9), (0, 1, NEAR, 0.85), (0, 0, fourth, 0.8)]
        review = probably_missing(match(*small_set([], detections)))
        assert review.score.tolist() == [0.95, 0.8]

    @pytest.mark.parametrize("label", [(0, 0, BOX), (0, 1, BOX), (0, 0, HALF), CROWD, (*CROWD[:1], 1, *CROWD[2:])])
    def test_a_label_of_any_class_or_a_crowd_there_is_enough(self, label):
        """Then nothing is missing, though the label may be wrong."""
        assert rows(probably_missing(match(*small_set([label], [(0, 0, BOX, 0.99)])))) == []


class TestProbablyWrong:
    """Labels that a confident detector contradicts."""

    def test_another_class(self):
        """Only a confident detection of another class on it; how far it is ahead of the label's class is the score."""
        detections = [(0, 1, BOX, 0.9), (0, 0, BOX, 0.3)]
        review = probably_wrong(match(*small_set([(0, 0, BOX)], detections)))
        assert rows(review) == [("class", 1, 0, -1, 0.6)]
        assert review.sentence(0) == (
            "Labelled class 0, but the detector finds class 1 at confidence 0.90 there (IoU 1.00)."
        )

    def test_a_detection_with_a_label_of_its_own_accuses_no_other(self):
        """A rider and a horse with nearly the same box: the horse's detection means the horse."""
        assert wrong([(0, 0, BOX), (0, 1, NEAR)], [(0, 0, BOX, 0.6), (0, 1, NEAR, 0.9)]) == []

    def test_a_label_that_its_own_class_confirms_more(self):
        """The second name of a box that is found with the right one."""
        assert wrong([(0, 0, BOX)], [(0, 0, BOX, 0.95), (0, 1, BOX, 0.9)]) == []

    def test_a_box_that_is_badly_drawn(self):
        """Confidence 0.9 and IoU 0.4: score 0.54; not when any detection of the class covers it."""
        review = probably_wrong(match(*small_set([(0, 0, BOX)], [(0, 0, HALF, 0.9)])))
        assert rows(review) == [("box", 0, 0, -1, 0.54)]
        assert review.sentence(0) == (
            "The box of class 0 and the detector's (class 0 at confidence 0.90) overlap only by IoU 0.40."
        )
        assert wrong([(0, 0, BOX)], [(0, 0, HALF, 0.9), (0, 0, BOX, 0.2)]) == []

    def test_a_label_that_nothing_sees(self):
        """Of two labels of the class one is seen: 0.5; a faint detection of any class sees it."""
        objects = [(0, 0, BOX), (1, 0, BOX)]
        review = probably_wrong(match(*small_set(objects, [(0, 0, BOX, 0.9), (1, 0, BOX, 0.04)])))
        assert rows(review) == [("unseen", -1, 1, -1, 0.5)]
        assert review.sentence(0) == (
            "Labelled class 0, but the detector finds nothing there, though it sees 50% of the labels of this class."
        )
        assert wrong(objects, [(0, 0, BOX, 0.9), (1, 1, HALF, 0.05)]) == []

    def test_an_object_labelled_twice(self):
        """The later label is doubted, and names the earlier one; other classes are no double."""
        detections = [(0, 0, BOX, 0.9), (0, 1, BOX, 0.9)]
        review = probably_wrong(match(*small_set([(0, 0, BOX), (0, 0, NEAR), (0, 1, BOX)], detections)))
        assert rows(review) == [("double", -1, 1, 0, 0.9)]
        assert review.sentence(0) == "class 0 is labelled twice here (IoU 0.90)."

    def test_crowds_and_objects_to_ignore_are_not_doubted(self):
        """They are no claims of an object."""
        ground_truth, predictions = small_set([CROWD, (1, 0, BOX), (1, 0, BOX)], [(1, 1, BOX, 0.9)])
        ignoring = replace(ground_truth, ignore=np.array([False, True, True]))
        assert len(probably_wrong(match(ignoring, predictions))) == 0
