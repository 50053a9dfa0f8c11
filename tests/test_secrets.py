"""Secrets are planted wherever a server may have them, and everything goes wrong that can: none is ever seen."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from browser import ROOT, start_app
from tabs import Tab, fresh_browser

from smviz import journal
from smviz.cli import main
from smviz.errors import SmvizError
from smviz.images import prepare
from smviz.local import SAMPLES
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Request

PLANTED = {
    "AWS_ACCESS_KEY_ID": "ASIAQPLANTEDKEYENV77",
    "AWS_SECRET_ACCESS_KEY": "env7Planted/Secret+Key9AbCdEfGhIjKlMnOpQ",
    "AWS_SESSION_TOKEN": "IQoJenvPlantedToken" + "aZ9/bY8+" * 30,
    "OIDC_CLIENT_SECRET": "env-planted-client-secret-5521",
}
PROFILE = {
    "aws_access_key_id": "AKIAQPLANTEDKEYPRO88",
    "aws_secret_access_key": "pro8Planted/Secret+Key9AbCdEfGhIjKlMnOpQ",
    "aws_session_token": "IQoJproPlantedToken" + "cX7/dW6+" * 30,
}
FILED = {
    "cookie_secret": "toml-planted-cookie-secret-9913-and-long-enough",
    "client_secret": "toml-planted-client-secret-4417",
}
SECRETS = {*PLANTED.values(), *PROFILE.values(), *FILED.values()}
ENDPOINT = "planted-endpoint"


class Echo(BaseHTTPRequestHandler):
    """A SageMaker that repeats what it was sent, as AWS does where a signature is wrong, and as a container may do.

    Its container answers for every image but the first of the samples.
    """

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        sent = "\n".join(f"{name.lower()}:{value}" for name, value in self.headers.items())
        words = f"The Canonical String for this request should have been 'POST\n{self.path}\n{sent}'"
        if (asked := target.removeprefix("SageMaker.")) in DESCRIBED:
            self._answer(200, DESCRIBED[asked], "")
        elif target or not self.path.startswith("/endpoints/"):
            self._answer(403, {"__type": "InvalidSignatureException", "message": words}, "")
        elif body != SAMPLES.images[0].read_bytes():
            self._answer(200, {"prediction": [[0, 0.9, 0.1, 0.1, 0.5, 0.5]]}, "")
        else:
            told = {"Message": words, "OriginalStatusCode": 500, "OriginalMessage": words, "LogStreamArn": ""}
            self._answer(424, told, "ModelError")

    do_GET = do_PUT = do_POST  # noqa: N815 (named by http.server)

    def _answer(self, status: int, told: dict[str, object], kind: str) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if kind:
            self.send_header("x-amzn-ErrorType", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


DESCRIBED = {
    "DescribeEndpoint": {
        "EndpointName": ENDPOINT,
        "EndpointArn": f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{ENDPOINT}",
        "EndpointConfigName": "planted-config",
        "EndpointStatus": "InService",
        "CreationTime": 1.7e9,
        "LastModifiedTime": 1.7e9,
    },
    "DescribeEndpointConfig": {
        "EndpointConfigName": "planted-config",
        "EndpointConfigArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/planted-config",
        "ProductionVariants": [{"VariantName": "A", "ModelName": "m", "InstanceType": "ml.m5.large"}],
        "CreationTime": 1.7e9,
    },
    "DescribeModel": {
        "ModelName": "m",
        "ModelArn": "arn:aws:sagemaker:eu-west-1:123456789012:model/m",
        "CreationTime": 1.7e9,
    },
}


@dataclass(frozen=True)
class Planted:
    """A machine full of secrets.

    Attributes:
        url: of the SageMaker that repeats them.
        home: the home folder, with a profile "planted" and secrets.toml.
        environment: what a process there has.
    """

    url: str
    home: Path
    environment: dict[str, str]

    def process(self) -> dict[str, str | None]:
        """For a process that is started there."""
        return {name: value or None for name, value in self.environment.items()}


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> Iterator[Planted]:
    home = tmp_path_factory.mktemp("home")
    (home / ".aws").mkdir()
    lines = [f"{name} = {value}" for name, value in PROFILE.items()]
    (home / ".aws" / "credentials").write_text("\n".join(["[planted]", *lines, ""]))
    (home / ".streamlit").mkdir()
    filed = [f'{name} = "{value}"' for name, value in FILED.items()]
    (home / ".streamlit" / "secrets.toml").write_text("\n".join(["[provider]", *filed, ""]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = (
            f"http://0.0.0.0:{server.server_address[1]}"  # reaches this machine, but is not taken for the embedded one
        )
        environment = {
            **{name: "" for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))},
            **PLANTED,
            "HOME": str(home),
            "SMVIZ_WORKSPACE": str(home / "ws"),
            "AWS_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url,
            "AWS_ENDPOINT_URL_SAGEMAKER": url,
        }
        yield Planted(url, home, environment)
        server.shutdown()


@pytest.fixture
def here(machine, monkeypatch) -> Planted:
    """This process is on that machine."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    for name, value in machine.environment.items():
        if value:
            monkeypatch.setenv(name, value)
    return machine


def found_in(said: str | bytes) -> set[str]:
    """The planted secrets that stand there, as they are, in pieces of 12 characters, or as JSON or a URL write them."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    text = text.replace("\\/", "/").replace("%2F", "/").replace("%2B", "+")
    pieces = {secret[start : start + 12]: secret for secret in SECRETS for start in range(0, len(secret) - 11, 4)}
    return {secret for piece, secret in pieces.items() if piece in text}


def in_files(folder: Path) -> set[str]:
    """Those that stand in the files below a folder, or within its zips."""
    found = set()
    for path in folder.rglob("*"):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                found |= {secret for name in archive.namelist() for secret in found_in(archive.read(name))}
        elif path.is_file():
            found |= found_in(path.read_bytes())
    return found


ROLE = "arn:aws:iam::123456789012:role/r"
READ = ("--format", "builtin-ssd")


class TestTheDoor:
    @pytest.mark.parametrize("profile", [None, "planted"])
    @pytest.mark.parametrize(
        "ask",
        [
            lambda door: door.invoke(Request(ENDPOINT), prepare(SAMPLES.images[0].read_bytes(), "scene.jpg")),
            lambda door: door.endpoints(),
            lambda door: door.delete_endpoint(ENDPOINT),
            lambda door: door.whoami(),
            lambda door: door.execution_roles(),
            lambda door: door.s3_read("s3://bucket/key.json"),
        ],
        ids=["invoke", "list", "delete", "identity", "roles", "S3"],
    )
    def test_tells_an_error_without_what_it_was_sent(self, here, ask, profile):
        """AWS repeats the signed headers, session token included; the error, and the journal of it, do not."""
        with pytest.raises(SmvizError) as failed:
            ask(SageMaker(Connection("eu-west-1", here.url, profile)))
        error = failed.value
        assert found_in(f"{error.message} {error.advice} {error!r} {journal.told(error)}") == set()

    def test_of_this_test_repeats_them(self, here):
        """What the tests above prove nothing without: the server did send back the token."""
        with pytest.raises(SmvizError) as failed:
            SageMaker(Connection("eu-west-1", here.url)).endpoints()
        assert PLANTED["AWS_SESSION_TOKEN"] in str(failed.value.__cause__)


class TestTheCommandLine:
    def test_neither_says_nor_writes_one(self, here, tmp_path, capsys):
        """Every command that calls, or reads what is stored of calls, fails or not; no output and no file has one."""
        pictures, out = tmp_path / "pictures", tmp_path / "out"
        pictures.mkdir()
        for path in SAMPLES.images[:3]:
            shutil.copy(path, pictures)
        picture, endpoint = str(SAMPLES.images[0]), ["--endpoint", ENDPOINT]
        run = ["run", *endpoint, "--images", str(pictures), "--annotations", str(SAMPLES.annotations)]
        told = {}
        for name, command in {
            "list": ["endpoints"],
            "detect": ["detect", picture, *endpoint, "--save", str(out)],
            "profile": ["detect", picture, *endpoint, "--profile", "planted", "--json"],
            "run": [*run, *READ, "--name", "planted", "--json"],
            "run from S3": ["run", *endpoint, *READ, "--images", "s3://bucket/pictures/"],
            "runs": ["runs", "--json"],
            "export": ["export", "planted", "--format", "replies", "-o", str(tmp_path / "replies.zip")],
            "table": ["export", "planted", "--format", "csv", "-o", str(tmp_path / "table.csv")],
            "report": ["report", "--run", "planted", "-o", str(tmp_path / "report.html")],
            "share": ["share", "planted", "--to", str(tmp_path / "shared")],
            "deploy": [
                "deploy",
                "--endpoint",
                "new",
                "--execution-role",
                ROLE,
                "--artefact",
                "s3://bucket/model.tar.gz",
            ],
            "teardown": ["teardown", *endpoint, "--yes"],
        }.items():
            main(command)
            captured = capsys.readouterr()
            told[name] = captured.out + captured.err
            assert "Traceback" not in captured.err
            assert found_in(told[name]) == set(), name
        assert all("Canonical String" in told[name] for name in ("list", "detect", "profile", "teardown"))
        assert '"answered": 2' in told["run"]
        assert in_files(tmp_path) | in_files(here.home / "ws") == set()


class TestTheServer:
    def test_shows_and_logs_none(self, machine, tmp_path):
        """Every page of a server whose calls all fail: nothing of what is drawn, downloaded or logged has one."""
        log = tmp_path / "log"
        query = {"region": "eu-west-1", "endpoint": ENDPOINT}
        drawn = ""
        with start_app(ROOT / "serve.py", machine.process(), log=log) as url, fresh_browser(url) as browser:
            for page in ("", "Endpoint", "Detect", "Evaluate", "Compare"):
                for profile in ({}, {"profile": "planted"}):
                    with Tab(browser, page, {**query, **profile}) as tab:
                        drawn += tab.text
                        said = [browser.get(path).content for path in tab.media]
                    assert found_in(tab.everything + b"".join(said)) == set(), page
        assert "Canonical String" in drawn
        assert found_in(log.read_text()) == set()
        told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        assert {"start", "call"} <= {line["event"] for line in told}
        assert {line["kind"] for line in told if line["event"] == "call"} == {"ModelError"}

    def test_on_which_people_log_in(self, machine, tmp_path):
        """The page of the log-in, and a provider that is not there: nothing of [auth] is drawn, answered or logged."""
        log, home = tmp_path / "log", tmp_path / "home"
        (home / ".streamlit").mkdir(parents=True)
        lines = [f'{name} = "{value}"' for name, value in FILED.items()]
        lines += ['client_id = "smviz"', 'redirect_uri = "http://localhost/oauth2callback"']
        lines += ['server_metadata_url = "http://127.0.0.1:9/.well-known/openid-configuration"']
        (home / ".streamlit" / "secrets.toml").write_text("\n".join(["[auth]", *lines, "", "[smviz]", "owners = []"]))
        asked = ("/", "/auth/login", "/oauth2callback?state=x&code=y", "/auth/logout", "/_stcore/host-config")
        with (
            start_app(ROOT / "serve.py", {**machine.process(), "HOME": str(home)}, log=log) as url,
            fresh_browser(url) as browser,
        ):
            with Tab(browser, "Detect") as tab:
                assert "Log in" in "".join(tab.buttons), log.read_text()
            said = [tab.everything, *(browser.get(path).content for path in asked)]
            sent = [str(browser.get(path).headers.raw).encode() for path in asked]
        assert found_in(b"".join(said + sent)) == set()
        assert found_in(log.read_text()) == set()
