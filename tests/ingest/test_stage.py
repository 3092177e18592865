"""Ingest as a whole: what it says of a file, and what makes it work again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loc.artifacts import SAMPLE_RATE, Source
from loc.errors import InputError, UsageError
from loc.events import ActionDone, EventBus, Notice
from loc.media.sound import read_sound
from loc.media.timeline import load_timeline
from loc.runner import NotMade, Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.workdir import WorkDir
from stages.ingest import stage
from stages.ingest.contract import Inputs
from tests.media import synth
from tests.media.failing import fail_after
from tests.subtitled import film, subtitles


class Ingest:
    """Runs ingest over one store and remembers what was made and said."""

    def __init__(self, store: WorkDir) -> None:
        self.store = store
        self.made: list[str] = []
        self.said: list[str] = []

    def __call__(self, path: Path, mode: Any = "make", **settings: Any) -> Source:
        self.made.clear()
        self.said.clear()
        runner = Runner(self.store, EventBus(self._hear), run="test", mode=mode)
        digest, size = self.store.input_digest(path)
        job = Job(path=path, digest=digest, size=size, languages=("ja",), source_language="en")

        def no_backend(*_names: Any) -> Any:
            raise AssertionError("ingest has no backend")

        try:
            context = Context(runner=runner, settings=Settings(**settings), job=job, backend=no_backend)
            return stage.run(context, Inputs())
        finally:
            runner.close()

    def _hear(self, event: Any) -> None:
        if isinstance(event, ActionDone) and not event.hit:
            self.made.append(event.action)
        if isinstance(event, Notice):
            self.said.append(event.code)


@pytest.fixture
def ingest(store: WorkDir) -> Ingest:
    return Ingest(store)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tracks = [synth.clicks(Fraction(12)), np.zeros((12 * SAMPLE_RATE, 2), np.float32)]
    return synth.make(tmp_path_factory.mktemp("ingest"), "h264", frames=12 * synth.RATE, tracks=tracks)


def test_a_source_is_described(video: Path, ingest: Ingest) -> None:
    source = ingest(video)
    assert ingest.made == ["ingest.probe", "ingest.scan", "ingest.master", "analysis.voice", "ingest.cuts"]
    assert ingest.said == ["audio-track"]
    assert source.frames.count == 300
    assert source.samples == 12 * SAMPLE_RATE
    assert [(shot.start, shot.stop) for shot in source.shots] == [(0, 300)]
    assert [chunk.frames.stop for chunk in source.chunks][-1] == 300
    assert len(source.chunks) == 2
    assert source.master is not None
    assert source.master.samples == source.samples
    sound = read_sound(ingest.store, source.master)
    assert np.abs(synth.click_errors(sound[:, 0])).max() < 0.6
    timeline = load_timeline(ingest.store, source.frames, source.video.time_base)
    assert timeline.sample(25) == SAMPLE_RATE


def test_nothing_is_made_twice(video: Path, ingest: Ingest, tmp_path: Path) -> None:
    first = ingest(video)
    renamed = tmp_path / "another name.mp4"
    renamed.write_bytes(video.read_bytes())
    assert ingest(renamed, crf=30, min_speakers=2, lipsync=False) == first
    assert ingest.made == []


def test_it_can_be_looked_at_before_and_after(video: Path, ingest: Ingest) -> None:
    with pytest.raises(NotMade):
        ingest(video, mode="look")
    made = ingest(video)
    assert ingest(video, mode="look") == made


def test_another_track_leaves_the_picture_alone(video: Path, ingest: Ingest) -> None:
    first = ingest(video)
    second = ingest(video, audio_track=2)
    assert "ingest.scan" not in ingest.made
    assert "ingest.master" in ingest.made
    assert second.chosen_audio != first.chosen_audio
    assert second.master is not None
    assert second.master.channels == 2
    assert second.frames == first.frames
    with pytest.raises(UsageError, match="no sound track 3"):
        ingest(video, audio_track=3)


def test_a_second_store_gets_the_same_objects(video: Path, ingest: Ingest, tmp_path: Path) -> None:
    assert Ingest(WorkDir(tmp_path / "second"))(video) == ingest(video)


def test_a_silent_source(ingest: Ingest, tmp_path: Path) -> None:
    recipe = synth.Recipe(".mkv", synth.RECIPES["h264"].options, sound=None)
    source = ingest(synth.make(tmp_path, recipe, frames=30))
    assert source.master is None
    assert source.chosen_audio is None
    assert source.samples == round(Fraction(30, 25) * SAMPLE_RATE)
    assert ingest.said == ["no-sound"]


def test_subtitles_in_the_picture_are_told(ingest: Ingest, tmp_path: Path) -> None:
    path = film(tmp_path / "subtitled.mp4", subtitles(255, edge=0))
    source = ingest(path)
    assert source.subtitled is not None
    assert source.subtitled.texts >= 2
    assert "subtitled-source" in ingest.said
    assert ingest(path, burn_subtitles=True) == source
    assert ingest.made == []
    assert "subtitled-source" in ingest.said, "told again by a run that finds everything made"


def test_a_truncated_source_is_said_to_be(ingest: Ingest, tmp_path: Path) -> None:
    path = synth.make(tmp_path, "vp9", frames=150)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = ingest(path)
    assert 0 < source.frames.count < 150
    assert "truncated" in ingest.said


def test_sound_that_is_lost_is_told(ingest: Ingest, tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=150, tracks=[synth.clicks(Fraction(3))])
    synth.spoil_sound(path, Fraction(13, 10), Fraction(18, 10))
    ingest(path)
    assert ingest.said == ["sound-damaged", "sound-gaps", "sound-short"]
    ingest(path)
    assert ingest.made == []
    assert ingest.said == ["sound-damaged", "sound-gaps", "sound-short"], "told again where all is made"


def test_a_disk_that_fails_leaves_no_silence_behind(
    video: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as failing:
        fail_after(failing, 400)
        with pytest.raises(InputError, match="could not be read to its end"):
            ingest(video)
    assert "ingest.scan" in ingest.made
    source = ingest(video)
    assert ingest.made[0] == "ingest.master"
    assert source.master is not None
    assert np.abs(synth.click_errors(read_sound(ingest.store, source.master)[:, 0])).max() < 0.6


def test_real_clips(clips: Path, ingest: Ingest) -> None:
    source = ingest(clips / "studio_silent.mp4")
    assert source.frames.count == 550
    assert len(source.shots) == 1
    assert len(source.chunks) == 3
    assert source.subtitled is None
    source = ingest(clips / "address.mp4")
    assert (source.frames.count, source.samples) == (200, 8 * SAMPLE_RATE)
    assert len(source.chunks) == 1
    assert source.subtitled is None


def test_a_lost_block_of_sound_is_missed_when_it_is_looked_for(video: Path, ingest: Ingest) -> None:
    source = ingest(video)
    assert source.master is not None
    block = ingest.store.object_path(source.master.blocks[0].sha256)
    block.unlink()
    assert ingest(video) == source
    assert ingest.made == ["ingest.master"]
    assert block.exists()
