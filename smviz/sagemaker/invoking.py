"""Calls of endpoints that differ by their body alone, in some three fifths of the time that boto3 takes for each.

Most of what boto3 does for a call is the same for the next one: the address and the headers, which its model of the
service tells. So it makes the first call of a kind, and the others are that one with another body: signed anew by its
signer, with the digest that is known already, and sent by its client's own session, with the same pool, proxies and
certificates. An answer that is no success is handed to boto3, which reads it as if it had made that call; so every
error is its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.response import StreamingBody

_BEFORE_SEND = "before-send.sagemaker-runtime.InvokeEndpoint"
_MOST_KINDS = 100
_SIGNED = "AWS4-HMAC-SHA256 "  # how the header begins that SigV4Auth makes
# What is another with every call: of the signature, of the body, and boto3's own count of calls.
_OF_ONE_CALL = {
    "authorization",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "content-length",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
}


class _Kind(NamedTuple):
    """What calls of one kind have in common."""

    url: str
    headers: Mapping[str, str]


class Invocations:
    """InvokeEndpoint of one client. Any thread may use it."""

    def __init__(self, client: Any, credentials: Callable[[], Any]) -> None:
        """Nothing is called yet.

        Args:
            client: boto3's of sagemaker-runtime.
            credentials: those it signs with, botocore's; only asked for where the client had some.
        """
        self._client = client
        self._credentials = credentials
        self._session = client._endpoint.http_session
        self._scope = client.meta.service_model.signing_name, client.meta.region_name
        answer = client.meta.service_model.operation_model("InvokeEndpoint").output_shape.members
        self._told = {name: shape.serialization.get("name") for name, shape in answer.items()}
        self._kinds: dict[tuple[tuple[str, str], ...], _Kind] = {}
        self._of_thread = threading.local()
        client.meta.events.register(_BEFORE_SEND, self._before_send)

    def __call__(self, given: Mapping[str, str], body: bytes, sha256: str) -> tuple[Mapping[str, str], bytes]:
        """Call an endpoint once.

        Args:
            given: the parameters but the body, by boto3's names.
            body: the bytes to send.
            sha256: their hex digest.

        Returns:
            What the answer tells, by boto3's names; and its body.

        Raises:
            BotoCoreError, ClientError: as boto3's client does.
        """
        key = tuple(given.items())
        kind = self._kinds.get(key)
        if kind is None:
            return self._by_boto3(given, body, learn=key)
        response = self._sent(kind, body, sha256)
        if response.status_code != 200:
            return self._by_boto3(given, b"", response=response)
        headers = response.headers
        told = {name: headers[header] for name, header in self._told.items() if header and header in headers}
        return told, StreamingBody(response.raw, headers.get("content-length")).read()

    def _sent(self, kind: _Kind, body: bytes, sha256: str) -> AWSResponse:
        request = AWSRequest("POST", kind.url, kind.headers, body, stream_output=True)
        request.headers["X-Amz-Content-SHA256"] = sha256
        SigV4Auth(self._credentials().get_frozen_credentials(), *self._scope).add_auth(request)
        return self._session.send(request.prepare())

    def _by_boto3(
        self,
        given: Mapping[str, str],
        body: bytes,
        learn: tuple[tuple[str, str], ...] | None = None,
        response: AWSResponse | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        """Have boto3 make the call, to learn how it does that; or only read the response to one that was made."""
        self._of_thread.learn, self._of_thread.response = learn, response
        try:
            answer = self._client.invoke_endpoint(Body=body, **given)
            return answer, answer["Body"].read()
        finally:
            self._of_thread.learn = self._of_thread.response = None

    def _before_send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        key = getattr(self._of_thread, "learn", None)
        if key and _text(request.headers.get("Authorization", "")).startswith(_SIGNED):
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            common = {name: _text(value) for name, value in request.headers.items() if name.lower() not in _OF_ONE_CALL}
            self._kinds[key] = _Kind(request.url, common)
        return getattr(self._of_thread, "response", None)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
