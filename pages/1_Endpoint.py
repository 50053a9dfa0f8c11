"""Endpoint: where to call and as whom, which endpoint, how it is called and read, and one test call."""

import streamlit as st

from smviz import ui
from smviz.errors import CredentialsError, SmvizError
from smviz.local import SAMPLES
from smviz.ui import calling, connect, reading

chosen = ui.start_page("Endpoint")
left, right = st.columns([1.15, 1], gap="large")

with left:
    st.header("Connect to an endpoint", anchor=False)
    chosen = connect.region_picker(chosen)
    try:
        chosen = connect.credentials_picker(chosen)
        connect.who_am_i(chosen)
        name, status = connect.endpoint_filter()
        chosen = connect.endpoint_table(ui.listed(chosen.connection, name, status), chosen)
    except SmvizError as error:
        ui.show_error(error)
        if isinstance(error, CredentialsError):
            connect.credentials_help()
        st.stop()

if chosen.endpoint is None:
    right.info("Choose an endpoint from the list.", icon=":material/arrow_back:")
    st.stop()

with right, ui.shown_errors():
    st.header(ui.plain(chosen.endpoint), anchor=False)
    endpoint = connect.chosen_endpoint(chosen)
    chosen = connect.endpoint_facts(endpoint, chosen)
    calling.call_settings(endpoint, chosen)

with left, ui.shown_errors():
    st.subheader("How its replies are read", anchor=False)
    preset = reading.reply_settings(chosen)

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
        payload = calling.fitted(ui.prepared(data, uploaded.name if uploaded else sample.name), chosen)
        reading.test_result(chosen, payload, ui.call_once(chosen, payload, again=asked), preset)
