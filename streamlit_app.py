"""Home: what smviz is, what is connected, where to start."""

import streamlit as st

from smviz import ui
from smviz.ui import home as parts

chosen = ui.start_page("Home")
left, right = st.columns([1, 1.15], gap="large")

with left:
    st.title("See what your detector really does", anchor=False)
    st.markdown(
        "smviz calls an object detector behind an Amazon SageMaker endpoint, lays its boxes over your images, judges "
        "them against ground truth, and shows at which confidence to ship it."
    )
    with ui.shown_errors():
        parts.connected(chosen)
    parts.steps(chosen)

with right, ui.shown_errors():
    parts.live_example(chosen)
    known = ui.store().runs()
    parts.shared_example(known)
    parts.latest_runs(known, chosen)
