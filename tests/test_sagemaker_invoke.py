"""Invocation: each kind of endpoint is called as it must be, and nothing too large is sent."""

import io
import itertools

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from moto import mock_aws

from smviz import errors
from smviz.records import Payload
from smviz.sagemaker import INLINE, MAX_BODY, SageMaker, size_verdict
from smviz.sagemaker.asynchronous import AsyncInvocation
from smviz.settings import Connection, Request

MB = 2**20
JPEG = b"\xff\xd8 a jpeg \xff\xd9"
OUT, FAILED = "s3://answers/out/1.out", "s3://answers/failures/1-error.out"


def payload(body: bytes = JPEG) -> Payload:
    return Payload(body, "image/jpeg", 10, 10, "ab" * 32)


@pytest.fixture(scope="module")
def door():
    """One door for all tests: what it sends is stubbed, and nobody listens at its address."""
    return SageMaker(Connection("us-east-1", "http://127.0.0.1:9"))


def invoke(door: SageMaker, request: Request, sent: dict, **answer: str):
    """The reply to a request that must be sent with exactly these parameters."""
    body = StreamingBody(io.BytesIO(b"{}"), 2)
    with Stubber(door.clients.of("sagemaker-runtime")) as stub:
        stub.add_response("invoke_endpoint", {"Body": body, **answer}, {"Body": JPEG, **sent})
        reply = door.invoke(request, payload())
        stub.assert_no_pending_responses()
    return reply


class TestParameters:
    BASE = {"EndpointName": "od", "ContentType": "image/jpeg", "Accept": "application/json"}

    @pytest.mark.parametrize(
        ("request_", "sent"),
        [
            (Request("od"), {}),
            (Request("od", "blue"), {"TargetVariant": "blue"}),
            (Request("od", hosting="serverless"), {}),
            (Request("od", hosting=""), {}),
            (Request("od", target_model="a/model.tar.gz"), {"TargetModel": "a/model.tar.gz"}),
            (Request("od", component="detector"), {"InferenceComponentName": "detector"}),
            (Request("od", container="second"), {"TargetContainerHostname": "second"}),
            (Request("od", custom_attributes='{"threshold":0.2}'), {"CustomAttributes": '{"threshold":0.2}'}),
            (Request("od", content_type="application/x-image"), {"ContentType": "application/x-image"}),
            (Request("od", accept="application/json;verbose"), {"Accept": "application/json;verbose"}),
            (Request("od", variant="", target_model="", component="", container="", custom_attributes=""), {}),
        ],
    )
    def test_of_every_kind_are_sent_and_no_others(self, door, request_, sent):
        """Each kind of endpoint needs its own parameter; what is empty is not sent at all."""
        invoke(door, request_, self.BASE | sent)

    def test_the_variant_that_answered_is_recorded(self, door):
        """Of an A/B endpoint the reply says which variant answered, also when none was asked for."""
        reply = invoke(door, Request("od"), self.BASE, InvokedProductionVariant="green", ContentType="application/json")
        assert (reply.variant, reply.content_type, reply.body) == ("green", "application/json", b"{}")

    def test_an_answer_that_does_not_tell_its_variant_has_none(self, door):
        """Nothing is made up where the endpoint does not tell."""
        assert invoke(door, Request("od"), self.BASE).variant is None

    @pytest.mark.parametrize(
        "request_",
        [
            Request("od", custom_attributes="a\r\nX-Evil: 1"),
            Request("od", custom_attributes="größer"),
            Request("od", custom_attributes="x" * 1025),
            Request("od", "v" * 64),
            Request("od", component="c\n"),
            Request("o" * 64),
        ],
    )
    def test_that_could_not_travel_as_a_header_are_refused(self, door, request_):
        """botocore does not look at lengths and characters, so they are looked at before."""
        with pytest.raises(errors.InvalidRequest, match="printable ASCII"):
            door.invoke(request_, payload())

    def test_without_an_endpoint_are_refused(self, door):
        """An empty name is told as such, not as a traceback."""
        with pytest.raises(errors.InvalidRequest, match="EndpointName"):
            door.invoke(Request(""), payload())

    def test_a_body_that_breaks_off_is_unreachable(self, door):
        """An answer shorter than it was announced may be whole next time."""
        with Stubber(door.clients.of("sagemaker-runtime")) as stub:
            stub.add_response("invoke_endpoint", {"Body": StreamingBody(io.BytesIO(b"{"), 100)})
            with pytest.raises(errors.Unreachable) as caught:
                door.invoke(Request("od"), payload())
        assert caught.value.passing


class TestSizeVerdict:
    @pytest.mark.parametrize(
        ("hosting", "inline", "limit"),
        [
            ("real-time", False, MAX_BODY),
            ("serverless", False, 4 * MB),
            ("asynchronous", False, 1024 * MB),
            ("asynchronous", True, INLINE),
        ],
    )
    def test_every_hosting_has_its_limit(self, hosting, inline, limit):
        """The limit itself fits; one byte more does not, and a sentence says so."""
        assert size_verdict(hosting, limit, inline).ok
        above = size_verdict(hosting, limit + 1, inline)
        assert (above.ok, above.limit) == (False, limit)
        assert f"{limit + 1:,} bytes" in above.warning

    def test_real_time_warns_from_6_mb_on(self):
        """Endpoints took 6 MB formerly, and something on the way may still."""
        assert size_verdict("real-time", 6 * MB).warning == ""
        assert "6 MB formerly" in size_verdict("real-time", 6 * MB + 1).warning

    @pytest.mark.parametrize("hosting", ["serverless", "asynchronous"])
    def test_what_fits_elsewhere_needs_no_word(self, hosting):
        """Only real-time endpoints ever had another limit."""
        assert size_verdict(hosting, 4 * MB).warning == ""

    def test_an_unknown_hosting_is_told(self):
        """A typing error is a bad setting that names the choices."""
        with pytest.raises(errors.BadSetting, match="serverless"):
            size_verdict("server", 1)

    @pytest.mark.parametrize(
        ("request_", "size", "limit"),
        [
            (Request("od"), 25 * MB + 1, "25 MB"),
            (Request("od", hosting="serverless"), 4 * MB + 1, "4 MB"),
            (Request("od", hosting="asynchronous"), 128_001, "128,000 bytes inline"),
        ],
    )
    def test_what_does_not_fit_is_never_sent(self, door, request_, size, limit):
        """The call is refused before a connection is opened: nobody listens at this address."""
        with pytest.raises(errors.PayloadTooLarge, match=limit):
            door.invoke(request_, payload(b"\0" * size))


class Time:
    """A clock that only sleeping moves, with something to do at every sleep."""

    def __init__(self, at_sleep=lambda count: None):
        self.now, self.sleeps, self.at_sleep = 0.0, 0, at_sleep

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.sleeps += 1
        self.at_sleep(self.sleeps)


@pytest.fixture(scope="module")
def aws():
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.delenv("AWS_PROFILE", raising=False)
        yield boto3.Session()


@pytest.fixture
def s3(aws):
    """moto's S3 with the two buckets, empty."""
    client = aws.client("s3", region_name="us-east-1")
    for bucket in ("answers", "images"):
        client.create_bucket(Bucket=bucket)
    yield client
    for bucket in aws.resource("s3", region_name="us-east-1").buckets.all():
        bucket.objects.delete()
        bucket.delete()


RUNTIME = SageMaker(Connection("us-east-1", "http://127.0.0.1:9")).clients.of("sagemaker-runtime")


def call(s3, time: Time, request: Request, sent: dict, failure: str | None = FAILED, patience: float = 60.0):
    """One asynchronous call whose request must be sent with exactly these parameters."""
    taken = {"InferenceId": "1", "OutputLocation": OUT} | ({"FailureLocation": failure} if failure else {})
    with Stubber(RUNTIME) as stub:
        expected = {"EndpointName": "od", "ContentType": "image/jpeg", "Accept": "application/json", **sent}
        stub.add_response("invoke_endpoint_async", taken, expected)
        reply = AsyncInvocation(RUNTIME, s3, time.clock, time.sleep, patience)(request, payload())
        stub.assert_no_pending_responses()
    return reply


def put(s3, uri: str, body: bytes) -> None:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


REQUEST = Request("od", hosting="asynchronous")


class TestAsynchronous:
    def test_an_image_goes_through_s3_in_and_out(self, s3):
        """The image is uploaded under its content's name, and the answer read when it appears at the second look."""
        time = Time(lambda count: count == 2 and put(s3, OUT, b'{"prediction": []}'))
        request = Request("od", hosting="asynchronous", s3_input="s3://images/in/")
        place = f"s3://images/in/{payload().sha256}"
        reply = call(s3, time, request, {"InputLocation": place})
        assert (reply.body, reply.content_type, reply.variant) == (b'{"prediction": []}', "application/json", None)
        assert (time.sleeps, reply.latency) == (2, 0.5 + 0.75)
        uploaded = s3.get_object(Bucket="images", Key=f"in/{payload().sha256}")
        assert (uploaded["Body"].read(), uploaded["ContentType"]) == (JPEG, "image/jpeg")

    def test_a_small_image_may_go_inline(self, s3):
        """Without a place in S3 the body itself is sent."""
        put(s3, OUT, b"{}")
        assert call(s3, Time(), REQUEST, {"Body": JPEG}).body == b"{}"

    def test_custom_attributes_go_along(self, s3):
        """CustomAttributes, Accept and ContentType exist here too."""
        put(s3, OUT, b"{}")
        request = Request("od", None, "text/csv", "image/png", custom_attributes="a=1", hosting="asynchronous")
        sent = {"Body": JPEG, "Accept": "text/csv", "ContentType": "image/png", "CustomAttributes": "a=1"}
        call(s3, Time(), request, sent)

    def test_a_failure_is_the_containers_own(self, s3):
        """What appears at the failure location is a ModelError with its words and status."""
        text = b'Received server error (500) from model with message "no boxes today".'
        with pytest.raises(errors.ModelError, match="no boxes today") as caught:
            call(s3, Time(lambda count: count == 2 and put(s3, FAILED, text)), REQUEST, {"Body": JPEG})
        assert caught.value.status == 500

    def test_a_failure_of_any_bytes_is_told(self, s3):
        """Words without a status, and bytes that are no text, are shown as they are."""
        put(s3, FAILED, b"\xff oops")
        with pytest.raises(errors.ModelError, match="container failed") as caught:
            call(s3, Time(), REQUEST, {"Body": JPEG})
        assert caught.value.status == 0
        assert "in time" not in caught.value.advice

    def test_an_answer_that_never_comes_ends_in_time(self, s3):
        """After the patience the error names both places, and trying again would run the model again."""
        time = Time()
        with pytest.raises(errors.TimedOut, match="within 60 seconds") as caught:
            call(s3, time, REQUEST, {"Body": JPEG})
        assert 60 <= time.now <= 65
        assert OUT in caught.value.advice
        assert FAILED in caught.value.advice
        assert not caught.value.passing

    def test_without_a_failure_path_that_is_said(self, s3):
        """A config without S3FailurePath can only fall silent; the advice says so."""
        with pytest.raises(errors.TimedOut, match="no S3FailurePath"):
            call(s3, Time(), REQUEST, {"Body": JPEG}, failure=None)

    def test_a_bucket_that_does_not_exist_is_not_waited_for(self, s3):
        """A missing bucket does not appear by waiting."""
        s3.delete_bucket(Bucket="answers")
        time = Time()
        with pytest.raises(errors.NotFound, match="bucket"):
            call(s3, time, REQUEST, {"Body": JPEG})
        assert time.sleeps == 0

    @pytest.mark.parametrize("place", ["images/in", "https://images/in", "s3://", "s3:///in"])
    def test_a_place_that_is_not_in_s3_is_refused(self, s3, place):
        """A typing error in the place is told before anything is uploaded."""
        with pytest.raises(errors.InvalidRequest, match="s3://bucket/prefix"):
            call(s3, Time(), Request("od", hosting="asynchronous", s3_input=place), {})

    @pytest.mark.parametrize("target", ["variant", "target_model", "container", "component"])
    def test_a_target_is_refused(self, s3, target):
        """InvokeEndpointAsync has none of these parameters; leaving one out silently would answer something else."""
        with pytest.raises(errors.InvalidRequest, match="asynchronous"):
            call(s3, Time(), Request("od", hosting="asynchronous", **{target: "x"}), {})

    def test_the_door_calls_an_asynchronous_endpoint_so(self, s3):
        """`invoke` needs nothing but the request's hosting."""
        put(s3, OUT, b"{}")
        door = SageMaker(Connection("us-east-1"))
        with Stubber(door.clients.of("sagemaker-runtime")) as stub:
            stub.add_response("invoke_endpoint_async", {"InferenceId": "1", "OutputLocation": OUT}, ANY_CALL)
            assert door.invoke(REQUEST, payload()).body == b"{}"

    def test_an_answer_without_a_place_is_told(self, door):
        """The service promises OutputLocation, its model does not."""
        with Stubber(door.clients.of("sagemaker-runtime")) as stub:
            stub.add_response("invoke_endpoint_async", {"InferenceId": "1"})
            with pytest.raises(errors.ServiceError, match="OutputLocation"):
                door.invoke(REQUEST, payload())


ANY_CALL = {"EndpointName": "od", "Body": ANY, "ContentType": ANY, "Accept": ANY}


class TestForbiddenLooks:
    """Without s3:ListBucket, S3 answers 403 where it would answer 404."""

    def looks(self, *codes: str, forever: str = ""):
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        stub = Stubber(client)
        for code in itertools.chain(codes, [forever] * 40 if forever else []):
            stub.add_client_error("get_object", code, "Access Denied", 403)
        return client, stub

    def test_a_missing_answer_that_looks_forbidden_is_waited_for(self, s3):
        """A 403 of the first look is no failure; the answer is read when it is there."""
        client, stub = self.looks("AccessDenied")
        body = StreamingBody(io.BytesIO(b"{}"), 2)
        stub.add_response("get_object", {"Body": body, "ContentType": "application/json"})
        with stub:
            assert call(client, Time(), REQUEST, {"Body": JPEG}, failure=None).body == b"{}"

    def test_a_failure_is_found_behind_an_answer_that_looks_forbidden(self, s3):
        """The failure location is looked at also when the output location answers 403."""
        client, stub = self.looks("AccessDenied")
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"no boxes"), 8)})
        with stub, pytest.raises(errors.ModelError, match="no boxes"):
            call(client, Time(), REQUEST, {"Body": JPEG})

    def test_a_hiccup_of_s3_does_not_throw_the_call_away(self, s3):
        """A throttled look is looked again: sending once more would run the model once more."""
        client, stub = self.looks("SlowDown")
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"{}"), 2)})
        with stub:
            assert call(client, Time(), REQUEST, {"Body": JPEG}, failure=None).body == b"{}"

    def test_one_that_stays_forbidden_names_both_permissions(self, s3):
        """At the end the error says what was heard, and which permissions decide it."""
        client, stub = self.looks(forever="AccessDenied")
        with stub, pytest.raises(errors.TimedOut, match="Access Denied") as caught:
            call(client, Time(), REQUEST, {"Body": JPEG}, failure=None)
        assert "s3:ListBucket" in caught.value.advice

    def test_expired_credentials_end_the_wait(self, s3):
        """Waiting renews nothing."""
        client, stub = self.looks("ExpiredToken")
        time = Time()
        with stub, pytest.raises(errors.CredentialsError):
            call(client, time, REQUEST, {"Body": JPEG}, failure=None)
        assert time.sleeps == 0
