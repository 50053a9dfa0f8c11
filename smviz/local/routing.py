"""Who answers an invocation: the endpoint's variant, the variant's container, the container's model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from smviz.local.account import Account
from smviz.local.demo import MODEL_FILES
from smviz.local.endpoint import Deployed, Endpoint
from smviz.local.shapes import Container, ProductionVariant
from smviz.local.wire import ACCOUNT, AwsError, new_request

Headers = Mapping[str, str]

_PREFIX = "x-amzn-sagemaker-"


@dataclass(frozen=True, slots=True)
class Route:
    """Where an invocation goes.

    Attributes:
        container: the container's name in error messages.
        file: the network file that answers.
    """

    endpoint: Endpoint
    variant: ProductionVariant
    container: str
    file: str


def find_route(account: Account, name: str, headers: Headers, random: Random) -> Route:
    """The route to the variant, container and model that the headers ask for.

    Args:
        account: the account with its endpoints.
        name: the endpoint's name.
        headers: the request's headers; lookups must not depend on case.
        random: draws a variant by weight when none is asked for.

    Raises:
        AwsError: ValidationError when the endpoint does not serve, or does not have what is asked for, or the request
            does not name what it must.
    """
    endpoint = serving_endpoint(account, name)
    if endpoint.deployment.config.async_inference_config:
        raise refusal(f"Endpoint {name} is an asynchronous endpoint: invoke it with InvokeEndpointAsync.")
    if _PREFIX + "inference-component" in headers:
        raise refusal(f"Endpoint {name} has no inference components.")
    deployed = _deployed(endpoint, headers.get(_PREFIX + "target-variant"), random)
    container = _container(name, deployed, headers.get(_PREFIX + "target-container-hostname"))
    target = headers.get(_PREFIX + "target-model")
    if deployed.model.is_multi_model:
        return Route(endpoint, deployed.variant, "model", _target_model(container, target))
    if target is not None:
        raise refusal(f"Endpoint {name} is not a multi-model endpoint and does not support target model header.")
    return Route(endpoint, deployed.variant, container.container_hostname or "primary", _file(container))


def serving_endpoint(account: Account, name: str) -> Endpoint:
    """The endpoint, if it answers invocations now.

    Raises:
        AwsError: ValidationError when it does not exist or does not serve.
    """
    endpoint = account.live_endpoints().get(name)
    if endpoint is None:
        raise refusal(f"Endpoint {name} of account {ACCOUNT} not found.")
    if endpoint.serving is None or endpoint.status == "Deleting":
        raise refusal(f"Endpoint {name} of account {ACCOUNT} is not in service: its status is {endpoint.status}.")
    return endpoint


def refusal(message: str) -> AwsError:
    """The runtime's answer to what is wrong with a request."""
    return AwsError("ValidationError", message)


def request_refusal(words: str) -> AwsError:
    """A refusal whose message names the request by its id."""
    request = new_request()
    return AwsError("ValidationError", f"Request {request} {words}", request=request)


def _deployed(endpoint: Endpoint, wanted: str | None, random: Random) -> Deployed:
    """The production variant that is asked for, or one drawn by weight; a shadow variant never answers."""
    production = endpoint.deployment.production
    if wanted is None:
        return random.choices(production, [deployed.variant.initial_variant_weight for deployed in production])[0]
    for deployed in production:
        if deployed.variant.variant_name == wanted:
            return deployed
    raise refusal(f"Variant {wanted} of endpoint {endpoint.name} of account {ACCOUNT} not found.")


def _container(name: str, deployed: Deployed, wanted: str | None) -> Container:
    """In Direct mode the container that is asked for, else the first one."""
    containers = deployed.model.all_containers
    if not deployed.model.is_direct:
        if wanted is not None:
            raise refusal(f"Endpoint {name} does not support target container hostname header.")
        return containers[0]
    if wanted is None:
        raise request_refusal("is missing a target container hostname header.")
    for container in containers:
        if container.container_hostname == wanted:
            return container
    raise refusal(f"Container {wanted} of endpoint {name} of account {ACCOUNT} not found.")


def _target_model(container: Container, target: str | None) -> str:
    """The network file that a multi-model container is asked for; every folder of models holds just those."""
    if target is None:
        raise request_refusal("is missing a target model header.")
    if target in MODEL_FILES:
        return target
    bucket, _, folder = (container.model_data_url or "").partition("://")[2].partition("/")
    raise refusal(
        f"Failed to download model data (bucket: {bucket}, key: {folder}{target}). Please ensure that there is an "
        "object located at the URL and that the role passed to CreateModel has permissions to download the model."
    )


def _file(container: Container) -> str:
    """The network file that the artefact's URL ends in, else the first: there is no S3 here to fetch another from."""
    artefact = container.model_data_url or ""
    return next((file for file in MODEL_FILES if artefact.endswith(file)), MODEL_FILES[0])
