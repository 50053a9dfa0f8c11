"""One way to call an endpoint many times: `python -m benchmarks.runner_process WAY URL IMAGES COUNT [THREADS]`.

IMAGES is a JPEG; each call sends it with a number of its own in it, so that no two images are alike. The last line
printed is JSON: calls per second, seconds and CPU seconds of the calls alone, and the peak of resident memory in MB,
before them and after. Nothing but what the way needs is imported.
"""

from __future__ import annotations

import http.client
import importlib
import json
import queue
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

ENDPOINT = "benchmark"
PATH = f"/endpoints/{ENDPOINT}/invocations"
JPEG = "image/jpeg"
CREDENTIALS = {"aws_access_key_id": "none", "aws_secret_access_key": "none", "region_name": "us-east-1"}

Call = Callable[[bytes], object]


def numbered(picture: bytes, number: int) -> bytes:
    """The JPEG with a number in a comment, right behind its first marker."""
    return picture[:2] + b"\xff\xfe\x00\x12" + f"{number:016d}".encode() + picture[2:]


def main(way: str, url: str, image: str, count: int, threads: int) -> None:
    """Make the calls and print what they took."""
    picture = Path(image).read_bytes()
    work = runner if way == "runner" else lambda *given: in_threads(CALLS[way], *given)
    with tempfile.TemporaryDirectory() as folder:
        begin = work(url, picture, count, threads, Path(folder))
        before, wall, cpu = peak(), time.perf_counter(), time.process_time()
        begin()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"rate": count / wall, "wall": wall, "cpu": cpu, "before": before, "peak": peak()}))


def peak() -> float:
    """The peak of resident memory so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def runner(url: str, picture: bytes, count: int, threads: int, folder: Path) -> Callable[[], None]:
    """smviz's batch run: every image checked, and every outcome durable in a workspace on the disk."""
    records, settings = importlib.import_module("smviz.records"), importlib.import_module("smviz.settings")
    run_images = importlib.import_module("smviz.runner").run_images
    connection, request = settings.Connection("us-east-1", url), settings.Request(ENDPOINT)
    client = importlib.import_module("smviz.sagemaker").SageMaker(connection, pool=threads)
    client.clients.of("sagemaker-runtime")  # as the others have theirs before the clock starts
    store = importlib.import_module("smviz.store").Store(folder)
    images = (records.ImageRef(f"{number:08d}.jpg", location=f"s3://images/{number}") for number in range(count))
    preset = settings.Preset("records")
    run = store.create_run("benchmark", connection, request, preset, images, endpoint_config="benchmark-1")

    def read(image: object) -> bytes:
        return numbered(picture, int(image.location.rsplit("/", 1)[1]))  # type: ignore[attr-defined]

    def begin() -> None:
        end = run_images(store, run, lambda payload: client.invoke(request, payload), threads, read=read)
        assert (end.done, end.calls) == (count, count), end
        store.close()

    return begin


def in_threads(
    caller: Callable[[str, int], Callable[[], Call]], url: str, picture: bytes, count: int, threads: int, _: Path
) -> Callable[[], None]:
    """Plain calls in threads: nothing is checked, nothing is kept."""
    make_call = caller(url, threads)
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        numbers.put(number)

    def work() -> None:
        call = make_call()
        for number in taken(numbers):
            call(numbered(picture, number))

    def begin() -> None:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return begin


def taken(numbers: queue.SimpleQueue[int]) -> Iterator[int]:
    """What is in the queue, until it is empty."""
    while True:
        try:
            yield numbers.get_nowait()
        except queue.Empty:
            return


def boto3(url: str, threads: int) -> Callable[[], Call]:
    """One client for all threads, with the settings of smviz's own."""
    config = importlib.import_module("botocore.config").Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=threads,
        tcp_keepalive=True,
        connect_timeout=5,
        read_timeout=70,
        proxies={},
    )
    module = importlib.import_module("boto3")
    client = module.client("sagemaker-runtime", endpoint_url=url, config=config, **CREDENTIALS)

    def call(data: bytes) -> object:
        answer = client.invoke_endpoint(EndpointName=ENDPOINT, ContentType=JPEG, Body=data)
        return answer["Body"].read()

    return lambda: call


def urllib3(url: str, threads: int) -> Callable[[], Call]:
    """One pool for all threads; no signature."""
    pool = importlib.import_module("urllib3").PoolManager(maxsize=threads, block=True)
    return lambda: lambda data: pool.request("POST", url + PATH, body=data, headers={"Content-Type": JPEG}).data


def standard_library(url: str, threads: int) -> Callable[[], Call]:
    """A connection for each thread; no signature."""
    place = urlsplit(url).netloc

    def make_call() -> Call:
        connection = http.client.HTTPConnection(place)

        def call(data: bytes) -> object:
            connection.request("POST", PATH, data, {"Content-Type": JPEG})
            return connection.getresponse().read()

        return call

    return make_call


CALLS = {"boto3": boto3, "urllib3": urllib3, "http.client": standard_library}


if __name__ == "__main__":
    name, address, file, calls, *most = sys.argv[1:]
    main(name, address, file, int(calls), int(most[0]) if most else 32)
