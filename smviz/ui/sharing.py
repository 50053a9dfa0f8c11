"""The menu that shares a run: as a zip for anybody, and, on a server where people log in, with its viewers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

import streamlit as st

from smviz.access import Role
from smviz.errors import NotAllowed, SmvizError, UnknownRun
from smviz.journal import event
from smviz.settings import Settings
from smviz.sharing import IMAGES, KEPT, LEFT_OUT, MEANT, Copy, Images, share_run, take_back, zip_shared
from smviz.store import FILE_NAME, Remote, Run, Store
from smviz.ui import session
from smviz.ui.frame import plain, show_error
from smviz.ui.resources import remote_reader, store
from smviz.ui.transfer import file_name

LABELS: dict[Images, str] = {"small": "Small", "none": "None", "full": "Full"}


def share_menu(run: Run) -> None:
    """A popover: what goes along, a zip of it to download, and sharing with the viewers of this server."""
    owner = _is_owner()
    if session.read_only() and not owner:
        return
    menu = st.popover("Share", icon=":material/share:", on_change="rerun", key=f"share {run.id}")
    if not menu.open:
        return
    with menu:
        if session.read_only():
            _take_back(run)
            return
        images = _images(run)
        _zip(run, images)
        if owner:
            st.divider()
            _with_viewers(run, images)


def _is_owner() -> bool:
    """Whether this person may share with the viewers of this server."""
    return session.has_login() and not session.replaying() and session.person().role is Role.OWNER


def _images(run: Run) -> Images:
    """What goes along of the images."""
    images = st.segmented_control(
        "Images",
        IMAGES,
        default="small",
        required=True,
        format_func=LABELS.__getitem__,
        key=f"share images {run.id}",
    )
    st.caption(MEANT[images])
    with st.expander("What is in it, and what is not", icon=":material/shield:"):
        st.caption(f"{KEPT} {LEFT_OUT}")
    return images


def _zip(run: Run, images: Images) -> None:
    st.download_button(
        "Download a zip",
        _maker(store(), run, images, remote_reader(run)),
        f"{file_name(run.name)}.smviz.zip",
        "application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        width="stretch",
        key=f"share zip {run.id}",
        help="Who has it unpacks it, and looks at it with `make run REPLAY=folder`: no AWS account, nothing is called.",
    )


def _maker(workspace: Store, run: Run, images: Images, remote: Remote | None) -> Callable[[], BufferedReader]:
    """What makes the zip, when the button is pressed: on the disk, for a run may be larger than the memory."""

    def make() -> BufferedReader:
        with tempfile.TemporaryDirectory(prefix="smviz-share-") as folder:
            with Store(Path(folder), alone=True) as shared:
                share_run(workspace, run.id, shared, images, remote)
            with tempfile.NamedTemporaryFile(prefix="smviz-", suffix=".zip") as file:
                zip_shared(Path(folder), cast(BinaryIO, file))
                file.flush()
                return open(file.name, "rb")

    return make


def _with_viewers(run: Run, images: Images) -> None:
    """Share with everybody who may look at the shared runs of this server, and end that."""
    there = _copy_of(run)
    if there:
        st.caption(
            f":material/check_circle: Shared with all who may log in here; images: {LABELS[there.shared or 'none']}."
        )
    if st.button(
        "Share again as it is now" if there else "Share with viewers",
        icon=":material/group:",
        type="secondary" if there else "primary",
        width="stretch",
        key=f"share with viewers {run.id}",
    ):
        _share(run, images)
    if there:
        _take_back(run)


def _share(run: Run, images: Images) -> None:
    bar = st.progress(0.0, "Copying …")
    try:
        _check_owner()
        with Store(_folder(), alone=True) as shared:
            copy = share_run(
                store(), run.id, shared, images, remote_reader(run), lambda share: bar.progress(share, "Copying …")
            )
    except SmvizError as error:
        show_error(error)
        return
    finally:
        bar.empty()
    event("share", person=session.person().key, run=run.id, images=images)
    st.toast(_in_words(copy), icon=":material/group:")
    st.rerun()


def _in_words(copy: Copy) -> str:
    missing = f" {len(copy.missing):,} images could not be read and are left out." if copy.missing else ""
    return f"{plain(copy.run.name)} is shared.{missing}"


def _take_back(run: Run) -> None:
    if not st.button(
        "Take back",
        icon=":material/undo:",
        width="stretch",
        key=f"take back {run.id}",
        help="Its copy is deleted; the run itself stays where it was made.",
    ):
        return
    try:
        _check_owner()
        with Store(_folder(), alone=True) as shared:
            take_back(shared, run.id)
    except SmvizError as error:
        show_error(error)
        return
    event("unshare", person=session.person().key, run=run.id)
    st.toast("It is no longer shared.", icon=":material/undo:")
    st.rerun()


def _copy_of(run: Run) -> Run | None:
    """The shared copy of a run, if there is one."""
    if not (_folder() / FILE_NAME).exists():
        return None
    with Store(_folder(), read_only=True) as shared:
        try:
            return shared.run(run.id)
        except UnknownRun:
            return None


def _check_owner() -> None:
    if not _is_owner():
        raise NotAllowed("Only an owner shares runs here.", "Ask an owner of this server.")


def _folder() -> Path:
    return Settings.from_environment().workspace / session.SHARED
