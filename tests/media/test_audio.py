"""Sound lands on the picture's clock to under a millisecond, whatever the container did to it."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import SAMPLE_RATE, AudioStream
from loc.errors import InputError
from loc.media.audio import Losses, decode_track
from loc.media.ffmpeg import file_url, run
from loc.media.frames import scan_frames
from loc.media.probe import chosen_track, probe_source
from loc.media.timeline import Stretch
from loc.settings import Settings
from tests.media import synth
from tests.media.failing import fail_after
from tests.media.synth import Recipe
from tests.pictures import time_of

SECONDS = 4
FRAMES = SECONDS * synth.RATE
WHOLE = (Stretch(0, Fraction(0), Fraction(SECONDS)),)
"""A file in which nothing was joined."""
EXACT = [name for name in synth.RECIPES if name not in ("mpeg4", "h264-avi", "vp9")]


def decoded(path: Path, track: int = 0, losses: Losses | None = None) -> npt.NDArray[np.float32]:
    facts = probe_source(path, Settings())
    scan = scan_frames(path, facts.video)
    timeline = scan.timeline(facts.video.time_base)
    start = (int(scan.pts[0]) + scan.lead) * facts.video.time_base
    pieces = decode_track(
        path, facts.audio[track], start, timeline.sample(timeline.count), timeline.stretches(), losses
    )
    return np.concatenate(list(pieces))


@pytest.mark.parametrize("recipe", EXACT)
def test_clicks_sound_with_their_flashes(recipe: str, tmp_path: Path) -> None:
    sound = decoded(synth.make(tmp_path, recipe, frames=FRAMES))
    assert SECONDS <= len(sound) / SAMPLE_RATE < SECONDS + 0.05
    errors = synth.click_errors(sound[:, 0])
    assert len(errors) == SECONDS - 1
    assert np.abs(errors).max() < 0.6


_X264 = synth.RECIPES["h264"].options


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", {"acodec": "aac", "ar": 44100}),
        (".mp4", {"acodec": "aac", "ar": 16000}),
        (".mp4", {"acodec": "libmp3lame"}),
        (".mkv", {"acodec": "flac"}),
        (".mov", {"acodec": "pcm_s24le"}),
        (".mkv", {"acodec": "ac3", "ar": 32000}),
    ],
)
def test_rates_and_codecs(suffix: str, options: Mapping[str, Any], tmp_path: Path) -> None:
    recipe = Recipe(suffix, {**_X264, **options}, sound=options["acodec"])
    errors = synth.click_errors(decoded(synth.make(tmp_path, recipe, frames=FRAMES))[:, 0])
    assert np.abs(errors).max() < 0.6


_MPEG4 = {"vcodec": "mpeg4", "q:v": 3}


@pytest.mark.parametrize(
    ("suffix", "options", "sound", "late"),
    [
        (".avi", {**_MPEG4, "bf": 0}, "pcm_s16le", 0),
        (".avi", {**_MPEG4, "bf": 0}, "libmp3lame", 1105),
        (".avi", {**_MPEG4, "bf": 0}, "aac", 1024),
        (".avi", {**_MPEG4, "bf": 0}, "ac3", 256),
        (".avi", {**_MPEG4, "bf": 2}, "pcm_s16le", -SAMPLE_RATE // 25),
        (".mkv", _X264, "libopus", -324),
        (".mp4", _X264, "libopus", 12),
    ],
)
def test_what_a_file_does_not_say_stays_as_it_plays(
    suffix: str, options: Mapping[str, Any], sound: str, late: int, tmp_path: Path
) -> None:
    """AVI cannot say what an encoder put before the sound, nor that pictures come later than their packets;
    ffmpeg 5 writes Opus into Matroska 7 ms before the picture. Opus itself is 12 samples late."""
    path = synth.make(tmp_path, Recipe(suffix, options, sound=sound), frames=FRAMES)
    errors = np.array(synth.click_errors(decoded(path)[:, 0]))
    assert np.abs(errors - late / SAMPLE_RATE * 1000).max() < 0.6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_late_track_is_padded(suffix: str, tmp_path: Path) -> None:
    late = Fraction(1, 2)
    path = _shifted(tmp_path, suffix, sound=late)
    sound = decoded(path)[:, 0]
    assert np.abs(sound[: int(0.9 * late * SAMPLE_RATE)]).max() < 1e-3
    moved = np.concatenate([sound[int(late * SAMPLE_RATE) :], np.zeros(int(late * SAMPLE_RATE), np.float32)])
    assert np.abs(synth.click_errors(moved)[:2]).max() < 1


@pytest.mark.parametrize(
    ("suffix", "sound"), [(".ts", "aac"), (".ts", "mp2"), (".mpg", "mp2"), (".mpg", "ac3")]
)
@pytest.mark.parametrize("late", [10, 20])
def test_sound_that_begins_behind_a_demuxers_first_look_is_found(
    suffix: str, sound: str, late: int, tmp_path: Path
) -> None:
    path = _late(tmp_path, suffix, sound, late)
    (track,) = probe_source(path, Settings()).audio
    assert (track.sample_rate, track.channels, track.layout) == (SAMPLE_RATE, 2, "stereo")
    heard = decoded(path)
    assert heard.shape[1] == 2
    assert np.abs(heard[: int((late - 0.1) * SAMPLE_RATE)]).max() < 1e-3
    assert np.abs(synth.click_errors(heard[late * SAMPLE_RATE :, 0])).max() < 1


def test_a_track_that_is_announced_and_empty_is_refused_by_name_alone(tmp_path: Path) -> None:
    recipe = Recipe(".ts", _MPEG4, sound="mp2", extra={"bsf:a": "noise=drop=1"})
    path = synth.make(tmp_path, recipe, frames=FRAMES)
    facts = probe_source(path, Settings())
    assert chosen_track(facts.audio, None) is None
    assert chosen_track(facts.audio, 1) == facts.audio[0]
    with pytest.raises(InputError, match=r"Sound track 1 of .* cannot be decoded"):
        decoded(path)


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_sound_before_the_picture_is_cut_off(suffix: str, tmp_path: Path) -> None:
    early = Fraction(12, 25)
    path = _shifted(tmp_path, suffix, sound=-early)
    sound = decoded(path)[:, 0]
    moved = np.concatenate([np.zeros(int(early * SAMPLE_RATE), np.float32), sound])
    assert np.abs(synth.click_errors(moved)[:3]).max() < 1


def test_an_edit_list_cuts_sound_and_picture_alike(tmp_path: Path) -> None:
    cut = 33 / synth.RATE
    path = synth.copy(synth.make(tmp_path, "h264", frames=FRAMES), tmp_path / "cut.mp4", {"ss": cut})
    sound = np.concatenate([np.zeros(round(cut * SAMPLE_RATE), np.float32), decoded(path)[:, 0]])
    assert np.abs(synth.click_errors(sound, first=2)).max() < 1


@pytest.mark.parametrize("ticks", [-511, -256, -1])
def test_an_edit_list_that_begins_inside_a_picture_moves_no_sound(ticks: int, tmp_path: Path) -> None:
    """512 ticks are a picture; the whole picture after the cut is the first that is shown."""
    path = synth.film(tmp_path, "edit-on", frames=FRAMES)
    synth.move_edit(path, Fraction(ticks, 12_800))
    late = Fraction(2 * synth.RATE - synth.EDIT, synth.RATE)
    assert abs(synth.click_error(decoded(path)[:, 0], late)) < 0.6


def test_lost_packets_leave_silence_and_move_nothing(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=FRAMES)
    holed = tmp_path / "holed.mkv"
    _without_sound_between(path, holed, 1.3, 1.8)
    losses = Losses()
    sound = decoded(holed, losses=losses)[:, 0]
    assert losses.missing == pytest.approx(0.5 * SAMPLE_RATE, abs=0.03 * SAMPLE_RATE)
    assert losses.damaged == 0
    assert np.abs(synth.click_errors(sound)).max() < 1
    assert not sound[int(1.36 * SAMPLE_RATE) : int(1.74 * SAMPLE_RATE)].any()


@pytest.mark.parametrize("kind", ["h264-ts", "mpeg2-ts", "mpeg2-ps"])
@pytest.mark.parametrize("over", [Fraction(-3, 10), Fraction(4, 10), Fraction(13, 10), Fraction(-17, 10)])
def test_sound_stays_with_its_picture_behind_a_join(kind: str, over: Fraction, tmp_path: Path) -> None:
    """The first recording's sound ends before its picture, or after it."""
    lengths = (SECONDS + over, Fraction(SECONDS))
    parts = [
        synth.make(tmp_path, kind, frames=FRAMES, name=f"{place}", tracks=[synth.clicks(length)])
        for place, length in enumerate(lengths)
    ]
    sound = decoded(synth.join(tmp_path / f"joined{parts[0].suffix}", parts))[:, 0]
    assert len(sound) == pytest.approx(2 * SECONDS * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    clicked = [*range(1, int(min(lengths))), *range(SECONDS + 1 + max(0, int(over)), 2 * SECONDS)]
    assert max(abs(synth.click_error(sound, Fraction(second))) for second in clicked) < 0.6


def test_sound_stays_with_its_picture_behind_a_leap(tmp_path: Path) -> None:
    parts = [
        synth.make(tmp_path, "h264-ts", frames=FRAMES, name=f"{place}", tracks=[synth.clicks(length)])
        for place, length in enumerate((Fraction(37, 10), Fraction(SECONDS)))
    ]
    ahead = synth.copy(parts[1], tmp_path / "ahead.ts", {}, output_ts_offset=5000)
    sound = decoded(synth.join(tmp_path / "joined.ts", [parts[0], ahead]))[:, 0]
    assert len(sound) < (2 * SECONDS + 0.05) * SAMPLE_RATE
    assert max(abs(synth.click_error(sound, Fraction(second))) for second in (1, 2, 5, 6, 7)) < 0.6


@pytest.mark.parametrize("stream", [synth.PICTURE, synth.SOUND])
@pytest.mark.parametrize("by", [Fraction(20 * 3600), Fraction(-1)])
def test_one_bad_timestamp_moves_no_sound(stream: int, by: Fraction, tmp_path: Path) -> None:
    path = synth.make(tmp_path, "mpeg2-ts", frames=FRAMES)
    synth.spoil_time(path, 7, by, stream)
    sound = decoded(path)[:, 0]
    assert len(sound) < (SECONDS + 0.05) * SAMPLE_RATE
    assert np.abs(synth.click_errors(sound)).max() < 0.6


def test_sound_that_goes_on_after_the_picture_is_kept(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=50, tracks=[synth.clicks(Fraction(4))])
    sound = decoded(path)
    assert 4 * SAMPLE_RATE <= len(sound) < 4.05 * SAMPLE_RATE
    assert np.abs(synth.click_errors(sound[:, 0])).max() < 0.6


def test_sound_that_ends_early_is_padded_to_the_picture(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=FRAMES, tracks=[synth.clicks(Fraction(2))])
    losses = Losses()
    assert len(decoded(path, losses=losses)) == SECONDS * SAMPLE_RATE
    assert losses.ended == pytest.approx(2 * SAMPLE_RATE, abs=0.05 * SAMPLE_RATE)
    assert losses.missing == 0


def test_damaged_packets_are_counted_and_silent(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=FRAMES)
    synth.spoil_sound(path, Fraction(13, 10), Fraction(18, 10))
    losses = Losses()
    sound = decoded(path, losses=losses)[:, 0]
    assert losses.damaged > 15
    assert losses.missing > 0.4 * SAMPLE_RATE
    assert np.abs(synth.click_errors(sound)).max() < 1


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_no_end_of_the_sound(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = synth.make(tmp_path, "h264", frames=FRAMES)
    track = probe_source(path, Settings()).audio[0]
    fail_after(monkeypatch, 60, number)
    with pytest.raises(InputError, match="could not be read to its end") as failed:
        list(decode_track(path, track, Fraction(0), FRAMES * 1920, WHOLE))
    assert failed.value.fix


def test_data_that_a_demuxer_cannot_use_end_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its "-1" is an errno to PyAV."""
    path = synth.make(tmp_path, "h264", frames=FRAMES)
    track = probe_source(path, Settings()).audio[0]
    fail_after(monkeypatch, 60, errno.EPERM)
    losses = Losses()
    sound = np.concatenate(list(decode_track(path, track, Fraction(0), FRAMES * 1920, WHOLE, losses)))
    assert len(sound) == FRAMES * 1920
    assert losses.damaged == 1
    assert losses.ended < 2 * SAMPLE_RATE


def test_surround_is_mixed_down_without_clipping(tmp_path: Path) -> None:
    tone = (0.95 * np.sin(np.arange(2 * SAMPLE_RATE) * 2 * np.pi * 440 / SAMPLE_RATE)).astype(np.float32)
    surround = np.repeat(tone[:, None], 6, axis=1)
    path = synth.make(tmp_path, Recipe(".mkv", dict(_X264), sound="flac"), frames=50, tracks=[surround])
    sound = decoded(path)
    assert sound.shape == (2 * SAMPLE_RATE, 2)
    assert 0.5 < np.abs(sound).max() <= 1.0


def test_pieces_are_let_go_as_they_are_passed_on(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=FRAMES)
    track = probe_source(path, Settings()).audio[0]
    given: list[weakref.ref[Any]] = []
    held = 0
    for piece in decode_track(path, track, Fraction(0), FRAMES * 1920, WHOLE):
        given.append(weakref.ref(_owner(piece)))
        del piece
        held = max(held, sum(earlier() is not None for earlier in given))
    assert len(given) > 100
    assert held < 10


def _owner(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The array whose memory a view shows."""
    while isinstance(samples.base, np.ndarray):
        samples = samples.base
    return samples


def test_the_named_track_is_decoded(tmp_path: Path) -> None:
    tracks = [synth.clicks(Fraction(2)), np.zeros((2 * SAMPLE_RATE, 2), np.float32)]
    path = synth.make(tmp_path, "h264", frames=50, tracks=tracks)
    assert np.abs(decoded(path, 0)).max() > 0.5
    silent = decoded(path, 1)
    assert silent.shape[1] == 2
    assert not silent.any()


def test_a_track_that_is_not_there_any_more(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264", frames=5)
    track = AudioStream(
        index=7,
        track=2,
        codec="aac",
        sample_rate=48000,
        channels=1,
        layout="mono",
        language=None,
        title=None,
        default=False,
    )
    with pytest.raises(InputError, match="no stream 7"):
        list(decode_track(path, track, Fraction(0), 0, WHOLE))


def _shifted(folder: Path, suffix: str, sound: Fraction) -> Path:
    """Picture and sound of one file, the sound `sound` seconds later (or, negative, the picture later)."""
    source = synth.make(folder, "h264", frames=FRAMES)
    target = folder / f"shifted{suffix}"
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {
            stream.index: writer.add_stream_from_template(stream)
            for stream in (reader.streams.video[0], reader.streams.audio[0])
        }
        for packet in reader.demux():
            if packet.pts is None or packet.dts is None:
                continue
            is_sound = packet.stream.type == "audio"
            delay = max(sound if is_sound else -sound, Fraction(0))
            packet.pts += round(delay / packet.time_base)
            packet.dts += round(delay / packet.time_base)
            packet.stream = streams[packet.stream.index]
            writer.mux(packet)
    return target


def _late(folder: Path, suffix: str, codec: str, late: int) -> Path:
    """Clicks on two channels, the first of them `late` + 1 seconds behind the first picture."""
    recipe = Recipe(".mp4", _MPEG4, sound="aac")
    picture = synth.make(folder, recipe, frames=(late + SECONDS) * synth.RATE, name="picture", tracks=[])
    recipe = Recipe(".mkv", _MPEG4, sound="pcm_s16le")
    sound = synth.beside(synth.clicks(Fraction(SECONDS)))
    clicks = synth.make(folder, recipe, frames=FRAMES, name="clicks", tracks=[sound])
    streams = ffmpeg.input(file_url(picture))["v"], ffmpeg.input(file_url(clicks), itsoffset=late)["a"]
    target = folder / f"late{suffix}"
    run(ffmpeg.output(*streams, file_url(target), vcodec="mpeg2video", **{"q:v": 4}, acodec=codec), "ffmpeg")
    return target


def _without_sound_between(source: Path, target: Path, start: float, stop: float) -> None:
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        streams = {stream.index: writer.add_stream_from_template(stream) for stream in reader.streams}
        for packet in reader.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "audio" and start < float(time_of(packet)) < stop:
                continue
            packet.stream = streams[packet.stream.index]
            writer.mux(packet)
