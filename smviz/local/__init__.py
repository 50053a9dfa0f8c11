"""The embedded endpoint: SageMaker's wire protocol on a loopback port, a demo detector, sample scenes.

    from smviz.local import EmbeddedServer

    with EmbeddedServer() as server:
        boto3.client("sagemaker-runtime", endpoint_url=server.url, ...)

To the rest of smviz it is just another endpoint URL.

Endpoints can be real-time (with variants, a shadow variant, a multi-model container, or containers in Direct mode),
serverless, or asynchronous. Not served: inference components, and S3, which asynchronous invocations need. A model
whose artefact is `embedded://NAME`, where NAME is none of the network files, makes a deployment fail as at AWS.
"""

from smviz.local.demo import DEMO_CLASSES, DEMO_ENDPOINT, SAMPLES, Samples
from smviz.local.faults import Faults
from smviz.local.server import EmbeddedServer

__all__ = ["DEMO_CLASSES", "DEMO_ENDPOINT", "SAMPLES", "EmbeddedServer", "Faults", "Samples"]
