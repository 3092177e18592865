"""A run that is killed while it draws finals goes on from the redraws that were finished."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loc.errors import ExitCode
from loc.store.workdir import ActionRecord
from tests.lipsync.latentsync import tiny
from tests.presenter import Film, write_subtitles
from tests.stress.job import Job, Running

FINAL = "lipsync.final"


@dataclass
class Finals(Job):
    """The job with a tiny LatentSync on the shelf, which draws every cut."""

    def arguments(self) -> list[str]:
        data = str(self.work.parent / "data")
        return [*super().arguments(), "--finals", "all", "--finals-steps", "2", "--data-dir", data]


def finals(job: Job) -> dict[str, ActionRecord]:
    return {key: record for key, record in job.records().items() if record.name == FINAL}


def until_drawing(running: Running, done: int) -> bool:
    """Wait until some finals are done and the next is begun; False where the run ended first."""
    assert running.process.stdout is not None
    count = 0
    for line in running.process.stdout:
        event = json.loads(line)
        if event["type"] == "work-planned" and event["action"] == FINAL and count == done:
            return True
        count += event["type"] == "action-done" and event["action"] == FINAL
    return False


@pytest.mark.slow
def test_kills_amid_finals_cost_the_redraw_under_way_and_no_other(
    two_shot_film: Film, tmp_path: Path
) -> None:
    tiny.register(tmp_path / "data")
    video, lines = tmp_path / "talk.mp4", two_shot_film.truth.lines
    shutil.copy(two_shot_film.path, video)
    write_subtitles(tmp_path / "talk.en.srt", lines, [line.text for line in lines])
    write_subtitles(tmp_path / "ja.srt", lines, ["犬は動きます。"] * len(lines))
    whole = Finals(video, tmp_path / "whole", tmp_path / "whole-out")
    ended = whole.run()
    assert ended.code in (ExitCode.DONE, ExitCode.DEFECTS), ended.stderr
    total = len(finals(whole))
    assert total >= 2, ended.stdout

    killed = replace(whole, work=tmp_path / "killed", out=tmp_path / "killed-out")
    known: dict[str, ActionRecord] = {}
    for done in range(total):
        running = killed.start()
        assert until_drawing(running, done), running.wait().stderr
        running.process.kill()
        running.wait()
        assert running.survivors() == []
        found = finals(killed)
        # What was finished before a kill is kept, and was not made again.
        assert {key: found[key] for key in known} == known
        assert len(found) >= done
        known = found
    last = killed.run()
    assert last.code == ended.code, last.stderr
    made = [event for event in last.events if event["type"] == "action-done" and event["action"] == FINAL]
    assert sum(not event["hit"] for event in made) == total - len(known) <= 1
    assert {key: finals(killed)[key] for key in known} == known
    assert killed.media() == whole.media()
