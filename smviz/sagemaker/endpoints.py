"""From what SageMaker describes to records: the kinds of endpoints, told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from smviz.records import Endpoint, Variant

Description = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A SageMaker model as DescribeModel tells it.

    Attributes:
        role: the ARN of its execution role.
        images: the image of each container; "" where it comes from a model package.
        data: the artefact of each container, an s3:// address; "" where there is none.
        multi_model: whether a container loads the artefact that each request names.
        containers: the hostnames to choose from when the containers are called directly; () when they are a pipeline.
    """

    name: str
    role: str = ""
    images: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    multi_model: bool = False
    containers: tuple[str, ...] = ()


def model_of(found: Description) -> Model:
    """The model that a DescribeModel answer tells of."""
    primary = found.get("PrimaryContainer")
    containers = [primary] if primary else list(found.get("Containers", ()))
    direct = found.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
    return Model(
        name=found["ModelName"],
        role=found.get("ExecutionRoleArn", ""),
        images=tuple(container.get("Image", "") for container in containers),
        data=tuple(_data(container) for container in containers),
        multi_model=any(container.get("Mode") == "MultiModel" for container in containers),
        containers=tuple(c["ContainerHostname"] for c in containers if direct and "ContainerHostname" in c),
    )


def listed(row: Description) -> Endpoint:
    """The endpoint that a row of ListEndpoints tells of; without its variants."""
    return Endpoint(
        name=row["EndpointName"],
        status=row["EndpointStatus"],
        created=iso(row["CreationTime"]),
        updated=iso(row["LastModifiedTime"]) if "LastModifiedTime" in row else "",
    )


def described(
    found: Description,
    config: Description,
    models: Iterable[Model],
    components: Sequence[str],
    notes: Sequence[str],
) -> Endpoint:
    """The endpoint that DescribeEndpoint tells of, completed by its config, its models and its components.

    `config` is empty where it could not be read: instance types, and some traits, are then not told.
    """
    models = tuple(models)
    rows = config.get("ProductionVariants") or found.get("ProductionVariants", ())
    shadows = config.get("ShadowProductionVariants") or found.get("ShadowProductionVariants", ())
    asynchronous = found.get("AsyncInferenceConfig") or config.get("AsyncInferenceConfig") or {}
    output = asynchronous.get("OutputConfig", {})
    return Endpoint(
        name=found["EndpointName"],
        status=found["EndpointStatus"],
        created=iso(found["CreationTime"]),
        config=found.get("EndpointConfigName", ""),
        variants=_variants(rows, found.get("ProductionVariants", ())),
        failure=found.get("FailureReason", ""),
        updated=iso(found["LastModifiedTime"]) if "LastModifiedTime" in found else "",
        hosting=_hosting(bool(asynchronous), rows),
        traits=_traits(rows, bool(shadows), models, components),
        shadows=_variants(shadows, found.get("ShadowProductionVariants", ())),
        components=tuple(components),
        containers=tuple(name for model in models for name in model.containers),
        output_path=output.get("S3OutputPath", ""),
        failure_path=output.get("S3FailurePath", ""),
        notes=tuple(notes),
    )


def takes_components(config: Description) -> bool:
    """Whether a config is of an endpoint for inference components: its variants name no model."""
    return any("ModelName" not in row for row in config.get("ProductionVariants", ()))


def model_names(config: Description) -> tuple[str, ...]:
    """The models of a config's variants, each once, in their order; shadows are not asked."""
    return tuple(dict.fromkeys(row["ModelName"] for row in config.get("ProductionVariants", ()) if "ModelName" in row))


def variants_of(config: Description) -> tuple[Variant, ...]:
    """The variants of an endpoint config alone."""
    return _variants(config.get("ProductionVariants", ()), ())


def iso(moment: datetime) -> str:
    """The moment as ISO 8601, UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _hosting(asynchronous: bool, rows: Iterable[Description]) -> str:
    if asynchronous:
        return "asynchronous"
    return "serverless" if any(_serverless(row) for row in rows) else "real-time"


def _traits(
    rows: Sequence[Description], shadow: bool, models: Sequence[Model], components: Sequence[str]
) -> tuple[str, ...]:
    # A live variant never names its model; one of a config that does not is for inference components.
    configured = any("ModelName" in row or "InitialInstanceCount" in row for row in rows)
    holds = {
        "A/B variants": len(rows) > 1,
        "shadow": shadow,
        "multi-model": any(model.multi_model for model in models),
        "inference components": bool(components) or (configured and any("ModelName" not in row for row in rows)),
        "multi-container": any(model.containers for model in models),
    }
    return tuple(trait for trait, held in holds.items() if held)


def _variants(rows: Iterable[Description], live: Iterable[Description]) -> tuple[Variant, ...]:
    current = {row["VariantName"]: row for row in live}
    return tuple(_variant(row, current.get(row["VariantName"], row)) for row in rows)


def _variant(row: Description, live: Description) -> Variant:
    serverless = _serverless(live) or _serverless(row)
    images: Sequence[Description] = live.get("DeployedImages") or ({},)
    return Variant(
        name=row["VariantName"],
        instance="serverless" if serverless else row.get("InstanceType", ""),
        count=int(live.get("CurrentInstanceCount", row.get("InitialInstanceCount", 0))),
        weight=float(live.get("CurrentWeight", row.get("InitialVariantWeight", 1.0))),
        model=row.get("ModelName", ""),
        image=images[0].get("SpecifiedImage", ""),
        memory=int(serverless.get("MemorySizeInMB", 0)),
        concurrency=int(serverless.get("MaxConcurrency", 0)),
    )


def _serverless(row: Description) -> Description:
    return row.get("CurrentServerlessConfig") or row.get("ServerlessConfig") or {}


def _data(container: Description) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(container.get("ModelDataUrl") or source.get("S3Uri") or "")
