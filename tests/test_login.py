"""Who gets past the gate, and who does not: a real OpenID provider, a real server, and cookies that people tamper with.

No browser: `tabs.Tab` speaks Streamlit's protocol and sends whatever cookies and headers a test wants sent.
"""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest
from browser import ROOT, start_app
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from oidc_provider import COLLEAGUE, HOSTILE, OWNER, STRANGER, UNVERIFIED, USER, VIEWER, Account, Provider, running
from streamlit.testing.v1 import AppTest
from tabs import Tab, fresh_browser, log_in

from smviz.errors import BadSetting
from smviz.local import SAMPLES
from smviz.ui.arrival import KEPT_FOR, LONGEST_KEPT, MOST_KEPT, Arrivals, browser_of
from smviz.ui.login import providers

COOKIE_SECRET = "k9Jw2mX7pQ4vZ8sL1tR6yB3nH5cF0dGa"
PAGES = ("", "Endpoint", "Detect", "Evaluate", "Compare")
POLICY = f"""
[smviz]
owners = ["{OWNER.address}"]
users = ["{USER.address}", "{COLLEAGUE.address}", "{UNVERIFIED.address}"]
viewers = ["{VIEWER.address}"]
"""

GOOD = {
    "redirect_uri": "https://smviz.example.org/oauth2callback",
    "cookie_secret": COOKIE_SECRET,
    "client_id": "smviz",
    "client_secret": "s",
    "server_metadata_url": "https://provider.example/.well-known/openid-configuration",
}
NAMED = {name: GOOD[name] for name in ("client_id", "client_secret", "server_metadata_url")}
SHARED = {name: GOOD[name] for name in ("redirect_uri", "cookie_secret")}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running() as provider:
        yield provider


@pytest.fixture(autouse=True)
def honest(provider) -> None:
    provider.forge("")


@contextmanager
def server(provider: Provider, home: Mapping[str, str | None], policy: str) -> Iterator[str]:
    """A server on which people log in."""
    secrets = Path(home["HOME"] or "") / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(provider.secrets("http://127.0.0.1:{port}", COOKIE_SECRET) + policy)
    with start_app(ROOT / "streamlit_app.py", home) as url:
        yield url


@pytest.fixture(scope="module")
def app(provider, home) -> Iterator[str]:
    with server(provider, home, POLICY) as url:
        yield url


@pytest.fixture(scope="module")
def strict(provider, home, tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("strict")
    limits = "requests_per_minute = 2\nimages_per_run = 5\n"
    with server(provider, {**home, "HOME": str(folder), "SMVIZ_WORKSPACE": str(folder / "ws")}, POLICY + limits) as url:
        yield url


@pytest.fixture
def browser(app) -> Iterator[httpx.Client]:
    with fresh_browser(app) as browser:
        yield browser


def is_login_page(tab: Tab) -> bool:
    """Whether there is the button to log in, and nothing of the app."""
    return tab.buttons == ["Log in"] and not tab.links and not tab.media and "highway" not in tab.text


def cookie(app: str, account: Account, secret: str = COOKIE_SECRET, age: float = 0.0, **claims: object) -> str:
    """The cookie of somebody who logged in `age` seconds ago, as Streamlit signs it with that secret."""

    class Signer(TimestampSigner):
        def get_timestamp(self) -> int:
            return int(time.time() - age)

    said = {"email": account.address, "email_verified": True, "name": account.name, "provider": "default"}
    return str(
        URLSafeTimedSerializer(secret, salt="_streamlit_user", signer=Signer).dumps(
            json.dumps({**said, "origin": app, "is_logged_in": True, **claims})
        )
    )


class TestWhoIsNotLoggedIn:
    @pytest.mark.parametrize("page", PAGES)
    def test_sees_the_login_page_and_nothing_else(self, app, browser, home, page):
        """Every page is the login page; no client and no workspace is opened for it."""
        with Tab(browser, page, {"run": "r1", "space": "shared", "endpoint": "mine"}) as tab:
            assert is_login_page(tab)
            assert "mine" not in tab.text
        assert not Path(home["SMVIZ_WORKSPACE"]).exists()

    def test_is_not_taken_for_the_person_at_the_machine(self, app):
        """Where people log in, a request that comes from this very machine has to log in as well."""
        with fresh_browser(app, {"X-Forwarded-For": "127.0.0.1"}) as browser, Tab(browser) as tab:
            assert is_login_page(tab)

    @pytest.mark.parametrize(
        "tamper",
        [
            {"secret": "another secret that somebody guessed"},
            {"secret": ""},
            {"age": 32 * 86400.0},
            {"is_logged_in": False},
            {"is_logged_in": "yes"},
            {"origin": "https://elsewhere.example"},
            {"origin": None},
        ],
        ids=lambda tamper: "-".join(f"{name}" for name in tamper),
    )
    def test_stays_out_with_a_cookie_that_is_forged_expired_or_of_another_app(self, app, browser, tamper):
        """The cookie counts only with this server's signature, for 31 days, on this very URL."""
        browser.cookies.set("_streamlit_user", cookie(app, OWNER))
        with Tab(browser, "Compare") as tab:
            assert tab.links  # the same cookie, not tampered with, lets in
        browser.cookies.clear()
        browser.get("/_stcore/health")
        browser.cookies.set("_streamlit_user", cookie(app, OWNER, **tamper))
        with Tab(browser) as tab:
            assert is_login_page(tab)

    @pytest.mark.parametrize("value", ["", "x", "chunks-3", "e30.e30.e30", "=" * 3000])
    def test_stays_out_with_a_cookie_that_is_no_cookie(self, browser, value):
        """Rubbish in the cookie is as good as none."""
        browser.cookies.set("_streamlit_user", value)
        with Tab(browser) as tab:
            assert is_login_page(tab)

    def test_stays_out_where_a_page_elsewhere_opens_the_connection(self, app, browser):
        """The cookies of who is logged in are of no use without the XSRF token, which no other site can read."""
        browser.cookies.set("_streamlit_user", cookie(app, OWNER))
        browser.cookies.delete("_streamlit_xsrf")
        with Tab(browser) as tab:
            assert is_login_page(tab)


class TestLoggingIn:
    @pytest.mark.parametrize("account", [OWNER, USER, VIEWER], ids=lambda account: account.name)
    def test_lets_in_whoever_is_on_a_list(self, browser, account):
        """The menu tells who is logged in, with which role."""
        log_in(browser, account.address)
        with Tab(browser, "Compare") as tab:
            assert {"Home", "Evaluate", "Compare"} <= set(tab.links)
            assert account.address in tab.text
            assert account.name.split()[1] in tab.text  # the role

    @pytest.mark.parametrize(
        ("account", "why"), [(STRANGER, "on no list"), (UNVERIFIED, "has not verified")], ids=["stranger", "unverified"]
    )
    def test_tells_whoever_is_on_no_list_and_lets_them_out_again(self, browser, account, why):
        """They see the address that the provider told, why it is not let in, and the way out: nothing else."""
        log_in(browser, account.address)
        with Tab(browser, "Evaluate") as tab:
            assert tab.buttons == ["Log out"]
            assert not tab.links
            assert not tab.media
            assert account.address in tab.text
            assert why in tab.text
            tab.press("Log out")
            assert tab.redirect == "/auth/logout"

    def test_shows_an_address_as_text(self, browser):
        """An address that is HTML, which no policy can list, is refused like any other and stays text."""
        log_in(browser, HOSTILE.address)
        with Tab(browser) as tab:
            assert tab.buttons == ["Log out"]
            assert "&lt;img/src=x" in tab.text
            assert "<img" not in tab.text

    def test_cuts_a_name_that_is_as_long_as_a_page(self, app, browser):
        """What the provider calls a person stands in the menu as text, and leaves room for the menu."""
        browser.cookies.set("_streamlit_user", cookie(app, Account(USER.address, HOSTILE.name)))
        with Tab(browser, "Compare") as tab:
            (label,) = tab.popovers
            assert len(label) < 50
            assert "](" not in label

    @pytest.mark.parametrize("forgery", ["signature", "unsigned", "expired", "audience", "issuer", "nonce"])
    def test_refuses_an_id_token_that_is_not_good(self, provider, browser, forgery):
        """A token signed by somebody else, not signed, expired, or meant for another app or login: no cookie."""
        provider.forge(forgery)
        log_in(browser, OWNER.address)
        assert "_streamlit_user" not in browser.cookies
        with Tab(browser) as tab:
            assert is_login_page(tab)
            assert "not logged in yet" in tab.text

    def test_can_be_tried_again(self, browser):
        """Whom the provider turned away is told so, and the next try still leads to the link they came by."""
        log_in(browser, "nobody@example.org", "Evaluate", {"section": "Images"})
        with Tab(browser) as tab:
            assert "not logged in yet" in tab.text
        log_in(browser, USER.address)
        with Tab(browser) as tab:
            assert (tab.page, "section=Images" in tab.query) == ("Evaluate", True)

    def test_needs_the_state_that_this_browser_began_with(self, app, browser, provider):
        """A callback of somebody else's login, planted in a link, logs nobody in."""
        with fresh_browser(app) as attacker, Tab(attacker) as tab:
            tab.press("Log in")
            form = attacker.get(tab.redirect)
            planted = attacker.post(form.url, data={"address": STRANGER.address}, follow_redirects=False)
        browser.get(planted.headers["location"])
        assert "_streamlit_user" not in browser.cookies

    def test_ends_with_logging_out(self, browser):
        """The cookies are gone, and the next page is the login page."""
        log_in(browser, USER.address)
        with Tab(browser, "Compare") as tab:
            tab.press("Log out")
            left = browser.get(tab.redirect)
        assert left.status_code == 200
        assert "_streamlit_user" not in browser.cookies
        with Tab(browser) as tab:
            assert is_login_page(tab)


class TestTwoColleagues:
    def test_share_the_server_and_nothing_else(self, app):
        """One's run does not exist for the other, by no link, and what was answered for one is called anew."""
        with fresh_browser(app) as uma, fresh_browser(app) as ulf:
            log_in(uma, USER.address)
            log_in(ulf, COLLEAGUE.address)
            with Tab(uma, "Evaluate") as tab:
                assert "80 calls" in tab.text
                tab.press("Run 80 images")
                tab.wait_for("Latency p50")
                assert "80 replies are known already" in tab.text
                link = dict(parse_qsl(tab.query))
            for page in ("Evaluate", "Detect", "Compare"):
                with Tab(ulf, page, {**link, "a": link["run"], "b": link["run"], "image": "highway_0001.jpg"}) as tab:
                    assert "not in this workspace" in tab.text or "no run" in tab.text.lower(), page
                    assert "sample set, 2" not in tab.text  # the run's name
            with Tab(ulf, "Evaluate") as tab:
                assert "80 calls" in tab.text
            with Tab(ulf) as tab:
                assert "sample set" not in tab.text
            with Tab(uma) as tab:
                assert "sample set" in "".join(tab.links)

    def test_get_pictures_by_addresses_that_nobody_guesses(self, app, browser):
        """A picture's address is a digest of what it shows; Streamlit hands it to whoever has the address."""
        log_in(browser, USER.address)
        with Tab(browser) as tab, fresh_browser(app) as other:
            (path,) = tab.media
            assert re.fullmatch(r"/media/[0-9a-f]{32,}\.jpg", path)
            assert browser.get(path).status_code == 200
            assert other.get(path.replace(path[7:12], "00000")).status_code == 404


class TestLimits:
    def test_are_told_by_name(self, strict):
        """A third call in the minute, and a run of too many images, are refused by name; a colleague goes on."""
        with fresh_browser(strict) as uma, fresh_browser(strict) as ulf:
            log_in(uma, USER.address)
            log_in(ulf, COLLEAGUE.address)
            with Tab(uma, "Evaluate") as tab:
                assert not any("Run 80 images" in label for label in tab.buttons)
                assert "5 images at most" in tab.text
                assert re.search(r"images\\?_per\\?_run", tab.text)
            names = [path.name for path in SAMPLES.images[:3]]
            with Tab(uma, "Detect", {"sample": names[0]}) as tab:
                assert "calls in this minute" not in tab.text
            with Tab(uma, "Detect", {"sample": names[1]}) as tab:
                assert "calls in this minute" not in tab.text
            with Tab(uma, "Detect", {"sample": names[2]}) as tab:
                assert re.search(r"2 of 2 calls in this minute; the next one in \d+ s", tab.text)
                assert re.search(r"requests\\?_per\\?_minute", tab.text)
            with Tab(ulf, "Detect", {"sample": names[2]}) as tab:
                assert "calls in this minute" not in tab.text


class TestWhereNobodyCanLogIn:
    @pytest.fixture(scope="module")
    @staticmethod
    def bare(tmp_path_factory) -> Iterator[str]:
        folder = tmp_path_factory.mktemp("bare")
        with start_app(ROOT / "streamlit_app.py", {"HOME": str(folder), "SMVIZ_WORKSPACE": str(folder / "ws")}) as url:
            yield url

    def test_a_visitor_is_told_why_aws_is_not_called(self, bare):
        """Who comes by another name than the machine's is told what to set, and the demo answers."""
        with fresh_browser(bare) as browser, Tab(browser) as tab:
            assert "AWS is not called" not in tab.text
            assert "Log out" not in tab.buttons
        with fresh_browser(bare, {"Host": "smviz.example"}) as browser, Tab(browser) as tab:
            assert "AWS is not called" in tab.text
            assert "docs/hosting.md" in tab.text
            assert "just answered" in tab.text


class TestSettingsThatAreWrong:
    @pytest.fixture
    def page(self, tmp_path, monkeypatch) -> AppTest:
        monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "ws"))
        return AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30)

    @pytest.mark.parametrize(
        ("secrets", "named"),
        [
            ({"auth": {"client_id": "smviz"}}, "redirect_uri"),
            ({"auth": "yes"}, "auth"),
            ({"auth": {**GOOD, "cookie_secret": "hunter2 hunter2"}}, "cookie_secret"),
            ({"auth": GOOD, "smviz": {"owner": ["a@example.org"]}}, "owner"),
            ({"smviz": {"megapixels": "many"}}, "megapixels"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_let_nobody_in(self, page, capfd, tmp_path, secrets, named):
        """The page says that the server is not set up, and no more; the log names the setting, and holds no secret."""
        page.secrets = secrets
        page.run()
        text = "".join(
            each.value for each in (*page.markdown, *page.caption, *page.get("html")) if hasattr(each, "value")
        )
        assert not page.exception
        assert not page.button
        assert "nobody is let in" in text
        assert named not in text
        assert not (tmp_path / "ws").exists()
        log = capfd.readouterr().err
        assert named in log
        assert "hunter2" not in log


class TestSeveralProviders:
    def test_have_a_button_each(self, tmp_path, monkeypatch):
        """People choose where they log in, by the providers' names in secrets.toml."""
        monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "ws"))
        page = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=30)
        page.secrets = {"auth": {**SHARED, "google": NAMED, "auth0": NAMED}}
        page.run()
        assert [button.label for button in page.button] == ["Log in with Google", "Log in with Auth0"]


class TestTheLinkSomebodyCameBy:
    def test_is_opened_after_the_login(self, browser):
        """Page and query parameters are what they were, repeated ones too; once only."""
        log_in(browser, USER.address, "Evaluate", {"section": "Thresholds", "x": ["1", "2"]})
        with Tab(browser) as tab:
            assert tab.page == "Evaluate"
            assert tab.query.startswith("section=Thresholds&x=1&x=2")
        with Tab(browser) as tab:
            assert tab.page == ""

    def test_is_of_one_browser(self, app, browser):
        """Nobody lands where somebody else wanted to go."""
        with Tab(browser, "Evaluate", {"run": "secret"}) as tab:
            tab.press("Log in")
        with fresh_browser(app) as other:
            log_in(other, COLLEAGUE.address)
            with Tab(other) as tab:
                assert (tab.page, "secret" in tab.query) == ("", False)

    @pytest.mark.parametrize("page", ["//elsewhere.example/x", "../auth/logout"])
    def test_leads_nowhere_but_to_pages_of_the_app(self, browser, page):
        """A link is kept as the name of a page and its parameters, so that there is no address to lead elsewhere."""
        log_in(browser, USER.address, page, {"next": "https://elsewhere.example", "redirect": "//elsewhere.example"})
        with Tab(browser) as tab:
            assert tab.page in PAGES
            assert tab.redirect == ""


class TestArrivals:
    def test_are_forgotten_in_time(self):
        """A link that was kept for ten minutes is told no more."""
        now = 0.0
        arrivals = Arrivals(clock=lambda: now)
        arrivals.keep("a", "Evaluate", {"run": ("r",)})
        now = KEPT_FOR
        assert arrivals.kept("a") is not None
        now = KEPT_FOR + 1
        assert arrivals.take("a") is None

    def test_are_not_many(self):
        """Anybody may ask to log in: only so many links are kept, the latest."""
        arrivals = Arrivals()
        for number in range(MOST_KEPT + 5):
            arrivals.keep(str(number), "Detect", {})
        assert arrivals.kept("4") is None
        assert arrivals.kept("5") is not None

    def test_are_not_long(self):
        """Of a link that is longer than any of the app's own, nothing is kept but that there was one."""
        arrivals = Arrivals()
        arrivals.keep("a", "Evaluate", {"x": ("y" * LONGEST_KEPT,)})
        link = arrivals.take("a")
        assert link is not None
        assert (link.page, link.query) == ("Home", {})

    @pytest.mark.parametrize("value", ["", "2", "2|a|b|1", "2|00|00|1", f"3|00000000|{0:032}|1", "2|||", "|||||"])
    def test_a_cookie_that_is_no_token_is_no_browser(self, value):
        """Rubbish in the XSRF cookie is nobody's, and does no harm."""
        assert browser_of({"_streamlit_xsrf": value}) is None

    def test_the_token_is_the_same_under_every_mask(self):
        """Streamlit masks the token anew in every answer."""
        token = bytes(range(16))
        masks = (bytes(4), b"\x01\x80\xff\x07")
        cookies = [f"2|{m.hex()}|{bytes(b ^ m[i % 4] for i, b in enumerate(token)).hex()}|1" for m in masks]
        assert {browser_of({"_streamlit_xsrf": each}) for each in cookies} == {token.hex()}


class TestProviders:
    def test_are_one_in_auth_itself_or_several_by_name(self):
        """[auth] alone is one provider; [auth.google] and [auth.okta] are two; both may be there."""
        assert providers(GOOD) == ("default",)
        assert providers({**SHARED, "google": NAMED, "okta": NAMED}) == ("google", "okta")
        assert providers({**GOOD, "okta": NAMED, "client_kwargs": {"prompt": "login"}}) == ("default", "okta")

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"redirect_uri": "https://smviz.example.org/"}, "redirect_uri"),
            ({"redirect_uri": "http://smviz.example.org/oauth2callback"}, "redirect_uri"),
            ({"redirect_uri": None}, "redirect_uri"),
            ({"cookie_secret": "short"}, "cookie_secret"),
            ({"cookie_secret": "x" * 64}, "cookie_secret"),
            ({"cookie_secret": ""}, "cookie_secret"),
            ({"client_id": ""}, "client_id"),
            ({"client_secret": "  "}, "client_secret"),
            ({"server_metadata_url": "http://provider.example/x"}, "server_metadata_url"),
            ({"google": {"client_id": "a"}}, "auth.google"),
            ({"my_google": NAMED}, "auth.my_google"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_name_the_setting_that_is_missing_or_not_safe(self, change, named):
        """Half a login is none: what is wrong is told to the operator."""
        with pytest.raises(BadSetting, match=re.escape(named)):
            providers({**GOOD, **change})

    def test_may_go_without_tls_on_this_machine_only(self):
        """A server that one tries out logs in over HTTP on loopback."""
        assert providers({**GOOD, "redirect_uri": "http://localhost:{port}/oauth2callback"}) == ("default",)

    def test_are_not_yet_in_the_example_file(self):
        """Copied as it is, the example lets nobody in; once its blanks are filled, it is good."""
        auth = tomllib.loads((ROOT / ".streamlit" / "secrets.toml.example").read_text())["auth"]
        with pytest.raises(BadSetting, match="cookie_secret"):
            providers(auth)
        assert providers({name: value or GOOD[name] for name, value in auth.items()}) == ("default",)

    @pytest.mark.parametrize("auth", ["yes", {}, {"redirect_uri": 3}])
    def test_are_not_in_what_is_no_table(self, auth):
        """Whatever stands under `auth`, the answer is a clear one."""
        with pytest.raises(BadSetting):
            providers(auth)
