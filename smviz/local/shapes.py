"""The requests of the control plane as typed shapes, validated with SageMaker's own constraints and wording.

Lengths, patterns and enums are those of SageMaker's service model (API version 2017-07-24). Members that are not
listed here (tags, data capture, VPC settings and so on) are accepted and have no effect. Two constraints differ:
instance types are checked by their form, since SageMaker's list grows all the time, and artefacts may be
`embedded://` URLs. Inference components are not served, so a variant must name its model.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from smviz.local.wire import AwsError

Name = Annotated[str, Meta(max_length=63, pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}\Z")]
NamePart = Annotated[str, Meta(max_length=63, pattern=r"^[a-zA-Z0-9-]+\Z")]
Artefact = Annotated[str, Meta(max_length=1024, pattern=r"^(https|s3|embedded)://([^/]+)/?(.*)\Z")]
Image = Annotated[str, Meta(max_length=255, pattern=r"^\S+\Z")]
InstanceType = Annotated[str, Meta(pattern=r"^ml\.[a-z0-9-]+\.[a-z0-9-]+\Z")]
RoleArn = Annotated[
    str, Meta(min_length=20, max_length=2048, pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+\Z")
]
Weight = Annotated[float, Meta(ge=0, le=3.4e38)]
Status = Literal[
    "OutOfService",
    "Creating",
    "Updating",
    "SystemUpdating",
    "RollingBack",
    "InService",
    "Deleting",
    "Failed",
    "UpdateRollbackFailed",
]


class Shape(Struct, rename="pascal", kw_only=True, omit_defaults=True):
    """Base of all shapes: members are named as on the wire, ModelName for model_name."""


class Container(Shape):
    """The image and artefact that a model consists of."""

    image: Image | None = None
    model_data_url: Artefact | None = None
    environment: dict[str, str] = {}


class CreateModel(Shape):
    """Either one primary container or a list of them."""

    model_name: Name
    primary_container: Container | None = None
    containers: Annotated[list[Container], Meta(max_length=15)] = []
    execution_role_arn: RoleArn | None = None


class ProductionVariant(Shape):
    """A model, and the share of the traffic and the machine that it gets."""

    variant_name: Name
    model_name: Name
    initial_instance_count: Annotated[int, Meta(ge=1)] | None = None
    instance_type: InstanceType | None = None
    initial_variant_weight: Weight = 1.0
    serverless_config: dict[str, int] | None = None


class CreateEndpointConfig(Shape):
    """The variants of an endpoint to be."""

    endpoint_config_name: Name
    production_variants: Annotated[list[ProductionVariant], Meta(min_length=1, max_length=10)]


class CreateEndpoint(Shape):
    """An endpoint from a config."""

    endpoint_name: Name
    endpoint_config_name: Name


class UpdateEndpoint(CreateEndpoint):
    """Another config for an endpoint in service."""


class OneModel(Shape):
    """Names the model to describe or delete."""

    model_name: Name


class OneEndpointConfig(Shape):
    """Names the endpoint config to describe or delete."""

    endpoint_config_name: Name


class OneEndpoint(Shape):
    """Names the endpoint to describe or delete."""

    endpoint_name: Name


class Listing(Shape):
    """Which rows of a list are asked for; times are seconds since 1970."""

    sort_by: Literal["Name", "CreationTime"] = "CreationTime"
    sort_order: Literal["Ascending", "Descending"] = "Descending"
    next_token: Annotated[str, Meta(max_length=8192)] | None = None
    max_results: Annotated[int, Meta(ge=1, le=100)] = 10
    name_contains: NamePart = ""
    creation_time_before: float | None = None
    creation_time_after: float | None = None


class ListEndpoints(Listing):
    """Endpoints can also be sorted by status, and filtered by status and by their last change."""

    sort_by: Literal["Name", "CreationTime", "Status"] = "CreationTime"  # type: ignore[assignment]
    last_modified_time_before: float | None = None
    last_modified_time_after: float | None = None
    status_equals: Status | None = None


AnyShape = TypeVar("AnyShape", bound=Shape)


def decode(shape: type[AnyShape], body: bytes) -> AnyShape:
    """Read a request's JSON body.

    Raises:
        AwsError: SerializationException when it is no JSON object, ValidationException when a constraint is violated.
    """
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        violation = str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AwsError("SerializationException", f"The request is no JSON object: {error}.") from error
    given = msgspec.json.decode(body)
    if not isinstance(given, dict):
        raise AwsError("SerializationException", "Start of structure or map found where not expected.")
    raise AwsError("ValidationException", _in_the_words_of_aws(violation, given, shape))


# What msgspec says -> the constraint as SageMaker words it. `{}` takes the first group.
_CONSTRAINTS = (
    (r"missing required field|got `null`", "Member must not be null"),
    (r"length <= (\d+)", "Member must have length less than or equal to {}"),
    (r"length >= (\d+)", "Member must have length greater than or equal to {}"),
    (r"matching regex '(.*)\\\\Z'", "Member must satisfy regular expression pattern: {}"),
    (r"<= ([\d.e+]+)", "Member must have value less than or equal to {}"),
    (r">= ([\d.e+]+)", "Member must have value greater than or equal to {}"),
    (r"Expected `([a-z]+)", "Member must be of type {}"),
    (r"(?s)(.*)", "{}"),
)


def _in_the_words_of_aws(violation: str, given: dict[str, Any], shape: type[Shape]) -> str:
    reason, _, path = violation.partition(" - at `$")
    keys = re.findall(r"\w+", path)
    if missing := re.search(r"missing required field `(\w+)`", reason):
        keys.append(missing[1])
    value = _value_at(given, keys)
    if reason.startswith("Invalid enum value"):
        constraint = f"Member must satisfy enum value set: [{', '.join(_enum_values(shape, keys[0]))}]"
    else:
        pattern, words = next(row for row in _CONSTRAINTS if re.search(row[0], reason))
        found = re.search(pattern, reason)
        constraint = words.format(*(found.groups() if found else ())).replace(r"\\", "\\")  # msgspec shows a repr
    member = ".".join(f"{int(key) + 1}.member" if key.isdigit() else key[0].lower() + key[1:] for key in keys)
    shown = "null" if value is None else f"'{value}'"
    return f"1 validation error detected: Value {shown} at '{member}' failed to satisfy constraint: {constraint}"


def _value_at(given: Any, keys: list[str]) -> Any:
    for key in keys:
        given = given[int(key)] if isinstance(given, list) else given.get(key)
        if given is None:
            break
    return given


def _enum_values(shape: type[Shape], member: str) -> tuple[str, ...]:
    field = next(field for field in msgspec.structs.fields(shape) if field.encode_name == member)
    kind = msgspec.inspect.type_info(field.type)
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    return next(tuple(map(str, k.values)) for k in kinds if isinstance(k, msgspec.inspect.LiteralType))
