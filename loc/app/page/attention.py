"""What a person should look at first: all that failed, was left out, or was done less well than it could be.

Works on the report as JSON, so that a report that knows more or less is shown as far as it is understood.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loc.analysis.agreement import SIGNIFICANT

HURRIED = 1.4
"""Speech this many times the voice's own pace is worth a listen: beyond it syllables are swallowed. The
hardest fit is 1.35 * 1.25 = 1.69."""

QUIET_REASONS = frozenset({"no-speech", "off-screen", "others-speak", "faded"})
"""Reasons to leave a cut as it is that ask nothing of anybody: nobody in it says anything that would show."""

MAX_OFFSET = 2
"""Frames by which lips may be off and still be taken for following: offsets are true to a frame."""

_NUMBER = re.compile(r"\d+")

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Something on the page to go to."""

    kind: Literal["line", "silent", "cut"]
    number: int
    """Index into the report's lines, silent lines or cuts."""
    start: float
    """Seconds."""


@dataclass(frozen=True)
class Item:
    """One thing to look at, or several of one kind."""

    level: Literal["failed", "check", "note"]
    title: str
    detail: str = ""
    places: tuple[Place, ...] = ()


def attention(report: Data) -> list[Item]:
    """Everything that needs eyes, what failed before what is merely worth knowing."""
    found = [
        *_defects(report),
        *_silent(report),
        *_lines(report),
        *_voices(report),
        *_rights(report),
        *_cast(report),
        *_cuts(report),
        *_choices(report),
    ]
    return sorted(found, key=lambda item: ("failed", "check", "note").index(item.level))


DOUBTS = frozenset({"term", "number", "name"})
"""Notes on a translation that ask for a look."""


def line_flags(line: Data) -> list[str]:
    """What is wrong with the fit of a line, in words."""
    flags = []
    if line["overrun_seconds"] > 0:
        flags.append(f"runs {line['overrun_seconds']:.2f} s over")
    if (pace := line["rate"] * line["stretch"]) >= HURRIED:
        flags.append(f"hurried, {pace:.2f} times the voice's pace")
    if count := line["unknown_words"]:
        flags.append(f"{count} word{'s' * (count != 1)} not translated")
    flags += [note.partition(": ")[2] for note in line.get("notes", ())]
    return flags


CutState = Literal["drawn", "partly", "passed", "failed"]
"""Drawn; drawn with gaps inside its speech; left as filmed; the same because drawing it failed."""


def cut_states(report: Data) -> list[CutState]:
    """What became of each cut."""
    failed = {defect["unit"] for defect in report["defects"] if defect["stage"] == "lipsync"}
    return [_cut_state(cut, f"cut {number}" in failed) for number, cut in enumerate(report["cuts"], start=1)]


def needs_eyes(cut: Data, state: CutState) -> bool:
    """Whether a cut is to be shown where only what needs eyes is wanted."""
    if state == "passed":
        return any(reason.partition(":")[0] not in QUIET_REASONS for reason in cut["reasons"])
    return state != "drawn"


def _cut_state(cut: Data, failed: bool) -> CutState:
    if not cut["drawn_frames"]:
        return "failed" if failed else "passed"
    return "partly" if cut["skipped_frames"] else "drawn"


def score_words(cut: Data) -> str:
    """A cut's score with its measure and what it rests on, or why there is none."""
    score = cut["score"]
    if score is None:
        return "unscored"
    if score["value"] is None:
        return f"unscored: {score['unscored']}"
    measure = score["measure"].replace("-", " ")
    if score["p"] is None:
        return f"{measure} {score['value']:.2f}, {_offset(score)} ({score['n']} windows)"
    rests_on = f"{score['n']} frames, {score['closures']} closures, p {score['p']:g}"
    return f"{measure} {score['value']:.2f}, {_offset(score)} ({rests_on})"


def _offset(score: Data) -> str:
    frames = score["offset"]
    if not frames:
        return "in time"
    return f"{abs(frames)} frame{'s' * (abs(frames) != 1)} {'late' if frames > 0 else 'early'}"


def picture_words(cut: Data) -> str:
    """What drawing did to a cut's picture; empty where it was not measured."""
    picture = (cut["score"] or {}).get("picture")
    if not picture:
        return ""
    parts = [f"step at the edge {picture['seam']:.1f}"]
    if picture["lip_colour"] is not None:
        parts.append(f"lips' colour off by {picture['lip_colour']:.1f}")
    parts.append(f"detail {picture['sharpness']:.2f} of the source's")
    if picture.get("shape") is not None:
        parts.append(f"jaw's width off by {picture['shape']:.1%}")
    if picture["jitter"] is not None:
        parts.append(f"trembling {picture['jitter']:.1f} of the head's")
    return ", ".join([*parts, f"change elsewhere {picture['outside']}"])


def _defects(report: Data) -> Iterator[Item]:
    for defect in report["defects"]:
        where = " ".join(filter(None, (defect["stage"], defect["unit"])))
        yield Item(
            "failed", f"{where}: {defect['message']}", defect["code"], _places_of(report, defect["unit"])
        )


def _places_of(report: Data, unit: str) -> tuple[Place, ...]:
    """The line or cut that a unit of work names, if the report has it."""
    kind, _, name = unit.partition(" ")
    if kind == "cut" and (digits := _NUMBER.match(name)):
        number = int(digits[0]) - 1
        return tuple(Place("cut", number, cut["start"]) for cut in report["cuts"][number : number + 1])
    if kind == "line":
        spoken = [Place("line", *found) for found in _named(report["lines"], name)]
        return (*spoken, *(Place("silent", *found) for found in _named(report["silent"], name)))
    return ()


def _named(lines: Sequence[Data], name: str) -> Iterator[tuple[int, float]]:
    """Index and start of the lines of a name whose time is known."""
    for number, line in enumerate(lines):
        if line["line"] == name and line["start"] is not None:
            yield number, line["start"]


def _silent(report: Data) -> Iterator[Item]:
    told = {defect["unit"] for defect in report["defects"]}
    for number, line in enumerate(report["silent"]):
        if f"line {line['line']}" not in told:
            places = (Place("silent", number, line["start"]),) if line["start"] is not None else ()
            yield Item("failed", f"Line {line['line']} is not heard", line["reason"], places)


def _voices(report: Data) -> Iterator[Item]:
    """Lines of which it is doubtful who says them, or that somebody else says too."""
    for name, title, detail in (
        ("overlaps", "in which another voice is heard", "Only its speaker's words are dubbed."),
        ("unsure", "whose speaker is doubtful", "Two voices are nearly as similar to it."),
    ):
        found = report.get(name, ())
        places = tuple(
            Place("line", *place)
            for item in found
            for line in item["lines"]
            for place in _named(report["lines"], line)
        )
        if found:
            yield Item("check", f"{len(found)} line{'s' if len(found) > 1 else ''} {title}", detail, places)


def _rights(report: Data) -> Iterator[Item]:
    """Voices of the bank of which nobody has noted what the person agreed to."""
    spoken = [one["bank_voice"] for one in report.get("speakers", ()) if one.get("bank_voice")]
    bare = sorted({one["voice"] for one in spoken if not one["rights"]})
    if bare:
        yield Item(
            "check",
            f"{len(bare)} voice{'s' if len(bare) > 1 else ''} of the bank without noted rights",
            f"{', '.join(bare)}: note what the person agreed to in the voice's .toml file, "
            'under [rights], as note = "...".',
        )


def _lines(report: Data) -> Iterator[Item]:
    over, hurried, unknown, noted = [], [], [], []
    told = {defect["unit"] for defect in report["defects"]}
    for number, line in enumerate(report["lines"]):
        place = Place("line", number, line["start"])
        over += [place] if line["overrun_seconds"] > 0 and f"line {line['line']}" not in told else []
        hurried += [place] if line["rate"] * line["stretch"] >= HURRIED else []
        unknown += [place] if line["unknown_words"] else []
        doubtful = [note for note in line.get("notes", ()) if note.partition(":")[0] in DOUBTS]
        noted += [place] if doubtful else []
    if over:
        yield Item("check", f"{_count(over, 'line')} longer than the room there was", places=tuple(over))
    if hurried:
        yield Item(
            "check",
            f"{_count(hurried, 'line')} spoken in a hurry",
            f"{HURRIED} times the voice's own pace or more.",
            tuple(hurried),
        )
    if unknown:
        yield Item(
            "check", f"{_count(unknown, 'line')} with words that were not translated", places=tuple(unknown)
        )
    if noted:
        yield Item(
            "check",
            f"{_count(noted, 'line')} in which a term, a number or a name is not found again",
            "It may stand there in other words.",
            tuple(noted),
        )


def _cuts(report: Data) -> Iterator[Item]:
    left: dict[str, list[Place]] = defaultdict(list)
    details: dict[str, str] = {}
    gaps, unscored, astray, unlike, close = [], [], [], [], []
    for number, (cut, state) in enumerate(zip(report["cuts"], cut_states(report), strict=True)):
        place = Place("cut", number, cut["start"])
        if state == "failed":
            continue
        if state == "passed":
            for reason in cut["reasons"][:1] or ("no reason given",):
                code, _, detail = reason.partition(": ")
                left[code].append(place)
                details.setdefault(code, detail)
            continue
        gaps += [place] if state == "partly" else []
        score = cut["score"]
        unscored += [place] if score is None or score["value"] is None else []
        astray += [place] if score is not None and _is_astray(score) else []
        codes = [reason.partition(":")[0] for reason in cut["reasons"]]
        unlike += [place] if any(code.startswith("unlike-") for code in codes) else []
        close += [place] if "final-proposed" in codes else []
    for code, places in left.items():
        level: Literal["note", "check"] = "note" if code in QUIET_REASONS else "check"
        yield Item(level, f"{_count(places, 'cut')} left as filmed: {code}", details[code], tuple(places))
    if gaps:
        yield Item(
            "check", f"{_count(gaps, 'cut')} with speech over mouths that were not drawn", "", tuple(gaps)
        )
    if astray:
        yield Item(
            "check",
            f"{_count(astray, 'drawn cut')} whose lips do not follow the speech",
            "Chance agrees as well, or the lips are off by more than a frame or two.",
            tuple(astray),
        )
    if unlike:
        yield Item(
            "check",
            f"{_count(unlike, 'drawn cut')} that may not look like who was filmed",
            "The lips' colour, the skin's detail or the jaw's width is off by more than its limit.",
            tuple(unlike),
        )
    if close:
        yield Item(
            "note",
            f"{_count(close, 'cut')} close up, with a draft",
            "A final would be finer: `loc finalize`.",
            tuple(close),
        )
    if unscored:
        yield Item(
            "note",
            f"{_count(unscored, 'drawn cut')} unscored",
            "There is too little speech or too little to see for a measure: look at them.",
            tuple(unscored),
        )


def _cast(report: Data) -> Iterator[Item]:
    """Faces that were chosen by less than their lips."""
    for by, title, detail in (
        ("framing", "whose face was chosen by its place", "In other shots the speaker is seen there."),
        (
            "listener",
            "that the face in view does not speak",
            "Its lips rest, but not for others, or the speaker's move elsewhere.",
        ),
    ):
        held = [one for one in report["cast"] if one["by"] == by]
        lines = sum(len(one["segments"]) for one in held)
        if lines:
            shots = {one["shot"] for one in held}
            places = [
                Place("cut", number, cut["start"])
                for number, cut in enumerate(report["cuts"])
                if cut["shot"] in shots
            ]
            said = f"{lines} line{'s' * (lines != 1)} {title}"
            yield Item("check", said, f"{detail} A cast file can say otherwise.", tuple(places))


def how_cast(one: Data) -> str:
    """How it is known which face speaks, in words."""
    known = {
        "cast-file": "the cast file says so",
        "only-face": "no other face is in view",
        "lips": "its lips move while the lines are heard",
        "syncnet": "SyncNet hears it say what is said, and no other",
        "stable-syncnet": "StableSyncNet hears it say what is said rather than another",
        "visemes": "only its lips follow what is said, though others move as well",
        "framing": "the speaker is seen in this place in other shots",
        "listener": "nobody in view: the only face rests its lips",
        "unsure": "not known",
    }
    words = known.get(one["by"], str(one["by"]))
    if one["p"] is None:
        return words
    figures = f"lip speed {one['lip_speed']:.2f}, next face {one['runner_up']:.2f}, "
    figures += f"over {one['seconds']:.1f} s, p = {one['p']:.3f}"
    if one["agreement"] is not None:
        judged = {"syncnet": "SyncNet confidence", "stable-syncnet": "StableSyncNet cosine"}
        what = judged.get(one["by"], "agreement with what is said")
        figures += f"; {what} {one['agreement']:.2f}"
    if one["agreement_p"] is not None:
        figures += f", p = {one['agreement_p']:.3f}"
    return f"{words} ({figures})"


def elsewhere(face: str | None, people: Sequence[Data]) -> list[str]:
    """The other faces that are taken for the same person as one, by name."""
    return [other for one in people if face in one["faces"] for other in one["faces"] if other != face]


def _is_astray(score: Data) -> bool:
    if score["value"] is None:
        return False
    if score["p"] is None:
        return bool(abs(score["offset"]) > MAX_OFFSET)
    return bool(score["p"] > SIGNIFICANT or abs(score["offset"]) > MAX_OFFSET)


def _choices(report: Data) -> Iterator[Item]:
    basic = [f"{used['stage']} {used['name']}" for used in report["backends"] if used["quality"] == "basic"]
    if basic:
        yield Item("note", "Basic quality", f"{', '.join(basic)}. `loc plan` shows what else there is.")
    for notice in report["run"]["notices"]:
        yield Item("note", notice)


def _count(places: Sequence[Place], what: str) -> str:
    return f"{len(places)} {what}{'s' * (len(places) != 1)}"
