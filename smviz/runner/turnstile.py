"""What a worker does next: calls begin as fast as the endpoint's limit, a pause and a loading model let them.

Images that are ready to be called for stand in a line, and whoever is free calls for the first of them. So a worker
whose call has ended begins the next one itself; to wake another for it costs more than much of the rest.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Generic, TypeVar

from smviz.limiter import Limiter

Ready = TypeVar("Ready")

_REFILL = 0.75  # share of the images in hand that are left when one who waits is woken to get more of them ready
# Seconds. A shorter call is work of this process more than it is waiting: who gets images ready meanwhile only competes
# with it for the interpreter.
_SHORT = 0.001


class Turnstile(Generic[Ready]):
    """What stands between the workers of a run and the endpoint.

    No more images are in hand than calls may be made at once: being made ready, ready, or called for.

    Attributes:
        closed: set when the run ends: nobody passes any more, and every wait is over.
    """

    def __init__(self, ceiling: int) -> None:
        self.closed = threading.Event()
        self._limiter = Limiter(ceiling)
        self._changed = threading.Condition()  # guards all that follows, and the limiter
        self._ready: deque[Ready] = deque()
        self._in_hand = 0
        self._exhausted = False
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

    def next(self, finished: bool) -> tuple[float, Ready | None] | None:
        """Wait for something to do.

        Args:
            finished: whether an image that was in this worker's hand is no longer.

        Returns:
            The time, and what to call for; None in its place when one more image is to be made ready. None when there
            is nothing left to do, or the turnstile is closed.
        """
        with self._changed:
            self._in_hand -= finished
            if finished and self._in_hand == int(_REFILL * self._most_in_hand):
                self._changed.notify()
            self._waiting += 1
            try:
                while not self.closed.is_set() and not (self._exhausted and not self._ready):
                    now = time.monotonic()
                    wait = self._obstacle(now) if self._ready else math.inf
                    if wait == 0:
                        return now, self._begin(now)
                    most = self._most_in_hand
                    if not (self._paused or self._exhausted) and self._in_hand < most:
                        self._in_hand += 1
                        if not self._ready and self._in_hand < most:  # one alone may be too slow
                            self._changed.notify()
                        return now, None
                    self._changed.wait(wait if math.isfinite(wait) else None)
            finally:
                self._waiting -= 1
        return None

    def put(self, ready: Ready, first: bool = False) -> None:
        """An image is ready to be called for, or `first` to be called for again; go on with `next`."""
        with self._changed:
            if first:
                self._ready.appendleft(ready)
            else:
                self._ready.append(ready)

    def exhaust(self) -> None:
        """There are no more images than those in hand."""
        with self._changed:
            self._exhausted = True
            self._changed.notify_all()

    def leave(self, begun: float, answer: bool | None) -> float:
        """A call has ended; `answer` as for `Limiter.end`. The seconds it took."""
        with self._changed:
            now = time.monotonic()
            self._limiter.end(begun, now, answer)
            if not answer:  # who made it may be long in coming back
                self._changed.notify()
            return now - begun

    def _begin(self, now: float) -> Ready:
        self._limiter.begin(now)
        ready = self._ready.popleft()
        if self._exhausted and not self._ready:
            self._changed.notify_all()  # there is nothing left to wait for
        elif self._ready and self._obstacle(now) == 0:
            self._changed.notify()
        return ready

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
    def _most_in_hand(self) -> int:
        return self._limiter.limit if self._limiter.round_trip < _SHORT else self.ceiling

    @property
    def _probing(self) -> bool:
        return self._prober == threading.get_ident()

    def _obstacle(self, now: float) -> float:
        """Seconds until this worker may pass; infinity when something must happen first."""
        if self._paused or not (self._prober is None or self._probing):
            return math.inf
        return self._limiter.wait(now)
