"""Endpoint: which one, how it is called and read; deploy, update and delete it; the permissions it needs."""

import streamlit as st

from smviz import ui
from smviz.errors import CredentialsError, NotFound, SmvizError
from smviz.local import SAMPLES
from smviz.ui import calling, connect, deploy, reading

chosen = ui.start_page("Endpoint")
view = st.segmented_control(
    "View",
    ("Connect", "Deploy", "Permissions"),
    default="Connect",
    required=True,
    key="view",
    bind="query-params",
    label_visibility="collapsed",
)

try:
    endpoint = ui.described(chosen.connection, chosen.endpoint) if chosen.endpoint else None
    gone = None
except NotFound as error:
    endpoint, gone = None, error
except SmvizError:  # the listing below meets it again, where it can be shown with what to do
    endpoint, gone = None, None

if view == "Deploy":
    deploy.deploy_view(chosen)
    st.stop()
if view == "Permissions":
    deploy.permissions_view(chosen, endpoint)
    st.stop()

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

with right:
    if endpoint is None:
        deploy.notices(chosen)
        if gone is not None:
            ui.show_error(gone)
        st.info("Choose an endpoint from the list, or deploy one.", icon=":material/arrow_back:")
        st.stop()
    with ui.shown_errors():
        st.header(ui.plain(endpoint.name), anchor=False)
        chosen = connect.endpoint_facts(endpoint, chosen)
        calling.call_settings(endpoint, chosen)
        deploy.manage(endpoint, chosen)

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
        reading.test_result(chosen, payload, ui.answer_to(chosen, payload, again=asked).required(), preset)
