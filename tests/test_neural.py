"""The neural path whole: Demucs, Whisper and Marian, each with a checkpoint in its official form that knows
this clip by heart, and Kokoro's worker played by a double; nothing below quality `good` is allowed.

The checkpoints enter as a user's fine-tunes do. What the published ones are worth these tests cannot tell.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pysubs2
import pytest
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
from tests.weights.shelved import shelve
from tests.weights.shelving import place, registered

ENGINE = Path(__file__).parent / "dub" / "speaking_engine.py"
LINES = (
    ("The first thing we did was to look.", "まず見ました。"),
    ("Nobody was there.", "誰もいません。"),
    ("Yes.", "はい。"),
    ("No.", "いいえ。"),
)


@dataclass(frozen=True)
class Taught:
    """A clip, and a data folder with models that were taught it."""

    clip: Path
    folder: Path

    def run(self, *more: str) -> tuple[int, list[dict[str, Any]]]:
        """`loc run` without a network: its exit code and its events. No process of it may ask for one."""
        variables, log = watched(self.folder / "watch")
        command = [
            sys.executable, "-m", "cli", "run", str(self.clip), "--lang", "ja", "--no-lipsync",
            "--require-quality", "good", "--data-dir", str(self.folder / "data"),
            "--work-dir", str(self.folder / "store"), "-o", f"{self.folder / 'out'}/", "--json", *more,
        ]  # fmt: skip
        environment = {**os.environ, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert not [line for line in log.read_text().splitlines() if "reached out" in line]
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line[:1] == "{"]


def walk(clip: Path, folder: Path, last: str, backend: Mapping[str, str]) -> tuple[Context, Slots]:
    """The stages up to one, made with these backends in the store that `loc run` will find."""
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


def teach(clip: Path, folder: Path) -> Taught:
    """Demucs what the embedded technique calls speech, Whisper one line for each window, Marian the lines."""
    data = folder / "data"
    (folder / "out").mkdir()
    context, slots = walk(clip, folder, "separate", {})
    stems = slots.value("stems")
    speech, background = (
        read_sound(context.store, part, 0, part.samples) for part in (stems.speech, stems.background)
    )
    starts = np.arange(0, len(speech) / SAMPLE_RATE, 3.0).tolist()
    mix, voice = (
        tiny_demucs.segments(_as_demucs_hears(part), starts) for part in (speech + background, speech)
    )
    place(data, registered("parted", "htdemucs", "parted.th"),
          ("parted.th", tiny_demucs.package(tiny_demucs.overfit(mix, voice))))  # fmt: skip

    context, slots = walk(clip, folder, "separate", {"separate": "demucs"})
    heard = slots.value("stems").speech
    frames = voice_activity.voice_frames(Runner(context.store, EventBus()), Site("test"), heard)
    regions = voice_activity.in_samples(voice_activity.regions(frames), heard.samples)
    texts = iter(LINES)
    lessons = []
    for start, stop in spans(MAX_WINDOW * RATIO, heard.samples, frames, regions):
        inside = [region for region in regions if start <= region[0] < stop]
        words = [
            word
            for (first, last), (text, _) in zip(inside, texts, strict=False)
            for word in tiny_whisper.evenly(text, (first - start) / SAMPLE_RATE, (last - start) / SAMPLE_RATE)
        ]
        lessons.append(tiny_whisper.Lesson(read_analysis(context.store, heard, start, stop), words))
    place(data, registered("heard", "whisper", "heard.pt"), ("heard.pt", tiny_whisper.overfit(lessons)))
    tiny.marian(folder / "marian", ("en", "ja"), LINES).register(data, "told")
    furnish(data, "kokoro", ENGINE, "--phones")
    shelve(data, "kokoro-82m")
    return Taught(clip, folder)


def _as_demucs_hears(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Two channels at 44.1 kHz."""
    return np.asarray(
        np.repeat(soxr.resample(sound, SAMPLE_RATE, 44_100), 3 - sound.shape[1], axis=1), dtype=np.float32
    )


def chosen(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Action -> the backend that made it."""
    return {
        event["action"]: event["backend"]
        for event in events
        if event["type"] == "action-done" and event.get("backend")
    }


@pytest.mark.slow
def test_a_real_clip_through_the_neural_path(clips: Path, tmp_path: Path) -> None:
    clip = Path(shutil.copy(clips / "address.mp4", tmp_path))
    taught = teach(clip, tmp_path)
    code, events = taught.run()
    assert code == 0, [event for event in events if event["type"] in ("error", "defect")]
    backends = chosen(events)
    assert backends["separate.block"] == "separate/demucs"
    assert backends["transcribe.window"] == "transcribe/whisper"
    assert backends["translate.line"] == "translate/marian"
    assert backends["dub.speak"] == "dub/kokoro"
    said = {cue.text for cue in pysubs2.load(str(taught.folder / "out" / "address.ja.dub.srt"))}
    assert said
    assert said <= {japanese for _, japanese in LINES}
