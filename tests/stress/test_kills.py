"""Killed at random instants, a run loses nothing that was recorded, and what comes out is the same."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from loc.app.cache import collect
from loc.app.record import run_ids
from loc.app.status import status
from loc.errors import ExitCode
from loc.store.workdir import ActionRecord
from tests.needed import unless
from tests.stress.conftest import Reference
from tests.stress.job import Job, Running, whole

QUICK_KILLS, MANY_KILLS = 25, 200
REACH = 0.55
"""Latest instant of a kill, as a share of a cold run's length. Runs go on from one another, so kills fall
everywhere in the job; the shorter each lives, the more of them fall in one job."""


def kill_again_and_again(job: Job, reference: Reference, kills: int, seed: int) -> None:
    """Kill runs of a job at random instants, each going on from what the last one left; where one comes to
    its end first, the job begins anew."""
    instants = random.Random(seed)
    killed = 0
    while killed < kills:
        before = job.records() if job.work.exists() else {}
        earlier = run_ids(job.store()) if job.work.exists() else []
        running = job.start()
        try:
            running.process.wait(instants.uniform(0, REACH * reference.seconds))
        except subprocess.TimeoutExpired:
            running.process.kill()
            killed += 1
        ended = running.wait()
        assert running.survivors() == []
        if ended.code == -signal.SIGKILL:
            check_nothing_lost(job, before, earlier)
            # An output is there whole, under its name, or not at all.
            assert job.media().items() <= reference.media.items()
        else:
            assert ended.code == ExitCode.DONE, ended.stderr
            assert job.media() == reference.media
            assert len(job.records()) == reference.misses
            job.start_afresh()
    check_it_goes_on(job, reference)


def check_nothing_lost(job: Job, before: Mapping[str, ActionRecord], earlier: Sequence[str]) -> None:
    """What was recorded before a run stands as it was, so it was not made again; and every record made since
    has its objects, whole. The run is known to have been killed."""
    after = job.records()
    assert {key: after.get(key) for key in before} == before
    objects = set(whole(job.store()))
    for record in after.values():
        assert {ref.sha256 for ref in record.outputs.values()} <= objects
    for run in status(job.store()):
        if run.record.id not in earlier:
            # Unless it was killed after its very last word.
            assert run.state == "killed" or run.record.exit_code == ExitCode.DONE
            assert not job.made(run.record.id) & before.keys()


def check_it_goes_on(job: Job, reference: Reference) -> None:
    """The last kill too is got over, and what all of them left is swept."""
    before = job.records()
    ended = job.run()
    assert ended.code == ExitCode.DONE, ended.stderr
    assert ended.misses == reference.misses - len(before)
    assert job.media() == reference.media
    assert job.unfinished() == []
    collect(job.store())
    assert len(list((job.work / "tmp").iterdir())) <= 2, "more than this very process has"
    assert {path.name for path in (job.work / "locks").iterdir()} <= {"claims", "collect"}
    assert set(whole(job.store())) <= set(whole(reference.job.store()))
    assert job.run().misses == 0


def test_kills_at_random_instants(job: Job, reference: Reference) -> None:
    kill_again_and_again(job, reference, QUICK_KILLS, seed=3)


@pytest.mark.slow
def test_many_kills_at_random_instants(job: Job, reference: Reference) -> None:
    kill_again_and_again(job, reference, MANY_KILLS, seed=200)


@unless(shutil.which("apertium") is not None, "apertium is not installed")
def test_a_killed_run_takes_its_workers_and_their_programs_along(job: Job) -> None:
    """A worker runs a pipeline of a dozen programs: none of them may outlive the run."""
    running = replace(job, languages=("es",), supplied=False).start()
    while "lt-proc" not in running.programs():
        assert running.process.poll() is None, running.wait().stderr
    running.process.kill()
    running.process.wait()
    assert running.survivors() == []


def after_actions(running: Running, count: int) -> None:
    """Wait until a run has done some actions."""
    assert running.process.stdout is not None
    for line in running.process.stdout:
        count -= '"action-done"' in line
        if count == 0:
            return
    pytest.fail("the run ended first")


@pytest.mark.parametrize(
    ("number", "whole_group", "actions"),
    [
        (signal.SIGTERM, False, 3),
        (signal.SIGINT, True, 17),
        pytest.param(signal.SIGINT, True, 8, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, 26, marks=pytest.mark.slow),
    ],
)
def test_signals_end_a_run_that_can_go_on(
    job: Job, reference: Reference, number: signal.Signals, whole_group: bool, actions: int
) -> None:
    """SIGTERM as from `kill`, to the process; SIGINT as from Ctrl-C, to all that the terminal started."""
    running = job.start()
    after_actions(running, actions)
    if whole_group:
        os.killpg(running.process.pid, number)
    else:
        running.process.send_signal(number)
    ended = running.wait()
    assert ended.code == ExitCode.INTERRUPTED
    assert running.survivors() == []
    assert [line for line in ended.stderr.splitlines() if line.startswith("error")] == ["error: Interrupted."]
    assert "Traceback" not in ended.stderr
    assert next(status(job.store())).state == "interrupted"
    before = job.records()
    assert len(before) >= actions
    again = job.run()
    assert again.misses == reference.misses - len(before)
    assert job.media() == reference.media


def test_deadlines_end_runs_that_go_on(job: Job, reference: Reference) -> None:
    """Night after night, each a fifth longer than the last: nothing is lost, and nothing is made twice."""
    made, stopped = 0, 0
    for night in range(1, 50):
        running = job.start("--deadline", f"{max(1, round(night * reference.seconds / 5))}s")
        ended = running.wait()
        assert running.survivors() == []
        made += ended.misses
        assert len(job.records()) == made
        if ended.code == ExitCode.DONE:
            break
        assert ended.code == ExitCode.DEADLINE, ended.stderr
        assert not job.media()
        if (newest := next(status(job.store()), None)) is not None:
            assert newest.state == "stopped"
            stopped += 1
    assert stopped
    assert made == reference.misses
    assert job.media() == reference.media
    assert job.unfinished() == []
