"""The Endpoint page, connecting: where to call and as whom, which endpoint, and what it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd
import streamlit as st

from smviz import sagemaker
from smviz.errors import CredentialsError, EndpointError
from smviz.pricing import price_per_hour
from smviz.records import Endpoint
from smviz.sagemaker import credential_sources, explain_failure
from smviz.ui import session
from smviz.ui.choice import Chosen, choose, open_regions, variant_picker
from smviz.ui.frame import badge_label, plain, status_badge
from smviz.ui.planning import own_prices
from smviz.ui.resources import EMBEDDED, MOST_DESCRIBED, described, identity, listed

ANY = "any status"
STATUSES = (
    ANY,
    "InService",
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "UpdateRollbackFailed",
    "OutOfService",
    "Deleting",
    "Failed",
)
USUAL = "the usual chain"


def region_picker(chosen: Chosen) -> Chosen:
    """The embedded endpoint, or one of the regions that botocore knows."""
    options = [EMBEDDED, *open_regions()]
    region = st.selectbox(
        "AWS region",
        options,
        index=options.index(chosen.region),
        format_func=lambda name: "Embedded endpoint (this machine, no AWS account)" if name == EMBEDDED else name,
        disabled=len(options) == 1,
        help="AWS is called with the credentials of the machine that smviz runs on. No key is ever typed in here.",
    )
    if len(options) == 1:
        st.caption(":material/lock: Nobody can log in on this server, so that it calls nothing on AWS.")
    if region != chosen.region:
        _change(Chosen(region, profile=chosen.profile, role=chosen.role))
    return chosen


def credentials_picker(chosen: Chosen) -> Chosen:
    """Whose credentials are used in an AWS region: a profile of this machine, and a role to assume with them.

    Raises:
        BadSetting: when this machine's AWS configuration files cannot be read.
    """
    if chosen.region == EMBEDDED:
        return chosen
    if not session.may_choose_credentials():
        st.caption(":material/lock: Called with the server's own credentials; another profile or role is an owner's.")
        return chosen
    left, right = st.columns([1, 1.6])
    options = [USUAL, *sagemaker.profiles()]
    index = options.index(chosen.profile) if chosen.profile in options else 0
    profile = left.selectbox("Credentials", options, index=index, help="A profile of this machine, or the usual chain.")
    role = right.text_input(
        "Role to assume",
        chosen.role or "",
        placeholder="none, or arn:aws:iam::123456789012:role/name",
        icon=":material/badge:",
    )
    kept = replace(chosen, profile=None if profile == USUAL else profile, role=role.strip() or None)
    if kept != chosen:
        _change(kept)
    return chosen


def who_am_i(chosen: Chosen) -> None:
    """The account and the role or user that calls; no hindrance where only this cannot be told.

    Raises:
        CredentialsError: when there are no credentials, or they have expired.
        BadSetting: when the role is no ARN of a role.
    """
    try:
        caller = identity(chosen.connection)
    except CredentialsError:
        raise
    except EndpointError as error:
        st.caption(f":material/person: Who calls is not told. {plain(error.message)}")
        return
    who = "root user" if caller.kind == "root" else f"{caller.kind} {plain(caller.name)}"
    st.caption(f":material/person: Account {caller.account}, {who}")


def credentials_help() -> None:
    """The usual ways to give AWS credentials, each with whether this machine has it; an owner's business."""
    if not session.may_choose_credentials():
        return
    st.markdown("**The usual ways to give AWS credentials, on the machine that smviz runs on**")
    for source, present in credential_sources(os.environ):
        mark = ":green[:material/check_circle:] set up:" if present else ":orange[:material/cancel:] not set up:"
        st.markdown(f"{mark} {plain(source)}")


def endpoint_filter() -> tuple[str, str]:
    """Part of a name and a status that the listed endpoints must have; "" for any."""
    name, status = st.columns([1.6, 1])
    part = name.text_input("Name contains", placeholder="any name", icon=":material/search:").strip()
    wanted = status.selectbox("Status", STATUSES)
    return part, "" if wanted == ANY else wanted


def endpoint_table(endpoints: Sequence[Endpoint], chosen: Chosen) -> Chosen:
    """All endpoints as a table; the selected row is the chosen one."""
    if not endpoints:
        st.info("There is no such endpoint in this region.", icon=":material/search_off:")
        return chosen
    names = [endpoint.name for endpoint in endpoints]
    table = pd.DataFrame(
        {
            "Endpoint": names,
            "Status": [endpoint.status for endpoint in endpoints],
            "Kind": [endpoint.kind or "—" for endpoint in endpoints],
            "Instance": [_instances(endpoint) for endpoint in endpoints],
            "USD an hour": [_told(chosen, endpoint) for endpoint in endpoints],
            "Created": [datetime.fromisoformat(endpoint.created) for endpoint in endpoints],
        }
    )
    default = [names.index(chosen.endpoint)] if chosen.endpoint in names else []
    event = st.dataframe(
        table,
        hide_index=True,
        height=min(38 * (len(names) + 1) + 3, 420),
        row_height=38,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": default, "columns": [], "cells": []}},
        key=f"endpoints of {chosen.region} {hash(tuple(names))}",
        column_config={
            "Created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC"),
            "USD an hour": st.column_config.NumberColumn(
                format="%.3f", help="Observed prices; the page tells the date"
            ),
        },
        alt="The endpoints of this region; select a row to choose one",
    )
    rows = event["selection"]["rows"]
    more = f" The kind of the first {MOST_DESCRIBED} is told here." if len(names) > MOST_DESCRIBED else ""
    st.caption(f"{len(names)} endpoint{'s' * (len(names) != 1)}, newest first. Select a row to choose one.{more}")
    if rows and names[rows[0]] != chosen.endpoint:
        _change(replace(chosen, endpoint=names[rows[0]], variant=None))
    return chosen


def endpoint_facts(endpoint: Endpoint, chosen: Chosen) -> Chosen:
    """Status, kind, config, variants and price of the chosen endpoint; the variant to call is picked here."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status_badge(endpoint.status)
        if endpoint.kind:
            st.badge(badge_label(endpoint.kind), icon=":material/category:", color="gray")
        st.badge(f"config {badge_label(endpoint.config)}", icon=":material/tune:", color="gray")
        if st.button("Refresh", icon=":material/refresh:", type="tertiary"):
            listed.clear()
            described.clear()
            st.rerun()
    if endpoint.failure:
        causes = "".join(f"\n- {plain(cause)}" for cause in explain_failure(endpoint.failure))
        st.error(f"**{plain(endpoint.failure)}**{causes}", icon=":material/error:")
    for note in endpoint.notes:
        st.caption(f":material/info: {plain(note)}")
    weights = sum(variant.weight for variant in endpoint.variants) or 1.0
    rows = [(variant, "production") for variant in endpoint.variants]
    rows += [(variant, "shadow") for variant in endpoint.shadows]
    st.dataframe(
        pd.DataFrame(
            {
                "Variant": [variant.name for variant, _ in rows],
                "Answers": ["yes" if role == "production" else "never (shadow)" for _, role in rows],
                "Instance": [variant.instance or "—" for variant, _ in rows],
                "Count": [variant.count for variant, _ in rows],
                "Model": [variant.model or "—" for variant, _ in rows],
                "Traffic": [variant.weight / weights if role == "production" else None for variant, role in rows],
            }
        ),
        hide_index=True,
        column_config={"Traffic": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
    )
    _price(endpoint, chosen)
    if len(endpoint.variants) > 1 and not endpoint.components:
        st.caption("Variant to call")
    return variant_picker(chosen, endpoint)


def _change(chosen: Chosen) -> None:
    choose(chosen)
    st.rerun()


def _price(endpoint: Endpoint, chosen: Chosen) -> None:
    if chosen.region == EMBEDDED:
        st.caption("It runs on this machine and costs nothing.")
        return
    hourly = _hourly(chosen.region, endpoint)
    if hourly is None:
        st.caption("Its price is not known here. It is billed from InService until it is deleted, used or not.")
        return
    told = "; ".join(
        f"{plain(str(price))}"
        for variant in endpoint.variants
        if (price := price_per_hour(chosen.region, variant.instance, own=own_prices()))
    )
    st.caption(
        f"About USD {hourly:.3f} an hour, USD {24 * hourly:.2f} a day, used or not, until it is deleted ({told})."
    )


def _hourly(region: str, endpoint: Endpoint) -> float | None:
    """USD an hour of all its instances; None where one of them has no known price."""
    total = 0.0
    for variant in (*endpoint.variants, *endpoint.shadows):
        price = price_per_hour(region, variant.instance, own=own_prices()) if variant.instance else None
        if price is None:
            return None
        total += price.usd_per_hour * variant.count
    return total or None


def _told(chosen: Chosen, endpoint: Endpoint) -> str:
    if chosen.region == EMBEDDED:
        return "free"
    hourly = _hourly(chosen.region, endpoint)
    return "—" if hourly is None else f"{hourly:.3f}"


def _instances(endpoint: Endpoint) -> str:
    counted = [f"{v.count} × {v.instance}" if v.count > 1 else v.instance for v in endpoint.variants if v.instance]
    return ", ".join(sorted(set(counted))) or "—"
