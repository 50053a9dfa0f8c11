"""Invocations of the embedded endpoint, called by boto3 over a real socket."""

from __future__ import annotations

import functools
import gzip
import io
import json
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from PIL import Image

from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES, EmbeddedServer, Faults

SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
CONFIG = Config(proxies={}, retries={"total_max_attempts": 1})
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        yield server


@pytest.fixture(scope="module")
def image() -> bytes:
    return SAMPLES.images[0].read_bytes()


@functools.cache
def client(service: str, server: EmbeddedServer):
    return SESSION.client(service, endpoint_url=server.url, config=CONFIG)


def invoke(server: EmbeddedServer, body: bytes, **asked):
    asked = {"EndpointName": DEMO_ENDPOINT, "ContentType": "image/jpeg"} | asked
    return client("sagemaker-runtime", server).invoke_endpoint(Body=body, **asked)


def reply(answer) -> dict:
    return json.loads(answer["Body"].read())


def refused(server: EmbeddedServer, body: bytes, **asked) -> dict:
    """The error that an invocation ends with, as boto3 tells it."""
    with pytest.raises(ClientError) as caught:
        invoke(server, body, **asked)
    return caught.value.response


def post(server: EmbeddedServer, body: bytes, **headers: str) -> bytes:
    """An invocation with headers that boto3 would not send."""
    url = f"{server.url}/endpoints/{DEMO_ENDPOINT}/invocations"
    request = urllib.request.Request(url, body, {"Content-Type": "image/jpeg", **headers})
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).read()


def encoded(kind: str, size: tuple[int, int] = (64, 48), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


class TestReply:
    def test_has_the_shape_of_the_built_in_container(self, server, image):
        """A reply is {"prediction": rows}; a row is class, score, xmin, ymin, xmax, ymax, all of them floats."""
        answer = invoke(server, image)
        assert answer["ContentType"] == "application/json"
        body = reply(answer)
        assert list(body) == ["prediction"]
        for row in body["prediction"]:
            assert [type(value) for value in row] == [float] * 6
            class_id, score, xmin, ymin, xmax, ymax = row
            assert class_id in range(len(DEMO_CLASSES))
            assert 0.01 <= score <= 1
            assert 0 <= xmin < xmax <= 1
            assert 0 <= ymin < ymax <= 1

    def test_has_many_rows_of_low_score(self, server, image):
        """Only the faintest rows are left out: most are below 0.1. They come by descending score, 200 at most."""
        scores = [row[1] for row in reply(invoke(server, image))["prediction"]]
        assert scores == sorted(scores, reverse=True)
        assert 20 < len(scores) <= 200
        assert sum(score < 0.1 for score in scores) > len(scores) / 2
        assert scores[0] > 0.5

    def test_annotation_form(self, server, image):
        """With Accept application/json;annotation=1 the same rows come as left, top, width, height in pixels."""
        with Image.open(io.BytesIO(image)) as opened:
            width, height = opened.size
        rows = reply(invoke(server, image))["prediction"]
        body = reply(invoke(server, image, Accept="application/json;annotation=1"))
        assert body["image_size"] == [{"width": width, "height": height, "depth": 3}]
        class_id, score, xmin, ymin, xmax, ymax = rows[0]
        first = body["annotations"][0]
        assert (first["class_id"], first["score"]) == (class_id, score)
        right, bottom = first["left"] + first["width"], first["top"] + first["height"]
        corners = [first["left"] / width, first["top"] / height, right / width, bottom / height]
        assert corners == pytest.approx([xmin, ymin, xmax, ymax], abs=1 / min(width, height))
        assert len(body["annotations"]) == len(rows)

    @pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "application/x-image", "Image/JPEG; q=1"])
    def test_content_types(self, server, image, content_type):
        """JPEG, PNG and the generic image type are taken, and say nothing about how the body is read."""
        assert reply(invoke(server, image, ContentType=content_type)) == reply(invoke(server, image))

    @pytest.mark.parametrize("accept", ["application/json", "*/*", "text/csv, application/json", "application/*;q=0.5"])
    def test_accept(self, server, image, accept):
        """Every Accept header that allows JSON gets the usual reply."""
        assert "prediction" in reply(invoke(server, image, Accept=accept))

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
    def test_png_of_every_mode(self, server, mode):
        """Grey, palette, transparent and 16-bit images are read as well as RGB."""
        assert "prediction" in reply(invoke(server, encoded("PNG", mode=mode)))

    @pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
    def test_images_of_extreme_shape(self, server, size):
        """An image of one pixel, row or column gets a reply."""
        assert "prediction" in reply(invoke(server, encoded("PNG", size)))

    def test_custom_attributes_and_request_id_come_back(self, server, image):
        """CustomAttributes is handed back, and every answer carries a request id."""
        answer = invoke(server, image, CustomAttributes="trace=42")
        assert answer["CustomAttributes"] == "trace=42"
        assert answer["ResponseMetadata"]["RequestId"]

    def test_gzip_body(self, server, image):
        """A body compressed with gzip gets the reply of the plain one."""
        assert json.loads(post(server, gzip.compress(image), **{"Content-Encoding": "gzip"})) == reply(
            invoke(server, image)
        )


class TestVariants:
    def test_target_variant_answers(self, server, image):
        """TargetVariant chooses the detector: A and B answer differently, and each says who it is."""
        answers = {name: invoke(server, image, TargetVariant=name) for name in "AB"}
        assert [answer["InvokedProductionVariant"] for answer in answers.values()] == ["A", "B"]
        assert reply(answers["A"]) != reply(answers["B"])

    def test_without_target_the_weights_decide(self, image):
        """Traffic without TargetVariant is split by weight: 1 to 3 here, never to a variant of weight 0."""
        with EmbeddedServer(delay=0) as server:
            sagemaker = client("sagemaker", server)
            variants = [
                {
                    "VariantName": name,
                    "ModelName": model,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "InitialVariantWeight": weight,
                }
                for name, model, weight in (("x", "highway-a", 1), ("y", "highway-b", 3), ("z", "highway-a", 0))
            ]
            sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=variants)
            sagemaker.create_endpoint(EndpointName="ab", EndpointConfigName="c")
            tiny = encoded("JPEG")
            drawn = Counter(invoke(server, tiny, EndpointName="ab")["InvokedProductionVariant"] for _ in range(40))
        assert set(drawn) == {"x", "y"}
        assert 2 <= drawn["x"] <= 18

    def test_demo_traffic_goes_to_a(self, server):
        """Without TargetVariant, highway-demo answers from variant A."""
        tiny = encoded("JPEG")
        assert {invoke(server, tiny)["InvokedProductionVariant"] for _ in range(10)} == {"A"}

    def test_artefact_chooses_the_detector(self, image):
        """A model whose artefact ends in highway-b.onnx is detector B; any other one is detector A."""
        with EmbeddedServer(delay=0) as server:
            sagemaker = client("sagemaker", server)
            for name, artefact in (("mine-b", "s3://bucket/highway-b.onnx"), ("mine", "s3://bucket/model.tar.gz")):
                container = {"Image": "a:1", "ModelDataUrl": artefact}
                sagemaker.create_model(ModelName=name, PrimaryContainer=container)
                variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large"}
                sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
                sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
            for name, demo in (("mine-b", "B"), ("mine", "A")):
                assert reply(invoke(server, image, EndpointName=name)) == reply(
                    invoke(server, image, TargetVariant=demo)
                )


class TestRefusals:
    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"EndpointName": "nope"}, "Endpoint nope of account 000000000000 not found."),
            ({"TargetVariant": "C"}, "Variant C of endpoint highway-demo of account 000000000000 not found."),
            ({"TargetModel": "m.tar.gz"}, "is not a multi-model endpoint and does not support target model header."),
            ({"InferenceComponentName": "part"}, "has no inference components."),
        ],
    )
    def test_what_the_endpoint_does_not_have(self, server, image, asked, words):
        """Unknown endpoints and variants, target models and inference components get a ValidationError, HTTP 400."""
        error = refused(server, image, **asked)
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationError", 400)
        assert error["Error"]["Message"].endswith(words)

    def test_an_endpoint_that_is_not_in_service(self, image):
        """Creating and Deleting endpoints refuse with a ValidationError; an Updating one still answers."""
        with EmbeddedServer(delay=60) as server:
            sagemaker = client("sagemaker", server)
            sagemaker.create_endpoint(EndpointName="new", EndpointConfigName=DEMO_ENDPOINT)
            error = refused(server, image, EndpointName="new")["Error"]
            assert error["Code"] == "ValidationError"
            assert "not in service: its status is Creating" in error["Message"]
            sagemaker.update_endpoint(EndpointName=DEMO_ENDPOINT, EndpointConfigName=DEMO_ENDPOINT)
            assert invoke(server, image)["InvokedProductionVariant"] == "A"
        with EmbeddedServer(delay=60) as server:
            client("sagemaker", server).delete_endpoint(EndpointName=DEMO_ENDPOINT)
            assert "status is Deleting" in refused(server, image)["Error"]["Message"]

    @pytest.mark.parametrize("size", [25 * MEBIBYTE + 1, 40 * MEBIBYTE])
    def test_a_body_over_25_mb_is_413(self, server, size):
        """A body over the limit gets HTTP 413, which boto3 shows as the code "413", even while it is still sending."""
        error = refused(server, bytes(size))
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("413", 413)
        assert error["Error"]["Message"] == "HTTP content length exceeded 26214400 bytes."

    def test_a_body_of_25_mb_reaches_the_container(self, server):
        """A body of exactly the limit is taken."""
        assert refused(server, bytes(25 * MEBIBYTE))["OriginalStatusCode"] == 415

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (gzip.compress(bytes(26 * MEBIBYTE)), 413),
            (b"no gzip", 400),
            (gzip.compress(bytes(1000))[:-9], 400),
        ],
        ids=["bomb", "plain", "truncated"],
    )
    def test_bad_gzip(self, server, body, status):
        """What unpacks to more than the limit is 413; what does not unpack is a ValidationError, 400."""
        with pytest.raises(HTTPError) as caught:
            post(server, body, **{"Content-Encoding": "gzip"})
        assert caught.value.code == status

    def test_a_client_that_leaves_while_sending(self, server, image):
        """A connection that breaks in the middle of a request does no harm to the next one."""
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(f"POST /endpoints/{DEMO_ENDPOINT}/invocations HTTP/1.1\r\nHost: x\r\n".encode())
            connection.sendall(b"Content-Length: 1000\r\n\r\nhalf")
        assert invoke(server, image)["InvokedProductionVariant"] == "A"


class TestContainerErrors:
    def error(self, server: EmbeddedServer, body: bytes, **asked) -> dict:
        error = refused(server, body, **asked)
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
        status, message = error["OriginalStatusCode"], error["OriginalMessage"]
        assert error["Error"]["Message"] == f'Received client error ({status}) from primary with message "{message}".'
        assert error["LogStreamArn"].endswith(f":log-group:/aws/sagemaker/Endpoints/{DEMO_ENDPOINT}")
        return error

    @pytest.mark.parametrize("content_type", ["text/csv", "application/json", "image/webp", ""])
    def test_other_content_types_are_415(self, server, image, content_type):
        """A content type that is no JPEG, PNG or x-image is refused by the container, whatever the body is."""
        assert self.error(server, image, ContentType=content_type)["OriginalStatusCode"] == 415

    @pytest.mark.parametrize(
        "body",
        [b"", b"hello", b"\xff\xd8\xff", encoded("GIF"), encoded("BMP"), encoded("JPEG")[:-300], encoded("PNG")[:60]],
        ids=["empty", "text", "magic", "gif", "bmp", "half a jpeg", "half a png"],
    )
    def test_what_is_no_image_is_415(self, server, body):
        """Bytes that are no complete JPEG or PNG are refused by the container."""
        assert self.error(server, body)["OriginalStatusCode"] == 415

    def test_too_many_pixels_is_400(self, server):
        """A small file of a hundred million pixels is refused before it is decoded."""
        bomb = encoded("PNG", (20_000, 10_000), mode="1")
        assert len(bomb) < MEBIBYTE
        assert self.error(server, bomb)["OriginalStatusCode"] == 400

    @pytest.mark.parametrize("accept", ["text/csv", "image/png", "application/jsonlines"])
    def test_no_json_accepted_is_406(self, server, image, accept):
        """A client that accepts no JSON is refused by the container."""
        assert self.error(server, image, Accept=accept)["OriginalStatusCode"] == 406


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "code", "status", "message"),
        [
            ("throttle", "ThrottlingException", 400, None),
            ("error", "InternalFailure", 500, "An internal failure occurred."),
            ("unavailable", "ServiceUnavailable", 503, "The service is unavailable. Try your call again."),
            (
                "model",
                "ModelError",
                424,
                'Received server error (500) from primary with message "Internal Server Error".',
            ),
        ],
    )
    def test_error_answers(self, kind, code, status, message):
        """Each kind of fault has the code, HTTP status and message of AWS; a throttle has no message."""
        with EmbeddedServer(faults=Faults.parse(f"{kind}=1")) as server:
            error = refused(server, encoded("JPEG"))
        assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
        assert error["Error"]["Message"] == message

    def test_reset(self):
        """A reset closes the connection without an answer."""
        with EmbeddedServer(faults=Faults.parse("reset=1")) as server, pytest.raises(ConnectionClosedError):
            invoke(server, encoded("JPEG"))

    def test_bad(self):
        """A bad answer is HTTP 200 with JSON that breaks off."""
        with EmbeddedServer(faults=Faults.parse("bad=1")) as server:
            answer = invoke(server, encoded("JPEG"))
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        with pytest.raises(json.JSONDecodeError):
            reply(answer)

    def test_slow(self):
        """A slow answer is right, and two seconds late."""
        with EmbeddedServer(faults=Faults.parse("slow=1")) as server:
            start = time.monotonic()
            assert "prediction" in reply(invoke(server, encoded("JPEG")))
        assert time.monotonic() - start >= 2

    def test_shares_are_kept_and_repeatable(self):
        """About the given share of the invocations fails, and the same ones in every server: the draws are seeded."""

        def outcomes() -> str:
            with EmbeddedServer(faults=Faults.parse("throttle=0.4")) as server:
                url = f"{server.url}/endpoints/{DEMO_ENDPOINT}/invocations"
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                codes = []
                for _ in range(60):
                    with pytest.raises(HTTPError) as caught:
                        opener.open(urllib.request.Request(url, b"no image"), timeout=10)
                    codes.append(caught.value.code)
            return "".join("F" if code == 400 else "." for code in codes)

        first = outcomes()
        assert 12 <= first.count("F") <= 36
        assert outcomes() == first


def test_latency_is_added_to_every_invocation():
    """With a latency of 0.3 seconds no invocation takes less, and eight at once do not queue for it."""
    body = encoded("JPEG")
    with EmbeddedServer(latency=0.3) as server:
        invoke(server, body)
        start = time.monotonic()
        invoke(server, body)
        assert time.monotonic() - start >= 0.3
        threads = [threading.Thread(target=invoke, args=(server, body)) for _ in range(8)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - start < 8 * 0.3


def test_eight_threads_get_the_same_reply(server, image):
    """Invocations at the same time do not mix: each gets the reply that a lone one gets."""
    expected = reply(invoke(server, image))
    replies = []
    threads = [threading.Thread(target=lambda: replies.append(reply(invoke(server, image)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [expected] * 8


def test_the_event_loop_stays_free_while_detectors_run(server, image):
    """The control plane answers while all detectors are busy."""
    busy = [threading.Thread(target=invoke, args=(server, image)) for _ in range(8)]
    for thread in busy:
        thread.start()
    client("sagemaker", server).list_endpoints()
    assert any(thread.is_alive() for thread in busy)
    for thread in busy:
        thread.join()
