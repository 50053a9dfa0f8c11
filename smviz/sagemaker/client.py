"""The door itself: the control plane's verbs, who is calling, and the invocation of every kind of endpoint."""

from __future__ import annotations

import time
from collections.abc import Callable

from smviz.records import Payload, Reply
from smviz.sagemaker.asynchronous import AsyncInvocation
from smviz.sagemaker.control import ControlPlane
from smviz.sagemaker.credentials import Identity
from smviz.sagemaker.failures import typed_errors
from smviz.sagemaker.files import s3_read, s3_source
from smviz.sagemaker.requests import parameters
from smviz.settings import Connection, Request
from smviz.sources import Source


class SageMaker(ControlPlane):
    """Lists, describes, makes and invokes endpoints of one region, or of the embedded endpoint.

    Every method raises an `EndpointError`. One instance may be used by many threads.
    """

    def __init__(
        self,
        connection: Connection,
        pool: int = 32,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
        patience: float = 900.0,
    ) -> None:
        """Open the door; nothing is called yet.

        Args:
            connection: which SageMaker, with whose credentials.
            pool: the most calls that run at once.
            clock: seconds, monotonic.
            sleep: how to wait so many seconds.
            patience: seconds to wait for the answer of an asynchronous endpoint.

        Raises:
            CredentialsError: when the profile does not exist, or asks for a code that nobody could type here.
            BadSetting: when the region, the address or the role's ARN is not valid.
        """
        super().__init__(connection, pool, sleep)
        self._clock = clock
        self._patience = patience

    def whoami(self) -> Identity:
        """Who AWS says is calling; needs no permission (sts:GetCallerIdentity)."""
        with typed_errors("ask who is calling"):
            found = self.clients.of("sts").get_caller_identity()
        return Identity(found.get("Account", ""), found.get("Arn", ""))

    def s3_source(self, uri: str) -> Source:
        """The objects below an S3 prefix, which is taken for a folder; see `files.s3_source`.

        Listing needs s3:ListBucket, and reading s3:GetObject.

        Raises:
            BadSource: when the URI is none; while listing when a key is no plain path.
            EndpointError: while listing and reading, when S3 does not allow it or cannot be reached.
        """
        return s3_source(self.clients.of("s3"), uri)

    def s3_read(self, uri: str) -> bytes:
        """The bytes of one S3 object; it is what `read_location` and `from_manifest` may be given to read S3 with.

        Raises:
            BadSource: when the URI names no object.
            EndpointError: when S3 does not give it.
        """
        return s3_read(self.clients.of("s3"), uri)

    def invoke(self, request: Request, payload: Payload) -> Reply:
        """Send one image as the request's hosting wants it, and return the raw reply; never retried here.

        Raises:
            PayloadTooLarge: before sending, when the image is above SageMaker's limit.
            ModelError: when the model's container answers with an error.
            TimedOut: when an asynchronous answer did not come in time.
            EndpointError: for everything else that goes wrong on the way.
        """
        if request.hosting == "asynchronous":
            runtime, s3 = self.clients.of("sagemaker-runtime"), self.clients.of("s3")
            return AsyncInvocation(runtime, s3, self._clock, self._sleep, self._patience)(request, payload)
        given = parameters(request, payload)
        start = self._clock()
        with typed_errors(f"invoke endpoint {request.endpoint}"):
            answer, body = self.clients.invocations(given, payload.body, payload.sha256)
        return Reply(
            body=body,
            content_type=answer.get("ContentType", ""),
            latency=self._clock() - start,
            variant=answer.get("InvokedProductionVariant"),
        )
