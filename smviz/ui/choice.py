"""The chosen endpoint: kept in the session across pages and in the address bar across a reload."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from smviz.local import DEMO_CLASSES, DEMO_ENDPOINT
from smviz.records import Endpoint
from smviz.settings import DEFAULT_REGION, Connection, Preset, Request
from smviz.ui import session
from smviz.ui.resources import EMBEDDED, described, embedded_server, region_names, store

DEMO_PRESET = Preset("builtin-ssd", DEMO_CLASSES)
LINKED = ("region", "endpoint", "variant", "profile", "role")  # what an address tells of a choice


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is connected.

    Attributes:
        region: "embedded" or an AWS region.
        endpoint: its name, or None while none is chosen.
        variant: the production variant to call, or None where there is only one, or none can be named.
        profile, role: whose credentials are used in an AWS region; None for the usual chain.
    """

    region: str = EMBEDDED
    endpoint: str | None = None
    variant: str | None = None
    profile: str | None = None
    role: str | None = None

    @property
    def connection(self) -> Connection:
        """Where it is called, and as whom."""
        if self.region == EMBEDDED:
            return Connection(DEFAULT_REGION, embedded_server().url)
        return Connection(self.region, profile=self.profile, role=self.role)

    @property
    def key(self) -> str:
        """What the endpoint's preset is kept under."""
        return f"{self.region}/{self.endpoint}"

    @property
    def label(self) -> str:
        """The endpoint in words, for headings and names of runs."""
        return f"{self.endpoint} · {self.variant}" if self.variant else f"{self.endpoint}"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return "embedded, on this machine" if self.region == EMBEDDED else self.region

    def link(self) -> dict[str, str]:
        """The query parameters that restore this choice."""
        return {name: value for name in LINKED if (value := getattr(self, name))}


NOTHING = Chosen(region="")


def choose(chosen: Chosen) -> None:
    """Keep a choice."""
    st.session_state["chosen"] = chosen
    wanted = chosen.link()
    for name in LINKED:
        if name not in wanted:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]


def restored() -> Chosen:
    """The choice of the address bar, else of the session, else the demo endpoint; nothing where nothing is called."""
    if session.read_only():
        return NOTHING
    kept: Chosen = st.session_state.get("chosen", Chosen(EMBEDDED, DEMO_ENDPOINT))
    region = st.query_params.get("region", kept.region)
    if region != EMBEDDED and region not in open_regions():
        why = "is not open on this server" if region in region_names() else "does not exist"
        st.toast(f"The link names a region that {why}.", icon=":material/warning:")
        region = EMBEDDED
    demo = DEMO_ENDPOINT if region == EMBEDDED else None
    endpoint = st.query_params.get("endpoint") or (kept.endpoint if region == kept.region else None) or demo
    same = (region, endpoint) == (kept.region, kept.endpoint)
    variant = st.query_params.get("variant") or (kept.variant if same else None)
    whose = {}
    if region != EMBEDDED and session.may_choose_credentials():
        whose = {name: st.query_params.get(name) or getattr(kept, name) for name in ("profile", "role")}
    chosen = Chosen(region, endpoint, variant, **whose)
    choose(chosen)
    return chosen


def open_regions() -> tuple[str, ...]:
    """The regions of AWS that this person may choose."""
    who, allowed = session.person(), session.policy()
    if who.visitor:
        return ()
    return tuple(name for name in region_names() if who.local or not allowed.regions or name in allowed.regions)


def variant_picker(chosen: Chosen, endpoint: Endpoint) -> Chosen:
    """Let a person pick the variant where there is more than one; the first one unless told otherwise."""
    kept = with_variant(chosen, endpoint)
    if kept.variant is not None:
        picked = st.segmented_control(
            "Variant",
            [variant.name for variant in endpoint.variants],
            default=kept.variant,
            required=True,
            label_visibility="collapsed",
            key=f"variant of {chosen.key}",
            help="Every call names the variant: mixed traffic could not be judged.",
        )
        kept = replace(kept, variant=picked)
    if kept != chosen:
        choose(kept)
    return kept


def with_variant(chosen: Chosen, endpoint: Endpoint) -> Chosen:
    """The choice with the variant that is called: the chosen one, else the first; None where none is to be named."""
    names = [variant.name for variant in endpoint.variants]
    if len(names) < 2 or endpoint.components or endpoint.hosting == "asynchronous":
        return replace(chosen, variant=None)
    return chosen if chosen.variant in names else replace(chosen, variant=names[0])


def preset_of(chosen: Chosen) -> Preset:
    """How the chosen endpoint's replies are read: what was saved, or what the demo endpoint is known to send."""
    return store().preset(chosen.key) or (DEMO_PRESET if chosen.region == EMBEDDED else Preset("builtin-ssd"))


def request_of(chosen: Chosen) -> Request:
    """How images are sent to the chosen endpoint: what was saved for it, its kind, and the chosen variant.

    Raises:
        EndpointError: when the endpoint cannot be described.
    """
    saved = store().request(chosen.key) or Request(chosen.endpoint or "")
    hosting = described(chosen.connection, chosen.endpoint or "").hosting or "real-time"
    return replace(saved, endpoint=chosen.endpoint or "", variant=chosen.variant, hosting=hosting)


def measured_latency() -> float | None:
    """Seconds of this session's last call, or None before the first one."""
    return st.session_state.get("latency")
