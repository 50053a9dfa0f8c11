"""Who works on a run: one at a time, whoever is killed, stopped or asleep."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_runner import Endpoint, answer, begin, until

from smviz.errors import RunAtWork, UnknownRun
from smviz.runner import BatchRun, run_images
from smviz.store import Store
from smviz.store.claims import LEASE_SECONDS

ROOT = Path(__file__).parent.parent

# Works on a run, telling its process id first, then each state it is in; each call waits for a line on standard input.
WORKER = """
import os, sys
from pathlib import Path
from smviz.records import Reply
from smviz.runner import BatchRun
from smviz.store import Store
def invoke(payload):
    sys.stdin.readline()
    return Reply(b"{}", "application/json", 0.01, "A")
with Store(Path(sys.argv[1])) as store:
    batch = BatchRun(store, store.run(sys.argv[2]), invoke, workers=1)
    batch.start()
    print(os.getpid(), flush=True)
    state = "running"
    while state in ("running", "stopping"):
        batch.wait(0.02)
        now = batch.progress
        if now.state != state:
            state = now.state
            print(state, now.error.kind if now.error else "", flush=True)
"""


class Clock:
    """Seconds since 1970, put forward at will."""

    ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    """The time of the store."""
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    """An open workspace with a clock that can be put forward."""
    with Store(tmp_path, clock) as opened:
        yield opened


@pytest.fixture
def worker(store):
    """Starts processes that work on a run, and ends them."""
    started = []

    def start(run):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(store.folder), run.id],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert int(process.stdout.readline()) == process.pid
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class TestOneAtATime:
    def test_a_run_of_another_process_is_not_begun(self, store, worker):
        """The error names process and host; nothing is called for; others are told who works since when."""
        run, endpoint = begin(store), Endpoint()
        other = worker(run)
        with pytest.raises(RunAtWork, match=f"process {other.pid} on ") as caught:
            run_images(store, run, endpoint)
        assert caught.value.passing
        assert "lapses" in caught.value.advice
        assert not endpoint.calls
        (claim,) = store.claims()
        assert (claim.run, claim.name, claim.state) == (run.id, "run", "running")
        assert (claim.process, claim.host) == (other.pid, os.uname().nodename)
        assert claim.since[:4] == time.strftime("%Y", time.gmtime())

    def test_nor_one_of_this_process(self, store):
        """A second click does not call twice either."""
        run, gate = begin(store), threading.Event()
        batch = BatchRun(store, run, lambda payload: gate.wait() and answer(payload))
        batch.start()
        with pytest.raises(RunAtWork):
            BatchRun(store, run, answer).start()
        gate.set()
        assert batch.result().state == "finished"

    def test_of_two_that_begin_at_once(self, store):
        """One begins, whichever it is."""
        run, gate, refused = begin(store), threading.Event(), []
        batches = [BatchRun(store, run, lambda payload: gate.wait() and answer(payload)) for _ in range(8)]

        def start(batch):
            try:
                batch.start()
            except RunAtWork as error:
                refused.append(error)

        threads = [threading.Thread(target=start, args=(batch,)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 7
        gate.set()
        until(lambda: not store.claims())
        assert store.run(run.id).answered == 10

    def test_other_runs_go_on(self, store, worker):
        """A claim is on one run."""
        worker(begin(store, name="theirs"))
        assert run_images(store, begin(store, name="ours"), Endpoint()).state == "finished"


class TestTheEnd:
    @pytest.mark.parametrize("how", ["finished", "stopped", "failed"])
    def test_gives_the_run_back(self, store, how):
        """However work ends, the run is free when its end is told."""
        run = begin(store)

        def invoke(payload):
            if how == "failed":
                raise UnknownRun("No.", "Yes.")
            return answer(payload)

        stop = threading.Event()
        if how == "stopped":
            stop.set()
        assert run_images(store, run, invoke, stop=stop).state == how
        assert store.claims() == ()
        store.claim(run.id).release()

    def test_of_a_process_that_is_killed(self, store, worker):
        """After a kill -9 nothing is at work, and the run is resumed at once."""
        run = begin(store)
        other = worker(run)
        other.kill()
        other.wait()
        assert store.claims() == ()
        assert run_images(store, run, Endpoint()).state == "finished"

    def test_of_a_machine_that_is_gone(self, store, clock):
        """Where nobody can tell whether a process is alive, its claim lapses when it is not renewed."""
        run = begin(store)
        store.claim(run.id)
        elsewhere = "UPDATE claim SET machine = 'another', host = 'gpu-3', process = 1"
        store._database.write(lambda db: db.execute(elsewhere))
        clock.ahead = 0.8 * LEASE_SECONDS
        assert [claim.host for claim in store.claims()] == ["gpu-3"]
        with pytest.raises(RunAtWork, match="process 1 on gpu-3"):
            store.claim(run.id)
        clock.ahead = 1.1 * LEASE_SECONDS
        assert store.claims() == ()
        store.claim(run.id)

    def test_of_a_deleted_run(self, store):
        """Deleting a run forgets the claim; who had it is told."""
        run = begin(store)
        lease = store.claim(run.id)
        store.delete_run(run.id)
        assert store.claims() == ()
        with pytest.raises(UnknownRun):
            lease.renew("running")
        with pytest.raises(UnknownRun):
            store.claim(run.id)
        lease.release()


class TestTheLease:
    def test_is_renewed(self, store, clock):
        """A claim that is renewed holds for ever, and tells the state of the work."""
        lease = store.claim(begin(store).id)
        for _ in range(3):
            clock.ahead += 0.8 * LEASE_SECONDS
            lease.renew("paused")
        assert [claim.state for claim in store.claims()] == ["paused"]

    def test_survives_a_clock_that_is_put_back(self, store, clock):
        """A claim does not hold for an hour because the clock was put back by one."""
        clock.ahead = 3600
        run = begin(store)
        store.claim(run.id)
        clock.ahead = 0
        assert store.claims() == ()
        store.claim(run.id)

    def test_is_held_through_a_pause(self, store):
        """A run that is paused is at work still: the page that paused it can resume it."""
        run, endpoint = begin(store, 200), Endpoint(seconds=0.01)
        batch = BatchRun(store, run, endpoint)
        batch.start()
        batch.pause()
        until(lambda: [claim.state for claim in store.claims()] == ["paused"])
        with pytest.raises(RunAtWork):
            store.claim(run.id)
        batch.resume()
        assert batch.result().state == "finished"

    def test_is_lost_in_sleep(self, store, worker, clock):
        """A process that sleeps too long loses the run to another one, and ends with an error when it wakes up."""
        run = begin(store)
        sleeper = worker(run)
        os.kill(sleeper.pid, signal.SIGSTOP)
        clock.ahead = 1.1 * LEASE_SECONDS
        lease = store.claim(run.id)
        os.kill(sleeper.pid, signal.SIGCONT)
        assert sleeper.stdout.readline() == "stopping RunAtWork\n"
        out, _ = sleeper.communicate("\n")  # the answer to the call that was under way
        assert out == "failed RunAtWork\n"
        assert store.run(run.id).answered == 1, "what was under way is kept"
        lease.renew("running")
