"""The journal: what happens on the server, one JSON line per event on stderr, with nothing secret in it.

It is for who runs the server. It holds kinds, counts, seconds, run ids and a person's key; never an image, a user's
file name, an address of a person, a key or a token. Whatever text it is given is scrubbed first.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import secrets
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from smviz.errors import BadSetting

Level = Literal["info", "warning", "error"]
Threshold = Literal["info", "warning", "error", "off"]

HIDDEN = "[hidden]"
LONGEST = 16_000  # characters of one fact: a traceback fits, a reply's body does not

# Every repetition below is bounded, so that no text, however it is made, takes long to scrub.
_SECRET_NAME = (
    r"[\w.-]{0,40}(?:secret|token|password|passwd|api[_-]?key|access[_-]?key|private[_-]?key|signature|credential"
    r"|authorization|cookie)[\w.-]{0,40}"
)
# Each of these is one way in which a secret is written down. The order matters: a whole header before its parts.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"(?s)-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----.{0,9000}?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z)", HIDDEN),
        (r"(?i)\b(authorization|(?:set-)?cookie)(\\?[\"']?\s{0,9}[:=]\s{0,9})(?!\[hidden\])[^\r\n]+", rf"\1\2{HIDDEN}"),
        (r"(?i)\b(bearer|basic)\s{1,9}[A-Za-z0-9+/=._~-]{8,}", rf"\1 {HIDDEN}"),
        (r"AWS4-HMAC-SHA256[^\r\n\"']*", HIDDEN),
        (r"(?i)([?&;](?:x-amz-[\w-]{1,40}|awsaccesskeyid|signature|code|state|sig)=)[^&\s\"'<>]+", rf"\1{HIDDEN}"),
        (
            rf"(?i)\b({_SECRET_NAME})(\\?[\"']?\s{{0,9}}(?:[:=]|=>)\s{{0,9}})(?!\[hidden\])"
            r"(?:\\?\"[^\"\r\n]*\"?|\\?'[^'\r\n]*'?|[^\s,;&\"'<>(){}]+)",
            rf"\1\2{HIDDEN}",
        ),
        (r"\beyJ[\w-]{8,9000}\.[\w-]{1,9000}(?:\.[\w-]*)*", HIDDEN),  # a JSON Web Token
        (r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}", HIDDEN),
        # a secret access key is 40 characters of base64; a SHA-1, 40 of hexadecimal, stays
        (r"(?<![\w/+=.-])(?=\S{0,39}[A-Z])(?=\S{0,39}[a-z])(?=\S{0,39}\d)[A-Za-z0-9/+]{40}(?![\w/+=.-])", HIDDEN),
        (r"(?<![\w/+=])(?=[\w/+-]{0,99}[A-Z])[A-Za-z0-9/+=_-]{100,}", HIDDEN),  # a session token, an encoded body
        (r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@\"']{1,200}@", rf"\1{HIDDEN}@"),
    )
)
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}")
_DATA_FILE = re.compile(
    r"(?i)(?:(?<=[\"'])[^\"'\r\n]{0,400}|(?<![^\s\"'<>|])[^\s\"'<>|]{0,400})"
    r"\.(?:jpe?g|png|webp|bmp|tiff?|gif|avif|heic|zip|jsonl?|csv|xml|txt|ya?ml|parquet|manifest|tgz|gz)\b"
)
_NAMES_A_SECRET = re.compile(f"(?i){_SECRET_NAME}")
_NUMBER = "_journal_number"
_hidden: set[str] = set()
_told: set[str] = set()


def event(kind: str, /, level: Level = "info", **facts: object) -> None:
    """Write one line of JSON to stderr: the time in UTC, the level, the event's kind, and the facts.

    Never raises: a server whose log cannot be written goes on serving.

    Args:
        kind: what happened, one word, such as "login", "batch", "run" or "error".
        level: "info", "warning" or "error"; what is below SMVIZ_LOG is not written.
        facts: numbers, words and short lists. Text is scrubbed (see `scrub`) and cut at 16,000 characters.
    """
    levels = get_args(Threshold)
    if levels.index(level) < levels.index(_threshold_or_info()):
        return
    _write({"level": level, "event": kind, **facts})


def threshold(environment: Mapping[str, str] = os.environ) -> Threshold:
    """From which level on events are written: SMVIZ_LOG, by default "info".

    Raises:
        BadSetting: when the variable holds another word.
    """
    word = environment.get("SMVIZ_LOG", "").strip().lower() or "info"
    for level in get_args(Threshold):
        if word == level:
            return level  # type: ignore[no-any-return]
    raise BadSetting(
        f"SMVIZ_LOG is {word!r}, which is no level.", f"Set it to one of {', '.join(get_args(Threshold))}."
    )


def uncaught(error: BaseException, **facts: object) -> str:
    """Write an error that nothing caught, with its scrubbed traceback, and return the number it is found by.

    The same error is written once, however often it is given.
    """
    number: str | None = getattr(error, _NUMBER, None)
    if number is None:
        number = secrets.token_hex(4)
        with contextlib.suppress(AttributeError):  # an exception with slots
            setattr(error, _NUMBER, number)
        event("error", level="error", number=number, kind=type(error).__name__, **facts, traceback=told(error))
    return number


def take_over(environment: Mapping[str, str] = os.environ) -> None:
    """Let nothing secret pass into what this process logs by other ways either.

    Every record of Python's logging is scrubbed, of whichever library; an error that ends a thread becomes an event;
    and the environment's values whose names say that they are secret are never written.
    """
    hide_named(environment)
    logging.setLogRecordFactory(_ScrubbedRecord)
    threading.excepthook = _thread_ended


def hide(*values: str) -> None:
    """Never write these values, wherever they turn up. What is shorter than 8 characters is not taken for a secret."""
    _hidden.update(value for value in values if len(value) >= 8)


def hide_named(table: Mapping[str, object]) -> None:
    """Never write the values of a table whose names say that they are secret, nor those of the tables within."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            hide_named(value)
        elif isinstance(value, str) and _NAMES_A_SECRET.fullmatch(name):
            hide(value)


def without_secrets(text: str) -> str:
    """The text without what looks like a secret.

    Taken out are the values given to `hide`, AWS keys and session tokens, Authorization and Cookie headers, signed
    URLs' parameters, JSON Web Tokens, private keys, passwords in URLs, and `name = value` where the name says that it
    is secret.
    """
    for value in sorted(_hidden, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def scrub(text: str) -> str:
    """The text without what looks like a secret, or like a person's address."""
    return _ADDRESS.sub("[address]", without_secrets(text))


def told(error: BaseException) -> str:
    """The error's traceback, scrubbed, and without the names of data files that its messages carry."""
    return scrub(_DATA_FILE.sub("[file]", "".join(traceback.format_exception(error))))


def _threshold_or_info() -> Threshold:
    try:
        return threshold()
    except BadSetting as error:
        _tell_once(str(error))
        return "info"


def _tell_once(sentence: str) -> None:
    if sentence not in _told:
        _told.add(sentence)
        _write({"level": "warning", "event": "setting", "message": sentence})


class _ScrubbedRecord(logging.LogRecord):
    """A record of Python's logging without anything secret in its message and traceback."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.name == "uvicorn.access":  # its formatter takes the five arguments apart
            self.args = tuple(_plain(value) for value in self.args or ())
        else:
            with contextlib.suppress(TypeError, ValueError, KeyError):  # a message that does not fit its arguments
                self.msg, self.args = scrub(self.getMessage()), ()
        if self.exc_info and self.exc_info[1] is not None:
            self.exc_text = told(self.exc_info[1])


def _thread_ended(what: threading.ExceptHookArgs) -> None:
    if what.exc_value is not None:
        uncaught(what.exc_value, thread=what.thread.name if what.thread else "")


def _write(facts: Mapping[str, object]) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, **{name: _plain(value) for name, value in facts.items()}})
    with contextlib.suppress(OSError, ValueError):  # a closed stderr
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _plain(value: object) -> object:
    """The value as JSON can hold it, its text scrubbed; what is not finite is null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return scrub(str(value)[:LONGEST])
