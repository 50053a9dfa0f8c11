"""What the server says beside its pages: headers, health, settings that are wrong, and errors by their number."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from browser import ROOT, start_app
from streamlit.testing.v1 import AppTest
from tabs import Tab, fresh_browser

from smviz.errors import BadSetting
from smviz.headers import Headers, content_security_policy, frame_ancestors, script_hashes

FAILING = ROOT / "tests" / "browser_apps"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NUMBER = re.compile(r"number ([0-9a-f]{8})\b")


@pytest.fixture(scope="module")
def browser(home) -> Iterator[httpx.Client]:
    with start_app(ROOT / "serve.py", home) as url, fresh_browser(url) as browser:
        yield browser


def policy(answer: httpx.Response) -> dict[str, str]:
    directives = answer.headers["content-security-policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


class TestTheServer:
    @pytest.mark.parametrize(
        "path", ["/", "/Detect", "/healthz", "/media/none.jpg", "/_stcore/health", "/_stcore/host-config", "/no/such"]
    )
    def test_sends_its_headers_with_everything(self, browser, path):
        """Whatever is asked for, the browser is told what it may do with it, and shared caches that it is private."""
        answer = browser.get(path)
        assert policy(answer)["frame-ancestors"] == "'none'"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["permissions-policy"].startswith("camera=(self), microphone=()")
        assert answer.headers["cache-control"] in {"private, no-cache", "private, no-store"}
        assert len(answer.headers.get_list("content-security-policy")) == 1

    def test_allows_no_inline_script_but_streamlits_own(self, browser):
        """The policy holds the hash of the one script that stands in the page, and nothing that would let in others."""
        answer = browser.get("/")
        sources = policy(answer)["script-src"].split()
        assert set(script_hashes(answer.text)) <= set(sources)
        assert len(script_hashes(answer.text)) == 1
        assert not {"'unsafe-inline'", "'unsafe-eval'", "data:", "*", "https:"} & set(sources)
        assert policy(answer)["default-src"] == "'none'"

    def test_lets_caches_keep_the_public_scripts_only(self, browser):
        """Streamlit's scripts, which are the same for all, keep their long life; a person's picture is not stored."""
        script = re.search(r'src="\./(static/js/[^"]+)"', browser.get("/").text)
        assert script
        assert "public" in browser.get(f"/{script[1]}").headers["cache-control"]
        with Tab(browser) as tab:
            picture = browser.get(min(tab.media))
        assert picture.status_code == 200
        assert picture.headers["content-type"].startswith("image/")
        assert picture.headers["cache-control"] == "private, no-store"

    def test_tells_nobody_how_many_are_here(self, browser):
        """Streamlit's metrics, which ask nobody who they are, are closed."""
        assert browser.get("/_stcore/metrics").status_code == 404

    def test_is_driven_by_no_program(self, browser):
        """Streamlit's interface for agents is off."""
        assert browser.post("/_stcore/agent/interact", json={}).status_code in {403, 404}

    def test_is_healthy(self, browser, home):
        """/healthz is 200, here and below any path, and does not say where the workspace is."""
        for path in ("/healthz", "/tools/smviz/healthz"):
            answer = browser.get(path)
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_takes_an_upload_with_the_pages_token_only(self, browser):
        """Without the XSRF token an upload is refused."""
        assert browser.put("/_stcore/upload_file/none/none", content=b"x").status_code == 403


class TestASickServer:
    def test_says_so_and_may_be_framed_by_whom_it_names(self, home, tmp_path):
        """A workspace that cannot be written is 503, without its path; the frame setting reaches the headers."""
        (tmp_path / "a file").touch()
        sick = {"SMVIZ_WORKSPACE": str(tmp_path / "a file" / "ws")}
        log = tmp_path / "log"
        named = {"SMVIZ_FRAME_ANCESTORS": "self https://portal.example.com"}
        with start_app(ROOT / "serve.py", {**home, **sick, **named}, log=log) as url:
            answer = httpx.get(f"{url}/healthz")
        assert (answer.status_code, answer.json()) == (503, {"status": "the workspace cannot be used"})
        assert policy(answer)["frame-ancestors"] == "'self' https://portal.example.com"
        assert "x-frame-options" not in answer.headers
        told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        assert [(line["event"], line.get("kind")) for line in told] == [
            ("start", None),
            ("health", "NotADirectoryError"),
        ]
        assert str(tmp_path) not in json.dumps(told)

    @pytest.mark.parametrize(
        ("name", "value"), [("SMVIZ_LOG", "loud"), ("SMVIZ_FRAME_ANCESTORS", "*"), ("SMVIZ_ALLOW_DEPLOY", "perhaps")]
    )
    def test_does_not_start_with_a_wrong_setting(self, name, value):
        """The setting and what it may be are told in one sentence; there is no traceback."""
        ran = subprocess.run(
            [sys.executable, "-c", "import serve"],
            cwd=ROOT,
            env={**os.environ, name: value},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 1
        assert ran.stderr.splitlines()[-1].startswith(f"{name} ")
        assert "Traceback" not in ran.stderr


class TestFrameAncestors:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("", ("'none'",)),
            ("none", ("'none'",)),
            ("'none'", ("'none'",)),
            ("self", ("'self'",)),
            (
                "'self' https://a.example.com:8443  https://*.example.org",
                ("'self'", "https://a.example.com:8443", "https://*.example.org"),
            ),
        ],
    )
    def test_are_none_or_the_named(self, value, expected):
        """Nobody by default; otherwise the origins that are named."""
        assert frame_ancestors({"SMVIZ_FRAME_ANCESTORS": value}) == expected

    @pytest.mark.parametrize(
        "value",
        ["*", "https:", "https://a.example.com; script-src *", "none self", "a.example.com", "https://a/\r\nX: y"],
    )
    def test_refuse_what_opens_too_much(self, value):
        """A star, a bare scheme, a second directive or a second header is no origin."""
        with pytest.raises(BadSetting, match="SMVIZ_FRAME_ANCESTORS"):
            frame_ancestors({"SMVIZ_FRAME_ANCESTORS": value})


class TestPolicy:
    def test_hash_is_the_specifications(self):
        """The example of Content Security Policy Level 3, section 8.2 (hash of `alert('Hello, world.');`)."""
        page = "<script>alert('Hello, world.');</script><script src='x.js'></script>"
        assert script_hashes(page) == ("'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='",)

    def test_names_each_directive_once(self):
        """A second one of the same name would count for nothing."""
        names = [part.split()[0] for part in content_security_policy((), ("'none'",)).split("; ")]
        assert len(names) == len(set(names))


class TestHeaders:
    def test_answer_for_an_app_that_fails(self, capsys):
        """An error within the app is an answer with a number, under the same headers, and an event of that number."""

        async def broken(scope, receive, send):
            raise RuntimeError(f"aws_secret_access_key = {SECRET}")

        answer = ask(broken)
        assert answer.status_code == 500
        assert "content-security-policy" in answer.headers
        found = NUMBER.search(answer.text.replace("log is", "number"))
        told = json.loads(capsys.readouterr().err)
        assert found
        assert (told["number"], told["kind"]) == (found[1], "RuntimeError")
        assert SECRET not in answer.text + json.dumps(told)

    def test_stand_in_for_the_apps_own(self):
        """Where the app sets a header of the same name, ours is sent, once."""

        async def loose(scope, receive, send):
            headers = [(b"X-Frame-Options", b"ALLOWALL"), (b"Cache-Control", b"public, max-age=60"), (b"X-Own", b"1")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        answer = ask(loose)
        assert answer.headers.get_list("x-frame-options") == ["DENY"]
        assert answer.headers.get_list("cache-control") == ["private, max-age=60"]
        assert answer.headers["x-own"] == "1"


def ask(app) -> httpx.Response:
    """One answer of an app within the headers."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=Headers(app, "<html></html>"))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get("/")

    return asyncio.run(asked())


class TestAnErrorOnAPage:
    def test_is_told_by_its_number(self, home, tmp_path):
        """Whether the page, a callback or a fragment fails: a sentence and a number on the page, and in the log, under
        that number and nowhere else, the scrubbed traceback."""
        log, numbers = tmp_path / "log", set()
        with start_app(FAILING / "failing_server.py", home, log=log) as url, fresh_browser(url) as browser:
            for place in ("callback", "fragment", "page"):
                with Tab(browser) as tab:
                    tab.press(place)
                assert "Load the page again" in tab.text
                assert not re.search(f"RuntimeError|Traceback|cats|{SECRET}", tab.text)
                numbers.update(NUMBER.findall(tab.text))
        said = log.read_text()
        told = [json.loads(line) for line in said.splitlines() if '"event": "error"' in line]
        assert len(numbers) == 3
        assert {line["number"] for line in told} == numbers
        assert len(told) == 3
        assert all("failing_app.py" in line["traceback"] for line in told)
        assert not re.search(f"cats|{SECRET}", said)
        assert said.count("Traceback") == 3

    def test_where_the_script_is_run_by_itself(self, capsys):
        """Run by `streamlit run` without serve.py, the page says the same of its own errors, and nothing else anywhere:
        an error of a callback is told in Streamlit's words."""
        page = AppTest.from_file(str(FAILING / "failing_app.py")).run()
        page.button[-1].click().run()
        (shown,) = page.exception
        assert NUMBER.search(shown.message)
        assert not shown.stack_trace
        page.button[0].click().run()
        (shown,) = page.exception
        assert "encountered an error" in shown.message
        assert not shown.stack_trace
        assert not re.search(f"cats|{SECRET}", capsys.readouterr().err)
