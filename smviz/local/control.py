"""The operations of SageMaker's control plane: each takes the account and a validated request, and gives the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from smviz.local import shapes
from smviz.local.account import MAX_ENDPOINTS, Account, EndpointConfig, Model
from smviz.local.endpoint import Deployed, Deployment, Endpoint
from smviz.local.listing import Row, page
from smviz.local.rules import check_model, check_variants
from smviz.local.validation import decode
from smviz.local.wire import AwsError, arn, invalid

Answer = dict[str, Any] | None

_WORDS = {"model": "model", "endpoint-config": "endpoint configuration", "endpoint": "endpoint"}


def create_model(account: Account, request: shapes.CreateModel) -> Answer:
    """CreateModel: a name, and one container or several."""
    _must_be_new("model", request.model_name, account.models)
    check_model(request)
    account.models[request.model_name] = Model(request, account.clock())
    return {"ModelArn": arn("model", request.model_name)}


def describe_model(account: Account, request: shapes.OneModel) -> Answer:
    """DescribeModel: the request that made it, its ARN and its time of creation."""
    model = _found("model", request.model_name, account.models)
    return _told(model.request) | {"ModelArn": arn("model", model.name), "CreationTime": model.created}


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
    check_variants(request, {v.model_name: _model(account, v.model_name) for v in request.all_variants})
    account.configs[request.endpoint_config_name] = EndpointConfig(request, account.clock())
    return {"EndpointConfigArn": arn("endpoint-config", request.endpoint_config_name)}


def describe_endpoint_config(account: Account, request: shapes.OneEndpointConfig) -> Answer:
    """DescribeEndpointConfig: the request that made it, its ARN and its time of creation."""
    config = _found("endpoint-config", request.endpoint_config_name, account.configs)
    answer = _told(config.request)
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        if member in answer:
            answer[member] = [{"InitialVariantWeight": 1.0} | variant for variant in answer[member]]
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
    """CreateEndpoint: Creating, then InService, or Failed when an artefact cannot be fetched."""
    _must_be_new("endpoint", request.endpoint_name, account.live_endpoints())
    _check_quota(account)
    target, now = _deployment(account, request.endpoint_config_name), account.clock()
    account.endpoints[request.endpoint_name] = Endpoint(
        request.endpoint_name, "Creating", now, now, settled=now + account.delay, target=target
    )
    return {"EndpointArn": arn("endpoint", request.endpoint_name)}


def update_endpoint(account: Account, request: shapes.UpdateEndpoint) -> Answer:
    """UpdateEndpoint: Updating, while the old config serves, then InService with the new one.

    When an artefact cannot be fetched: RollingBack, then InService with the old one and a FailureReason.
    """
    endpoint = _settled_endpoint(account, request.endpoint_name)
    if endpoint.status == "Failed":
        raise invalid(f'Cannot update failed endpoint "{arn("endpoint", endpoint.name)}".')
    target = _deployment(account, request.endpoint_config_name)
    _move(account, endpoint, "Updating", target)
    return {"EndpointArn": arn("endpoint", endpoint.name)}


def describe_endpoint(account: Account, request: shapes.OneEndpoint) -> Answer:
    """DescribeEndpoint: like SageMaker, it does not tell the instance type; the endpoint config does."""
    endpoint = _found("endpoint", request.endpoint_name, account.live_endpoints())
    answer = _endpoint_summary(endpoint) | {
        "EndpointConfigName": endpoint.deployment.config.endpoint_config_name,
        "CreationTime": endpoint.created,
    }
    if endpoint.failure:
        answer["FailureReason"] = endpoint.failure
    if endpoint.deployment.config.async_inference_config:
        answer["AsyncInferenceConfig"] = endpoint.deployment.config.given["AsyncInferenceConfig"]
    if endpoint.serving:
        answer["ProductionVariants"] = [_variant_summary(d, endpoint.modified) for d in endpoint.serving.production]
        if endpoint.serving.shadow:
            shadow = [_variant_summary(d, endpoint.modified) for d in endpoint.serving.shadow]
            answer["ShadowProductionVariants"] = shadow
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
    """DeleteEndpoint: Deleting, then gone; the config and the models stay. A Failed endpoint can be deleted too."""
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
    return function(account, decode(shape, body or b"{}"))


def _must_be_new(kind: str, name: str, existing: dict[str, Any]) -> None:
    if name in existing:
        raise invalid(f'Cannot create already existing {_WORDS[kind]} "{arn(kind, name)}".')


def _found(kind: str, name: str, existing: dict[str, Any]) -> Any:
    if name not in existing:
        raise invalid(f'Could not find {_WORDS[kind]} "{arn(kind, name)}".')
    return existing[name]


def _model(account: Account, name: str) -> shapes.CreateModel:
    model: Model = _found("model", name, account.models)
    return model.request


def _told(request: shapes.Told) -> dict[str, Any]:
    return {member: value for member, value in request.given.items() if member != "Tags"}


def _check_quota(account: Account) -> None:
    if (count := len(account.endpoints)) >= MAX_ENDPOINTS:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The account-level service limit 'Number of endpoints' is {MAX_ENDPOINTS} Endpoints, with current "
            f"utilization of {count} Endpoints and a request delta of 1 Endpoints. Please delete endpoints that are "
            "not in use: the embedded account cannot get more.",
        )


def _settled_endpoint(account: Account, name: str) -> Endpoint:
    endpoint: Endpoint = _found("endpoint", name, account.live_endpoints())
    if endpoint.is_in_progress:
        raise invalid(f'Cannot update in-progress endpoint "{arn("endpoint", name)}".')
    return endpoint


def _deployment(account: Account, config_name: str) -> Deployment:
    config: EndpointConfig = _found("endpoint-config", config_name, account.configs)

    def deployed(variants: list[shapes.ProductionVariant]) -> tuple[Deployed, ...]:
        return tuple(Deployed(v, _model(account, v.model_name)) for v in variants)

    request = config.request
    return Deployment(request, deployed(request.production_variants), deployed(request.shadow_production_variants))


def _move(account: Account, endpoint: Endpoint, status: str, target: Deployment) -> None:
    now = account.clock()
    account.endpoints[endpoint.name] = replace(
        endpoint, status=status, modified=now, settled=now + account.delay, target=target, failure=""
    )


def _endpoint_summary(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": arn("endpoint", endpoint.name),
        "EndpointStatus": endpoint.status,
        "LastModifiedTime": endpoint.modified,
    }


def _variant_summary(deployed: Deployed, resolved: float) -> dict[str, Any]:
    variant = deployed.variant
    summary = {
        "VariantName": variant.variant_name,
        "CurrentWeight": variant.initial_variant_weight,
        "DesiredWeight": variant.initial_variant_weight,
        "CurrentInstanceCount": variant.initial_instance_count or 0,
        "DesiredInstanceCount": variant.initial_instance_count or 0,
    }
    images = [container.image for container in deployed.model.all_containers if container.image]
    if images:
        summary["DeployedImages"] = [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": resolved} for image in images
        ]
    if variant.serverless_config:
        summary["CurrentServerlessConfig"] = msgspec.to_builtins(variant.serverless_config)
    return summary
