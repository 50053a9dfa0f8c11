"""The lines that make the same call are run, unchanged, and do make the same call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import botocore.session
import jmespath
import pytest
from aws_cli import AWS_CLI
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from smviz.images import prepare
from smviz.local import SAMPLES, EmbeddedServer
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Request
from smviz.snippets import REPLY, Call, aws_cli, boto3_lines, curl

IMAGE = SAMPLES.images[0].read_bytes()
ODD = 'it\'s a $HOME `id` "photo" & more (1).jpg'
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret/key+", "AWS_SESSION_TOKEN": "a+token/=="}
MODELS = botocore.session.Session()


class Listener:
    """Takes any POST of curl, and keeps it."""

    def __init__(self):
        kept: list[tuple[str, Message, bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                kept.append((self.path, self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.kept = kept
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def run(lines: str, folder: Path, python: bool = False, **environment: str) -> None:
    """Run lines in a folder, as a shell or Python takes them, without any AWS settings but those given."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    surroundings |= {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1", **AWS_CLI}
    command = [sys.executable, "-c", lines] if python else ["bash", "-c", f"set -eu\n{lines}"]
    done = subprocess.run(
        command, cwd=folder, env=surroundings | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def server():
    with EmbeddedServer() as running:
        yield running


class TestTheSameCall:
    @pytest.mark.parametrize("name", ["photo.jpg", ODD])
    @pytest.mark.parametrize("tool", [aws_cli, boto3_lines, curl])
    @pytest.mark.parametrize("variant", ["A", "B"])
    def test_the_reply_is_the_apps(self, server, tmp_path, tool, name, variant):
        """The lines for each tool bring the reply that smviz gets, whatever the file is called."""
        connection = Connection("us-east-1", server.url)
        request = Request("highway-demo", variant, custom_attributes='it\'s "so" $much')
        payload = prepare(IMAGE)
        (tmp_path / name).write_bytes(payload.body)
        call = Call(connection, request, payload.content_type, name, embedded=True)
        run(tool(call), tmp_path, python=tool is boto3_lines)
        assert (tmp_path / REPLY).read_bytes() == SageMaker(connection).invoke(request, payload).body

    @pytest.mark.parametrize("tool", [aws_cli, boto3_lines, curl])
    def test_every_parameter_travels(self, tmp_path, tool):
        """Variant, component, model, container, types and attributes arrive as the very headers that smviz sends."""
        request = Request(
            "e", "V", "text/csv", "application/x-image", "component", "model.tar.gz", "container", "a=1; b='2'"
        )
        (tmp_path / "a.png").write_bytes(b"bytes\0\n\xff")
        with Listener() as listener:
            call = Call(Connection("eu-west-1", listener.url), request, "image/png", "a.png", embedded=True)
            run(tool(call), tmp_path, python=tool is boto3_lines)
            SageMaker(call.connection).invoke(request, prepare(IMAGE))
        (path, headers, body), (path_here, headers_here, _) = listener.kept
        assert (path, body) == ("/endpoints/e/invocations", b"bytes\0\n\xff")
        assert path == path_here
        named = {name.lower() for name in headers_here if name.lower().startswith("x-amzn-sagemaker")}
        assert len(named) == 5
        for name in named | {"accept", "content-type"}:
            assert headers[name] == headers_here[name]


class TestCurl:
    def test_the_signature_is_the_one_that_aws_makes(self, tmp_path):
        """curl signs as botocore does, with the keys and the token of the environment, and writes no key down."""
        name = "a b.jpg"
        (tmp_path / name).write_bytes(IMAGE)
        with Listener() as listener:
            connection = Connection("ap-southeast-2", listener.url)
            call = Call(connection, Request("highway-demo", "A", custom_attributes="a 'b' c"), "image/jpeg", name)
            lines = curl(call)
            run(lines, tmp_path, **KEYS)
        assert not any(key in lines for key in KEYS.values())
        ((path, headers, body),) = listener.kept
        signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        assert headers["x-amz-security-token"] == KEYS["AWS_SESSION_TOKEN"]
        request = AWSRequest("POST", listener.url + path, {name: headers[name] for name in signed}, body)
        request.context["timestamp"] = headers["x-amz-date"]
        auth = SigV4Auth(Credentials(*KEYS.values()), "sagemaker", "ap-southeast-2")
        canonical = auth.canonical_request(request)
        expected = auth.signature(auth.string_to_sign(request, canonical), request)
        assert headers["authorization"].endswith(f"Signature={expected}")

    @pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"])
    def test_the_address_is_that_of_the_region(self, region):
        """Without an address of one's own it is SageMaker's, in every partition."""
        client = MODELS.create_client(
            "sagemaker-runtime", region, aws_access_key_id="none", aws_secret_access_key="none"
        )
        lines = curl(Call(Connection(region), Request("e"), "image/jpeg", "a.jpg"))
        assert f" {client.meta.endpoint_url}/endpoints/e/invocations " in lines

    def test_the_keys_of_a_profile_are_exported_first(self):
        """A profile's keys come from the AWS CLI."""
        lines = curl(Call(Connection("us-east-1", profile="my profile"), Request("e"), "image/jpeg", "a.jpg"))
        assert lines.startswith(
            """eval "$(aws configure export-credentials --profile 'my profile' --format env)" &&\n"""
        )


STUB = """aws() { echo "$*" >> calls.txt; case "$2" in assume-role) echo "export AWS_ACCESS_KEY_ID=K";; esac; }; """


class TestAsynchronous:
    REQUEST = Request("e", hosting="asynchronous", s3_input="s3://bucket/in put/")

    @pytest.mark.parametrize("tool", [aws_cli, boto3_lines, curl])
    def test_inline(self, tmp_path, tool):
        """Without a place in S3 the image travels in the call, to the address of asynchronous calls."""
        (tmp_path / "a.jpg").write_bytes(IMAGE)
        request = Request("highway-demo", hosting="asynchronous", accept="text/csv")
        with Listener() as listener:
            lines = tool(Call(Connection("us-east-1", listener.url), request, "image/jpeg", "a.jpg", embedded=True))
            run(lines.replace('print(answer["OutputLocation"])', ""), tmp_path, python=tool is boto3_lines)
        ((path, headers, body),) = listener.kept
        assert (path, body) == ("/endpoints/highway-demo/async-invocations", IMAGE)
        assert headers["X-Amzn-SageMaker-Content-Type"] == "image/jpeg"
        assert headers["X-Amzn-SageMaker-Accept"] == "text/csv"

    def test_the_image_is_put_into_s3_first(self, tmp_path):
        """With a place in S3, the CLI copies the image there, then names it in the call."""
        call = Call(Connection("us-east-1", profile="dev"), self.REQUEST, "image/jpeg", ODD)
        run(STUB + aws_cli(call), tmp_path)
        copied, called = (tmp_path / "calls.txt").read_text().splitlines()
        assert copied.startswith(f"s3 cp ./{ODD} s3://bucket/in put/{ODD} --content-type image/jpeg --region us-east-1")
        assert f"--input-location s3://bucket/in put/{ODD}" in called
        assert copied.endswith("--profile dev")
        assert "--profile dev" in called
        assert "--body" not in called


class TestARole:
    def test_is_taken_first(self, tmp_path):
        """A role is assumed with the profile's keys; what follows uses the role's, and no profile's."""
        connection = Connection("us-east-1", profile="dev", role="arn:aws:iam::123456789012:role/looks")
        lines = aws_cli(Call(connection, Request("e"), "image/jpeg", "a.jpg"))
        run(STUB + lines + 'echo "$AWS_ACCESS_KEY_ID" > key.txt', tmp_path)
        assumed, called = (tmp_path / "calls.txt").read_text().splitlines()
        assert "--role-arn arn:aws:iam::123456789012:role/looks" in assumed
        assert "--profile dev" in assumed
        assert "--profile" not in called
        assert (tmp_path / "key.txt").read_text() == "K\n"

    def test_the_query_makes_export_lines(self, tmp_path):
        """What the CLI is asked to print of STS's answer are the three keys, ready for the shell."""
        connection = Connection("us-east-1", role="arn:aws:iam::123456789012:role/looks")
        lines = aws_cli(Call(connection, Request("e"), "image/jpeg", "a.jpg"))
        stub = 'aws() { for last; do :; done; printf %s "$last" >> query.txt; }; '
        run(stub + lines.split(" &&\n")[0], tmp_path)
        answer = {"Credentials": {"AccessKeyId": "K", "SecretAccessKey": "S/+", "SessionToken": "T=="}}
        printed = jmespath.search((tmp_path / "query.txt").read_text(), json.loads(json.dumps(answer)))
        assert printed == "export AWS_ACCESS_KEY_ID=K AWS_SECRET_ACCESS_KEY=S/+ AWS_SESSION_TOKEN=T=="

    def test_boto3_takes_it_too(self):
        """The script assumes the role and makes its session of the keys that it gets."""
        connection = Connection("us-east-1", role="arn:aws:iam::123456789012:role/looks")
        lines = boto3_lines(Call(connection, Request("e"), "image/jpeg", "a.jpg"))
        compile(lines, "lines", "exec")
        assert lines.index("assume_role") < lines.index('aws_session_token=role["Credentials"]["SessionToken"]')
