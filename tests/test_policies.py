"""The IAM policies, least privilege, for one endpoint."""

import json
from dataclasses import replace

import botocore.session
import pytest

from smviz.deployment import Instances, Plan, PlannedVariant, built_in_image, partition_of
from smviz.errors import BadSetting
from smviz.policies import PURPOSES, Resources, policy

CARS = Resources(
    region="us-east-1",
    account="123456789012",
    endpoint="cars-endpoint",
    config="cars-config",
    model="cars-model",
    role="arn:aws:iam::123456789012:role/service-role/CarsRole",
    artefact="s3://cars-bucket/models/cars.tar.gz",
    image="811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1",
)
IN = "us-east-1:123456789012"
ENDPOINT = f"arn:aws:sagemaker:{IN}:endpoint/cars-endpoint"
CONFIG = f"arn:aws:sagemaker:{IN}:endpoint-config/cars-config"
MODEL = f"arn:aws:sagemaker:{IN}:model/cars-model"
LOG = f"arn:aws:logs:{IN}:log-group:/aws/sagemaker/Endpoints/cars-endpoint"
WITHOUT_A_RESOURCE = {  # AWS knows no resource for these: Service Authorization Reference
    "sagemaker:ListEndpoints",
    "cloudwatch:GetMetricData",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "iam:ListRoles",
}


def statements(purpose, resources=CARS):
    return json.loads(policy(purpose, resources))["Statement"]


def allowed(purpose, resources=CARS):
    """Every pair of action and resource that a policy allows."""
    return {
        (action, resource)
        for statement in statements(purpose, resources)
        for action in statement["Action"]
        for resource in ([statement["Resource"]] if statement["Resource"] == "*" else statement["Resource"])
    }


PERMISSIONS = [purpose for purpose in PURPOSES if purpose != "execution-role-trust"]


class TestPolicy:
    @pytest.mark.parametrize("purpose", PURPOSES)
    def test_form(self, purpose):
        """Every policy is JSON of IAM's version, only allows, and has no placeholder left."""
        text = policy(purpose, CARS)
        document = json.loads(text)
        assert document["Version"] == "2012-10-17"
        assert all(s["Effect"] == "Allow" for s in document["Statement"])
        assert "${" not in text
        assert PURPOSES[purpose]

    @pytest.mark.parametrize("purpose", PERMISSIONS)
    def test_star_only_where_needed(self, purpose):
        """No action has a wildcard; "*" is the resource only of actions that have none; streams are a log's own."""
        for action, resource in allowed(purpose):
            assert "*" not in action
            if resource == "*":
                assert action in WITHOUT_A_RESOURCE
            else:
                assert "*" not in resource.removesuffix(":*")
                assert resource.endswith(":*") <= resource.startswith(LOG)

    @pytest.mark.parametrize("purpose", PERMISSIONS)
    def test_actions_exist(self, purpose):
        """Every action is an operation that botocore knows, but for ones that IAM alone knows."""
        known = {"iam:PassRole"}
        for action in {action for action, _ in allowed(purpose)} - known:
            service, _, operation = action.partition(":")
            models = ["sagemaker", "sagemaker-runtime"] if service == "sagemaker" else [service]
            session = botocore.session.Session()
            assert any(operation in session.get_service_model(name).operation_names for name in models)

    def test_invoke(self):
        """Who only sends images may do nothing else, and needs no other name."""
        only = Resources("us-east-1", "123456789012", "cars-endpoint")
        assert allowed("invoke", only) == {("sagemaker:InvokeEndpoint", ENDPOINT)}

    def test_list_and_invoke(self):
        """Listing adds what the list and the description of this one endpoint need."""
        assert allowed("list-and-invoke") == {
            ("sagemaker:InvokeEndpoint", ENDPOINT),
            ("sagemaker:ListEndpoints", "*"),
            ("sagemaker:DescribeEndpoint", ENDPOINT),
            ("sagemaker:DescribeEndpointConfig", CONFIG),
        }

    def test_validate(self):
        """Validating adds the model's definition, the container's log and the metrics."""
        assert allowed("validate") - allowed("list-and-invoke") == {
            ("sagemaker:DescribeModel", MODEL),
            *{
                (f"logs:{action}", log)
                for action in ("DescribeLogStreams", "FilterLogEvents", "GetLogEvents")
                for log in (LOG, f"{LOG}:*")
            },
            ("cloudwatch:GetMetricData", "*"),
        }

    def test_deploy(self):
        """Deploying makes and deletes these three by name, and passes this role to SageMaker alone."""
        pairs = allowed("deploy")
        for made, arn in (("Model", MODEL), ("EndpointConfig", CONFIG), ("Endpoint", ENDPOINT)):
            assert {(f"sagemaker:{verb}{made}", arn) for verb in ("Create", "Describe", "Delete")} <= pairs
        assert {(f"sagemaker:{verb}Endpoint", CONFIG) for verb in ("Create", "Update")} <= pairs
        assert ("iam:ListRoles", "*") in pairs
        [passing] = [s for s in statements("deploy") if "iam:PassRole" in s["Action"]]
        assert passing["Resource"] == [CARS.role]
        assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}

    def test_execution_role(self):
        """The container reads this artefact and this image's repository, and writes this endpoint's log."""
        pairs = allowed("execution-role")
        assert ("s3:GetObject", "arn:aws:s3:::cars-bucket/models/cars.tar.gz") in pairs
        assert {r for a, r in pairs if a == "ecr:BatchGetImage"} == {
            "arn:aws:ecr:us-east-1:811284229777:repository/object-detection"
        }
        assert {r for a, r in pairs if a.startswith("logs:")} == {LOG, f"{LOG}:*"}

    def test_execution_role_without_artefact(self):
        """Where the image holds the model, nothing of S3 is allowed."""
        assert not any(a.startswith("s3:") for a, _ in allowed("execution-role", replace(CARS, artefact="")))

    def test_trust(self):
        """Only SageMaker may take the execution role on."""
        [statement] = statements("execution-role-trust")
        assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
        assert statement["Action"] == "sts:AssumeRole"

    @pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1", "us-iso-east-1", "eu-central-1"])
    def test_partition(self, region):
        """Every ARN is of the region's partition."""
        partition = partition_of(region)
        there = replace(
            CARS, region=region, image=built_in_image(region), role=f"arn:{partition}:iam::123456789012:role/r"
        )
        arns = {arn for purpose in PERMISSIONS for _, arn in allowed(purpose, there)} - {"*"}
        assert {arn.split(":")[1] for arn in arns} == {partition}

    def test_capitals(self):
        """A name with capitals is listed in lower case too, for SageMaker's ARNs; a log group as it is."""
        mixed = replace(CARS, endpoint="Cars-Endpoint")
        assert {r for _, r in allowed("invoke", mixed)} == {ENDPOINT, ENDPOINT.replace("cars-e", "Cars-E")}
        assert {r for a, r in allowed("validate", mixed) if a == "logs:GetLogEvents"} == {
            LOG.replace("cars-e", "Cars-E"),
            LOG.replace("cars-e", "Cars-E") + ":*",
        }

    @pytest.mark.parametrize(
        ("purpose", "field"),
        [
            *((purpose, field) for purpose in ("invoke", "deploy") for field in ("region", "account", "endpoint")),
            ("list-and-invoke", "config"),
            ("validate", "model"),
            ("deploy", "role"),
            ("execution-role", "image"),
        ],
    )
    @pytest.mark.parametrize("value", ["", "*", "a*", "${aws:username}", 'x"}', "a\n"])
    def test_missing_or_wider(self, purpose, field, value):
        """What is missing is asked for by name; a wildcard or variable cannot widen a policy."""
        with pytest.raises(BadSetting, match=field) as caught:
            policy(purpose, replace(CARS, **{field: value}))
        assert caught.value.advice

    @pytest.mark.parametrize("key", ["*", "models/?.tar.gz", "${x}", "a*b.tar.gz"])
    def test_artefact_with_a_wildcard(self, key):
        """An artefact's key that IAM would read as a pattern is refused."""
        with pytest.raises(BadSetting, match="artefact"):
            policy("execution-role", replace(CARS, artefact=f"s3://b/{key}"))

    def test_unknown_purpose(self):
        """An unknown purpose is refused, with those that there are."""
        with pytest.raises(BadSetting, match="'everything'") as caught:
            policy("everything", CARS)
        assert all(purpose in caught.value.advice for purpose in PURPOSES)


class TestResources:
    def test_of_a_plan(self):
        """A plan holds all that its policies need; the account is the role's."""
        variants = (PlannedVariant(Instances("ml.m5.xlarge")),)
        plan = Plan(
            "us-east-1", "cars-model", CARS.image, CARS.artefact, CARS.role, "cars-config", "cars-endpoint", variants
        )
        assert Resources.of(plan) == CARS

    def test_of_an_unfinished_plan(self):
        """While the role is no ARN, the account is missing, and the policy says so."""
        plan = Plan("us-east-1", "m", CARS.image, CARS.artefact, "SomeRole", "c", "e", ())
        with pytest.raises(BadSetting, match="account is missing"):
            policy("invoke", Resources.of(plan))
