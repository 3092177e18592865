"""The dub stage as a whole, with an engine whose sounds are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyloudnorm
import pytest

from loc.analysis.phone_times import check_times
from loc.app import report
from loc.app.feasibility import Choices
from loc.app.page.attention import attention
from loc.app.walk import Slots
from loc.artifacts import (
    BLOCK_SAMPLES,
    SAMPLE_RATE,
    AudioStream,
    DubTrack,
    FrameTable,
    Line,
    Phone,
    Phones,
    Ref,
    Render,
    Segment,
    Source,
    Speaker,
    Stems,
    Transcript,
    Translation,
)
from loc.backend import Card, Host
from loc.cast import CastFile
from loc.errors import InputError
from loc.events import EventBus
from loc.media.sound import read_sound, store_sound
from loc.runner import NotMade, Runner
from loc.settings import Settings
from loc.stage import Context, Job, Slot
from loc.store.workdir import WorkDir
from stages.dub import casting, people, stage
from stages.dub.contract import Inputs, Spoken, Synthesiser, Traits, VoiceRequest
from stages.dub.espeak import Espeak
from stages.dub.fit import GAP
from stages.dub.people import Sidecar
from stages.dub.reference import wav
from tests.streams import video_stream

ENGINE_RATE = 24_000
FADE = ENGINE_RATE // 50
"""Speech does not break off."""


class Buzzer:
    """Says every letter of a text as 100 ms of a buzz, in silence; `?` breaks it."""

    card: ClassVar[Card] = Card(
        stage="dub",
        name="buzzer",
        version="1",
        summary="",
        family="embedded",
        quality="basic",
        runs="in-process",
    )

    traits: ClassVar[Traits] = Traits(times_phones=True)

    def __init__(self) -> None:
        self.calls: list[tuple[str, float]] = []

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def close(self) -> None: ...

    def speak(self, text: str, language: str, voice: VoiceRequest, rate: float, take: int = 0) -> Spoken:
        self.calls.append((text, rate))
        if "?" in text:
            raise InputError("It broke.")
        length = round(0.1 * ENGINE_RATE / rate)
        time = np.arange(len(text) * length) / ENGINE_RATE
        pitch = 120 if voice.voice_class == "low" else 220
        buzz = 0.2 * np.sin(2 * np.pi * pitch * time) + 0.1 * np.sin(2 * np.pi * 5 * pitch * time)
        buzz[-FADE:] *= np.linspace(1, 0, FADE)
        phones = tuple(
            Phone(symbol="a", start=index * length, stop=(index + 1) * length) for index in range(len(text))
        )
        return Spoken(
            buzz.astype(np.float32),
            ENGINE_RATE,
            phones,
            "espeak",
            f"buzz {voice.voice_class} {voice.variant}",
        )


def a_line(ident: str, start: float, stop: float, text: str, speaker: str | None = "s1") -> Line:
    return Line(
        id=ident,
        start=round(start * SAMPLE_RATE),
        stop=round(stop * SAMPLE_RATE),
        speaker=speaker,
        segments=(ident,),
        text=text,
        unknown_words=0,
        failed=None,
    )


@dataclasses.dataclass
class Bench:
    """A programme of tones, and the means to dub it."""

    store: WorkDir
    source: Source
    stems: Stems
    engine: Buzzer

    def dub(
        self,
        lines: list[Line],
        *,
        mode: Any = "make",
        cast: CastFile | None = None,
        engine: Synthesiser | None = None,
        **settings_: Any,
    ) -> tuple[DubTrack, Runner]:
        runner = Runner(self.store, EventBus(), run="test", mode=mode)
        settings = Settings(work_dir=self.store.root, **settings_)
        job = Job(Path("video.mp4"), "0" * 64, 1, ("de",), "en", cast=cast)
        context = Context(runner, settings, job, lambda *_: engine or self.engine, "de")
        translation = Translation(language="de", source_language="en", origin="supplied", lines=tuple(lines))
        inputs = Inputs(
            Slot("ingest", self.source),
            Slot("separate", self.stems),
            Slot("transcribe", transcript()),
            Slot("translate", translation),
        )
        try:
            return stage.run(context, inputs), runner
        finally:
            runner.close()


def transcript() -> Transcript:
    speakers = tuple(
        Speaker(id=ident, median_f0_hz=None, voice_class=kind, speech_samples=1)  # type: ignore[arg-type]
        for ident, kind in (("s1", "low"), ("s2", "high"), ("s3", "low"))
    )
    return Transcript(language="en", origin="supplied", segments=(), dropped=(), speakers=speakers)


def a_source(samples: int) -> Source:
    nothing = Ref(sha256="0" * 64, size=0)
    video = video_stream(matrix="bt601", matrix_declared=False)
    track = AudioStream(
        index=1, track=1, codec="aac", sample_rate=48_000, channels=2, layout="stereo", language=None,
        title=None, default=True,
    )  # fmt: skip
    return Source(
        digest="0" * 64, size=1, container="mov", video=video, audio=(track,), chosen_audio=1,
        frames=FrameTable(count=1, table=nothing, duration=1), shots=(), chunks=(),
        sound_start=Fraction(0), master=None, samples=samples,
    )  # fmt: skip


def make_bench(store: WorkDir, seconds: float, *, sound: bool = True) -> Bench:
    samples = round(seconds * SAMPLE_RATE)
    time = np.arange(samples)[:, None] / SAMPLE_RATE
    speech = (0.1 * np.sin(2 * np.pi * 300 * time) * (time % 4 < 2)).repeat(2, axis=1).astype(np.float32)
    bed = (0.01 * np.sin(2 * np.pi * 90 * time)).repeat(2, axis=1).astype(np.float32)
    stems = Stems(
        speech=store_sound(store, [speech], 2) if sound else None,
        background=store_sound(store, [bed], 2) if sound else None,
        speech_snr_db=None,
    )
    return Bench(store, a_source(samples), stems, Buzzer())


@pytest.fixture
def bench(store: WorkDir) -> Bench:
    return make_bench(store, 10)


def test_lines_are_spoken_placed_and_as_loud_as_the_source(bench: Bench) -> None:
    track, runner = bench.dub([a_line("1", 1, 2.5, "eins" * 3), a_line("2", 5, 7, "zwei" * 4, "s2")])
    assert [(clip.line, clip.place) for clip in track.clips] == [("1", SAMPLE_RATE), ("2", 5 * SAMPLE_RATE)]
    assert [clip.voice for clip in track.clips] == ["buzz low 0", "buzz high 0"]
    assert not track.silent
    assert not runner.defects
    mix = read_sound(bench.store, track.mix)
    assert mix.shape == (10 * SAMPLE_RATE, 2)
    dub = mix - read_sound(bench.store, bench.stems.background)  # type: ignore[arg-type]
    assert not dub[: SAMPLE_RATE - 1].any()
    assert np.array_equal(dub[:, 0], dub[:, 1])
    measure = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness
    assert track.loudness.source_speech_lufs is not None
    assert measure(dub) == pytest.approx(track.loudness.source_speech_lufs, abs=0.5)
    assert track.loudness.speech_lufs == pytest.approx(measure(dub), abs=0.2)
    assert track.loudness.integrated_lufs == pytest.approx(measure(mix), abs=0.1)
    assert track.loudness.true_peak_dbtp is not None
    assert track.loudness.true_peak_dbtp < -1


def test_phones_of_a_hurried_line_stay_on_its_sound(bench: Bench) -> None:
    track, _ = bench.dub([a_line("1", 1, 2, "m" * 29), a_line("2", 4, 5, "b")])
    clip = track.clips[0]
    assert clip.fit.rate == 1.35
    assert clip.fit.stretch > 1
    assert clip.fit.overrun == 0
    phones = Phones.model_validate_json(bench.store.read_bytes(clip.phones))
    assert len(phones.phones) == 29
    assert phones.phones[-1].stop <= clip.samples
    lengths = [phone.stop - phone.start for phone in phones.phones[1:-1]]
    assert max(lengths) - min(lengths) <= 2
    assert clip.place + clip.samples <= 4 * SAMPLE_RATE - GAP


def test_a_compressed_line_sounds_when_its_phones_say(bench: Bench, tmp_path: Path) -> None:
    """In the mix, after the engine hurried and the sound was compressed, by what is heard alone."""
    engine = Espeak(Host(Settings(), tmp_path))
    text = "First, open the cover and look at the three small wheels inside this case."
    track, _ = bench.dub([a_line("1", 2, 4.2, text), a_line("2", 4.3, 7, "Yes.")], engine=engine)
    engine.close()
    clip = track.clips[0]
    assert (clip.fit.rate, clip.fit.stretch > 1.1) == (1.35, True)
    phones = Phones.model_validate_json(bench.store.read_bytes(clip.phones))
    mix = read_sound(bench.store, track.mix, clip.place, clip.place + clip.samples)
    bed = read_sound(bench.store, bench.stems.background, clip.place, clip.place + clip.samples)  # type: ignore[arg-type]
    found = check_times((mix - bed)[:, 0], phones)
    assert found.friction.n >= 4
    assert found.friction.offset_ms is not None
    assert abs(found.friction.offset_ms) <= 10
    assert found.loudness.offset_ms is not None
    assert -40 < found.loudness.offset_ms <= 0


def test_failures_stay_with_their_line(bench: Bench) -> None:
    failed = a_line("2", 3, 4, "").model_copy(update={"failed": "No translation."})
    broken, empty, fine = a_line("1", 1, 2, "what?"), a_line("3", 4, 5, "  "), a_line("5", 6, 7, "ok")
    lines = [broken, failed, empty, a_line("4", 99, 100, "late"), fine]
    track, runner = bench.dub(lines)
    assert [clip.line for clip in track.clips] == ["5"]
    assert {gone.line: gone.reason for gone in track.silent} == {
        "1": "It broke.",
        "2": "No translation.",
        "3": "It has no text.",
        "4": "It begins after the end of the programme.",
    }
    assert {defect.code for defect in runner.defects} == {"not-spoken", "outside"}


def test_an_overrun_is_a_defect_with_its_amount(bench: Bench) -> None:
    track, runner = bench.dub([a_line("1", 1, 2, "a" * 40), a_line("2", 2, 4, "bb")])
    assert track.clips[0].fit.overrun > 0
    assert track.clips[1].fit.shift > 0
    assert [defect.code for defect in runner.defects] == ["overrun"]
    assert "s past its time" in runner.defects[0].message


def test_a_second_run_makes_nothing_and_gives_the_same(bench: Bench) -> None:
    lines = [a_line("1", 1, 2, "eins" * 5), a_line("2", 5, 6, "zwei")]
    first, _ = bench.dub(lines)
    calls = len(bench.engine.calls)
    again, runner = bench.dub(lines)
    assert again == first
    assert runner.misses == 0
    assert len(bench.engine.calls) == calls
    looked, _ = bench.dub(lines, mode="look")
    assert looked == first


def test_a_moved_line_is_not_spoken_again(bench: Bench) -> None:
    bench.dub([a_line("1", 1, 2, "eins")])
    calls = len(bench.engine.calls)
    track, runner = bench.dub([a_line("renamed", 3, 4, "eins")])
    assert len(bench.engine.calls) == calls
    assert track.clips[0].place == 3 * SAMPLE_RATE
    # The block, its meter and the report.
    assert runner.misses == 3


def test_one_edited_line_costs_only_its_own_actions(store: WorkDir) -> None:
    bench = make_bench(store, 3.5 * BLOCK_SAMPLES / SAMPLE_RATE)
    lines = [a_line(str(index), 10 * index + 1, 10 * index + 4, "text" * 4) for index in range(10)]
    bench.dub(lines)
    edited = [*lines[:1], a_line("1", 11, 14, "anders" * 3), *lines[2:]]
    _, runner = bench.dub(edited)
    # Spoken, made a clip, its block mixed; that block and the next metered, which hears it; the report.
    assert runner.misses == 6


def test_look_mode_sees_the_lines_before_anything_is_made(bench: Bench) -> None:
    with pytest.raises(NotMade):
        bench.dub([a_line("1", 1, 2, "eins"), a_line("2", 5, 6, "zwei")], mode="look")
    assert not bench.engine.calls


def test_without_a_sound_track_the_dub_speaks_into_silence(store: WorkDir) -> None:
    bench = make_bench(store, 4, sound=False)
    track, runner = bench.dub([a_line("1", 1, 2, "eins", None)])
    mix = read_sound(store, track.mix)
    assert mix.shape == (4 * SAMPLE_RATE, 2)
    assert not mix[:SAMPLE_RATE].any()
    assert np.abs(mix).max() > 0.05
    assert track.loudness.source_speech_lufs is None
    assert not runner.defects


def test_no_lines_leave_the_bed(bench: Bench) -> None:
    track, _ = bench.dub([])
    bed = read_sound(bench.store, bench.stems.background)  # type: ignore[arg-type]
    assert np.array_equal(read_sound(bench.store, track.mix), bed)


def test_voices_are_told_apart_within_their_class() -> None:
    assert casting.by_class(transcript().speakers) == {
        "s1": VoiceRequest("low", 0),
        "s2": VoiceRequest("high", 0),
        "s3": VoiceRequest("low", 1),
    }


def test_lines_are_timed_by_the_voices_that_will_speak_them(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [(0, "s3"), (2, None), (4, "s1"), (6, "s2"), (8, "s2")]
    segments = tuple(
        Segment(id=str(second), start=second * SAMPLE_RATE, stop=(second + 1) * SAMPLE_RATE, speaker=speaker,
                text="" if speaker == "s2" else "One.", words=(), confidence=None)
        for second, speaker in said
    )  # fmt: skip
    spoken = transcript().model_copy(update={"segments": segments})
    people.keep(tmp_path, "anna", wav(np.sin(np.arange(5 * SAMPLE_RATE, dtype=np.float32) / 50)), Sidecar(),
                replace=False)  # fmt: skip
    cast = CastFile("video.cast.toml", frozenset(), voices={"s1": {"": "anna"}})
    job = Job(Path("video.mp4"), "0" * 64, 1, ("de",), "en", cast=cast)
    settings = Settings(work_dir=bench.store.root, data_dir=tmp_path)
    runner = Runner(bench.store, EventBus(), run="test")
    context = Context(runner, settings, job, lambda *_: bench.engine, "de")

    plain = casting.voices(context, Slot.pending("separate"), spoken)
    assert plain == {"s3": VoiceRequest("low", 1), None: VoiceRequest("low", 0), "s1": VoiceRequest("low", 0)}
    monkeypatch.setattr(Buzzer, "traits", Traits(clones=True))
    timed = casting.voices(context, Slot("separate", bench.stems), spoken)
    assert timed["s1"].recording is not None
    assert (
        timed["s1"]
        == casting.cast_speakers(context, Slot("separate", bench.stems), spoken, {"s1"}).requests["s1"]
    )


def test_the_rights_to_a_voice_of_the_bank_go_into_the_report(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Buzzer, "traits", Traits(times_phones=True, clones=True))
    sound = wav(np.sin(np.arange(5 * SAMPLE_RATE, dtype=np.float32) / 50))
    for name, told in (("anna", Sidecar(person="Anna Berg", rights="Until 2028")), ("bert", Sidecar())):
        people.keep(tmp_path, name, sound, told, replace=False)
    voices = {"s1": {"": "anna"}, "s2": {"": "none"}, "s3": {"": "bert"}}
    cast = CastFile("video.cast.toml", frozenset(), voices=voices)
    lines = [a_line("1", 0, 2, "one", "s1"), a_line("2", 3, 5, "two", "s2"), a_line("3", 6, 8, "x", "s3")]
    dub, _ = bench.dub(lines, cast=cast, data_dir=tmp_path)
    assert [(one.speaker, one.voice, one.own, one.person, one.rights) for one in dub.bank_voices] == [
        ("s1", "anna", None, "Anna Berg", "Until 2028"),
        ("s3", "bert", None, None, None),
    ]
    without, _ = bench.dub(lines[:2], cast=cast, data_dir=tmp_path)
    assert [one.voice for one in without.bank_voices] == ["anna"], "bert says nothing"
    slots = Slots()
    slots.fill("transcript", None, Slot("transcribe", transcript()))
    slots.fill("dub", "de", Slot("dub", dub))
    nothing = Ref(sha256="0" * 64, size=0)
    page = report.build(
        job=Job(Path("video.mp4"), "0" * 64, 1, ("de",), "en"),
        language="de",
        render=Render(language="de", media=nothing, container="mp4", subtitles=nothing),
        slots=slots,
        choices=Choices({}),
        stages=(),
        defects=(),
        notices=(),
        run="test",
        bytes_kept=0,
        timeline=None,
    ).model_dump(mode="json")
    noted = {one["id"]: one["bank_voice"] and one["bank_voice"]["rights"] for one in page["speakers"]}
    assert noted == {"s1": "Until 2028", "s2": None, "s3": None}
    [item] = [item for item in attention(page) if "rights" in item.title]
    assert item.title == "1 voice of the bank without noted rights"
    assert "bert" in item.detail


def test_backends_are_given_a_host() -> None:
    """The contract of the double is the one of the real engines."""
    from stages.dub.openjtalk import OpenJTalk

    engine = OpenJTalk(Host(settings=Settings(), scratch=Path()))
    assert set(dir(Buzzer())) - set(dir(object())) - {"calls"} <= set(dir(engine))
