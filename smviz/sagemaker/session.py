"""Sessions and clients: with whose credentials, in which region, at which address AWS is called."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import exceptions as vendor
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.parsers import ResponseParserError

from smviz import __version__
from smviz.errors import BadSetting, CredentialsError
from smviz.sagemaker.failures import typed_errors
from smviz.sagemaker.invoking import Invocations
from smviz.settings import Connection, is_loopback

_REGION = re.compile(r"[a-z0-9-]+")
_HOST = re.compile(r"[\w.:-]+")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")


class Clients:
    """The clients of one connection, by service name: each is made when it is first asked for, then shared.

    Raises:
        CredentialsError: when the profile does not exist, or asks for a code that nobody could type here.
        BadSetting: when the region, the address or the role's ARN is not valid.
    """

    def __init__(self, connection: Connection, pool: int) -> None:
        if not _REGION.fullmatch(connection.region):
            raise BadSetting(f"{connection.region!r} is no region.", "Choose one of the listed regions.")
        self._url = _checked(connection.endpoint_url)
        self._local = is_loopback(self._url)
        with typed_errors("open the connection"):
            self._session = _embedded() if self._local else _session(connection)
        self._config = Config(
            region_name=connection.region,
            # smviz owns its retries: botocore's standard mode gives up within 0.15 s.
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=pool,
            tcp_keepalive=True,
            connect_timeout=5,
            read_timeout=70,  # AWS advises 70 s above the container's own limit of 60 s
            proxies={} if self._local else None,
            user_agent=f"smviz/{__version__} Boto3/{boto3.__version__}",  # botocore would put it together for each call
        )
        self._made: dict[str, Any] = {}
        self._invocations: Invocations | None = None
        self._lock = threading.Lock()  # boto3 makes no clients in parallel

    @property
    def invocations(self) -> Invocations:
        """Calls of endpoints; raises as `of`."""
        if self._invocations is None:
            client = self.of("sagemaker-runtime")
            with self._lock:
                self._invocations = self._invocations or Invocations(client, self._session.get_credentials)
        return self._invocations

    def of(self, service: str) -> Any:
        """The client of a service: "sagemaker", "sagemaker-runtime", "sts", "iam" or "s3"."""
        made = self._made.get(service)
        if made is not None:  # threads that call all the time do not queue for the lock
            return made
        with self._lock, typed_errors("open the connection"):
            if service not in self._made:
                # Another address than AWS's is SageMaker's own, for example of a VPC endpoint; only the embedded
                # server stands in for all of AWS, and nothing of it may leave this machine.
                url = self._url if self._local or service.startswith("sagemaker") else None
                made = self._session.client(service, endpoint_url=url, config=self._config)
                made.meta.events.register("before-parse", _readable)
                made.meta.events.register("after-call", _complete)
                self._made[service] = made
            return self._made[service]


def _checked(url: str | None) -> str | None:
    try:
        parts = urlsplit(url or "http://aws")
        good = parts.scheme in {"http", "https"} and parts.port != 0 and _HOST.fullmatch(parts.hostname or "")
    except ValueError:
        good = False
    if not good:
        raise BadSetting(f"{url!r} is no URL of a server.", "Write it as https://host or http://host:port.")
    return url or None


def _readable(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    # botocore breaks on a body that is no text, or no JSON object, as a proxy's page may be.
    fine = response_dict["status_code"] < 300
    protocol = operation_model.service_model.metadata["protocol"]
    if protocol != "json" and (fine or protocol != "rest-json"):
        return
    try:
        readable = not response_dict["body"] or isinstance(json.loads(response_dict["body"]), dict)
    except ValueError:
        readable = False
    if readable:
        return
    if fine:
        raise ResponseParserError(f"The answer to {operation_model.name} is no JSON object")
    response_dict["body"] = b"{}"


def _complete(http_response: Any, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
    # botocore lets an answer pass that lacks what the service's model requires.
    promised = model.output_shape.required_members if model.output_shape else []
    missing = [member for member in promised if member not in parsed]
    if http_response.status_code < 300 and missing:
        raise ResponseParserError(f"The answer to {model.name} lacks {', '.join(missing)}")


class _AssumedRole:
    """Stands where botocore looks for credentials, and gives those of a role: fetched when needed, and renewed."""

    def __init__(self, source: botocore.session.Session, role: str) -> None:
        self._source = source
        self._role = role

    def load_credentials(self) -> DeferredRefreshableCredentials:
        credentials = self._source.get_credentials()
        if credentials is None:
            raise vendor.NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=self._source.create_client,
            source_credentials=credentials,
            role_arn=self._role,
            extra_args={"RoleSessionName": "smviz"},
        )
        return DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")


def _session(connection: Connection) -> boto3.Session:
    source = botocore.session.Session(profile=connection.profile or None)
    source.set_config_variable("region", connection.region)
    profile = source.get_scoped_config()
    if "mfa_serial" in profile and "role_arn" in profile:
        # botocore would ask at the server's own terminal, and the page would wait for ever.
        raise CredentialsError(
            f"The profile {source.profile or 'default'} asks for a code of a second factor, which is never asked here.",
            "Get temporary credentials in a terminal (`aws configure export-credentials`) and use those.",
        )
    if not connection.role:
        return boto3.Session(botocore_session=source)
    if not _ROLE.fullmatch(connection.role):
        raise BadSetting(
            f"{connection.role!r} is no ARN of a role.", "Write it as arn:aws:iam::<account's 12 digits>:role/<name>."
        )
    assumed = botocore.session.Session(profile=connection.profile or None)
    assumed.register_component("credential_provider", _AssumedRole(source, connection.role))
    return boto3.Session(botocore_session=assumed)


def _embedded() -> boto3.Session:
    # Real keys must never travel to a loopback server, and none are needed there; nor is a profile, real or mistyped.
    source = botocore.session.Session(
        session_vars=dict.fromkeys(("profile", "config_file", "credentials_file"), (None, None, None, None))
    )
    source.set_credentials("embedded", "embedded")
    return boto3.Session(botocore_session=source)


def profiles() -> tuple[str, ...]:
    """The profiles of this machine's AWS configuration files, in alphabetical order.

    Raises:
        BadSetting: when one of the files cannot be read.
    """
    with typed_errors("read the AWS configuration files"):
        return tuple(sorted(botocore.session.Session().available_profiles))


def regions() -> tuple[str, ...]:
    """Every region where botocore knows SageMaker, in alphabetical order."""
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none")
    partitions = session.get_available_partitions()
    return tuple(sorted({r for p in partitions for r in session.get_available_regions("sagemaker", partition_name=p)}))
