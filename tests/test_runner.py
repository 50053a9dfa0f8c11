"""A run over many images: every image ends as a reply or a failure, and ending early loses nothing."""

import io
import math
import threading
import time
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image
from waiting import until

from smviz.errors import (
    AccessDenied,
    BadImage,
    BadSetting,
    CredentialsError,
    InvalidRequest,
    ModelError,
    ModelNotReady,
    NoAnswer,
    NotFound,
    NotInService,
    PayloadTooLarge,
    ServiceError,
    StoreError,
    Throttled,
    TimedOut,
    UnknownRun,
    Unreachable,
)
from smviz.images import prepare
from smviz.records import ImageRef, Reply
from smviz.runner import BatchRun, Retry, run_images
from smviz.runner.forecast import Forecasting, cost_in_words
from smviz.runner.retrying import trouble_of
from smviz.sagemaker.asynchronous import AsyncInvocation
from smviz.settings import Connection, Preset, Request
from smviz.store import Store

FAST = Retry(base=0.001, cap=0.01, probe=0.02, extra=100)


def picture(shade, width=8):
    """A tiny PNG that is told from others by its width."""
    buffer = io.BytesIO()
    Image.new("L", (width, 4), shade % 256).save(buffer, "PNG")
    return buffer.getvalue()


def image_number(payload):
    """Which of `begin`'s images this is."""
    return payload.width - 1


def answer(payload):
    """A reply that names the image it is for."""
    return Reply(b'{"image": %d}' % image_number(payload), "application/json", 0.01, "A")


class Endpoint:
    """An injected `invoke` that counts its calls, and fails as `faults` says: image number to errors, in order."""

    def __init__(self, faults=None, seconds=0.0):
        self.faults = {number: list(errors) for number, errors in (faults or {}).items()}
        self.seconds = seconds
        self.calls = Counter()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, payload):
        number = image_number(payload)
        with self.lock:
            self.calls[number] += 1
            self.now += 1
            self.most = max(self.most, self.now)
            error = self.faults[number].pop(0) if self.faults.get(number) else None
        time.sleep(self.seconds)
        with self.lock:
            self.now -= 1
        if error:
            raise error
        return answer(payload)


def error(kind):
    """An error of that kind."""
    words = (f"It was {kind.__name__}.", "Do something.")
    return ModelError(*words, status=500) if kind is ModelError else kind(*words)


@pytest.fixture
def store(tmp_path):
    """An open, empty workspace."""
    with Store(tmp_path / "workspace") as opened:
        yield opened


def begin(store, images=10, name="run"):
    """A run over images of 1, 2, 3 ... pixels' width."""
    refs = [ImageRef(f"{i}.png", data=picture(i, width=i + 1)) for i in range(images)]
    return store.create_run(name, Connection("x"), Request("e"), Preset("p"), refs, endpoint_config="c")


class Remote:
    """Reads images by their name, as from a place far away, and fails as `faults` says: name to errors, in order."""

    def __init__(self, faults):
        self.faults = {name: list(errors) for name, errors in faults.items()}

    def __call__(self, image):
        if self.faults.get(image.name):
            raise self.faults[image.name].pop(0)
        return image.data


class TestRun:
    def test_every_image_has_its_own_reply(self, store):
        """Each image is called once, and its reply is stored under its name, in the run's order."""
        run, endpoint = begin(store, 40), Endpoint()
        end = run_images(store, run, endpoint)
        assert (end.state, end.total, end.done, end.failed, end.skipped) == ("finished", 40, 40, 0, 0)
        assert endpoint.calls == Counter(range(40))
        for number, outcome in enumerate(store.outcomes(run.id)):
            assert outcome.image == f"{number}.png"
            assert outcome.reply == Reply(b'{"image": %d}' % number, "application/json", 0.01, "A")
            assert outcome.attempts == 1

    def test_frame_and_hash_are_of_what_was_sent(self, store):
        """The outcome keeps size and hash of the payload, not of the file."""
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[274] = 6
        Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
        refs = [ImageRef("turned.jpg", data=buffer.getvalue())]
        run = store.create_run("r", Connection("x"), Request("e"), Preset("p"), refs)
        run_images(store, run, answer)
        outcome = store.outcomes(run.id)[0]
        assert (outcome.width, outcome.height) == (20, 30)
        assert outcome.sha256 == prepare(buffer.getvalue()).sha256

    def test_files_on_the_disk(self, store, tmp_path):
        """Images that are files are read when their turn comes."""
        refs = []
        for i in range(5):
            (tmp_path / f"{i}.png").write_bytes(picture(i, width=i + 1))
            refs.append(ImageRef(f"{i}.png", path=tmp_path / f"{i}.png"))
        run = store.create_run("r", Connection("x"), Request("e"), Preset("p"), refs)
        assert run_images(store, run, Endpoint()).done == 5

    @pytest.mark.parametrize("workers", [1, 4])
    def test_workers(self, store, workers):
        """So many calls are under way at a time, never more."""
        endpoint = Endpoint(seconds=0.02)
        run_images(store, begin(store, 20), endpoint, workers=workers)
        assert endpoint.most == workers

    def test_no_workers(self, store):
        """A run without workers is refused."""
        with pytest.raises(BadSetting, match="0 workers"):
            run_images(store, begin(store), answer, workers=0)

    def test_two_thousand_images(self, store):
        """2,000 images take seconds."""
        refs = [ImageRef(f"{i}.png", data=picture(i)) for i in range(2000)]
        run = store.create_run("r", Connection("x"), Request("e"), Preset("p"), refs)
        start = time.monotonic()
        assert run_images(store, run, answer).done == 2000
        assert time.monotonic() - start < 15

    def test_calls_at_once_grow(self, store):
        """An endpoint that has room is given as many calls at once as are allowed, and never more."""
        endpoint = Endpoint(seconds=0.02)
        end = run_images(store, begin(store, 300), endpoint, workers=12)
        assert (endpoint.most, end.ceiling) == (12, 12)

    def test_deleted_run(self, store):
        """A run that was deleted before it began is told, and nothing is called."""
        run, endpoint = begin(store), Endpoint()
        store.delete_run(run.id)
        with pytest.raises(UnknownRun):
            run_images(store, run, endpoint)
        assert not endpoint.calls


class TestFailed:
    def test_keeps_the_log_stream(self, store):
        """What a container's error tells of its log is kept with the failure; other errors tell of none."""
        log = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/e:log-stream:A/i-1"
        faults = {0: [ModelError("It broke.", "Look.", 500, log)], 1: [error(InvalidRequest)]}
        run = begin(store, 2)
        run_images(store, run, Endpoint(faults))
        assert [outcome.failure.log for outcome in store.outcomes(run.id)] == [log, None]


class TestBadImages:
    def test_is_a_failed_outcome(self, store, tmp_path):
        """A file that is no image, or is gone, fails alone, without a call; the others are answered."""
        refs = [
            ImageRef("good.png", data=picture(1)),
            ImageRef("text.jpg", data=b"hello"),
            ImageRef("empty.jpg", data=b""),
            ImageRef("half.png", data=picture(1)[:40]),
            ImageRef("gone.png", path=tmp_path / "gone.png"),
            ImageRef("folder", path=tmp_path),
            ImageRef("also good.png", data=picture(2)),
        ]
        run = store.create_run("r", Connection("x"), Request("e"), Preset("p"), refs)
        endpoint = Endpoint()
        end = run_images(store, run, endpoint)
        assert (end.state, end.done, end.failed) == ("finished", 2, 5)
        assert endpoint.calls.total() == 2
        bad = [outcome for outcome in store.outcomes(run.id) if outcome.failure]
        assert [outcome.image for outcome in bad] == ["text.jpg", "empty.jpg", "half.png", "gone.png", "folder"]
        assert {outcome.failure.kind for outcome in bad} == {"BadImage"}
        assert {(outcome.width, outcome.height, outcome.attempts) for outcome in bad} == {(0, 0, 0)}
        assert [len(outcome.sha256) for outcome in bad] == [64, 64, 64, 0, 0]


class TestFailures:
    @pytest.mark.parametrize("kind", [ModelError, PayloadTooLarge, InvalidRequest])
    def test_concerns_one_image(self, store, kind):
        """What the endpoint says of one image is that image's failure, after a single call."""
        run, endpoint = begin(store), Endpoint({3: [error(kind)]})
        end = run_images(store, run, endpoint)
        assert (end.state, end.done, end.failed, end.error) == ("finished", 9, 1, None)
        outcome = store.outcomes(run.id)[3]
        assert (outcome.failure.kind, outcome.attempts) == (kind.__name__, 1)
        assert (outcome.failure.message, outcome.failure.advice) == (f"It was {kind.__name__}.", "Do something.")
        assert outcome.width == 4
        assert endpoint.calls[3] == 1

    @pytest.mark.parametrize("kind", [Throttled, ServiceError, Unreachable])
    def test_passes(self, store, kind):
        """What may pass is tried again, and the outcome tells how often."""
        run, endpoint = begin(store), Endpoint({3: [error(kind)] * 3})
        end = run_images(store, run, endpoint, retry=FAST)
        assert (end.done, end.failed) == (10, 0)
        assert store.outcomes(run.id)[3].attempts == endpoint.calls[3] == 4

    @pytest.mark.parametrize(
        ("kind", "calls"), [(Throttled, FAST.busy), (ServiceError, FAST.service), (Unreachable, FAST.network)]
    )
    def test_does_not_pass(self, store, kind, calls):
        """After the last attempt the image has failed, and the run goes on."""
        run, endpoint = begin(store), Endpoint({3: [error(kind)] * 99})
        end = run_images(store, run, endpoint, retry=FAST)
        assert (end.state, end.done, end.failed) == ("finished", 9, 1)
        outcome = store.outcomes(run.id)[3]
        assert (outcome.failure.kind, outcome.attempts) == (kind.__name__, calls)

    @pytest.mark.parametrize("kind", [CredentialsError, AccessDenied, NotFound, NotInService])
    def test_concerns_every_image(self, store, kind):
        """What no image would escape ends the run at once, keeps what there is, and is told."""
        run, endpoint = begin(store, 100), Endpoint({20: [error(kind)]})
        end = run_images(store, run, endpoint, workers=2)
        assert end.state == "failed"
        assert isinstance(end.error, kind)
        assert 19 <= end.done <= 25
        assert end.failed == 0
        assert store.run(run.id).answered == end.done == endpoint.calls.total() - 1

    def test_expired_in_the_middle_then_resumed(self, store):
        """With new credentials the same run is brought to its end, and no reply is asked for twice."""
        run, endpoint = begin(store, 50), Endpoint({20: [error(CredentialsError)]})
        run_images(store, run, endpoint)
        end = run_images(store, run, endpoint)
        assert end.state == "finished"
        assert end.done + end.skipped == 50
        assert endpoint.calls == Counter(range(50)) + Counter([20])

    def test_no_network(self, store):
        """When image after image finds nobody, the run ends instead of failing them all."""
        run, endpoint = begin(store, 200), Endpoint({i: [error(Unreachable)] * 99 for i in range(10, 200)})
        end = run_images(store, run, endpoint, workers=2, retry=FAST)
        assert end.state == "failed"
        assert isinstance(end.error, Unreachable)
        assert end.done == 10
        assert FAST.in_a_row <= end.failed <= FAST.in_a_row + 2

    def test_unreachable_now_and_then(self, store):
        """Images that find nobody are failures of their own while others are answered in between."""
        faults = {i: [error(Unreachable)] * 99 for i in range(0, 40, 2)}
        end = run_images(store, begin(store, 40), Endpoint(faults), workers=1, retry=replace(FAST, network=2))
        assert (end.state, end.done, end.failed) == ("finished", 20, 20)

    def test_wrong_setting(self, store):
        """An error that is about what a person chose, not about an image, ends the run."""
        end = run_images(store, begin(store), Endpoint({i: [error(BadSetting)] for i in range(10)}))
        assert isinstance(end.error, BadSetting)
        assert end.state == "failed"

    def test_bug(self, store):
        """An exception that is nobody's fault but ours is raised, and what was stored stays."""
        run, endpoint = begin(store, 50), Endpoint({20: [ZeroDivisionError("bug")]})
        with pytest.raises(ZeroDivisionError, match="bug"):
            run_images(store, run, endpoint)
        assert store.run(run.id).answered == endpoint.calls.total() - 1
        assert run_images(store, run, endpoint).state == "finished"

    def test_run_deleted_meanwhile(self, store):
        """Deleting a run under way ends it with an error."""
        run = begin(store, 50)

        def invoke(payload):
            if image_number(payload) == 10:
                store.delete_run(run.id)
            return answer(payload)

        end = run_images(store, run, invoke)
        assert end.state == "failed"
        assert isinstance(end.error, StoreError)

    def test_store_closed_meanwhile(self, store):
        """Closing the store under way ends the run with an error, not with a hang."""

        def invoke(payload):
            if image_number(payload) == 10:
                store.close()
            return answer(payload)

        end = run_images(store, begin(store, 50), invoke)
        assert end.state == "failed"
        assert isinstance(end.error, StoreError)


class TestResume:
    def test_skips_replies(self, store):
        """A finished run that is run again makes no call at all."""
        run, endpoint = begin(store), Endpoint()
        run_images(store, run, endpoint)
        end = run_images(store, run, endpoint)
        assert (end.state, end.done, end.skipped) == ("finished", 0, 10)
        assert endpoint.calls.total() == 10

    def test_tries_failures_again(self, store):
        """A failed image is called again, and its reply takes the failure's place."""
        run, endpoint = begin(store), Endpoint({3: [error(ModelError)], 5: [error(ModelError)] * 2})
        run_images(store, run, endpoint)
        end = run_images(store, run, endpoint)
        assert (end.done, end.failed, end.skipped) == (1, 1, 8)
        assert store.outcomes(run.id)[3].reply
        assert store.outcomes(run.id)[5].failure
        assert endpoint.calls.total() == 12

    def test_in_a_new_process(self, store, tmp_path):
        """A run is resumed from the file alone: its images come with it."""
        run = begin(store, 30)
        run_images(store, run, Endpoint({9: [error(AccessDenied)]}))
        store.close()
        with Store(tmp_path / "workspace") as again:
            end = run_images(again, again.run("run"), Endpoint())
            assert end.done + end.skipped == 30
            assert [o.reply.body for o in again.outcomes(run.id)] == [b'{"image": %d}' % i for i in range(30)]


class TestPause:
    def test_by_hand(self, store):
        """A pause lets the calls under way end, makes no new ones, and is over when the run is resumed."""
        endpoint = Endpoint(seconds=0.01)
        batch = BatchRun(store, begin(store, 60), endpoint, workers=2)
        batch.start()
        until(lambda: batch.progress.done > 5)
        batch.pause()
        assert batch.progress.state in {"pausing", "paused"}
        until(lambda: batch.progress.state == "paused")
        calls = endpoint.calls.total()
        time.sleep(0.1)
        assert endpoint.calls.total() == calls == batch.progress.calls
        assert batch.progress.error is None
        batch.resume()
        end = batch.result()
        assert (end.state, end.done) == ("finished", 60)
        assert endpoint.calls == Counter(range(60))

    def test_credentials_expire(self, store):
        """The run pauses, tells why, and goes on with another client; nothing is lost or asked for twice."""
        run, old, new = begin(store, 60), Endpoint(), Endpoint()

        def invoke(payload):
            if image_number(payload) >= 20:
                raise error(CredentialsError)
            return old(payload)

        batch = BatchRun(store, run, invoke, workers=4)
        batch.start()
        until(lambda: batch.progress.state == "paused")
        assert isinstance(batch.progress.error, CredentialsError)
        assert not batch.wait(0.05)
        batch.resume(new)
        end = batch.result()
        assert (end.state, end.done, end.failed, end.error) == ("finished", 60, 0, None)
        assert old.calls + new.calls == Counter(range(60))

    def test_bad_renewals_are_capped(self, store):
        """When new credentials are refused again and again, the run ends with that error."""

        def refuse(payload):
            raise error(CredentialsError)

        renewals = []
        end = run_images(store, begin(store), refuse, renew=lambda why: renewals.append(why) or refuse)
        assert (end.state, len(renewals)) == ("failed", Retry().renewals)
        assert isinstance(end.error, CredentialsError)
        assert end.calls <= 4 * (1 + Retry().renewals)

    def test_good_renewals_are_not(self, store):
        """Credentials that work for a while may expire any number of times."""
        faults = {number: [error(CredentialsError)] for number in range(10)}
        endpoint, renewals = Endpoint(faults), []
        end = run_images(
            store, begin(store, 20), endpoint, workers=1, renew=lambda why: renewals.append(why) or endpoint
        )
        assert (end.state, end.done, len(renewals)) == ("finished", 20, 10)

    def test_not_renewed(self, store):
        """Who has no new credentials stops the run, and what was answered is kept."""
        run = begin(store)
        end = run_images(store, run, Endpoint({5: [error(CredentialsError)]}), workers=1, renew=lambda why: None)
        assert (end.state, end.done, store.run(run.id).answered) == ("stopped", 5, 5)
        assert isinstance(end.error, CredentialsError)

    def test_stop_while_paused(self, store):
        """A paused run can be stopped."""
        batch = BatchRun(store, begin(store), Endpoint())
        batch.pause()
        batch.start()
        assert not batch.wait(0.05)
        assert batch.progress.state == "paused"
        batch.stop()
        assert batch.result().state == "stopped"

    def test_while_images_are_read(self, store):
        """Credentials may expire also where the images come from; the image is read again."""
        run, remote = begin(store), Remote({"3.png": [error(CredentialsError)]})
        end = run_images(store, run, Endpoint(), read=remote, renew=lambda why: answer)
        assert (end.state, end.done) == ("finished", 10)


class TestReading:
    def test_of_what_is_gone(self, store):
        """An image that is not where it was, or no image, fails alone."""
        remote = Remote({"3.png": [error(NotFound)], "4.png": [BadImage("It is none.", "Send another.")]})
        end = run_images(store, begin(store), Endpoint(), read=remote)
        assert (end.state, end.done, end.failures) == ("finished", 8, {"NotFound": 1, "BadImage": 1})

    def test_passing_trouble(self, store):
        """A place that is busy or out of reach for a moment is asked again."""
        remote = Remote({"3.png": [error(Throttled)] * 3, "4.png": [error(Unreachable)] * 2})
        end = run_images(store, begin(store), Endpoint(), read=remote, retry=FAST)
        assert (end.state, end.done) == ("finished", 10)

    def test_no_access(self, store):
        """A place that nobody may read from ends the run."""
        remote = Remote({f"{i}.png": [error(AccessDenied)] for i in range(10)})
        end = run_images(store, begin(store), Endpoint(), read=remote)
        assert (end.state, end.failed) == ("failed", 0)
        assert isinstance(end.error, AccessDenied)

    def test_bug(self, store):
        """A bug in what reads an image ends the run and is raised; it never stalls."""
        run, remote = begin(store, 50), Remote({"20.png": [ZeroDivisionError("bug")]})
        with pytest.raises(ZeroDivisionError, match="bug"):
            run_images(store, run, Endpoint(), read=remote)
        assert run_images(store, run, Endpoint()).state == "finished"

    def test_memory_is_flat(self, store):
        """However many images there are, no more of them are read ahead than there are workers."""
        read, called, most = Counter(), Counter(), []

        def remote(image):
            read["images"] += 1
            most.append(read["images"] - called["images"])
            return image.data

        def invoke(payload):
            time.sleep(0.001)
            called["images"] += 1
            return answer(payload)

        run_images(store, begin(store, 300), invoke, read=remote, workers=8)
        assert max(most) <= 8


class TestLoading:
    def test_is_waited_out(self, store):
        """While the model is being loaded one worker asks again and again, the others wait, and no image fails."""
        loaded, calls = threading.Event(), []

        def invoke(payload):
            calls.append(threading.get_ident())
            if not loaded.is_set():
                raise error(ModelNotReady)
            return answer(payload)

        threading.Timer(0.4, loaded.set).start()
        end = run_images(store, begin(store, 40), invoke, workers=8, retry=FAST)
        assert (end.state, end.done, end.failed, end.retries) == ("finished", 40, 0, 0)
        asked = len(calls) - 40
        assert asked <= 4 + 0.4 / FAST.probe, "the first calls, then one every 20 ms"
        assert len(set(calls[4:asked])) == 1

    def test_takes_too_long(self, store):
        """A model that is still not there after the longest time ends the run."""
        endpoint = Endpoint({i: [error(ModelNotReady)] * 999 for i in range(10)})
        end = run_images(store, begin(store), endpoint, retry=replace(FAST, loading=0.2))
        assert (end.state, end.done, end.failed) == ("failed", 0, 0)
        assert isinstance(end.error, ModelNotReady)

    def test_stop(self, store):
        """A stop does not wait for the model."""
        batch = BatchRun(store, begin(store), Endpoint({i: [error(ModelNotReady)] * 999 for i in range(10)}))
        batch.start()
        until(lambda: batch.progress.calls >= 1)
        batch.stop()
        assert batch.wait(2)
        assert batch.result().state == "stopped"


class TestBudget:
    def test_of_calls(self, store):
        """No more calls are made than are allowed; the run stops, and goes on later."""
        run, endpoint = begin(store, 50), Endpoint({i: [error(ServiceError)] for i in range(5)})
        end = run_images(store, run, endpoint, retry=FAST, max_calls=30)
        assert endpoint.calls.total() == end.calls == 30
        assert end.state == "stopped"
        assert "30 calls" in end.error.message
        assert end.done == store.run(run.id).answered >= 20
        assert run_images(store, run, endpoint, max_calls=50 - end.done, retry=FAST).state in {"finished", "stopped"}

    def test_that_is_just_enough(self, store):
        """A run that needs exactly the calls it is allowed finishes."""
        end = run_images(store, begin(store), Endpoint(), max_calls=10)
        assert (end.state, end.calls, end.error) == ("finished", 10, None)

    def test_of_calls_made_again(self, store):
        """An endpoint that fails too often ends the run instead of being paid for; throttled calls do not count."""
        retry = replace(FAST, extra=10, extra_share=0.1)
        faults = {i: [error(ServiceError)] for i in range(1000)}
        end = run_images(store, begin(store, 200), Endpoint(faults), workers=2, retry=retry)
        assert end.state == "failed"
        assert isinstance(end.error, ServiceError)
        assert "It was ServiceError." in end.error.message
        assert end.retries - 1 <= 10 + 0.1 * end.calls
        throttles = {i: [error(Throttled)] for i in range(200)}
        end = run_images(store, begin(store, 100, "other"), Endpoint(throttles), retry=retry, fresh=True)
        assert (end.state, end.done, end.throttled, end.retries) == ("finished", 100, 100, 0)


class TestOnly:
    def test_these_again(self, store):
        """Chosen failed images are called again, and no others."""
        run, endpoint = begin(store), Endpoint({i: [error(ModelError)] for i in (3, 5, 7)})
        run_images(store, run, endpoint)
        end = run_images(store, run, endpoint, only={"3.png", "5.png", "1.png"})
        assert (end.state, end.total, end.done, end.skipped) == ("finished", 3, 2, 1)
        assert endpoint.calls == Counter(range(10)) + Counter([3, 5])
        assert store.outcomes(run.id)[7].failure


class TestKnownReplies:
    def test_are_reused(self, store):
        """What an earlier run was told is not asked again, and says so."""
        run_images(store, begin(store), Endpoint())
        again, endpoint = begin(store, 12, "again"), Endpoint()
        end = run_images(store, again, endpoint)
        assert (end.state, end.done, end.reused, end.calls) == ("finished", 12, 10, 2)
        assert endpoint.calls == Counter([10, 11])
        outcomes = store.outcomes(again.id)
        assert [outcome.reused for outcome in outcomes] == [True] * 10 + [False] * 2
        assert [outcome.attempts for outcome in outcomes] == [0] * 10 + [1] * 2
        assert [o.reply.body for o in outcomes] == [b'{"image": %d}' % i for i in range(12)]

    def test_fresh(self, store):
        """Who asks for fresh replies gets them."""
        run_images(store, begin(store), Endpoint())
        endpoint = Endpoint()
        end = run_images(store, begin(store, 10, "again"), endpoint, fresh=True)
        assert (end.reused, endpoint.calls.total()) == (0, 10)

    def test_unknown_config(self, store):
        """Where the endpoint's config is not known, nobody can tell whether the model is the same: all are called."""
        for name in ("first", "second"):
            refs = [ImageRef(f"{i}.png", data=picture(i, width=i + 1)) for i in range(5)]
            run = store.create_run(name, Connection("x"), Request("e"), Preset("p"), refs)
            endpoint = Endpoint()
            run_images(store, run, endpoint)
            assert endpoint.calls.total() == 5


class TestStop:
    def test_calls_under_way_are_stored(self, store):
        """After a stop there are no new calls; those under way are finished and stored."""
        run, under_way, go_on = begin(store, 50), threading.Semaphore(0), threading.Event()
        calls = []

        def invoke(payload):
            calls.append(payload.sha256)
            under_way.release()
            go_on.wait(10)
            return answer(payload)

        batch = BatchRun(store, run, invoke, workers=4)
        batch.start()
        for _ in range(4):
            under_way.acquire()
        batch.stop()
        progress = batch.progress
        assert (progress.state, progress.in_flight, progress.done) == ("stopping", 4, 0)
        go_on.set()
        end = batch.result()
        assert (end.state, end.done, end.in_flight, len(calls)) == ("stopped", 4, 0, 4)
        assert store.run(run.id).answered == 4
        assert run_images(store, run, Endpoint()).done == 46

    def test_does_not_wait_for_retries(self, store):
        """A stop ends the wait before the next attempt; such an image has no outcome and is called on resuming."""
        run = begin(store)
        waiting = threading.Event()

        def invoke(payload):
            waiting.set()
            raise error(Throttled)

        batch = BatchRun(store, run, invoke, retry=Retry(base=1000, cap=1000))
        batch.start()
        waiting.wait(10)
        time.sleep(0.05)
        batch.stop()
        assert batch.wait(5)
        assert batch.result().state == "stopped"
        assert store.outcomes(run.id) == ()

    def test_gives_up_a_wait_within_a_call(self, store):
        """A call that only waits, as for an asynchronous answer, is given up; its image is called on resuming."""
        run, waiting = begin(store), threading.Event()

        def invoke(payload):
            waiting.set()
            batch.sleep(100)

        batch = BatchRun(store, run, invoke)
        batch.start()
        waiting.wait(10)
        batch.stop()
        assert batch.wait(5)
        assert batch.result().state == "stopped"
        assert store.outcomes(run.id) == ()

    def test_gives_up_waiting_for_an_asynchronous_answer(self, store):
        """An asynchronous answer that is long in coming does not hold up the end of the run."""
        looks = []

        class Bucket:
            exceptions = SimpleNamespace(NoSuchKey=KeyError)

            def get_object(self, **_):
                looks.append(1)
                raise KeyError

        runtime = SimpleNamespace(invoke_endpoint_async=lambda **_: {"OutputLocation": "s3://bucket/answer"})
        run = begin(store)
        batch = BatchRun(store, run, lambda payload: ask(Request("e", hosting="asynchronous"), payload))
        ask = AsyncInvocation(runtime, Bucket(), time.monotonic, batch.sleep, patience=900)
        batch.start()
        until(lambda: looks)
        batch.stop()
        assert batch.wait(2)
        assert batch.result().state == "stopped"

    def test_event(self, store):
        """`run_images` ends early when its event is set."""
        run, stop = begin(store, 100), threading.Event()
        endpoint = Endpoint(seconds=0.02)
        threading.Timer(0.3, stop.set).start()
        end = run_images(store, run, endpoint, workers=2, stop=stop)
        assert end.state == "stopped"
        assert store.run(run.id).answered == end.done == endpoint.calls.total() < 100

    def test_before_the_start(self, store):
        """A run that was stopped before it began makes no call."""
        stop, endpoint = threading.Event(), Endpoint()
        stop.set()
        assert run_images(store, begin(store), endpoint, stop=stop).state == "stopped"
        assert endpoint.calls.total() == 0

    def test_at_the_very_end(self, store):
        """A stop that comes when all is done changes nothing."""
        batch = BatchRun(store, begin(store), answer)
        batch.start()
        batch.result()
        batch.stop()
        assert batch.progress.state == "finished"

    def test_interrupted(self, store):
        """An exception in the caller's own callback, such as Ctrl-C, stops the run and stores the calls under way."""
        run, endpoint = begin(store, 200), Endpoint(seconds=0.05)

        def progress(now):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_images(store, run, endpoint, workers=2, progress=progress)
        assert store.run(run.id).answered == endpoint.calls.total() < 200


class TestProgress:
    def test_counts_what_is_on_the_disk(self, store):
        """An image is reported done only when its outcome can be read back."""
        run = begin(store, 60)

        def check(now):
            stored = store.run(run.id)
            assert now.done <= stored.answered
            assert now.done + now.failed + now.skipped <= now.total == 60

        end = run_images(store, run, Endpoint(seconds=0.03), workers=4, progress=check)
        assert end.done == 60

    def test_called_at_the_end(self, store):
        """The last call of the callback is the result."""
        seen = []
        end = run_images(store, begin(store), answer, progress=seen.append)
        assert seen[-1] == end

    def test_rate_and_time_left(self, store):
        """The rate is that of the endpoint, and the time left follows from it."""
        seen = []
        run_images(store, begin(store, 60), Endpoint(seconds=0.05), workers=2, progress=seen.append)
        half_way = next(p for p in seen if p.done >= 30)
        assert 10 < half_way.rate < 45, "two workers at 50 ms each make at most 40 a second"
        assert half_way.left == pytest.approx((60 - half_way.done) / half_way.rate)
        assert half_way.state == "running"
        assert seen[-1].left == 0

    def test_unknown_time_left(self, store):
        """Before the first outcome nobody knows how long it takes."""
        batch = BatchRun(store, begin(store), Endpoint(seconds=0.2))
        batch.start()
        progress = batch.progress
        assert (progress.done, progress.rate) == (0, 0)
        assert math.isnan(progress.left)
        batch.result()

    def test_what_was_called(self, store):
        """Calls, throttles, calls made again, failures by kind, latencies and concurrency are told."""
        faults = {1: [error(Throttled)] * 2, 2: [error(ServiceError)] * 3, 3: [error(ModelError)], 4: [error(NotFound)]}
        end = run_images(store, begin(store, 4), Endpoint(faults), workers=6, retry=FAST)
        assert (end.calls, end.throttled, end.retries) == (9, 2, 3)
        assert (end.failed, end.failures) == (1, {"ModelError": 1})
        assert end.latency == pytest.approx((0.01, 0.01, 0.01))
        assert (end.concurrency, end.ceiling) == (4, 6)

    def test_latency_quantiles(self, store):
        """The quantiles are those of the replies' own latencies."""
        end = run_images(store, begin(store, 101), lambda payload: Reply(b"", "", image_number(payload) / 100, None))
        assert end.latency == pytest.approx((0.5, 0.95, 0.99))

    def test_no_latency(self, store):
        """Before the first reply there are no quantiles."""
        assert all(math.isnan(p) for p in BatchRun(store, begin(store), Endpoint()).progress.latency)

    def test_seconds_spent_here(self, store):
        """An outcome tells the time that was not the endpoint's: between attempts, above all."""
        run, endpoint = begin(store, 2), Endpoint({1: [error(Throttled)]}, seconds=0.1)
        run_images(store, run, endpoint, workers=1, retry=FAST)
        first, second = (outcome.client for outcome in store.outcomes(run.id))
        assert 0 < first < 0.08
        assert 0.08 < second < 0.5, "a refused slot stays taken for a round trip"

    def test_time_stands_still_after_the_end(self, store):
        """A finished run does not grow older."""
        batch = BatchRun(store, begin(store), answer)
        batch.start()
        end = batch.result()
        time.sleep(0.05)
        assert batch.progress == end

    def test_a_bug_is_seen(self, store):
        """A bug in the background shows as "failed" and is raised by `result`, however often it is asked."""
        batch = BatchRun(store, begin(store), Endpoint({0: [ZeroDivisionError("bug")]}))
        batch.start()
        assert batch.wait(10)
        assert (batch.progress.state, batch.progress.error) == ("failed", None)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                batch.result()


class TestForecast:
    HOW = (Connection("x"), "c", Request("e"))

    @pytest.fixture
    def files(self, tmp_path):
        """Pictures in files, of which the store's run called the first six."""
        refs = []
        for i in range(10):
            (tmp_path / f"{i}.png").write_bytes(picture(i, width=i + 1))
            refs.append(ImageRef(f"{i}.png", path=tmp_path / f"{i}.png"))
        return refs

    def foresee(self, store, images, digests=None, how=HOW):
        looking = Forecasting(store, how, images, len(images), {} if digests is None else digests)
        assert looking.wait(10)
        return looking.now

    def test_counts_what_is_known(self, store, files):
        """Images whose bytes were called for before are known, whatever they are called and wherever they are."""
        run_images(store, begin(store, 6), Endpoint())
        uploads = [ImageRef("new name.png", data=picture(3, width=4)), ImageRef("broken.png", data=b"no image")]
        now = self.foresee(store, [*files, *uploads])
        assert (now.images, now.looked, now.known, now.afar, now.calls) == (12, 12, 7, 0, 5)
        assert now.latency == 0.01
        assert str(now) == "7 replies are known already and will be reused."

    def test_of_another_call_nothing_is_known(self, store, files):
        """Another config, request or connection is another call, and so is one that has no key."""
        run_images(store, begin(store, 6), Endpoint())
        connection, config, request = self.HOW
        others = [
            (Connection("y"), config, request),
            (connection, "d", request),
            (connection, config, Request("e", variant="B")),
            (connection, "", request),
            (connection, config, Request("e", component="c")),
        ]
        for how in others:
            now = self.foresee(store, files, how=how)
            assert (now.looked, now.known, now.calls, str(now)) == (10, 0, 10, "")
            assert math.isnan(now.latency)

    def test_afar_nothing_is_read(self, store, files):
        """Of images in S3 it is told that it is not known; where no reply is known at all, it is known of them too."""
        there = [ImageRef(f"{i}.png", location=f"s3://bucket/{i}.png") for i in range(3)]
        assert self.foresee(store, there).afar == 0
        run_images(store, begin(store, 6), Endpoint())
        now = self.foresee(store, [*files, *there])
        assert (now.known, now.afar, now.calls) == (6, 3, 7)
        assert "Of 3 images in S3" in str(now)

    def test_a_file_is_read_once(self, store, files, tmp_path):
        """A file is read again only when its size or time has changed, or it is another one."""
        run_images(store, begin(store, 6), Endpoint())
        digests = {}
        self.foresee(store, files, digests)
        before = dict(digests)
        assert self.foresee(store, files, digests).known == 6
        assert digests == before
        (tmp_path / "0.png").write_bytes(picture(9, width=100))
        (tmp_path / "1.png").unlink()
        assert self.foresee(store, files, digests).known == 4
        assert len(digests) == 11

    def test_is_stopped(self, store, files):
        """Looking ends at once; what was not looked at is told."""
        run_images(store, begin(store, 6), Endpoint())
        seen, gate = threading.Event(), threading.Event()

        def slow():
            yield from files
            seen.set()
            gate.wait()
            yield from files

        looking = Forecasting(store, self.HOW, slow(), 20, {})
        assert seen.wait(10)
        assert not looking.wait(0)
        threading.Timer(0.05, gate.set).start()
        looking.stop()
        assert looking.now.looked < 20
        assert "not looked at yet" in str(looking.now)

    def test_a_workspace_that_cannot_be_read(self, tmp_path, files):
        """Is told to who waits."""
        with Store(tmp_path / "w") as store:
            pass
        looking = Forecasting(store, self.HOW, files, 10, {})
        with pytest.raises(StoreError, match="closed"):
            looking.wait()

    @pytest.mark.parametrize(
        ("price", "latency", "words"),
        [
            (0.0, 0.5, "1,000 calls on this machine cost nothing"),
            (math.nan, 0.5, "not known"),
            (0.9, math.nan, "1,000 calls; the endpoint costs 0.900 USD an hour"),
            (0.9, 0.36, "6.0 minutes at 360 ms each, 0.0900 USD"),
        ],
    )
    def test_cost(self, price, latency, words):
        """What is not known is not made up."""
        assert words in cost_in_words(1000, price, latency)


class TestRetry:
    def test_table(self):
        """What follows an error, by what it says: nothing that cannot pass is tried again."""
        retry = Retry()
        table = [
            (error(Throttled), 19, "wait"),
            (error(Throttled), 20, "fail"),
            (error(ServiceError), 4, "wait"),
            (error(ServiceError), 5, "fail"),
            (error(ModelNotReady), 1000, "probe"),
            (error(Unreachable), 3, "wait"),
            (error(Unreachable), 4, "fail"),
            (error(NoAnswer), 1, "wait"),
            (error(NoAnswer), 2, "fail"),
            (error(CredentialsError), 1, "pause"),
            (error(AccessDenied), 1, "end"),
            (error(NotFound), 1, "end"),
            (error(NotInService), 1, "end"),
            (error(BadSetting), 1, "end"),
            (error(StoreError), 1, "end"),
            (error(InvalidRequest), 1, "fail"),
            (error(PayloadTooLarge), 1, "fail"),
            (error(TimedOut), 1, "fail"),
            *((ModelError("", "", status), 1, "fail") for status in (0, 400, 415, 500)),
            *((ModelError("", "", status), 1, "wait") for status in (429, 502, 503, 504)),
            *((ModelError("", "", status), 2, "fail") for status in (429, 502, 503, 504)),
        ]
        for problem, met, decision in table:
            assert retry.decide(trouble_of(problem), met) == decision, (problem.kind, met)

    def test_affords(self):
        """A constant, and a share of the images, may be called again."""
        retry = Retry(extra=20, extra_share=0.2)
        assert retry.affords(20, 0)
        assert not retry.affords(21, 0)
        assert retry.affords(220, 1000)
        assert not retry.affords(221, 1000)

    def test_full_jitter(self):
        """Waits are spread from 0 to a bound that doubles with every attempt, up to the cap."""
        retry = Retry(base=0.5, cap=20)
        for attempt, bound in ((1, 0.5), (2, 1), (3, 2), (6, 16), (7, 20), (1000, 20)):
            waits = [retry.wait(attempt) for _ in range(500)]
            assert 0 <= min(waits) < 0.1 * bound
            assert 0.9 * bound < max(waits) <= bound
