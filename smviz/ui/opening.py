"""Where images come from: the sample scenes, files, the clipboard, the camera, S3; and the strip of what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial

import streamlit as st

from smviz.errors import BadResponse, SmvizError
from smviz.images import FORMATS
from smviz.local import SAMPLES
from smviz.records import Payload
from smviz.settings import Preset, Request
from smviz.ui import answers, history, session
from smviz.ui.choice import Chosen, preset_of, request_of
from smviz.ui.filmstrip import Frame, filmstrip, paste_listener
from smviz.ui.frame import plain, show_error
from smviz.ui.history import Held
from smviz.ui.resources import EMBEDDED, door, image_url
from smviz.viewer import ViewerState

SAMPLE, UPLOAD, CAMERA, S3 = SOURCES = ("Sample scenes", "Upload", "Camera", "S3")
STATE = "detect state"  # what the viewer told last


def source_bar(chosen: Chosen) -> None:
    """Where the next image comes from. What is brought joins the strip, and the first of it is opened."""
    s3 = chosen.region != EMBEDDED and session.may_use_s3()
    sources = [source for source in SOURCES if source != S3 or s3]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        source = st.segmented_control(
            "Image",
            sources,
            default=SAMPLE,
            required=True,
            key="source",
            bind="query-params",
            label_visibility="collapsed",
            on_change=lambda: st.session_state.pop("sample opened", None),
        )
        if source == SAMPLE:
            _sample_picker()
        elif source == S3:
            _s3_picker(chosen)
        if source in {SAMPLE, S3}:
            st.caption("Or paste an image from the clipboard anywhere on this page.", width="content")
        paste_listener(_pasted)
    if source == UPLOAD:
        _uploader()
    elif source == CAMERA:
        _camera()


@contextmanager
def strip_above(chosen: Chosen) -> Iterator[None]:
    """The strip of the session's images, above what is drawn inside; also when that ends in an error.

    It is drawn last, when it is known what the viewer shows.
    """
    place = st.container(gap="xsmall")
    try:
        yield
    except SmvizError as error:
        show_error(error)
    except history.NothingToShow:
        pass
    with place:
        _strip(chosen)


def step(by: int) -> None:
    """Open the previous or the next image: among the sample scenes, or among the images that were brought."""
    item = history.current()
    if item is None or item.sample:
        names = [path.name for path in SAMPLES.images]
        at = names.index(item.name) if item else 0
        _open_sample(names[(at + by) % len(names)])
        st.session_state["sample"] = st.session_state["sample opened"]
    else:
        own = [key for key, other in history.held().items() if not other.sample]
        history.open_image(own[(own.index(item.key) + by) % len(own)])


def _sample_picker() -> None:
    names = [path.name for path in SAMPLES.images]
    if "sample" not in st.session_state and "sample" not in st.query_params and "sample opened" in st.session_state:
        st.session_state["sample"] = st.session_state["sample opened"]  # another page was shown meanwhile
    name = st.selectbox(
        "Sample scene", names, key="sample", bind="query-params", label_visibility="collapsed", width=220
    )
    if name != st.session_state.get("sample opened"):
        _open_sample(name)


def _open_sample(name: str) -> None:
    st.session_state["sample opened"] = name
    history.open_image(history.add(name, (SAMPLES.folder / "images" / name).read_bytes(), sample=True))


def _s3_picker(chosen: Chosen) -> None:
    uri = st.text_input(
        "S3 URI", placeholder="s3://bucket/key.jpg", key="s3 uri", label_visibility="collapsed", width=420
    )
    if st.button("Open", icon=":material/cloud_download:", key="open s3") and uri.strip():
        try:
            data = door(chosen.connection).s3_read(uri.strip())
        except SmvizError as error:
            show_error(error)
        else:
            _bring([(uri.strip().rsplit("/", 1)[-1], data)])


def _uploader() -> None:
    # Emptied by another key once its files are in the strip: there they are seen, with their pictures.
    key = f"upload {st.session_state.setdefault('uploads', 0)}"

    def uploaded() -> None:
        st.session_state["uploads"] += 1
        _bring([(file.name, file.getvalue()) for file in st.session_state[key]])

    st.file_uploader(
        f"Images: {', '.join(FORMATS)}. Drop several at once, or paste one anywhere on this page.",
        accept_multiple_files=True,
        key=key,
        label_visibility="collapsed" if any(not item.sample for item in history.held().values()) else "visible",
        on_change=uploaded,
    )


def _camera() -> None:
    """The camera, until a picture was taken with it: then there is room for that."""
    if "photographed" in st.session_state and st.session_state["photographed"] == st.session_state.get("current image"):
        st.button(
            "Take another picture",
            icon=":material/photo_camera:",
            on_click=lambda: st.session_state.pop("photographed"),
            key="camera again",
        )
        return
    # The picture has as many pixels as the camera is wide on the page.
    st.camera_input("A picture from this computer's camera", key="camera", on_change=_photographed, width=960)


def _photographed() -> None:
    picture = st.session_state["camera"]
    if picture is not None:
        _bring([(f"camera {datetime.now():%H.%M.%S}.jpg", picture.getvalue())])
        st.session_state["photographed"] = st.session_state["current image"]


def _pasted(pictures: list[bytes]) -> None:
    _bring([(f"pasted {datetime.now():%H.%M.%S}.png", data) for data in pictures])


def _bring(files: Sequence[tuple[str, bytes]]) -> None:
    keys = [history.add(name, data) for name, data in files]
    if keys:
        history.open_image(next(key for key in keys if key in history.held()))


def _strip(chosen: Chosen) -> None:
    items = history.held()
    if len(items) < 2:
        return
    try:
        request = request_of(chosen)
    except SmvizError:  # told where it matters; the images are there all the same
        request = None
    state: ViewerState | None = st.session_state.get(STATE)
    preset = preset_of(chosen)
    frames = [_frame(item, chosen, request, preset, state) for item in items.values()]
    filmstrip(frames, st.session_state.get("current image", ""), _open)
    _call_all(chosen, [items[frame.key] for frame in frames if frame.state == "new" and not items[frame.key].sample])


def _open(key: str) -> None:
    history.open_image(key)
    if history.held()[key].sample:
        name = history.held()[key].name
        st.session_state["sample"] = st.session_state["sample opened"] = name


def _frame(item: Held, chosen: Chosen, request: Request | None, preset: Preset, state: ViewerState | None) -> Frame:
    small = history.thumbnail(item.key, item)
    url = image_url(small, "image/jpeg", f"strip {item.key}") if small else None
    mark, look, words = _told(item, chosen, request, preset, state)
    return Frame(item.key, item.name, url, mark, look, f"{item.name}: {words}")


def _told(
    item: Held, chosen: Chosen, request: Request | None, preset: Preset, state: ViewerState | None
) -> tuple[str, str, str]:
    if item.error:
        return "!", "failed", item.error.message
    key = answers.answer_key(chosen, request, item.payload.sha256) if item.payload and request else ""
    answer = answers.answers().get(key)
    if answer is None or item.payload is None:
        return "new", "new", "not called yet"
    if answer.reply is None:
        return "!", "failed", answer.error.message if answer.error else "failed"
    try:
        found = answers.read(answer.reply, item.payload, preset)
    except BadResponse as error:
        return "?", "failed", error.message
    count = len(state.kept(found) if state else found)
    return str(count), "done", f"{count} boxes as the viewer filters them"


def _call_all(chosen: Chosen, pending: Sequence[Held]) -> None:
    said = st.session_state.get("calls told")
    if answers.calls_under_way() or "calls" in st.session_state:
        answers.show_calls()
    elif pending:
        size = sum(len(item.data) for item in pending) / 1e6
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            number = "1 image is" if len(pending) == 1 else f"{len(pending)} images are"
            st.caption(f"{number} not called yet; an image is called when it is opened.", width="content")
            if st.button(
                f"Call all {len(pending)} now" if len(pending) > 1 else "Call it now",
                icon=":material/playlist_play:",
                help=f"{len(pending)} calls, {size:.1f} MB of files, {answers.AT_ONCE} at once",
            ):
                st.session_state.pop("calls told", None)
                kept = history.held()
                jobs = [answers.Job(item.name, partial(_payload_of, item, kept)) for item in pending]
                answers.start_calls("Images", chosen, jobs)
                st.rerun()
    if said:
        show_told(said)


def show_told(said: tuple[str, list[tuple[str, SmvizError]]]) -> None:
    """What became of background calls; the failures in words, each with its advice."""
    sentence, failed = said
    if not failed:
        return
    with st.expander(sentence, icon=":material/error:"):
        for name, error in failed[:20]:
            st.markdown(f"**{plain(name)}**: {plain(error.message)} {plain(error.advice)}")
        if st.button("Done reading", key="calls read"):
            del st.session_state["calls told"]
            st.rerun()


def _payload_of(item: Held, kept: dict[str, Held]) -> Payload:
    seen = history.looked_at(item, kept)
    if seen.error:
        raise seen.error
    assert seen.payload
    return seen.payload
