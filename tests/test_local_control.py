"""The embedded control plane, called by boto3 over a real socket."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from smviz.local import DEMO_ENDPOINT, EmbeddedServer

SESSION = boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")
ROLE = "arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole"
VARIANT = {"VariantName": "v", "ModelName": "highway-a", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}


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


@pytest.fixture(scope="module")
def untouched() -> Iterator[EmbeddedServer]:
    """A server for requests that are all refused, so that it can be shared."""
    with EmbeddedServer() as server:
        yield server


@pytest.fixture
def sagemaker(server: EmbeddedServer):
    return client(server)


def client(server: EmbeddedServer, **settings):
    config = Config(proxies={}, retries={"total_max_attempts": 1}, **settings)
    return SESSION.client("sagemaker", endpoint_url=server.url, config=config)


def status(sagemaker, name: str) -> str:
    return sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]


def names(answer: dict) -> list[str]:
    return [endpoint["EndpointName"] for endpoint in answer["Endpoints"]]


def refusal(call, **request) -> str:
    """The message of the ValidationException that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return caught.value.response["Error"]["Message"]


def post(url: str, target: str, body: bytes) -> tuple[int, dict]:
    """A request as boto3 would never send it."""
    request = urllib.request.Request(url, body, {"X-Amz-Target": target})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(HTTPError) as caught:
        opener.open(request, timeout=10)
    return caught.value.code, json.loads(caught.value.read())


class TestDemoAccount:
    def test_holds_one_endpoint_in_service_with_two_variants(self, sagemaker):
        """At start, highway-demo is InService; all its traffic goes to variant A, none to B."""
        endpoint = sagemaker.describe_endpoint(EndpointName=DEMO_ENDPOINT)
        assert endpoint["EndpointStatus"] == "InService"
        variants = [(v["VariantName"], v["CurrentWeight"]) for v in endpoint["ProductionVariants"]]
        assert variants == [("A", 1.0), ("B", 0.0)]

    def test_names_the_built_in_image(self, sagemaker):
        """The deployed image is the built-in Object Detection container, whose reply format is spoken."""
        variant = sagemaker.describe_endpoint(EndpointName=DEMO_ENDPOINT)["ProductionVariants"][0]
        assert variant["DeployedImages"][0]["SpecifiedImage"].endswith("/object-detection:1")

    def test_config_tells_models_and_instance_type(self, sagemaker):
        """The config of the demo endpoint names both models and their instance type, and the models exist."""
        config = sagemaker.describe_endpoint_config(EndpointConfigName=DEMO_ENDPOINT)
        told = [(v["ModelName"], v["InstanceType"], v["InitialVariantWeight"]) for v in config["ProductionVariants"]]
        assert told == [("highway-a", "ml.m5.large", 1.0), ("highway-b", "ml.m5.large", 0.0)]
        model = sagemaker.describe_model(ModelName="highway-b")
        assert model["PrimaryContainer"]["ModelDataUrl"] == "embedded://highway-b.onnx"


class TestModels:
    def test_describe_gives_back_what_was_created(self, sagemaker, clock):
        """DescribeModel answers with the container, the role, the ARN and the time of creation."""
        container = {"Image": "1.dkr.ecr/x:1", "ModelDataUrl": "s3://bucket/m.tar.gz", "Environment": {"K": "V"}}
        made = sagemaker.create_model(ModelName="Mine", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        model = sagemaker.describe_model(ModelName="Mine")
        assert made["ModelArn"] == model["ModelArn"] == "arn:aws:sagemaker:us-east-1:000000000000:model/mine"
        assert (model["PrimaryContainer"], model["ExecutionRoleArn"]) == (container, ROLE)
        assert model["CreationTime"].timestamp() == clock.now

    def test_containers_may_be_a_list(self, sagemaker):
        """Containers instead of PrimaryContainer makes a model, and is described as it was given."""
        containers = [{"Image": "a:1"}, {"Image": "b:1"}]
        sagemaker.create_model(ModelName="chain", Containers=containers, ExecutionRoleArn=ROLE)
        assert sagemaker.describe_model(ModelName="chain")["Containers"] == containers

    def test_no_container_is_refused(self, sagemaker):
        """A model needs a container."""
        assert "PrimaryContainer" in refusal(sagemaker.create_model, ModelName="m")

    def test_duplicate_is_refused(self, sagemaker):
        """A model's name can be taken once."""
        message = refusal(sagemaker.create_model, ModelName="highway-a", PrimaryContainer={"Image": "a:1"})
        assert message.startswith('Cannot create already existing model "arn:')

    def test_delete_removes_it(self, sagemaker):
        """After DeleteModel it is neither described nor listed, and cannot be deleted again."""
        sagemaker.delete_model(ModelName="highway-a")
        assert [m["ModelName"] for m in sagemaker.list_models()["Models"]] == ["highway-b"]
        for call in (sagemaker.describe_model, sagemaker.delete_model):
            assert refusal(call, ModelName="highway-a").startswith('Could not find model "arn:')

    def test_members_without_effect_are_accepted(self, sagemaker):
        """Tags, network isolation and data capture are taken as AWS takes them, and have no effect."""
        tags = [{"Key": "team", "Value": "roads"}]
        sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "a:1"}, Tags=tags, EnableNetworkIsolation=True)
        capture = {
            "InitialSamplingPercentage": 1,
            "DestinationS3Uri": "s3://b/p",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        }
        sagemaker.create_endpoint_config(
            EndpointConfigName="c", ProductionVariants=[VARIANT], DataCaptureConfig=capture, Tags=tags
        )
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c", Tags=tags)
        assert status(sagemaker, "e") == "Creating"


class TestEndpointConfigs:
    def test_describe_gives_back_what_was_created(self, sagemaker):
        """DescribeEndpointConfig answers with the variants; a weight that was left out is 1."""
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[VARIANT])
        config = sagemaker.describe_endpoint_config(EndpointConfigName="c")
        assert config["ProductionVariants"] == [VARIANT | {"InitialVariantWeight": 1.0}]
        assert config["EndpointConfigArn"].endswith(":endpoint-config/c")

    def test_serverless_variant_is_told_as_such(self, sagemaker, clock):
        """A serverless variant shows its ServerlessConfig in the config and in the endpoint."""
        serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
        variant = {"VariantName": "v", "ModelName": "highway-a", "ServerlessConfig": serverless}
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
        clock.now += 60
        endpoint = sagemaker.describe_endpoint(EndpointName="e")
        assert endpoint["ProductionVariants"][0]["CurrentServerlessConfig"] == serverless

    @pytest.mark.parametrize(
        ("variants", "words"),
        [
            ([VARIANT | {"ModelName": "nope"}], 'Could not find model "arn:'),
            ([VARIANT, VARIANT], "must differ"),
            ([VARIANT | {"InitialVariantWeight": 0.0}], "above zero"),
            ([VARIANT | {"InitialVariantWeight": -1.0}], "greater than or equal to 0"),
            ([VARIANT | {"InstanceType": "big"}], "'productionVariants.1.member.instanceType'"),
            ([VARIANT, VARIANT | {"VariantName": "_"}], "Value '_' at 'productionVariants.2.member.variantName'"),
            ([{"VariantName": "v", "ModelName": "highway-a"}], "InstanceType"),
            ([], "length greater than or equal to 1"),
            ([VARIANT | {"VariantName": f"v{i}"} for i in range(11)], "length less than or equal to 10"),
        ],
    )
    def test_impossible_variants_are_refused(self, untouched, variants, words):
        """Unknown models, equal names, no weight at all, and malformed members each get a ValidationException."""
        create = client(untouched, parameter_validation=False).create_endpoint_config
        assert words in refusal(create, EndpointConfigName="c", ProductionVariants=variants)

    def test_duplicate_and_missing_are_refused(self, sagemaker):
        """A config's name can be taken once; describing or deleting one that is not there says so."""
        create = sagemaker.create_endpoint_config
        message = refusal(create, EndpointConfigName=DEMO_ENDPOINT, ProductionVariants=[VARIANT])
        assert message.startswith('Cannot create already existing endpoint configuration "arn:')
        for call in (sagemaker.describe_endpoint_config, sagemaker.delete_endpoint_config):
            assert refusal(call, EndpointConfigName="no").startswith('Could not find endpoint configuration "arn:')


class TestEndpointLife:
    def test_creating_then_in_service(self, sagemaker, clock):
        """A new endpoint is Creating for the delay, without variants, and then InService with them."""
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName=DEMO_ENDPOINT)
        clock.now += 59.9
        assert status(sagemaker, "e") == "Creating"
        assert "ProductionVariants" not in sagemaker.describe_endpoint(EndpointName="e")
        clock.now += 0.2
        endpoint = sagemaker.describe_endpoint(EndpointName="e")
        assert endpoint["EndpointStatus"] == "InService"
        assert len(endpoint["ProductionVariants"]) == 2
        assert (endpoint["LastModifiedTime"] - endpoint["CreationTime"]).total_seconds() == 60

    def test_update_serves_the_old_config_until_it_is_complete(self, sagemaker, clock):
        """An update is Updating with the old config, then InService with the new one."""
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[VARIANT])
        sagemaker.update_endpoint(EndpointName=DEMO_ENDPOINT, EndpointConfigName="c")
        endpoint = sagemaker.describe_endpoint(EndpointName=DEMO_ENDPOINT)
        assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("Updating", DEMO_ENDPOINT)
        clock.now += 60
        endpoint = sagemaker.describe_endpoint(EndpointName=DEMO_ENDPOINT)
        assert (endpoint["EndpointStatus"], endpoint["EndpointConfigName"]) == ("InService", "c")
        assert [v["VariantName"] for v in endpoint["ProductionVariants"]] == ["v"]

    def test_deleting_then_gone(self, sagemaker, clock):
        """A deleted endpoint is Deleting for the delay, then not found; its name can be taken again."""
        sagemaker.delete_endpoint(EndpointName=DEMO_ENDPOINT)
        assert status(sagemaker, DEMO_ENDPOINT) == "Deleting"
        clock.now += 60
        message = refusal(sagemaker.describe_endpoint, EndpointName=DEMO_ENDPOINT)
        assert (
            message == f'Could not find endpoint "arn:aws:sagemaker:us-east-1:000000000000:endpoint/{DEMO_ENDPOINT}".'
        )
        assert sagemaker.list_endpoints()["Endpoints"] == []
        sagemaker.create_endpoint(EndpointName=DEMO_ENDPOINT, EndpointConfigName=DEMO_ENDPOINT)
        assert status(sagemaker, DEMO_ENDPOINT) == "Creating"

    def test_an_endpoint_in_progress_takes_no_other_change(self, sagemaker):
        """While it is Creating, Updating or Deleting, an endpoint can be neither updated nor deleted."""
        sagemaker.create_endpoint(EndpointName="new", EndpointConfigName=DEMO_ENDPOINT)
        sagemaker.delete_endpoint(EndpointName=DEMO_ENDPOINT)
        for name in ("new", DEMO_ENDPOINT):
            update = refusal(sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=DEMO_ENDPOINT)
            delete = refusal(sagemaker.delete_endpoint, EndpointName=name)
            assert update == delete
            assert update.startswith("Cannot update in-progress endpoint")

    def test_what_does_not_exist_is_refused(self, sagemaker):
        """Endpoints and configs that are not there are named in the answer."""
        create, update = sagemaker.create_endpoint, sagemaker.update_endpoint
        assert "endpoint-config/no" in refusal(create, EndpointName="e", EndpointConfigName="no")
        assert "endpoint-config/no" in refusal(update, EndpointName=DEMO_ENDPOINT, EndpointConfigName="no")
        assert "endpoint/no" in refusal(update, EndpointName="no", EndpointConfigName=DEMO_ENDPOINT)
        assert "endpoint/no" in refusal(sagemaker.delete_endpoint, EndpointName="no")
        message = refusal(create, EndpointName=DEMO_ENDPOINT, EndpointConfigName=DEMO_ENDPOINT)
        assert message.startswith('Cannot create already existing endpoint "arn:')

    def test_a_live_endpoint_outlives_its_config_and_models(self, sagemaker):
        """Deleting the config and the models of a live endpoint is allowed and changes nothing for it."""
        before = sagemaker.describe_endpoint(EndpointName=DEMO_ENDPOINT)["ProductionVariants"]
        sagemaker.delete_endpoint_config(EndpointConfigName=DEMO_ENDPOINT)
        sagemaker.delete_model(ModelName="highway-a")
        sagemaker.delete_model(ModelName="highway-b")
        assert sagemaker.describe_endpoint(EndpointName=DEMO_ENDPOINT)["ProductionVariants"] == before

    def test_waiters_end(self):
        """boto3's own waiters see the endpoint in service, and later gone."""
        with EmbeddedServer(delay=0.2) as server:
            sagemaker, soon = client(server), {"Delay": 0.05, "MaxAttempts": 40}
            sagemaker.create_endpoint(EndpointName="e", EndpointConfigName=DEMO_ENDPOINT)
            sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig=soon)
            assert status(sagemaker, "e") == "InService"
            sagemaker.delete_endpoint(EndpointName="e")
            sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="e", WaiterConfig=soon)
            assert names(sagemaker.list_endpoints()) == [DEMO_ENDPOINT]


class TestLists:
    @pytest.fixture
    def many(self, sagemaker, clock):
        """20 endpoints e00 to e19, one second apart; the first 10 are in service. The demo endpoint is deleted."""
        sagemaker.delete_endpoint(EndpointName=DEMO_ENDPOINT)
        clock.now += 60
        for i in range(20):
            if i == 10:
                clock.now += 60
            clock.now += 1
            sagemaker.create_endpoint(EndpointName=f"e{i:02}", EndpointConfigName=DEMO_ENDPOINT)
        return sagemaker

    def test_ten_a_page_newest_first_by_default(self, many):
        """Without arguments there are 10 rows, the newest first, and a token for more."""
        answer = many.list_endpoints()
        assert names(answer) == [f"e{i:02}" for i in range(19, 9, -1)]
        assert answer["NextToken"]

    @pytest.mark.parametrize("sort_by", ["Name", "CreationTime", "Status"])
    @pytest.mark.parametrize("order", ["Ascending", "Descending"])
    def test_pages_hold_every_row_once_in_order(self, many, sort_by, order):
        """Whatever the order, the pages of a list together are the list, and the last one has no token."""
        pages = list(
            many.get_paginator("list_endpoints").paginate(
                SortBy=sort_by, SortOrder=order, PaginationConfig={"PageSize": 3}
            )
        )
        rows = [row for page in pages for row in page["Endpoints"]]
        member = {"Name": "EndpointName", "CreationTime": "CreationTime", "Status": "EndpointStatus"}[sort_by]
        values = [row[member] for row in rows]
        assert values == sorted(values, reverse=order == "Descending")
        assert sorted(row["EndpointName"] for row in rows) == [f"e{i:02}" for i in range(20)]
        assert [len(page["Endpoints"]) for page in pages] == [3] * 6 + [2]
        assert "NextToken" not in pages[-1]

    def test_rows_that_go_between_two_pages_do_no_harm(self, many, clock):
        """Deleting rows of the first page neither hides nor repeats a row of the second."""
        first = many.list_endpoints(SortBy="Name", SortOrder="Ascending", MaxResults=5)
        clock.now += 60
        for name in names(first):
            many.delete_endpoint(EndpointName=name)
        clock.now += 60
        second = many.list_endpoints(SortBy="Name", SortOrder="Ascending", MaxResults=5, NextToken=first["NextToken"])
        assert names(second) == [f"e{i:02}" for i in range(5, 10)]

    def test_filters(self, many, clock):
        """NameContains ignores case, StatusEquals, and the times of creation and of the last change narrow the list."""
        assert sorted(names(many.list_endpoints(NameContains="E1"))) == [f"e{i}" for i in range(10, 20)]
        in_service = many.list_endpoints(StatusEquals="InService", MaxResults=100)
        assert sorted(names(in_service)) == [f"e{i:02}" for i in range(10)]
        assert names(many.list_endpoints(CreationTimeAfter=clock.now - 1)) == ["e19"]
        assert names(many.list_endpoints(CreationTimeAfter=clock.now - 3, CreationTimeBefore=clock.now - 1)) == ["e17"]
        assert names(many.list_endpoints(LastModifiedTimeAfter=clock.now - 2, LastModifiedTimeBefore=clock.now)) == [
            "e18"
        ]

    def test_models_and_configs_are_paged_too(self, sagemaker, clock):
        """ListModels and ListEndpointConfigs filter, sort and page as ListEndpoints does."""
        clock.now += 1
        for i in range(3):
            sagemaker.create_model(ModelName=f"m{i}", PrimaryContainer={"Image": "a:1"})
            sagemaker.create_endpoint_config(EndpointConfigName=f"c{i}", ProductionVariants=[VARIANT])
        asked = {"SortBy": "Name", "SortOrder": "Ascending", "PaginationConfig": {"PageSize": 2}}
        models = sagemaker.get_paginator("list_models").paginate(NameContains="m", **asked)
        assert [m["ModelName"] for page in models for m in page["Models"]] == ["m0", "m1", "m2"]
        configs = sagemaker.get_paginator("list_endpoint_configs").paginate(CreationTimeAfter=clock.now - 1, **asked)
        found = [(c["EndpointConfigName"], c["EndpointConfigArn"]) for page in configs for c in page["EndpointConfigs"]]
        assert found == [(f"c{i}", f"arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/c{i}") for i in range(3)]

    @pytest.mark.parametrize("token", ["x", "é", "bnVsbA==", "WzEsIDJd"])
    def test_a_foreign_token_is_refused(self, untouched, token):
        """A token that is none of this list's gets a ValidationException."""
        assert "NextToken" in refusal(client(untouched).list_endpoints, NextToken=token)

    def test_a_token_of_another_order_is_refused(self, many):
        """A token belongs to the order it was made for."""
        token = many.list_endpoints(SortBy="Name")["NextToken"]
        assert "NextToken" in refusal(many.list_endpoints, SortBy="CreationTime", NextToken=token)


class TestValidation:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"{}", "Value null at 'endpointName' failed to satisfy constraint: Member must not be null"),
            (b'{"EndpointName": "a_b"}', "Value 'a_b' at 'endpointName'"),
            (b'{"EndpointName": "a_b"}', "regular expression pattern: ^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
            (b'{"EndpointName": "a\\n"}', "Member must satisfy regular expression pattern"),
            (b'{"EndpointName": ""}', "Member must satisfy regular expression pattern"),
            (b'{"EndpointName": "%s"}' % (b"a" * 64), "Member must have length less than or equal to 63"),
            (b'{"EndpointName": 5}', "Member must be of type str"),
        ],
    )
    def test_names_are_held_to_awss_constraints(self, untouched, body, words):
        """A name that is missing, malformed, too long or no text is refused in AWS's words."""
        code, error = post(untouched.url, "SageMaker.DescribeEndpoint", body)
        assert (code, error["__type"]) == (400, "ValidationException")
        assert error["message"].startswith("1 validation error detected: Value ")
        assert words in error["message"]

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b'{"MaxResults": 0}', "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value gr"),
            (b'{"MaxResults": 101}', "Member must have value less than or equal to 100"),
            (b'{"StatusEquals": "Nope"}', "Value 'Nope' at 'statusEquals' failed to satisfy constraint: Member must s"),
            (b'{"StatusEquals": "Nope"}', "InService"),
            (b'{"SortBy": "Size"}', "enum value set: [CreationTime, Name, Status]"),
            (b'{"NameContains": "a b"}', "'nameContains'"),
            (b'{"CreationTimeAfter": "yesterday"}', "'creationTimeAfter'"),
        ],
    )
    def test_list_arguments_are_held_to_awss_constraints(self, untouched, body, words):
        """Numbers out of range, unknown enum values and malformed filters are refused in AWS's words."""
        code, error = post(untouched.url, "SageMaker.ListEndpoints", body)
        assert (code, error["__type"]) == (400, "ValidationException")
        assert words in error["message"]

    @pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"\xff", b'{"X":' + b"[" * 100_000])
    def test_a_body_that_is_no_json_object_is_refused(self, untouched, body):
        """Broken JSON, other JSON, broken UTF-8 and endless nesting each get a SerializationException."""
        code, error = post(untouched.url, "SageMaker.ListEndpoints", body)
        assert (code, error["__type"]) == (400, "SerializationException")

    @pytest.mark.parametrize("target", ["SageMaker.CreateTrainingJob", "SageMaker.", "Other.ListEndpoints", ""])
    def test_operations_that_are_not_served_say_so(self, untouched, target):
        """Every other operation gets an UnknownOperationException."""
        code, error = post(untouched.url, target, b"{}")
        assert (code, error["__type"]) == (404, "UnknownOperationException")


def test_eight_threads_see_one_account(server):
    """Of eight clients that create the same endpoint at once, exactly one succeeds."""
    answers = []

    def create():
        try:
            client(server).create_endpoint(EndpointName="e", EndpointConfigName=DEMO_ENDPOINT)
            answers.append("created")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["ValidationException"] * 7 + ["created"]
