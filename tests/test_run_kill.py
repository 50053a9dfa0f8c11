"""A run whose process is killed without warning, again and again, and resumed: nothing is lost."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

from fault_server import World, fault_server
from run_child import WARM_UP
from test_run_faults import PRESET, REQUEST, pictures

from smviz.database import BATCH_SIZE
from smviz.settings import Connection
from smviz.store import Store

KILLS, IMAGES, WORKERS = 20, 1200, 8
ROOT = Path(__file__).parent


class Worker:
    """Works on a run in child processes of its own."""

    def __init__(self, folder, run, url):
        command = [sys.executable, str(ROOT / "run_child.py"), str(folder), run.id, url, str(WORKERS)]
        environment = os.environ | {"PYTHONPATH": str(ROOT.parent)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def work(self, seconds=None, after="pid"):
        """Work, and be killed so many seconds after the child began ("pid") or first told how far it is ("told").

        Returns:
            The images that the child had told to be on the disk.
        """
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told, pid, timer = 0, 0, None
        for line in self.process.stdout:
            word, _, number = line.strip().partition(" ")
            if word == "ended":
                break
            if word == "pid":
                pid = int(number)
            else:
                told = max(told, int(number))
            if seconds and word == after and not timer:
                timer = threading.Timer(seconds, _kill, [pid])
                timer.start()
        if timer:
            timer.join()
        return told

    def close(self):
        """End it."""
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class TestKill:
    def test_twenty_times(self, tmp_path):
        """After 20 kills at random moments every image has its own reply, and few were called twice.

        Called twice is what was in flight at a kill, and what had been answered but was not yet on the disk: at most
        one group of writes waits for the disk.
        """
        random = Random(1)
        with fault_server(World(seconds=0.02)) as server, Store(tmp_path) as store:
            connection = Connection("us-east-1", server.url)
            run = store.create_run("run", connection, REQUEST, PRESET, pictures(IMAGES))
            worker = Worker(tmp_path, run, server.url)
            try:
                before = 0
                for kill in range(KILLS):
                    told = worker.work(random.uniform(0.05, 0.3), after=("pid", "told")[kill % 2])
                    stored = store.run(run.id).answered
                    assert before <= stored < IMAGES
                    assert told <= stored, "what was reported to be on the disk is there"
                    before = stored
                worker.work()
            finally:
                worker.close()
            outcomes = store.outcomes(run.id)
            called, _, _ = server.calls()
        del called[WARM_UP.sha256]
        assert before > KILLS, "the kills came while images were being answered"
        assert [outcome.image for outcome in outcomes] == [f"{i}.png" for i in range(IMAGES)]
        assert all(outcome.sha256.encode() in outcome.reply.body for outcome in outcomes)
        assert len(called) == IMAGES
        assert called.total() - IMAGES <= KILLS * (WORKERS + BATCH_SIZE)
