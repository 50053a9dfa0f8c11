"""The embedded endpoint as a server: a thread of this process, on a port of the loopback interface."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from smviz.errors import BadSetting
from smviz.local import identity, wire
from smviz.local.account import Account
from smviz.local.control import operate
from smviz.local.demo import MODEL_FILES, MODELS
from smviz.local.demo_account import demo_account
from smviz.local.detector import Detector
from smviz.local.faults import Faults
from smviz.local.runtime import Runtime
from smviz.local.serverless import Serverless

_WORKERS = 2


class EmbeddedServer:
    """SageMaker's control plane and runtime on 127.0.0.1, in a daemon thread. Credentials are not checked.

    STS GetCallerIdentity and IAM ListRoles are answered too, since a deployment needs an execution role.

    A context manager: `with EmbeddedServer() as server: server.url`. An instance starts once.

    Args:
        port: the port to listen on; 0 takes a free one.
        delay: seconds that an endpoint takes to be created, updated, rolled back or deleted.
        latency: seconds added to each invocation.
        cold_start: seconds that an instance of a serverless variant takes to start.
        faults: shares of the invocations that go wrong.
        random: draws faults, and variants by their weight; seeded with 0 when none is given.
        clock: tells the time in seconds since 1970.
        models: the folder of the network files.

    Raises:
        BadSetting: when an argument is out of range or a network file is missing.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        delay: float = 3.0,
        latency: float = 0.0,
        cold_start: float = 1.0,
        faults: Faults = Faults(),  # noqa: B008 (frozen)
        random: Random | None = None,
        clock: Callable[[], float] = time.time,
        models: Path = MODELS,
    ) -> None:
        if not 0 <= port <= 65535:
            raise BadSetting(f"There is no port {port}.", "Give one from 1 to 65535, or 0 for any free one.")
        for name, seconds in (("delay", delay), ("latency", latency), ("cold start", cold_start)):
            if not (math.isfinite(seconds) and seconds >= 0):
                raise BadSetting(f"The {name} is {seconds:g} seconds.", "Give zero or more.")
        self._port = port
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="embedded-detector")
        account = demo_account(delay, clock)
        detectors = {file: Detector(models / file) for file in MODEL_FILES}
        runtime = Runtime(account, detectors, self._pool, Serverless(cold_start), faults, latency, random or Random(0))
        self._server = uvicorn.Server(_config(_application(account, runtime)))
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens: the `endpoint_url` of both SageMaker clients.

        Raises:
            BadSetting: before it was started.
        """
        if not self._port:
            raise BadSetting("The embedded endpoint has no URL before it is started.", "Call start() first.")
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point boto3 and the AWS CLI here, and leave their other services alone."""
        return {"AWS_ENDPOINT_URL_SAGEMAKER": self.url, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url}

    def start(self) -> EmbeddedServer:
        """Listen, and return once requests are answered.

        Raises:
            BadSetting: when the port is taken or not allowed, or this instance was started or stopped before.
        """
        if self._thread or self._server.should_exit:
            raise BadSetting("This embedded endpoint was started before.", "Make another EmbeddedServer.")
        self._socket = _listen(self._port)
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="embedded-endpoint", daemon=True
        )
        self._thread.start()
        while self._thread.is_alive() and not self._server.started:
            time.sleep(0.002)
        return self

    def wait(self) -> None:
        """Return when the server has stopped; until then, only a KeyboardInterrupt gets out."""
        if self._thread:
            self._thread.join()

    def stop(self) -> None:
        """Finish what is being answered, for up to 3 seconds, then close the port. Stopping twice does no harm."""
        self._server.should_exit = True
        self.wait()
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> EmbeddedServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Connection(H11Protocol):
    """Hands its transport to the application, which ASGI gives no other way to hang up."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = self.app_state | {"transport": transport}


def _application(account: Account, runtime: Runtime) -> Starlette:
    async def control(request: Request) -> Response:
        target = request.headers.get("x-amz-target", "")
        return wire.control_answer(operate(account, target, await request.body()))

    async def query(request: Request) -> Response:
        return identity.answer(await request.body())

    answering_control = _answering_errors(control, wire.control_error)
    answering_query = _answering_errors(query, identity.error_answer)

    async def root(request: Request) -> Response:
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        is_query = is_form and "x-amz-target" not in request.headers
        return await (answering_query if is_query else answering_control)(request)

    def invocations(suffix: str, serve: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(f"/endpoints/{{name}}/{suffix}", _answering_errors(serve, wire.runtime_error), methods=["POST"])

    return Starlette(
        routes=[
            Route("/", root, methods=["POST"]),
            invocations("invocations", runtime.invoke),
            invocations("async-invocations", runtime.invoke_async),
        ]
    )


def _answering_errors(
    serve: Callable[[Request], Awaitable[Response]], answer: Callable[[wire.AwsError], Response]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await serve(request)
        except wire.AwsError as error:
            return answer(error)
        except ClientDisconnect:
            return Response()  # nobody is there to read it

    return endpoint


def _config(application: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=_Connection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only on sockets that name their protocol: without it a call takes 44 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        advice = "Choose another port, or 0 for any free one."
        raise BadSetting(f"Port {port} cannot be used: {error.strerror}.", advice) from error
    return listener
