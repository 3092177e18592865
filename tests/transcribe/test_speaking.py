"""Who speaks each line, by whichever diarizer is there; workers are played by a double that speaks the
protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from loc.analysis.diarization.pyannote import Pyannote
from loc.analysis.diarization.resemblyzer import Resemblyzer
from loc.analysis.diarization.statistics import Statistics
from loc.analysis.voice_activity import write_analysis
from loc.artifacts import SAMPLE_RATE, Segment, Sound
from loc.backend import Backend, Host
from loc.errors import ChildError, MissingError
from loc.events import ActionDone, EventBus, Notice
from loc.media.sound import store_sound
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import SPEAKERS, Context
from loc.store.workdir import WorkDir
from stages.transcribe.speaking import Telling, say, tell
from tests.furnished import furnish
from tests.hearing import context
from tests.voices import SENTENCES, pause, speak
from tests.weights.shelved import shelve

TELLER = Path(__file__).parents[1] / "analysis" / "diarization" / "voice_teller.py"
LOW, HIGH = "en+m3", "en+f3"


class Room:
    """A data folder with environments, and what was said and made of it."""

    def __init__(self, folder: Path, store: WorkDir) -> None:
        self.folder, self.store = folder, store
        self.data, self.scratch = folder / "data", folder / "scratch"
        self.scratch.mkdir()
        self.events: list[object] = []
        self.runner = Runner(store, EventBus(self.events.append), run="test")
        self.backends: list[Backend] = []

    def host(self, model: str | None = None) -> Host:
        return Host(Settings(data_dir=self.data, device="cpu"), self.scratch, model=model)

    def resemblyzer(self, *flags: str) -> Resemblyzer:
        furnish(self.data, "resemblyzer", TELLER, *flags)
        self.backends.append(Resemblyzer(self.host()))
        return self.backends[-1]  # type: ignore[return-value]

    def pyannote(self, turns: object) -> Pyannote:
        told = self.folder / "turns.json"
        told.write_text(json.dumps(turns))
        furnish(self.data, "pyannote", TELLER, str(told))
        shelve(self.data, "pyannote-community-1")
        self.backends.append(Pyannote(self.host("tiny-pyannote-community-1")))
        return self.backends[-1]  # type: ignore[return-value]

    def context(self, *diarizers: Backend, **settings: object) -> Context:
        found = context(self.runner, {SPEAKERS: diarizers[0]}, Settings(**settings))  # type: ignore[arg-type]
        return Context(
            found.runner, found.settings, found.job, found.backend, others=lambda *_: diarizers[1:]
        )

    def notices(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, Notice)]

    def made(self) -> list[str]:
        return [event.action for event in self.events if isinstance(event, ActionDone) and not event.hit]


@pytest.fixture
def room(tmp_path: Path, store: WorkDir) -> Iterator[Room]:
    room = Room(tmp_path, store)
    yield room
    room.runner.close()
    for backend in room.backends:
        backend.close()


def said(
    store: WorkDir, *lines: tuple[str, str] | npt.NDArray[np.float32]
) -> tuple[Sound, tuple[Segment, ...]]:
    """Lines one after the other, each (voice, text) or a sound."""
    parts, at = [], 0
    segments: list[Segment] = []
    for line in lines:
        audio = line if isinstance(line, np.ndarray) else speak(line[1], line[0])
        segments.append(
            Segment(
                id=f"s{len(segments) + 1:04d}", start=at, stop=at + len(audio), speaker=None, text="",
                words=(), confidence=None,
            )
        )  # fmt: skip
        parts += [audio, pause(0.5)]
        at += len(audio) + SAMPLE_RATE // 2
    return store_sound(store, [np.concatenate(parts)[:, None]], 1), tuple(segments)


def dialogue(store: WorkDir) -> tuple[Sound, tuple[Segment, ...]]:
    return said(store, *[((LOW, HIGH)[index % 2], SENTENCES[index]) for index in range(6)])


def names(told: Telling) -> list[str | None]:
    return [segment.speaker for segment in told.segments]


IN_TURN = ["speaker1", "speaker2"] * 3


def test_statistics_tell_two_voices_apart_and_know_no_voice(room: Room) -> None:
    told = tell(room.context(Statistics(room.host())), *dialogue(room.store))
    assert names(told) == IN_TURN
    assert [speaker.voice for speaker in told.speakers] == [(), ()]
    assert not told.overlaps
    assert not told.unsure


def test_without_any_diarizer_pitch_and_timbre_serve(room: Room) -> None:
    told = tell(context(room.runner), *dialogue(room.store))
    assert names(told) == IN_TURN


def test_an_embedder_tells_voices_and_gives_each_speaker_a_vector(room: Room) -> None:
    told = tell(room.context(room.resemblyzer(), Statistics(room.host())), *dialogue(room.store))
    assert names(told) == IN_TURN
    for speaker in told.speakers:
        assert np.linalg.norm(speaker.voice) == pytest.approx(1, abs=1e-3)
    low, high = (np.array(speaker.voice) for speaker in told.speakers)
    assert low @ high < 0.5
    assert room.made().count("transcribe.vector") == 6
    assert not room.notices()


def test_limits_hold_for_an_embedder(room: Room) -> None:
    embedder = room.resemblyzer()
    one = tell(room.context(embedder, max_speakers=1), *dialogue(room.store))
    assert set(names(one)) == {"speaker1"}
    four = tell(room.context(embedder, min_speakers=4), *dialogue(room.store))
    assert len(four.speakers) == 4


def test_nothing_is_made_twice_and_an_edited_line_alone_again(room: Room) -> None:
    embedder = room.resemblyzer()
    sound, segments = dialogue(room.store)
    tell(room.context(embedder), sound, segments)
    made = len(room.made())
    tell(room.context(embedder), sound, segments)
    assert len(room.made()) == made
    shorter = segments[0].model_copy(update={"stop": segments[0].stop - SAMPLE_RATE // 4})
    tell(room.context(embedder), sound, (shorter, *segments[1:]))
    assert sorted(room.made()[made:]) == ["transcribe.speakers", "transcribe.vector", "transcribe.voice"]


def test_a_line_in_which_a_second_voice_goes_on_is_flagged(room: Room) -> None:
    both = np.concatenate([speak(SENTENCES[4], LOW), speak(SENTENCES[6], HIGH)])
    lines = [(LOW, SENTENCES[0]), (HIGH, SENTENCES[1]), (LOW, SENTENCES[2]), (HIGH, SENTENCES[3])]
    ctx = room.context(room.resemblyzer())
    told = tell(ctx, *said(room.store, *lines, both))
    [overlap] = told.overlaps
    assert (overlap.segment, overlap.by) == ("s0005", "voices")
    assert set(overlap.speakers) == {"speaker1", "speaker2"}
    say(ctx, told)
    assert "speakers-overlap" in room.notices()


def test_a_line_without_a_voice_goes_with_the_line_before(room: Room) -> None:
    """The double finds no voice in a tone as high as this: 382 Hz."""
    tone = pause(1.0).copy()
    tone[10_000:30_000] = 0.5 * np.sin(np.arange(20_000) / 20) * np.hanning(20_000)
    lines = [(LOW, SENTENCES[0]), (HIGH, SENTENCES[1])]
    told = tell(room.context(room.resemblyzer()), *said(room.store, *lines, tone, *lines))
    assert names(told)[2] == names(told)[1]
    assert not room.notices()


def test_a_worker_that_dies_is_told_and_the_next_diarizer_serves(room: Room) -> None:
    dies = room.resemblyzer("--dies")
    told = tell(room.context(dies, Statistics(room.host())), *dialogue(room.store))
    assert names(told) == IN_TURN
    assert room.notices() == ["speakers-fallback"]
    assert not any(speaker.voice for speaker in told.speakers)


def turns_of(segments: Sequence[Segment], labels: str) -> list[tuple[float, float, str]]:
    return [
        (item.start / SAMPLE_RATE, item.stop / SAMPLE_RATE, label)
        for item, label in zip(segments, labels, strict=True)
    ]


def test_turns_decide_and_two_at_once_are_flagged_with_their_length(room: Room) -> None:
    sound, segments = dialogue(room.store)
    turns = turns_of(segments, "ABBABA")
    begins = segments[2].start / SAMPLE_RATE
    ctx = room.context(room.pyannote([*turns, (begins + 0.5, begins + 1.25, "A")]), room.resemblyzer())
    told = tell(ctx, sound, segments)
    assert names(told) == ["speaker1", "speaker2", "speaker2", "speaker1", "speaker2", "speaker1"]
    turned = next(item for item in told.overlaps if item.by == "turns")
    assert (turned.segment, turned.speakers) == ("s0003", ("speaker2", "speaker1"))
    assert turned.samples == pytest.approx(0.75 * SAMPLE_RATE, abs=2)
    # Vectors are made beside the turns: a voice is known again by them, and what they doubt is told.
    assert all(speaker.voice for speaker in told.speakers)
    assert told.unsure
    say(ctx, told)
    assert room.notices() == ["speakers-overlap", "speakers-unsure"]


def test_a_line_in_no_turn_goes_with_the_line_before(room: Room) -> None:
    sound, segments = dialogue(room.store)
    turns = turns_of(segments, "ABBABA")
    told = tell(room.context(room.pyannote([*turns[1:3], *turns[4:]])), sound, segments)
    assert names(told) == ["speaker1", "speaker1", "speaker1", "speaker1", "speaker1", "speaker2"]


def test_limits_reach_what_finds_turns(room: Room) -> None:
    sound, segments = dialogue(room.store)
    two, six = turns_of(segments, "ABABAB"), turns_of(segments, "ABCDEF")
    finder = room.pyannote({"1 to 2": two, "4 to 6": six})
    few = tell(room.context(finder, max_speakers=2), sound, segments)
    assert names(few) == IN_TURN
    many = tell(room.context(finder, min_speakers=4, max_speakers=6), sound, segments)
    assert len(many.speakers) == 6


def test_an_embedder_has_its_turn_among_models(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = room.resemblyzer()
    other = room.host().resident("another", 1, lambda _device: "model")
    with other:
        pass
    voice = speak(SENTENCES[0], LOW)[::3].copy()
    embedder.embed(voice)
    assert not other.loaded
    with other:
        assert not embedder._net.loaded
    other.close()
    # It computes on the processor, whatever device the models beside it are on.
    free = "loc.analysis.diarization.resemblyzer.free_host_mb"
    monkeypatch.setattr(free, lambda: embedder.card.memory_mb - 1)
    with pytest.raises(MissingError, match="no room for Resemblyzer"):
        embedder.embed(voice)


@pytest.mark.parametrize("answer", ["crash", [["x", 1, "A"]], [[5.0, 2.0, "A"]]])
def test_where_turns_fail_the_next_diarizer_serves(room: Room, answer: object) -> None:
    told = tell(room.context(room.pyannote(answer), Statistics(room.host())), *dialogue(room.store))
    assert names(told) == IN_TURN
    assert room.notices() == ["speakers-fallback"]


def test_without_its_environment_a_diarizer_says_how_to_get_it(room: Room) -> None:
    shelve(room.data, "pyannote-community-1")
    with pytest.raises(MissingError) as caught:
        Pyannote(room.host("tiny-pyannote-community-1")).fingerprint()
    assert caught.value.fix == "loc models env pyannote"
    with pytest.raises(MissingError) as caught:
        Resemblyzer(room.host()).fingerprint()
    assert caught.value.fix == "loc models env resemblyzer"


def test_vectors_that_are_none_are_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = room.resemblyzer()
    for answer in ({}, {"vector": [1.0, 0.0], "parts": []}, {"vector": [0.5] * 256, "parts": []}):
        monkeypatch.setattr(embedder._net, "_load", lambda _device, answer=answer: _Says(answer))
        with pytest.raises(ChildError, match="resemblyzer"):
            embedder.embed(np.zeros(16_000, np.float32))
        embedder.close()


class _Says:
    def __init__(self, answer: dict[str, object]) -> None:
        self.answer = answer

    def call(self, *_: object, **__: object) -> dict[str, object]:
        return self.answer

    def close(self) -> None: ...


def test_a_programme_is_written_for_a_diarizer_as_it_sounds(room: Room) -> None:
    """Resampled in one stream, so that blocks leave no seam."""
    import soundfile

    audio = (0.5 * np.sin(2 * np.pi * 440 * np.arange(70 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32)
    path = room.folder / "all.wav"
    write_analysis(room.store, store_sound(room.store, [audio[:, None]], 1), path)
    heard, rate = soundfile.read(path, dtype="float32")
    assert (rate, len(heard)) == (16_000, 70 * 16_000)
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / rate)
    assert np.abs(heard - wanted)[100:-100].max() < 1e-3
