"""A sound track taken over packet by packet sounds as it does in its own file, at the same time."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from loc.artifacts import SAMPLE_RATE, AudioStream
from loc.errors import InputError
from loc.media.audio import decode_track
from loc.media.frames import scan_frames
from loc.media.probe import probe_source
from loc.media.remux import COPIED, CannotCopy, take_sound, unfit_codec
from loc.media.sound import Samples
from loc.media.timeline import Stretch
from loc.settings import Settings
from tests.media import synth
from tests.media.failing import fail_after
from tests.media.synth import Recipe
from tests.pictures import time_of

FRAMES = 75
X264 = {"vcodec": "libx264", "preset": "ultrafast", "g": 12}
MILLISECONDS = SAMPLE_RATE // 1000
"""Half of one is what Matroska's clock may be off by, on each side."""


def both(clip: Path, folder: Path) -> tuple[Samples, Samples]:
    """The first sound track from the first picture on: as the file has it, and taken over."""
    facts = probe_source(clip, Settings())
    scan, track = scan_frames(clip, facts.video), facts.audio[0]
    start = (int(scan.pts[0]) + scan.lead) * facts.video.time_base
    target = folder / "taken.m4a"
    take_sound(clip, track, start, target)
    alone = track.model_copy(update={"index": 0})
    return decoded(clip, track, start), decoded(target, alone, Fraction(0))


def decoded(path: Path, track: AudioStream, start: Fraction) -> Samples:
    whole = Stretch(0, Fraction(0), start + FRAMES)
    return np.concatenate(list(decode_track(path, track, start, FRAMES * SAMPLE_RATE // synth.RATE, [whole])))


def moved(clip: Path, seconds: float) -> Path:
    """The sound later by some seconds, or earlier."""
    target = clip.with_name(f"moved{seconds}{clip.suffix}")
    given = ["-i", str(clip), "-itsoffset", str(seconds), "-i", str(clip), "-map", "0:v", "-map", "1:a"]
    subprocess.run(["ffmpeg", "-v", "error", *given, "-c", "copy", str(target)], check=True)
    return target


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "aac"), (".mp4", "libmp3lame"), (".ts", "aac"), (".ts", "ac3"), (".mkv", "aac")],
)
def test_every_sample_stays_where_it_was(tmp_path: Path, suffix: str, codec: str) -> None:
    """Of a track that begins with the picture, after it and before it."""
    clip = synth.make(tmp_path, Recipe(suffix, X264, sound=codec), frames=FRAMES)
    for film in (clip, moved(clip, 0.5), moved(clip, -0.7123)):
        check_same(*both(film, tmp_path), suffix, codec)


def check_same(source: Samples, taken: Samples, suffix: str, codec: str) -> None:
    assert np.abs(source).max() > 0.3
    shift = int(np.abs(taken).argmax()) - int(np.abs(source).argmax())
    assert abs(shift) <= (MILLISECONDS if suffix == ".mkv" else 0)
    length = min(len(source), len(taken)) - MILLISECONDS
    begin = max(0, -shift)
    difference = np.abs(source[begin:length] - taken[begin + shift : length + shift])
    # An AC-3 decoder dithers what it decodes by a count of its own.
    assert difference.max() < (0.01 if codec == "ac3" else 1e-6)


def test_opus_and_its_run_up(tmp_path: Path) -> None:
    """The decoder has converged before the first sample that counts, though the track begins before it."""
    recipe = Recipe(".mkv", X264, sound="libopus")
    source, taken = both(moved(synth.make(tmp_path, recipe, frames=FRAMES), -0.7123), tmp_path)
    assert np.abs(source).max() > 0.3
    assert abs(int(np.abs(taken).argmax()) - int(np.abs(source).argmax())) <= MILLISECONDS


def test_a_track_with_a_gap_is_not_copied(tmp_path: Path) -> None:
    clip, broken = synth.make(tmp_path, Recipe(".mp4", X264), frames=FRAMES), tmp_path / "broken.mkv"
    with av.open(str(clip)) as reader, av.open(str(broken), "w") as writer:
        stream = reader.streams.audio[0]
        copy = writer.add_stream_from_template(stream)
        for packet in reader.demux(stream):
            if packet.dts is not None and not 1 < time_of(packet) < 1.5:
                packet.stream = copy
                writer.mux_one(packet)
    track = probe_source(clip, Settings()).audio[0].model_copy(update={"index": 0})
    with pytest.raises(CannotCopy, match="gaps"):
        take_sound(broken, track, Fraction(0), tmp_path / "taken.m4a")


def test_a_disk_that_fails_is_no_end_of_the_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = synth.make(tmp_path, Recipe(".mp4", X264), frames=FRAMES)
    track = probe_source(clip, Settings()).audio[0]
    fail_after(monkeypatch, 60)
    with pytest.raises(InputError, match="could not be read to its end"):
        take_sound(clip, track, Fraction(0), tmp_path / "taken.m4a")


def test_a_track_whose_clock_begins_anew_is_not_copied(tmp_path: Path) -> None:
    """As in two recordings that were joined end to end."""
    clip, joined = synth.make(tmp_path, Recipe(".ts", X264), frames=FRAMES), tmp_path / "joined.ts"
    joined.write_bytes(2 * clip.read_bytes())
    with pytest.raises(CannotCopy, match="go back"):
        both(joined, tmp_path)


def test_sound_that_ends_before_the_picture_begins_is_not_copied(tmp_path: Path) -> None:
    clip = synth.make(tmp_path, Recipe(".mp4", X264), frames=FRAMES)
    track = probe_source(clip, Settings()).audio[0]
    with pytest.raises(CannotCopy, match="beside the picture"):
        take_sound(clip, track, Fraction(10), tmp_path / "taken.m4a")


def test_which_codecs_go_where(tmp_path: Path) -> None:
    clip = synth.make(tmp_path, Recipe(".mp4", X264), frames=5)
    track = probe_source(clip, Settings()).audio[0]
    assert {container for container in COPIED if unfit_codec(track, container) is None} == {"mp4", "mkv"}
    assert unfit_codec(track, "webm") == "aac is not put into webm"
