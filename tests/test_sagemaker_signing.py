"""What is signed is what is sent: a server checks the signature over the bytes that arrive."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from smviz.errors import ModelError, SmvizError, Throttled, Unreachable
from smviz.images import prepare
from smviz.local import SAMPLES
from smviz.sagemaker import SageMaker
from smviz.sagemaker.invoking import Invocations
from smviz.settings import Connection, Request

IMAGES = [prepare(path.read_bytes(), path.name) for path in SAMPLES.images[:3]]
EMBEDDED = Credentials("embedded", "embedded")  # with which every call of this machine's own server is signed
OF_ONE_CALL = {
    "Authorization",
    "X-Amz-Date",
    "X-Amz-Content-SHA256",
    "Content-Length",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
}


def signature(handler, body, key):
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
    signer = SigV4Auth(key, "sagemaker", "us-east-1")
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = self.headers["Authorization"].rpartition("Signature=")[2]
        self.server.checked.append((told == signature(self, body, self.server.key), self.path, self.headers))
        status, headers, answer = self.server.answers.pop(0) if self.server.answers else (200, {}, b"{}")
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(answer))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
        self.close_connection = int(headers.get("Content-Length", 0)) > len(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.checked, server.answers, server.key = [], [], EMBEDDED
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def door(server):
    return SageMaker(Connection("us-east-1", f"http://127.0.0.1:{server.server_port}"))


class TestSignature:
    def test_covers_the_bytes_that_are_sent(self, server, door):
        """Each image is signed with its own digest, whichever thread sends it and however many."""
        requests = [threading.Thread(target=door.invoke, args=(Request("e"), image)) for image in IMAGES * 4]
        for thread in requests:
            thread.start()
        for thread in requests:
            thread.join()
        assert [right for right, *_ in server.checked] == [True] * 12

    def test_is_not_that_of_another_body(self, server, door):
        """A digest that is not the body's is told by the server: the checks here can fail."""
        door.invoke(Request("e"), IMAGES[0])
        given = {"EndpointName": "e", "ContentType": IMAGES[0].content_type, "Accept": "application/json"}
        door.clients.invocations(given, IMAGES[1].body, hashlib.sha256(b"something else").hexdigest())
        assert [right for right, *_ in server.checked] == [True, False]

    def test_is_of_credentials_that_hold(self, server, door):
        """Credentials that were renewed sign the next call, with their session token."""
        held = [EMBEDDED]
        invocations = Invocations(door.clients.of("sagemaker-runtime"), lambda: held[0])
        for key in (EMBEDDED, Credentials("A", "first", "one token"), Credentials("B", "second", "another")):
            held[0] = server.key = key
            invocations({"EndpointName": "e"}, IMAGES[0].body, IMAGES[0].sha256)
        assert [right for right, *_ in server.checked] == [True] * 3
        assert [headers["X-Amz-Security-Token"] for *_, headers in server.checked] == [None, "one token", "another"]

    def test_tells_who_calls(self, server, door):
        """AWS's logs name smviz and its version, with every call."""
        for image in IMAGES:
            door.invoke(Request("e"), image)
        assert [headers["User-Agent"].startswith("smviz/") for *_, headers in server.checked] == [True] * 3


class TestCallsAfterTheFirst:
    """boto3 makes the first call of a kind; the next ones are that one with another body."""

    EVERYTHING = Request(
        "an-endpoint",
        accept="text/csv",
        custom_attributes="a=1; b",
        variant="blue",
        container="second",
    )

    @pytest.mark.parametrize("request_", [Request("e"), EVERYTHING, Request("e", component="c")])
    def test_are_what_boto3_sends(self, server, door, request_):
        """Address and headers are boto3's, but for what is another with every call; and each is signed."""
        for image in IMAGES:
            door.invoke(request_, image)
        (first, *others) = [
            (path, {name: value for name, value in headers.items() if name not in OF_ONE_CALL})
            for _, path, headers in server.checked
        ]
        assert others == [first, first]
        assert all(right for right, *_ in server.checked)
        assert [headers["Content-Length"] for *_, headers in server.checked] == [
            str(len(image.body)) for image in IMAGES
        ]

    def test_of_another_kind_are_not_mixed_up(self, server, door):
        """Two endpoints, or two ways to call one, have nothing in common."""
        for request in (Request("a"), Request("b"), self.EVERYTHING, Request("a")) * 2:
            door.invoke(request, IMAGES[0])
        assert [(path.split("/")[2], headers["Accept"]) for _, path, headers in server.checked] == [
            ("a", "application/json"),
            ("b", "application/json"),
            ("an-endpoint", "text/csv"),
            ("a", "application/json"),
        ] * 2

    def test_have_the_same_answers(self, server, door):
        """Body, content type and variant are told as by the first one."""
        told = {"Content-Type": "text/csv", "x-Amzn-Invoked-Production-Variant": "blue"}
        server.answers = [(200, told, b"1,2"), (200, told, b"1,2"), (201, told, b"1,2"), (200, {}, b"")]
        replies = [door.invoke(Request("e"), IMAGES[0]) for _ in range(4)]
        assert [(reply.body, reply.content_type, reply.variant) for reply in replies] == [
            (b"1,2", "text/csv", "blue"),
            (b"1,2", "text/csv", "blue"),
            (b"1,2", "text/csv", "blue"),
            (b"", "", None),
        ]

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ((429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message": "Rate exceeded"}'), Throttled),
            (
                (
                    424,
                    {"x-amzn-errortype": "ModelError"},
                    b'{"OriginalStatusCode": 500, "OriginalMessage": "boom", "LogStreamArn": "arn:aws:logs:a:1:b"}',
                ),
                ModelError,
            ),
            ((403, {"x-amzn-errortype": "ExpiredTokenException"}, b'{"message": "expired"}'), SmvizError),
            ((500, {}, b"<html>no JSON</html>"), SmvizError),
            ((301, {"Location": "http://elsewhere"}, b""), SmvizError),
            ((200, {"Content-Length": "100"}, b"too short"), Unreachable),
        ],
    )
    def test_have_the_same_errors(self, server, door, answer, error):
        """An error is the same whether the first call or a later one meets it; and the next call is good again."""
        server.answers = [answer, (200, {}, b"{}"), answer]
        caught = []
        for _ in range(2):
            with pytest.raises(error) as each:
                door.invoke(Request("e"), IMAGES[0])
            caught.append((type(each.value), each.value.message, each.value.advice))
            assert door.invoke(Request("e"), IMAGES[0]).body == b"{}"
        assert caught[0] == caught[1]
        assert len(server.checked) == 4, "no answer was asked for twice"

    def test_without_a_server(self, server, door):
        """A server that is gone is told as one that never was."""
        door.invoke(Request("e"), IMAGES[0])
        server.shutdown()
        server.server_close()
        door.clients.invocations._session.close()  # the server's open connections would still be served
        with pytest.raises(Unreachable):
            door.invoke(Request("e"), IMAGES[0])
