"""What sessions have in common is made once, and is gone with the last of them; work beside the page takes turns."""

from __future__ import annotations

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from smviz.ui.derived import Background, Stopped
from smviz.ui.in_common import InCommon


class Made:
    """Something that can be held."""


class TestInCommon:
    def test_made_once(self):
        """Whoever asks while it is being made waits, and gets the same."""
        kept, made = InCommon[Made](), []

        def make() -> Made:
            time.sleep(0.05)
            made.append(Made())
            return made[-1]

        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda _: kept.get("run", make), range(8)))
        assert len(made) == 1
        assert all(each is made[0] for each in got)

    def test_keys_do_not_wait_for_each_other(self):
        """What one key names can be made while another one is."""
        kept, other = InCommon[Made](), Made()
        assert kept.get("a", lambda: kept.get("b", lambda: other)) is other

    def test_gone_with_the_last_holder(self):
        """When nobody holds it any more it is made anew."""
        kept = InCommon[Made]()
        first = kept.get("run", Made)
        assert kept.get("run", Made) is first
        number = id(first)
        del first
        gc.collect()
        marker = Made()  # so that the next one cannot be in the same place
        assert id(kept.get("run", lambda: marker)) == id(marker) != number

    def test_a_failure_is_not_kept(self):
        """What could not be made is raised, and tried again when it is next asked for."""
        kept, found = InCommon[Made](), Made()
        with pytest.raises(ZeroDivisionError):
            kept.get("run", lambda: 1 / 0)
        assert kept.get("run", lambda: found) is found


class TestBackground:
    def test_takes_turns(self, monkeypatch):
        """No more of it is at work at once than there are places."""
        monkeypatch.setattr(Background, "_at_work", threading.Semaphore(2))
        now, most = [0], [0]

        def work(progress) -> bool:
            now[0] += 1
            most[0] = max(most[0], now[0])
            time.sleep(0.02)
            now[0] -= 1
            return True

        assert all(each.result(5) for each in [Background(work) for _ in range(8)])
        assert most[0] <= 2

    def test_waits_for_other_work_without_a_place(self, monkeypatch):
        """Work that needs another's result leaves the only place to it."""
        monkeypatch.setattr(Background, "_at_work", threading.Semaphore(1))
        go = threading.Event()
        first = Background(lambda _: go.wait(5))
        second = Background(lambda _: first.result(), after=first)
        assert second.result(0.1) is None
        go.set()
        assert second.result(5) is True

    def test_stopped_while_it_waits(self, monkeypatch):
        """What is stopped before its turn is never begun."""
        monkeypatch.setattr(Background, "_at_work", place := threading.Semaphore(0))
        begun = []
        work = Background(lambda _: begun.append(1))
        work.stop()
        place.release()
        with pytest.raises(Stopped):
            work.result(5)
        assert begun == []
