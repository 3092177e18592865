"""HDR to SDR: the landmarks of BT.2100 and BT.2408, and pictures that ffmpeg turned."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from loc.artifacts import ContentLight, VideoStream
from loc.media.colour import rgb_from_yuv, rgb_to_yuv, yuv_from_rgb
from loc.media.encode import coding_for, encode_chunk
from loc.media.frames import Planes
from loc.media.tonemap import ToneMap, to_sdr, tone_map_for
from tests.streams import BT2020, video_stream

PQ, HLG = "smpte2084", "arib-std-b67"

PQ_WHITE, HLG_WHITE = 0.58, 0.75
"""Code values of reference white, BT.2408, table 1."""


def hdr(transfer: str = PQ, **changes: Any) -> VideoStream:
    facts = {"pix_fmt": "yuv420p10le", "bit_depth": 10, "matrix": "bt2020nc", "primaries": "bt2020"}
    return video_stream(**{**facts, "transfer": transfer, "chroma_location": "topleft", **changes})


def grey(transfer: str, value: float, **changes: Any) -> float:
    mapped = to_sdr(np.full(3, value), tone_map_for(hdr(transfer, **changes)))
    assert np.ptp(mapped) < 2e-3
    return float(mapped.mean())


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_black_stays_black_and_brightness_rises(transfer: str) -> None:
    levels = [grey(transfer, value) for value in np.linspace(0, 1, 64)]
    assert levels[0] == pytest.approx(0, abs=0.01)
    assert levels[-1] == pytest.approx(1, abs=1e-3)
    assert all(after >= before - 1e-9 for before, after in itertools.pairwise(levels))


def test_what_is_below_the_knee_keeps_its_share_of_white() -> None:
    """Mid grey of 18 % under HDR white is mid grey of 18 % under SDR's."""
    pq = 0.3804
    """26 cd/m² in PQ, BT.2408, table 1."""
    assert grey(PQ, pq) == pytest.approx(0.128 ** (1 / 2.4), abs=2e-3)
    # The same light in HLG: 38 % of the signal.
    assert grey(HLG, 0.38) == pytest.approx(0.128 ** (1 / 2.4), abs=5e-3)


def test_reference_white_is_nearly_white_and_the_peak_decides_how_nearly() -> None:
    assert 0.85 < grey(PQ, PQ_WHITE) < 0.97
    assert grey(HLG, HLG_WHITE) == pytest.approx(grey(PQ, PQ_WHITE), abs=0.01)
    dim = {"content_light": ContentLight(most=203, average=50)}
    bright = {"content_light": ContentLight(most=4000, average=400)}
    assert grey(PQ, PQ_WHITE, **dim) == pytest.approx(1, abs=5e-3)
    assert grey(PQ, PQ_WHITE, **bright) < grey(PQ, PQ_WHITE)


def test_the_peak_is_the_contents_else_the_displays_else_the_usual() -> None:
    light = ContentLight(most=640, average=100)
    assert tone_map_for(hdr(content_light=light, mastering=BT2020)).peak == 640
    assert tone_map_for(hdr(mastering=BT2020.model_copy(update={"brightest": 40_000_000}))).peak == 4000
    assert tone_map_for(hdr()).peak == 1000


def test_red_of_bt709_stays_itself() -> None:
    """A colour inside BT.709, coded in BT.2020 and PQ, is the same colour in BT.709."""
    how = ToneMap(transfer=PQ, wide=True, matrix="bt2020nc", full_range=False, siting="left", peak=1000)
    linear = np.array([0.10, 0.02, 0.02])
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    power = (203 * (to_2020 @ linear) / 10_000) ** (2610 / 16384)
    value = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    assert to_sdr(value, how) == pytest.approx(linear ** (1 / 2.4), abs=3e-3)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_coded_picture_is_what_the_formulas_say(tmp_path: Path, transfer: str) -> None:
    """Patches of colour, through ffmpeg's table and x264."""
    video = hdr(transfer, mastering=BT2020 if transfer == PQ else None)
    coding = coding_for(video, "h264", crf=1, preset="ultrafast")
    assert coding.tone_map is not None
    random = np.random.default_rng(2)
    # Inside BT.709: what lies outside is cut, and near the cut the display's curve is steep.
    colours = random.uniform(0.3, 0.7, (4, 6, 1)) + random.uniform(-0.05, 0.05, (4, 6, 3))
    wide = np.kron(colours, np.ones((16, 16, 1)))
    yuv = np.rint(rgb_to_yuv((255 * wide).astype(np.float32), video)).astype(np.uint16)
    planes = Planes(yuv[..., 0].copy(), yuv[::2, ::2, 1].copy(), yuv[::2, ::2, 2].copy())
    path = tmp_path / "a.mp4"
    assert encode_chunk([planes] * 3, coding, path, "ffmpeg") == 3
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    with av.open(str(path)) as container:
        frame = list(container.decode(video=0))[1]
        assert frame.format.name == "yuv420p"
        coded = frame.to_ndarray()
    sdr = np.stack(
        [coded[:64, :96], *(plane.repeat(2, 0).repeat(2, 1) for plane in coded[64:].reshape(2, 32, 48))], -1
    )
    change = rgb_from_yuv("bt709", False, 8)
    rgb = (sdr @ change[:, :3].T + change[:, 3]).clip(0, 255)
    middles = rgb[8::16, 8::16]
    expected = 255 * to_sdr(colours, coding.tone_map)
    assert np.abs(middles - expected).max() < 4
    assert np.abs(middles - expected).mean() < 1


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le"])
@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_colours_stay_in_their_place(tmp_path: Path, siting: str, pix_fmt: str) -> None:
    """Slopes of colour, across and down, come out where they were; half a pixel of either is half a step."""
    across, down = ("444" not in pix_fmt) + 1, ("420" in pix_fmt) + 1
    video = hdr(HLG, chroma_location=siting, pix_fmt=pix_fmt)
    coding = coding_for(video, "h264", crf=1, preset="ultrafast")
    assert coding.tone_map is not None
    left = 0.5 if siting == "center" and across == 2 else 0.0
    top = 0.5 if siting != "topleft" and down == 2 else 0.0

    def yuv(x: Any, y: Any) -> Any:
        """The scene anywhere, in code values."""
        return np.stack([500 + 0 * (x + y), 512 + 4 * (x - 48) + 0 * y, 512 + 4 * (y - 32) + 0 * x], -1)

    place = np.meshgrid(across * np.arange(96 // across) + left, down * np.arange(64 // down) + top)
    chroma = np.rint(yuv(*place)).astype(np.uint16)
    planes = Planes(np.full((64, 96), 500, np.uint16), chroma[..., 1].copy(), chroma[..., 2].copy())
    path = tmp_path / "a.mp4"
    encode_chunk([planes] * 3, coding, path, "ffmpeg")
    with av.open(str(path)) as container:
        coded = list(container.decode(video=0))[1].to_ndarray()[64:].reshape(2, 32, 48).astype(float)
    there = np.meshgrid(np.arange(0.0, 96, 2), np.arange(0.5, 64, 2))
    change = rgb_from_yuv("bt2020nc", False, 10)
    sdr = to_sdr((yuv(*there) @ change[:, :3].T + change[:, 3]).clip(0, 255) / 255, coding.tone_map)
    back = yuv_from_rgb("bt709", False, 8)
    wanted = np.moveaxis(255 * sdr @ back[1:, :3].T + back[1:, 3], -1, 0)
    inside = (slice(None), slice(8, -8), slice(8, -8))
    off = (coded - wanted)[inside]
    slopes = np.gradient(wanted, axis=2)[0].mean() / 2, np.gradient(wanted, axis=1)[1].mean() / 2
    assert abs(off[0].mean() / slopes[0]) < 0.1
    assert abs(off[1].mean() / slopes[1]) < 0.1


def test_only_h264_turns_hdr_into_sdr() -> None:
    for codec in ("hevc", "vp9"):
        kept = coding_for(hdr(mastering=BT2020), codec, crf=18, preset="veryfast")
        assert (kept.tone_map, kept.coded_pix_fmt, kept.colour.transfer) == (None, "yuv420p10le", PQ)
    turned = coding_for(hdr(mastering=BT2020), "h264", crf=18, preset="veryfast")
    assert (turned.coded_pix_fmt, turned.colour.transfer, turned.colour.mastering) == (
        "yuv420p",
        "bt709",
        None,
    )
    plain = coding_for(video_stream(sample_aspect=Fraction(1)), "h264", crf=18, preset="veryfast")
    assert plain.tone_map is None
