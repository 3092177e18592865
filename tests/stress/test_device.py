"""Four `loc run` with a model, over one device: by turns, and each as if it were alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("demucs")

from loc.errors import ExitCode
from tests.stress.job import Ended, Job, Running
from tests.tiny_demucs import blank, package
from tests.weights.shelving import place, registered

PARTED = registered("parted", "htdemucs", "parted.th")


def start(job: Job, data: Path) -> Running:
    """Start a run up to the first stage that has a model."""
    given = ("--backend", "separate=demucs", "--until", "separate", "--device", "cpu")
    return job.start(*given, "--data-dir", str(data), "--offline")


def made(job: Job) -> dict[str, list[str]]:
    """Key of every action -> the digests of what it made."""
    return {
        key: sorted(ref.sha256 for ref in record.outputs.values()) for key, record in job.records().items()
    }


def models(ended: Ended) -> set[str]:
    """Backends of the blocks that were parted."""
    return {
        event["backend"]
        for event in ended.events
        if event["type"] == "action-done" and event["action"] == "separate.block"
    }


def test_four_runs_have_the_device_by_turns(video: Path, tmp_path: Path) -> None:
    place(tmp_path / "data", PARTED, ("parted.th", package(blank())))
    jobs = [Job(video, tmp_path / f"work{number}", tmp_path / f"out{number}") for number in range(5)]
    alone = start(jobs[0], tmp_path / "data").wait()
    assert (alone.code, models(alone)) == (ExitCode.DONE, {"separate/demucs"}), alone.stderr
    together = [replace(job, program="tests.stress.leased") for job in jobs[1:]]
    running = [start(job, tmp_path / "data") for job in together]
    ended = [one.wait() for one in running]
    assert [one.code for one in ended] == [ExitCode.DONE] * 4, [one.stderr for one in ended]
    turns = (tmp_path / "data" / "turns").read_text().split()
    assert set(turns) == {str(one.process.pid) for one in running}
    assert not (tmp_path / "data" / "inside").exists()
    assert sum("device-waiting" in one.notices for one in ended) >= 1
    assert all(made(job) == made(jobs[0]) for job in together)
