"""Deploy, update and delete, against the embedded endpoint over a real socket, and against moto."""

from __future__ import annotations

import time
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from smviz.deploying import (
    Part,
    behind,
    deploy,
    idle_cost,
    move,
    next_name,
    part_of,
    removal,
    remove,
    since,
    update,
    whole,
)
from smviz.deployment import Instances, Plan, PlannedVariant, Serverless, built_in_image, name_fault
from smviz.errors import AccessDenied, BadSetting, InvalidRequest, NotFound, NotInService, Unreachable
from smviz.local import DEMO_ENDPOINT, EmbeddedServer
from smviz.pricing import Price
from smviz.records import Endpoint, Variant
from smviz.sagemaker import SageMaker
from smviz.settings import Connection

ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole-embedded"
PLAN = Plan(
    region="us-east-1",
    model="cars-model",
    image=built_in_image("us-east-1"),
    artefact="embedded://highway-a.onnx",
    role=ROLE,
    config="cars-config",
    endpoint="cars",
    variants=(PlannedVariant(Instances("ml.m5.xlarge")),),
)
WRONG = replace(PLAN, artefact="embedded://missing.onnx")
PAUSE = 0.02  # seconds
ALL = (Part("model", "cars-model"), Part("endpoint config", "cars-config"), Part("endpoint", "cars"))


@pytest.fixture
def server():
    with EmbeddedServer(delay=0.3) as running:
        yield running


@pytest.fixture
def client(server):
    return SageMaker(Connection("us-east-1", server.url))


class Recorder(SageMaker):
    """The door, which also writes down every change it is asked for, and fails where it is told to."""

    def __init__(self, url, failing=None):
        super().__init__(Connection("us-east-1", url), sleep=lambda seconds: None)
        self.changes = []
        self.looks = 0
        self.failing = failing or {}

    def __getattribute__(self, name):
        found = super().__getattribute__(name)
        if name.startswith(("create_", "update_", "delete_")):
            return lambda *given: self.changes.append((name, given[0])) or self._made(name, found, given)
        if name.startswith("describe"):
            self.looks += 1
        return found

    def _made(self, name, change, given):
        before, error = self.failing.get(name, (False, None))
        if error and before:
            raise error
        change(*given)
        if error:
            raise error


@pytest.fixture
def recorder(server):
    return Recorder(server.url)


def completed(work):
    """The work at its end."""
    work.start()
    assert work.wait(30)
    return work.progress


def there(client):
    """Which parts of the plan exist."""
    looks = (client.describe_model, client.describe_endpoint_config, client.describe)
    found = []
    for part, look in zip(ALL, looks, strict=True):
        try:
            look(part.name)
        except NotFound:
            continue
        found.append(part)
    return tuple(found)


class TestDeploy:
    def test_the_whole_story(self, recorder):
        """Model, config, endpoint; in service; then back in the other order, and nothing is left."""
        work = deploy(recorder, PLAN, embedded=True, pause=PAUSE)
        work.start()
        while not work.wait(0.01):
            assert work.progress.state == "running"
        made = work.progress
        assert (made.state, made.done, made.current, made.error, made.purpose) == ("finished", 3, None, None, "deploy")
        assert made.exists == ALL == there(recorder)
        assert made.left_over == ()
        assert made.elapsed >= 0.3
        assert recorder.describe("cars").status == "InService"

        gone = completed(remove(recorder, whole(recorder.describe("cars")), pause=PAUSE))
        assert (gone.state, gone.exists, gone.purpose) == ("finished", (), "remove")
        assert there(recorder) == ()
        assert recorder.changes == [
            ("create_model", "cars-model"),
            ("create_endpoint_config", "cars-config"),
            ("create_endpoint", "cars"),
            ("delete_endpoint", "cars"),
            ("delete_endpoint_config", "cars-config"),
            ("delete_model", "cars-model"),
        ]

    def test_serverless(self, client):
        """Memory and concurrency arrive as planned."""
        plan = replace(PLAN, variants=(PlannedVariant(Serverless(3072, 7)),))
        assert completed(deploy(client, plan, embedded=True, pause=PAUSE)).state == "finished"
        [variant] = client.describe("cars").variants
        assert (variant.instance, variant.memory, variant.concurrency) == ("serverless", 3072, 7)

    def test_an_artefact_that_is_not_there(self, client):
        """The endpoint fails: its reason and the likely causes are told, and all three can be removed."""
        work = deploy(client, WRONG, embedded=True, pause=PAUSE)
        end = completed(work)
        assert end.state == "failed"
        assert isinstance(end.error, NotInService)
        assert "embedded://missing.onnx" in end.error.message
        assert "no object under the model's S3 address" in end.error.advice
        assert end.left_over == ALL == there(client)
        assert completed(remove(client, end.left_over, pause=PAUSE)).state == "finished"
        assert there(client) == ()

    @pytest.mark.parametrize("changed", ["model", "config", "endpoint"])
    def test_a_name_that_is_taken(self, recorder, changed):
        """It is told by name before anything is made, and what was there is never offered for removal."""
        name = {"model": "highway-a"}.get(changed, DEMO_ENDPOINT)
        end = completed(deploy(recorder, replace(PLAN, **{changed: name}), embedded=True))
        assert isinstance(end.error, InvalidRequest)
        assert f"named {name}." in end.error.message
        assert (end.done, end.exists, end.left_over, recorder.changes) == (0, (), (), [])

    def test_a_quota_half_way(self, client):
        """Model and config exist then, are named, and can be removed."""
        for i in range(19):
            client.create_endpoint(f"other-{i}", DEMO_ENDPOINT)
        end = completed(deploy(client, PLAN, embedded=True))
        assert "service limit" in end.error.message
        assert "quota" in end.error.advice
        assert end.current.operation == "create_endpoint"
        assert end.left_over == ALL[:2] == there(client)
        completed(remove(client, end.left_over))
        assert there(client) == ()

    def test_a_lost_answer(self, server):
        """Where the call went through and its answer was lost, what was made is known to exist."""
        lost = Unreachable("Could not create model cars-model: the connection was closed.", "Try again.")
        client = Recorder(server.url, {"create_model": (False, lost)})
        end = completed(deploy(client, PLAN, embedded=True))
        assert (end.error, end.left_over) == (lost, ALL[:1])

    def test_a_lost_call(self, server):
        """Where it did not, nothing is said to exist."""
        lost = Unreachable("Could not create model cars-model: no network.", "Try again.")
        client = Recorder(server.url, {"create_model": (True, lost)})
        assert completed(deploy(client, PLAN, embedded=True)).left_over == ()

    def test_a_bug_is_seen(self, server):
        """What nobody foresaw is raised where the progress is read, not swallowed."""
        work = deploy(Recorder(server.url, {"create_model": (True, ZeroDivisionError())}), PLAN, embedded=True)
        work.start()
        work.wait(10)
        with pytest.raises(ZeroDivisionError):
            _ = work.progress

    @pytest.mark.parametrize(
        ("changes", "word"),
        [
            ({"endpoint": "my cars"}, "' '"),
            ({"model": "-cars"}, "hyphen"),
            ({"config": "c" * 64}, "64 characters"),
            ({"role": "admin"}, "'admin'"),
            ({"artefact": "model.zip"}, "'model.zip'"),
            ({"variants": ()}, "0 variants"),
        ],
    )
    def test_what_aws_would_refuse(self, recorder, changes, word):
        """It is refused before any call."""
        with pytest.raises(BadSetting) as caught:
            deploy(recorder, replace(PLAN, **changes), embedded=True)
        assert word in caught.value.message
        assert (recorder.looks, recorder.changes) == (0, [])

    def test_an_embedded_artefact_on_aws(self, recorder):
        """Only the embedded endpoint has artefacts of its own."""
        with pytest.raises(BadSetting, match="no file in S3"):
            deploy(recorder, PLAN)

    def test_several_variants(self, recorder):
        """They are planned and printed, but not made here."""
        two = (*PLAN.variants, PlannedVariant(Instances("ml.m5.large"), "variant-2"))
        with pytest.raises(BadSetting, match="one variant"):
            deploy(recorder, replace(PLAN, variants=two), embedded=True)

    def test_on_aws_itself(self, monkeypatch):
        """What AWS is told, as another implementation of its control plane understands it."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        plan = replace(PLAN, artefact="s3://bucket/model.tar.gz")
        with mock_aws():
            client = SageMaker(Connection("us-east-1"), sleep=lambda seconds: None)
            end = completed(deploy(client, plan, pause=0))
            assert (end.state, end.error) == ("finished", None)
            vendor = boto3.client("sagemaker", region_name="us-east-1")
            container = vendor.describe_model(ModelName="cars-model")["PrimaryContainer"]
            assert (container["Image"], container["ModelDataUrl"]) == (plan.image, plan.artefact)
            [variant] = vendor.describe_endpoint_config(EndpointConfigName="cars-config")["ProductionVariants"]
            assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.xlarge", 1)
            completed(remove(client, whole(client.describe("cars")), pause=0))
            assert vendor.list_endpoints()["Endpoints"] == vendor.list_models()["Models"] == []


class TestUpdate:
    NEW = replace(PLAN, model="cars-model-2", config="cars-config-2", artefact="embedded://highway-b.onnx")

    @pytest.fixture
    def living(self, client):
        assert completed(deploy(client, PLAN, embedded=True, pause=PAUSE)).state == "finished"
        return client.describe("cars")

    def test_to_a_new_model(self, client, living):
        """The endpoint moves to it, and the old config and model are offered for removal, the endpoint never."""
        end = completed(update(client, self.NEW, living, embedded=True, pause=PAUSE))
        assert (end.state, end.error, end.purpose) == ("finished", None, "update")
        assert client.describe("cars").config == "cars-config-2"
        assert client.describe("cars").status == "InService"
        assert set(end.left_over) == set(ALL[:2])
        completed(remove(client, end.left_over))
        assert there(client) == ALL[2:]
        assert client.describe("cars").answers

    def test_that_is_rolled_back(self, client, living):
        """The endpoint answers as before; the reason is told; what the update made can be removed."""
        new = replace(self.NEW, artefact="embedded://missing.onnx")
        end = completed(update(client, new, living, embedded=True, pause=PAUSE))
        assert isinstance(end.error, NotInService)
        assert "went back to its config cars-config" in end.error.message
        assert "embedded://missing.onnx" in end.error.message
        assert set(end.left_over) == {Part("model", "cars-model-2"), Part("endpoint config", "cars-config-2")}
        completed(remove(client, end.left_over))
        assert there(client) == ALL
        assert client.describe("cars").answers

    def test_that_is_refused(self, client, living):
        """While the endpoint is in another change, the new model and config are not needed and can be removed."""
        client.update_endpoint("cars", DEMO_ENDPOINT)
        end = completed(update(client, self.NEW, living, embedded=True, pause=PAUSE))
        assert isinstance(end.error, InvalidRequest)
        assert set(end.left_over) == {Part("model", "cars-model-2"), Part("endpoint config", "cars-config-2")}

    def test_whose_answer_is_lost(self, server, living):
        """The endpoint may be on the new config by now: nothing is offered for removal."""
        lost = Unreachable("Could not update endpoint cars: the connection was closed.", "Try again.")
        recorder = Recorder(server.url, {"update_endpoint": (False, lost)})
        end = completed(update(recorder, self.NEW, living, embedded=True, pause=PAUSE))
        assert (end.error, end.left_over) == (lost, ())

    def test_that_loses_sight_of_the_endpoint(self, server, living):
        """The same holds when the credentials end while the endpoint is updated."""
        denied = AccessDenied("Could not describe endpoint cars.", "Ask the account's owner.")

        class Blind(Recorder):
            def describe(self, name):
                raise denied

        end = completed(update(Blind(server.url), self.NEW, living, embedded=True, pause=PAUSE))
        assert (end.error, end.left_over) == (denied, ())

    def test_to_a_config_that_exists(self, client, living):
        """Only what the new config does not need is superfluous."""
        end = completed(move(client, living, DEMO_ENDPOINT, pause=PAUSE))
        assert end.state == "finished"
        assert client.describe("cars").config == DEMO_ENDPOINT
        assert set(end.left_over) == set(ALL[:2])
        back = completed(move(client, client.describe("cars"), "cars-config", pause=PAUSE))
        assert {part.name for part in back.left_over} == {DEMO_ENDPOINT, "highway-a", "highway-b"}

    def test_to_a_config_of_the_same_model(self, client, living):
        """The model stays in use."""
        client.create_endpoint_config("bigger", "cars-model", Instances("ml.m5.2xlarge"))
        end = completed(move(client, living, "bigger", pause=PAUSE))
        assert end.left_over == (Part("endpoint config", "cars-config"),)

    def test_to_a_config_that_does_not_exist(self, client, living):
        """It is told before the endpoint is touched; so is the config it has already."""
        with pytest.raises(NotFound):
            move(client, living, "missing")
        with pytest.raises(BadSetting, match="already"):
            move(client, living, "cars-config")


class TestRemove:
    def test_waits_until_the_endpoint_is_gone(self, server):
        """The config of a living endpoint is never deleted."""
        seen = []

        class Watching(SageMaker):
            def delete_endpoint_config(self, name):
                seen.extend(endpoint.name for endpoint in self.endpoints())
                super().delete_endpoint_config(name)

        watching = Watching(Connection("us-east-1", server.url))
        completed(deploy(watching, PLAN, embedded=True, pause=PAUSE))
        assert completed(remove(watching, ALL, pause=PAUSE)).state == "finished"
        assert seen == [DEMO_ENDPOINT]

    def test_goes_on_where_something_is_gone_already(self, recorder):
        """What somebody else deleted counts as deleted."""
        completed(deploy(recorder, PLAN, embedded=True, pause=PAUSE))
        recorder.delete_model("cars-model")
        end = completed(remove(recorder, ALL, pause=PAUSE))
        assert (end.state, end.exists) == ("finished", ())
        assert there(recorder) == ()

    def test_that_fails_half_way(self, server):
        """What is still there is named, and a second try takes only that."""
        denied = AccessDenied("Could not delete endpoint config cars-config.", "Ask the account's owner.")
        client = Recorder(server.url, {"delete_endpoint_config": (True, denied)})
        completed(deploy(client, PLAN, embedded=True, pause=PAUSE))
        end = completed(remove(client, ALL, pause=PAUSE))
        assert end.error == denied
        assert set(end.left_over) == set(ALL[:2])
        client.failing = {}
        assert completed(remove(client, end.left_over)).exists == ()
        assert there(client) == ()

    def test_an_endpoint_that_is_being_made(self, client):
        """AWS refuses, everything is still there, and that is told."""
        client.create_endpoint("cars", DEMO_ENDPOINT)
        end = completed(remove(client, [Part("endpoint", "cars")], pause=PAUSE))
        assert "in-progress" in end.error.message
        assert end.left_over == (Part("endpoint", "cars"),)

    def test_nothing_is_named_that_was_not_asked_for(self):
        """The steps are for exactly these parts, in their only right order."""
        assert removal(()) == ()
        assert [step.operation for step in removal(ALL)] == [
            "delete_endpoint",
            "delete_endpoint_config",
            "delete_model",
        ]
        assert [part_of(step) for step in removal(ALL[:1])] == [ALL[0]]


class TestBehind:
    def test_each_model_once(self):
        """Two variants of one model, and a shadow: config and models, each once."""
        variants = tuple(Variant(name, "ml.m5.large", 1, 1.0, model) for name, model in (("A", "m"), ("B", "m")))
        shadow = Variant("S", "ml.m5.large", 1, 1.0, "s")
        endpoint = Endpoint("e", "InService", "", "c", variants, shadows=(shadow,))
        assert behind(endpoint) == (Part("endpoint config", "c"), Part("model", "m"), Part("model", "s"))
        assert whole(endpoint)[0] == Part("endpoint", "e")

    def test_what_is_not_told(self):
        """An endpoint whose config cannot be read has nothing that could be named."""
        assert behind(Endpoint("e", "InService", "")) == ()


class TestSince:
    def test_from_the_times_of_aws(self, client):
        """While it is created the time of creation counts, afterwards that of the last change."""
        client.create_endpoint("cars", DEMO_ENDPOINT)
        assert 0 <= since(client.describe("cars"), time.time()) < 5
        endpoint = Endpoint("e", "Creating", "2026-01-01T00:00:00+00:00", updated="2026-01-01T00:10:00+00:00")
        now = 1767226800.0  # 2026-01-01T00:20:00Z
        assert since(endpoint, now) == 20 * 60
        assert since(replace(endpoint, status="Updating"), now) == 10 * 60
        assert since(endpoint, 0) == 0


class TestIdleCost:
    def endpoint(self, *machines):
        return Endpoint("e", "InService", "", variants=tuple(Variant("v", *machine, 1.0) for machine in machines))

    def test_sums_the_instances(self):
        """Each instance costs 24 hours of its price; a price of one's own comes first."""
        two = self.endpoint(("ml.m5.xlarge", 2))
        assert idle_cost(two, "us-east-1") == pytest.approx(2 * 24 * 0.23)
        own = [Price("us-east-1", "ml.m5.xlarge", "hosting", 1.0)]
        assert idle_cost(two, "us-east-1", own) == 48

    def test_serverless_and_unknown(self):
        """Serverless is free while idle; one unknown price makes the sum unknown."""
        assert idle_cost(self.endpoint(("serverless", 0)), "us-east-1") == 0
        unknown = idle_cost(self.endpoint(("ml.m5.xlarge", 1), ("ml.q9.xlarge", 1)), "us-east-1")
        assert unknown != unknown


class TestNextName:
    @pytest.mark.parametrize(
        ("name", "after"),
        [("cars", "cars-2"), ("cars-2", "cars-3"), ("cars-9", "cars-10"), ("v-1-0", "v-1-0-2"), ("7", "7-2")],
    )
    def test_counts_up(self, name, after):
        """A name without a number gets a 2."""
        assert next_name(name) == after

    def test_stays_a_name(self):
        """However long the name is, what AWS takes comes out."""
        for name in ("c" * 63, "c" * 60 + "-99", "c" * 60 + "-a", "x" * 55 + "-999999"):
            assert name_fault(next_name(name)) == ""
            assert next_name(name) != name
