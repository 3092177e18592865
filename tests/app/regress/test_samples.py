"""Which files are samples, and into which languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loc.app.regress.samples import find_samples, languages_of
from loc.errors import InputError, UsageError
from loc.settings import Settings


@pytest.fixture
def said() -> list[str]:
    return []


def test_the_videos_of_a_folder_but_not_what_loc_wrote(tmp_path: Path, said: list[str]) -> None:
    names = ["b.MOV", "a.mp4", "inner/c.mkv", "a.en.srt", "notes.txt", ".hidden.mp4", ".loc/objects/x.mp4"]
    names += ["a.ja.mp4", "a.ja.report.json"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_samples(tmp_path, lambda _, words: said.append(words))
    assert [(sample.name, sample.path) for sample in found] == [
        (name, tmp_path / name) for name in ("a.mp4", "b.MOV")
    ]
    assert said == ["a.ja.mp4 was written by loc and is no sample."]


def test_a_file_that_is_named_is_a_sample_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "talk.bin"
    path.touch()
    assert [sample.name for sample in find_samples(path, print)] == ["talk.bin"]


def test_no_samples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no video in"):
        find_samples(tmp_path, print)
    with pytest.raises(InputError, match="does not exist"):
        find_samples(tmp_path / "none", print)


@pytest.mark.parametrize(
    ("beside", "flags", "languages"),
    [
        (("en", "ja", "es"), {"source_language": "en"}, ("es", "ja")),
        (("ja",), {}, ("ja",)),
        (("en", "ja"), {"languages": ("es",)}, ("es",)),
        ((), {"languages": ("es", "ja")}, ("es", "ja")),
    ],
)
def test_languages_are_those_asked_for_or_those_beside(
    tmp_path: Path, beside: tuple[str, ...], flags: dict[str, Any], languages: tuple[str, ...]
) -> None:
    for language in beside:
        (tmp_path / f"talk.{language}.srt").touch()
    assert languages_of(tmp_path / "talk.mp4", Settings(**flags)) == languages


@pytest.mark.parametrize(
    ("beside", "flags", "words"),
    [
        ((), {}, "not known"),
        (("en",), {"source_language": "en"}, "not known"),
        (("en", "ja"), {}, "Which of talk.en.srt, talk.ja.srt is the transcript"),
        ((), {"languages": ("jp",)}, "--lang"),
    ],
)
def test_languages_that_nobody_says(
    tmp_path: Path, beside: tuple[str, ...], flags: dict[str, Any], words: str
) -> None:
    for language in beside:
        (tmp_path / f"talk.{language}.srt").touch()
    with pytest.raises(UsageError, match=words):
        languages_of(tmp_path / "talk.mp4", Settings(**flags))


def test_a_sample_whose_name_leaves_no_room_for_a_report_is_one(tmp_path: Path) -> None:
    name = f"{'n' * 248}.mp4"
    (tmp_path / name).write_bytes(b"film")
    assert [sample.name for sample in find_samples(tmp_path, print)] == [name]
