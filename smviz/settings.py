"""Frozen settings: what a person chose. Nothing here does I/O but `Settings.from_environment`."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from smviz.errors import BadSetting

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Connection:
    """Which SageMaker is called.

    Attributes:
        region: an AWS region's name.
        endpoint_url: where to call instead of AWS, or None; one URL serves control plane and runtime.
        profile: a profile of the AWS configuration files, or None for the usual chain.
        role: the ARN of an IAM role to assume with those credentials, or None.
    """

    region: str
    endpoint_url: str | None = None
    profile: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """How an image is sent to an endpoint; part of what identifies a stored outcome.

    Attributes:
        variant: the production variant that must answer (TargetVariant), or None to follow the traffic weights.
        accept: the content type asked for.
        content_type: what the image is said to be, or None for its own MIME type.
        component: InferenceComponentName; an endpoint of inference components must be told.
        target_model: TargetModel, the artefact that a multi-model endpoint must load.
        container: TargetContainerHostname, of a multi-container endpoint that is called directly.
        custom_attributes: CustomAttributes, which are handed to the container as they are; ASCII.
        hosting: "real-time", "serverless" or "asynchronous", as `Endpoint.hosting` tells it.
        s3_input: s3://bucket/prefix for the images of an asynchronous endpoint, or None to send them inline.
    """

    endpoint: str
    variant: str | None = None
    accept: str = "application/json"
    content_type: str | None = None
    component: str | None = None
    target_model: str | None = None
    container: str | None = None
    custom_attributes: str | None = None
    hosting: str = "real-time"
    s3_input: str | None = None


@dataclass(frozen=True, slots=True)
class Instances:
    """Machines that run from InService until the endpoint is deleted, and are billed all that time."""

    type: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Serverless:
    """Machines that AWS starts when a call comes: the memory of each in MB, 1024 to 6144 in steps of 1024, and the
    most calls at once, 1 to 200."""

    memory: int = 4096
    concurrency: int = 5


@dataclass(frozen=True, slots=True)
class Preset:
    """How the replies of one endpoint are read: the response format's name, its options, the class names.

    Attributes:
        format: a name in `smviz.responses.FORMATS`.
        class_names: index is the class id; empty where the replies carry names.
        options: name and value of each option that differs from the format's default.
    """

    format: str
    class_names: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MatchSettings:
    """How detections are matched to ground truth. The defaults are COCO's.

    Attributes:
        ious: the IoU thresholds, ascending.
        areas: (name, low, high) in square pixels, both ends inclusive; the first one is "all".
        max_detections: how many detections an image and class may keep, ascending; matching uses the last.
    """

    ious: tuple[float, ...] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
    areas: tuple[tuple[str, float, float], ...] = (
        ("all", 0.0, 1e10),
        ("small", 0.0, 32.0**2),
        ("medium", 32.0**2, 96.0**2),
        ("large", 96.0**2, 1e10),
    )
    max_detections: tuple[int, ...] = (1, 10, 100)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set from outside, once per process.

    Attributes:
        workspace: the folder of the database of runs and presets.
        sagemaker_url: from AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME or AWS_ENDPOINT_URL_SAGEMAKER, or None.
        region: from AWS_REGION or AWS_DEFAULT_REGION, or None.
        allow_deploy: from SMVIZ_ALLOW_DEPLOY, whether endpoints may be made and deleted; None where it is not said.
        replay: from SMVIZ_REPLAY, the folder of shared runs that are looked at and nothing else; None for a workspace.
    """

    workspace: Path
    sagemaker_url: str | None = None
    region: str | None = None
    allow_deploy: bool | None = None
    replay: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read SMVIZ_WORKSPACE (default: .smviz in the home folder) and the variables named above.

        Raises:
            BadSetting: when a variable holds what it cannot mean.
        """
        return cls(
            workspace=Path(environment.get("SMVIZ_WORKSPACE") or Path.home() / ".smviz"),
            sagemaker_url=environment.get("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME")
            or environment.get("AWS_ENDPOINT_URL_SAGEMAKER")
            or None,
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
            allow_deploy=_yes_or_no("SMVIZ_ALLOW_DEPLOY", environment),
            replay=Path(replay).expanduser() if (replay := environment.get("SMVIZ_REPLAY", "").strip()) else None,
        )


def is_loopback(url: str | None) -> bool:
    """Whether the URL's host is this very machine."""
    try:
        host = urlsplit(url or "").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _yes_or_no(name: str, environment: Mapping[str, str]) -> bool | None:
    word = environment.get(name, "").strip().lower()
    if word not in {"", "1", "true", "yes", "0", "false", "no"}:
        raise BadSetting(f"{name} is {word!r}, which is neither yes nor no.", "Set it to 1 or 0, or not at all.")
    return word in {"1", "true", "yes"} if word else None
