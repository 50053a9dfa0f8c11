"""The command compare: what it prints of two stored runs, and what it refuses."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from coco_sets import coco_json

from smviz.annotations import parse_ground_truth
from smviz.cli import main
from smviz.comparing import compare, read_run
from smviz.evaluation import read_by
from smviz.intervals import Bootstrap, difference
from smviz.operating import best_f1
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

ROOT = Path(__file__).parent.parent
IMAGES = 30
CLASSES = ("class 0", "class 1")
PRESET = Preset("builtin-ssd", CLASSES)


def reply_of(rng, skill):
    """What a detector of some skill answers: one object of each class, found or not, and a mistake now and then."""
    rows = []
    for class_id in range(2):
        if rng.random() < skill:
            left, top = np.array([100.0, 100 + 150 * class_id]) + rng.normal(0, 3, 2)
            rows.append([class_id, rng.beta(5, 2), left / 640, top / 480, (left + 100) / 640, (top + 100) / 480])
        if rng.random() > skill:
            rows.append([class_id, rng.beta(2, 4), 0.7, 0.6, 0.9, 0.9])
    return json.dumps({"prediction": rows}).encode()


def keep(store, name, skill, images, annotations, seed=0):
    """A run over images, whose last one failed."""
    rng = np.random.default_rng(seed)
    refs = [ImageRef(image, data=image.encode()) for image in images]
    run = store.create_run(name, Connection("us-east-1"), Request("traffic"), PRESET, refs, annotations)
    for image in images[:-1]:
        reply = Reply(reply_of(rng, skill), "application/json", float(rng.gamma(9, 0.01 / skill)), "A")
        store.append(run.id, Outcome(image, f"sha of {image}", 640, 480, 1, reply))
    store.append(run.id, Outcome(images[-1], "", 0, 0, 3, failure=Failure("Throttled", "m", "a")))
    store.flush()
    return run


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A workspace with good, bad and bare runs over much the same images."""
    folder = tmp_path_factory.mktemp("workspace")
    boxes = [(i, k, [100, 100 + 150 * k, 100, 100], 10_000, 0) for i in range(IMAGES) for k in range(2)]
    truth = coco_json(range(IMAGES), 2, boxes)
    (folder / "truth.json").write_text(json.dumps(truth))
    data = json.dumps(truth).encode()
    other = json.dumps(coco_json(range(IMAGES), 2, boxes[:10])).encode()
    names = [f"{i}.jpg" for i in range(IMAGES)]
    with Store(folder) as store:
        keep(store, "good", 0.95, names, data, 1)
        keep(store, "bad", 0.5, [*names[2:], "100.jpg"], data, 2)
        keep(store, "bare", 0.5, names, None, 3)
        keep(store, "bare too", 0.9, names, None, 4)
        keep(store, "judged otherwise", 0.9, names, other, 5)
        keep(store, "elsewhere", 0.9, ["x.jpg", "y.jpg"], data, 6)
    return folder


@pytest.fixture
def smviz(workspace, capsys, monkeypatch):
    """Runs the command in the workspace: exit status, stdout, stderr."""
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(workspace))

    def run(*arguments):
        try:
            status = main(["compare", *map(str, arguments)])
        except SystemExit as ended:
            status = ended.code
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


@pytest.fixture(scope="module")
def expected(workspace):
    """The same comparison by the library."""
    with Store(workspace) as store:
        runs = [store.run(name) for name in ("good", "bad")]
        readings = [read_run(store.iter_outcomes(run.id), read_by(run.preset)) for run in runs]
        return compare(*readings, parse_ground_truth(store.annotations(runs[0].id)))


class TestJson:
    def test_is_the_paired_difference(self, smviz, expected):
        """Every number of both runs with B - A, its interval and a verdict, in full precision."""
        status, out, _ = smviz("good", "bad", "--json")
        told = json.loads(out)
        changes = difference(Bootstrap(expected.a.matches), Bootstrap(expected.b.matches)).numbers()
        assert status == 0
        assert told["images"] == IMAGES - 3
        for name in ("AP", "AP50", "AP75"):
            interval = changes[name].interval
            assert told["numbers"][name] == {
                "a": expected.a.numbers[name],
                "b": expected.b.numbers[name],
                "difference": interval.point,
                "low": interval.low,
                "high": interval.high,
                "verdict": "worse",
            }

    def test_each_run_at_its_best_f1(self, smviz, expected):
        """Unless told otherwise; precision, recall and F1 are those there."""
        told = json.loads(smviz("good", "bad", "--json")[1])
        for letter, side in (("a", expected.a), ("b", expected.b)):
            point = best_f1(side.sweep(None, 0.5))
            assert told[letter]["confidence"] == point.confidence
            assert [told["numbers"][name][letter] for name in ("precision", "recall", "f1")] == [
                point.precision,
                point.recall,
                point.f1,
            ]

    def test_thresholds_and_iou_as_asked_for(self, smviz, expected):
        """Agreement and flips follow them."""
        told = json.loads(
            smviz("good", "bad", "--json", "--confidence-a", 0.4, "--confidence-b", 0.7, "--iou", 0.75)[1]
        )
        agreement = expected.agreement(0.4, 0.7, 0.75)
        assert (told["a"]["confidence"], told["b"]["confidence"], told["iou"]) == (0.4, 0.7, 0.75)
        assert told["agreement"] == {name: int(counts.sum()) for name, counts in vars(agreement).items()}
        gains = {row["image"]: row["gain"] for row in told["flipped"]}
        flips = expected.flips(0.4, 0.7, 0.75)
        for image, (one, _) in enumerate(expected.images):
            assert gains.get(one.image, 0) == flips.gain[image]
        assert [abs(row["gain"]) for row in told["flipped"]] == sorted(map(abs, gains.values()), reverse=True)

    def test_classes_and_latency(self, smviz, expected):
        """Each class with its corrected p-value; the faster run is better, in milliseconds."""
        told = json.loads(smviz("good", "bad", "--json")[1])
        assert [row["class_name"] for row in told["classes"]] == list(CLASSES)
        assert [row["verdict"] for row in told["classes"]] == ["worse", "worse"]
        assert all(0 < row["p"] < 0.05 for row in told["classes"])
        p50 = told["numbers"]["latency p50 ms"]
        assert p50["b"] - p50["a"] == pytest.approx(p50["difference"])
        assert 50 < p50["a"] < p50["b"]
        assert p50["verdict"] == "worse"

    def test_swapped(self, smviz):
        """The other way round everything is turned round."""
        one, other = (json.loads(smviz(*names, "--json")[1]) for names in (("good", "bad"), ("bad", "good")))
        assert one["numbers"]["AP"]["difference"] == -other["numbers"]["AP"]["difference"]
        assert other["numbers"]["AP"]["verdict"] == "better"
        assert one["agreement"]["only_a"] == other["agreement"]["only_b"]

    def test_a_run_and_itself(self, smviz):
        """Every difference is 0, and nothing is better."""
        told = json.loads(smviz("good", "good", "--json")[1])
        assert {row["difference"] for row in told["numbers"].values()} == {0.0}
        assert {row["verdict"] for row in told["numbers"].values()} == {"no difference"}
        assert told["flipped"] == []


class TestForPeople:
    def test_tables(self, smviz):
        """Who they are, the numbers with their verdict, the classes, and the images that flipped."""
        status, out, err = smviz("good", "bad")
        assert status == 0
        assert out.startswith("A  good (")
        assert "A better" in next(line for line in out.splitlines() if line.startswith("AP "))
        assert "p (Holm)" in out
        assert "A better in " in out
        assert "Note: 3 images of A and 2 of B have no answered partner and are left out." in err

    def test_zero_is_zero(self, smviz):
        """The difference of a run to itself is 0, from 0 to 0."""
        line = next(line for line in smviz("good", "good")[1].splitlines() if line.startswith("AP "))
        assert re.split(r" {2,}", line)[3:] == ["0", "0 to 0", "no difference beyond chance"]


class TestGroundTruth:
    def test_none(self, smviz):
        """Only where the runs agree is told, and how long they take."""
        status, out, err = smviz("bare", "bare too", "--json")
        told = json.loads(out)
        assert status == 0
        assert "Neither run has ground truth" in err
        assert told["classes"] == told["flipped"] == []
        assert set(told["numbers"]) == {"latency p50 ms", "latency p95 ms", "latency p99 ms"}
        assert sum(told["agreement"].values()) > 0

    def test_of_one_run(self, smviz):
        """It serves both, which is said."""
        status, out, err = smviz("bare", "good", "--json")
        assert status == 0
        assert "Only run B has ground truth" in err
        assert json.loads(out)["numbers"]["AP"]["verdict"] == "better"

    def test_different_ones(self, smviz):
        """That of A is taken, which is said."""
        told, err = (smviz("good", "judged otherwise", "--json")[i] for i in (1, 2))
        assert "different ground truths" in err
        assert [row["objects"] for row in json.loads(told)["classes"]] == [IMAGES - 1, IMAGES - 1]

    def test_given(self, smviz, workspace):
        """--annotations goes first."""
        told = json.loads(smviz("bare", "good", "--annotations", workspace / "truth.json", "--json")[1])
        assert told["numbers"]["AP"]["verdict"] == "better"


def assert_refused(result, *words):
    """Exit status 2, nothing on stdout, and a message with advice that holds the words."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    for word in words:
        assert word in err


class TestRefuses:
    def test_runs_that_are_not_there(self, smviz):
        """Either of them, with those that are."""
        assert_refused(smviz("good", "nobody"), "“nobody”", "elsewhere")
        assert_refused(smviz("nobody", "good"), "“nobody”")

    def test_no_common_image(self, smviz):
        """What joins images is told."""
        assert_refused(smviz("good", "elsewhere"), "no image in common", "bytes or their names")

    def test_annotations_that_cannot_be_read(self, smviz, tmp_path):
        """A missing file, or one that is none."""
        (tmp_path / "broken.json").write_text("{")
        assert_refused(smviz("good", "bad", "--annotations", tmp_path / "broken.json"))
        assert_refused(smviz("good", "bad", "--annotations", tmp_path / "none.json"))

    @pytest.mark.parametrize("iou", ["0", "1.5", "nan", "0.42"])
    def test_an_iou_that_was_not_matched(self, smviz, iou):
        """It is one of COCO's ten."""
        assert_refused(smviz("good", "bad", "--iou", iou), "IoU")

    @pytest.mark.parametrize("arguments", [("good",), (), ("good", "bad", "--confidence-a", "2")])
    def test_wrong_arguments(self, smviz, arguments):
        """Exit status 2 with the usage."""
        assert_refused(smviz(*arguments), "usage")


def test_as_a_process(workspace):
    """As it is called in a pipeline: JSON on stdout, nothing but notes on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "smviz", "compare", "good", "bad", "--json"],
        cwd=ROOT,
        env=os.environ | {"SMVIZ_WORKSPACE": str(workspace)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["numbers"]["AP"]["verdict"] == "worse"
    assert all(line.startswith("Note: ") for line in done.stderr.splitlines())
