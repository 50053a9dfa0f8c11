"""The command share: runs copied into a folder that is given away, from a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from picture_runs import picture_files, picture_run

from smviz.cli import main
from smviz.records import ImageRef
from smviz.settings import Connection, Preset, Request
from smviz.store import FILE_NAME, Store

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def workspace(monkeypatch, tmp_path) -> Path:
    """A workspace with two runs of one name each, on a machine without AWS settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "workspace"))
    with Store(tmp_path / "workspace") as store:
        picture_run(store, tmp_path, 3, "nightly")
        picture_run(store, tmp_path, 2, "last week", gone=(1,))
    return tmp_path / "workspace"


def there(folder) -> dict[str, str]:
    """The runs of a folder by name, with what they have of their images."""
    with Store(folder, read_only=True) as store:
        return {run.name: run.shared for run in store.runs()}


class TestShare:
    def test_copies_runs(self, workspace, tmp_path, capsys):
        """Each by name or id, with small pictures unless another is asked for; what is left out is told."""
        with Store(workspace) as store:
            other = store.run("last week").id
        assert main(["share", "nightly", other, "--to", str(tmp_path / "to")]) == 0
        assert there(tmp_path / "to") == {"nightly": "small", "last week": "small"}
        told = capsys.readouterr()
        assert "nightly, 3 images, 3 with a small picture." in told.out
        assert "last week, 2 images, 1 with a small picture." in told.out
        assert "cannot be read, or changed since the run: frame_00001.jpg." in told.err
        assert "Left out: credentials" in told.err
        assert [path.name for path in (tmp_path / "to").iterdir()] == [FILE_NAME]

    def test_again_adds_and_renews(self, tmp_path):
        """A folder keeps the runs it has; one that is there already is renewed."""
        to = str(tmp_path / "to")
        assert main(["share", "nightly", "--to", to]) == 0
        assert main(["share", "last week", "nightly", "--to", to, "--images", "none"]) == 0
        assert there(tmp_path / "to") == {"nightly": "none", "last week": "none"}

    def test_for_machines(self, tmp_path, capsys):
        """--json prints a row for each run."""
        assert main(["share", "nightly", "--to", str(tmp_path / "to"), "--images", "full", "--json"]) == 0
        out = capsys.readouterr().out
        (row,) = json.loads(out)
        assert {name: row[name] for name in ("name", "images", "pictures", "kind", "missing")} == {
            "name": "nightly",
            "images": 3,
            "pictures": 3,
            "kind": "full",
            "missing": [],
        }

    def test_small_takes_less_room_than_full(self, tmp_path):
        """And none takes the least."""
        sizes = []
        for images in ("full", "none"):
            assert main(["share", "nightly", "--to", str(tmp_path / images), "--images", images]) == 0
            sizes.append((tmp_path / images / FILE_NAME).stat().st_size)
        assert sizes == sorted(sizes, reverse=True)

    def test_images_in_s3(self, workspace, tmp_path, monkeypatch, capsys):
        """They are read with the credentials of whoever shares; who looks needs none."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with mock_aws():
            s3 = boto3.client("s3", "us-east-1")
            s3.create_bucket(Bucket="bucket")
            s3.upload_file(str(picture_files(tmp_path)[0]), "bucket", "a.jpg")
            with Store(workspace) as store:
                image = ImageRef("a", location="s3://bucket/a.jpg")
                store.create_run("far", Connection("us-east-1"), Request("e"), Preset("p"), [image])
            assert main(["share", "far", "--to", str(tmp_path / "to")]) == 0
        assert "1 images, 1 with a small picture" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nobody", "--to", "to"], "There is no run “nobody”"),
            (["nightly", "nobody", "--to", "to"], "There is no run “nobody”"),
            (["nightly", "--to", "workspace"], "is the workspace itself"),
            (["nightly", "--to", "workspace/.."], "no smviz"),
            (["nightly", "--to", "0.jpg"], "cannot be made"),
        ],
    )
    def test_wrong_use(self, tmp_path, monkeypatch, capsys, arguments, message):
        """A run or a folder that is wrong is told with what to do, and nothing is copied."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / FILE_NAME).write_text("not a database, and more than a hundred bytes of it" * 9)
        assert main(["share", *arguments]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "to").exists()

    @pytest.mark.parametrize("arguments", [[], ["nightly"], ["--to", "x"], ["nightly", "--to", "x", "--images", "few"]])
    def test_wrong_arguments(self, arguments):
        """What argparse refuses."""
        with pytest.raises(SystemExit) as ended:
            main(["share", *arguments])
        assert ended.value.code == 2

    def test_help_says_how_to_look(self, capsys):
        """Who reads the help knows what to do with the folder."""
        with pytest.raises(SystemExit):
            main(["share", "--help"])
        told = capsys.readouterr().out
        assert "make run REPLAY=" in told
        assert "Credentials" in told

    def test_in_a_process_of_its_own(self, tmp_path):
        """Without boto3, for no image is in S3."""
        program = "import sys; from smviz.cli import main; print(main(sys.argv[1:]), 'boto3' in sys.modules)"
        command = [sys.executable, "-c", program, "share", "nightly", "--to", str(tmp_path / "to")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert ended.stdout.splitlines()[-1] == "0 False"


def test_make_hands_over_the_folder(tmp_path):
    """`make run REPLAY=folder` starts the app with SMVIZ_REPLAY set, also for a folder with a space in its name."""
    makefile = tmp_path / "Makefile"
    app = "run: $(VENV)/app\n"
    lines = (ROOT / "Makefile").read_text()
    assert app in lines
    makefile.write_text(lines.partition("# One virtual environment")[0].replace("streamlit_app.py", "said.py"))
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "app").touch()
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "replay=$SMVIZ_REPLAY"\n')
    python.chmod(0o755)
    for asked, handed in ((["REPLAY=/a b/shared"], "/a b/shared"), ([], "")):
        said = subprocess.run(["make", "-s", "run", *asked], cwd=tmp_path, capture_output=True, text=True)
        assert f"replay={handed}\n" in said.stdout, said.stderr
