"""The runtime: POST /endpoints/{name}/invocations, as SageMaker answers it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from starlette.requests import Request
from starlette.responses import Response

from smviz.local import container
from smviz.local.account import Account
from smviz.local.detector import Detector
from smviz.local.faults import Faults
from smviz.local.shapes import Container, ProductionVariant
from smviz.local.wire import ACCOUNT, REGION, AwsError, request_id

MAX_BODY = 25 * 1024 * 1024
"""The largest request body in bytes: what SageMaker takes for real-time inference."""

SLOW_SECONDS = 2.0

Variant = tuple[ProductionVariant, Container]


@dataclass(frozen=True, slots=True)
class Runtime:
    """Answers invocations of the account's endpoints.

    Every model served here is one of the demo detectors, whatever its image and artefact: the one whose file name the
    artefact's URL ends in, else the first. There is no S3 here to fetch another one from.

    Attributes:
        detectors: by file name, in order.
        pool: where detectors run, so that the event loop stays free.
        latency: seconds added to each invocation.
        random: draws faults, and variants by their weight.
    """

    account: Account
    detectors: Mapping[str, Detector]
    pool: ThreadPoolExecutor
    faults: Faults
    latency: float
    random: Random

    async def invoke(self, request: Request) -> Response:
        """InvokeEndpoint.

        Raises:
            AwsError: as SageMaker answers what is wrong with the request, the endpoint or the model.
        """
        name, headers = request.path_params["name"], request.headers
        body = _unzipped(await _body(request), headers.get("content-encoding", ""))
        variant, model = self._variant(name, headers)
        fault = self.faults.draw(self.random)
        await asyncio.sleep(self.latency + (SLOW_SECONDS if fault == "slow" else 0))
        if fault == "reset":
            return await _hang_up(request)
        _fail(fault, name)
        arguments = (body, headers.get("content-type", ""), headers.get("accept", ""))
        try:
            reply = await asyncio.get_running_loop().run_in_executor(
                self.pool, container.answer, self._detector(model), *arguments
            )
        except container.ContainerError as error:
            raise _model_error(name, error.status, error.message) from error
        if fault == "bad":
            reply = reply[: len(reply) // 2]
        answer_headers = request_id() | {"x-Amzn-Invoked-Production-Variant": variant.variant_name}
        if attributes := headers.get("x-amzn-sagemaker-custom-attributes"):
            answer_headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
        return Response(reply, headers=answer_headers, media_type="application/json")

    def _variant(self, name: str, headers: Mapping[str, str]) -> Variant:
        """The variant that is asked for, or one drawn by weight."""
        endpoint = self.account.live_endpoints().get(name)
        if endpoint is None:
            raise _invalid(f"Endpoint {name} of account {ACCOUNT} not found.")
        if endpoint.serving is None or endpoint.status == "Deleting":
            raise _invalid(f"Endpoint {name} of account {ACCOUNT} is not in service: its status is {endpoint.status}.")
        if "x-amzn-sagemaker-target-model" in headers:
            raise _invalid(f"Endpoint {name} is not a multi-model endpoint and does not support target model header.")
        if "x-amzn-sagemaker-inference-component" in headers:
            raise _invalid(f"Endpoint {name} has no inference components.")
        variants = endpoint.serving.variants
        wanted = headers.get("x-amzn-sagemaker-target-variant")
        if wanted is None:
            return self.random.choices(variants, [variant.initial_variant_weight for variant, _ in variants])[0]
        for variant in variants:
            if variant[0].variant_name == wanted:
                return variant
        raise _invalid(f"Variant {wanted} of endpoint {name} of account {ACCOUNT} not found.")

    def _detector(self, model: Container) -> Detector:
        artefact = model.model_data_url or ""
        detectors = list(self.detectors.items())
        return next((detector for file, detector in detectors if artefact.endswith(file)), detectors[0][1])


async def _body(request: Request) -> bytes:
    """The request's body, of which no more than the limit is kept.

    What comes after it is read and dropped: a client that is still sending would see a reset and not the answer.
    """
    kept, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY:
            kept += chunk
    if length > MAX_BODY:
        raise _too_large()
    return bytes(kept)


def _unzipped(body: bytes, encoding: str) -> bytes:
    if encoding != "gzip":
        return body
    gzip = zlib.decompressobj(wbits=31)
    try:
        plain = gzip.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise _invalid("The body is not compressed with gzip, as its Content-Encoding says.") from error
    if len(plain) > MAX_BODY:
        raise _too_large()
    if not gzip.eof:
        raise _invalid("The body, compressed with gzip, is not complete.")
    return plain


async def _hang_up(request: Request) -> Response:
    """Close the connection without an answer; the response is never sent."""
    request.state.transport.abort()
    await request.receive()
    return Response()


def _fail(fault: str | None, name: str) -> None:
    if fault == "throttle":
        raise AwsError("ThrottlingException", None)
    if fault == "error":
        raise AwsError("InternalFailure", "An internal failure occurred.", 500)
    if fault == "unavailable":
        raise AwsError("ServiceUnavailable", "The service is unavailable. Try your call again.", 503)
    if fault == "model":
        raise _model_error(name, 500, "Internal Server Error")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def _too_large() -> AwsError:
    return AwsError("413", f"HTTP content length exceeded {MAX_BODY} bytes.", 413)


def _model_error(name: str, status: int, message: str) -> AwsError:
    side = "client" if status < 500 else "server"
    return AwsError(
        "ModelError",
        f'Received {side} error ({status}) from primary with message "{message}".',
        424,
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/{name}",
    )
