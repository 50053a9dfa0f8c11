"""Who calls AWS, and by which of the usual ways; the keys themselves are never looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """Who AWS says is calling: the account's 12 digits, and the ARN of the role's session, user or root."""

    account: str
    arn: str

    @property
    def name(self) -> str:
        """The role's name, without its session; or the user's name; or "root"."""
        kind, _, path = self.arn.rpartition(":")[2].partition("/")
        return path.split("/")[0] if kind == "assumed-role" else path.rpartition("/")[2] or kind

    @property
    def kind(self) -> str:
        """What is calling: "role", "user", "root", or whatever else the ARN names."""
        kind = self.arn.rpartition(":")[2].partition("/")[0]
        return "role" if kind == "assumed-role" else kind


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
