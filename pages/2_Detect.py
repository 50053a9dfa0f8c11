"""Detect: one image to the endpoint, its boxes laid over it; the slider never calls again."""

import streamlit as st

from smviz import ui
from smviz.ui import calling
from smviz.ui import detect as parts

chosen = ui.start_page("Detect")
chosen = ui.connection_bar(chosen)
given = parts.image_picker()
if given is None:
    st.info("Choose an image; it is sent to the endpoint once.", icon=":material/add_photo_alternate:")
    st.stop()

data, name = given
with ui.shown_errors():
    payload = calling.fitted(ui.prepared(data, name), chosen)
    again = st.session_state.pop("call again", False)
    reply = ui.call_once(chosen, payload, again=again)
    detections = ui.read_reply(reply, payload, ui.preset_of(chosen))

parts.call_facts(payload, reply, name)
state = parts.shown(payload, name, detections, threshold=0.3)
parts.downloads(payload, name, detections, state)
ui.raw_reply(reply)
