"""Encoding: chunks that join without a seam, the source's own tags, sound that starts at zero."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.artifacts import SAMPLE_RATE, Codec, ContentLight, VideoStream
from loc.errors import ChildError
from loc.media.encode import (
    LOOK_AHEAD_PACKETS,
    PACKET_SAMPLES,
    PART_PACKETS,
    RUN_UP_PACKETS,
    Coding,
    coding_for,
    encode_chunk,
    encode_sound,
    sound_parts,
)
from loc.media.ffmpeg import first_picture
from loc.media.frames import Planes
from tests.media import synth
from tests.pictures import plane_of
from tests.streams import BT2020, video_stream

SIZES = {"yuv420p": (2, 2, 8), "yuv422p": (2, 1, 8), "yuv444p": (1, 1, 8), "yuvj420p": (2, 2, 8)}
SIZES |= {"yuv420p10le": (2, 2, 10), "yuv422p10le": (2, 1, 10), "yuv444p10le": (1, 1, 10)}


def stream(pix_fmt: str = "yuv420p", **changes: Any) -> VideoStream:
    return video_stream(pix_fmt=pix_fmt, bit_depth=SIZES[pix_fmt][2], **changes)


def pictures(video: VideoStream, start: int, stop: int) -> Iterator[Planes]:
    """A textured gradient that drifts: something for motion search to do."""
    sx, sy, depth = SIZES[video.pix_fmt]
    texture = np.random.default_rng(7).integers(40, 200, (video.height, video.width * 2))
    chroma = (-(-video.height // sy), -(-video.width // sx))
    for frame in range(start, stop):
        y = np.roll(texture, frame, axis=1)[:, : video.width]
        u = np.full(chroma, 100 + frame % 50)
        v = np.full(chroma, 150 - frame % 50)
        yield Planes(*(plane_of(plane << (depth - 8), deep=depth > 8) for plane in (y, u, v)))


def coding(video: VideoStream, codec: Codec = "h264") -> Coding:
    return coding_for(video, codec, crf=23, preset="veryfast")


CODECS = ("h264", "hevc", "vp9")


def probe(path: Path) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"][0])


def decoded(path: Path) -> list[bytes]:
    """Every picture's bytes as the file's decoder gives them."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def packets(path: Path) -> tuple[bytes, list[bytes]]:
    with av.open(str(path)) as container:
        header = bytes(container.streams.video[0].codec_context.extradata or b"")
        return header, [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("codec", CODECS)
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, codec: Codec) -> None:
    video = stream()
    for name in ("a.mp4", "b.mp4"):
        assert encode_chunk(pictures(video, 0, 60), coding(video, codec), tmp_path / name, "ffmpeg") == 60
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("pix_fmt", list(SIZES))
def test_depth_and_subsampling_are_kept(tmp_path: Path, pix_fmt: str, codec: Codec) -> None:
    full_range = pix_fmt.startswith("yuvj")
    video = stream(pix_fmt, full_range=full_range)
    encode_chunk(pictures(video, 0, 5), coding(video, codec), tmp_path / "a.mp4", "ffmpeg")
    found = probe(tmp_path / "a.mp4")
    assert found["codec_name"] == codec
    # The decoders of ffmpeg say full range by the name of the format, or beside it.
    assert found["pix_fmt"].replace("yuvj", "yuv") == pix_fmt.replace("yuvj", "yuv")
    assert found["color_range"] == ("pc" if full_range else "tv")
    assert int(found["nb_frames"]) == 5


@pytest.mark.parametrize("codec", CODECS)
def test_tags_are_the_sources(tmp_path: Path, codec: Codec) -> None:
    # H.264 keeps no HDR, but wide colour.
    transfer = "bt2020-10" if codec == "h264" else "arib-std-b67"
    video = stream(
        "yuv420p10le",
        sample_aspect=Fraction(4, 3),
        average_rate=Fraction(30000, 1001),
        primaries="bt2020",
        transfer=transfer,
        matrix="bt2020nc",
        chroma_location="topleft",
    )
    encode_chunk(pictures(video, 0, 3), coding(video, codec), tmp_path / "a.mp4", "ffmpeg")
    found = probe(tmp_path / "a.mp4")
    assert found["color_primaries"] == "bt2020"
    assert found["color_transfer"] == transfer
    assert found["color_space"] == "bt2020nc"
    assert found["color_range"] == "tv"
    # VP9 has no other siting than left and topleft, and does not say which.
    assert found.get("chroma_location", "topleft") == "topleft"
    # VP9 has square pixels only: they were made so.
    shape = ("1:1", 128) if codec == "vp9" else ("4:3", 96)
    assert (found["sample_aspect_ratio"], found["width"]) == shape
    assert found["r_frame_rate"] == "30000/1001"


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_not_declared_stays_undeclared(tmp_path: Path, codec: Codec) -> None:
    video = stream(matrix_declared=False, matrix="bt601", primaries="a name x264 lacks")
    encode_chunk(pictures(video, 0, 3), coding(video, codec), tmp_path / "a.mp4", "ffmpeg")
    found = probe(tmp_path / "a.mp4")
    assert {"color_primaries", "color_transfer", "color_space"} & set(found) == set()


SIDE_DATA: Mapping[str, Mapping[str, str | int]] = {
    "Mastering display metadata": {
        "red_x": "35400/50000",
        "red_y": "14600/50000",
        "green_x": "8500/50000",
        "green_y": "39850/50000",
        "blue_x": "6550/50000",
        "blue_y": "2300/50000",
        "white_point_x": "15635/50000",
        "max_luminance": "10000000/10000",
        "min_luminance": "50/10000",
    },
    "Content light level metadata": {"max_content": 900, "max_average": 300},
}


def side_data(path: Path) -> dict[str, dict[str, Any]]:
    """What comes with the first picture, by kind."""
    sides = first_picture(path, 0, "ffprobe")["side_data_list"]
    return {str(side["side_data_type"]): side for side in sides}


def test_hdr_metadata_is_in_the_stream_itself(tmp_path: Path) -> None:
    video = stream(
        "yuv420p10le",
        primaries="bt2020",
        transfer="smpte2084",
        matrix="bt2020nc",
        mastering=BT2020,
        content_light=ContentLight(most=900, average=300),
    )
    encode_chunk(pictures(video, 0, 3), coding(video, "hevc"), tmp_path / "a.mp4", "ffmpeg")
    found, sides = probe(tmp_path / "a.mp4"), side_data(tmp_path / "a.mp4")
    assert (found["profile"], found["codec_tag_string"]) == ("Main 10", "hvc1")
    for kind, values in SIDE_DATA.items():
        assert {name: sides[kind][name] for name in values} == values


@pytest.mark.parametrize("first", ["top", "bottom"])
def test_interlaced_pictures_stay_so_in_h264(tmp_path: Path, first: str) -> None:
    video = stream(first_field=first, height=62)
    encode_chunk(pictures(video, 0, 6), coding(video), tmp_path / "a.mp4", "ffmpeg")
    assert synth.fields(tmp_path / "a.mp4") == {(1, int(first == "top"))}
    found = probe(tmp_path / "a.mp4")
    assert (found["field_order"], found["height"]) == ("tt" if first == "top" else "bb", 64)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p"])
def test_interlaced_pictures_gain_whole_lines_of_colour_too(tmp_path: Path, pix_fmt: str) -> None:
    """486 lines, as NTSC has them, are coded as 488."""
    video = stream(pix_fmt, first_field="bottom", width=720, height=486)
    given = list(pictures(video, 0, 12))
    assert encode_chunk(iter(given), coding(video), tmp_path / "a.mp4", "ffmpeg") == 12
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in shown] == [(720, 488)] * 12
    for frame, planes in zip(shown, given, strict=True):
        for plane, filmed in zip(frame.planes[1:], (planes.u, planes.v), strict=True):
            rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
            difference = rows[: filmed.shape[0], : filmed.shape[1]].astype(int) - filmed
            assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("codec", ["hevc", "vp9"])
def test_interlaced_pictures_are_made_whole_for_other_codecs(tmp_path: Path, codec: Codec) -> None:
    """A bar that moves between the fields has combs, and has none afterwards."""
    video = stream(first_field="top")

    def combed(count: int) -> Iterator[Planes]:
        grey = np.full((32, 48), 128, np.uint8)
        for frame in range(count):
            luma = np.full((64, 96), 60, np.uint8)
            for field in (0, 1):
                luma[field::2, 4 * (2 * frame + field) : 4 * (2 * frame + field) + 24] = 200
            yield Planes(luma, grey, grey)

    assert encode_chunk(combed(8), coding(video, codec), tmp_path / "a.mp4", "ffmpeg") == 8
    with av.open(str(tmp_path / "a.mp4")) as container:
        luma = [frame.to_ndarray()[:64].astype(int) for frame in container.decode(video=0)]
    assert len(luma) == 8
    before = [np.abs(2 * p.y[1:-1].astype(int) - p.y[:-2] - p.y[2:]).mean() for p in combed(8)]
    after = [np.abs(2 * y[1:-1] - y[:-2] - y[2:]).mean() for y in luma]
    assert max(after) < min(before) / 5
    assert synth.fields(tmp_path / "a.mp4") == {(0, 0)}


@pytest.mark.parametrize("codec", CODECS)
def test_joined_chunks_decode_to_each_chunks_own_frames(tmp_path: Path, codec: Codec) -> None:
    video = stream()
    alone: list[bytes] = []
    joined: list[bytes] = []
    headers: set[bytes] = set()
    for index, (start, stop) in enumerate([(0, 40), (40, 41), (41, 43), (43, 90)]):
        path = tmp_path / f"{index}.mp4"
        encode_chunk(pictures(video, start, stop), coding(video, codec), path, "ffmpeg")
        alone += decoded(path)
        header, bodies = packets(path)
        headers.add(header)
        joined += bodies
    assert len(headers) == 1, "headers do not depend on content or length"
    decoder = av.CodecContext.create(codec, "r")
    decoder.extradata = headers.pop()
    frames = [frame for body in joined for frame in decoder.decode(av.Packet(body))]
    frames += decoder.decode(None)
    assert [frame.to_ndarray().tobytes() for frame in frames] == alone
    assert len(alone) == 90


@pytest.mark.parametrize("codec", CODECS)
def test_every_chunk_begins_with_a_key_frame_and_has_one_every_two_seconds(
    tmp_path: Path, codec: Codec
) -> None:
    video = stream()
    encode_chunk(pictures(video, 0, 130), coding(video, codec), tmp_path / "a.mp4", "ffmpeg")
    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    places = np.flatnonzero(keys)
    assert places[0] == 0
    assert np.diff(np.append(places, 130)).max() <= 50


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p"])
def test_an_odd_side_gains_a_line(tmp_path: Path, pix_fmt: str) -> None:
    video = stream(pix_fmt, width=95, height=63)
    encode_chunk(pictures(video, 0, 3), coding(video), tmp_path / "a.mp4", "ffmpeg")
    found = probe(tmp_path / "a.mp4")
    expected = {"yuv420p": (96, 64), "yuv422p": (96, 63), "yuv444p": (95, 63)}[pix_fmt]
    assert (found["width"], found["height"]) == expected


@pytest.mark.parametrize(
    "rate", [Fraction(*parts) for parts in ((0, 1), (90000, 1), (1, 3), (123457, 4567), (1, 3600))]
)
def test_any_stated_rate_can_be_coded(tmp_path: Path, rate: Fraction) -> None:
    video = stream(average_rate=rate)
    assert encode_chunk(pictures(video, 0, 4), coding(video), tmp_path / "a.mp4", "ffmpeg") == 4
    assert int(probe(tmp_path / "a.mp4")["nb_frames"]) == 4


def test_a_failing_encoder_is_reported_with_its_words(tmp_path: Path) -> None:
    video = stream()
    with pytest.raises(ChildError) as caught:
        encode_chunk(pictures(video, 0, 60), coding(video), tmp_path / "no" / "a.mp4", "ffmpeg")
    assert "No such file" in caught.value.why


def test_progress_counts_frames(tmp_path: Path) -> None:
    video = stream()
    seen: list[int] = []
    encode_chunk(pictures(video, 0, 4), coding(video), tmp_path / "a.mp4", "ffmpeg", seen.append)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_is_where_it_was_and_as_long_as_it_was(tmp_path: Path, channels: int) -> None:
    samples = 2 * SAMPLE_RATE + 137
    sound = np.zeros((samples, channels), np.float32)
    sound[0] = sound[SAMPLE_RATE] = 0.9
    blocks = [sound[:50_000], sound[50_000:]]
    assert encode_sound(blocks, channels, 192, tmp_path / "a.m4a", "ffmpeg") == samples
    found = probe(tmp_path / "a.m4a")
    assert (found["codec_name"], found["sample_rate"], found["channels"]) == ("aac", "48000", channels)
    assert (int(found["start_pts"]), int(found["duration_ts"])) == (0, samples)
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "a.m4a"), "-f", "f32le", "-"]
    heard = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<f4")
    loud = np.abs(heard.reshape(-1, channels)[:, 0])
    assert np.argmax(loud[:1000]) == 0
    assert np.argmax(loud[1000:]) + 1000 == SAMPLE_RATE
    assert samples <= len(loud) < samples + 1024


def test_sound_is_reproducible(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (20_000, 2)).astype(np.float32)
    for name in ("a.m4a", "b.m4a"):
        encode_sound([noise], 2, 128, tmp_path / name, "ffmpeg")
    assert (tmp_path / "a.m4a").read_bytes() == (tmp_path / "b.m4a").read_bytes()


@given(st.integers(1, 8 * PART_PACKETS * PACKET_SAMPLES))
def test_parts_hold_every_packet_once(samples: int) -> None:
    total = -(-samples // PACKET_SAMPLES) + 1
    due = 0
    parts = sound_parts(samples, "aac")
    for part in parts:
        first = part.start // PACKET_SAMPLES + part.skipped
        assert (part.start % PACKET_SAMPLES, first) == (0, due)
        assert part.skipped == (0 if due == 0 else RUN_UP_PACKETS)
        due = total if part.packets is None else due + part.packets
        # The last window of a part, and what may follow it, are heard unless the sound ends there.
        assert part.stop == min(samples, (due + LOOK_AHEAD_PACKETS) * PACKET_SAMPLES)
    assert due == total
    assert parts[-1].stop == samples
    assert [(part.start, part.stop) for part in sound_parts(samples, "opus")] == [(0, samples)]
