"""Nothing goes through the guarded door that the policy does not allow, and nothing is called before that is known."""

import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar

import boto3
import pytest
from moto import mock_aws
from waiting import until

from smviz.access import LOCAL, VISITOR, Person, Policy, Role
from smviz.errors import LimitReached, NotAllowed, StoreError
from smviz.guarding import REMEMBERED, WINDOW, Guarded, Meter
from smviz.images import prepare
from smviz.local import DEMO_ENDPOINT, SAMPLES, EmbeddedServer
from smviz.pricing import price_per_hour
from smviz.records import Endpoint, ImageRef, Reply
from smviz.runner import BatchRun
from smviz.sagemaker import SageMaker
from smviz.settings import Connection, Instances, Preset, Request
from smviz.store import Store

HERE = Connection("eu-west-1")
ANN = Person("ann@example.com", "Ann", Role.OWNER)
BOB = Person("bob@example.com", "Bob", Role.USER)
CAT = Person("cat@example.com", "Cat", Role.USER)
EVE = Person("eve@example.com", "Eve", Role.VIEWER)
CARS = Endpoint("cars", "InService", "2026-01-31T00:00:00+00:00")
SCENE = prepare(SAMPLES.images[0].read_bytes(), "scene.jpg")

# Each operation of the door, by whether it takes an owner.
OWNERS = {
    "execution_roles": lambda door: door.execution_roles(),
    "create_model": lambda door: door.create_model("cars", "role", "image"),
    "create_endpoint_config": lambda door: door.create_endpoint_config("cars", "cars", Instances("ml.m5.large")),
    "create_endpoint": lambda door: door.create_endpoint("cars", "cars"),
    "update_endpoint": lambda door: door.update_endpoint("cars", "cars"),
    "delete_endpoint": lambda door: door.delete_endpoint("cars"),
    "delete_endpoint_config": lambda door: door.delete_endpoint_config("cars"),
    "delete_model": lambda door: door.delete_model("cars"),
}
USERS = {
    "whoami": lambda door: door.whoami(),
    "endpoints": lambda door: door.endpoints(),
    "describe": lambda door: door.describe("cars"),
    "describe_all": lambda door: door.describe_all((CARS,)),
    "components": lambda door: door.components("cars"),
    "describe_model": lambda door: door.describe_model("cars"),
    "describe_endpoint_config": lambda door: door.describe_endpoint_config("cars"),
    "s3_source": lambda door: door.s3_source("s3://set/a"),
    "s3_read": lambda door: door.s3_read("s3://set/a.jpg"),
    "invoke": lambda door: door.invoke(Request("cars"), SCENE),
}
OPERATIONS = {**OWNERS, **USERS}
NAMED = {"describe", "describe_all", "components", "create_endpoint", "update_endpoint", "delete_endpoint", "invoke"}


class Door:
    """Stands where the real door would: remembers what it was asked for, and answers as little as it can."""

    answers: ClassVar = {"invoke": Reply(b"{}", "application/json", 36.0, "A"), "describe": CARS}

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        def operation(*given):
            self.asked.append(name)
            return self.answers.get(name, ())

        return operation

    @property
    def calls(self):
        return self.asked.count("invoke")


@pytest.fixture
def meter(tmp_path):
    """An open meter that has counted nothing."""
    opened = Meter(tmp_path / "server.db")
    yield opened
    opened.close()


@pytest.fixture
def guard(meter):
    """Makes a guard for somebody, before a door that remembers."""

    def make(person, policy=None, where=HERE, demo=False):
        door = Door()
        return Guarded(lambda: door, where, person, policy or Policy(s3_prefixes=("s3://set",)), meter, demo), door

    return make


class TestEveryOperation:
    def test_is_named_by_the_guard(self):
        """Whatever the real door can do, the guard names itself or does not have; a new operation fails here."""
        real = {name for name in dir(SageMaker) if not name.startswith("_")}
        assert {name for name in vars(Guarded) if not name.startswith("_")} == real | {"admit"}
        assert set(OPERATIONS) == real
        assert not hasattr(Guarded, "clients"), "boto3's own clients would go past the guard"

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_takes_what_the_real_one_takes(self, name):
        """So that whoever has a door need not know which."""
        assert inspect.signature(getattr(Guarded, name)) == inspect.signature(getattr(SageMaker, name))

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_is_an_owners(self, guard, name):
        """And reaches the real door, once."""
        guarded, door = guard(ANN)
        OPERATIONS[name](guarded)
        assert door.asked == [name]

    @pytest.mark.parametrize("name", USERS)
    def test_is_a_users_where_nothing_is_changed(self, guard, name):
        """Looking and calling."""
        guarded, door = guard(BOB)
        USERS[name](guarded)
        assert door.asked == [name]

    @pytest.mark.parametrize("name", OWNERS)
    @pytest.mark.parametrize("demo", [False, True])
    @pytest.mark.parametrize("person", [BOB, VISITOR])
    def test_that_changes_something_is_no_users(self, guard, name, demo, person):
        """Not even of the demo, which everybody shares."""
        guarded, door = guard(person, demo=demo)
        with pytest.raises(NotAllowed):
            OWNERS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", OPERATIONS)
    @pytest.mark.parametrize("demo", [False, True])
    def test_is_no_viewers(self, guard, name, demo):
        """Who only looks calls nothing."""
        guarded, door = guard(EVE, demo=demo)
        with pytest.raises(NotAllowed):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", OPERATIONS)
    def test_is_no_visitors_on_aws(self, guard, name):
        """Where nobody logs in, nothing of AWS is called."""
        guarded, door = guard(VISITOR)
        with pytest.raises(NotAllowed):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", sorted(set(USERS) - {"s3_read", "s3_source"}))
    def test_of_the_demo_is_a_visitors(self, guard, name):
        """Whatever changes nothing, and is not S3."""
        guarded, door = guard(VISITOR, demo=True, where=Connection("us-east-1", "http://127.0.0.1:1"))
        USERS[name](guarded)
        assert door.asked == [name]

    @pytest.mark.parametrize("name", OPERATIONS)
    @pytest.mark.parametrize(
        "where",
        [
            Connection("eu-west-1", "http://169.254.169.254/latest"),
            Connection("eu-west-1", "http://127.0.0.1:1"),
            Connection("eu-west-1", "http://user@10.0.0.1"),
        ],
    )
    def test_reaches_no_other_address(self, guard, name, where):
        """Not for an owner either: a link must not send this server's requests into its network."""
        guarded, door = guard(ANN, where=where)
        with pytest.raises(NotAllowed, match="neither AWS nor the demo"):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", OPERATIONS)
    @pytest.mark.parametrize("whose", [{"profile": "prod"}, {"role": "arn:aws:iam::123456789012:role/admin"}])
    def test_with_other_credentials_is_no_users(self, guard, name, whose):
        """A profile or a role in a link is an owner's choice."""
        guarded, door = guard(BOB, where=Connection("eu-west-1", **whose))
        with pytest.raises(NotAllowed):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"s3_read", "s3_source"}))
    def test_in_another_region(self, guard, name):
        """Is refused to everybody whom the policy binds, by the setting's name."""
        guarded, door = guard(ANN, Policy(regions=("us-east-1",)))
        with pytest.raises(NotAllowed, match="regions allows us-east-1"):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", sorted(NAMED))
    def test_on_an_endpoint_that_is_not_listed(self, guard, name):
        """Is refused to everybody whom the policy binds, by the setting's name."""
        guarded, door = guard(ANN, Policy(endpoints=("boats-*",)))
        with pytest.raises(NotAllowed, match=r"endpoints allows boats-\*"):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", ["describe_model", "describe_endpoint_config"])
    def test_on_a_part_where_only_some_endpoints_are_open(self, guard, name):
        """A model does not tell whose it is, so that it is an owner's then."""
        guarded, door = guard(BOB, Policy(endpoints=("cars",)))
        with pytest.raises(NotAllowed, match="takes the role of an owner"):
            OPERATIONS[name](guarded)
        assert door.asked == []

    @pytest.mark.parametrize("name", ["s3_source", "s3_read"])
    def test_in_s3_below_no_prefix(self, guard, name):
        """Nothing is read that the policy does not name."""
        for policy in (Policy(), Policy(s3_prefixes=("s3://other", "s3://set/b"))):
            guarded, door = guard(ANN, policy)
            with pytest.raises(NotAllowed, match="s3_prefixes"):
                OPERATIONS[name](guarded)
            assert door.asked == []

    def test_that_uploads_below_no_prefix(self, guard):
        """An asynchronous call's images go where the policy allows, and nowhere else."""
        guarded, door = guard(BOB, Policy(s3_prefixes=("s3://set",)))
        guarded.invoke(Request("cars", hosting="asynchronous", s3_input="s3://set/in"), SCENE)
        with pytest.raises(NotAllowed, match="s3_prefixes"):
            guarded.invoke(Request("cars", hosting="asynchronous", s3_input="s3://settings"), SCENE)
        assert door.asked == ["invoke"]

    def test_with_an_image_that_is_too_large(self, guard):
        """Is refused at the last door too, whichever page has let it pass."""
        guarded, door = guard(BOB, Policy(megapixels=0.01))
        with pytest.raises(NotAllowed, match="megapixels"):
            guarded.invoke(Request("cars"), SCENE)
        assert door.asked == []


@pytest.fixture
def account(monkeypatch, tmp_path):
    """moto's AWS with three endpoints, and keys for it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("HOME", str(tmp_path))
    with mock_aws():
        client = boto3.client("sagemaker", region_name="eu-west-1")
        role = "arn:aws:iam::123456789012:role/execution"
        for name in ("cars-1", "cars-2", "secret"):
            client.create_model(ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": "i"})
            variant = {
                "VariantName": "A", "ModelName": name, "InitialInstanceCount": 2, "InstanceType": "ml.m5.xlarge",
                "InitialVariantWeight": 1.0,
            }  # fmt: skip
            client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
            client.create_endpoint(EndpointName=name, EndpointConfigName=name)
        yield client


class TestTheControlPlane:
    def test_lists_what_is_open(self, account, meter):
        """The names of the others are not told, and none of them is described."""
        door = SageMaker(HERE)
        guarded = Guarded(lambda: door, HERE, BOB, Policy(endpoints=("cars-*",)), meter)
        assert {endpoint.name for endpoint in guarded.endpoints()} == {"cars-1", "cars-2"}
        assert guarded.endpoints("secret") == ()
        described = guarded.describe_all(guarded.endpoints())
        assert {endpoint.variants[0].instance for endpoint in described} == {"ml.m5.xlarge"}
        with pytest.raises(NotAllowed):
            guarded.describe_all(door.endpoints())

    def test_an_owner_deletes_what_is_open(self, account, meter):
        """And nothing else, for the policy binds owners too."""
        guarded = Guarded(lambda: SageMaker(HERE), HERE, ANN, Policy(endpoints=("cars-*",)), meter)
        guarded.delete_endpoint("cars-1")
        with pytest.raises(NotAllowed):
            guarded.delete_endpoint("secret")
        left = {row["EndpointName"] for row in account.list_endpoints()["Endpoints"]}
        assert left == {"cars-2", "secret"}

    def test_what_a_call_costs(self, account, meter):
        """The machines of the endpoint for the time of the call, at the observed price."""
        real = SageMaker(HERE)
        door = Door()
        door.describe = real.describe
        guarded = Guarded(lambda: door, HERE, BOB, Policy(usd_per_day=5), meter)
        guarded.invoke(Request("cars-1"), SCENE)
        until(lambda: meter.spent() > 0)
        price = price_per_hour("eu-west-1", "ml.m5.xlarge")
        assert meter.spent(BOB) == pytest.approx(2 * price.usd_per_hour * 36 / 3600)
        assert meter.spent(CAT) == 0


class TestTheDemoOverASocket:
    def test_answers_a_visitor_within_the_limit(self, meter):
        """The real server answers, and the call after the last allowed one is refused without being made."""
        with EmbeddedServer(delay=0) as server:
            where = Connection("us-east-1", server.url)
            door = SageMaker(where)
            guarded = Guarded(lambda: door, where, VISITOR, Policy(requests_per_minute=2), meter, demo=True)
            assert DEMO_ENDPOINT in {endpoint.name for endpoint in guarded.endpoints()}
            request = Request(DEMO_ENDPOINT, variant=guarded.describe(DEMO_ENDPOINT).variants[0].name)
            assert guarded.invoke(request, SCENE).body
            assert guarded.invoke(request, SCENE).body
            with pytest.raises(LimitReached, match=r"2 of 2 calls in this minute; the next one in \d\d s"):
                guarded.invoke(request, SCENE)
            with pytest.raises(NotAllowed):
                guarded.delete_endpoint(DEMO_ENDPOINT)
            assert guarded.describe(DEMO_ENDPOINT).status == "InService"
            assert meter.spent() == 0


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 1000.0
        self.day = "2026-01-31"


@pytest.fixture
def clock():
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def timed(tmp_path, clock):
    """Opens meters of one file that go by the clock."""
    opened = []

    def make():
        opened.append(Meter(tmp_path / "people" / "server.db", lambda: clock.now, lambda: clock.day))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


class TestCallsOfAMinute:
    def test_the_window_slides(self, timed, clock):
        """A call makes room for another exactly a minute after it began, and not at the turn of a minute."""
        meter, policy = timed(), Policy(requests_per_minute=2)
        assert meter.wait(BOB, policy) == 0
        clock.now += 50
        assert meter.wait(BOB, policy) == 0
        assert meter.wait(BOB, policy) == 10
        clock.now += 10
        assert meter.wait(BOB, policy) == 0
        assert meter.wait(BOB, policy) == 50

    def test_each_person_has_their_own(self, timed):
        """Nobody uses up what is another's."""
        meter, policy = timed(), Policy(requests_per_minute=1)
        assert meter.wait(BOB, policy) == 0
        assert meter.wait(CAT, policy) == 0
        assert meter.wait(BOB, policy) == meter.wait(CAT, policy) == WINDOW

    def test_without_a_limit(self, timed):
        """Any number."""
        meter = timed()
        assert [meter.wait(BOB, Policy()) for _ in range(1000)] == [0] * 1000

    def test_each_visitor_has_their_own(self, timed):
        """One who calls much keeps no other from calling."""
        meter, policy = timed(), Policy(requests_per_minute=2)
        one, other = replace(VISITOR, session="one"), replace(VISITOR, session="other")
        assert [meter.wait(visitor, policy) for visitor in (one, one, one, other)] == [0, 0, WINDOW, 0]

    def test_who_is_gone_is_forgotten(self, timed, clock):
        """Visitors come and go for as long as the server is up; what was counted for them goes with the minute."""
        meter, policy = timed(), Policy(requests_per_minute=2)
        for number in range(REMEMBERED + 1):
            meter.wait(replace(VISITOR, session=str(number)), policy)
        assert meter.counted == REMEMBERED + 1
        clock.now += WINDOW
        meter.wait(BOB, policy)
        assert meter.counted == 1

    def test_a_call_that_was_admitted_is_not_counted_twice(self, timed):
        """A run asks first and calls then; in the thread that has asked, and once."""
        meter, policy = timed(), Policy(requests_per_minute=2)
        assert meter.wait(BOB, policy) == 0
        meter.take(BOB, policy)
        meter.take(BOB, policy)
        with pytest.raises(LimitReached, match="2 of 2 calls"):
            meter.take(BOB, policy)

    def test_what_one_was_admitted_to_is_not_anothers(self, timed):
        """Neither another person's, nor another thread's."""
        meter, policy = timed(), Policy(requests_per_minute=1)
        assert meter.wait(BOB, policy) == 0
        assert meter.wait(CAT, policy) == 0
        with pytest.raises(LimitReached):
            meter.take(BOB, policy)
        assert meter.wait(ANN, policy) == 0
        with ThreadPoolExecutor(1) as pool, pytest.raises(LimitReached):
            pool.submit(meter.take, ANN, policy).result()

    def test_many_threads_make_no_more(self, timed):
        """However many ask at once, exactly as many are let through as may."""
        meter, policy = timed(), Policy(requests_per_minute=100)
        with ThreadPoolExecutor(16) as pool:
            waits = list(pool.map(lambda _: meter.wait(BOB, policy), range(400)))
        assert waits.count(0) == 100


class TestMoneyOfADay:
    def test_all_together_stop_at_the_limit(self, timed):
        """The refusal names the limit and what was spent; it may pass, for tomorrow is another day."""
        meter, policy = timed(), Policy(usd_per_day=1)
        meter.pay(BOB, 0.4)
        meter.pay(CAT, 0.5)
        until(lambda: meter.spent() > 0.8)
        assert meter.wait(ANN, policy) == 0
        meter.pay(BOB, 0.1)
        until(lambda: meter.spent() > 0.95)
        with pytest.raises(LimitReached, match=r"USD 1.00, of 1.00") as caught:
            meter.wait(ANN, policy)
        assert "usd_per_day in [smviz]" in caught.value.advice
        assert caught.value.passing
        assert (meter.spent(BOB), meter.spent(CAT), meter.spent(ANN)) == (pytest.approx(0.5), 0.5, 0)

    def test_a_restart_forgets_nothing(self, timed):
        """Nor does a second server on the same workspace see less."""
        first = timed()
        first.pay(BOB, 0.4)
        first.close()
        assert timed().spent(BOB) == 0.4

    def test_tomorrow_begins_at_nothing(self, timed, clock):
        """Yesterday's calls cost nothing today."""
        meter, policy = timed(), Policy(usd_per_day=0.1)
        meter.pay(BOB, 0.4)
        until(lambda: meter.spent() > 0)
        clock.day = "2026-02-01"
        assert meter.spent() == 0
        assert meter.wait(BOB, policy) == 0

    def test_what_is_not_known_is_not_counted(self, timed):
        """No price is made up: an unknown one counts nothing."""
        meter = timed()
        meter.pay(BOB, float("nan"))
        meter.pay(BOB, 0.0)
        meter.close()
        assert timed().spent() == 0

    def test_a_file_that_is_no_database(self, tmp_path):
        """Is told as what it is, and no call is let through by mistake."""
        (tmp_path / "server.db").write_text("nothing of the kind" * 100)
        with pytest.raises(StoreError):
            Meter(tmp_path / "server.db")


@pytest.fixture
def run(tmp_path):
    """An empty workspace, and a run of six images in it."""
    with Store(tmp_path / "workspace") as store:
        refs = [ImageRef(path.name, path=path) for path in SAMPLES.images[:6]]
        yield store, store.create_run("run", HERE, Request("cars"), Preset("p"), refs, endpoint_config="c")


def begin(run, meter, policy):
    """A run at work behind a guard, and the door that remembers its calls."""
    store, made = run
    door = Door()
    guarded = Guarded(lambda: door, HERE, BOB, policy, meter)
    batch = BatchRun(store, made, lambda payload: guarded.invoke(made.request, payload), 4, admit=guarded.admit)
    batch.start()
    return batch, door


class TestARun:
    def test_slows_down_at_the_calls_of_a_minute(self, run, timed, clock):
        """It waits rather than fails: no image is lost, no call is counted that was not made."""
        batch, door = begin(run, timed(), Policy(requests_per_minute=2))
        until(lambda: door.calls == 2)
        time.sleep(0.3)
        assert door.calls == 2
        assert batch.progress.state == "running"
        assert batch.progress.calls == 2
        for calls in (4, 6):
            clock.now += WINDOW
            until(lambda calls=calls: door.calls == calls)
        end = batch.result()
        assert (end.state, end.done, end.failed, end.calls) == ("finished", 6, 0, 6)

    def test_can_be_paused_and_stopped_while_it_waits(self, run, timed):
        """Neither takes the rest of the minute."""
        batch, door = begin(run, timed(), Policy(requests_per_minute=1))
        until(lambda: door.calls == 1 and batch.progress.done == 1)
        batch.pause()
        until(lambda: batch.progress.state == "paused")
        batch.resume()
        until(lambda: batch.progress.in_flight > 0)
        batch.stop()
        assert batch.wait(5)
        assert (batch.progress.state, batch.progress.done, batch.progress.failed) == ("stopped", 1, 0)

    def test_pauses_when_the_money_is_used_up(self, run, timed, clock):
        """With the limit's name; what was answered is kept, and the next day it goes on where it was."""
        meter = timed()
        batch, door = begin(run, meter, Policy(usd_per_day=1, requests_per_minute=3))
        until(lambda: door.calls == 3)
        meter.pay(CAT, 2)
        until(lambda: meter.spent() == 2)
        clock.now += WINDOW
        until(lambda: batch.progress.state == "paused")
        assert "USD 2.00, of 1.00" in batch.progress.error.message
        assert (batch.progress.done, batch.progress.failed) == (3, 0)
        batch.resume()
        until(lambda: batch.progress.state == "paused" and batch.progress.error is not None)
        assert door.calls == 3
        clock.day = "2026-02-01"
        batch.resume()
        end = batch.result()
        assert (end.state, end.done, end.failed, end.calls, end.error) == ("finished", 6, 0, 6, None)

    def test_of_two_people_share_no_calls(self, run, timed):
        """While one waits for the minute to end, another's call is made at once."""
        meter, policy = timed(), Policy(requests_per_minute=1)
        batch, door = begin(run, meter, policy)
        until(lambda: door.calls == 1)
        other = Door()
        Guarded(lambda: other, HERE, CAT, policy, meter).invoke(Request("cars"), SCENE)
        assert other.asked == ["invoke"]
        batch.stop()
        assert batch.wait(5)

    def test_leaves_an_image_that_is_too_large_as_a_failure(self, run, timed):
        """It is one image's trouble, and no other's."""
        store, made = run

        def read(image):
            if image.name == SAMPLES.images[2].name:
                raise NotAllowed("It has 31.0 MB.", "Ask.")
            return image.path.read_bytes()

        door = Door()
        guarded = Guarded(lambda: door, HERE, BOB, Policy(), timed())
        batch = BatchRun(store, made, lambda payload: guarded.invoke(made.request, payload), 2, read=read)
        batch.start()
        end = batch.result()
        assert (end.done, end.failed, dict(end.failures)) == (5, 1, {"NotAllowed": 1})


def test_the_person_at_this_machine_needs_no_guard(meter):
    """Even behind one, nothing is refused that does not lead elsewhere: the policy binds others."""
    strict = Policy(regions=("us-east-1",), endpoints=("x",), images_per_run=1, megapixels=0.1, megabytes=0.1)
    door = Door()
    guarded = Guarded(lambda: door, HERE, LOCAL, strict, meter)
    for operation in OPERATIONS.values():
        operation(guarded)
    assert len(door.asked) == len(OPERATIONS)
