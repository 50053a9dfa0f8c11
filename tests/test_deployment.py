"""From a model artefact to an endpoint and back, without a call to AWS."""

import json
import os
import re
import shlex
import subprocess
from dataclasses import replace

import botocore.session
import pytest
from aws_cli import AWS_CLI
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from smviz.deployment import (
    BUILT_IN_REGIONS,
    Instances,
    Plan,
    PlannedVariant,
    Serverless,
    Teardown,
    built_in_image,
    check,
    cli_commands,
    commands,
    move_step,
    name_fault,
    partition_of,
    steps,
    teardown_commands,
    teardown_steps,
    update_steps,
    what_stays,
)
from smviz.errors import BadSetting
from smviz.local import EmbeddedServer

SESSION = botocore.session.Session()
SAGEMAKER = SESSION.get_service_model("sagemaker")

PLAN = Plan(
    region="us-east-1",
    model="aws-vehicle-rear-detect-2020-05-09",
    image="811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1",
    artefact="s3://my-s3-bucket/aws-vehicle-rear-detect-2020-05-09-model.tar.gz",
    role="arn:aws:iam::123456789012:role/service-role/AmazonSageMaker-ExecutionRole",
    config="epc-inference-client-application",
    endpoint="ep-inference-client-application",
    variants=(PlannedVariant(Instances("ml.m4.xlarge")),),
)
SERVERLESS = replace(PLAN, variants=(PlannedVariant(Serverless(2048, 20)),))
TWO_VARIANTS = replace(
    PLAN,
    variants=(
        PlannedVariant(Instances("ml.m5.xlarge", 2), "cpu", 1.0),
        PlannedVariant(Instances("ml.g4dn.xlarge"), "gpu", 3.0),
    ),
)


def fields(plan):
    """The attributes that a check finds wrong."""
    return [problem.field for problem in check(plan)]


def with_compute(compute, **changes):
    """The plan with one variant of that compute."""
    return replace(PLAN, variants=(PlannedVariant(compute, **changes),))


def words_of(script):
    """The words of every command in a script whose commands are joined by &&."""
    found = [[]]
    for word in shlex.split(script.replace("\\\n", "")):
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word)
    return found


def options(words):
    """The options of one command, JSON decoded."""
    values = [json.loads(v) if v[0] in "[{" else v for v in words[4::2]]
    return dict(zip(words[3::2], values, strict=True))


def bash(script, **keywords):
    """Run a script in bash, which must take it."""
    return subprocess.run(
        ["bash", *keywords.pop("flags", [])], input=script, text=True, capture_output=True, **keywords
    )


class TestBuiltInImage:
    @pytest.mark.parametrize(
        ("region", "image"),
        [
            ("us-east-1", "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"),
            ("eu-central-1", "813361260812.dkr.ecr.eu-central-1.amazonaws.com/object-detection:1"),
            ("cn-north-1", "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/object-detection:1"),
            ("us-gov-east-1", "237065988967.dkr.ecr.us-gov-east-1.amazonaws.com/object-detection:1"),
            ("us-iso-east-1", "490574956308.dkr.ecr.us-iso-east-1.c2s.ic.gov/object-detection:1"),
            ("us-isob-east-1", "765400339828.dkr.ecr.us-isob-east-1.sc2s.sgov.gov/object-detection:1"),
            ("us-isof-south-1", "124985052026.dkr.ecr.us-isof-south-1.csp.hci.ic.gov/object-detection:1"),
        ],
    )
    def test_path(self, region, image):
        """The account is the region's, and the domain is its partition's."""
        assert built_in_image(region) == image

    def test_regions(self):
        """Thirty-seven regions have the image, and a plan with any of them passes the check of its image."""
        assert len(BUILT_IN_REGIONS) == 37
        for region in BUILT_IN_REGIONS:
            assert "image" not in fields(replace(PLAN, region=region, image=built_in_image(region)))

    @pytest.mark.parametrize("region", ["ap-southeast-7", "mx-central-1", "nowhere", ""])
    def test_region_without_it(self, region):
        """A region without the image is refused by name, and other ways are told."""
        with pytest.raises(BadSetting, match=repr(region)) as caught:
            built_in_image(region)
        assert "another region" in caught.value.advice


class TestPartitionOf:
    def test_every_region_of_botocore(self):
        """The partition of every region that botocore knows for SageMaker is botocore's."""
        for partition in SESSION.get_available_partitions():
            for region in SESSION.get_available_regions("sagemaker", partition):
                assert partition_of(region) == partition
                assert "region" not in fields(replace(PLAN, region=region))

    def test_every_partition_of_botocore(self):
        """Partitions where botocore lists no SageMaker are told apart too."""
        for region in ("eusc-de-east-1", "eu-isoe-west-1", "us-isob-west-1", "us-isof-east-1", "cn-northwest-1"):
            assert partition_of(region) == SESSION.get_partition_for_region(region)


class TestNameFault:
    @given(st.text(st.sampled_from("aZ9--_ .é٣\n"), max_size=70))
    def test_is_the_pattern_of_aws(self, name):
        """A name has no fault exactly when the service model's patterns and length take it."""
        for shape_name in ("ModelName", "EndpointConfigName", "EndpointName", "VariantName"):
            rule = SAGEMAKER.shape_for(shape_name).metadata
            taken = bool(re.fullmatch(rule["pattern"], name)) and len(name) <= rule["max"]
            assert (name_fault(name) == "") == taken

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            ("", "is empty"),
            ("a" * 64, "has 64 characters"),
            ("my_endpoint", "holds '_'"),
            ("-a", "begins or ends with a hyphen"),
            ("a-\n", r"holds '\n'"),
        ],
    )
    def test_says_what(self, name, fault):
        """The fault is told in words."""
        assert name_fault(name) == fault


class TestCheck:
    @pytest.mark.parametrize("plan", [PLAN, SERVERLESS, TWO_VARIANTS])
    def test_good(self, plan):
        """A plan that AWS takes has no problem."""
        assert check(plan) == ()

    @pytest.mark.parametrize("field", ["model", "config", "endpoint"])
    @pytest.mark.parametrize("name", ["", "a" * 64, "a_b", "a b", "a-", "é"])
    def test_names(self, field, name):
        """A name that AWS refuses is a problem of its field, with the rule as advice."""
        [problem] = check(replace(PLAN, **{field: name}))
        assert problem.field == field
        assert "letters, digits and hyphens" in problem.advice

    @pytest.mark.parametrize(
        "role",
        [
            "",
            "AmazonSageMaker-ExecutionRole",
            "arn:aws:iam::12345678901:role/short-account",
            "arn:aws:iam::123456789012:user/somebody",
            "arn:aws:iam::123456789012:instance-profile/machine",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a\n",
            "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/a",
            "arn:aws:iam::123456789012:role/" + "a" * 2048,
        ],
    )
    def test_role(self, role):
        """Only the whole ARN of a role is one."""
        [problem] = check(replace(PLAN, role=role))
        assert problem.field == "role"
        assert "arn:aws:iam::123456789012:role/" in problem.advice

    def test_role_of_another_partition(self):
        """A role of the commercial partition cannot be used in China, and the right ARN is shown."""
        [problem] = check(replace(PLAN, region="cn-north-1", image=built_in_image("cn-north-1")))
        assert problem.field == "role"
        assert "arn:aws-cn:iam::" in problem.advice

    @pytest.mark.parametrize(
        "image",
        [
            "",
            "object-detection:1",
            "docker.io/library/python:3",
            "public.ecr.aws/x/y:1",
            "8112 84229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1",
            "811284229777.dkr.ecr.us-east-1.amazonaws.com/",
            "813361260812.dkr.ecr.eu-central-1.amazonaws.com/object-detection:1",
            "811284229777.dkr.ecr.us-east-1.amazonaws.com/" + "a" * 255,
        ],
    )
    def test_image(self, image):
        """An image that is not in this region's ECR is refused, and the built-in one is offered."""
        [problem] = check(replace(PLAN, image=image))
        assert problem.field == "image"
        assert "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1" in problem.advice

    def test_image_of_the_user(self):
        """An image of one's own, by tag or digest, is taken."""
        for image in ("123456789012.dkr.ecr.us-east-1.amazonaws.com/team/yolo@sha256:" + "0" * 64, PLAN.image[:-2]):
            assert check(replace(PLAN, image=image)) == ()

    @pytest.mark.parametrize(
        "artefact",
        [
            "",
            "my-bucket/model.tar.gz",
            "/home/me/model.tar.gz",
            "s3://model.tar.gz",
            "s3://b/model.zip",
            "s3://b/k/",
            f"s3://b/{'a' * 1024}.tar.gz",
        ],
    )
    def test_artefact(self, artefact):
        """The built-in algorithm needs one .tar.gz in S3."""
        assert fields(replace(PLAN, artefact=artefact)) == ["artefact"]

    def test_image_that_holds_its_model(self):
        """Another image may do without an artefact, and CreateModel is then given none."""
        plan = replace(PLAN, image="123456789012.dkr.ecr.us-east-1.amazonaws.com/yolo:2", artefact="")
        assert check(plan) == ()
        assert steps(plan)[0].arguments["PrimaryContainer"] == {"Image": plan.image}

    @pytest.mark.parametrize(
        ("compute", "field"),
        [
            (Instances("m5.xlarge"), "type"),
            (Instances(""), "type"),
            (Instances("ml.m5.xlarge", 0), "count"),
            (Serverless(512, 5), "memory"),
            (Serverless(1500, 5), "memory"),
            (Serverless(7168, 5), "memory"),
            (Serverless(1024, 0), "concurrency"),
            (Serverless(1024, 201), "concurrency"),
        ],
    )
    def test_compute(self, compute, field):
        """Instance types begin with ml.; serverless memory and concurrency have their ranges."""
        assert fields(with_compute(compute)) == [f"variants[0].{field}"]

    def test_every_instance_type_of_aws(self):
        """Every instance type in the service model is taken."""
        for name in SAGEMAKER.shape_for("ProductionVariantInstanceType").enum:
            assert check(with_compute(Instances(name))) == ()

    def test_serverless_ranges_are_those_of_aws(self):
        """The ends of the ranges are the service model's."""
        memory = SAGEMAKER.shape_for("ServerlessMemorySizeInMB").metadata
        calls = SAGEMAKER.shape_for("ServerlessMaxConcurrency").metadata
        for end in ("min", "max"):
            assert check(with_compute(Serverless(memory[end], calls[end]))) == ()

    def test_no_variant(self):
        """A plan without a variant is none."""
        assert fields(replace(PLAN, variants=())) == ["variants"]

    def test_eleven_variants(self):
        """An endpoint has ten variants at the most."""
        names = [f"v{i}" for i in range(11)]
        variants = tuple(PlannedVariant(Instances("ml.m5.xlarge"), name) for name in names)
        assert check(replace(PLAN, variants=variants[:10])) == ()
        assert fields(replace(PLAN, variants=variants)) == ["variants"]

    def test_same_name_twice(self):
        """The second variant of a name is the one to rename."""
        variant = PlannedVariant(Instances("ml.m5.xlarge"))
        assert fields(replace(PLAN, variants=(variant, variant))) == ["variants[1].name"]

    @pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
    def test_weight(self, weight):
        """A weight is a number from 0 up."""
        good = PlannedVariant(Instances("ml.m5.xlarge"), "good")
        bad = PlannedVariant(Instances("ml.m5.xlarge"), "bad", weight)
        assert fields(replace(PLAN, variants=(good, bad))) == ["variants[1].weight"]

    def test_no_calls_for_anybody(self):
        """Some variant must get calls."""
        assert fields(with_compute(Instances("ml.m5.xlarge"), weight=0.0)) == ["variants"]

    def test_serverless_beside_others(self):
        """A serverless endpoint has no second variant."""
        variants = (*SERVERLESS.variants, PlannedVariant(Instances("ml.m5.xlarge"), "other"))
        assert fields(replace(PLAN, variants=variants)) == ["variants"]

    def test_everything_at_once(self):
        """All problems are told together, each with a message and an advice."""
        problems = check(Plan("", "", "", "", "", "", "", ()))
        assert [p.field for p in problems] == ["region", "model", "image", "role", "config", "endpoint", "variants"]
        assert all(p.message.endswith(".") and p.advice.endswith(".") for p in problems)

    @given(st.text(max_size=40))
    def test_any_text(self, text):
        """No text breaks the check, and none passes everywhere."""
        assert check(Plan(text, text, text, text, text, text, text, (PlannedVariant(Instances(text), text),)))


class TestSteps:
    @pytest.mark.parametrize("plan", [PLAN, SERVERLESS, TWO_VARIANTS])
    def test_arguments_fit_the_service_model(self, plan):
        """botocore's own validation takes the arguments of every step, making and deleting."""
        for step in (*steps(plan), *teardown_steps(Teardown.of(plan))):
            operation = SAGEMAKER.operation_model("".join(w.title() for w in step.operation.split("_")))
            report = ParamValidator().validate(step.arguments, operation.input_shape)
            assert not report.has_errors(), report.generate_report()

    def test_order(self):
        """Model, config, endpoint; then the wait for it."""
        assert [(s.operation, s.waiter) for s in steps(PLAN)] == [
            ("create_model", ""),
            ("create_endpoint_config", ""),
            ("create_endpoint", "endpoint_in_service"),
        ]

    def test_arguments(self):
        """The arguments are those of the three commands in AWS's own example, and the weight."""
        model, config, endpoint = (s.arguments for s in steps(PLAN))
        assert model == {
            "ModelName": PLAN.model,
            "PrimaryContainer": {"Image": PLAN.image, "ModelDataUrl": PLAN.artefact},
            "ExecutionRoleArn": PLAN.role,
        }
        assert config == {
            "EndpointConfigName": PLAN.config,
            "ProductionVariants": [
                {
                    "VariantName": "variant-1",
                    "ModelName": PLAN.model,
                    "InitialInstanceCount": 1,
                    "InstanceType": "ml.m4.xlarge",
                    "InitialVariantWeight": 1.0,
                }
            ],
        }
        assert endpoint == {"EndpointName": PLAN.endpoint, "EndpointConfigName": PLAN.config}

    def test_serverless(self):
        """A serverless variant has a ServerlessConfig and no instance."""
        [variant] = steps(SERVERLESS)[1].arguments["ProductionVariants"]
        assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 20}
        assert not {"InstanceType", "InitialInstanceCount"} & set(variant)

    def test_sentences(self):
        """A person reads the names, the machines, and from when on money is spent."""
        model, config, endpoint = (s.sentence for s in steps(TWO_VARIANTS))
        assert PLAN.model in model
        assert PLAN.artefact in model
        assert "2 x ml.m5.xlarge, 1 x ml.g4dn.xlarge" in config
        assert "every hour is billed, busy or idle" in endpoint
        assert "idle time is not" in steps(SERVERLESS)[2].sentence


class TestTeardown:
    def test_order(self):
        """Endpoint, wait, config, models: each is named, with what it is."""
        todo = teardown_steps(Teardown("us-east-1", "e", "c", ("m1", "m2")))
        assert [(s.operation, *s.arguments.items(), s.waiter) for s in todo] == [
            ("delete_endpoint", ("EndpointName", "e"), "endpoint_deleted"),
            ("delete_endpoint_config", ("EndpointConfigName", "c"), ""),
            ("delete_model", ("ModelName", "m1"), ""),
            ("delete_model", ("ModelName", "m2"), ""),
        ]

    def test_waiters_exist(self):
        """Both waiters are botocore's, and take the endpoint's name."""
        waiters = SESSION.create_client("sagemaker", region_name="us-east-1").waiter_names
        assert {s.waiter for s in (*steps(PLAN), *teardown_steps(Teardown.of(PLAN)))} - {""} <= set(waiters)

    def test_what_stays(self):
        """Artefact, role and logs stay, by name where the names are known."""
        artefact, role, logs = what_stays(PLAN.endpoint, PLAN.artefact, PLAN.role)
        assert PLAN.artefact in artefact
        assert PLAN.role in role
        assert f"/aws/sagemaker/Endpoints/{PLAN.endpoint}" in logs
        assert all(" stay" in sentence for sentence in what_stays("e"))


class TestCommands:
    @pytest.mark.parametrize("plan", [PLAN, SERVERLESS, TWO_VARIANTS])
    def test_same_as_the_steps(self, plan):
        """Split as a shell does, the commands have the operations and arguments of the steps, in order."""
        model, config, endpoint, wait = words_of(cli_commands(plan))
        for words, step in zip((model, config, endpoint), steps(plan), strict=True):
            assert words[:3] == ["aws", "sagemaker", step.operation.replace("_", "-")]
            given = options(words)
            assert given.pop("--region") == plan.region
            assert list(given.values()) == list(step.arguments.values())
        assert list(options(model)) == ["--model-name", "--primary-container", "--execution-role-arn", "--region"]
        assert list(options(config)) == ["--endpoint-config-name", "--production-variants", "--region"]
        assert list(options(endpoint)) == ["--endpoint-name", "--endpoint-config-name", "--region"]
        assert wait[:4] == ["aws", "sagemaker", "wait", "endpoint-in-service"]
        assert wait[4:] == ["--endpoint-name", plan.endpoint, "--region", plan.region]

    def test_teardown(self):
        """The teardown deletes endpoint, config and model, and waits between the first two."""
        done = [" ".join(words[2:]) for words in words_of(teardown_commands(Teardown("us-east-1", "e", "c", ("m",))))]
        assert done == [
            "delete-endpoint --endpoint-name e --region us-east-1",
            "wait endpoint-deleted --endpoint-name e --region us-east-1",
            "delete-endpoint-config --endpoint-config-name c --region us-east-1",
            "delete-model --model-name m --region us-east-1",
        ]

    @pytest.mark.parametrize("text", ["it's", '"; rm -rf /', "$(id)", "`id`", "a\\b", "a b", "a\nb", "!!", "né", "#x"])
    def test_quoting(self, text):
        """Text with a meaning to the shell reaches the command as it is, and nothing of it is run."""
        plan = replace(PLAN, artefact=f"s3://b/{text}.tar.gz", role=text, endpoint=text)
        script = cli_commands(plan)
        assert bash(script, flags=["-n"]).stderr == ""
        shown = bash('aws() { printf "%s\\0" "$@"; }\n' + script).stdout.split("\0")
        assert shown.count(text) == 3  # role, endpoint, wait
        assert json.loads(shown[shown.index("--primary-container") + 1])["ModelDataUrl"] == plan.artefact

    def test_stops_at_a_failure(self):
        """When a command fails, none of the later ones is run."""
        ran = bash("aws() { echo $2; [ $2 != create-endpoint-config ]; }\n" + cli_commands(PLAN))
        assert ran.stdout.split() == ["create-model", "create-endpoint-config"]
        assert ran.returncode != 0

    def test_nothing_is_read_from_elsewhere(self):
        """No option begins with a URL: version 1 of the CLI would fetch it."""
        for words in words_of(cli_commands(PLAN)):
            assert not any(word.startswith(("http", "file:", "s3:")) for word in words)

    def test_the_aws_cli_takes_them(self, tmp_path):
        """Pasted unchanged, the commands deploy to the embedded endpoint and delete all of it again."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment |= {
            **AWS_CLI,
            "HOME": str(tmp_path),
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }
        listing = "".join(
            f"aws sagemaker list-{kind} --region us-east-1 --query 'length({key})';"
            for kind, key in [("endpoints", "Endpoints"), ("endpoint-configs", "EndpointConfigs"), ("models", "Models")]
        )
        with EmbeddedServer(delay=0.1) as server:
            environment |= server.environment
            before = bash(listing, env=environment, timeout=60).stdout.split()
            made = bash(f"set -e\n{cli_commands(PLAN)}{listing}", env=environment, timeout=60)
            assert made.returncode == 0, made.stderr
            assert made.stdout.split()[-3:] == [str(int(number) + 1) for number in before]
            gone = bash(f"set -e\n{teardown_commands(Teardown.of(PLAN))}{listing}", env=environment, timeout=60)
            assert gone.returncode == 0, gone.stderr
            assert gone.stdout.split()[-3:] == before


class TestEmbeddedArtefact:
    EMBEDDED = replace(PLAN, artefact="embedded://highway-a.onnx")

    def test_only_where_it_is_said(self):
        """The artefacts of the embedded endpoint pass only for it, and S3 passes there too."""
        assert check(self.EMBEDDED, embedded=True) == check(PLAN, embedded=True) == ()
        assert fields(self.EMBEDDED) == ["artefact"]

    @pytest.mark.parametrize("artefact", ["embedded://", "embedded://a b", "", "file:///a.onnx"])
    def test_what_is_none(self, artefact):
        """It must name something."""
        problems = check(replace(PLAN, artefact=artefact), embedded=True)
        assert [problem.field for problem in problems] == ["artefact"]


class TestUpdateSteps:
    def test_order(self):
        """A new model, a new config, and the endpoint that there is moves to it."""
        made = update_steps(PLAN)
        assert [step.operation for step in made] == ["create_model", "create_endpoint_config", "update_endpoint"]
        assert made[:2] == steps(PLAN)[:2]
        assert made[2] == move_step(PLAN.endpoint, PLAN.config)
        assert made[2].waiter == "endpoint_in_service"

    def test_request(self):
        """It is valid as botocore knows UpdateEndpoint."""
        shape = SAGEMAKER.operation_model("UpdateEndpoint").input_shape
        assert not ParamValidator().validate(move_step("e", "c").arguments, shape).has_errors()

    def test_commands(self):
        """The same for the AWS CLI, which waits too."""
        update, wait = words_of(commands([move_step("e", "c")], "eu-west-1"))
        assert update[:3] == ["aws", "sagemaker", "update-endpoint"]
        assert options(update) == {"--endpoint-name": "e", "--endpoint-config-name": "c", "--region": "eu-west-1"}
        assert wait[:4] == ["aws", "sagemaker", "wait", "endpoint-in-service"]
