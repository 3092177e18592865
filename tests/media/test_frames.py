"""Frames are named by their place in the table, and reading any range equals decoding from the start."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from loc.artifacts import FrameRange, Join, VideoStream
from loc.errors import InputError
from loc.media import frames as module
from loc.media.frames import Planes, frames_key, plane_format, read_frames, scan_frames, to_planes
from loc.media.probe import probe_source
from loc.media.timeline import Timeline
from loc.settings import Settings
from tests.media import synth
from tests.media.failing import fail_after
from tests.pictures import plane_of

FRAMES = 75


def opened(path: Path) -> tuple[VideoStream, Timeline]:
    video = probe_source(path, Settings()).video
    scan = scan_frames(path, video)
    return video, scan.timeline(video.time_base)


def read(path: Path, video: VideoStream, timeline: Timeline, start: int, stop: int) -> list[Planes]:
    return list(read_frames(path, video, timeline, FrameRange(start=start, stop=stop)))


def same(one: Planes, other: Planes) -> bool:
    pairs = ((one.y, other.y), (one.u, other.u), (one.v, other.v))
    return all(np.array_equal(a, b) for a, b in pairs)


def undisturbed(path: Path) -> Iterator[Planes]:
    """What ffmpeg's own program decodes from start to end on one thread."""
    video = probe_source(path, Settings()).video
    form = plane_format(video.pix_fmt)
    command = ["ffmpeg", "-v", "error", "-noautorotate", "-threads", "1", "-i", str(path), "-map", "0:v"]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", form, "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    layout = av.VideoFormat(form, video.width, video.height)
    kind = np.dtype(np.uint16 if "10" in form else np.uint8)
    shapes = [(component.height, component.width) for component in layout.components]
    place = 0
    while place < len(data):
        planes = []
        for height, width in shapes:
            size = height * width * kind.itemsize
            values = np.frombuffer(data[place : place + size], kind).reshape(height, width)
            planes.append(plane_of(values, deep=kind == np.uint16))
            place += size
        yield Planes(*planes)


JOINABLE = ("h264-ts", "mpeg2-ts", "mpeg2-ps")
LONG = 12 * synth.RATE
"""Pictures of a recording in which libavformat's search for a timestamp lands in the one joined to it."""


def joined(folder: Path, kind: str) -> Path:
    """Two recordings as one file; numbers go on from one to the other."""
    parts = [synth.make(folder, kind, frames=LONG, first=first, name=f"part-{first}") for first in (0, LONG)]
    return synth.join(folder / f"joined{parts[0].suffix}", parts)


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synth.make(tmp_path_factory.mktemp("h264"), "h264", frames=FRAMES)


def starts(timeline: Timeline) -> list[int]:
    """Every sixth frame, and all around key frames, where leading pictures are."""
    around = {int(key) + step for key in np.flatnonzero(timeline.key) for step in range(-3, 4)}
    return sorted({*range(0, timeline.count, 6), *around} & set(range(timeline.count)))


_CRA = 21
"""Kind of a unit of HEVC (ITU-T H.265, table 7-1)."""


@pytest.mark.parametrize("kind", ["h264-open", "h264-ts", "hevc-open", "hevc-ten"])
def test_open_groups_are_open(kind: str, tmp_path: Path) -> None:
    """Behind their key frames come pictures that are shown before these, but behind the last of few."""
    with av.open(str(synth.make(tmp_path, kind, frames=FRAMES))) as container:
        stream = container.streams.video[0]
        extradata = stream.codec_context.extradata or b""
        packets = [packet for packet in container.demux(stream) if packet.size]
        open_keys = 0
        for key, following in itertools.pairwise(packets):
            if not key.is_keyframe or key is packets[0]:
                continue
            assert key.pts is not None
            assert following.pts is not None
            if following.pts > key.pts:
                continue
            if "hevc" in kind:
                assert _CRA in _hevc_kinds(bytes(key))
            else:
                assert not module._begins_with_idr(bytes(key), extradata)
            open_keys += 1
    assert open_keys >= 2


def _hevc_kinds(packet: bytes) -> Iterator[int]:
    """The kinds of a packet's units, behind lengths of four bytes."""
    place = 0
    while place < len(packet):
        yield packet[place + 4] >> 1 & 63
        place += 4 + int.from_bytes(packet[place : place + 4], "big")


@pytest.mark.parametrize("kind", synth.ALL)
def test_every_range_equals_a_sequential_decode(kind: str, tmp_path: Path) -> None:
    path = synth.film(tmp_path, kind, frames=FRAMES)
    video, timeline = opened(path)
    whole = read(path, video, timeline, 0, timeline.count)
    assert [synth.number_of(planes.y) for planes in whole] == list(range(synth.first_number(kind), FRAMES))
    assert all(same(planes, other) for planes, other in zip(whole, undisturbed(path), strict=True))
    for start in starts(timeline):
        part = read(path, video, timeline, start, min(timeline.count, start + 5))
        assert all(same(a, b) for a, b in zip(part, whole[start : start + 5], strict=True)), start


@pytest.mark.parametrize("kind", [name for name in synth.ALL if name != "h264-refresh"])
def test_a_late_range_is_reached_by_seeking(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = synth.film(tmp_path, kind, frames=FRAMES)
    video, timeline = opened(path)
    entries = module._entries
    monkeypatch.setattr(module, "_entries", lambda *args: entries(*args)[:-1])
    late = 60 - synth.first_number(kind)
    assert synth.number_of(read(path, video, timeline, late, late + 1)[0].y) == 60


@pytest.mark.parametrize("kind", JOINABLE)
def test_every_range_of_joined_recordings_equals_a_sequential_decode(kind: str, tmp_path: Path) -> None:
    """Both count from the same time, so a seek by time finds the pictures of either."""
    path = joined(tmp_path, kind)
    video, timeline = opened(path)
    assert [join.frame for join in timeline.joins] == [LONG]
    whole = read(path, video, timeline, 0, timeline.count)
    assert [synth.number_of(planes.y) for planes in whole] == list(range(2 * LONG))
    assert all(same(planes, other) for planes, other in zip(whole, undisturbed(path), strict=True))
    for start in range(timeline.count):
        part = read(path, video, timeline, start, min(timeline.count, start + 3))
        assert all(same(a, b) for a, b in zip(part, whole[start : start + 3], strict=True)), start


@pytest.mark.parametrize("kind", JOINABLE)
def test_joined_recordings_are_reached_by_seeking(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = joined(tmp_path, kind)
    video, timeline = opened(path)
    entries = module._entries
    monkeypatch.setattr(module, "_entries", lambda *args: entries(*args)[:-1])
    for late in (60, LONG + 60, 2 * LONG - 1):
        assert synth.number_of(read(path, video, timeline, late, late + 1)[0].y) == late


def test_the_key_of_frames_tells_of_joined_recordings(h264: Path) -> None:
    video, timeline = opened(h264)
    frames = FrameRange(start=5, stop=9)
    plain = frames_key("", video, timeline, frames)
    joint = Join(frame=50, shift=1, position=100)
    assert frames_key("", video, dataclasses.replace(timeline, joins=(joint,)), frames) != plain


def test_a_recording_joined_with_a_clock_far_ahead_goes_on_at_once(tmp_path: Path) -> None:
    recipe = synth.RECIPES["h264-ts"]
    parts = [synth.make(tmp_path, recipe, frames=50, first=first, name=f"{first}") for first in (0, 50)]
    ahead = synth.copy(parts[1], tmp_path / "ahead.ts", {}, output_ts_offset=5000)
    _, timeline = opened(synth.join(tmp_path / "joined.ts", [parts[0], ahead]))
    assert [timeline.seconds(frame) for frame in range(101)] == [Fraction(frame, 25) for frame in range(101)]
    assert [join.frame for join in timeline.joins] == [50]


def test_one_bad_timestamp_makes_no_film_of_a_day(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "mpeg2-ts", frames=FRAMES)
    synth.spoil_time(path, 36, Fraction(20 * 3600))
    video, timeline = opened(path)
    times = [timeline.seconds(frame) for frame in range(FRAMES + 1)]
    assert times == [Fraction(frame, synth.RATE) for frame in range(FRAMES + 1)]
    late = read(path, video, timeline, 60, 70)
    assert [synth.number_of(planes.y) for planes in late] == list(range(60, 70))


def test_a_picture_that_stands_while_the_sound_goes_on_keeps_its_time(tmp_path: Path) -> None:
    recipe = dataclasses.replace(synth.RECIPES["h264-ts"], pts="(4*N+1500*gte(N,25))/(100*TB)")
    path = synth.make(tmp_path, recipe, frames=50, tracks=[synth.clicks(Fraction(17))])
    _, timeline = opened(path)
    assert timeline.seconds(25) == 16
    assert timeline.joins == ()


@pytest.mark.parametrize("moved", [-1, 1])
def test_a_picture_is_not_read_at_another_place_than_it_was_found(
    moved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found at a time is another picture, as a joined file may have, where it has another place."""
    path = synth.make(tmp_path, "h264", frames=FRAMES)
    video, timeline = opened(path)
    assert timeline.positions is not None
    monkeypatch.setattr(module, "_entries", lambda *_args: [module._Entry(48, clean=True)])
    assert synth.number_of(read(path, video, timeline, 50, 51)[0].y) == 50
    elsewhere = dataclasses.replace(timeline, positions=timeline.positions + moved)
    with pytest.raises(InputError, match="Frame 50 "):
        read(path, video, elsewhere, 50, 51)


@pytest.mark.parametrize("kind", ["mpeg4", "mpeg4-packed", "h264-avi"])
def test_a_container_without_presentation_times_gives_even_ones(kind: str, tmp_path: Path) -> None:
    path = synth.film(tmp_path, kind, frames=FRAMES)
    video = probe_source(path, Settings()).video
    scan = scan_frames(path, video)
    assert set(np.diff(scan.pts)) == {1}
    assert (scan.repaired, scan.duration * video.time_base) == (0, Fraction(FRAMES, synth.RATE))


def test_packed_pictures_are_packed_as_divx_did_it(tmp_path: Path) -> None:
    path = synth.film(tmp_path, "mpeg4-packed", frames=FRAMES)
    command = ["ffmpeg", "-v", "verbose", "-i", str(path), "-map", "0:v", "-f", "null", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    assert "packed B-frames" in said


def test_pictures_left_out_of_a_container_without_times_leave_gaps(tmp_path: Path) -> None:
    """AVI has a packet of no bytes for each."""
    recipe = dataclasses.replace(synth.RECIPES["mpeg4"], pts="4*N+4*floor(N/4)")
    path = synth.make(tmp_path, recipe, frames=FRAMES)
    video, timeline = opened(path)
    number = np.arange(FRAMES)
    assert np.array_equal(timeline.pts - timeline.pts[0], 4 * number + 4 * (number // 4))
    whole = read(path, video, timeline, 0, timeline.count)
    assert [synth.number_of(planes.y) for planes in whole] == number.tolist()


def test_table_lists_the_times_of_a_variable_rate(tmp_path: Path) -> None:
    video, timeline = opened(synth.make(tmp_path, "vfr", frames=FRAMES))
    times = [timeline.seconds(frame) for frame in range(FRAMES)]
    assert times == [Fraction(int(tick), 100) for tick in synth.vfr_ticks(FRAMES)]
    assert video.time_base == timeline.time_base


def test_constant_rate_has_exact_length(h264: Path) -> None:
    _, timeline = opened(h264)
    assert timeline.seconds(timeline.count) == Fraction(FRAMES, synth.RATE)
    assert np.flatnonzero(timeline.key).tolist() == [0, 24, 48, 72]


def test_frames_that_an_edit_list_hides_are_not_in_the_table(h264: Path, tmp_path: Path) -> None:
    hidden = 33
    path = synth.copy(h264, tmp_path / "edit.mp4", {"ss": hidden / synth.RATE})
    video, timeline = opened(path)
    numbers = [synth.number_of(planes.y) for planes in read(path, video, timeline, 0, timeline.count)]
    assert numbers == list(range(hidden, FRAMES))
    assert synth.number_of(read(path, video, timeline, 20, 21)[0].y) == hidden + 20


def test_a_truncated_file_gives_the_frames_it_has(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "h264-ts", frames=FRAMES)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    video, timeline = opened(path)
    assert 20 < timeline.count < FRAMES
    last = read(path, video, timeline, timeline.count - 1, timeline.count)
    assert synth.number_of(last[0].y) == timeline.count - 1


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_film_shows_the_same_pictures_each_time(seed: int, tmp_path: Path) -> None:
    """What an artifact was made of can be read again: what conceals the damage does not hang on timing."""
    path = synth.make(tmp_path, "h264-ts", frames=FRAMES)
    video, timeline = opened(path)
    sound = read(path, video, timeline, 0, timeline.count)
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(len(whole) // 10, len(whole), 30):
        whole[place] ^= int(rng.integers(1, 256))
    path.write_bytes(whole)
    video, timeline = opened(path)
    first = read(path, video, timeline, 0, timeline.count)
    assert not all(map(same, first, sound))
    for _ in range(4):
        assert opened(path)[1].pts.tolist() == timeline.pts.tolist()
        assert all(map(same, read(path, video, timeline, 0, timeline.count), first))


def test_a_disk_that_fails_is_no_end_of_the_film(h264: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video, timeline = opened(h264)
    fail_after(monkeypatch, 40)
    with pytest.raises(InputError, match="could not be read to its end"):
        scan_frames(h264, video)
    with pytest.raises(InputError, match="could not be read to its end"):
        read(h264, video, timeline, 0, 60)


def test_a_file_that_changed_is_refused_with_the_frame_named(h264: Path, tmp_path: Path) -> None:
    video, timeline = opened(h264)
    shorter = synth.make(tmp_path, "h264", frames=50)
    with pytest.raises(InputError, match="Frame 50 "):
        read(shorter, video, timeline, 45, 60)


def test_a_range_outside_the_table_is_a_mistake(h264: Path) -> None:
    video, timeline = opened(h264)
    with pytest.raises(ValueError, match="of 75"):
        read(h264, video, timeline, 70, 76)


def test_an_empty_range_is_empty(h264: Path) -> None:
    video, timeline = opened(h264)
    assert read(h264, video, timeline, 7, 7) == []


def test_planes_have_no_padding_and_belong_to_the_caller(tmp_path: Path) -> None:
    path = synth.make(tmp_path, "hevc-ten", frames=5)
    video, timeline = opened(path)
    planes = read(path, video, timeline, 0, 1)[0]
    assert planes.y.shape == (synth.HEIGHT, synth.WIDTH)
    assert planes.u.shape == planes.v.shape == (synth.HEIGHT // 2, synth.WIDTH // 2)
    assert planes.y.dtype == np.uint16
    assert planes.y.max() < 1024
    assert planes.y.flags.c_contiguous
    assert planes.y.base is not None
    assert planes.y.base is planes.u.base is planes.v.base
    assert planes.y.base.flags.owndata


@pytest.mark.parametrize(
    ("pix_fmt", "planes"),
    [
        ("yuv420p", "yuv420p"),
        ("yuvj444p", "yuvj444p"),
        ("yuv422p10le", "yuv422p10le"),
        ("nv12", "yuv420p"),
        ("p010le", "yuv420p10le"),
        ("yuva420p", "yuv420p"),
        ("yuv420p12le", "yuv420p10le"),
        ("yuv411p", "yuv422p"),
        ("yuyv422", "yuv422p"),
        ("gray", "yuv420p"),
        ("gray10le", "yuv420p10le"),
        ("rgb24", "yuv444p"),
        ("gbrp10le", "yuv444p10le"),
        ("pal8", "yuv444p"),
    ],
)
def test_plane_format_keeps_what_it_can(pix_fmt: str, planes: str) -> None:
    assert plane_format(pix_fmt) == planes


def test_semi_planar_pictures_are_only_unpacked(h264: Path) -> None:
    video = probe_source(h264, Settings()).video.model_copy(update={"pix_fmt": "nv12"})
    random = np.random.default_rng(1)
    luma: npt.NDArray[np.uint8] = random.integers(16, 236, (synth.HEIGHT, synth.WIDTH), np.uint8)
    chroma: npt.NDArray[np.uint8] = random.integers(16, 241, (synth.HEIGHT // 2, synth.WIDTH), np.uint8)
    frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="nv12")
    planes = to_planes(frame, video)
    assert np.array_equal(planes.y, luma)
    assert np.array_equal(planes.u, chroma[:, ::2])
    assert np.array_equal(planes.v, chroma[:, 1::2])


def test_real_clips(clips: Path) -> None:
    for path, frames in (("address.mp4", 200), ("portrait_hevc.mp4", 250), ("studio_silent.mp4", 550)):
        video, timeline = opened(clips / path)
        assert timeline.count == frames
        assert timeline.seconds(frames) == Fraction(frames, 25)
        late = read(clips / path, video, timeline, frames - 3, frames)
        around = read(clips / path, video, timeline, frames - 12, frames)
        assert all(same(a, b) for a, b in zip(late, around[-3:], strict=True))
