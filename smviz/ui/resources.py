"""What lives longer than one rerun: clients, the workspace, runs, listings. Streamlit's caches, and nothing else.

A cache is global by default, shared by all users: only what belongs to the server itself is. Whatever a user brought
is kept per session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit import runtime

from smviz import images, sagemaker
from smviz.access import OPERATOR
from smviz.deploying import Deploying
from smviz.errors import NotAllowed, NothingShared, SmvizError, StoreError
from smviz.guarding import Guarded, Meter
from smviz.journal import event
from smviz.local import EmbeddedServer
from smviz.records import Endpoint, Payload
from smviz.runner import BatchRun
from smviz.runner.forecast import Digests
from smviz.sagemaker import Identity
from smviz.settings import Connection, Settings, is_loopback
from smviz.sharing import shown_image
from smviz.store import FILE_NAME, Remote, Run, Store
from smviz.ui import session

if TYPE_CHECKING:
    from smviz.sagemaker import SageMaker  # boto3 comes with it, and who only looks at runs has no use for that

EMBEDDED = "embedded"  # stands where an AWS region's name would
LONGEST_SHOWN = 4096  # pixels; a larger image is scaled for the screen, its boxes stay exact
MOST_CALLS = 64  # at once
MOST_DESCRIBED = 50  # of more endpoints than this, the kind is told only for the one chosen


@st.cache_resource(show_spinner="Starting the embedded endpoint …", on_release=lambda server: server.stop())
def embedded_server() -> EmbeddedServer:
    """The embedded endpoint of this server: started once, for all sessions."""
    return EmbeddedServer().start()


def door(where: Connection) -> SageMaker:
    """The door of a connection for the person of this session: guarded, unless that is who sits at this machine.

    Raises:
        CredentialsError: when the profile does not exist.
        BadSetting: when the role is no ARN of a role.
        NotAllowed: where nothing is called.
    """
    if session.read_only():
        raise NotAllowed("Nothing is called here: these runs are shared to be looked at.", "Work in a workspace.")
    who = session.person()
    if who.local:
        return _opened(where)
    allowed, demo = session.policy(), _is_demo(where)
    try:
        allowed.check_connection(who, where, demo)
        client = _opened(where)
    except NotAllowed:  # raised again by whatever is asked of the guard, before it needs a client
        client = None
    return Guarded(lambda: _existing(client), where, who, allowed, meter(), demo)


def renewed(where: Connection) -> SageMaker:
    """As `door`, with credentials that are looked for anew."""
    _opened.clear(where)
    return door(where)


def files_door(where: Connection) -> SageMaker:
    """The client that reads S3: AWS's own where the endpoint is on this machine. Raises as `door`."""
    return door(replace(where, endpoint_url=None) if is_loopback(where.endpoint_url) else where)


@st.cache_resource(ttl="10m", show_spinner=False)
def _opened(where: Connection) -> SageMaker:
    """The one client of a connection; renewed now and then, so that renewed credentials are taken up."""
    return sagemaker.SageMaker(where, pool=MOST_CALLS)


def _existing(client: SageMaker | None) -> SageMaker:
    assert client is not None
    return client


def _is_demo(where: Connection) -> bool:
    return where.endpoint_url is not None and where.endpoint_url == embedded_server().url


@st.cache_resource(show_spinner=False)
def meter() -> Meter:
    """What this server's persons have called for.

    Raises:
        StoreError: when its file cannot be opened.
    """
    return Meter(Settings.from_environment().workspace / "server.db")


def store() -> Store:
    """The workspace that the person of this session looks at.

    Raises:
        StoreError: when the file cannot be opened.
        NothingShared: when it is the shared runs, and there are none yet.
    """
    folder, only_read = session.workspace_folder(), session.read_only()
    if only_read and not session.replaying():
        return _shared(folder)
    return _visitors().store if not only_read and session.person().visitor else _store(folder, only_read)


def _shared(folder: Path) -> Store:
    """The runs that are shared on this server; who looks at them is not told where they are."""
    if not (folder / FILE_NAME).exists():
        raise NothingShared("No run is shared here yet.", "An owner shares one on the Evaluate page.")
    try:
        return _store(folder, True)
    except StoreError as error:
        event("shared", "error", message=str(error))
        raise StoreError("The shared runs cannot be read.", f"{OPERATOR}: its log says why.") from error


@st.cache_resource(show_spinner=False)
def _store(folder: Path, only_read: bool) -> Store:
    return Store(folder, read_only=only_read)


@dataclass(frozen=True)
class Work:
    """What this server does, or did last, for a run.

    Attributes:
        batch: the work itself.
        usd_per_hour: what the endpoint costs meanwhile; 0 on this machine, NaN where it is not known.
    """

    batch: BatchRun
    usd_per_hour: float


@dataclass(frozen=True)
class Begun:
    """What a person has begun since this server is up; a closed tab does not end it.

    Attributes:
        works: the last work on each run, by run id.
        deployments: the last work on each endpoint, by where and its name.
        digests: what would be sent for the files that were looked at, by what tells them apart.
    """

    works: dict[str, Work] = field(default_factory=dict)
    deployments: dict[tuple[Connection, str], Deploying] = field(default_factory=dict)
    digests: Digests = field(default_factory=dict)


def works() -> dict[str, Work]:
    """The last work on each run of this session's person, by run id."""
    return _begun().works


def deployments() -> dict[tuple[Connection, str], Deploying]:
    """The last work of this session's person on each endpoint, by where and its name."""
    return _begun().deployments


def digests() -> Digests:
    """What would be sent for the files that this session's person looked at, by what tells them apart."""
    return _begun().digests


def _begun() -> Begun:
    if session.read_only():
        return Begun()
    who = session.person()
    return _visitors().begun if who.visitor else _begun_by(who.key)


@st.cache_resource(show_spinner=False)
def _begun_by(person: str) -> Begun:
    return Begun()


class _Visitors:
    """The store of a visitor, and what is at work on it; all of it ends with the session."""

    def __init__(self) -> None:
        self._workspace = session.visitors_workspace()
        self.store = Store(self._workspace.folder)
        self.begun = Begun()

    def leave(self) -> None:
        """End the work, then delete the workspace; in the background, for calls under way take their time."""
        for work in self.begun.works.values():
            work.batch.stop()
        threading.Thread(target=self._remove, name="smviz-visitor", daemon=True).start()

    def _remove(self) -> None:
        for work in self.begun.works.values():
            work.batch.wait()
        self.store.close()
        self._workspace.remove()


@st.cache_resource(scope="session", show_spinner=False, on_release=_Visitors.leave)
def _visitors() -> _Visitors:
    return _Visitors()


@st.cache_data(ttl="5m", show_spinner="Listing the execution roles …", scope="session")
def execution_roles(where: Connection) -> tuple[str, ...]:
    """The ARNs of the roles that SageMaker may assume.

    Raises:
        EndpointError: when they cannot be listed.
    """
    return door(where).execution_roles()


@st.cache_data(ttl="24h", show_spinner=False)
def region_names() -> tuple[str, ...]:
    """Every region where SageMaker is known."""
    return sagemaker.regions()


@st.cache_data(ttl="5m", show_spinner=False, scope="session")
def identity(where: Connection) -> Identity:
    """Who calls: account and role.

    Raises:
        EndpointError: when AWS does not tell.
    """
    return door(where).whoami()


@st.cache_data(ttl="15s", show_spinner="Listing the endpoints …", scope="session")
def listed(where: Connection, name_contains: str = "", status: str = "") -> tuple[Endpoint, ...]:
    """The endpoints of a region, newest first, the first of them with their kinds and variants.

    Raises:
        EndpointError: when they cannot be listed.
    """
    found = door(where).endpoints(name_contains, status)
    return door(where).describe_all(found[:MOST_DESCRIBED]) + found[MOST_DESCRIBED:]


@st.cache_data(ttl="15s", show_spinner=False, scope="session", max_entries=500)
def described(where: Connection, name: str) -> Endpoint:
    """One endpoint with its kind and variants.

    Raises:
        EndpointError: when it cannot be described.
    """
    return door(where).describe(name)


def prepared(data: bytes, name: str) -> Payload:
    """An image of this session, made ready to be sent.

    Raises:
        BadImage: when the bytes are no image that can be decoded.
        NotAllowed: when it is larger than this server takes.
    """
    image_check()(data, name)
    return _prepared(data, name)


@st.cache_resource(max_entries=64, scope="session", show_spinner=False)
def _prepared(data: bytes, name: str) -> Payload:
    return images.prepare(data, name)


def image_check() -> Callable[[bytes, str], None]:
    """What any thread may ask whether this session's person may bring an image file; by its header, nothing is decoded.

    It raises `NotAllowed` for a file that is larger than this server takes, and `BadImage` for what is no image.
    """
    who, allowed = session.person(), session.policy()

    def check(data: bytes, name: str) -> None:
        if not who.local:
            allowed.check_file(who, len(data), name)
            allowed.check_pixels(who, *images.size_of(data, name), name)

    return check


@st.cache_data(max_entries=5000, scope="session", show_spinner=False)
def thumbnail(run_id: str, name: str, width: int = 160) -> bytes:
    """A small JPEG of an image of a run.

    Raises:
        StoreError: when the image is not there any more.
        BadImage: when it cannot be decoded.
    """
    return images.thumbnail(store().image_data(run_id, name, _remote(run_id)), width)


def run_image(run_id: str, name: str) -> bytes:
    """The bytes of an image of a run, wherever it is, in the frame that was sent.

    Raises:
        StoreError: when the run or the image is not there any more.
        BadImage: when the file cannot be read.
        EndpointError: when S3 does not give it.
    """
    return shown_image(store(), run_id, name, _remote(run_id))


def image_reader(run: Run) -> Callable[[str], bytes]:
    """What any thread may ask for the images of a run, by their names; raises as `run_image`."""
    workspace, remote = store(), remote_reader(run)
    return lambda name: shown_image(workspace, run.id, name, remote)


def remote_reader(run: Run) -> Remote | None:
    """What any thread may ask for images of a run in S3; None where nothing can read there."""
    if session.read_only():
        return None
    with suppress(SmvizError):  # without credentials, what is on this machine can be read all the same
        return files_door(run.connection).s3_read
    return None


def _remote(run_id: str) -> Remote | None:
    """What reads an image in S3; nothing does where nothing is called."""
    if session.read_only():
        return None
    return lambda uri: files_door(store().run(run_id).connection).s3_read(uri)


def image_url(data: bytes, content_type: str, slot: str) -> str:
    """A URL for an image of this session; freed by Streamlit when the session shows it no longer.

    It is relative to the page, as Streamlit's own scripts are: the server knows below which path it is asked only
    where nothing in front of it takes the path away. `slot` names the place on the page; a new image in the same slot
    replaces the old one.
    """
    return str(runtime.get_instance().media_file_mgr.add(data, content_type, slot)).removeprefix("/")


def picture_url(payload: Payload, slot: str) -> str:
    """A URL for the image that was sent, as the screen shows it; see `image_url`.

    Raises:
        BadImage: when the payload holds no image.
    """
    picture = _shown(payload.sha256, payload)
    return image_url(
        picture, payload.content_type if max(payload.width, payload.height) <= LONGEST_SHOWN else "image/jpeg", slot
    )


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def _shown(sha256: str, _payload: Payload) -> bytes:
    """Scaled once and not at every rerun, for a large image takes long."""
    return images.display(_payload, LONGEST_SHOWN)
