"""Deploying and deleting from the command line, against the embedded endpoint."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smviz.cli import main
from smviz.errors import NotFound
from smviz.local import EmbeddedServer
from smviz.sagemaker import SageMaker
from smviz.settings import Connection

ROOT = Path(__file__).parent.parent
ROLE = "arn:aws:iam::123456789012:role/service-role/execution"
ADVICE = re.compile(r"^smviz: .+\n {7}\S.+$", re.MULTILINE)
WHAT = ("--artefact", "embedded://highway-a.onnx", "--execution-role", ROLE)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing of this machine's AWS settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def server(monkeypatch):
    """The embedded endpoint, to which the environment points."""
    with EmbeddedServer(delay=0.3) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def client(server):
    return SageMaker(Connection("us-east-1", server.url))


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


def exists(client, name):
    """Whether an endpoint, a config or a model has that name."""
    for look in (client.describe, client.describe_endpoint_config, client.describe_model):
        try:
            look(name)
        except NotFound:
            continue
        return True
    return False


class TestDeploy:
    def test_and_back(self, smviz, client):
        """The plan on stdout, a line for each step on stderr, an endpoint in service; and teardown leaves nothing."""
        status, out, err = smviz("deploy", "--endpoint", "cars", *WHAT)
        assert status == 0
        assert [line[:2] for line in out.splitlines()[:3]] == ["1.", "2.", "3."]
        assert "aws sagemaker create-endpoint-config" in out
        assert out.splitlines()[-1].startswith("Endpoint cars is in service; it costs nothing")
        assert re.search("^3/3 Make endpoint cars", err, re.MULTILINE)
        assert client.describe("cars").status == "InService"

        status, out, err = smviz("teardown", "--endpoint", "cars", "--yes")
        assert status == 0
        assert out.splitlines()[-1] == "Endpoint cars is deleted, with all that is listed; it is no longer billed."
        assert not exists(client, "cars")

    def test_plan_alone(self, smviz, client):
        """With --plan nothing is made."""
        status, out, err = smviz("deploy", "--endpoint", "cars", *WHAT, "--plan")
        assert (status, err) == (0, "")
        assert "Cost: nothing, for it is the embedded endpoint." in out
        assert not exists(client, "cars")

    def test_the_cost_on_aws(self, smviz):
        """The price is told with where it comes from, without any call; an unknown one is told as unknown."""
        arguments = (
            "deploy",
            "--endpoint",
            "cars",
            "--artefact",
            "s3://b/m.tar.gz",
            "--execution-role",
            ROLE,
            "--plan",
        )
        assert "about 5.52 USD a day, also while idle: 0.23 USD per hour for ml.m5.xlarge" in smviz(*arguments)[1]
        assert "about 11.04 USD a day" in smviz(*arguments, "--count", 2)[1]
        assert "is not known here" in smviz(*arguments, "--instance", "ml.q9.large")[1]
        assert "The serverless price is not known here" in smviz(*arguments, "--serverless-memory", 2048)[1]

    def test_json(self, smviz, client):
        """One document, with the plan, how it ended, and what exists."""
        status, out, _ = smviz("deploy", "--endpoint", "cars", *WHAT, "--json")
        told = json.loads(out)
        assert (status, told["state"], told["idle_usd_per_day"]) == (0, "finished", 0)
        assert [part["kind"] for part in told["exists"]] == ["model", "endpoint config", "endpoint"]
        status, out, err = smviz("deploy", "--endpoint", "vans", *WHAT, "--plan", "--json")
        assert (status, err) == (0, "")
        assert [sentence.split()[1] for sentence in json.loads(out)["steps"]] == ["model", "endpoint", "endpoint"]

    def test_serverless(self, smviz, client):
        """Memory and concurrency are those asked for."""
        assert smviz("deploy", "--endpoint", "s", *WHAT, "--serverless-memory", 3072, "--concurrency", 9)[0] == 0
        [variant] = client.describe("s").variants
        assert (variant.memory, variant.concurrency) == (3072, 9)

    def test_a_failure(self, smviz, client):
        """The reason, the likely causes, what exists, and commands that delete just that."""
        wrong = ("--artefact", "embedded://missing.onnx", "--execution-role", ROLE)
        status, _, err = smviz("deploy", "--endpoint", "cars", *wrong)
        assert status == 2
        assert ADVICE.search(err)
        assert "embedded://missing.onnx" in err
        assert "Likely causes: There is no object" in err
        assert "What exists now: model cars, endpoint config cars, endpoint cars." in err
        for command in ("delete-endpoint ", "delete-endpoint-config ", "delete-model "):
            assert f"aws sagemaker {command}" in err

    def test_a_name_that_is_taken(self, smviz, server):
        """Nothing is made."""
        status, _, err = smviz("deploy", "--endpoint", "highway-demo", *WHAT)
        assert status == 2
        assert "Nothing was made." in err
        assert "Nothing of it exists." in err

    @pytest.mark.parametrize(
        ("changes", "word"),
        [
            (("--endpoint", "my cars"), "' '"),
            (("--execution-role", "admin"), "'admin'"),
            (("--artefact", "model.zip"), "'model.zip'"),
            (("--instance", "m5"), "'m5'"),
            (("--count", "0"), "0 instances"),
            (("--serverless-memory", "1000"), "1000 MB"),
            (("--serverless-memory", "1024", "--concurrency", "0"), "0 calls"),
            (("--serverless-memory", "1024", "--count", "2"), "--count"),
            (("--concurrency", "2"), "--serverless-memory"),
            (("--region", "ap-east-2"), "ap-east-2"),
            (("--serverless-memory", "1024", "--instance", "ml.m5.large"), "not allowed with"),
        ],
    )
    def test_what_cannot_be(self, smviz, server, changes, word):
        """It is refused in words before anything is made, with nothing on stdout."""
        status, out, err = smviz("deploy", "--endpoint", "cars", *WHAT, *changes)
        assert (status, out) == (2, "")
        assert word in err
        assert "Traceback" not in err

    def test_an_embedded_artefact_on_aws(self, smviz):
        """AWS has none of them."""
        assert "no file in S3" in smviz("deploy", "--endpoint", "cars", *WHAT, "--plan")[2]

    def test_where_it_is_forbidden(self, smviz, client, monkeypatch):
        """SMVIZ_ALLOW_DEPLOY=0 holds here too; the plan may be looked at."""
        monkeypatch.setenv("SMVIZ_ALLOW_DEPLOY", "0")
        status, _, err = smviz("deploy", "--endpoint", "cars", *WHAT)
        assert (status, "SMVIZ_ALLOW_DEPLOY" in err) == (2, True)
        assert not exists(client, "cars")
        assert smviz("teardown", "--endpoint", "highway-demo", "--yes")[0] == 2
        assert client.describe("highway-demo").answers
        assert smviz("deploy", "--endpoint", "cars", *WHAT, "--plan")[0] == 0

    def test_ctrl_c(self, tmp_path):
        """What exists by then is told, for it may be billed."""
        with EmbeddedServer(delay=60) as server:
            command = [sys.executable, "-m", "smviz", "deploy", "--endpoint", "cars", *WHAT]
            surroundings = {**os.environ, **server.environment}
            running = subprocess.Popen(
                command,
                cwd=ROOT,
                env=surroundings,
                stderr=subprocess.PIPE,
                text=True,
                # A shell starts background jobs with Ctrl-C ignored, and their children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            lines = []
            while "3/3" not in "".join(lines):
                lines.append(running.stderr.readline())
                assert lines[-1]
            client = SageMaker(Connection("us-east-1", server.url))
            while not any(endpoint.name == "cars" for endpoint in client.endpoints()):
                pass
            running.send_signal(signal.SIGINT)
            err = running.communicate(timeout=20)[1]
        assert running.returncode == 130
        assert "model cars, endpoint config cars" in err
        assert err.endswith("Stopped.\n")


class TestTeardown:
    def test_without_yes(self, smviz, client):
        """What would be deleted and what stays is told, and nothing is deleted."""
        status, out, err = smviz("teardown", "--endpoint", "highway-demo")
        assert status == 2
        assert ADVICE.match(err)
        assert "Nothing was deleted." in err
        for words in ("Delete endpoint highway-demo", "Delete model highway-a", "The logs in CloudWatch"):
            assert words in out
        assert client.describe("highway-demo").answers

    def test_an_endpoint_that_is_not_there(self, smviz, server):
        """It is told by name."""
        status, out, err = smviz("teardown", "--endpoint", "nobody", "--yes")
        assert (status, out) == (2, "")
        assert "nobody" in err
