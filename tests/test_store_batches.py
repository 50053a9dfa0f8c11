"""Outcomes that reach the disk together: stored as if one after another, and told of at once."""

import random
import threading

import pytest

from smviz.errors import StoreError
from smviz.records import Failure, ImageRef, Outcome, Reply
from smviz.settings import Connection, Preset, Request
from smviz.store import Store
from smviz.store.outcomes import Arrival, append_outcomes

NAMES = [f"{i:02d}.png" for i in range(8)]
STORED = """SELECT run.name, image.name, sha256, width, attempts, reused, failure_kind, failure_log, key, latency,
    variant, body, (SELECT count(*) FROM outcome AS other WHERE other.reply = outcome.reply)
    FROM outcome JOIN image ON image.id = outcome.image JOIN run ON run.number = outcome.run
    LEFT JOIN reply ON reply.id = outcome.reply ORDER BY run.name, image.name"""
COUNTS = "SELECT (SELECT count(*) FROM outcome), (SELECT count(*) FROM reply)"


def begin(store, name="run", names=NAMES):
    """A run over images that are nowhere."""
    images = [ImageRef(image, location=f"s3://bucket/{image}") for image in names]
    return store.create_run(name, Connection("x"), Request("e"), Preset("p"), images)


def reply(number):
    """A reply that is told from others by its latency."""
    return Reply(b"[%d]" % number * 50, "application/json", number / 100, "A")


def some(dice, run_ids, how_many):
    """Outcomes of few images and keys: first ones, repeated ones, failures, and replies that were known."""
    arrivals = []
    for number in range(how_many):
        image, key = dice.choice(NAMES), dice.choice(("", "", "k1", "k2", f"own {number}"))
        failed = dice.random() < 0.3
        failure = Failure("Throttled", "Busy \ud800.", "Wait.", dice.choice((None, "log"))) if failed else None
        told = None if failed else reply(dice.choice((number, 1)))
        reused = not failed and bool(key) and dice.random() < 0.3
        outcome = Outcome(image, f"{number}", 4, 3, 1, told, failure, reused, 0.5)
        arrivals.append((dice.choice(run_ids), outcome, key))
    return arrivals


class TestAppendOutcomes:
    @pytest.mark.parametrize("seed", range(40))
    def test_as_one_after_another(self, tmp_path, seed):
        """Whatever comes together, repeated images and keys among it, is stored as if it came one by one."""
        dice = random.Random(seed)
        sizes = [dice.randint(1, 12) for _ in range(4)]
        with Store(tmp_path / "one") as one, Store(tmp_path / "many") as many:
            ids = {store: [begin(store, name).id for name in ("a", "b")] for store in (one, many)}
            for size in sizes:
                drawn = some(dice, (0, 1), size)
                for store, at_once in ((one, 1), (many, size)):
                    arrivals = [Arrival.of(ids[store][run], outcome, key) for run, outcome, key in drawn]
                    for start in range(0, size, at_once):
                        part = arrivals[start : start + at_once]
                        store._database.write(lambda db, part=part: append_outcomes(db, part))
            assert many._database.read(STORED) == one._database.read(STORED)
            assert many._database.read(COUNTS) == one._database.read(COUNTS)

    def test_few_statements(self, tmp_path):
        """First outcomes of 60 images need no statement each, nor a statement of its own for each number of them."""
        names = [f"{i}.png" for i in range(60)]
        with Store(tmp_path) as store:
            run = begin(store, names=names)
            made = [Arrival.of(run.id, Outcome(name, "", 1, 1, 1, reply(at)), name) for at, name in enumerate(names)]
            seen = []

            def write(db):
                db.set_trace_callback(seen.append)
                append_outcomes(db, made)
                db.set_trace_callback(None)

            store._database.write(write)
            assert len(store.answered(run.id)) == 60
        assert len(seen) <= 2 + 2 * 4  # 60 = 32 + 16 + 8 + 4


class TestPost:
    def post_all(self, store, run_id, names, told):
        for name in names:
            store.post(run_id, Outcome(name, "", 1, 1, 1, reply(1)), name, told)
        store.flush()

    def test_told_at_once(self, tmp_path):
        """Whoever posts many outcomes is told of them in their order, in few calls, when others can read them."""
        calls = []
        with Store(tmp_path) as store:
            run = begin(store)

            def told(arrivals, error):
                known = store.answered(run.id)
                calls.append(([arrival.outcome.image for arrival in arrivals], error))
                assert known >= set(calls[-1][0])

            self.post_all(store, run.id, NAMES, told)
        assert [name for names, _ in calls for name in names] == NAMES
        assert all(error is None for _, error in calls)
        assert len(calls) < len(NAMES)

    def test_one_that_fails(self, tmp_path):
        """One outcome that cannot be stored is told with its error, and the others as stored."""
        fine, wrong = [], []

        def told(arrivals, error):
            (wrong if error else fine).extend((arrival.outcome.image, type(error)) for arrival in arrivals)

        with Store(tmp_path) as store:
            run = begin(store)
            self.post_all(store, run.id, [*NAMES[:3], "nowhere", *NAMES[3:]], told)
            assert store.answered(run.id) == set(NAMES)
        assert [name for name, _ in fine] == NAMES
        assert wrong == [("nowhere", StoreError)]

    def test_bug_in_the_callback(self, tmp_path, caplog):
        """A callback that breaks is logged, and takes neither the outcomes nor the writer with it."""
        with Store(tmp_path) as store:
            run = begin(store)
            self.post_all(store, run.id, NAMES[:2], lambda arrivals, error: 1 / 0)
            self.post_all(store, run.id, NAMES[2:], lambda arrivals, error: None)
            assert store.answered(run.id) == set(NAMES)
        assert "ZeroDivisionError" in caplog.text

    def test_waits_for_room(self, tmp_path):
        """Who posts faster than the disk writes waits, so that the memory does not fill; closing ends the wait."""
        with Store(tmp_path) as store:
            run = begin(store)
            gate, errors = threading.Event(), []
            store._database.post(lambda db, values: gate.wait(30), None, lambda values, error: None, urgent=True)

            def flood():
                try:
                    for number in range(5_000):
                        store.post(run.id, Outcome(NAMES[number % 8], "", 1, 1, 1, reply(1)), "", lambda *_: None)
                except StoreError as error:
                    errors.append(error)

            thread = threading.Thread(target=flood)
            thread.start()
            thread.join(0.5)
            assert thread.is_alive()
            threading.Timer(0.2, gate.set).start()
            store.close()
            thread.join(10)
        assert not thread.is_alive()
        assert [error.message.endswith("has been closed.") for error in errors] == [True]
