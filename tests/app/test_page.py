"""The report's page, read as text: what it says first, what it leaves out, when it is written anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loc.app import page
from loc.app.batch import run_all
from loc.app.feasibility import Choices
from loc.app.page.attention import (
    attention,
    cut_states,
    elsewhere,
    how_cast,
    line_flags,
    needs_eyes,
    picture_words,
    score_words,
)
from loc.app.report import DefectReport, ScoreReport, SlowedReport, not_taken
from loc.backend import Card, Quality, Rejected, Request, Resolution
from loc.errors import ExitCode
from loc.settings import Settings
from loc.store.workdir import WorkDir
from tests.app.reports import HARM, PICTURE, casting, cut, line, score, subject, troubled, unscored
from tests.app.toy import Toy


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_what_failed_comes_before_what_is_worth_a_look_and_that_before_what_is_worth_knowing() -> None:
    found = attention(troubled().model_dump(mode="json"))
    assert [item.level for item in found] == sorted(
        (item.level for item in found), key=("failed", "check", "note").index
    )
    told = {item.title: [place.number for place in item.places] for item in found}
    assert told["lipsync cut 10: The face was lost."] == [9]
    assert told["Line l0090 is not heard"] == [0]
    assert told["1 line longer than the room there was"] == [2]
    assert told["1 line spoken in a hurry"] == [2]
    assert told["1 line with words that were not translated"] == [5]
    assert told["1 cut left as filmed: profile"] == [3]
    assert told["1 cut with speech over mouths that were not drawn"] == [7]
    assert told["1 line whose face was chosen by its place"] == [2]
    assert told["2 lines that the face in view does not speak"] == [5]
    assert told["1 drawn cut unscored"] == [5]
    assert told["2 drawn cuts whose lips do not follow the speech"] == [8, 10]
    assert "Basic quality" in told


def test_drawn_cuts_that_look_strange_or_deserve_a_final_are_shown() -> None:
    report = troubled().model_dump(mode="json")
    drawn = [number for number, cut in enumerate(report["cuts"]) if cut["drawn_frames"]]
    report["cuts"][drawn[0]]["reasons"] = [
        "unlike-lips: The lips' colour is off by 12.0.",
        "final-proposed: It.",
    ]
    report["cuts"][drawn[1]]["reasons"] = ["final-proposed: The face is close up."]
    told = {item.title: [place.number for place in item.places] for item in attention(report)}
    assert told["1 drawn cut that may not look like who was filmed"] == drawn[:1]
    assert told["2 cuts close up, with a draft"] == drawn[:2]


def test_a_line_that_is_silent_and_a_defect_is_told_once() -> None:
    report = troubled().model_dump(mode="json")
    report["defects"] = [{"stage": "dub", "unit": "line l0090", "code": "silent", "message": "No phones."}]
    assert not [item for item in attention(report) if item.title == "Line l0090 is not heard"]


def test_why_nothing_better_was_taken_and_the_size_a_player_shows_are_told(store: WorkDir) -> None:
    text = Tags(page.build(troubled(), subject(), store).decode()).text
    assert "missing: weights sharp-1" in text
    assert "and 2 more models of it" in text
    assert "720×1280 (coded 1280×720)" in text


def test_better_backends_are_told_once_for_each_reason() -> None:
    def card(name: str, quality: Quality, model: str | None = None) -> Card:
        return Card("lipsync", name, "1", "", "neural", quality, "in-process", model=model)

    taken = card("plain", "basic")
    rejected = (
        Rejected(card("sharp", "best", "s1"), "needs", "missing: weights s1"),
        Rejected(card("sharp", "good", "s0"), "needs", "missing: weights s0"),
        Rejected(card("kept", "good"), "licence", "weights: not for this"),
        Rejected(card("other", "basic"), "rank", "plain ranks above it"),
    )
    resolution = Resolution(Request("lipsync", target="ja"), taken, rejected)
    choices = Choices({("lipsync", "ja"): resolution})
    found = not_taken(choices, "ja")
    assert [(one.name, one.models, one.gate, one.reason) for one in found] == [
        ("sharp:s1", 2, "needs", "missing: weights s1"),
        ("kept", 0, "licence", "weights: not for this"),
    ]
    assert not_taken(choices, "fr") == []


def test_nothing_to_look_at() -> None:
    report = troubled().model_dump(mode="json")
    report.update(
        defects=[],
        silent=[],
        backends=[],
        cast=[],
        cuts=[],
        speakers=[],
        lines=[line(1).model_dump(mode="json")],
    )
    report["run"]["notices"] = []
    assert attention(report) == []


def test_how_a_face_was_found_is_told_with_its_figures() -> None:
    said = [how_cast(one) for one in troubled().model_dump(mode="json")["cast"]]
    assert said[0] == "no other face is in view"
    assert said[1] == (
        "its lips move while the lines are heard (lip speed 0.51, next face 0.05, over 3.2 s, p = 0.004)"
    )


def test_a_face_that_a_judge_found_is_told_by_its_confidence(store: WorkDir) -> None:
    judged = casting(4, "syncnet", runner_up=0.4, p=0.2, agreement=4.25)
    follows = casting(5, "visemes", runner_up=0.4, p=0.2, agreement=0.62, agreement_p=0.001)
    said = [how_cast(one.model_dump(mode="json")) for one in (judged, follows)]
    assert said[0].endswith("over 3.2 s, p = 0.200; SyncNet confidence 4.25)")
    assert said[1].endswith("over 3.2 s, p = 0.200; agreement with what is said 0.62, p = 0.001)")
    report = troubled().model_copy(update={"cast": (judged,)})
    assert "SyncNet confidence 4.25" in page.build(report, subject(), store).decode()


def test_the_cast_names_the_other_faces_of_a_person(store: WorkDir) -> None:
    report = troubled()
    people = report.model_dump(mode="json")["people"]
    assert [elsewhere(face, people) for face in ("1a", "2a", "3a", None)] == [["3a"], [], ["1a"], []]
    built = page.build(report, subject(), store).decode()
    assert "<td>1a <small>also 3a</small></td>" in built
    assert "by speaker and place" in built
    alone = report.model_copy(update={"people": report.people[1:]})
    assert "by speaker and place" not in page.build(alone, subject(), store).decode()


def test_a_speaker_who_has_a_name_is_shown_with_it(store: WorkDir) -> None:
    text = Tags(page.build(troubled(), subject(), store).decode()).text
    assert "Name 1, 6 lines, 12.0 s" in text
    unnamed = [one.model_copy(update={"name": None}) for one in troubled().speakers]
    report = troubled().model_copy(update={"speakers": tuple(unnamed)})
    assert "Name 1" not in Tags(page.build(report, subject(), store).decode()).text


def test_each_speaker_has_its_voices_and_what_stood_in_comes_last() -> None:
    report = troubled()
    lines = [
        line(1, backend="dub/kokoro", model="kokoro-82m", voice="af_heart"),
        *(line(number, backend="dub/espeak", voice="espeak-ng en") for number in (3, 5)),
        line(2, voice="original"),
        line(4, speaker=None, backend="dub/kokoro", model="kokoro-82m", voice="af_heart"),
    ]
    failed = [
        DefectReport(stage="dub", unit=f"line l{n:04}", code="other-engine", message="") for n in (3, 5)
    ]
    data = report.model_copy(update={"lines": tuple(lines), "defects": tuple(failed)}).model_dump(mode="json")
    rows = [
        (row["speaker"], row["engine"], row["lines"], row["first"], row["stood_in"])
        for row in page.voices(data)
    ]
    assert rows == [
        (None, "kokoro kokoro-82m", 1, True, False),
        ("speaker1", "", 1, True, False),
        ("speaker2", "kokoro kokoro-82m", 1, True, False),
        ("speaker2", "espeak", 2, False, True),
    ]
    assert [bool(row["bank"]) for row in page.voices(data)] == [False, True, False, False]


def test_faces_of_one_shot_share_the_lane_of_cuts(store: WorkDir) -> None:
    report = troubled()
    both = [cut(0), cut(0, face="1b"), cut(1)]
    built = page.build(report.model_copy(update={"cuts": tuple(both), "defects": ()}), subject(), store)
    data = re.search(rb'id="data">(.*?)</script>', built, re.DOTALL)
    assert data is not None
    drawn = json.loads(data[1])["cuts"]
    assert [(item["row"], item["rows"]) for item in drawn] == [(0, 2), (1, 2), (0, 1)]


def test_a_cut_in_which_nothing_is_said_is_only_a_note() -> None:
    report = troubled().model_dump(mode="json")
    report["cuts"] = [cut(0, "passthrough", reasons=("no-speech: nothing is said",)).model_dump(mode="json")]
    [item] = [item for item in attention(report) if item.title.startswith("1 cut left")]
    assert item.level == "note"


SCORES: Mapping[str, tuple[ScoreReport | None, str]] = {
    "none": (None, "unscored"),
    "too little": (
        unscored("Closures of the lips: 0; 2 are asked for."),
        "unscored: Closures of the lips: 0",
    ),
    "in time": (score(), "renderer obedience 0.91, in time (96 frames, 7 closures, p 0.001)"),
    "late": (score(measure="viseme-agreement", offset=1), "viseme agreement 0.91, 1 frame late"),
    "early": (score(offset=-3), "renderer obedience 0.91, 3 frames early"),
}


@pytest.mark.parametrize("case", SCORES)
def test_a_score_is_shown_with_its_measure_or_as_missing(case: str) -> None:
    given, words = SCORES[case]
    assert words in score_words(cut(0, score=given).model_dump(mode="json"))


def test_what_drawing_did_to_the_picture_is_told() -> None:
    told = picture_words(cut(0).model_dump(mode="json"))
    assert told == (
        "step at the edge 0.8, lips' colour off by 2.5, detail 0.94 of the source's, "
        "trembling 1.1 of the head's, change elsewhere 0"
    )
    restless = score(picture=PICTURE.model_copy(update={"jitter": None, "lip_colour": None}))
    assert "lips" not in picture_words(cut(0, score=restless).model_dump(mode="json"))
    assert "trembling" not in picture_words(cut(0, score=restless).model_dump(mode="json"))
    assert picture_words(cut(0, score=None).model_dump(mode="json")) == ""


def test_states_and_flags() -> None:
    cuts = (cut(0), cut(1, skipped_frames=1), cut(2, "passthrough"), cut(3, drawn_frames=0))
    defect = {"stage": "lipsync", "unit": "cut 4"}
    states = cut_states({"cuts": [item.model_dump() for item in cuts], "defects": [defect]})
    assert states == ["drawn", "partly", "passed", "failed"]
    quiet = cut(2, "passthrough", reasons=("no-speech: nothing is said",)).model_dump()
    assert [needs_eyes(item.model_dump(), state) for item, state in zip(cuts, states, strict=True)] == [
        False,
        True,
        True,
        True,
    ]
    assert not needs_eyes(quiet, "passed")
    assert line_flags(line(0).model_dump()) == []
    flags = line_flags(line(0, rate=1.35, stretch=1.25, overrun_seconds=0.5, unknown_words=1).model_dump())
    assert flags == ["runs 0.50 s over", "hurried, 1.69 times the voice's pace", "1 word not translated"]


def test_harmful_text_stays_text_and_nothing_outside_is_named(store: WorkDir) -> None:
    text = page.build(troubled(), subject(), store).decode()
    tags = Tags(text)
    assert HARM not in text
    assert tags.text.count("window.harmed = 1") > 12
    assert [tag for tag, _ in tags.tags].count("script") == 2
    for tag, attributes in tags.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert "style" not in attributes, "the page's own policy would refuse it"
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    [policy] = [item["content"] for tag, item in tags.tags if item.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in str(policy)


def test_a_bare_page_says_nothing_of_what_is_said(store: WorkDir) -> None:
    assert "台詞" in page.build(troubled(), subject(), store).decode()
    bare = page.build(troubled(), subject(bare=True), store).decode()
    assert "台詞" not in bare
    assert "Subtitles by" not in bare
    assert "figures only" in bare


def test_what_was_left_out_of_the_transcript_is_listed_with_its_time_and_reason(store: WorkDir) -> None:
    full = Tags(page.build(troubled(), subject(), store).decode()).text
    assert f"0:30.5 – 0:32.0 Subtitles by {HARM} a line of credits" in full
    assert "0:40.0 – 0:42.0 – voice, but no word was recognised" in full
    bare = Tags(page.build(troubled(), subject(bare=True), store).decode()).text
    assert "0:30.5 – 0:32.0 a line of credits" in bare
    nothing = troubled().model_copy(update={"dropped": ()})
    assert "Left out" not in Tags(page.build(nothing, subject(), store).decode()).text


def test_the_page_is_written_again_only_where_it_would_say_something_else(
    toy: Toy, video: Path, settings: Callable[..., Settings]
) -> None:
    written = video.with_name("talk.ja.report.html")

    def run(**changes: Any) -> list[str]:
        [outcome] = run_all([video], toy.graph(), settings(**changes))
        assert outcome.result is not None
        [language] = outcome.result.languages
        return sorted(path.name for path in language.written)

    assert written.name in run()
    first = written.read_bytes()
    assert run() == []
    assert written.read_bytes() == first
    written.unlink()
    assert run() == [written.name]
    toy.defect_languages = {"ja"}
    assert run() == [written.name, "talk.ja.report.json"]
    assert "Done, with defects" in Tags(written.read_text("utf-8")).text


def test_a_page_of_the_user_is_not_replaced(toy: Toy, video: Path, settings: Callable[..., Settings]) -> None:
    mine = video.with_name("talk.ja.report.html")
    mine.write_text("mine")
    assert run_all([video], toy.graph(), settings())[0].code == ExitCode.USAGE
    assert mine.read_text() == "mine"
    assert run_all([video], toy.graph(), settings(page="none"))[0].code == ExitCode.DONE
    assert mine.read_text() == "mine"
    assert run_all([video], toy.graph(), settings(overwrite=True))[0].code == ExitCode.DONE
    assert mine.read_text() != "mine"


def test_clock() -> None:
    assert [page.clock(seconds) for seconds in (0, 59.96, 61.25, 3723.4, None)] == [
        "0:00.0",
        "1:00.0",
        "1:01.2",
        "1:02:03.4",
        "?",
    ]


def test_peaks_of_the_source_stand_where_its_picture_is_shown() -> None:
    """Ten seconds, of which the third is shown in a second and a quarter."""
    peaks = bytes(number // 40 for number in range(400))
    slowed = [{"start": 2.0, "seconds": 1.25, "source_seconds": 1.0}]
    shown = page.as_shown(peaks, slowed)
    assert len(shown) == 410
    assert [shown.count(second) for second in range(10)] == [40, 40, 50, 40, 40, 40, 40, 40, 40, 40]
    assert list(shown) == sorted(shown)
    assert page.as_shown(peaks, []) == peaks
    assert page.as_shown(b"", slowed) == b""


def test_a_slowed_picture_lengthens_the_timeline(store: WorkDir) -> None:
    slowed = SlowedReport(frames=(50, 75), start=2.0, seconds=1.25, source_seconds=1.0)
    report = troubled().model_copy(update={"slowed": (slowed,)})
    assert report.source is not None
    text = page.build(report, subject(), store).decode()
    assert f'"seconds": {report.source.seconds + 0.25}' in text
