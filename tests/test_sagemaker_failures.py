"""The one table of failures: every error that AWS or botocore can raise, and what it becomes."""

import inspect
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.session
import pytest
from botocore import exceptions as vendor
from botocore.stub import Stubber

from smviz import errors
from smviz.records import Payload
from smviz.sagemaker import CODES, VENDOR, SageMaker, explain_failure, from_client_error, from_vendor_error, log_url
from smviz.settings import Connection, Request

SAMPLES = Path(__file__).parent / "payloads" / "errors"
PAYLOAD = Payload(b"jpeg", "image/jpeg", 10, 10, "0" * 64)
GROUP = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/sagemaker/Endpoints/od-endpoint"
LINK = (
    "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
    "#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FEndpoints$252Fod-endpoint"
)

# sample: (error, whether trying again helps, words of the message, words of the advice)
EXPECTED = {
    "access_denied": (errors.AccessDenied, False, "not authorized", "allow sagemaker:InvokeEndpoint"),
    "describe_not_found": (errors.NotFound, False, "Could not find endpoint", "List the endpoints"),
    "expired_token": (errors.CredentialsError, False, "expired", "Renew the credentials"),
    "internal_dependency": (errors.ServiceError, True, "internal dependency", "Try again"),
    "internal_failure": (errors.ServiceError, True, "internal failure", "Try again"),
    "model_error_415": (errors.ModelError, False, "answered 415: Unsupported Media Type", "content type"),
    "model_error_500": (errors.ModelError, False, "answered 500: Internal Server Error.", "log"),
    "model_error_hf_400": (errors.ModelError, False, "answered 400: Content type application/x-image", "content type"),
    "model_error_timeout": (errors.ModelError, False, "timed out", "in time"),
    "model_not_ready": (errors.ModelNotReady, True, "not yet ready", "in a minute"),
    "payload_too_large_413": (errors.PayloadTooLarge, False, "5246976 bytes", "smaller image"),
    "resource_limit": (errors.InvalidRequest, False, "is 0 Instances", "higher quota"),
    "service_unavailable": (errors.ServiceError, True, "unavailable", "Try again"),
    "throttling": (errors.Throttled, True, "Rate exceeded", "fewer calls"),
    "validation_inference_component_missing": (errors.InvalidRequest, False, "Inference Component", "Choose one"),
    "validation_not_found": (errors.NotFound, False, "od-endpoint", "List the endpoints"),
    "validation_target_model": (errors.InvalidRequest, False, "target model header", "target model empty"),
}


DOOR = SageMaker(Connection("us-east-1", "http://127.0.0.1:9"))  # what it sends is stubbed


def invoke_refused_with(sample: dict) -> errors.EndpointError:
    """What `invoke` raises when the runtime answers with this error."""
    with Stubber(DOOR.clients.of("sagemaker-runtime")) as stub:
        stub.add_client_error(
            "invoke_endpoint",
            service_error_code=sample["Error"]["Code"],
            service_message=sample["Error"]["Message"],
            http_status_code=sample["ResponseMetadata"]["HTTPStatusCode"],
            modeled_fields={
                k: sample[k] for k in ("OriginalStatusCode", "OriginalMessage", "LogStreamArn") if k in sample
            },
        )
        with pytest.raises(errors.EndpointError) as caught:
            DOOR.invoke(Request("od-endpoint"), PAYLOAD)
        stub.assert_no_pending_responses()
    return caught.value


class TestSamples:
    def test_all_have_an_expectation(self):
        """Every sample of an error is expected below, and nothing else is."""
        assert {path.stem for path in SAMPLES.glob("*.json")} == set(EXPECTED)

    @pytest.mark.parametrize("name", sorted(EXPECTED))
    def test_say_what_happened_whether_trying_again_helps_and_what_to_do(self, name):
        """Each refusal becomes its class, with the vendor's words, an outlook and an advice."""
        kind, passing, message, advice = EXPECTED[name]
        error = invoke_refused_with(json.loads((SAMPLES / f"{name}.json").read_text()))
        assert type(error) is kind
        assert error.passing is passing
        assert ("may help" in error.outlook) is passing
        assert message in error.message
        assert advice in error.advice

    @pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("model_error")])
    def test_of_a_container_link_its_log(self, name):
        """A container's error carries the ARN of its log, and the page that shows it."""
        error = invoke_refused_with(json.loads((SAMPLES / f"{name}.json").read_text()))
        assert (error.log, error.log_url) == (GROUP, LINK)


class TestModelError:
    @pytest.mark.parametrize(("status", "passing"), [(429, True), (502, True), (503, True), (504, True), (500, False)])
    def test_of_a_busy_container_may_pass(self, status, passing):
        """A container that turns calls away may take the next one; one that fails on an image fails again."""
        sample = json.loads((SAMPLES / "model_error_500.json").read_text()) | {"OriginalStatusCode": status}
        assert invoke_refused_with(sample).passing is passing

    def test_of_memory_says_so(self):
        """Hugging Face containers answer 400 when they run out of memory; the words decide."""
        text = json.dumps({"code": 400, "message": "CUDA out of memory. Tried to allocate 2 GiB"})
        sample = json.loads((SAMPLES / "model_error_hf_400.json").read_text()) | {"OriginalMessage": text}
        assert "ran out of memory" in invoke_refused_with(sample).advice

    def test_of_tensorflow_serving_shows_the_inner_words(self):
        """TensorFlow Serving wraps its words in {"error": ...}."""
        sample = json.loads((SAMPLES / "model_error_500.json").read_text()) | {
            "OriginalMessage": '{"error": "bad JSON"}'
        }
        assert invoke_refused_with(sample).message.endswith("bad JSON.")

    @pytest.mark.parametrize("text", ["[1, 2]", '{"message": 3}', "{", "\xff"])
    def test_of_any_text_is_shown_as_it_is(self, text):
        """Words that are no known JSON object are the message themselves."""
        sample = json.loads((SAMPLES / "model_error_500.json").read_text()) | {"OriginalMessage": text}
        assert text in invoke_refused_with(sample).message


class TestTable:
    def test_holds_every_error_that_botocore_declares_for_what_is_called(self):
        """Of both SageMaker services all errors, of STS, IAM and S3 those of the operations that are called."""
        session = botocore.session.get_session()
        shapes = [
            e for name in ("sagemaker", "sagemaker-runtime") for e in session.get_service_model(name).error_shapes
        ]
        called = {"sts": ("GetCallerIdentity", "AssumeRole"), "iam": ("ListRoles",), "s3": ("GetObject", "PutObject")}
        for service, operations in called.items():
            model = session.get_service_model(service)
            shapes += [shape for operation in operations for shape in model.operation_model(operation).error_shapes]
        declared = {shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes}
        told_by_message = {"ModelError", "ModelStreamError", "ValidationError", "ValidationException"}
        assert declared - set(CODES) - told_by_message == set()

    def test_holds_every_exception_that_botocore_raises_by_itself(self):
        """What is not in the table is named here, because only a bug of smviz could raise it."""
        bugs = {
            "AliasConflictParameterError",  # a ValidationError, listed for completeness
            "ApiVersionNotFoundError",
            "BaseEndpointResolverError",
            "BotoCoreError",
            "DataNotFoundError",
            "InvalidExpressionError",
            "OperationNotPageableError",
            "StubAssertionError",
            "StubResponseError",
            "UnStubbedResponseError",
            "UnknownClientMethodError",
            "UnknownServiceError",
            "UnknownServiceStyle",
            "UnseekableStreamError",
            "UnsupportedServiceProtocolsError",
            "WaiterConfigError",
            "WaiterError",
        }
        mapped = tuple(kind for kinds, _, _ in VENDOR for kind in kinds)
        unmapped = {
            name
            for name, kind in inspect.getmembers(vendor, inspect.isclass)
            if issubclass(kind, vendor.BotoCoreError) and not issubclass(kind, mapped)
        }
        assert unmapped - bugs == set()

    @pytest.mark.parametrize(
        ("exception", "kind", "passing"),
        [
            (vendor.EndpointConnectionError(endpoint_url="https://x"), errors.Unreachable, True),
            (vendor.ConnectTimeoutError(endpoint_url="https://x"), errors.Unreachable, True),
            (vendor.ReadTimeoutError(endpoint_url="https://x"), errors.NoAnswer, True),
            (vendor.ConnectionClosedError(endpoint_url="https://x"), errors.Unreachable, True),
            (vendor.SSLError(endpoint_url="https://x", error="bad"), errors.Unreachable, True),
            (vendor.ProxyConnectionError(proxy_url="http://p"), errors.Unreachable, True),
            (vendor.IncompleteReadError(actual_bytes=1, expected_bytes=2), errors.Unreachable, True),
            (vendor.SSOTokenLoadError(error_msg="expired"), errors.CredentialsError, False),
            (vendor.UnauthorizedSSOTokenError(), errors.CredentialsError, False),
            (vendor.TokenRetrievalError(provider="sso", error_msg="x"), errors.CredentialsError, False),
            (vendor.NoRegionError(), errors.BadSetting, False),
            (vendor.InvalidRegionError(region_name="mars 1"), errors.BadSetting, False),
            (vendor.ConfigParseError(path="~/.aws/config"), errors.BadSetting, False),
            (vendor.ParamValidationError(report="EndpointName"), errors.InvalidRequest, False),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_tells_apart_what_never_got_an_answer(self, exception, kind, passing):
        """Network, credentials and configuration are different faults with different remedies."""
        error = from_vendor_error(exception, "invoke endpoint x")
        assert (type(error), error.passing) == (kind, passing)
        assert error.advice

    def test_leaves_a_bug_of_smviz_alone(self):
        """A method that does not exist is no failure of AWS, and shows as what it is."""
        assert from_vendor_error(vendor.UnknownClientMethodError(method_name="x"), "invoke") is None

    @pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {"Code": None, "Message": None}}])
    def test_survives_an_answer_without_words(self, response):
        """An error without code or message is still a typed error."""
        error = from_client_error(vendor.ClientError(response, "InvokeEndpoint"), "invoke")
        assert "no reason was given" in error.message


@pytest.fixture(scope="module")
def elsewhere():
    """A server that answers everything with the status and body that its `answer` holds, and a door to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, body = server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield server, SageMaker(Connection("us-east-1", url), sleep=lambda seconds: None)
        server.shutdown()


class TestAnswersOfSomebodyElse:
    """A proxy, a log-in page or a wrong address answers in AWS's place."""

    @pytest.fixture
    def answering(self, elsewhere):
        def start(status: int, body: bytes) -> SageMaker:
            server, door = elsewhere
            server.answer = status, body
            return door

        return start

    CALLS = {
        "endpoints": lambda door: door.endpoints(),
        "describe": lambda door: door.describe("e"),
        "describe_model": lambda door: door.describe_model("m"),
        "components": lambda door: door.components("e"),
        "whoami": lambda door: door.whoami(),
        "execution_roles": lambda door: door.execution_roles(),
        "create_model": lambda door: door.create_model("m", "arn:aws:iam::123456789012:role/x", "i:1"),
        "create_endpoint": lambda door: door.create_endpoint("e", "c"),
        "invoke_async": lambda door: door.invoke(Request("e", hosting="asynchronous"), PAYLOAD),
    }

    @pytest.mark.parametrize("name", sorted(set(CALLS) - {"invoke_async"}))
    @pytest.mark.parametrize("body", [b"<html>Please log in", b"", b"{}", b"[]", b"null", b"\xff\xfe"])
    def test_are_no_tracebacks(self, answering, name, body):
        """A page with status 200 that is not AWS's is told as such."""
        with pytest.raises(errors.Unreachable, match="AWS's place"):
            self.CALLS[name](answering(200, body))

    @pytest.mark.parametrize("body", [b"<html>Please log in", b"[]", b"\xff\xfe"])
    def test_delete_nothing(self, answering, body):
        """A deletion has no answer to miss; a page in its place must not pass for one."""
        with pytest.raises(errors.Unreachable, match="AWS's place"):
            answering(200, body).delete_endpoint("e")

    @pytest.mark.parametrize("name", CALLS)
    @pytest.mark.parametrize("body", [b"<html>Bad gateway", b"", b"[]", b"null", b"\xff\xfe"])
    def test_of_a_gateway_that_fails_may_pass(self, answering, name, body):
        """Statuses from 500 on may pass, whatever the body."""
        with pytest.raises(errors.EndpointError) as caught:
            self.CALLS[name](answering(502, body))
        assert caught.value.passing


class TestLogUrl:
    @pytest.mark.parametrize(
        ("partition", "region", "console"),
        [
            ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
            ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
            ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ],
    )
    def test_goes_to_the_console_of_the_partition(self, partition, region, console):
        """China and GovCloud have consoles of their own."""
        found = log_url(f"arn:{partition}:logs:{region}:111122223333:log-group:/aws/sagemaker/Endpoints/od")
        assert found.startswith(f"https://{console}/cloudwatch/home?region={region}#")

    def test_leads_to_the_stream_where_the_arn_names_one(self):
        """The stream's brackets and slashes are quoted as the console's router wants them."""
        found = log_url(f"{GROUP}:log-stream:AllTraffic/i-0abc[1]")
        assert found == f"{LINK}/log-events/AllTraffic$252Fi-0abc$255B1$255D"

    def test_takes_the_group_of_an_arn_with_a_star(self):
        """CloudWatch writes a group's ARN with :* at its end."""
        assert log_url(f"{GROUP}:*") == LINK

    @pytest.mark.parametrize(
        "arn",
        [
            None,
            "",
            "nonsense",
            "arn:aws:s3:::bucket",
            "arn:aws:logs:us-east-1:111122223333:log-group:",
            "arn:aws-iso:logs:us-iso-east-1:111122223333:log-group:g",
            GROUP.replace("111122223333", "000000000000"),
        ],
    )
    def test_is_none_where_nothing_could_be_shown(self, arn):
        """No ARN, a partition whose console is not known, and the embedded endpoint have no page."""
        assert log_url(arn) is None


class TestExplainFailure:
    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            (
                "The primary container for production variant AllTraffic did not pass the ping health check. "
                "Please check CloudWatch logs for this endpoint.",
                "/ping",
            ),
            (
                "CannotStartContainerError. Please ensure the model container for variant v starts correctly when "
                "invoked with 'docker run <image> serve'",
                "serve",
            ),
            (
                "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. "
                "Please retry using a different ML instance type.",
                "no free instance",
            ),
            (
                "Please make sure all images included in the model for the production variant v exist, and that the "
                "execution role used to create the model has permissions to access them.",
                "does not exist",
            ),
            (
                'Failed to download model data for container "container_1" from URL: "s3://b/model.tar.gz". Please '
                "ensure that there is an object located at the URL and that the role passed to CreateModel has "
                "permissions to download the object.",
                "S3 address",
            ),
            ("Failed to extract model data archive from URL s3://b/model.tar.gz", "tar.gz"),
            ("The account-level service limit 'ml.g5.xlarge for endpoint usage' is 0 Instances", "quota"),
            (
                "Request to service failed. If failure persists after retry, contact customer support.",
                "create it again",
            ),
        ],
    )
    def test_names_the_likely_cause(self, reason, words):
        """Known reasons are explained in plain words."""
        assert any(words in cause for cause in explain_failure(reason))

    def test_never_guesses(self):
        """An unknown reason leads to the log; no reason needs no word."""
        assert len(explain_failure("Something new.")) == 1
        assert "log" in explain_failure("Something new.")[0]
        assert explain_failure("") == ()
        assert explain_failure("  ") == ()
