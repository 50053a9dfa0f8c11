"""Several people on one server, in a real Chromium: they log in at a real provider, and nobody sees another's work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from browser import CHROMIUM, CHROMIUM_ARGUMENTS, ROOT, start_app
from oidc_provider import COLLEAGUE, OWNER, STRANGER, USER, VIEWER, Account, Provider, running
from playwright.sync_api import Page, Playwright, expect

from smviz.local import SAMPLES

pytestmark = pytest.mark.browser

SLOW = 30_000  # milliseconds that a first page, or a run, may take on a busy machine
POLICY = f"""
[smviz]
owners = ["{OWNER.address}"]
users = ["{USER.address}", "{COLLEAGUE.address}"]
viewers = ["{VIEWER.address}"]
"""
OPEN = Callable[[str], Page]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture(scope="module")
def app(provider, home) -> Iterator[str]:
    """A server on which people log in."""
    secrets = Path(home["HOME"]) / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(provider.secrets("http://127.0.0.1:{port}", "k9Jw2mX7pQ4vZ8sL1tR6yB3nH5cF0dGa") + POLICY)
    with start_app(ROOT / "streamlit_app.py", home) as url:
        yield url


@pytest.fixture(scope="module")
def somebody(playwright: Playwright) -> Iterator[OPEN]:
    """Opens a URL as somebody who has never been here: a context with cookies of its own. No page may complain."""
    complaints: list[str] = []
    with ExitStack() as closing:
        arguments = list(CHROMIUM_ARGUMENTS)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=arguments)
        closing.callback(browser.close)

        def open_page(url: str) -> Page:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(SLOW)
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(url)
            return page

        yield open_page
    assert not complaints, "the browser complained:\n" + "\n".join(complaints)


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=SLOW)


def log_in(page: Page, account: Account) -> None:
    """Press the button, and be that person at the provider."""
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Address").fill(account.address)
    page.get_by_role("button", name="Continue").click()


def me(page: Page, account: Account) -> None:
    """Open what the menu tells of the person."""
    page.get_by_role("button", name=account.name).click()
    expect(page.get_by_text(account.address)).to_be_visible()


class TestTwoColleagues:
    def test_work_side_by_side_and_see_nothing_of_each_other(self, app, somebody, tmp_path):
        """Uma logs in, calls a photo and makes a run; Ulf, in a browser of his own, sees neither, not even by her link;

        and once she has logged out, nor does she.
        """
        photo = tmp_path / "umas photo.jpg"
        photo.write_bytes(SAMPLES.images[3].read_bytes())
        uma = somebody(f"{app}/Detect?source=Upload")
        expect(uma.get_by_text("Only people whom")).to_be_visible()
        expect(uma.get_by_test_id("stPageLink")).to_have_count(0)
        log_in(uma, USER)
        uma.locator('input[type="file"]').set_input_files(photo)
        expect(uma.get_by_role("heading", name="umas photo.jpg")).to_be_visible()
        expect(uma.locator('[data-ready="1"]')).to_have_count(1)

        uma.get_by_role("link", name="Evaluate").click()
        start = uma.get_by_role("button", name=re.compile("Run 80 images"))
        expect(uma.get_by_text("Import a run")).to_be_visible()  # it stands below, and comes later
        if not start.is_visible():  # a run is there already where this is not the first try
            uma.get_by_text("New run on").click()
        start.click()
        expect(uma.get_by_text("Precision and recall", exact=True)).to_be_visible()
        expect(uma).to_have_url(re.compile(r"run="))

        ulf = somebody(uma.url)
        log_in(ulf, COLLEAGUE)
        expect(ulf.get_by_text("names a run that is not in this workspace")).to_be_visible()
        expect(ulf.get_by_text("80 calls on this machine")).to_be_visible()  # no reply is known to him
        expect(ulf.get_by_text("Precision and recall", exact=True)).to_have_count(0)
        ulf.get_by_role("link", name="Detect").click()
        expect(ulf.get_by_text(SAMPLES.images[0].name).first).to_be_visible()
        expect(ulf.get_by_text("umas photo")).to_have_count(0)

        hers = uma.url
        me(uma, USER)
        uma.get_by_role("button", name="Log out").click()
        expect(uma.get_by_role("button", name="Log in")).to_be_visible()
        uma.goto(hers)
        expect(uma.get_by_role("button", name="Log in")).to_be_visible()
        expect(uma.get_by_text("Precision and recall", exact=True)).to_have_count(0)


class TestRoles:
    def test_show_in_the_menu(self, app, somebody):
        """An owner may switch to the shared runs and back, a viewer sees those only; a stranger sees the way out."""
        olga = somebody(app)
        log_in(olga, OWNER)
        olga.get_by_role("radio", name="Shared").click()
        expect(olga).to_have_url(re.compile("space=shared"))
        olga.get_by_role("link", name="Compare").first.click()
        expect(olga).to_have_url(re.compile("/Compare.*space=shared"))
        olga.get_by_role("radio", name="My runs").click()
        expect(olga).not_to_have_url(re.compile("space=shared"))
        me(olga, OWNER)

        vera = somebody(app)
        log_in(vera, VIEWER)
        me(vera, VIEWER)
        expect(vera.get_by_role("radio", name="Shared")).to_have_count(0)

        sam = somebody(app)
        log_in(sam, STRANGER)
        expect(sam.get_by_text(STRANGER.address)).to_be_visible()
        sam.get_by_role("button", name="Log out").click()
        expect(sam.get_by_role("button", name="Log in")).to_be_visible()
