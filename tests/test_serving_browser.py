"""The server in a real Chromium: what the browser is forbidden, and a reverse proxy in front."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from browser import ROOT, open_browser, start_app
from picture_runs import picture_files, picture_run
from playwright.sync_api import Page, expect
from reverse_proxy import reverse_proxy

from smviz.store import Store

pytestmark = pytest.mark.browser

PATH = "tools/smviz"
SLOW = 60_000  # milliseconds that a page may take on a busy machine
PROBED = re.compile(r"/_stcore/(health|host-config)$")  # where Streamlit looks for its server on a deep link
REPORTING = """
document.addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy: ${event.effectiveDirective} forbids ${event.blockedURI} in ${event.sourceFile}`));
"""


@pytest.fixture(scope="module")
def runs(home) -> tuple[str, str]:
    """Two runs over the same pictures, in the workspace."""
    folder = Path(str(home["SMVIZ_WORKSPACE"]))
    with Store(folder) as store:
        return tuple(picture_run(store, folder, 12, name).id for name in ("one", "two"))


@pytest.fixture(scope="module")
def app(home, runs) -> Iterator[str]:
    """The server, below a path."""
    with start_app(ROOT / "serve.py", {**home, "STREAMLIT_SERVER_BASE_URL_PATH": PATH}) as url:
        yield url


@pytest.fixture
def browser(playwright) -> Iterator[Callable[[str], Page]]:
    """Opens pages that tell a violated policy as an error of the console, which fails the test."""
    with open_browser(playwright) as open_page:

        def reporting(url: str) -> Page:
            page = open_page("about:blank")
            page.set_default_timeout(SLOW)
            page.add_init_script(REPORTING)
            page.goto(url)
            return page

        yield reporting


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=SLOW)


def settled(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    expect(page.locator('[data-stale="true"]')).to_have_count(0)
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)


def section(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
    settled(page)


def upload(page: Page, picture: Path) -> None:
    """Upload a picture on the Detect page and wait until its boxes are drawn."""
    page.get_by_role("radio", name="Upload").click()
    page.locator('input[type="file"]').set_input_files(picture)
    expect(page.get_by_text(picture.name).first).to_be_visible()
    expect(page.locator('[data-ready="1"]')).to_have_count(1)
    settled(page)


def test_no_page_wants_more_than_it_is_allowed(app, browser, runs, tmp_path):
    """Every page does its work, components, charts, upload and download included, under the policy that is sent with
    it, and asks no other host for anything."""
    asked: list[str] = []
    page = browser("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(f"{app}/")
    expect(page.get_by_text("just answered in")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Choose an endpoint").click()
    page.get_by_role("button", name="Send the test image").click()
    expect(page.get_by_text("Variant that answered")).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Detect", exact=True).click()
    expect(page.locator('[data-ready="1"]')).to_have_count(1)
    settled(page)
    upload(page, picture_files(tmp_path)[3])

    one, two = runs
    page.goto(f"{app}/Evaluate?run={one}")
    expect(page.get_by_text("Precision and recall", exact=True)).to_be_visible()
    page.get_by_role("button", name="Export").first.click()
    with page.expect_download() as download:
        page.locator('[data-testid="stPopoverBody"] button').first.click()
    assert download.value.path().stat().st_size > 0
    page.keyboard.press("Escape")
    for name in ("Thresholds", "Images", "Errors", "Data set"):
        section(page, name)
    page.goto(f"{app}/Compare?a={one}&b={two}")
    expect(page.get_by_text("Compared on 12 images")).to_be_visible()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    section(page, "Images")

    own = app.removesuffix(f"/{PATH}").removeprefix("http://")
    foreign = [url for url in asked if not url.startswith((f"http://{own}/", f"ws://{own}/", "data:", "blob:"))]
    assert foreign == []
    assert any(url.startswith("ws://") for url in asked)
    assert any("/media/" in url for url in asked)


def test_behind_a_reverse_proxy_below_a_path(app, browser, tmp_path):
    """Pages, links, media, components, upload, download and the WebSocket work, and nothing is asked for beside the
    path but what Streamlit looks for its server by."""
    with reverse_proxy(app, f"/{PATH}/") as (proxy, beside):
        with urlopen(f"{proxy}/{PATH}/healthz") as answer:
            assert answer.status == 200
        page = browser(f"{proxy}/{PATH}/")
        expect(page.get_by_text("just answered in")).to_be_visible()
        picture = page.locator('[data-testid="stImage"] img').first
        page.wait_for_function("(image) => image.naturalWidth > 0", arg=picture.element_handle())
        settled(page)
        page.get_by_role("link", name="Detect", exact=True).click()
        expect(page).to_have_url(re.compile(f"{proxy}/{PATH}/Detect"))
        link = page.url
        upload(page, picture_files(tmp_path)[3])
        page.get_by_role("button", name="Export").first.click()
        with page.expect_download() as download:
            page.get_by_role("button", name="The image as it was sent").click()
        assert download.value.path().stat().st_size > 0
        page.goto(link)
        expect(page.locator('[data-ready="1"]')).to_have_count(1)
        expect(page.locator('[data-testid="stException"]')).to_have_count(0)
        assert [target for target in beside if not PROBED.search(target)] == []
