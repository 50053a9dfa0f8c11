"""What is collected after every run of a page: what was brought since, and not every module that was ever imported."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from smviz.ui import memory


class Circle:
    """Only the garbage collection can free it."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    memory._runs.clear()
    gc.unfreeze()
    yield
    gc.unfreeze()


class TestSettle:
    def test_what_was_imported_is_left_out(self):
        """From the second run of a page on, the collections look at little."""
        memory.settle("Home")
        assert gc.get_freeze_count() == 0
        memory.settle("Home")
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 10_000

    def test_once_for_each_page(self):
        """Later runs leave nothing more out, or circles would never be freed; another page has imports of its own."""
        for _ in range(memory.SETTLED):
            memory.settle("Home")
        before, circles = gc.get_freeze_count(), [Circle() for _ in range(1000)]
        memory.settle("Home")
        assert gc.get_freeze_count() <= before
        for _ in range(memory.SETTLED):
            memory.settle("Detect")
        assert gc.get_freeze_count() >= before + len(circles)

    def test_what_comes_later_is_collected(self):
        """What a session leaves behind is freed by the next collection."""
        for _ in range(memory.SETTLED):
            memory.settle("Home")
        circle = Circle()
        gone = weakref.ref(circle)
        del circle
        gc.collect()
        assert gone() is None
