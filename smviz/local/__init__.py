"""The embedded endpoint: SageMaker's wire protocol on a loopback port, a demo detector, sample scenes.

    from smviz.local import EmbeddedServer

    with EmbeddedServer() as server:
        boto3.client("sagemaker-runtime", endpoint_url=server.url, ...)

To the rest of smviz it is just another endpoint URL.
"""

from smviz.local.account import DEMO_ENDPOINT
from smviz.local.demo import DEMO_CLASSES, SAMPLES, Samples
from smviz.local.faults import Faults
from smviz.local.server import EmbeddedServer

__all__ = ["DEMO_CLASSES", "DEMO_ENDPOINT", "SAMPLES", "EmbeddedServer", "Faults", "Samples"]
