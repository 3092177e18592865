"""When work has to stop: at a time of the clock, or so long after it began.

A deadline is looked at between actions and never cuts one short, so nothing that was begun is lost, and the
next run goes on from there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from loc.errors import DeadlinePassed

_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_SPAN = re.compile(r"(?=[0-9])(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?")


def check_form(text: str) -> str:
    """The text, if it can be read.

    Raises:
        ValueError: it is neither a time nor a duration.
    """
    if not (_CLOCK.fullmatch(text) or _SPAN.fullmatch(text)):
        raise ValueError(f"{text!r} is neither a time such as 06:00 nor a duration such as 5h30m")
    return text


@dataclass(frozen=True)
class Deadline:
    """The end of the time there is. `passed` is asked for, as nothing interrupts the work."""

    text: str
    """As the user wrote it."""
    at: datetime
    """In local time, with its offset."""
    passed: Callable[[], bool]

    def check(self) -> None:
        """Let work go on that is in time.

        Raises:
            DeadlinePassed.
        """
        if self.passed():
            raise DeadlinePassed(
                f"The deadline ({self.text}) came before the end.",
                why="Everything finished so far is kept.",
                fix="Run the same command again to go on from there.",
            )


def deadline(text: str, now: datetime | None = None) -> Deadline:
    """The deadline a user means, counted from now.

    A time means the next time the local clock shows it, and is compared with that clock. A duration is
    measured by a clock that nobody sets.

    Args:
        text: of a form that `check_form` lets pass.
        now: local time; only tests give it.
    """
    check_form(text)
    now = now or datetime.now().astimezone()
    if clock := _CLOCK.fullmatch(text):
        # Without an offset: the day after a change of the clocks has another.
        wanted = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0, tzinfo=None)
        at = wanted.astimezone()
        if at <= now:
            at = (wanted + timedelta(days=1)).astimezone()
        return Deadline(text, at, lambda: time.time() >= at.timestamp())
    match = _SPAN.fullmatch(text)
    assert match is not None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    end = time.monotonic() + span.total_seconds()
    return Deadline(text, (now + span).astimezone(), lambda: time.monotonic() >= end)
