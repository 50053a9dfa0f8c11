"""Limits are told where detections pile up against them, and never of random data."""

from dataclasses import replace

import numpy as np
import pytest
from coco_sets import random_columns, small_set

from smviz.cutoffs import find_cutoffs
from smviz.images import prepare
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES, EmbeddedServer
from smviz.matching import match
from smviz.records import Predictions
from smviz.responses import parse
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, MatchSettings, Preset, Request

BOX = (0, 0, 40, 40)


def found(predictions, images, settings=None):
    """The limits by kind of detections on images without an object."""
    truth, _ = small_set(images=images)
    return {c.kind: c for c in find_cutoffs(match(truth, predictions, settings or MatchSettings()))}


def made_up(rng, images, per_image, scores):
    """Detections at random places; scores as drawn, [images x per_image]."""
    count = images * per_image
    return Predictions(
        image=np.repeat(np.arange(images), per_image),
        class_id=rng.integers(0, 2, count),
        ltwh=np.column_stack([rng.uniform(0, 600, (count, 2)), rng.uniform(10, 60, (count, 2))]),
        confidence=scores,
    )


def some(predictions, kept):
    """Some of the detections, bool [D]."""
    return Predictions(
        predictions.image[kept], predictions.class_id[kept], predictions.ltwh[kept], predictions.confidence[kept]
    )


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.random(n),
        lambda rng, n: rng.beta(1, 6, n),
        lambda rng, n: rng.beta(3, 2, n),
        lambda rng, n: rng.beta(8, 2, n),
        lambda rng, n: rng.beta(3, 2, n).round(1),
        lambda rng, n: rng.beta(5, 2, n).round(2),
    ],
)
def test_random_detections_have_no_limit(seed, draw):
    """Whatever the scores are like, rounded or not: a few or many boxes, none is told."""
    rng = np.random.default_rng(seed)
    images, per_image = int(rng.integers(1, 150)), int(rng.integers(1, 40))
    everything = made_up(rng, images, per_image, draw(rng, images * per_image))
    predictions = some(everything, rng.random(images * per_image) < 0.7)
    assert found(predictions, images) == {}


@pytest.mark.parametrize("seed", range(30))
def test_small_sets_have_no_limit(seed):
    """A few images with crowds, duplicates and ties tell nothing of the endpoint."""
    kinds = {cutoff.kind for cutoff in find_cutoffs(match(*random_columns(seed)))}
    assert kinds <= {"max detections"}


def test_nothing_at_all():
    """Without a detection, or without an image, there is nothing to tell."""
    nothing = Predictions([], [], [], [])
    assert found(nothing, 3) == {}
    assert found(nothing, 0) == {}


class TestScore:
    @pytest.mark.parametrize("cut", [0.05, 0.25, 0.5])
    @pytest.mark.parametrize("decimals", [2, 12])
    def test_a_cut_of_scores_is_told(self, cut, decimals):
        """The lowest score that is left, and that no lower threshold can be chosen."""
        rng = np.random.default_rng(0)
        everything = made_up(rng, 200, 10, rng.random(2000).round(decimals))
        kept = everything.confidence >= cut
        cutoff = found(some(everything, kept), 200)["score"]
        assert cut <= cutoff.value <= cut + 0.01
        assert f"below {cutoff.value:.3g}" in cutoff.sentence
        assert 0 < cutoff.share < 0.5

    def test_a_few_detections_tell_nothing(self):
        """The same cut, with forty detections left, is not told."""
        rng = np.random.default_rng(0)
        everything = made_up(rng, 40, 1, rng.uniform(0.25, 1, 40))
        assert found(everything, 40) == {}

    def test_one_low_score_is_enough_to_choose_by(self):
        """Where a single lower score came through, nothing cuts there."""
        rng = np.random.default_rng(0)
        scores = np.append(rng.uniform(0.25, 1, 1999), 0.01)
        assert found(made_up(rng, 200, 10, scores), 200).keys() <= {"detections"}


class TestDetections:
    def limited(self, images=100, most=20):
        """Images with 10 to 30 boxes, of which so many are returned."""
        rng = np.random.default_rng(1)
        predictions = made_up(rng, images, 30, rng.random(images * 30))
        place = np.tile(np.arange(30), images)
        return some(predictions, place < np.minimum(most, np.repeat(rng.integers(10, 31, images), 30)))

    def test_a_limit_per_image_is_told(self):
        """The number that many images have and none exceeds."""
        predictions = self.limited()
        full = int((np.bincount(predictions.image) == 20).sum())
        cutoff = found(predictions, 100)["detections"]
        assert (cutoff.value, cutoff.share) == (20, full / 100)
        assert cutoff.sentence.startswith(f"{full} of 100 images have exactly 20 detections")

    def test_one_image_with_more_shows_that_there_is_none(self):
        """A single image beyond it, and the pile is a coincidence."""
        predictions = self.limited()
        row = int(np.argmax(np.bincount(predictions.image) == 20))
        more = Predictions(
            *(np.append(column, extra) for column, extra in ((predictions.image, row), (predictions.class_id, 0))),
            ltwh=np.vstack([predictions.ltwh, BOX]),
            confidence=np.append(predictions.confidence, 0.5),
        )
        assert "detections" not in found(more, 100)

    def test_counts_that_spread_evenly_have_a_highest_one_too(self):
        """10 to 15 boxes an image: a sixth of the images has 15, but as many have 14."""
        rng = np.random.default_rng(3)
        counts = rng.integers(10, 16, 300)
        everything = made_up(rng, 300, 15, rng.random(4500))
        kept = np.tile(np.arange(15), 300) < np.repeat(counts, 15)
        assert found(some(everything, kept), 300) == {}

    def test_few_boxes_in_every_image_are_no_limit(self):
        """One object an image is a kind of scene."""
        rng = np.random.default_rng(0)
        assert found(made_up(rng, 200, 1, rng.random(200)), 200) == {}


class TestOverlap:
    def suppressed(self, limit):
        """Crowded boxes of one class, of which no two overlap by more than the limit."""
        rng = np.random.default_rng(2)
        rows = []
        for image in range(60):
            kept = []
            for box in np.column_stack([rng.uniform(0, 120, (60, 2)), rng.uniform(30, 50, (60, 2))]):
                if all(iou(box, other) <= limit for other in kept):
                    kept.append(box)
            rows += [(image, box) for box in kept]
        return Predictions(
            image=[image for image, _ in rows],
            class_id=np.zeros(len(rows)),
            ltwh=[box for _, box in rows],
            confidence=rng.random(len(rows)),
        )

    @pytest.mark.parametrize("limit", [0.3, 0.45, 0.6])
    def test_suppression_is_told(self, limit):
        """The IoU that many pairs nearly reach and none exceeds."""
        cutoff = found(self.suppressed(limit), 60)["overlap"]
        assert cutoff.value == pytest.approx(limit, abs=0.01)
        assert f"{cutoff.value:.2f}" in cutoff.sentence

    def test_boxes_of_other_classes_do_not_count(self):
        """Suppression is within a class: the same boxes, each of a class of its own, tell nothing."""
        predictions = self.suppressed(0.45)
        alone = replace(predictions, class_id=np.arange(len(predictions)))
        truth, _ = small_set(images=60, classes=len(predictions))
        assert find_cutoffs(match(truth, alone)) == ()

    def test_a_pair_that_overlaps_more_shows_that_there_is_none(self):
        """One duplicate that came through, and nothing is told."""
        predictions = self.suppressed(0.45)
        twice = np.append(np.arange(len(predictions)), 0)
        assert "overlap" not in found(some(predictions, twice), 60)

    def test_overlaps_that_become_rare_are_no_limit(self):
        """The higher the IoU the fewer the pairs, up to 0.9: many are near the highest, more are below."""
        overlap = np.random.default_rng(0).triangular(0, 0, 0.9, 30_000)
        shift = 100 * (1 - overlap) / (1 + overlap)
        boxes = np.zeros((len(shift), 2, 4))
        boxes[:, :, 2:] = 100
        boxes[:, 1, 0] = shift
        count = 2 * len(shift)
        pairs = Predictions(np.arange(count) // 2, np.zeros(count), boxes, np.linspace(0, 1, count))
        assert found(pairs, len(shift)) == {}

    def test_many_pairs_are_sampled(self):
        """Hundreds of boxes of one class in each of many images: the same answer from some of the images."""
        predictions = self.suppressed(0.45)
        size = len(predictions)
        copies = 200
        many = Predictions(
            image=np.concatenate([predictions.image + 60 * copy for copy in range(copies)]),
            class_id=np.zeros(size * copies),
            ltwh=np.tile(predictions.ltwh, (copies, 1)),
            confidence=np.tile(predictions.confidence, copies),
        )
        assert found(many, 60 * copies)["overlap"].value == pytest.approx(0.45, abs=0.01)


class TestMaxDetections:
    def test_what_the_matching_leaves_out_is_told(self):
        """Three boxes of a class in an image, of which the settings evaluate two."""
        predictions = Predictions([0, 0, 0], [0, 0, 0], [BOX] * 3, [0.9, 0.8, 0.7])
        cutoff = found(predictions, 2, MatchSettings(max_detections=(1, 2)))["max detections"]
        assert (cutoff.value, cutoff.share) == (2, 1 / 3)
        assert cutoff.sentence.startswith("1 detections are not evaluated")
        assert found(predictions, 2) == {}


def test_every_limit_has_a_sentence_and_advice():
    """What is limited and what to do, in whole sentences."""
    rng = np.random.default_rng(0)
    told = found(made_up(rng, 100, 30, rng.uniform(0.3, 1, 3000)), 100, MatchSettings(max_detections=(3,)))
    assert told.keys() == {"score", "detections", "max detections"}
    for cutoff in told.values():
        assert cutoff.sentence.endswith(".")
        assert cutoff.advice.endswith(".")


def test_the_demo_endpoint_suppresses_at_one_half():
    """Its detector's own limit shows in ten of its replies, and no cut of scores does."""
    preset, images = Preset("builtin-ssd", DEMO_CLASSES), SAMPLES.images[:10]
    with EmbeddedServer() as server:
        client = SageMaker(Connection("us-east-1", server.url))
        parts = []
        for path in images:
            payload = prepare(path.read_bytes(), path.name)
            reply = client.invoke(Request(DEMO_ENDPOINT, "A"), payload)
            parts.append(parse(reply.body, payload.width, payload.height, preset))
    ltwh = np.concatenate([np.hstack([p.xyxy[:, :2], p.xyxy[:, 2:] - p.xyxy[:, :2]]) for p in parts])
    predictions = Predictions(
        image=np.repeat(np.arange(len(parts)), [len(p) for p in parts]),
        class_id=np.concatenate([p.class_id for p in parts]),
        ltwh=ltwh,
        confidence=np.concatenate([p.confidence for p in parts]),
    )
    truth, _ = small_set(images=len(parts), classes=len(DEMO_CLASSES))
    limits = {c.kind: c for c in find_cutoffs(match(truth, predictions))}
    assert limits.keys() - {"max detections"} == {"overlap"}
    assert limits["overlap"].value == pytest.approx(0.5, abs=0.01)


def iou(one, other):
    """The IoU of two boxes, ltwh."""
    sides = np.minimum(one[:2] + one[2:], other[:2] + other[2:]) - np.maximum(one[:2], other[:2])
    overlap = sides.clip(min=0).prod()
    return overlap / (one[2:].prod() + other[2:].prod() - overlap)
