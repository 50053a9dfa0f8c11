"""Endpoint: where to call, which endpoint, how its replies are read, and one test call."""

import streamlit as st

from smviz import ui
from smviz.errors import CredentialsError, SmvizError
from smviz.local import SAMPLES
from smviz.ui import endpoint as parts

chosen = ui.start_page("Endpoint")
left, right = st.columns([1.15, 1], gap="large")

with left:
    st.header("Connect to an endpoint", anchor=False)
    where, called = st.columns([1.5, 1])
    with where:
        chosen = parts.region_picker(chosen)
    name = called.text_input("Name contains", placeholder="any name", icon=":material/search:")
    try:
        chosen = parts.endpoint_table(ui.listed(chosen.region, name.strip()), chosen)
    except SmvizError as error:
        ui.show_error(error)
        if isinstance(error, CredentialsError):
            parts.credentials_help()
        st.stop()

if chosen.endpoint is None:
    right.info("Choose an endpoint from the list.", icon=":material/arrow_back:")
    st.stop()

with right:
    st.header(ui.plain(chosen.endpoint), anchor=False)
    with ui.shown_errors():
        endpoint = ui.described(chosen.region, chosen.endpoint)
        chosen = parts.endpoint_facts(endpoint, chosen)

with left, ui.shown_errors():
    st.subheader("How its replies are read", anchor=False)
    preset = parts.reply_settings(chosen)

with right, ui.shown_errors():
    st.subheader("Test call", anchor=False)
    uploaded = st.file_uploader("Image to send; without one, a sample scene is sent", key="test image")
    asked = st.button(
        "Send the test image",
        type="primary",
        icon=":material/bolt:",
        width="stretch",
        disabled=not endpoint.answers,
        help=None if endpoint.answers else f"The endpoint is {endpoint.status} and answers no calls now.",
    )
    if asked:
        st.session_state["tested"] = chosen
    if st.session_state.get("tested") == chosen:
        sample = SAMPLES.images[0]
        data = uploaded.getvalue() if uploaded else sample.read_bytes()
        payload = ui.prepared(data, uploaded.name if uploaded else sample.name)
        parts.test_result(chosen, payload, ui.call_once(chosen, payload, again=asked), preset)
