"""Deployments that fail at the embedded endpoint, called by boto3 over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from smviz.local import DEMO_ENDPOINT, EmbeddedServer

SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
MISSING = "embedded://lowway-a.onnx"


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(delay=60, clock=clock) as server:
        yield server


@pytest.fixture
def sagemaker(server: EmbeddedServer):
    return client("sagemaker", server)


def client(service: str, server: EmbeddedServer):
    config = Config(proxies={}, retries={"total_max_attempts": 1})
    return SESSION.client(service, endpoint_url=server.url, config=config)


def variant(model: str, **members) -> dict:
    return {
        "VariantName": model,
        "ModelName": model,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    } | members


def configure(sagemaker, name: str, artefact: str) -> None:
    """A model of an artefact, and a config of that model, both of the same name."""
    sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": "a:1", "ModelDataUrl": artefact})
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(name)])


def status(sagemaker, name: str) -> str:
    return sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]


def refused(call, **request) -> dict:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]


class TestCreate:
    @pytest.fixture
    def failed(self, sagemaker, clock) -> str:
        """The name of an endpoint that is Failed."""
        configure(sagemaker, "bad", MISSING)
        sagemaker.create_endpoint(EndpointName="bad", EndpointConfigName="bad")
        assert status(sagemaker, "bad") == "Creating"
        assert "FailureReason" not in sagemaker.describe_endpoint(EndpointName="bad")
        clock.now += 60
        return "bad"

    def test_an_artefact_that_is_not_there(self, sagemaker, failed):
        """Creating becomes Failed; the reason names the variant and the URL, and there are no variants."""
        endpoint = sagemaker.describe_endpoint(EndpointName=failed)
        assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("Failed", "bad")
        assert endpoint["FailureReason"].startswith("Failed to download model data for container ")
        assert "production variant bad" in endpoint["FailureReason"]
        assert f'"{MISSING}"' in endpoint["FailureReason"]
        assert "ProductionVariants" not in endpoint

    def test_it_is_listed_as_failed(self, sagemaker, failed):
        """ListEndpoints tells and finds its status."""
        listed = sagemaker.list_endpoints(StatusEquals="Failed")["Endpoints"]
        assert [endpoint["EndpointName"] for endpoint in listed] == [failed]

    def test_it_takes_no_update(self, sagemaker, failed):
        """UpdateEndpoint is refused, also with a config that is in order."""
        error = refused(sagemaker.update_endpoint, EndpointName=failed, EndpointConfigName=DEMO_ENDPOINT)
        assert error["Code"] == "ValidationException"
        assert error["Message"].startswith("Cannot update failed endpoint")

    def test_it_takes_no_invocation(self, server, failed):
        """InvokeEndpoint says that its status is Failed."""
        error = refused(client("sagemaker-runtime", server).invoke_endpoint, EndpointName=failed, Body=b"")
        assert (error["Code"], error["Message"].endswith("its status is Failed.")) == ("ValidationError", True)

    def test_it_can_be_deleted(self, sagemaker, failed, clock):
        """DeleteEndpoint makes it Deleting, without a reason, and then it is gone."""
        sagemaker.delete_endpoint(EndpointName=failed)
        endpoint = sagemaker.describe_endpoint(EndpointName=failed)
        assert (endpoint["EndpointStatus"], "FailureReason" in endpoint) == ("Deleting", False)
        clock.now += 60
        assert refused(sagemaker.describe_endpoint, EndpointName=failed)["Code"] == "ValidationException"

    def test_the_waiter_ends_with_the_failure(self):
        """boto3's waiter for an endpoint in service stops at Failed."""
        with EmbeddedServer(delay=0.1) as server:
            sagemaker = client("sagemaker", server)
            configure(sagemaker, "bad", MISSING)
            sagemaker.create_endpoint(EndpointName="bad", EndpointConfigName="bad")
            waiter = sagemaker.get_waiter("endpoint_in_service")
            with pytest.raises(WaiterError) as caught:
                waiter.wait(EndpointName="bad", WaiterConfig={"Delay": 0.05, "MaxAttempts": 40})
        assert caught.value.last_response["EndpointStatus"] == "Failed"

    @pytest.mark.parametrize(
        ("artefact", "ends"),
        [
            ("embedded://highway-a.onnx", "InService"),
            ("embedded://highway-b.onnx", "InService"),
            ("s3://bucket/model.tar.gz", "InService"),
            ("s3://bucket/lowway-a.onnx", "InService"),
            ("embedded://models/highway-a.onnx", "Failed"),
            ("embedded://highway-a.onnx/", "Failed"),
            ("embedded://Highway-A.onnx", "Failed"),
            ("embedded://..", "Failed"),
        ],
    )
    def test_which_artefacts_are_there(self, sagemaker, clock, artefact, ends):
        """Of embedded artefacts exactly the two network files are there; what is in S3 is not looked for."""
        configure(sagemaker, "m", artefact)
        sagemaker.create_endpoint(EndpointName="m", EndpointConfigName="m")
        clock.now += 60
        assert status(sagemaker, "m") == ends

    def test_the_folder_of_a_multi_model_container_is_not_looked_for(self, sagemaker, clock):
        """A multi-model container fetches its models when it is invoked, so a deployment does not fail by them."""
        folder = {"Image": "a:1", "Mode": "MultiModel", "ModelDataUrl": "embedded://models/"}
        sagemaker.create_model(ModelName="folder", PrimaryContainer=folder)
        sagemaker.create_endpoint_config(EndpointConfigName="folder", ProductionVariants=[variant("folder")])
        sagemaker.create_endpoint(EndpointName="folder", EndpointConfigName="folder")
        clock.now += 60
        assert status(sagemaker, "folder") == "InService"

    def test_one_missing_artefact_is_enough(self, sagemaker, clock):
        """An endpoint fails by any of its variants, shadow variants, or their containers."""
        configure(sagemaker, "bad", MISSING)
        containers = [{"Image": "a:1"}, {"Image": "a:1", "ModelDataUrl": MISSING, "ContainerHostname": "second"}]
        sagemaker.create_model(ModelName="chain", Containers=containers)
        good = variant("highway-a")
        configs = {
            "variant": {"ProductionVariants": [good, variant("bad")]},
            "shadow": {"ProductionVariants": [good], "ShadowProductionVariants": [variant("bad")]},
            "container": {"ProductionVariants": [variant("chain")]},
        }
        for name, variants in configs.items():
            sagemaker.create_endpoint_config(EndpointConfigName=name, **variants)
            sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        clock.now += 60
        reasons = [sagemaker.describe_endpoint(EndpointName=name)["FailureReason"] for name in configs]
        assert [MISSING in reason for reason in reasons] == [True] * 3
        assert "container second of production variant chain" in reasons[-1]


class TestUpdate:
    @pytest.fixture
    def updated(self, sagemaker) -> str:
        """The name of an endpoint in service that has begun an update which will fail."""
        configure(sagemaker, "bad", MISSING)
        sagemaker.update_endpoint(EndpointName=DEMO_ENDPOINT, EndpointConfigName="bad")
        return DEMO_ENDPOINT

    def test_it_rolls_back(self, sagemaker, updated, clock):
        """Updating, RollingBack, InService: all the while with the old config, and at last with the reason."""
        told = []
        for _ in range(3):
            endpoint = sagemaker.describe_endpoint(EndpointName=updated)
            variants = [v["VariantName"] for v in endpoint["ProductionVariants"]]
            told.append((endpoint["EndpointStatus"], endpoint["EndpointConfigName"], variants))
            clock.now += 60
        assert told == [(s, DEMO_ENDPOINT, ["A", "B"]) for s in ("Updating", "RollingBack", "InService")]
        assert MISSING in sagemaker.describe_endpoint(EndpointName=updated)["FailureReason"]

    def test_a_look_long_after_tells_the_end(self, sagemaker, updated, clock):
        """Nobody has to look while it rolls back: it was InService again two delays after the update began."""
        start = clock.now
        clock.now += 10_000
        endpoint = sagemaker.describe_endpoint(EndpointName=updated)
        assert endpoint["EndpointStatus"] == "InService"
        assert endpoint["LastModifiedTime"].timestamp() == start + 120

    def test_it_takes_no_change_while_it_rolls_back(self, sagemaker, updated, clock):
        """RollingBack is in progress: neither an update nor a deletion is accepted."""
        clock.now += 60
        for call, more in (
            (sagemaker.update_endpoint, {"EndpointConfigName": DEMO_ENDPOINT}),
            (sagemaker.delete_endpoint, {}),
        ):
            message = refused(call, EndpointName=updated, **more)["Message"]
            assert message.startswith("Cannot update in-progress endpoint")

    def test_it_answers_all_the_while(self, server, updated, clock):
        """The old variants answer while it is Updating and RollingBack, and after."""
        runtime = client("sagemaker-runtime", server)
        for _ in range(3):
            error = refused(runtime.invoke_endpoint, EndpointName=updated, Body=b"", ContentType="image/jpeg")
            assert error["Code"] == "ModelError"  # the container answers: an empty body is no image
            clock.now += 60

    def test_the_next_update_clears_the_reason(self, sagemaker, updated, clock):
        """An update that succeeds after one that failed leaves no reason."""
        clock.now += 120
        sagemaker.update_endpoint(EndpointName=updated, EndpointConfigName=DEMO_ENDPOINT)
        assert "FailureReason" not in sagemaker.describe_endpoint(EndpointName=updated)
        clock.now += 60
        endpoint = sagemaker.describe_endpoint(EndpointName=updated)
        assert (endpoint["EndpointStatus"], "FailureReason" in endpoint) == ("InService", False)


def test_at_most_twenty_endpoints(sagemaker, clock):
    """The 21st endpoint is ResourceLimitExceeded, until another one is gone."""
    for i in range(19):
        sagemaker.create_endpoint(EndpointName=f"e{i}", EndpointConfigName=DEMO_ENDPOINT)
    error = refused(sagemaker.create_endpoint, EndpointName="last", EndpointConfigName=DEMO_ENDPOINT)
    assert error["Code"] == "ResourceLimitExceeded"
    assert "is 20 Endpoints, with current utilization of 20 Endpoints" in error["Message"]
    sagemaker.delete_endpoint(EndpointName=DEMO_ENDPOINT)
    assert refused(sagemaker.create_endpoint, EndpointName="last", EndpointConfigName=DEMO_ENDPOINT) == error
    clock.now += 60
    sagemaker.create_endpoint(EndpointName="last", EndpointConfigName=DEMO_ENDPOINT)
    assert status(sagemaker, "last") == "Creating"
