"""Plates: pictures and a sound made a video."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from loc.errors import InputError
from loc.media.plate import LONGEST_SIDE, Motion, drift, make_plate, read_picture

Pixels = npt.NDArray[np.uint8]


def gradient(width: int = 64, height: int = 48) -> Pixels:
    """RGB, no two corners alike."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.asarray(np.stack([x, y, 255 - x], axis=-1), dtype=np.uint8)


def save(path: Path, picture: Pixels, *options: int) -> Path:
    assert cv2.imwrite(str(path), picture[..., ::-1], options)
    return path


def speech(path: Path, samples: int = 16_000, rate: int = 16_000) -> Path:
    tone = 0.3 * np.sin(np.arange(samples) * 2 * np.pi * 300 / rate)
    soundfile.write(path, tone.astype(np.float32), rate)
    return path


def plate(
    tmp_path: Path, pictures: list[Path], sound: Path | None, rate: str, motion: Motion = "none"
) -> Path:
    target = tmp_path / "plate.mkv"
    scratch = tmp_path / "scratch"
    scratch.mkdir(parents=True)
    make_plate(pictures, sound, Fraction(rate), motion, scratch, target, "ffmpeg")
    return target


def frames(path: Path) -> list[Pixels]:
    """RGB by the stream's own matrix and range."""
    with av.open(str(path)) as opened:
        return [
            np.asarray(
                frame.to_ndarray(format="rgb24", src_colorspace="itu709", dst_colorspace="itu709"),
                dtype=np.uint8,
            )
            for frame in opened.decode(video=0)
        ]


def test_a_picture_is_held_for_as_long_as_the_sound_lasts(tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", gradient())
    made = plate(tmp_path, [picture], speech(tmp_path / "a.wav", 16_100), "25")
    with av.open(str(made)) as opened:
        video, audio = opened.streams.video[0], opened.streams.audio[0]
        assert video.average_rate == 25
        assert (audio.rate, audio.codec_context.name) == (16_000, "flac")
        assert (video.codec_context.color_range, video.codec_context.colorspace) == (1, 1)
    shown = frames(made)
    # 1.00625 s: the last of the sound has a picture too.
    assert len(shown) == 26
    assert np.abs(shown[0].astype(int) - gradient())[4:-4, 4:-4].max() < 12
    assert all((frame == shown[0]).all() for frame in shown)


def test_pictures_in_sequence_are_shown_for_one_frame_each(tmp_path: Path) -> None:
    pictures = [save(tmp_path / f"{n}.png", np.full((32, 32, 3), 40 * n + 20, np.uint8)) for n in range(5)]
    shown = frames(plate(tmp_path, pictures, None, "24000/1001"))
    assert [round(float(frame.mean()) / 20) for frame in shown] == [1, 3, 5, 7, 9]


def test_pictures_of_other_sizes_are_refused(tmp_path: Path) -> None:
    pictures = [save(tmp_path / "a.png", gradient()), save(tmp_path / "b.png", gradient(66))]
    with pytest.raises(InputError, match=r"b\.png is of another size.*66x48.*64x48"):
        plate(tmp_path, pictures, None, "25")


def test_what_is_no_picture_or_no_sound_is_refused(tmp_path: Path) -> None:
    noise = tmp_path / "noise.png"
    noise.write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_picture(noise)
    with pytest.raises(InputError, match="too small"):
        read_picture(save(tmp_path / "thin.png", gradient(2 * LONGEST_SIDE, 1)))
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    (tmp_path / "vast.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR") + header
        + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + bytes(64)
    )  # fmt: skip
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_picture(tmp_path / "vast.png")
    picture = save(tmp_path / "a.png", gradient())
    with pytest.raises(InputError, match="cannot be read as sound"):
        plate(tmp_path / "b", [picture], noise, "25")
    with pytest.raises(InputError, match="does not exist"):
        make_plate(
            [picture], tmp_path / "x.wav", Fraction(25), "none", tmp_path, tmp_path / "p.mkv", "ffmpeg"
        )


def test_a_sound_without_samples_is_refused(tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png", gradient())
    with pytest.raises(InputError, match=r"a\.wav"):
        plate(tmp_path, [picture], speech(tmp_path / "a.wav", 0), "25")


def test_large_and_odd_pictures_become_even_and_small_enough(tmp_path: Path) -> None:
    assert read_picture(save(tmp_path / "a.png", gradient(33, 21))).shape == (20, 32, 3)
    large = read_picture(save(tmp_path / "b.png", gradient(2 * LONGEST_SIDE, 1000)))
    assert large.shape == (500, LONGEST_SIDE, 3)


def exif(orientation: int, order: Literal["big", "little"]) -> bytes:
    """A block with an orientation behind a tag of a camera's."""
    number = {"big": ">", "little": "<"}[order]
    tags = [
        (0x0100, 4, 1, struct.pack(f"{number}I", 64)),
        (0x0112, 3, 1, struct.pack(f"{number}HH", orientation, 0)),
    ]
    entries = b"".join(struct.pack(f"{number}HHI", *tag[:3]) + tag[3] for tag in tags)
    head = {"big": b"MM", "little": b"II"}[order] + struct.pack(f"{number}HI", 42, 8)
    return head + struct.pack(f"{number}H", len(tags)) + entries + bytes(4)


def jpeg_with(path: Path, block: bytes) -> Path:
    data = save(path, gradient(), cv2.IMWRITE_JPEG_QUALITY, 95).read_bytes()
    block = b"Exif\0\0" + block
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:])
    return path


def png_with(path: Path, block: bytes) -> Path:
    data = save(path, gradient()).read_bytes()
    chunk = b"eXIf" + block
    head = 8 + 12 + 13
    path.write_bytes(
        data[:head]
        + struct.pack(">I", len(block))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + data[head:]
    )
    return path


def webp_with(path: Path, block: bytes, start: bytes = b"") -> Path:
    """In the extended format, which says that a block of EXIF follows the picture."""
    picture = save(path, gradient(), cv2.IMWRITE_WEBP_QUALITY, 101).read_bytes()[12:]
    size = struct.pack("<I", 64 - 1)[:3] + struct.pack("<I", 48 - 1)[:3]
    head = b"VP8X" + struct.pack("<II", 10, 0x08) + size
    block = start + block
    rest = head + picture + b"EXIF" + struct.pack("<I", len(block)) + block + bytes(len(block) % 2)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(rest) + 4) + b"WEBP" + rest)
    return path


def webp_with_a_started(path: Path, block: bytes) -> Path:
    return webp_with(path, block, b"Exif\0\0")


ORIENTED: Mapping[int, Callable[[Pixels], Pixels]] = {
    1: lambda picture: picture,
    2: lambda picture: picture[:, ::-1],
    3: lambda picture: picture[::-1, ::-1],
    4: lambda picture: picture[::-1],
    5: lambda picture: picture.transpose(1, 0, 2),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: picture.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda picture: np.rot90(picture, 1),
}
"""What EXIF's orientations make of a picture to show it."""


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("order", ["big", "little"])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.jpg", jpeg_with),
        ("a.png", png_with),
        ("a.webp", webp_with),
        ("b.webp", webp_with_a_started),
    ],
)
def test_a_photograph_is_turned_as_it_says(
    tmp_path: Path,
    name: str,
    write: Callable[[Path, bytes], Path],
    order: Literal["big", "little"],
    orientation: int,
) -> None:
    turned = read_picture(write(tmp_path / name, exif(orientation, order)))
    np.testing.assert_allclose(turned, ORIENTED[orientation](gradient()), atol=12)


@pytest.mark.parametrize(
    "block", [b"", b"MM", exif(6, "big")[:9], exif(6, "big")[:24], exif(9, "little"), b"?" * 40]
)
def test_a_damaged_orientation_turns_nothing(tmp_path: Path, block: bytes) -> None:
    picture = read_picture(webp_with(tmp_path / "a.webp", block))
    np.testing.assert_allclose(picture, gradient(), atol=12)


def test_gentle_motion_moves_little_and_shows_no_edge(tmp_path: Path) -> None:
    width, height = 640, 360
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], float)
    for seconds in np.linspace(0, 60, 241):
        matrix = drift(float(seconds), width, height)
        moved = corners @ matrix[:, :2].T + matrix[:, 2]
        assert moved[0].max() <= 0.5
        assert (moved[3] >= corners[3] - 0.5).all()
        assert np.abs(moved - corners).max() < 0.03 * width
        later = drift(float(seconds) + 0.04, width, height)
        assert np.abs(corners @ (later - matrix)[:, :2].T + (later - matrix)[:, 2]).max() < 0.15
    picture = save(tmp_path / "a.png", gradient(width, height))
    shown = frames(plate(tmp_path, [picture], speech(tmp_path / "a.wav", 48_000), "5", "gentle"))
    assert len(shown) == 15
    assert not (shown[0] == shown[14]).all()
