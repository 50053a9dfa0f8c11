"""The numbers are COCO's to the last digits: those of pycocotools and of ultrafast-pycocotools, on every kind of set.

pycocotools takes annotation 0 for "no match", so its copy of a set has every id raised by one (in `coco_sets`);
ultrafast-pycocotools and smviz get the ids as they are. What each detection takes is compared in test_matching.py.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from coco_sets import (
    NUMBERS,
    HeedsIgnore,
    coco_json,
    columns,
    dense_set,
    oracle_numbers,
    pycocotools,
    random_set,
    results_json,
    small_set,
    ultrafast,
)

from smviz.annotations import ground_truth_json, read_ground_truth
from smviz.annotations import results_json as written_results
from smviz.local import SAMPLES
from smviz.matching import match
from smviz.metrics import average_precision, average_recall, coco_numbers, precision_at_recalls
from smviz.records import Predictions
from smviz.settings import MatchSettings

BOX = (0, 0, 40, 40)
FAR = (300, 300, 40, 40)


def same(ours, theirs):
    """Equal to 1e-12, NaN where the other says -1."""
    np.testing.assert_allclose(ours, np.where(np.equal(theirs, -1), np.nan, theirs), rtol=0, atol=1e-12)


def assert_same_evaluation(ground_truth, predictions, theirs, limits=(1, 10, 100)):
    """The twelve numbers, and the whole arrays of precision [T, R, K, A, M] and recall [T, K, A, M]."""
    matches = match(ground_truth, predictions)
    numbers = coco_numbers(matches)
    assert list(numbers) == NUMBERS
    assert numbers == pytest.approx(oracle_numbers(theirs), abs=1e-12, nan_ok=True)
    for m, limit in enumerate((1, 10, 100)):
        capped = match(ground_truth, predictions, MatchSettings(max_detections=(limit,))) if limit in limits else None
        for a, (area, _, _) in enumerate(matches.settings.areas):
            same(average_recall(matches, limit, area), theirs.eval["recall"][:, :, a, m])
            if capped:
                precision = np.moveaxis(theirs.eval["precision"][:, :, :, a, m], 1, 2)
                same(precision_at_recalls(capped, area), precision)


class TestFuzzedSets:
    """Crowds, ties, doubles, borders, empty images, classes without objects, ids from 0, over 100 detections."""

    @pytest.mark.parametrize("seed", range(1000, 1300))
    def test_equal_to_pycocotools_and_to_ultrafast_pycocotools(self, seed):
        """Every number by class, IoU, area and limit equals that of both, which therefore equal each other."""
        truth, results = random_set(seed)
        ours = columns(truth, results)
        assert_same_evaluation(*ours, pycocotools(truth, results))
        assert_same_evaluation(*ours, ultrafast(truth, results), limits=())

    @pytest.mark.parametrize("seed", range(24))
    def test_more_detections_than_count(self, seed):
        """With over 100 detections of a class on each image, COCO's limits hold and the numbers are the same."""
        truth, results = dense_set(seed)
        ground_truth, predictions = columns(truth, results)
        cells = np.bincount(predictions.image * 2 + predictions.class_id)
        assert cells.max() > 150
        assert_same_evaluation(ground_truth, predictions, pycocotools(truth, results))
        assert_same_evaluation(ground_truth, predictions, ultrafast(truth, results))

    @pytest.mark.parametrize("seed", range(1300, 1420))
    def test_objects_to_ignore(self, seed):
        """An object that need not be found has its plain IoU, is taken once and last, and counts neither way."""
        truth, results = random_set(seed) if seed % 3 else dense_set(seed)
        ground_truth, predictions = columns(truth, results)
        assert len(ground_truth) == len(truth["annotations"])
        difficult = np.random.default_rng(seed).random(len(ground_truth)) < 0.3
        for annotation, ignore in zip(truth["annotations"], difficult.tolist(), strict=True):
            annotation["difficult"] = int(ignore)
        theirs = pycocotools(truth, results, HeedsIgnore)
        assert_same_evaluation(replace(ground_truth, ignore=difficult), predictions, theirs)

    @pytest.mark.parametrize("seed", range(12))
    def test_true_positives_are_recall_times_objects(self, seed):
        """The flags of the detections add up to the recall that pycocotools has, in every class, IoU and area."""
        truth, results = dense_set(seed)
        matches, theirs = match(*columns(truth, results)), pycocotools(truth, results)
        for a, (area, _, _) in enumerate(matches.settings.areas):
            for t, iou in enumerate(matches.settings.ious):
                found = np.bincount(matches.class_id[matches.true_positive(iou, area)], minlength=2)
                recall = theirs.eval["recall"][t, :, a, -1]
                np.testing.assert_allclose(found, np.maximum(recall, 0) * matches.positives(area), rtol=0, atol=1e-9)


class TestManyObjects:
    """Recalls are quotients, and where one falls on a hundredth the last bit decides."""

    @pytest.mark.parametrize("objects", [99, 100, 101, 300, 700, 1100, 2900])
    def test_every_recall_is_met_where_coco_meets_it(self, objects):
        """One object an image, found in turn with more and more false alarms between: equal in every cell."""
        found = [(image, 0, BOX, 0.999 - image / 5000) for image in range(objects)]
        wrong = [(image, 0, FAR, 0.999 - image / 5000) for image in range(1, objects, 3)]
        truth = coco_json(range(objects), 1, [(image, 0, BOX, 1600.0, 0) for image in range(objects)])
        results = results_json(found + wrong)
        assert_same_evaluation(*columns(truth, results), ultrafast(truth, results))


class TestSampleSet:
    """The scenes that ship with smviz; a real run on them is compared in test_sample_set.py."""

    @pytest.mark.parametrize("decimals", [2, 12])
    def test_whole_arrays(self, decimals):
        """Shaken boxes with scores that tie or do not: equal to both in every cell."""
        ground_truth = read_ground_truth(SAMPLES.annotations)
        predictions = shaken(ground_truth, decimals)
        files = json.loads(ground_truth_json(ground_truth)), json.loads(written_results(predictions, ground_truth))
        assert_same_evaluation(ground_truth, predictions, pycocotools(*files))
        assert_same_evaluation(ground_truth, predictions, ultrafast(*files))


def shaken(ground_truth, decimals):
    """Two detections near each object, one in five of another class, with random scores."""
    rng = np.random.default_rng(decimals)
    near = np.repeat(np.arange(len(ground_truth)), 2)
    ltwh = ground_truth.ltwh[near] * rng.normal(1, 0.08, (len(near), 4))
    other = rng.random(len(near)) < 0.2
    return Predictions(
        image=ground_truth.image[near],
        class_id=np.where(other, rng.integers(0, 4, len(near)), ground_truth.class_id[near]),
        ltwh=np.maximum(ltwh, 1),
        confidence=rng.random(len(near)).round(decimals),
    )


class TestOnePassServesEveryThreshold:
    """Dropping detections below a threshold never changes what is above, so nothing is matched twice."""

    @pytest.mark.parametrize("seed", range(8))
    def test_matching_again_gives_the_same(self, seed):
        """At 40 thresholds, with crowds and over 100 detections a class and image, at every IoU and area range."""
        truth, results = dense_set(seed)
        ground_truth, predictions = columns(truth, results)
        ground_truth = replace(ground_truth, ignore=np.random.default_rng(seed).random(len(ground_truth)) < 0.1)
        matches = match(ground_truth, predictions)
        taken, ignored = everything(matches)
        assert ground_truth.crowd.any()
        for threshold in np.quantile(predictions.confidence, np.linspace(0, 1, 40)):
            kept = np.flatnonzero(predictions.confidence >= threshold)
            again = match(ground_truth, only(predictions, kept))
            above = matches.confidence >= threshold
            np.testing.assert_array_equal(kept[again.prediction], matches.prediction[above])
            taken_again, ignored_again = everything(again)
            np.testing.assert_array_equal(taken_again, taken[:, :, above])
            np.testing.assert_array_equal(ignored_again, ignored[:, :, above])


def only(predictions, rows):
    """Some of the detections."""
    columns = (predictions.image, predictions.class_id, predictions.ltwh, predictions.confidence)
    return Predictions(*(column[rows] for column in columns))


def everything(matches):
    """What each detection takes and whether it is ignored, [T, A, n] each."""
    areas = [name for name, _, _ in matches.settings.areas]
    taken = [[matches.taken(iou, area) for area in areas] for iou in matches.settings.ious]
    ignored = [[matches.ignored(iou, area) for area in areas] for iou in matches.settings.ious]
    return np.array(taken), np.array(ignored)


class TestPeersFaults:
    """What other evaluators get wrong or refuse; what a file may hold is tested in test_annotations_coco.py."""

    FILES = random_set(1001)

    def numbers(self, truth=None, results=None):
        """The twelve of the set, or of what takes its files' place."""
        files = (truth or self.FILES[0], self.FILES[1] if results is None else results)
        return coco_numbers(match(*columns(*files)))

    def test_annotation_zero_is_found(self):
        """pycocotools calls the detection of annotation 0 a false positive; here its id means nothing."""
        files = (
            coco_json([0], 1, [(0, 0, BOX, 1600.0, 0), (0, 0, FAR, 1600.0, 0)]),
            results_json([(0, 0, BOX, 0.9), (0, 0, FAR, 0.8)]),
        )
        assert coco_numbers(match(*columns(*files)))["AP"] == 1.0
        assert pycocotools(*files).stats[0] == pytest.approx(1.0)
        assert pycocotools(*files, shift=0).stats[0] < 0.3

    def test_text_as_ids(self):
        """Images named by text instead of numbers give the very same numbers."""
        truth, results = json.loads(json.dumps(self.FILES))
        for entry in truth["images"]:
            entry["id"] = f"image {entry['id']:03d}"
        for entry in truth["annotations"] + results:
            entry["image_id"] = f"image {entry['image_id']:03d}"
        assert self.numbers(truth, results) == pytest.approx(self.numbers(), abs=0, nan_ok=True)

    def test_annotations_that_share_an_id(self):
        """Each is an object of its own; others lose all but one of them, or all numbers, in silence."""
        truth = self.FILES[0] | {"annotations": [{**entry, "id": 7} for entry in self.FILES[0]["annotations"]]}
        assert self.numbers(truth) == pytest.approx(self.numbers(), abs=0, nan_ok=True)
        assert any("repeat an id" in note for note in columns(truth, [])[0].notes)

    def test_an_empty_list_of_results(self):
        """Nothing was detected: 0 where there is something to find, NaN where there is not."""
        numbers, full = self.numbers(results=[]), self.numbers()
        assert {name: value for name, value in numbers.items() if not np.isnan(value)} == {
            name: 0.0 for name, value in full.items() if not np.isnan(value)
        }

    @pytest.mark.parametrize("image_id", [999, "nowhere", -1])
    def test_a_detection_on_an_unknown_image(self, image_id):
        """It is left out and told, and the numbers are those without it."""
        results = [*self.FILES[1], {**self.FILES[1][0], "image_id": image_id, "score": 1.0}]
        assert self.numbers(results=results) == pytest.approx(self.numbers(), abs=0, nan_ok=True)
        assert any("does not list" in note for note in columns(self.FILES[0], results)[1].notes)

    def test_scores_are_compared_as_doubles(self):
        """A right detection that is better by less than single precision shows stands first."""
        better = 0.5 + 1e-12
        assert np.float32(better) == np.float32(0.5)
        matches = match(*small_set([(1, 0, BOX)], [(0, 0, BOX, 0.5), (1, 0, BOX, better)]))
        assert average_precision(matches)[0, 0] == 1.0

    @pytest.mark.parametrize("seed", range(1001, 1013))
    def test_the_order_of_a_file_decides_only_within_an_image(self, seed):
        """Ties keep COCO's order, by image id and then as read: shuffled images and blocks change nothing."""
        truth, results = random_set(seed)
        rng = np.random.default_rng(seed)
        images = [truth["images"][i] for i in rng.permutation(len(truth["images"]))]
        blocks = [[entry for entry in results if entry["image_id"] == image["id"]] for image in images]
        assert sum(map(len, blocks)) == len(results)
        moved = self.numbers(truth | {"images": images}, [entry for block in blocks for entry in block])
        assert moved == pytest.approx(self.numbers(truth, results), abs=0, nan_ok=True)


class TestUndefined:
    """What cannot be said is NaN, never -1 and never 0."""

    def test_a_class_without_an_object(self):
        """Its cells are NaN and the means leave it out, whatever was detected."""
        matches = match(*small_set([(0, 0, BOX)], [(0, 0, BOX, 0.9), (0, 1, BOX, 0.9)]))
        assert np.isnan(precision_at_recalls(matches)[:, 1]).all()
        assert np.isnan(average_recall(matches, 100)[:, 1]).all()
        assert (precision_at_recalls(matches)[:, 0] == 1.0).all()
        assert coco_numbers(matches)["AP"] == 1.0

    def test_no_class_has_an_object(self):
        """All twelve are NaN, with only crowds and objects to ignore in the set."""
        ground_truth, predictions = small_set([(0, 0, BOX, 1600, True), (0, 1, FAR)], [(0, 0, BOX, 0.9)])
        numbers = coco_numbers(match(replace(ground_truth, ignore=np.array([False, True])), predictions))
        assert np.isnan(list(numbers.values())).all()
