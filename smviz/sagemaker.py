"""The door to Amazon SageMaker, and the only module that imports boto3.

The embedded endpoint is reached through the same door: a `Connection` with a loopback URL.
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import exceptions as vendor
from botocore.config import Config

from smviz import errors
from smviz.records import Endpoint, Payload, Reply, Variant
from smviz.settings import Connection, Request

MAX_BODY = 25 * 1024 * 1024  # bytes of a real-time request; SageMaker's Model Hosting FAQs
DEFAULT_REGION = "us-east-1"

_TRY_LATER = "Try again in a moment."
_RENEW = "Renew the credentials (for example with `aws sso login`) and check this machine's clock, then try again."

# What an error code means to smviz, and what a person should do next.
CODES: dict[str, tuple[type[errors.EndpointError], str]] = {
    **dict.fromkeys(
        ("ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"),
        (errors.Throttled, "Try again in a moment, with fewer calls at once or more instances behind the endpoint."),
    ),
    "ModelNotReadyException": (errors.ServiceError, "The model is still being loaded; try again in a minute."),
    **dict.fromkeys(
        (
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "InternalFailure",
            "InternalServerError",
            "InternalDependencyException",
            "InternalStreamFailure",
            "500",
            "502",
            "503",
            "504",
        ),
        (errors.ServiceError, _TRY_LATER),
    ),
    **dict.fromkeys(
        ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation"),
        (errors.AccessDenied, "Ask the account's owner for the action that the message names, or use another role."),
    ),
    **dict.fromkeys(
        (
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "UnrecognizedClientException",
            "InvalidClientTokenId",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
        ),
        (errors.CredentialsError, _RENEW),
    ),
    **dict.fromkeys(
        ("413", "RequestEntityTooLarge", "RequestEntityTooLargeException"),
        (errors.PayloadTooLarge, "Send a smaller image: fewer pixels, or a stronger JPEG compression."),
    ),
    "ResourceNotFound": (errors.NotFound, "List the endpoints of this region and choose one of them."),
    "ResourceLimitExceeded": (errors.InvalidRequest, "Ask AWS for a higher quota, or delete what is not in use."),
    "ResourceAlreadyExists": (errors.InvalidRequest, "Choose another name, or use what is there."),
    "ResourceInUse": (errors.InvalidRequest, "Choose another name, or wait until the other change has ended."),
    "ConflictException": (errors.InvalidRequest, "Wait until the other change has ended, then try again."),
    "UnknownOperationException": (errors.InvalidRequest, "This server does not have that operation."),
}

# ValidationException (control plane) and ValidationError (runtime) are told apart by a fragment of their message.
VALIDATION: tuple[tuple[str, type[errors.EndpointError], str], ...] = (
    ("not find", errors.NotFound, "List the endpoints of this region and choose one of them."),
    ("not found", errors.NotFound, "List the endpoints of this region and choose one of them."),
    ("not in service", errors.NotInService, "Wait until its status is InService, then try again."),
    ("oversize", errors.PayloadTooLarge, "Send a smaller image: fewer pixels, or a stronger JPEG compression."),
    ("content length exceeded", errors.PayloadTooLarge, "Send a smaller image: fewer pixels or more compression."),
)


class SageMaker:
    """Lists, describes and invokes endpoints of one region, or of the embedded endpoint.

    Every method raises an `EndpointError`. One instance may be used by many threads.
    """

    def __init__(self, connection: Connection, pool: int = 32) -> None:
        """Open the door; nothing is called yet. `pool` is the most calls that run at once.

        Raises:
            CredentialsError: when the profile that AWS_PROFILE names does not exist.
            BadSetting: when the region's name is not valid.
        """
        local = is_loopback(connection.endpoint_url)
        with _typed_errors("open the connection"):
            session = _made_up_session() if local else boto3.Session()
            config = Config(
                region_name=connection.region,
                # smviz owns its retries: botocore's standard mode gives up within 0.15 s.
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=pool,
                tcp_keepalive=True,
                connect_timeout=5,
                read_timeout=70,  # AWS advises 70 s above the container's own limit of 60 s
                proxies={} if local else None,
            )
            self._control = session.client("sagemaker", endpoint_url=connection.endpoint_url, config=config)
            self._runtime = session.client("sagemaker-runtime", endpoint_url=connection.endpoint_url, config=config)

    def endpoints(self, name_contains: str = "", status: str = "") -> tuple[Endpoint, ...]:
        """All endpoints of the region, newest first, page by page; variants are not told here."""
        filters = {"NameContains": name_contains, "StatusEquals": status}
        with _typed_errors("list the endpoints"):
            pages = self._control.get_paginator("list_endpoints").paginate(
                SortBy="CreationTime",
                SortOrder="Descending",
                PaginationConfig={"PageSize": 100},
                **{key: value for key, value in filters.items() if value},
            )
            return tuple(
                Endpoint(row["EndpointName"], row["EndpointStatus"], _iso(row["CreationTime"]))
                for page in pages
                for row in page["Endpoints"]
            )

    def describe(self, name: str) -> Endpoint:
        """One endpoint with its variants; the instance type is read from its config."""
        with _typed_errors(f"describe endpoint {name}"):
            found = self._control.describe_endpoint(EndpointName=name)
            config = self._control.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
        current = {row["VariantName"]: row for row in found.get("ProductionVariants", ())}
        return Endpoint(
            name=found["EndpointName"],
            status=found["EndpointStatus"],
            created=_iso(found["CreationTime"]),
            config=found["EndpointConfigName"],
            variants=tuple(_variant(row, current) for row in config["ProductionVariants"]),
            failure=found.get("FailureReason", ""),
        )

    def invoke(self, request: Request, payload: Payload) -> Reply:
        """Send one image and return the raw reply; never retried here.

        Raises:
            PayloadTooLarge: before sending, when the image is above SageMaker's limit of 25 MB.
            ModelError: when the model's container answers with an error.
            EndpointError: for everything else that goes wrong on the way.
        """
        if len(payload.body) > MAX_BODY:
            raise errors.PayloadTooLarge(
                f"The image has {len(payload.body) / 2**20:.1f} MB; a real-time endpoint takes {MAX_BODY // 2**20} MB.",
                "Send a smaller image: fewer pixels, or a stronger JPEG compression.",
            )
        target = {"TargetVariant": request.variant} if request.variant else {}
        start = time.perf_counter()
        with _typed_errors(f"invoke endpoint {request.endpoint}"):
            answer = self._runtime.invoke_endpoint(
                EndpointName=request.endpoint,
                Body=payload.body,
                ContentType=payload.content_type,
                Accept=request.accept,
                **target,
            )
            body = answer["Body"].read()  # a truncated body is raised here
        return Reply(
            body=body,
            content_type=answer.get("ContentType", ""),
            latency=time.perf_counter() - start,
            variant=answer.get("InvokedProductionVariant"),
        )


def regions() -> tuple[str, ...]:
    """Every region where botocore knows SageMaker, in alphabetical order."""
    session = boto3.Session(aws_access_key_id="none", aws_secret_access_key="none")
    partitions = session.get_available_partitions()
    return tuple(sorted({r for p in partitions for r in session.get_available_regions("sagemaker", partition_name=p)}))


def is_loopback(url: str | None) -> bool:
    """Whether the URL's host is this very machine."""
    host = urlsplit(url).hostname if url else None
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def credential_sources(environment: Mapping[str, str] = os.environ) -> tuple[tuple[str, bool], ...]:
    """The usual ways to give AWS credentials, each with whether it is set up on this machine."""
    home = Path(environment.get("HOME") or Path.home())
    shared = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / ".aws" / "credentials")
    config = Path(environment.get("AWS_CONFIG_FILE") or home / ".aws" / "config")
    return (
        (
            "environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            bool(environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY")),
        ),
        (f"credentials file {shared}", shared.is_file()),
        (f"config file {config} (profiles, single sign-on)", config.is_file()),
        ("AWS_PROFILE, the profile to take from those files", bool(environment.get("AWS_PROFILE"))),
        ("web identity token file", bool(environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"))),
        (
            "role of the container",
            any(environment.get(f"AWS_CONTAINER_CREDENTIALS_{kind}") for kind in ("RELATIVE_URI", "FULL_URI")),
        ),
    )


def _made_up_session() -> boto3.Session:
    """A session with made-up keys: real ones must never travel to a loopback server, and none are needed there.

    It reads neither AWS_PROFILE nor the files in ~/.aws, which may be broken or name a profile that does not exist.
    """
    unset = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
    core = botocore.session.Session(session_vars={**botocore.session.Session.SESSION_VARIABLES, **unset})
    return boto3.Session("embedded", "embedded", botocore_session=core)


def _variant(row: Mapping[str, Any], current: Mapping[str, Mapping[str, Any]]) -> Variant:
    live = current.get(row["VariantName"], {})
    return Variant(
        name=row["VariantName"],
        instance="serverless" if "ServerlessConfig" in row else row.get("InstanceType", ""),
        count=int(live.get("CurrentInstanceCount", row.get("InitialInstanceCount", 0))),
        weight=float(live.get("CurrentWeight", row.get("InitialVariantWeight", 1.0))),
    )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@contextmanager
def _typed_errors(action: str) -> Iterator[None]:
    """Turn botocore's exceptions into smviz's; anything else passes through."""
    try:
        yield
    except vendor.ClientError as exc:
        raise from_client_error(exc, action) from exc
    except (
        vendor.NoCredentialsError,
        vendor.PartialCredentialsError,
        vendor.CredentialRetrievalError,
        vendor.TokenRetrievalError,
        vendor.SSOError,
        vendor.ProfileNotFound,
    ) as exc:
        missing = "; ".join(label for label, present in credential_sources() if not present)
        raise errors.CredentialsError(
            f"Could not {action}: {_sentence(exc)}",
            f"Give AWS credentials in one of the usual ways. Not set up on this machine: {missing}.",
        ) from exc
    except (vendor.NoRegionError, vendor.InvalidRegionError) as exc:
        raise errors.BadSetting(f"Could not {action}: {_sentence(exc)}", "Choose one of the listed regions.") from exc
    except (vendor.HTTPClientError, vendor.ConnectionError) as exc:
        raise errors.Unreachable(
            f"Could not {action}: {_sentence(exc)}",
            "Check the network, a proxy or VPC endpoint, and that the region is right; then try again.",
        ) from exc


def from_client_error(exc: vendor.ClientError, action: str) -> errors.EndpointError:
    """The typed error for an error code that SageMaker answered with."""
    error = exc.response.get("Error", {})
    code = str(error.get("Code") or "")
    text = str(error.get("Message") or code or "no reason was given")
    status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    message = f"Could not {action}: {_sentence(text)}"
    if code in {"ModelError", "ModelStreamError"}:
        return _model_error(exc.response, action)
    if code in {"ValidationException", "ValidationError"}:
        for fragment, kind, advice in VALIDATION:
            if fragment in text.lower():
                return kind(message, advice)
        return errors.InvalidRequest(message, "Correct what the message names and try again.")
    if code in CODES:
        kind, advice = CODES[code]
        return kind(message, advice)
    if status >= 500:
        return errors.ServiceError(f"{message} ({code})", _TRY_LATER)
    return errors.InvalidRequest(f"{message} ({code})", "Correct what the message names and try again.")


def _model_error(response: Mapping[str, Any], action: str) -> errors.ModelError:
    status = int(response.get("OriginalStatusCode") or 0)
    text = response.get("OriginalMessage") or response.get("Error", {}).get("Message") or "no reason was given"
    if status == 0 or "timed out" in str(text).lower():
        advice = "The container did not answer in time: send a smaller image or use a faster instance."
    elif status in {406, 415}:
        advice = "The container does not take this content type: check which one its documentation names."
    else:
        advice = "Look into the container's log for the cause."
    return errors.ModelError(
        f"Could not {action}: the model's container answered {status}: {_sentence(text)}",
        advice,
        status,
        response.get("LogStreamArn"),
    )


def _sentence(text: object) -> str:
    words = " ".join(str(text).split())
    return words if words.endswith((".", "!", "?")) else f"{words}."
