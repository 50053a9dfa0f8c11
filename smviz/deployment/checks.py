"""A plan against AWS's rules, before anything is made.

botocore checks neither names nor ranges before it sends a request. Unless said otherwise the rules are those of
its own service model: 1.44.5, sagemaker/2017-07-24/service-2.json.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from smviz.deployment.plan import Plan, PlannedVariant
from smviz.deployment.regions import BUILT_IN_REGIONS, REGION, built_in_image, partition_of
from smviz.settings import Instances, Serverless

NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"
ROLE = r"arn:(?P<partition>aws[a-z\-]*):iam::[0-9]{12}:role/[a-zA-Z_0-9+=,.@\-/]+"
INSTANCE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"
ECR_IMAGE = r"(?P<account>[0-9]{12})\.dkr[.-]ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/(?P<repository>[^:@]+).*"
ARTEFACT = r"s3://(?P<bucket>[^/\s]+)/(?P<key>.+)"
EMBEDDED_ARTEFACT = r"embedded://[^\s]+"
LONGEST_NAME = 63
MEMORY = range(1024, 6144 + 1, 1024)
CONCURRENCY = range(1, 200 + 1)
MOST_VARIANTS = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """What AWS would refuse.

    Attributes:
        field: the attribute of `Plan` that is wrong: "endpoint", or "variants[0].memory" for one of several.
        message: what is wrong, one sentence.
        advice: what a person should do, one sentence.
    """

    field: str
    message: str
    advice: str


def check(plan: Plan, embedded: bool = False) -> tuple[Problem, ...]:
    """Everything about a plan that AWS would refuse, in the order of the plan's attributes; () when it may be made.

    Whether the role, the image and the artefact exist, and whether the account's quota suffices, only AWS knows.

    Args:
        plan: what is to be made.
        embedded: whether it is for the embedded endpoint, which also takes the artefacts that ship with it.
    """
    return tuple(_problems(plan, embedded))


def name_fault(name: str) -> str:
    """What keeps a text from being the name of a model, config, endpoint or variant; "" when nothing does."""
    if not name:
        return "is empty"
    if strange := sorted(set(re.findall(r"[^a-zA-Z0-9-]", name))):
        return f"holds {' '.join(map(repr, strange))}"
    if len(name) > LONGEST_NAME:
        return f"has {len(name)} characters"
    return "" if re.fullmatch(NAME, name) else "begins or ends with a hyphen"


def _problems(plan: Plan, embedded: bool) -> Iterator[Problem]:
    if not re.fullmatch(REGION, plan.region):
        yield Problem("region", f"{plan.region!r} is no region.", "Give the name of one, such as us-east-1.")
    yield from _name("model", "model", plan.model)
    yield from _image(plan)
    if not (embedded and re.fullmatch(EMBEDDED_ARTEFACT, plan.artefact)):
        yield from _artefact(plan)
    yield from _role(plan)
    yield from _name("config", "endpoint config", plan.config)
    yield from _name("endpoint", "endpoint", plan.endpoint)
    yield from _variants(plan.variants)


def _name(field: str, what: str, name: str) -> Iterator[Problem]:
    if fault := name_fault(name):
        advice = f"Use 1 to {LONGEST_NAME} letters, digits and hyphens, with no hyphen at either end."
        yield Problem(field, f"The {what}'s name {fault}.", advice)


def _image(plan: Plan) -> Iterator[Problem]:
    advice = "Give the path of an image in Amazon ECR of this region."
    if plan.region in BUILT_IN_REGIONS:
        advice = f"{advice[:-1]}; the built-in Object Detection is {built_in_image(plan.region)}."
    path = re.fullmatch(ECR_IMAGE, plan.image)
    if not plan.image:
        yield Problem("image", "No image is given.", advice)
    elif re.search(r"\s", plan.image):
        yield Problem("image", "The image's path holds a space or a line break.", advice)
    elif len(plan.image) > 255:
        yield Problem("image", f"The image's path has {len(plan.image)} characters; 255 is the most.", advice)
    elif path is None:
        # CreateModel takes other registries only from within a VPC, which a plan does not have.
        yield Problem("image", f"{plan.image!r} is no image in Amazon ECR.", advice)
    elif path["region"] != plan.region:
        yield Problem("image", f"The image is in {path['region']}, the plan in {plan.region}.", advice)


def _artefact(plan: Plan) -> Iterator[Problem]:
    advice = "Give the model's file as s3://bucket/path/model.tar.gz, in a bucket of this region."
    if not plan.artefact:
        if re.search(r"/object-detection[:@]", plan.image):
            yield Problem("artefact", "The built-in algorithm needs a trained model, and none is given.", advice)
    elif len(plan.artefact) > 1024:
        yield Problem("artefact", f"The path has {len(plan.artefact)} characters; 1024 is the most.", advice)
    elif not re.fullmatch(ARTEFACT, plan.artefact):
        yield Problem("artefact", f"{plan.artefact!r} is no file in S3.", advice)
    elif not plan.artefact.endswith(".tar.gz"):
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html, ModelDataUrl
        yield Problem("artefact", "The model must be one gzip-compressed tar archive, .tar.gz.", advice)


def _role(plan: Plan) -> Iterator[Problem]:
    partition = partition_of(plan.region)
    advice = f"Give the role's whole ARN, as in arn:{partition}:iam::123456789012:role/SageMakerExecution."
    arn = re.fullmatch(ROLE, plan.role)
    if not plan.role:
        yield Problem("role", "No execution role is given.", advice)
    elif arn is None or len(plan.role) > 2048:
        yield Problem("role", f"{plan.role[:80]!r} is not the ARN of a role.", advice)
    elif arn["partition"] != partition:
        message = f"The role is of partition {arn['partition']}, the region {plan.region} of {partition}."
        yield Problem("role", message, advice)


def _variants(variants: tuple[PlannedVariant, ...]) -> Iterator[Problem]:
    if not 1 <= len(variants) <= MOST_VARIANTS:
        message = f"The plan has {len(variants)} variants."
        yield Problem("variants", message, f"An endpoint has 1 to {MOST_VARIANTS}.")
    names = [variant.name for variant in variants]
    for i, variant in enumerate(variants):
        yield from _name(f"variants[{i}].name", "variant", variant.name)
        if variant.name in names[:i]:
            yield Problem(f"variants[{i}].name", f"Two variants are named {variant.name!r}.", "Rename one of them.")
        yield from _compute(f"variants[{i}]", variant.compute)
        if not (math.isfinite(variant.weight) and variant.weight >= 0):
            yield Problem(f"variants[{i}].weight", f"The weight is {variant.weight}.", "Give a number from 0 up.")
    if variants and not any(variant.weight > 0 for variant in variants):
        yield Problem("variants", "No variant would get a call.", "Give one of them a weight above 0.")
    if len(variants) > 1 and any(isinstance(variant.compute, Serverless) for variant in variants):
        # https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html, feature exclusions
        yield Problem("variants", "A serverless endpoint has one variant only.", "Remove the others.")


def _compute(field: str, compute: Instances | Serverless) -> Iterator[Problem]:
    if isinstance(compute, Serverless):
        if compute.memory not in MEMORY:
            message = f"A serverless variant cannot have {compute.memory} MB."
            yield Problem(f"{field}.memory", message, f"Choose one of: {', '.join(map(str, MEMORY))}.")
        if compute.concurrency not in CONCURRENCY:
            message = f"A serverless variant cannot take {compute.concurrency} calls at once."
            yield Problem(f"{field}.concurrency", message, f"Choose 1 to {CONCURRENCY[-1]}.")
        return
    if not re.fullmatch(INSTANCE, compute.type):
        message = f"{compute.type!r} is no instance type of SageMaker."
        yield Problem(f"{field}.type", message, "Give one that begins with ml., such as ml.m5.xlarge.")
    if compute.count < 1:
        yield Problem(f"{field}.count", f"{compute.count} instances cannot answer.", "Give 1 or more.")
