"""Runs at work: started in the background, watched, paused, stopped, and gone on with. A closed tab ends none."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection
from functools import partial

import streamlit as st

from smviz.deploying import idle_cost
from smviz.errors import CredentialsError, SmvizError, StoreError
from smviz.guarding import Guarded
from smviz.journal import event
from smviz.records import Endpoint, ImageRef
from smviz.runner import GOING_ON, BatchRun, Progress
from smviz.settings import Connection, is_loopback
from smviz.store import Claim, Run, read_image
from smviz.ui import session
from smviz.ui.choice import Chosen
from smviz.ui.frame import plain, show_error
from smviz.ui.planning import own_prices, usd
from smviz.ui.progress import clock
from smviz.ui.resources import EMBEDDED, Work, described, door, files_door, image_check, meter, renewed, store, works

WORKERS = 16  # calls at once, at most, unless a person says otherwise
SIDE_BY_SIDE = 2  # cards of runs at work


def work_on(
    run: Run,
    workers: int = WORKERS,
    *,
    only: Collection[str] | None = None,
    fresh: bool = False,
    max_calls: int | None = None,
) -> None:
    """Call the endpoint, in the background, for the images of a run that have no reply yet.

    Raises:
        EndpointError: when no client can be made, for want of credentials.
        NotAllowed: when the run has more images than this server takes.
        RunAtWork: when somebody else works on it.
    """
    where = connection_now(run)
    client, files, check = door(where), files_door(where), image_check()
    session.policy().check_run(session.person(), run.total)

    def read(image: ImageRef) -> bytes:
        data = read_image(image, files.s3_read)
        check(data, image.name)
        return data

    batch = BatchRun(
        store(),
        run,
        partial(client.invoke, run.request),
        workers,
        read=read,
        only=only,
        fresh=fresh,
        max_calls=max_calls,
        admit=client.admit if isinstance(client, Guarded) else None,
    )
    work = Work(batch, usd_per_hour(where, run.request.endpoint))
    batch.start()
    works()[run.id] = work
    who = session.person().key
    event("run", person=who, run=run.id, state="started", images=run.total)
    threading.Thread(target=_journal_end, args=(batch, run.id, who), daemon=True).start()


def _journal_end(batch: BatchRun, run_id: str, who: str) -> None:
    batch.wait()
    now = batch.progress
    event(
        "run",
        "warning" if now.error else "info",
        person=who,
        run=run_id,
        state=now.state,
        answered=now.done,
        failed=now.failed,
        calls=now.calls,
        throttled=now.throttled,
        retries=now.retries,
        seconds=round(now.elapsed, 1),
        kind=now.error.kind if now.error else None,
    )


def connection_now(run: Run) -> Connection:
    """Where a run's endpoint is: the embedded one listens at another port every time it starts."""
    here = is_loopback(run.connection.endpoint_url) and not session.read_only()
    return Chosen(EMBEDDED).connection if here else run.connection


def usd_per_hour(where: Connection, name: str) -> float:
    """What an endpoint costs by the hour, busy or idle; 0 on this machine, NaN where it is not known."""
    if is_loopback(where.endpoint_url):
        return 0.0
    try:
        return hourly(described(where, name), where)
    except SmvizError:  # a price is no reason not to run
        return math.nan


def hourly(endpoint: Endpoint, where: Connection) -> float:
    """As `usd_per_hour`; a serverless endpoint has no price by the hour."""
    return idle_cost(endpoint, where.region, own_prices()) / 24 or math.nan


def going_on() -> frozenset[str]:
    """The ids of the runs that this server works on now.

    Ask before reading the store: what has ended by then is in the store whole.
    """
    if session.read_only():
        return frozenset()
    return frozenset(run_id for run_id, work in works().items() if work.batch.progress.state in GOING_ON)


def elsewhere(live: frozenset[str]) -> tuple[Claim, ...]:
    """The runs that another process works on: the command line, or another server with this workspace.

    Raises:
        StoreError: when the workspace cannot be read.
    """
    if session.read_only():  # what is there is shown as it stands
        return ()
    return tuple(claim for claim in store().claims() if claim.run not in live)


def at_work(runs: tuple[Run, ...], live: frozenset[str], claims: tuple[Claim, ...]) -> None:
    """A card for each run at work: first those of this server, whoever started them, then those of others."""
    with st.container(key="runs at work"):  # always there, so that what is below keeps its place, and its state
        shown = tuple(run for run in runs if run.id in live)
        if shown or claims:
            _cards(shown, live, tuple(claim.run for claim in claims))


@st.fragment(run_every=0.5)
def _cards(runs: tuple[Run, ...], live: frozenset[str], claimed: tuple[str, ...]) -> None:
    if going_on() != live:
        st.rerun()
    try:  # all is read before anything is drawn, for what is drawn late is dimmed meanwhile
        away = [(store().run(claim.run), claim) for claim in elsewhere(live)]
        if tuple(run.id for run, _ in away) != claimed:
            st.rerun()
    except StoreError as error:
        show_error(error)
        away = []
    columns = st.columns(min(len(runs) + len(claimed), SIDE_BY_SIDE), gap="medium")
    for number, run in enumerate(runs):
        with columns[number % SIDE_BY_SIDE], st.container(border=True, gap="small"):
            _card(run, works()[run.id])
    for number, (run, claim) in enumerate(away, len(runs)):
        with columns[number % SIDE_BY_SIDE], st.container(border=True, gap="small"):
            _claimed_card(run, claim)


def _claimed_card(run: Run, claim: Claim) -> None:
    """How far another process is, as the workspace tells; it alone can pause and stop the run."""
    ended = run.answered + run.failed
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(run.name)}**")
        doing = "at work" if claim.state == "running" else claim.state
        st.badge(f"{doing} elsewhere", icon=":material/lan:", color="violet")
    st.progress(ended / max(run.total, 1), f"{ended:,} of {run.total:,} images")
    failed = f"**{run.failed:,} failed**" if run.failed else "0 failed"
    facts = f"{run.answered:,} answered · {failed} · by {plain(str(claim))}"
    st.caption(f"{facts}  \nIt is paused, stopped and resumed where it was started.")


def _card(run: Run, work: Work) -> None:
    now = work.batch.progress
    ended = now.done + now.failed + now.skipped
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{plain(run.name)}**")
        st.badge(now.state, icon=_ICONS.get(now.state), color="blue" if now.state == "running" else "orange")
    st.progress(ended / max(now.total, 1), f"{ended:,} of {now.total:,} images · {_time_left(now)}")
    st.caption(" · ".join(_facts(now, work)))
    if now.error and now.state in {"pausing", "paused"}:
        show_error(now.error)
        if isinstance(now.error, CredentialsError):
            st.caption("Everything that was answered is kept. Once there are new credentials, Resume takes them up.")
    with st.container(horizontal=True, gap="small"):
        _buttons(run, work, now)


_ICONS = {
    "running": ":material/play_circle:",
    "pausing": ":material/hourglass_top:",
    "paused": ":material/pause_circle:",
    "stopping": ":material/hourglass_top:",
}


def _time_left(now: Progress) -> str:
    if now.state != "running":
        return f"{clock(now.elapsed)} so far"
    left = "time left not known yet" if math.isnan(now.left) else f"{clock(now.left)} left"
    return f"{now.rate:.1f} images/s · {left}"


def _facts(now: Progress, work: Work) -> list[str]:
    share = now.throttled / now.calls if now.calls else 0.0
    facts = [f"{now.done:,} answered", f"**{now.failed:,} failed**" if now.failed else "0 failed"]
    facts += [f"{now.reused:,} reused"] if now.reused else []
    facts += [f"{now.skipped:,} had a reply"] if now.skipped else []
    facts.append(f"{now.in_flight} calls at once (limit {now.concurrency}, cap {now.ceiling})")
    facts.append(f"{share:.0%} throttled")
    facts.append(f"{now.retries:,} retries")
    facts.append(f"cost so far {money(work.usd_per_hour * now.elapsed / 3600)}")
    return facts + _limits()


def _limits() -> list[str]:
    """What this server lets a person call for, which may be why a run is slow; nothing where it is one's own."""
    who, allowed = session.person(), session.policy()
    if who.local:
        return []
    most, budget = allowed.requests_per_minute, allowed.usd_per_day
    limits = [f"at most {most:,} calls a minute on this server"] if most else []
    return [*limits, *([f"{meter().spent():.2f} of {budget:.2f} USD a day spent by all"] if budget else [])]


def money(amount: float) -> str:
    """An amount in words; "unknown" where no price is known."""
    return "unknown" if math.isnan(amount) else "nothing" if amount == 0 else plain(usd(amount, 4))


def _buttons(run: Run, work: Work, now: Progress) -> None:
    stopping = now.state == "stopping"
    if now.state in {"pausing", "paused"}:
        st.button(
            "Resume",
            icon=":material/resume:",
            type="primary",
            key=f"resume {run.id}",
            on_click=_resume,
            args=(run, work.batch, isinstance(now.error, CredentialsError)),
            help="Credentials are looked for anew." if isinstance(now.error, CredentialsError) else None,
        )
    else:
        st.button(
            "Pause",
            icon=":material/pause:",
            key=f"pause {run.id}",
            on_click=work.batch.pause,
            disabled=stopping,
            help="No new calls until you resume; those under way are finished and kept.",
        )
    st.button(
        "Stopping …" if stopping else "Stop",
        icon=":material/stop:",
        key=f"stop {run.id}",
        on_click=work.batch.stop,
        disabled=stopping,
        help="Calls that are under way are finished and kept; the run can go on later.",
    )


def _resume(run: Run, batch: BatchRun, refused: bool) -> None:
    if not refused:
        batch.resume()
        return
    where = connection_now(run)
    try:
        batch.resume(partial(renewed(where).invoke, run.request))
    except SmvizError as error:  # the run stays paused
        st.toast(plain(error.message), icon=":material/error:")


def ended(run: Run) -> None:
    """How the last work on a run ended, and the way to go on with it.

    Raises:
        EndpointError: when it cannot go on, for want of credentials.
    """
    work = works().get(run.id)
    if work is not None:
        end = work.batch.result()  # a bug crashes visibly
        if end.error is not None:
            show_error(end.error)
    untried = run.total - run.answered - run.failed
    if run.imported or not untried:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":orange[:material/pause_circle:] {run.answered:,} of {run.total:,} images have a reply.")
        if not session.read_only() and st.button(
            f"Call for the other {run.total - run.answered:,}",
            icon=":material/resume:",
            help="The endpoint is called only for images that have no reply yet; nothing is paid for twice.",
        ):
            work_on(run)
            st.rerun()
