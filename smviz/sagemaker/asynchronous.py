"""Asynchronous invocation: the image into S3 or inline, the answer or the failure out of S3."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smviz import errors
from smviz.records import Payload, Reply
from smviz.sagemaker.failures import model_error, typed_errors
from smviz.sagemaker.files import bucket_and_key
from smviz.sagemaker.requests import async_parameters
from smviz.settings import Request

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0  # seconds between two looks into S3


@dataclass(frozen=True, slots=True)
class AsyncInvocation:
    """How an asynchronous endpoint is called.

    Attributes:
        runtime, s3: the clients.
        clock: seconds, monotonic.
        sleep: how to wait so many seconds.
        patience: seconds to wait for the answer; the container itself has 900 by default, and 3600 at most.
    """

    runtime: Any
    s3: Any
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    patience: float

    def __call__(self, request: Request, payload: Payload) -> Reply:
        """Send one image, and wait until its answer or its failure is in S3.

        Raises:
            PayloadTooLarge: before sending, when the endpoint would not take it.
            ModelError: when the failure location holds the container's error.
            TimedOut: when neither came in time; the endpoint may still be at work.
            EndpointError: for everything else that goes wrong on the way.
        """
        parameters: dict[str, Any] = dict(async_parameters(request, payload))
        start = self.clock()
        action = f"invoke endpoint {request.endpoint}"
        if request.s3_input:
            parameters["InputLocation"] = self._upload(request.s3_input, parameters["ContentType"], payload)
        else:
            parameters["Body"] = payload.body
        with typed_errors(action):
            taken = self.runtime.invoke_endpoint_async(**parameters)
        if not taken.get("OutputLocation"):
            raise errors.ServiceError(
                f"Could not {action}: the answer names no OutputLocation.", "Try again in a moment."
            )
        body, content_type = self._answer(action, taken["OutputLocation"], taken.get("FailureLocation"), start)
        return Reply(body, content_type, self.clock() - start, variant=None)

    def _upload(self, place: str, content_type: str, payload: Payload) -> str:
        # Named by its content: a second try, or a second run, writes the same object again and litters nothing.
        uri = f"{place.rstrip('/')}/{payload.sha256}"
        bucket, key = _place(uri)
        with typed_errors(f"upload the image to {uri}"):
            self.s3.put_object(Bucket=bucket, Key=key, Body=payload.body, ContentType=content_type)
        return uri

    def _answer(self, action: str, output: str, failure: str | None, start: float) -> tuple[bytes, str]:
        pause = _FIRST_PAUSE
        while True:
            answer, hindrance = self._look(output)
            if answer:
                return answer
            told, hindrance = self._look(failure, hindrance) if failure else (None, hindrance)
            if told:
                raise _failed(action, told[0].decode(errors="replace"))
            if self.clock() - start >= self.patience:
                raise _timed_out(action, self.patience, output, failure, hindrance)
            self.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _look(self, uri: str, hindrance: str = "") -> tuple[tuple[bytes, str] | None, str]:
        """What is there by now, and what kept us from seeing it."""
        try:
            return self._fetch(uri), hindrance
        except errors.EndpointError as error:
            # Without s3:ListBucket, S3 says "access denied" of an object that is only not there yet.
            if not (error.passing or isinstance(error, errors.AccessDenied)):
                raise
            return None, error.message

    def _fetch(self, uri: str) -> tuple[bytes, str] | None:
        bucket, key = _place(uri)
        with typed_errors(f"read {uri}"):
            try:
                found = self.s3.get_object(Bucket=bucket, Key=key)
            except self.s3.exceptions.NoSuchKey:
                return None
            return found["Body"].read(), found.get("ContentType", "")


def _failed(action: str, text: str) -> errors.ModelError:
    status = re.search(r"error \((\d{1,3})\)", text)
    return model_error(action, int(status[1]) if status else None, text)


def _timed_out(action: str, patience: float, output: str, failure: str | None, hindrance: str) -> errors.TimedOut:
    message = f"Could not {action}: no answer came within {patience:.0f} seconds."
    if hindrance:
        return errors.TimedOut(
            f"{message} The last thing heard was: {hindrance}",
            "Have s3:GetObject allowed there, and s3:ListBucket, without which a missing answer looks forbidden.",
        )
    if failure is None:
        return errors.TimedOut(message, f"Look at {output} later, or into the log: no S3FailurePath is configured.")
    return errors.TimedOut(message, f"Look at {output} and {failure} later, or into the endpoint's log.")


def _place(uri: str) -> tuple[str, str]:
    try:
        bucket, key = bucket_and_key(uri)
    except errors.BadSource as error:
        raise errors.InvalidRequest(error.message, error.advice) from error
    if not key.strip("/"):
        raise errors.InvalidRequest(f"{uri!r} names a bucket and no place in it.", "Write it as s3://bucket/prefix.")
    return bucket, key
