"""The folder of a workspace: made where it is missing, and looked at before it is only read."""

from __future__ import annotations

import zipfile
from pathlib import Path

from smviz.errors import StoreError

FILE_NAME = "workspace.db"
_ANOTHER = "Name a folder that `python -m smviz share` made, or a workspace."


def make_folder(folder: Path) -> None:
    """Make the folder of a workspace, where it is missing.

    Raises:
        StoreError: when it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The workspace folder {folder} cannot be made ({error.strerror}).",
            "Check that the folder above it can be written to, or set SMVIZ_WORKSPACE to another folder.",
        ) from error


def check_shared(folder: Path) -> None:
    """See whether a folder has what is to be read.

    Raises:
        StoreError: when it is missing, empty or no folder.
    """
    try:
        if folder.is_dir():
            if not (folder / FILE_NAME).exists():
                raise StoreError(f"The folder {folder} has no {FILE_NAME}: no runs are in it.", _ANOTHER)
        elif not folder.exists():
            raise StoreError(f"There is no folder {folder}.", _ANOTHER)
        elif zipfile.is_zipfile(folder):
            raise StoreError(f"{folder} is a zip.", "Unpack it, and name the folder that comes out of it.")
        elif folder.name == FILE_NAME:
            raise StoreError(f"{folder} is a file.", f"Name the folder that it is in: {folder.parent}")
        else:
            raise StoreError(f"{folder} is no folder.", _ANOTHER)
    except OSError as error:
        raise StoreError(
            f"The folder {folder} cannot be read ({error.strerror}).", "Check that this user may read it."
        ) from error
