"""The commands evaluate, as a gate, and report: exit status, what they print, the files that they write."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from coco_sets import NUMBERS, coco_json, results_json
from PIL import Image

from smviz.cli import main
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES, EmbeddedServer
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "github-actions.yml"
IMAGES = 40


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing of this machine's AWS settings, and a workspace of its own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "workspace"))


@pytest.fixture
def smviz(capsys):
    """Runs a command in this process: exit status, stdout, stderr."""

    def run(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as exit_of_argparse:
            status = exit_of_argparse.code
        return status, *capsys.readouterr()

    return run


def detections(share, seed=0):
    """COCO ground truth of two classes, and results that find so large a share of it."""
    rng = np.random.default_rng(seed)
    objects, results = [], []
    for image in range(IMAGES):
        for k in range(2):
            box = np.array([200.0 * k, 100.0, 100.0, 100.0])
            objects.append((image, k, box, 10_000.0, 0))
            luck, noise = rng.random(), rng.normal(0, 3, 4)
            if luck < share:
                results.append((image, k, box + noise, round(0.4 + luck / 2, 6)))
        results.append((image, 0, (400, 300, 60, 60), round(rng.random() / 2, 6)))
    return coco_json(range(IMAGES), 2, objects), results_json(results)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The ground truth, and the detections of a good and of a bad detector."""
    folder = tmp_path_factory.mktemp("files")
    for name, share in (("good", 0.95), ("bad", 0.5)):
        truth, results = detections(share)
        (folder / f"{name}.json").write_text(json.dumps(results))
        (folder / "truth.json").write_text(json.dumps(truth))
    return folder


@pytest.fixture
def of(files):
    """The arguments that name a detector's file and the ground truth."""
    return lambda name: ("--detections", files / f"{name}.json", "--annotations", files / "truth.json")


def kept_run(workspace, files, name, detector, failed=()):
    """A stored run with the same detections; images of the numbers in `failed` have no reply."""
    truth = json.loads((files / "truth.json").read_text())
    found = json.loads((files / f"{detector}.json").read_text())
    connection, request = Connection("us-east-1", "http://127.0.0.1:1"), Request("traffic")
    with Store(workspace) as store:
        images = [ImageRef(one["file_name"], data=b"-") for one in truth["images"]]
        preset = Preset("builtin-ssd", ("class 0", "class 1"))
        body = (files / "truth.json").read_bytes()
        run = store.create_run(name, connection, request, preset, images, body)
        for one in truth["images"]:
            if one["id"] in failed:
                failure = Failure("ModelError", "It broke.", "Look at the log.")
                store.append(run.id, Outcome(one["file_name"], "0" * 64, 640, 480, 1, failure=failure))
                continue
            rows = [row_of(result) for result in found if result["image_id"] == one["id"]]
            reply = Reply(json.dumps({"prediction": rows}).encode(), "application/json", 0.25, "A")
            store.append(run.id, Outcome(one["file_name"], "0" * 64, 640, 480, 1, reply))
        store.flush()
        return store.run(run.id)


def row_of(result):
    """A COCO result as a row of the built-in format, of an image of 640 x 480."""
    left, top, width, height = result["bbox"]
    return [result["category_id"], result["score"], left / 640, top / 480, (left + width) / 640, (top + height) / 480]


def assert_refused(result, *words):
    """Wrong use: exit status 2, nothing on stdout, one error with advice."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("smviz: ")
    assert all(word in err for word in words), err


class TestChecks:
    @pytest.mark.parametrize(
        ("checks", "status"),
        [
            (["AP50>=0.5", "AR100>=0.5"], 0),
            (["class 1.AP50>=0.5", "class 0.AP>=0"], 0),
            (["class 1.AP50>=0.999"], 1),
            (["precision>=0.5", "recall>=0.5", "f1>=0.5", "class 0.recall>=0.5"], 0),
            (["recall>=0.999"], 1),
            (["APs>=0"], 1),
        ],
    )
    def test_status(self, smviz, of, checks, status):
        """0 where all hold, 1 where one does not or is undefined."""
        arguments = [argument for check in checks for argument in ("--check", check)]
        assert smviz("evaluate", *of("good"), "--confidence", 0.4, *arguments)[0] == status

    def test_rates_are_told(self, smviz, of):
        """With --confidence precision, recall and F1 stand in the table and in the JSON, with intervals if asked."""
        _, out, _ = smviz("evaluate", *of("good"), "--confidence", 0.4, "--intervals")
        told = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
        at = json.loads(smviz("evaluate", *of("good"), "--confidence", 0.4, "--json", "--intervals")[1])[
            "at_confidence"
        ]
        for rate in ("precision", "recall", "f1"):
            ends = at["intervals"][rate]
            assert told[rate] == [f"{at[rate]:.3f}", f"{ends['low']:.3f}", "to", f"{ends['high']:.3f}"]
        assert (at["confidence"], at["iou"], at["tp"] + at["fn"]) == (0.4, 0.5, 2 * IMAGES)

    def test_a_run_tells_its_calls(self, smviz, files, tmp_path):
        """Failures, images without a reply and latency can be bounded; a file does not tell them."""
        kept_run(tmp_path / "workspace", files, "nightly", "good", failed=(3,))
        run = ("evaluate", "--run", "nightly")
        assert smviz(*run, "--check", "failures<=1", "--check", "unanswered<=1", "--check", "latency_p95<=0.25")[0] == 0
        status, _, err = smviz(*run, "--check", "failures<=0", "--check", "latency_p50<0.2")
        assert status == 1
        assert "Check failed: failures<=0 (failures is 1)" in err
        assert "Check failed: latency_p50<0.2 (latency_p50 is 0.250000)" in err

    def test_the_unfavourable_end(self, smviz, of):
        """--use-interval asks that the lower end keeps the bound, too, and says so where it does not."""
        told = json.loads(smviz("evaluate", *of("good"), "--json", "--intervals")[1])
        bound = (told["AP50"] + told["intervals"]["AP50"]["low"]) / 2
        check = ("--check", f"AP50>={bound:.6f}")
        assert smviz("evaluate", *of("good"), *check)[0] == 0
        status, _, err = smviz("evaluate", *of("good"), *check, "--use-interval")
        assert status == 1
        assert "the lower end of its 95 % interval is" in err

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--check", "recall>=0.5"), ("needs a confidence", "--confidence")),
            (("--check", "bus.AP>=0.5"), ("no class “bus”", "class 0, class 1")),
            (("--check", "failures<=0"), ("does not tell", "--run")),
            (("--check", "mAP>=0.5"), ("no number “mAP”", "latency_p95")),
            (("--junit", "x.xml"), ("--junit is for checks",)),
            (("--markdown", "x.md"), ("--markdown is for checks",)),
            (("--use-interval",), ("--use-interval is for checks",)),
            (("--max-drop", "0.1"), ("--baseline",)),
            (("--baseline", "nobody"), ("neither a file nor a run",)),
            (("--check", "AP>=0", "--junit", "/nowhere/at/all.xml"), ("Cannot write",)),
        ],
    )
    def test_wrong_use(self, smviz, of, options, words):
        """It is told before any number is, and is no failed check."""
        status, out, err = smviz("evaluate", *of("good"), *options)
        if "Cannot write" in words:
            assert (status, "Cannot write" in err) == (2, True)
            return
        assert_refused((status, out, err), *words)

    @pytest.mark.parametrize("confidence", ["2", "-1", "x", "nan"])
    def test_a_confidence_that_is_none(self, smviz, of, confidence):
        """It is refused as wrong use."""
        status, _, err = smviz("evaluate", *of("good"), "--confidence", confidence)
        assert status == 2
        assert "from 0 to 1" in err


class TestBaseline:
    @pytest.mark.parametrize("use_interval", [[], ["--use-interval"]])
    def test_detections(self, smviz, of, files, use_interval):
        """A bad detector is behind a good one, by COCO results, and not the other way round."""
        against = ("--max-drop", 0.05, *use_interval, "--baseline")
        status, out, err = smviz("evaluate", *of("bad"), *against, files / "good.json")
        assert status == 1
        assert "Check failed: AP50 drops by at most 0.05 (AP50 went from" in err
        [row] = [line.split() for line in out.splitlines() if line.startswith("AP50") and line.endswith("failed")]
        assert float(row[2]) - float(row[1]) == pytest.approx(float(row[3]), abs=0.002)
        assert smviz("evaluate", *of("good"), *against, files / "bad.json")[0] == 0
        assert smviz("evaluate", *of("bad"), *against, files / "bad.json")[0] == 0

    def test_kept_numbers(self, smviz, of, files, tmp_path):
        """What evaluate and report wrote as JSON is a baseline, too; it cannot be resampled."""
        (tmp_path / "numbers.json").write_text(smviz("evaluate", *of("good"), "--json")[1])
        made = smviz(
            *("report", *of("good"), "--images", "none"),
            *("-o", tmp_path / "r.html", "--json", tmp_path / "report.json"),
        )
        assert made[0] == 0
        for name in ("numbers.json", "report.json"):
            assert smviz("evaluate", *of("good"), "--baseline", tmp_path / name)[0] == 0
            assert smviz("evaluate", *of("bad"), "--baseline", tmp_path / name, "--max-drop", 0.05)[0] == 1
            told = smviz("evaluate", *of("bad"), "--baseline", tmp_path / name, "--use-interval")
            assert_refused(told, "without resamples", "run")

    def test_of_other_labels(self, smviz, of, files, tmp_path):
        """Kept numbers of another ground truth are not compared with."""
        truth = json.loads((files / "truth.json").read_text())
        truth["annotations"].pop()
        (tmp_path / "other.json").write_text(json.dumps(truth))
        arguments = (
            "evaluate",
            "--detections",
            files / "good.json",
            "--annotations",
            tmp_path / "other.json",
            "--json",
        )
        (tmp_path / "numbers.json").write_text(smviz(*arguments)[1])
        told = smviz("evaluate", *of("good"), "--baseline", tmp_path / "numbers.json")
        assert_refused(told, "another ground truth", "40 images with 79 objects")

    def test_runs(self, smviz, files, tmp_path):
        """By id or name, judged by the same ground truth; images that failed in one of the two are left out of both."""
        workspace = tmp_path / "workspace"
        before = kept_run(workspace, files, "last week", "good", failed=(0, 1))
        kept_run(workspace, files, "nightly", "bad", failed=(1, 2, 3))
        for baseline in (before.id, before.name):
            status, _, err = smviz("evaluate", "--run", "nightly", "--baseline", baseline, "--use-interval")
            assert status == 1
            assert "Note: 3 images are in only one of the two; drops are judged on the others." in err
        assert smviz("evaluate", "--run", "last week", "--baseline", "nightly", "--use-interval")[0] == 0
        assert smviz("evaluate", "--run", "nightly", "--baseline", files / "bad.json")[0] == 0

    def test_drops_of_names(self, smviz, of, files):
        """One number may drop by more, and a class can be watched."""
        against = ("--baseline", files / "good.json")
        arguments = ("evaluate", *of("bad"), *against, "--max-drop", "class 1.AP50=0.01")
        status, _, err = smviz(*arguments)
        assert status == 1
        assert [line.split(" (")[0] for line in err.splitlines()] == [
            "Check failed: class 1.AP50 drops by at most 0.01"
        ]
        assert smviz("evaluate", *of("bad"), *against, "--max-drop", "AP50=1", "--max-drop", "AP=1")[0] == 0

    @pytest.mark.parametrize(
        ("text", "words"),
        [("{", "not JSON"), ("{}", "no numbers of smviz"), ("[1]", ""), ("[{}]", ""), ("\x00\xff", "not JSON")],
    )
    def test_a_file_that_is_none(self, smviz, of, tmp_path, text, words):
        """It is wrong input, told by its name, or a file of detections of which nothing could be used."""
        (tmp_path / "odd.json").write_text(text)
        status, _, err = smviz("evaluate", *of("good"), "--baseline", tmp_path / "odd.json")
        assert status in {0, 2}
        assert words in err
        assert "Traceback" not in err

    def test_drop_that_is_none(self, smviz, of, files):
        """It is wrong use."""
        told = smviz("evaluate", *of("good"), "--baseline", files / "bad.json", "--max-drop", "much")
        assert_refused(told, "“much” is no drop")


class TestFiles:
    def test_junit_and_markdown(self, smviz, of, files, tmp_path):
        """Both are written whether the gate fails or not, with every check and drop."""
        for detector, status in (("good", 0), ("bad", 1)):
            found = smviz(
                *(
                    "evaluate",
                    *of(detector),
                    "--check",
                    "AP50>=0.7",
                    "--baseline",
                    files / "good.json",
                    "--max-drop",
                    0.1,
                ),
                *("--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "gate.md"),
            )
            assert found[0] == status
            [suite] = ElementTree.parse(tmp_path / "gate.xml").getroot()
            cases = [case.get("name") for case in suite]
            assert cases[:2] == ["AP50>=0.7", "AP drops by at most 0.1"]
            failed = [case.get("name") for case in suite if case.find("failure") is not None]
            assert len(failed) == int(suite.get("failures"))
            assert bool(failed) == bool(status)
            text = (tmp_path / "gate.md").read_text()
            assert text.count("**failed**") == len(failed)
            assert text.count("✅ passed") == len(cases) - len(failed)
            assert f"{detector}.json: 40 images, 80 objects" in text.replace("\\", "")


class TestReport:
    def test_its_numbers_are_those_of_evaluate(self, smviz, of, tmp_path):
        """The JSON begins with exactly what evaluate prints at the same threshold, and ends with more."""
        report = ("report", *of("good"), "-o", tmp_path / "r.html", "--json", tmp_path / "r.json", "--images", "none")
        status, out, err = smviz(*report)
        assert (status, out) == (0, "")
        assert "r.html" in err
        told = json.loads((tmp_path / "r.json").read_text())
        at = repr(told["at_confidence"]["confidence"])
        printed = json.loads(smviz("evaluate", *of("good"), "--json", "--intervals", "--confidence", at)[1])
        assert {name: told[name] for name in printed} == printed
        chosen = json.loads(smviz("thresholds", *of("good"), "--json", "--per-class", "--hold-out")[1])
        assert told["thresholds"] == chosen

    def test_options(self, smviz, of, tmp_path):
        """Objective, threshold, IoU and title are taken up; the file of detections stands in the provenance."""
        options = ("--objective", "recall>=0.5", "--confidence", 0.3, "--iou", 0.75, "--title", "Q3 <review>")
        status, _, _ = smviz(
            "report", *of("bad"), *options, "-o", tmp_path / "r.html", "--json", tmp_path / "r.json", "--worst", 2
        )
        told = json.loads((tmp_path / "r.json").read_text())
        assert status == 0
        assert told["thresholds"]["objective"] == "recall>=0.5"
        assert (told["at_confidence"]["confidence"], told["at_confidence"]["iou"]) == (0.3, 0.75)
        assert told["provenance"]["detections_file"].endswith("bad.json")
        assert len(told["worst_images"]) == 2
        html = (tmp_path / "r.html").read_text()
        assert "<h1>Q3 &lt;review&gt;</h1>" in html
        assert "does not tell where its images are" in html

    def test_a_run_with_images(self, smviz, files, tmp_path):
        """Files are read where they are now; one that is gone is told, and the price is what was given."""
        run = kept_run(tmp_path / "workspace", files, "nightly", "bad")
        with Store(tmp_path / "workspace") as store:
            outcomes = store.outcomes(run.id)
            refs = []
            for i, one in enumerate(outcomes):
                path = tmp_path / one.image
                if i:
                    Image.new("RGB", (640, 480), "grey").save(path)
                refs.append((ImageRef(one.image, path=path), replace(one)))
            store.keep_run("with images", run.preset, refs, "a test", (files / "truth.json").read_bytes())
        arguments = ("report", "--run", "with images", "--images", "full", "--worst", 100, "--price", 1.5)
        assert smviz(*arguments, "-o", tmp_path / "r.html", "--json", tmp_path / "r.json")[0] == 0
        html = (tmp_path / "r.html").read_text()
        assert html.count("<image ") > 3
        assert "It cannot be shown" in html
        assert json.loads((tmp_path / "r.json").read_text())["calls"]["usd_per_hour"] == 1.5

    @pytest.mark.parametrize(
        "options",
        [
            ("--objective", "best"),
            ("--iou", "0.42"),
            ("--images", "some"),
            ("--worst", "-1"),
            ("--worst", "101"),
            ("--confidence", "7"),
            ("--price", "cheap"),
            ("--price", "-1"),
            ("-o", "/nowhere/at/all.html"),
        ],
    )
    def test_wrong_use(self, smviz, of, tmp_path, options):
        """Exit status 2, with what to do; nothing is written."""
        output = () if "-o" in options else ("-o", tmp_path / "r.html")
        status, _, err = smviz("report", *of("good"), *output, *options)
        assert status == 2
        assert err
        assert not (tmp_path / "r.html").exists()

    def test_help(self, smviz):
        """Both commands explain themselves, with the rule of intervals."""
        assert "blurred" in smviz("report", "--help")[1]
        told = smviz("evaluate", "--help")[1]
        assert "upper end of the 95 % interval" in " ".join(told.split())
        assert all(name in told for name in ("latency_p95", "--max-drop", "--junit", "--markdown"))


class TestExample:
    """The workflow for GitHub Actions that people copy."""

    def steps(self):
        workflow = yaml.safe_load(EXAMPLE.read_text())
        [job] = workflow["jobs"].values()
        assert workflow[True]  # YAML 1.1 reads the key "on" so
        return job["env"], [step["run"] for step in job["steps"] if "smviz " in step.get("run", "")]

    def test_every_line_is_a_command_of_smviz(self, smviz):
        """Each option that it uses exists."""
        _, scripts = self.steps()
        commands = [shlex.split(line) for text in scripts for line in text.replace("\\\n", " ").splitlines()]
        used = [command for command in commands if command and command[0] == "smviz"]
        assert {command[1] for command in used} == {"run", "evaluate", "report"}
        for command in used:
            told = smviz(command[1], "--help")[1]
            assert all(word in told for word in command if word.startswith("--"))

    def test_it_runs(self, tmp_path):
        """Its steps, word for word, against the embedded endpoint: the gate passes, and fails for a higher bound."""
        environment, scripts = self.steps()
        (tmp_path / "bin").mkdir()
        script = f'#!/bin/sh\nexec "{sys.executable}" -m smviz "$@"\n'
        (tmp_path / "bin" / "smviz").write_text(script)
        (tmp_path / "bin" / "smviz").chmod(0o755)
        (tmp_path / "images").mkdir()
        for path in SAMPLES.images[:24]:
            shutil.copy(path, tmp_path / "images")
        own = {"ENDPOINT": DEMO_ENDPOINT, "IMAGES": "images", "ANNOTATIONS": str(SAMPLES.annotations)}
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        with EmbeddedServer() as server:
            given = {**os.environ, **environment, **own, **server.environment, "PATH": path, "PYTHONPATH": str(ROOT)}
            given |= {"BASELINE": "baseline.json", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}

            def shell(text, **more):
                ran = subprocess.run(
                    ["bash", "-eo", "pipefail", "-c", text],
                    cwd=tmp_path,
                    env=given | more,
                    capture_output=True,
                    text=True,
                    timeout=300,
                )
                return ran.returncode, ran.stderr

            call, gate, report = scripts
            status, err = shell(call)
            assert status == 0, err
            assert shell('smviz export "$RUN" --format coco -o "$BASELINE"')[0] == 0
            status, err = shell(gate)
            assert status == 0, err
            assert shell(report)[0] == 0
            assert shell(gate.replace("AP50>=0.6", "AP50>=0.99"))[0] == 1
        assert ElementTree.parse(tmp_path / "gate.xml").getroot().get("failures") == "1"
        assert "failed" in (tmp_path / "gate.md").read_text()
        told = json.loads((tmp_path / "report.json").read_text())
        assert told["settings"]["images"] == 24
        assert [row["class_name"] for row in told["per_class"]] == list(DEMO_CLASSES)
        assert set(NUMBERS) <= set(told)
