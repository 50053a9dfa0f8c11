"""The Endpoint page, reading: response format, its options, class labels, presets to share, and the test call."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import streamlit as st

from smviz import drawing, responses
from smviz.colours import class_colours
from smviz.errors import BadSetting, SmvizError
from smviz.presets import presets_json, read_presets
from smviz.records import Payload, Reply
from smviz.settings import Preset
from smviz.ui import answers
from smviz.ui.choice import Chosen, preset_of
from smviz.ui.frame import plain, show_error
from smviz.ui.reply import raw_reply
from smviz.ui.resources import store

DRAWN_FROM = 0.3  # confidence from which a test call's boxes are drawn


def reply_settings(chosen: Chosen) -> Preset:
    """Response format, its options and class labels of the chosen endpoint; a change is kept at once.

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
    options = _options(chosen, preset if picked == preset.format else Preset(picked))
    edited = Preset(picked, _label_table(preset.class_names, chosen), options)
    if edited != preset:
        store().save_preset(chosen.key, edited)
    _preset_file(chosen, edited)
    return edited


def test_result(chosen: Chosen, payload: Payload, reply: Reply, preset: Preset) -> None:
    """Latency, variant, what was read, drawn on the picture; what format the reply looks like; the raw reply."""
    latency, size, variant = st.columns(3)
    latency.metric("Latency", f"{reply.latency * 1000:.0f} ms")
    size.metric("Reply", f"{len(reply.body) / 1024:.1f} kB")
    variant.metric("Variant that answered", reply.variant or "—")
    try:
        found = answers.read(reply, payload, preset)
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
    """What the reply looks like, why, and what else it could be; each can be taken with one click."""
    try:
        proposal = responses.propose(reply.body, payload.width, payload.height)
    except SmvizError as error:
        st.caption(plain(error.message))
        return
    st.markdown("**What the reply looks like**")
    for number, (candidate, reason) in enumerate(((proposal.best, proposal.reason), *proposal.rivals)):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f"{'' if number == 0 else 'Possible too: '}{plain(reason)}")
            if (candidate.format, candidate.options) == (preset.format, preset.options):
                st.badge("in use", icon=":material/check:", color="green")
            elif st.button("Read it so", key=f"take {number} {candidate}", icon=":material/swap_horiz:"):
                store().save_preset(chosen.key, replace(candidate, class_names=preset.class_names))
                st.rerun()
    for doubt in proposal.unsure:
        st.caption(f":material/help: {plain(doubt)}")


def _options(chosen: Chosen, preset: Preset) -> tuple[tuple[str, str], ...]:
    """The options of a format that differ from its defaults."""
    known = responses.FORMATS[preset.format].options
    if not known:
        return ()
    given = dict(preset.options)
    with st.expander("Options of this format", icon=":material/tune:", expanded=bool(given)):
        for option in known:
            value = given.get(option.name, option.default)
            key = f"{option.name} of {chosen.key} {preset.format} {value}"
            if option.choices:
                choice = list(option.choices)
                new = st.selectbox(option.name, choice, index=choice.index(value), help=plain(option.doc), key=key)
            else:
                new = st.text_input(option.name, value, help=plain(option.doc), key=key).strip()
            given[option.name] = new
        changed = tuple((option.name, given[option.name]) for option in known if given[option.name] != option.default)
        try:
            responses.settings_of(Preset(preset.format, options=changed))
        except BadSetting as error:
            show_error(error)
            return preset.options
    return changed


def _preset_file(chosen: Chosen, preset: Preset) -> None:
    """The preset as a file to give to a colleague, and the way to take one."""
    with st.expander("Share this as a file", icon=":material/share:"):
        name = st.text_input("Name of the preset", chosen.endpoint or "", key=f"preset name of {chosen.key}")
        if name.strip():
            st.download_button(
                "Save the preset", presets_json({name: preset}), "smviz-presets.json", icon=":material/download:"
            )
        given = st.file_uploader("Take a preset from a file", "json", key=f"preset file of {chosen.key}")
        if given is None:
            return
        try:
            presets = read_presets(given.getvalue())
        except BadSetting as error:
            show_error(error)
            return
        wanted = st.selectbox("Preset", list(presets))
        if wanted and st.button("Use this preset", icon=":material/check:"):
            store().save_preset(chosen.key, presets[wanted])
            _forget_labels(chosen)
            st.rerun()


def _label_table(names: tuple[str, ...], chosen: Chosen) -> tuple[str, ...]:
    """The class labels as a table to edit; the class id is the number in the reply."""
    st.markdown("**Class labels**", help="The class id is the number in the reply. Add a row at the bottom.")
    key = _label_key(chosen)
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


def _label_key(chosen: Chosen) -> str:
    return f"labels of {chosen.key} {st.session_state.get(f'labels taken {chosen.key}', 0)}"


def _forget_labels(chosen: Chosen) -> None:
    """Let the editor start anew, with the labels of the preset that was taken."""
    counter = f"labels taken {chosen.key}"
    st.session_state[counter] = st.session_state.get(counter, 0) + 1
