"""What is shown when, and what sounds with it, from the source to the delivered file: all of `loc run`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from cli.graph import load_graph
from loc.app.batch import run_all
from loc.app.outcome import overall
from loc.errors import ExitCode
from loc.settings import Settings
from tests.media import synth
from tests.pictures import luma_of, time_of

FRAMES = 75
SPOKEN = {"en": "Good day.", "ja": "こんにちは。"}

KINDS = (
    *("h264", "h264-open", "h264-ts", "hevc-open", "h264-avi", "mpeg4-packed", "vp9", "vfr"),
    *("edit-on", "edit-inside"),
)

HEARD_EARLY = {"h264-avi": Fraction(2, 25), "vp9": Fraction(7, 1000)}
"""Seconds by which the clicks of a file come before their flashes in the file itself. AVI has no times, so
pictures that a decoder holds back are shown late; ffmpeg 5 writes Opus into WebM 7 ms before the picture."""


@dataclass(frozen=True)
class Shown:
    """A file as a plain decoder gives it: times in seconds, numbers drawn into the pictures, and flashes."""

    times: list[Fraction]
    numbers: list[int]
    flashes: list[Fraction]

    @property
    def from_first(self) -> list[Fraction]:
        return [time - self.times[0] for time in self.times]


def shown(path: Path) -> Shown:
    times, numbers, flashes = [], [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            luma = luma_of(frame)
            times.append(time_of(frame))
            numbers.append(synth.number_of(luma))
            if synth.has_flash(luma if luma.dtype == np.uint8 else luma // 4):
                flashes.append(times[-1])
    return Shown(times, numbers, flashes)


def side(path: Path) -> npt.NDArray[np.float32]:
    """What stereo sound has beside the middle, where no speech is; float32 [n] at 48 kHz, from the file's
    time 0 on."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-f", "f32le", "-"]
    heard = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")
    with av.open(str(path)) as container:
        begin = round(time_of(next(container.decode(audio=0))) * synth.SAMPLE_RATE)
    sound = np.asarray((heard[::2] - heard[1::2]) / 2, dtype=np.float32)
    return np.concatenate([np.zeros(max(0, begin), np.float32), sound[max(0, -begin) :]])


def localized(video: Path, store: Path, *, lipsync: bool = False) -> Path:
    """The Japanese version of a video in which one short line is spoken in the first second."""
    for language, text in SPOKEN.items():
        cue = f"1\n00:00:00,100 --> 00:00:00,900\n{text}\n"
        video.with_suffix(f".{language}.srt").write_text(cue, encoding="utf-8")
    settings = Settings(languages=("ja",), work_dir=store, preset="ultrafast", lipsync=lipsync)
    assert overall(run_all([video], load_graph(), settings)) == ExitCode.DONE
    return video.with_suffix(".ja.mp4")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One work directory for all, so that the line is spoken once."""
    return tmp_path_factory.mktemp("times") / "store"


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_keeps_its_time_and_its_sound(kind: str, store: Path, tmp_path: Path) -> None:
    sound = synth.beside(synth.clicks(Fraction(FRAMES, synth.RATE)))
    source = synth.film(tmp_path, kind, frames=FRAMES, tracks=[sound])
    before, after = shown(source), shown(localized(source, store, lipsync=kind == "h264"))
    first = synth.first_number(kind)
    assert after.numbers == before.numbers == list(range(first, FRAMES))
    if source.suffix == ".avi":
        assert after.from_first == [Fraction(place, synth.RATE) for place in range(FRAMES - first)]
    else:
        assert after.from_first == before.from_first
    heard = side(source.with_suffix(".ja.mp4"))
    clicked = [flash for flash in after.flashes if flash > after.times[0]]
    assert len(clicked) == 2 - (first > synth.RATE)
    early = HEARD_EARLY.get(kind, 0)
    errors = [synth.click_error(heard, flash - early) for flash in clicked]
    assert max(map(abs, errors)) < 1


def _constant(rate: Fraction, seconds: int) -> npt.NDArray[np.int64]:
    return np.arange(int(seconds * rate), dtype=np.int64) * rate.denominator


def _phone(seconds: int) -> npt.NDArray[np.int64]:
    """Times of a telephone's camera in 1/90000 s: 30 a second that tremble, 24 in the dark, some lost."""
    random = np.random.default_rng(8)
    count = 30 * seconds
    dark = np.arange(count) // 900 % 2 == 1
    steps = np.where(dark, 3750, 3000) + random.integers(-400, 401, count)
    steps[random.random(count) < 0.01] *= 2
    ticks = np.cumsum(steps) - steps[0]
    return np.asarray(ticks[ticks < 90_000 * seconds], dtype=np.int64)


def _offsets(ticks: npt.NDArray[np.int64], base: Fraction, store: Path, folder: Path) -> list[float]:
    """By how many ms each click of the delivered film comes after its flash."""
    made = synth.flashes(folder / "film.mp4", ticks, base, every=10)
    output = localized(made.path, store)
    times, flashed = [], []
    with av.open(str(output)) as container:
        for frame in container.decode(video=0):
            times.append(time_of(frame))
            if synth.is_bright(luma_of(frame)):
                flashed.append(times[-1])
    assert times == [int(tick) * base for tick in ticks]
    assert tuple(flashed) == made.at
    heard = side(output)
    return [synth.click_error(heard, flash) for flash in flashed]


RATES = {
    "24000/1001": lambda seconds: (_constant(Fraction(24000, 1001), seconds), Fraction(1, 24000)),
    "30000/1001": lambda seconds: (_constant(Fraction(30000, 1001), seconds), Fraction(1, 30000)),
    "variable": lambda seconds: (_phone(seconds), Fraction(1, 90000)),
}


@pytest.mark.parametrize("rate", ["30000/1001", "variable"])
def test_sound_stays_with_the_picture_for_a_minute(rate: str, store: Path, tmp_path: Path) -> None:
    errors = _offsets(*RATES[rate](62), store, tmp_path)
    assert len(errors) == 6
    assert max(map(abs, errors)) < 1


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
def test_sound_stays_with_the_picture_for_ten_minutes(rate: str, store: Path, tmp_path: Path) -> None:
    errors = _offsets(*RATES[rate](602), store, tmp_path)
    assert len(errors) == 60
    assert max(map(abs, errors)) < 1
