"""A page of nothing but the three views about deploying, as the Endpoint page shows them."""

import streamlit as st

from smviz import ui
from smviz.errors import SmvizError
from smviz.ui.deploy import deploy_view, manage, notices, permissions_view

chosen = ui.start_page("Deploy")
view = st.segmented_control(
    "View", ("Connect", "Deploy", "Permissions"), default="Deploy", required=True, key="view", bind="query-params"
)
endpoint = None
try:
    if chosen.endpoint:
        endpoint = ui.described(chosen.connection, chosen.endpoint)
except SmvizError as error:
    ui.show_error(error)
if view == "Deploy":
    deploy_view(chosen)
elif view == "Permissions":
    permissions_view(chosen, endpoint)
elif endpoint:
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        st.dataframe({"Endpoint": [row.name for row in ui.listed(chosen.connection)]})
    with right:
        st.header(ui.plain(endpoint.name), anchor=False)
        manage(endpoint, chosen)
else:
    notices(chosen)
