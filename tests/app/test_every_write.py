"""The disk fills up at every single thing a run writes, one after the other."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loc.app.batch import run_all
from loc.errors import ExitCode, StorageError
from loc.settings import Settings
from loc.store.keys import digest_file
from tests.app.toy import Toy

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
MOST = 500
"""More than a run of the toy graph writes."""

STEPS = [4, pytest.param(1, marks=pytest.mark.slow)]
"""Every how many writes the disk is full."""
RESUMED = 20
"""After every so many the job is done to its end; after each would take twice the time."""


class Trap:
    """Lets `left` things happen that take room below a folder, then refuses every one, or only the next.

    Opening a file to write, making a folder and renaming are heard of by an audit hook, which cannot be taken
    away again but sleeps unless armed; writes and flushes of descriptors are wrapped.
    """

    def __init__(self) -> None:
        self.root: str | None = None
        self.left = 0
        self.once = False
        self.sprung = False

    def arm(self, root: Path, left: int, *, once: bool = False) -> None:
        self.root, self.left, self.once, self.sprung = str(root), left, once, False

    def disarm(self) -> None:
        self.root = None

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.root is None:
            return
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if opened or event in ("os.mkdir", "os.rename"):
            place = arguments[1] if event == "os.rename" else arguments[0]
            if isinstance(place, (str, os.PathLike)) and os.fspath(place).startswith(self.root):
                self.take()

    def take(self) -> None:
        self.left -= 1
        if self.left == -1 or (self.left < 0 and not self.once):
            self.sprung = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


TRAP = Trap()
sys.addaudithook(TRAP.hear)


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Trap:
    def wrap(name: str) -> None:
        real: Callable[..., Any] = getattr(os, name)

        def wrapped(*arguments: Any) -> Any:
            if TRAP.root is not None:
                TRAP.take()
            return real(*arguments)

        monkeypatch.setattr(os, name, wrapped)

    wrap("write")
    wrap("fsync")
    return TRAP


def attempt(video: Path, toy: Toy, settings: Settings) -> tuple[int, str]:
    """Exit code and error of a run."""
    try:
        [outcome] = run_all([video], toy.graph(), settings)
    except StorageError as error:
        return error.code, str(error)
    told = outcome.error or (outcome.result.error if outcome.result else None)
    return outcome.code, str(told or "")


def files(folder: Path) -> dict[str, bytes]:
    """What a run wrote for the user, but the report and its page, which tell of the run."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if ".report." not in path.name}


def harmed(work: Path) -> list[str]:
    """Objects that are not what they are named by, and what was taken for such."""
    objects = work.glob("objects/*/*")
    wrong = [path.name for path in objects if digest_file(path) != path.parent.name + path.name]
    return wrong + [path.name for path in work.glob("damaged/*")]


def require_whole(folder: Path, outputs: dict[str, bytes]) -> None:
    """However a run ended, it wrote what an undisturbed one writes, and nothing in its store is cut."""
    assert files(folder / "out").items() <= outputs.items()
    assert harmed(folder / "work") == []


Given = Callable[[str], Settings]


@pytest.fixture
def given(tmp_path: Path, settings: Callable[..., Settings]) -> Given:
    """Settings of a work directory and an output folder that no other name has."""
    return lambda name: settings(work_dir=tmp_path / name / "work", output=f"{tmp_path}/{name}/out/")


@pytest.fixture
def outputs(toy: Toy, video: Path, tmp_path: Path, given: Given) -> dict[str, bytes]:
    """What a run writes that is not disturbed."""
    attempt(video, toy, given("whole"))
    found = files(tmp_path / "whole" / "out")
    assert len(found) == 2
    return found


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_full_from_any_write_on(
    toy: Toy, video: Path, tmp_path: Path, given: Given, outputs: dict[str, bytes], trap: Trap, step: int
) -> None:
    for count in range(0, MOST, step):
        trap.arm(tmp_path, count)
        code, error = attempt(video, toy, given(str(count)))
        trap.disarm()
        require_whole(tmp_path / str(count), outputs)
        if not trap.sprung:
            break
        assert code == ExitCode.STORAGE
        assert "no space left" in error
        if count % RESUMED == 0:
            assert attempt(video, toy, given(str(count))) == (ExitCode.DONE, "")
            assert files(tmp_path / str(count) / "out") == outputs
    assert code == ExitCode.DONE, "with room for all"
    assert count > 100


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_full_at_any_one_write(
    toy: Toy, video: Path, tmp_path: Path, given: Given, outputs: dict[str, bytes], trap: Trap, step: int
) -> None:
    """Somebody else makes room a moment later: the run ends as if nobody did, or has lost nothing by it."""
    for count in range(0, MOST, step):
        trap.arm(tmp_path, count, once=True)
        code, error = attempt(video, toy, given(str(count)))
        trap.disarm()
        require_whole(tmp_path / str(count), outputs)
        if not trap.sprung:
            break
        if code != ExitCode.DONE:
            assert code == ExitCode.STORAGE
            assert "no space left" in error
            assert attempt(video, toy, given(str(count))) == (ExitCode.DONE, "")
        assert files(tmp_path / str(count) / "out") == outputs
    assert code == ExitCode.DONE, "with room for all"
    assert count > 100
