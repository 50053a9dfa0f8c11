"""The page of the browser tests of pictures: a stored run's images, or its crops, at a threshold that is given.

Query parameters: `run`, its id; `crops`, tp, fp or fn, in the place of the images; `at`, the threshold.
"""

from __future__ import annotations

import streamlit as st

from smviz.operating import F1
from smviz.ui.crops import FN, FP, TP, Crops, show_crops
from smviz.ui.derived import derived_of
from smviz.ui.outcomes import without_bodies
from smviz.ui.resources import store
from smviz.ui.results import images
from smviz.ui.runs import judged
from smviz.ui.threshold_bar import Chosen
from smviz.workbench import Part

st.set_page_config(layout="wide")

run = store().run(st.query_params["run"])
evaluation = judged(run)
assert evaluation is not None
derived, part = derived_of(run, evaluation), Part()
threshold = st.session_state.pop("viewer threshold", None)
if threshold is None:
    threshold = float(st.query_params.get("at", "0.5"))
chosen = Chosen(threshold, part, F1, derived.best(part, F1))
kind = st.query_params.get("crops")
if kind is None:
    images(derived, run, without_bodies(run), chosen)
else:
    number = {"tp": TP, "fp": FP, "fn": FN}[kind]
    show_crops(derived, run, Crops.of(derived.matches, number, threshold), chosen, f"crops {kind}")
