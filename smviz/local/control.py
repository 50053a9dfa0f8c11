"""The operations of SageMaker's control plane: each takes the account and a validated request, and gives the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from smviz.local import shapes
from smviz.local.account import Account, Deployment, Endpoint, EndpointConfig, Model
from smviz.local.listing import Row, page
from smviz.local.wire import AwsError, arn, invalid

Answer = dict[str, Any] | None

_WORDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


def create_model(account: Account, request: shapes.CreateModel) -> Answer:
    """CreateModel: a name, and one container or several."""
    _must_be_new("model", request.model_name, account.models)
    if (request.primary_container is None) == (not request.containers):
        raise invalid("Exactly one of PrimaryContainer and Containers must be given.")
    account.models[request.model_name] = Model(request, account.clock())
    return {"ModelArn": arn("model", request.model_name)}


def describe_model(account: Account, request: shapes.OneModel) -> Answer:
    """DescribeModel: the request that made it, its ARN and its time of creation."""
    model = _found("model", request.model_name, account.models)
    answer: dict[str, Any] = msgspec.to_builtins(model.request)
    return answer | {"ModelArn": arn("model", model.name), "CreationTime": model.created}


def list_models(account: Account, request: shapes.Listing) -> Answer:
    """ListModels."""
    rows = [
        Row(m.name, m.created, {"ModelName": m.name, "ModelArn": arn("model", m.name)}) for m in account.models.values()
    ]
    return page("Models", rows, request)


def delete_model(account: Account, request: shapes.OneModel) -> Answer:
    """DeleteModel: endpoints that serve it go on."""
    _found("model", request.model_name, account.models)
    del account.models[request.model_name]
    return None


def create_endpoint_config(account: Account, request: shapes.CreateEndpointConfig) -> Answer:
    """CreateEndpointConfig: the models must exist, the variants' names differ and their weights not all be zero."""
    _must_be_new("endpoint-config", request.endpoint_config_name, account.configs)
    variants = request.production_variants
    for variant in variants:
        _found("model", variant.model_name, account.models)
        if (variant.instance_type is None) == (variant.serverless_config is None):
            raise invalid(f"Variant {variant.variant_name}: give InstanceType or ServerlessConfig, and not both.")
    if len({variant.variant_name for variant in variants}) < len(variants):
        raise invalid("The names of the production variants must differ from each other.")
    if not any(variant.initial_variant_weight for variant in variants):
        raise invalid("At least one production variant must have an InitialVariantWeight above zero.")
    account.configs[request.endpoint_config_name] = EndpointConfig(request, account.clock())
    return {"EndpointConfigArn": arn("endpoint-config", request.endpoint_config_name)}


def describe_endpoint_config(account: Account, request: shapes.OneEndpointConfig) -> Answer:
    """DescribeEndpointConfig: the request that made it, its ARN and its time of creation."""
    config = _found("endpoint-config", request.endpoint_config_name, account.configs)
    answer: dict[str, Any] = msgspec.to_builtins(config.request)
    for shown, variant in zip(answer["ProductionVariants"], config.request.production_variants, strict=True):
        shown["InitialVariantWeight"] = variant.initial_variant_weight
    return answer | {"EndpointConfigArn": arn("endpoint-config", config.name), "CreationTime": config.created}


def list_endpoint_configs(account: Account, request: shapes.Listing) -> Answer:
    """ListEndpointConfigs."""
    rows = [
        Row(c.name, c.created, {"EndpointConfigName": c.name, "EndpointConfigArn": arn("endpoint-config", c.name)})
        for c in account.configs.values()
    ]
    return page("EndpointConfigs", rows, request)


def delete_endpoint_config(account: Account, request: shapes.OneEndpointConfig) -> Answer:
    """DeleteEndpointConfig: allowed even while an endpoint uses it."""
    _found("endpoint-config", request.endpoint_config_name, account.configs)
    del account.configs[request.endpoint_config_name]
    return None


def create_endpoint(account: Account, request: shapes.CreateEndpoint) -> Answer:
    """CreateEndpoint: Creating, then InService."""
    _must_be_new("endpoint", request.endpoint_name, account.live_endpoints())
    target, now = _deployment(account, request.endpoint_config_name), account.clock()
    account.endpoints[request.endpoint_name] = Endpoint(
        request.endpoint_name, "Creating", now, now, settled=now + account.delay, target=target
    )
    return {"EndpointArn": arn("endpoint", request.endpoint_name)}


def update_endpoint(account: Account, request: shapes.UpdateEndpoint) -> Answer:
    """UpdateEndpoint: Updating, while the old config serves, then InService with the new one."""
    endpoint = _settled_endpoint(account, request.endpoint_name)
    target = _deployment(account, request.endpoint_config_name)
    _move(account, endpoint, "Updating", target)
    return {"EndpointArn": arn("endpoint", endpoint.name)}


def describe_endpoint(account: Account, request: shapes.OneEndpoint) -> Answer:
    """DescribeEndpoint: like SageMaker, it does not tell the instance type; the endpoint config does."""
    endpoint = _found("endpoint", request.endpoint_name, account.live_endpoints())
    answer = _endpoint_summary(endpoint) | {
        "EndpointConfigName": (endpoint.serving or endpoint.target).config_name,
        "CreationTime": endpoint.created,
    }
    if endpoint.serving:
        answer["ProductionVariants"] = [
            _variant_summary(variant, container, endpoint.modified) for variant, container in endpoint.serving.variants
        ]
    return answer


def list_endpoints(account: Account, request: shapes.ListEndpoints) -> Answer:
    """ListEndpoints."""
    before, after = request.last_modified_time_before, request.last_modified_time_after
    rows = [
        Row(e.name, e.created, _endpoint_summary(e), status=e.status)
        for e in account.live_endpoints().values()
        if request.status_equals in (None, e.status)
        and (before is None or e.modified < before)
        and (after is None or e.modified > after)
    ]
    return page("Endpoints", rows, request)


def delete_endpoint(account: Account, request: shapes.OneEndpoint) -> Answer:
    """DeleteEndpoint: Deleting, then gone; the config and the models stay."""
    endpoint = _settled_endpoint(account, request.endpoint_name)
    _move(account, endpoint, "Deleting", endpoint.target)
    return None


OPERATIONS: dict[str, tuple[type[shapes.Shape], Callable[[Account, Any], Answer]]] = {
    "CreateModel": (shapes.CreateModel, create_model),
    "DescribeModel": (shapes.OneModel, describe_model),
    "ListModels": (shapes.Listing, list_models),
    "DeleteModel": (shapes.OneModel, delete_model),
    "CreateEndpointConfig": (shapes.CreateEndpointConfig, create_endpoint_config),
    "DescribeEndpointConfig": (shapes.OneEndpointConfig, describe_endpoint_config),
    "ListEndpointConfigs": (shapes.Listing, list_endpoint_configs),
    "DeleteEndpointConfig": (shapes.OneEndpointConfig, delete_endpoint_config),
    "CreateEndpoint": (shapes.CreateEndpoint, create_endpoint),
    "UpdateEndpoint": (shapes.UpdateEndpoint, update_endpoint),
    "DescribeEndpoint": (shapes.OneEndpoint, describe_endpoint),
    "ListEndpoints": (shapes.ListEndpoints, list_endpoints),
    "DeleteEndpoint": (shapes.OneEndpoint, delete_endpoint),
}
"""Operation name -> (request shape, function). The rest of SageMaker's operations are not served here."""


def operate(account: Account, target: str, body: bytes) -> Answer:
    """Run the operation that a request names.

    Args:
        account: the account to read or change.
        target: the X-Amz-Target header, such as SageMaker.ListEndpoints.
        body: the request as JSON.

    Raises:
        AwsError: when the operation is not served here, or refuses the request.
    """
    service, _, name = target.partition(".")
    if service != "SageMaker" or name not in OPERATIONS:
        raise AwsError("UnknownOperationException", f"The embedded endpoint does not serve {target or 'this'}.", 404)
    shape, function = OPERATIONS[name]
    return function(account, shapes.decode(shape, body or b"{}"))


def _must_be_new(kind: str, name: str, existing: dict[str, Any]) -> None:
    if name in existing:
        raise invalid(f'Cannot create already existing {_WORDS[kind]} "{arn(kind, name)}".')


def _found(kind: str, name: str, existing: dict[str, Any]) -> Any:
    if name not in existing:
        raise invalid(f'Could not find {_WORDS[kind]} "{arn(kind, name)}".')
    return existing[name]


def _settled_endpoint(account: Account, name: str) -> Endpoint:
    endpoint: Endpoint = _found("endpoint", name, account.live_endpoints())
    if endpoint.status != "InService":
        raise invalid(f'Cannot update in-progress endpoint "{arn("endpoint", name)}".')
    return endpoint


def _deployment(account: Account, config_name: str) -> Deployment:
    config: EndpointConfig = _found("endpoint-config", config_name, account.configs)
    variants = config.request.production_variants
    return Deployment(
        config_name, tuple((v, _found("model", v.model_name, account.models).container) for v in variants)
    )


def _move(account: Account, endpoint: Endpoint, status: str, target: Deployment) -> None:
    now = account.clock()
    account.endpoints[endpoint.name] = replace(
        endpoint, status=status, modified=now, settled=now + account.delay, target=target
    )


def _endpoint_summary(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": arn("endpoint", endpoint.name),
        "EndpointStatus": endpoint.status,
        "LastModifiedTime": endpoint.modified,
    }


def _variant_summary(variant: shapes.ProductionVariant, container: shapes.Container, resolved: float) -> dict[str, Any]:
    summary = {
        "VariantName": variant.variant_name,
        "CurrentWeight": variant.initial_variant_weight,
        "DesiredWeight": variant.initial_variant_weight,
        "CurrentInstanceCount": variant.initial_instance_count or 0,
        "DesiredInstanceCount": variant.initial_instance_count or 0,
    }
    if container.image:
        image = {"SpecifiedImage": container.image, "ResolvedImage": container.image, "ResolutionTime": resolved}
        summary["DeployedImages"] = [image]
    if variant.serverless_config:
        summary["CurrentServerlessConfig"] = variant.serverless_config
    return summary
