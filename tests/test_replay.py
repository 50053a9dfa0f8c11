"""Runs that are only looked at: nothing is called, nothing is changed, no AWS account is needed, wherever they are."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
import streamlit as st
from picture_runs import picture_run
from streamlit.testing.v1 import AppTest

from smviz.access import Person, Role
from smviz.errors import StoreError, UnknownRun
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.sharing import share_run
from smviz.store import FILE_NAME, Store

ROOT = Path(__file__).parents[1]
APP = str(ROOT / "streamlit_app.py")
PAGES = ("", "1_Endpoint", "2_Detect", "3_Evaluate", "4_Compare")
SECTIONS = ("Overview", "Thresholds", "Images", "Errors", "Data set")
CHANGES = (
    "Manage",
    "Save",
    "Delete",
    "Give room back",
    "Remove",
    "Load a file",
    "Apply",
    "Take back",
    "Share",
    "Import",
)
CALLS = ("Run ", "Call ", "Try", "Send", "Deploy", "Resume", "Pause", "Stop", "Choose an endpoint")


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A folder of two shared runs, one of which has failures, and decisions about labels."""
    folder = tmp_path_factory.mktemp("shared")
    with Store(tmp_path_factory.mktemp("ws")) as store, Store(folder, alone=True) as target:
        pictures = tmp_path_factory.mktemp("pictures")
        for name, failed in (("first", (3, 7)), ("second", ())):
            run = picture_run(store, pictures, 24, name, failed=failed)
            store.set_note(run.id, f"the note of the {name}")
            share_run(store, run.id, target)
    return folder


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine without an AWS account."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SMVIZ_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SMVIZ_WORKSPACE", str(tmp_path / "ws"))
    yield tmp_path / "ws"
    st.cache_resource.clear()
    st.cache_data.clear()


def run_in(store, name="run"):
    """A run of one image, with a reply to come."""
    return store.create_run(name, Connection("x"), Request("e"), Preset("p"), [ImageRef("a", data=b"a file")])


def listing(folder):
    """All that is in a folder, with what is in it."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


class TestReadOnlyStore:
    @pytest.fixture
    def folder(self, tmp_path):
        with Store(tmp_path / "w") as store:
            run_in(store)
        return tmp_path / "w"

    @pytest.mark.parametrize(
        "change",
        [
            lambda store, run: run_in(store, "another"),
            lambda store, run: store.rename_run(run, "renamed"),
            lambda store, run: store.set_note(run, "a note"),
            lambda store, run: store.set_class_map(run, {"a": None}),
            lambda store, run: store.claim(run),
            lambda store, run: store.delete_run(run),
            lambda store, run: store.compact(),
            lambda store, run: store.decide(run, {"doubt": "keep"}),
            lambda store, run: store.append(run, Outcome("a", "", 1, 1, 1)),
            lambda store, run: store.flush(),
            lambda store, run: store.save_preset("key", Preset("p")),
            lambda store, run: store.save_request("key", Request("e")),
            lambda store, run: store.forget_thresholds("key"),
        ],
    )
    def test_refuses_every_change(self, folder, change):
        """Whatever would be written is refused before anything is, in words for a person; the file stays as it is."""
        before = listing(folder)
        with Store(folder, read_only=True) as store:
            (run,) = store.runs()
            with pytest.raises(StoreError, match="nothing of them can be changed") as caught:
                change(store, run.id)
            assert "where they were made" in caught.value.advice
            assert store.runs() == (run,)
        assert listing(folder) == before

    def test_makes_nothing(self, folder):
        """Not even the log that SQLite would make to look into the file."""
        before = listing(folder)
        with Store(folder, read_only=True) as store:
            (run,) = store.runs()
            assert store.image_data(run.id, "a") == b"a file"
            assert (store.size(), store.claims()) == (len(before[FILE_NAME][1]), ())
            assert listing(folder) == before
        assert listing(folder) == before

    @pytest.mark.parametrize("alone", [False, True])
    def test_sees_what_others_write(self, folder, alone):
        """A run that is made or deleted meanwhile is there or gone at the next look."""
        with Store(folder, read_only=True) as store:
            for turn in range(3):
                with Store(folder, alone=alone) as writing:
                    run = run_in(writing, f"run {turn}")
                    assert store.run(run.id).name == run.name
                assert store.run(run.id).name == run.name
                with Store(folder, alone=alone) as writing:
                    writing.delete_run(run.id)
                    with pytest.raises(UnknownRun):
                        store.run(run.id)
                with pytest.raises(UnknownRun):
                    store.run(run.id)

    def test_sees_a_folder_that_took_its_place(self, folder, tmp_path):
        """Somebody unpacks a newer folder over it."""
        with Store(tmp_path / "newer") as store:
            run_in(store, "newer")
        with Store(folder, read_only=True) as store:
            assert [run.name for run in store.runs()] == ["run"]
            shutil.rmtree(folder)
            with pytest.raises(StoreError, match="cannot be read"):
                store.runs()
            shutil.copytree(tmp_path / "newer", folder)
            assert [run.name for run in store.runs()] == ["newer"]

    def test_alone_leaves_one_file(self, folder):
        """A folder to be given away has nothing beside its file, while it is written either."""
        with Store(folder, alone=True) as store:
            run_in(store, "another")
            assert [path.name for path in folder.iterdir()] == [FILE_NAME]
            header = (folder / FILE_NAME).read_bytes()[:20]
        assert header[18:20] == b"\x01\x01"  # SQLite's file format: no write-ahead log

    def test_alone_beside_others(self, folder):
        """A workspace that is in use is written all the same."""
        with Store(folder) as open_, Store(folder, alone=True) as store:
            run_in(store, "another")
            assert len(open_.runs()) == 2

    def test_a_workspace_that_is_no_folder(self, tmp_path, folder):
        """Missing, empty, a zip, the file itself, another file: each is told, with what to name instead."""
        (tmp_path / "empty").mkdir()
        with zipfile.ZipFile(tmp_path / "shared.zip", "w") as archive:
            archive.write(folder / FILE_NAME, FILE_NAME)
        (tmp_path / "note.txt").write_text("x")
        wrong = {
            "missing": ("There is no folder", "smviz share"),
            "empty": ("no runs are in it", "smviz share"),
            "shared.zip": ("is a zip", "Unpack it"),
            "note.txt": ("is no folder", "smviz share"),
            f"w/{FILE_NAME}": ("is a file", str(folder)),
        }
        before = sorted(tmp_path.rglob("*"))
        for name, (message, advice) in wrong.items():
            with pytest.raises(StoreError, match=message) as caught:
                Store(tmp_path / name, read_only=True)
            assert advice in caught.value.advice
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is no smviz workspace"),
            (b"This is a text file, not a database.\n" * 50, "is no smviz workspace"),
            (b"SQLite format 3\0" + b"\xff" * 5000, "workspace.db"),
        ],
    )
    def test_what_is_no_workspace(self, tmp_path, content, message):
        """A file that is something else is named, and left as it is."""
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(StoreError, match=message):
            Store(tmp_path, read_only=True)
        assert listing(tmp_path)[FILE_NAME][1] == content

    def test_another_programs(self, tmp_path):
        """A database without smviz's tables is another program's."""
        with sqlite3.connect(tmp_path / FILE_NAME) as db:
            db.execute("CREATE TABLE x (y)")
        db.close()
        with pytest.raises(StoreError, match="another program"):
            Store(tmp_path, read_only=True)

    def test_damaged(self, folder):
        """Pages that were overwritten are told, with the advice to get the folder again."""
        data = bytearray((folder / FILE_NAME).read_bytes())
        data[4096:] = b"\xa5" * (len(data) - 4096)
        (folder / FILE_NAME).write_bytes(data)
        with pytest.raises(StoreError) as caught, Store(folder, read_only=True) as store:
            store.runs()
        assert "again from whoever shared it" in caught.value.advice

    @pytest.mark.parametrize(("schema", "advice"), [(1, "python -m smviz runs"), (99, "Update smviz")])
    def test_another_schema(self, folder, schema, advice):
        """What an older or a newer smviz wrote is not touched, and says what to do."""
        with sqlite3.connect(folder / FILE_NAME) as db:
            db.execute(f"PRAGMA user_version = {schema}")
        db.close()
        before = listing(folder)[FILE_NAME][1]
        with pytest.raises(StoreError, match=rf"schema {schema}") as caught:
            Store(folder, read_only=True)
        assert advice in caught.value.advice
        assert listing(folder)[FILE_NAME][1] == before


LOOK = """
import os, sys
from pathlib import Path
from smviz.errors import StoreError
from smviz.store import Store
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    with Store(Path(sys.argv[1]), read_only=True) as store:
        print([run.name for run in store.runs()])
except StoreError as error:
    print(type(error).__name__, error)
"""


class TestSomebodyElses:
    """The folder, and the disk, of somebody else: this process may read them, and write nothing."""

    @pytest.fixture
    def folder(self):
        with tempfile.TemporaryDirectory() as place:
            Path(place).chmod(0o755)
            yield Path(place) / "w"

    def looked_at(self, folder, mode=0o444):
        """What a process sees that may not write there."""
        folder.chmod(0o555)
        for path in folder.iterdir():
            path.chmod(mode)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", LOOK, str(folder)]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment)
        folder.chmod(0o755)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    @pytest.mark.parametrize("alone", [False, True])
    def test_is_read(self, folder, alone):
        """Whether it was made to be given away, or is a workspace as it was left."""
        with Store(folder, alone=alone) as store:
            run_in(store)
        assert self.looked_at(folder) == "['run']"
        assert [path.name for path in folder.iterdir()] == [FILE_NAME]

    def test_in_use_is_read(self, folder):
        """What its owner has written just now is seen."""
        with Store(folder) as store:
            run_in(store)
            assert self.looked_at(folder) == "['run']"

    def test_killed_says_what_to_do(self, folder, tmp_path):
        """A log that was left behind cannot be read without its index: that is told, and no run is lost."""
        with Store(tmp_path / "w") as store:
            run_in(store)
            folder.mkdir()
            for suffix in ("", "-wal"):
                shutil.copy(tmp_path / "w" / f"{FILE_NAME}{suffix}", folder)
        told = self.looked_at(folder)
        assert told.startswith("StoreError")
        assert "where its folder can be written" in told
        with Store(folder) as store:
            assert [run.name for run in store.runs()] == ["run"]

    def test_that_may_not_be_read(self, folder):
        """A file that is closed to this user says so."""
        with Store(folder) as store:
            run_in(store)
        (folder / FILE_NAME).chmod(0o000)
        assert "Check that this user may read the file" in self.looked_at(folder, 0o000)


def labels(page: AppTest) -> list[str]:
    """What can be pressed, opened or filled in."""
    menus = [node.proto.popover.label for node in page.get("popover")]
    kinds = ("button", "download_button", "file_uploader", "toggle")
    return (
        menus + [node.label for node in page.expander] + [one.proto.label for kind in kinds for one in page.get(kind)]
    )


def offered(page: AppTest) -> list[str]:
    """Of these, what changes something or calls."""
    return [label for label in labels(page) if label.startswith((*CHANGES, *CALLS))]


def words(page: AppTest) -> str:
    """What stands on the page."""
    shown = (*page.title, *page.header, *page.markdown, *page.caption, *page.error, *page.warning, *page.info)
    return "\n".join(element.value.replace("\\", "") for element in shown)


def links(page: AppTest) -> list[str]:
    return [node.proto.label for node in page.get("page_link")]


def opened(page: str = "", section: str = "", **query) -> AppTest:
    """A page as it looks once all of it was computed."""
    test = AppTest.from_file(APP, default_timeout=120)
    if page:
        test.switch_page(f"pages/{page}.py")
    test.query_params.update({**query, **({"section": section} if section else {})})
    test.run()
    assert not test.exception
    return test


LOOKS = [*((page, "") for page in PAGES), *(("3_Evaluate", section) for section in SECTIONS), ("4_Compare", "Images")]


class TestReplay:
    @pytest.fixture(autouse=True)
    def replay(self, monkeypatch, shared):
        monkeypatch.setenv("SMVIZ_REPLAY", str(shared))

    @pytest.mark.parametrize(("page", "section"), LOOKS, ids=lambda value: value or "-")
    def test_every_page_shows_and_offers_nothing_else(self, shared, page, section):
        """Each says that it is only looked at; no button, form or menu of it changes or calls; the folder stays."""
        before = listing(shared)
        seen = opened(page, section)
        assert not seen.error
        assert "Shared runs, to be looked at" in words(seen)
        assert offered(seen) == []
        assert not seen.get("file_uploader")
        assert "Endpoint" not in links(seen)
        assert {"Home", "Detect", "Evaluate", "Compare"} <= set(links(seen))
        assert listing(shared) == before

    def test_the_same_pages_offer_it_in_a_workspace(self, monkeypatch, machine, tmp_path):
        """What the test above looks for is there where runs are made: it would see it."""
        monkeypatch.delenv("SMVIZ_REPLAY")
        with Store(machine) as store:
            picture_run(store, tmp_path, 4, "own")
        seen = opened("3_Evaluate", "Thresholds")
        assert {"Manage", "Share", "Import a run", "Load a file"} <= set(offered(seen))
        assert any(label.startswith("Run ") for label in offered(seen))
        assert seen.get("file_uploader")
        assert "Endpoint" in links(seen)

    def test_home_shows_an_image_and_the_runs(self):
        """The newest run's picture with its boxes, and each run by a link."""
        seen = opened()
        assert "of run second" in words(seen)
        assert {"second · 24 of 24 images", "first · 22 of 24 images, 2 failed"} <= set(links(seen))

    def test_evaluate_tells_of_failures_without_trying_again(self, shared):
        """What failed is told as it was; nothing is called again."""
        with Store(shared, read_only=True) as store:
            run = store.run("first")
        seen = opened("3_Evaluate", run=run.id)
        assert "The model broke." in words(seen)
        assert "the note of the first" in words(seen)
        assert not [label for label in labels(seen) if "again" in label]

    def test_a_run_that_never_ended_is_not_gone_on_with(self, monkeypatch, machine, tmp_path):
        """One image is answered, one failed, one was never called for: told, and left like that."""
        reply = Reply(b'{"prediction": [[0, 0.9, 0.1, 0.1, 0.5, 0.5]]}', "application/json", 0.1, None)
        failure = Failure("ModelError", "The model broke.", "Look at its log.")
        with Store(machine) as store, Store(tmp_path / "part", alone=True) as target:
            refs = [ImageRef(name, data=b"x") for name in ("1.jpg", "2.jpg", "3.jpg")]
            run = store.create_run("part", Connection("eu-west-1"), Request("e"), Preset("builtin-ssd", ("car",)), refs)
            store.append(run.id, Outcome("1.jpg", "", 9, 9, 1, reply)).result()
            store.append(run.id, Outcome("2.jpg", "", 9, 9, 1, failure=failure)).result()
            share_run(store, run.id, target, "none")
        monkeypatch.setenv("SMVIZ_REPLAY", str(tmp_path / "part"))
        seen = opened("3_Evaluate")
        assert "1 of 3 images have a reply" in words(seen)
        assert "The model broke." in words(seen)
        assert "CloudWatch" not in words(seen)
        assert offered(seen) == []
        assert "has not been called for in the run." in words(opened("2_Detect", run=run.id, image="3.jpg"))

    def test_detect_goes_from_run_to_run_and_image_to_image(self, shared):
        """Without a link the newest run's first image; then whichever is chosen, by its stored reply."""
        seen = opened("2_Detect")
        run, image = seen.selectbox[:2]
        assert (run.value.name, image.value) == ("second", "frame_00000.jpg")
        image.set_value("frame_00005.jpg").run()
        assert not seen.exception
        assert seen.query_params["image"] == "frame_00005.jpg"
        next(one for one in seen.button if one.label == "Next").click().run()
        assert seen.selectbox[1].value == "frame_00006.jpg"
        seen.selectbox[0].set_value(seen.selectbox[0].options[1]).run()
        assert not seen.exception
        assert seen.selectbox[0].value.name == "first"

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"run": "0" * 8}, "names a run that is not in this workspace"),
            ({"run": "second", "image": "nowhere.jpg"}, "The run has no image “nowhere.jpg”"),
            ({"run": "first", "image": "frame_00003.jpg"}, "This image failed in the run"),
        ],
        ids=["run", "image", "failed"],
    )
    def test_links_that_lead_nowhere(self, shared, query, told):
        """A run, an image or a reply that is not there is said so."""
        with Store(shared, read_only=True) as store:
            ids = {run.name: run.id for run in store.runs()}
        query = {**query, "run": ids.get(query["run"], query["run"])}
        assert told in words(opened("2_Detect", **query))

    def test_a_link_into_an_account_calls_nothing(self):
        """A region, an endpoint and a role in the address are nothing here."""
        seen = opened("3_Evaluate", region="eu-west-1", endpoint="prod", role="arn:aws:iam::1:role/x", space="shared")
        assert not seen.error
        assert "prod" not in words(seen)

    def test_one_run_cannot_be_compared(self, monkeypatch, machine, tmp_path):
        """Compare says that two are needed, and offers no run to be made."""
        with Store(tmp_path / "one", alone=True) as target, Store(machine) as store:
            share_run(store, picture_run(store, tmp_path, 4).id, target, "none")
        monkeypatch.setenv("SMVIZ_REPLAY", str(tmp_path / "one"))
        seen = opened("4_Compare")
        assert "There is one run shared here." in words(seen)
        assert not seen.button
        assert "Make a run of your own" not in links(seen)

    @pytest.mark.parametrize("page", PAGES[2:])
    def test_without_runs(self, monkeypatch, tmp_path, page):
        """A folder whose runs were all taken back."""
        Store(tmp_path / "none", alone=True).close()
        monkeypatch.setenv("SMVIZ_REPLAY", str(tmp_path / "none"))
        seen = opened(page)
        assert not seen.error
        assert "no run" in words(seen).lower()

    @pytest.mark.parametrize("page", ["", *PAGES[2:]])
    def test_a_zip_is_to_be_unpacked(self, monkeypatch, tmp_path, page):
        """Every page says what to do with a folder that is none, and shows nothing else."""
        with zipfile.ZipFile(tmp_path / "shared.zip", "w") as archive:
            archive.writestr("x", "y")
        for place, told in ((tmp_path / "shared.zip", "Unpack it"), (tmp_path / "missing", "There is no folder")):
            monkeypatch.setenv("SMVIZ_REPLAY", str(place))
            seen = opened(page)
            assert len(seen.error) == 1
            assert told in words(seen)

    def test_pictures_that_were_not_shared(self, monkeypatch, machine, tmp_path):
        """Without pictures, numbers are shown, and each place of a picture says why it is empty."""
        with Store(tmp_path / "bare", alone=True) as target, Store(machine) as store:
            run = picture_run(store, tmp_path, 4)
            share_run(store, run.id, target, "none")
        monkeypatch.setenv("SMVIZ_REPLAY", str(tmp_path / "bare"))
        assert not opened().error
        assert "shared without pictures" in words(opened("3_Evaluate", "Images"))
        assert "imported or shared without it" in words(opened("2_Detect", run=run.id))


ALL_PAGES = """
import json, sys, threading
from streamlit.testing.v1 import AppTest
app, looks = sys.argv[1], json.loads(sys.argv[2])
for page, section in looks:
    test = AppTest.from_file(app, default_timeout=120)
    if page:
        test.switch_page(f"pages/{page}.py")
    if section:
        test.query_params["section"] = section
    test.run()
    assert not test.exception, test.exception
    assert not test.error, test.error
wanted = {"boto3", "botocore"} & {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(wanted)), sum("embedded" in thread.name.lower() for thread in threading.enumerate()))
"""


def test_replay_never_imports_boto3(shared, tmp_path):
    """After every page and section was looked at, in a process without any AWS setting: no boto3, no endpoint."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "SMVIZ_REPLAY": str(shared),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", ALL_PAGES, APP, json.dumps(LOOKS)]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("\n")[-2] == "[] 0"
    assert not (tmp_path / ".smviz").exists()


ANN = Person("ann@example.com", "Ann", Role.OWNER)
BOB = Person("bob@example.com", "Bob", Role.USER)
EVE = Person("eve@example.com", "Eve", Role.VIEWER)


class TestOnAServer:
    """People log in; an owner shares runs with its viewers."""

    @pytest.fixture
    def runs(self, machine, tmp_path):
        """The ids of a run of Ann's and of one of Bob's."""
        ids = {}
        for who in (ANN, BOB):
            with Store(machine / "people" / who.key) as store:
                ids[who.name] = picture_run(store, tmp_path, 4, f"run of {who.name}").id
        return ids

    def seen(self, who: Person, page: str = "3_Evaluate", **query) -> AppTest:
        test = AppTest.from_file(APP, default_timeout=120)
        if page:
            test.switch_page(f"pages/{page}.py")
        auth = {
            "redirect_uri": "https://smviz.example.com/oauth2callback",
            "cookie_secret": "a secret of these tests alone, 0123456789",
            "client_id": "smviz",
            "client_secret": "another secret",
            "server_metadata_url": "https://login.example.com/.well-known/openid-configuration",
        }
        lists = {"owners": [ANN.address], "users": [BOB.address], "viewers": [EVE.address]}
        test.secrets = {"auth": auth, "smviz": lists}
        test.user = {"is_logged_in": True, "email": who.address, "name": who.name}
        test.query_params.update(query)
        test.run()
        assert not test.exception
        return test

    def opened_menu(self, who: Person, run: str, **query) -> AppTest:
        test = self.seen(who, run=run, **query)
        test.session_state[f"share {run}"] = True
        test.run()
        assert not test.exception
        return test

    def pressed(self, test: AppTest, label: str) -> AppTest:
        (button,) = [one for one in test.button if one.label == label]
        button.click().run()
        assert not test.exception
        assert not test.error
        return test

    def test_nothing_is_shared_at_first(self, runs):
        """A viewer is told so, and not where that would be."""
        for page in ("", "2_Detect", "3_Evaluate", "4_Compare"):
            told = words(self.seen(EVE, page))
            assert "No run is shared here yet." in told
            assert "/" not in told.partition("No run is shared")[2]

    def test_an_owner_shares_and_takes_back(self, runs, machine):
        """Viewers see it, with nothing to change; and no longer, once it is taken back."""
        self.pressed(self.opened_menu(ANN, runs["Ann"]), "Share with viewers")
        theirs = self.seen(EVE)
        assert theirs.selectbox[0].value.name == "run of Ann"
        assert theirs.selectbox[0].value.shared == "small"
        assert offered(theirs) == []
        assert "Endpoint" not in links(theirs)
        again = self.opened_menu(ANN, runs["Ann"])
        assert "Shared with all who may log in here" in words(again)
        self.pressed(again, "Take back")
        assert "No run is shared here yet." in words(self.seen(EVE))
        assert self.seen(ANN).selectbox[0].value.name == "run of Ann"

    def test_an_owner_takes_back_what_another_shared(self, runs, machine):
        """Where the shared runs are looked at, an owner can end that, and do nothing else."""
        with Store(machine / "people" / BOB.key) as store, Store(machine / "shared", alone=True) as shared:
            share_run(store, runs["Bob"], shared)
        looked_at = self.opened_menu(ANN, runs["Bob"], space="shared")
        assert offered(looked_at) == ["Share", "Take back"]
        self.pressed(looked_at, "Take back")
        with Store(machine / "shared", read_only=True) as shared:
            assert shared.runs() == ()

    def test_a_user_makes_a_zip_and_shares_with_nobody(self, runs):
        """Sharing on the server is an owner's."""
        menu = self.opened_menu(BOB, runs["Bob"])
        assert "Download a zip" in [node.proto.label for node in menu.get("download_button")]
        assert "Share with viewers" not in [one.label for one in menu.button]

    @pytest.mark.parametrize("who", [BOB, EVE], ids=lambda who: who.name)
    def test_the_shared_space_is_no_way_to_others(self, runs, machine, who):
        """What is not shared does not exist there, by a link either; what is cannot be changed."""
        with Store(machine / "people" / ANN.key) as store, Store(machine / "shared", alone=True) as shared:
            other = store.keep_run("of all", *_one_reply(store, runs["Ann"]))
            share_run(store, other.id, shared)
        theirs = self.seen(who, space="shared", run=runs["Ann"])
        assert theirs.selectbox[0].value.name == "of all"
        assert "run of Ann" not in str(theirs.session_state)
        assert offered(theirs) == []

    def test_what_is_broken_is_told_to_the_log(self, runs, machine, capsys):
        """A viewer is not told where the runs are, or what is wrong with the file."""
        (machine / "shared").mkdir()
        (machine / "shared" / FILE_NAME).write_bytes(b"not a database")
        told = words(self.seen(EVE))
        assert "The shared runs cannot be read." in told
        assert str(machine) not in told
        assert "no smviz workspace" in capsys.readouterr().err


def _one_reply(store, run_id):
    """The preset and the first image of a run, to be kept as another one."""
    run = store.run(run_id)
    return run.preset, [(ImageRef("frame_00000.jpg"), next(store.iter_outcomes(run_id)))], "a test"
