"""The IAM policies of an endpoint, or of a plan, to copy."""

from __future__ import annotations

import streamlit as st

from smviz.errors import SmvizError
from smviz.policies import PURPOSES, Resources, policy
from smviz.records import Endpoint
from smviz.sagemaker import Model
from smviz.ui.choice import Chosen
from smviz.ui.frame import plain
from smviz.ui.planning import aws_region
from smviz.ui.resources import EMBEDDED, door, identity


def permissions_view(chosen: Chosen, endpoint: Endpoint | None) -> None:
    """The policies of the chosen endpoint, least privilege."""
    st.header("Permissions", anchor=False)
    if endpoint is None:
        st.info("Choose an endpoint: its policies name it, its config, model and role.", icon=":material/policy:")
        return
    st.markdown(
        f"IAM policies that name **{plain(endpoint.name)}** and what is behind it, and nothing else. Give the first "
        "ones to whoever calls smviz, the last two to the execution role."
    )
    if chosen.region == EMBEDDED:
        st.caption("The embedded endpoint checks no permissions; on AWS the same endpoint would need these.")
    policies(_resources(chosen, endpoint), f"policies of {chosen.key}")


def policies(resources: Resources, key: str, beside: bool = True) -> None:
    """Choose what a policy is for, and copy it: beside the choice, or below it where there is less room."""
    if beside:
        left, right = st.columns([1, 1.4], gap="large")
        purpose = left.radio("What it is for", list(PURPOSES), format_func=PURPOSES.__getitem__, key=key)
    else:
        right = st.container()
        purpose = right.selectbox("What it is for", list(PURPOSES), format_func=PURPOSES.__getitem__, key=key)
    with right:
        try:
            st.code(policy(purpose, resources), language="json", wrap_lines=True)
        except SmvizError as error:
            st.warning(f"{plain(error.message)} {plain(error.advice)}", icon=":material/help:")


def _resources(chosen: Chosen, endpoint: Endpoint) -> Resources:
    name = next((variant.model for variant in endpoint.variants if variant.model), "")
    model = _model(chosen, name)
    artefact = next(iter(model.data), "")
    return Resources(
        region=aws_region(chosen),
        account=_account(chosen, model),
        endpoint=endpoint.name,
        config=endpoint.config,
        model=name,
        role=model.role,
        artefact=artefact if artefact.startswith("s3://") else "",
        image=next(iter(model.images), "") or next((v.image for v in endpoint.variants if v.image), ""),
    )


def _model(chosen: Chosen, name: str) -> Model:
    """The model behind the endpoint, as far as it may be read."""
    try:
        return door(chosen.connection).describe_model(name) if name else Model(name)
    except SmvizError as error:
        st.caption(f"Some policies cannot be filled in: {plain(error.message)}")
        return Model(name)


def _account(chosen: Chosen, model: Model) -> str:
    try:
        return identity(chosen.connection).account
    except SmvizError as error:
        st.caption(f"The account is taken from the role: {plain(error.message)}")
        return model.role.split(":")[4] if model.role.count(":") > 4 else ""
