"""The folder of the voice bank: names, what is told of a voice, and that nothing is lost or lies about."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc.errors import InputError, MissingError, UsageError
from stages.dub.people import Sidecar, check_name, home, keep, names, recording, remove, sidecar

ANNA = Sidecar({"kokoro": "af_heart"}, "Anna Berg", 'Release of 2 November: "all languages"')


@pytest.mark.parametrize(
    "name",
    ["", ".anna", "../anna", "a/b", "a\\b", "anna.", "anna ", " anna", "-anna", "a\nb", "a" * 65, "none"],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert caught.value.fix


@pytest.mark.parametrize("name", ["anna", "A", "Anna Berg", "anna.2", "声", "José", "a" * 64])
def test_names_of_any_script_are_kept(name: str) -> None:
    assert check_name(name) == name


def test_a_name_is_kept_in_one_form_of_unicode() -> None:
    assert check_name("Jose\u0301") == "Jos\u00e9"


def test_what_is_told_comes_back(tmp_path: Path) -> None:
    origin: dict[str, str | float | date] = {"source": "a.mov", "from": 1.5, "added": date(2026, 11, 2)}
    keep(tmp_path, "anna", b"sound", Sidecar(ANNA.own, ANNA.person, ANNA.rights, origin), replace=False)
    assert sidecar(tmp_path, "anna") == Sidecar(ANNA.own, ANNA.person, ANNA.rights, origin)
    assert recording(tmp_path, "anna") == home(tmp_path) / "anna.wav"
    assert sorted(path.name for path in home(tmp_path).iterdir()) == ["anna.toml", "anna.wav"]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_words_are_written_as_toml(note: str) -> None:
    assert tomllib.loads(Sidecar(rights=note).toml())["rights"]["note"] == note


def test_a_voice_is_not_replaced_unasked(tmp_path: Path) -> None:
    home(tmp_path).mkdir()
    (home(tmp_path) / "anna.flac").write_bytes(b"old")
    with pytest.raises(UsageError, match="anna"):
        keep(tmp_path, "anna", b"new", Sidecar(), replace=False)
    assert (home(tmp_path) / "anna.flac").read_bytes() == b"old"
    keep(tmp_path, "anna", b"new", Sidecar(), replace=True)
    assert sorted(path.name for path in home(tmp_path).iterdir()) == ["anna.toml", "anna.wav"]


def test_removing_takes_a_voice_and_nothing_else(tmp_path: Path) -> None:
    keep(tmp_path, "anna", b"sound", ANNA, replace=False)
    keep(tmp_path, "bob", b"sound", Sidecar(), replace=False)
    assert [path.name for path in remove(tmp_path, "anna")] == ["anna.wav", "anna.toml"]
    assert names(tmp_path) == ["bob"]
    outside = tmp_path / "master.wav"
    outside.write_bytes(b"sound")
    (home(tmp_path) / "carla.wav").symlink_to(outside)
    remove(tmp_path, "carla")
    assert outside.read_bytes() == b"sound"
    for name in ("carla", "../master", "dora"):
        with pytest.raises(MissingError):
            remove(tmp_path, name)
    assert outside.is_file()


@pytest.mark.parametrize(
    "text", ["kokoro = 3", "kokoro = ", "rights = 'mine'", "[rights]\nnote = 3", "[rights]\nperson = []"]
)
def test_what_is_told_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    home(tmp_path).mkdir()
    (home(tmp_path) / "anna.toml").write_text(text)
    with pytest.raises(InputError, match=r"anna\.toml") as caught:
        sidecar(tmp_path, "anna")
    assert caught.value.fix


def test_a_recordings_language_is_a_tag(tmp_path: Path) -> None:
    home(tmp_path).mkdir()
    file = home(tmp_path) / "anna.toml"
    file.write_text('[recording]\nlanguage = "de-AT"')
    assert sidecar(tmp_path, "anna").language == "de"
    file.write_text('[recording]\nlanguage = "German"')
    with pytest.raises(InputError, match="'German'") as caught:
        sidecar(tmp_path, "anna")
    assert 'language = "de"' in caught.value.fix


def test_of_a_voice_without_a_file_nothing_is_told(tmp_path: Path) -> None:
    assert sidecar(tmp_path, "anna") == Sidecar()
