"""What sessions that look at the same have in common: made once, and gone when the last of them is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Value = TypeVar("Value")


class InCommon(Generic[Value]):
    """Values by key, kept as long as somebody else holds them.

    Whoever asks for one that is being made waits for it: fifty people who open a run at once cost as much as one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: WeakValueDictionary[Hashable, Value] = WeakValueDictionary()
        self._making: WeakValueDictionary[Hashable, _Turn] = WeakValueDictionary()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What a key names, made if nobody holds it; what `make` raises is raised, and nothing is kept."""
        with self._lock:
            turn = self._making.get(key)
            if turn is None:
                turn = self._making[key] = _Turn()
        with turn.lock:
            value = self._values.get(key)
            if value is None:
                value = self._values[key] = make()
            return value


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.Lock()
