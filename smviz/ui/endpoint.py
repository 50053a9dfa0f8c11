"""The parts of the Endpoint page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pandas as pd
import streamlit as st

from smviz import drawing, responses
from smviz.colours import class_colours
from smviz.errors import SmvizError
from smviz.records import Endpoint, Payload, Reply
from smviz.sagemaker import credential_sources
from smviz.settings import Preset
from smviz.ui.choice import Chosen, choose, preset_of, read_reply, variant_picker
from smviz.ui.frame import plain, show_error, status_badge
from smviz.ui.reply import raw_reply
from smviz.ui.resources import EMBEDDED, described, door, listed, region_names, store

DRAWN_FROM = 0.3  # confidence from which a test call's boxes are drawn
MOST_DESCRIBED = 50  # instance types of more endpoints than this are told only for the one chosen


def region_picker(chosen: Chosen) -> Chosen:
    """The embedded endpoint, or one of the regions that botocore knows."""
    options = [EMBEDDED, *region_names()]
    region = st.selectbox(
        "AWS region",
        options,
        index=options.index(chosen.region),
        format_func=lambda name: "Embedded endpoint (this machine, no AWS account)" if name == EMBEDDED else name,
        help="AWS is called with the credentials of the machine that smviz runs on. No key is ever typed in here.",
    )
    if region != chosen.region:
        chosen = Chosen(region)
        choose(chosen)
        st.rerun()
    return chosen


def credentials_help() -> None:
    """The usual ways to give AWS credentials, each with whether this machine has it."""
    st.markdown("**The usual ways to give AWS credentials, on the machine that smviz runs on**")
    for source, present in credential_sources(os.environ):
        mark = ":green[:material/check_circle:] set up:" if present else ":orange[:material/cancel:] not set up:"
        st.markdown(f"{mark} {plain(source)}")


def endpoint_table(endpoints: Sequence[Endpoint], chosen: Chosen) -> Chosen:
    """All endpoints as a table; the selected row is the chosen one."""
    if not endpoints:
        st.info("There is no such endpoint in this region.", icon=":material/search_off:")
        return chosen
    names = [endpoint.name for endpoint in endpoints]
    details = _details(chosen.region, names)
    table = pd.DataFrame(
        {
            "Endpoint": names,
            "Status": [endpoint.status for endpoint in endpoints],
            "Instance": [_instances(details.get(name)) for name in names],
            "Variants": [_variants(details.get(name)) for name in names],
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
        key=f"endpoints of {chosen.region} {len(names)}",
        column_config={"Created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")},
        alt="The endpoints of this region; select a row to choose one",
    )
    rows = event["selection"]["rows"]
    st.caption(f"{len(names)} endpoint{'s' * (len(names) != 1)}, newest first. Select a row to choose one.")
    if rows and names[rows[0]] != chosen.endpoint:
        chosen = Chosen(chosen.region, names[rows[0]])
        choose(chosen)
        st.rerun()
    return chosen


def endpoint_facts(endpoint: Endpoint, chosen: Chosen) -> Chosen:
    """Status, config and variants of the chosen endpoint; the variant to call is picked here."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status_badge(endpoint.status)
        st.badge(chosen.place, icon=":material/location_on:", color="gray")
        st.badge(f"config {plain(endpoint.config)}", icon=":material/tune:", color="gray")
        if st.button("Refresh", icon=":material/refresh:", type="tertiary"):
            listed.clear()
            described.clear()
            st.rerun()
    if endpoint.failure:
        st.error(plain(endpoint.failure), icon=":material/error:")
    weights = sum(variant.weight for variant in endpoint.variants) or 1.0
    st.dataframe(
        pd.DataFrame(
            {
                "Variant": [variant.name for variant in endpoint.variants],
                "Instance": [variant.instance or "—" for variant in endpoint.variants],
                "Count": [variant.count for variant in endpoint.variants],
                "Traffic": [variant.weight / weights for variant in endpoint.variants],
            }
        ),
        hide_index=True,
        column_config={"Traffic": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
    )
    if len(endpoint.variants) > 1:
        st.caption("Variant to call")
    return variant_picker(chosen, endpoint)


def reply_settings(chosen: Chosen) -> Preset:
    """Response format and class labels of the chosen endpoint; a change is kept at once.

    Raises:
        StoreError: when the workspace cannot be written.
    """
    preset = preset_of(chosen)
    names = list(responses.FORMATS)
    picked = st.selectbox(
        "Response format",
        names,
        index=names.index(preset.format),
        format_func=lambda name: responses.FORMATS[name].title,
        help="The bytes of a reply cannot tell everything; the test call proposes a format, a person confirms it.",
        key=f"format of {chosen.key} {preset.format}",
    )
    st.caption(responses.FORMATS[picked].doc)
    edited = Preset(picked, _label_table(preset.class_names, chosen), preset.options if picked == preset.format else ())
    if edited != preset:
        store().save_preset(chosen.key, edited)
    return edited


def test_result(chosen: Chosen, payload: Payload, reply: Reply, preset: Preset) -> None:
    """Latency, variant, what was read, drawn on the picture; what format the reply looks like; the raw reply."""
    latency, size, variant = st.columns(3)
    latency.metric("Latency", f"{reply.latency * 1000:.0f} ms")
    size.metric("Reply", f"{len(reply.body) / 1024:.1f} kB")
    variant.metric("Variant that answered", reply.variant or "—")
    try:
        found = read_reply(reply, payload, preset)
        kept = found.at_least(DRAWN_FROM)
        st.success(
            f"{len(found)} detections, {len(kept)} of them with a confidence of {DRAWN_FROM} or more. "
            "Do the boxes sit on the objects?",
            icon=":material/check_circle:",
        )
        picture = drawing.annotate(payload, kept, class_colours(kept.class_names))
        st.image(picture, output_format="JPEG", width="stretch", alt="The image that was sent, with its detections")
    except SmvizError as error:
        show_error(error)
    _proposal(chosen, payload, reply, preset)
    raw_reply(reply)


def _proposal(chosen: Chosen, payload: Payload, reply: Reply, preset: Preset) -> None:
    try:
        proposal = responses.propose(reply.body, payload.width, payload.height)
    except SmvizError as error:
        st.caption(plain(error.message))
        return
    best = proposal.best
    st.caption(f"By its shape this reply is {plain(proposal.reason)}")
    for rival, reason in proposal.rivals:
        st.caption(f"Possible too, {rival.format}: {plain(reason)}")
    if (best.format, best.options) != (preset.format, preset.options) and st.button(
        f"Read it as {responses.FORMATS[best.format].title}", icon=":material/check:"
    ):
        store().save_preset(chosen.key, replace(best, class_names=preset.class_names))
        st.rerun()


def _label_table(names: tuple[str, ...], chosen: Chosen) -> tuple[str, ...]:
    """The class labels as a table to edit; the row's number is the class id."""
    st.markdown("**Class labels**", help="The class id is the number in the reply. Add a row at the bottom.")
    key = f"labels of {chosen.key}"
    first = st.session_state.setdefault(f"first {key}", names)  # the editor's rows must not change under it
    ids = pd.RangeIndex(len(first), name="Class id")
    table = st.data_editor(
        pd.DataFrame({"Class label": pd.Series(first, index=ids, dtype="str")}),
        num_rows="dynamic",
        hide_index=False,
        height=min(36 * (len(first) + 2) + 3, 330),
        column_config={"Class label": st.column_config.TextColumn(required=True, max_chars=200)},
        key=key,
    )
    labels = table["Class label"].fillna("").str.strip()
    return tuple(label or f"class {number}" for number, label in enumerate(labels))


def _details(region: str, names: list[str]) -> dict[str, Endpoint]:
    """What DescribeEndpoint tells of the first endpoints of a list; those that cannot be described are left out."""
    client = door(region)

    def describe(name: str) -> Endpoint | None:
        try:
            return client.describe(name)
        except SmvizError:  # it may have been deleted meanwhile, or may not be allowed: the table shows a dash
            return None

    with ThreadPoolExecutor(8) as pool:
        found = pool.map(describe, names[:MOST_DESCRIBED])
    return {endpoint.name: endpoint for endpoint in found if endpoint}


def _instances(endpoint: Endpoint | None) -> str:
    kinds = {variant.instance for variant in endpoint.variants} if endpoint else set()
    return ", ".join(sorted(kind for kind in kinds if kind)) or "—"


def _variants(endpoint: Endpoint | None) -> str:
    return ", ".join(variant.name for variant in endpoint.variants) if endpoint else "—"
