"""Muxing: the frame table's own times, sound from sample 0, and everything a file says of itself."""

from __future__ import annotations

import dataclasses
import itertools
import json
import struct
import subprocess
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE, Codec, Container, ContentLight
from loc.errors import StorageError
from loc.media import encode
from loc.media.encode import Coding, SoundCodec, coding_for, encode_chunk, encode_sound, sound_parts
from loc.media.frames import Planes
from loc.media.languages import three_letters
from loc.media.mux import About, Chapter, Picture, SoundPiece, decode_times, mux
from loc.media.probe import probe_input, probe_source
from loc.media.subtitles import Cue
from loc.settings import Settings
from tests.streams import BT2020, video_stream

FRAMES = 100
JOINTS = (0, 37, 38, 40, FRAMES)


def coding(codec: Codec) -> Coding:
    stream = video_stream(sample_aspect=Fraction(4, 3), primaries="bt709", transfer="bt709")
    return coding_for(stream, codec, crf=30, preset="veryfast")


def encoded(folder: Path, codec: Codec) -> list[Path]:
    """Four chunks of a camera that pans over noise: every picture differs, and B-pictures pay."""
    noise = np.random.default_rng(1).random((64, 96 + FRAMES))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    scene = np.interp(smooth, (smooth.min(), smooth.max()), (30, 220)).astype(np.uint8)
    grey = np.full((32, 48), 128, np.uint8)
    paths = []
    for start, stop in itertools.pairwise(JOINTS):
        paths.append(folder / f"{start}.mp4")
        frames = (Planes(scene[:, place : place + 96], grey, grey) for place in range(start, stop))
        encode_chunk(frames, coding(codec), paths[-1], "ffmpeg")
    return paths


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return encoded(tmp_path_factory.mktemp("chunks"), "h264")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s with clicks at samples 0 and 48000."""
    return clicked(tmp_path_factory.mktemp("sound"), "aac")


def clicked(folder: Path, codec: SoundCodec) -> Path:
    path = folder / "a.m4a"
    samples = np.zeros((4 * SAMPLE_RATE, 2), np.float32)
    samples[[0, SAMPLE_RATE]] = 0.9
    encode_sound([samples], 2, 192, path, "ffmpeg", codec)
    return path


Coded = Mapping[Container, tuple[list[Path], Path]]


@pytest.fixture(scope="module")
def coded(chunks: list[Path], sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Coded:
    """Picture and sound as they go into each container."""
    folder = tmp_path_factory.mktemp("web")
    aac = chunks, sound
    return {"mp4": aac, "mkv": aac, "webm": (encoded(folder, "vp9"), clicked(folder, "opus"))}


def picture(
    chunks: Sequence[Path],
    pts: npt.NDArray[np.int64] | None = None,
    duration: int = FRAMES * 512,
    time_base: Fraction = Fraction(1, 12800),
    rotation: Literal[0, 90, 180, 270] = 0,
    mirrored: bool = False,
) -> Picture:
    times = np.arange(FRAMES, dtype=np.int64) * 512 if pts is None else pts
    return Picture(chunks, times, duration, time_base, rotation, mirrored=mirrored)


def probe(path: Path, *what: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-of", "json", *what, str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def streams(path: Path) -> dict[str, dict[str, Any]]:
    return {stream["codec_type"]: stream for stream in probe(path, "-show_streams")["streams"]}


def decoded(path: Path) -> list[bytes]:
    """Every picture's bytes in presentation order."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def shown(path: Path) -> list[int]:
    """The timestamps of all decoded pictures."""
    found = probe(path, "-select_streams", "v", "-show_entries", "frame=pts")["frames"]
    return [frame["pts"] for frame in found]


def first_shown(path: Path, kind: str) -> Fraction:
    """Seconds at which the first picture is shown, or the first sample heard."""
    wanted = ["-select_streams", kind[0], "-read_intervals", "%+#2", "-show_entries", "frame=pts_time"]
    return Fraction(probe(path, *wanted)["frames"][0]["pts_time"])


def edited_length(path: Path) -> float:
    """Seconds that the picture's edit list (ISO 14496-12, 8.6.6) says are shown."""
    data = path.read_bytes()
    entry = data.index(b"elst") + 12
    (ticks,) = struct.unpack_from(">I", data, entry)
    return float(ticks / SAMPLE_RATE)


def rates() -> dict[str, tuple[npt.NDArray[np.int64], int, Fraction]]:
    count = np.arange(FRAMES, dtype=np.int64)
    jitter = np.random.default_rng(3).integers(200, 6000, FRAMES)
    return {
        "constant": (count * 512, FRAMES * 512, Fraction(1, 12800)),
        "ntsc": (count * 1001, FRAMES * 1001, Fraction(1, 30000)),
        "whole frames": (count, FRAMES, Fraction(1001, 24000)),
        "milliseconds": (np.rint(count * 1000 / 29.97).astype(np.int64), 3337, Fraction(1, 1000)),
        "variable": (np.cumsum(jitter) - jitter[0], int(jitter.sum()), Fraction(1, 90000)),
        "long pause": (count * 3000 + (count > 38) * 900_000, FRAMES * 3000 + 900_000, Fraction(1, 90000)),
        "first frame held": (count * 3000 + (count > 0) * 90_000, FRAMES * 3000 + 90_000, Fraction(1, 90000)),
        "last frame held": (count * 3000, FRAMES * 3000 + 90_000, Fraction(1, 90000)),
    }


@pytest.mark.parametrize("name", list(rates()))
def test_every_picture_has_the_frame_tables_time(
    tmp_path: Path, chunks: list[Path], sound: Path, name: str
) -> None:
    pts, duration, time_base = rates()[name]
    path = tmp_path / "out.mp4"
    mux(path, picture(chunks, pts, duration, time_base), [SoundPiece(sound)], [], "ja", About())
    found = streams(path)["video"]
    assert Fraction(found["time_base"]) == Fraction(1, time_base.denominator)
    assert shown(path) == (pts * time_base.numerator).tolist()
    assert int(found["start_pts"]) == 0
    assert int(found["nb_frames"]) == FRAMES
    assert edited_length(path) == pytest.approx(float(duration * time_base), abs=1 / SAMPLE_RATE)
    assert int(found["duration_ts"]) == pytest.approx(duration * time_base.numerator, abs=1)
    sent = probe(path, "-select_streams", "v", "-show_entries", "packet=pts,dts,duration")["packets"]
    assert [packet["dts"] for packet in sent] == sorted({packet["dts"] for packet in sent})
    assert all(packet["dts"] <= packet["pts"] for packet in sent)
    assert [packet["pts"] for packet in sent] != sorted(packet["pts"] for packet in sent), "B-pictures"


NANOSECOND = Fraction(1, 1_000_000_000)
COUNT = np.arange(FRAMES, dtype=np.int64)
ROUGH = np.rint(COUNT * 1e9 / 29.97).astype(np.int64)


@pytest.mark.parametrize(
    ("pts", "end", "scale"),
    [
        (COUNT * 10_000_001, 1_000_000_100, 1_000_000_000),
        (COUNT * 40_000_000, 4_000_000_000, 25),
        (COUNT * 40_000_000 + (COUNT > 38) * 3_000_000_000, 7_000_000_000, 25),
        (COUNT * 41_000_000 + (COUNT > 0) * 3_600_000_000_000, 3_604_100_000_000, 1000),
        (COUNT * 40_000_000, 10_000_000_000, 25),
        (ROUGH + (COUNT > 38) * 5_000_000_001, 8_336_670_001, None),
        (ROUGH + (COUNT > 38) * 3_600_000_000_001, 3_603_336_670_001, None),
        (COUNT + (COUNT > 38) * 3_600_000_000_001, 3_600_000_001_000, None),
    ],
)
def test_long_pictures_of_a_fine_clock_fit_into_32_bits(
    tmp_path: Path,
    chunks: list[Path],
    sound: Path,
    pts: npt.NDArray[np.int64],
    end: int,
    scale: int | None,
) -> None:
    """MP4 counts ticks in 32 bits: 2.1 s of nanoseconds; and ffmpeg believes no more than 0.27 s of them
    between decoding a picture and showing it."""
    path = tmp_path / "out.mp4"
    mux(path, picture(chunks, pts, end, NANOSECOND), [SoundPiece(sound)], [], "ja", About())
    base = Fraction(streams(path)["video"]["time_base"])
    times = [at * base for at in shown(path)]
    wanted = [at * NANOSECOND for at in pts.tolist()]
    if scale is not None:
        assert base == Fraction(1, scale)
        assert times == wanted
    assert times == sorted(set(times))
    assert all(abs(is_ - was) <= FRAMES * base for is_, was in zip(times, wanted, strict=True))
    rounded = 1e-4 if scale is not None else 1e-4 + float(FRAMES * base)
    assert edited_length(path) == pytest.approx(float(end * NANOSECOND), abs=rounded)
    assert base < Fraction(1, 20)


def test_pictures_are_in_order_across_joints(tmp_path: Path, chunks: list[Path], sound: Path) -> None:
    path = tmp_path / "out.mp4"
    mux(path, picture(chunks), [SoundPiece(sound)], [], "ja", About())
    alone = [picture for chunk in chunks for picture in decoded(chunk)]
    assert len(set(alone)) == FRAMES
    assert decoded(path) == alone


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_sample_zero_sounds_with_the_first_picture(
    tmp_path: Path, coded: Coded, container: Container
) -> None:
    path = tmp_path / f"out.{container}"
    chunks, sound = coded[container]
    mux(path, picture(chunks), [SoundPiece(sound)], [], "ja", About(), container)
    found = streams(path)
    first = {kind: first_shown(path, kind) for kind in found}
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a", "-f", "f32le", "-"]
    heard = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")
    loud = np.abs(heard.reshape(-1, 2)[:, 0])
    late = round((first["video"] - first["audio"]) * SAMPLE_RATE)
    slack = 0 if container == "mp4" else SAMPLE_RATE // 1000
    half = SAMPLE_RATE // 2
    clicks = (int(np.argmax(loud[:half])), half + int(np.argmax(loud[half:])))
    assert abs(clicks[0] - late) <= slack
    assert clicks[1] - clicks[0] == SAMPLE_RATE
    if container == "mp4":
        assert first == {"video": 0, "audio": 0}
        assert int(found["audio"]["duration_ts"]) == 4 * SAMPLE_RATE
        assert 4 * SAMPLE_RATE <= len(loud) < 4 * SAMPLE_RATE + 1024


CUES = [Cue(24_000, 72_000, "こんにちは、{世界} \\o/"), Cue(96_000, 120_048, "Second: 3 < 4 & 5.")]


@pytest.mark.parametrize(("container", "codec"), [("mp4", "mov_text"), ("mkv", "subrip"), ("webm", "webvtt")])
def test_subtitles_come_back_as_they_went_in(
    tmp_path: Path, coded: Coded, container: Container, codec: str
) -> None:
    path = tmp_path / f"out.{container}"
    chunks, sound = coded[container]
    mux(path, picture(chunks), [SoundPiece(sound)], CUES, "de", About(), container)
    found = streams(path)["subtitle"]
    assert found["codec_name"] == codec
    assert found["tags"]["language"] == ("deu" if container == "mp4" else "ger")
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:s", "-c:s", "text", "-f", "srt", "-"]
    text = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    # ffmpeg counts from the file's first packet.
    begin = Fraction(probe(path, "-show_format")["format"]["start_time"])
    late = round((Fraction(streams(path)["video"]["start_time"]) - begin) * 1000)
    assert f"00:00:00,{500 + late} --> 00:00:01,{500 + late}" in text
    assert f"00:00:02,{late:03} --> 00:00:02,{501 + late}" in text
    # The WebVTT decoder escapes braces.
    assert "こんにちは、{世界} \\o/" in text.replace("\\{", "{").replace("\\}", "}")
    assert "Second: 3 < 4 & 5." in text


def test_sound_in_parts_is_as_if_coded_whole(
    tmp_path: Path, chunks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just as long, every click in its place, and no more noise at a joint than anywhere else."""
    packet, count = encode.PACKET_SAMPLES, 4 * SAMPLE_RATE - 100
    rng = np.random.default_rng(3)
    voice = (
        np.sin(2 * np.pi * 220 * np.arange(count) / SAMPLE_RATE)
        * rng.random(count // 4800 + 1).repeat(4800)[:count]
    )
    sound = np.stack([0.2 * voice, 0.1 * voice], axis=1) + rng.normal(0, 0.01, (count, 2))
    # One on a joint, one beside it, one in the last part's run-up.
    clicks = [40 * packet, 80 * packet - 30, 150 * packet]
    sound[clicks] = 0.95
    sound = sound.astype(np.float32)

    def heard(name: str, part_packets: int) -> npt.NDArray[np.float32]:
        monkeypatch.setattr(encode, "PART_PACKETS", part_packets)
        pieces = []
        for number, part in enumerate(sound_parts(count, "aac")):
            path = tmp_path / f"{name}-{number}.m4a"
            encode_sound([sound[part.start : part.stop]], 2, 192, path, "ffmpeg")
            pieces.append(SoundPiece(path, part.skipped, part.packets))
        assert len(pieces) == {"whole": 1, "parts": 5}[name]
        mux(tmp_path / f"{name}.mp4", picture(chunks), pieces, [], "ja", About())
        assert int(streams(tmp_path / f"{name}.mp4")["audio"]["duration_ts"]) == count
        command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / f"{name}.mp4"), "-vn", "-f", "f32le", "-"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
        return np.frombuffer(raw, "<f4").reshape(-1, 2)

    whole, parts = heard("whole", 1000), heard("parts", 40)
    assert len(whole) == len(parts)
    for at in clicks:
        assert at - 60 + np.argmax(np.abs(parts[at - 60 : at + 60, 0])) == at
    full = count // packet * packet

    def noise(coded: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Of each packet, in dB."""
        power = ((coded[:full] - sound[:full]).astype(np.float64).reshape(-1, 2 * packet) ** 2).mean(axis=1)
        return np.asarray(10 * np.log10(power), dtype=np.float64)

    more = noise(parts) - noise(whole)
    joints = [joint + around for joint in (40, 80, 120, 160) for around in (-2, -1, 0, 1)]
    assert np.median(more[joints]) < 0.5
    assert more[joints].max() < 3, "a missing overlap would leave the signal itself"


def test_no_cues_no_track(tmp_path: Path, chunks: list[Path], sound: Path) -> None:
    path = tmp_path / "out.mp4"
    mux(path, picture(chunks), [SoundPiece(sound)], [], "ja", About())
    assert set(streams(path)) == {"video", "audio"}


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_and_aspect_are_kept(
    tmp_path: Path, coded: Coded, rotation: Literal[0, 90, 180, 270], container: Container
) -> None:
    path = tmp_path / f"out.{container}"
    chunks, sound = coded[container]
    mux(path, picture(chunks, rotation=rotation), [SoundPiece(sound)], [], "ja", About(), container)
    found = streams(path)["video"]
    turned = [side["rotation"] for side in found.get("side_data_list", []) if "rotation" in side]
    assert sum(turned) % 360 == rotation
    # VP9 has square pixels only: they were made so.
    shape = ("1:1", 128, 64) if container == "webm" else ("4:3", 96, 64)
    assert (found["sample_aspect_ratio"], found["width"], found["height"]) == shape


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_mirrored_picture_is_shown_mirrored(
    tmp_path: Path, coded: Coded, rotation: Literal[0, 90, 180, 270], container: Container
) -> None:
    path = tmp_path / f"out.{container}"
    chunks, sound = coded[container]
    shape = picture(chunks, rotation=rotation, mirrored=True)
    mux(path, shape, [SoundPiece(sound)], [], "ja", About(), container)
    video = probe_source(path, Settings()).video
    assert (video.rotation, video.mirrored) == (rotation, True)
    command = ["-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    as_coded, shown = (
        np.frombuffer(subprocess.run([*start, *command], check=True, capture_output=True).stdout, np.uint8)
        for start in (["ffmpeg", "-noautorotate"], ["ffmpeg"])
    )
    expected = np.rot90(as_coded.reshape(video.height, video.width), rotation // 90)[:, ::-1]
    assert np.array_equal(shown, expected.ravel())


def test_colour_is_in_the_container_too(tmp_path: Path, chunks: list[Path], sound: Path) -> None:
    path = tmp_path / "out.mp4"
    mux(path, picture(chunks), [SoundPiece(sound)], [], "ja", About())
    data = path.read_bytes()
    # colr box, nclx: primaries, transfer, matrix 1 = BT.709, not full range.
    assert b"colrnclx" + bytes([0, 1, 0, 1, 0, 1, 0]) in data
    assert data.index(b"moov") < data.index(b"mdat"), "a player can start before the file has arrived"


SIDE_DATA: Mapping[str, Mapping[str, str | int]] = {
    "Mastering display metadata": {
        "red_x": "35400/50000",
        "blue_y": "2300/50000",
        "min_luminance": "50/10000",
    },
    "Content light level metadata": {"max_content": 900, "max_average": 300},
}


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_light_metadata_is_in_the_container(tmp_path: Path, coded: Coded, container: Container) -> None:
    path = tmp_path / f"out.{container}"
    chunks, sound = coded[container]
    light = dataclasses.replace(
        picture(chunks), mastering=BT2020, content_light=ContentLight(most=900, average=300)
    )
    mux(path, light, [SoundPiece(sound)], [], "ja", About(), container)
    sides = {side["side_data_type"]: side for side in streams(path)["video"]["side_data_list"]}
    for kind, values in SIDE_DATA.items():
        for name, value in values.items():
            assert Fraction(sides[kind][name]) == pytest.approx(Fraction(value), rel=1e-6)
    assert decoded(path) == [frame for chunk in chunks for frame in decoded(chunk)]


def test_tags_and_chapters_are_kept_and_technical_ones_are_not(
    tmp_path: Path, chunks: list[Path], sound: Path
) -> None:
    tags = {"title": "An Address", "artist": "Somebody", "creation_time": "2021-05-06T07:08:09.000000Z"}
    chapters = (Chapter(Fraction(0), Fraction(3, 2), "One"), Chapter(Fraction(3, 2), Fraction(4), "Two"))
    path = tmp_path / "out.mp4"
    about = About(tags | {"major_brand": "qt  ", "encoder": "Lavf58"}, chapters)
    mux(path, picture(chunks), [SoundPiece(sound)], [], "ja", about)
    found = probe(path, "-show_format", "-show_chapters")
    kept = found["format"]["tags"]
    assert {name: kept[name] for name in tags} == tags
    assert kept["major_brand"] == "isom"
    assert "encoder" not in kept
    listed = [(part["tags"]["title"], part["start_time"], part["end_time"]) for part in found["chapters"]]
    assert listed == [("One", "0.000000", "1.500000"), ("Two", "1.500000", "4.000000")]


@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_what_is_written_is_marked_and_keeps_its_mark_when_copied(
    tmp_path: Path, coded: Coded, container: Container
) -> None:
    chunks, sound = coded[container]
    path = tmp_path / f"out.{container}"
    mux(path, picture(chunks), [SoundPiece(sound)], [], "ja", About(), container)
    assert probe_input(path, Settings())[1]
    for suffix in {container, "mkv", "mov" if container == "mp4" else container}:
        copy = tmp_path / f"copy.{suffix}"
        subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-c", "copy", copy], check=True)
        assert probe_input(copy, Settings())[1]
    assert not probe_input(chunks[0], Settings())[1]


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path, chunks: list[Path], sound: Path) -> None:
    for container in ("mp4", "mkv"):
        for name in ("a", "b"):
            path = tmp_path / f"{name}.{container}"
            mux(path, picture(chunks), [SoundPiece(sound)], CUES, "ja", About({"title": "T"}), container)
        assert (tmp_path / f"a.{container}").read_bytes() == (tmp_path / f"b.{container}").read_bytes()


@pytest.mark.parametrize("count", [FRAMES - 1, FRAMES + 1])
def test_a_wrong_number_of_pictures_is_refused(
    tmp_path: Path, chunks: list[Path], sound: Path, count: int
) -> None:
    times = np.arange(count, dtype=np.int64)
    with pytest.raises(StorageError, match="frame table"):
        mux(
            tmp_path / "out.mp4",
            Picture(chunks, times, count, Fraction(1, 25)),
            [SoundPiece(sound)],
            [],
            "ja",
            About(),
        )


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=60), st.integers(0, 4))
def test_decode_times_rise_and_allow_the_reordering(steps: list[int], depth: int) -> None:
    pts = np.cumsum(np.array(steps, dtype=np.int64))
    dts = decode_times(pts, depth, int(pts[-1] - pts[0]) + 1)
    assert len(dts) == len(pts)
    assert np.all(np.diff(dts) > 0)
    # A picture is decoded at most `depth` packets after its place in presentation order.
    for place in range(len(pts)):
        assert dts[min(place + depth, len(pts) - 1)] <= pts[place]


@pytest.mark.parametrize(
    ("tag", "terminological", "bibliographic"),
    [
        ("ja", "jpn", "jpn"),
        ("de", "deu", "ger"),
        ("ger", "deu", "ger"),
        ("deu", "deu", "ger"),
        ("pt-BR", "por", "por"),
        ("yue", "yue", "yue"),
        ("x!", "und", "und"),
    ],
)
def test_language_codes(tag: str, terminological: str, bibliographic: str) -> None:
    assert three_letters(tag) == terminological
    assert three_letters(tag, bibliographic=True) == bibliographic
