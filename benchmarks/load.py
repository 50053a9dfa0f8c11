"""Many people at once on one server: how long each page takes, what goes wrong, and whether the memory comes back.

    python -m benchmarks.load [USERS] [SECONDS] [WAVES]

Everybody opens Home, Detect, moves its threshold, uploads a picture of their own, opens Evaluate on a stored run,
walks through its sections and moves its threshold, leaves, and begins anew; between two acts they think for one to
three seconds. They are `benchmarks.browsing.Tab`s: Streamlit's own protocol over real sockets, without painting. A time
goes from the act until the page's script has finished, in seconds. The peer is a page of one slider and one picture
under the same people. After each wave all have left, and Streamlit forgets their sessions after two minutes.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import ROOT, start_app
from picture_runs import picture_run

from benchmarks.browsing import Failed, Tab
from smviz.local import SAMPLES
from smviz.store import Store

IMAGES = 500  # in the run that is evaluated
FORGOTTEN = 125.0  # seconds after which Streamlit drops the session of a tab that is gone
SECTIONS = ("Thresholds", "Images", "Errors", "Data set", "Overview")
Story = Callable[["Person"], Awaitable[None]]


class Person:
    """Somebody with a tab: acts, thinks, and notes how long each act took."""

    def __init__(self, url: str, number: int, run: str, times: dict[str, list[float]], errors: list[str]) -> None:
        self.url, self.number, self.run = url, number, run
        self.random = random.Random(number)
        self._times, self._errors = times, errors

    async def act(self, name: str, doing: Awaitable[float]) -> None:
        self._times[name].append(await doing)
        await asyncio.sleep(self.random.uniform(1, 3))

    async def live(self, story: Story, until: float) -> None:
        """Tell the story once, and again until then; what goes wrong is noted."""
        await asyncio.sleep(self.random.uniform(0, 3))
        while True:
            try:
                await story(self)
            except (Failed, OSError) as error:
                self._errors.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)
            if time.monotonic() > until:
                return

    @contextmanager
    def noting(self, tab: Tab) -> Iterator[Tab]:
        """Whatever the tab has seen go wrong is noted when it is closed."""
        try:
            yield tab
        finally:
            self._errors += tab.errors


async def smviz_story(person: Person) -> None:
    """A look at everything."""
    async with Tab(person.url) as opened:
        with person.noting(opened) as tab:
            await person.act("Home", tab.visit())
            scene = person.random.choice(SAMPLES.images).name
            await person.act("Detect", tab.visit("Detect", sample=scene))
            viewer = tab.find("bidi_component", "detect viewer")
            await person.act("Detect, threshold", tab.tell(viewer, {"view": view_of(viewer, person.random.random())}))
            await person.act("Detect, upload chosen", tab.pick(tab.find("button_group", "Image"), "Upload"))
            uploader = next(tab.all("file_uploader"))
            await person.act("Detect, upload", tab.upload(uploader, f"{person.number}.jpg", own_picture(person)))
            await person.act("Evaluate", tab.visit("Evaluate", run=person.run))
            for section in SECTIONS:
                choice = tab.pick(tab.find("button_group", "Section"), section)
                await person.act(f"Evaluate, {section}", choice)
            bar = tab.find("bidi_component", "threshold bar")
            state = {"revision": sent(bar)["revision"], "iou": 0, "area": 0, "classes": None}
            state["threshold"] = person.random.uniform(0.2, 0.8)
            await person.act("Evaluate, threshold", tab.tell(bar, {"state": state}))


async def peer_story(person: Person) -> None:
    """The slider, again and again."""
    async with Tab(person.url) as opened:
        with person.noting(opened) as tab:
            await person.act("a picture", tab.visit())
            for _ in range(5):
                await person.act("its slider", tab.tell(tab.find("slider", "Brightness"), person.random.random()))


def sent(component: Any) -> dict[str, Any]:
    """What Python gave to a component."""
    told: dict[str, Any] = json.loads(component.json or component.mixed.json)
    return told


def view_of(viewer: Any, threshold: float) -> dict[str, Any]:
    """What the viewer tells when its threshold was moved there."""
    data = sent(viewer)
    told = {"revision": data["revision"], "image": data["image"]["key"], "selected": None}
    return {**data["state"], **told, "threshold": threshold}


def own_picture(person: Person) -> bytes:
    """A picture that nobody has sent before."""
    picture = Image.open(SAMPLES.images[person.number % len(SAMPLES.images)])
    picture.putpixel((0, 0), tuple(person.random.randbytes(3)))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Server:
    """What the operating system tells of the processes below this one, which are the server's."""

    def __init__(self) -> None:
        below: dict[int, list[int]] = defaultdict(list)
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            below[int(fields[1])].append(int(status.parent.name))
        self._ids = list(below[os.getpid()])
        for process in self._ids:
            self._ids += below[process]

    def cpu(self) -> float:
        """Seconds of CPU so far."""
        fields = (Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in self._ids)
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")

    def status(self, name: str) -> int:
        """The sum of a number in /proc/PID/status: VmRSS in kB, Threads."""
        total = 0
        for each in self._ids:
            for line in Path(f"/proc/{each}/status").read_text().splitlines():
                if line.startswith(f"{name}:"):
                    total += int(line.split()[1])
        return total

    def told(self) -> str:
        """Memory, threads and open files in words."""
        files = sum(len(os.listdir(f"/proc/{each}/fd")) for each in self._ids)
        return f"{self.status('VmRSS') / 1024:5.0f} MB, {self.status('Threads'):3d} threads, {files:3d} open files"


async def wave(url: str, story: Story, users: int, seconds: float, run: str = "") -> tuple[dict[str, Any], list[str]]:
    """So many people for so long; how long each of their acts took, and what went wrong."""
    times: dict[str, list[float]] = defaultdict(list)
    errors: list[str] = []
    server, until = Server(), time.monotonic() + seconds
    begun, cpu, own, most = time.monotonic(), server.cpu(), time.process_time(), 0
    people = [Person(url, number, run, times, errors) for number in range(users)]
    lives = [asyncio.create_task(person.live(story, until)) for person in people]
    while not all(life.done() for life in lives):
        most = max(most, server.status("VmRSS"))
        await asyncio.sleep(1)
    took = time.monotonic() - begun
    print(
        f"  {took:.0f} s; the server had {(server.cpu() - cpu) / took:.2f} cores and at most {most / 1024:.0f} MB, "
        f"the people {(time.process_time() - own) / took:.2f} cores; {len(errors)} errors"
    )
    for error in sorted(set(errors))[:20]:
        print(f"    {errors.count(error)} x {error[:300]}")
    return times, errors


def table(times: dict[str, list[float]], peer: list[float] | None = None) -> None:
    """Print how long each act took."""
    for name, each in times.items():
        p50, p95, worst = np.percentile(each, [50, 95, 100])
        ratio = f"   {p50 / np.median(peer):5.1f} x the peer's slider" if peer else ""
        print(f"  {name:<24} {len(each):5d} times   p50 {p50:6.2f}   p95 {p95:6.2f}   worst {worst:6.2f}{ratio}")


async def leave(url: str) -> None:
    """Wait until Streamlit forgets who has left; it looks for them when the next tab comes."""
    await asyncio.sleep(FORGOTTEN)
    async with Tab(url) as tab:
        await tab.visit()
    gc.collect()


def main() -> None:
    """Print the report; exits with 1 where anything went wrong."""
    users, seconds, waves = _asked()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        with Store(workspace) as store:
            run = picture_run(store, Path(folder), IMAGES).id
        print(f"The peer, {users} people:")
        with start_app(Path(__file__).with_name("load_app.py")) as url:
            peer, errors = asyncio.run(wave(url, peer_story, users, seconds / 2))
            wrong += errors
        table(peer)
        with start_app(ROOT / "streamlit_app.py", {"SMVIZ_WORKSPACE": str(workspace)}) as url:
            asyncio.run(wave(url, smviz_story, 1, 0, run))
            print(f"smviz before: {Server().told()}")
            for number in range(1, waves + 1):
                print(f"Wave {number}, {users} people on a run of {IMAGES} images:")
                times, errors = asyncio.run(wave(url, smviz_story, users, seconds, run))
                wrong += errors
                table(times, peer["its slider"])
                print(f"  when all have left: {Server().told()}")
                asyncio.run(leave(url))
                print(f"  when their sessions are forgotten: {Server().told()}", flush=True)
    sys.exit(bool(wrong))


def _asked() -> tuple[int, int, int]:
    users, seconds, waves = (sys.argv[1:] + ["50", "60", "3"][len(sys.argv) - 1 :])[:3]
    return int(users), int(seconds), int(waves)


if __name__ == "__main__":
    main()
