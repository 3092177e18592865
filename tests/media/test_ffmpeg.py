"""Command lines are compiled and run in one place, and the programs behind them are told apart."""

from __future__ import annotations

from pathlib import Path

import ffmpeg
import pytest

from loc.errors import ChildError, MissingError
from loc.media import ffmpeg as module
from loc.media.ffmpeg import BITEXACT, compile_args, decoder_fingerprint, file_url, fingerprint, run, start


def test_a_child_is_deaf_to_the_terminal_and_quiet() -> None:
    args = compile_args(ffmpeg.input("a.mp4").output("b.mp4"), "ffmpeg")
    assert args[0] == "ffmpeg"
    assert {"-nostdin", "-y", "error"} <= set(args)
    assert "-nostdin" not in compile_args(ffmpeg.input("pipe:0").output("b.mp4"), "ffmpeg", stdin=True)


def test_bytes_go_through_pipes() -> None:
    stream = ffmpeg.input("pipe:0", f="s16le", ar=8000, ac=1).output("pipe:1", f="s16le", ac=1)
    data = bytes(range(200))
    assert run(stream, "ffmpeg", stdin=data) == data
    with start(stream, "ffmpeg", stdin=True, stdout=True) as child:
        child.stdin.write(data)
        child.stdin.close()
        assert child.stdout.read() == data


def test_a_failure_carries_ffmpegs_own_words() -> None:
    with pytest.raises(ChildError, match="No such file"):
        run(ffmpeg.input("file:/nowhere.mp4").output("pipe:1", f="null"), "ffmpeg")


def test_a_file_cut_short_by_a_full_disk_is_a_failure_though_ffmpeg_ends_with_0(tmp_path: Path) -> None:
    full = tmp_path / "ffmpeg"
    words = "Error closing file sound.m4a: No space left on device"
    full.write_text(f'#!/bin/sh\necho "{words}" >&2\n')
    full.chmod(0o755)
    with pytest.raises(ChildError, match="No space left"):
        run(ffmpeg.input("a.mp4").output("b.mp4"), str(full))


def test_bitexact_outputs_are_the_same_twice(tmp_path: Path) -> None:
    made = []
    for name in ("one.mkv", "two.mkv"):
        picture = ffmpeg.input("testsrc=size=64x64:rate=5:duration=1", f="lavfi")
        output = picture.output(file_url(tmp_path / name), vcodec="mpeg4", **BITEXACT)
        run(output, "ffmpeg")
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]


def test_the_fingerprint_names_version_and_x264() -> None:
    found = fingerprint("ffmpeg")
    assert " x264 " in found
    assert "x264 none" not in found
    assert decoder_fingerprint().startswith("PyAV ")


def test_another_build_has_another_fingerprint(tmp_path: Path) -> None:
    other = tmp_path / "ffmpeg"
    other.write_text('#!/bin/sh\nif [ "$1" = -version ]; then echo "ffmpeg version 9"; else exit 1; fi\n')
    other.chmod(0o755)
    assert fingerprint(str(other)).startswith("9 x264 none")
    assert fingerprint(str(other)) != fingerprint("ffmpeg")


def test_what_is_not_ffmpeg_is_refused() -> None:
    with pytest.raises(MissingError, match="not ffmpeg"):
        fingerprint("true")
    with pytest.raises(MissingError, match="not ffprobe"):
        module.probe_fingerprint("ffmpeg")
