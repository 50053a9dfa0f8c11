"""The whole error tree of smviz.

    SmvizError
    ├── InputError              what a person gave cannot be used
    │   ├── BadImage
    │   ├── BadAnnotations
    │   ├── BadSource           a file, folder, zip or S3 prefix cannot be read
    │   ├── BadResponse         the endpoint's reply does not hold what its format promises
    │   └── BadSetting
    ├── EndpointError           SageMaker, or the way to it
    │   ├── CredentialsError    none, incomplete or expired
    │   ├── AccessDenied
    │   ├── NotFound
    │   ├── NotInService
    │   ├── InvalidRequest
    │   ├── PayloadTooLarge
    │   ├── Throttled           try again later
    │   ├── ServiceError        try again later
    │   │   └── ModelNotReady   try again later: the model is still being loaded, for minutes
    │   ├── Unreachable         try again later
    │   │   └── NoAnswer        try again later: the call was sent, so that the model has run or still runs
    │   ├── TimedOut            an asynchronous answer did not come in the time allowed
    │   └── ModelError          the container answered with an error of its own
    ├── NotAllowed              this person may not do it on this server, or a limit is reached
    │   ├── LimitReached        try again later: the calls of this minute, or the money of this day, are used up
    │   └── NotSetUp            the operator's settings are wrong, so that nobody may do anything
    └── StoreError              the workspace file cannot be read or written
        ├── UnknownRun
        ├── NothingShared       no fault: nobody has shared a run yet
        └── RunAtWork           try again later: another process works on the run

Every error says what happened (`message`) and what a person should do next (`advice`).
"""

from __future__ import annotations


class SmvizError(Exception):
    """Base of all errors that smviz raises on purpose.

    Attributes:
        message: what happened, one sentence.
        advice: what a person should do next, one sentence or two.
        passing: whether the same call may succeed later without any change.
    """

    passing = False

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    @property
    def kind(self) -> str:
        """The error's class name: a stable word to group failures by."""
        return type(self).__name__

    @property
    def outlook(self) -> str:
        """Whether trying again helps, one sentence for a person."""
        return "Trying again may help." if self.passing else "Trying again without a change will not help."

    def __str__(self) -> str:
        return f"{self.message} {self.advice}"


class InputError(SmvizError):
    """Something a person gave cannot be used."""


class BadImage(InputError):
    """The bytes are no image that smviz can decode."""


class BadAnnotations(InputError):
    """The ground truth or detections file cannot be read."""


class BadSource(InputError):
    """A file, folder, zip or S3 prefix cannot be read."""


class BadResponse(InputError):
    """The reply does not hold what its format promises."""


class BadSetting(InputError):
    """A setting, option or name is not valid."""


class EndpointError(SmvizError):
    """SageMaker refused, failed, or could not be reached."""


class CredentialsError(EndpointError):
    """No AWS credentials, incomplete ones, or expired ones."""


class AccessDenied(EndpointError):
    """The credentials are good but not allowed to do this."""


class NotFound(EndpointError):
    """The endpoint, config, model or variant does not exist."""


class NotInService(EndpointError):
    """The endpoint exists but does not answer yet, or no longer."""


class InvalidRequest(EndpointError):
    """SageMaker says that the request is not valid."""


class PayloadTooLarge(EndpointError):
    """The image is larger than the endpoint takes."""


class Throttled(EndpointError):
    """The endpoint, or the account, is at its limit."""

    passing = True


class ServiceError(EndpointError):
    """SageMaker itself failed."""

    passing = True


class ModelNotReady(ServiceError):
    """The model is still being loaded, which can take minutes."""


class Unreachable(EndpointError):
    """No answer came over the network."""

    passing = True


class NoAnswer(Unreachable):
    """The call was sent, and its answer did not come in the time allowed: the model has run, or still runs."""


class TimedOut(EndpointError):
    """The request was taken, but its answer did not come in the time allowed."""


class ModelError(EndpointError):
    """The model's container answered with an error.

    Attributes:
        status: the container's own HTTP status; 0 when it did not answer in time, or where it is not told.
        log: the ARN of the container's log stream, or None.
        log_url: where a browser shows that log, or None.
        passing: true of statuses 429, 502, 503 and 504, with which a busy container turns calls away.
    """

    def __init__(
        self, message: str, advice: str, status: int, log: str | None = None, log_url: str | None = None
    ) -> None:
        super().__init__(message, advice)
        self.status = status
        self.log = log
        self.log_url = log_url
        self.passing = status in {429, 502, 503, 504}


class NotAllowed(SmvizError):
    """This person may not do it on this server, or a limit is reached."""


class LimitReached(NotAllowed):
    """The calls of this minute, or the money of this day, are used up."""

    passing = True


class NotSetUp(NotAllowed):
    """The operator's settings are wrong, so that nobody may do anything; what is wrong stands in the log."""


class StoreError(SmvizError):
    """The workspace file cannot be read or written."""


class UnknownRun(StoreError):
    """No run of that name or id is in the workspace."""


class NothingShared(StoreError):
    """Nobody has shared a run yet; no fault of anybody's."""


class RunAtWork(StoreError):
    """Another process, or another part of this one, works on the run; two would call twice."""

    passing = True
