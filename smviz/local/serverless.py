"""The instances of serverless variants: started when they are needed, and at most as many as are allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from smviz.local.endpoint import Deployment
from smviz.local.routing import request_refusal
from smviz.local.shapes import ProductionVariant
from smviz.local.wire import AwsError

MAX_BODY = 4 * 1024 * 1024
"""The largest request body in bytes that a serverless variant takes."""


@dataclass(slots=True)
class _Instances:
    idle: int
    busy: int = 0


@dataclass(slots=True)
class Serverless:
    """The instances of all serverless variants; only the server's event loop touches them.

    An instance, once started, stays warm until its endpoint is deployed anew.

    Attributes:
        cold_start: seconds that an instance takes to start.
    """

    cold_start: float
    instances: WeakKeyDictionary[Deployment, _Instances] = field(default_factory=WeakKeyDictionary)

    @asynccontextmanager
    async def instance(self, deployment: Deployment, variant: ProductionVariant, size: int) -> AsyncIterator[None]:
        """Hold an instance of the variant for one call; a variant with machines of its own needs none.

        Args:
            deployment: what the endpoint serves; it has one serverless variant at most.
            variant: the variant that answers.
            size: the length of the request's body in bytes.

        Raises:
            AwsError: ValidationError when the body is too large, ThrottlingException when MaxConcurrency calls are
                being answered.
        """
        config = variant.serverless_config
        if config is None:
            yield
            return
        if size > MAX_BODY:
            raise request_refusal("has oversize body.")
        instances = self.instances.setdefault(deployment, _Instances(idle=config.provisioned_concurrency or 0))
        if instances.busy >= config.max_concurrency:
            raise AwsError("ThrottlingException", None)
        is_cold = instances.idle == 0
        instances.idle -= not is_cold
        instances.busy += 1
        try:
            await asyncio.sleep(self.cold_start if is_cold else 0)
            yield
        finally:
            instances.busy -= 1
            instances.idle += 1
