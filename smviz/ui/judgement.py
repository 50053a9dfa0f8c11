"""The judged part of the Evaluate page: the threshold bar, and one of the sections below it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from smviz.evaluation import Evaluation
from smviz.records import Outcome
from smviz.store import Run
from smviz.ui.derived import derived_of
from smviz.ui.frame import shown_errors
from smviz.ui.mistakes import mistakes
from smviz.ui.numbers import overview
from smviz.ui.report import report_menu
from smviz.ui.results import images
from smviz.ui.shipping import thresholds
from smviz.ui.threshold_bar import threshold_bar
from smviz.ui.truth import data_set

SECTIONS = ("Overview", "Thresholds", "Images", "Errors", "Data set")


def judgement(run: Run, evaluation: Evaluation, outcomes: Sequence[Outcome]) -> None:
    """What an evaluation says; only the section that is shown is computed."""
    derived = derived_of(run, evaluation)
    if not len(derived.matches.predictions):
        st.info("The endpoint found nothing in these images, so every object counts as missed.", icon=":material/info:")
    elif not derived.matches.positives().sum():
        st.info("There is no object to be found in these images: every detection is wrong.", icon=":material/info:")
    chosen = threshold_bar(derived, run)
    linked = "Images" if st.query_params.get("image") else SECTIONS[0]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        section = st.segmented_control(
            "Section",
            SECTIONS,
            default=linked,
            required=True,
            key="section",
            bind="query-params",
            label_visibility="collapsed",
        )
        report_menu(run, evaluation, derived, chosen)
    with shown_errors():
        if section == "Overview":
            overview(derived, run, outcomes, chosen)
        elif section == "Thresholds":
            thresholds(derived, run, outcomes, chosen)
        elif section == "Images":
            images(derived, run, outcomes, chosen)
        elif section == "Errors":
            mistakes(derived, run, chosen)
        else:
            data_set(derived, run)
