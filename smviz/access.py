"""Who may do what on a server that several people use. No I/O: settings and persons in, a yes or a typed no out.

A person who works on the own machine (`LOCAL`) is an owner whom nothing is refused. Everybody else has the role that
the policy gives to the address, and the policy's limits; whoever is on no list has none.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from smviz.errors import BadSetting, NotAllowed
from smviz.settings import Connection

_ADDRESS = re.compile(r"[^\s@\"<>,;*\x00-\x1f\x7f]+@[^\s@\"<>,;*\x00-\x1f\x7f]+")
_DOMAIN = re.compile(r"\*?@([^\s@\"<>,;*\x00-\x1f\x7f]+)")
_BYTES, _PIXELS = 1_000_000, 1_000_000
_FORWARDED = re.compile(
    r"forwarded|via|cdn-loop|x-forwarded(-.*)?|x-real-ip|x-original-.*|(x-|true-|x-cluster-)client-ip|x-amzn-.*"
    r"|x-envoy-.*|x-appengine-.*|x-arr-.*|(cf|fly|fastly|ngrok)-.*"
)
OPERATOR = "Ask whoever runs this server"


class Role(IntEnum):
    """What somebody may do; a higher role may do all that a lower one may.

    A viewer sees the shared runs and calls nothing. A user calls the allowed endpoints and has runs of their own. An
    owner deploys, deletes and shares.
    """

    VIEWER = 1
    USER = 2
    OWNER = 3


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever uses this session.

    Attributes:
        address: the e-mail address that the identity provider vouches for; "" where nobody logs in.
        name: how the person is called on screen.
        local: whether this is the person at the machine that the server runs on.
        visitor: whether nobody can log in here and the person comes from elsewhere: only the demo works.
        session: what tells one visitor from another; "" for everybody else.
    """

    address: str
    name: str
    role: Role
    local: bool = False
    visitor: bool = False
    session: str = ""

    @property
    def key(self) -> str:
        """32 hex digits that stand for the person in folders, limits and logs."""
        return hashlib.sha256(f"{folded(self.address)}{self.session}".encode()).hexdigest()[:32]


LOCAL = Person("", "You", Role.OWNER, local=True)
VISITOR = Person("", "Visitor", Role.USER, visitor=True)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who is let in, and how far. The operator's settings, `[smviz]` in secrets.toml or SMVIZ_… in the environment.

    Attributes:
        owners, users, viewers: e-mail addresses; "@example.com" or "*@example.com" is everybody of exactly that domain.
        regions: the AWS regions that may be called; empty for all.
        endpoints: shell patterns of the endpoints' names, in upper and lower case as AWS has them; empty for all of the
            allowed regions.
        s3_prefixes: places in S3 that may be read and written, as "s3://bucket/prefix" or a shell pattern; empty for
            none, for the server's credentials may read more than its users should.
        requests_per_minute: calls of endpoints per person, and per tab of a visitor; 0 for any number, as below.
        images_per_run: images of one run.
        megapixels: millions of pixels of one image.
        megabytes: millions of bytes of one image file.
        usd_per_day: what the calls of all persons together may cost in a day (UTC), as far as a price is known.
    """

    owners: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    s3_prefixes: tuple[str, ...] = ()
    requests_per_minute: int = 0
    images_per_run: int = 0
    megapixels: float = 0
    megabytes: float = 0
    usd_per_day: float = 0

    @classmethod
    def read(cls, table: Mapping[str, object], environment: Mapping[str, str]) -> Policy:
        """Read the settings; a variable of the environment goes before the table's entry.

        Raises:
            BadSetting: naming the setting that is not known, or holds what it cannot mean.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(table) - known)
        if unknown:
            raise BadSetting(
                f"[smviz] in secrets.toml has no setting {unknown[0]!r}.", f"There are: {', '.join(sorted(known))}."
            )
        found = {name: _given(name, table, environment) for name in known}
        values: dict[str, Any] = {name: _READERS[name](label, value) for name, (label, value) in found.items() if label}
        return cls(**values)

    def for_visitors(self) -> Policy:
        """The same with limits where none are set: visitors are anybody, and the demo runs on this machine."""
        return replace(
            self,
            requests_per_minute=self.requests_per_minute or 120,
            images_per_run=self.images_per_run or 500,
            megapixels=self.megapixels or 40,
            megabytes=self.megabytes or 20,
        )

    def role_of(self, address: str) -> Role | None:
        """The role of an address, or None for one on no list.

        An address that is named goes before its domain, so that one person of a domain can be given less or more than
        the others. Named in several lists, the highest counts. Upper and lower case of A to Z are the same; any other
        two characters are different, however alike they look.
        """
        if not (_ADDRESS.fullmatch(address) and address.isprintable()):
            return None
        wanted = folded(address)
        lists = ((Role.OWNER, self.owners), (Role.USER, self.users), (Role.VIEWER, self.viewers))
        named = (role for role, entries in lists if wanted in entries)
        domain = (role for role, entries in lists if f"@{wanted.partition('@')[2]}" in entries)
        return next(named, None) or next(domain, None)

    def check_role(self, person: Person, needed: Role, action: str) -> None:
        """Whether a person may do something at all.

        Raises:
            NotAllowed: naming the role that it takes.
        """
        if person.local:
            return
        if person.visitor and needed > Role.USER:
            raise NotAllowed(f"Visitors may not {action}.", f"{OPERATOR} to set up logging in.")
        if person.role < needed:
            raise NotAllowed(
                f"A {person.role.name.lower()} may not {action}; it takes the role of {_a(needed)}.",
                f"{OPERATOR} for that role: {place_of(needed.name.lower() + 's')}.",
            )

    def check_connection(self, person: Person, where: Connection, demo: bool = False) -> None:
        """Whether anything may be called by a connection: AWS, or the demo endpoint of this server.

        Raises:
            NotAllowed: for a viewer; but for the demo, for a visitor, for an address that is not AWS's own, which a
                link could lead anywhere inside the server's network, and for credentials that an owner alone chooses.
        """
        self.check_role(person, Role.USER, "call anything")
        if person.local or demo:
            return
        if person.visitor:
            raise NotAllowed(
                "Nobody can log in on this server, so it calls nothing on AWS.",
                f"{OPERATOR} to set up logging in: [auth] and [smviz] in .streamlit/secrets.toml. The demo endpoint "
                "works without.",
            )
        if where.endpoint_url is not None:
            raise NotAllowed(
                f"{where.endpoint_url} is neither AWS nor the demo endpoint of this server.",
                "Choose a region, or the embedded endpoint.",
            )
        if where.profile or where.role:
            self.check_role(person, Role.OWNER, "choose a profile or a role")

    def check_region(self, person: Person, region: str) -> None:
        """Whether endpoints of a region of AWS may be seen and called.

        Raises:
            NotAllowed: when it is not on the list.
        """
        if not person.local and self.regions and region not in self.regions:
            raise _off_the_list("regions", f"Region {region!r} is not open on this server", self.regions)

    def check_endpoint(self, person: Person, region: str, name: str) -> None:
        """Whether an endpoint of AWS may be seen and called.

        Raises:
            NotAllowed: as `check_region`, or for a name that no pattern matches.
        """
        self.check_region(person, region)
        if not person.local and self.endpoints and not any(fnmatchcase(name, pattern) for pattern in self.endpoints):
            raise _off_the_list("endpoints", f"Endpoint {name!r} is not open on this server", self.endpoints)

    def check_s3(self, person: Person, uri: str) -> None:
        """Whether a place in S3 may be read or written.

        Raises:
            NotAllowed: for a visitor, or a place that is below no prefix.
        """
        if person.local:
            return
        if person.visitor:
            raise NotAllowed("Visitors may not use S3.", f"{OPERATOR} to set up logging in.")
        if not any(_is_below(uri, prefix) for prefix in self.s3_prefixes):
            raise _off_the_list("s3_prefixes", f"{uri!r} is not open on this server", self.s3_prefixes)

    def check_run(self, person: Person, images: int) -> None:
        """Whether a run may have so many images.

        Raises:
            NotAllowed: when it is more than the limit.
        """
        self.check_role(person, Role.USER, "make a run")
        if not person.local and self.images_per_run and images > self.images_per_run:
            raise self._too_much("images_per_run", f"The run has {images:,} images", f"{self.images_per_run:,} images")

    def check_file(self, person: Person, size: int, name: str = "The image") -> None:
        """Whether an image file may have so many bytes.

        Raises:
            NotAllowed: when it is more than the limit.
        """
        if not person.local and self.megabytes and size > self.megabytes * _BYTES:
            raise self._too_much("megabytes", f"{name} has {size / _BYTES:,.1f} MB", f"{self.megabytes:g} MB")

    def check_pixels(self, person: Person, width: int, height: int, name: str = "The image") -> None:
        """Whether an image may be so large, in pixels.

        Raises:
            NotAllowed: when it is more than the limit.
        """
        pixels = width * height
        if not person.local and self.megapixels and pixels > self.megapixels * _PIXELS:
            raise self._too_much(
                "megapixels", f"{name} has {pixels / _PIXELS:,.1f} megapixels", f"{self.megapixels:g} megapixels"
            )

    @staticmethod
    def _too_much(setting: str, what: str, limit: str) -> NotAllowed:
        return NotAllowed(f"{what}; this server takes {limit} at most.", f"{OPERATOR} for more: {place_of(setting)}.")


def is_local(bound: str | None, headers: Mapping[str, str], remote: str | None) -> bool:
    """Whether a WebSocket seems to come from the browser of the person at this very machine.

    A server that listens on loopback only may stand behind a proxy that everybody reaches. One that passes headers on
    is known by them, or by the Host that the browser asked for; one that does not, by the Origin, which every browser
    sends. A page elsewhere whose name resolves to 127.0.0.1 is known by its Host as well. What no header can tell is
    whether somebody has made up a Host and an Origin, behind a proxy that adds nothing.

    Args:
        bound: the address that the server listens on; None where it is every one.
        headers: of the request.
        remote: the address that the connection comes from; None where Streamlit found it to be loopback.
    """
    named = {name.lower(): value for name, value in headers.items()}
    if any(_FORWARDED.fullmatch(name) for name in named):
        return False
    hosts = [bound or "", _host(f"//{named.get('host', '')}"), _host(named.get("origin", ""))]
    return all(_is_loopback(host) for host in (*hosts, *([] if remote is None else [remote])))


def folded(address: str) -> str:
    """The address with A to Z in lower case and all else as it is.

    Python's own case folding makes one of letters that an attacker may choose: "ſ" would be "s", and the Kelvin sign
    would be "k".
    """
    return address.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def place_of(setting: str) -> str:
    """A setting, and where the operator sets it."""
    return f"{setting} in [smviz] of .streamlit/secrets.toml, or SMVIZ_{setting.upper()}"


def _a(role: Role) -> str:
    return "an owner" if role is Role.OWNER else f"a {role.name.lower()}"


def _off_the_list(setting: str, what: str, allowed: tuple[str, ...]) -> NotAllowed:
    return NotAllowed(
        f"{what}: {setting} allows {', '.join(allowed) or 'none'}.",
        f"{OPERATOR} to allow it: {place_of(setting)}.",
    )


def _is_below(uri: str, prefix: str) -> bool:
    """A prefix is a folder: "s3://set" is not the beginning of "s3://settings/a.jpg"."""
    inside = prefix.rstrip("/")
    return any(fnmatchcase(uri, pattern) for pattern in (prefix, inside, f"{inside}/*"))


def _given(name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> tuple[str, object]:
    """How a setting is called where it is set, and its value; ("", None) where it is not."""
    variable = f"SMVIZ_{name.upper()}"
    if environment.get(variable, "").strip():
        return variable, environment[variable]
    return (f"{name} in [smviz] of secrets.toml", table[name]) if name in table else ("", None)


def _words(label: str, value: object) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
        raise BadSetting(f"{label} is {value!r}, which is no list of texts.", 'Write it as ["one", "two"].')
    return tuple(word.strip() for word in words if word.strip())


def _addresses(label: str, value: object) -> tuple[str, ...]:
    entries = _words(label, value)
    for entry in entries:
        if not (_ADDRESS.fullmatch(entry) or _DOMAIN.fullmatch(entry)):
            raise BadSetting(
                f"{label} holds {entry!r}, which is neither an address nor a domain.",
                'Write it as "name@example.com", or "@example.com" for everybody of that domain.',
            )
    return tuple(folded(entry.removeprefix("*")) for entry in entries)


def _places(label: str, value: object) -> tuple[str, ...]:
    entries = _words(label, value)
    for entry in entries:
        if not re.fullmatch(r"s3://[^/*?\[]+.*", entry):
            raise BadSetting(
                f"{label} holds {entry!r}, which names no bucket of S3.", 'Write it as "s3://bucket/prefix".'
            )
    return entries


def _number(label: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, (int, float, str)) else float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise BadSetting(f"{label} is {value!r}, which is no limit.", "Write a number; 0 is no limit.")
    return number


def _count(label: str, value: object) -> int:
    number = _number(label, value)
    if number != int(number):
        raise BadSetting(f"{label} is {value!r}, which is no whole number.", "Write a whole number; 0 is no limit.")
    return int(number)


_READERS = {
    "owners": _addresses,
    "users": _addresses,
    "viewers": _addresses,
    "regions": _words,
    "endpoints": _words,
    "s3_prefixes": _places,
    "requests_per_minute": _count,
    "images_per_run": _count,
    "megapixels": _number,
    "megabytes": _number,
    "usd_per_day": _number,
}
