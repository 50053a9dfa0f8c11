"""The IAM policies that smviz needs, least privilege, for one endpoint, ready to copy.

The templates are in policy_templates.json; here they are given the ARNs of the very endpoint, config, model, role,
artefact and image repository. "*" is left only where AWS has no resource to name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from smviz.deployment import Plan, name_fault, partition_of
from smviz.deployment.checks import ARTEFACT, ECR_IMAGE, ROLE
from smviz.deployment.regions import REGION
from smviz.errors import BadSetting

_TEMPLATES: dict[str, Any] = json.loads(files("smviz").joinpath("policy_templates.json").read_text("utf-8"))

PURPOSES: Mapping[str, str] = MappingProxyType(
    {name: entry["title"] for name, entry in _TEMPLATES.items() if isinstance(entry, dict)}
)
"""What a policy can be for, each with a line for a person, from the least to the most."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a policy names. Every purpose needs its own part of it; `policy` tells what is missing.

    Attributes:
        region: where the endpoint is.
        account: twelve digits.
        endpoint, config, model: names.
        role: the execution role's ARN.
        artefact: the model's file, s3://bucket/key; may stay empty where the image holds the model.
        image: the registry path of the container image.
    """

    region: str
    account: str
    endpoint: str = ""
    config: str = ""
    model: str = ""
    role: str = ""
    artefact: str = ""
    image: str = ""

    @classmethod
    def of(cls, plan: Plan) -> Resources:
        """What a plan makes and uses."""
        return cls(
            region=plan.region,
            account=plan.account,
            endpoint=plan.endpoint,
            config=plan.config,
            model=plan.model,
            role=plan.role,
            artefact=plan.artefact,
            image=plan.image,
        )


def policy(purpose: str, resources: Resources) -> str:
    """An IAM policy as JSON text.

    A SageMaker name with capitals is listed in lower case too: ARNs of SageMaker appear in both spellings.

    Args:
        purpose: one of `PURPOSES`.
        resources: what the policy is about.

    Raises:
        BadSetting: for an unknown purpose, or when something that the policy names is missing or not valid.
    """
    if purpose not in PURPOSES:
        raise BadSetting(f"There is no policy for {purpose!r}.", f"Choose one of: {', '.join(PURPOSES)}.")
    document = json.loads(json.dumps(_TEMPLATES[purpose]["policy"]))
    if purpose == "execution-role" and not resources.artefact:
        document["Statement"] = [s for s in document["Statement"] if s["Sid"] != "Artefact"]
    for statement in document["Statement"]:
        if isinstance(statement.get("Resource"), list):
            statement["Resource"] = _filled(statement["Resource"], resources)
    return json.dumps(document, indent=2) + "\n"


def _filled(patterns: list[str], resources: Resources) -> list[str]:
    arns: list[str] = []
    for pattern in patterns:
        word = re.findall(r"\$\{(\w+)\}", pattern)[0]
        arns += [pattern.replace(f"${{{word}}}", arn) for arn in _arns(word, resources)]
    return arns


def _arns(word: str, resources: Resources) -> list[str]:
    """The ARNs, one or two, that a placeholder stands for."""
    partition, home = partition_of(resources.region), f"{_region(resources)}:{_account(resources)}"
    if word == "role":
        return [_matching("role", ROLE, resources.role)[0]]
    if word == "artefact":
        return [f"arn:{partition}:s3:::{_matching('artefact', ARTEFACT, resources.artefact)[0].removeprefix('s3://')}"]
    if word == "repository":
        path = _matching("image", ECR_IMAGE, resources.image)
        return [f"arn:{partition}:ecr:{path['region']}:{path['account']}:repository/{path['repository']}"]
    if word == "log":
        return [f"arn:{partition}:logs:{home}:log-group:/aws/sagemaker/Endpoints/{_name('endpoint', resources)}"]
    kind, name = "endpoint-config" if word == "config" else word, _name(word, resources)
    return [f"arn:{partition}:sagemaker:{home}:{kind}/{spelling}" for spelling in dict.fromkeys((name, name.lower()))]


def _name(field: str, resources: Resources) -> str:
    name = str(getattr(resources, field))
    if fault := name_fault(name):
        raise BadSetting(f"The {field}'s name {fault}.", f"Give the {field}'s name: letters, digits and hyphens.")
    return name


def _region(resources: Resources) -> str:
    return _matching("region", REGION, resources.region)[0]


def _account(resources: Resources) -> str:
    return _matching("account", "[0-9]{12}", resources.account)[0]


def _matching(field: str, pattern: str, value: str) -> re.Match[str]:
    found = re.fullmatch(pattern, value)
    # In a policy these are no plain text: they would let it reach further than the one resource.
    if found is None or re.search(r"[*?$]", value):
        message = f"The {field} {value!r} cannot be named in a policy." if value else f"The {field} is missing."
        raise BadSetting(message, f"Give the {field} of the endpoint that the policy is for.")
    return found
