"""A tab without a browser: Streamlit's real protocol, a websocket of protobufs and HTTP beside it, many to a process.

It asks for what a browser asks for: the page, its scripts and styles, the health check with its XSRF cookie, every
picture that the page names, and the fragments that are to be run again every so often. It paints nothing and runs no
JavaScript, so a component's answer is what the caller says it is.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

from google.protobuf.message import Message
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATIENCE = 180.0  # seconds until a script that has not finished counts as an error
ASSET = re.compile(r'(?:src|href)="\.?/?(static/[^"]+)"')


class Failed(Exception):
    """What a person would have seen go wrong."""


class Tab:
    """One tab on an app, an async context manager.

    Attributes:
        elements: what stands on the page, by delta path.
        errors: what went wrong so far: exceptions and error boxes on the page, HTTP answers of 400 and more.
        received: bytes that came over the websocket and HTTP.
    """

    def __init__(self, url: str, page: str = "", headers: dict[str, str] | None = None) -> None:
        self.elements: dict[tuple[int, ...], Message] = {}
        self.errors: list[str] = []
        self.received = 0
        self._url, self._page, self._headers = url, page, headers or {}
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port or 80
        self._cookie = self._query = self._session = ""
        self._hash, self._hashes = "", dict[str, str]()
        self._widgets: dict[str, WidgetState] = {}
        self._drawn: set[tuple[int, ...]] = set()
        self._pictures: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._again: dict[str, asyncio.Task[None]] = {}
        self._finished: asyncio.Queue[str] = asyncio.Queue()
        self._files: dict[str, asyncio.Future[FileURLs]] = {}
        self._socket: ClientConnection
        self._leaving = False

    async def __aenter__(self) -> Tab:
        index = (await self._http("GET", f"/{self._page}")).decode()
        for asset in dict.fromkeys(ASSET.findall(index)):
            await self._http("GET", f"/{asset}")
        await self._http("GET", "/_stcore/health")
        await self._http("GET", "/_stcore/host-config")
        asked = self._headers.get("Host", f"{self._host}:{self._port}")
        self._socket = await connect(
            f"ws://{asked}/_stcore/stream",
            host=self._host,
            port=self._port,
            subprotocols=["streamlit", self._cookie] if self._cookie else ["streamlit"],  # type: ignore[list-item]
            origin=f"http://{asked}",  # type: ignore[arg-type]
            additional_headers={"Cookie": f"_streamlit_xsrf={self._cookie}"} | self._headers_but_host(),
            max_size=None,
            open_timeout=PATIENCE,
        )
        self._spawn(self._listen())
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._leaving = True
        await self._socket.close()
        for task in (*self._tasks, *self._again.values()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def visit(self, page: str = "", **query: str) -> float:
        """Open a page by its link; returns the seconds until its script has finished."""
        self._page, self._query, self._hash = page, urlencode(query), self._hashes.get(page, "")
        return await self._run()

    async def press(self, widget: Message) -> float:
        """Press a button; seconds as above."""
        return await self._run(WidgetState(id=widget.id, trigger_value=True))  # type: ignore[attr-defined]

    async def pick(self, widget: Message, option: str) -> float:
        """Pick an option of a segmented control; seconds as above."""
        if widget.query_param_key:  # type: ignore[attr-defined]
            parts = [part for part in self._query.split("&") if not part.startswith(f"{widget.query_param_key}=")]  # type: ignore[attr-defined]
            self._query = "&".join([*parts, urlencode({widget.query_param_key: option})]).strip("&")  # type: ignore[attr-defined]
        state = WidgetState(id=widget.id)  # type: ignore[attr-defined]
        state.string_array_value.data.append(option)
        return await self._run(state)

    async def tell(self, widget: Message, value: Any) -> float:
        """Let a component answer `value`, or move a slider there; seconds as above."""
        state = WidgetState(id=widget.id)  # type: ignore[attr-defined]
        if widget.DESCRIPTOR.name == "Slider":
            state.double_array_value.data.append(value)
        else:
            state.json_value = json.dumps(value)
        return await self._run(state)

    async def upload(self, widget: Message, name: str, data: bytes) -> float:
        """Give a file to an uploader; seconds from asking where to send it until the script has finished."""
        start, asked = time.perf_counter(), uuid.uuid4().hex
        self._files[asked] = asyncio.get_running_loop().create_future()
        message = BackMsg()
        message.file_urls_request.request_id = asked
        message.file_urls_request.session_id = self._session
        message.file_urls_request.file_names.append(name)
        await self._socket.send(message.SerializeToString())
        urls = await asyncio.wait_for(self._files[asked], PATIENCE)
        await self._http("PUT", "/" + urls.upload_url.lstrip("/"), data, name)
        state = WidgetState(id=widget.id)  # type: ignore[attr-defined]
        info = state.file_uploader_state_value.uploaded_file_info.add(name=name, size=len(data), file_id=urls.file_id)
        info.file_urls.CopyFrom(urls)
        await self._run(state)
        return time.perf_counter() - start

    def all(self, kind: str) -> Iterator[Message]:
        """The elements of a kind ("button", "bidi_component", ...) on the page, in the order of their places."""
        for path in sorted(self.elements):
            if self.elements[path].WhichOneof("type") == kind:
                yield getattr(self.elements[path], kind)

    def find(self, kind: str, words: str) -> Message:
        """The first element of a kind whose label, id or name has these words.

        Raises:
            Failed: when there is none.
        """
        for element in self.all(kind):
            for name in ("label", "id", "component_name"):
                if words in getattr(element, name, ""):
                    return element
        raise Failed(f"no {kind} {words!r} on /{self._page}?{self._query}")

    async def _run(self, state: WidgetState | None = None) -> float:
        start = time.perf_counter()
        while not self._finished.empty():
            self._finished.get_nowait()
        if state is not None and not state.HasField("trigger_value"):
            self._widgets[state.id] = state
        await self._send(state)
        while True:
            try:
                if await asyncio.wait_for(self._finished.get(), PATIENCE):
                    return time.perf_counter() - start
            except TimeoutError:
                raise Failed(f"/{self._page} did not finish within {PATIENCE:.0f} s") from None

    async def _send(self, state: WidgetState | None = None, fragment: str = "") -> None:
        message = BackMsg()
        rerun = message.rerun_script
        rerun.query_string, rerun.page_script_hash, rerun.page_name = self._query, self._hash, self._page
        rerun.fragment_id, rerun.is_auto_rerun = fragment, bool(fragment)
        rerun.context_info.url = f"{self._url}/{self._page}"
        rerun.context_info.timezone, rerun.context_info.locale = "UTC", "en"
        rerun.widget_states.widgets.extend(self._widgets.values())
        if state is not None and state.id not in self._widgets:
            rerun.widget_states.widgets.append(state)
        await self._socket.send(message.SerializeToString())

    async def _listen(self) -> None:
        try:
            async for data in self._socket:
                assert isinstance(data, bytes)
                self.received += len(data)
                message = ForwardMsg()
                message.ParseFromString(data)
                self._take(message)
        except ConnectionClosed as error:
            if not self._leaving:
                self.errors.append(f"the websocket was closed: {error}")
        if not self._leaving:
            self.errors.append("the websocket ended")
            self._finished.put_nowait("closed")

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            new = message.new_session
            if new.initialize.session_id:
                self._session = new.initialize.session_id
            if not message.metadata.run.fragment_ids:
                self._drawn.clear()
                self._hash = new.page_script_hash
                for task in self._again.values():
                    task.cancel()
                self._again.clear()
        elif kind == "navigation":
            self._hashes = {
                "" if page.is_default else page.url_pathname: page.page_script_hash
                for page in message.navigation.app_pages
            }
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._see(tuple(message.metadata.delta_path), message.delta.new_element)
        elif kind == "auto_rerun":
            self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                if task := self._again.pop(fragment, None):
                    task.cancel()
        elif kind == "file_urls_response":
            self._files[message.file_urls_response.response_id].set_result(message.file_urls_response.file_urls[0])
        elif kind == "page_not_found":
            self.errors.append(f"there is no page {self._page!r}")
        elif kind == "script_finished":
            self._ended(message.script_finished)

    def _see(self, path: tuple[int, ...], element: Message) -> None:
        self.elements[path] = element
        self._drawn.add(path)
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(f"an exception on /{self._page}?{self._query}: {element.exception.message}")  # type: ignore[attr-defined]
        elif kind == "alert" and element.alert.format == Alert.ERROR:  # type: ignore[attr-defined]
            self.errors.append(f"an error box on /{self._page}?{self._query}: {element.alert.body}")  # type: ignore[attr-defined]
        for path_of_picture in set(re.findall(rb"/media/[0-9a-f]+\.\w+", element.SerializeToString())):
            self._spawn(self._picture(path_of_picture.decode()))

    async def _picture(self, path: str) -> None:
        if path not in self._pictures:
            self._pictures.add(path)
            await self._http("GET", path, may_be_gone=True)

    def _repeat(self, fragment: str, interval: float) -> None:
        async def again() -> None:
            while not self._leaving:
                await asyncio.sleep(interval)
                with suppress(ConnectionClosed):
                    await self._send(fragment=fragment)

        if fragment in self._again:
            self._again[fragment].cancel()
        self._again[fragment] = asyncio.create_task(again())

    def _ended(self, status: int) -> None:
        if status == ForwardMsg.FINISHED_SUCCESSFULLY:
            # As in a browser, what was there before stays until the script has finished without it.
            self.elements = {path: each for path, each in self.elements.items() if path in self._drawn}
            self._finished.put_nowait("finished")
        elif status == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
            self.errors.append(f"/{self._page} could not be compiled")
            self._finished.put_nowait("failed")

    async def _http(
        self, method: str, path: str, body: bytes = b"", name: str = "", may_be_gone: bool = False
    ) -> bytes:
        """One request on a connection of its own. A picture of a page that went on meanwhile may be gone."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        headers = {"Host": f"{self._host}:{self._port}", "Connection": "close", "Accept-Encoding": "gzip"}
        if self._cookie:
            headers |= {"Cookie": f"_streamlit_xsrf={self._cookie}", "X-Xsrftoken": self._cookie}
        if name:
            mark = uuid.uuid4().hex
            headers["Content-Type"] = f"multipart/form-data; boundary={mark}"
            head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
            body = head.encode() + body + f"\r\n--{mark}--\r\n".encode()
            headers["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in (headers | self._headers).items())]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
        finally:
            writer.close()
        self.received += len(answer)
        head_of_answer, _, content = answer.partition(b"\r\n\r\n")
        status = int(head_of_answer.split(b" ", 2)[1])
        if status >= 400 and not (status == 404 and may_be_gone):
            self.errors.append(f"HTTP {status} for {method} {path}")
        if found := re.search(rb"_streamlit_xsrf=([^;\s]+)", head_of_answer):
            self._cookie = found[1].decode()
        return content

    def _headers_but_host(self) -> dict[str, str]:
        return {name: value for name, value in self._headers.items() if name != "Host"}

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
