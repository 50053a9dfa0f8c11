"""A server that does nothing, as fast as Python does that: `python -m benchmarks.loopback [bytes]`.

It prints its port. Every HTTP request is answered with the same JSON, as an endpoint of SageMaker would send it; the
request's body is counted and thrown away.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("left", "top", "right", "bottom")


@contextmanager
def serving(size: int) -> Iterator[str]:
    """The URL of a server in a process of its own, whose answers have about so many bytes."""
    command = [sys.executable, "-m", "benchmarks.loopback", str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def body_of(size: int) -> bytes:
    """JSON of made-up detections, about so many bytes."""
    draw = random.Random(0).uniform
    rows: list[dict[str, object]] = []
    while len(json.dumps(rows)) < size:
        box = {name: round(draw(0, 1280), 2) for name in NAMES}
        rows.append({"label": "car", "confidence": round(draw(0, 1), 6), **box})
    return json.dumps({"predictions": rows}).encode()


class Answering(asyncio.BufferedProtocol):
    """One connection; requests on it come one after another."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._buffer = bytearray(1 << 18)
        self._head = b""
        self._left = 0  # bytes of the body that are still to come
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            self._left -= nbytes
        else:
            self._head += bytes(memoryview(self._buffer)[:nbytes])
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
            self._left = int(length or 0) - len(rest)
            self._head = b""
        if self._left <= 0:
            self._left = 0
            self._transport.write(self._answer)


async def serve(size: int) -> None:
    """Answer until the process is ended."""
    body = body_of(size)
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-Amzn-Invoked-Production-Variant: AllTraffic\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    answer = head.encode() + body
    server = await asyncio.get_running_loop().create_server(lambda: Answering(answer), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
