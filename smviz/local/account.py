"""The state of the embedded account: models, endpoint configs, and endpoints whose status moves with time.

Nothing is written to disk. Only the server's event loop touches the state, so it needs no lock, and transitions are
worked out when an endpoint is read, so they need no timer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from smviz.local.endpoint import Endpoint
from smviz.local.shapes import CreateEndpointConfig, CreateModel

MAX_ENDPOINTS = 20
"""How many endpoints there can be at once, the quota of the embedded account."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model and when it was made, in seconds since 1970."""

    request: CreateModel
    created: float

    @property
    def name(self) -> str:
        return self.request.model_name


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """An endpoint config and when it was made, in seconds since 1970."""

    request: CreateEndpointConfig
    created: float

    @property
    def name(self) -> str:
        return self.request.endpoint_config_name


@dataclass(slots=True)
class Account:
    """Everything that exists in the embedded account.

    Attributes:
        delay: seconds that an endpoint takes to be created, updated, rolled back or deleted.
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
