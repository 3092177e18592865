"""Text in the picture: where it stands, what it leaves alone, and how bright it is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loc.artifacts import HDR_TRANSFERS, VideoStream
from loc.errors import ExitCode, MissingError
from loc.media import ffmpeg, fonts, titles
from loc.media.fonts import Font, config, font_for, fonts_for
from loc.media.frames import Planes
from loc.media.titles import SAFE, Place, Title, em_of, lay_over, overlay, shown_size
from loc.media.wrapping import wrap_to
from tests.needed import missing
from tests.pictures import plane_of
from tests.streams import video_stream

try:
    font_for("ja")
except MissingError as error:
    missing(str(error))

JAPANESE = "この動画は、別の言語で話すために作られました。口元を見てください。"


def stream(width: int = 640, height: int = 360, **changes: Any) -> VideoStream:
    return video_stream(width=width, height=height, **changes)


def text(
    words: str, video: VideoStream, folder: Path, language: str = "ja", place: Place = "bottom"
) -> Title:
    folder.mkdir(parents=True)
    chosen, lost = fonts_for(words, font_for(language))
    assert not lost
    title = titles.set_text(titles.Text(words), chosen, video, place, folder, "ffmpeg")
    assert title is not None
    return titles.load_title(_saved(title, folder))


def _saved(title: Title, folder: Path) -> Path:
    path = folder / "title.npz"
    path.write_bytes(titles.save_title(title))
    return path


def noise(video: VideoStream, chroma: tuple[int, int]) -> Planes:
    """A picture in which every sample that moves is seen."""
    draw, deep = np.random.default_rng(1), video.bit_depth > 8
    high = 1024 if deep else 256
    fine = (video.height, video.width)
    coarse = (-(-video.height // chroma[1]), -(-video.width // chroma[0]))
    return Planes(*(plane_of(draw.integers(0, high, size), deep=deep) for size in (fine, coarse, coarse)))


def upright(canvas: np.ndarray[Any, Any], video: VideoStream) -> np.ndarray[Any, Any]:
    turned = np.rot90(canvas, video.rotation // 90)
    return turned[:, ::-1] if video.mirrored else turned


def whole(title: Title, video: VideoStream) -> np.ndarray[Any, Any]:
    """Coverage over the whole coded picture."""
    canvas = np.zeros((video.height, video.width), np.uint8)
    high, wide = title.cover.shape
    canvas[title.y : title.y + high, title.x : title.x + wide] = title.cover
    return canvas


@pytest.mark.parametrize(
    ("changes", "chroma", "white"),
    [
        ({"pix_fmt": "yuv420p"}, (2, 2), 235),
        ({"pix_fmt": "yuvj420p", "full_range": True}, (2, 2), 255),
        ({"pix_fmt": "yuv422p10le", "bit_depth": 10}, (2, 1), 940),
        ({"pix_fmt": "yuv444p"}, (1, 1), 235),
        # 203 cd/m²: BT.2408 gives 58 % of PQ and 75 % of HLG.
        ({"bit_depth": 10, "transfer": HDR_TRANSFERS[0], "matrix": "bt2020nc"}, (2, 2), 64 + 876 * 0.5807),
        ({"bit_depth": 10, "transfer": HDR_TRANSFERS[1], "matrix": "bt2020nc"}, (2, 2), 64 + 876 * 0.75),
        ({"width": 641, "height": 361}, (2, 2), 235),
    ],
)
def test_white_is_paper_white_and_the_rest_of_the_picture_is_the_sources(
    changes: dict[str, Any], chroma: tuple[int, int], white: float, tmp_path: Path
) -> None:
    video = stream(**changes)
    title = text("テスト", video, tmp_path / "t")
    picture = noise(video, chroma)
    given = [plane.copy() for plane in (picture.y, picture.u, picture.v)]
    out = lay_over(picture, overlay(title, picture, video))
    for plane, before in zip((picture.y, picture.u, picture.v), given, strict=True):
        np.testing.assert_array_equal(plane, before)
    cover, light = whole(title, video), whole(Title(title.x, title.y, title.light, title.light), video)
    np.testing.assert_array_equal(out.y[cover == 0], picture.y[cover == 0])
    assert (light == 255).sum() > 20
    np.testing.assert_allclose(out.y[light == 255], white, atol=0.6)
    black = (cover == 255) & (light == 0)
    assert black.sum() > 20
    scale = 1 << (video.bit_depth - 8)
    np.testing.assert_array_equal(out.y[black], 0 if video.full_range else 16 * scale)
    # Chroma moves only beside text, and inside it has no hue.
    sx, sy = chroma
    near = np.pad(cover > 0, 4)
    for plane, before in ((out.u, picture.u), (out.v, picture.v)):
        moved = np.argwhere(plane != before)
        assert len(moved) > 20
        assert all(near[y * sy : y * sy + 8 + sy, x * sx : x * sx + 8 + sx].any() for y, x in moved)
        inside = [(y, x) for y, x in moved if (cover[_around(y, sy), _around(x, sx)] == 255).all()]
        assert inside
        assert {int(plane[y, x]) for y, x in inside} == {128 * scale}


def _around(sample: int, step: int) -> slice:
    """The luma pixels that one chroma sample may have come from, one more on each side."""
    return slice(sample * step - 2, sample * step + 4)


def test_it_looks_as_ffmpeg_draws_it_itself(tmp_path: Path) -> None:
    """ffmpeg lays text over pictures by a way of its own: the two agree."""
    video = stream(640, 360)
    title = text(JAPANESE, video, tmp_path / "t")
    grey = Planes(np.full((360, 640), 100, np.uint8), *(np.full((180, 320), 128, np.uint8) for _ in "uv"))
    ours = lay_over(grey, overlay(title, grey, video)).y.astype(int)
    script = tmp_path / "t" / "title.ass"
    args = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-s", "640x360", "-pix_fmt", "yuv420p", "-i", "-"]
    args += ["-vf", f"subtitles={script}", "-f", "rawvideo", "-"]
    raw = b"".join(plane.tobytes() for plane in (grey.y, grey.u, grey.v))
    env = {"FONTCONFIG_FILE": str(tmp_path / "t" / "fonts.conf"), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(args, input=raw, env=env, capture_output=True, check=True)
    theirs = np.frombuffer(done.stdout, np.uint8)[: 360 * 640].reshape(360, 640).astype(int)
    assert (theirs != 100).sum() > 1000
    assert np.abs(ours - theirs).max() <= 4


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_it_stands_upright_where_subtitles_stand(rotation: int, mirrored: bool, tmp_path: Path) -> None:
    sides = (360, 640) if rotation in (90, 270) else (640, 360)
    video = stream(*sides, rotation=rotation, mirrored=mirrored)
    plain = stream(640, 360)
    assert shown_size(video) == (640, 360)
    turned = upright(whole(text(JAPANESE, video, tmp_path / "a"), video), video)
    np.testing.assert_array_equal(turned, whole(text(JAPANESE, plain, tmp_path / "b"), plain))
    rows, columns = np.nonzero(turned)
    assert rows.min() > 240
    assert rows.max() < 360 * (1 - SAFE) + 4
    assert abs(columns.min() + columns.max() - 640) < 20, "in the middle"
    top = upright(whole(text(JAPANESE, video, tmp_path / "c", place="top"), video), video)
    assert np.nonzero(top)[0].max() < 120


def test_signs_are_not_squeezed_by_pixels_that_are_not_square(tmp_path: Path) -> None:
    wide, square = stream(720, 576, sample_aspect=Fraction(16, 11)), stream(1047, 576)
    assert shown_size(wide) == shown_size(square) == (1047, 576)
    squeezed, plain = text("田", wide, tmp_path / "a"), text("田", square, tmp_path / "b")
    assert squeezed.cover.shape[0] == plain.cover.shape[0]
    assert squeezed.cover.shape[1] == pytest.approx(plain.cover.shape[1] * 11 / 16, abs=2)


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (640, 360), (256, 144)])
@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ja", JAPANESE * 3),
        ("ja", "あ" * 90),
        ("es", "Mire la boca: sigue a la nueva voz, y el fondo queda como estaba antes de todo esto. " * 2),
        ("de", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"),
    ],
)
def test_long_text_stays_in_the_picture(
    size: tuple[int, int], language: str, words: str, tmp_path: Path
) -> None:
    video = stream(*size)
    cover = whole(text(words, video, tmp_path / "t", language), video)
    rows, columns = np.nonzero(cover)
    assert rows.max() - rows.min() < 0.62 * size[1]
    assert columns.min() > 1
    assert columns.max() < size[0] - 2


def test_size_is_that_of_broadcasters_and_of_narrow_pictures() -> None:
    assert em_of((1920, 1080)) == 54
    assert em_of((1080, 1920)) == pytest.approx(60.75), "16 signs in nine tenths of the width"
    assert em_of((256, 144)) == 14, "as small as can be read"


def runs(title: Title) -> list[int]:
    """Widths of what stands apart, from left to right."""
    seen = (title.cover.max(axis=0) > 128).astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen, [0]])))
    return [int(stop - start) for start, stop in edges.reshape(-1, 2)]


def test_text_is_text_whatever_stands_in_it(tmp_path: Path) -> None:
    r"""`{\b1}` and `\N` are commands of libass; here they are what somebody said."""
    video = stream(1280, 720)
    plain, braces = text("a b", video, tmp_path / "a", "en"), text(r"{\i1}a b", video, tmp_path / "b", "en")
    assert braces.cover.shape[1] > 2 * plain.cover.shape[1]
    one = text(r"a\Nb", video, tmp_path / "c", "en")
    assert one.cover.shape[0] < 1.6 * plain.cover.shape[0], "one line"


def test_right_to_left_begins_at_the_right(tmp_path: Path) -> None:
    if any(font_for("he").lacks(sign) for sign in "שי"):
        pytest.skip("no Hebrew font")
    narrow, wide = runs(text("ש   י", stream(1280, 720), tmp_path / "t", "he"))
    assert wide > 1.5 * narrow


def test_nothing_to_see_is_nothing(tmp_path: Path) -> None:
    assert titles.set_text(titles.Text(" "), [font_for("en")], stream(), "bottom", tmp_path, "ffmpeg") is None


def test_a_folder_of_any_name_will_do(tmp_path: Path) -> None:
    """Of signs that mean something to ffmpeg's filters, and to fontconfig's XML."""
    plain = text("Hello", stream(), tmp_path / "plain", "en")
    odd = text("Hello", stream(), tmp_path / "John's [x]; 2024: a=b, Q&A <1> \\ 50%", "en")
    assert (odd.x, odd.y) == (plain.x, plain.y)
    np.testing.assert_array_equal(odd.cover, plain.cover)


def test_only_the_fonts_that_were_chosen_take_part(tmp_path: Path) -> None:
    folder = tmp_path / "Q&A <1>"
    folder.mkdir()
    chosen = [font_for("en")]
    environment = {**os.environ, "FONTCONFIG_FILE": str(config(chosen, folder))}
    listed = subprocess.run(
        ["fc-list", "--format", "%{file}\\n"], env=environment, capture_output=True, text=True, check=True
    )
    assert "not well-formed" not in listed.stderr
    assert {Path(line).parent for line in listed.stdout.split("\n") if line} == {folder / "fonts"}


def test_an_ffmpeg_that_cannot_set_text_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert titles.fingerprint("ffmpeg").startswith("libass ")
    monkeypatch.setattr(ffmpeg, "listed", lambda program, kind: frozenset({"scale"}))
    with pytest.raises(MissingError, match="without libass"):
        titles.fingerprint("another-ffmpeg")


# Fonts


def installed(monkeypatch: pytest.MonkeyPatch, *found: Font) -> None:
    monkeypatch.setattr(fonts, "_installed", lambda: found)


def font(family: str, *ranges: tuple[int, int], weight: int = 200) -> Font:
    return Font(family, Path(f"/fonts/{family}.ttf"), weight, ranges)


LATIN, KANA, HAN = (0x20, 0x17F), (0x3000, 0x30FF), (0x4E00, 0x9FFF)


def test_a_missing_font_is_said_with_the_package_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, font("DejaVu Sans", LATIN))
    assert font_for("es").family == "DejaVu Sans"
    with pytest.raises(MissingError, match="fonts-noto-cjk") as missing:
        font_for("ja")
    assert missing.value.code == ExitCode.MISSING
    with pytest.raises(MissingError, match="fonts-noto-core"):
        font_for("hi")


@pytest.mark.parametrize(
    ("language", "family"),
    [
        ("ja", "Noto Sans CJK JP"),
        ("zh", "Noto Sans CJK SC"),
        ("es", "Noto Sans CJK JP"),
        ("eo", "Noto Sans CJK JP"),
    ],
)
def test_the_same_font_is_taken_everywhere(
    monkeypatch: pytest.MonkeyPatch, language: str, family: str
) -> None:
    both = [
        font(name, LATIN, KANA, HAN, weight=weight)
        for name in ("AAA Sans", "Noto Serif CJK JP", "Noto Sans CJK SC", "Noto Sans CJK JP")
        for weight in (80, 200)
    ]
    for order in (both, both[::-1]):
        installed(monkeypatch, *order)
        chosen = font_for(language)
        assert (chosen.family, chosen.weight) == (family, 200)


def test_other_fonts_help_out_and_what_none_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    latin, japanese = font("Noto Sans", LATIN), font("Noto Sans CJK JP", KANA, HAN)
    installed(monkeypatch, latin, japanese)
    assert fonts_for("abc", latin) == ([latin], "")
    chosen, lost = fonts_for("abc かな \u2060漢\U0001f600", latin)
    assert chosen == [latin, japanese]
    assert lost == "\U0001f600"


def test_fonts_are_read_as_fontconfig_lists_them() -> None:
    listed = (
        "A\t/a.ttf\t200\t0\t100\t20-7e a0\n"
        "B\t/b.ttf\t200\t110\t100\t20-7e\n"  # slanted
        "C\t/c.ttf\t[100 900]\t0\t100\t20-7e\n"  # variable
        "D\t/d.ttf\t80\t0\t75\t20-7e\n"  # condensed
    )
    assert list(fonts._fonts(listed)) == [Font("A", Path("/a.ttf"), 200, ((0x20, 0x7E), (0xA0, 0xA0)))]


# Lines


@pytest.mark.parametrize(("columns", "count"), [(64, 1), (40, 2), (24, 3), (16, 4)])
def test_lines_are_even_and_none_is_too_wide(columns: int, count: int) -> None:
    words = JAPANESE[:31]
    lines = wrap_to(words, columns).split("\n")
    assert "".join(lines) == words
    assert len(lines) == max(2, count), "a line of 31 signs is halved where there is room too"
    widths: Sequence[int] = [2 * len(line) for line in lines]
    assert max(widths) <= columns
    assert max(widths) - min(widths) <= 10
    assert not any(line[0] in "、。ー" for line in lines)


def test_a_word_that_is_too_wide_stays_whole() -> None:
    assert wrap_to("ab " + "c" * 50 + " de", 20).split("\n") == ["ab", "c" * 50, "de"]
