"""What is to be deployed, and what is to be deleted again: frozen values, nothing is called."""

from __future__ import annotations

from dataclasses import dataclass

from smviz.settings import Instances, Serverless


@dataclass(frozen=True, slots=True)
class PlannedVariant:
    """A production variant of the plan's model, and its share of the calls relative to the others' weights."""

    compute: Instances | Serverless
    name: str = "variant-1"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A model, an endpoint config and an endpoint, before any of them is made.

    Attributes:
        region: where all three are made.
        model: the model's name.
        image: the registry path of the container image; `built_in_image(region)` or another one in Amazon ECR.
        artefact: the model's .tar.gz in S3, as s3://bucket/key; empty where the image holds the model.
        role: the ARN of the execution role that the container works under.
        config: the endpoint config's name.
        endpoint: the endpoint's name.
        variants: one, or several that share the calls.
    """

    region: str
    model: str
    image: str
    artefact: str
    role: str
    config: str
    endpoint: str
    variants: tuple[PlannedVariant, ...]

    @property
    def account(self) -> str:
        """The account that owns the role, and so all that is made; empty while the role is no ARN."""
        words = self.role.split(":")
        return words[4] if len(words) > 4 else ""


@dataclass(frozen=True, slots=True)
class Teardown:
    """An endpoint to delete, with the config and the models behind it."""

    region: str
    endpoint: str
    config: str
    models: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan) -> Teardown:
        """What undoes a plan."""
        return cls(plan.region, plan.endpoint, plan.config, (plan.model,))
