"""Evaluate: many images against ground truth; numbers, curves, the best threshold, every miss and mistake."""

import streamlit as st

from smviz import ui
from smviz.ui import results, runs

chosen = ui.start_page("Evaluate")
chosen = ui.connection_bar(chosen)

live = runs.going_on()
with ui.shown_errors():
    known = ui.store().runs()
with st.expander(f"New run on {ui.plain(chosen.label)}", icon=":material/add:", expanded=not known), ui.shown_errors():
    runs.new_run(chosen)
if not known:
    st.stop()

with ui.shown_errors():
    run = runs.run_picker(known)
    runs.progress(run, live)
    outcomes = ui.store().outcomes(run.id)
    runs.failures(outcomes)
    if run.id in live or not any(outcome.reply for outcome in outcomes):
        st.stop()
    evaluation = runs.judged(run, outcomes)

results.coco_numbers(evaluation)
threshold, iou = results.threshold_picker(evaluation, run)
results.at_threshold(evaluation, threshold, iou)
results.curves(evaluation, threshold, iou)
results.class_table(evaluation, threshold, iou)
name = results.image_table(evaluation, run, outcomes, threshold, iou)
if name:
    with ui.shown_errors():
        results.one_image(evaluation, run, name, threshold, iou)
