"""The link that somebody came by, kept on the server while they log in: the way back from the provider leads home."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock

LONGEST_KEPT = 4096  # characters of a link's query; a longer one is not kept, for anybody may ask to log in
MOST_KEPT = 1000  # links; the oldest are forgotten
KEPT_FOR = 600.0  # seconds

Query = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the app, by its name in the menu, and its query parameters."""

    page: str
    query: Query
    at: float


@dataclass
class Arrivals:
    """Links by the browser that they were opened in. Safe for several threads.

    A link is never an address: it names a page of this app, so that it can lead nowhere else.

    Attributes:
        clock: tells seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _links: dict[str, Link] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def keep(self, browser: str, page: str, query: Query) -> None:
        """Keep a link of this browser, instead of the one before."""
        if sum(len(name) + sum(map(len, values)) for name, values in query.items()) > LONGEST_KEPT:
            page, query = "Home", {}
        with self._lock:
            self._links.pop(browser, None)
            for oldest in list(islice(self._links, max(0, len(self._links) - MOST_KEPT + 1))):
                del self._links[oldest]
            self._links[browser] = Link(page, dict(query), self.clock())

    def kept(self, browser: str) -> Link | None:
        """The link of this browser, or None where there is none, or none so new."""
        link = self._links.get(browser)
        return link if link and self.clock() - link.at <= KEPT_FOR else None

    def take(self, browser: str) -> Link | None:
        """As `kept`, and forget it."""
        with self._lock:
            link = self.kept(browser)
            self._links.pop(browser, None)
        return link


def browser_of(cookies: Mapping[str, str]) -> str | None:
    """What tells this browser from the others: the token of Streamlit's XSRF cookie, which it masks anew each time.

    The cookie holds version, mask, masked token and time. A browser without it cannot log in at all.
    """
    try:
        version, mask, masked, _ = cookies.get("_streamlit_xsrf", "").split("|")
        key, data = bytes.fromhex(mask), bytes.fromhex(masked)
    except ValueError:
        return None
    if version != "2" or len(key) != 4 or len(data) < 16:
        return None
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(data)).hex()
