"""Works on a run in processes that a test may kill: `python run_child.py FOLDER RUN URL WORKERS`.

For every line on its standard input it forks a child that works on the run, and prints its process id; then, each time
it is told, how many images the child said are on the disk. All that is slow to load is loaded once, before.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from smviz.records import Payload
from smviz.runner import run_images
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Request
from smviz.store import Store

WARM_UP = Payload(b"warm up", "image/png", 1, 1, hashlib.sha256(b"warm up").hexdigest())


def work(client: SageMaker, folder: str, run_id: str, workers: int) -> None:
    """Work on the run to its end."""
    with Store(Path(folder)) as store:
        run = store.run(run_id)

        def tell(now) -> None:
            os.write(1, b"told %d\n" % (now.done + now.failed + now.skipped))  # all of the line, or nothing

        run_images(store, run, lambda payload: client.invoke(Request("endpoint"), payload), workers, tell)


def main(folder: str, run_id: str, url: str, workers: str) -> None:
    """Fork a child for every line."""
    client = SageMaker(Connection("us-east-1", url))
    client.invoke(Request("endpoint"), WARM_UP)
    client.clients.of("sagemaker-runtime").close()  # no child may use the parent's connection
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(client, folder, run_id, int(workers))
            os._exit(0)
        print(f"pid {pid}", flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
