"""The work on endpoints as it goes on, and what it left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from smviz.access import Role
from smviz.deploying import IN_PROGRESS, Deploying, Deployment, Part, idle_cost, part_of, remove, since
from smviz.deployment import what_stays
from smviz.errors import NotAllowed, NotFound, SmvizError
from smviz.records import Endpoint
from smviz.settings import Settings
from smviz.ui import session
from smviz.ui.choice import Chosen, choose
from smviz.ui.frame import page_link, plain, show_error, shown_errors, status_badge
from smviz.ui.planning import aws_region, own_prices, usd
from smviz.ui.resources import EMBEDDED, deployments, described, door, listed

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def may_deploy() -> bool:
    """Whether this person may make and delete endpoints: an owner where people log in; nobody where they do not.

    Whoever sits at this machine may as the settings say, else where the server listens on a loopback address.

    Raises:
        BadSetting: when SMVIZ_ALLOW_DEPLOY says neither yes nor no.
    """
    said, who = Settings.from_environment().allow_deploy, session.person()
    if not who.local:
        return said is not False and not who.visitor and who.role is Role.OWNER
    return st.get_option("server.address") in LOOPBACK if said is None else said


def not_allowed() -> None:
    """Why there is no button here, and how to get it."""
    who = session.person()
    if Settings.from_environment().allow_deploy is False:
        why, how = "SMVIZ_ALLOW_DEPLOY forbids it on this server.", "Set it to 1 to allow it and start it again."
    elif not who.local:
        try:
            session.policy().check_role(who, Role.OWNER, "make, update or delete endpoints")
        except NotAllowed as error:
            why, how = error.message, error.advice
    else:
        why = "This server may be reached from other machines, and whoever reaches it could spend the account's money."
        how = "Start it with --server.address=127.0.0.1, or set SMVIZ_ALLOW_DEPLOY=1, and start it again."
    st.info(
        f"**Endpoints cannot be made, updated or deleted here.** {plain(why)}  \n{plain(how)}",
        icon=":material/lock:",
    )


def pause(chosen: Chosen) -> float:
    """Seconds between two looks at an endpoint's status."""
    return 0.5 if chosen.region == EMBEDDED else 5.0


def begin(chosen: Chosen, endpoint: str, work: Deploying) -> None:
    """Start work on an endpoint, remember it, and draw the page anew."""
    before = progress_of(chosen, endpoint)
    if before and before.state == "running":
        st.warning(f"Other work on {plain(endpoint)} is not finished yet.", icon=":material/hourglass_top:")
        return
    deployments()[chosen.connection, endpoint] = work
    st.session_state.setdefault("begun", set()).add((chosen.connection, endpoint))
    work.start()
    _renew()


def progress_of(chosen: Chosen, name: str) -> Deployment | None:
    """How far the last work on an endpoint is, if this server knows of any; a bug of it crashes the page, once."""
    work = deployments().get((chosen.connection, name))
    try:
        return work.progress if work else None
    except Exception:
        deployments().pop((chosen.connection, name), None)
        raise


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def billing(endpoint: Endpoint, chosen: Chosen) -> str:
    """What an endpoint costs by being there, in one sentence for Markdown."""
    if chosen.region == EMBEDDED:
        return "It runs on this machine and costs nothing."
    if endpoint.hosting == "serverless":
        return "Every call is billed, idle time is not."
    day = idle_cost(endpoint, aws_region(chosen), own_prices())
    about = f"about **{usd(day)} a day**, busy or idle" if day == day else "every hour, busy or idle"
    return f"Billed while it exists: {about}. It was made {plain(endpoint.created[:16].replace('T', ' '))} UTC."


def shown_work(chosen: Chosen, name: str) -> bool:
    """The last work on an endpoint: going on, failed, or just ended; whether there was anything to show."""
    now = progress_of(chosen, name)
    if now is None:
        return False
    mine = (chosen.connection, name) in st.session_state.get("begun", ())
    if now.state == "running":
        watch(chosen, name)
    elif now.state == "failed":
        _failure(chosen, name, now)
    elif mine or now.left_over:
        _success(chosen, name, now)
    else:
        return False
    return True


def shown_elsewhere(chosen: Chosen, name: str | None = None) -> None:
    """The work on the other endpoints of the region."""
    for where, other in list(deployments()):
        if where == chosen.connection and other != name:
            shown_work(chosen, other)


def watch(chosen: Chosen, name: str) -> None:
    """Follow an endpoint, as AWS tells it, until its status stays; any tab and any process sees the same."""
    with st.container(border=True):
        _live(chosen, name)


@st.fragment(run_every=2)
def _live(chosen: Chosen, name: str) -> None:
    now = progress_of(chosen, name)
    endpoint = _look(chosen, name)
    if endpoint and st.session_state.get("to choose") == (chosen.connection, name):
        # Not before AWS knows it: until then nothing could describe it.
        del st.session_state["to choose"]
        choose(_with_endpoint(chosen, name))
        _renew()
    running = now is not None and now.state == "running"
    if not running and (endpoint is None or endpoint.status not in IN_PROGRESS):
        _end(chosen, name, now)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(name)}**")
        if endpoint:
            status_badge(endpoint.status)
            if endpoint.status in IN_PROGRESS:
                st.markdown(f"{clock(since(endpoint, time.time()))} elapsed")
    if now:
        st.markdown("  \n".join(_lines(now)))
    if endpoint and endpoint.status != "Deleting":
        st.caption(billing(endpoint, chosen))


def _lines(now: Deployment) -> list[str]:
    icons = ["check_circle"] * now.done + ["progress_activity"] + ["radio_button_unchecked"] * len(now.steps)
    colours = {"check_circle": "green", "progress_activity": "orange", "radio_button_unchecked": "gray"}
    return [
        f":{colours[icon]}[:material/{icon}:] {plain(step.sentence)}"
        for icon, step in zip(icons, now.steps, strict=False)
    ]


def _look(chosen: Chosen, name: str) -> Endpoint | None:
    try:
        return door(chosen.connection).describe(name)
    except NotFound:
        return None
    except SmvizError as error:
        show_error(error)
        return st.stop()


def _end(chosen: Chosen, name: str, now: Deployment | None) -> None:
    removed = now and now.purpose == "remove" and now.state == "finished"
    if removed and now and Part("endpoint", name) in map(part_of, now.steps) and chosen.endpoint == name:
        choose(_with_endpoint(chosen, None))
    _renew()


def _renew() -> None:
    described.clear()
    listed.clear()
    st.rerun()


def _failure(chosen: Chosen, name: str, now: Deployment) -> None:
    with st.container(border=True):
        if now.error:
            show_error(now.error)
        if now.left_over:
            st.markdown(f"**What exists now:** {_named(now.left_over)}. {_still_billed(chosen, now.left_over)}")
        elif now.purpose == "update" and now.done:
            st.markdown("Nothing is offered for removal, for the endpoint may use it: look at its config first.")
        elif now.purpose != "update":
            st.markdown("Nothing of it exists, and nothing is billed.")
        _ways_on(chosen, name, now, "Remove what exists" if now.purpose != "remove" else "Try again")


def _success(chosen: Chosen, name: str, now: Deployment) -> None:
    with st.container(border=True):
        if now.purpose == "remove":
            _removed(chosen, name, now)
        else:
            done = "is in service" if now.purpose == "deploy" else "is updated and in service"
            st.success(f"**{plain(name)}** {done} after {clock(now.elapsed)} minutes.", icon=":material/check_circle:")
            with shown_errors():
                st.markdown(billing(described(chosen.connection, name), chosen))
            if now.left_over:
                st.markdown(f"**No longer used by it:** {_named(now.left_over)}. They cost nothing.")
        _ways_on(chosen, name, now, "Remove these")


def _removed(chosen: Chosen, name: str, now: Deployment) -> None:
    gone = tuple(part_of(step) for step in now.steps)
    st.success(f"Deleted: {_named(gone)}.", icon=":material/delete_forever:")
    if Part("endpoint", name) not in gone:
        return
    if chosen.region == EMBEDDED:
        st.markdown("It cost nothing, and nothing is left of it.")
        return
    st.markdown("**The endpoint is no longer billed.** What stays:")
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in what_stays(name)))


def _ways_on(chosen: Chosen, name: str, now: Deployment, label: str) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        if now.state == "finished" and now.purpose == "deploy":
            page_link("Detect", "Look at an image with it", _with_endpoint(chosen, name))
        if now.left_over and may_deploy() and st.button(label, icon=":material/delete:", key=f"clear {name}"):
            begin(chosen, name, remove(door(chosen.connection), now.left_over, pause(chosen)))
        if st.button("Dismiss", type="tertiary", key=f"dismiss {name}"):
            deployments().pop((chosen.connection, name), None)
            st.rerun()


def _named(parts: Sequence[Part]) -> str:
    return ", ".join(f"{part.kind} **{plain(part.name)}**" for part in parts)


def _still_billed(chosen: Chosen, parts: Sequence[Part]) -> str:
    if chosen.region == EMBEDDED:
        return "On this machine that costs nothing."
    if any(part.kind == "endpoint" for part in parts):
        return "An endpoint may be billed until it is deleted."
    return "A model and a config cost nothing."


def _with_endpoint(chosen: Chosen, name: str | None) -> Chosen:
    return replace(chosen, endpoint=name, variant=None)
