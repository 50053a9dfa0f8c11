"""What the troubles of a whole run add up to, and when there have been enough of them. No waiting and no calling."""

from __future__ import annotations

from collections import Counter

from smviz.errors import ServiceError, SmvizError
from smviz.runner.retrying import Decision, Retry, Trouble, trouble_of


class Patience:
    """Counts calls and troubles; its user holds a lock.

    Attributes:
        calls: calls made.
        images: images that were called for at least once.
        throttled: calls that were refused because the endpoint was busy.
        retries: calls made again after any other error.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self.calls = self.images = self.throttled = self.retries = 0
        self._in_a_row = 0  # images that failed by what may pass
        self._renewals = 0  # times in a row that credentials were refused
        self._loading_since: float | None = None

    def spend(self, first: bool) -> None:
        """A call begins; whether it is the first one for its image."""
        self.calls += 1
        self.images += first

    def after(
        self, error: SmvizError, met: Counter[Trouble], now: float, stale: bool = False
    ) -> tuple[Trouble, Decision]:
        """What follows an error.

        Args:
            error: the error.
            met: how often the image met each trouble before; this one is counted in.
            now: seconds of any clock.
            stale: whether an error of credentials is about some that are no longer used.

        Raises:
            SmvizError: the run ends.
        """
        trouble = trouble_of(error)
        met[trouble] += 1
        decision = self._retry.decide(trouble, met[trouble])
        self.throttled += trouble == "busy"
        if decision == "end":
            raise error
        if decision == "pause":
            return trouble, "again" if stale else self._pause(error)
        if decision == "probe":
            self._loading_since = now if self._loading_since is None else self._loading_since
            if now - self._loading_since > self._retry.loading:
                raise error
        elif decision == "wait" and trouble != "busy":
            self._again(error)
        return trouble, decision

    def answered(self) -> None:
        """An image was answered."""
        self._in_a_row = self._renewals = 0
        self._loading_since = None

    def failed(self, error: SmvizError) -> None:
        """An image has failed.

        Raises:
            SmvizError: that error, when so many images in a row met what should have passed that the run ends.
        """
        self._in_a_row = self._in_a_row + 1 if error.passing else 0
        if self._in_a_row >= self._retry.in_a_row:
            raise error

    def _pause(self, error: SmvizError) -> Decision:
        self._renewals += 1
        if self._renewals > self._retry.renewals:
            raise error
        return "pause"

    def _again(self, error: SmvizError) -> None:
        self.retries += 1
        if not self._retry.affords(self.retries, self.images):
            raise ServiceError(
                f"Too many calls go wrong: {self.retries} were made again for {self.images} images. "
                f"The last error was: {error.message}",
                f"What was answered is kept; resume the run when the endpoint is well. {error.advice}",
            ) from error
