"""One endpoint over many images: in parallel, resumable, and nothing lost when it ends early."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from smviz.errors import (
    AccessDenied,
    BadImage,
    BadSetting,
    CredentialsError,
    EndpointError,
    NotFound,
    NotInService,
    SmvizError,
    Unreachable,
)
from smviz.images import prepare
from smviz.records import Failure, Outcome, Payload, Reply
from smviz.store import Run, Store

RATE_SECONDS = 10.0
REPORT_SECONDS = 0.1

State = Literal["running", "stopping", "stopped", "finished", "failed"]

# What no other image of the run would escape.
_HOPELESS = (CredentialsError, AccessDenied, NotFound, NotInService)


@dataclass(frozen=True, slots=True)
class Retry:
    """When a call is made again after an error that may pass, and when the run gives up.

    Attributes:
        attempts: calls per image, the first one included.
        base, cap: seconds; the wait before attempt n + 1 is drawn from 0 to min(cap, base * 2 ** (n - 1)), "full
            jitter" in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
        unreachable: so many images in a row without any answer end the run.
    """

    attempts: int = 8
    base: float = 0.5
    cap: float = 20.0
    unreachable: int = 5

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the given attempt, counted from 1; random."""
        return random.uniform(0, min(self.cap, self.base * 2 ** min(attempt - 1, 30)))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        total: images of the run; done + failed + skipped when it has finished.
        done, failed: images whose reply or failure was stored since the start.
        skipped: images that had a reply before the start.
        in_flight: images that a worker is busy with: reading, calling, or waiting to call again.
        rate: images stored per second over the last 10 seconds.
        elapsed: seconds since the start.
        left: seconds to go at this rate; NaN when unknown.
        error: what ended the run early, if it was an error a person can do something about.
    """

    total: int
    done: int
    failed: int
    skipped: int
    in_flight: int
    rate: float
    elapsed: float
    left: float
    state: State
    error: SmvizError | None = None


def run_images(
    store: Store,
    run: Run,
    invoke: Callable[[Payload], Reply],
    workers: int = 8,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    retry: Retry = Retry(),
) -> Progress:
    """Call the endpoint for every image of the run that has no reply yet, and wait for the end.

    Args:
        store: where the run, its images and outcomes are.
        run: what to run or to resume.
        invoke: one call of the endpoint, without retries; raises `EndpointError`.
        workers: calls at a time.
        progress: called about ten times a second, and once at the end.
        stop: set it to end early; calls under way are finished and stored.
        retry: when to try again, and when to give up.

    Returns:
        The progress at the end: its state is "finished", "stopped" or "failed".

    Raises:
        Exception: whatever is not a `SmvizError`, for it is a bug. All outcomes so far are stored.
    """
    batch = BatchRun(store, run, invoke, workers, retry)
    if stop and stop.is_set():
        batch.stop()
    batch.start()
    try:
        while not batch.wait(REPORT_SECONDS):
            if stop and stop.is_set():
                batch.stop()
            if progress:
                progress(batch.progress)
    finally:
        batch.stop()
        end = batch.result()
    if progress:
        progress(end)
    return end


class BatchRun:
    """A run in the background: an image is one call to `invoke`, tried again as `retry` says.

    A bad image or a refused one is a failed outcome. What no other image would escape (no credentials, no access, no
    such endpoint, no network) ends the run and keeps what there is. A resumed run skips the images that have a reply
    and tries the failed ones again. An image counts as done when its outcome is on the disk.

    Raises:
        BadSetting: when there is not at least one worker.
    """

    def __init__(
        self, store: Store, run: Run, invoke: Callable[[Payload], Reply], workers: int = 8, retry: Retry = Retry()
    ) -> None:
        if workers < 1:
            raise BadSetting(f"{workers} workers cannot call anything.", "Choose 1 or more.")
        self._store = store
        self._run = run
        self._invoke = invoke
        self._retry = retry
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        self._supervisor = threading.Thread(target=self._supervise, name=f"smviz-run-{run.id}", daemon=True)
        self._halt = threading.Event()
        self._ended = threading.Event()
        self._lock = threading.Lock()  # guards all that follows
        self._todo: Iterator[str] = iter(())
        self._done = self._failed = self._skipped = self._in_flight = self._unreachable = 0
        self._stored_at: deque[float] = deque()
        self._started = self._stopped = time.monotonic()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin; once only."""
        self._started = time.monotonic()
        self._supervisor.start()

    def stop(self) -> None:
        """Make no new calls; those under way are finished and stored. Harmless at any time."""
        self._halt.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so many seconds; whether it has ended."""
        return self._ended.wait(seconds)

    def result(self) -> Progress:
        """Wait for the end and return the last progress.

        Raises:
            Exception: what ended the run, if it was a bug.
        """
        self._ended.wait()
        if self._error and not isinstance(self._error, SmvizError):
            raise self._error
        return self.progress

    @property
    def progress(self) -> Progress:
        """How far the run is now."""
        ended = self._ended.is_set()
        with self._lock:
            now = self._stopped if ended else time.monotonic()
            while self._stored_at and self._stored_at[0] < now - RATE_SECONDS:
                self._stored_at.popleft()
            elapsed = now - self._started
            window = min(RATE_SECONDS, elapsed)
            rate = len(self._stored_at) / window if window > 0 else 0.0
            remaining = self._run.total - self._done - self._failed - self._skipped
            return Progress(
                total=self._run.total,
                done=self._done,
                failed=self._failed,
                skipped=self._skipped,
                in_flight=self._in_flight,
                rate=rate,
                elapsed=elapsed,
                left=remaining / rate if rate > 0 else 0.0 if remaining == 0 else float("nan"),
                state=self._state(ended, remaining),
                error=self._error if isinstance(self._error, SmvizError) else None,
            )

    def _state(self, ended: bool, remaining: int) -> State:
        if not ended:
            return "stopping" if self._halt.is_set() else "running"
        if self._error:
            return "failed"
        return "stopped" if remaining else "finished"

    def _supervise(self) -> None:
        try:
            self._store.run(self._run.id)  # raises UnknownRun when it was deleted
            answered = self._store.answered(self._run.id)
            names = self._store.image_names(self._run.id)
            with self._lock:
                self._skipped = len(answered)
                self._todo = iter([name for name in names if name not in answered])
            for worker in self._workers:
                worker.start()
            for worker in self._workers:
                worker.join()
            self._store.flush()
        except BaseException as error:
            self._fail(error)
        finally:
            self._stopped = time.monotonic()
            self._ended.set()

    def _work(self) -> None:
        try:
            while (name := self._take()) is not None:
                try:
                    self._keep(self._outcome(name))
                finally:
                    with self._lock:
                        self._in_flight -= 1
        except BaseException as error:  # ends the run and is shown by `progress` or raised by `result`
            self._fail(error)

    def _take(self) -> str | None:
        with self._lock:
            name = None if self._halt.is_set() else next(self._todo, None)
            self._in_flight += name is not None
            return name

    def _outcome(self, name: str) -> Outcome | None:
        """What becomes of one image; None when the run is stopped before it was called."""
        data: bytes | None = None
        try:
            data = self._store.image_data(self._run.id, name)
            payload = prepare(data, name)
        except BadImage as error:
            sha256 = "" if data is None else hashlib.sha256(data).hexdigest()
            return Outcome(name, sha256, 0, 0, attempts=0, failure=_failure(error))
        attempts = 0
        while not self._halt.is_set():
            attempts += 1
            reply = failure = None
            try:
                reply = self._invoke(payload)
            except _HOPELESS:
                raise
            except EndpointError as error:
                if error.passing and attempts < self._retry.attempts:
                    self._halt.wait(self._retry.wait(attempts))
                    continue
                failure = _failure(error)
            return Outcome(name, payload.sha256, payload.width, payload.height, attempts, reply, failure)
        return None

    def _keep(self, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        failure = outcome.failure
        self._store.append(self._run.id, outcome).add_done_callback(
            lambda future: self._count(future.exception(), failed=failure is not None)
        )
        if outcome.attempts:
            with self._lock:
                self._unreachable = self._unreachable + 1 if failure and failure.kind == Unreachable.__name__ else 0
                hopeless = self._unreachable >= self._retry.unreachable
            if failure and hopeless:
                raise Unreachable(failure.message, failure.advice)

    def _count(self, error: BaseException | None, failed: bool) -> None:
        if error:
            self._fail(error)
            return
        with self._lock:
            self._failed += failed
            self._done += not failed
            self._stored_at.append(time.monotonic())

    def _fail(self, error: BaseException) -> None:
        """End the run; the first error is the one that is shown."""
        with self._lock:
            self._error = self._error or error
        self._halt.set()


def _failure(error: SmvizError) -> Failure:
    return Failure(error.kind, error.message, error.advice)
