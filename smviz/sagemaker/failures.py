"""Turn what botocore raises into smviz's errors, by the table in `codes`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as vendor
from botocore.parsers import ResponseParserError

from smviz import errors
from smviz.journal import without_secrets
from smviz.sagemaker.codes import CODES, CORRECT, TRY_LATER, VALIDATION, VENDOR
from smviz.sagemaker.credentials import credential_sources
from smviz.sagemaker.logs import log_url


@contextmanager
def typed_errors(action: str) -> Iterator[None]:
    """Turn botocore's exceptions into smviz's; anything else passes through."""
    try:
        yield
    except vendor.ClientError as exc:
        raise from_client_error(exc, action) from exc
    except (vendor.BotoCoreError, ResponseParserError) as exc:
        error = from_vendor_error(exc, action)
        if error is None:
            raise
        raise error from exc


def from_vendor_error(exc: Exception, action: str) -> errors.SmvizError | None:
    """The typed error for an exception that botocore raised by itself; None for what can only be a bug of smviz."""
    for kinds, error, advice in VENDOR:
        if isinstance(exc, kinds):
            if isinstance(exc, vendor.NoCredentialsError):
                missing = "; ".join(label for label, present in credential_sources() if not present)
                advice = f"{advice} Not set up on this machine: {missing}."
            return error(f"Could not {action}: {sentence(exc)}", advice)
    return None


def from_client_error(exc: vendor.ClientError, action: str) -> errors.EndpointError:
    """The typed error for an error code that AWS answered with."""
    error = exc.response.get("Error", {})
    code = str(error.get("Code") or "")
    text = str(error.get("Message") or code or "no reason was given")
    status = int(exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    message = f"Could not {action}: {sentence(text)}"
    if code in {"ModelError", "ModelStreamError"}:
        told = exc.response.get("OriginalMessage") or text
        return model_error(action, exc.response.get("OriginalStatusCode"), told, exc.response.get("LogStreamArn"))
    if code in {"ValidationException", "ValidationError"}:
        for fragment, kind, advice in VALIDATION:
            if fragment in text.lower():
                return kind(message, advice)
        return errors.InvalidRequest(message, CORRECT)
    if code in CODES:
        kind, advice = CODES[code]
        denied = re.search(r"not authorized to perform: ([\w-]+:\w+)", text)
        if kind is errors.AccessDenied and denied:
            advice = f"Ask the account's owner to allow {denied[1]} to whom the message names, or use another role."
        return kind(message, advice)
    if status >= 500:
        return errors.ServiceError(f"{message} ({code})", TRY_LATER)
    return errors.InvalidRequest(f"{message} ({code})", CORRECT)


def model_error(action: str, status: int | None, text: str, log: str | None = None) -> errors.ModelError:
    """The container's own error, in its own words; `status` is None where it is not told."""
    words = sentence(_own_words(text))
    answered = "failed" if status is None else f"answered {status}"
    return errors.ModelError(
        f"Could not {action}: the model's container {answered}: {words}",
        _container_advice(status, words.lower()),
        status or 0,
        log,
        log_url(log),
    )


def _container_advice(status: int | None, words: str) -> str:
    if status == 0 or "timed out" in words:
        return "The container did not answer in time: send a smaller image or use a faster instance."
    if status in {406, 415} or "content type" in words or "media type" in words:
        return "The container does not take this content type: check which one its documentation names."
    if "out of memory" in words:
        return "The container ran out of memory: send a smaller image or use a bigger instance."
    return "Look into the container's log for the cause."


def _own_words(text: str) -> str:
    """The message inside the JSON objects that TorchServe, Hugging Face and TensorFlow Serving answer with."""
    try:
        told: Any = json.loads(text)
    except ValueError:
        return text
    if not isinstance(told, Mapping):
        return text
    return next((told[key] for key in ("message", "error") if isinstance(told.get(key), str) and told[key]), text)


def sentence(text: object) -> str:
    """The text on one line, with a full stop, and without the keys that AWS repeats where a signature is wrong."""
    words = " ".join(without_secrets(str(text)).split())
    return words if words.endswith((".", "!", "?")) else f"{words}."
