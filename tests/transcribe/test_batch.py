"""Several inputs of one command: each is worked on as it would be alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pysubs2
import soundfile

from cli.graph import load_graph
from loc.app.batch import run_all
from loc.app.finished import finished
from loc.app.outcome import overall
from loc.app.run import prepare
from loc.artifacts import SAMPLE_RATE, Transcript
from loc.errors import ExitCode
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.voices import SENTENCES, pause, speak

VOICES = ("en+m3", "en+f3")


def talk(path: Path, first: int) -> Path:
    """A video in which two people speak in turn, with its text beside it."""
    parts, at = [pause(0.5)], SAMPLE_RATE // 2
    cues = pysubs2.SSAFile()
    for index in range(4):
        line = speak(SENTENCES[first + index], VOICES[index % 2])
        start, stop = (round(1000 * sample / SAMPLE_RATE) for sample in (at, at + len(line)))
        cues.append(pysubs2.SSAEvent(start=start, end=stop, text=SENTENCES[first + index]))
        parts += [line, pause(0.5)]
        at += len(line) + SAMPLE_RATE // 2
    sound = path.with_suffix(".wav")
    soundfile.write(sound, np.concatenate(parts), SAMPLE_RATE)
    command = [
        "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=64x48:r=10", "-i", str(sound),
        "-shortest", "-preset", "ultrafast", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)
    sound.unlink()
    cues.save(str(path.with_suffix(".en.srt")))
    return path


def test_speakers_are_told_apart_in_every_input_of_a_batch(tmp_path: Path) -> None:
    inputs = [talk(tmp_path / "one.mp4", 0), talk(tmp_path / "two.mp4", 4)]
    settings = Settings(
        languages=("es",), lipsync=False, until="transcribe", work_dir=tmp_path / "store", data_dir=tmp_path
    )
    graph, store = load_graph(), WorkDir(settings.work_dir)
    assert overall(run_all(inputs, graph, settings)) == ExitCode.DONE
    for path in inputs:
        prepared = prepare(path, graph, store, settings, look=True)
        with finished(prepared, graph, store, settings, "transcript") as (_, slots):
            transcript: Transcript = slots.value("transcript")
        assert [line.speaker for line in transcript.segments] == ["speaker1", "speaker2"] * 2
