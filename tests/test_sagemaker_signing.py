"""What is signed is what is sent: a server checks the signature over the bytes that arrive."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from smviz.images import prepare
from smviz.local import SAMPLES
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Request

KEY = Credentials("AKIDEXAMPLE", "a secret of nobody")
IMAGES = [prepare(path.read_bytes(), path.name) for path in SAMPLES.images[:3]]


def signature(handler, body):
    """The signature that SigV4 asks for: of the headers that were signed, and of the body as it arrived."""
    _, _, given = handler.headers["Authorization"].partition("SignedHeaders=")
    names = given.split(",")[0].split(";")
    request = AWSRequest("POST", f"http://{handler.headers['Host']}{handler.path}", data=body)
    headers = HTTPHeaders()
    for name in names:
        headers[name] = hashlib.sha256(body).hexdigest() if name == "x-amz-content-sha256" else handler.headers[name]
    request.headers = headers
    request.context["timestamp"] = handler.headers["X-Amz-Date"]
    assert SIGV4_TIMESTAMP == "%Y%m%dT%H%M%SZ"
    signer = SigV4Auth(KEY, "sagemaker", "us-east-1")
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = self.headers["Authorization"].rpartition("Signature=")[2]
        self.server.checked.append((told == signature(self, body), self.headers))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.checked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def door(server, monkeypatch):
    """A client that signs with a key of its own, as it does on AWS, and whose calls go to the server."""
    door = SageMaker(Connection("us-east-1", f"http://127.0.0.1:{server.server_port}"))
    monkeypatch.setattr(door.clients.of("sagemaker-runtime")._request_signer, "_credentials", KEY)
    return door


class TestSignature:
    def test_covers_the_bytes_that_are_sent(self, server, door):
        """Each image is signed with its own digest, whichever thread sends it and however many."""
        requests = [threading.Thread(target=door.invoke, args=(Request("e"), image)) for image in IMAGES * 4]
        for thread in requests:
            thread.start()
        for thread in requests:
            thread.join()
        assert [right for right, _ in server.checked] == [True] * 12

    def test_is_not_that_of_another_body(self, server, door):
        """A digest that is not the body's is told by the server: the check above can fail."""
        door.clients.announce(hashlib.sha256(b"something else").hexdigest())
        door.clients.of("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=IMAGES[0].body)
        assert [right for right, _ in server.checked] == [False]

    def test_needs_no_announcement(self, server, door):
        """A body that nobody announced is hashed by botocore; an announcement holds for one call."""
        door.invoke(Request("e"), IMAGES[0])
        door.clients.of("sagemaker-runtime").invoke_endpoint(EndpointName="e", Body=IMAGES[1].body)
        assert [right for right, _ in server.checked] == [True, True]

    def test_tells_who_calls(self, server, door):
        """AWS's logs name smviz and its version."""
        door.invoke(Request("e"), IMAGES[0])
        assert server.checked[0][1]["User-Agent"].startswith("smviz/")
