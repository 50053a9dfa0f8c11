"""The ways into the workspace and out of it: import what others made, export a run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from smviz import responses
from smviz.annotations import kept_json
from smviz.errors import SmvizError
from smviz.exporting import FORMS, Kind, export_run, file_suffix
from smviz.image_sets import image_refs, open_images
from smviz.importing import Kind as Imported
from smviz.importing import import_run
from smviz.records import ImageRef
from smviz.settings import Preset
from smviz.sources import Source, from_bytes
from smviz.store import Run, Store
from smviz.ui import session
from smviz.ui.choice import Chosen, preset_of
from smviz.ui.dataset import SERVER, UPLOAD, place_picker, server_source
from smviz.ui.frame import show_error
from smviz.ui.resources import files_door, store

KINDS: dict[Imported, tuple[str, str]] = {
    "coco-results": ("COCO results", "One JSON file of detections; its ground truth explains the ids in it."),
    "batch-transform": ("Batch Transform outputs", "The .out files that the job wrote, in their folders."),
    "replies": ("Saved replies", "A file for each image, called as the image with a suffix more: a.jpg.json."),
}
AS_IT_LOOKS = "what the replies look like"
MIMES = {".json": "application/json", ".csv": "text/csv", ".zip": "application/zip"}


def import_form(chosen: Chosen, opened: Callable[[str], None]) -> None:
    """A run made from what others made; `opened` is told its id. What goes wrong is shown in the form."""
    try:
        imported = _form(chosen)
    except SmvizError as error:
        show_error(error)
        return
    if imported:
        opened(imported)
        st.rerun()


def _form(chosen: Chosen) -> str | None:
    """The id of the run that was imported."""
    kind = st.segmented_control(
        "What it is",
        list(KINDS),
        default="coco-results",
        required=True,
        format_func=lambda name: KINDS[name][0],
        key="import kind",
    )
    st.caption(KINDS[kind][1])
    place = place_picker("From", [UPLOAD], "import place")
    open_it, label = _given(chosen, place)
    images, preset = "", None
    if kind != "coco-results":
        images = _images_place()
        preset = _preset(chosen)
    truth = _ground_truth(kind)
    name = st.text_input("Name of the run", f"{label} (imported)" if label else "", key=f"import name {label}")
    ready = open_it is not None and (truth is not None or kind != "coco-results")
    asked = st.button("Import", type="primary", icon=":material/upload:", disabled=not ready, key="import")
    if not asked or open_it is None:
        return None
    with st.spinner("Importing …"), open_it() as source:
        refs = _images(chosen, images)
        session.policy().check_run(session.person(), len(refs))
        remote = files_door(chosen.connection).s3_read
        return import_run(store(), source, kind, name, refs, truth, preset, remote).id


def _given(chosen: Chosen, place: str) -> tuple[Callable[[], Source] | None, str]:
    """What opens what was given, and what it is called."""
    if place == UPLOAD:
        files = st.file_uploader("The file, the files or a zip of them", accept_multiple_files=True, key="import files")
        if not files:
            return None, ""
        label = files[0].name if len(files) == 1 else f"{len(files)} files"
        return lambda: from_bytes([(file.name, file.getvalue()) for file in files], label), label
    if place == SERVER:
        path = st.text_input("File, folder or zip", placeholder="/data/job-output", key="import path").strip()
        return (lambda: server_source(Path(path))) if path else None, Path(path).name
    uri = st.text_input("S3 prefix", placeholder="s3://bucket/job-output", key="import prefix").strip()
    return (lambda: files_door(chosen.connection).s3_source(uri)) if uri else None, uri.rstrip("/").rpartition("/")[2]


def _images_place() -> str:
    here = "folder, zip or manifest on this server, or " if session.may_name_files() else ""
    return st.text_input(
        "The images that were sent (may be left out)",
        placeholder="s3://bucket/images",
        help=f"A {here}an S3 prefix. They tell the sizes that boxes refer to, and are shown beside the numbers.",
        key="import images",
    ).strip()


def _images(chosen: Chosen, place: str) -> tuple[ImageRef, ...]:
    if not place:
        return ()
    if not place.startswith("s3://"):
        session.check_files()
    files = files_door(chosen.connection)
    return tuple(image_refs(open_images(place, files.s3_source, files.s3_read)))


def _preset(chosen: Chosen) -> Preset | None:
    """How the replies are read; None has it proposed."""
    own = f"as those of {chosen.endpoint}" if chosen.endpoint else ""
    picked = st.selectbox(
        "Replies are read as",
        [AS_IT_LOOKS, *([own] if own else []), *responses.FORMATS],
        format_func=lambda name: responses.FORMATS[name].title if name in responses.FORMATS else name,
        key="import format",
    )
    if picked == AS_IT_LOOKS:
        return None
    return preset_of(chosen) if picked == own else Preset(picked)


def _ground_truth(kind: Imported) -> bytes | None:
    """Ground truth of any format, as it is kept with the run."""
    files = st.file_uploader(
        "Ground truth" if kind == "coco-results" else "Ground truth (may be left out)",
        accept_multiple_files=True,
        help="One file, all files of a format with a file for each image, or a zip of them.",
        key="import annotations",
    )
    if not files:
        return None
    return _canonical("\n".join(f"{file.name} {file.file_id}" for file in files), files)


@st.cache_resource(scope="session", max_entries=2, show_spinner="Reading the ground truth …")
def _canonical(key: str, _files: Sequence[UploadedFile]) -> bytes:
    with from_bytes([(file.name, file.getvalue()) for file in _files], "the ground truth") as source:
        return kept_json(source)


def export_menu(run: Run) -> None:
    """A button for each format; a file is made when it is asked for."""
    menu = st.popover("Export", icon=":material/download:", on_change="rerun", key=f"export {run.id}")
    if not menu.open:
        return
    with menu:
        workspace = store()
        for kind, form in FORMS.items():
            suffix = file_suffix(workspace, run, kind)
            st.download_button(
                form.title,
                _maker(workspace, run, kind),
                f"{file_name(run.name)}{suffix}",
                MIMES.get(suffix[suffix.rfind(".") :], "application/octet-stream"),
                icon=":material/download:",
                on_click="ignore",
                width="stretch",
                key=f"export {kind} {run.id}",
            )
        st.caption("Images without a reply are left out.")


def _maker(workspace: Store, run: Run, kind: Kind) -> Callable[[], BufferedReader]:
    """What writes the file, when the button is pressed: to the disk, for a run may be larger than the memory."""

    def make() -> BufferedReader:
        with tempfile.NamedTemporaryFile(prefix="smviz-", suffix=".export") as file:
            export_run(workspace, run, kind, cast(BinaryIO, file))
            file.flush()
            return open(file.name, "rb")

    return make


def file_name(name: str) -> str:
    """A name as every system takes it for a file's."""
    return "".join(c if c.isalnum() or c in "-_ ." else "-" for c in name).strip(" .") or "run"
