"""A small reverse proxy, as nginx in front of the app would be: one path is passed on, with the headers of forwarding."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def reverse_proxy(app: str, path: str) -> Iterator[tuple[str, list[str]]]:
    """Pass on to the app what is asked for below a path; all else is 404.

    Yields the proxy's URL without a path, and the list, which grows, of what was asked for beside the path.

    Args:
        app: the app's URL.
        path: "/tools/smviz/".
    """
    loop, beside = asyncio.new_event_loop(), list[str]()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serve = asyncio.start_server(_Passing(urlsplit(app).port or 80, path, beside), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(serve, loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", beside
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Passing:
    """One request per connection: HTTP is told to close it, a WebSocket keeps it."""

    def __init__(self, port: int, path: str, beside: list[str]) -> None:
        self._port, self._path, self._beside = port, path, beside

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            request, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
            target = request.split(" ")[1]
            if target.startswith(self._path):
                await self._pass_on(request, headers, reader, writer)
            else:
                self._beside.append(target)
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def _pass_on(
        self, request: str, headers: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        upgrade = any(header.lower().startswith("upgrade:") for header in headers)
        kept = [header for header in headers if upgrade or not header.lower().startswith("connection:")]
        kept += [] if upgrade else ["Connection: close"]
        kept += ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http"]
        inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        outer.write("\r\n".join([request, *kept, "", ""]).encode("latin-1"))
        coming, going = asyncio.create_task(_pump(inner, writer)), asyncio.create_task(_pump(reader, outer))
        await asyncio.wait((coming, going), return_when=asyncio.FIRST_COMPLETED)
        if not coming.done() and not upgrade:  # the browser has said all; the answer is still to come
            await coming
        for task in (coming, going):
            task.cancel()
        outer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()


async def _end_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
