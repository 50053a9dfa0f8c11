"""How fast a batch run is, beside plain calls without its bookkeeping: `python -m benchmarks.runner [images] [rounds]`.

Every way calls the same server, which does nothing, on this machine's loopback: 150 kB of JPEG up, 20 kB of JSON down.
The runner checks each image and has each outcome on the disk; boto3 in threads, with one client and the runner's own
settings, only calls. One thread of boto3 is its best against a server that answers at once, and is no way to call one
that does not; so the runner is shown beside both, one thread and the best of many. urllib3 and http.client do not even
sign; wrk shows what the server can give. Each is a process of its own, in rounds that take turns, so that a busy
machine is busy for all; medians are told. Client and server share the machine's cores.

Then the runner's memory at 1,000 images and at many more, `python -m benchmarks.runner [images] [rounds] [many]`, with
small images and answers; 0 leaves that out.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.loopback import serving
from benchmarks.runner_process import JPEG, PATH

WAYS = (
    ("runner", 32),
    ("boto3", 1),
    ("boto3", 16),
    ("boto3", 32),
    ("boto3", 64),
    ("urllib3", 16),
    ("http.client", 16),
    ("wrk", 16),
)
UP, DOWN = 150_000, 20_000  # bytes
FEW = 1_000
SMALL = 2_000, 500  # bytes up and down, where memory is measured
WRK_SECONDS = 3

Way = tuple[str, int]


def main(images: int = 10_000, rounds: int = 3, many: int = 100_000) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "image.jpg")
        file.write_bytes(picture(UP))
        ways = [way for way in WAYS if way[0] != "wrk" or installed_wrk()]
        print(
            f"{images:,} images of {UP // 1000} kB, answers of {DOWN // 1000} kB, {os.cpu_count()} cores for both sides"
        )
        with serving(DOWN) as url:
            print_rates(ways, [[taken(way, url, file, images) for way in ways] for _ in range(rounds)])
        if many:
            file.write_bytes(picture(SMALL[0]))
            with serving(SMALL[1]) as url:
                for count in (FEW, many):
                    print_memory(count, taken(("runner", 32), url, file, count))


def installed_wrk() -> bool:
    """Whether wrk is there; it is told when not."""
    if not shutil.which("wrk"):
        print("wrk is not installed (apt-get install wrk): the server's own ceiling is not told.")
        return False
    return True


def picture(size: int) -> bytes:
    """A JPEG of soft noise, of about so many bytes, as heavy to decode as a photograph of that size."""
    width = 1280 if size > 20_000 else 96
    noise = np.random.default_rng(0).integers(60, 190, (width // 32, width // 16, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((width, width // 2), Image.Resampling.BICUBIC)
    made = [encoded(image, quality) for quality in range(50, 100)]
    return min(made, key=lambda data: abs(len(data) - size))


def encoded(image: Image.Image, quality: int) -> bytes:
    """The image as a JPEG of that quality."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def taken(way: Way, url: str, file: Path, count: int) -> dict[str, float]:
    """What one way took, in a process of its own."""
    name, threads = way
    if name == "wrk":
        return {"rate": wrk(url, file, threads)}
    command = [sys.executable, "-m", "benchmarks.runner_process", name, url, str(file), str(count), str(threads)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    told: dict[str, float] = json.loads(printed.splitlines()[-1])
    return told


def wrk(url: str, file: Path, connections: int) -> float:
    """Requests per second of one thread of wrk."""
    script = Path(file.parent, "post.lua")
    script.write_text(
        f'local file = io.open("{file}", "rb")\nwrk.method = "POST"\nwrk.body = file:read("*a")\n'
        f'wrk.headers["Content-Type"] = "{JPEG}"\n'
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{WRK_SECONDS}s", "-s", str(script), url + PATH]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(printed.partition("Requests/sec:")[2].split()[0])


def print_rates(ways: Sequence[Way], rounds: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Medians over the rounds, beside the runner's and beside the best arrangement of plain boto3."""
    rates = {way: [row[at]["rate"] for row in rounds] for at, way in enumerate(ways)}
    best = max((way for way in ways if way[0] == "boto3"), key=lambda way: median(rates[way]))
    print(f"{'':12} threads  calls/s (lowest, highest)   / runner   / best boto3   CPU ms a call")
    for at, way in enumerate(ways):
        rate = median(rates[way])
        cpu = [1000 * row[at]["cpu"] / (row[at]["rate"] * row[at]["wall"]) for row in rounds if "cpu" in row[at]]
        spread = f"({min(rates[way]):.0f}, {max(rates[way]):.0f})"
        print(
            f"{way[0]:12} {way[1]:7}  {rate:7.0f} {spread:17} {rate / median(rates[ways[0]]):10.2f}"
            f" {rate / median(rates[best]):14.2f} {f'{median(cpu):.2f}' if cpu else '—':>15}"
        )
    many = max((way for way in ways if way[0] == "boto3" and way[1] > 1), key=lambda way: median(rates[way]))
    for way in dict.fromkeys((best, many)):
        ratios = [one / other for one, other in zip(rates[ways[0]], rates[way], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        threads = "one thread" if way[1] == 1 else f"{way[1]} threads"
        print(f"the runner beside {threads} of boto3, round by round: median {median(ratios):.2f} ({spread})")
    print(f"load of the machine at the end: {', '.join(f'{load:.1f}' for load in os.getloadavg())}")


def print_memory(count: int, told: dict[str, float]) -> None:
    """One line of the memory's table."""
    print(
        f"runner at {count:7,} small images: peak {told['peak']:.0f} MB"
        f" ({told['before']:.0f} MB before the first call), {told['rate']:.0f} images/s"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
