"""What lives longer than one rerun: clients, the workspace, runs, listings. Streamlit's caches, and nothing else.

A cache is global by default, shared by all users: only what belongs to the server itself is. Whatever a user brought
is kept per session.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st
from streamlit import runtime

from smviz import images
from smviz.deploying import Deploying
from smviz.local import EmbeddedServer
from smviz.records import Endpoint, Payload
from smviz.runner import BatchRun
from smviz.runner.forecast import Digests
from smviz.sagemaker import Identity, SageMaker, regions
from smviz.settings import Connection, Settings, is_loopback
from smviz.store import Store

EMBEDDED = "embedded"  # stands where an AWS region's name would
LONGEST_SHOWN = 4096  # pixels; a larger image is scaled for the screen, its boxes stay exact
MOST_CALLS = 64  # at once
MOST_DESCRIBED = 50  # of more endpoints than this, the kind is told only for the one chosen


@st.cache_resource(show_spinner="Starting the embedded endpoint …", on_release=lambda server: server.stop())
def embedded_server() -> EmbeddedServer:
    """The embedded endpoint of this server: started once, for all sessions."""
    return EmbeddedServer().start()


@st.cache_resource(ttl="10m", show_spinner=False)
def door(where: Connection) -> SageMaker:
    """The one client of a connection; renewed now and then, so that renewed credentials are taken up.

    Raises:
        CredentialsError: when the profile does not exist.
        BadSetting: when the role is no ARN of a role.
    """
    return SageMaker(where, pool=MOST_CALLS)


def files_door(where: Connection) -> SageMaker:
    """The client that reads S3: AWS's own where the endpoint is on this machine. Raises as `door`."""
    return door(replace(where, endpoint_url=None) if is_loopback(where.endpoint_url) else where)


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The workspace of this server.

    Raises:
        StoreError: when the file cannot be opened.
    """
    return Store(Settings.from_environment().workspace)


@dataclass(frozen=True)
class Work:
    """What this server does, or did last, for a run.

    Attributes:
        batch: the work itself.
        usd_per_hour: what the endpoint costs meanwhile; 0 on this machine, NaN where it is not known.
    """

    batch: BatchRun
    usd_per_hour: float


@st.cache_resource(show_spinner=False)
def works() -> dict[str, Work]:
    """The last work on each run since this server is up, by run id; a closed tab does not end it."""
    return {}


@st.cache_resource(show_spinner=False)
def digests() -> Digests:
    """What would be sent for the files that were looked at since this server is up, by what tells them apart."""
    return {}


@st.cache_resource(show_spinner=False)
def deployments() -> dict[tuple[Connection, str], Deploying]:
    """The last work on each endpoint since this server is up, by where and its name; a closed tab does not end it."""
    return {}


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
    return regions()


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


@st.cache_resource(max_entries=64, scope="session", show_spinner=False)
def prepared(data: bytes, name: str) -> Payload:
    """An image of this session, made ready to be sent.

    Raises:
        BadImage: when the bytes are no image that can be decoded.
    """
    return images.prepare(data, name)


@st.cache_data(max_entries=5000, scope="session", show_spinner=False)
def thumbnail(run_id: str, name: str, width: int = 160) -> bytes:
    """A small JPEG of an image of a run.

    Raises:
        StoreError: when the image is not there any more.
        BadImage: when it cannot be decoded.
    """
    return images.thumbnail(run_image(run_id, name), width)


def run_image(run_id: str, name: str) -> bytes:
    """The bytes of an image of a run, wherever it is.

    Raises:
        StoreError: when the run or the image is not there any more.
        BadImage: when the file cannot be read.
        EndpointError: when S3 does not give it.
    """
    return store().image_data(run_id, name, lambda uri: files_door(store().run(run_id).connection).s3_read(uri))


def image_url(data: bytes, content_type: str, slot: str) -> str:
    """A URL on this server for an image of this session; freed by Streamlit when the session shows it no longer.

    `slot` names the place on the page; a new image in the same slot replaces the old one.
    """
    return str(runtime.get_instance().media_file_mgr.add(data, content_type, slot))


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
