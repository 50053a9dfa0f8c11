"""Detect: one image to the endpoint, its boxes laid over it; the slider never calls again."""

import streamlit as st

from smviz import ui
from smviz.ui import detect, exporting, opening, saved, session, stored, tiling

chosen = ui.start_page("Detect")

if stored.asked() or session.read_only():
    with ui.shown_errors():
        look, buttons = stored.stored_look(chosen)
        in_force = saved.thresholds_in_force(saved.answering_of(ui.store().run(st.query_params["run"])))
        state = detect.shown(look, look.detections, stored.step, in_force=in_force)
        ui.raw_reply(look.reply, look.payload, look.preset)
    with buttons:
        exporting.export_menu(look, look.detections, state)
else:
    chosen = ui.connection_bar(chosen)
    opening.source_bar(chosen)
    with opening.strip_above(chosen):
        look, buttons = detect.current_look(chosen)
        in_force = saved.thresholds_in_force(saved.answering(chosen))
        picture = st.container()
        tiled = tiling.tiling_panel(look, chosen)
        ui.raw_reply(look.reply, look.payload, look.preset)
        with picture:
            other, compared, url = tiled.other, tiling.COMPARED, tiled.picture
            state = detect.shown(look, tiled.detections, opening.step, other, compared, url, in_force)
        with buttons:
            exporting.export_menu(look, tiled.detections, state, tiled.what)
