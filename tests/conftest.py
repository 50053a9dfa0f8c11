"""What holds for every test, and what the tests in the browser share."""

from collections.abc import Callable, Iterator

import pytest
from browser import close_browsers, open_browser
from playwright.sync_api import Page, Playwright, sync_playwright


def pytest_collection_modifyitems(items):
    """Tests in the browser come first: their files take longest, and no process shall wait for one of them at the end.

    Each is tried up to three times: on a busy machine a click can meet a page still being drawn.
    """
    items.sort(key=lambda item: not item.path.name.endswith("_browser.py"))
    for item in items:
        if item.path.name.endswith("_browser.py"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What opens browsers, for `browser.open_browser`."""
    with sync_playwright() as running:
        yield running
        close_browsers()


@pytest.fixture
def browser(playwright) -> Iterator[Callable[[str], Page]]:
    """Opens a URL in a new page of 1280 by 900 pixels, which is closed after the test."""
    with open_browser(playwright) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> dict[str, str | None]:
    """The environment of a machine without an AWS account; a file's tests share its workspace."""
    folder = tmp_path_factory.mktemp("home")
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"))
    return {**nothing, "HOME": str(folder), "SMVIZ_WORKSPACE": str(folder / "ws"), "AWS_EC2_METADATA_DISABLED": "true"}
