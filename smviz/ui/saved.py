"""Thresholds that are kept for an endpoint: where they come from, and the line that puts them in force on Detect."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from smviz.errors import BadSetting, SmvizError
from smviz.operating import parse_objective
from smviz.settings import Request, is_loopback
from smviz.store import Run, SavedThresholds
from smviz.thresholds import Thresholds, loads
from smviz.ui import session
from smviz.ui.choice import Chosen, restored
from smviz.ui.frame import page_link, plain
from smviz.ui.resources import EMBEDDED, described, store
from smviz.ui.threshold_bar import in_words


@dataclass(frozen=True)
class Answering:
    """What answers calls, and so has thresholds of its own.

    Attributes:
        key: what they are kept under in the workspace.
        label: in words.
        chosen: the endpoint, as it is chosen on a page.
    """

    key: str
    label: str
    chosen: Chosen


def answering(chosen: Chosen) -> Answering:
    """The endpoint that is connected, with its variant, component or artefact."""
    return _answering(chosen, store().request(chosen.key) or Request(""))


def answering_of(run: Run) -> Answering:
    """The endpoint that a run called; the one that is connected where the run was made elsewhere."""
    request = run.request
    if not request.endpoint:
        return answering(restored())
    where = run.connection
    if is_loopback(where.endpoint_url):
        return _answering(Chosen(EMBEDDED, request.endpoint, request.variant), request)
    return _answering(Chosen(where.region, request.endpoint, request.variant, where.profile, where.role), request)


def _answering(chosen: Chosen, request: Request) -> Answering:
    parts = [part for part in (request.component, request.target_model) if part]
    return Answering(
        key=", ".join([chosen.key, *([f"variant {chosen.variant}"] if chosen.variant else []), *parts]),
        label=" · ".join([chosen.label, *parts]),
        chosen=chosen,
    )


def kept_for(what: Answering) -> SavedThresholds | None:
    """The thresholds that are kept; None where there are none, and where they cannot be read, which is told."""
    try:
        return store().thresholds(what.key)
    except BadSetting as error:
        st.caption(
            f":material/error: The saved thresholds cannot be used: {plain(error.message)} {plain(error.advice)}"
        )
        return None


def read_file(data: bytes) -> Thresholds:
    """The thresholds in a file that somebody gave.

    Raises:
        BadSetting: when it is no such file, or holds what cannot be shown.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSetting(
            "This is no file of thresholds: it is no text in UTF-8.", "Give a thresholds.json of this page."
        ) from error
    return checked(loads(text))


def checked(thresholds: Thresholds) -> Thresholds:
    """The same, all of them within what a slider has.

    Raises:
        BadSetting: when one is not from 0 to 1.
    """
    every = {"of all classes": thresholds.overall, **{f"of “{name}”": one for name, one in thresholds.classes.items()}}
    for whose, threshold in every.items():
        if not 0 <= threshold.value <= 1:
            raise BadSetting(
                f"The threshold {whose} is {threshold.value:g}, and Detect has 0 to 1.",
                "Choose thresholds among scores from 0 to 1.",
            )
    return thresholds


def values_in_words(thresholds: Thresholds) -> str:
    """The thresholds in short: one, or from which to which."""
    values = [threshold.value for threshold in thresholds.classes.values()]
    if not values:
        return f"{thresholds.overall.value:.3f} for all classes"
    number = "1 class" if len(values) == 1 else f"{len(values)} classes"
    low, high = f"{min(values):.3f}", f"{max(values):.3f}"
    return f"{low} for {number}" if low == high else f"{low} – {high} for {number}"


def origin_in_words(kept: SavedThresholds) -> str:
    """Where they come from and when they were saved, for Markdown."""
    thresholds = kept.thresholds
    parts = [f"run **{plain(thresholds.run_name)}**"] if thresholds.run_name else []
    if kept.file:
        parts.append(f"the file {plain(kept.file)}")
    origin = f"from {' by way of '.join(parts)}, " if parts else ""
    return f"{origin}{_objective_in_words(thresholds.objective)}, saved {kept.saved[:16].replace('T', ' ')} UTC"


def _objective_in_words(text: str) -> str:
    try:
        return plain(in_words(parse_objective(text)))
    except BadSetting:  # of another version, or none: chosen by hand
        return f"for {plain(text)}" if text else "set by hand"


def thresholds_in_force(what: Answering) -> Thresholds | None:
    """The line on Detect that says which saved thresholds are in force, with its switch; None where none are."""
    kept = kept_for(what)
    if kept is None:
        return None
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="thresholds in force"):
        on = st.toggle(
            "Saved thresholds",
            value=True,
            key="saved",
            bind="query-params",
            help=f"Kept for {plain(what.label)} on Evaluate, section Thresholds. They are marked on the slider, and "
            "what is below them is cut; the viewer's own controls go on from there.",
        )
        words = f"**{values_in_words(kept.thresholds)}**, {origin_in_words(kept)}"
        st.caption(words if on else f"Off: {words}", width="content")
        _run_link(kept.thresholds, what)
    _changed_model(kept.thresholds, what)
    return kept.thresholds if on else None


def _run_link(thresholds: Thresholds, what: Answering) -> None:
    """To the run that they come from, where it is still there."""
    try:
        run = store().run(thresholds.run_id)
    except SmvizError:
        return
    page_link("Evaluate", "The run", what.chosen, {"run": run.id, "section": "Thresholds"})


def _changed_model(thresholds: Thresholds, what: Answering) -> None:
    """Says so where the endpoint has got another config since: another model needs other thresholds."""
    if session.read_only():
        return
    try:
        config = described(what.chosen.connection, what.chosen.endpoint or "").config
    except SmvizError:  # told where the endpoint is called
        return
    if thresholds.config and config and config != thresholds.config:
        st.caption(
            f":material/warning: They were chosen for the endpoint config {plain(thresholds.config)}; now it is "
            f"{plain(config)}. Run and evaluate again."
        )


def keep(what: Answering, thresholds: Thresholds, file: str = "") -> None:
    """Keep thresholds for an endpoint; `file` names the file they are from, if any.

    Raises:
        BadSetting: when one of them cannot be shown.
    """
    store().save_thresholds(what.key, checked(thresholds), file)
