"""Results that are made a batch at a time, when the first of a batch is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

from loc.errors import LocError

Asked = TypeVar("Asked", bound=Hashable)
Answer = TypeVar("Answer")


class Batches(Generic[Asked, Answer]):
    """Batches of work whose units are stored as actions of their own.

    Args:
        groups: what is made together.
        make: a group -> an answer or an error for each member, in order.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[Asked]],
        make: Callable[[Sequence[Asked]], Sequence[Answer | LocError]],
    ) -> None:
        self._groups = groups
        self._make = make
        self._group_of = {asked: number for number, group in enumerate(groups) for asked in group}
        self._locks = [threading.Lock() for _ in groups]
        self._made: dict[Asked, Answer | LocError] = {}

    def last(self, asked: Iterable[Asked]) -> int:
        """Number of the latest group that is needed for all of these; -1 where none is."""
        return max((self._group_of.get(one, -1) for one in asked), default=-1)

    def get(self, asked: Asked) -> Answer:
        """The answer, made now with all of its group if it is not there. A group that fails as a whole is not
        made again for each of its members.

        Raises:
            LocError: there is none.
        """
        # What was found made when the groups were formed, and is lost since, makes a group of its own.
        number = self._group_of.get(asked)
        if number is None:
            return _or_raise(self._make([asked])[0])
        with self._locks[number]:
            if asked not in self._made:
                group = self._groups[number]
                try:
                    self._made.update(zip(group, self._make(group), strict=True))
                except LocError as error:
                    self._made.update(dict.fromkeys(group, error))
        return _or_raise(self._made[asked])


def _or_raise(answer: Answer | LocError) -> Answer:
    if isinstance(answer, LocError):
        raise answer
    return answer
