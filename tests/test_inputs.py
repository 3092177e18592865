"""Whatever a folder of videos can hold, through all of `loc run`: what comes out is read back."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import ffmpeg as graph
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from cli.graph import load_graph
from loc.analysis.face_tracker import track_range
from loc.analysis.faces import LIP_OUTER_UPPER, NOSE, foremost, lip_aperture, places
from loc.app.batch import run_all
from loc.app.outcome import overall
from loc.app.run import prepare
from loc.artifacts import SAMPLE_RATE, FrameRange
from loc.errors import ExitCode, InputError
from loc.events import Defect, Event, Notice
from loc.media import ffmpeg
from loc.media.frames import Plane, first_look, scan_frames
from loc.media.probe import probe_source
from loc.media.subtitles import Cue, read_cues
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.media import synth
from tests.media.synth import Recipe
from tests.pictures import luma_of, time_of
from tests.presenter.samples import SHORT, write_subtitles

if TYPE_CHECKING:
    from tests.presenter import Film

ROOT = Path(__file__).resolve().parents[1]
LINE = "こんにちは。"
CUE = f"1\n00:00:00,100 --> 00:00:00,900\n{LINE}\n"

X264: Mapping[str, Any] = {"vcodec": "libx264", "preset": "ultrafast", "g": 12}
SECOND = synth.RATE
"""Pictures of a film that has room for the line."""

SILENT = Recipe(".mp4", X264, sound=None)
"""Tiny pictures alone: what most of what follows varies."""


@dataclasses.dataclass(frozen=True)
class Made:
    """A finished job: its video, and the codes of what was said about it."""

    video: Path
    said: tuple[str, ...]

    @property
    def subtitles(self) -> Path:
        return self.video.with_name(f"{self.video.stem}.dub.srt")

    def cues(self) -> list[Cue]:
        return read_cues(self.subtitles.read_bytes(), "subtitles")


Localize = Callable[..., Made]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One work directory for all, so that each line is spoken once."""
    return tmp_path_factory.mktemp("inputs") / "store"


@pytest.fixture
def localize(store: Path) -> Localize:
    """The Japanese version of a video, one short line in it unless it has subtitles of its own."""

    def run(video: Path, suffix: str = ".mp4", expected: ExitCode = ExitCode.DONE, **changes: Any) -> Made:
        words = video.with_suffix(".ja.srt")
        if not words.exists():
            words.write_text(CUE, encoding="utf-8")
        given = {"languages": ("ja",), "work_dir": store, "preset": "ultrafast", "lipsync": False}
        events: list[Event] = []
        outcomes = run_all(
            [video], load_graph(), Settings(**{**given, "page": "none", **changes}), [events.append]
        )
        assert overall(outcomes) == expected, outcomes
        said = tuple(event.code for event in events if isinstance(event, Notice | Defect))
        return Made(video.with_suffix(f".ja{suffix}"), said)

    return run


def probe(path: Path) -> dict[str, dict[str, Any]]:
    """The first stream of each kind, and the format."""
    found = asked(path, "-show_streams", "-show_format")
    return {"format": found["format"], **{part["codec_type"]: part for part in reversed(found["streams"])}}


def asked(path: Path, *what: str) -> dict[str, Any]:
    """What ffprobe says."""
    command = ["ffprobe", "-v", "error", "-of", "json", *what, str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def pictures(path: Path) -> tuple[list[Fraction], list[Plane]]:
    """(seconds from the first picture, luma) of every picture."""
    times, lumas = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            lumas.append(luma_of(frame))
            times.append(time_of(frame))
    return [time - times[0] for time in times], lumas


def heard(path: Path, track: int = 0) -> npt.NDArray[np.float32]:
    """What is heard of a track from the first picture on, float32 [n, channels] at 48 kHz."""
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
        shown = time_of(first)
    pieces, begin = [], None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=track):
            begin = time_of(frame) if begin is None else begin
            pieces.append(
                frame.to_ndarray().reshape(-1, frame.samples)
                if frame.format.is_planar
                else frame.to_ndarray().reshape(frame.samples, -1).T
            )
    sound = np.concatenate(pieces, axis=1).T.astype(np.float32)
    late = round(((begin or 0) - shown) * SAMPLE_RATE)
    return np.pad(sound, ((max(late, 0), 0), (0, 0)))[max(-late, 0) :]


def numbers(lumas: Sequence[npt.NDArray[Any]]) -> list[int]:
    return [synth.number_of(luma) for luma in lumas]


def test_portrait(localize: Localize, tmp_path: Path) -> None:
    tall = dataclasses.replace(SILENT, filters=[("pad", "192", "320", "0", "0")])
    made = localize(synth.make(tmp_path, tall, frames=SECOND))
    found = probe(made.video)["video"]
    assert (found["width"], found["height"]) == (192, 320)
    assert numbers(pictures(made.video)[1]) == list(range(SECOND))


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_rotated_by_metadata(localize: Localize, tmp_path: Path, turned: int) -> None:
    """The coded picture is not turned; players turn it as they did."""
    straight = synth.make(tmp_path, SILENT, frames=SECOND)
    video = synth.copy(straight, tmp_path / "turned.mp4", {}, **{"metadata:s:v:0": f"rotate={turned}"})
    before, after = probe(video)["video"], probe(localize(video).video)["video"]
    rotations = [stream["side_data_list"][0]["rotation"] for stream in (before, after)]
    assert rotations[0] == rotations[1] != 0
    assert numbers(pictures(video.with_suffix(".ja.mp4"))[1]) == list(range(SECOND))


def test_pixels_that_are_not_square(localize: Localize, tmp_path: Path) -> None:
    wide = dataclasses.replace(SILENT, filters=[("setsar", "16/11")])
    video = synth.make(tmp_path, wide, frames=SECOND)
    found = probe(localize(video).video)["video"]
    assert (found["sample_aspect_ratio"], found["width"]) == ("16:11", 192)
    web = localize(video, ".webm", container="webm")
    found = probe(web.video)["video"]
    assert (found.get("sample_aspect_ratio", "1:1"), found["width"]) == ("1:1", round(192 * 16 / 11))
    assert "squared" in web.said


def test_odd_sides_gain_a_line_that_repeats_the_last(localize: Localize, tmp_path: Path) -> None:
    odd = dataclasses.replace(SILENT, filters=[("crop", "191", "127", "0", "0")], pix_fmt="yuv444p")
    video = synth.make(tmp_path, odd, frames=SECOND)
    # 4:2:0 with odd sides: only VP9 and such hold it.
    narrow = tmp_path / "narrow.webm"
    options = {
        "c:v": "libvpx-vp9",
        "deadline": "realtime",
        "cpu-used": "8",
        "crf": "10",
        "pix_fmt": "yuv420p",
    }
    flat = itertools.chain.from_iterable((f"-{name}", value) for name, value in options.items())
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(video), *flat, str(narrow)], check=True)
    before = pictures(narrow)[1]
    assert before[0].shape == (127, 191)
    made = localize(narrow)
    assert "odd-size" in made.said
    after = pictures(made.video)[1]
    assert after[0].shape == (128, 192)
    assert numbers(after) == numbers(before) == list(range(SECOND))
    grown = np.abs(after[3][:127, 191].astype(int) - before[3][:, 190])
    assert grown.mean() < 4
    assert "odd-size" not in localize(narrow, ".webm", container="webm").said
    assert pictures(narrow.with_suffix(".ja.webm"))[1][0].shape == (127, 191)


RATES = ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")


@pytest.mark.parametrize("rate", RATES)
def test_constant_rates(localize: Localize, tmp_path: Path, rate: str) -> None:
    """Every picture at its very time: nothing is added, dropped, or moved."""
    step, count = 1 / Fraction(rate), round(Fraction(rate))
    video = synth.make(tmp_path, dataclasses.replace(SILENT, rate=Fraction(rate)), frames=count)
    made = localize(video)
    times, lumas = pictures(made.video)
    assert times == [number * step for number in range(count)] == pictures(video)[0]
    assert numbers(lumas) == list(range(count))
    assert Fraction(probe(made.video)["video"]["avg_frame_rate"]) == Fraction(rate)


def test_variable_rate(localize: Localize, tmp_path: Path) -> None:
    video = synth.make(tmp_path, dataclasses.replace(synth.RECIPES["vfr"], sound=None), frames=SECOND)
    times, lumas = pictures(localize(video).video)
    assert times == [Fraction(int(tick), 100) for tick in synth.vfr_ticks(SECOND)]
    assert numbers(lumas) == list(range(SECOND))


def test_ten_bits_of_sdr(localize: Localize, tmp_path: Path) -> None:
    video = synth.make(tmp_path, dataclasses.replace(SILENT, pix_fmt="yuv420p10le"), frames=SECOND)
    made = localize(video)
    found = probe(made.video)["video"]
    assert (found["codec_name"], found["profile"], found["pix_fmt"]) == ("h264", "High 10", "yuv420p10le")
    before, after = pictures(video)[1], pictures(made.video)[1]
    assert np.abs(before[3].astype(int) - after[3]).mean() < 4
    assert numbers(after) == list(range(SECOND))


HDR = {"colorspace": "bt2020nc", "color_primaries": "bt2020", "color_range": "tv"}
GRADED = (
    "log-level=none:repeat-headers=1:hdr10=1:max-cll=900,300:"
    "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)"
)


def hdr_film(folder: Path, transfer: str, suffix: str = ".mp4") -> Path:
    parameters = GRADED if transfer == "smpte2084" else "log-level=none"
    options = {"vcodec": "libx265", "preset": "ultrafast", **HDR, "color_trc": transfer}
    recipe = Recipe(suffix, {**options, "x265-params": parameters}, pix_fmt="yuv420p10le", sound=None)
    return synth.make(folder, recipe, frames=SECOND)


def light(path: Path) -> dict[str, dict[str, Any]]:
    """Side data of the first picture, and of the container where it has any."""
    wanted = ["-show_frames", "-read_intervals", "%+#1", "-show_streams", "-select_streams", "v"]
    found = asked(path, *wanted)
    return {
        kind: {side["side_data_type"]: side for side in found[kind][0].get("side_data_list", [])}
        for kind in ("frames", "streams")
    }


@pytest.mark.parametrize(
    ("transfer", "suffix"),
    [("smpte2084", ".mp4"), ("smpte2084", ".mkv"), ("smpte2084", ".webm"), ("arib-std-b67", ".mp4")],
)
def test_hdr_keeps_its_metadata(localize: Localize, tmp_path: Path, transfer: str, suffix: str) -> None:
    video = hdr_film(tmp_path, transfer, ".mkv")
    made = localize(video, suffix, container=suffix[1:])
    assert "tone-mapped" not in made.said
    found = probe(made.video)["video"]
    coded = ("vp9", "Profile 2") if suffix == ".webm" else ("hevc", "Main 10")
    assert (found["codec_name"], found["profile"], found["pix_fmt"]) == (*coded, "yuv420p10le")
    declared = (found["color_transfer"], found["color_primaries"], found["color_space"], found["color_range"])
    assert declared == (transfer, "bt2020", "bt2020nc", "tv")
    if suffix == ".mp4":
        assert found["codec_tag_string"] == "hvc1"
    if transfer == "smpte2084":
        before, after = light(video)["frames"], light(made.video)
        places = ["streams"] if suffix == ".webm" else ["frames", "streams"]
        for place, kind in itertools.product(places, before):
            if kind.startswith(("Mastering", "Content")):
                for name, value in before[kind].items():
                    if name != "side_data_type":
                        assert Fraction(after[place][kind][name]) == pytest.approx(Fraction(value), rel=1e-4)
    before_luma, after_luma = pictures(video)[1], pictures(made.video)[1]
    assert numbers(after_luma) == list(range(SECOND))
    assert np.abs(before_luma[3].astype(int) - after_luma[3]).mean() < 6


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_h264_makes_sdr_of_hdr_and_says_so(localize: Localize, tmp_path: Path, transfer: str) -> None:
    made = localize(hdr_film(tmp_path, transfer), codec="h264")
    assert "tone-mapped" in made.said
    found = probe(made.video)["video"]
    assert (found["codec_name"], found["pix_fmt"], found["color_transfer"]) == ("h264", "yuv420p", "bt709")
    assert (found["color_primaries"], found["color_space"]) == ("bt709", "bt709")
    sides = [kind for place in light(made.video).values() for kind in place]
    assert not any(kind.startswith(("Mastering", "Content")) for kind in sides)
    assert numbers(pictures(made.video)[1]) == list(range(SECOND))


@pytest.mark.slow
@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_mouths_are_drawn_in_hdr(localize: Localize, short_film: Film, tmp_path: Path, transfer: str) -> None:
    """The presenter graded to HDR: her mouth is drawn, her skin keeps its light, the rest its pixels."""
    video = tmp_path / "graded.mp4"
    light_of_scene = "zscale=tin=bt709:pin=bt709:min=bt709:rin=tv:t=linear:npl=203,format=gbrpf32le"
    graded = f"{light_of_scene},zscale=t={transfer}:p=bt2020:m=bt2020nc:r=tv:npl=203,format=yuv420p10le"
    declared = f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    coded = ["-c:v", "libx265", "-preset", "fast", "-crf", "12", "-x265-params", declared, "-c:a", "copy"]
    command = ["ffmpeg", "-v", "error", "-i", str(short_film.path), "-vf", graded, *coded, str(video)]
    subprocess.run(command, check=True)
    made = localize(video, lipsync=True)
    report = json.loads(made.video.with_name("graded.ja.report.json").read_text())
    assert sum(cut["drawn_frames"] for cut in report["cuts"]) > 20
    [face] = short_film.truth.faces
    before, after = pictures(video)[1], pictures(made.video)[1]
    for number, (was, now) in enumerate(zip(before, after, strict=True)):
        x0, y0, x1, y1 = (round(value) for value in face.box[number])
        moved = np.abs(was.astype(int) - now)
        moved[y0:y1, x0:x1] = 0
        assert moved.mean() < 3
        # Beside the mouth, where the patch is skin.
        for cheek in (
            slice(x0 + (x1 - x0) // 8, x0 + (x1 - x0) // 4),
            slice(x1 - (x1 - x0) // 4, x1 - (x1 - x0) // 8),
        ):
            rows = slice(y0 + (y1 - y0) * 6 // 10, y0 + (y1 - y0) * 8 // 10)
            assert now[rows, cheek].mean() == pytest.approx(was[rows, cheek].mean(), rel=0.01)


def test_an_encoder_that_is_not_there_is_missed_before_any_work(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loc.media.ffmpeg.listed", lambda _program, _kind: frozenset({"libx264", "aac"}))
    video = hdr_film(tmp_path, "smpte2084")
    video.with_suffix(".ja.srt").write_text(CUE, encoding="utf-8")
    cases: tuple[tuple[dict[str, Any], str], ...] = (({}, "libx265"), ({"container": "webm"}, "libvpx-vp9"))
    for changes, encoder in cases:
        settings = Settings(languages=("ja",), work_dir=store, **changes)
        [outcome] = run_all([video], load_graph(), settings)
        assert (outcome.code, outcome.result) == (ExitCode.MISSING, None)
        assert encoder in str(outcome.error)


def test_interlaced_pictures(localize: Localize, tmp_path: Path) -> None:
    """H.264 keeps the fields; VP9 has none, so pictures are made whole, aloud."""
    options = {"vcodec": "mpeg2video", "q:v": 2, "flags": "+ilme+ildct"}
    recipe = Recipe(".ts", options, sound=None, filters=[("setfield", "bff")])
    video = synth.make(tmp_path, recipe, frames=SECOND)
    made = localize(video)
    assert synth.fields(video) == synth.fields(made.video) == {(1, 0)}
    assert "deinterlaced" not in made.said
    web = localize(video, ".webm", container="webm")
    assert "deinterlaced" in web.said
    assert synth.fields(web.video) == {(0, 0)}
    assert numbers(pictures(made.video)[1]) == numbers(pictures(web.video)[1]) == list(range(SECOND))


def test_containers_in(localize: Localize, tmp_path: Path) -> None:
    """MOV; the others, with flashes and clicks, are in `test_times`. An MP4 comes out by default."""
    made = localize(synth.make(tmp_path, "mjpeg", frames=SECOND))
    assert probe(made.video)["format"]["format_name"].startswith("mov,mp4")
    assert numbers(pictures(made.video)[1]) == list(range(SECOND))


OUT = {
    "mp4": ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "aac", "mov_text"),
    "mkv": ("matroska,webm", "h264", "aac", "subrip"),
    "webm": ("matroska,webm", "vp9", "opus", "webvtt"),
}


def side(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What stereo sound has beside the middle, where no speech is."""
    return (sound[:, 0] - sound[:, 1]) / 2


@pytest.fixture(scope="module")
def clicked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with a click on the second and the third, beside the middle."""
    folder = tmp_path_factory.mktemp("clicked")
    return synth.make(
        folder, Recipe(".mp4", X264), frames=75, tracks=[synth.beside(synth.clicks(Fraction(3)))]
    )


@pytest.mark.parametrize("container", OUT)
def test_containers_out(localize: Localize, clicked: Path, container: str) -> None:
    """Named by the file; picture, sound and subtitles each in what players of the container know."""
    target = clicked.with_name(f"result.{container}")
    localize(clicked, output=str(target))
    found = probe(target)
    coded = tuple(found[kind]["codec_name"] for kind in ("video", "audio", "subtitle"))
    assert (found["format"]["format_name"], *coded) == OUT[container]
    assert {found[kind]["tags"]["language"] for kind in ("audio", "subtitle")} == {"jpn"}
    times, lumas = pictures(target)
    assert numbers(lumas) == list(range(75))
    slack = 0 if container == "mp4" else Fraction(1, 1000)
    assert max(abs(time - Fraction(number, 25)) for number, time in enumerate(times)) <= slack
    errors = synth.click_errors(side(heard(target))[: 3 * SAMPLE_RATE])
    assert len(errors) == 2
    assert max(map(abs, errors)) < 1


def test_mono_stays_mono(localize: Localize, tmp_path: Path) -> None:
    hum = 0.1 * np.sin(np.arange(2 * SAMPLE_RATE) * 2 * np.pi * 200 / SAMPLE_RATE).astype(np.float32)
    made = localize(synth.make(tmp_path, Recipe(".mp4", X264), frames=50, tracks=[hum]))
    found = probe(made.video)["audio"]
    assert (found["channels"], found["channel_layout"]) == (1, "mono")
    spoken = heard(made.video)[:, 0]
    assert len(spoken) >= 2 * SAMPLE_RATE
    assert np.abs(spoken[SAMPLE_RATE // 5 : SAMPLE_RATE // 2]).max() > 0.15, "the line is heard over the hum"


def test_surround_is_mixed_down_aloud(localize: Localize, tmp_path: Path) -> None:
    """Left at the first second; left surround at the second, at half the power."""
    surround = np.zeros((3 * SAMPLE_RATE, 6), np.float32)
    for second, channel in ((1, 0), (2, 4)):
        surround[second * SAMPLE_RATE : second * SAMPLE_RATE + synth.CLICK_SAMPLES, channel] = 0.8
    recipe = Recipe(".mkv", X264, sound="flac")
    made = localize(synth.make(tmp_path, recipe, frames=75, tracks=[surround]))
    assert "mixed-down" in made.said
    assert probe(made.video)["audio"]["channel_layout"] == "stereo"
    left = side(heard(made.video))
    assert max(abs(synth.click_error(left, Fraction(second))) for second in (1, 2)) < 1
    near, far = (np.square(left[second * SAMPLE_RATE :][:480]).sum() for second in (1, 2))
    assert far / near == pytest.approx(0.5, abs=0.1)


def test_channels_that_cancel_each_other_are_told_with_what_mends_them(
    localize: Localize, short_film: Film, tmp_path: Path
) -> None:
    def turned(video: Path, copy: Path) -> Path:
        channels = ("-c", "copy", "-c:a", "flac", "-af", "pan=stereo|c0=c0|c1=-1*c1")
        subprocess.run(["ffmpeg", "-v", "error", "-i", video, *channels, copy], check=True)
        return copy

    wrong = turned(short_film.path, tmp_path / "talk.mkv")
    assert "channels-cancel" in localize(wrong, expected=ExitCode.DEFECTS, until="separate").said
    assert "channels-cancel" not in localize(turned(wrong, tmp_path / "new.mkv"), until="separate").said


def test_sound_that_begins_late_comes_late(localize: Localize, clicked: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    given = ["-i", str(clicked), "-itsoffset", "0.5", "-i", str(clicked), "-map", "0:v", "-map", "1:a"]
    subprocess.run(["ffmpeg", "-v", "error", *given, "-c", "copy", str(late)], check=True)
    sound = side(heard(localize(late).video))
    errors = [synth.click_error(sound, Fraction(second) + Fraction(1, 2)) for second in (1, 2)]
    assert max(map(abs, errors)) < 1


@pytest.mark.parametrize(
    ("recipe", "suffix", "codec"),
    [
        (Recipe(".mp4", X264), ".mp4", "aac"),
        (Recipe(".ts", X264, sound="ac3"), ".mkv", "ac3"),
        (Recipe(".mp4", X264), ".webm", "opus"),
        (Recipe(".avi", X264, sound="pcm_s16le"), ".mp4", "aac"),
    ],
)
def test_the_original_sound_as_a_second_track(
    localize: Localize, tmp_path: Path, recipe: Recipe, suffix: str, codec: str
) -> None:
    """Copied where the container takes it, else coded anew, aloud; never what a player begins with."""
    tracks = [synth.beside(synth.clicks(Fraction(3)))]
    extra = {} if recipe.suffix == ".avi" else {"metadata:s:a:0": "language=ger"}
    clip = synth.make(tmp_path, dataclasses.replace(recipe, extra=extra), frames=75, tracks=tracks)
    made = localize(
        clip, suffix, keep_original_audio=True, container=suffix[1:], source_language="de", workers=1
    )
    dub, original = (
        part for part in asked(made.video, "-show_streams")["streams"] if part["codec_type"] == "audio"
    )
    assert ("original-coded" in made.said) == (codec not in str(recipe.sound))
    assert original["codec_name"] == codec
    german = "deu" if suffix == ".mp4" else "ger"
    assert (dub["tags"]["language"], original["tags"]["language"]) == ("jpn", german)
    assert (dub["disposition"]["default"], original["disposition"]["default"]) == (1, 0)
    assert original["tags"]["handler_name" if suffix == ".mp4" else "title"] == "Original"
    for track in (0, 1):
        errors = synth.click_errors(side(heard(made.video, track))[: 3 * SAMPLE_RATE])
        assert max(map(abs, errors)) < 1


DRIFT = Fraction(1005, 1000)
"""How much longer the sound's timestamps take than its samples: 60 ms in 12 s."""


def test_sound_that_drifts_is_held_by_its_timestamps(localize: Localize, tmp_path: Path) -> None:
    """A recorder whose clock ran apart: sample by sample, the last click would be 55 ms early."""
    seconds = 12
    sound = np.zeros(seconds * SAMPLE_RATE, np.float32)
    for second in range(1, seconds):
        start = round(second / DRIFT * SAMPLE_RATE)
        sound[start : start + synth.CLICK_SAMPLES] = 0.8
    straight = synth.make(
        tmp_path,
        Recipe(".mkv", X264),
        frames=seconds * synth.RATE,
        tracks=[synth.beside(sound)],
        name="straight",
    )
    video = synth.slowed(straight, tmp_path / "drifting.mkv", DRIFT)
    result = side(heard(localize(video).video))
    errors = [synth.click_error(result, Fraction(second)) for second in range(1, seconds)]
    assert max(map(abs, errors)) < 22


def test_of_several_sound_tracks_the_default_one_or_the_one_named(localize: Localize, tmp_path: Path) -> None:
    tracks = [synth.beside(synth.clicks(Fraction(3), offset)) for offset in (Fraction(0), Fraction(1, 4))]
    extra = {"disposition:a:0": "0", "disposition:a:1": "default"}
    recipe = Recipe(".mkv", X264, extra=extra)
    plain = synth.make(tmp_path, recipe, frames=75, tracks=tracks)
    words, video = tmp_path / "words.srt", tmp_path / "titled.mkv"
    words.write_text(srt(("00,100", "02,000", "Good day.")))
    merged = ["-i", str(plain), "-i", str(words), "-map", "0", "-map", "1", "-c", "copy", str(video)]
    subprocess.run(["ffmpeg", "-v", "error", *merged], check=True)
    made = localize(video)
    assert "audio-track" in made.said
    assert "left-out" in made.said, "of a subtitle track"
    assert abs(synth.click_error(side(heard(made.video)), Fraction(5, 4))) < 1
    named = localize(video, audio_track=1)
    assert "audio-track" not in named.said
    assert abs(synth.click_error(side(heard(named.video)), Fraction(1))) < 1
    kinds = [part["codec_type"] for part in asked(named.video, "-show_streams")["streams"]]
    assert sorted(kinds) == ["audio", "subtitle", "video"], "the other track is left out"


@pytest.mark.parametrize("track", [None, np.zeros((SAMPLE_RATE, 2), np.float32)])
def test_silence(localize: Localize, tmp_path: Path, track: npt.NDArray[np.float32] | None) -> None:
    """Without a sound track, and with one in which nothing is heard."""
    recipe = SILENT if track is None else Recipe(".mp4", X264)
    made = localize(synth.make(tmp_path, recipe, frames=SECOND, tracks=None if track is None else [track]))
    assert ("no-sound" in made.said) == (track is None)
    spoken = heard(made.video)
    assert np.abs(spoken[SAMPLE_RATE // 5 : SAMPLE_RATE // 2]).max() > 0.1
    assert not np.abs(spoken[: SAMPLE_RATE // 20]).max() > 0.01


def test_a_fifth_of_a_second(localize: Localize, tmp_path: Path) -> None:
    video = synth.make(tmp_path, Recipe(".mp4", X264), frames=5)
    video.with_suffix(".ja.srt").write_text("1\n00:00:00,000 --> 00:00:00,200\nあ\n", encoding="utf-8")
    made = localize(video)
    assert numbers(pictures(made.video)[1]) == list(range(5))
    [cue] = made.cues()
    assert (cue.text, cue.start) == ("あ", 0)
    assert cue.stop <= SAMPLE_RATE // 5
    spoken = heard(made.video)
    assert len(spoken) == pytest.approx(SAMPLE_RATE // 5, abs=1024)
    # The source's click lies at the start.
    assert np.abs(spoken[SAMPLE_RATE // 20 : SAMPLE_RATE * 3 // 20]).max() > 0.05


def srt(*cues: tuple[str, str, str]) -> str:
    return "\n".join(
        f"{number}\n00:00:{start} --> 00:00:{stop}\n{text}\n"
        for number, (start, stop, text) in enumerate(cues, 1)
    )


def test_a_file_that_breaks_off_is_used_as_far_as_it_goes(
    localize: Localize, clicked: Path, tmp_path: Path
) -> None:
    whole, video = synth.copy(clicked, tmp_path / "whole.mkv", {}), tmp_path / "broken.mkv"
    video.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    made = localize(video)
    assert "truncated" in made.said
    shown = numbers(pictures(made.video)[1])
    assert shown == list(range(len(shown)))
    assert 25 < len(shown) < 70


def test_cues_that_overlap_are_out_of_order_and_lie_past_the_end(
    localize: Localize, clicked: Path, tmp_path: Path
) -> None:
    video = tmp_path / "cues.mp4"
    video.write_bytes(clicked.read_bytes())
    cues = [("02,000", "02,900", LINE), ("00,100", "01,200", LINE), ("01,000", "02,000", LINE)]
    video.with_suffix(".ja.srt").write_text(srt(*cues, ("10,000", "11,000", LINE)), encoding="utf-8")
    made = localize(video, expected=ExitCode.DEFECTS)
    assert "outside" in made.said, "the last one cannot be spoken"
    shown = made.cues()
    assert [cue.text for cue in shown] == [LINE] * 3
    assert [cue.start / SAMPLE_RATE for cue in shown] == [0.1, 1, 2]
    assert all(before.stop < after.start for before, after in itertools.pairwise(shown))
    assert shown[-1].stop <= 3 * SAMPLE_RATE


def test_subtitles_for_the_deaf_are_spoken_without_what_nobody_says(
    localize: Localize, clicked: Path, tmp_path: Path
) -> None:
    video = tmp_path / "deaf.mp4"
    video.write_bytes(clicked.read_bytes())
    cues = [
        ("00,000", "00,200", "（ドアの音）"),
        ("00,300", "01,300", f"（アンナ）{LINE}"),
        ("01,400", "01,700", "♪ ラララ ♪"),
        ("01,800", "02,900", LINE),
    ]
    video.with_suffix(".ja.srt").write_text(srt(*cues), encoding="utf-8")
    made = localize(video)
    assert made.said.count("not-said") == 1
    assert [cue.text for cue in made.cues()] == [LINE, LINE]


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "shift-jis")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_subtitles_in_any_encoding(localize: Localize, clicked: Path, tmp_path: Path, encoding: str) -> None:
    video = tmp_path / "coded.mp4"
    video.write_bytes(clicked.read_bytes())
    text = srt(("00,100", "00,900", LINE), ("01,500", "02,900", "今日は天気がいいですね。"))
    video.with_suffix(".ja.srt").write_bytes(text.encode(encoding))
    made = localize(video)
    assert [cue.text for cue in made.cues()] == [LINE, "今日は天気がいいですね。"]
    told = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(made.video), "-map", "0:s", "-f", "srt", "-"],
        check=True,
        capture_output=True,
    ).stdout.decode()
    assert "今日は天気がいいですね。" in told


NAMES = (
    "with spaces & 'quotes'.mp4",
    "naïve 日本語 🎬.mp4",
    "-clip.mp4",
    "-i.mp4",
    "100%d [a]=b,c;d.mp4",
    "http:x.mp4",
)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_programs_could_misread(
    localize: Localize, clicked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    video = Path(name)
    video.write_bytes(clicked.read_bytes())
    made = localize(video)
    assert made.video.exists()
    assert made.subtitles.exists()
    assert numbers(pictures(made.video.absolute())[1]) == list(range(75))
    written = {f"{video.stem}{end}" for end in (".ja.mp4", ".ja.dub.srt", ".ja.report.json")}
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{video.stem}.ja.srt", *written}


def test_a_leading_dash_at_the_command_line(clicked: Path, store: Path, tmp_path: Path) -> None:
    """Behind `--`, or with its folder."""
    (tmp_path / "-clip.mp4").write_bytes(clicked.read_bytes())
    (tmp_path / "-clip.ja.srt").write_text(CUE, encoding="utf-8")
    options = ["--lang", "ja", "--no-lipsync", "--preset", "ultrafast", "--work-dir", str(store)]
    for name in (["--", "-clip.mp4"], ["./-clip.mp4"]):
        done = subprocess.run(
            [sys.executable, "-m", "cli", "run", *options, *name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == ExitCode.DONE, done.stderr
    assert numbers(pictures(tmp_path / "-clip.ja.mp4")[1]) == list(range(75))


def _truncated(path: Path, video: Path) -> None:
    path.write_bytes(video.read_bytes()[: video.stat().st_size // 2])


def _header_of_matroska(path: Path, video: Path) -> None:
    whole = path.with_suffix(".whole.mkv")
    synth.copy(video, whole, {})
    path.write_bytes(whole.read_bytes()[:300])


def _sound_only(path: Path, video: Path) -> None:
    command = ["ffmpeg", "-v", "error", "-i", str(video), "-vn", "-c", "copy", str(path)]
    subprocess.run(command, check=True)


UNUSABLE: Mapping[str, tuple[str, Callable[[Path, Path], object], str]] = {
    "empty": ("x.mp4", lambda path, _: path.touch(), "is empty"),
    "without its index": ("x.mp4", _truncated, "is truncated"),
    "headers only": ("x.mkv", _header_of_matroska, "no picture that can be decoded|cannot"),
    "text": ("x.mp4", lambda path, _: path.write_text("Dear diary,\n" * 99), "not a"),
    "a web page": ("x.mp4", lambda path, _: path.write_text("<!DOCTYPE html><p>404"), "not a"),
    "a program": (
        "x.mp4",
        lambda path, _: path.write_bytes(Path(sys.executable).read_bytes()[:9999]),
        "not a",
    ),
    "sound only": ("x.m4a", _sound_only, "has no video picture"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_what_cannot_be_used_is_refused_by_run_and_plan_alike(
    clicked: Path, tmp_path: Path, store: Path, kind: str
) -> None:
    name, write, words = UNUSABLE[kind]
    path = tmp_path / name
    write(path, clicked)
    _refused(path, store, words)


def test_a_file_that_still_grows_is_refused(
    clicked: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(clicked.read_bytes())

    def grow(given: Path) -> str:
        with given.open("ab") as stream:
            stream.write(b"more")
        return "0" * 64

    monkeypatch.setattr("loc.store.workdir.digest_file", grow)
    _refused(path, store, "still growing")


def _refused(path: Path, store: Path, words: str) -> None:
    """Exit code 4 in these words, from `run` and `plan`, and nothing written."""
    before = set(path.parent.iterdir())
    settings = Settings(languages=("ja",), work_dir=store, source_language="en")
    [outcome] = run_all([path], load_graph(), settings)
    assert outcome.code == ExitCode.INPUT
    with pytest.raises(InputError, match=words) as planned:
        prepare(path, load_graph(), WorkDir(store), settings, look=True)
    assert outcome.error is not None
    assert str(outcome.error) == str(planned.value)
    assert set(path.parent.iterdir()) == before


@pytest.mark.slow
def test_two_hours(localize: Localize, tmp_path: Path) -> None:
    """A tiny film of 7200 s; a flash, a click and a line every ten minutes, all in their places."""
    video, hours, every = tmp_path / "long.mp4", 7200, 600
    flash = f"drawbox=0:0:16:16:white:fill:enable='lt(mod(t,{every}),0.19)'"
    click = f"if(lt(mod(t\\,{every})\\,0.001)\\,{{}}0.8\\,0)"
    sound = f"aevalsrc={click.format('')}|{click.format('-')}:s={SAMPLE_RATE}:d={hours}"
    given = ["-f", "lavfi", "-i", f"color=gray:s=64x48:r=5:d={hours},{flash}", "-f", "lavfi", "-i", sound]
    coded = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", str(video)]
    subprocess.run(["ffmpeg", "-v", "error", *given, *coded], check=True)
    cues = [(f"{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}", LINE) for at in range(300, hours, every)]
    video.with_suffix(".ja.srt").write_text(
        "\n".join(f"{n}\n{at},000 --> {at},900\n{text}\n" for n, (at, text) in enumerate(cues, 1)),
        encoding="utf-8",
    )
    made = localize(video)
    assert int(probe(made.video)["video"]["nb_frames"]) == 5 * hours
    assert [cue.start for cue in made.cues()] == [at * SAMPLE_RATE for at in range(300, hours, every)]
    with av.open(str(made.video)) as container:
        picture = container.streams.video[0]
        assert picture.time_base is not None
        for second in range(every, hours, every):
            container.seek(round(second / picture.time_base), stream=picture)
            shown = next(f for f in container.decode(video=0) if time_of(f) >= second)
            assert time_of(shown) == second
            assert shown.to_ndarray()[:8, :8].mean() > 200
            piece = ["-ss", str(second - 1), "-t", "2", "-i", str(made.video), "-f", "f32le", "-"]
            raw = subprocess.run(["ffmpeg", "-v", "error", *piece], check=True, capture_output=True).stdout
            heard_here = side(np.frombuffer(raw, "<f4").reshape(-1, 2))
            assert abs(synth.click_error(heard_here, Fraction(1))) < 1


def filmed(film: Film, folder: Path) -> list[Path]:
    """The pictures of a film as PNG files."""
    folder.mkdir()
    paths = []
    with av.open(str(film.path)) as opened:
        for number, frame in enumerate(opened.decode(video=0)):
            paths.append(folder / f"f{number}.png")
            cv2.imwrite(str(paths[-1]), frame.to_ndarray(format="bgr24"))
    return paths


def tracked(made: Path, film: Film) -> npt.NDArray[np.float32]:
    """Mesh points of the one face in a video that was made with a film's sound, as long as the film lasts."""
    video = probe_source(made, Settings()).video
    scan = scan_frames(made, video)
    timeline = scan.timeline(first_look(made, video.index).time_base)
    whole = FrameRange(start=0, stop=min(timeline.count, film.truth.frames))
    return foremost(track_range(made, video, timeline, whole), len(whole)).points


@pytest.mark.parametrize("motion", ["none", "gentle"])
def test_a_picture_talks_with_the_voice_it_is_given(
    motion: str, short_film: Film, tmp_path: Path, localize: Localize
) -> None:
    """One picture of the drawn film and its sound: the mouth opens as the drawn one does while speaking, and
    goes where the picture goes."""
    first = filmed(short_film, tmp_path / "frames")[0]
    photo, sound = tmp_path / "photo.png", tmp_path / "speech.wav"
    first.rename(photo)
    ffmpeg.run(graph.input(str(short_film.path)).audio.output(str(sound)), "ffmpeg")
    write_subtitles(tmp_path / "photo.en.srt", short_film.truth.lines, [SHORT.lines[0].text])
    localize(photo, languages=(), source_language="en", audio=sound, lipsync=True, motion=motion)
    made = tmp_path / "photo.en.mp4"
    facts = probe(made)
    assert facts["video"]["r_frame_rate"] == "25/1"
    assert abs(int(facts["video"]["nb_frames"]) - short_film.truth.frames) <= 1
    ffmpeg.run(graph.input(str(made)).audio.output(str(tmp_path / "heard.wav"), ac=1), "ffmpeg")
    ffmpeg.run(graph.input(str(sound)).output(str(tmp_path / "given.wav"), ac=1), "ffmpeg")
    heard, given = (soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("heard", "given"))
    count = min(len(heard), len(given))
    assert count > 0.95 * len(given)
    assert np.corrcoef(heard[:count], given[:count])[0, 1] > 0.98
    points = tracked(made, short_film)
    (face,) = short_film.truth.faces
    aperture = lip_aperture(points.astype(np.float64))
    assert np.corrcoef(aperture, np.array(face.gap)[: len(points)])[0, 1] > 0.6
    centres = [points[:, places(part)].mean(axis=1) for part in (NOSE, LIP_OUTER_UPPER)]
    nose, lip = (centre - centre[0] for centre in centres)
    assert (np.abs(np.median(nose[-10:], axis=0)).max() > 1.5) == (motion == "gentle")
    assert np.abs(nose - lip)[:, 0].max() < 2, "the mouth keeps its place in the face"


def test_a_picture_talks_of_which_nothing_is_known_but_its_sound(short_film: Film, tmp_path: Path) -> None:
    """As a stranger types it: no language, no text. What is said is heard, in the language assumed."""
    first = filmed(short_film, tmp_path / "frames")[0]
    first.rename(tmp_path / "photo.png")
    ffmpeg.run(graph.input(str(short_film.path)).audio.output(str(tmp_path / "speech.wav")), "ffmpeg")
    command = [sys.executable, "-m", "cli", "run", "photo.png", "--audio", "speech.wav", "--json"]
    done = subprocess.run(
        [*command, "--work-dir", "work"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ExitCode.DONE, done.stderr
    codes = {json.loads(line).get("code") for line in done.stdout.splitlines()}
    assert "language-assumed" in codes
    points = tracked(tmp_path / "photo.en.mp4", short_film)
    (face,) = short_film.truth.faces
    aperture = lip_aperture(points.astype(np.float64))
    assert np.corrcoef(aperture, np.array(face.gap)[: len(points)])[0, 1] > 0.5


def test_the_mouths_of_a_folder_of_pictures_speak(
    short_film: Film, tmp_path: Path, localize: Localize
) -> None:
    folder = tmp_path / "frames"
    count = len(filmed(short_film, folder))
    made = localize(folder, rate="25", lipsync=True)
    report = json.loads(made.video.with_name("frames.ja.report.json").read_text())
    assert sum(cut["drawn_frames"] for cut in report["cuts"]) > 15
    assert len(pictures(made.video)[0]) == count


def test_a_folder_of_pictures_is_a_film_at_its_rate(
    short_film: Film, tmp_path: Path, localize: Localize
) -> None:
    folder = tmp_path / "frames"
    count = len(filmed(short_film, folder))
    made = localize(folder, rate="24000/1001")
    facts = probe(made.video)
    assert facts["video"]["r_frame_rate"] == "24000/1001"
    assert int(facts["video"]["nb_frames"]) == count
    assert [cue.text for cue in made.cues()] == [LINE]


def test_a_picture_without_words_is_refused(tmp_path: Path, localize: Localize) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.full((64, 64, 3), 128, np.uint8))
    localize(photo, expected=ExitCode.INPUT)
    assert not list(tmp_path.glob("*.mp4"))
