"""The runtime: POST /endpoints/{name}/invocations and /async-invocations, as SageMaker answers them."""

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
from smviz.local.routing import Route, find_route, refusal, serving_endpoint
from smviz.local.serverless import Serverless
from smviz.local.wire import ACCOUNT, REGION, AwsError, new_request, request_id

MAX_BODY = 25 * 1024 * 1024
"""The largest request body in bytes: what SageMaker takes for real-time inference."""

SLOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """Answers invocations of the account's endpoints.

    Every model served here is one of the demo detectors, whatever its image and artefact. Of a pipeline of containers
    the first one answers, and what a shadow variant would answer is not worked out.

    Attributes:
        detectors: by file name.
        pool: where detectors run, so that the event loop stays free.
        serverless: the instances of serverless variants.
        latency: seconds added to each invocation.
        random: draws faults, and variants by their weight.
    """

    account: Account
    detectors: Mapping[str, Detector]
    pool: ThreadPoolExecutor
    serverless: Serverless
    faults: Faults
    latency: float
    random: Random

    async def invoke(self, request: Request) -> Response:
        """InvokeEndpoint.

        Raises:
            AwsError: as SageMaker answers what is wrong with the request, the endpoint or the model.
        """
        headers = request.headers
        body = _unzipped(await _body(request), headers.get("content-encoding", ""))
        route = find_route(self.account, request.path_params["name"], headers, self.random)
        fault = self.faults.draw(self.random)
        async with self.serverless.instance(route.endpoint.deployment, route.variant, len(body)):
            await asyncio.sleep(self.latency + (SLOW_SECONDS if fault == "slow" else 0))
            if fault == "reset":
                return await _hang_up(request)
            _fail(fault, route)
            reply = await self._reply(route, body, headers)
        if fault == "bad":
            reply = reply[: len(reply) // 2]
        answer_headers = request_id(new_request()) | {"x-Amzn-Invoked-Production-Variant": route.variant.variant_name}
        if attributes := headers.get("x-amzn-sagemaker-custom-attributes"):
            answer_headers["X-Amzn-SageMaker-Custom-Attributes"] = attributes
        return Response(reply, headers=answer_headers, media_type="application/json")

    async def invoke_async(self, request: Request) -> Response:
        """InvokeEndpointAsync, which is always refused: its input and its output are objects in S3.

        Raises:
            AwsError: ValidationError.
        """
        name = request.path_params["name"]
        await _body(request)
        if not serving_endpoint(self.account, name).deployment.config.async_inference_config:
            raise refusal(f"Endpoint {name} is not an asynchronous endpoint: invoke it with InvokeEndpoint.")
        raise refusal(
            "There is no S3 behind the embedded endpoint: it can neither read InputLocation nor write a reply."
        )

    async def _reply(self, route: Route, body: bytes, headers: Mapping[str, str]) -> bytes:
        arguments = (body, headers.get("content-type", ""), headers.get("accept", ""))
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self.pool, container.answer, self.detectors[route.file], *arguments
            )
        except container.ContainerError as error:
            raise _model_error(route, error.status, error.message) from error


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
        raise refusal("The body is not compressed with gzip, as its Content-Encoding says.") from error
    if len(plain) > MAX_BODY:
        raise _too_large()
    if not gzip.eof:
        raise refusal("The body, compressed with gzip, is not complete.")
    return plain


async def _hang_up(request: Request) -> Response:
    """Close the connection without an answer; the response is never sent."""
    request.state.transport.abort()
    await request.receive()
    return Response()


def _fail(fault: str | None, route: Route) -> None:
    if fault == "throttle":
        raise AwsError("ThrottlingException", None)
    if fault == "error":
        raise AwsError("InternalFailure", "An internal failure occurred.", 500)
    if fault == "unavailable":
        raise AwsError("ServiceUnavailable", "The service is unavailable. Try your call again.", 503)
    if fault == "model":
        raise _model_error(route, 500, "Internal Server Error")


def _too_large() -> AwsError:
    return AwsError("413", f"HTTP content length exceeded {MAX_BODY} bytes.", 413)


def _model_error(route: Route, status: int, message: str) -> AwsError:
    side = "client" if status < 500 else "server"
    return AwsError(
        "ModelError",
        f'Received {side} error ({status}) from {route.container} with message "{message}".',
        424,
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/{route.endpoint.name}",
    )
