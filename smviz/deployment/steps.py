"""The calls that make a plan real, and the calls that undo it, each in its only right order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smviz.deployment.plan import Plan, PlannedVariant, Teardown
from smviz.settings import Serverless


@dataclass(frozen=True, slots=True)
class Step:
    """One call of SageMaker's control plane.

    Attributes:
        operation: the method of boto3's "sagemaker" client, such as "create_model".
        arguments: its keyword arguments.
        sentence: what it does, for a person.
        waiter: the boto3 waiter to wait with, given EndpointName alone, before the next step; or "".
    """

    operation: str
    arguments: Mapping[str, Any]
    sentence: str
    waiter: str = ""


def steps(plan: Plan) -> tuple[Step, ...]:
    """Model, endpoint config, endpoint.

    CreateEndpoint may answer for a short while that it does not find the config just made: SageMaker's store is
    eventually consistent, and the call may be repeated.
    """
    endpoint = {"EndpointName": plan.endpoint, "EndpointConfigName": plan.config}
    return (
        *_model_and_config(plan),
        Step(
            "create_endpoint",
            endpoint,
            f"Make endpoint {plan.endpoint} and wait until it is in service, some minutes; {_billing(plan)}.",
            "endpoint_in_service",
        ),
    )


def update_steps(plan: Plan) -> tuple[Step, ...]:
    """Model, endpoint config, and the endpoint that there is moved to it."""
    return (*_model_and_config(plan), move_step(plan.endpoint, plan.config))


def move_step(endpoint: str, config: str) -> Step:
    """Move a living endpoint to another config that there is."""
    return Step(
        "update_endpoint",
        {"EndpointName": endpoint, "EndpointConfigName": config},
        f"Move endpoint {endpoint} to endpoint config {config} and wait until it is in service, some minutes; it "
        "answers all the while, and where the new one fails the old one stays.",
        "endpoint_in_service",
    )


def teardown_steps(teardown: Teardown) -> tuple[Step, ...]:
    """Endpoint, endpoint config, models: the config of a living endpoint must never be deleted."""
    name, config = teardown.endpoint, teardown.config
    return (
        Step(
            "delete_endpoint",
            {"EndpointName": name},
            f"Delete endpoint {name} and wait until it is gone; its billing ends.",
            "endpoint_deleted",
        ),
        Step(
            "delete_endpoint_config",
            {"EndpointConfigName": config},
            f"Delete endpoint config {config}; no other endpoint can be made from it any more.",
        ),
        *(
            Step("delete_model", {"ModelName": model}, f"Delete model {model}; no other config may still name it.")
            for model in teardown.models
        ),
    )


def what_stays(endpoint: str, artefact: str = "", role: str = "") -> tuple[str, ...]:
    """What a teardown leaves behind, a sentence each; what is not known is named in general."""
    return (
        f"The model artefact {artefact or 'in S3'} stays, and S3 bills its storage.",
        f"The execution role {role or 'of the model'} stays; it costs nothing.",
        f"The logs in CloudWatch, log group /aws/sagemaker/Endpoints/{endpoint}, stay, and their storage is billed.",
    )


def _model_and_config(plan: Plan) -> tuple[Step, Step]:
    container = {"Image": plan.image}
    if plan.artefact:
        container["ModelDataUrl"] = plan.artefact
    model = {"ModelName": plan.model, "PrimaryContainer": container, "ExecutionRoleArn": plan.role}
    variants = [_variant(plan.model, variant) for variant in plan.variants]
    config = {"EndpointConfigName": plan.config, "ProductionVariants": variants}
    machines = ", ".join(_machines(variant) for variant in plan.variants)
    made_of = f"{plan.image} and {plan.artefact}" if plan.artefact else plan.image
    return (
        Step("create_model", model, f"Make model {plan.model} from {made_of}; it costs nothing."),
        Step("create_endpoint_config", config, f"Make endpoint config {plan.config}: {machines}; it costs nothing."),
    )


def _variant(model: str, variant: PlannedVariant) -> dict[str, Any]:
    row: dict[str, Any] = {"VariantName": variant.name, "ModelName": model, "InitialVariantWeight": variant.weight}
    compute = variant.compute
    if isinstance(compute, Serverless):
        serverless = {"MemorySizeInMB": compute.memory, "MaxConcurrency": compute.concurrency}
        return row | {"ServerlessConfig": serverless}
    return row | {"InstanceType": compute.type, "InitialInstanceCount": compute.count}


def _machines(variant: PlannedVariant) -> str:
    compute = variant.compute
    if isinstance(compute, Serverless):
        return f"serverless with {compute.memory} MB and up to {compute.concurrency} calls at once"
    return f"{compute.count} x {compute.type}"


def _billing(plan: Plan) -> str:
    if all(isinstance(variant.compute, Serverless) for variant in plan.variants):
        return "every call is billed, idle time is not"
    return "from then on every hour is billed, busy or idle, until it is deleted"
