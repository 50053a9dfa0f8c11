"""The workspace when things go wrong: killed, full, locked, damaged, read-only. What was reported stored is there."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from smviz.errors import StoreError
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import FILE_NAME, Store

ROOT = Path(__file__).parents[1]


def begin(store, name="run", images=100):
    """A run over images that are nowhere yet."""
    refs = [ImageRef(f"{i:04d}", path=Path(f"/nowhere/{i}")) for i in range(images)]
    return store.create_run(name, Connection("x"), Request("e"), Preset("p"), refs)


def answered(image, size=100):
    """An outcome with a reply of so many bytes that cannot be packed."""
    return Outcome(f"{image:04d}", "", 1, 1, 1, reply=Reply(os.urandom(size), "", 0.1, None))


def stored(folder):
    """How many outcomes each run in a workspace has, once SQLite has found nothing wrong with the file."""
    with sqlite3.connect(folder / FILE_NAME) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    with Store(folder) as store:
        return {run.name: len(store.outcomes(run.id)) for run in store.runs()}


KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

folder, moments, dice = Path(sys.argv[1]), int(sys.argv[2]), random.Random(5)

def work(moment, report):
    store = Store(folder / "workspace")
    names = [f"{i:06d}" for i in range(6_000)]
    refs = (ImageRef(name, path=Path("/" + name)) for name in names)
    run = store.create_run(f"run {moment}", Connection("x"), Request("e"), Preset("p"), refs)
    os.write(report, b"run\\n")
    for name in names:
        outcome = Outcome(name, "", 1, 1, 1, reply=Reply(name.encode() * 500, "", 0.1, None))
        store.append(run.id, outcome, key=name).add_done_callback(
            lambda _, name=name: os.write(report, name.encode() + b"\\n")
        )

for moment in range(moments):
    report = os.open(folder / f"{moment}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    child = os.fork()
    if not child:
        work(moment, report)
        os._exit(0)
    # Some are killed at any moment, some once the run is made, and half of them once results are stored.
    while os.fstat(report).st_size < (0, 1, 5, 5)[moment % 4]:
        time.sleep(0.002)
    time.sleep(dice.uniform(0.0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(report)
"""


class TestKill:
    def test_twenty_moments(self, tmp_path):
        """A writer is killed with -9 twenty times: what it reported as stored is there, whole, and no run is half."""
        subprocess.run([sys.executable, "-c", KILLER, tmp_path, "20"], cwd=ROOT, check=True, timeout=120)
        counts = stored(tmp_path / "workspace")
        reports = [(tmp_path / f"{moment}.txt").read_text().split() for moment in range(20)]
        assert sum(len(report) > 1 for report in reports) >= 10  # or nothing was tested
        with Store(tmp_path / "workspace") as store:
            for moment, report in enumerate(reports):
                if report:
                    run = store.run(f"run {moment}")
                    outcomes = store.outcomes(run.id)
                    assert (run.total, set(report) - {"run"} <= {o.image for o in outcomes}) == (6_000, True)
                    assert all(outcome.reply.body == outcome.image.encode() * 500 for outcome in outcomes)
        assert all(total >= 0 for total in counts.values())

    def test_while_a_run_is_made(self, tmp_path):
        """Killed while images stream in, there is no run, its name is free, and its room is given back in time."""
        code = """
import sys, time
from pathlib import Path
from smviz.records import ImageRef
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

def images():
    for i in range(2000):
        yield ImageRef(str(i), data=b"x" * 1000)
    print("half", flush=True)
    time.sleep(60)

Store(Path(sys.argv[1])).create_run("run", Connection("x"), Request("e"), Preset("p"), images())
"""
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"half\n"
        process.kill()
        process.communicate()
        with Store(tmp_path) as store:
            assert store.runs() == ()
            with pytest.raises(StoreError, match="No run"):
                store.run("run")
            begin(store, "run")
        with sqlite3.connect(tmp_path / FILE_NAME) as db:
            assert db.execute("SELECT count(*) FROM run").fetchone() == (2,)
            db.execute("UPDATE run SET created = '2020-01-01' WHERE total IS NULL")
        db.close()
        Store(tmp_path).close()
        with sqlite3.connect(tmp_path / FILE_NAME) as db:
            assert db.execute("SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM file)").fetchone() == (1, 0)
        db.close()


class TestFullDisk:
    def test_nothing_is_lost(self, tmp_path):
        """When SQLite says that the disk is full, the error says what to do; with space again, work goes on."""
        with Store(tmp_path) as store:
            run = begin(store)
            pages = store._database.read("PRAGMA page_count")[0][0]
            store._database._writing.execute(f"PRAGMA max_page_count = {pages + 60}")
            futures = [store.append(run.id, answered(i, 5000)) for i in range(100)]
            errors = [future.exception() for future in futures]
            failed = [error for error in errors if error]
            assert 10 < len(failed) < 100
            assert all(isinstance(error, StoreError) and "disk is full" in error.message for error in failed)
            assert all("Free some space" in error.advice for error in failed)
            assert len(store.outcomes(run.id)) == 100 - len(failed)
            assert sum(1 for _ in store.pending(run.id)) == len(failed)
            store._database._writing.execute("PRAGMA max_page_count = 1000000")
            for i, error in enumerate(errors):
                if error:
                    store.append(run.id, answered(i, 5000))
            store.flush()
        assert stored(tmp_path) == {"run": 100}

    def test_no_room_for_a_run(self, tmp_path):
        """A run that does not fit on the disk is refused as a whole."""
        with Store(tmp_path) as store:
            kept = begin(store, "kept", 5)
            pages = store._database.read("PRAGMA page_count")[0][0]
            store._database._writing.execute(f"PRAGMA max_page_count = {pages + 100}")
            big = (ImageRef(str(i), data=os.urandom(50_000)) for i in range(1000))
            with pytest.raises(StoreError, match="disk is full"):
                store.create_run("big", Connection("x"), Request("e"), Preset("p"), big)
            assert store.runs() == (kept,)

    @pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a small disk")
    def test_small_disk(self, tmp_path):
        """On a disk that is really full nothing is lost either, and it goes on after something was deleted."""
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no disk may be mounted here")
        try:
            (disk / "ballast").write_bytes(b"x" * 1_000_000)
            with Store(disk) as store:
                run = begin(store)
                futures = [store.append(run.id, answered(i, 25_000)) for i in range(100)]
                errors = [future.exception() for future in futures]
                assert 10 < sum(error is not None for error in errors) < 100
                assert {type(error) for error in errors if error} == {StoreError}
                (disk / "ballast").unlink()
                at = next(i for i, error in enumerate(errors) if error)
                store.append(run.id, answered(at, 6_000)).result()
                expected = sum(error is None for error in errors) + 1
            assert stored(disk) == {"run": expected}
        finally:
            subprocess.run(["umount", str(disk)], check=True)


class TestLocked:
    def test_waits(self, tmp_path):
        """A lock of another program that is released in time delays a result and loses nothing."""
        with Store(tmp_path) as store:
            run = begin(store)
            other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            future = store.append(run.id, answered(0))
            time.sleep(0.5)
            assert not future.done()
            assert store.outcomes(run.id) == ()  # reading goes on meanwhile
            other.execute("ROLLBACK")
            other.close()
            future.result(timeout=10)
        assert stored(tmp_path) == {"run": 1}

    def test_too_long(self, tmp_path, monkeypatch):
        """A lock that stays is an error of all results that wait for it, at once; afterwards they can be stored."""
        monkeypatch.setattr("smviz.database.writing.PATIENT_SECONDS", 0.5)
        with Store(tmp_path) as store:
            run = begin(store)
            other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            start = time.monotonic()
            errors = [future.exception() for future in [store.append(run.id, answered(i)) for i in range(50)]]
            assert time.monotonic() - start < 5  # not 50 times as long
            assert all("in use by another program" in error.message for error in errors)
            assert all("safe" in error.advice for error in errors)
            other.execute("ROLLBACK")
            other.close()
            for i in range(50):
                store.append(run.id, answered(i))
            store.flush()
        assert stored(tmp_path) == {"run": 50}


class TestDamaged:
    def damage(self, folder, start, end):
        """A workspace with a run, some bytes of whose file were overwritten; the file, and its bytes."""
        with Store(folder) as store:
            run = begin(store, images=2000)
            for i in range(200):
                store.append(run.id, answered(i, 3000))
        file = folder / FILE_NAME
        data = bytearray(file.read_bytes())
        last = len(data) if end is None else end
        data[start:last] = b"\xa5" * (last - start)
        file.write_bytes(data)
        return file, bytes(data)

    @pytest.mark.parametrize(("start", "end"), [(0, 100), (0, 4096), (4096, None), (20, 24)])
    def test_is_said_and_left_alone(self, tmp_path, start, end):
        """A damaged file is an error that names it and tells how to go on; not a byte of it is changed."""
        file, data = self.damage(tmp_path, start, end)
        with pytest.raises(StoreError, match=re.escape(str(file))) as caught, Store(tmp_path) as store:
            store.outcomes(store.runs()[0].id)
        assert "Move that file away" in caught.value.advice
        assert "image files are not touched" in caught.value.advice
        assert file.read_bytes() == data

    def test_a_page_in_the_middle(self, tmp_path):
        """Damage in one place is an error where it is met; what is elsewhere can still be read."""
        with Store(tmp_path) as store:
            run = begin(store, images=500)
            for i in range(300):
                store.append(run.id, answered(i, 3000))
        file = tmp_path / FILE_NAME
        with sqlite3.connect(file) as db:
            (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'reply'").fetchone()
        db.close()
        data = bytearray(file.read_bytes())
        data[(root - 1) * 4096 : root * 4096] = b"\xa5" * 4096
        file.write_bytes(data)
        with Store(tmp_path) as store:
            assert store.run("run").answered == 300
            with pytest.raises(StoreError, match="is damaged"):
                store.outcomes(run.id)
            error = store.append(run.id, answered(400)).exception()
            assert isinstance(error, StoreError)
        assert file.read_bytes()[(root - 1) * 4096 : root * 4096] == b"\xa5" * 4096

    def test_a_fresh_start(self, tmp_path):
        """After the advice was followed there is a new workspace, and the old file is where it was moved to."""
        file, data = self.damage(tmp_path, 0, 4096)
        with pytest.raises(StoreError):
            Store(tmp_path)
        file.rename(tmp_path / "damaged.db")
        with Store(tmp_path) as store:
            assert store.runs() == ()
        assert (tmp_path / "damaged.db").read_bytes() == data

    def test_database_of_another_program(self, tmp_path):
        """A database that another program made is refused, and nothing is written into it."""
        with sqlite3.connect(tmp_path / FILE_NAME) as db:
            db.execute("CREATE TABLE run (a)")
        db.close()
        data = (tmp_path / FILE_NAME).read_bytes()
        with pytest.raises(StoreError, match="another program"):
            Store(tmp_path)
        with sqlite3.connect(tmp_path / FILE_NAME) as db:
            assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("run",)]
        db.close()
        assert len(data) == (tmp_path / FILE_NAME).stat().st_size


class TestReadOnly:
    CODE = """
import os
import sys
from pathlib import Path
from smviz.errors import StoreError
from smviz.store import Store
if os.geteuid() == 0:  # who may write everywhere
    os.setgid(65534)
    os.setuid(65534)
try:
    Store(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""

    def opened_by_nobody(self, folder):
        """What a user without rights is told on opening the workspace."""
        process = subprocess.run([sys.executable, "-c", self.CODE, folder], cwd=ROOT, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        return process.stdout

    @pytest.mark.parametrize("made", [True, False], ids=["workspace", "empty folder"])
    def test_folder(self, made):
        """A folder that may only be read is named, with what to check and how to take another one."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if made:
                Store(folder).close()
                (folder / FILE_NAME).chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
            folder.chmod(0o555)
            told = self.opened_by_nobody(folder)
            folder.chmod(0o755)
            assert name in told
            assert "can be written to" in told
            assert "SMVIZ_WORKSPACE" in told


class TestTwoProcesses:
    CODE = """
import sys
from pathlib import Path
from smviz.records import ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store
with Store(Path(sys.argv[1])) as store:
    mine, shared = (store.run(name) for name in sys.argv[2:4])
    for name in store.image_names(mine.id):
        for run in (mine, shared):
            outcome = Outcome(name, "", 1, 1, 1, reply=Reply(sys.argv[2].encode() * 999, "", 0.1, None))
            store.append(run.id, outcome, key=name).add_done_callback(lambda future: future.result())
"""

    def test_both_write(self, tmp_path):
        """Two processes that fill one workspace at once, one run and its keys even together, lose nothing."""
        with Store(tmp_path) as store:
            for name in ("one", "two", "shared"):
                begin(store, name, images=400)
            processes = [
                subprocess.Popen([sys.executable, "-c", self.CODE, tmp_path, name, "shared"], cwd=ROOT)
                for name in ("one", "two")
            ]
            watched = threading.Event()
            while not all(process.poll() is not None for process in processes):
                assert store.run("shared").answered <= 400  # a third one reads all the while
                watched.wait(0.01)
            assert [process.returncode for process in processes] == [0, 0]
            assert {o.reply.body for o in store.iter_outcomes(store.run("one").id)} == {b"one" * 999}
        assert stored(tmp_path) == {"one": 400, "two": 400, "shared": 400}
