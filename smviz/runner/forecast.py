"""How many calls a run will make and what they may cost, told before it begins: what is known is not called for."""

from __future__ import annotations

import math
import statistics
import threading
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace

from smviz.errors import SmvizError
from smviz.images import prepare
from smviz.pricing import cost_per_1000
from smviz.records import ImageRef
from smviz.settings import Connection, Request
from smviz.store import Store, read_image, reply_key, stamp

AT_ONCE = 50  # images between two words

Digests = MutableMapping[tuple[object, ...], str]
"""What would be sent for a file, as its SHA-256, by `store.stamp`; "" where nothing could be."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is foreseen of a run.

    Attributes:
        images: that have no reply in the run yet.
        looked: of them, those that were looked at.
        known: of those, the images whose reply is known from an earlier call.
        afar: of those, the images of which it cannot be told before they are read, for they are in S3.
        latency: seconds, the median of earlier calls of the kind; NaN where there are none.
    """

    images: int
    looked: int = 0
    known: int = 0
    afar: int = 0
    latency: float = math.nan

    @property
    def calls(self) -> int:
        """The calls to make, at most."""
        return self.images - self.known

    def __str__(self) -> str:
        """What is known already, in words; "" where nothing is."""
        left = self.images - self.looked
        told = [f"{self.known:,} replies are known already and will be reused."] if self.known else []
        told += [f"Of {self.afar:,} images in S3 that is not known before they are read."] if self.afar else []
        told += [f"{left:,} images were not looked at yet."] if left else []
        return " ".join(told)


class Forecasting:
    """Looks in the background which images have a reply that is known; local files are read, those in S3 are not."""

    def __init__(
        self,
        store: Store,
        how: tuple[Connection, str, Request],
        images: Iterable[ImageRef],
        total: int,
        digests: Digests,
    ) -> None:
        """Begin to look.

        Args:
            store: where replies are known.
            how: whom the run will call: the connection, the name of the endpoint's config, and the request.
            images: that are to be called for.
            total: how many there are.
            digests: what is known of files, and is added to.
        """
        self._store, self._how, self._images, self._digests = store, how, images, digests
        self._now = Forecast(total)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, name="smviz-forecast", daemon=True)
        self._error: BaseException | None = None
        self._thread.start()

    @property
    def now(self) -> Forecast:
        """What is foreseen so far."""
        return self._now

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so many seconds; whether all images were looked at, or it was stopped.

        Raises:
            StoreError: when the workspace cannot be read.
        """
        self._thread.join(seconds)
        if self._error:
            raise self._error
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Look at no more images, and wait for that."""
        self._stopped.set()
        self._thread.join()

    def _look(self) -> None:
        try:
            earlier = self._store.latencies(*self._how)
            if not earlier:  # then no reply is known, wherever the images are
                self._now = replace(self._now, looked=self._now.images)
                return
            self._now = replace(self._now, latency=statistics.median(earlier))
            some: list[ImageRef] = []
            for image in self._images:
                some.append(image)
                if len(some) == AT_ONCE:
                    self._add(some)
                    some = []
                if self._stopped.is_set():
                    return
            self._add(some)
        except BaseException as error:  # raised by `wait`
            self._error = error

    def _add(self, images: list[ImageRef]) -> None:
        digests = [self._digest(image) for image in images]
        keys = [reply_key(*self._how, digest) for digest in digests if digest]
        known = self._store.known_keys(keys)
        self._now = replace(
            self._now,
            looked=self._now.looked + len(images),
            known=self._now.known + sum(key in known for key in keys),
            afar=self._now.afar + digests.count(None),
        )

    def _digest(self, image: ImageRef) -> str | None:
        """Of what would be sent; "" where nothing can be, None where only reading from afar would tell."""
        if image.location.startswith("s3://"):
            return None
        key = stamp(image)
        if key is None:
            return ""
        if key not in self._digests:
            try:
                self._digests[key] = prepare(read_image(image), image.name).sha256
            except SmvizError:  # it will fail in the run, and costs no call
                self._digests[key] = ""
        return self._digests[key]


def cost_in_words(calls: int, usd_per_hour: float, latency: float) -> str:
    """What so many calls cost, as far as it is known; one sentence.

    Args:
        calls: how many.
        usd_per_hour: of the endpoint; 0 on this machine, NaN where it is not known.
        latency: seconds of one call; NaN where none was made yet.
    """
    if usd_per_hour == 0:
        return f"{calls:,} calls on this machine cost nothing."
    if math.isnan(usd_per_hour):
        return f"What {calls:,} calls cost is not known: there is no price per hour for this endpoint here."
    by_hour = f"the endpoint costs {usd_per_hour:,.3f} USD an hour, used or not"
    if math.isnan(latency):
        return f"{calls:,} calls; {by_hour}. The first ones tell how long they take."
    about = cost_per_1000(usd_per_hour, 1, latency) * calls / 1000
    return (
        f"{calls:,} calls one after another take about {calls * latency / 60:,.1f} minutes at "
        f"{latency * 1000:,.0f} ms each, {about:,.4f} USD of the endpoint's time, and less in parallel; {by_hour}."
    )
