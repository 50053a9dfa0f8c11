"""The section of errors: what is confused with what, which errors cost most, where, and which labels look wrong."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from smviz.store import Run
from smviz.ui.derived import Derived
from smviz.ui.errors_charts import calibration, costs, weaknesses
from smviz.ui.errors_confusion import confusion
from smviz.ui.errors_picked import Opened, show
from smviz.ui.frame import shown_errors
from smviz.ui.review import review
from smviz.ui.threshold_bar import Chosen

Chart = Callable[[Derived, Chosen], Opened | None]


def mistakes(derived: Derived, run: Run, chosen: Chosen) -> None:
    """The section."""
    if not len(derived.matches) and not derived.matches.positives().sum():
        told = "There is neither a detection nor an object to be found, so there is no error."
        st.info(told, icon=":material/check_circle:")
        return
    with st.container(key="errors charts"):
        _charts(derived, run, chosen)
    review(derived, run, chosen)


@st.fragment
def _charts(derived: Derived, run: Run, chosen: Chosen) -> None:
    """What is opened in a chart stands below its row."""
    rows: tuple[tuple[Chart, Chart], ...] = ((confusion, costs), (weaknesses, calibration))
    with shown_errors():
        for row in rows:
            opened = []
            for column, chart in zip(st.columns(2, gap="large"), row, strict=True):
                with column:
                    opened.append(chart(derived, chosen))
            for each in opened:
                if each is not None:
                    show(derived, run, chosen, each)
