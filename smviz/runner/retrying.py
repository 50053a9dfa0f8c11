"""What is done about a call that went wrong: pure decisions, no waiting and no calling."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from smviz.errors import (
    AccessDenied,
    CredentialsError,
    EndpointError,
    ModelError,
    ModelNotReady,
    NoAnswer,
    NotFound,
    NotInService,
    ServiceError,
    SmvizError,
    Throttled,
    Unreachable,
)

Trouble = Literal["busy", "loading", "service", "network", "time-out", "container", "credentials", "hopeless", "image"]
Decision = Literal["again", "wait", "probe", "pause", "fail", "end"]

# The most special class first. What is hopeless would befall every other image of the run as well.
_TROUBLES: tuple[tuple[type[SmvizError], Trouble], ...] = (
    (Throttled, "busy"),
    (ModelNotReady, "loading"),
    (ServiceError, "service"),
    (NoAnswer, "time-out"),
    (Unreachable, "network"),
    (CredentialsError, "credentials"),
    (AccessDenied, "hopeless"),
    (NotFound, "hopeless"),
    (NotInService, "hopeless"),
    (EndpointError, "image"),
)


def trouble_of(error: SmvizError) -> Trouble:
    """Which sort of trouble an error of a call is."""
    if isinstance(error, ModelError):
        return "container" if error.passing else "image"
    return next((trouble for kind, trouble in _TROUBLES if isinstance(error, kind)), "hopeless")


def fullness(error: SmvizError) -> bool | None:
    """What an error tells of how busy the endpoint is, for `Limiter.end`: False for a refusal, None for nothing."""
    return False if isinstance(error, Throttled) or (isinstance(error, ModelError) and error.passing) else None


@dataclass(frozen=True, slots=True)
class Retry:
    """When a call is made again after an error that may pass, and when the run gives up.

    Attributes:
        busy, service, network, time_out, container: the most calls for one image that meet that trouble, the first one
            included: throttled; failed on SageMaker's side; no answer came; none came in time, so that the model has
            run for nothing; the container answered 429, 502, 503 or 504.
        base, cap: seconds; the wait after the nth such call is drawn from 0 to min(cap, base * 2 ** (n - 1)), "full
            jitter" in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
        in_a_row: so many images in a row that failed by what may pass end the run.
        extra, extra_share: the calls made again in the whole run may be so many, and so large a share of the images
            called; more end the run. Throttled calls cost nothing and do not count.
        loading: seconds that a model may take to be loaded; one worker asks again meanwhile, the others wait.
        probe: seconds between those calls.
        renewals: so many times in a row the run pauses for new credentials; 0 ends it when they are first refused.
    """

    busy: int = 20
    service: int = 5
    network: int = 4
    time_out: int = 2
    container: int = 2
    base: float = 0.25
    cap: float = 20.0
    in_a_row: int = 5
    extra: int = 20
    extra_share: float = 0.2
    loading: float = 360.0
    probe: float = 10.0
    renewals: int = 3

    def decide(self, trouble: Trouble, met: int) -> Decision:
        """What follows when an image has met a trouble for the nth time.

        Returns:
            "again" at once; "wait" first; "probe", wait for the model; "pause", wait for new credentials; "fail", the
            image has failed; "end", so has the run.
        """
        if trouble == "loading":
            return "probe"
        if trouble == "credentials":
            return "pause"
        if trouble == "hopeless":
            return "end"
        if trouble == "image":
            return "fail"
        most = {
            "busy": self.busy,
            "service": self.service,
            "network": self.network,
            "time-out": self.time_out,
            "container": self.container,
        }
        return "wait" if met < most[trouble] else "fail"

    def wait(self, met: int) -> float:
        """Seconds to wait after the nth call that met a trouble, counted from 1; random."""
        return random.uniform(0, min(self.cap, self.base * 2 ** min(met - 1, 30)))

    def affords(self, again: int, images: int) -> bool:
        """Whether so many calls may have been made again when so many images were called."""
        return again <= self.extra + self.extra_share * images


USUAL = Retry()
