"""What a worker does next: nobody waits where there is something to do, and nobody does too much."""

import threading
import time

import pytest

from smviz.runner.turnstile import Turnstile


class TestNext:
    def test_ready_before_more(self):
        """An image that is ready is called for before another is made ready; the first come, the first called."""
        turnstile = Turnstile(8)
        _, ready = turnstile.next(finished=False)
        assert ready is None
        for name in ("a", "b"):
            turnstile.put(name)
        assert [turnstile.next(finished=False)[1] for _ in range(2)] == ["a", "b"]

    def test_again_comes_first(self):
        """An image that is called for again goes before those that were not called for yet."""
        turnstile = Turnstile(8)
        turnstile.put("new")
        turnstile.put("again", first=True)
        assert turnstile.next(finished=False)[1] == "again"

    @pytest.mark.parametrize("ceiling", [1, 2, 7])
    def test_no_more_in_hand_than_calls_at_most(self, ceiling):
        """No more images are in hand than calls may be made at once, whoever asks; one that is done makes room."""
        turnstile = Turnstile(ceiling)
        taken = [turnstile.next(finished=False) for _ in range(ceiling)]
        assert [ready for _, ready in taken] == [None] * ceiling
        late = []
        thread = threading.Thread(target=lambda: late.append(turnstile.next(finished=False)))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        for _ in range(ceiling):
            turnstile.next(finished=True)
        thread.join(0.1)
        turnstile.close()
        thread.join(5)
        assert not thread.is_alive()

    def test_nobody_reads_ahead_of_short_calls(self):
        """Where calls are shorter than a millisecond, no more images are in hand than calls at once."""
        turnstile = Turnstile(8)
        turnstile.next(finished=False)
        for _ in range(100):
            turnstile.put("image")
            begun, _ = turnstile.next(finished=False)
            turnstile.leave(begun, True)
            assert turnstile.next(finished=True)[1] is None
        late = []
        thread = threading.Thread(target=lambda: late.append(turnstile.next(finished=False)))
        thread.start()
        thread.join(0.1)
        assert (thread.is_alive(), turnstile.limit) == (True, 1)
        turnstile.close()
        thread.join(5)

    def test_the_end(self):
        """When there are no more images and none is ready, all who wait are let go, and who comes later too."""
        turnstile = Turnstile(1)
        assert turnstile.next(finished=False)[1] is None
        ended = []
        threads = [threading.Thread(target=lambda: ended.append(turnstile.next(finished=False))) for _ in range(4)]
        for thread in threads:
            thread.start()
        turnstile.exhaust()
        for thread in threads:
            thread.join(5)
        assert ended == [None] * 4
        assert turnstile.next(finished=True) is None

    def test_pause(self):
        """In a pause nothing begins, neither a call nor an image; then what is ready begins at once."""
        turnstile = Turnstile(2)
        turnstile.put("a")
        turnstile.pause()
        found = []
        thread = threading.Thread(target=lambda: found.append(turnstile.next(finished=False)))
        thread.start()
        thread.join(0.1)
        assert found == []
        turnstile.resume()
        thread.join(5)
        assert found[0][1] == "a"

    def test_one_probes(self):
        """While a model is loaded only the worker that probes may call; then the others may."""
        turnstile = Turnstile(2)
        turnstile.put("a")
        turnstile.put("b")
        assert turnstile.probe()
        others = []
        thread = threading.Thread(target=lambda: others.append(turnstile.next(finished=False)[1]))
        thread.start()
        thread.join(5)
        assert others == [None]  # it may make one more ready
        begun, ready = turnstile.next(finished=False)
        assert ready == "a"
        turnstile.leave(begun, answer=True)
        turnstile.end_probe()
        thread = threading.Thread(target=lambda: others.append(turnstile.next(finished=False)[1]))
        thread.start()
        thread.join(5)
        assert others == [None, "b"]

    @pytest.mark.parametrize("workers", [1, 3, 16])
    def test_all_are_called_for_once(self, workers):
        """However workers, refusals and retries interleave, each image is called for until it is answered, once."""
        turnstile, lock = Turnstile(workers), threading.Lock()
        images, called, answered, most = iter(range(300)), set(), [], []

        def work():
            finished = False
            while turn := turnstile.next(finished):
                begun, ready = turn
                if ready is None:
                    with lock:
                        image = next(images, None)
                    if image is None:
                        turnstile.exhaust()
                    else:
                        turnstile.put((image,))
                    finished = image is None
                    continue
                most.append(turnstile.in_flight)
                time.sleep(0.0005)
                refused = ready[0] % 7 == 0 and ready not in called
                called.add(ready)
                turnstile.leave(begun, answer=not refused)
                if refused:
                    turnstile.put(ready, first=True)
                else:
                    answered.append(ready[0])
                finished = not refused

        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        assert sorted(answered) == list(range(300))
        assert max(most) <= workers
