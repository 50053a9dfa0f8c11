"""An endpoint: what is deployed on it, and how its status moves with time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smviz.local.demo import MODEL_FILES
from smviz.local.shapes import Container, CreateEndpointConfig, CreateModel, ProductionVariant

EMBEDDED = "embedded://"
"""What the URL of an artefact that ships with the embedded endpoint starts with."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A variant, and its model as it was when it was deployed."""

    variant: ProductionVariant
    model: CreateModel

    @property
    def failure(self) -> str:
        """Why it cannot be deployed, worded like SageMaker's reasons; empty when it can."""
        for container in self.model.all_containers:
            if not _can_be_fetched(container):
                return (
                    f"Failed to download model data for container {container.container_hostname or 'primary'} of "
                    f'production variant {self.variant.variant_name} from URL: "{container.model_data_url}". Please '
                    "ensure that there is an object located at the URL and that the role passed to CreateModel has "
                    "permissions to download the object."
                )
        return ""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Deployment:
    """A config as it was when it was deployed: deleting it, or its models, does not touch a live endpoint.

    Two deployments are never equal, also of the same config.
    """

    config: CreateEndpointConfig
    production: tuple[Deployed, ...]
    shadow: tuple[Deployed, ...]

    @property
    def failure(self) -> str:
        """Why it cannot be deployed: the first failure of its variants; empty when it can."""
        return next((d.failure for d in (*self.production, *self.shadow) if d.failure), "")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint at one moment; times are in seconds since 1970.

    Attributes:
        modified: when it took its status.
        settled: when its status ends, unless it is InService or Failed.
        target: what is being deployed, or was last.
        serving: what answers invocations; None until the first deployment is complete.
        failure: why the last deployment did not succeed.
    """

    name: str
    status: str
    created: float
    modified: float
    settled: float
    target: Deployment
    serving: Deployment | None = None
    failure: str = ""

    @property
    def deployment(self) -> Deployment:
        """What it serves, or is to serve once it is created."""
        return self.serving or self.target

    @property
    def is_in_progress(self) -> bool:
        """Whether its status ends by itself; it takes no other change until then."""
        return self.status not in ("InService", "Failed")

    def at(self, now: float) -> Endpoint | None:
        """The endpoint at a later moment, or None when it is gone."""
        if not self.is_in_progress or now < self.settled:
            return self
        if self.status == "Deleting":
            return None
        if self.status == "RollingBack":
            return replace(self, status="InService", modified=self.settled)
        failure = self.target.failure
        if not failure:
            return replace(self, status="InService", modified=self.settled, serving=self.target)
        if self.serving is None:
            return replace(self, status="Failed", modified=self.settled, failure=failure)
        # It takes as long to go back as it took to get here.
        back = 2 * self.settled - self.modified
        return replace(self, status="RollingBack", modified=self.settled, settled=back, failure=failure).at(now)


def _can_be_fetched(container: Container) -> bool:
    """An embedded artefact must be there; what s3:// or https:// names is not looked for, since there is no S3 here.

    A multi-model container fetches an artefact when it is invoked.
    """
    url = container.model_data_url or ""
    if container.mode == "MultiModel" or not url.startswith(EMBEDDED):
        return True
    return url.removeprefix(EMBEDDED) in MODEL_FILES
