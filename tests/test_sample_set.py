"""The sample scenes through the embedded endpoint: the whole way from image files to COCO's numbers."""

import json

import numpy as np
import pytest
from coco_sets import NUMBERS, oracle_numbers, pycocotools

from smviz import responses
from smviz.annotations import ground_truth_json, parse_results, read_ground_truth, results_json
from smviz.evaluation import evaluate, judge
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES, EmbeddedServer
from smviz.records import ImageRef
from smviz.runner import run_images
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

PRESET = Preset("builtin-ssd", DEMO_CLASSES)
VARIANTS = ("A", "B")


def reading(outcome):
    """The detections of one outcome."""
    return responses.parse(outcome.reply.body, outcome.width, outcome.height, PRESET)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What both variants answered to every sample image, read back from the workspace."""
    images = [ImageRef(path.name, path=path) for path in SAMPLES.images]
    answered = {}
    with EmbeddedServer() as server, Store(tmp_path_factory.mktemp("workspace")) as store:
        connection = Connection("us-east-1", server.url)
        client = SageMaker(connection)
        for variant in VARIANTS:
            request = Request(DEMO_ENDPOINT, variant)
            run = store.create_run(variant, connection, request, PRESET, images)
            end = run_images(store, run, lambda payload, request=request: client.invoke(request, payload), workers=2)
            assert (end.state, end.done) == ("finished", len(images)), end.error
            answered[variant] = store.outcomes(run.id)
    return answered


@pytest.fixture(scope="module")
def ground_truth():
    """The labelled boxes of the sample scenes."""
    return read_ground_truth(SAMPLES.annotations)


@pytest.fixture(scope="module")
def evaluations(outcomes, ground_truth):
    """Both variants judged."""
    return {variant: judge(ground_truth, outcomes[variant], reading) for variant in VARIANTS}


def test_the_sample_set_is_whole(ground_truth):
    """Its images are the files that are there, its classes those of the detectors, and nothing had to be mended."""
    assert sorted(ground_truth.image_names) == [path.name for path in SAMPLES.images]
    assert len(SAMPLES.images) == 80
    assert ground_truth.class_names == DEMO_CLASSES
    assert (np.bincount(ground_truth.class_id, minlength=4) > 50).all()
    assert ground_truth.notes == ()


@pytest.mark.parametrize("variant", VARIANTS)
class TestEachVariant:
    def test_answers_every_image(self, outcomes, variant):
        """Each image has a reply by the variant that was asked, in the set's order and in the image's frame."""
        assert [outcome.image for outcome in outcomes[variant]] == [path.name for path in SAMPLES.images]
        assert {outcome.reply.variant for outcome in outcomes[variant]} == {variant}
        assert {(outcome.width, outcome.height) for outcome in outcomes[variant]} == {(960, 720)}

    def test_its_replies_are_recognised(self, outcomes, variant):
        """The proposal of a format is right for every one of them."""
        proposed = {responses.propose(o.reply.body, o.width, o.height).best for o in outcomes[variant]}
        assert proposed == {Preset("builtin-ssd")}

    def test_nothing_is_left_out(self, evaluations, variant):
        """All images and all objects are judged, and there is nothing to note."""
        evaluation = evaluations[variant]
        assert evaluation.notes == ()
        assert len(evaluation.image_table(0.5)) == 80
        counts = evaluation.sweep().at(0.5)
        assert counts.tp + counts.fn == int((~evaluation.matches.ground_truth_ignored()).sum())

    def test_the_numbers_are_those_of_pycocotools(self, evaluations, variant):
        """On the exported files pycocotools computes the same twelve numbers, to the last digits."""
        evaluation = evaluations[variant]
        truth, predictions = evaluation.matches.ground_truth, evaluation.matches.predictions
        oracle = oracle_numbers(
            pycocotools(json.loads(ground_truth_json(truth)), json.loads(results_json(predictions, truth)))
        )
        assert list(evaluation.numbers) == NUMBERS
        np.testing.assert_allclose(
            list(evaluation.numbers.values()), list(oracle.values()), rtol=0, atol=1e-12, equal_nan=True
        )

    def test_the_exported_files_give_the_same_numbers(self, evaluations, ground_truth, variant):
        """Detections written and read again lose nothing, bit for bit."""
        evaluation = evaluations[variant]
        written = results_json(evaluation.matches.predictions, evaluation.matches.ground_truth)
        again = evaluate(ground_truth, parse_results(written, ground_truth))
        assert again.numbers == evaluation.numbers


class TestTheDetectors:
    def test_a_finds_most_objects(self, evaluations):
        """Detector A is one to show: AP50 above 0.4, every number defined."""
        numbers = evaluations["A"].numbers
        assert numbers["AP50"] > 0.4
        assert not np.isnan(list(numbers.values())).any()

    def test_they_differ_and_a_is_better(self, evaluations):
        """Comparing the variants has a point: they answer differently, and B is worse."""
        a, b = (evaluations[variant].numbers for variant in VARIANTS)
        assert a != b
        assert a["AP"] > b["AP"]

    def test_the_best_threshold_is_neither_end(self, evaluations):
        """A threshold is worth choosing: the best F1 lies within, and beats keeping everything."""
        evaluation = evaluations["A"]
        best = evaluation.best_threshold
        assert 0.05 < best.confidence < 0.95
        assert best.f1 > evaluation.sweep().at(0).f1
