"""The door to SageMaker: what is sent, what comes back, and what each of its errors becomes."""

import socket

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from smviz import errors
from smviz.local import EmbeddedServer
from smviz.records import Payload
from smviz.sagemaker import CODES, VALIDATION, SageMaker, credential_sources, from_client_error, regions
from smviz.settings import Connection, Request, is_loopback

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"


def client_error(code: str, message: str | None, status: int = 400, **extra: object) -> ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **extra}
    return ClientError(response, "InvokeEndpoint")


@pytest.fixture
def no_aws(monkeypatch, tmp_path):
    """A machine on which no way to give AWS credentials is set up."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


class TestErrors:
    @pytest.mark.parametrize("code", sorted(CODES))
    def test_every_known_code_becomes_its_typed_error_with_advice(self, code):
        """A code of the table becomes the table's class, keeps the message and says what to do."""
        error = from_client_error(client_error(code, "because"), "invoke endpoint x")
        assert type(error) is CODES[code][0]
        assert "because" in error.message
        assert error.advice == CODES[code][1]

    @pytest.mark.parametrize("service", ["sagemaker", "sagemaker-runtime"])
    def test_every_error_that_botocore_declares_is_mapped(self, service):
        """No error of botocore's service model is unknown to the table."""
        model = botocore.session.get_session().get_service_model(service)
        declared = {shape.name for shape in model.error_shapes}
        special = {"ModelError", "ModelStreamError", "ValidationError", "ValidationException"}
        assert declared - set(CODES) - special == set()

    @pytest.mark.parametrize(("fragment", "kind", "advice"), VALIDATION)
    def test_a_validation_error_is_told_apart_by_its_message(self, fragment, kind, advice):
        """SageMaker uses one code for many causes; the message decides."""
        error = from_client_error(client_error("ValidationError", f"Endpoint x {fragment} here."), "invoke")
        assert (type(error), error.advice) == (kind, advice)

    def test_a_throttle_without_a_message_is_still_told(self):
        """A real throttle has a null message."""
        error = from_client_error(client_error("ThrottlingException", None), "invoke endpoint x")
        assert isinstance(error, errors.Throttled)
        assert error.passing
        assert "ThrottlingException" in error.message

    def test_an_unknown_code_is_never_a_traceback(self):
        """A code that nobody foresaw becomes a service error above 500 and an invalid request below."""
        assert isinstance(from_client_error(client_error("Strange", "x", 500), "invoke"), errors.ServiceError)
        assert isinstance(from_client_error(client_error("Strange", "x", 400), "invoke"), errors.InvalidRequest)

    def test_a_model_error_shows_the_containers_own_words(self):
        """ModelError carries the container's status, message and log stream."""
        error = from_client_error(
            client_error(
                "ModelError",
                "Received client error (415) from primary.",
                424,
                OriginalStatusCode=415,
                OriginalMessage="Unsupported Media Type: application/x-image",
                LogStreamArn="arn:aws:logs:us-east-1:111122223333:log-group:/aws/sagemaker/Endpoints/od",
            ),
            "invoke endpoint od",
        )
        assert isinstance(error, errors.ModelError)
        assert error.status == 415
        assert "Unsupported Media Type" in error.message
        assert error.log is not None
        assert error.log.endswith("Endpoints/od")

    def test_a_model_time_out_says_to_send_less_or_host_bigger(self):
        """Status 0 means that the container did not answer within 60 seconds."""
        error = from_client_error(client_error("ModelError", "x", 424, OriginalStatusCode=0), "invoke")
        assert "in time" in error.advice


class TestNoCredentials:
    def test_says_which_usual_ways_are_not_set_up(self, no_aws):
        """Without credentials the error names every way that is missing on this machine."""
        with pytest.raises(errors.CredentialsError) as caught:
            SageMaker(Connection("us-east-1")).endpoints()
        assert "AWS_ACCESS_KEY_ID" in caught.value.advice
        assert ".aws/credentials" in caught.value.advice

    def test_a_profile_that_does_not_exist_is_named(self, no_aws, monkeypatch):
        """AWS_PROFILE with a typing error is told as such."""
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(errors.CredentialsError, match="nobody"):
            SageMaker(Connection("us-east-1"))

    def test_a_source_that_is_set_up_is_told_as_present(self, tmp_path):
        """Environment keys and a credentials file count as set up once they are there."""
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "credentials").write_text("[default]\n")
        found = credential_sources(
            {"HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        )
        assert [present for _, present in found] == [True, True, False, False, False, False]


class TestLoopback:
    @pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:5"])
    def test_this_machine_is_loopback(self, url):
        """Addresses of this machine are called with made-up credentials."""
        assert is_loopback(url)

    @pytest.mark.parametrize(
        "url", [None, "", "https://runtime.sagemaker.us-east-1.amazonaws.com", "http://10.0.0.1", "http://[::1"]
    )
    def test_anything_else_is_not(self, url):
        """Real credentials are used for every other address."""
        assert not is_loopback(url)

    def test_real_keys_never_go_to_a_loopback_server(self, monkeypatch):
        """The request to a loopback URL is signed with the made-up key, whatever the environment holds."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALREALREALREAL")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(5)
            door = SageMaker(Connection("us-east-1", f"http://127.0.0.1:{server.getsockname()[1]}"))
            import threading

            heard: list[bytes] = []

            def answer() -> None:
                connection, _ = server.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"Endpoints":[]}')

            thread = threading.Thread(target=answer)
            thread.start()
            assert door.endpoints() == ()
            thread.join()
        assert b"Credential=embedded/" in heard[0]
        assert b"AKIAREAL" not in heard[0]

    def test_nobody_listening_is_unreachable_and_passing(self):
        """A refused connection is told with advice, and may pass."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(errors.Unreachable) as caught:
            SageMaker(Connection("us-east-1", f"http://127.0.0.1:{port}")).endpoints()
        assert caught.value.passing


class TestInvoke:
    def test_an_image_above_the_limit_is_refused_before_it_is_sent(self):
        """25 MB is SageMaker's limit; nothing is sent above it, not even a connection is opened."""
        door = SageMaker(Connection("us-east-1", "http://127.0.0.1:1"))
        payload = Payload(b"\0" * (25 * 2**20 + 1), "image/jpeg", 10, 10, "0")
        with pytest.raises(errors.PayloadTooLarge, match=r"25\.0 MB"):
            door.invoke(Request("highway-demo"), payload)


class TestListing:
    """Against moto, an implementation of AWS's control plane that smviz did not write."""

    @pytest.fixture
    def account(self, no_aws, monkeypatch):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with mock_aws():
            yield self.make_account()

    def make_account(self):
        client = boto3.client("sagemaker", region_name="eu-west-1")
        client.create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "i:1"})
        variant = {
            "ModelName": "m",
            "InitialInstanceCount": 2,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": 1,
        }
        client.create_endpoint_config(
            EndpointConfigName="c",
            ProductionVariants=[{"VariantName": "one", **variant}, {"VariantName": "two", **variant}],
        )
        return client

    def test_lists_every_endpoint_beyond_the_first_page(self, account):
        """125 endpoints need two pages of 100; all are listed."""
        for number in range(125):
            account.create_endpoint(EndpointName=f"ep-{number:03d}", EndpointConfigName="c")
        names = [endpoint.name for endpoint in SageMaker(Connection("eu-west-1")).endpoints()]
        assert sorted(names) == [f"ep-{number:03d}" for number in range(125)]

    def test_describes_variants_and_instance_types(self, account):
        """DescribeEndpoint does not tell the instance type; its config does."""
        account.create_endpoint(EndpointName="ep", EndpointConfigName="c")
        endpoint = SageMaker(Connection("eu-west-1")).describe("ep")
        assert endpoint.status == "InService"
        assert [(v.name, v.instance, v.count) for v in endpoint.variants] == [
            ("one", "ml.m5.large", 2),
            ("two", "ml.m5.large", 2),
        ]

    def test_an_endpoint_that_does_not_exist_is_not_found(self, account):
        """A wrong name is NotFound, with the advice to list what is there."""
        with pytest.raises(errors.NotFound, match="List the endpoints"):
            SageMaker(Connection("eu-west-1")).describe("nope")


def test_every_region_of_botocore_is_offered():
    """All partitions count: commercial, China and GovCloud regions are in the list, without a double."""
    names = regions()
    assert {"us-east-1", "eu-west-1", "ap-southeast-2", "cn-north-1", "us-gov-west-1"} <= set(names)
    assert len(names) == len(set(names))


def test_the_embedded_endpoint_works_beside_a_broken_aws_setup(monkeypatch, tmp_path):
    """A profile that does not exist and an unreadable config file are no hindrance on this machine's own server."""
    (tmp_path / "config").write_text("[no end")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with EmbeddedServer() as server:
        assert [e.name for e in SageMaker(Connection("us-east-1", server.url)).endpoints()] == ["highway-demo"]
