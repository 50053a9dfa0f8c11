"""The frame around every page: its head, the menu, what is connected, and how errors look."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from smviz.access import OPERATOR, Person, Role
from smviz.errors import CredentialsError, EndpointError, ModelError, NothingShared, SmvizError
from smviz.names import upright
from smviz.ui import login, memory, mishaps, session
from smviz.ui.choice import Chosen, restored, variant_picker
from smviz.ui.resources import described

ICON = Path(__file__).parent / "icon.png"
PAGES = {
    "Home": ("streamlit_app.py", ":material/home:"),
    "Endpoint": ("pages/1_Endpoint.py", ":material/dns:"),
    "Detect": ("pages/2_Detect.py", ":material/center_focus_strong:"),
    "Evaluate": ("pages/3_Evaluate.py", ":material/analytics:"),
    "Compare": ("pages/4_Compare.py", ":material/compare:"),
}
LONGEST_NAME = 24  # characters of a person's name in the menu
_MAY = {
    Role.VIEWER: "sees the shared runs.",
    Role.USER: "calls endpoints and has runs of their own.",
    Role.OWNER: "also deploys, deletes and shares.",
}
# Links and icons that Streamlit makes of any text, escaped or not: a word joiner, which nobody sees, keeps them apart.
_MEANT = re.compile(
    r"(?<=www)(?=\.)|(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=:)(?=material[/_]|streamlit:)", re.IGNORECASE
)
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding: 1rem clamp(1rem, 3vw, 3rem) 2.5rem; max-width: 1800px; }
[data-testid="stHeader"] { background: transparent; }
.st-key-menu { border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); padding-bottom: .4rem; }
[data-testid="stCaptionContainer"] { color: color-mix(in srgb, currentColor 74%, transparent); opacity: 1; }
[data-testid="stBaseButton-primary"] { color: light-dark(#fff, #06211d); }
.st-key-visitor { padding: .35rem .8rem; border-radius: .5rem; background: light-dark(#fef3c7, #2a2313); }
.st-key-shared { padding: .35rem .8rem; border-radius: .5rem; background: light-dark(#e3f4f1, #10282a); }
.st-key-shared [data-testid="stCaptionContainer"] { color: light-dark(#0b4f47, #9be9de); opacity: 1; }
.st-key-visitor [data-testid="stCaptionContainer"] { color: light-dark(#713f12, #fcd34d); opacity: 1; }
</style>"""


def start_page(title: str) -> Chosen:
    """Draw the head and menu of a page and return what is connected. A page calls this first.

    The script ends here for whoever may not come in.
    """
    mishaps.stand_by()
    memory.settle(title)
    st.set_page_config(page_title=f"{title} · smviz", page_icon=str(ICON), layout="wide")
    st.html(_STYLE)
    arrived = login.gate(title)
    if arrived is not None:
        st.switch_page(PAGES[arrived.page][0], query_params=arrived.query)
    with shown_errors():
        chosen, who = restored(), session.person()
    only_looked_at = session.read_only()
    with st.container(horizontal=True, key="menu", gap="small", vertical_alignment="center"):
        for name in PAGES:
            if name != "Endpoint" or not only_looked_at:
                page_link(name, name, chosen)
        if who.address:
            _personal(who)
    if who.visitor and not session.replaying():
        _visitor_line()
    if only_looked_at:
        _shared_line()
        if title == "Endpoint":
            st.info("Endpoints are called and deployed where runs are made, not where they are looked at.")
            st.stop()
    return chosen


def _personal(who: Person) -> None:
    """Whose runs are shown, who is logged in, and the way out."""
    st.space("stretch")
    if who.role > Role.VIEWER and not session.replaying():
        shown = "Shared" if session.in_shared_space() else "My runs"
        st.segmented_control(
            "Runs",
            ["My runs", "Shared"],
            default=shown,
            required=True,
            label_visibility="collapsed",
            key=f"space while {shown} are shown",
            on_change=_change_space,
        )
    short = who.name if len(who.name) <= LONGEST_NAME else f"{who.name[: LONGEST_NAME - 1]}…"
    with st.popover(plain(short), icon=":material/account_circle:", type="tertiary"):
        st.text(who.address)
        st.caption(f"{who.role.name.title()}: {_MAY[who.role]}")
        if st.button("Log out", icon=":material/logout:", width="stretch"):
            login.log_out()


def _change_space() -> None:
    if session.in_shared_space():
        st.query_params.pop("space", None)
    else:
        st.query_params["space"] = session.SHARED


def _visitor_line() -> None:
    with st.container(key="visitor"):
        st.caption(
            ":material/science: **Demo only.** Nobody can log in here, so AWS is not called. To call your endpoints, "
            "set up `[auth]` as docs/hosting.md tells; on your own machine, start it with `make run`."
        )


def _shared_line() -> None:
    with st.container(key="shared"):
        st.caption(
            ":material/visibility: **Shared runs, to be looked at.** Every reply was kept when the run was made: "
            "nothing is called, and nothing can be changed."
        )


def page_link(page: str, label: str, chosen: Chosen, extra: Mapping[str, str] | None = None) -> None:
    """A link to a page that keeps what is connected; `extra` are further query parameters."""
    path, icon = PAGES[page]
    space = {"space": session.SHARED} if st.query_params.get("space") == session.SHARED else {}
    st.page_link(path, label=label, icon=icon, query_params={**chosen.link(), **space, **(extra or {})})


def connection_bar(chosen: Chosen) -> Chosen:
    """One line that says what is connected, with the variant to choose; stops the page when nothing is."""
    if chosen.endpoint is None:
        st.info("No endpoint is chosen yet.", icon=":material/dns:")
        page_link("Endpoint", "Choose an endpoint", chosen)
        st.stop()
    with shown_errors():
        endpoint = described(chosen.connection, chosen.endpoint)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(badge_label(endpoint.name), icon=":material/dns:", color="blue")
        st.badge(badge_label(chosen.place), icon=":material/location_on:", color="gray")
        status_badge(endpoint.status)
        if endpoint.kind not in {"", "real-time", "real-time, A/B variants"}:
            st.badge(badge_label(endpoint.kind), icon=":material/category:", color="gray")
        chosen = variant_picker(chosen, endpoint)
    if not endpoint.answers:
        st.warning(f"This endpoint is {endpoint.status} and answers no calls now.", icon=":material/hourglass_top:")
    return chosen


def status_badge(status: str) -> None:
    """An endpoint's status, with a sign as well as a colour."""
    if status == "InService":
        st.badge(status, icon=":material/check_circle:", color="green")
    elif status in {"Failed", "OutOfService"}:
        st.badge(status, icon=":material/error:", color="red")
    else:
        st.badge(badge_label(status), icon=":material/hourglass_top:", color="orange")


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show a typed error where it happened and stop the page there; a bug still crashes visibly."""
    try:
        yield
    except SmvizError as error:
        show_error(error)
        st.stop()


def show_error(error: SmvizError) -> None:
    """What happened, what to do, whether trying again helps, and where the container's log is."""
    if isinstance(error, CredentialsError) and not session.may_choose_credentials():  # its advice tells of the server
        error = CredentialsError("The server's own AWS credentials are not accepted.", f"{OPERATOR} to renew them.")
    outlook = f"  \n{error.outlook}" if isinstance(error, EndpointError) else ""
    log = ""
    if isinstance(error, ModelError) and error.log_url:
        log = f"  \n[The container's log in CloudWatch]({error.log_url})"
    text = f"**{plain(error.message)}**  \n{plain(error.advice)}{outlook}{log}"
    if isinstance(error, NothingShared):
        st.info(text, icon=":material/visibility_off:")
    else:
        st.error(text, icon=":material/error:")


def plain(text: str) -> str:
    """Text from a person, file or server, made safe to stand in Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#+|~$:!&-])", r"\\\1", _MEANT.sub("\u2060", upright(text)))


def badge_label(text: str) -> str:
    """The same for `st.badge`, which escapes square brackets itself."""
    return re.sub(r"\\([\[\]])", r"\1", plain(text))


def number(value: float, digits: int = 3) -> str:
    """A number for the screen; an em dash where it is undefined."""
    return "—" if math.isnan(value) else f"{value:.{digits}f}"
