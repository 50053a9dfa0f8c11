"""Who the caller is, and which roles there are: STS GetCallerIdentity and IAM ListRoles, in AWS's query protocol.

A request is a form with an Action; an answer is XML.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

import msgspec
from starlette.responses import Response

from smviz.local.wire import ACCOUNT, AwsError, new_request, request_id

ROLE_PATH = "/service-role/"
ROLE_NAME = "AmazonSageMaker-ExecutionRole-embedded"
EXECUTION_ROLE = f"arn:aws:iam::{ACCOUNT}:role{ROLE_PATH}{ROLE_NAME}"
"""The ARN of the one role there is, which SageMaker may assume."""

_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
_IAM = "https://iam.amazonaws.com/doc/2010-05-08/"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_ROLE = {
    "Path": ROLE_PATH,
    "RoleName": ROLE_NAME,
    "RoleId": "AROAEMBEDDED000000000",
    "Arn": EXECUTION_ROLE,
    "CreateDate": "2024-01-01T00:00:00Z",
    "AssumeRolePolicyDocument": quote(msgspec.json.encode(_TRUST), safe=""),  # IAM sends it URL-encoded
    "MaxSessionDuration": 3600,
}

Form = dict[str, str]


def answer(body: bytes) -> Response:
    """Run the action that a form names; its Version, which tells the service, is not looked at.

    Raises:
        AwsError: InvalidAction when it is not served here.
    """
    form = {key: values[0] for key, values in parse_qs(body.decode("ascii", "replace")).items()}
    action = form.get("Action", "")
    if action not in _ACTIONS:
        raise AwsError("InvalidAction", f"The embedded endpoint does not serve the action {action!a}.")
    namespace, function = _ACTIONS[action]
    request = new_request()
    told = {f"{action}Result": function(form), "ResponseMetadata": {"RequestId": request}}
    return _xml(f"{action}Response", namespace, told, request)


def error_answer(error: AwsError) -> Response:
    """An error in the query protocol."""
    told = {"Type": "Sender", "Code": error.code, "Message": error.message}
    return _xml("ErrorResponse", _STS, {"Error": told, "RequestId": error.request}, error.request, error.status)


def _get_caller_identity(_: Form) -> dict[str, Any]:
    return {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}


def _list_roles(form: Form) -> dict[str, Any]:
    """All roles below PathPrefix; there is but one page, so MaxItems and Marker have no effect."""
    roles = [_ROLE] if ROLE_PATH.startswith(form.get("PathPrefix", "/")) else []
    return {"Roles": roles, "IsTruncated": "false"}


_ACTIONS: dict[str, tuple[str, Callable[[Form], dict[str, Any]]]] = {
    "GetCallerIdentity": (_STS, _get_caller_identity),
    "ListRoles": (_IAM, _list_roles),
}


def _xml(root: str, namespace: str, members: dict[str, Any], request: str, status: int = 200) -> Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{namespace}">{_elements(members)}</{root}>'
    return Response(body, status, request_id(request), "text/xml")


def _elements(members: dict[str, Any]) -> str:
    return "".join(f"<{name}>{_content(value)}</{name}>" for name, value in members.items())


def _content(value: Any) -> str:
    if isinstance(value, dict):
        return _elements(value)
    if isinstance(value, list):
        return "".join(f"<member>{_content(item)}</member>" for item in value)
    return escape(str(value))
