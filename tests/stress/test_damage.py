"""A store that lost or garbled some of what it held is found out, and made whole by the next run."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.graph import load_graph
from loc.app.batch import run_all
from loc.app.verify import verify
from loc.errors import ExitCode
from loc.events import Event, Notice
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.stress.conftest import Reference
from tests.stress.job import Job, whole

Harm = Callable[[Path], None]


def flip(path: Path) -> None:
    """Change one bit in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def remove(path: Path) -> None:
    path.unlink()


def run(job: Job) -> list[str]:
    """Run a job in this process; the codes of its notices."""
    seen: list[Event] = []
    translations = {language: job.video.parent / f"{language}.srt" for language in job.languages}
    settings = Settings(
        languages=job.languages, translation=translations, work_dir=job.work, output=f"{job.out}/"
    )
    [outcome] = run_all([job.video], load_graph(), settings, [seen.append])
    assert outcome.code == ExitCode.DONE, outcome.result and outcome.result.error
    return [event.code for event in seen if isinstance(event, Notice)]


def objects(store: WorkDir) -> list[Path]:
    return [path for _, path in store.objects()]


def records(store: WorkDir) -> list[Path]:
    return [store.action_path(key) for key in store.action_keys()]


@pytest.mark.parametrize(
    ("what", "harm", "said"),
    [
        (objects, flip, "object-damaged"),
        (objects, truncate, "object-missing"),
        (objects, remove, "object-missing"),
        (records, flip, "record-damaged"),
        (records, empty, "record-damaged"),
        (records, remove, None),
    ],
)
@pytest.mark.parametrize("share", [0.3, pytest.param(1.0, marks=pytest.mark.slow)])
def test_harm_is_found_said_and_mended(
    finished: Job,
    reference: Reference,
    what: Callable[[WorkDir], list[Path]],
    harm: Harm,
    said: str | None,
    share: float,
) -> None:
    places = what(finished.store())
    for path in random.Random(7).sample(places, max(1, round(share * len(places)))):
        harm(path)
    codes = run(finished)
    assert (said in codes) if said else not [code for code in codes if code.endswith(("damaged", "missing"))]
    assert finished.media() == reference.media
    # What the run did not need to read may be damaged still; verify finds it, and one more run makes it.
    verify(finished.store())
    run(finished)
    found = verify(finished.store())
    assert found.intact
    assert found.unrecorded == ()
    assert set(finished.records()) == set(reference.job.records())
    assert len(list(whole(finished.store()))) >= len(list(whole(reference.job.store()))) - 2, "but sidecars"
