"""What every HTTP answer of the server says to the browser beside its content: a plain ASGI middleware.

The Content-Security-Policy is as strict as Streamlit's frontend lets it be. What it allows, and for what:

    script-src  'self'            Streamlit's own scripts.
                'sha256-…'        the one inline script of Streamlit's page, by its hash: no 'unsafe-inline'.
                blob:             the code of a component (v2) is imported as a module from a blob that the page makes.
                'wasm-unsafe-eval'  WebAssembly, by which Streamlit's messages count in 64 bits.
                                  There is no 'unsafe-eval': Plotly, the tables and the components do without.
    style-src   'unsafe-inline'   Streamlit writes its styles into the page as it draws it, under no nonce; so do Plotly
                                  and the components. Styles can reach nothing: fonts and pictures are restricted too.
    img-src     data: blob:       Plotly's and the page's small pictures; the camera's shot before it is sent.
    font-src    data:             the fonts of the tables.
    connect-src 'self'            the WebSocket too, which is of the same origin (ws: behind http:, wss: behind https:).
                data:             a component gets what is short within its address; nothing leaves the page by that.
    worker-src  blob:             workers that are made from a blob, as the tables' are.
    frame-src   'none'            the app shows no other page; nobody may show the app, but who is named by the setting
                                  SMVIZ_FRAME_ANCESTORS.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from smviz import journal
from smviz.errors import BadSetting

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_ANCESTOR = re.compile(r"'self'|https?://(?:\*\.)?[A-Za-z0-9.-]+(?::\d{1,5}|:\*)?")
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_HASHED_FILES = re.compile(r"/static/(?:js|css|media)/")  # Streamlit's own, the same for all, named by their content
_CLOSED = "/_stcore/metrics"  # how many sessions there are and what they hold: for nobody who is not asked who they are


def frame_ancestors(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Who may show the app in a frame: SMVIZ_FRAME_ANCESTORS, by default nobody.

    The setting is 'none', or 'self' and origins such as https://portal.example.com, with spaces between.

    Raises:
        BadSetting: where the setting is anything else, a bare * or a scheme alone included.
    """
    words = tuple(environment.get("SMVIZ_FRAME_ANCESTORS", "").split())
    if words in {(), ("'none'",), ("none",)}:
        return ("'none'",)
    words = tuple("'self'" if word == "self" else word for word in words)
    for word in words:
        if not _ANCESTOR.fullmatch(word):
            raise BadSetting(
                f"SMVIZ_FRAME_ANCESTORS holds {word!r}, which is no origin.",
                "Set it to 'none', or to 'self' and origins such as https://portal.example.com, with spaces between.",
            )
    return words


def script_hashes(page: str) -> tuple[str, ...]:
    """The CSP source of each inline script of an HTML page.

    Source: Content Security Policy Level 3, section 2.3.1, hash-source.
    """
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(page))
    return tuple(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def content_security_policy(hashes: Iterable[str], ancestors: Iterable[str]) -> str:
    """The policy that this module's head explains."""
    directives = {
        "default-src": "'none'",
        "script-src": " ".join(("'self'", *hashes, "blob:", "'wasm-unsafe-eval'")),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "media-src": "'self' blob:",
        "connect-src": "'self' data:",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(ancestors),
    }
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


class Headers:
    """ASGI middleware that adds the headers to every answer, and answers itself where the app fails.

    Args:
        app: the ASGI app within.
        page: the HTML that the app serves as its page, whose inline scripts may run.
        ancestors: who may show the app in a frame; see `frame_ancestors`.
    """

    def __init__(self, app: App, page: str, ancestors: tuple[str, ...] = ("'none'",)) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": content_security_policy(script_hashes(page), ancestors),
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=()",
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
            **_frame_options(ancestors),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and what is no HTTP unchanged."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = str(scope["path"])  # below whichever base path
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = self._with_ours(message.get("headers", []), path)
            await send(message)

        if path.endswith(_CLOSED):
            await _say(answer, 404, "Not found")
            return
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            number = journal.uncaught(error)
            if started:
                raise
            await _say(answer, 500, f"The server has met an error. Its number in the server's log is {number}.")

    def _with_ours(self, headers: Iterable[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
        ours = dict(self._headers)
        theirs = {name.lower(): value for name, value in headers}
        if not _HASHED_FILES.search(path):
            ours["cache-control"] = _private(theirs.get(b"cache-control", b"").decode("latin-1"))
        kept = [(name, value) for name, value in headers if name.lower().decode("latin-1") not in ours]
        return kept + [(name.encode(), value.encode()) for name, value in ours.items()]


def _private(said: str) -> str:
    """What a shared cache is told of an answer that was made for one person."""
    kept = [word for word in (part.strip() for part in said.split(",")) if word and word not in {"public", "private"}]
    return ", ".join(("private", *(kept or ("no-store",))))


def _frame_options(ancestors: tuple[str, ...]) -> dict[str, str]:
    """The older header, which can say only these two things; browsers that know the newer one pass it over."""
    said = {"'none'": "DENY", "'self'": "SAMEORIGIN"}.get(" ".join(ancestors))
    return {"x-frame-options": said} if said else {}


async def _say(send: Send, status: int, sentence: str) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
