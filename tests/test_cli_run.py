"""The commands run, runs, import and export: in this process, and in one of their own with a terminal."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import boto3
import pytest
from moto import mock_aws
from waiting import until

from smviz.cli import main
from smviz.local import SAMPLES, EmbeddedServer, Faults
from smviz.settings import Settings
from smviz.store import Store

ROOT = Path(__file__).parent.parent
IMAGES = SAMPLES.folder / "images"
ADVICE = re.compile(r"(?m)^smviz: .+\n {7}\S.+$")
REDRAWN = re.compile(r"\r(\[#*-*\] )?(\d+)/(\d+)  ")


class Counting(Random):
    """Draws as it always does, and counts: the server draws once for each invocation."""

    calls = 0

    def random(self):
        self.calls += 1
        return super().random()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing of this machine's AWS settings, and a workspace of its own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "workspace"))


@contextlib.contextmanager
def serving(monkeypatch, **how):
    """An embedded endpoint that the environment points to; yields what counts its invocations."""
    counting = Counting(0)
    with EmbeddedServer(delay=0.01, random=counting, **how) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield counting


@pytest.fixture
def here(monkeypatch):
    """An embedded endpoint that answers everything at once."""
    with serving(monkeypatch) as counting:
        yield counting


@pytest.fixture
def folder(tmp_path):
    """Ten images in a folder."""
    images = tmp_path / "images"
    images.mkdir()
    for path in SAMPLES.images[:10]:
        shutil.copy(path, images)
    return images


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


def process(*arguments, **streams):
    """A command in a process of its own, started."""
    return subprocess.Popen(
        [sys.executable, "-m", "smviz", *map(str, arguments)],
        cwd=ROOT,
        # A shell starts background jobs with Ctrl-C ignored, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **streams},
    )


def stored(name=None):
    """The newest run of the workspace, or the one of that name."""
    with Store(Path(os.environ["SMVIZ_WORKSPACE"])) as store:
        return store.run(name) if name else store.runs()[0]


def answered():
    """How many images of the newest run have a reply; 0 while there is no run."""
    with Store(Path(os.environ["SMVIZ_WORKSPACE"])) as store:
        return store.runs()[0].answered if store.runs() else 0


class TestRun:
    def test_ends_with_a_summary_and_the_run_in_the_workspace(self, here, smviz, folder):
        """Exit status 0; one JSON object on stdout; the run has config, source, ground truth and all replies."""
        status, out, err = smviz(
            *("run", "--endpoint", "highway-demo", "--variant", "A", "--images", folder, "--name", "ten", "--json"),
            *("--annotations", SAMPLES.annotations),
        )
        told = json.loads(out)
        assert status == 0
        assert (told["state"], told["images"], told["answered"], told["failed"]) == ("finished", 10, 10, 0)
        assert told["calls"] == here.calls == 10
        assert told["latency_ms"]["p50"] > 0
        run = stored("ten")
        assert told["run"] == run.id
        assert (run.endpoint_config, run.source) == ("highway-demo", str(folder))
        assert run.preset.class_names == ("car", "van", "ute", "truck")
        assert "ten" in err
        assert smviz("evaluate", "--run", "ten", "--annotations", SAMPLES.annotations, "--check", "AP50>0.5")[0] == 0

    def test_writes_what_it_found(self, here, smviz, folder, tmp_path):
        """`--out` holds COCO results, a CSV, and the failures with their reasons; a failed image is told and is 0."""
        (folder / "zz.jpg").write_bytes(b"this is no image")
        status, out, err = smviz(
            *("run", "--endpoint", "highway-demo", "--variant", "A", "--images", folder, "--out", tmp_path / "out"),
            *("--annotations", SAMPLES.annotations),
        )
        assert status == 0
        assert "10 of 11 images have a reply, 1 failed" in out
        assert "1 images failed (1 BadImage)" in err
        rows = json.loads((tmp_path / "out" / "detections.coco.json").read_text())
        assert len((tmp_path / "out" / "detections.csv").read_text().splitlines()) == len(rows) + 1
        failures = (tmp_path / "out" / "failures.csv").read_text().splitlines()
        assert len(failures) == 2
        assert failures[0] == "image,kind,message,advice,attempts,log"
        assert failures[1].startswith("zz.jpg,BadImage,")

    def test_knows_replies_of_before(self, here, smviz, folder):
        """A second run of the same images calls nothing, and says so before; `--fresh` calls again."""
        arguments = ("run", "--endpoint", "highway-demo", "--variant", "A", "--images", folder, "--json")
        first = smviz(*arguments, "--name", "one", "--max-calls", "4")[2]
        assert "4 calls on this machine cost nothing" in first
        assert "known already" not in first
        smviz(*arguments, "--name", "one", "--resume")
        _, out, second = smviz(*arguments, "--name", "two")
        assert "10 replies are known already and will be reused. 0 calls" in second
        assert json.loads(out)["reused"] == 10
        assert here.calls == 10
        _, out, third = smviz(*arguments, "--name", "three", "--fresh")
        assert "10 calls on this machine" in third
        assert json.loads(out)["calls"] == 10
        assert here.calls == 20

    def test_most_calls_and_resume(self, here, smviz, folder):
        """`--max-calls` ends it there; `--resume` finds the run by itself and calls nothing twice."""
        arguments = ("run", "--endpoint", "highway-demo", "--variant", "A")
        status, out, err = smviz(*arguments, "--images", folder, "--max-calls", 4, "--json")
        assert (status, json.loads(out)["state"], here.calls) == (0, "stopped", 4)
        assert "--resume" in err
        status, out, _ = smviz(*arguments, "--images", folder, "--resume", "--json")
        assert (status, json.loads(out)["state"], here.calls) == (0, "finished", 10)
        assert len(json.loads(smviz("runs", "--json")[1])) == 1
        status, out, err = smviz(*arguments, "--images", folder, "--resume")
        assert (status, out) == (2, "")
        assert "no unfinished run" in err

    def test_resumes_by_name_at_another_port(self, smviz, folder, monkeypatch):
        """The embedded endpoint listens elsewhere every time it starts; the run goes on there."""
        with serving(monkeypatch):
            arguments = ("--variant", "A", "--images", folder, "--name", "mine", "--max-calls", 3)
            smviz("run", "--endpoint", "highway-demo", *arguments)
        with serving(monkeypatch) as counting:
            assert smviz("run", "--endpoint", "highway-demo", "--name", "mine", "--resume")[0] == 0
            assert counting.calls == 7
        assert stored("mine").state == "finished"

    def test_proposes_the_format_before_it_begins(self, here, smviz, folder):
        """What the first reply looks like is said, kept for the run, and that reply is not called for again."""
        url = os.environ["AWS_ENDPOINT_URL_SAGEMAKER"]
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        deployed = boto3.client("sagemaker", "us-east-1", endpoint_url=url, **keys)
        deployed.create_endpoint(EndpointName="mine", EndpointConfigName="highway-demo")
        deployed.get_waiter("endpoint_in_service").wait(EndpointName="mine", WaiterConfig={"Delay": 1})
        status, out, err = smviz("run", "--endpoint", "mine", "--variant", "A", "--images", folder, "--json")
        assert status == 0
        assert "Read as builtin-ssd" in err
        assert stored().preset.format == "builtin-ssd"
        assert here.calls == 10
        assert json.loads(out)["answered"] == 10

    def test_takes_the_preset_of_the_workspace(self, here, smviz, folder):
        """What the page kept for the endpoint is how its replies are read, unless the command says otherwise."""
        smviz("run", "--endpoint", "highway-demo", "--images", folder, "--max-calls", 1)
        with Store(Path(os.environ["SMVIZ_WORKSPACE"])) as store:
            kept = stored().preset
            store.save_preset("embedded/highway-demo", type(kept)("builtin-ssd", ("Auto", "Van", "Ute", "Lkw")))
        smviz("run", "--endpoint", "highway-demo", "--images", folder, "--max-calls", 1, "--name", "kept")
        assert stored("kept").preset.class_names == ("Auto", "Van", "Ute", "Lkw")

    def test_says_that_traffic_is_split(self, here, smviz, folder):
        """Without --variant, whoever answers answers, and that is said."""
        _, _, err = smviz("run", "--endpoint", "highway-demo", "--images", folder)
        assert "split over A, B" in err

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("--images", "nowhere"), "nowhere"),
            ((), "--images"),
            (("--images", IMAGES, "--annotations", "nowhere.json"), "nowhere.json"),
            (("--images", IMAGES, "--workers", "0"), "--workers"),
            (("--images", IMAGES, "--format", "nonsense"), "nonsense"),
            (("--name", "unknown", "--resume"), "unknown"),
            (("--images", IMAGES, "--region", "us east"), "us east"),
        ],
    )
    def test_wrong_use_is_told(self, here, smviz, arguments, word):
        """Exit status 2, nothing on stdout, no call, no run, no traceback."""
        status, out, err = smviz("run", "--endpoint", "highway-demo", *arguments)
        assert (status, out, here.calls) == (2, "", 0)
        assert word in err
        assert "Traceback" not in err
        assert json.loads(smviz("runs", "--json")[1]) == []

    def test_an_endpoint_that_is_not_there(self, here, smviz, folder):
        """Told before a run is made."""
        status, out, err = smviz("run", "--endpoint", "nobody", "--images", folder)
        assert (status, out) == (2, "")
        assert ADVICE.search(err)
        assert json.loads(smviz("runs", "--json")[1]) == []

    def test_a_name_that_is_taken(self, here, smviz, folder):
        """Is told, and nothing is called for."""
        smviz("run", "--endpoint", "highway-demo", "--images", folder, "--name", "taken")
        called = here.calls
        status, _, err = smviz("run", "--endpoint", "highway-demo", "--images", folder, "--name", "taken")
        assert (status, here.calls) == (2, called)
        assert "--resume" in err

    def test_images_of_a_zip_and_of_a_manifest(self, here, smviz, folder, tmp_path):
        """Both are read where they are; a file that a manifest names and nobody has is one failed image."""
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"set/{path.name}")
        manifest = tmp_path / "set.manifest"
        manifest.write_text("images/highway_0001.jpg\nimages/gone.jpg\n")
        base = ("run", "--endpoint", "highway-demo", "--variant", "A", "--json")
        assert json.loads(smviz(*base, "--images", tmp_path / "set.zip")[1])["answered"] == 10
        told = json.loads(smviz(*base, "--images", manifest)[1])
        assert (told["answered"], told["failures"]) == (1, {"BadImage": 1})

    def test_images_below_an_s3_prefix(self, here, smviz, monkeypatch):
        """They are listed and read from S3, and the run remembers the prefix."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with mock_aws():
            s3 = boto3.client("s3", region_name="us-east-1")
            s3.create_bucket(Bucket="scenes")
            for path in SAMPLES.images[:3]:
                s3.upload_file(str(path), "scenes", f"set/{path.name}")
            status, out, _ = smviz("run", "--endpoint", "highway-demo", "--images", "s3://scenes/set", "--json")
        assert (status, json.loads(out)["answered"]) == (0, 3)
        assert stored().source == "s3://scenes/set"


class Session(BaseHTTPRequestHandler):
    """An endpoint that may not be described, and whose callers' credentials expire after `good` invocations."""

    good = 4
    calls = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if not self.path.endswith("/invocations"):
            self.answer(400, {"__type": "AccessDeniedException", "message": "No."}, "AccessDeniedException")
        elif Session.calls < Session.good:
            Session.calls += 1
            self.answer(200, {"prediction": [[0, 0.9, 0.1, 0.1, 0.5, 0.5]]})
        else:
            self.answer(403, {"message": "The security token is expired"}, "ExpiredTokenException")

    def answer(self, status, body, error=""):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if error:
            self.send_header("x-amzn-errortype", error)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Says nothing."""


class TestCredentials:
    def test_that_expire_keep_everything(self, smviz, monkeypatch, folder):
        """Exit status 2, what is wrong, how to resume; with new ones the run goes on where it ended."""
        with ThreadingHTTPServer(("127.0.0.1", 0), Session) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", f"http://127.0.0.1:{server.server_port}")
            arguments = ("run", "--endpoint", "highway-demo", "--images", folder, "--json")
            status, out, err = smviz(*arguments)
            assert (status, json.loads(out)["error"]) == (2, "CredentialsError")
            assert "The security token is expired" in err
            assert "--resume" in err
            assert stored().answered == Session.calls == 4
            monkeypatch.setattr(Session, "good", 100)
            assert smviz(*arguments, "--resume")[0] == 0
            assert (stored().answered, Session.calls) == (10, 10)
            server.shutdown()


class TestOnATerminal:
    def test_one_line_is_redrawn_in_its_width(self, monkeypatch, folder):
        """The bar ends full, never wraps, and stdout has only the summary."""
        with serving(monkeypatch, latency=0.2):
            screen, out, status = on_a_terminal(
                "run", "--endpoint", "highway-demo", "--variant", "A", "--images", folder, "--json", columns=60
            )
        assert status == 0
        drawn = [line for line in re.split(r"[\r\n]", screen) if REDRAWN.match(f"\r{line}")]
        assert len(drawn) > 3
        assert max(map(len, drawn)) < 60
        assert drawn[-1].lstrip("[").startswith("#" * 10)
        assert "10/10" in drawn[-1]
        assert json.loads(out)["answered"] == 10

    def test_a_log_has_plain_lines(self, monkeypatch, folder):
        """Nothing is redrawn where nobody sees it."""
        with serving(monkeypatch, latency=1.5):
            running = process("run", "--endpoint", "highway-demo", "--images", folder, "--workers", "2")
            _, err = running.communicate(timeout=60)
        assert running.returncode == 0
        assert "\r" not in err
        assert re.search(r"(?m)^\d+/10  .*/s", err)


def on_a_terminal(*arguments, columns):
    """What a command wrote on a terminal that wide, its standard output, and its exit status."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    running = process(*arguments, stderr=theirs)
    os.close(theirs)
    screen = b""
    with contextlib.suppress(OSError):  # the terminal is gone with its last user
        while piece := os.read(ours, 65536):
            screen += piece
    os.close(ours)
    out, _ = running.communicate(timeout=60)
    return screen.decode(), out, running.returncode


class TestInterrupted:
    ARGUMENTS = ("run", "--endpoint", "highway-demo", "--variant", "A")

    def test_ctrl_c_finishes_what_is_under_way(self, monkeypatch, smviz, folder):
        """Exit status 130; every call that was made is kept, and resuming makes only the others."""
        with serving(monkeypatch, latency=0.6) as counting:
            running = process(*self.ARGUMENTS, "--images", folder, "--workers", "2")
            until(lambda: counting.calls >= 3, 30)
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=60)
            assert running.returncode == 130
            assert "Ctrl-C again" in err
            assert "To go on: smviz run --endpoint highway-demo --name" in err
            assert stored().answered == counting.calls < 10
            assert smviz(*self.ARGUMENTS, "--resume")[0] == 0
            assert counting.calls == 10

    def test_a_second_ctrl_c_ends_at_once(self, monkeypatch, folder):
        """It does not wait for a slow answer, and what was answered before is kept."""
        with serving(monkeypatch, latency=20) as counting:
            running = process(*self.ARGUMENTS, "--images", folder)
            until(lambda: counting.calls >= 1, 30)
            running.send_signal(signal.SIGINT)
            time.sleep(0.5)
            begun = time.monotonic()
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=60)
            assert time.monotonic() - begun < 5
        assert running.returncode == 130
        assert "Traceback" not in err

    def test_killed_and_resumed(self, monkeypatch, smviz, folder):
        """While it is at work nobody else resumes it; after kill -9 the replies that were stored are not called for
        again."""
        with serving(monkeypatch, latency=0.6) as counting:
            running = process(*self.ARGUMENTS, "--images", folder, "--workers", "2")
            until(lambda: answered() >= 2, 30)
            status, out, err = smviz(*self.ARGUMENTS, "--resume")
            assert (status, out) == (2, "")
            assert f"at work elsewhere: process {running.pid} on " in err
            assert ADVICE.search(err)
            running.kill()
            running.communicate()
            kept, made = stored().answered, counting.calls
            assert smviz(*self.ARGUMENTS, "--resume")[0] == 0
            assert stored().answered == 10
            assert counting.calls - made == 10 - kept


class TestFaults:
    def test_failures_are_told_by_kind_and_tried_again(self, monkeypatch, smviz, folder):
        """Images that the container refuses fail, the run is finished, and resuming calls for just those."""
        with serving(monkeypatch, faults=Faults.parse("model=1")):
            status, out, _ = smviz("run", "--endpoint", "highway-demo", "--images", folder, "--json")
            assert (status, json.loads(out)["failures"]) == (0, {"ModelError": 10})
        with serving(monkeypatch):
            status, out, _ = smviz("run", "--endpoint", "highway-demo", "--resume", "--json")
            assert (status, json.loads(out)["answered"]) == (0, 10)


class TestRunsImportExport:
    @pytest.fixture
    def ten(self, here, smviz, folder):
        """A finished run called "ten"."""
        arguments = ("--images", folder, "--annotations", SAMPLES.annotations)
        assert smviz("run", "--endpoint", "highway-demo", "--variant", "A", "--name", "ten", *arguments)[0] == 0

    def test_runs_are_listed(self, ten, smviz):
        """As a table for people."""
        status, out, _ = smviz("runs")
        assert status == 0
        assert re.search(r"(?m)^[0-9a-f]{8}  ten +\d{4}-\d\d-\d\d \d\d:\d\d +finished +10/10 +0$", out)

    def test_a_run_at_work_is_listed_as_that(self, ten, smviz):
        """With who works on it, as long as somebody does."""
        with Store(Settings.from_environment().workspace) as store:
            lease = store.claim(store.run("ten").id)
            assert re.search(r"(?m)^[0-9a-f]{8}  ten .* running +10/10 +0$", smviz("runs")[1])
            (row,) = json.loads(smviz("runs", "--json")[1])
            assert (row["state"], row["at_work"].partition(" on ")[0]) == ("running", f"process {os.getpid()}")
            lease.release()
        (row,) = json.loads(smviz("runs", "--json")[1])
        assert (row["state"], row["at_work"]) == ("finished", None)

    def test_no_runs(self, smviz):
        """An empty workspace is told, and is no error."""
        status, _, err = smviz("runs")
        assert (status, "no runs" in err) == (0, True)

    @pytest.mark.parametrize(
        ("form", "begins"), [("coco", b"[\n{"), ("csv", b"image,class_id"), ("parquet", b"PAR1"), ("replies", b"PK")]
    )
    def test_export_writes_every_format(self, ten, smviz, tmp_path, form, begins):
        """The file is there as a whole, and what was written is told on stderr."""
        status, out, err = smviz("export", "ten", "--format", form, "-o", tmp_path / "file")
        assert (status, out) == (0, "")
        assert (tmp_path / "file").read_bytes().startswith(begins)
        assert "10 images" in err
        assert not (tmp_path / "file.part").exists()

    @pytest.mark.parametrize(("kind", "form"), [("coco-results", "coco"), ("replies", "replies")])
    def test_what_was_exported_is_imported(self, ten, smviz, tmp_path, kind, form):
        """The numbers of the imported run are those of the first one."""
        path = tmp_path / ("out.json" if form == "coco" else "out.zip")
        smviz("export", "ten", "--format", form, "-o", path)
        reading = () if form == "coco" else ("--format", "builtin-ssd", "--classes", class_names(tmp_path))
        truth = ("--annotations", SAMPLES.annotations)
        status, out, _ = smviz("import", kind, path, "--name", "again", *truth, *reading, "--json")
        assert (status, json.loads(out)["imported"] != "") == (0, True)
        numbers = [json.loads(smviz("evaluate", "--run", run, *truth, "--json")[1])["AP50"] for run in ("ten", "again")]
        assert numbers[0] > 0.5
        if form == "replies":
            assert numbers[0] == numbers[1]

    def test_batch_transform_outputs(self, ten, smviz, folder, tmp_path):
        """A folder of .out files with its images is a run; an image without an output has failed."""
        smviz("export", "ten", "--format", "replies", "-o", tmp_path / "out.zip")
        with zipfile.ZipFile(tmp_path / "out.zip") as archive:
            for name in archive.namelist()[:9]:
                (tmp_path / "job").mkdir(exist_ok=True)
                (tmp_path / "job" / name.replace(".json", ".out")).write_bytes(archive.read(name))
        status, out, _ = smviz("import", "batch-transform", tmp_path / "job", "--images", folder, "--json")
        told = json.loads(out)
        assert (status, told["answered"], told["failed"]) == (0, 9, 1)

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("import", "coco-results", "nowhere.json", "--annotations", SAMPLES.annotations), "nowhere.json"),
            (("import", "coco-results", SAMPLES.annotations), "ground truth"),
            (("import", "replies", SAMPLES.annotations, "--annotations", SAMPLES.annotations), "cannot be told"),
            (("import", "something", "x"), "something"),
            (("export", "unknown", "-o", "x"), "unknown"),
        ],
    )
    def test_wrong_use_is_told(self, smviz, arguments, word):
        """Exit status 2, nothing on stdout, and no traceback."""
        status, out, err = smviz(*arguments)
        assert (status, out) == (2, "")
        assert word in err
        assert "Traceback" not in err

    def test_a_file_that_cannot_be_written(self, ten, smviz, tmp_path):
        """Is told, and nothing is left there."""
        status, _, err = smviz("export", "ten", "-o", tmp_path / "no" / "folder.json")
        assert status == 2
        assert ADVICE.search(err)

    def test_an_imported_run_is_not_called_for(self, ten, smviz, tmp_path):
        """There is no endpoint to call."""
        smviz("export", "ten", "-o", tmp_path / "out.json")
        smviz("import", "coco-results", tmp_path / "out.json", "--annotations", SAMPLES.annotations, "--name", "other")
        status, _, err = smviz("run", "--endpoint", "highway-demo", "--name", "other", "--resume")
        assert status == 2
        assert "imported" in err


def class_names(folder):
    """The class names of the demo detectors, as a file."""
    path = folder / "classes.txt"
    path.write_text("car\nvan\nute\ntruck\n")
    return path
