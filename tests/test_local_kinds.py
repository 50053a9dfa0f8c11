"""The kinds of endpoints that SageMaker has, at the embedded endpoint, called by boto3 over a real socket."""

from __future__ import annotations

import functools
import io
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from PIL import Image

from smviz.local import DEMO_ENDPOINT, SAMPLES, EmbeddedServer

SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
CONFIG = Config(proxies={}, retries={"total_max_attempts": 1}, parameter_validation=False, max_pool_connections=20)
MEBIBYTE = 1024 * 1024
VARIANT = {"VariantName": "v", "ModelName": "highway-a", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
SERVERLESS = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
SERVERLESS_VARIANT = {"VariantName": "v", "ModelName": "highway-a", "ServerlessConfig": SERVERLESS}
ASYNCHRONOUS = {
    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    "OutputConfig": {"S3OutputPath": "s3://bucket/replies/"},
}
DIRECT = [
    {"ContainerHostname": "first", "Image": "a:1", "ModelDataUrl": "embedded://highway-a.onnx"},
    {"ContainerHostname": "second", "Image": "b:1", "ModelDataUrl": "embedded://highway-b.onnx"},
]
DIRECT_MODE = {"InferenceExecutionConfig": {"Mode": "Direct"}}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    """One server with an endpoint of each kind, named after it."""
    with EmbeddedServer(delay=0, cold_start=0) as server:
        sagemaker = client("sagemaker", server)
        folder = {"Image": "a:1", "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/models/"}
        sagemaker.create_model(ModelName="folder", PrimaryContainer=folder)
        sagemaker.create_model(ModelName="direct", Containers=DIRECT, **DIRECT_MODE)
        sagemaker.create_model(ModelName="pipeline", Containers=DIRECT)
        shadow = VARIANT | {"VariantName": "shadow", "ModelName": "highway-b"}
        deploy(server, "serverless", ProductionVariants=[SERVERLESS_VARIANT])
        deploy(server, "asynchronous", ProductionVariants=[VARIANT], AsyncInferenceConfig=ASYNCHRONOUS)
        deploy(server, "shadowed", ProductionVariants=[VARIANT], ShadowProductionVariants=[shadow])
        for model in ("folder", "direct", "pipeline"):
            deploy(server, model, ProductionVariants=[VARIANT | {"ModelName": model}])
        yield server


@pytest.fixture(scope="module")
def image() -> bytes:
    return SAMPLES.images[0].read_bytes()


@functools.cache
def client(service: str, server: EmbeddedServer):
    return SESSION.client(service, endpoint_url=server.url, config=CONFIG)


def deploy(server: EmbeddedServer, name: str, **config) -> None:
    """A config and an endpoint of the same name."""
    sagemaker = client("sagemaker", server)
    sagemaker.create_endpoint_config(EndpointConfigName=name, **config)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def describe(server: EmbeddedServer, name: str) -> dict:
    return client("sagemaker", server).describe_endpoint(EndpointName=name)


def invoke(server: EmbeddedServer, name: str, body: bytes, **asked):
    runtime = client("sagemaker-runtime", server)
    return runtime.invoke_endpoint(EndpointName=name, Body=body, **{"ContentType": "image/jpeg"} | asked)


def reply(server: EmbeddedServer, name: str, body: bytes, **asked) -> dict:
    return json.loads(invoke(server, name, body, **asked)["Body"].read())


def refused(call, *arguments, **request) -> dict:
    with pytest.raises(ClientError) as caught:
        call(*arguments, **request)
    return caught.value.response


def refusal(call, *arguments, **request) -> str:
    """The message of the ValidationError that an invocation ends with."""
    response = refused(call, *arguments, **request)
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ValidationError", 400)
    return response["Error"]["Message"]


def raw(server: EmbeddedServer, operation: str, **request) -> dict:
    """An answer of the control plane with every member that was sent, also those that boto3 would drop."""
    headers = {"X-Amz-Target": f"SageMaker.{operation}"}
    asked = urllib.request.Request(server.url, json.dumps(request).encode(), headers)
    return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10))


def tiny() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, "JPEG")
    return file.getvalue()


class TestDescribe:
    def test_kinds_can_be_told_apart(self, server):
        """Each kind has a member of its own in DescribeEndpoint, and a plain endpoint has none of them."""

        def tells(name: str) -> tuple[bool, bool, bool]:
            endpoint = describe(server, name)
            serverless = "CurrentServerlessConfig" in endpoint["ProductionVariants"][0]
            return serverless, "AsyncInferenceConfig" in endpoint, "ShadowProductionVariants" in endpoint

        assert tells("serverless") == (True, False, False)
        assert tells("asynchronous") == (False, True, False)
        assert tells("shadowed") == (False, False, True)
        for plain in (DEMO_ENDPOINT, "folder", "direct", "pipeline"):
            assert tells(plain) == (False, False, False)

    def test_models_tell_their_modes(self, server):
        """DescribeModel tells Mode=MultiModel, or the containers and InferenceExecutionConfig, as they were given."""
        sagemaker = client("sagemaker", server)
        folder, direct, pipeline, plain = (
            sagemaker.describe_model(ModelName=name) for name in ("folder", "direct", "pipeline", "highway-a")
        )
        assert folder["PrimaryContainer"]["Mode"] == "MultiModel"
        assert (direct["InferenceExecutionConfig"], direct["Containers"]) == ({"Mode": "Direct"}, DIRECT)
        assert ("InferenceExecutionConfig" in pipeline, pipeline["Containers"]) == (False, DIRECT)
        assert "Mode" not in plain["PrimaryContainer"]

    def test_every_container_is_a_deployed_image(self, server):
        """DeployedImages has the image of each container, in order, also of shadow variants."""

        def images(variant: dict) -> list[str]:
            return [image["SpecifiedImage"] for image in variant["DeployedImages"]]

        assert images(describe(server, "direct")["ProductionVariants"][0]) == ["a:1", "b:1"]
        (shadow,) = describe(server, "shadowed")["ShadowProductionVariants"]
        assert images(shadow)[0].endswith("/object-detection:1")

    def test_what_was_given_comes_back(self, server):
        """DescribeModel and DescribeEndpointConfig tell all that was given, also what has no effect, but no tags."""
        sagemaker = client("sagemaker", server)
        tags = {"Tags": [{"Key": "team", "Value": "roads"}]}
        model = {
            "PrimaryContainer": {
                "Image": "a:1",
                "Mode": "SingleModel",
                "ImageConfig": {"RepositoryAccessMode": "Platform"},
                "MultiModelConfig": {"ModelCacheSetting": "Disabled"},
            },
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
            "EnableNetworkIsolation": True,
        }
        config = {
            "ProductionVariants": [VARIANT | {"VolumeSizeInGB": 30, "InitialVariantWeight": 0.5}],
            "AsyncInferenceConfig": ASYNCHRONOUS,
            "KmsKeyId": "key",
            "DataCaptureConfig": {
                "InitialSamplingPercentage": 1,
                "DestinationS3Uri": "s3://b/p",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            },
        }
        sagemaker.create_model(ModelName="echo", **model, **tags)
        sagemaker.create_endpoint_config(EndpointConfigName="echo", **config, **tags)
        told = raw(server, "DescribeModel", ModelName="echo")
        assert told.keys() - model.keys() == {"ModelName", "ModelArn", "CreationTime"}
        assert {key: told[key] for key in model} == model
        told = raw(server, "DescribeEndpointConfig", EndpointConfigName="echo")
        assert told.keys() - config.keys() == {"EndpointConfigName", "EndpointConfigArn", "CreationTime"}
        assert {key: told[key] for key in config} == config


class TestServerless:
    def test_it_is_told(self, server):
        """DescribeEndpoint tells the config and no instances, DescribeEndpointConfig no instance type."""
        (variant,) = describe(server, "serverless")["ProductionVariants"]
        assert (variant["CurrentServerlessConfig"], variant["CurrentInstanceCount"]) == (SERVERLESS, 0)
        config = client("sagemaker", server).describe_endpoint_config(EndpointConfigName="serverless")
        assert "InstanceType" not in config["ProductionVariants"][0]

    def test_it_answers(self, server, image):
        """A serverless variant gives the reply that the same model gives on a machine."""
        assert reply(server, "serverless", image) == reply(server, DEMO_ENDPOINT, image)

    def test_a_body_over_4_mb_is_oversize(self, server):
        """One byte above 4 MB is refused with a message that names the request; 4 MB reach the container."""
        response = refused(invoke, server, "serverless", bytes(4 * MEBIBYTE + 1))
        request = response["ResponseMetadata"]["RequestId"]
        assert response["Error"]["Code"] == "ValidationError"
        assert response["Error"]["Message"] == f"Request {request} has oversize body."
        assert refused(invoke, server, "serverless", bytes(4 * MEBIBYTE))["OriginalStatusCode"] == 415

    def test_other_kinds_take_more_than_4_mb(self, server):
        """The limit of 4 MB is for serverless variants only."""
        assert refused(invoke, server, DEMO_ENDPOINT, bytes(4 * MEBIBYTE + 1))["OriginalStatusCode"] == 415

    def test_only_the_first_call_starts_cold(self):
        """The first call takes the cold start, the next one does not; after a new deployment it is cold again."""
        with EmbeddedServer(delay=0, cold_start=0.5) as server:
            deploy(server, "s", ProductionVariants=[SERVERLESS_VARIANT])
            invoke(server, DEMO_ENDPOINT, tiny())  # loads the network

            def is_slow() -> bool:
                start = time.monotonic()
                invoke(server, "s", tiny())
                return time.monotonic() - start >= 0.5

            first, second = is_slow(), is_slow()
            client("sagemaker", server).update_endpoint(EndpointName="s", EndpointConfigName="s")
            assert (first, second, is_slow()) == (True, False, True)

    def test_provisioned_instances_are_warm(self):
        """With provisioned concurrency there is no cold start, up to as many calls at once."""
        with EmbeddedServer(delay=0, cold_start=5) as server:
            variant = SERVERLESS_VARIANT | {"ServerlessConfig": SERVERLESS | {"ProvisionedConcurrency": 1}}
            deploy(server, "s", ProductionVariants=[variant])
            start = time.monotonic()
            invoke(server, "s", tiny())
            assert time.monotonic() - start < 5

    def test_more_calls_than_max_concurrency_are_throttled(self):
        """Of three calls at once a variant of two answers two; the third is a ThrottlingException."""
        with EmbeddedServer(delay=0, cold_start=1) as server:
            variant = SERVERLESS_VARIANT | {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 2}}
            deploy(server, "s", ProductionVariants=[variant])
            barrier = threading.Barrier(3)

            def outcome() -> str:
                barrier.wait()
                try:
                    return invoke(server, "s", tiny())["InvokedProductionVariant"]
                except ClientError as error:
                    return error.response["Error"]["Code"]

            client("sagemaker-runtime", server)
            with ThreadPoolExecutor(3) as pool:
                outcomes = [future.result() for future in [pool.submit(outcome) for _ in range(3)]]
            assert sorted(outcomes) == ["ThrottlingException", "v", "v"]
            assert invoke(server, "s", tiny())["InvokedProductionVariant"] == "v"

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"MemorySizeInMB": 512}, "'productionVariants.1.member.serverlessConfig.memorySizeInMB'"),
            ({"MemorySizeInMB": 512}, "greater than or equal to 1024"),
            ({"MemorySizeInMB": 7168}, "less than or equal to 6144"),
            ({"MemorySizeInMB": 1500}, "a multiple of 1024"),
            ({"MemorySizeInMB": None}, "must not be null"),
            ({"MaxConcurrency": 0}, "greater than or equal to 1"),
            ({"MaxConcurrency": 201}, "less than or equal to 200"),
            ({"MaxConcurrency": "many"}, "must be of type int"),
        ],
    )
    def test_impossible_sizes_are_refused(self, server, change, words):
        """Memory goes from 1024 to 6144 MB in steps of 1024, concurrency from 1 to 200."""
        variant = SERVERLESS_VARIANT | {"ServerlessConfig": SERVERLESS | change}
        create = client("sagemaker", server).create_endpoint_config
        error = refused(create, EndpointConfigName="c", ProductionVariants=[variant])["Error"]
        assert error["Code"] == "ValidationException"
        assert words in error["Message"]

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"ProductionVariants": [SERVERLESS_VARIANT | {"InstanceType": "ml.m5.large"}]}, "and not both"),
            ({"ProductionVariants": [SERVERLESS_VARIANT, VARIANT | {"VariantName": "w"}]}, "one variant only"),
            ({"ProductionVariants": [SERVERLESS_VARIANT | {"ModelName": "folder"}]}, "one model only"),
            ({"ProductionVariants": [SERVERLESS_VARIANT | {"ModelName": "direct"}]}, "one container"),
            (
                {"ProductionVariants": [SERVERLESS_VARIANT], "AsyncInferenceConfig": ASYNCHRONOUS},
                "AsyncInferenceConfig",
            ),
        ],
    )
    def test_what_serverless_excludes_is_refused(self, server, config, words):
        """A serverless variant has no machine, is alone, and has one container with one model, not asynchronous."""
        error = refused(client("sagemaker", server).create_endpoint_config, EndpointConfigName="c", **config)["Error"]
        assert error["Code"] == "ValidationException"
        assert words in error["Message"]


class TestAsynchronous:
    def test_it_is_told(self, server):
        """DescribeEndpoint and DescribeEndpointConfig tell AsyncInferenceConfig as it was given."""
        config = client("sagemaker", server).describe_endpoint_config(EndpointConfigName="asynchronous")
        assert describe(server, "asynchronous")["AsyncInferenceConfig"] == ASYNCHRONOUS
        assert config["AsyncInferenceConfig"] == ASYNCHRONOUS

    def test_it_is_told_from_the_start(self):
        """An endpoint is known to be asynchronous while it is Creating."""
        with EmbeddedServer(delay=60) as server:
            deploy(server, "a", ProductionVariants=[VARIANT], AsyncInferenceConfig=ASYNCHRONOUS)
            endpoint = describe(server, "a")
        assert (endpoint["EndpointStatus"], endpoint["AsyncInferenceConfig"]) == ("Creating", ASYNCHRONOUS)

    def test_invoke_endpoint_is_refused(self, server, image):
        """InvokeEndpoint names the operation to use instead."""
        assert "InvokeEndpointAsync" in refusal(invoke, server, "asynchronous", image)

    def test_invoke_endpoint_async_says_that_there_is_no_s3(self, server):
        """InvokeEndpointAsync is refused, whether its input is in S3 or in the request: the reply would go to S3."""
        call = client("sagemaker-runtime", server).invoke_endpoint_async
        for source in ({"InputLocation": "s3://bucket/image.jpg"}, {"Body": b"image"}):
            assert "no S3" in refusal(call, EndpointName="asynchronous", ContentType="image/jpeg", **source)

    @pytest.mark.parametrize(
        ("name", "words"), [(DEMO_ENDPOINT, "is not an asynchronous endpoint"), ("nope", "not found.")]
    )
    def test_invoke_endpoint_async_of_what_is_not(self, server, name, words):
        """InvokeEndpointAsync of another kind of endpoint, or of none, says which it is."""
        call = client("sagemaker-runtime", server).invoke_endpoint_async
        assert words in refusal(call, EndpointName=name, InputLocation="s3://bucket/image.jpg")

    @pytest.mark.parametrize(
        ("config", "member"),
        [
            ({}, "asyncInferenceConfig.outputConfig"),
            ({"OutputConfig": {"S3OutputPath": "bucket"}}, "asyncInferenceConfig.outputConfig.s3OutputPath"),
            (
                ASYNCHRONOUS | {"ClientConfig": {"MaxConcurrentInvocationsPerInstance": 0}},
                "asyncInferenceConfig.clientConfig.maxConcurrentInvocationsPerInstance",
            ),
        ],
    )
    def test_a_malformed_config_is_refused(self, server, config, member):
        """OutputConfig is needed, its path is a URL, and an instance takes at least one call."""
        create = client("sagemaker", server).create_endpoint_config
        request = {"EndpointConfigName": "c", "ProductionVariants": [VARIANT], "AsyncInferenceConfig": config}
        error = refused(create, **request)["Error"]
        assert error["Code"] == "ValidationException"
        assert f"at '{member}'" in error["Message"]


class TestShadow:
    def test_it_is_told_beside_the_production_variant(self, server):
        """DescribeEndpoint and DescribeEndpointConfig list the shadow variant under its own member."""
        endpoint = describe(server, "shadowed")
        config = client("sagemaker", server).describe_endpoint_config(EndpointConfigName="shadowed")
        for told in (endpoint, config):
            assert [v["VariantName"] for v in told["ProductionVariants"]] == ["v"]
            assert [v["VariantName"] for v in told["ShadowProductionVariants"]] == ["shadow"]
        assert config["ShadowProductionVariants"][0]["InitialVariantWeight"] == 1

    def test_only_the_production_variant_answers(self, server):
        """Every reply is the production variant's, and the shadow variant cannot be asked for."""
        body = tiny()
        assert {invoke(server, "shadowed", body)["InvokedProductionVariant"] for _ in range(10)} == {"v"}
        assert refusal(invoke, server, "shadowed", body, TargetVariant="shadow").startswith("Variant shadow of ")

    @pytest.mark.parametrize(
        ("shadow", "words"),
        [
            ([VARIANT], "must differ"),
            ([VARIANT | {"VariantName": "s"}, VARIANT | {"VariantName": "t"}], "one shadow variant"),
            ([VARIANT | {"VariantName": "s", "ModelName": "nope"}], 'Could not find model "arn:'),
            ([{"VariantName": "s", "ModelName": "highway-a"}], "InstanceType"),
            ([VARIANT | {"VariantName": "_"}], "'shadowProductionVariants.1.member.variantName'"),
        ],
    )
    def test_impossible_shadows_are_refused(self, server, shadow, words):
        """There is one shadow variant at most, and it is held to what production variants are held to."""
        create = client("sagemaker", server).create_endpoint_config
        request = {"EndpointConfigName": "c", "ProductionVariants": [VARIANT], "ShadowProductionVariants": shadow}
        error = refused(create, **request)["Error"]
        assert error["Code"] == "ValidationException"
        assert words in error["Message"]


class TestMultiModel:
    def test_target_model_answers(self, server, image):
        """TargetModel chooses the detector by its file name."""
        for model, variant in (("highway-a.onnx", "A"), ("highway-b.onnx", "B")):
            expected = reply(server, DEMO_ENDPOINT, image, TargetVariant=variant)
            assert reply(server, "folder", image, TargetModel=model) == expected

    def test_target_model_is_needed(self, server, image):
        """Without TargetModel the request is refused with a message that names it."""
        response = refused(invoke, server, "folder", image)
        request = response["ResponseMetadata"]["RequestId"]
        assert response["Error"]["Code"] == "ValidationError"
        assert response["Error"]["Message"] == f"Request {request} is missing a target model header."

    @pytest.mark.parametrize("model", ["model.tar.gz", "highway-a", "/highway-a.onnx", "../highway-a.onnx"])
    def test_a_model_that_is_not_there(self, server, image, model):
        """What is not a network file could not be downloaded; the message has the bucket and the key."""
        message = refusal(invoke, server, "folder", image, TargetModel=model)
        assert message.startswith(f"Failed to download model data (bucket: bucket, key: models/{model}).")

    def test_other_kinds_take_no_target_model(self, server, image):
        """An endpoint of one model, or of several containers, does not support the header."""
        for name, asked in ((DEMO_ENDPOINT, {}), ("pipeline", {}), ("direct", {"TargetContainerHostname": "first"})):
            message = refusal(invoke, server, name, image, TargetModel="highway-a.onnx", **asked)
            assert message.endswith("is not a multi-model endpoint and does not support target model header.")

    def test_errors_come_from_model(self, server):
        """A container's error is said to come from "model", as SageMaker says of multi-model endpoints."""
        response = refused(invoke, server, "folder", b"no image", TargetModel="highway-a.onnx")
        assert response["Error"]["Message"].startswith("Received client error (415) from model with message ")


class TestContainers:
    def test_target_container_answers(self, server, image):
        """TargetContainerHostname chooses the container, and so the detector."""
        for container, variant in (("first", "A"), ("second", "B")):
            expected = reply(server, DEMO_ENDPOINT, image, TargetVariant=variant)
            assert reply(server, "direct", image, TargetContainerHostname=container) == expected

    def test_target_container_is_needed(self, server, image):
        """In Direct mode a request without TargetContainerHostname is refused with a message that names it."""
        assert refusal(invoke, server, "direct", image).endswith("is missing a target container hostname header.")

    def test_a_container_that_is_not_there(self, server, image):
        """An unknown hostname is named in the answer."""
        message = refusal(invoke, server, "direct", image, TargetContainerHostname="third")
        assert message == "Container third of endpoint direct of account 000000000000 not found."

    def test_other_kinds_take_no_target_container(self, server, image):
        """An endpoint that is not in Direct mode does not support the header."""
        for name in (DEMO_ENDPOINT, "pipeline"):
            message = refusal(invoke, server, name, image, TargetContainerHostname="first")
            assert message.endswith("does not support target container hostname header.")

    def test_errors_come_from_the_container(self, server):
        """A container's error is said to come from it by its hostname."""
        response = refused(invoke, server, "direct", b"no image", TargetContainerHostname="second")
        assert response["Error"]["Message"].startswith("Received client error (415) from second with message ")

    @pytest.mark.parametrize(
        ("model", "words"),
        [
            ({"Containers": DIRECT[:1]} | DIRECT_MODE, "several Containers"),
            ({"Containers": [DIRECT[0], {"Image": "b:1"}]} | DIRECT_MODE, "each with a ContainerHostname"),
            ({"PrimaryContainer": DIRECT[0]} | DIRECT_MODE, "several Containers"),
            ({"Containers": [DIRECT[0], DIRECT[0]]}, "must differ"),
            ({"Containers": [DIRECT[0], {"Image": "a:1", "ContainerHostname": "_"}]}, "member.containerHostname'"),
            ({"InferenceExecutionConfig": {"Mode": "Any"}}, "enum value set: [Direct, Serial]"),
            ({"InferenceExecutionConfig": {}}, "'inferenceExecutionConfig.mode'"),
            ({"Containers": [{"Image": "a:1", "Mode": "Any"}]}, "enum value set: [MultiModel, SingleModel]"),
            ({"Containers": [DIRECT[0], DIRECT[1] | {"Mode": "MultiModel"}]} | DIRECT_MODE, "one of several"),
            ({"PrimaryContainer": {"Image": "a:1", "Mode": "MultiModel"}}, "needs a ModelDataUrl"),
            ({"PrimaryContainer": DIRECT[0], "Containers": DIRECT}, "Exactly one"),
        ],
    )
    def test_impossible_containers_are_refused(self, server, model, words):
        """Direct mode needs several containers with hostnames that differ, MultiModel a folder, and no mode is new."""
        error = refused(client("sagemaker", server).create_model, ModelName="m", **model)["Error"]
        assert error["Code"] == "ValidationException"
        assert words in error["Message"]
