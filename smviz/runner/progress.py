"""How far a run is: what a page shows, and the counters behind it."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from smviz.errors import SmvizError
from smviz.records import Outcome
from smviz.runner.patience import Patience

RATE_SECONDS = 10.0
LATENCIES = 10_000  # replies

State = Literal["running", "pausing", "paused", "stopping", "stopped", "finished", "failed"]
GOING_ON: tuple[State, ...] = ("running", "pausing", "paused", "stopping")
"""The states in which a run has not ended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        total: images to see to; done + failed + skipped when the run has finished.
        done, failed: images whose reply or failure was stored since the start.
        skipped: images that had a reply before the start.
        reused: of those done, the images whose reply was known from an earlier call.
        in_flight: calls under way.
        concurrency, ceiling: calls at once that the endpoint is given now, and at most.
        calls: calls made; of them `throttled` were refused for the endpoint was busy, and `retries` were made again
            after another error.
        failures: failed images by the kind of their error.
        rate: images stored per second over the last 10 seconds.
        latency: seconds, the quantiles 0.5, 0.95 and 0.99 of the last 10,000 replies; NaN where there are none.
        elapsed: seconds since the start, pauses included.
        left: seconds to go at this rate; NaN when unknown.
        state: "pausing" and "stopping" while calls are under way that are yet to be stored.
        error: what ended or paused the run, if a person can do something about it.
    """

    total: int
    done: int
    failed: int
    skipped: int
    reused: int
    in_flight: int
    concurrency: int
    ceiling: int
    calls: int
    throttled: int
    retries: int
    failures: Mapping[str, int]
    rate: float
    latency: tuple[float, float, float]
    elapsed: float
    left: float
    state: State
    error: SmvizError | None = None


@dataclass(slots=True)
class Tally:
    """What has become of the images so far, by the names of `Progress`; its user holds a lock."""

    total: int
    skipped: int = 0
    done: int = 0
    reused: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    stored_at: deque[float] = field(default_factory=deque)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def remaining(self) -> int:
        """Images that nothing has become of yet."""
        return self.total - self.done - self.failures.total() - self.skipped

    def store(self, outcome: Outcome) -> None:
        """An outcome is on the disk."""
        if outcome.failure:
            self.failures[outcome.failure.kind] += 1
        else:
            self.done += 1
            self.reused += outcome.reused
        self.stored_at.append(time.monotonic())

    def progress(
        self,
        state: State,
        error: SmvizError | None,
        patience: Patience,
        in_flight: int,
        concurrency: int,
        ceiling: int,
    ) -> Progress:
        """All of it as it is now; after the end, as it was then."""
        now = time.monotonic() if self.ended is None else self.ended
        rate = self._rate(now)
        return Progress(
            total=self.total,
            done=self.done,
            failed=self.failures.total(),
            skipped=self.skipped,
            reused=self.reused,
            in_flight=in_flight,
            concurrency=concurrency,
            ceiling=ceiling,
            calls=patience.calls,
            throttled=patience.throttled,
            retries=patience.retries,
            failures=dict(self.failures),
            rate=rate,
            latency=quantiles(self.latencies),
            elapsed=now - self.started,
            left=self.remaining / rate if rate > 0 else 0.0 if self.remaining == 0 else math.nan,
            state=state,
            error=error,
        )

    def _rate(self, now: float) -> float:
        while self.stored_at and self.stored_at[0] < now - RATE_SECONDS:
            self.stored_at.popleft()
        window = min(RATE_SECONDS, now - self.started)
        return len(self.stored_at) / window if window > 0 else 0.0


def quantiles(latencies: Collection[float]) -> tuple[float, float, float]:
    """The quantiles 0.5, 0.95 and 0.99, interpolated linearly; NaN when there are no numbers."""
    if not latencies:
        return math.nan, math.nan, math.nan
    p50, p95, p99 = np.quantile(list(latencies), (0.5, 0.95, 0.99))
    return float(p50), float(p95), float(p99)
