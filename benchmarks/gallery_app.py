"""The page of benchmarks/gallery.py: the images of a stored run in the gallery, or by `st.image` in columns."""

from __future__ import annotations

import streamlit as st

from smviz.operating import F1
from smviz.ui.derived import derived_of
from smviz.ui.outcomes import without_bodies
from smviz.ui.resources import store, thumbnail
from smviz.ui.results import images
from smviz.ui.runs import judged
from smviz.ui.threshold_bar import Chosen
from smviz.workbench import Part

COLUMNS = 6

st.set_page_config(layout="wide")

run = store().run(st.query_params["run"])
evaluation = judged(run)
assert evaluation is not None
derived, part, outcomes = derived_of(run, evaluation), Part(), without_bodies(run)
table = evaluation.image_table(0.5)
by_columns = st.query_params.get("with") == "columns"
small = thumbnail(run.id, table[0].name)  # one for all, so that only the page's own time counts
if "view" not in st.query_params:
    st.query_params["view"] = "gallery"
if st.button("Show"):
    if by_columns:
        columns = st.columns(COLUMNS)
        for row in table:
            columns[row.image % COLUMNS].image(
                small, caption=f"{row.name}: {row.tp} TP, {row.fp} FP, {row.fn} FN, F1 {row.f1:.2f}"
            )
    else:
        images(derived, run, outcomes, Chosen(0.5, part, F1, derived.best(part, F1)))
