"""What the endpoint answered in this session: kept, so that nothing is called twice unless it is asked for.

Calls for several images run in the background, a few at once; each answer is kept as soon as it is there.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import streamlit as st

from smviz import responses
from smviz.errors import EndpointError, NotAllowed, SmvizError
from smviz.journal import event
from smviz.records import Detections, Payload, Reply
from smviz.runner import Retry
from smviz.runner.retrying import trouble_of
from smviz.settings import Preset, Request
from smviz.ui import session
from smviz.ui.choice import Chosen, request_of
from smviz.ui.resources import door

MOST_BYTES = 100_000_000  # of the replies that a session keeps
AT_ONCE = 4
PATIENCE = Retry(busy=5, service=3, network=2, time_out=1, container=2, cap=4.0)  # a person is waiting


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call: a reply, or the error in its place; and how many attempts that took."""

    reply: Reply | None
    error: SmvizError | None
    attempts: int

    def required(self) -> Reply:
        """The reply.

        Raises:
            SmvizError: the one in its place.
        """
        if self.reply is None:
            assert self.error
            raise self.error
        return self.reply


Answers = dict[str, Answer]


def answers() -> Answers:
    """Those of this session, the oldest first."""
    kept: Answers = st.session_state.setdefault("answers", {})
    return kept


def answer_key(chosen: Chosen, request: Request, sha256: str) -> str:
    """What identifies a call."""
    return hashlib.sha256(repr((chosen, request, sha256)).encode()).hexdigest()


def answer_to(chosen: Chosen, payload: Payload, again: bool = False) -> Answer:
    """The endpoint's answer to an image: the one that is kept, or else, or `again`, that of a call made now.

    Raises:
        EndpointError: when the endpoint cannot be described.
    """
    request = request_of(chosen)
    key = answer_key(chosen, request, payload.sha256)
    kept = answers()
    if again or key not in kept:
        with st.spinner(f"Asking {chosen.label} …", show_time=True):
            client = door(chosen.connection)
            kept.pop(key, None)  # what is new goes to the end
            kept[key] = answer = patiently(lambda: client.invoke(request, payload))
        failed = answer.error.kind if answer.error else None
        event("call", person=session.person().key, attempts=answer.attempts, kind=failed)
        if reply := kept[key].reply:
            st.session_state["latency"] = reply.latency
        forget_oldest(kept, key)
    return kept[key]


def known(chosen: Chosen, payload: Payload) -> Answer | None:
    """The answer to an image, if it is kept.

    Raises:
        EndpointError: when the endpoint cannot be described.
    """
    return answers().get(answer_key(chosen, request_of(chosen), payload.sha256))


def read(reply: Reply, payload: Payload, preset: Preset) -> Detections:
    """The detections in a reply, read once.

    Raises:
        BadResponse: when the reply does not hold what the preset promises.
    """
    return _read(hash(reply.body), payload.width, payload.height, preset, reply)


@st.cache_resource(max_entries=1000, scope="session", show_spinner=False)
def _read(body: int, width: int, height: int, preset: Preset, _reply: Reply) -> Detections:
    return responses.parse(_reply.body, width, height, preset)


def forget_oldest(kept: Answers, but: str = "") -> None:
    """Let go of answers until the rest is small enough."""
    size = sum(len(answer.reply.body) for answer in kept.values() if answer.reply)
    for key, answer in list(kept.items()):
        if size <= MOST_BYTES:
            break
        if key != but:
            size -= len(answer.reply.body) if answer.reply else 0
            del kept[key]


def patiently(invoke: Callable[[], Reply], sleep: Callable[[float], object] = time.sleep) -> Answer:
    """Call, and call again where that may help, as often as a person would wait for."""
    attempts = 0
    while True:
        attempts += 1
        try:
            return Answer(invoke(), None, attempts)
        except NotAllowed as error:
            return Answer(None, error, attempts - 1)
        except EndpointError as error:
            # "probe": a model that is being loaded takes minutes, in which nobody looks at a spinner.
            if PATIENCE.decide(trouble_of(error), attempts) != "wait":
                return Answer(None, error, attempts)
        sleep(PATIENCE.wait(attempts))


@dataclass(frozen=True, slots=True)
class Job:
    """An image to call for: `payload` gives it when its turn comes, and may raise a `SmvizError`."""

    name: str
    payload: Callable[[], Payload]


@dataclass(eq=False)
class Calls:
    """Calls in the background.

    Attributes:
        title: what they are for.
        jobs: the images.
        failed: name and error of what did not work.
        done: how many have an answer, or failed.
        bug: an exception that is no `SmvizError`.
    """

    title: str
    jobs: Sequence[Job]
    invoke: Callable[[Payload], Reply]
    key_of: Callable[[Payload], str]
    kept: Answers
    failed: list[tuple[str, SmvizError]] = field(default_factory=list)
    done: int = 0
    bug: Exception | None = None
    _who: str = ""
    _skipped: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> Calls:
        """Begin, and return at once."""
        self._who = session.person().key
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="detect")
        for job in self.jobs:
            pool.submit(self._work, job)
        pool.shutdown(wait=False)
        return self

    def stop(self) -> None:
        """Begin no more calls; those under way are finished and kept."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether no more calls begin."""
        return self._stop.is_set()

    @property
    def ended(self) -> bool:
        """Whether nothing is under way any more."""
        return self.done + self._skipped == len(self.jobs)

    def _work(self, job: Job) -> None:
        if self._stop.is_set():
            with self._lock:
                self._skipped += 1
                self._tell_end()
            return
        error: SmvizError | None = None
        try:
            error = self._answer(job)
        except Exception as bug:  # it would be lost with its thread, and shall crash where it is seen
            self.bug = bug
        with self._lock:
            self.done += 1
            if error:
                self.failed.append((job.name, error))
            self._tell_end()

    def _tell_end(self) -> None:
        if self.ended:
            event("calls", person=self._who, images=self.done, skipped=self._skipped, failed=len(self.failed))

    def _answer(self, job: Job) -> SmvizError | None:
        try:
            payload = job.payload()
        except SmvizError as error:
            return error
        answer = patiently(lambda: self.invoke(payload), self._stop.wait)
        self.kept[self.key_of(payload)] = answer
        # What befalls every image of the endpoint alike is not tried with the others.
        if answer.error and PATIENCE.decide(trouble_of(answer.error), 1) in {"end", "pause", "probe"}:
            self.stop()
        return answer.error


def start_calls(title: str, chosen: Chosen, jobs: Sequence[Job]) -> None:
    """Call for several images in the background; a stop button and the progress are where `show_calls` is.

    Raises:
        EndpointError: when the endpoint cannot be described.
    """
    request, client = request_of(chosen), door(chosen.connection)
    st.session_state["calls"] = Calls(
        title,
        jobs,
        invoke=lambda payload: client.invoke(request, payload),
        key_of=lambda payload: answer_key(chosen, request, payload.sha256),
        kept=answers(),
    ).start()


def calls_under_way() -> Calls | None:
    """The background calls of this session that have not ended."""
    calls: Calls | None = st.session_state.get("calls")
    return calls if calls and not calls.ended else None


@st.fragment(run_every=0.4)
def show_calls() -> None:
    """How far the background calls are, with a button to stop them; what failed stays in words when they have ended."""
    calls: Calls | None = st.session_state.get("calls")
    if calls is None:
        return
    if calls.ended:
        del st.session_state["calls"]
        forget_oldest(calls.kept)
        st.session_state["calls told"] = told(calls)
        if calls.bug:
            raise calls.bug
        st.rerun()
    bar, button = st.columns([6, 1], vertical_alignment="bottom")
    bar.progress(calls.done / max(1, len(calls.jobs)), f"{calls.title}: {calls.done} of {len(calls.jobs)}")
    button.button(
        "Stopping …" if calls.stopping else "Stop",
        icon=":material/stop:",
        on_click=calls.stop,
        disabled=calls.stopping,
        width="stretch",
        help="Calls under way are finished and kept.",
    )


def told(calls: Calls) -> tuple[str, list[tuple[str, SmvizError]]]:
    """What to say of calls that have ended: one sentence, and each failure."""
    good = calls.done - len(calls.failed)
    left = len(calls.jobs) - calls.done
    parts = [f"{good} of {len(calls.jobs)} answered"]
    parts += [f"{len(calls.failed)} failed"] if calls.failed else []
    parts += [f"{left} not called"] if left else []
    return f"{calls.title}: {', '.join(parts)}.", list(calls.failed)
