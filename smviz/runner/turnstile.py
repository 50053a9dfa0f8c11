"""Who may call now: workers pass one by one, as fast as the endpoint's limit, a pause and a loading model let them."""

from __future__ import annotations

import math
import threading
import time

from smviz.limiter import Limiter


class Turnstile:
    """What stands between the workers of a run and the endpoint.

    Attributes:
        closed: set when the run ends: nobody passes any more, and every wait is over.
    """

    def __init__(self, ceiling: int) -> None:
        self.closed = threading.Event()
        self._limiter = Limiter(ceiling)
        self._changed = threading.Condition()  # guards all that follows, and the limiter
        self._waiting = 0
        self._paused = False
        self._prober: int | None = None

    @property
    def limit(self) -> int:
        """Calls at once that the endpoint is given now."""
        return self._limiter.limit

    @property
    def ceiling(self) -> int:
        """Calls at once that it is given at most."""
        return self._limiter.ceiling

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return self._limiter.in_flight

    @property
    def paused(self) -> bool:
        """Whether nobody may pass until `resume`."""
        return self._paused

    def wants_callers(self) -> bool:
        """Whether a call could begin now, and nobody is there to make it."""
        if self._waiting:  # the usual case, told without a queue for the lock
            return False
        with self._changed:
            return not self._waiting and self._obstacle(time.monotonic()) == 0

    def enter(self) -> float | None:
        """Wait for one's turn to call. The time it began, for `leave`; None when the turnstile is closed."""
        with self._changed:
            self._waiting += 1
            try:
                while not self.closed.is_set():
                    now = time.monotonic()
                    wait = self._obstacle(now)
                    if wait == 0:
                        self._limiter.begin()
                        return now
                    self._changed.wait(wait if math.isfinite(wait) else None)
            finally:
                self._waiting -= 1
        return None

    def leave(self, begun: float, answer: bool | None) -> float:
        """A call has ended; `answer` as for `Limiter.end`. The seconds it took."""
        with self._changed:
            now = time.monotonic()
            self._limiter.end(begun, now, answer)
            self._changed.notify(max(1, self._limiter.limit - self._limiter.in_flight))
            return now - begun

    def wait_while_paused(self) -> bool:
        """Wait for the end of a pause; whether the turnstile is still open."""
        if self._paused:
            with self._changed:
                while self._paused and not self.closed.is_set():
                    self._changed.wait()
        return not self.closed.is_set()

    def pause(self) -> None:
        """Let nobody pass."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        """End a pause."""
        with self._changed:
            self._paused = False
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody pass ever again, and wake everybody who waits."""
        with self._changed:
            self.closed.set()
            self._changed.notify_all()

    def probe(self) -> bool:
        """The model is being loaded: let only one worker pass; whether it is this one."""
        with self._changed:
            if self._prober is None:
                self._prober = threading.get_ident()
            return self._probing

    def end_probe(self) -> None:
        """If it was this worker that alone could pass, let the others pass again."""
        if self._prober is not None:
            with self._changed:
                if self._probing:
                    self._prober = None
                    self._changed.notify_all()

    @property
    def _probing(self) -> bool:
        return self._prober == threading.get_ident()

    def _obstacle(self, now: float) -> float:
        """Seconds until this worker may pass; infinity when something must happen first."""
        if self._paused or not (self._prober is None or self._probing):
            return math.inf
        return self._limiter.wait(now)
