"""The door to Amazon SageMaker, and the only package that imports boto3.

The embedded endpoint is reached through the same door: a `Connection` with a loopback URL.
"""

from smviz.sagemaker.client import SageMaker
from smviz.sagemaker.codes import CODES, VALIDATION, VENDOR
from smviz.sagemaker.credentials import Identity, credential_sources
from smviz.sagemaker.endpoints import Model
from smviz.sagemaker.failure_reasons import explain_failure
from smviz.sagemaker.failures import from_client_error, from_vendor_error
from smviz.sagemaker.limits import INLINE, MAX_BODY, Size, size_verdict
from smviz.sagemaker.logs import log_url
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
