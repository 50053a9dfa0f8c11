"""A SageMaker runtime on a loopback socket that goes wrong on purpose, in a process of its own.

Run as `python fault_server.py '{"throttle": 0.1}'`; it prints its port. What an image meets is drawn anew for every
call, from the digest of its bytes, so that a run of the tests meets what the run before met. Images are told apart by
their bytes, and `GET /calls` tells how often each one was called, and how often it was answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import struct
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

EXPIRED = b"embedded"  # the access key that is no longer good: the one that smviz shows a server on this machine


@dataclass(frozen=True)
class World:
    """What goes wrong: shares of the calls, 0 to 1, but `bad`, which is a share of the images.

    Attributes:
        throttle: refused with HTTP 400 ThrottlingException, without a message.
        error, unavailable, dependency: HTTP 500, 503, 530.
        busy: the container answers 503.
        reset: the connection is reset while the model is at work.
        close: the connection is closed without an answer.
        truncate: half of the body comes, then the connection is closed.
        garbage: something on the way answers with a page of HTML and status 200 for an error of AWS.
        hang: no answer comes.
        slow: the answer takes 20 times as long.
        bad: the container cannot read the image, ever.
        seconds: that the model takes.
        slots: calls that are served at once, the others are throttled; 0 for any number.
        expire: calls after which the access key `EXPIRED` is refused; -1 for never.
        loading: calls that are told that the model is being loaded, from the first one on.
    """

    throttle: float = 0.0
    error: float = 0.0
    unavailable: float = 0.0
    dependency: float = 0.0
    busy: float = 0.0
    reset: float = 0.0
    close: float = 0.0
    truncate: float = 0.0
    garbage: float = 0.0
    hang: float = 0.0
    slow: float = 0.0
    bad: float = 0.0
    seconds: float = 0.005
    slots: int = 0
    expire: int = -1
    loading: int = 0


KINDS = (
    *("throttle", "error", "unavailable", "dependency", "busy"),
    *("reset", "close", "truncate", "garbage", "hang", "slow"),
)


@dataclass
class Server:
    """What happens on the server's side."""

    world: World
    called: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    serving: int = 0
    requests: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                if head.startswith(b"GET "):
                    told = {"called": self.called, "answered": self.answered, "met": self.met}
                    answer: bytes | None = _http(200, json.dumps(told).encode())
                else:
                    answer = await self.answer(head, body, writer)
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()

    async def answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> bytes | None:
        """The answer to a call; None when the connection is to be closed."""
        image = hashlib.sha256(body).hexdigest()
        self.called[image] += 1
        self.requests += 1
        if 0 <= self.world.expire < self.requests and b"Credential=%s/" % EXPIRED in head:
            return self._error("expired", 403, "ExpiredTokenException", "The security token is expired")
        if self.requests <= self.world.loading:
            return self._error("loading", 429, "ModelNotReadyException", "The model is not ready")
        if _draw(image, "bad") < self.world.bad:
            return self._model_error("bad", 400, "cannot identify image file")
        fate = self._fate(image)
        if fate == "throttle" or 0 < self.world.slots <= self.serving:
            return self._error("throttle", 400, "ThrottlingException", None)
        self.met[fate] += 1
        if fate in {"error", "unavailable", "dependency", "busy", "garbage"}:
            self.met[fate] -= 1
            return self._refusal(fate)
        self.serving += 1
        try:
            await asyncio.sleep(self.world.seconds * (20 if fate == "slow" else 1))
        finally:
            self.serving -= 1
        if fate == "hang":
            await asyncio.sleep(60)
        if fate == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fate in {"hang", "reset", "close"}:
            return None
        reply = _http(200, json.dumps({"image": image, "boxes": [[1.5, 2.5, 3.5, 4.5]] * 20}).encode())
        if fate == "truncate":
            writer.write(reply[: len(reply) // 2 + 100])
            await writer.drain()
            return None
        self.answered[image] += 1
        return reply

    def _fate(self, image: str) -> str:
        point = _draw(image, self.called[image])
        for kind in KINDS:
            share = getattr(self.world, kind)
            if point < share:
                return kind
            point -= share
        return "fine"

    def _refusal(self, fate: str) -> bytes:
        if fate == "busy":
            return self._model_error("busy", 503, "the queue is full")
        if fate == "garbage":
            self.met["garbage"] += 1
            return _http(502, b"<html><body>Bad gateway</body></html>", "text/html")
        status, code = {
            "error": (500, "InternalFailure"),
            "unavailable": (503, "ServiceUnavailable"),
            "dependency": (530, "InternalDependencyException"),
        }[fate]
        return self._error(fate, status, code, "It went wrong")

    def _error(self, kind: str, status: int, code: str, message: str | None) -> bytes:
        self.met[kind] += 1
        return _http(status, json.dumps({"message": message}).encode(), code=code)

    def _model_error(self, kind: str, status: int, message: str) -> bytes:
        self.met[kind] += 1
        told = {"Message": message, "OriginalStatusCode": status, "OriginalMessage": message, "LogStreamArn": "arn:x"}
        return _http(424, json.dumps(told).encode(), code="ModelError")


def _draw(*what: object) -> float:
    """A number from 0 to 1 that is always the same for the same things."""
    return int.from_bytes(hashlib.blake2b(repr(what).encode(), digest_size=8).digest(), "big") / 2**64


def _http(status: int, body: bytes, kind: str = "application/json", code: str = "") -> bytes:
    error = f"x-amzn-ErrorType: {code}\r\n" if code else ""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{error}x-Amzn-Invoked-Production-Variant: A\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _main(world: World) -> None:
    # asyncio turns Nagle's algorithm off only on sockets that name their protocol.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(Server(world).serve, sock=listener, limit=1 << 20, backlog=512)
    print(listener.getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@dataclass(frozen=True)
class Running:
    """A server that runs, and what a test may ask it."""

    url: str

    def calls(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """How often each image was called, how often it was answered, and how often each fault was met."""
        with urllib.request.urlopen(f"{self.url}/calls") as answer:
            told = json.load(answer)
        return Counter(told["called"]), Counter(told["answered"]), Counter(told["met"])


@contextlib.contextmanager
def fault_server(world: World) -> Iterator[Running]:
    """Start a server, and always end it."""
    command = [sys.executable, str(Path(__file__)), json.dumps(asdict(world))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Running(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_main(World(**json.loads(sys.argv[1]))))
