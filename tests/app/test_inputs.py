"""Which files beside a video belong to it, and which language tags are believed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loc.app.inputs import open_job
from loc.app.languages import NAMES, check_language, is_language, suggestion
from loc.app.run import prepare
from loc.errors import InputError, UsageError
from loc.settings import Settings
from loc.stage import Job
from loc.store.workdir import SuppliedRecord, WorkDir
from tests.app.toy import Toy

Make = Callable[..., Settings]
CUES = "1\n00:00:00,000 --> 00:00:00,400\n{}\n"


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"not really a video")
    return path


def beside(video: Path, name: str, text: str = "words") -> Path:
    path = video.with_name(name)
    path.write_text(CUES.format(text))
    return path


def open_it(video: Path, store: WorkDir, settings: Settings) -> tuple[Job, list[str]]:
    said: list[str] = []
    return open_job(video, store, settings, lambda code, message: said.append(code)), said


def test_sidecars_give_transcript_translation_and_source_language(
    talk: Path, store: WorkDir, settings: Make
) -> None:
    beside(talk, "talk.en.srt")
    beside(talk, "talk.ja.srt")
    job, said = open_it(talk, store, settings(languages=("ja", "es")))
    assert job.source_language == "en"
    assert job.transcript is not None
    assert job.transcript.name == "talk.en.srt"
    assert list(job.translations) == ["ja"]
    assert said.count("sidecar") == 2


def test_a_cast_file_beside_the_video_or_the_one_that_is_named(
    talk: Path, store: WorkDir, settings: Make
) -> None:
    assert open_it(talk, store, settings(languages=("ja",)))[0].cast is None
    talk.with_name("talk.cast.toml").write_text('[speakers.S2]\nface = "nobody"\n')
    job, said = open_it(talk, store, settings(languages=("ja",)))
    assert job.cast is not None
    assert job.cast.off_screen == {"S2"}
    assert said == ["sidecar"]
    other = talk.with_name("other.toml")
    other.write_text('[speakers.S1]\nface = "nobody"\n')
    job, said = open_it(talk, store, settings(languages=("ja",), cast=other))
    assert job.cast is not None
    assert job.cast.off_screen == {"S1"}
    assert said == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_that_nobody_can_look_for_sidecars_is_said(
    talk: Path, store: WorkDir, settings: Make, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> Iterator[Path]:
        raise OSError(number, os.strerror(number), str(path))

    beside(talk, "talk.en.srt")
    monkeypatch.setattr(Path, "iterdir", fail)
    job, said = open_it(talk, store, settings())
    assert (job.transcript, said) == (None, ["sidecars-unread"])


def test_that_nobody_can_look_for_a_cast_file_is_said(
    talk: Path, store: WorkDir, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_file = Path.is_file

    def fail(path: Path) -> bool:
        if path.name == "talk.cast.toml":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", fail)
    job, said = open_it(talk, store, settings())
    assert (job.cast, said) == (None, ["cast-unread"])


def test_a_name_too_long_for_a_cast_file_has_none(tmp_path: Path, store: WorkDir, settings: Make) -> None:
    long = tmp_path / ("x" * 250 + ".mp4")
    long.write_bytes(b"not really a video")
    job, said = open_it(long, store, settings())
    assert (job.cast, said) == (None, [])


@pytest.mark.parametrize("name", ["talk.ja.dub.srt", "talk.final.srt", "talk.srt", "talkative.ja.srt"])
def test_names_that_are_no_sidecars(talk: Path, store: WorkDir, settings: Make, name: str) -> None:
    beside(talk, name)
    job, _ = open_it(talk, store, settings())
    assert (job.transcript, dict(job.translations), job.source_language) == (None, {}, None)


def test_region_in_a_sidecar_name_counts_as_its_language(talk: Path, store: WorkDir, settings: Make) -> None:
    beside(talk, "talk.en-US.srt")
    job, _ = open_it(talk, store, settings())
    assert job.source_language == "en"


def test_mistaken_tag_in_a_sidecar_name_is_said(talk: Path, store: WorkDir, settings: Make) -> None:
    beside(talk, "talk.jp.srt")
    _, said = open_it(talk, store, settings())
    assert said == ["sidecar-unknown"]


def test_two_possible_transcripts_ask_for_from(talk: Path, store: WorkDir, settings: Make) -> None:
    beside(talk, "talk.en.srt")
    beside(talk, "talk.fr.srt")
    with pytest.raises(UsageError, match="--from"):
        open_it(talk, store, settings())
    job, _ = open_it(talk, store, settings(source_language="fr"))
    assert job.transcript is not None
    assert job.transcript.name == "talk.fr.srt"


def test_flags_come_before_imports_and_imports_before_sidecars(
    talk: Path, store: WorkDir, settings: Make
) -> None:
    beside(talk, "talk.ja.srt", "sidecar")
    digest, _ = store.input_digest(talk)
    ref = store.put_bytes(CUES.format("edited").encode())
    store.supply(digest, SuppliedRecord("translation", "ja", "edited.srt", ref, ("a",)))
    job, said = open_it(talk, store, settings())
    assert (job.translations["ja"].name, said) == ("edited.srt", ["imported"])
    named = beside(talk, "mine.srt")
    job, _ = open_it(talk, store, settings(translation={"ja": named}))
    assert job.translations["ja"].name == "mine.srt"


def test_named_transcript_takes_its_language_from_its_name(
    talk: Path, store: WorkDir, settings: Make
) -> None:
    named = beside(talk, "other.de.srt")
    job, _ = open_it(talk, store, settings(transcript=named))
    assert job.source_language == "de"


def test_supplied_file_equal_to_one_of_our_outputs_still_counts(
    talk: Path, store: WorkDir, settings: Make
) -> None:
    path = beside(talk, "talk.ja.srt")
    store.record_output(store.input_digest(path)[0])
    job, _ = open_it(talk, store, settings())
    assert "ja" in job.translations


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"languages": ()}, "--lang"),
        ({"languages": ("jp",)}, "ja"),
        ({"languages": ("pt-BR",)}, "pt"),
        ({"languages": ("ja",), "source_language": "ja"}, "already"),
        ({"languages": ("ja",), "translation": {"es": "x.srt"}}, "es"),
    ],
)
def test_contradictions_are_usage_errors(
    talk: Path, store: WorkDir, settings: Make, changes: dict[str, object], what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        open_it(talk, store, settings(**changes))


def test_own_output_is_no_input(talk: Path, store: WorkDir, settings: Make) -> None:
    store.record_output(store.input_digest(talk)[0])
    with pytest.raises(InputError, match="written by loc"):
        open_it(talk, store, settings())


@pytest.mark.parametrize("name", [".", ".."])
def test_pictures_named_by_where_they_lie_have_their_output_beside_their_folder(
    tmp_path: Path, settings: Make, toy: Toy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = tmp_path / "frames"
    (frames / "down").mkdir(parents=True)
    (frames / "1.png").write_bytes(b"picture")
    (frames / "speech.wav").write_bytes(b"sound")
    monkeypatch.chdir(frames / "down" if name == ".." else frames)
    given = settings(rate="25", audio=frames / "speech.wav", source_language="en")
    prepared = prepare(Path(name), toy.graph(), WorkDir(given.work_dir), given, look=True)
    assert prepared.job.path == frames
    assert prepared.targets["ja"].video == tmp_path / "frames.ja.mp4"


@pytest.mark.parametrize(
    ("held", "said"),
    [([], "There is no video in"), (["b.mp4", "a.mov", "1.png"], "holds videos, .* Name one.*a.mov")],
)
def test_a_folder_that_is_no_film_is_told_by_what_it_holds(
    tmp_path: Path, store: WorkDir, settings: Make, held: list[str], said: str
) -> None:
    (tmp_path / "folder").mkdir()
    for name in held:
        (tmp_path / "folder" / name).write_bytes(b"x")
    with pytest.raises(InputError, match=said):
        open_it(tmp_path / "folder", store, settings())


def test_empty_subtitles_are_refused(talk: Path, store: WorkDir, settings: Make) -> None:
    talk.with_name("talk.ja.srt").write_text("\n")
    with pytest.raises(InputError, match="empty"):
        open_it(talk, store, settings())


def test_tags() -> None:
    assert len(NAMES) == 183
    assert all(check_language(tag, "--lang") == tag for tag in NAMES)
    assert is_language("yue")
    assert not is_language("jpn")
    for written, meant in {"jp": "ja", "ger": "de", "deu": "de", "Japanese": "ja", "en-US": "en"}.items():
        assert suggestion(written) == meant
