"""`loc subtitles`: text out of a finished run and, edited, back into it.

A line keeps its id through an edit, and a time that was not touched comes back to the very sample, so that
one changed line costs its own actions and no others.
"""

from __future__ import annotations

import contextlib
import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from loc.app.finished import finished, not_made
from loc.app.pictures import digest_beside
from loc.app.record import runs, runs_of
from loc.app.run import Graph, Prepared
from loc.artifacts import Segment, Source, SpeakerMark, Transcript, Translation
from loc.errors import InputError, MissingError, UsageError
from loc.glossary import proposed
from loc.media.subtitles import (
    MICROSECONDS,
    SAMPLES_PER_MS,
    Cue,
    Tell,
    align,
    in_rows,
    name_cues,
    read_said,
    time_unit,
    write_srt,
    write_vtt,
)
from loc.media.wrapping import join_lines
from loc.runner import NotMade
from loc.settings import Settings
from loc.store.workdir import SuppliedRecord, WorkDir

Kind = Literal["transcript", "translation"]

Form = Literal["srt", "vtt", "ass"]
FORMS: tuple[Form, ...] = ("srt", "vtt", "ass")
"""Formats that are written, by the suffixes of their files."""

ANY_FONT = "sans-serif"
"""Family for which players take what they have."""

Change = Literal["kept", "shifted", "changed", "split", "merged", "inserted", "deleted"]
CHANGES: tuple[Change, ...] = ("kept", "shifted", "changed", "split", "merged", "inserted", "deleted")

UNTOUCHED = SAMPLES_PER_MS // 2
"""A time this close, in samples, is the same: subtitle files round to milliseconds, and coarser ones are
brought back to what they were before they are compared."""

SAME_SHIFT = 20 * SAMPLES_PER_MS
"""Lines moved by the same amount within this, a player's frame at 50 per second, moved together."""


@dataclass(frozen=True)
class Entry:
    """A line as it stands: of a transcript or of a translation. Times in samples."""

    id: str
    start: int
    stop: int
    text: str
    mark: SpeakerMark | None = None
    """What the subtitle that it came from says of its speaker."""


@dataclass(frozen=True)
class Shown:
    """Subtitles to be written.

    Args:
        cues: plain, unbroken, in time order; with what stands under them, where two languages are shown.
        languages: of both; None where it is not known or nothing is shown.
        empty: how many lines have no text.
    """

    cues: tuple[Cue, ...]
    languages: tuple[str | None, str | None]
    empty: int = 0


@dataclass(frozen=True)
class Edit:
    """What became of some lines.

    `kept`: text and times are the same. `shifted`: the text is, the times are not. `changed`: one line,
    other text. `split`: into more lines. `merged`: into fewer. `inserted`: `before` is empty. `deleted`:
    `after` is.
    """

    change: Change
    before: tuple[int, ...]
    """Indices of the previous lines."""
    after: tuple[int, ...]
    """Indices of the edited cues."""


@dataclass(frozen=True)
class Import:
    """What an import did."""

    language: str | None
    cues: int
    previous: tuple[str, ...]
    """Ids of the lines there were; empty where no run has made them yet, and there is nothing to compare."""
    ids: tuple[str, ...]
    """Ids of the edited cues, in time order; empty with `previous`."""
    edits: tuple[Edit, ...]

    @property
    def counts(self) -> dict[Change, int]:
        """How many edits there are of each kind, in the order of `CHANGES`."""
        counted = Counter(edit.change for edit in self.edits)
        return {change: counted[change] for change in CHANGES if counted[change]}


# Out


def lines_of(prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings, kind: Kind) -> list[Entry]:
    """The lines of the transcript, or of the translation to the job's only language, as made earlier.

    Nothing is made.

    Raises:
        NotMade: a run with these settings has not come that far.
        MissingError: a backend that it was made with is gone.
    """
    with finished(prepared, graph, store, settings, kind) as (_, slots):
        language = None if kind == "transcript" else prepared.job.languages[0]
        return list(_entries(slots.value(kind, language), slots.value("transcript")))


def _entries(artifact: Transcript | Translation, transcript: Transcript) -> Iterator[Entry]:
    """The lines of an artifact, which may be the transcript itself."""
    marks: dict[tuple[str, ...], SpeakerMark | None] = {
        (segment.id,): segment.mark for segment in transcript.segments
    }
    lines = artifact.segments if isinstance(artifact, Transcript) else artifact.lines
    for line in lines:
        spoken = (line.id,) if isinstance(line, Segment) else line.segments
        text = join_lines(line.text.splitlines())
        yield Entry(line.id, line.start, line.stop, text, marks.get(spoken))


def shown_lines(
    prepared: Prepared,
    graph: Graph,
    store: WorkDir,
    settings: Settings,
    kind: Kind,
    *,
    bilingual: bool = False,
) -> Shown:
    """The lines of the transcript or the translation, each one cue, as they are spoken in the source.

    Args:
        bilingual: with what the source says under each line of the translation.

    Raises:
        MissingError: it has not been made yet.
    """
    language = prepared.job.source_language if kind == "transcript" else prepared.job.languages[0]
    try:
        if not bilingual:
            entries, under, below = lines_of(prepared, graph, store, settings, kind), {}, None
        else:
            with finished(prepared, graph, store, settings, kind) as (_, slots):
                translation: Translation = slots.value(kind, language)
                transcript: Transcript = slots.value("transcript")
                entries = list(_entries(translation, transcript))
                said = {segment.id: segment.text for segment in transcript.segments}
                under = {
                    line.id: join_lines(said.get(ident, "") for ident in line.segments)
                    for line in translation.lines
                }
                below = transcript.language
    except NotMade as missing:
        raise not_made(prepared, store, f"The {kind}", missing) from missing
    spoken = [
        Cue(entry.start, entry.stop, entry.text, under.get(entry.id, "")) for entry in entries if entry.text
    ]
    return Shown(tuple(spoken), (language, below), len(entries) - len(spoken))


def form_of(form: Form | None, to: Path | None) -> Form:
    """The format of a file of subtitles.

    Args:
        form: as it was asked for, if it was.
        to: the file, if there is one; its suffix tells.

    Raises:
        UsageError: the suffix is of another format, or of none that is written.
    """
    if to is None:
        return form or "srt"
    suffix = to.suffix.lower().removeprefix(".")
    if suffix not in FORMS:
        raise UsageError(
            f"{to.name} does not end like a subtitle file.", fix=f"End it in .{', .'.join(FORMS)}."
        )
    if form is not None and form != suffix:
        raise UsageError(f"{to.name} is not how a {form} file is called.", fix=f"End it in .{form}.")
    return next(known for known in FORMS if known == suffix)


def written(shown: Shown, form: Literal["srt", "vtt"]) -> bytes:
    """A file of subtitles, broken into rows as each language is."""
    rows = [in_rows(cue, *shown.languages) for cue in shown.cues]
    return write_srt(rows) if form == "srt" else write_vtt(rows)


def source_of(prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings) -> Source:
    """What is known of the video, of which subtitles have been made.

    Raises:
        MissingError: it has not been looked at yet.
    """
    try:
        with finished(prepared, graph, store, settings, "source") as (_, slots):
            source: Source = slots.value("source")
            return source
    except NotMade as missing:
        raise not_made(prepared, store, "The picture", missing) from missing


def drawn_as_titles(shown: Shown, source: Source, tell: Tell) -> bytes:
    """An ASS file that looks as subtitles in the picture do.

    Args:
        source: whose picture they are for.
        tell: hears that the font could not be told.
    """
    from loc.media.fonts import font_for
    from loc.media.titles import shown_size, write_ass

    try:
        family = font_for(shown.languages[0] or "und").family
    except MissingError as error:
        tell("no-font", f"The player chooses the font. {error.what}")
        family = ANY_FONT
    place: Literal["bottom", "top"] = "top" if source.subtitled else "bottom"
    return write_ass(shown.cues, shown.languages, family, shown_size(source.video), place)


def propose_terms(prepared: Prepared, graph: Graph, store: WorkDir, settings: Settings) -> bytes:
    """A glossary to be filled in, from the transcript as made earlier.

    Raises:
        MissingError: it has not been made yet.
        UsageError: its language is not known.
    """
    job = prepared.job
    if job.source_language is None:
        raise UsageError("The language of the transcript is not known.", fix="Say it with --from.")
    try:
        entries = lines_of(prepared, graph, store, settings, "transcript")
    except NotMade as missing:
        raise not_made(prepared, store, "The transcript", missing) from missing
    texts = [entry.text for entry in entries]
    return proposed(texts, job.source_language, job.languages[0], job.glossary)


# In


def import_text(
    prepared: Prepared,
    graph: Graph,
    store: WorkDir,
    settings: Settings,
    kind: Kind,
    file: Path,
    tell: Tell,
) -> Import:
    """Register an edited subtitle file as the source's transcript or translation.

    Raises:
        InputError: the file cannot be read.
        UsageError: the language of a transcript is not known.
    """
    job = prepared.job
    language = job.source_language if kind == "transcript" else job.languages[0]
    if language is None:
        raise UsageError("The language of the transcript is not known.", fix="Say it with --from.")
    try:
        data = file.read_bytes()
        cues = read_said(data, file.name, tell)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read.", why=error.strerror or "", fix="Check the name."
        ) from error
    previous: list[Entry] = []
    edits: list[Edit] = []
    # Without an earlier run there is nothing to compare with; the text is taken all the same.
    with contextlib.suppress(NotMade, MissingError):
        previous = lines_of(prepared, graph, store, settings, kind)
        cues = settle(previous, cues, diff(previous, cues), time_unit(data, file.name) // 2)
        edits = diff(previous, cues)
    ids = tuple(name_lines(previous, edits))
    marks = mark_lines(previous, cues, edits)
    ref = store.put_bytes(write_srt(cues, MICROSECONDS))
    store.supply(job.digest, SuppliedRecord(kind, language, file.name, ref, ids, marks))
    return Import(language, len(cues), tuple(entry.id for entry in previous), ids, tuple(edits))


def forget_text(store: WorkDir, path: Path, kind: Kind, language: str | None, sound: Path | None) -> bool:
    """Forget what was imported for an input; False where nothing was.

    Args:
        sound: beside which pictures are meant; None: that of their newest run for which there is something.

    Raises:
        InputError: the input cannot be read.
    """
    first = digest_beside(path, store)(sound)
    if store.withdraw(first, kind, language):
        return True
    if sound is not None:
        return False
    is_one = runs_of(store, path)
    return any(store.withdraw(run.source, kind, language) for run in runs(store) if is_one(run))


def settle(
    previous: Sequence[Entry], cues: Sequence[Cue], edits: Sequence[Edit], within: int = UNTOUCHED
) -> list[Cue]:
    """The cues, sorted, with every time that was only rounded given back what it lost.

    Args:
        within: samples that rounding takes at most.
    """
    settled = list(cues)
    for edit in edits:
        if edit.before and edit.after:
            start, stop = previous[edit.before[0]].start, previous[edit.before[-1]].stop
            first, last = edit.after[0], edit.after[-1]
            settled[first] = replace(settled[first], start=_same_or(settled[first].start, start, within))
            settled[last] = replace(settled[last], stop=_same_or(settled[last].stop, stop, within))
    return sorted(settled, key=lambda cue: (cue.start, cue.stop))


def _same_or(time: int, earlier: int, within: int) -> int:
    return earlier if abs(time - earlier) <= within else time


def name_lines(previous: Sequence[Entry], edits: Sequence[Edit]) -> list[str]:
    """The id of each edited cue: that of the line it was, where it was one."""
    if not previous:
        return []
    groups = [(edit.after, edit.before) for edit in edits]
    return name_cues(groups, [entry.id for entry in previous], f"{previous[0].id[:1]}0000")


def mark_lines(
    previous: Sequence[Entry], cues: Sequence[Cue], edits: Sequence[Edit]
) -> tuple[SpeakerMark | None, ...]:
    """What is known of who speaks each edited cue: what its file says, else what was known of the line it
    was; empty where nothing is."""
    marks = [cue.mark for cue in cues]
    for edit in edits:
        for place, after in enumerate(edit.after if edit.before else ()):
            known = previous[edit.before[min(place, len(edit.before) - 1)]].mark
            if known and place >= len(edit.before):
                # The rest of a line that was split is by its speaker.
                known = known.model_copy(update={"changes": False})
            marks[after] = marks[after] or known
    return tuple(marks) if any(marks) else ()


# What changed


def diff(previous: Sequence[Entry], edited: Sequence[Cue]) -> list[Edit]:
    """What became of each line, in time order: matched by overlap in time, then by text.

    A file that was moved as a whole is matched as if it had not been. Every cue and every line that has text
    is in exactly one edit; a line without is in none where it was left without.
    """
    shift = common_shift(previous, edited)
    unshifted = [Cue(cue.start - shift, cue.stop - shift, cue.text) for cue in edited]
    edits: list[Edit] = []
    for before, after in align(previous, unshifted):
        edits += _refine(before, after, previous, edited)
    return sorted(_rejoin(edits, previous, edited), key=lambda edit: _place(edit, previous, unshifted))


def common_shift(previous: Sequence[Entry], edited: Sequence[Cue]) -> int:
    """Samples by which most lines were moved together; 0 where they were not.

    Told by the lines whose text stands once on both sides.
    """
    once_before = _unique({index: entry.text for index, entry in enumerate(previous)})
    once_after = _unique({index: cue.text for index, cue in enumerate(edited)})
    moves = sorted(
        edited[once_after[text]].start - previous[once_before[text]].start
        for text in once_before.keys() & once_after.keys()
    )
    if not moves:
        return 0
    median = moves[len(moves) // 2]
    together = sum(abs(move - median) <= SAME_SHIFT for move in moves)
    return median if 2 * together > len(moves) else 0


def _unique(texts: dict[int, str]) -> dict[str, int]:
    """Text -> index, of texts that occur once."""
    counted = Counter(texts.values())
    return {text: index for index, text in texts.items() if counted[text] == 1}


def _refine(
    before: tuple[int, ...], after: tuple[int, ...], previous: Sequence[Entry], edited: Sequence[Cue]
) -> Iterator[Edit]:
    """A group of the alignment as edits: lines with the same text are the same lines, what is left between
    them was changed."""
    matcher = difflib.SequenceMatcher(
        None, [previous[i].text for i in before], [edited[j].text for j in after], autojunk=False
    )
    for tag, low, high, first, last in matcher.get_opcodes():
        olds, news = before[low:high], after[first:last]
        if tag == "equal" or len(olds) == len(news):
            for old, new in zip(olds, news, strict=True):
                yield Edit(_pair(previous[old], edited[new]), (old,), (new,))
        elif olds and news:
            yield Edit("split" if len(olds) < len(news) else "merged", olds, news)
        else:
            yield from (Edit("deleted", (old,), ()) for old in olds)
            yield from (Edit("inserted", (), (new,)) for new in news)


def _pair(old: Entry, new: Cue) -> Change:
    if old.text != new.text:
        return "changed"
    same = abs(old.start - new.start) <= UNTOUCHED and abs(old.stop - new.stop) <= UNTOUCHED
    return "kept" if same else "shifted"


def _rejoin(edits: Sequence[Edit], previous: Sequence[Entry], edited: Sequence[Cue]) -> Iterator[Edit]:
    """A line taken out in one place and put in with the same text in another was shifted."""
    gone: dict[str, list[Edit]] = {}
    for edit in edits:
        if edit.change == "deleted":
            gone.setdefault(previous[edit.before[0]].text, []).append(edit)
    found: set[Edit] = set()
    for edit in edits:
        if edit.change == "inserted" and (candidates := gone.get(edited[edit.after[0]].text)):
            line = candidates.pop(0)
            found.add(line)
            yield Edit("shifted", line.before, edit.after)
        elif edit.change != "deleted":
            yield edit
    for edit in edits:
        if edit.change == "deleted" and edit not in found and previous[edit.before[0]].text:
            yield edit


def _place(edit: Edit, previous: Sequence[Entry], edited: Sequence[Cue]) -> int:
    return edited[edit.after[0]].start if edit.after else previous[edit.before[0]].start
