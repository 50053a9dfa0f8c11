"""`make check` fails for a known vulnerability and a wrong requirement, and says when it could not look."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread

from browser import ROOT, free_port

PILLOW = f"pillow=={version('pillow')}"
KNOWN = {
    "schema_version": "1.0.0",
    "id": "PYSEC-0000-1",
    "summary": "A picture runs code.",
    "affected": [
        {
            "package": {"name": "pillow", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}],
        }
    ],
}


@contextmanager
def database(vulnerable: str = "", status: int = 200) -> Iterator[str]:
    """osv.dev on this machine: it knows of a vulnerability in one package, or only answers with a status."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {"vulns": [KNOWN]} if asked["package"]["name"] == vulnerable else {}
            body = json.dumps(known).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audited(folder, url: str, requirements: str = PILLOW) -> subprocess.CompletedProcess[str]:
    """What the audit says of a requirements file."""
    (file := folder / "requirements.txt").write_text(requirements)
    command = [sys.executable, str(ROOT / ".ci" / "audit.py"), "--osv-url", url, str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


class TestAudit:
    def test_nothing_known(self, tmp_path):
        """Where no vulnerability is known the check is passed, and told of how many packages."""
        with database() as url:
            done = audited(tmp_path, url, f"-r other.txt\n# why\n\n{PILLOW}\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert "No vulnerability is known in any of the " in done.stdout

    def test_a_known_vulnerability(self, tmp_path):
        """A vulnerability fails the check, and is named with the package and the version that mends it."""
        with database("pillow") as url:
            done = audited(tmp_path, url)
        assert done.returncode == 1
        assert f"pillow {version('pillow')}: PYSEC-0000-1, mended in 999.0" in done.stdout

    def test_nobody_answers(self, tmp_path):
        """A database that cannot be reached, or is broken, fails nothing; that nothing was checked is said."""
        with database(status=503) as url:
            answers = [audited(tmp_path, url), audited(tmp_path, f"http://127.0.0.1:{free_port()}/v1/query")]
        assert [done.returncode for done in answers] == [0, 0]
        assert all("Could not look: nothing was checked" in done.stdout for done in answers)
        assert not any("No vulnerability" in done.stdout for done in answers)

    def test_wrong_requirements(self, tmp_path):
        """What is not pinned, not installed or installed otherwise fails the check, also where nobody answers."""
        wrong = (
            "pillow",
            "pillow>=1",
            "pillow==0.1",
            "no-such-package==1",
            "pillow == 1 ; os_name",
            "pillow==2; os",
            "https://a/b.whl",
        )
        done = audited(tmp_path, f"http://127.0.0.1:{free_port()}/v1/query", "\n".join((PILLOW, *wrong)))
        assert done.returncode == 1
        assert len([line for line in done.stdout.splitlines() if any(each in line for each in wrong)]) == len(wrong)

    def test_requirements_of_other_machines(self, tmp_path):
        """What is asked for on other machines alone need not be installed; what is asked for here must be."""
        lines = (
            f"no-such-package==1; python_version < '3'\n{PILLOW}; python_version > '3'\nnone==1; python_version > '3'"
        )
        done = audited(tmp_path, f"http://127.0.0.1:{free_port()}/v1/query", lines)
        assert done.returncode == 1
        assert [line for line in done.stdout.splitlines() if "asked for" in line] == [
            "none==1 is asked for; what is installed is not there."
        ]
