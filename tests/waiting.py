"""Waiting for what another thread or process does."""

import time


def until(condition, seconds=10.0):
    """Return when it holds; fail when it does not in so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
