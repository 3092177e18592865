"""`loc avatar` with a tiny MuseTalk: baked once, it speaks recordings, rows and a stream."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from cli.main import app
from loc.device import Devices, Resident, devices_of
from loc.errors import LocError, MissingError
from loc.media.probe import probe_source
from loc.settings import Settings
from stages import studio
from stages.dub.contract import Spoken as Said
from stages.lipsync.musetalk import avatar
from stages.studio import backend_of, rows_of
from tests.lipsync.musetalk import tiny
from tests.presenter import Film


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, short_film: Film) -> Path:
    """A data folder with the nets, and an avatar of the drawn presenter."""
    folder = tmp_path_factory.mktemp("avatars")
    tiny.register(folder)
    made = CliRunner().invoke(
        app, ["avatar", "bake", str(short_film.path), "--name", "anna", "--data-dir", str(folder)]
    )
    assert made.exit_code == 0, made.output
    return folder


def noise(path: Path, seconds: float, rate: int = 22_050) -> Path:
    rng = np.random.default_rng(int(seconds * 1000))
    soundfile.write(path, (0.1 * rng.standard_normal(int(seconds * rate))).astype(np.float32), rate)
    return path


def pictures(path: Path) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as film:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8) for frame in film.decode(video=0)
        ]


def lasting(stream: av.VideoStream | av.AudioStream) -> Fraction:
    """Seconds."""
    assert stream.duration is not None
    assert stream.time_base is not None
    return stream.duration * stream.time_base


def test_it_speaks_recordings_of_any_length_to_their_end(data: Path, tmp_path: Path) -> None:
    """The longer one goes to and fro; the last frame is there, and the picture lasts as long as the sound."""
    sounds = [noise(tmp_path / "short.wav", 0.5), noise(tmp_path / "long.wav", 2.71)]
    out = tmp_path / "out"
    args = ["avatar", "speak", "anna", *map(str, sounds), "-o", str(out), "--data-dir", str(data), "--json"]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [item["frames"] for item in told] == [13, 68]
    assert len(pictures(out / "short.mp4")) == 13
    with av.open(str(out / "long.mp4")) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        assert video.frames == 68
        assert float(lasting(video)) == pytest.approx(68 / 25)
        assert float(lasting(sound)) == pytest.approx(2.71, abs=0.05)
    again = CliRunner().invoke(app, args)
    assert again.exit_code == 8
    assert "exists" in again.stdout


def test_pixels_outside_the_mask_are_the_sources(data: Path) -> None:
    stage = avatar.Stage(avatar.folder_of(data, "anna"))
    drawn = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    whole, changed = stage.picture(3), stage.with_face(3, drawn)
    moved = (whole.y != changed.y).mean()
    assert 0.005 < moved < 0.2
    np.testing.assert_array_equal(whole.y[:20], changed.y[:20])


def test_rows_are_spoken_and_a_bad_one_fails_alone(data: Path, tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("name,place\nBob,Rome\n,\n", "utf-8")
    args = ["avatar", "speak", "anna", "--rows", str(table), "--template", "{name}", "--lang", "en"]
    done = CliRunner().invoke(app, [*args, "-o", str(tmp_path / "out"), "--data-dir", str(data), "--json"])
    assert done.exit_code == 8, done.output
    first, second = json.loads(done.stdout)
    assert first["frames"] > 5
    assert (tmp_path / "out" / "1.mp4").is_file()
    assert "error" in second
    assert next(iter(rows_of(table, "{name} of {place}"))).text == "Bob of Rome"


def test_rows_are_spoken_in_blocks_so_that_voice_and_avatar_are_loaded_once_in_each(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven rows in blocks of three by a voice that needs the device too; one it cannot say fails alone."""
    settings = Settings(data_dir=data, languages=("en",))
    log: list[str] = []
    load, backends = Resident.load, studio.backend_of

    def loading(resident: Resident[Any], *given: Any) -> None:
        log.append(resident.title)
        load(resident, *given)

    class Voice:
        model = devices_of(data, settings.device).resident("Voice", 0, str)

        def speak(self, text: str, *_: Any) -> Said:
            with self.model:
                if text == "Row 5":
                    raise LocError("It cannot be said.")
                sound = np.zeros(16_000 * int(text[-1]) // 10, dtype=np.float32)
                return Said(sound, 16_000, (), "ipa", "a voice")

    @contextmanager
    def chosen(stage: str, *given: Any) -> Iterator[Any]:
        if stage == "dub":
            yield Voice()
        else:
            with backends(stage, *given) as backend:
                yield backend

    monkeypatch.setattr(Resident, "load", loading)
    monkeypatch.setattr(studio, "backend_of", chosen)
    monkeypatch.setattr(studio, "BLOCK", 3)
    items = [studio.Item(f"{number}", text=f"Row {number}") for number in range(1, 8)]
    out = tmp_path / "out"
    done = list(studio.speak_all("anna", items, out, settings, "en"))
    assert log == ["Voice", "Tiny"] * 3
    assert [one.name for one in done if one.error is not None] == ["5"]
    assert [one.frames for one in done] == [3, 5, 8, 10, 0, 15, 18]
    assert sorted(path.name for path in out.iterdir()) == [f"{number}.mp4" for number in (1, 2, 3, 4, 6, 7)]


def test_an_avatar_that_is_baked_steady_is_held_still(
    data: Path, short_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its boxes by baking, its drawn faces when it speaks."""
    bake = ["avatar", "bake", str(short_film.path), "--name", "steady", "--musetalk-smoothing"]
    made = CliRunner().invoke(app, [*bake, "--data-dir", str(data)])
    assert made.exit_code == 0, made.output
    loose, steady = (avatar.Stage(avatar.folder_of(data, name)) for name in ("anna", "steady"))
    places = [
        np.stack([stage.baked.place(number).matrix for number in range(stage.record.faces)])
        for stage in (loose, steady)
    ]
    moved = [np.abs(np.diff(place, axis=0)).sum() for place in places]
    assert 0 < moved[1] < moved[0]

    class Nets:
        """What they draw trembles."""

        device = torch.device("cpu")
        computing = staticmethod(nullcontext)
        levels = np.random.default_rng(0)

        def draw(self, latents: torch.Tensor, _tokens: torch.Tensor) -> npt.NDArray[np.uint8]:
            return self.levels.integers(120, 128, (len(latents), 256, 256, 3), dtype=np.uint8)

    def trembling(stage: avatar.Stage) -> float:
        nets: Any = Nets()
        heard = [(0, torch.zeros(8, 1, 1))]
        drawn: list[Any] = list(avatar._frames(stage, nets, heard, 3, Devices(data, "cpu")))
        return float(np.abs(np.diff(np.stack(drawn).astype(int), axis=0)).mean())

    monkeypatch.setattr(avatar.Stage, "with_face", lambda _stage, _index, drawn: drawn)
    assert trembling(steady) < 0.5 * trembling(loose)
    avatar.remove(data, "steady")


def test_a_stream_gives_frames_before_its_sound_ends(data: Path) -> None:
    settings = Settings(data_dir=data)
    sound = (0.1 * np.random.default_rng(1).standard_normal(16_000 * 2)).astype(np.float32)
    given: list[int] = []

    def chunks() -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(sound), 1600):
            given.append(start)
            yield sound[start : start + 1600]

    with backend_of("lipsync", settings) as backend:
        stage = avatar.opened(data, "anna", backend)  # type: ignore[arg-type]
        frames = avatar.stream(stage, chunks(), backend)  # type: ignore[arg-type]
        first = next(frames)
        assert first.shape == (360, 640, 3)
        assert len(given) * 0.1 <= 0.8
        assert 1 + sum(1 for _ in frames) == 50


def test_a_picture_becomes_an_avatar_and_goes_again(data: Path, tmp_path: Path) -> None:
    stage = avatar.Stage(avatar.folder_of(data, "anna"))
    from loc.media.colour import to_rgb

    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), to_rgb(stage.picture(0), stage.record.video)[:, :, ::-1])
    runner = CliRunner()
    made = runner.invoke(
        app, ["avatar", "bake", str(photo), "-n", "still", "--rate", "30", "--data-dir", str(data)]
    )
    assert made.exit_code == 0, made.output
    listed = runner.invoke(app, ["avatar", "list", "--json", "--data-dir", str(data)])
    assert [(item["name"], item["frames"]) for item in json.loads(listed.stdout)][1] == ("still", 1)
    assert runner.invoke(app, ["avatar", "remove", "still", "--data-dir", str(data)]).exit_code == 0
    with pytest.raises(MissingError):
        avatar.Stage(avatar.folder_of(data, "still"))


def test_an_avatar_is_spoken_by_the_version_it_was_baked_for(data: Path, tmp_path: Path) -> None:
    for weights_id, seed, old in (("tiny", 0, False), ("another", 5, False), ("first", 0, True)):
        tiny.register(tmp_path, weights_id, seed=seed, old=old)
    shutil.copytree(avatar.home(data), avatar.home(tmp_path))

    def opened(model: str) -> avatar.Stage:
        settings = Settings(data_dir=tmp_path, backend={"lipsync": model})
        with backend_of("lipsync", settings) as backend:
            return avatar.opened(tmp_path, "anna", backend)  # type: ignore[arg-type]

    assert opened("another").record.version == "1.5"
    with pytest.raises(MissingError) as caught:
        opened("first")
    assert "was baked for MuseTalk 1.5, and first is MuseTalk 1.0" in caught.value.what
    assert "--backend lipsync=MODEL" in caught.value.fix


def test_an_avatar_of_a_mirrored_film_is_shown_mirrored(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    path = avatar.folder_of(tmp_path / "data", "anna") / avatar.RECORD
    record = json.loads(path.read_text("utf-8"))
    record["video"]["mirrored"] = True
    path.write_text(json.dumps(record), "utf-8")
    sound = noise(tmp_path / "short.wav", 0.5)
    args = ["avatar", "speak", "anna", str(sound), "-o", f"{tmp_path}/", "--data-dir", str(tmp_path / "data")]
    done = CliRunner().invoke(app, args)
    assert done.exit_code == 0, done.output
    assert probe_source(tmp_path / "short.mp4", Settings()).video.mirrored


def test_an_avatar_of_an_hdr_film_is_shown_in_sdr_and_says_so(
    data: Path, tmp_path: Path, short_film: Film
) -> None:
    hdr = tmp_path / "hdr.mp4"
    tags = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]
    coded = ["-frames:v", "8", "-an", "-c:v", "libx264", "-pix_fmt", "yuv420p10le", *tags]
    subprocess.run(["ffmpeg", "-v", "error", "-i", short_film.path, *coded, hdr], check=True)
    settings = Settings(data_dir=data)
    told: list[str] = []
    with backend_of("lipsync", settings) as backend:
        avatar.bake(hdr, "bright", settings, backend, told.append)  # type: ignore[arg-type]
        stage = avatar.opened(data, "bright", backend)  # type: ignore[arg-type]
        sound = (0.1 * np.random.default_rng(1).standard_normal(8000)).astype(np.float32)
        coded_as = tmp_path / "said.mp4"
        avatar.speak(stage, sound, 16_000, coded_as, settings, backend)  # type: ignore[arg-type]
        streamed = list(avatar.stream(stage, [sound], backend))  # type: ignore[arg-type]
    avatar.remove(data, "bright")
    assert [line for line in told if "HDR" in line and "SDR" in line]
    video = probe_source(coded_as, settings).video
    assert (video.transfer, video.primaries, video.matrix, video.bit_depth) == ("bt709", "bt709", "bt709", 8)
    shown = pictures(coded_as)
    assert len(shown) == len(streamed) == 13
    for one, other in zip(shown, streamed, strict=True):
        assert np.abs(one[::4, ::4].astype(int) - other[::4, ::4]).mean() < 4


@pytest.mark.parametrize("change", [{"version": None}, {"schema_version": 3}])
def test_an_avatar_of_an_earlier_version_is_to_be_baked_again(
    data: Path, tmp_path: Path, change: dict[str, int | None]
) -> None:
    old = avatar.folder_of(tmp_path, "old")
    old.mkdir(parents=True)
    record = json.loads((avatar.folder_of(data, "anna") / avatar.RECORD).read_text("utf-8"))
    record |= change
    (old / avatar.RECORD).write_text(json.dumps(record), "utf-8")
    runner = CliRunner()
    listed = runner.invoke(app, ["avatar", "list", "--data-dir", str(tmp_path)])
    assert listed.exit_code == 0
    assert "old cannot be used: Another version of loc made it" in listed.output
    assert "`loc avatar remove old`" in listed.output
    [told] = json.loads(runner.invoke(app, ["avatar", "list", "--json", "--data-dir", str(tmp_path)]).stdout)
    assert told["name"] == "old"
    assert "problem" in told
    assert runner.invoke(app, ["avatar", "remove", "old", "--data-dir", str(tmp_path)]).exit_code == 0
    assert not old.exists()
