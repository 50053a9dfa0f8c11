"""Who uses this session, what the server's operator allows, and which workspace is looked at.

Decided anew at every rerun, so that a person who is taken off the list is out at the next click. Whatever cannot be
told is told apart in favour of the server: a request without headers is nobody's, a setting that is wrong lets nobody
in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from typing import Any, ClassVar
from weakref import WeakSet

import streamlit as st
from streamlit import config, runtime
from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import get_script_run_ctx

from smviz.access import LOCAL, OPERATOR, VISITOR, Person, Policy, Role, is_local
from smviz.errors import BadSetting, NotAllowed, NotSetUp
from smviz.journal import event
from smviz.settings import Settings


def _ignored(session: AppSession) -> None:
    """Does nothing."""


# Any client may send these, whether somebody is logged in or not: one clears everybody's caches, in which works, limits
# and visitors are, the other tells of the server's checkout. Streamlit has no setting against them.
AppSession._handle_clear_cache_request = _ignored  # type: ignore[assignment, method-assign]
AppSession._handle_git_information_request = _ignored  # type: ignore[assignment, method-assign]

SHARED = "shared"
MOST_VISITORS = 50  # at once; each has a temporary workspace


def person() -> Person:
    """Who uses this session.

    Raises:
        NotAllowed: when the person has yet to log in, or is on no list.
        NotSetUp: when the operator's settings are wrong.
    """
    table = _secrets()
    if "auth" not in table:
        return LOCAL if _is_local() else _visitor()
    allowed, claims = _policy(table), st.user.to_dict()
    if claims.get("is_logged_in") is not True:
        raise NotAllowed("Nobody is logged in.", "Log in.")
    address = str(claims.get("email") or "")
    if str(claims.get("email_verified", True)).lower() == "false":
        raise NotAllowed("The provider has not verified that this address is yours.", "Verify it there, and come back.")
    role = allowed.role_of(address)
    if role is None:
        raise NotAllowed("This address is on no list of this server.", f"{OPERATOR} to be put on one.")
    return Person(address, str(claims.get("name") or address), role)


def _visitor() -> Person:
    """The visitor of this tab: one who calls much keeps no other from calling."""
    context = get_script_run_ctx()
    return replace(VISITOR, session=context.session_id if context else "")


def has_login() -> bool:
    """Whether people log in on this server.

    Raises:
        NotSetUp: when the operator's settings are wrong.
    """
    return "auth" in _secrets()


def logged_in() -> bool:
    """Whether somebody is logged in, on a list or not.

    Raises:
        NotSetUp: when the operator's settings are wrong.
    """
    return has_login() and st.user.to_dict().get("is_logged_in") is True


def policy() -> Policy:
    """What the operator allows; a visitor has limits even where none are set.

    Raises:
        NotSetUp: when the operator's settings are wrong.
    """
    found = _policy(_secrets())
    return found.for_visitors() if person().visitor else found


def replaying() -> bool:
    """Whether this server shows the shared runs of a folder, and nothing else."""
    return Settings.from_environment().replay is not None


def in_shared_space() -> bool:
    """Whether the shared runs are looked at, and not the person's own."""
    who = person()
    return not who.visitor and (who.role is Role.VIEWER or st.query_params.get("space") == SHARED)


def read_only() -> bool:
    """Whether what is looked at can only be looked at: a replay, or the shared runs."""
    return replaying() or in_shared_space()


def workspace_folder() -> Path:
    """The folder of the runs that are looked at."""
    settings, who = Settings.from_environment(), person()
    if settings.replay is not None:
        return settings.replay
    if who.visitor:
        return visitors_workspace().folder
    if in_shared_space():
        return settings.workspace / SHARED
    return settings.workspace if who.local else settings.workspace / "people" / who.key


def may_name_files() -> bool:
    """Whether this person may name files and folders of the server: only who sits at it."""
    return person().local


def may_use_s3() -> bool:
    """Whether there is any place in S3 that this person may name."""
    who = person()
    return who.local or (not who.visitor and who.role >= Role.USER and bool(policy().s3_prefixes))


def may_choose_credentials() -> bool:
    """Whether this person may call with a profile or a role of their choice, and not with the server's own alone."""
    return person().role is Role.OWNER


def check_files() -> None:
    """Before a file of the server is opened that a person has named.

    Raises:
        NotAllowed: unless the person sits at the server.
    """
    if not may_name_files():
        raise NotAllowed("Files of this server cannot be named from here.", "Upload them, or give an S3 prefix.")


def _is_local() -> bool:
    """Whether the one person is at this machine; a thread that belongs to no session is nobody's.

    A server on loopback that was once reached from elsewhere has a proxy or a tunnel before it, behind which headers
    can be made up: from then on nobody is taken for the person at the machine.
    """
    if not runtime.exists():  # no server: a script or a test calls
        return True
    if get_script_run_ctx() is None:
        return False
    bound = config.get_option("server.address")
    if config.get_option("global.appTest"):
        return bound is None or is_local(bound, {"Host": "localhost", "Origin": "http://localhost"}, None)
    headers = {name: ", ".join(st.context.headers.get_all(name)) for name in st.context.headers}
    if not headers:  # the tab was closed or reloaded while its script ran: nobody looks, and nobody reached the server
        return False
    if not is_local(bound, headers, st.context.ip_address) and not _reached_from_elsewhere().is_set():
        _reached_from_elsewhere().set()
        event("elsewhere", "warning", message="The server is reached from elsewhere: nobody is taken to sit at it.")
    return not _reached_from_elsewhere().is_set()


@st.cache_resource(show_spinner=False)
def _reached_from_elsewhere() -> Event:
    """Set once somebody has reached this server who does not sit at it."""
    return Event()


def _secrets() -> Mapping[str, Any]:
    """The tables of secrets.toml; empty where there is no such file.

    Raises:
        NotSetUp: when there is one and it cannot be read.
    """
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError as error:
        if not _secrets_files():
            return {}
        raise _not_set_up(error) from error


def _secrets_files() -> list[Path]:
    return [Path(name) for name in config.get_option("secrets.files") if Path(name).exists()]


def _policy(table: Mapping[str, Any]) -> Policy:
    given = table.get("smviz", {})
    try:
        if not isinstance(given, Mapping):
            raise BadSetting("smviz in secrets.toml is no table.", "Write [smviz] on a line of its own.")
        return Policy.read(given, os.environ)
    except BadSetting as error:
        raise _not_set_up(error) from error


class VisitorsWorkspace:
    """A folder that is gone when its visitor is, or at the latest when the server ends."""

    _alive: ClassVar[WeakSet[VisitorsWorkspace]] = WeakSet()
    _lock: ClassVar[Lock] = Lock()

    def __init__(self) -> None:
        """Make the folder.

        Raises:
            NotAllowed: when there are too many already.
        """
        with self._lock:
            if len(self._alive) >= MOST_VISITORS:
                raise NotAllowed("Too many visitors are here just now.", "Come back in a few minutes.")
            self._alive.add(self)
        self._held = TemporaryDirectory(prefix="smviz-visitor-", ignore_cleanup_errors=True)
        self.folder = Path(self._held.name)

    def remove(self) -> None:
        """Delete the folder with all that is in it; harmless when it is gone."""
        self._held.cleanup()


@st.cache_resource(scope="session", show_spinner=False)
def visitors_workspace() -> VisitorsWorkspace:
    """The one of this session.

    Raises:
        NotAllowed: when there are too many already.
    """
    return VisitorsWorkspace()


@st.cache_resource(show_spinner=False)
def _tell(message: str) -> None:
    """One line of the log, and not one at every rerun."""
    event("setting", "error", message=message)


def _not_set_up(error: Exception) -> NotSetUp:
    """What a person is told; what is wrong is for the operator alone."""
    _tell(str(error))
    return NotSetUp("This server is not set up.", f"{OPERATOR}: its log says what is wrong.")
