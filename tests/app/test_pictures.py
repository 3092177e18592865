"""Inputs that are pictures, and all that can be wrong with them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from loc.app.finalize import settings_for
from loc.app.inputs import open_job
from loc.app.pictures import open_pictures, pictures_in, read_rate
from loc.app.record import Recorder
from loc.app.status import status
from loc.app.subtitles import forget_text
from loc.errors import ExitCode, InputChangedError, InputError, LocError, UsageError
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Job
from loc.store.workdir import SuppliedRecord, WorkDir
from stages.ingest.plate import make_plate


@pytest.mark.parametrize(
    ("text", "rate"),
    [("25", Fraction(25)), ("29.97", Fraction(30000, 1001)), ("24000/1001", Fraction(24000, 1001))],
)
def test_rates(text: str, rate: Fraction) -> None:
    assert read_rate(text) == rate


@pytest.mark.parametrize("text", ["fast", "25fps", "1/0", "0", "-5", "500", "nan"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(UsageError, match="--rate"):
        read_rate(text)


def test_pictures_of_a_folder_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("f10.png", "f2.PNG", "f1.jpg", "notes.txt", ".f3.png"):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in pictures_in(tmp_path)] == ["f1.jpg", "f2.PNG", "f10.png"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "frames").mkdir(parents=True)
    for name in ("photo.png", "speech.wav", "talk.mp4", "frames/1.png", "frames/2.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def test_a_picture_with_its_sound(files: Path, store: WorkDir) -> None:
    opened = open_pictures(files / "photo.png", store, Settings(audio=files / "speech.wav", motion="gentle"))
    assert opened is not None
    pictures, digest, size = opened
    assert pictures.paths == (files / "photo.png",)
    assert (pictures.rate, pictures.motion, pictures.sound) == (Fraction(25), "gentle", files / "speech.wav")
    assert size == len("photo.png") + len("speech.wav")
    (files / "speech.wav").write_bytes(b"other words")
    again = open_pictures(files / "photo.png", store, Settings(audio=files / "speech.wav", motion="gentle"))
    assert again is not None
    assert again[1] != digest


def test_a_folder_at_a_rate(files: Path, store: WorkDir) -> None:
    opened = open_pictures(files / "frames", store, Settings(rate="12"))
    assert opened is not None
    pictures = opened[0]
    assert len(pictures.paths) == 2
    assert (pictures.rate, pictures.sound, pictures.motion) == (Fraction(12), None, "none")


def test_a_video_is_no_picture(files: Path, store: WorkDir) -> None:
    assert open_pictures(files / "talk.mp4", store, Settings()) is None


@pytest.mark.parametrize(
    ("name", "given", "code", "said"),
    [
        ("photo.png", {}, ExitCode.INPUT, "nothing for it to say.*--audio"),
        ("frames", {}, ExitCode.INPUT, "how many are shown in a second.*--rate"),
        ("photo.png", {"audio": "none.wav"}, ExitCode.INPUT, "none.wav does not exist"),
        ("talk.mp4", {"audio": "speech.wav"}, ExitCode.USAGE, "--audio goes with pictures"),
        ("talk.mp4", {"rate": "25"}, ExitCode.USAGE, "--rate goes with pictures"),
        ("talk.mp4", {"motion": "gentle"}, ExitCode.USAGE, "--motion goes with pictures"),
        ("frames", {"rate": "25", "motion": "gentle"}, ExitCode.USAGE, "--motion goes with one picture"),
        ("photo.png", {"audio": "speech.wav", "rate": "x"}, ExitCode.USAGE, "no rate"),
    ],
)
def test_what_is_wrong(
    files: Path, store: WorkDir, name: str, given: dict[str, Any], code: ExitCode, said: str
) -> None:
    settings = Settings(**given | {"audio": files / given["audio"] if "audio" in given else None})
    with pytest.raises(LocError, match=said) as caught:
        open_pictures(files / name, store, settings)
    assert caught.value.code is code


def test_an_empty_picture_is_refused(files: Path, store: WorkDir) -> None:
    (files / "photo.png").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        open_pictures(files / "photo.png", store, Settings(audio=files / "speech.wav"))


@pytest.mark.parametrize("name", ["photo.png", "speech.wav"])
def test_no_plate_is_kept_of_pictures_that_changed_while_it_was_made(
    files: Path, runner: Runner, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(languages=("es",), source_language="en", audio=files / "speech.wav")
    job = open_job(files / "photo.png", runner.store, settings, lambda _code, _message: None)
    assert job.pictures is not None

    def write(*given: Any) -> int:
        target: Path = given[5]
        target.write_bytes(b"plate")
        (files / name).write_bytes(b"another")
        return 1

    monkeypatch.setattr("loc.media.plate.make_plate", write)
    context = Context(runner, settings, job, lambda *_: pytest.fail("needs no backend"))
    with pytest.raises(InputChangedError, match=name):
        make_plate(context, job.pictures)
    assert not list(runner.store.actions())


def was_run(store: WorkDir, path: Path, **said: object) -> Job:
    """Leave the record of a finished run of pictures, which Spanish subtitles were imported for."""
    settings = Settings(languages=("es",), work_dir=store.root, **said)  # type: ignore[arg-type]
    job = open_job(path, store, settings, lambda _code, _message: None)
    with Recorder(store, job, settings) as recorder:
        recorder.finish(exit_code=0)
    imported = SuppliedRecord("translation", "es", "es.srt", store.put_bytes(b"1"), ())
    store.supply(job.digest, imported)
    return job


@pytest.mark.parametrize(
    ("name", "said"), [("photo.png", {"audio": "speech.wav"}), ("frames", {"rate": "12"})]
)
def test_a_finished_run_of_pictures_is_found_again(
    files: Path, store: WorkDir, name: str, said: dict[str, str]
) -> None:
    """By what they are: they have another name now."""
    given = {key: files / value if key == "audio" else value for key, value in said.items()}
    was_run(store, files / name, **given)
    path = (files / name).rename(files / f"new-{name}")
    again = settings_for(store, path, "2", Settings(work_dir=store.root))
    assert (again.finals, again.audio, again.rate) == ("auto,2", given.get("audio"), given.get("rate"))
    assert len(list(status(store, path))) == 1
    assert forget_text(store, path, "translation", "es", None)
    assert not forget_text(store, path, "translation", "es", None)


def test_a_picture_beside_another_sound_is_another_input(files: Path, store: WorkDir) -> None:
    photo, speech, other = files / "photo.png", files / "speech.wav", files / "other.wav"
    was_run(store, photo, audio=speech)
    other.write_bytes(b"other words")
    job = was_run(store, photo, audio=other)
    assert settings_for(store, photo, "2", Settings(work_dir=store.root)).audio == other
    assert forget_text(store, photo, "translation", "es", speech)
    assert not forget_text(store, photo, "translation", "es", speech)
    assert [record.name for record in store.supplied(job.digest)] == ["es.srt"]
    other.write_bytes(b"words that were never run")
    assert settings_for(store, photo, "2", Settings(work_dir=store.root)).audio == speech
    speech.unlink()
    with pytest.raises(UsageError, match="no finished run"):
        settings_for(store, photo, "2", Settings(work_dir=store.root))
    # By its name it is known still.
    assert len(list(status(store, photo))) == 2


def test_sound_of_which_nobody_says_the_language_is_taken_for_english_aloud(
    files: Path, store: WorkDir
) -> None:
    said: list[str] = []
    given = Settings(audio=files / "speech.wav")
    job = open_job(files / "photo.png", store, given, lambda code, _: said.append(code))
    assert (job.languages, job.source_language, job.as_spoken) == (("en",), "en", True)
    assert said == ["language-assumed"]


def test_a_transcript_in_another_language_than_is_assumed_is_refused(files: Path, store: WorkDir) -> None:
    (files / "photo.ja.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nはい。\n", encoding="utf-8")
    given = Settings(audio=files / "speech.wav")
    with pytest.raises(UsageError, match="in 'ja'") as refused:
        open_job(files / "photo.png", store, given, lambda *_: None)
    assert "--from ja" in refused.value.fix
    told = given.model_copy(update={"source_language": "ja"})
    assert open_job(files / "photo.png", store, told, lambda *_: None).languages == ("ja",)
