"""The door to Amazon SageMaker, and the only package that imports boto3: when it is first called for.

The embedded endpoint is reached through the same door: a `Connection` with a loopback URL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from smviz.sagemaker.credentials import Identity, credential_sources
from smviz.sagemaker.endpoints import Model
from smviz.sagemaker.failure_reasons import explain_failure
from smviz.sagemaker.limits import INLINE, MAX_BODY, Size, size_verdict
from smviz.sagemaker.logs import log_url

if TYPE_CHECKING:
    from smviz.sagemaker.client import SageMaker
    from smviz.sagemaker.codes import CODES, VALIDATION, VENDOR
    from smviz.sagemaker.failures import from_client_error, from_vendor_error
    from smviz.sagemaker.session import profiles, regions

__all__ = [
    "CODES",
    "INLINE",
    "MAX_BODY",
    "VALIDATION",
    "VENDOR",
    "Identity",
    "Model",
    "SageMaker",
    "Size",
    "credential_sources",
    "explain_failure",
    "from_client_error",
    "from_vendor_error",
    "log_url",
    "profiles",
    "regions",
    "size_verdict",
]

_LATE = {
    "client": ("SageMaker",),
    "codes": ("CODES", "VALIDATION", "VENDOR"),
    "failures": ("from_client_error", "from_vendor_error"),
    "session": ("profiles", "regions"),
}


def __getattr__(name: str) -> Any:
    # Whoever only looks at runs needs none of boto3, which takes half a second (PEP 562).
    for module, names in _LATE.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
