"""Runs beside one another and beside a collector, over one work directory."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loc.app.cache import collect
from loc.errors import ExitCode
from tests.stress.conftest import Reference
from tests.stress.job import ROOT, Ended, Job

PEAK_LIMIT_MIB = 1024
"""What one run may take at its peak on a small picture: the embedded models and libraries, each loaded once,
are most of it. `docs/explanation/work-directory.md` states it."""


PAUSE_S = 0.05
"""Between two collections: a core is left to the run."""


def test_two_identical_runs_do_each_action_once(job: Job, reference: Reference) -> None:
    ended = [running.wait() for running in (job.start(), job.start())]
    assert [item.code for item in ended] == [ExitCode.DONE] * 2, ended[0].stderr + ended[1].stderr
    assert sum(item.misses for item in ended) == reference.misses
    assert min(item.misses for item in ended) > 0, "they were at work side by side"
    assert job.media() == reference.media
    assert job.unfinished() == []


def test_two_languages_at_once_share_what_comes_before(job: Job, reference: Reference) -> None:
    spanish = replace(job, languages=("es",))
    running = (job.start(), spanish.start())
    ended = [item.wait() for item in running]
    assert [item.code for item in ended] == [ExitCode.DONE] * 2, ended[0].stderr + ended[1].stderr
    assert sum(item.misses for item in ended) == len(job.records())
    assert sorted(job.media()) == [f"talk.{tag}{end}" for tag in ("es", "ja") for end in (".dub.srt", ".mp4")]
    assert job.media().items() >= reference.media.items()


def collect_beside(job: Job) -> Ended:
    """Run a job with a collector at work again and again."""
    running = job.start()
    collections = 0
    while running.process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.process.wait(PAUSE_S)
        collect(job.store())
        collections += 1
    assert collections > 2
    return running.wait()


def test_a_collector_beside_a_cold_run_takes_nothing(job: Job, reference: Reference) -> None:
    ended = collect_beside(job)
    assert ended.code == ExitCode.DONE, ended.stderr
    assert ended.misses == reference.misses
    assert job.media() == reference.media
    assert job.run().misses == 0


def test_a_collector_beside_a_run_that_comes_back_to_old_work(
    finished: Job, reference: Reference, tmp_path: Path
) -> None:
    """What the run finds is nobody's but its own, and may go until it is found; never after."""
    job = replace(finished, video=tmp_path / "films" / finished.video.name)
    shutil.copytree(finished.video.parent, job.video.parent)
    given = job.video.parent / "ja.srt"
    text = given.read_text(encoding="utf-8")
    for edited in (text.replace("パパ", "ママ"), text):
        given.write_text(edited, encoding="utf-8")
        ended = collect_beside(job) if edited == text else job.run()
        assert ended.code == ExitCode.DONE, ended.stderr
    assert ended.notices.count("object-damaged") == 0
    assert job.media() == reference.media
    assert job.run().misses == 0


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_four_runs_at_once(tmp_path: Path, shared: bool) -> None:
    """Four inputs, with one work directory and with four: each finishes within the memory that is stated."""
    result = tmp_path / "parallel.json"
    command = [sys.executable, str(ROOT / "bench" / "parallel.py"), "-o", str(result)]
    subprocess.run([*command, *(() if shared else ("--apart",))], check=True, cwd=ROOT)
    measured = json.loads(result.read_text())
    assert [run["exit_code"] for run in measured["runs"]] == [0] * 4
    assert max(run["peak_mib"] for run in measured["runs"]) < PEAK_LIMIT_MIB
    assert measured["together_mib"] < 4 * PEAK_LIMIT_MIB
    assert all(run["sha256"] == run["sha256_alone"] for run in measured["runs"])
