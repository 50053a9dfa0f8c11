"""A small reverse proxy, as nginx before the app would be: one path is passed on, with the headers of forwarding."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

FORWARDED = ("X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http")


@contextmanager
def reverse_proxy(app: str, path: str) -> Iterator[tuple[str, list[str]]]:
    """Pass on to the app what is asked for below a path; all else is 404.

    Yields the proxy's URL without a path, and the list, which grows, of what was asked for beside the path.

    Args:
        app: the app's URL.
        path: "/tools/smviz/".
    """
    beside: list[str] = []

    class Passing(StreamRequestHandler):
        """One request per connection: HTTP is told to close it, a WebSocket keeps it."""

        def handle(self) -> None:
            with suppress(OSError, ValueError):
                request, *headers = (line.decode("latin-1").rstrip() for line in iter(self.rfile.readline, b"\r\n"))
                target = request.split(" ")[1]
                if target.startswith(path):
                    self._pass_on([request, *_forwarded(headers)])
                else:
                    beside.append(target)
                    self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        def _pass_on(self, head: list[str]) -> None:
            with socket.create_connection(("127.0.0.1", urlsplit(app).port or 80)) as inner:
                inner.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
                threading.Thread(target=self._up, args=(inner,), daemon=True).start()
                while data := inner.recv(65_536):
                    self.wfile.write(data)
                self.connection.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it

        def _up(self, inner: socket.socket) -> None:
            with suppress(OSError, ValueError):
                while data := self.rfile.read1(65_536):
                    inner.sendall(data)
                inner.shutdown(socket.SHUT_RDWR)

    class Server(ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 100

    with Server(("127.0.0.1", 0), Passing) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", beside
        server.shutdown()


def _forwarded(headers: list[str]) -> list[str]:
    upgrade = any(header.lower().startswith("upgrade:") for header in headers)
    kept = [header for header in headers if upgrade or not header.lower().startswith("connection:")]
    return [*kept, *FORWARDED] if upgrade else [*kept, *FORWARDED, "Connection: close"]
