"""Reads the requests of the control plane, and says what is wrong with them in SageMaker's words."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from smviz.local.shapes import Shape, Told
from smviz.local.wire import AwsError

AnyShape = TypeVar("AnyShape", bound=Shape)


def decode(shape: type[AnyShape], body: bytes) -> AnyShape:
    """Read a request's JSON body.

    Raises:
        AwsError: SerializationException when it is no JSON object, ValidationException when a constraint is violated.
    """
    try:
        request = msgspec.json.decode(body, type=shape)
        if isinstance(request, Told):
            request.given = msgspec.json.decode(body)
        return request
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
    (r"multiple of (\d+)", "Member must be a multiple of {}"),
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
        constraint = f"Member must satisfy enum value set: [{', '.join(_enum_values(shape, keys))}]"
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


def _enum_values(shape: type[Shape], keys: list[str]) -> tuple[str, ...]:
    kind = msgspec.inspect.type_info(shape)
    for key in keys:
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next(field.type for field in kind.fields if field.encode_name == key)
        elif isinstance(kind, msgspec.inspect.ListType):
            kind = kind.item_type
        kind = _without_metadata_and_null(kind)
    assert isinstance(kind, msgspec.inspect.LiteralType)
    return tuple(map(str, kind.values))


def _without_metadata_and_null(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    if isinstance(kind, msgspec.inspect.UnionType):
        return next(k for k in kind.types if not isinstance(k, msgspec.inspect.NoneType))
    return kind
