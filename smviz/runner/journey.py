"""One image on its way from a file to an outcome."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from smviz.errors import ModelError, SmvizError
from smviz.records import Failure, ImageRef, Outcome, Payload, Reply
from smviz.runner.retrying import Trouble


@dataclass(slots=True)
class Journey:
    """What one image has been through; one worker has it.

    Attributes:
        image: where it is.
        started: when it was taken, in seconds of the monotonic clock.
        met: how often it met each trouble.
        sha256: hex digest of its file; "" where that could not be read.
        calls: calls made for it.
        seconds: that they took.
    """

    image: ImageRef
    started: float = field(default_factory=time.monotonic)
    met: Counter[Trouble] = field(default_factory=Counter)
    sha256: str = ""
    calls: int = 0
    seconds: float = 0.0

    def outcome(
        self, sent: Payload | None, reply: Reply | None = None, error: SmvizError | None = None, reused: bool = False
    ) -> Outcome:
        """What has become of the image; `sent` is None where nothing could be sent."""
        frame = (sent.sha256, sent.width, sent.height) if sent else (self.sha256, 0, 0)
        log = error.log if isinstance(error, ModelError) else None
        failure = Failure(error.kind, error.message, error.advice, log) if error else None
        client = time.monotonic() - self.started - self.seconds
        return Outcome(self.image.name, *frame, self.calls, reply, failure, reused, client)
