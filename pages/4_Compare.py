"""Compare: two runs on the same images; whose numbers are better, beyond chance, and which images tell."""

import streamlit as st

from smviz import ui
from smviz.ui import compare, compare_cuts, compare_images, compare_numbers, running

ui.start_page("Compare")
live = running.going_on()
with ui.shown_errors():
    claims = running.elsewhere(live)
    known = ui.store().runs()
running.at_work(known, live, claims)
with ui.shown_errors():
    run_a, run_b = compare.two_runs(known, live | {claim.run for claim in claims})
    compared = compare.compared(run_a, run_b)
    answer = st.container()  # above the bar that it depends on
    cuts, section = compare_cuts.cuts_bar(compared)
    compare_numbers.waiting(compared, cuts)
    with answer:
        compare_numbers.head(compared, cuts)
    if section == "Images":
        compare_images.images(compared, cuts)
    else:
        compare_numbers.numbers(compared, cuts)
