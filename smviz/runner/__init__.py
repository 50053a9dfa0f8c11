"""One endpoint over many images: in parallel, resumable, and nothing lost when it ends early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import replace

from smviz.errors import SmvizError
from smviz.records import ImageRef
from smviz.runner.batch import BatchRun, Cancelled, Invoke
from smviz.runner.progress import GOING_ON, Progress, State
from smviz.runner.retrying import USUAL, Retry
from smviz.store import Run, Store, read_image

__all__ = ["GOING_ON", "BatchRun", "Cancelled", "Invoke", "Progress", "Retry", "State", "run_images"]

REPORT_SECONDS = 0.1


def run_images(
    store: Store,
    run: Run,
    invoke: Invoke,
    workers: int = 32,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    retry: Retry = USUAL,
    *,
    renew: Callable[[SmvizError], Invoke | None] | None = None,
    read: Callable[[ImageRef], bytes] = read_image,
    only: Collection[str] | None = None,
    fresh: bool = False,
    max_calls: int | None = None,
) -> Progress:
    """Call the endpoint for every image of the run that has no reply yet, and wait for the end.

    Args:
        store: where the run, its images and outcomes are.
        run: what to run or to resume.
        invoke: one call of the endpoint, without retries; raises `EndpointError`.
        workers: calls at once, at most.
        progress: called about ten times a second, and once at the end.
        stop: set it to end early; calls under way are finished and stored.
        retry: when to try again, and when to give up.
        renew: called while the run pauses because credentials were refused: gives an `invoke` that has new ones, or
            None to stop. Without it such a run ends.
        read: the bytes of an image.
        only: names of the images to see to; None for all.
        fresh: call also for images whose reply is known from another run.
        max_calls: how many calls may be made; None for any number.

    Returns:
        The progress at the end: its state is "finished", "stopped" or "failed".

    Raises:
        RunAtWork: when somebody else works on the run; nothing was called.
        StoreError: when the run was deleted before, or cannot be claimed.
        Exception: whatever is not a `SmvizError`, for it is a bug. All outcomes so far are stored.
    """
    policy = retry if renew else replace(retry, renewals=0)
    batch = BatchRun(store, run, invoke, workers, policy, read=read, only=only, fresh=fresh, max_calls=max_calls)
    if stop and stop.is_set():
        batch.stop()
    batch.start()
    try:
        while not batch.wait(REPORT_SECONDS):
            if stop and stop.is_set():
                batch.stop()
            if not (progress or renew):
                continue
            now = batch.progress
            if renew and now.state == "paused" and now.error:
                renewed = renew(now.error)
                if renewed:
                    batch.resume(renewed)
                else:
                    batch.stop()
            if progress:
                progress(now)
    finally:
        batch.stop()
        end = batch.result()
    if progress:
        progress(end)
    return end
