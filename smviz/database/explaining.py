"""What went wrong with a file of SQLite, in words, and what to do about it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from smviz.errors import StoreError

ELSEWHERE = "Or set SMVIZ_WORKSPACE to another folder."
MOVE_AWAY = "Move that file away, with the -wal and -shm beside it; a new one is made, and image files are not touched."
ANOTHER = "Name a folder that `python -m smviz share` made, or a workspace."
AGAIN = "Get the folder again from whoever shared it."

_NO_TEXT = "Could not decode to UTF-8"  # how Python begins to tell of damaged text, without any code
_OTHERS = "cannot be used"

Words = Mapping[int, tuple[str, str]]
"""What is wrong, by SQLite's primary result code (https://sqlite.org/rescode.html), and what to do about it."""

TO_WRITE: Words = {
    sqlite3.SQLITE_NOTADB: ("is no smviz workspace", f"{MOVE_AWAY} {ELSEWHERE}"),
    sqlite3.SQLITE_CORRUPT: ("is damaged", f"Bring it back from a backup if there is one. {MOVE_AWAY} {ELSEWHERE}"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", f"Check that its folder can be written to. {ELSEWHERE}"),
    sqlite3.SQLITE_PERM: ("cannot be opened", f"Check that its folder can be written to. {ELSEWHERE}"),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        f"Check that the file and its folder can be written to. {ELSEWHERE}",
    ),
    sqlite3.SQLITE_FULL: (
        "cannot grow, for the disk is full",
        f"Free some space; what was stored before is safe. {ELSEWHERE}",
    ),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written",
        f"Check the disk: it may be full, broken or disconnected. {ELSEWHERE}",
    ),
    sqlite3.SQLITE_BUSY: (
        "is in use by another program",
        f"Close the program that keeps it locked, then try again; what was stored before is safe. {ELSEWHERE}",
    ),
    sqlite3.SQLITE_ERROR: (_OTHERS, f"{MOVE_AWAY} {ELSEWHERE}"),
}
_LOG_BESIDE = (
    "Its last changes are in a log beside it that cannot be read from here. Open it once where its folder can be "
    "written, with `python -m smviz runs`, or share its runs again."
)
TO_READ: Words = {
    sqlite3.SQLITE_NOTADB: ("is no smviz workspace", ANOTHER),
    sqlite3.SQLITE_CORRUPT: ("is damaged", AGAIN),
    sqlite3.SQLITE_CANTOPEN: ("cannot be read as it is", _LOG_BESIDE),
    sqlite3.SQLITE_READONLY: ("cannot be read as it is", _LOG_BESIDE),
    sqlite3.SQLITE_IOERR: ("cannot be read", "Check the disk: it may be broken or disconnected."),
    sqlite3.SQLITE_BUSY: ("is in use by another program", "Try again when that program has finished."),
    sqlite3.SQLITE_ERROR: (_OTHERS, AGAIN),
}


def code_of(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None when the error is not SQLite's but that of a wrong call of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether another program's lock is what lies behind an error."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and code_of(cause) == sqlite3.SQLITE_BUSY


@contextlib.contextmanager
def explained(path: Path, words: Words = TO_WRITE) -> Iterator[None]:
    """Turns SQLite's errors into StoreError; a broken constraint or a wrong call of ours stays what it is."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except UnicodeDecodeError as error:  # SQLite quotes what is damaged
        raise StoreError(f"{path} is damaged ({error}).", words[sqlite3.SQLITE_CORRUPT][1]) from error
    except sqlite3.Error as error:
        code = sqlite3.SQLITE_CORRUPT if _NO_TEXT in str(error) else code_of(error)
        if code is None:
            raise
        what, advice = words.get(code, words[sqlite3.SQLITE_ERROR])
        raise StoreError(f"{path} {what} ({error}).", advice) from error
