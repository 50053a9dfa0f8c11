"""The command thresholds: what it prints, what it writes, and what it refuses."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from coco_sets import coco_json, results_json

from smviz import __version__, thresholds
from smviz.annotations import parse_ground_truth, parse_results
from smviz.cli import main
from smviz.intervals import Bootstrap
from smviz.matching import match
from smviz.operating import fingerprint, operating_point, parse_objective, sweep
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

ROOT = Path(__file__).parent.parent
IMAGES = 40
CLASSES = ("class 0", "class 1", "class 2")  # of the last there are few objects


@dataclass(frozen=True)
class Files:
    """Where the files are, and what they hold."""

    annotations: Path
    detections: Path
    matches: object


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Objects of which most are found, wrong boxes with lower scores, ground truth and detections as COCO JSON."""
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for image in range(IMAGES):
        for class_id, count in enumerate((2, 1, int(image < 8))):
            for i in range(count):
                box = np.array([200 * i, 150 * class_id, 100, 100])
                annotations.append((image, class_id, box, 10_000, 0))
                if rng.random() < 0.85:
                    results.append((image, class_id, box + rng.normal(0, 4, 4), rng.beta(4, 2)))
            if rng.random() < 0.5:
                results.append((image, class_id, [450, 150 * class_id, 90, 90], rng.beta(2, 4)))
    folder = tmp_path_factory.mktemp("files")
    truth, found = coco_json(range(IMAGES), len(CLASSES), annotations), results_json(results)
    paths = (folder / "truth.json", folder / "found.json")
    for path, content in zip(paths, (truth, found), strict=True):
        path.write_text(json.dumps(content))
    ground_truth = parse_ground_truth(paths[0].read_bytes())
    return Files(*paths, match(ground_truth, parse_results(paths[1].read_bytes(), ground_truth)))


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """A workspace of its own."""
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "workspace"))


@pytest.fixture
def smviz(capsys):
    """Runs the command in this process: exit status, stdout, stderr."""

    def run(*arguments):
        try:
            status = main(["thresholds", *map(str, arguments)])
        except SystemExit as exit_of_argparse:
            status = exit_of_argparse.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def on_files(smviz, files):
    """The same, on the detections file."""

    def run(*arguments):
        return smviz("--detections", files.detections, "--annotations", files.annotations, *arguments)

    return run


@pytest.fixture
def stored_run(files, tmp_path):
    """A run of an endpoint that answered with the same detections; it has its own ground truth."""
    truth = json.loads(files.annotations.read_text())
    found = json.loads(files.detections.read_text())
    with Store(tmp_path / "workspace") as store:
        run = store.create_run(
            "Monday",
            Connection("us-east-1"),
            Request("traffic"),
            Preset("builtin-ssd", CLASSES),
            [ImageRef(image["file_name"], data=b"-") for image in truth["images"]],
            files.annotations.read_bytes(),
        )
        for image in truth["images"]:
            rows = [ssd_row(result) for result in found if result["image_id"] == image["id"]]
            reply = Reply(json.dumps({"prediction": rows}).encode(), "application/json", 0.1, "A")
            store.append(run.id, Outcome(image["file_name"], "0" * 64, 640, 480, 1, reply))
        store.flush()
    return run


def ssd_row(result):
    """A COCO result as a row of the built-in format, of an image of 640 x 480."""
    left, top, width, height = result["bbox"]
    sides = (left / 640, top / 480, (left + width) / 640, (top + height) / 480)
    return [result["category_id"], result["score"], *sides]


def assert_refused(result, *words):
    """Exit status 2, nothing on stdout, and a message with advice that holds the words."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("smviz: ")
    assert "Traceback" not in err
    for word in words:
        assert word in err


class TestOutput:
    @pytest.mark.parametrize(
        "objective", ["f1", "F2", "recall >= 0.7", "precision>=0.9", "fp<=0.25", "cost(fp=1,fn=3)"]
    )
    @pytest.mark.parametrize("iou", [0.5, 0.75])
    def test_json_is_the_operating_point_with_its_interval(self, on_files, files, objective, iou):
        """The pooled threshold and each class's, exactly, and what they give; in full precision."""
        status, out, _ = on_files("--objective", objective, "--iou", iou, "--per-class", "--json")
        told, chosen = json.loads(out), parse_objective(objective)
        assert status == 0
        assert (told["objective"], told["iou"], told["level"]) == (str(chosen), iou, 0.95)
        assert [row["class_name"] for row in told["classes"]] == list(CLASSES)
        for class_id, row in [(None, told["global"]), *enumerate(told["classes"][:2])]:
            point = operating_point(sweep(files.matches, class_id, iou), chosen, IMAGES)
            interval = Bootstrap(files.matches).threshold(chosen, iou, class_id)
            assert row["threshold"] == point.confidence
            assert [row[name] for name in ("tp", "fp", "fn")] == [point.tp, point.fp, point.fn]
            assert [row[name] for name in ("precision", "recall", "f1")] == [point.precision, point.recall, point.f1]
            assert (row["low"], row["high"]) == (interval.low, interval.high)
            assert (row["weak"], row["reason"]) == (False, "")

    def test_a_weak_class_leans_on_the_global_threshold(self, on_files, files):
        """With eight objects it gets the threshold of all classes, and is told what that gives it."""
        told = json.loads(on_files("--per-class", "--json")[1])
        weak, pooled = told["classes"][2], told["global"]
        counts = sweep(files.matches, 2).at(pooled["threshold"])
        assert (weak["objects"], weak["weak"]) == (8, True)
        assert [weak[name] for name in ("threshold", "low", "high")] == [
            pooled[name] for name in ("threshold", "low", "high")
        ]
        assert [weak[name] for name in ("tp", "fp", "fn")] == [counts.tp, counts.fp, counts.fn]

    def test_a_table_for_people(self, on_files):
        """A line for each class and one for all; thresholds to three digits, and the weak class marked."""
        told = json.loads(on_files("--per-class", "--json")[1])
        header, *lines = on_files("--per-class")[1].splitlines()
        assert header.split() == ["class", "objects", "threshold", "interval", "precision", "recall", "F1"]
        assert [line.split("  ")[0] for line in lines] == [*CLASSES, "all classes"]
        assert f"{told['classes'][0]['threshold']:.3f}" in lines[0]
        assert f"{told['global']['low']:.3f} to {told['global']['high']:.3f}" in lines[3]
        assert [line.endswith("weak") for line in lines] == [False, False, True, False]

    def test_without_per_class_there_is_one_threshold(self, on_files):
        """F1 and IoU 0.5 unless told otherwise."""
        told = json.loads(on_files("--json")[1])
        assert (told["objective"], told["iou"], told["classes"]) == ("f1", 0.5, [])
        assert len(on_files()[1].splitlines()) == 2

    def test_a_class_that_cannot_meet_the_objective(self, on_files, tmp_path):
        """Why is told on stderr, the table has dashes, and the file leaves the class to the global threshold."""
        status, out, err = on_files("--objective", "recall>=0.86", "--per-class", "-o", tmp_path / "t.json")
        told = json.loads(on_files("--objective", "recall>=0.86", "--per-class", "--json")[1])
        short = [row for row in told["classes"] if row["reason"]]
        assert status == 0
        assert [row["threshold"] for row in short] == [None]
        assert f"Note: No threshold for {short[0]['class_name']}: No threshold has a recall above" in err
        assert "—" in next(line for line in out.splitlines() if line.startswith(short[0]["class_name"]))
        kept = thresholds.loads((tmp_path / "t.json").read_text())
        assert set(kept.classes) == set(CLASSES) - {short[0]["class_name"]}

    def test_an_objective_that_nothing_meets(self, on_files, tmp_path):
        """Exit status 1 as for a failed check, the reason on stderr, and no file."""
        status, out, err = on_files("--objective", "recall>=1", "-o", tmp_path / "t.json", "--json")
        assert status == 1
        assert json.loads(out)["global"]["threshold"] is None
        assert "recall above" in json.loads(out)["global"]["reason"]
        assert "No threshold for all classes: No threshold has a recall above" in err
        assert not (tmp_path / "t.json").exists()

    def test_limits_of_the_endpoint_are_told(self, smviz, files, tmp_path):
        """Detections that were cut at 0.3 cannot tell what a lower threshold would give."""
        rng = np.random.default_rng(1)
        cut = [(i % IMAGES, 0, [10 * (i // IMAGES), 0, 9, 9], s) for i, s in enumerate(rng.uniform(0.3, 1, 2000))]
        (tmp_path / "cut.json").write_text(json.dumps(results_json(cut)))
        _, _, err = smviz("--detections", tmp_path / "cut.json", "--annotations", files.annotations)
        assert "Note: The endpoint seems to leave out everything below 0.3" in err


class TestFile:
    def test_holds_what_was_printed_and_where_it_comes_from(self, on_files, files, tmp_path):
        """Thresholds, intervals, weak classes, and the data set's fingerprint; production can apply it at once."""
        target = tmp_path / "thresholds.json"
        status, out, _ = on_files("--per-class", "--objective", "f2", "-o", target, "--json")
        told, kept = json.loads(out), thresholds.loads(target.read_text(encoding="utf-8"))
        assert status == 0
        assert list(kept.classes) == sorted(CLASSES)
        for row in told["classes"]:
            assert kept.classes[row["class_name"]] == thresholds.Threshold(
                row["threshold"], row["low"], row["high"], row["objects"], row["weak"]
            )
        assert kept.overall.value == told["global"]["threshold"]
        assert (kept.objective, kept.iou, kept.level) == ("f2", 0.5, 0.95)
        assert kept.fingerprint == fingerprint(files.matches.ground_truth)
        assert (kept.images, kept.objects, kept.smviz_version) == (IMAGES, 128, __version__)
        assert (kept.endpoint, kept.run_id) == ("", "")
        assert kept.created.endswith("+00:00")

    def test_applied_it_gives_what_was_promised(self, on_files, files, tmp_path):
        """Of each class as many detections are kept as its true and false positives are."""
        _, out, _ = on_files("--per-class", "-o", tmp_path / "t.json", "--json")
        kept = thresholds.loads((tmp_path / "t.json").read_text())
        detections = [
            {"class_name": CLASSES[result["category_id"]], "confidence": result["score"]}
            for result in json.loads(files.detections.read_text())
        ]
        names = [detection["class_name"] for detection in thresholds.apply(detections, kept)]
        for row in json.loads(out)["classes"]:
            assert names.count(row["class_name"]) == row["tp"] + row["fp"]

    def test_without_per_class_it_holds_the_global_threshold(self, on_files, tmp_path):
        """Which then applies to every class."""
        on_files("-o", tmp_path / "t.json")
        assert thresholds.loads((tmp_path / "t.json").read_text()).classes == {}

    def test_that_cannot_be_written(self, on_files, tmp_path):
        """A folder that is not there is told, after the table."""
        status, _, err = on_files("-o", tmp_path / "missing" / "t.json")
        assert status == 2
        assert "Cannot write" in err
        assert "Traceback" not in err


class TestRun:
    @pytest.mark.parametrize("by", ["id", "name"])
    def test_a_stored_run_with_its_own_ground_truth(self, smviz, stored_run, on_files, tmp_path, by):
        """The same detections give the same thresholds, and the file names endpoint, variant and run."""
        status, out, _ = smviz("--run", getattr(stored_run, by), "--per-class", "-o", tmp_path / "t.json", "--json")
        of_file = json.loads(on_files("--per-class", "--json")[1])
        assert status == 0
        assert json.loads(out)["global"]["threshold"] == of_file["global"]["threshold"]
        kept = thresholds.loads((tmp_path / "t.json").read_text())
        assert (kept.endpoint, kept.variant, kept.run_id, kept.run_name) == ("traffic", "A", stored_run.id, "Monday")

    def test_other_annotations_go_first(self, smviz, stored_run, files, tmp_path):
        """--annotations replaces the run's own."""
        truth = json.loads(files.annotations.read_text())
        truth["annotations"] = [a for a in truth["annotations"] if a["category_id"] == 0]
        (tmp_path / "one.json").write_text(json.dumps(truth))
        told = json.loads(smviz("--run", stored_run.id, "--annotations", tmp_path / "one.json", "--json")[1])
        assert told["global"]["objects"] == 80

    def test_a_run_without_ground_truth(self, smviz, tmp_path):
        """The advice is to give it."""
        with Store(tmp_path / "workspace") as store:
            store.create_run(
                "bare", Connection("us-east-1"), Request("e"), Preset("builtin-ssd"), [ImageRef("a", data=b"")]
            )
        assert_refused(smviz("--run", "bare"), "no ground truth", "--annotations")

    def test_a_run_that_is_not_there(self, smviz):
        """It is told, with the runs that are."""
        assert_refused(smviz("--run", "nobody"), "“nobody”")


class TestRefuses:
    def test_detections_without_annotations(self, smviz, files):
        """There is nothing to judge by."""
        assert_refused(smviz("--detections", files.detections), "--annotations")

    @pytest.mark.parametrize("objective", ["", "best", "recall>0.9", "f0"])
    def test_an_objective_that_is_none(self, on_files, objective):
        """It is refused, and the advice tells what to write."""
        assert_refused(on_files("--objective", objective), "\n       ")

    @pytest.mark.parametrize("iou", ["0", "1.5", "nan", "-1"])
    def test_an_iou_that_cannot_be(self, on_files, iou):
        """It is above 0, up to 1."""
        assert_refused(on_files(f"--iou={iou}"), "IoU")

    @pytest.mark.parametrize("arguments", [(), ("--run", "a", "--detections", "b"), ("--iou", "half", "--run", "a")])
    def test_wrong_arguments(self, smviz, arguments):
        """Exit status 2 with the usage."""
        status, out, err = smviz(*arguments)
        assert (status, out) == (2, "")
        assert "usage" in err

    @pytest.mark.parametrize("content", ["", "{", "[{}]", '{"images": 1}'])
    def test_files_that_cannot_be_read(self, smviz, files, tmp_path, content):
        """Either file, broken: a message with advice."""
        broken = tmp_path / "broken.json"
        broken.write_text(content)
        assert_refused(smviz("--detections", files.detections, "--annotations", broken))
        assert_refused(smviz("--detections", broken, "--annotations", files.annotations))
        assert_refused(smviz("--detections", tmp_path / "none.json", "--annotations", files.annotations))

    def test_no_detection_at_all(self, smviz, files, tmp_path):
        """An empty list is a result: no threshold, exit status 1, and the reason."""
        (tmp_path / "empty.json").write_text("[]")
        status, out, err = smviz(
            *("--detections", tmp_path / "empty.json", "--annotations", files.annotations, "--per-class")
        )
        assert status == 1
        assert out.count("—") >= 4 * 5
        assert "no detection" in err


def test_as_a_process(files, tmp_path):
    """As it is called in a pipeline: JSON on stdout, nothing but notes on stderr."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "smviz",
            "thresholds",
            "--json",
            "--detections",
            str(files.detections),
            "--annotations",
            str(files.annotations),
        ],
        cwd=ROOT,
        env=os.environ | {"SMVIZ_WORKSPACE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert 0 < json.loads(done.stdout)["global"]["threshold"] < 1
    assert all(line.startswith("Note: ") for line in done.stderr.splitlines())
