"""`python .ci/audit.py [--osv-url URL] REQUIREMENTS...`: whether anything installed has a known vulnerability.

pip-audit asks osv.dev about every installed package, those that the requirements bring along too. Exit status 1: a
vulnerability is known, or a requirement is not pinned or not what is installed. Where the database cannot be reached
that is said, and the status is 0: a machine without internet can be checked as well.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.markers import InvalidMarker, Marker

PINNED = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,.-]+\])?==(?P<version>[\w.!+-]+)")
UNREACHABLE = re.compile(r"ConnectionError|ServiceError|Timeout|HTTPError|SSLError|ProxyError|JSONDecodeError")


def wrong(requirement: str) -> str:
    """Why a line of a requirements file is wrong; "" where it is not."""
    release, _, marker = map(str.strip, requirement.partition(";"))
    pinned = PINNED.fullmatch(release)
    if not pinned:
        return f"{requirement!r} does not say one version: write NAME==VERSION."
    try:
        if marker and not Marker(marker).evaluate():
            return ""
        installed = version(pinned["name"])
    except InvalidMarker as error:
        return f"{requirement!r} has a marker that is none: {error}"
    except PackageNotFoundError:
        installed = "not there"
    return "" if installed == pinned["version"] else f"{release} is asked for; what is installed is {installed}."


def audit(osv_url: str) -> tuple[str, bool]:
    """What is known of the installed packages, and whether that is good or could not be found out."""
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "freeze")
    frozen = subprocess.run(pip, check=True, capture_output=True, text=True).stdout.splitlines()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "installed.txt"
        file.write_text("\n".join(line for line in frozen if PINNED.fullmatch(line)))
        command = [sys.executable, "-m", "pip_audit", "-r", str(file), "--no-deps", "--disable-pip", "--timeout=10"]
        command += ["--format=json", "--progress-spinner=off", "-s", "osv", "--osv-url", osv_url]
        done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout.startswith("{"):
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1][:200]
        if UNREACHABLE.search(done.stderr):
            return f"Could not look: nothing was checked for known vulnerabilities, for nobody answered.\n{last}", True
        return f"pip-audit failed: {last}", False
    found = json.loads(done.stdout)["dependencies"]
    bad = [
        f"{each['name']} {each['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version'}"
        for each in found
        for known in each.get("vulns", ())
    ]
    return "\n".join(bad) or f"No vulnerability is known in any of the {len(found)} installed packages.", not bad


def main() -> int:
    """Look, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--osv-url", default="https://api.osv.dev/v1/query")
    parser.add_argument("requirements", nargs="+", type=Path)
    asked = parser.parse_args()
    lines = (line.strip() for file in asked.requirements for line in file.read_text().splitlines())
    complaints = [wrong(line) for line in lines if line and not line.startswith(("-r ", "#"))]
    told, good = audit(asked.osv_url)
    print("\n".join(filter(None, [*complaints, told])))
    return int(any(complaints) or not good)


if __name__ == "__main__":
    sys.exit(main())
