"""The state of the embedded account: models, endpoint configs, and endpoints whose status moves with time.

Nothing is written to disk. Only the server's event loop touches the state, so it needs no lock, and transitions are
worked out when an endpoint is read, so they need no timer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from smviz.local.demo import MODEL_FILES
from smviz.local.shapes import Container, CreateEndpointConfig, CreateModel, ProductionVariant

DEMO_ENDPOINT = "highway-demo"
BUILT_IN_IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"


@dataclass(frozen=True, slots=True)
class Model:
    """A model and when it was made, in seconds since 1970."""

    request: CreateModel
    created: float

    @property
    def name(self) -> str:
        return self.request.model_name

    @property
    def container(self) -> Container:
        """The container that takes the invocation: the primary one, or the first of several."""
        return self.request.primary_container or self.request.containers[0]


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """An endpoint config and when it was made, in seconds since 1970."""

    request: CreateEndpointConfig
    created: float

    @property
    def name(self) -> str:
        return self.request.endpoint_config_name


@dataclass(frozen=True, slots=True)
class Deployment:
    """A config as it was when it was deployed: deleting it, or its models, does not touch a live endpoint."""

    config_name: str
    variants: tuple[tuple[ProductionVariant, Container], ...]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint at one moment; times are in seconds since 1970.

    Attributes:
        serving: what answers invocations; None until the first deployment is complete.
        target: what serves once the status is InService.
        settled: when Creating and Updating become InService, and Deleting becomes gone.
    """

    name: str
    status: str
    created: float
    modified: float
    settled: float
    target: Deployment
    serving: Deployment | None = None

    def at(self, now: float) -> Endpoint | None:
        """The endpoint at a later moment, or None when it is gone."""
        if self.status == "InService" or now < self.settled:
            return self
        if self.status == "Deleting":
            return None
        return replace(self, status="InService", modified=self.settled, serving=self.target)


@dataclass(slots=True)
class Account:
    """Everything that exists in the embedded account.

    Attributes:
        delay: seconds that an endpoint takes to be created, updated or deleted.
        clock: tells the time in seconds since 1970.
    """

    delay: float = 3.0
    clock: Callable[[], float] = time.time
    models: dict[str, Model] = field(default_factory=dict)
    configs: dict[str, EndpointConfig] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def live_endpoints(self) -> dict[str, Endpoint]:
        """The endpoints that exist now by name, each with its status of now, in order of creation."""
        now = self.clock()
        settled = [endpoint.at(now) for endpoint in self.endpoints.values()]
        self.endpoints = {endpoint.name: endpoint for endpoint in settled if endpoint is not None}
        return self.endpoints


def demo_account(delay: float, clock: Callable[[], float] = time.time) -> Account:
    """An account with two models and the endpoint `highway-demo`, in service at once.

    Its variants A and B are the two demo detectors. All the traffic goes to A, so B answers only as TargetVariant.
    """
    account = Account(delay, clock)
    now = clock()
    variants = []
    for file, variant, weight in zip(MODEL_FILES, "AB", (1.0, 0.0), strict=True):
        name = file.removesuffix(".onnx")
        container = Container(image=BUILT_IN_IMAGE, model_data_url=f"embedded://{file}")
        account.models[name] = Model(CreateModel(model_name=name, primary_container=container), now)
        variants.append(
            ProductionVariant(
                variant_name=variant,
                model_name=name,
                initial_instance_count=1,
                instance_type="ml.m5.large",
                initial_variant_weight=weight,
            )
        )
    request = CreateEndpointConfig(endpoint_config_name=DEMO_ENDPOINT, production_variants=variants)
    account.configs[DEMO_ENDPOINT] = EndpointConfig(request, now)
    deployment = Deployment(DEMO_ENDPOINT, tuple((v, account.models[v.model_name].container) for v in variants))
    account.endpoints[DEMO_ENDPOINT] = Endpoint(
        DEMO_ENDPOINT, "InService", now, now, settled=now, target=deployment, serving=deployment
    )
    return account
