"""The door of a server that several people use: who may come in does; anybody else sees why not, and nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import urlsplit

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from smviz.access import Person, Role
from smviz.errors import BadSetting, NotAllowed, NotSetUp
from smviz.journal import Level, event
from smviz.settings import is_loopback
from smviz.ui import session
from smviz.ui.arrival import Arrivals, Link, browser_of

UNNAMED = "default"  # what Streamlit calls the provider of [auth] itself
SHORTEST_SECRET = 32  # characters; with a shorter one, cookies could be forged by trying
_KEYS = ("client_id", "client_secret", "server_metadata_url")
_STYLE = """<style>
[data-testid="stMainBlockContainer"] { padding-top: max(2rem, 16vh); }
.st-key-door {
  position: relative; max-width: 27rem; margin: 0 auto; padding: 2.2rem 2.2rem 2rem; border-radius: 0 3px 3px 3px;
  border: 2px solid var(--box); background: color-mix(in srgb, var(--box) 5%, transparent);
  box-shadow: 0 0 0 5px color-mix(in srgb, var(--box) 12%, transparent);
}
.st-key-door::before {
  content: var(--label); position: absolute; left: -2px; bottom: 100%; padding: .1rem .7rem; background: var(--box);
  color: light-dark(#fff, #0e1116); font-size: .85rem; line-height: 1.5rem; border-radius: 3px 3px 0 0;
}
.st-key-door .name { font-size: 1.9rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.2; margin: 0; }
</style>"""


def gate(page: str) -> Link | None:
    """Let in whoever may come in, and say which link they came by before they logged in; else end the script here.

    Args:
        page: the name in the menu of the page that is asked for.
    """
    offered: tuple[str, ...] = ()
    try:
        if session.has_login():
            offered = providers(st.secrets["auth"])
        session.policy()  # it is wrong for everybody, or for nobody
        who = session.person()
    except BadSetting as error:
        _tell_once("setting", "error", message=str(error))
        _broken_page()
    except NotSetUp:  # the log has it already
        _broken_page()
    except NotAllowed as error:
        if session.logged_in():
            _refusal_page(error)
        _login_page(page, offered)
    if not offered:
        return None
    _tell_once("login", person=_key(), role=who.role.name.lower())
    return _link_before(page)


def log_out() -> NoReturn:
    """End the login, here and at the provider, and the script."""
    event("logout", person=_key())
    st.logout()
    st.stop()


def providers(auth: Mapping[str, object]) -> tuple[str, ...]:
    """The names of the providers that [auth] in secrets.toml sets up, in its order.

    Raises:
        BadSetting: naming what is missing, or is not safe.
    """
    if not isinstance(auth, Mapping):
        raise BadSetting("auth in secrets.toml is no table.", "Write [auth] on a line of its own.")
    callback, secret = str(auth.get("redirect_uri", "")), str(auth.get("cookie_secret", ""))
    if not callback.endswith("/oauth2callback"):
        raise BadSetting("redirect_uri in [auth] does not end with /oauth2callback.", "Write the app's URL before it.")
    _check_encrypted("redirect_uri in [auth]", callback)
    if len(secret) < SHORTEST_SECRET or len(set(secret)) < 10:
        raise BadSetting(
            f"cookie_secret in [auth] has less than {SHORTEST_SECRET} random characters.",
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
        )
    sections = {name: table for name, table in auth.items() if isinstance(table, Mapping) and name != "client_kwargs"}
    if any(key in auth for key in _KEYS) or not sections:
        sections = {UNNAMED: auth, **sections}
    for name, table in sections.items():
        _check_provider(name, table)
    return tuple(sections)


def _check_provider(name: str, table: Mapping[str, object]) -> None:
    where = "[auth]" if name == UNNAMED else f"[auth.{name}]"
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise BadSetting(f"{where} cannot be called so.", "Use letters, digits and hyphens.")
    for key in _KEYS:
        if not str(table.get(key, "")).strip():
            raise BadSetting(f"{where} has no {key}.", "The provider tells it where the app is registered.")
    _check_encrypted(f"server_metadata_url in {where}", str(table["server_metadata_url"]))


def _check_encrypted(label: str, url: str) -> None:
    """Over HTTP anybody on the way could read the codes and cookies; between programs of one machine nobody is."""
    if urlsplit(url).scheme != "https" and not is_loopback(url):
        raise BadSetting(f"{label} does not begin with https://.", "Only a server on this machine may go without TLS.")


def _login_page(page: str, offered: tuple[str, ...]) -> NoReturn:
    browser = browser_of(st.context.cookies)
    arrived = {name: tuple(st.query_params.get_all(name)) for name in st.query_params}
    tried = page == "Home" and not arrived and browser is not None and _arrivals().kept(browser) is not None
    with _door("person", "#0f766e", "#2dd4bf"):
        st.html('<p class="name">smviz</p>')
        st.markdown("See what your object detector really does, and choose at which confidence to ship it.")
        if tried:
            st.warning("You are not logged in yet. Try again, or ask whoever runs this server.")
        for name in offered:
            label = "Log in" if name == UNNAMED else f"Log in with {name.title()}"
            if st.button(label, key=f"log in {name}", type="primary", width="stretch"):
                if browser is not None and not tried:
                    _arrivals().keep(browser, page, arrived)
                st.login(name)
        st.caption("Only people whom this server's operator has listed are let in.")
    st.stop()


def _refusal_page(why: NotAllowed) -> NoReturn:
    address = str(st.user.to_dict().get("email") or "")
    _tell_once("refusal", "warning", person=_key())
    with _door("unknown", "#b45309", "#f59e0b"):
        st.html('<p class="name">You are not on the list</p>')
        known = f"as <strong>{html.escape(address)}</strong>" if address else "without an e-mail address"
        st.html(f"You are logged in {known}.")
        st.markdown(f"{why.message} {why.advice}")
        if st.button("Log out", icon=":material/logout:", width="stretch"):
            log_out()
    st.stop()


def _broken_page() -> NoReturn:
    with _door("not ready", "#b91c1c", "#f87171"):
        st.html('<p class="name">Not set up yet</p>')
        st.markdown("smviz runs, but its settings are wrong, so nobody is let in.")
        st.caption("If you run this server: its log says which setting it is.")
    st.stop()


def _door(label: str, light: str, dark: str) -> DeltaGenerator:
    """The one box of a page that lets nobody in, drawn as a detection is; its colour in either theme."""
    st.html(_STYLE)
    st.html(f'<style>.st-key-door {{ --label: "{label}"; --box: light-dark({light}, {dark}); }}</style>')
    return st.container(key="door", gap="small")


def _link_before(page: str) -> Link | None:
    """The link that this browser's person came by, where logging in has led home instead; told once."""
    browser = browser_of(st.context.cookies)
    if browser is None or page != "Home" or st.query_params:
        return None
    link = _arrivals().take(browser)
    return link if link and (link.page != "Home" or link.query) else None


@st.cache_resource(show_spinner=False)
def _arrivals() -> Arrivals:
    """The links of everybody who is about to log in."""
    return Arrivals()


def _key() -> str:
    """What stands in the journal for who is logged in, on a list or not."""
    return Person(str(st.user.to_dict().get("email") or ""), "", Role.VIEWER).key


def _tell_once(kind: str, level: Level = "info", **facts: object) -> None:
    """Write to the journal once a session."""
    if st.session_state.get(f"told {kind}") != facts:
        st.session_state[f"told {kind}"] = facts
        event(kind, level, **facts)
