"""The cast file: what it says, and what is wrong with one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loc.artifacts import Speaker
from loc.cast import read_cast
from loc.errors import ExitCode, UsageError


def written(folder: Path, text: str) -> Path:
    path = folder / "talk.cast.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_speakers_who_are_not_seen(tmp_path: Path) -> None:
    text = '\ufeff[speakers.S2]\nface = "nobody"\n[speakers."S 3"]\nface = "nobody"\n'
    cast = read_cast(written(tmp_path, text))
    assert cast.off_screen == {"S2", "S 3"}
    cast.check_speakers(["S1", "S2", "S 3"])


def test_leads(tmp_path: Path) -> None:
    text = '[speakers.S1]\nlead = true\n[speakers.S2]\nface = "left"\nlead = false\n'
    cast = read_cast(written(tmp_path, text))
    assert cast.leads == {"S1"}
    assert cast.faces == {"S2": ("left",)}
    with pytest.raises(UsageError, match="'S1', who is not in this video"):
        cast.check_speakers(["S2"])
    with pytest.raises(UsageError, match="'yes' for `lead`"):
        read_cast(written(tmp_path, '[speakers.S1]\nlead = "yes"\n'))


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read_cast(written(tmp_path, "")).off_screen == frozenset()


def test_an_unknown_speaker_is_told_who_is_known(tmp_path: Path) -> None:
    cast = read_cast(written(tmp_path, '[speakers.S7]\nface = "nobody"\n'))
    with pytest.raises(UsageError, match=r"'S7'.*Speakers: S1, S2") as caught:
        cast.check_speakers(["S2", "S1"])
    assert caught.value.code is ExitCode.USAGE
    with pytest.raises(UsageError, match="No speakers were told apart"):
        cast.check_speakers([])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[speakers.S2\n", "line 1"),
        ('[speakers.S2]\nface = "middle"\n', "'middle'"),
        ("[speakers.S2]\nface = []\n", r"\[\]"),
        ('[speakers.S2]\nface = ["1a", "left"]\n', "'left'"),
        ("[speakers.S2]\n", "nothing for `face`"),
        ('[speakers.S2]\nface = "nobody"\nrole = "host"\n', "'role' in .speakers.S2."),
        ('speakers = "S2"\n', "`speakers` is not a table"),
        ('[speakers]\nS2 = "nobody"\n', "`speakers.S2` is not a table"),
        ('[faces.S2]\nface = "nobody"\n', "'faces' in the file"),
    ],
)
def test_what_has_no_meaning(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_cast(written(tmp_path, text))
    assert "talk.cast.toml" in caught.value.what
    assert caught.value.fix


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_cast(tmp_path / "none.toml")
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        read_cast(path)


@dataclass(frozen=True)
class Seat:
    name: str
    box: tuple[float, float, float, float]


SEATS = [Seat("2b", (0.6, 0.1, 0.8, 0.5)), Seat("2a", (0.1, 0.1, 0.3, 0.5))]


def test_faces_go_by_name_or_side(tmp_path: Path) -> None:
    cast = read_cast(
        written(
            tmp_path,
            '[speakers.S1]\nface = ["1a", "2b"]\n[speakers.S2]\nface = "left"\n[speakers.S3]\nface = "1a"\n',
        )
    )
    assert cast.off_screen == frozenset()
    assert cast.face("S1", SEATS) == "2b"
    assert cast.face("S2", SEATS) == "2a"
    assert cast.face("S3", SEATS) is None
    assert cast.face("S4", SEATS) is None
    assert cast.face(None, SEATS) is None


def test_a_side_says_nothing_of_a_face_that_is_alone(tmp_path: Path) -> None:
    cast = read_cast(written(tmp_path, '[speakers.S2]\nface = "right"\n'))
    assert cast.face("S2", SEATS[:1]) is None


def test_an_unknown_face_is_told_which_there_are(tmp_path: Path) -> None:
    cast = read_cast(written(tmp_path, '[speakers.S1]\nface = ["9z", "1a"]\n'))
    cast.check_faces(["1a", "9z"])
    with pytest.raises(UsageError, match=r"the face '9z', which is not in this video.*Faces: 1a, 2b"):
        cast.check_faces(["1a", "2b"])


def speaker(ident: str, name: str | None = None) -> Speaker:
    return Speaker(id=ident, name=name, median_f0_hz=None, voice_class="low", speech_samples=1)


def test_speakers_go_by_the_names_that_subtitles_give_them(tmp_path: Path) -> None:
    text = (
        '[speakers.anna]\nface = "left"\nlead = true\nvoice = "hana"\n'
        '[speakers.speaker2]\nface = "nobody"\nname = "The  host"\n'
        '[[manners]]\nfrom = "ANNA"\nto = "speaker2"\nregister = "polite"\n'
    )
    cast = read_cast(written(tmp_path, text)).by_ids([speaker("speaker1", "ANNA"), speaker("speaker2")])
    assert cast.faces == {"speaker1": ("left",)}
    assert cast.leads == {"speaker1"}
    assert cast.voices == {"speaker1": {"": "hana"}}
    assert cast.off_screen == {"speaker2"}
    assert cast.names == {"speaker2": "The host"}
    assert [(one.speaker, one.to) for one in cast.manners] == [("speaker1", "speaker2")]
    again = cast.by_ids([speaker("speaker1", "ANNA"), speaker("speaker2", "The host")])
    assert replace(again, known_as=cast.known_as) == cast
    with pytest.raises(UsageError, match=r"'speaker2', who is not.*Speakers: speaker1 \(ANNA\), speaker3"):
        cast.check_speakers(["speaker1", "speaker3"])
    cast.check_speakers(["speaker1", "speaker2"])
    with pytest.raises(UsageError, match="'speaker2', who is not in this video"):
        cast.check_speakers(["speaker1"])


def test_one_speaker_has_one_entry_and_one_name_means_one(tmp_path: Path) -> None:
    cast = read_cast(written(tmp_path, "[speakers.speaker1]\nlead = true\n[speakers.Anna]\nlead = true\n"))
    with pytest.raises(UsageError, match="two entries for speaker1"):
        cast.by_ids([speaker("speaker1", "ANNA")])
    with pytest.raises(UsageError, match="'Anna', who is speaker2 and speaker3"):
        cast.by_ids([speaker("speaker2", "ANNA"), speaker("speaker3", "anna")])


@pytest.mark.parametrize("value", ["1", '" "', "[]"])
def test_a_speaker_is_called_by_a_name(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match="for `name`"):
        read_cast(written(tmp_path, f"[speakers.speaker1]\nname = {value}\n"))


def test_manners_are_read_and_told_in_words(tmp_path: Path) -> None:
    path = tmp_path / "talk.cast.toml"
    path.write_text(
        '[[manners]]\nfrom = "speaker1"\nto = "speaker2"\nlanguage = "ja"\nregister = "polite"\nself = "私"\n'
        'other = "先生"\ndialect = "Kansai"\n\n[[manners]]\nfrom = "speaker2"\nregister = "plain"\n',
        encoding="utf-8",
    )
    said = read_cast(path)
    first, second = said.manners
    names: dict[str | None, str] = {"speaker1": "A", "speaker2": "B"}
    assert first.language == "ja"
    assert first.in_words(names) == (
        "A to B: uses polite forms, says 私 of oneself, addresses the other as 先生, "
        "speaks the dialect of Kansai."
    )
    assert second.in_words(names) == "B to everybody: uses plain forms."
    said.check_speakers(["speaker1", "speaker2"])
    with pytest.raises(UsageError, match="'speaker2'"):
        said.check_speakers(["speaker1"])


@pytest.mark.parametrize(
    "entry",
    ['register = "polite"', 'from = "a"', 'from = "a"\nregister = "rude"', 'from = "a"\nmood = "x"',
     'from = "a"\nself = 1', 'from = "a"\nself = " "'],
)  # fmt: skip
def test_manners_that_say_nothing_are_refused(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "talk.cast.toml"
    path.write_text(f"[[manners]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="manners"):
        read_cast(path)


def test_voices_by_name_for_all_languages_or_for_each(tmp_path: Path) -> None:
    path = tmp_path / "talk.cast.toml"
    path.write_text(
        '[speakers.a]\nvoice = "anna"\n[speakers.b]\nface = "left"\nvoice = { ja = "hana", es = "eva" }\n'
    )
    cast = read_cast(path)
    assert cast.voices == {"a": {"": "anna"}, "b": {"ja": "hana", "es": "eva"}}
    assert cast.faces == {"b": ("left",)}
    cast.check_speakers(["a", "b"])
    with pytest.raises(UsageError, match="names the speaker 'b'"):
        cast.check_speakers(["a"])


@pytest.mark.parametrize("value", ["3", "''", "{}", "{ ja = 3 }", "[]"])
def test_a_voice_must_have_a_name(tmp_path: Path, value: str) -> None:
    path = tmp_path / "talk.cast.toml"
    path.write_text(f"[speakers.a]\nvoice = {value}\n")
    with pytest.raises(UsageError, match="voice"):
        read_cast(path)


def test_stretches_that_stay_as_they_are(tmp_path: Path) -> None:
    text = '[[keep]]\nfrom = "1:02.5"\nto = "1:10"\n[[keep]]\nfrom = "1"\nto = "2"\n'
    text += '[[keep]]\nfrom = "1:00:00"\nto = "1:00:01"\n[[keep]]\nfrom = "1.5"\nto = "3"\n'
    assert read_cast(written(tmp_path, text)).keep == (
        (48_000, 3 * 48_000),
        (3_000_000, 70 * 48_000),
        (3600 * 48_000, 3601 * 48_000),
    )
    for wrong in (
        'from = "2"\nto = "1"',
        'from = "2"',
        'from = "a"\nto = "1"',
        'from = "1"\nto = "2"\nx = "y"',
    ):
        with pytest.raises(UsageError, match="keep"):
            read_cast(written(tmp_path, f"[[keep]]\n{wrong}\n"))
