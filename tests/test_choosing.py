"""The thresholds to ship and their file: what page and command line both write."""

import dataclasses
import json
import math

import numpy as np
import pytest
from coco_sets import coco_json, results_json

from smviz.annotations import parse_ground_truth, parse_results
from smviz.choosing import POOLED, at_once, choose, thresholds_of, variants_of
from smviz.errors import BadSetting
from smviz.intervals import Bootstrap, hold_out
from smviz.matching import match
from smviz.operating import F1, Objective, fingerprint, flat_region, operating_point, sweep
from smviz.records import Failure, Outcome, Reply
from smviz.settings import Connection, MatchSettings, Preset, Request
from smviz.store import Run
from smviz.thresholds import dumps, loads, values_of

IMAGES = 30
RUN = Run("4f2a9c1b", "nightly", "2026-01-01", Connection("x"), Request("traffic"), Preset("builtin-ssd"), 1, 1, 0)


def made(images=IMAGES, objects=((0, 2), (1, 1)), settings=None, found=0.85, classes=3, seed=0):
    """Matches of images with so many objects of each class, most of them found, and wrong boxes with lower scores."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(images):
        for class_id, count in objects:
            for i in range(count):
                box = np.array([200 * i, 150 * class_id, 100, 100])
                annotations.append((image, class_id, box, 10_000, 0))
                if rng.random() < found:
                    results.append((image, class_id, box + rng.normal(0, 4, 4), rng.beta(4, 2)))
            if found and rng.random() < 0.5:
                results.append((image, class_id, [450, 150 * class_id, 90, 90], rng.beta(2, 4)))
    truth = parse_ground_truth(json.dumps(coco_json(range(images), classes, annotations)).encode())
    predictions = parse_results(json.dumps(results_json(results)).encode(), truth)
    return match(truth, predictions, settings) if settings else match(truth, predictions)


@pytest.fixture(scope="module")
def matches():
    """Two classes with 60 and 30 objects, and one without any."""
    return made()


def outcome(variant):
    """An image that a variant answered."""
    return Outcome("a.jpg", "", 1, 1, 1, Reply(b"", "", 0.1, variant))


class TestChoose:
    @pytest.mark.parametrize("objective", [F1, Objective("recall", (0.7,)), Objective("cost", (1.0, 3.0))])
    def test_every_row_is_its_operating_point(self, matches, objective):
        """The threshold, what it gives and its interval, pooled and of each class, are those of the library."""
        choice = choose(matches, objective)
        assert choice.pooled.name == POOLED
        for class_id, row in [(None, choice.pooled), *enumerate(choice.classes[:2])]:
            point = operating_point(sweep(matches, class_id), objective, IMAGES)
            interval = Bootstrap(matches).threshold(objective, 0.5, class_id)
            assert (row.interval.point, row.counts.tp, row.counts.fp) == (point.confidence, point.tp, point.fp)
            assert (row.interval.low, row.interval.high) == (interval.low, interval.high)
            assert row.flat == flat_region(sweep(matches, class_id), objective, IMAGES)
            assert row.rates["f1"] == point.f1

    def test_a_weak_class_takes_the_pooled_threshold(self):
        """With 15 objects it has no threshold of its own, no flat region, and is named as weak."""
        matches = made(objects=((0, 2), (1, 1)), images=15)
        choice = choose(matches, held_out=True)
        weak = choice.classes[1]
        assert (weak.weak, weak.objects) == (True, 15)
        assert weak.interval is choice.pooled.interval
        assert weak.counts == sweep(matches, 1).at(choice.pooled.interval.point)
        assert np.isnan(weak.flat).all()
        assert weak.held_out is None
        assert choice.weak == ("class 1",)

    def test_a_class_without_objects_is_not_counted_as_weak(self, matches):
        """It leans on the others as well, but there is nothing to label more of."""
        choice = choose(matches)
        assert choice.classes[2].weak
        assert choice.weak == ()

    def test_held_out_only_where_asked(self, matches):
        """The pooled row and strong classes have what other images say."""
        assert choose(matches).pooled.held_out is None
        choice = choose(matches, held_out=True)
        assert choice.pooled.held_out == hold_out(matches)
        assert choice.classes[0].held_out == hold_out(matches, class_id=0)

    def test_the_settings_of_the_matching_do_not_matter(self, matches):
        """Matched at ten IoUs as the page does, or at one as the command does, it is the same choice."""
        one = made(settings=MatchSettings(ious=(0.5,), areas=MatchSettings().areas[:1]))
        created = "2026-01-01T00:00:00+00:00"
        files = [
            dataclasses.replace(thresholds_of(choose(each), RUN, ["A"]), created=created) for each in (matches, one)
        ]
        assert files[0] == files[1]

    def test_without_classes(self, matches):
        """Only the pooled threshold is chosen."""
        assert choose(matches, per_class=False).classes == ()

    def test_progress(self, matches):
        """It rises to 1, also within a row; what it raises ends the work."""
        told = []
        choose(matches, progress=told.append)
        assert told == sorted(told)
        assert told[-1] == 1
        assert len([share for share in told if share < 0.25]) > 100

        def stop(share):
            raise InterruptedError

        with pytest.raises(InterruptedError):
            choose(matches, progress=stop)

    @pytest.mark.parametrize("matches", [made(found=0), made(objects=()), made(images=1)])
    def test_with_nearly_nothing(self, matches):
        """No detection, no object, one image: a reason or a threshold without an interval, never an error."""
        choice = choose(matches, held_out=True)
        assert choice.pooled.reason or math.isnan(choice.pooled.interval.low)
        assert bool(choice.pooled.reason) == math.isnan(choice.pooled.rates["f1"])

    def test_an_iou_that_was_not_matched(self, matches):
        """It is told as everywhere."""
        with pytest.raises(BadSetting):
            choose(matches, iou=0.33)


class TestAtOnce:
    @pytest.mark.parametrize("objective", [F1, Objective("recall", (0.7,)), Objective("precision", (1.0,))])
    def test_is_what_is_chosen(self, objective):
        """The same thresholds, before their intervals are there; production applies them so."""
        matches = made(objects=((0, 2), (1, 1)), images=20)
        pooled, values = at_once(matches, objective)
        choice = choose(matches, objective)
        assert pooled.confidence == choice.pooled.interval.point
        names = matches.ground_truth.class_names
        assert dict(zip(names, values, strict=True)) == values_of(thresholds_of(choice), names)

    def test_a_class_that_cannot_meet_the_objective(self):
        """It has the threshold of all classes together, as production applies it."""
        matches = made(objects=((0, 2), (1, 2)), found=0.6, seed=3)
        objective = Objective("recall", (float(sweep(matches).recall.max()),))
        pooled, values = at_once(matches, objective)
        short = [k for k in range(2) if operating_point(sweep(matches, k), objective, IMAGES).reason]
        assert len(short) == 1
        assert values[short[0]] == pooled.confidence

    def test_where_there_is_none(self):
        """No class has a threshold, and the reason is told."""
        pooled, values = at_once(made(found=0))
        assert pooled.reason
        assert np.isnan(values).all()


class TestThresholdsOf:
    def test_says_where_it_comes_from(self, matches):
        """Data set, run, endpoint, and the variant where there was just one."""
        file = thresholds_of(choose(matches), RUN, ["A", "A"])
        assert (file.endpoint, file.run_id, file.run_name, file.variant) == ("traffic", "4f2a9c1b", "nightly", "A")
        assert (file.images, file.objects, file.fingerprint) == (IMAGES, 90, fingerprint(matches.ground_truth))
        assert thresholds_of(choose(matches), RUN, ["A", "B"]).variant == ""
        assert thresholds_of(choose(matches)).endpoint == ""

    def test_says_what_the_endpoint_calls_a_class(self, matches):
        """Where a class map translates, the endpoint's own names are there too, or production would not find them."""
        mapped = dataclasses.replace(RUN, class_map=(("automobile", "class 0"), ("boat", None), ("ship", "class 9")))
        file = thresholds_of(choose(matches), mapped)
        assert file.classes["automobile"] == file.classes["class 0"]
        assert set(file.classes) == {"class 0", "class 1", "class 2", "automobile"}

    def test_can_be_written_and_read(self, matches):
        """Also with a class that only leans."""
        file = thresholds_of(choose(matches))
        assert loads(dumps(file)) == file
        assert file.classes["class 2"].weak

    def test_a_class_that_cannot_meet_the_objective_is_left_out(self):
        """Production then applies the global threshold to it."""
        matches = made(objects=((0, 2), (1, 2)), found=0.6, seed=3)
        choice = choose(matches, Objective("recall", (float(sweep(matches).recall.max()),)))
        short = [row.name for row in choice.classes[:2] if row.reason]
        assert len(short) == 1
        assert short[0] not in thresholds_of(choice).classes


class TestVariantsOf:
    def test_names_each_once(self):
        """Sorted; failures and answers without a name tell none."""
        failed = Outcome("b.jpg", "", 0, 0, 1, failure=Failure("Throttled", "", ""))
        assert variants_of([outcome("B"), outcome("A"), outcome("B"), outcome(None), failed]) == ("A", "B")
