"""A run that is killed while it draws finals goes on from the redraws that were finished."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from loc.artifacts import SAMPLE_RATE
from loc.errors import ExitCode
from loc.store.workdir import ActionRecord
from tests.lipsync.latentsync import tiny
from tests.presenter import MINA, Film, Said, Script, Shot, render, write_subtitles
from tests.stress.job import Job, Running

FINAL = "lipsync.final"

MINUTES, EVERY_S = 30, 120
"""Length of the long film, and how often somebody speaks in it."""
SPEAKING = Script(
    lines=(Said(MINA, "My mum baked apple pie, and Bob saw a papa bear.", pause=0.4),),
    shots=(Shot(0, "close", "plain"),),
    tail=0.4,
    size=(320, 180),
    fps=Fraction(12),
    music=False,
)
KILLS = (0, 4, 8, 12, 14)
"""After so many finals, each time amid the next."""


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


def until_amid(running: Running, done: int) -> bool:
    """Wait until some finals are done and part of the next is drawn; False where the run ended first."""
    assert running.process.stdout is not None
    count = 0
    for line in running.process.stdout:
        event = json.loads(line)
        of_finals = event.get("action") == FINAL
        if event["type"] == "progress" and of_finals and count == done:
            return True
        count += event["type"] == "action-done" and of_finals
    return False


def draw_long(folder: Path) -> Path:
    """A film of half an hour in which somebody speaks every two minutes, and nobody is seen between; its text
    lies beside it."""
    truth = render(SPEAKING, folder / "speaking.mp4")
    begun = ["ffmpeg", "-v", "error", "-y"]
    # Held in PCM until the end, so that no turn is longer than another.
    turn = ["-vf", "tpad=stop=-1:stop_mode=add:color=0x405060", "-af", "apad", "-t", str(EVERY_S)]
    turn += ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", "turn.mkv"]
    count = MINUTES * 60 // EVERY_S
    again = ["-stream_loop", str(count - 1), "-i", "turn.mkv", "-c:v", "copy", "-c:a", "aac", "talk.mp4"]
    for arguments in (["-i", "speaking.mp4", *turn], again):
        subprocess.run([*begun, *arguments], cwd=folder, check=True)
    lines = [
        line.model_copy(update={"start": line.start + shift, "stop": line.stop + shift})
        for shift in range(0, MINUTES * 60 * SAMPLE_RATE, EVERY_S * SAMPLE_RATE)
        for line in truth.lines
    ]
    write_subtitles(folder / "talk.en.srt", lines, [line.text for line in lines])
    # Not twice the same, or two cuts would be one action.
    texts = [f"{number}人が動いて、ボブがパパを見たかもしれない。" for number in range(1, count + 1)]
    write_subtitles(folder / "ja.srt", lines, texts)
    return folder / "talk.mp4"


@pytest.mark.slow
def test_half_an_hour_killed_amid_finals_redoes_no_more_than_the_redraw_under_way(tmp_path: Path) -> None:
    tiny.register(tmp_path / "data")
    job = Finals(draw_long(tmp_path), tmp_path / "work", tmp_path / "out", limit_s=3600)
    known: dict[str, ActionRecord] = {}
    for done in KILLS:
        running = job.start()
        assert until_amid(running, done), running.wait().stderr
        running.process.kill()
        running.wait()
        assert running.survivors() == []
        found = finals(job)
        # What was finished stays, as it was first made; what was under way is all that is lost.
        assert {key: found[key] for key in known} == known
        assert len(found) == done
        known = found
    ended = job.run()
    assert ended.code in (ExitCode.DONE, ExitCode.DEFECTS), ended.stderr
    total = finals(job)
    assert len(total) == MINUTES * 60 // EVERY_S
    assert {key: total[key] for key in known} == known
    made = [event for event in ended.events if event["type"] == "action-done" and event["action"] == FINAL]
    assert sum(not event["hit"] for event in made) == len(total) - len(known) == 1
    with av.open(str(job.out / "talk.ja.mp4")) as film:
        assert film.streams.video[0].frames == MINUTES * 60 * SPEAKING.fps
    assert job.run().misses == 0


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
