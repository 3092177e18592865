"""The neural path whole: Demucs, Whisper and Marian, each with a checkpoint in its official form that knows
this clip by heart, and Kokoro's worker played by a double; nothing below quality `good` is allowed.

The checkpoints enter as a user's fine-tunes do, by `loc models add`. What the published ones are worth these
tests cannot tell.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pysubs2
import pytest
import soundfile
import soxr

from cli.graph import load_graph
from loc.analysis import voice_activity
from loc.analysis.voice_activity import RATIO, read_analysis
from loc.analysis.whisper import MAX_WINDOW
from loc.app.pool import Pool
from loc.app.run import prepare
from loc.app.walk import Slots, make_stage
from loc.artifacts import SAMPLE_RATE
from loc.backend import Host
from loc.events import EventBus
from loc.media.sound import read_sound
from loc.runner import Runner, Site
from loc.settings import Settings
from loc.stage import Context
from loc.store.workdir import WorkDir
from stages.transcribe.stage import spans
from tests import tiny_demucs, tiny_whisper
from tests.furnished import furnish
from tests.network import watched
from tests.translate import tiny
from tests.voices import music, pause, speak
from tests.weights.shelved import shelve

ENGINE = Path(__file__).parent / "dub" / "speaking_engine.py"
LINES = (
    ("The first thing we did was to look.", "まず見ました。"),
    ("Nobody was there.", "誰もいません。"),
    ("Yes.", "はい。"),
    ("No.", "いいえ。"),
)

PARTING_STEPS = 15
"""A third of what tests of Demucs itself take: however it parts the voice, that is what Whisper learns."""
TELLING_STEPS = 150


class Desk:
    """A clip, and a data folder for models that are taught it. Every process that works here is watched, and
    has no network."""

    def __init__(self, clip: Path, folder: Path) -> None:
        self.clip, self.folder, self.data = clip, folder, folder / "data"
        self._variables, self._log = watched(folder / "watch")

    def loc(self, *args: str) -> subprocess.CompletedProcess[str]:
        """A command of `loc`, none of whose processes may ask for a network."""
        command = [sys.executable, "-m", "cli", *args, "--data-dir", str(self.data)]
        environment = {**os.environ, **self._variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert not [line for line in self._log.read_text().splitlines() if "reached out" in line]
        return done

    def add(self, name: str, folder: Path, architecture: str, *flags: str) -> None:
        """Register a folder's files as a model."""
        done = self.loc(
            "models", "add", name, str(folder), "--architecture", architecture, "--licence", "mit", *flags
        )
        assert done.returncode == 0, done.stderr

    def run(self) -> tuple[int, list[dict[str, Any]]]:
        """`loc run` in an empty work directory: its exit code and its events."""
        done = self.loc(
            "run", str(self.clip), "--lang", "ja", "--no-lipsync", "--require-quality", "good", "--json",
            "--work-dir", str(self.folder / "fresh"), "-o", f"{self.folder / 'out'}/",
        )  # fmt: skip
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]

    def said(self) -> list[str]:
        """The lines of the dub."""
        cues = pysubs2.load(str(self.folder / "out" / f"{self.clip.stem}.ja.dub.srt"))
        return [cue.text for cue in cues]


def walk(clip: Path, folder: Path, last: str, backend: Mapping[str, str]) -> tuple[Context, Slots]:
    """The stages up to one, made with these backends in a store that `loc run` does not see."""
    settings = Settings(
        languages=("ja",), source_language="en", lipsync=False, until=last, backend=dict(backend),
        work_dir=folder / "store", data_dir=folder / "data",
    )  # fmt: skip
    store, graph = WorkDir(settings.work_dir), load_graph()
    prepared = prepare(clip, graph, store, settings, look=True)

    slots = Slots()
    with Pool(graph.backends, prepared.choices, Host(settings, folder)) as pool:
        context = Context(Runner(store, EventBus(), run="test"), settings, prepared.job, pool.get)
        for stage in prepared.stages:
            make_stage(stage, context, slots, None)
            if stage.name == last:
                break
        context.runner.close()
    return context, slots


Line = tuple[str, float, float]
"""What is said, from when to when, in seconds."""


def teach(clip: Path, folder: Path, lines: Sequence[Line] = ()) -> Desk:
    """Demucs what the embedded technique calls speech, Whisper the lines, Marian their translations.

    Args:
        lines: none: the first regions of speech count as the known ones.
    """
    desk = Desk(clip, folder)
    for name in ("out", "parted", "heard"):
        (folder / name).mkdir()
    context, slots = walk(clip, folder, "separate", {})
    stems = slots.value("stems")
    speech, background = (
        read_sound(context.store, part, 0, part.samples) for part in (stems.speech, stems.background)
    )
    starts = np.arange(0, len(speech) / SAMPLE_RATE, 3.0).tolist()
    mix, voice = (
        tiny_demucs.segments(_as_demucs_hears(part), starts) for part in (speech + background, speech)
    )
    (folder / "parted" / "parted.th").write_bytes(
        tiny_demucs.package(tiny_demucs.overfit(mix, voice, PARTING_STEPS))
    )
    desk.add("parted", folder / "parted", "htdemucs")

    context, slots = walk(clip, folder, "separate", {"separate": "demucs"})
    heard = slots.value("stems").speech
    frames = voice_activity.voice_frames(Runner(context.store, EventBus()), Site("test"), heard)
    regions = voice_activity.in_samples(voice_activity.regions(frames), heard.samples)
    known = lines or [
        (text, start / SAMPLE_RATE, stop / SAMPLE_RATE)
        for (text, _), (start, stop) in zip(LINES, regions, strict=False)
    ]
    lessons = []
    for start, stop in spans(MAX_WINDOW * RATIO, heard.samples, frames, regions):
        at, until = start / SAMPLE_RATE, stop / SAMPLE_RATE
        words = [
            word
            for text, first, last in known
            if at <= first < until
            for word in tiny_whisper.evenly(text, first - at, last - at)
        ]
        lessons.append(tiny_whisper.Lesson(read_analysis(context.store, heard, start, stop), words))
    (folder / "heard" / "heard.pt").write_bytes(tiny_whisper.overfit(lessons))
    desk.add("heard", folder / "heard", "whisper")
    told = tiny.marian(folder / "told", ("en", "ja"), LINES, TELLING_STEPS)
    desk.add("told", told.folder, told.architecture, "--pair", "en-ja")
    furnish(desk.data, "kokoro", ENGINE, "--phones")
    shelve(desk.data, "kokoro-82m")
    return desk


def _as_demucs_hears(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Two channels at 44.1 kHz."""
    return np.asarray(
        np.repeat(soxr.resample(sound, SAMPLE_RATE, 44_100), 3 - sound.shape[1], axis=1), dtype=np.float32
    )


def chosen(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Action -> the backend that made it in this very run."""
    return {
        event["action"]: event["backend"]
        for event in events
        if event["type"] == "action-done" and event.get("backend") and not event["hit"]
    }


BACKENDS = {
    "separate.block": "separate/demucs",
    "transcribe.window": "transcribe/whisper",
    "translate.line": "translate/marian",
    "dub.speak": "dub/kokoro",
}


def dub(clip: Path, folder: Path, lines: Sequence[Line] = ()) -> list[str]:
    """The lines of a dub without a defect, each stage of which the models have made."""
    desk = teach(clip, folder, lines)
    code, events = desk.run()
    assert code == 0, [event for event in events if event["type"] in ("error", "defect")]
    assert chosen(events).items() >= BACKENDS.items()
    return desk.said()


def test_a_drawn_voice_over_music_through_the_neural_path(tmp_path: Path) -> None:
    speech, lines = pause(0.5), []
    for text, _ in LINES[:2]:
        start, said = len(speech) / SAMPLE_RATE, speak(text)
        lines.append((text, start, start + len(said) / SAMPLE_RATE))
        speech = np.concatenate([speech, said, pause(1.0)])
    sound = speech[:, None] + 0.1 * music(len(speech) / SAMPLE_RATE)
    soundfile.write(tmp_path / "sound.wav", sound, SAMPLE_RATE)
    clip = tmp_path / "talk.mp4"
    picture = f"testsrc2=size=64x64:rate=10:duration={len(speech) / SAMPLE_RATE:.1f}"
    args = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-i", str(tmp_path / "sound.wav")]
    subprocess.run([*args, str(clip)], check=True)
    assert dub(clip, tmp_path, lines) == [japanese for _, japanese in LINES[:2]]


@pytest.mark.slow
def test_a_real_clip_through_the_neural_path(clips: Path, tmp_path: Path) -> None:
    said = set(dub(Path(shutil.copy(clips / "address.mp4", tmp_path)), tmp_path))
    assert said
    assert said <= {japanese for _, japanese in LINES}
