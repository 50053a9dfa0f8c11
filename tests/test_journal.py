"""The journal: one line per event, and nothing secret in it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser import ROOT

from smviz import journal
from smviz.errors import BadSetting

KEY_ID, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE" + "Jz9+aB3/" * 40 + "=="
WEB_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV"
WRITTEN = {
    "a key's number": (KEY_ID, KEY_ID),
    "a bare secret key": (f"tried {SECRET_KEY} and failed", SECRET_KEY),
    "a bare session token": (f"the token {TOKEN} is expired", TOKEN),
    "a line of a profile": ("aws_secret_access_key = short-but-secret", "short-but-secret"),
    "a line of TOML": ('cookie_secret = "a b c"', "a b c"),
    "a value in a repr": ("{'client_secret': 'xyz-1234', 'region': 'eu-west-1'}", "xyz-1234"),
    "a value in JSON in a string": ('"{\\"SessionToken\\": \\"abc/def+g\\"}"', "abc/def+g"),
    "an environment": ("AWS_SESSION_TOKEN=abcdef python", "abcdef"),
    "a signed request": (f"Authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/2026, Signature=0a1b2c", "0a1b2c"),
    "a bearer": ("sent 'Bearer abcdefgh-12345'", "abcdefgh-12345"),
    "a cookie": ("Cookie: _streamlit_user=2|aa|bb; theme=dark", "2|aa|bb"),
    "a signed URL": ("https://b.s3.amazonaws.com/cat.jpg?X-Amz-Signature=0f9e8d&X-Amz-Date=2026", "0f9e8d"),
    "a signed URL's token": ("https://b.s3.amazonaws.com/cat.jpg?X-Amz-Security-Token=IQoJ%2F", "IQoJ%2F"),
    "a login's code": ("GET /oauth2callback?state=s3cr3tstate&code=4%2F0Ad", "4%2F0Ad"),
    "a login's state": ("GET /oauth2callback?state=s3cr3tstate&code=4%2F0Ad", "s3cr3tstate"),
    "a JSON Web Token": (f"id {WEB_TOKEN} refused", WEB_TOKEN),
    "a proxy's password": ("https://bob:hunter22@proxy.example.com:3128/", "hunter22"),
    "a private key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----", "IBAAK"),
    "a private key that is cut": ("-----BEGIN PRIVATE KEY-----\nMIIEow\nIBAAK", "IBAAK"),
    "an address": ("no such person: Bob.Smith+x@mail.example.org", "Smith"),
}


@pytest.fixture
def lines(capsys, monkeypatch) -> Callable[[], list[dict[str, Any]]]:
    """Reads what the journal has written since it was last read."""
    monkeypatch.delenv("SMVIZ_LOG", raising=False)
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class TestEvent:
    def test_is_one_line_of_json(self, lines):
        """An event has its time, level and kind, and its facts, whatever line ends and quotes they hold."""
        journal.event("run", run="ab12", images=80, seconds=1.5, words=["a\nb", '"'], more={"x": None}, done=True)
        (told,) = lines()
        assert told.pop("time").endswith("+00:00")
        assert told == {
            "level": "info",
            "event": "run",
            "run": "ab12",
            "images": 80,
            "seconds": 1.5,
            "words": ["a\nb", '"'],
            "more": {"x": None},
            "done": True,
        }

    def test_holds_no_number_that_json_has_not(self, lines):
        """NaN and infinity are null."""
        journal.event("run", ap=float("nan"), low=float("-inf"))
        (told,) = lines()
        assert (told["ap"], told["low"]) == (None, None)

    def test_is_scrubbed_however_deep(self, lines):
        """Text is scrubbed in lists, tables and the texts of other objects."""
        journal.event("error", a=[SECRET_KEY], b={"c": {"d": KEY_ID}}, e=ValueError(f"token={TOKEN}"))
        told = json.dumps(lines())
        assert not any(secret in told for secret in (SECRET_KEY, KEY_ID, TOKEN))

    def test_is_cut(self, lines):
        """Somebody's megabytes do not fill the disk."""
        journal.event("error", message="x y " * 1_000_000)
        assert len(json.dumps(lines())) < 20_000

    def test_never_fails(self, monkeypatch):
        """A server whose log is closed goes on."""
        stream = io.StringIO()
        stream.close()
        monkeypatch.setattr(sys, "stderr", stream)
        journal.event("run")

    def test_from_many_threads(self, lines):
        """Lines do not run into each other."""
        threads = [
            threading.Thread(target=lambda: [journal.event("run", n="x" * 500) for _ in range(50)]) for _ in "ab"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [told["n"] for told in lines()] == ["x" * 500] * 100


class TestLevel:
    @pytest.mark.parametrize(
        ("word", "written"),
        [
            ("", ["info", "warning", "error"]),
            ("info", ["info", "warning", "error"]),
            (" Warning ", ["warning", "error"]),
            ("error", ["error"]),
            ("off", []),
        ],
    )
    def test_writes_that_and_what_is_worse(self, word, written, lines, monkeypatch):
        """SMVIZ_LOG says from which level on."""
        monkeypatch.setenv("SMVIZ_LOG", word)
        for level in ("info", "warning", "error"):
            journal.event("x", level)
        assert [told["level"] for told in lines()] == written

    def test_a_wrong_one_says_so(self, lines, monkeypatch):
        """A wrong level is refused where it is asked for, told once in the journal, and then counts as info."""
        with pytest.raises(BadSetting, match=r"SMVIZ_LOG is 'loud'.*info, warning, error, off"):
            journal.threshold({"SMVIZ_LOG": "loud"})
        monkeypatch.setenv("SMVIZ_LOG", "quiet")
        journal.event("run")
        journal.event("run")
        first, *others = lines()
        assert (first["event"], [told["event"] for told in others]) == ("setting", ["run", "run"])
        assert "SMVIZ_LOG is 'quiet'" in first["message"]


class TestScrub:
    @pytest.mark.parametrize(("text", "secret"), WRITTEN.values(), ids=WRITTEN)
    def test_takes_out(self, text, secret):
        """No way of writing a secret down passes."""
        assert secret in text
        assert secret not in journal.scrub(text)

    @pytest.mark.parametrize(
        "text",
        [
            "The endpoint highway-demo in eu-west-1 answered 424 in 0.31 s.",
            'File "smviz/store/workspace.py", line 120, in append\n    self._pool.submit(outcome)',
            "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/highway-demo",
            "commit 3f786850e387550fdab836ed7e6dc881de23001b",
            "sha256 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "12 tokens were read; the secretary is Bob; https://docs.example.com/a?b=c",
        ],
    )
    def test_leaves_in(self, text):
        """What a log is read for stays: places in the code, names, hashes, regions."""
        assert journal.scrub(text) == text

    def test_what_is_known_to_be_secret(self):
        """A value that was named is taken out wherever it stands, even within a word; a short one is no secret."""
        journal.hide("plain sight 42", "eu")
        journal.hide_named({"auth": {"client_secret": "nothing-like-one", "redirect_uri": "http://here.example"}})
        said = journal.scrub("xplain sight 42x in eu: nothing-like-one at http://here.example")
        assert said == "x[hidden]x in eu: [hidden] at http://here.example"

    @pytest.mark.parametrize(
        "piece", ["a.a.", "a-", "x", "eyJaaaaaaaaa-", "a@", "'", "secret.", "http://", "A1b/", "-----BEGIN "]
    )
    def test_takes_no_time(self, piece):
        """Text that is made to keep a regular expression busy does not."""
        began = time.perf_counter()
        journal.scrub(piece * (journal.LONGEST // len(piece)))
        assert time.perf_counter() - began < 2


class TestUncaught:
    def test_is_found_by_its_number(self, lines):
        """The event has the traceback with what caused it, without the secret, the file and the address in it."""

        def fail() -> None:
            try:
                Path("/home/bob/my cats.jpg").read_bytes()
            except OSError as error:
                raise RuntimeError(f"bob@example.org sent {SECRET_KEY}") from error

        with pytest.raises(RuntimeError) as failed:
            fail()
        number = journal.uncaught(failed.value, page="Detect")
        assert journal.uncaught(failed.value) == number
        (told,) = lines()
        assert (told["level"], told["event"], told["kind"], told["page"]) == (
            "error",
            "error",
            "RuntimeError",
            "Detect",
        )
        assert told["number"] == number
        assert "test_journal.py" in told["traceback"]
        assert "FileNotFoundError" in told["traceback"]
        assert not any(word in told["traceback"] for word in ("cats", "bob", SECRET_KEY))


class TestTakeOver:
    SCRIPT = """
import logging, threading
from smviz import journal
journal.take_over({"MY_API_KEY": "nobody-would-guess", "HOME": "/home/someone"})
logging.basicConfig(format="%(name)s %(message)s")
logging.getLogger("botocore").warning("signed with %s", "SECRET")
logging.getLogger("any").warning("100 % of nobody-would-guess in /home/someone")
logging.getLogger("any").warning("two %s %s", "one")
try:
    raise ValueError("token: SECRET")
except ValueError:
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
def fail():
    raise OSError("SECRET")
thread = threading.Thread(target=fail, name="writer")
thread.start()
thread.join()
"""

    def test_scrubs_what_others_log(self):
        """Records of every library, their tracebacks, and the error that ends a thread pass through the journal."""
        script = self.SCRIPT.replace("SECRET", SECRET_KEY)
        ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        said = ran.stdout + ran.stderr
        assert SECRET_KEY not in said.replace(script, "")
        assert "nobody-would-guess" not in said
        assert "botocore signed with [hidden]" in said
        assert "100 % of [hidden] in /home/someone" in said
        assert "ValueError: token: [hidden]" in said
        assert '"kind": "OSError", "thread": "writer"' in said

    def test_keeps_what_an_access_log_takes_apart(self):
        """uvicorn's access log finds its five arguments, scrubbed."""
        journal.take_over({})
        try:
            arguments = ("127.0.0.1:1", "GET", "/?code=4%2F0Ad", "1.1", 200)
            made = logging.getLogger("uvicorn.access").makeRecord(
                "uvicorn.access", 20, "f", 1, "%s %s %s %s %d", arguments, None
            )
            assert made.args == ("127.0.0.1:1", "GET", "/?code=[hidden]", "1.1", 200)
        finally:
            logging.setLogRecordFactory(logging.LogRecord)
