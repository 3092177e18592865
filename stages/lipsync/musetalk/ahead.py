"""Work that runs ahead of whoever takes it: decoding, nets and coding side by side, a few items apart."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Runs an iterator in a thread of its own, at most `depth` items ahead of who takes them in the block.

    What the iterator raises is raised where its items are taken. Leaving the block ends it after the item it
    is at.
    """

    def __init__(self, items: Iterable[Item], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(depth)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return self._taken()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        while self._thread.is_alive():
            # Whoever waits for room sees that nobody takes any more.
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._items:
                if self._stop.is_set():
                    return
                self._queue.put((item,))
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            self._error = error
        self._queue.put(None)

    def _taken(self) -> Iterator[Item]:
        while (held := self._queue.get()) is not None:
            yield held[0]
        if self._error is not None:
            raise self._error
