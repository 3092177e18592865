"""What the report's page shows: peaks of sounds, and the right part of the right frame, upright."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from loc.artifacts import Chunk, Codec, Cut, FrameRange, LipSync, PatchTrack, Reason, Ref, Source, VideoStream
from loc.errors import LocError
from loc.media.encode import coding_for, encode_chunk
from loc.media.frames import Planes
from loc.media.patches import Placement
from stages.deliver import evidence
from tests.streams import video_stream

NOTHING = Ref(sha256="00" * 32, size=0)


def frames(start: int, stop: int) -> FrameRange:
    return FrameRange(start=start, stop=stop)


def stream(**changes: object) -> VideoStream:
    return video_stream(**{"width": 64, "height": 48, **changes})


def flat(luma: int, size: tuple[int, int] = (48, 64)) -> Planes:
    """A grey picture."""
    chroma = np.full((size[0] // 2, size[1] // 2), 128, np.uint8)
    return Planes(np.full(size, luma, np.uint8), chroma, chroma)


def test_peaks_are_where_the_sound_is() -> None:
    audio = np.zeros((48_000, 2), np.float32)
    audio[12_000, 1] = -0.25
    audio[47_999, 0] = 2.0
    peaks = evidence.peaks_of(audio)
    assert peaks.shape == (40,)
    assert {int(step): int(peaks[step]) for step in np.flatnonzero(peaks)} == {10: 128, 39: 255}
    assert evidence.peaks_of(audio[:1201]).shape == (2,)
    assert evidence.peaks_of(audio[:0]).shape == (0,)


def cut(start: int, stop: int, drawn: int = 0, reason: str | None = None) -> Cut:
    reasons = (Reason(code=reason, detail="because"),) if reason else ()
    return Cut(
        face="1a",
        shot=0,
        frames=frames(start, stop),
        route="draft" if drawn else "passthrough",
        reasons=reasons,
        backend=None,
        speaker=None,
        drawn_frames=drawn,
        skipped_frames=0,
        score=None,
    )


def patch(chunk: int, offset: int, count: int) -> PatchTrack:
    return PatchTrack(
        face="1a",
        chunk=chunk,
        offset=offset,
        count=count,
        width=8,
        height=8,
        pixels=NOTHING,
        placement=NOTHING,
    )


def source(*chunks: tuple[int, int]) -> Source:
    return Source.model_construct(chunks=tuple(Chunk(shot=0, frames=frames(*each)) for each in chunks))


def test_a_cut_is_shown_in_the_middle_of_its_longest_patch() -> None:
    lipsync = LipSync(cuts=(cut(0, 300, 180),), patches=(patch(0, 20, 60), patch(1, 10, 101)))
    _, shown = evidence.select(lipsync, source((0, 150), (150, 300)))
    assert shown.patch == lipsync.patches[1]
    assert shown.first == 160
    assert shown.frames == frames(198, 223)


def test_a_long_cut_is_shown_in_each_third_and_first_where_most_was_drawn() -> None:
    patches = (patch(0, 0, 90), patch(0, 100, 60), patch(0, 170, 70), patch(0, 250, 40))
    shown = evidence.select(LipSync(cuts=(cut(0, 300, 260),), patches=patches), source((0, 300)))
    assert [item.patch for item in shown] == list(patches[:3])
    many = LipSync(
        cuts=(cut(0, 300, 260), *(cut(at, at + 1, reason="profile") for at in range(300, 400))),
        patches=patches,
    )
    kept = evidence.select(many, source((0, 400)))
    assert [item.patch for item in kept if item.patch] == [patches[0]], "what is left out first"


def test_a_patch_shorter_than_the_window_is_looked_at_whole() -> None:
    lipsync = LipSync(cuts=(cut(0, 50, 10),), patches=(patch(0, 20, 10),))
    [shown] = evidence.select(lipsync, source((0, 50)))
    assert shown.frames == frames(20, 30)


def test_cuts_left_as_filmed_are_shown_where_somebody_speaks() -> None:
    lipsync = LipSync(cuts=(cut(0, 50, reason="profile"), cut(50, 99, reason="no-speech")), patches=())
    [shown] = evidence.select(lipsync, source((0, 99)))
    assert (shown.number, shown.patch, shown.frames) == (1, None, frames(24, 25))


@pytest.mark.parametrize(("drawn", "passed"), [(200, 0), (0, 200), (200, 5), (200, 200), (10, 200)])
def test_a_page_has_a_bounded_number_of_stills(drawn: int, passed: int) -> None:
    cuts = [cut(10 * at, 10 * at + 10, drawn=5 + at % 5) for at in range(drawn)]
    cuts += [cut(10 * at, 10 * at + 10, reason="profile") for at in range(drawn, drawn + passed)]
    patches = tuple(patch(0, 10 * at, 10) for at in range(drawn))
    shown = evidence.select(LipSync(cuts=tuple(cuts), patches=patches), source((0, 10 * len(cuts))))
    assert len(shown) == min(evidence.MAX_STILLS, drawn + passed)
    assert sum(item.patch is None for item in shown) == min(
        passed, max(evidence.MAX_PASSED, evidence.MAX_STILLS - drawn)
    )
    assert [item.number for item in shown] == sorted(item.number for item in shown)
    if drawn > evidence.MAX_STILLS:
        assert {item.cut.drawn_frames for item in shown if item.patch} <= {8, 9}


def placement(opacity: Sequence[float]) -> Placement:
    """A mask of 8 x 6 pixels with its corner at (30, 20)."""
    count = len(opacity)
    corners = np.array([[0, 0], [8, 0], [8, 6], [0, 6]], np.float32)
    matrix = np.array([[1, 0, 30], [0, 1, 20]], np.float64)
    return Placement(
        matrix=np.repeat(matrix[None], count, 0),
        polygon=np.repeat(corners[None], count, 0),
        feather=np.ones(count, np.float32),
        opacity=np.asarray(opacity, np.float32),
    )


def as_coded(pictures: Iterable[Planes]) -> Iterator[tuple[Planes, VideoStream]]:
    return ((planes, stream()) for planes in pictures)


def test_the_frame_that_changed_most_is_shown() -> None:
    finished = [flat(100), flat(130), flat(120), flat(100)]
    place = placement([0, 1, 0.2, 1, 1])
    chosen = evidence.most_changed(iter([flat(100)] * 4), as_coded(finished), place, 1, stream())
    assert chosen.index == 2, "the one of 130 is nearly transparent"
    face = evidence.face_box(evidence.mask_box(place, 3, (48, 64)), (48, 64), stream())
    assert np.array_equal(chosen.after, evidence.picture(finished[2], stream(), face))
    assert np.array_equal(chosen.before, evidence.picture(flat(100), stream(), face))


def test_two_decoders_are_never_open_at_once_for_a_still() -> None:
    """At 1080p each holds 30 MB."""
    seen: list[str] = []

    def frames(name: str) -> Iterator[Planes]:
        seen.append(f"{name} opened")
        yield from [flat(100)] * 2
        seen.append(f"{name} closed")

    evidence.most_changed(frames("filmed"), as_coded(frames("finished")), placement([1, 1]), 0, stream())
    assert seen == ["finished opened", "finished closed", "filmed opened", "filmed closed"]


def test_what_changed_outside_the_mask_does_not_count() -> None:
    elsewhere = flat(100)
    elsewhere.y[:10] = 255
    inside = flat(100)
    inside.y[22, 33] = 110
    chosen = evidence.most_changed(
        iter([flat(100)] * 2), as_coded([elsewhere, inside]), placement([1, 1]), 0, stream()
    )
    assert chosen.index == 1


def test_a_face_stays_inside_the_picture() -> None:
    size = (48, 64)
    assert evidence.mask_box(placement([1]), 0, size) == (30, 20, 39, 27)
    x0, y0, x1, y1 = evidence.face_box((30, 20, 39, 27), size, stream())
    assert (x1 - x0) / (y1 - y0) == pytest.approx(4 / 3, abs=0.1)
    assert abs((x0 + x1) / 2 - 34.5) <= 1
    assert evidence.face_box((0, 0, 9, 7), size, stream())[:2] == (0, 0)
    assert evidence.face_box((55, 41, 64, 48), size, stream())[2:] == (64, 48)
    assert evidence.face_box((0, 0, 64, 48), size, stream()) == (0, 0, 64, 48)


@pytest.mark.parametrize(
    ("rotation", "aspect", "corner", "shape"),
    [
        (0, Fraction(1), (0, 0), (270, 360)),
        (90, Fraction(1), (-1, 0), (480, 360)),
        (180, Fraction(1), (-1, -1), (270, 360)),
        (270, Fraction(1), (0, -1), (480, 360)),
        (0, Fraction(3, 2), (0, 0), (180, 360)),
    ],
)
def test_stills_are_upright_with_square_pixels(
    rotation: int, aspect: Fraction, corner: tuple[int, int], shape: tuple[int, int]
) -> None:
    """A bright corner, top left as coded, is where a player that turns counter-clockwise puts it."""
    planes = flat(40)
    planes.y[:12, :16] = 200
    data = evidence.webp(evidence.picture(planes, stream(rotation=rotation, sample_aspect=aspect), None))
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen.shape == shape
    bright = {place for place in ((0, 0), (0, -1), (-1, 0), (-1, -1)) if seen[place] > 150}
    assert bright == {corner}
    mirrored = evidence.picture(planes, stream(rotation=rotation, sample_aspect=aspect, mirrored=True), None)
    assert mirrored[corner[0], -1 if corner[1] == 0 else 0].min() > 150


def coded(path: Path, count: int) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "2"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            grey = np.full((48, 64, 3), 40 + 10 * number, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(video.encode())
    return path


def test_frames_of_a_coded_chunk_come_by_their_number(tmp_path: Path) -> None:
    path = coded(tmp_path / "chunk.mp4", 12)
    whole = [int(planes.y.mean()) for planes, _ in evidence.coded_frames(path, stream(), 0, 12)]
    assert whole == sorted(whole)
    assert len(set(whole)) == 12
    assert [int(planes.y.mean()) for planes, _ in evidence.coded_frames(path, stream(), 4, 3)] == whole[4:7]
    with pytest.raises(LocError, match="no frame 12"):
        list(evidence.coded_frames(path, stream(), 10, 3))


def test_a_still_of_hdr_is_sdr() -> None:
    """White paper in PQ, code value 58 %, is nearly white on an ordinary screen."""
    hdr = stream(pix_fmt="yuv420p10le", bit_depth=10, matrix="bt2020nc", transfer="smpte2084")
    grey = np.full((hdr.height // 2, hdr.width // 2), 512, np.uint16)
    paper = Planes(np.full((hdr.height, hdr.width), round(64 + 0.58 * 876), np.uint16), grey, grey)
    shown = evidence.picture(paper, hdr, None)
    assert 215 < shown.mean() < 250


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(("pix_fmt", "depth"), [("yuv420p", 8), ("yuv420p10le", 10)])
def test_what_became_sdr_is_shown_as_it_is(tmp_path: Path, codec: Codec, pix_fmt: str, depth: int) -> None:
    """HLG of either depth looks alike before and after, whether it was made SDR or stayed HLG."""
    hlg = stream(
        pix_fmt=pix_fmt, bit_depth=depth, matrix="bt2020nc", primaries="bt2020", transfer="arib-std-b67"
    )
    scale = 1 << (depth - 8)
    luma = np.full((hlg.height, hlg.width), 130 * scale)
    chroma = np.full((hlg.height // 2, hlg.width // 2), 128 * scale)
    if depth == 8:
        filmed = Planes(luma.astype(np.uint8), chroma.astype(np.uint8), chroma.astype(np.uint8))
    else:
        filmed = Planes(luma.astype(np.uint16), chroma.astype(np.uint16), chroma.astype(np.uint16))
    path = tmp_path / "a.mp4"
    encode_chunk([filmed] * 2, coding_for(hlg, codec, crf=5, preset="ultrafast"), path, "ffmpeg")
    finished, coded = next(evidence.coded_frames(path, hlg, 0, 1))
    before, after = evidence.picture(filmed, hlg, None), evidence.picture(finished, coded, None)
    assert coded.is_hdr == (codec == "hevc")
    assert abs(float(after.mean()) - float(before.mean())) < 2
