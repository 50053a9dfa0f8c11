"""What holds for every test."""

import pytest


def pytest_collection_modifyitems(items):
    """A test in the browser is tried up to three times: on a busy machine a click can meet a page still being drawn."""
    for item in items:
        if item.path.name.endswith("_browser.py"):
            item.add_marker(pytest.mark.flaky(reruns=2))
