"""Drives the app in a real Chromium: starts Streamlit on a free port, opens pages, always ends what it started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Playwright, expect

ROOT = Path(__file__).parent.parent
CHROMIUM = next(
    path
    for name in (os.environ.get("SMVIZ_CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
    if name and (path := shutil.which(name))
)
PATIENCE = 30_000  # milliseconds that a page may take on a busy machine
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


_running = ExitStack()
_contexts: dict[tuple[object, ...], BrowserContext] = {}


class AppFailed(Exception):
    """The app did not get healthy; the message ends with its log."""


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def start_app(
    script: Path, environment: Mapping[str, str | None] | None = None, wait: float = 60.0, log: Path | None = None
) -> Iterator[str]:
    """Run a Streamlit script as a child process; yields its URL without a slash at the end.

    Args:
        script: the page to run, or the module that holds the app.
        environment: added to this process's environment; a variable that is None is taken out of it.
        wait: seconds the app may take until it is healthy.
        log: the file for what the app writes to its standard output and error; by default one that is thrown away.

    Raises:
        AppFailed: when the process ends or is not healthy in time.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]
    command += ["--server.fileWatcherType=none"]
    changed = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    surroundings = {name: value for name, value in changed.items() if value is not None}
    url += f"/{surroundings.get('STREAMLIT_SERVER_BASE_URL_PATH', '')}".rstrip("/")
    with log.open("w+") if log else tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, cwd=ROOT, env=surroundings, stdout=told, stderr=subprocess.STDOUT)
        try:
            if not _healthy(process, f"{url}/_stcore/health", wait):
                told.seek(0)
                raise AppFailed(f"{script.name} is not healthy (exit code {process.poll()}). Its log:\n{told.read()}")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _healthy(process: subprocess.Popen[bytes], url: str, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


@contextmanager
def open_browser(
    playwright: Playwright,
    *,
    viewport: tuple[int, int] = (1280, 900),
    colour_scheme: Literal["light", "dark"] = "light",
    pixel_ratio: float = 1.0,
    touch: bool = False,
    arguments: Sequence[str] = (),
) -> Iterator[Callable[[str], Page]]:
    """A browser, started with these arguments beside its own; yields a function that opens a URL in a new page.

    It stays until `close_browsers`, and is used again where the same is asked for: to start one and to compile the
    app's scripts anew takes longer than most tests. Pages share nothing of the app, which keeps no cookies.

    What is waited for may take `PATIENCE`. At the end every page must have been free of console errors and uncaught
    exceptions, or AssertionError is raised.
    """
    expect.set_options(timeout=PATIENCE)
    complaints: list[str] = []
    pages: list[Page] = []

    def note(message: ConsoleMessage) -> None:
        # On a deep link Streamlit first looks for its server below the page's path, and is told 404. A page that goes
        # on frees its pictures at once: what was still being fetched is told 404 too, and is asked for again where it
        # is wanted; tests see by its size whether a picture is there.
        url = message.location.get("url", "")
        if message.type == "error" and "/_stcore/" not in url and "/media/" not in url:
            complaints.append(f"{message.text} ({message.location.get('url', '')})")

    kind = (viewport, colour_scheme, pixel_ratio, touch, tuple(arguments))
    if kind not in _contexts:
        profile = _running.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        _contexts[kind] = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            args=[*CHROMIUM_ARGUMENTS, *arguments],
            viewport={"width": viewport[0], "height": viewport[1]},
            color_scheme=colour_scheme,
            device_scale_factor=pixel_ratio,
            has_touch=touch,
        )
        _running.callback(_contexts[kind].close)
    context = _contexts[kind]

    def open_page(url: str) -> Page:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        pages.append(page)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    try:
        yield open_page
    finally:
        for page in pages:
            page.close()
    assert not complaints, "the browser complained:\n" + "\n".join(complaints)


def until(page: Page, holds: Callable[[], bool]) -> bool:
    """Whether it holds before `PATIENCE` is over: what a page tells its server is known there a little later."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not (done := holds()) and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return done


def close_browsers() -> None:
    """End every browser that `open_browser` has started."""
    _running.close()
    _contexts.clear()
