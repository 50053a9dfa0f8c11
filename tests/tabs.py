"""A tab on the app without a browser: Streamlit's own protocol over a websocket, with the cookies of an HTTP client.

It says exactly what a page holds, and sends exactly the cookies and headers that a test wants sent; a hundred times
faster than Chromium.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from urllib.parse import urlencode, urlsplit

import httpx
from google.protobuf.message import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0  # seconds that a script may take


@contextmanager
def fresh_browser(app: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """A browser that has loaded the app's page once, and so has its XSRF cookie."""
    with httpx.Client(base_url=app, headers=headers, follow_redirects=True, verify=False) as browser:
        assert browser.get("/_stcore/health").text == "ok"
        yield browser


def log_in(browser: httpx.Client, address: str, page: str = "", query: Mapping[str, object] | None = None) -> str:
    """Open a page, press "Log in", and give the address to the provider; returns the URL that this leads to."""
    with Tab(browser, page, query) as tab:
        tab.press("Log in")
        form = browser.get(tab.redirect)
    assert form.status_code == 200, form.text
    return str(browser.post(form.url, data={"address": address}).url)


class Tab:
    """One load of a page, a context manager; its script has run once when it is entered.

    Attributes:
        page: the page that was run last, as the address bar shows it.
        query: its query string.
        redirect: where the app sends the browser, or "".
        popovers: the labels of the page's popovers.
    """

    def __init__(self, browser: httpx.Client, page: str = "", query: Mapping[str, object] | None = None) -> None:
        self.page, self.query, self.redirect = page, urlencode(query or {}, doseq=True), ""
        self._browser, self._drawn = browser, dict[tuple[int, ...], Message]()
        self._opened, self.popovers = ExitStack(), list[str]()
        self._socket: ClientConnection
        self._hash, self._pages = "", dict[str, str]()

    def __enter__(self) -> Tab:
        url = urlsplit(str(self._browser.base_url))
        host = self._browser.headers.get("host", url.netloc)
        token = self._browser.cookies.get("_streamlit_xsrf", "")
        self._socket = self._opened.enter_context(
            connect(
                f"ws://{host}/_stcore/stream",
                sock=socket.create_connection((url.hostname or "", url.port or 80)),
                subprotocols=["streamlit", token] if token else ["streamlit"],
                origin=f"http://{host}",
                additional_headers={
                    "Cookie": "; ".join(f"{name}={value}" for name, value in self._browser.cookies.items()),
                    **{name: value for name, value in self._browser.headers.items() if name.startswith("x-")},
                },
                max_size=None,
            )
        )
        self._run()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._opened.close()

    def press(self, label: str) -> None:
        """Press the button of this label, and wait for the script."""
        button = next(each for each in self._all("button") if label in each.label)
        self._run(WidgetState(id=button.id, trigger_value=True))

    def pick(self, label: str, option: str) -> None:
        """Pick an option of the segmented control of this label, and wait for the script."""
        control = next(each for each in self._all("button_group") if label in each.label)
        state = WidgetState(id=control.id)
        state.string_array_value.data.append(option)
        self._run(state)

    def wait_for(self, words: str) -> None:
        """Run the page's script again and again until it says so, as a fragment that refreshes itself would."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.text:
            assert time.monotonic() < deadline, f"{words!r} did not come:\n{self.text}"
            time.sleep(0.2)
            self._run()

    @property
    def buttons(self) -> list[str]:
        """The labels of the page's buttons."""
        return [each.label for each in self._all("button")]

    @property
    def links(self) -> list[str]:
        """The labels of the page's links to pages."""
        return [each.label for each in self._all("page_link")]

    @property
    def text(self) -> str:
        """All words of the page that are prose: Markdown, HTML, texts, headings, alerts and exceptions."""
        words = [
            value
            for each in self._drawn.values()
            for name in ("body", "message", "label")
            if isinstance(value := getattr(getattr(each, each.WhichOneof("type")), name, None), str)
        ]
        return "\n".join(word for word in words if not word.startswith("<style>"))

    @property
    def everything(self) -> bytes:
        """All that was drawn, in Streamlit's own encoding."""
        return b"".join(each.SerializeToString() for each in self._drawn.values())

    @property
    def media(self) -> set[str]:
        """The paths of the pictures and files that the page names."""
        found = (re.findall(rb"\bmedia/[0-9a-f]+\.\w+", each.SerializeToString()) for each in self._drawn.values())
        return {f"/{path.decode()}" for paths in found for path in paths}

    def _all(self, kind: str) -> list[Message]:
        return [getattr(each, kind) for each in self._drawn.values() if each.WhichOneof("type") == kind]

    def _run(self, state: WidgetState | None = None) -> None:
        message = BackMsg()
        message.rerun_script.query_string, message.rerun_script.page_name = self.query, self.page
        message.rerun_script.page_script_hash = self._hash
        message.rerun_script.context_info.url = f"{self._browser.base_url}{self.page}"
        if state is not None:
            message.rerun_script.widget_states.widgets.append(state)
        self._socket.send(message.SerializeToString())
        while not self._finished(self._socket.recv(PATIENCE)):
            pass

    def _finished(self, data: bytes) -> bool:
        message = ForwardMsg()
        message.ParseFromString(data)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._drawn.clear()
            self.popovers.clear()
        elif kind == "navigation":
            self._hash = message.navigation.page_script_hash
            pages = {page.page_script_hash: page for page in message.navigation.app_pages}
            self._pages = {key: "" if page.is_default else page.url_pathname for key, page in pages.items()}
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "auth_redirect":
            self.redirect = message.auth_redirect.url
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._drawn[tuple(message.metadata.delta_path)] = message.delta.new_element
        elif kind == "delta" and message.delta.add_block.HasField("popover"):
            self.popovers.append(message.delta.add_block.popover.label)
        elif kind == "script_finished":
            self.page = self._pages.get(self._hash, self.page)
            return message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
        return False
