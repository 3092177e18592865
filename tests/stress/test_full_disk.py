"""A disk that is full at one write or another: always the same clear end, and nothing half-written."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.graph import load_graph
from loc.app.batch import run_all
from loc.errors import ExitCode, LocError, StorageError
from loc.settings import Settings
from tests.stress.conftest import Reference
from tests.stress.job import Job

ROOMY = "256m"


class Disk:
    """A file system of a given size; needs the right to mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        if self._mount(f"size={ROOMY}") != 0:
            pytest.skip("may not mount a small file system")

    def _mount(self, options: str, *more: str) -> int:
        command = ["mount", "-t", "tmpfs", "-o", ",".join((*more, options)), "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def resize(self, **options: int | str) -> None:
        """`size` in bytes, `nr_inodes` in files and folders."""
        given = ",".join(f"{name}={value}" for name, value in options.items())
        assert self._mount(given, "remount") == 0

    def remove(self) -> None:
        # Lazily: this process may still hold a lease on it.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk")
    yield disk
    disk.remove()


def run(job: Job) -> LocError | None:
    """Run a job in this process; what it ended with."""
    translations = {language: job.video.parent / f"{language}.srt" for language in job.languages}
    settings = Settings(
        languages=job.languages, translation=translations, work_dir=job.work, output=f"{job.out}/"
    )
    try:
        [outcome] = run_all([job.video], load_graph(), settings)
    except StorageError as error:
        return error
    if outcome.code != ExitCode.DONE:
        assert outcome.code == ExitCode.STORAGE
        return outcome.error or (outcome.result.error if outcome.result else None)
    return None


def grow_until_done(job: Job, reference: Reference, disk: Disk, option: str, step: int) -> set[str]:
    """Give a job a little more room each time it ends for want of it; what failed, in its own words."""
    words: set[str] = set()
    for room in range(step, 1000 * step, step):
        disk.resize(**{option: room})
        error = run(job)
        if error is None:
            break
        assert isinstance(error, StorageError), repr(error)
        assert "no space left" in error.why, str(error)
        assert "loc cache gc" in error.fix
        words.add(error.what.split("/", 1)[0])
        assert job.unfinished() == []
        assert job.media().items() <= reference.media.items()
    assert job.media() == reference.media
    return words


def test_work_directory_short_of_bytes(job: Job, reference: Reference, disk: Disk) -> None:
    words = grow_until_done(replace(job, work=disk.folder / "work"), reference, disk, "size", step=160 << 10)
    assert words


def test_work_directory_short_of_files(job: Job, reference: Reference, disk: Disk) -> None:
    words = grow_until_done(replace(job, work=disk.folder / "work"), reference, disk, "nr_inodes", step=13)
    assert len(words) > 1


def test_output_folder_short_of_bytes(finished: Job, reference: Reference, disk: Disk) -> None:
    """Beside what was there before: the old output stays until the new one is whole."""
    words = grow_until_done(
        replace(finished, out=disk.folder / "out"), reference, disk, "size", step=16 << 10
    )
    assert words == {"Could not write "}


@pytest.mark.slow
@pytest.mark.parametrize(("option", "step"), [("size", 24 << 10), ("nr_inodes", 5)])
def test_work_directory_short_at_every_write(
    job: Job, reference: Reference, disk: Disk, option: str, step: int
) -> None:
    """Each run that fails leaves its record and its log: a step must be more than they take."""
    words = grow_until_done(replace(job, work=disk.folder / "work"), reference, disk, option, step)
    assert len(words) > 2


def test_what_the_user_meets(job: Job, reference: Reference, disk: Disk) -> None:
    """Too little to open the work directory, too little to finish, enough."""
    job = replace(job, work=disk.folder / "work")
    for size in (4 << 10, 1400 << 10):
        disk.resize(size=size)
        ended = job.run()
        assert ended.code == ExitCode.STORAGE
        assert "Traceback" not in ended.stderr
        assert sum(line.startswith("error:") for line in ended.stderr.splitlines()) == 1
        assert "There is no space left on the device." in ended.stderr
    disk.resize(size=ROOMY)
    assert job.run().code == ExitCode.DONE
    assert job.media() == reference.media
