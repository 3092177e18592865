"""Subtitles out of a run, edited, and back: what changed, what keeps its name, what has to be made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from loc.app.inputs import open_job
from loc.app.run import Graph, Prepared, prepare
from loc.app.subtitles import (
    Change,
    Entry,
    Form,
    Shown,
    common_shift,
    diff,
    drawn_as_titles,
    form_of,
    import_text,
    lines_of,
    mark_lines,
    name_lines,
    propose_terms,
    settle,
    shown_lines,
    written,
)
from loc.app.supplied import imported
from loc.artifacts import Segment, SpeakerMark, Subtitled, Transcript, Translation
from loc.backend import Backend, Card, Host
from loc.errors import InputError, MissingError, StorageError, UsageError
from loc.events import EventBus
from loc.media import fonts
from loc.media.subtitles import Cue, read_cues
from loc.runner import Runner
from loc.settings import Settings
from loc.stage import Context, Slot, Stage
from loc.store.workdir import WorkDir
from stages.translate.contract import Translated
from tests.dub.test_stage import a_source
from tests.translate.test_stage import translate

SECOND = 48_000
EDGE = 7
"""Samples that keep the toy transcript's times off the grid of milliseconds."""


def entries(*lines: tuple[float, float, str]) -> list[Entry]:
    return [
        Entry(f"l{index + 1:04d}", round(start * SECOND) + EDGE, round(stop * SECOND) + EDGE, text)
        for index, (start, stop, text) in enumerate(lines)
    ]


def cues(*lines: tuple[float, float, str]) -> list[Cue]:
    return [Cue(round(start * SECOND), round(stop * SECOND), text) for start, stop, text in lines]


BEFORE = entries((0, 2, "one"), (2, 4, "two"), (5, 7, "three"), (7, 9, "four"))
A, B, C, D = (0, 2, "one"), (2, 4, "two"), (5, 7, "three"), (7, 9, "four")

Expected = tuple[Change, tuple[int, ...], tuple[int, ...]]


@pytest.mark.parametrize(
    ("edited", "changes", "ids"),
    [
        ([A, B, C, D], [], "l0001 l0002 l0003 l0004"),
        ([A, (2, 4, "zwei"), C, D], [("changed", (1,), (1,))], "l0001 l0002 l0003 l0004"),
        ([A, (2.2, 4.2, "two"), C, D], [("shifted", (1,), (1,))], "l0001 l0002 l0003 l0004"),
        (
            [A, B, (5, 6, "th"), (6, 7, "ree"), D],
            [("split", (2,), (2, 3))],
            "l0001 l0002 l0003 l0003-2 l0004",
        ),
        ([A, B, (5, 9, "three four")], [("merged", (2, 3), (2,))], "l0001 l0002 l0003"),
        ([A, B, (4.2, 4.8, "new"), C, D], [("inserted", (), (2,))], "l0001 l0002 l0002+1 l0003 l0004"),
        ([A, C, D], [("deleted", (1,), ())], "l0001 l0003 l0004"),
        # Far from where it was, a line is known by its text.
        ([A, C, D, (20, 22, "two")], [("shifted", (1,), (3,))], "l0001 l0003 l0004 l0002"),
        # A line shortened to make room for a new one keeps its name; the new one is new.
        (
            [A, B, (5, 6, "three"), (6, 7, "new"), D],
            [("shifted", (2,), (2,)), ("inserted", (), (3,))],
            "l0001 l0002 l0003 l0003+1 l0004",
        ),
        # Texts that change places stay where they are in time.
        (
            [(0, 2, "two"), (2, 4, "one"), C, D],
            [("changed", (0,), (0,)), ("changed", (1,), (1,))],
            "l0001 l0002 l0003 l0004",
        ),
        ([], [("deleted", (index,), ()) for index in range(4)], ""),
    ],
)
def test_every_change_has_its_name(
    edited: list[tuple[float, float, str]], changes: list[Expected], ids: str
) -> None:
    edits = diff(BEFORE, cues(*edited))
    assert [(e.change, e.before, e.after) for e in edits if e.change != "kept"] == changes
    assert name_lines(BEFORE, edits) == ids.split()


def test_a_file_moved_as_a_whole_is_shifted_not_changed() -> None:
    moved = cues(*((start + 2, stop + 2, text) for start, stop, text in (A, B, C, D)))
    assert [(e.change, e.before, e.after) for e in diff(BEFORE, moved)] == [
        ("shifted", (index,), (index,)) for index in range(4)
    ]
    assert abs(common_shift(BEFORE, moved) - 2 * SECOND) <= EDGE


def test_a_few_moved_lines_are_no_common_shift() -> None:
    assert abs(common_shift(BEFORE, cues(A, B, C, (17, 19, "four")))) <= EDGE
    assert common_shift(BEFORE, cues((0, 1, "other"))) == 0


def test_a_line_without_text_is_no_deletion_and_can_be_given_one() -> None:
    before = entries((0, 2, "one"), (2, 4, ""))
    assert [e.change for e in diff(before, cues((0, 2, "one")))] == ["kept"]
    edits = diff(before, cues((0, 2, "one"), (2, 4, "two")))
    assert [e.change for e in edits] == ["kept", "changed"]
    assert name_lines(before, edits) == ["l0001", "l0002"]


def test_untouched_times_come_back_to_the_sample() -> None:
    edited = cues(A, (2.1, 4, "two"), C, (7, 8, "fo"), (8, 9, "ur"))
    settled = settle(BEFORE, edited, diff(BEFORE, edited))
    moved = [(new.start - old.start, new.stop - old.stop) for new, old in zip(settled, edited, strict=True)]
    assert moved == [(EDGE, EDGE), (0, EDGE), (EDGE, EDGE), (EDGE, 0), (0, EDGE)]


# The whole way, over a graph of a toy transcript and the real translate stage


class Shouter:
    """A translator that shouts and remembers what it was asked."""

    card: ClassVar[Card] = Card(
        stage="translate", name="shouter", version="1", summary="", family="embedded", quality="basic",
        runs="in-process",
    )  # fmt: skip
    heard: ClassVar[list[str]] = []

    def __init__(self, host: Host) -> None:
        pass

    def fingerprint(self) -> Mapping[str, str]:
        return {}

    def translate(self, text: str, source: str, target: str) -> Translated:
        self.heard.append(text)
        return Translated(f"{text.upper()}は{target}!", 0)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Nothing:
    """Inputs of a stage that takes none."""


SPOKEN = ["one", "two", "three"]
MARKS: list[SpeakerMark | None] = [None] * 3


def transcribe(context: Context, _inputs: Nothing) -> Transcript:
    """A transcript off the millisecond grid, or the supplied one."""
    supplied = context.job.transcript
    lines = entries(*((2 * i, 2 * i + 2, text) for i, text in enumerate(SPOKEN)))
    lines = [replace(line, mark=mark) for line, mark in zip(lines, MARKS, strict=False)]
    if supplied is not None and supplied.ids:
        read = read_cues(context.store.read_bytes(supplied.ref), supplied.name)
        lines = [Entry(name, c.start, c.stop, c.text) for name, c in zip(supplied.ids, read, strict=True)]
    segments = tuple(
        Segment(id=f"s{line.id[1:]}", start=line.start, stop=line.stop, speaker=None, text=line.text,
                words=(), confidence=None, mark=line.mark)
        for line in lines
    )  # fmt: skip
    return Transcript(language="en", origin="recognised", segments=segments, dropped=(), speakers=())


@dataclass(frozen=True)
class Heard:
    transcript: Slot[Transcript]


def translated(context: Context, inputs: Heard) -> Translation:
    return translate(context, inputs.transcript.get())


class Case:
    """One video and its work directory."""

    def __init__(self, video: Path, settings: Settings) -> None:
        self.video, self.settings = video, settings
        self.store = WorkDir(settings.work_dir)
        backends: dict[str, type[Backend]] = {"translate/shouter": Shouter}
        stages = (
            Stage("transcribe", "transcript", Nothing, transcribe, per_language=False, backend=False),
            Stage("translate", "translation", Heard, translated, per_language=True, backend=True),
        )
        self.graph = Graph(stages, backends)
        self.told: list[str] = []
        self.tell = lambda code, _: self.told.append(code)

    @property
    def arguments(self) -> tuple[Prepared, Graph, WorkDir, Settings]:
        prepared = prepare(self.video, self.graph, self.store, self.settings, look=True)
        return prepared, self.graph, self.store, self.settings

    def run(self) -> list[str]:
        """Do the work; what the translator was asked."""
        Shouter.heard.clear()
        job = open_job(self.video, self.store, self.settings, self.tell)
        runner = Runner(self.store, EventBus())
        backend = Shouter(Host(self.settings, self.video.parent))
        context = Context(runner, self.settings, job, lambda *_: backend, "ja")
        translate(context, transcribe(context, Nothing()))
        return list(Shouter.heard)

    def export(self, kind: Any = "translation") -> str:
        return written(shown_lines(*self.arguments, kind), "srt").decode()

    def bring_in(self, text: str, kind: Any = "translation") -> Sequence[str]:
        file = self.video.with_name("edited.srt")
        file.write_text(text)
        done = import_text(*self.arguments, kind, file, lambda *_: None)
        return [edit.change for edit in done.edits]


@pytest.fixture
def case(video: Path, settings: Callable[..., Settings]) -> Case:
    return Case(video, settings())


def test_terms_are_proposed_from_the_transcript(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SPOKEN", ["Is Zorblatt", "a Zorblatt?"])
    assert propose_terms(*case.arguments).decode() == "en,ja,note\nZorblatt,,2 times\n"


def test_nothing_to_export_before_a_run(case: Case) -> None:
    with pytest.raises(MissingError, match="has not been made yet") as caught:
        case.export()
    assert "loc run" in caught.value.fix
    assert Shouter.heard == []


def test_out_and_back_in_unchanged_changes_nothing(case: Case) -> None:
    case.run()
    text = case.export()
    assert text.startswith("1\n00:00:00,000 --> 00:00:02,000\nONEはja!\n")
    before = lines_of(*case.arguments, "translation")
    assert case.bring_in(text) == ["kept"] * 3
    assert lines_of(*case.arguments, "translation") == before
    assert case.export() == text


def test_who_speaks_stays_known_through_an_edit(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    named = [SpeakerMark(name="ANNA"), None, SpeakerMark(name="BOB", changes=True)]
    monkeypatch.setitem(globals(), "MARKS", named)
    case.run()
    text = case.export("transcript").replace("one", "ones")
    assert case.bring_in(text, "transcript") == ["changed", "kept", "kept"]
    kept = imported(case.store, case.arguments[0].job.digest).transcript
    assert kept is not None
    assert list(kept.marks) == named
    backend = Shouter(Host(case.settings, case.video.parent))
    context = Context(
        Runner(case.store, EventBus()), case.settings, case.arguments[0].job, lambda *_: backend
    )
    assert [(cue.text, cue.mark) for cue in context.cues(kept)] == [
        ("ones", named[0]), ("two", named[1]), ("three", named[2]),
    ]  # fmt: skip


def test_a_line_that_is_split_stays_its_speakers_and_a_name_in_the_edit_counts() -> None:
    previous = [Entry("s0001", 0, SECOND, "one two", SpeakerMark(name="ANNA", changes=True))]
    cues = [Cue(0, SECOND // 2, "one"), Cue(SECOND // 2, SECOND, "two")]
    edits = diff(previous, cues)
    assert mark_lines(previous, cues, edits) == (
        SpeakerMark(name="ANNA", changes=True),
        SpeakerMark(name="ANNA"),
    )
    cues[1] = replace(cues[1], mark=SpeakerMark(name="BOB"))
    assert mark_lines(previous, cues, edits)[1] == SpeakerMark(name="BOB")
    assert mark_lines([], [Cue(0, SECOND, "one")], []) == ()


@pytest.mark.parametrize("form", ["vtt", "ass"])
def test_out_and_back_in_another_format_changes_nothing(case: Case, form: Form) -> None:
    case.run()
    shown = shown_lines(*case.arguments, "translation")
    data = drawn_as_titles(shown, a_source(SECOND), case.tell) if form == "ass" else written(shown, "vtt")
    file = case.video.with_name(f"edited.{form}")
    file.write_bytes(data)
    done = import_text(*case.arguments, "translation", file, lambda *_: None)
    assert [edit.change for edit in done.edits] == ["kept"] * 3
    assert case.run() == []
    supplied = imported(case.store, case.arguments[0].job.digest).translations["ja"]
    again = read_cues(case.store.read_bytes(supplied.ref), supplied.name)
    assert [(cue.start % 48, cue.stop % 48) for cue in again] == [(EDGE, EDGE)] * 3, "off the grid as before"


def test_both_languages_stand_in_one_file(case: Case) -> None:
    case.run()
    shown = shown_lines(*case.arguments, "translation", bilingual=True)
    assert (shown.cues[0].text, shown.cues[0].below) == ("ONEはja!", "one")
    assert shown.languages == ("ja", "en")
    assert written(shown, "vtt").decode().splitlines()[3:5] == ["ONEはja!", "one"]


def test_the_suffix_tells_the_format() -> None:
    assert form_of(None, None) == "srt"
    assert form_of("ass", None) == "ass"
    assert form_of(None, Path("a.VTT")) == "vtt"
    wrong: tuple[tuple[Form | None, str], ...] = (
        (None, "a.txt"), (None, "a"), ("vtt", "a.srt"), ("srt", "a.ssa"),
    )  # fmt: skip
    for form, name in wrong:
        with pytest.raises(UsageError):
            form_of(form, Path(name))


def test_where_no_font_can_be_told_the_player_chooses_and_it_is_said(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "_installed", lambda: ())
    shown = Shown((Cue(0, SECOND, "はい"),), ("ja", None))
    assert b"Style: Default,sans-serif," in drawn_as_titles(shown, a_source(SECOND), case.tell)
    assert case.told == ["no-font"]
    burnt = a_source(SECOND).model_copy(update={"subtitled": Subtitled(texts=1, top=0.8, foot=0.9)})
    assert b",0,8,5,5,3,-1" in drawn_as_titles(shown, burnt, case.tell), "above what the picture shows"


def test_an_edited_line_is_the_only_one_that_differs(case: Case) -> None:
    case.run()
    before = lines_of(*case.arguments, "translation")
    assert case.bring_in(case.export().replace("TWOはja!", "二")) == ["kept", "changed", "kept"]
    after = lines_of(*case.arguments, "translation")
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1] == Entry("l0002", before[1].start, before[1].stop, "二")


def test_an_edited_transcript_costs_its_own_line(case: Case) -> None:
    assert case.run() == SPOKEN
    edited = case.export("transcript").replace("two", "zwei")
    assert case.bring_in(edited, "transcript") == ["kept", "changed", "kept"]
    assert case.run() == ["zwei"]
    assert "imported" in case.told
    assert [entry.id for entry in lines_of(*case.arguments, "transcript")] == ["s0001", "s0002", "s0003"]


def test_ids_stay_through_a_second_import(case: Case) -> None:
    case.run()
    text = case.export()
    case.bring_in(text + "\n9\n00:00:07,000 --> 00:00:08,000\nnew\n")
    case.bring_in(case.export().replace("ONEはja!", "一"))
    assert [entry.id for entry in lines_of(*case.arguments, "translation")] == [
        "l0001", "l0002", "l0003", "l0003+1",
    ]  # fmt: skip


def test_without_a_run_the_text_is_taken_all_the_same(case: Case) -> None:
    assert case.bring_in("1\n00:00:00,000 --> 00:00:02,000\nnew\n") == []
    supplied = imported(case.store, case.store.input_digest(case.video)[0])
    assert supplied.translations["ja"].ids == ()


def test_an_import_comes_before_a_sidecar_and_can_be_forgotten(case: Case) -> None:
    case.video.with_name("talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nsidecar\n")
    case.bring_in("1\n00:00:00,000 --> 00:00:02,000\nimport\n")
    assert "import" in case.export()
    digest = case.store.input_digest(case.video)[0]
    assert case.store.withdraw(digest, "translation", "ja")
    assert not case.store.withdraw(digest, "translation", "ja")
    assert "sidecar" in case.export()


def test_a_flag_comes_before_an_import(video: Path, settings: Callable[..., Settings]) -> None:
    Case(video, settings()).bring_in("1\n00:00:00,000 --> 00:00:02,000\nimport\n")
    named = video.with_name("named.srt")
    named.write_text("1\n00:00:00,000 --> 00:00:02,000\nflag\n")
    assert "flag" in Case(video, settings(translation={"ja": named})).export()


def test_bad_files_are_refused_and_nothing_is_registered(case: Case) -> None:
    with pytest.raises(InputError):
        case.bring_in("no subtitles")
    with pytest.raises(InputError, match="cannot be read"):
        import_text(*case.arguments, "translation", case.video.with_name("absent.srt"), lambda *_: None)
    assert case.store.supplied(case.store.input_digest(case.video)[0]) == []


def test_a_transcript_needs_its_language(case: Case) -> None:
    case.video.with_name("talk.en.srt").unlink()
    case.video.with_name("talk.ja.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nx\n")
    with pytest.raises(UsageError, match="language of the transcript"):
        case.bring_in("1\n00:00:00,000 --> 00:00:02,000\nnew\n", "transcript")


def test_damaged_imports_are_told_and_never_skipped(case: Case) -> None:
    case.bring_in("1\n00:00:00,000 --> 00:00:02,000\nnew\n")
    digest = case.store.input_digest(case.video)[0]
    record = case.store.root / "supplied" / digest / "translation.ja.json"
    ref = case.store.supplied(digest)[0].ref
    case.store.object_path(ref.sha256).write_bytes(b"x" * ref.size)
    with pytest.raises(StorageError, match="damaged in the store"):
        imported(WorkDir(case.store.root), digest)
    record.write_text("{")
    with pytest.raises(StorageError, match="are damaged"):
        case.store.supplied(digest)
