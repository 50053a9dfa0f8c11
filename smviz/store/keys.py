"""What identifies a call: the same key, the same answer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from functools import lru_cache

from smviz.settings import Connection, Request, is_loopback

_EMBEDDED = "embedded"


def reply_key(connection: Connection, endpoint_config: str, request: Request, sha256: str) -> str:
    """What a call would give, as text: calls of one key have the same answer. "" where that cannot be told.

    An endpoint's config never changes, so its name stands for the model. Not so where the model is an inference
    component or an artefact of a multi-model endpoint, which can be replaced under the same config: such calls have no
    key. An endpoint on this machine is the same whichever port it listens at. Profile and role are part of the key,
    for two accounts may use the same names.

    Args:
        connection: which SageMaker is called.
        endpoint_config: the name of the endpoint's config; "" where it is not known.
        request: how the image is sent.
        sha256: hex digest of the bytes that are sent.
    """
    prefix = key_prefix(connection, endpoint_config, request)
    return f"{prefix}{sha256}" if prefix and sha256 else ""


def key_prefix(connection: Connection, endpoint_config: str, request: Request) -> str:
    """How the keys of all calls begin that differ by their image alone; "" where such calls have no key."""
    if not endpoint_config or request.component or request.target_model:
        return ""
    return f"{_how(connection, endpoint_config, request)}/"


@lru_cache(maxsize=100)  # a run asks for it with every image
def _how(connection: Connection, endpoint_config: str, request: Request) -> str:
    where = _EMBEDDED if is_loopback(connection.endpoint_url) else dataclasses.astuple(connection)
    how = json.dumps([where, endpoint_config, dataclasses.asdict(request)], sort_keys=True)
    return hashlib.sha256(how.encode()).hexdigest()
