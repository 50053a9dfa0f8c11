"""The command line: the same library without a screen, for people and for machines."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import boto3
import numpy as np
import pytest
from coco_sets import NUMBERS, coco_json, results_json
from moto import mock_aws
from PIL import Image

from smviz import __version__
from smviz.annotations import FORMATS as ANNOTATION_FORMATS
from smviz.annotations import ground_truth_json, parse_ground_truth, parse_results
from smviz.cli import main
from smviz.evaluation import evaluate
from smviz.images import prepare
from smviz.intervals import Bootstrap
from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES, EmbeddedServer, Faults
from smviz.presets import presets_json
from smviz.records import ImageRef
from smviz.responses import FORMATS, parse_in_order, propose
from smviz.runner import run_images
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

ROOT = Path(__file__).parent.parent
PAYLOADS = ROOT / "tests" / "payloads"
CANONICAL = json.loads((PAYLOADS / "_canonical.json").read_text())
REST = ["per_class", "settings", "notes", "skipped"]  # what evaluate tells beside the numbers
BUILT_IN = PAYLOADS / "builtin_ssd.json"
ADVICE = re.compile(r"\Asmviz: .+\n {7}\S.+\n\Z")  # one sentence of what happened, one line of what to do


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing of this machine's AWS settings, and a workspace of its own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "workspace"))


@pytest.fixture(scope="module")
def server():
    """The embedded endpoint."""
    with EmbeddedServer(delay=0.01) as running:
        yield running


@pytest.fixture
def here(server, monkeypatch):
    """The environment points to the embedded endpoint."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return server


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


def process(*arguments, **environment):
    """A command in a process of its own, started."""
    return subprocess.Popen(
        [sys.executable, "-m", "smviz", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with Ctrl-C ignored, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def completed(*arguments, **environment):
    """A command in a process of its own, at its end: exit status, stdout, stderr."""
    running = process(*arguments, **environment)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


def ends_unread(*arguments, **environment):
    """A command whose stdout is a pipe that nobody reads from any more: exit status, stderr."""
    running = process(*arguments, **environment)
    running.stdout.close()
    err = running.stderr.read()
    return running.wait(timeout=60), err


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def table(out):
    """The lines of a printed table as lists of cells."""
    return [re.split(r" {2,}", line) for line in out.splitlines()]


def assert_refused(result, *words):
    """Exit status 2, nothing on stdout, one message with advice and these words on stderr, no traceback."""
    status, out, err = result
    assert status == 2
    assert out == ""
    assert ADVICE.match(err), err
    assert [word for word in words if word not in err] == []


class TestProcess:
    """What only a process of its own can show."""

    def test_exit_status_and_streams(self):
        """Good is 0 with the result on stdout; a wrong file is 2 with words on stderr and nothing on stdout."""
        status, out, err = completed("parse", BUILT_IN, "--image-size", "640x480", "--format", "builtin-ssd", "--json")
        assert (status, err) == (0, "")
        assert json.loads(out)["format"] == "builtin-ssd"
        assert_refused(completed("parse", "missing.json", "--image-size", "640x480"), "missing.json")

    def test_wrong_arguments(self):
        """They exit with 2, and the usage is told on stderr."""
        status, out, err = completed("parse", BUILT_IN, "--image-size", "large")
        assert (status, out) == (2, "")
        assert "WIDTHxHEIGHT" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("copies", [1, 4000])
    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_reader_that_leaves(self, tmp_path, copies, unbuffered):
        """Whoever closes the pipe has seen enough: no complaint, whether little or much was still to be printed."""
        reply = json.loads(BUILT_IN.read_text())
        (tmp_path / "reply.json").write_text(json.dumps({"prediction": reply["prediction"] * copies}))
        arguments = ("parse", tmp_path / "reply.json", "--image-size", "640x480", "--format", "builtin-ssd")
        assert ends_unread(*arguments, PYTHONUNBUFFERED=unbuffered) == (0, "")

    @pytest.mark.parametrize("unbuffered", ["", "1"])
    def test_a_reader_that_leaves_does_not_pass_a_check(self, coco_files, unbuffered):
        """A failed check stays failed, whoever read of it."""
        status, err = ends_unread("evaluate", *coco_files, "--check", "AP>1", PYTHONUNBUFFERED=unbuffered)
        assert status == 1
        assert err.startswith("Check failed: AP>1 ")

    def test_a_terminal_without_unicode(self, coco_files):
        """What it cannot show is escaped; the numbers are there."""
        status, out, _ = completed("evaluate", *coco_files, PYTHONIOENCODING="ascii")
        assert status == 0
        assert ["APl", "\\u2014"] in table(out)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # the embedded endpoint, in this process, reads it too
    def test_warnings_of_pillow_are_not_shown(self, server, tmp_path):
        """An odd but good image is sent, and nothing is told."""
        odd = jpeg_with_broken_exif()
        with pytest.warns(UserWarning, match="EXIF"):
            prepare(odd)
        (tmp_path / "odd.jpg").write_bytes(odd)
        status, _, err = completed("detect", tmp_path / "odd.jpg", "--endpoint", DEMO_ENDPOINT, **server.environment)
        assert (status, err) == (0, "")

    def test_ctrl_c(self, tmp_path):
        """A command that is interrupted ends as shells expect, without a traceback."""
        pipe = tmp_path / "reply.json"
        os.mkfifo(pipe)
        running = process("parse", pipe, "--image-size", "640x480")
        with pipe.open("wb"):  # opens when the command reads from it
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=20)
        assert (running.returncode, out, err) == (130, "", "Stopped.\n")


class TestServe:
    def test_prints_what_to_set_and_stops_at_ctrl_c(self, smviz, monkeypatch):
        """boto3 and smviz's own commands work with exactly the printed variables; Ctrl-C ends it with 0."""
        serving = process("serve")
        try:
            title, *exports = [serving.stdout.readline().rstrip("\n") for _ in range(3)]
            variables = dict(re.fullmatch(r"export (\w+)=(\S+)", line).groups() for line in exports)
            assert set(variables) == {"AWS_ENDPOINT_URL_SAGEMAKER", "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"}
            (url,) = set(variables.values())
            assert title.startswith("# ")
            assert url in title
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            session = boto3.Session("any", "any", region_name="us-east-1")
            listed = session.client("sagemaker").list_endpoints()["Endpoints"]
            assert [endpoint["EndpointName"] for endpoint in listed] == [DEMO_ENDPOINT]
            answer = session.client("sagemaker-runtime").invoke_endpoint(
                EndpointName=DEMO_ENDPOINT, Body=SAMPLES.images[0].read_bytes(), ContentType="image/jpeg"
            )
            assert json.load(answer["Body"])["prediction"]
            assert json.loads(smviz("endpoints", "--json")[1])[0]["name"] == DEMO_ENDPOINT
            assert smviz("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT)[0] == 0
        finally:
            serving.send_signal(signal.SIGINT)
            _, err = serving.communicate(timeout=20)
        assert serving.returncode == 0
        assert err.splitlines()[-1] == "Stopped."
        assert "Traceback" not in err

    def test_the_port_and_the_faults_asked_for(self, smviz, monkeypatch):
        """It listens where it was told to, and fails as often as it was told to."""
        port = free_port()
        serving = process("serve", "--port", port, "--fault", "model=1", "--latency-ms", "1")
        try:
            assert f"http://127.0.0.1:{port}" in serving.stdout.readline()
            serving.stdout.readline()
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", f"http://127.0.0.1:{port}")
            status, _, err = smviz("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT)
            assert status == 2
            assert "container answered 500" in err
        finally:
            serving.send_signal(signal.SIGINT)
            serving.communicate(timeout=20)

    def test_a_port_that_is_taken(self, smviz, server):
        """The message names it."""
        port = server.url.rpartition(":")[2]
        assert_refused(smviz("serve", "--port", port), port, "Choose another port")

    @pytest.mark.parametrize("wrong", [("--fault", "boredom=1"), ("--port", "70000"), ("--latency-ms", "nan")])
    def test_values_that_cannot_be(self, smviz, wrong):
        """A fault, port or latency that is not possible is refused."""
        assert_refused(smviz("serve", *wrong))


class TestEndpoints:
    def test_a_table_for_people(self, smviz, here):
        """A row for each endpoint."""
        status, out, err = smviz("endpoints")
        assert (status, err) == (0, "")
        assert table(out)[0] == ["endpoint", "status", "kind", "variants", "instance", "created"]
        assert table(out)[1][:5] == [DEMO_ENDPOINT, "InService", "real-time, A/B variants", "A, B", "ml.m5.large"]

    def test_json_for_machines(self, smviz, here):
        """The same with every variant's count and weight, and the time as ISO 8601."""
        status, out, err = smviz("endpoints", "--json")
        (endpoint,) = json.loads(out)
        assert (status, err) == (0, "")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", endpoint.pop("created"))
        assert endpoint == {
            "name": DEMO_ENDPOINT,
            "status": "InService",
            "kind": "real-time, A/B variants",
            "variants": [
                {"name": "A", "instance": "ml.m5.large", "count": 1, "weight": 1.0},
                {"name": "B", "instance": "ml.m5.large", "count": 1, "weight": 0.0},
            ],
        }

    def test_an_endpoint_whose_config_was_deleted(self, smviz, monkeypatch):
        """SageMaker allows that, and the endpoint goes on serving: it is listed with what is known."""
        with EmbeddedServer() as server:
            control(server.url).delete_endpoint_config(EndpointConfigName=DEMO_ENDPOINT)
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
            status, out, _ = smviz("endpoints", "--json")
        assert status == 0
        (endpoint,) = json.loads(out)
        assert (endpoint["name"], endpoint["status"]) == (DEMO_ENDPOINT, "InService")
        assert [(variant["name"], variant["instance"]) for variant in endpoint["variants"]] == [("A", ""), ("B", "")]

    def test_no_endpoints(self, smviz, monkeypatch):
        """An empty list for machines, a sentence for people."""
        with EmbeddedServer(delay=0) as server:
            control(server.url).delete_endpoint(EndpointName=DEMO_ENDPOINT)
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
            assert smviz("endpoints", "--json") == (0, "[]\n", "")
            assert smviz("endpoints")[2] == f"There are no endpoints in {server.url}.\n"

    def test_without_credentials(self, smviz):
        """The ways to give them are told."""
        assert_refused(smviz("endpoints", "--region", "us-east-1"), "credentials", "AWS_ACCESS_KEY_ID")

    def test_a_server_that_is_not_there(self, smviz, monkeypatch):
        """The URL that did not answer is told."""
        url = f"http://127.0.0.1:{free_port()}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", url)
        assert_refused(smviz("endpoints"), url)

    def test_a_region_that_cannot_be(self, smviz):
        """It is refused before any call."""
        assert_refused(smviz("endpoints", "--region", "the moon"))


class TestParse:
    SIZE = ("--image-size", "640x480")

    def test_json_is_the_file_in_its_own_order(self, smviz, tmp_path):
        """Every detection, in the file's order and in pixels: nothing sorted, nothing thresholded."""
        (tmp_path / "names.txt").write_text("\n".join(CANONICAL["class_names"]) + "\n")
        status, out, err = smviz(
            "parse", BUILT_IN, *self.SIZE, "--format", "builtin-ssd", "--classes", tmp_path / "names.txt", "--json"
        )
        assert (status, err) == (0, "")
        answer = json.loads(out)
        assert list(answer) == ["format", "detections"]
        assert answer["format"] == "builtin-ssd"
        expected = [CANONICAL["objects"][letter] for letter in "BADCE"]
        assert [list(row) for row in answer["detections"]] == [["class_id", "class_name", "confidence", "xyxy"]] * 5
        for row, known in zip(answer["detections"], expected, strict=True):
            assert (row["class_id"], row["class_name"]) == (known["class_id"], known["class_name"])
            assert row["confidence"] == known["score"]
            assert row["xyxy"] == pytest.approx(known["xyxy"])

    def test_an_option_changes_the_reading(self, smviz):
        """--option is the format's own: boxes of a padded 640 x 640 frame are mapped back to the 640 x 480 image."""
        given = ("--format", "builtin-ssd", "--option", "letterbox=640x640", "--json")
        status, out, _ = smviz("parse", BUILT_IN, *self.SIZE, *given)
        assert status == 0
        assert json.loads(out)["detections"][0]["xyxy"] == pytest.approx([64, -16, 448, 496])

    def test_a_preset_of_the_app_is_read(self, smviz, tmp_path):
        """--preset takes format, options and class names from the file that the app saves."""
        path = tmp_path / "preset.json"
        path.write_bytes(presets_json({"mine": Preset("builtin-ssd", ("bicycle", "dog", "person"))}))
        status, out, err = smviz("parse", BUILT_IN, *self.SIZE, "--preset", path, "--json")
        assert (status, err) == (0, "")
        assert json.loads(out)["detections"][0]["class_name"] == "bicycle"

    def test_rivals_are_told(self, smviz):
        """Rows of six numbers between 0 and 1 could be two formats; the one not taken is named on stderr."""
        status, _, err = smviz("parse", PAYLOADS / "builtin_ssd.json", *self.SIZE)
        assert status == 0
        proposal = propose((PAYLOADS / "builtin_ssd.json").read_bytes(), 640, 480)
        assert err.count("Possible too") == len(proposal.rivals)

    @pytest.mark.parametrize(
        "wrong",
        [
            ("--format", "builtin-ssd", "--option", "letterbox"),
            ("--format", "builtin-ssd", "--option", "letterbox=large"),
            ("--format", "builtin-ssd", "--option", "colour=red"),
            ("--preset", __file__),
            ("--preset", "no such file"),
        ],
    )
    def test_a_wrong_option_or_preset_is_refused(self, smviz, wrong):
        """An option without a value, with a wrong one, or unknown; a file that is no preset or not there."""
        assert_refused(smviz("parse", BUILT_IN, *self.SIZE, *wrong))

    @pytest.mark.parametrize(
        "name", sorted(path.name for path in PAYLOADS.glob("[!_]*.json") if path.stem not in {"tf_serving_error_body"})
    )
    def test_every_sample_reply(self, smviz, name):
        """Without a format the proposal is used and told on stderr; stdout is JSON and nothing else."""
        status, out, err = smviz("parse", PAYLOADS / name, *self.SIZE, "--json")
        if status == 2:  # two of the samples hold no boxes
            assert name in {"torchserve_counts_only.json", "batch_transform_listing.json"}
            assert_refused((status, out, err))
            return
        answer = json.loads(out)
        assert err.startswith(f"Read as {answer['format']}: ")
        assert answer["format"] in FORMATS
        assert all(list(row) == ["class_id", "class_name", "confidence", "xyxy"] for row in answer["detections"])

    def test_no_confidence_is_null(self, smviz):
        """A format without scores says so; a table has a dash."""
        arguments = ("parse", PAYLOADS / "tf_maskrcnn_byoc_no_score.json", *self.SIZE, "--format", "tf-mask-rcnn")
        assert {row["confidence"] for row in json.loads(smviz(*arguments, "--json")[1])["detections"]} == {None}
        assert {row[1] for row in table(smviz(*arguments)[1])[1:]} == {"—"}

    def test_a_table_for_people(self, smviz):
        """The same rows, rounded."""
        out = smviz("parse", BUILT_IN, *self.SIZE, "--format", "builtin-ssd")[1]
        assert table(out)[:2] == [
            ["class", "confidence", "left", "top", "right", "bottom"],
            ["class 0", "0.910", "64.0", "48.0", "448.0", "432.0"],
        ]
        assert len(table(out)) == 6

    def test_an_empty_reply_is_no_error(self, smviz):
        """Nothing was found: an empty list."""
        out = smviz("parse", PAYLOADS / "builtin_ssd_empty.json", *self.SIZE, "--format", "builtin-ssd", "--json")[1]
        assert json.loads(out) == {"format": "builtin-ssd", "detections": []}

    def test_the_known_formats(self, smviz):
        """They are listed with the shape they read, for people and for machines."""
        status, out, err = smviz("parse", "--formats")
        assert (status, err) == (0, "")
        assert [row[0] for row in table(out)] == ["format", *FORMATS]
        assert json.loads(smviz("parse", "--formats", "--json")[1]) == [
            {"format": name, "reads": form.doc} for name, form in FORMATS.items()
        ]

    @pytest.mark.parametrize(
        "text", ["dog\ncat\ncow\n", '["dog", "cat", "cow"]', "\ufeff dog \r\ncat\r\ncow\r\n\r\n"], ids=repr
    )
    def test_class_names(self, smviz, tmp_path, text):
        """One a line or a JSON list; blanks around them, and at the end of the file, do not count."""
        (tmp_path / "names").write_bytes(text.encode())
        arguments = ("parse", BUILT_IN, *self.SIZE, "--format", "builtin-ssd", "--json")
        rows = json.loads(smviz(*arguments, "--classes", tmp_path / "names")[1])["detections"]
        assert [row["class_name"] for row in rows] == ["dog", "cat", "cat", "cow", "dog"]

    @pytest.mark.parametrize(
        "data",
        [b"", b"dog\n\ncat", b'["dog"', b'{"0": "dog"}', b'["dog", 1]', "dog\ncat".encode("utf-16")],
        ids=["empty", "gap", "broken", "object", "number", "utf-16"],
    )
    def test_class_names_that_cannot_be_read(self, smviz, tmp_path, data):
        """A list with a gap would shift every class after it, so none is guessed."""
        (tmp_path / "names").write_bytes(data)
        arguments = ("parse", BUILT_IN, *self.SIZE, "--format", "builtin-ssd", "--classes", tmp_path / "names")
        assert_refused(smviz(*arguments), "names", "one class name a line")

    def test_control_characters_are_not_obeyed(self, smviz, tmp_path):
        """A name cannot colour or clear the terminal, nor break the table; JSON has it as it is."""
        (tmp_path / "names").write_text(json.dumps(["\x1b[2Jdog\n", "\u202ecat", "cow"]))
        arguments = ("parse", BUILT_IN, *self.SIZE, "--format", "builtin-ssd", "--classes", tmp_path / "names")
        out = smviz(*arguments)[1]
        assert "\\x1b[2Jdog\\n" in out
        assert not set(out) & {"\x1b", "\u202e"}
        assert len(out.splitlines()) == 6
        rows = json.loads(smviz(*arguments, "--json")[1])["detections"]
        assert rows[0]["class_name"] == "\x1b[2Jdog\n"

    @pytest.mark.parametrize(
        ("data", "words"),
        [(b"", "empty"), (b"<html>busy</html>", "web page"), (b'{"prediction": [[0, 1', "broken JSON")],
    )
    def test_replies_that_cannot_be_read(self, smviz, tmp_path, data, words):
        """What came instead is told."""
        (tmp_path / "reply").write_bytes(data)
        assert_refused(smviz("parse", tmp_path / "reply", *self.SIZE), words)

    def test_an_unknown_format(self, smviz):
        """The known ones are named."""
        assert_refused(smviz("parse", BUILT_IN, *self.SIZE, "--format", "darknet"), "'darknet'", "builtin-ssd")

    def test_a_format_that_does_not_fit(self, smviz):
        """It is refused, not misread."""
        assert_refused(smviz("parse", BUILT_IN, *self.SIZE, "--format", "hugging-face"))

    @pytest.mark.parametrize("path", ["missing.json", "."])
    def test_a_file_that_is_not_there(self, smviz, path):
        """A missing file or a folder is named."""
        assert_refused(smviz("parse", path, *self.SIZE), path)

    @pytest.mark.parametrize("arguments", [(), (BUILT_IN,), ("--image-size", "640x480")])
    def test_a_file_and_a_size_are_needed(self, smviz, arguments):
        """An example shows both."""
        assert_refused(smviz("parse", *arguments), "--image-size 960x720")

    @pytest.mark.parametrize("size", ["640", "640x", "0x480", "-1x480", "640x480x3", "6.4x4.8", "9999999x1", "nanxnan"])
    def test_a_size_that_is_none(self, smviz, size):
        """It is refused, with an example."""
        status, out, err = smviz("parse", BUILT_IN, f"--image-size={size}")
        assert (status, out) == (2, "")
        assert "960x720" in err


class TestDetect:
    def test_json_for_machines(self, smviz, here):
        """What the library finds, for every image, with frame, latency and variant."""
        status, out, err = smviz("detect", *SAMPLES.images[:2], "--endpoint", DEMO_ENDPOINT, "--json")
        assert (status, err) == (0, "")
        first, second = json.loads(out)
        assert (first["image"], second["image"]) == tuple(map(str, SAMPLES.images[:2]))
        assert (first["width"], first["height"], first["variant"]) == (960, 720, "A")
        assert 0 < first["latency_ms"] < 60_000
        reply = SageMaker(Connection("us-east-1", here.url)).invoke(
            Request(DEMO_ENDPOINT), prepare(SAMPLES.images[0].read_bytes())
        )
        parsed = parse_in_order(reply.body, 960, 720, Preset("builtin-ssd", DEMO_CLASSES))
        rows = sorted(parsed.rows(), key=lambda row: -row["confidence"])
        assert first["detections"] == rows
        assert {row["class_name"] for row in rows} <= set(DEMO_CLASSES)

    def test_a_table_for_people(self, smviz, here):
        """A heading for each image, then its detections, the most confident first."""
        status, out, _ = smviz("detect", *SAMPLES.images[:2], "--endpoint", DEMO_ENDPOINT, "--min-confidence", "0.5")
        lines = table(out)
        headings = [line for line in lines if line[0].endswith(".jpg")]
        assert status == 0
        assert [(line[0], line[1], line[3]) for line in headings] == [
            (str(path), "960x720", "A") for path in SAMPLES.images[:2]
        ]
        rows = [float(line[1]) for line in lines[2 : lines.index(headings[1])]]
        assert rows
        assert rows == sorted(rows, reverse=True)

    def test_min_confidence(self, smviz, here):
        """What is below is left out, and only that."""
        arguments = ("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT, "--json")
        (everything,), (some,) = (json.loads(smviz(*arguments, *more)[1]) for more in ((), ("--min-confidence", "0.5")))
        expected = [row for row in everything["detections"] if row["confidence"] >= 0.5]
        assert some["detections"] == expected
        assert 0 < len(expected) < len(everything["detections"])

    def test_a_variant(self, smviz, here):
        """The variant that is named answers."""
        out = smviz("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT, "--variant", "B", "--json")[1]
        assert json.loads(out)[0]["variant"] == "B"

    def test_save(self, smviz, here, tmp_path):
        """Each image is written with its boxes, as PNG, at its own size, into a folder that is made."""
        folder = tmp_path / "new" / "folder"
        status, _, err = smviz(
            "detect", *SAMPLES.images[:2], "--endpoint", DEMO_ENDPOINT, "--min-confidence", "0.5", "--save", folder
        )
        assert (status, err) == (0, "")
        assert sorted(path.name for path in folder.iterdir()) == [
            f"{path.stem}.detections.png" for path in SAMPLES.images[:2]
        ]
        with Image.open(folder / f"{SAMPLES.images[0].stem}.detections.png") as saved:
            assert (saved.format, saved.size) == ("PNG", (960, 720))
            changed = np.abs(np.asarray(saved, int) - np.asarray(Image.open(SAMPLES.images[0]), int)).max(axis=2) > 60
        assert 0 < changed.mean() < 0.5

    def test_saving_two_images_under_one_name(self, smviz, here, tmp_path):
        """Neither is overwritten: nothing is called."""
        twin = tmp_path / SAMPLES.images[0].name
        arguments = ("detect", SAMPLES.images[0], twin, "--endpoint", DEMO_ENDPOINT, "--save", tmp_path / "out")
        assert_refused(smviz(*arguments), "2 images", "highway_0001.detections.png")
        assert not (tmp_path / "out").exists()

    def test_saving_where_nothing_can_be_written(self, smviz, here, tmp_path):
        """A folder that cannot be made is told before anything is called."""
        (tmp_path / "file").write_text("")
        arguments = ("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT, "--save", tmp_path / "file")
        assert_refused(smviz(*arguments), "file", "Choose another folder")

    def test_bad_images_do_not_stop_the_others(self, smviz, here, tmp_path):
        """Each is told with what to do, the good ones are shown, and the exit status is 2."""
        (tmp_path / "broken.jpg").write_bytes(SAMPLES.images[0].read_bytes()[:500])
        (tmp_path / "notes.txt").write_text("no image")
        bad = [tmp_path / "broken.jpg", tmp_path / "missing.jpg", tmp_path / "notes.txt"]
        status, out, err = smviz("detect", *bad, SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT, "--json")
        assert status == 2
        assert [row["image"] for row in json.loads(out)] == [str(SAMPLES.images[0])]
        lines = err.splitlines()
        assert [line.startswith(f"smviz: {path}: ") for line, path in zip(lines[::2], bad, strict=True)] == [True] * 3
        assert all(line.startswith("       ") for line in lines[1::2])

    @pytest.mark.parametrize("fault", ["model", "throttle", "unavailable", "bad"])
    def test_a_call_that_fails_does_not_stop_the_others(self, smviz, monkeypatch, fault):
        """What may go better with the next image is tried again with the next image."""
        with EmbeddedServer(faults=Faults.parse(f"{fault}=1")) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
            status, out, err = smviz("detect", *SAMPLES.images[:3], "--endpoint", DEMO_ENDPOINT)
        assert (status, out) == (2, "")
        assert [line.split(": ")[1] for line in err.splitlines()[::2]] == [str(path) for path in SAMPLES.images[:3]]

    @pytest.mark.parametrize("wrong", [("--endpoint", "nobody"), ("--endpoint", DEMO_ENDPOINT, "--variant", "Z")])
    def test_what_no_image_would_escape_ends_it(self, smviz, here, wrong):
        """An unknown endpoint or variant is told once."""
        status, out, err = smviz("detect", *SAMPLES.images[:3], *wrong)
        assert_refused((status, out, err), wrong[-1])
        assert len(err.splitlines()) == 2

    def test_what_was_found_before_the_end_is_kept(self, smviz, tmp_path, monkeypatch):
        """When the server goes away, the answers so far are printed."""
        with EmbeddedServer() as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
            pipe = tmp_path / "second.jpg"
            os.mkfifo(pipe)  # is read after the first call; its writer stops the server meanwhile

            def stop_then_write():
                with pipe.open("wb") as second:
                    server.stop()
                    second.write(SAMPLES.images[1].read_bytes())

            writer = threading.Thread(target=stop_then_write)
            writer.start()
            status, out, err = smviz("detect", SAMPLES.images[0], pipe, "--endpoint", DEMO_ENDPOINT, "--json")
            writer.join()
        assert status == 2
        assert [row["image"] for row in json.loads(out)] == [str(SAMPLES.images[0])]
        assert str(pipe) in err

    def test_the_format_is_proposed_once(self, smviz, monkeypatch):
        """Another endpoint's format is told from the first reply that holds a box, and kept for the others."""
        with EmbeddedServer(delay=0) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", server.url)
            control(server.url).create_endpoint(EndpointName="copy", EndpointConfigName=DEMO_ENDPOINT)
            status, out, err = smviz("detect", *SAMPLES.images[:3], "--endpoint", "copy", "--json")
        assert status == 0
        assert re.fullmatch(r"Read as builtin-ssd: .+\n", err)
        assert {row["class_name"] for row in json.loads(out)[0]["detections"]} <= {f"class {i}" for i in range(4)}

    def test_a_format_and_class_names_that_are_given(self, smviz, here, tmp_path):
        """Nothing is proposed, and the names are used."""
        (tmp_path / "names").write_text("a\nb\nc\nd\n")
        status, out, err = smviz(
            *("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT, "--json"),
            *("--format", "builtin-ssd", "--classes", tmp_path / "names"),
        )
        assert (status, err) == (0, "")
        assert {row["class_name"] for row in json.loads(out)[0]["detections"]} <= set("abcd")

    def test_an_unknown_format_is_told_before_anything_is_called(self, smviz, monkeypatch):
        """A wrong option costs no call, though there is not even a server."""
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", f"http://127.0.0.1:{free_port()}")
        result = smviz("detect", SAMPLES.images[0], "--endpoint", DEMO_ENDPOINT, "--format", "darknet")
        assert_refused(result, "'darknet'")

    def test_without_credentials(self, smviz):
        """The ways to give them are told, once."""
        assert_refused(smviz("detect", *SAMPLES.images[:3], "--endpoint", "mine"), "AWS_ACCESS_KEY_ID")

    @pytest.mark.parametrize("value", ["1.5", "-0.1", "nan", "half"])
    def test_a_confidence_that_is_none(self, smviz, value):
        """It is refused before anything is called."""
        status, out, err = smviz("detect", "x.jpg", "--endpoint", "e", f"--min-confidence={value}")
        assert (status, out) == (2, "")
        assert "from 0 to 1" in err


def twelve(told):
    """COCO's numbers alone, of what evaluate prints."""
    return {name: told[name] for name in NUMBERS}


class TestEvaluate:
    def test_json_is_cocos_twelve_numbers(self, smviz, coco_files, coco_set):
        """In COCO's order and in full precision; what is undefined is null."""
        status, out, err = smviz("evaluate", *coco_files, "--json")
        numbers = json.loads(out)
        expected = evaluate(*coco_set).numbers
        assert (status, err) == (0, "")
        assert list(numbers) == [*NUMBERS, *REST]
        assert twelve(numbers) == {name: None if np.isnan(value) else value for name, value in expected.items()}
        assert numbers["APl"] is None
        assert numbers["AP"] == pytest.approx(expected["AP"], abs=0)

    def test_a_table_for_people(self, smviz, coco_files, coco_set):
        """The same, rounded; what is undefined is a dash."""
        lines = table(smviz("evaluate", *coco_files)[1])
        assert [name for name, _ in lines] == ["number", *NUMBERS]
        assert ["AP50", f"{evaluate(*coco_set).numbers['AP50']:.3f}"] in lines
        assert ["APl", "—"] in lines

    @pytest.mark.parametrize(
        ("checks", "status"),
        [
            (["AP50>=0.1"], 0),
            (["AP50>=0.99"], 1),
            (["AP50 > 0", "AR100<=1", " AP<1. "], 0),
            (["AP50>0", "AP<.01"], 1),
            (["APl>=0"], 1),
            (["APl<=1"], 1),
        ],
    )
    def test_check(self, smviz, coco_files, checks, status):
        """Exit status 1 when one fails, and an undefined number fails every check; the numbers are printed anyway."""
        arguments = [argument for check in checks for argument in ("--check", check)]
        found, out, _ = smviz("evaluate", *coco_files, *arguments, "--json")
        assert found == status
        assert len(twelve(json.loads(out))) == 12

    def test_a_failed_check_tells_the_number(self, smviz, coco_files, coco_set):
        """Which check failed, and what the number is."""
        _, _, err = smviz("evaluate", *coco_files, "--check", "AP>=0.9", "--check", "AP>=0", "--check", "APl>0")
        assert err.splitlines() == [
            f"Check failed: AP>=0.9 (AP is {evaluate(*coco_set).numbers['AP']:.6f})",
            "Check failed: APl>0 (APl is —)",
        ]

    def test_a_bound_that_is_just_met(self, smviz, coco_files, coco_set):
        """>= and > tell apart a number from itself, at full precision."""
        exact = repr(evaluate(*coco_set).numbers["AP50"])
        assert smviz("evaluate", *coco_files, "--check", f"AP50>={exact}")[0] == 0
        assert smviz("evaluate", *coco_files, "--check", f"AP50>{exact}")[0] == 1

    @pytest.mark.parametrize(
        "check", ["", "AP50", "AP50=0.5", "AP50==0.5", "AP50>=", "AP50>=1.2.3", "AP50>=.", "AP50>=-1", ">=1", "AP50>=٣"]
    )
    def test_a_check_that_is_none(self, smviz, coco_files, check):
        """It is wrong use, not a failed check, and nothing is printed as if it were good."""
        assert_refused(smviz("evaluate", *coco_files, "--check", "AP>1", "--check", check), f"“{check}”", "AP50>=0.6")

    @pytest.mark.parametrize("name", ["AP99", "ap50"])
    def test_a_check_of_a_number_that_is_not_there(self, smviz, coco_files, name):
        """The numbers that there are are named."""
        assert_refused(smviz("evaluate", *coco_files, "--check", f"{name}>=0.5"), f"“{name}”", ", ".join(NUMBERS))

    def test_notes_go_to_stderr(self, smviz, coco_files, tmp_path):
        """What was left out is told there, and stdout stays JSON."""
        results = json.loads(coco_files.detections.read_text())
        (tmp_path / "more.json").write_text(json.dumps([*results, results[0] | {"image_id": 999}]))
        status, out, err = smviz(
            "evaluate", "--detections", tmp_path / "more.json", "--annotations", coco_files.annotations, "--json"
        )
        told = json.loads(out)
        assert (status, len(twelve(told))) == (0, 12)
        assert [f"Note: {note}" for note in told["notes"]] == err.splitlines()
        assert err == "Note: 1 detections on images that the ground truth does not list were left out.\n"

    @pytest.mark.parametrize("by", ["id", "name"])
    def test_a_stored_run(self, smviz, stored_run, by):
        """By id or by name: the numbers of the images that were answered, and a note on the others."""
        arguments = ("evaluate", "--run", getattr(stored_run, by), "--annotations", SAMPLES.annotations, "--json")
        status, out, err = smviz(*arguments, "--check", "AP50>=0.3")
        numbers = json.loads(out)
        assert status == 0
        assert list(numbers) == [*NUMBERS, *REST]
        assert 0.3 < numbers["AP50"] <= 1
        assert err.startswith("Note: 77 images of the ground truth have no reply and are left out of the numbers: ")

    def test_a_stored_run_agrees_with_its_exported_detections(self, smviz, stored_run, tmp_path):
        """The same replies by way of a detections file, against the same three images, give the same numbers."""
        truth = json.loads(SAMPLES.annotations.read_text())
        names = {path.name for path in SAMPLES.images[:3]}
        truth["images"] = [image for image in truth["images"] if image["file_name"] in names]
        ids = {image["file_name"]: image["id"] for image in truth["images"]}
        truth["annotations"] = [a for a in truth["annotations"] if a["image_id"] in ids.values()]
        (tmp_path / "truth.json").write_text(json.dumps(truth))
        found = json.loads(smviz("detect", *SAMPLES.images[:3], "--endpoint", DEMO_ENDPOINT, "--json")[1])
        categories = {category["name"]: category["id"] for category in truth["categories"]}
        results = [
            {
                "image_id": ids[Path(row["image"]).name],
                "category_id": categories[detection["class_name"]],
                "bbox": ltwh(detection["xyxy"]),
                "score": detection["confidence"],
            }
            for row in found
            for detection in row["detections"]
        ]
        (tmp_path / "results.json").write_text(json.dumps(results))
        by_file = smviz(
            *("evaluate", "--detections", tmp_path / "results.json", "--annotations", tmp_path / "truth.json", "--json")
        )
        by_run = smviz("evaluate", "--run", stored_run.id, "--annotations", SAMPLES.annotations, "--json")
        assert twelve(json.loads(by_run[1])) == pytest.approx(twelve(json.loads(by_file[1])), abs=1e-12)

    def test_a_run_without_any_reply(self, smviz, tmp_path):
        """Every number is null, and the note says that no image counts."""
        with Store(tmp_path / "workspace") as store:
            images = [ImageRef(path.name, path=path) for path in SAMPLES.images[:3]]
            store.create_run("idle", Connection("x"), Request("e"), Preset("builtin-ssd"), images)
        status, out, err = smviz("evaluate", "--run", "idle", "--annotations", SAMPLES.annotations, "--json")
        assert status == 0
        assert set(twelve(json.loads(out)).values()) == {None}
        assert err.startswith("Note: 80 images of the ground truth have no reply")

    def test_an_unknown_run(self, smviz):
        """It is named."""
        assert_refused(smviz("evaluate", "--run", "nobody", "--annotations", SAMPLES.annotations), "“nobody”")

    @pytest.mark.parametrize(
        ("data", "words"),
        [(b"{", "no valid JSON"), (b"[]", "expected content"), (b'{"images": []}', "annotations"), (None, "be read")],
    )
    def test_a_ground_truth_that_is_none(self, smviz, coco_files, tmp_path, data, words):
        """What is wrong with the file is told."""
        if data is not None:
            (tmp_path / "truth.json").write_bytes(data)
        arguments = ("--detections", coco_files.detections, "--annotations", tmp_path / "truth.json")
        assert_refused(smviz("evaluate", *arguments), "truth.json", words)

    @pytest.mark.parametrize("data", [b"{", b"{}", b'[{"image_id": 0}]', None])
    def test_detections_that_are_none(self, smviz, coco_files, tmp_path, data):
        """What is wrong with the file is told."""
        if data is not None:
            (tmp_path / "found.json").write_bytes(data)
        arguments = ("--detections", tmp_path / "found.json", "--annotations", coco_files.annotations)
        assert_refused(smviz("evaluate", *arguments), "found.json")

    def test_a_workspace_that_cannot_be_opened(self, smviz, monkeypatch, tmp_path):
        """A file in the place of the folder is told, with the variable that sets it."""
        (tmp_path / "taken").write_text("")
        monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "taken"))
        arguments = ("evaluate", "--run", "x", "--annotations", SAMPLES.annotations)
        assert_refused(smviz(*arguments), "SMVIZ_WORKSPACE")

    @pytest.mark.parametrize("arguments", [(), ("--run", "x", "--detections", "y")])
    def test_a_run_or_a_file(self, smviz, arguments):
        """Exactly one of them is needed."""
        status, out, err = smviz("evaluate", *arguments, "--annotations", "z")
        assert (status, out) == (2, "")
        assert "--detections" in err

    def test_the_runs_own_ground_truth(self, smviz, labelled_run):
        """Without --annotations a run is judged by what it was started with."""
        own = smviz("evaluate", "--run", labelled_run.id, "--json")
        given = smviz("evaluate", "--run", labelled_run.id, "--annotations", SAMPLES.annotations, "--json")
        assert own[0] == 0
        assert json.loads(own[1]) == json.loads(given[1])

    def test_a_run_without_ground_truth(self, smviz, stored_run):
        """The advice is to give it."""
        assert_refused(smviz("evaluate", "--run", stored_run.id), "no ground truth", "--annotations")

    def test_what_stands_beside_the_numbers(self, smviz, coco_files, coco_set):
        """Settings that made them, and a row for each class with its AP in full precision."""
        told = json.loads(smviz("evaluate", *coco_files, "--json")[1])
        evaluation = evaluate(*coco_set)
        assert told["settings"]["ious"] == list(evaluation.matches.settings.ious)
        assert told["settings"]["max_detections"] == [1, 10, 100]
        assert told["settings"]["detections"] == len(coco_set[1])
        expected = {row.name: row.ap for row in evaluation.class_table(0)}
        assert {row["class_name"]: row["AP"] for row in told["per_class"]} == pytest.approx(expected, abs=0)
        assert all(row["weak"] == (row["objects"] < 30) for row in told["per_class"])

    def test_intervals(self, smviz, coco_files, coco_set):
        """Those of the bootstrap of the images, at full precision, for each number and for each class's AP."""
        told = json.loads(smviz("evaluate", *coco_files, "--json", "--intervals")[1])
        bootstrap = Bootstrap(evaluate(*coco_set).matches)
        expected = bootstrap.numbers()["AP"]
        assert (told["intervals"]["AP"]["low"], told["intervals"]["AP"]["high"]) == (expected.low, expected.high)
        assert (told["intervals"]["level"], told["intervals"]["resamples"]) == (0.95, 1000)
        assert told["intervals"]["APl"]["low"] is None
        assert told["per_class"][0]["AP_interval"]["low"] == bootstrap.classes("AP")[0].low

    def test_intervals_for_people(self, smviz, coco_files, coco_set):
        """A third column; a dash where there is none."""
        _, out, _ = smviz("evaluate", *coco_files, "--intervals")
        header, *lines = out.splitlines()
        interval = Bootstrap(evaluate(*coco_set).matches).numbers()["AP50"]
        assert header.split("  ")[-1].strip() == "95% interval"
        assert f"{interval.low:.3f} to {interval.high:.3f}" in next(line for line in lines if line.startswith("AP50"))
        assert next(line for line in lines if line.startswith("APl")).split() == ["APl", "—", "—"]

    def test_skipped_records_are_named(self, smviz, coco_files, tmp_path):
        """The first few by name on stderr and how many more, all of them in JSON."""
        truth = json.loads(coco_files.annotations.read_text())
        truth["annotations"] += [
            {"id": 900 + i, "image_id": 0, "category_id": 0, "bbox": [0, 0, 0, 0]} for i in range(7)
        ]
        (tmp_path / "truth.json").write_text(json.dumps(truth))
        arguments = ("--detections", coco_files.detections, "--annotations", tmp_path / "truth.json", "--json")
        _, out, err = smviz("evaluate", *arguments)
        assert "Skipped: truth.json, annotation 900: its box" in err
        assert "Skipped: and 2 more" in err
        assert [record["where"] for record in json.loads(out)["skipped"]] == [f"annotation {900 + i}" for i in range(7)]

    @pytest.mark.parametrize("form", [None, "voc"])
    def test_a_folder_in_another_format(self, smviz, stored_run, plain_labels, tmp_path, form):
        """Pascal VOC's files in a folder, or zipped, give the numbers of the same labels in COCO's format."""
        truth, coco = plain_labels
        folder = tmp_path / "voc"
        folder.mkdir()
        for image, name in enumerate(truth.image_names[:3]):
            (folder / f"{Path(name).stem}.xml").write_text(voc_xml(truth, image))
        archive = Path(shutil.make_archive(str(tmp_path / "labels"), "zip", folder))
        named = ("--annotations-format", form) if form else ()
        by_folder, by_zip, by_coco = (
            json.loads(smviz("evaluate", "--run", stored_run.id, "--annotations", path, *options, "--json")[1])
            for path, options in ((folder, named), (archive, named), (coco, ()))
        )
        assert by_folder["AP50"] == pytest.approx(by_coco["AP50"], abs=0.02)
        assert twelve(by_zip) == twelve(by_folder)

    def test_yolo_sizes_come_from_the_run(self, smviz, stored_run, plain_labels, tmp_path):
        """YOLO's files tell no sizes; the images that were sent do."""
        truth, coco = plain_labels
        (tmp_path / "yolo").mkdir()
        (tmp_path / "yolo" / "classes.txt").write_text("\n".join(truth.class_names))
        for image, name in enumerate(truth.image_names[:3]):
            (tmp_path / "yolo" / f"{Path(name).stem}.txt").write_text(yolo_lines(truth, image))
        by_yolo, by_coco = (
            json.loads(smviz("evaluate", "--run", stored_run.id, "--annotations", path, "--json")[1])
            for path in (tmp_path / "yolo", coco)
        )
        assert by_yolo["AP50"] == pytest.approx(by_coco["AP50"], abs=0.02)

    def test_annotations_in_s3(self, smviz, stored_run):
        """An s3:// prefix gives the numbers of the same file here; one that holds nothing is told."""
        arguments = ("evaluate", "--run", stored_run.id, "--json", "--annotations")
        with mock_aws():
            bucket = boto3.resource("s3", region_name="us-east-1").create_bucket(Bucket="labels")
            bucket.put_object(Key="set/instances.json", Body=SAMPLES.annotations.read_bytes())
            by_s3 = smviz(*arguments, "s3://labels/set/")
            nothing = smviz(*arguments, "s3://labels/other/")
        assert json.loads(by_s3[1]) == json.loads(smviz(*arguments, SAMPLES.annotations)[1])
        assert_refused(nothing, "s3://labels/other/")

    def test_an_annotation_format_that_is_none(self, smviz, coco_files):
        """It is refused, with those that there are."""
        assert_refused(smviz("evaluate", *coco_files, "--annotations-format", "jpeg"), "'jpeg'", "coco, voc")

    def test_a_class_map(self, smviz, stored_run, tmp_path):
        """Classes that are left out are no detections, and that is noted; the run's own map is used without one."""
        (tmp_path / "map.json").write_text(json.dumps({"car": None, "van": "car"}))
        arguments = ("evaluate", "--run", stored_run.id, "--annotations", SAMPLES.annotations, "--json")
        plain = json.loads(smviz(*arguments)[1])
        _, out, err = smviz(*arguments, "--class-map", tmp_path / "map.json")
        assert json.loads(out)["AP"] < plain["AP"]
        assert "of classes that are left out on purpose: car" in err
        with Store(tmp_path / "workspace") as store:
            store.set_class_map(stored_run.id, {"car": None, "van": "car"})
        assert twelve(json.loads(smviz(*arguments)[1])) == twelve(json.loads(out))

    @pytest.mark.parametrize(
        ("text", "words"),
        [("{", "cannot be read"), ("[]", "no class map"), ('{"car": 3}', "no class map"), ('{"car": "boat"}', "boat")],
    )
    def test_a_class_map_that_is_none(self, smviz, stored_run, tmp_path, text, words):
        """What is wrong with it is told."""
        (tmp_path / "map.json").write_text(text)
        arguments = ("--run", stored_run.id, "--annotations", SAMPLES.annotations, "--class-map", tmp_path / "map.json")
        assert_refused(smviz("evaluate", *arguments), words)

    def test_a_class_map_for_coco_results(self, smviz, coco_files, tmp_path):
        """These name classes by id, so there is nothing to map."""
        (tmp_path / "map.json").write_text("{}")
        assert_refused(smviz("evaluate", *coco_files, "--class-map", tmp_path / "map.json"), "--class-map")


def voc_xml(truth, image):
    """The labels of one image as Pascal VOC has them: corners in whole pixels, counted from 1."""
    width, height = truth.image_sizes[image]
    objects = ""
    for row in np.flatnonzero(truth.image == image):
        left, top, wide, high = truth.ltwh[row]
        corners = {"xmin": left + 1, "ymin": top + 1, "xmax": left + wide, "ymax": top + high}
        box = "".join(f"<{name}>{value:.0f}</{name}>" for name, value in corners.items())
        objects += f"<object><name>{truth.class_names[truth.class_id[row]]}</name><bndbox>{box}</bndbox></object>"
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{truth.image_names[image]}</filename>{size}{objects}</annotation>"


def yolo_lines(truth, image):
    """The labels of one image as YOLO has them: class, centre and size as shares of the image."""
    width, height = truth.image_sizes[image]
    lines = []
    for row in np.flatnonzero(truth.image == image):
        left, top, wide, high = truth.ltwh[row]
        shares = ((left + wide / 2) / width, (top + high / 2) / height, wide / width, high / height)
        lines.append(" ".join([str(truth.class_id[row]), *(f"{share:.6f}" for share in shares)]))
    return "\n".join(lines)


class TestArguments:
    @pytest.mark.parametrize("arguments", [(), ("fly",), ("parse", "--quickly"), ("detect",), ("evaluate",)])
    def test_wrong_use(self, smviz, arguments):
        """It exits with 2 and shows the usage on stderr."""
        status, out, err = smviz(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("usage: smviz")

    def test_version(self, smviz):
        """It is the package's."""
        assert smviz("--version") == (0, f"smviz {__version__}\n", "")

    @pytest.mark.parametrize("command", ["serve", "endpoints", "parse", "detect", "evaluate", "thresholds"])
    def test_help(self, smviz, command):
        """Every command is listed, and explains itself."""
        assert command in smviz("--help")[1]
        status, out, _ = smviz(command, "--help")
        assert status == 0
        assert out.startswith(f"usage: smviz {command}")

    @pytest.mark.parametrize("command", ["evaluate", "thresholds"])
    def test_help_names_the_annotation_formats(self, smviz, command):
        """All of them, and in this order; help lists them without loading their readers."""
        assert ", ".join(ANNOTATION_FORMATS) in " ".join(smviz(command, "--help")[1].split())


class CocoFiles(tuple):
    """The arguments that name a detections file and its ground truth."""

    def __new__(cls, detections, annotations):
        files = super().__new__(cls, ("--detections", detections, "--annotations", annotations))
        files.detections, files.annotations = detections, annotations
        return files


@pytest.fixture(scope="module")
def coco_data():
    """A small data set as COCO files: small and medium objects, none large, some found and some not."""
    rng = np.random.default_rng(1)
    boxes = [(i % 4, i % 2, [*rng.uniform(0, 300, 2), *rng.uniform(20, 60, 2)]) for i in range(24)]
    truth = coco_json(range(4), 2, [(image, k, box, box[2] * box[3], 0) for image, k, box in boxes])
    found = [(image, k, np.add(box, rng.normal(0, 3, 4)), rng.random()) for image, k, box in boxes[::2]]
    return truth, results_json([*found, (0, 0, (400, 400, 30, 30), 0.7)])


@pytest.fixture
def coco_set(coco_data):
    """The same as smviz reads it."""
    truth, found = (json.dumps(part).encode() for part in coco_data)
    ground_truth = parse_ground_truth(truth)
    return ground_truth, parse_results(found, ground_truth)


@pytest.fixture
def coco_files(coco_data, tmp_path):
    """The same as files, as arguments of `evaluate`."""
    truth, found = tmp_path / "instances.json", tmp_path / "results.json"
    truth.write_text(json.dumps(coco_data[0]))
    found.write_text(json.dumps(coco_data[1]))
    return CocoFiles(found, truth)


@pytest.fixture
def stored_run(here, tmp_path):
    """A run over three sample images in the workspace, answered by the embedded endpoint."""
    connection, request = Connection("us-east-1", here.url), Request(DEMO_ENDPOINT)
    client = SageMaker(connection)
    images = [ImageRef(path.name, path=path) for path in SAMPLES.images[:3]]
    with Store(tmp_path / "workspace") as store:
        run = store.create_run("three scenes", connection, request, Preset("builtin-ssd", DEMO_CLASSES), images)
        assert run_images(store, run, lambda payload: client.invoke(request, payload), workers=2).state == "finished"
    return run


@pytest.fixture
def labelled_run(stored_run, tmp_path):
    """The same run, started with ground truth."""
    with Store(tmp_path / "workspace") as store:
        rows = [
            (ImageRef(path.name, path=path), store.outcome(stored_run.id, path.name)) for path in SAMPLES.images[:3]
        ]
        return store.keep_run("labelled", stored_run.preset, rows, "replies", SAMPLES.annotations.read_bytes())


@pytest.fixture
def plain_labels(tmp_path):
    """The sample set without its crowd regions, which other formats do not have, and where it is as COCO JSON."""
    truth = parse_ground_truth(SAMPLES.annotations.read_bytes())
    columns = {name: getattr(truth, name)[~truth.crowd] for name in ("image", "class_id", "ltwh", "area", "crowd")}
    truth = replace(truth, **columns, ignore=np.zeros(0, bool))
    path = tmp_path / "plain.json"
    path.write_bytes(ground_truth_json(truth))
    return truth, path


def ltwh(xyxy):
    """Left, top, width and height of a box."""
    left, top, right, bottom = xyxy
    return [left, top, right - left, bottom - top]


def jpeg_with_broken_exif():
    """A good picture whose metadata ends too early."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "grey").save(buffer, "JPEG")
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    return buffer.getvalue()[:2] + segment + buffer.getvalue()[2:]


def control(url):
    """The control plane at a URL, as boto3 sees it."""
    return boto3.Session("any", "any", region_name="us-east-1").client("sagemaker", endpoint_url=url)
