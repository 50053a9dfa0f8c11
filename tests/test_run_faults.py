"""A run against a server that goes wrong in every way, over real sockets and through boto3: nothing is lost."""

import io
from collections import Counter

import pytest
from botocore.config import Config
from fault_server import World, fault_server
from PIL import Image
from waiting import until

from smviz.errors import CredentialsError, ServiceError, Unreachable
from smviz.records import ImageRef
from smviz.runner import BatchRun, Retry, run_images
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

RETRY = Retry(base=0.02, cap=0.5, probe=0.05)
PRESET, REQUEST = Preset("p"), Request("endpoint")


def pictures(count):
    """So many different tiny images."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    plain = buffer.getvalue()
    # Bytes behind the end of a PNG change nothing but its digest.
    return [ImageRef(f"{i}.png", data=plain + b"%d" % i) for i in range(count)]


@pytest.fixture
def store(tmp_path):
    """An open, empty workspace."""
    with Store(tmp_path / "workspace") as opened:
        yield opened


def caller(server, read_timeout=70.0, key=None):
    """What calls the server as the app does; two things that are AWS's own matter may be a test's own."""
    client = SageMaker(Connection("us-east-1", server.url))
    client.clients._config = client.clients._config.merge(Config(read_timeout=read_timeout))
    if key:
        client.clients._session._session.set_credentials(key, "secret")
    return lambda payload: client.invoke(REQUEST, payload)


def run_of(store, server, count):
    """A run over so many images."""
    return store.create_run("run", Connection("us-east-1", server.url), REQUEST, PRESET, pictures(count))


def check_all_there(store, run, end):
    """Every image has exactly one outcome: the reply to its own bytes, or a failure."""
    outcomes = store.outcomes(run.id)
    assert [outcome.image for outcome in outcomes] == list(store.image_names(run.id))
    assert (end.state, end.done + end.failed) == ("finished", run.total)
    for outcome in outcomes:
        if outcome.reply:
            assert outcome.sha256.encode() in outcome.reply.body
    return Counter(outcome.failure.kind for outcome in outcomes if outcome.failure)


class TestFaults:
    def test_everything_at_once(self, store):
        """10,000 images, everything that can go wrong: all are answered but the bad ones, each once.

        A tenth of the calls is throttled, 2 % meet errors, 1 % resets; some answers are slow, cut off, garbage or never
        come; and in the middle the credentials expire.
        """
        world = World(
            *(0.1, 0.01, 0.005, 0.005, 0.003, 0.005, 0.005, 0.005, 0.003),
            hang=0.0003,
            slow=0.01,
            bad=0.005,
            expire=5000,
        )
        with fault_server(world) as server:
            run = run_of(store, server, 10_000)
            batch = BatchRun(store, run, caller(server, read_timeout=4.0), retry=RETRY)
            batch.start()
            until(lambda: batch.progress.state == "paused", 120)
            batch.resume(caller(server, read_timeout=4.0, key="NEW"))
            end = batch.result()
            called, answered, met = server.calls()
        assert check_all_there(store, run, end) == {"ModelError": met["bad"]}
        assert met["bad"] > 0
        assert set(answered.values()) == {1}
        assert len(answered) == end.done
        assert end.calls == called.total()
        assert end.throttled == met["throttle"]
        assert all(met[kind] for kind in ("error", "unavailable", "dependency", "busy", "reset", "close", "expired"))
        assert all(met[kind] for kind in ("truncate", "garbage", "hang", "slow"))

    def test_hanging(self, store):
        """A call without an answer is made again once, not more: each one runs the model."""
        with fault_server(World(hang=0.1, seconds=0.001)) as server:
            run = run_of(store, server, 120)
            end = run_images(store, run, caller(server, read_timeout=0.3), workers=16, retry=RETRY)
            called, answered, met = server.calls()
        failed = check_all_there(store, run, end)
        assert met["hang"] > 3
        assert max(called.values()) == 2
        assert failed == Counter({"NoAnswer": end.failed} if end.failed else {})
        assert len(answered) == end.done

    def test_full_endpoint(self, store):
        """An endpoint that takes 8 calls at a time is kept busy, and few calls are refused."""
        with fault_server(World(slots=8, seconds=0.05)) as server:
            run = run_of(store, server, 800)
            end = run_images(store, run, caller(server), retry=RETRY)
        assert check_all_there(store, run, end) == {}
        assert end.throttled < 0.15 * end.calls
        assert end.elapsed < 3 * 800 * 0.05 / 8

    def test_loading_model(self, store):
        """A model that is being loaded is waited for, with a call now and then."""
        with fault_server(World(loading=10)) as server:
            run = run_of(store, server, 100)
            end = run_images(store, run, caller(server), retry=RETRY)
        assert check_all_there(store, run, end) == {}
        assert (end.calls, end.retries) == (110, 0)

    def test_expiring_credentials(self, store):
        """The run pauses, and ends well with new credentials."""
        with fault_server(World(expire=150, throttle=0.05)) as server:
            run = run_of(store, server, 400)
            batch = BatchRun(store, run, caller(server), retry=RETRY)
            batch.start()
            until(lambda: batch.progress.state == "paused", 120)
            assert isinstance(batch.progress.error, CredentialsError)
            batch.resume(caller(server, key="NEW"))
            end = batch.result()
            _, answered, met = server.calls()
        assert check_all_there(store, run, end) == {}
        assert set(answered.values()) == {1}
        assert 1 <= met["expired"] <= 32


class TestHopeless:
    def test_dying_endpoint(self, store):
        """An endpoint that fails every other call ends the run before it costs much."""
        with fault_server(World(error=0.5, seconds=0.001)) as server:
            end = run_images(store, run_of(store, server, 2000), caller(server), retry=RETRY)
            called, _, met = server.calls()
        assert end.state == "failed"
        assert isinstance(end.error, ServiceError)
        assert called.total() < 200
        assert met["error"] <= RETRY.extra + RETRY.extra_share * len(called) + 32

    def test_dead_endpoint(self, store):
        """An endpoint that fails every call ends the run after a few images."""
        with fault_server(World(unavailable=1.0)) as server:
            end = run_images(store, run_of(store, server, 500), caller(server), retry=RETRY)
            called, _, _ = server.calls()
        assert (end.state, end.done) == ("failed", 0)
        assert called.total() < 80

    def test_nobody_there(self, store):
        """Where nobody listens any more, the run ends and says so."""
        with fault_server(World()) as server:
            run = run_of(store, server, 500)
        end = run_images(store, run, caller(server), retry=RETRY)
        assert (end.state, end.done) == ("failed", 0)
        assert isinstance(end.error, Unreachable | ServiceError)
        assert end.calls < 80
