"""What a deadline means, and that work ends at it with nothing lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loc.deadline import Deadline, check_form, deadline
from loc.errors import DeadlinePassed
from loc.events import EventBus
from loc.runner import Action, Made, Out, Runner, Site
from loc.store.workdir import WorkDir


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("now", "text", "at"),
    [
        ("2026-11-26T23:10:00+01:00", "06:00", "2026-11-27T06:00:00+01:00"),
        ("2026-11-26T05:59:59+01:00", "6:00", "2026-11-26T06:00:00+01:00"),
        ("2026-11-26T06:00:00+01:00", "06:00", "2026-11-27T06:00:00+01:00"),
        # The clocks are set an hour on in this night, and back in that one.
        ("2027-03-27T22:00:00+01:00", "06:00", "2027-03-28T06:00:00+02:00"),
        ("2027-10-30T22:00:00+02:00", "06:00", "2027-10-31T06:00:00+01:00"),
        ("2026-11-26T23:10:00+01:00", "5h30m", "2026-11-27T04:40:00+01:00"),
        ("2026-11-26T23:10:00+01:00", "90m", "2026-11-27T00:40:00+01:00"),
        ("2026-11-26T23:10:00+01:00", "45s", "2026-11-26T23:10:45+01:00"),
        ("2027-03-28T01:30:00+01:00", "1h", "2027-03-28T03:30:00+02:00"),
    ],
)
def test_times_are_the_next_of_the_local_clock_and_durations_count_from_now(
    berlin: None, now: str, text: str, at: str
) -> None:
    assert deadline(text, datetime.fromisoformat(now)).at == datetime.fromisoformat(at)


@pytest.mark.parametrize("text", ["", "24:00", "6", "6pm", "5h30", "h", "-1h", "06:60", "1.5h", "30m5h"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a time"):
        check_form(text)


def test_it_has_passed_when_its_clock_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    span, clock = deadline("1h"), deadline("06:00")
    assert not span.passed()
    assert not clock.passed()
    before = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: before + 3599)
        assert not span.passed()
        patch.setattr(time, "monotonic", lambda: before + 3601)
        assert span.passed()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: clock.at.timestamp() - 1)
        assert not clock.passed()
        patch.setattr(time, "time", clock.at.timestamp)
        assert clock.passed()
    assert deadline("0s").passed()


class Bench:
    """A runner whose deadline passes when the test says so."""

    def __init__(self, root: Path) -> None:
        self.late = threading.Event()
        self.made: list[str] = []
        end = Deadline("06:00", datetime.now(UTC), self.late.is_set)
        self.runner = Runner(WorkDir(root), EventBus(), workers=2, deadline=end)

    def work(self, name: str, during: threading.Barrier | None = None) -> tuple[Action, object]:
        def make(out: Out) -> None:
            if during is not None:
                during.wait(timeout=60)
                self.late.wait(timeout=60)
            out.bytes("out", name.encode())
            self.made.append(name)

        return Action(f"toy.{name}", 1, Site("toy"), {}), make


def test_what_is_under_way_is_kept_and_nothing_begins_after_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    both_at_work = threading.Barrier(3)

    def pass_the_deadline() -> None:
        both_at_work.wait(timeout=60)
        bench.late.set()

    watch = threading.Thread(target=pass_the_deadline)
    watch.start()
    batch = [bench.work("a", both_at_work), bench.work("b", both_at_work), bench.work("c")]
    with pytest.raises(DeadlinePassed):
        bench.runner.map(batch, parallel=True)  # type: ignore[arg-type]
    watch.join()
    assert sorted(bench.made) == ["a", "b"]
    # Found made although it is late; what is not made stays so.
    again = bench.runner.map([bench.work("a"), bench.work("b")])  # type: ignore[list-item]
    assert [made.hit for made in again if isinstance(made, Made)] == [True, True]
    with pytest.raises(DeadlinePassed):
        bench.runner.attempt([bench.work("c")])  # type: ignore[list-item]
    assert sorted(bench.made) == ["a", "b"]
