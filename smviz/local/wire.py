"""How answers and errors look on the wire: AWS JSON 1.1 (control plane) and REST JSON (runtime)."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from starlette.responses import Response

ACCOUNT = "000000000000"
REGION = "us-east-1"


class AwsError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: the error code that clients branch on.
        message: its text; real throttles carry none.
        status: the HTTP status.
        request: the request's id; a new one when none is given.
        members: further members of the error's shape, by name.
    """

    def __init__(
        self, code: str, message: str | None, status: int = 400, request: str | None = None, **members: Any
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members
        self.request = request or new_request()


def invalid(message: str) -> AwsError:
    """The control plane's answer to nearly all that is wrong, also to what does not exist."""
    return AwsError("ValidationException", message)


def arn(kind: str, name: str) -> str:
    """The ARN of a SageMaker resource; SageMaker writes the name in lower case."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name.lower()}"


def new_request() -> str:
    """The id of one more request."""
    return str(uuid.uuid4())


def request_id(request: str) -> dict[str, str]:
    """The header that names a request in logs and support cases."""
    return {"x-amzn-RequestId": request}


def control_answer(answer: dict[str, Any] | None) -> Response:
    """An operation's output; operations without one answer with an empty body."""
    body = b"" if answer is None else msgspec.json.encode(answer)
    return Response(body, headers=request_id(new_request()), media_type="application/x-amz-json-1.1")


def control_error(error: AwsError) -> Response:
    """An error of the control plane: the code is in the body."""
    body = msgspec.json.encode({"__type": error.code, "message": error.message})
    return Response(body, error.status, request_id(error.request), "application/x-amz-json-1.1")


def runtime_error(error: AwsError) -> Response:
    """An error of the runtime: the code is in a header.

    A body that is too large is turned away before the service sees it: plain text, and no code but the HTTP status.
    """
    if error.status == 413:
        return Response(error.message, error.status, request_id(error.request), "text/plain")
    key = "Message" if error.message is not None else "message"
    body = msgspec.json.encode({key: error.message, **error.members})
    headers = request_id(error.request) | {"x-amzn-ErrorType": error.code}
    return Response(body, error.status, headers, "application/json")
