"""A source is described as it is, or refused in words that help."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import ffmpeg
import numpy as np
import pytest

from loc.artifacts import ContentLight
from loc.errors import InputError, MissingError, UsageError
from loc.media.ffmpeg import file_url, run
from loc.media.probe import Facts, chosen_track, probe_source
from loc.settings import Settings
from tests.media import synth
from tests.media.synth import Recipe
from tests.streams import BT2020

if TYPE_CHECKING:
    from av.container.core import Chapter


def probed(path: Path) -> Facts:
    return probe_source(path, Settings())


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synth.make(tmp_path_factory.mktemp("probe"), "h264", frames=10)


def test_what_a_plain_file_is(video: Path) -> None:
    facts = probed(video)
    assert "mp4" in facts.container
    assert (facts.video.codec, facts.video.width, facts.video.height) == ("h264", synth.WIDTH, synth.HEIGHT)
    assert facts.video.average_rate == synth.RATE
    assert (facts.video.pix_fmt, facts.video.bit_depth) == ("yuv420p", 8)
    assert (facts.video.matrix, facts.video.matrix_declared) == ("bt601", False)
    assert facts.video.rotation == 0
    assert facts.video.sample_aspect == 1
    assert facts.duration == Fraction(10, synth.RATE)
    (sound,) = facts.audio
    assert (sound.track, sound.codec, sound.sample_rate, sound.layout) == (1, "aac", 48000, "mono")


def test_an_undeclared_matrix_goes_by_height(tmp_path: Path) -> None:
    tall = tmp_path / "tall.mp4"
    picture = ffmpeg.input("color=size=64x720:rate=25:duration=0.1", f="lavfi")
    run(picture.output(file_url(tall), vcodec="libx264"), "ffmpeg")
    assert probed(tall).video.matrix == "bt709"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}, ("bt709", True, False)),
        ({"colorspace": "bt2020nc"}, ("bt2020nc", True, False)),
        ({"colorspace": "smpte170m", "color_range": "pc"}, ("bt601", True, True)),
        ({"colorspace": "smpte240m"}, ("bt709", True, False)),
    ],
)
def test_declared_colour(
    options: Mapping[str, Any], expected: tuple[str, bool, bool], tmp_path: Path
) -> None:
    recipe = Recipe(".mp4", {"vcodec": "libx264", **options}, sound=None)
    facts = probed(synth.make(tmp_path, recipe, frames=3))
    assert (facts.video.matrix, facts.video.matrix_declared, facts.video.full_range) == expected
    assert facts.video.primaries == options.get("color_primaries")
    assert bool(facts.assumptions) == (options["colorspace"] == "smpte240m")


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_declared_chroma_location(siting: str, tmp_path: Path) -> None:
    recipe = Recipe(".mkv", {"vcodec": "libx264", "chroma_sample_location": siting}, sound=None)
    assert probed(synth.make(tmp_path, recipe, frames=3)).video.chroma_location == siting


def test_rgb_is_worked_on_as_yuv_and_that_is_said(tmp_path: Path) -> None:
    facts = probed(synth.make(tmp_path, Recipe(".mkv", {"vcodec": "ffv1"}, "bgr0", sound=None), frames=3))
    assert facts.video.pix_fmt == "bgr0"
    assert not facts.video.full_range
    assert "yuv444p" in facts.assumptions[0]


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_rotation_is_how_a_player_turns_the_picture(turned: int, video: Path, tmp_path: Path) -> None:
    path = synth.copy(video, tmp_path / "turned.mp4", {}, **{"metadata:s:v:0": f"rotate={turned}"})
    quarters = probed(path).video.rotation // 90
    # Without our help ffmpeg shows a picture turned.
    shown = ffmpeg.input(file_url(path)).output("pipe:1", f="rawvideo", pix_fmt="gray", vframes=1)
    expected = np.rot90(synth.draw(0), quarters).astype(float)
    seen = np.frombuffer(run(shown, "ffmpeg"), np.uint8).reshape(expected.shape)
    assert quarters == turned // 90
    assert np.corrcoef(seen.ravel(), expected.ravel())[0, 1] > 0.95


def test_sample_aspect_tags_and_chapters(tmp_path: Path) -> None:
    how = {**synth.RECIPES["h264"].options, "aspect": "4:3", "metadata": "title=A title"}
    plain = synth.make(tmp_path, Recipe(".mkv", how), frames=10)
    path = tmp_path / "chapters.mkv"
    with av.open(str(plain)) as reader, av.open(str(path), "w") as writer:
        writer.metadata.update(reader.metadata)
        stream = writer.add_stream_from_template(reader.streams.video[0])
        chapter: Chapter = {
            "id": 1,
            "start": 0,
            "end": 200,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": "One"},
        }
        writer.set_chapters([chapter])
        for packet in reader.demux(video=0):
            if packet.dts is not None or packet.pts is not None:
                packet.stream = stream
                writer.mux(packet)
    facts = probed(path)
    assert facts.video.sample_aspect == Fraction(4 * synth.HEIGHT, 3 * synth.WIDTH)
    assert {name.lower(): value for name, value in facts.tags.items()}["title"] == "A title"
    (found,) = facts.chapters
    assert (found.start, found.stop, found.title) == (Fraction(0), Fraction(1, 5), "One")


def tracks_of(folder: Path) -> Facts:
    silence = np.zeros(19200, np.float32)
    dispositions = {"disposition:a:0": "0", "disposition:a:1": "default"}
    recipe = Recipe(
        ".mkv",
        {"vcodec": "libx264"},
        extra={**dispositions, "metadata:s:a:0": "language=fra", "metadata:s:a:1": "language=eng"},
    )
    return probed(synth.make(folder, recipe, frames=10, tracks=[silence, silence]))


def test_the_default_track_is_chosen(tmp_path: Path) -> None:
    audio = tracks_of(tmp_path).audio
    assert [stream.language for stream in audio] == ["fra", "eng"]
    chosen = chosen_track(audio, None)
    assert chosen is not None
    assert chosen.track == 2
    named = chosen_track(audio, 1)
    assert named is not None
    assert named.language == "fra"


def test_a_wrong_track_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no sound track 3") as caught:
        chosen_track(tracks_of(tmp_path).audio, 3)
    assert "1 (aac" in caught.value.why
    assert "2 (aac" in caught.value.why


def test_no_sound_is_no_track_unless_one_is_named() -> None:
    assert chosen_track((), None) is None
    with pytest.raises(UsageError, match="no sound track 1"):
        chosen_track((), 1)


def write_missing(_folder: Path, _video: Path) -> Path:
    return Path("/nowhere/at/all.mp4")


def write_folder(folder: Path, _video: Path) -> Path:
    return folder


def write_empty(folder: Path, _video: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def write_text(folder: Path, _video: Path) -> Path:
    (folder / "words.txt").write_text("These are words.\n" * 200)
    return folder / "words.txt"


def write_text_named_video(folder: Path, _video: Path) -> Path:
    return write_text(folder, _video).rename(folder / "words.mp4")


def write_zip(folder: Path, _video: Path) -> Path:
    with zipfile.ZipFile(folder / "packed.mp4", "w") as archive:
        archive.writestr("inside", "x" * 5000)
    return folder / "packed.mp4"


def write_truncated(folder: Path, video: Path) -> Path:
    (folder / "cut.mp4").write_bytes(video.read_bytes()[:2000])
    return folder / "cut.mp4"


def write_playlist(folder: Path, video: Path) -> Path:
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{video}\n")
    return folder / "list.m3u8"


def write_still(folder: Path, _video: Path) -> Path:
    picture = ffmpeg.input("color=size=64x64", f="lavfi")
    run(picture.output(file_url(folder / "still.png"), vframes=1), "ffmpeg")
    return folder / "still.png"


def write_sound_only(folder: Path, video: Path) -> Path:
    sound = ffmpeg.input(file_url(video)).audio
    run(ffmpeg.output(sound, file_url(folder / "sound.m4a"), c="copy"), "ffmpeg")
    return folder / "sound.m4a"


def write_cover_art(folder: Path, video: Path) -> Path:
    sound = ffmpeg.input(file_url(write_sound_only(folder, video))).audio
    cover = ffmpeg.input(file_url(write_still(folder, video)))
    options = {"c:a": "copy", "c:v": "mjpeg", "disposition:v:0": "attached_pic"}
    run(ffmpeg.output(sound, cover, file_url(folder / "covered.m4a"), **options), "ffmpeg")
    return folder / "covered.m4a"


def write_undecodable(folder: Path, video: Path) -> Path:
    data = bytearray(video.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    (folder / "blank.mp4").write_bytes(data)
    return folder / "blank.mp4"


@pytest.mark.parametrize(
    ("write", "what"),
    [
        (write_missing, "does not exist"),
        (write_folder, "is not a file"),
        (write_empty, "is empty"),
        (write_text, "is not a video file"),
        (write_text_named_video, "is not a media file"),
        (write_zip, "is not a media file"),
        (write_truncated, "is truncated"),
        (write_playlist, "is not a video file"),
        (write_still, "is not a video file"),
        (write_sound_only, "no video picture"),
        (write_cover_art, "no video picture"),
        (write_undecodable, "no picture that can be decoded"),
    ],
)
def test_what_cannot_be_used_is_refused(write: Any, what: str, video: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what) as caught:
        probed(write(tmp_path, video))
    assert "Traceback" not in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize("name", ["-i.mp4", "http:video.mp4", "100%d.mp4", "concat:a|b.mp4", "a b'c.mp4"])
def test_odd_names_are_names(name: str, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(video.read_bytes())
    assert probed(Path(name)).video.codec == "h264"


def test_a_missing_program_is_said(video: Path) -> None:
    with pytest.raises(MissingError):
        probe_source(video, Settings(ffprobe="no-such-ffprobe"))


HDR10 = {
    "vcodec": "libx265",
    "preset": "ultrafast",
    "colorspace": "bt2020nc",
    "color_primaries": "bt2020",
    "color_trc": "smpte2084",
}
GRADED = (
    "log-level=none:hdr10=1:master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)"
    "L(10000000,50):max-cll=900,300"
)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_hdr_metadata_is_found_in_the_stream(tmp_path: Path, suffix: str) -> None:
    recipe = Recipe(suffix, {**HDR10, "x265-params": GRADED}, pix_fmt="yuv420p10le")
    video = probed(synth.make(tmp_path, recipe, frames=3)).video
    assert video.is_hdr
    assert video.mastering == BT2020
    assert video.content_light == ContentLight(most=900, average=300)


def test_hdr_without_metadata_has_none(tmp_path: Path) -> None:
    options = {**HDR10, "color_trc": "arib-std-b67", "x265-params": "log-level=none"}
    video = probed(synth.make(tmp_path, Recipe(".mp4", options, pix_fmt="yuv420p10le"), frames=3)).video
    assert (video.is_hdr, video.mastering, video.content_light) == (True, None, None)


@pytest.mark.parametrize(("parity", "first"), [("tff", "top"), ("bff", "bottom")])
@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".mkv"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_first_field_of_interlaced_pictures(
    tmp_path: Path, codec: str, suffix: str, parity: str, first: str
) -> None:
    how = {"x264-params": f"{parity}=1"} if codec == "libx264" else {"flags": "+ilme+ildct"}
    options = {"vcodec": codec, **how, "vf": f"setfield={parity}"}
    made = tmp_path / f"fields{suffix}"
    picture = ffmpeg.input("testsrc2=size=192x128:rate=25:duration=0.2", f="lavfi")
    run(picture.output(file_url(made), pix_fmt="yuv420p", **options), "ffmpeg")
    assert probed(made).video.first_field == first


def test_progressive_pictures_have_no_first_field(video: Path) -> None:
    assert probed(video).video.first_field is None


def test_duration_is_the_pictures_where_the_sound_is_longer(tmp_path: Path) -> None:
    made = tmp_path / "sound.mkv"
    picture = ffmpeg.input("testsrc2=size=192x128:rate=25:duration=1", f="lavfi")
    sound = ffmpeg.input("sine=duration=9", f="lavfi")
    run(ffmpeg.output(picture, sound, file_url(made)), "ffmpeg")
    assert probed(made).duration == pytest.approx(1, abs=0.05)
