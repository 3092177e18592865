"""A work directory that two users share."""

from __future__ import annotations

import _strptime  # noqa: F401 - imported late by datetime, from where the other user may not read
import grp
import multiprocessing
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import pytest

from loc.app.batch import run_all
from loc.app.cache import collect
from loc.errors import ExitCode, LocError
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.app.toy import Toy

OTHER = "nobody"
THIRD = "daemon"
GROUP = "users"
"""Of which both can be; neither of them is root."""

Answer = TypeVar("Answer")


@dataclass
class Office:
    """A place both users can reach, with a film in it."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def run(self, toy: Toy, data: str = "data") -> tuple[int, str, list[str]]:
        """Run the job; its exit code, its error, and what was made."""
        toy.made.clear()
        settings = Settings(
            work_dir=self.work,
            data_dir=self.folder / data,
            languages=("ja",),
            output=f"{self.folder}/out/",
            source_language="en",
        )
        try:
            [outcome] = run_all([self.folder / "talk.mp4"], toy.graph(), settings)
        except LocError as error:
            return error.code, str(error), toy.made
        told = outcome.error or (outcome.result.error if outcome.result else None)
        return outcome.code, str(told or ""), toy.made

    def open_to_all(self) -> None:
        """As with a umask of 0: every folder may be written by everybody."""
        for folder, _, _ in os.walk(self.folder):
            Path(folder).chmod(0o777)


@pytest.fixture
def office(video: Path) -> Iterator[Office]:
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    # Not under pytest's own folder, which is closed to others.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(video, folder)
    (folder / "out").mkdir(mode=0o777)
    (folder / "out").chmod(0o777)
    yield Office(folder)
    shutil.rmtree(folder)


def as_user(name: str, do: Callable[[], Answer], *, in_group: bool = False) -> Callable[[], Answer]:
    """Have a child do something as another user; call what is returned to wait for its answer.

    Args:
        in_group: as one of `GROUP`, who lets the others write.
    """

    def work(pipe: Connection) -> None:
        user = pwd.getpwnam(name)
        os.setgroups([])
        os.setgid(grp.getgrnam(GROUP).gr_gid if in_group else user.pw_gid)
        os.setuid(user.pw_uid)
        os.umask(0o002 if in_group else 0o022)
        pipe.send(do())

    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    child = fork.Process(target=work, args=(theirs,))
    child.start()
    theirs.close()

    def answer() -> Answer:
        said: Answer = ours.recv()
        child.join()
        return said

    return answer


def as_other(do: Callable[[], Answer]) -> Answer:
    """What comes of it when another user does something."""
    return as_user(OTHER, do)()


def gone(work: Path) -> int:
    """Collect; what the command would end with."""
    try:
        collect(WorkDir(work))
    except LocError as error:
        return error.code
    return ExitCode.DONE


def test_who_may_write_goes_on_with_the_work_of_another(office: Office, toy: Toy) -> None:
    assert office.run(toy) == (ExitCode.DONE, "", ["ingest.read", "translate.line", "deliver.mux"])
    office.open_to_all()
    assert as_other(lambda: office.run(toy)) == (ExitCode.DONE, "", [])
    (office.folder / "talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nyaa\n")
    assert as_other(lambda: office.run(toy)) == (ExitCode.DONE, "", ["translate.take", "deliver.mux"])
    assert as_other(lambda: collect(WorkDir(office.work))).actions == 2
    assert office.run(toy) == (ExitCode.DONE, "", [])


def test_what_one_user_claims_another_does_not_collect(office: Office) -> None:
    store = WorkDir(office.work)
    ref = store.put_bytes(b"claimed")
    office.open_to_all()
    assert as_other(lambda: collect(WorkDir(office.work))).objects == 0
    assert store.read_bytes(ref) == b"claimed"


def test_who_may_not_write_is_told_so(office: Office, toy: Toy) -> None:
    office.run(toy)
    code, error, made = as_other(lambda: office.run(toy))
    assert (code, made) == (ExitCode.STORAGE, [])
    assert f"Could not open the work directory {office.work}." in error
    assert "Permission denied" in error
    assert "--work-dir" in error


def test_work_that_may_not_be_read_is_not_taken_for_damaged(office: Office, toy: Toy) -> None:
    """Of a user who lets nobody read: neither harmed nor collected."""
    office.run(toy)
    office.open_to_all()
    for folder, _, files in os.walk(office.work):
        for name in files:
            Path(folder, name).chmod(0o600)
    code, error, made = as_other(lambda: office.run(toy))
    assert (code, made) == (ExitCode.STORAGE, [])
    assert "Permission denied" in error
    for path in ((), (office.work / "locks").iterdir()):
        for lock in path:
            lock.chmod(0o666)
        assert as_other(lambda: gone(office.work)) == ExitCode.STORAGE
    assert not (office.work / "damaged").exists()
    assert office.run(toy) == (ExitCode.DONE, "", [])


def test_a_data_folder_of_somebody_else_is_no_fault_of_loc(office: Office, toy: Toy) -> None:
    office.run(toy)
    office.open_to_all()
    (office.folder / "private").mkdir(mode=0o700)
    code, error, made = as_other(lambda: office.run(toy, "private"))
    assert code == ExitCode.STORAGE
    assert "--data-dir" in error
    assert not made


def test_two_who_are_not_root_share_a_work_directory(office: Office, toy: Toy) -> None:
    """At once, with a common group and `umask 002`: what one makes the other finds."""
    os.chown(office.folder, -1, grp.getgrnam(GROUP).gr_gid)
    office.folder.chmod(0o775)

    def run_as(user: str) -> Callable[[], tuple[int, str, list[str]]]:
        return as_user(user, lambda: office.run(toy), in_group=True)

    ran = [waiting() for waiting in [run_as(user) for user in (OTHER, THIRD)]]
    assert [(code, error) for code, error, _ in ran] == [(ExitCode.DONE, "")] * 2
    made = [name for _, _, names in ran for name in names]
    assert sorted(made) == ["deliver.mux", "ingest.read", "translate.line"], "each by one of them"
    (office.folder / "talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,400\nyaa\n")
    assert run_as(OTHER)() == (ExitCode.DONE, "", ["translate.take", "deliver.mux"])
    assert as_user(THIRD, lambda: collect(WorkDir(office.work)).actions, in_group=True)() == 2
    for user in (OTHER, THIRD):
        assert run_as(user)() == (ExitCode.DONE, "", [])
    owners = {path.stat().st_uid for path in office.work.rglob("*")}
    assert 0 not in owners
