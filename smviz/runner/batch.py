"""One endpoint over many images, in the background: in parallel, and nothing lost when it ends early."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from smviz.errors import BadImage, BadSetting, BadSource, EndpointError, NotAllowed, NotFound, SmvizError
from smviz.images import prepare
from smviz.records import ImageRef, Outcome, Payload, Reply
from smviz.runner.journey import Journey
from smviz.runner.patience import Patience
from smviz.runner.progress import Progress, State, Tally
from smviz.runner.retrying import USUAL, Retry, fullness
from smviz.runner.turnstile import Turnstile
from smviz.store import RENEWAL_SECONDS, Arrival, Lease, Run, Store, read_image, reply_key

Invoke = Callable[[Payload], Reply]
"""One call of the endpoint, without retries; raises `EndpointError`."""


Admit = Callable[[], float]
"""Asked before every call: seconds until it may begin, 0 when it may now; raises `SmvizError` to have the run pause."""

_LOOK_UP = 0.5  # seconds after which one who waits to be admitted sees that the run was paused


class Cancelled(Exception):
    """Raised by `BatchRun.sleep` when the run ends: the call it is raised in is given up."""


class _PutOff(Exception):
    """The call is made after the pause."""


class _Ready(NamedTuple):
    """An image that can be called for."""

    journey: Journey
    payload: Payload
    key: str


class BatchRun:
    """A run in the background: an image is one call to `invoke`, made again as `retry` says.

    A bad image or a refused one is a failed outcome. Credentials that expire, or a limit of the server, pause the run.
    What no other image would escape (no access, no such endpoint, no network) ends it. Whatever happens, what there is
    is kept: an image counts as done when its outcome is on the disk. A run that is resumed skips the images that have
    a reply and calls for the failed ones again; no more images are in memory than there are workers.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        invoke: Invoke,
        workers: int = 32,
        retry: Retry = USUAL,
        *,
        read: Callable[[ImageRef], bytes] = read_image,
        only: Collection[str] | None = None,
        fresh: bool = False,
        max_calls: int | None = None,
        admit: Admit | None = None,
    ) -> None:
        """Prepare a run; `start` begins it.

        Args:
            store: where the run, its images and outcomes are.
            run: what to run or to resume.
            invoke: one call of the endpoint.
            workers: calls at once, at most; how many there are is found out by `smviz.limiter`.
            retry: when to call again, and when to give up.
            read: the bytes of an image; raises `InputError`, or `EndpointError` where it is read from afar.
            only: names of the images to see to; None for all.
            fresh: call also for images whose reply is known from another run.
            max_calls: how many calls may be made, those made again included; None for any number.
            admit: lets calls begin, where others share the endpoint; None where they begin at once.

        Raises:
            BadSetting: when there is not at least one worker.
        """
        if workers < 1:
            raise BadSetting(f"{workers} workers cannot call anything.", "Choose 1 or more.")
        self._store = store
        self._run = run
        self._workers = workers
        self._retry = retry
        self._read = read
        self._only = None if only is None else frozenset(only)
        self._fresh = fresh
        self._max_calls = max_calls
        self._admit = admit
        self._turnstile: Turnstile[_Ready] = Turnstile(workers)
        self._ended = threading.Event()
        self._idle = threading.Event()
        self._lock = threading.Lock()  # guards all that follows
        self._invoke = invoke
        self._resumed = 0  # times
        self._patience = Patience(retry)
        self._threads = 0
        self._images: Iterator[ImageRef] | None = iter(())
        self._tally = Tally(run.total if self._only is None else len(self._only))
        self._notice: SmvizError | None = None  # why it was paused or stopped
        self._error: BaseException | None = None  # what ended it

    def start(self) -> None:
        """Claim the run and begin; once only.

        Raises:
            RunAtWork: when somebody else works on the run; nothing was called.
            StoreError: when the run was deleted, or cannot be claimed.
        """
        lease = self._store.claim(self._run.id)
        self._tally.started = time.monotonic()
        name = f"smviz-run-{self._run.id}"
        threading.Thread(target=self._supervise, args=(lease,), name=name, daemon=True).start()

    def stop(self) -> None:
        """End early: calls under way are finished and stored, and no new ones are made. Harmless at any time."""
        self._turnstile.close()

    def pause(self) -> None:
        """Make no new calls until `resume`; those under way are finished and stored."""
        self._turnstile.pause()

    def resume(self, invoke: Invoke | None = None) -> None:
        """Go on after a pause, with another `invoke` where one is given: a client with new credentials, for example."""
        with self._lock:
            self._invoke = invoke or self._invoke
            self._resumed += 1
            self._notice = None
        self._turnstile.resume()

    def sleep(self, seconds: float) -> None:
        """Wait within a call, for example between two looks for an asynchronous answer.

        Raises:
            Cancelled: when the run ends meanwhile; let it pass.
        """
        if self._turnstile.closed.wait(seconds):
            raise Cancelled

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
            error = self._error if isinstance(self._error, SmvizError) else self._notice
            in_flight = self._turnstile.in_flight
            state = self._state(ended, in_flight)
            return self._tally.progress(state, error, self._patience, in_flight, self._turnstile.limit, self._workers)

    def _state(self, ended: bool, in_flight: int) -> State:
        if ended:
            return "failed" if self._error else "stopped" if self._tally.remaining else "finished"
        if self._turnstile.closed.is_set():
            return "stopping"
        if self._turnstile.paused:
            return "pausing" if in_flight else "paused"
        return "running"

    def _supervise(self, lease: Lease) -> None:
        try:
            answered = self._store.run(self._run.id).answered  # raises UnknownRun when it was deleted
            pending = self._store.pending(self._run.id)
            if self._only is not None:
                answered = len(self._only) - sum(image.name in self._only for image in pending)
                pending = (image for image in self._store.pending(self._run.id) if image.name in (self._only or ()))
            with self._lock:
                self._tally.skipped = answered
                self._images = pending
            for _ in range(self._turnstile.limit):
                self._hire()
            self._hold(lease)
            self._store.flush()
        except BaseException as error:
            self._fail(error)
        finally:
            self._tally.ended = time.monotonic()
            lease.release()
            self._ended.set()

    def _hold(self, lease: Lease) -> None:
        """Renew the claim until the last worker has ended; where it is lost, the run ends."""
        while not self._idle.wait(RENEWAL_SECONDS):
            try:
                lease.renew(self.progress.state)
            except SmvizError as error:
                self._fail(error)

    def _hire(self) -> None:
        """One more worker, where there may be more and is something to do."""
        with self._lock:
            if self._threads >= self._workers or self._images is None:
                return
            threading.Thread(target=self._work, name=f"smviz-run-{self._run.id}", daemon=True).start()
            self._threads += 1  # it cannot end before this, for that takes the lock

    def _hire_if_wanted(self) -> None:
        if self._turnstile.wants_callers():
            self._hire()

    def _work(self) -> None:
        try:
            finished = False
            while turn := self._turnstile.next(finished):
                begun, ready = turn
                finished = self._call(begun, ready) if ready else self._get_ready()
        except Cancelled:
            pass
        except BaseException as error:  # ends the run and is shown by `progress` or raised by `result`
            self._fail(error)
        finally:
            with self._lock:
                self._threads -= 1
                if not self._threads:
                    self._idle.set()

    def _take(self) -> ImageRef | None:
        with self._lock:
            image = next(self._images, None) if self._images else None
            if image is None:
                self._images = None
            return image

    def _get_ready(self) -> bool:
        """Read and check one more image; whether nothing is left to do for it."""
        image = self._take()
        if image is None:
            self._turnstile.exhaust()
            return True
        journey = Journey(image)
        payload = self._prepare(journey)
        if payload is None:
            return True
        key = reply_key(self._run.connection, self._run.endpoint_config, self._run.request, payload.sha256)
        known = None if self._fresh else self._store.known_reply(key)
        if known:
            self._keep(journey.outcome(payload, known, reused=True), key=key)
        else:
            self._turnstile.put(_Ready(journey, payload, key))
        return known is not None

    def _prepare(self, journey: Journey) -> Payload | None:
        """Read and decode an image; None when it has failed, or the run ends first."""
        while self._turnstile.wait_while_paused():
            resumed, data = self._resumed, None
            try:
                data = self._read(journey.image)
                return prepare(data, journey.image.name)
            except (BadImage, BadSource, NotAllowed, NotFound) as error:
                journey.sha256 = hashlib.sha256(data).hexdigest() if data is not None else ""
                self._keep(journey.outcome(None, error=error))
                break
            except EndpointError as error:
                if not self._goes_on(journey, error, resumed):
                    self._keep(journey.outcome(None, error=error), error)
                    break
        return None

    def _call(self, begun: float, ready: _Ready) -> bool:
        """Call for an image; whether there is an outcome, and not another call to be made."""
        journey, payload, key = ready
        reply, error, answer = None, None, None
        try:
            begun = self._admitted(begun)
            invoke, resumed = self._spend(journey)
            reply, answer = invoke(payload), True
        except _PutOff:
            self._turnstile.put(ready, first=True)
            return False
        except SmvizError as caught:
            error, answer = caught, fullness(caught)
        finally:
            journey.seconds += self._turnstile.leave(begun, answer)
        self._hire_if_wanted()
        if error and self._goes_on(journey, error, resumed):
            self._turnstile.put(ready, first=True)
            return False
        self._turnstile.end_probe()
        self._keep(journey.outcome(payload, reply, error), error, key)
        return True

    def _admitted(self, begun: float) -> float:
        """Wait until the call may begin, and tell when that is: its latency is without the wait.

        Raises:
            _PutOff: when the run pauses first, or is to pause.
            Cancelled: when it ends first.
        """
        if self._admit is None:
            return begun
        try:
            while seconds := self._admit():
                self.sleep(min(seconds, _LOOK_UP))
                if self._turnstile.paused:
                    raise _PutOff
        except SmvizError as limit:
            with self._lock:
                self._notice = limit
                self._turnstile.pause()
            raise _PutOff from limit
        return time.monotonic()

    def _spend(self, journey: Journey) -> tuple[Invoke, int]:
        """Account for a call, and tell how to make it."""
        with self._lock:
            if self._max_calls is not None and self._patience.calls >= self._max_calls:
                self._notice = SmvizError(
                    f"The run has made the {self._max_calls} calls that it was allowed.",
                    "Resume it with more; what was answered is kept.",
                )
                self._turnstile.close()
                raise Cancelled
            self._patience.spend(first=not journey.calls)
            journey.calls += 1
            return self._invoke, self._resumed

    def _goes_on(self, journey: Journey, error: SmvizError, resumed: int) -> bool:
        """After an error: wait as long as it takes, and tell whether to try again; else the image has failed.

        Raises:
            SmvizError: what ends the run.
        """
        with self._lock:
            stale = resumed != self._resumed or self._notice is not None  # said of credentials that are no longer used
            trouble, decision = self._patience.after(error, journey.met, time.monotonic(), stale)
            if decision == "pause":
                self._notice = error
                self._turnstile.pause()
        if trouble != "loading":
            self._turnstile.end_probe()
        if decision == "wait":
            self._turnstile.closed.wait(self._retry.wait(journey.met[trouble]))
        elif decision == "probe" and self._turnstile.probe():
            self._turnstile.closed.wait(self._retry.probe)
        return decision != "fail"

    def _keep(self, outcome: Outcome, error: SmvizError | None = None, key: str = "") -> None:
        """Have an outcome stored.

        Raises:
            SmvizError: when too many images in a row have met what should have passed.
        """
        self._store.post(self._run.id, outcome, key, self._count)
        with self._lock:
            if error:
                self._patience.failed(error)
            elif outcome.reply and not outcome.reused:
                self._tally.latencies.append(outcome.reply.latency)
                self._patience.answered()

    def _count(self, arrivals: Sequence[Arrival], error: BaseException | None) -> None:
        """These outcomes are on the disk, or failed to get there."""
        if error:
            self._fail(error)
            return
        with self._lock:
            for arrival in arrivals:
                self._tally.store(arrival.outcome)

    def _fail(self, error: BaseException) -> None:
        """End the run; the first error is the one that is shown."""
        with self._lock:
            self._error = self._error or error
        self._turnstile.close()
