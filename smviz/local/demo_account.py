"""The embedded account as it is at the start: everything in it was made by the operations that clients call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from smviz.local.account import Account
from smviz.local.control import operate
from smviz.local.demo import DEMO_ENDPOINT, MODEL_FILES
from smviz.local.endpoint import EMBEDDED
from smviz.local.identity import EXECUTION_ROLE

BUILT_IN_IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/object-detection:1"


def demo_account(delay: float, clock: Callable[[], float] = time.time) -> Account:
    """An account with two models and the endpoint `highway-demo`, in service at once.

    Its variants A and B are the two demo detectors. All the traffic goes to A, so B answers only as TargetVariant.
    """
    account = Account(0, clock)
    for file in MODEL_FILES:
        container = {"Image": BUILT_IN_IMAGE, "ModelDataUrl": EMBEDDED + file}
        _run(
            account,
            "CreateModel",
            ModelName=file.removesuffix(".onnx"),
            PrimaryContainer=container,
            ExecutionRoleArn=EXECUTION_ROLE,
        )
    variants = [
        {
            "VariantName": variant,
            "ModelName": file.removesuffix(".onnx"),
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
            "InitialVariantWeight": weight,
        }
        for variant, file, weight in zip("AB", MODEL_FILES, (1.0, 0.0), strict=True)
    ]
    _run(account, "CreateEndpointConfig", EndpointConfigName=DEMO_ENDPOINT, ProductionVariants=variants)
    _run(account, "CreateEndpoint", EndpointName=DEMO_ENDPOINT, EndpointConfigName=DEMO_ENDPOINT)
    account.live_endpoints()  # with no delay yet, it is in service by now
    account.delay = delay
    return account


def _run(account: Account, operation: str, **request: Any) -> None:
    operate(account, f"SageMaker.{operation}", msgspec.json.encode(request))
