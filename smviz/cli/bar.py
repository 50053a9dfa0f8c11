"""How a run is told on stderr: one line redrawn on a terminal, a line now and then in a log."""

from __future__ import annotations

import math
import os
import sys
import time

from smviz.cli.output import plain
from smviz.runner import Progress

LOG_SECONDS = 5.0
_NARROWEST = 10  # columns of a bar that is worth drawing


class Bar:
    """Tells the progress of a run on stderr; nothing of it is on stdout."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._drawn = False
        self._told = time.monotonic()

    def tell(self, now: Progress) -> None:
        """How far the run is: drawn at once on a terminal, written every few seconds in a log."""
        if self._terminal:
            width = _columns()
            print(f"\r{_fitted(now, width):<{width}}", end="", file=sys.stderr, flush=True)
            self._drawn = True
        elif time.monotonic() - self._told >= LOG_SECONDS:
            self._told = time.monotonic()
            print(_words(now), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A message of its own line; the bar is drawn anew below it."""
        self.end()
        print(plain(text), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line of the bar as it is."""
        if self._drawn:
            print(file=sys.stderr, flush=True)
        self._drawn = False


def _columns() -> int:
    try:
        return max(1, os.get_terminal_size(sys.stderr.fileno()).columns - 1)  # a full line would wrap
    except OSError:
        return 79


def _fitted(now: Progress, width: int) -> str:
    words = _words(now)
    room = width - len(words) - 3
    if room < _NARROWEST:
        return words[:width]
    room = min(room, 40)
    full = int(room * _ended(now) / max(now.total, 1))
    return f"[{'#' * full}{'-' * (room - full)}] {words}"


def _words(now: Progress) -> str:
    parts = [f"{_ended(now)}/{now.total}"]
    if now.state == "running":
        parts += [f"{now.rate:.1f}/s", f"{now.in_flight} of {now.concurrency} calls at once"]
        parts += [] if math.isnan(now.left) else [f"{clock(now.left)} left"]
    else:
        parts.append(now.state)
    counts = {"failed": now.failed, "reused": now.reused, "throttled": now.throttled, "retries": now.retries}
    return "  ".join(parts + [f"{count} {name}" for name, count in counts.items() if count])


def _ended(now: Progress) -> int:
    return now.done + now.failed + now.skipped


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as short as they can be."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
