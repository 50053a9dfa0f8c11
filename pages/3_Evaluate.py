"""Evaluate: many images against ground truth; numbers, curves, the best threshold, every miss and mistake."""

import streamlit as st

from smviz import ui
from smviz.ui import judgement, new_run, outcomes, running, runs, session, sharing, transfer

chosen = ui.start_page("Evaluate")
live = running.going_on()
with ui.shown_errors():
    claims = running.elsewhere(live)
    known = ui.store().runs()
running.at_work(known, live, claims)  # first: they go on, whatever becomes of the rest of the page
if not session.read_only():
    chosen = ui.connection_bar(chosen)
    with st.expander(f"New run on {ui.plain(chosen.label)}", icon=":material/add:", expanded=not known):
        new_run.new_run(chosen, runs.open_run)
    with st.expander("Import a run", icon=":material/upload:"):
        transfer.import_form(chosen, runs.open_run)
if not known:
    runs.none_yet()
    st.stop()

with ui.shown_errors():
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        busy = live | {claim.run for claim in claims}
        run = runs.run_picker(known, busy)
        transfer.export_menu(run)
        sharing.share_menu(run)
        runs.manage_menu(run)
    runs.about(run)
    if run.id in busy:
        st.stop()
    running.ended(run)
    went = outcomes.without_bodies(run)
    outcomes.failures(run, went)
    outcomes.calls(run, went)
    evaluation = runs.judged(run) if run.answered else None
    if evaluation is None:
        outcomes.not_judged(run)
        st.stop()

judgement.judgement(run, evaluation, went)
