"""Kinds of endpoints are told apart by what SageMaker describes; what cannot be read is named."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.stub import Stubber

from smviz import errors
from smviz.records import Endpoint, Variant
from smviz.sagemaker import SageMaker
from smviz.settings import Connection

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1)))
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:"
LIVE = {"VariantName": "v", "CurrentInstanceCount": 3, "CurrentWeight": 0.5}
ROW = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
SINGLE = {"PrimaryContainer": {"Image": "image:1", "Mode": "SingleModel"}}
ASYNC = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/out", "S3FailurePath": "s3://b/failed"}}}


@pytest.fixture(scope="module")
def door():
    return SageMaker(Connection("eu-west-1", "http://127.0.0.1:9"), sleep=lambda seconds: None)


@pytest.fixture
def stubbed(door):
    with Stubber(door.clients.of("sagemaker")) as stub:
        yield door, stub


def endpoint(**members: object) -> dict:
    return {
        "EndpointName": "e",
        "EndpointArn": f"{ARN}endpoint/e",
        "EndpointConfigName": "c",
        "ProductionVariants": [LIVE],
        "EndpointStatus": "InService",
        "CreationTime": NOW,
        "LastModifiedTime": NOW,
        **members,
    }


def config(*rows: dict, **members: object) -> dict:
    rows = rows or (ROW,)
    arn = f"{ARN}endpoint-config/c"
    return {
        "EndpointConfigName": "c",
        "EndpointConfigArn": arn,
        "CreationTime": NOW,
        "ProductionVariants": list(rows),
        **members,
    }


def model(**members: object) -> dict:
    return {"ModelName": "m", "ModelArn": f"{ARN}model/m", "CreationTime": NOW, **(members or SINGLE)}


def describe(
    stubbed, found: dict, configured: dict | None, *models: dict, components: list[str] | None = None
) -> Endpoint:
    """The endpoint that these answers make; every answer must have been asked for."""
    door, stub = stubbed
    stub.add_response("describe_endpoint", found, {"EndpointName": "e"})
    if configured:
        stub.add_response("describe_endpoint_config", configured, {"EndpointConfigName": "c"})
    for answer in models:
        stub.add_response("describe_model", answer)
    if components is not None:
        rows = [component(name) for name in components]
        stub.add_response("list_inference_components", {"InferenceComponents": rows})
    told = door.describe("e")
    stub.assert_no_pending_responses()
    return told


def component(name: str) -> dict:
    return {
        "InferenceComponentName": name,
        "InferenceComponentArn": f"{ARN}inference-component/{name}",
        "EndpointName": "e",
        "EndpointArn": f"{ARN}endpoint/e",
        "VariantName": "v",
        "CreationTime": NOW,
        "LastModifiedTime": NOW,
    }


class TestKinds:
    def test_real_time(self, stubbed):
        """One variant on instances: count and weight are the live ones, the instance type is the config's."""
        told = describe(stubbed, endpoint(), config(), model())
        assert told.kind == "real-time"
        assert told.variants == (Variant("v", "ml.g5.xlarge", 3, 0.5, model="m"),)
        assert (told.created, told.updated) == ("2026-01-02T02:04:05+00:00", "2026-01-02T02:04:05+00:00")
        assert told.notes == ()

    def test_serverless(self, stubbed):
        """CurrentServerlessConfig tells it."""
        serverless = {"MemorySizeInMB": 3072, "MaxConcurrency": 20}
        live = {"VariantName": "v", "CurrentServerlessConfig": serverless}
        row = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": serverless}
        told = describe(stubbed, endpoint(ProductionVariants=[live]), config(row), model())
        assert told.kind == "serverless"
        assert told.variants == (Variant("v", "serverless", 0, 1.0, "m", memory=3072, concurrency=20),)

    def test_asynchronous(self, stubbed):
        """AsyncInferenceConfig tells it, and where the answers and failures go."""
        told = describe(stubbed, endpoint(**ASYNC), config(**ASYNC), model())
        assert told.kind == "asynchronous"
        assert (told.output_path, told.failure_path) == ("s3://b/out", "s3://b/failed")

    def test_ab_variants(self, stubbed):
        """More than one production variant; a model that both share is described once."""
        rows = [ROW, ROW | {"VariantName": "w"}]
        told = describe(stubbed, endpoint(), config(*rows), model())
        assert told.kind == "real-time, A/B variants"
        assert [variant.name for variant in told.variants] == ["v", "w"]

    def test_shadow(self, stubbed):
        """Shadow variants answer nobody, and are no production variants."""
        shadow = ROW | {"VariantName": "s"}
        found = endpoint(ShadowProductionVariants=[{"VariantName": "s", "CurrentInstanceCount": 1}])
        told = describe(stubbed, found, config(ShadowProductionVariants=[shadow]), model())
        assert told.kind == "real-time, shadow"
        assert [variant.name for variant in told.variants] == ["v"]
        assert [(variant.name, variant.instance) for variant in told.shadows] == [("s", "ml.g5.xlarge")]

    @pytest.mark.parametrize("place", ["PrimaryContainer", "Containers"])
    def test_multi_model(self, stubbed, place):
        """A container whose mode is MultiModel."""
        container = {"Image": "i:1", "Mode": "MultiModel", "ModelDataUrl": "s3://b/models/"}
        answer = model(**{place: container if place == "PrimaryContainer" else [container]})
        assert describe(stubbed, endpoint(), config(), answer).kind == "real-time, multi-model"

    def test_inference_components(self, stubbed):
        """A variant without a model; the components in service are listed by name."""
        row = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
        told = describe(stubbed, endpoint(), config(row), components=["detector", "other"])
        assert told.kind == "real-time, inference components"
        assert told.components == ("detector", "other")

    def test_inference_components_of_which_none_is_there_yet(self, stubbed):
        """The kind is told by the config, also before the first component is."""
        row = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
        told = describe(stubbed, endpoint(), config(row), components=[])
        assert (told.traits, told.components) == (("inference components",), ())

    def test_multi_container_called_directly(self, stubbed):
        """Mode Direct lets a request choose the container by its hostname."""
        containers = [{"Image": "i:1", "ContainerHostname": name} for name in ("first", "second")]
        told = describe(
            stubbed, endpoint(), config(), model(Containers=containers, InferenceExecutionConfig={"Mode": "Direct"})
        )
        assert told.kind == "real-time, multi-container"
        assert told.containers == ("first", "second")

    def test_a_serial_pipeline_is_called_as_one(self, stubbed):
        """Containers in a row leave nothing to choose."""
        containers = [{"Image": "i:1", "ContainerHostname": name} for name in ("first", "second")]
        told = describe(stubbed, endpoint(), config(), model(Containers=containers))
        assert (told.kind, told.containers) == ("real-time", ())

    def test_several_at_once(self, stubbed):
        """An asynchronous endpoint may be multi-model too; both are told."""
        answer = model(PrimaryContainer={"Image": "i:1", "Mode": "MultiModel"})
        assert describe(stubbed, endpoint(**ASYNC), config(**ASYNC), answer).kind == "asynchronous, multi-model"

    def test_the_image_is_told(self, stubbed):
        """The image as it was specified hints at the format of the replies."""
        image = "123.dkr.ecr.eu-west-1.amazonaws.com/object-detection:1"
        live = LIVE | {"DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": "x@sha256:0"}]}
        (variant,) = describe(stubbed, endpoint(ProductionVariants=[live]), config(), model()).variants
        assert variant.image == image

    def test_a_listing_does_not_tell_kinds(self):
        """What was not described has an empty kind, never a guessed one."""
        assert Endpoint("e", "InService", "2026-01-01T00:00:00+00:00").kind == ""


class TestWhatCannotBeRead:
    DENIED = "User x is not authorized to perform: sagemaker:DescribeModel on resource y"

    def test_a_model_that_may_not_be_read_leaves_a_note(self, stubbed):
        """The rest is told; the note holds AWS's own words."""
        _, stub = stubbed
        stub.add_response("describe_endpoint", endpoint())
        stub.add_response("describe_endpoint_config", config())
        stub.add_client_error("describe_model", "AccessDeniedException", self.DENIED, 400)
        told = stubbed[0].describe("e")
        assert (told.kind, told.variants[0].instance) == ("real-time", "ml.g5.xlarge")
        assert "sagemaker:DescribeModel" in told.notes[0]

    def test_a_config_that_was_deleted_leaves_a_note(self, stubbed):
        """Variants, count and weight are the endpoint's own; the instance type is not told."""
        _, stub = stubbed
        stub.add_response("describe_endpoint", endpoint(**ASYNC))
        stub.add_client_error(
            "describe_endpoint_config", "ValidationException", "Could not find endpoint configuration"
        )
        told = stubbed[0].describe("e")
        assert (told.kind, told.variants) == ("asynchronous", (Variant("v", "", 3, 0.5),))
        assert "Could not find" in told.notes[0]

    def test_components_that_may_not_be_listed_leave_a_note(self, stubbed):
        """The kind is told by the config; the names are not."""
        _, stub = stubbed
        row = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
        stub.add_response("describe_endpoint", endpoint())
        stub.add_response("describe_endpoint_config", config(row))
        stub.add_client_error("list_inference_components", "AccessDeniedException", "not authorized", 400)
        told = stubbed[0].describe("e")
        assert (told.traits, len(told.notes)) == (("inference components",), 1)

    def test_a_failed_endpoint_is_told_with_its_reason(self, stubbed):
        """A failed endpoint may have no variants at all."""
        found = endpoint(EndpointStatus="Failed", FailureReason="did not pass the ping health check")
        del found["ProductionVariants"]
        told = describe(stubbed, found, config(), model())
        assert (told.status, told.failure) == ("Failed", "did not pass the ping health check")
        assert told.variants[0].instance == "ml.g5.xlarge"

    def test_an_endpoint_without_a_config_is_told(self, stubbed):
        """DescribeEndpoint does not promise a config's name."""
        found = endpoint()
        del found["EndpointConfigName"]
        assert describe(stubbed, found, None).config == ""

    def test_credentials_that_ran_out_are_no_note(self, stubbed):
        """Only what may not be read, or is gone, is passed over."""
        _, stub = stubbed
        stub.add_response("describe_endpoint", endpoint())
        stub.add_client_error("describe_endpoint_config", "ExpiredTokenException", "expired", 403)
        with pytest.raises(errors.CredentialsError):
            stubbed[0].describe("e")


class TestDescribeAll:
    ROWS = tuple(Endpoint(name, "InService", datetime.now(UTC).isoformat()) for name in ("a", "b"))

    def test_keeps_what_was_deleted_meanwhile(self, stubbed):
        """A row that cannot be described stays a row, with a note, in its place."""
        door, stub = stubbed
        stub.add_client_error("describe_endpoint", "ValidationException", 'Could not find endpoint "a".')
        stub.add_response("describe_endpoint", endpoint(EndpointName="b"))
        stub.add_response("describe_endpoint_config", config())
        stub.add_response("describe_model", model())
        first, second = door.describe_all(self.ROWS, workers=1)
        assert (first.name, first.kind, len(first.notes)) == ("a", "", 1)
        assert (second.name, second.kind, second.notes) == ("b", "real-time", ())

    def test_waits_where_aws_throttles(self, stubbed):
        """A throttled description is tried again; after four times the row says so."""
        door, stub = stubbed
        for _ in range(5):
            stub.add_client_error("describe_endpoint", "ThrottlingException", "Rate exceeded")
        stub.add_response("describe_endpoint", endpoint(EndpointName="b"))
        stub.add_response("describe_endpoint_config", config())
        stub.add_response("describe_model", model())
        first, second = door.describe_all(self.ROWS, workers=1)
        assert "Rate exceeded" in first.notes[0]
        assert second.kind == "real-time"
