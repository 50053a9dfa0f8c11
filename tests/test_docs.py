"""What the documents for operators name is there: files, settings, permissions, tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from browser import ROOT
from streamlit import config

from smviz.access import Person, Policy, Role

HOSTING = (ROOT / "docs" / "hosting.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
EXAMPLES = {path.name: path.read_text() for path in (ROOT / "examples").iterdir() if path.suffix != ".yml"}
SECRETS = (ROOT / ".streamlit" / "secrets.toml.example").read_text()


def the_code() -> str:
    """All that reads the environment."""
    return "\n".join(path.read_text() for path in [*ROOT.glob("*.py"), *ROOT.glob("smviz/**/*.py")])


class TestOperatorsDocuments:
    @pytest.mark.parametrize("name", ["docs/hosting.md", "SECURITY.md"])
    def test_links(self, name):
        """Every relative link leads to a file, and to a heading where it names one."""
        path = ROOT / name
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", path.read_text()):
            file, _, anchor = target.partition("#")
            there = (path.parent / file).resolve() if file else path
            assert there.is_file(), target
            heads = {
                re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-")
                for head in re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            }
            assert not anchor or anchor in heads, target

    def test_named_files(self):
        """The tests that SECURITY.md points to are there."""
        named = {Path(name).name for name in re.findall(r"`((?:tests/)?test_\w+\.py)`", SECURITY)}
        assert named <= {path.name for path in (ROOT / "tests").iterdir()}
        assert len(named) >= 10

    def test_settings(self):
        """Every SMVIZ_ variable is read by the code, every STREAMLIT_ one is an option, and no setting is left out."""
        texts = "\n".join((HOSTING, SECRETS, *EXAMPLES.values(), (ROOT / ".streamlit" / "config.toml").read_text()))
        limits = {f"SMVIZ_{field.name.upper()}" for field in fields(Policy)}
        read = limits | set(re.findall(r'"(SMVIZ_[A-Z_]+)"', the_code()))
        assert set(re.findall(r"SMVIZ_[A-Z_0-9]+", texts)) - read == set()
        assert read - set(re.findall(r"SMVIZ_[A-Z_0-9]+", HOSTING)) == set()
        options = {option.env_var for option in config.get_config_options().values()}
        assert set(re.findall(r"STREAMLIT_[A-Z_]+", texts)) <= options

    def test_the_example_of_secrets(self):
        """It is TOML whose policy can be read, and has every setting."""
        table = tomllib.loads(SECRETS)["smviz"]
        assert Policy.read(table, {}) != Policy()
        assert set(table) == {field.name for field in fields(Policy)}

    def test_the_policy(self):
        """The IAM policy is JSON and asks for no more than the page's policy for finding and calling endpoints."""
        policy = json.loads(re.search(r"```json\n(.*?)```", HOSTING, re.DOTALL)[1])
        actions = {action for statement in policy["Statement"] for action in statement["Action"]}
        templates = json.loads((ROOT / "smviz" / "policy_templates.json").read_text())
        known = templates["list-and-invoke"]["policy"]["Statement"]
        assert actions == {action for statement in known for action in statement["Action"]}

    def test_the_key_of_a_person(self):
        """The command that tells a person's folder is right."""
        command = re.search(r"`(printf [^`]+)`", HOSTING)[1]
        told = subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.strip()
        assert told == Person("Kim@Example.com", "", Role.USER).key


class TestExamples:
    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
    def test_the_unit(self, tmp_path):
        """systemd understands the unit."""
        unit = EXAMPLES["smviz.service"].replace("/opt/smviz/.venv/bin/python", "/usr/bin/env")
        (file := tmp_path / "smviz.service").write_text(unit)
        done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")

    def test_uploads(self):
        """The proxies let through what Streamlit lets through."""
        allowed = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["server"]["maxUploadSize"]
        assert f"client_max_body_size {allowed + 1}m;" in EXAMPLES["nginx.conf"]
        assert f"max_size {allowed + 1}MB" in EXAMPLES["Caddyfile"]
