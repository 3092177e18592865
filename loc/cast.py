"""The cast file: what the user says about who is seen speaking, and how they talk to one another.

    [speakers.speaker2]
    face = "nobody"

    [speakers.speaker1]
    name = "Anna"
    face = ["1a", "4b"]
    lead = true

A speaker whom the subtitles name, or another file named so before, goes by that name too: `[speakers.ANNA]`.
The cuts of a lead get finals before those of others. A speaker whose face is `nobody` is off screen: a
narrator, or somebody behind the camera. What such a speaker says moves no face. Other faces go by the names
that a report gives them, or are the `left` or the `right` one of every shot with several.

    [[manners]]
    from = "speaker1"
    to = "speaker2"
    language = "ja"
    register = "polite"
    self = "私"
    other = "先生"
    dialect = "Kansai"

A translator that takes instructions is told of these. Without `to` they hold towards everybody, without
`language` in every one.

    [[keep]]
    from = "1:02.5"
    to = "1:10"

What is heard then stays as it is: a song, a crowd, a language that is not to be translated.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from loc.artifacts import SAMPLE_RATE, Segment, Speaker
from loc.errors import UsageError

SUFFIX = ".cast.toml"
NOBODY = "nobody"
NO_VOICE = "none"
"""In place of a voice's name: neither one by name, nor one of the bank that is like the speaker's."""
SIDES = ("left", "right")
REGISTERS = ("plain", "polite")

_FORM = (
    'Write [speakers.speaker2] and below it face = "nobody" for who is not seen, "left" or "right", or names '
    'of faces as the report has them: ["1a", "4b"]; or voice = "anna", or "none"; or name = "Anna".'
)


@dataclass(frozen=True)
class Manner:
    """How one speaker talks to another, or to everybody."""

    speaker: str
    to: str | None = None
    language: str | None = None
    register: str | None = None
    own: str | None = None
    """What the speaker calls himself or herself."""
    other: str | None = None
    """What the speaker calls the other."""
    dialect: str | None = None

    def in_words(self, names: Mapping[str | None, str]) -> str:
        """A sentence for a translator.

        Args:
            names: what each speaker is called in it.
        """
        who, other = names[self.speaker], names[self.to] if self.to else "everybody"
        said = [
            f"uses {self.register} forms" if self.register else "",
            f"says {self.own} of oneself" if self.own else "",
            f"addresses the other as {self.other}" if self.other else "",
            f"speaks the dialect of {self.dialect}" if self.dialect else "",
        ]
        return f"{who} to {other}: {', '.join(part for part in said if part)}."


class Placed(Protocol):
    """A face of a shot: its name, and x0, y0, x1, y1 in shares of the upright picture."""

    @property
    def name(self) -> str: ...

    @property
    def box(self) -> tuple[float, float, float, float]: ...


@dataclass(frozen=True)
class CastFile:
    """A cast file as it was read.

    Args:
        name: of the file, for messages.
        off_screen: ids of the speakers who are never seen.
        faces: by speaker, names of faces or one of `SIDES`.
        manners: how they talk.
        leads: ids of the speakers whose cuts deserve finals.
        names: by speaker, what to call one.
        voices: by speaker, the name of a voice for each language, or `NO_VOICE`; "" stands for all others.
        keep: what stays as it is.
    """

    name: str
    off_screen: frozenset[str]
    faces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    manners: tuple[Manner, ...] = ()
    leads: frozenset[str] = frozenset()
    voices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    keep: tuple[tuple[int, int], ...] = ()
    """Ranges that stay as they are, samples at 48 kHz, in order and apart."""
    names: Mapping[str, str] = field(default_factory=dict)
    known_as: Mapping[str, str] = field(default_factory=dict)
    """Names of speakers, by id, that it was held against; for messages."""

    def by_ids(self, speakers: Iterable[Speaker], segments: Iterable[Segment] = ()) -> CastFile:
        """The file with each speaker by id whom it has by name, as the subtitles or the file itself gives it;
        capitals do not matter.

        Args:
            speakers: of the transcript.
            segments: its lines. What their subtitles call a speaker means that one also where the file calls
                him or her, or another, something else.

        Raises:
            UsageError: two of its entries are one speaker, or a name is that of two.
        """
        speakers = list(speakers)
        marked = [(item.mark.name, item.speaker) for item in segments if item.mark and item.speaker]
        first = _by_name([*((one.id, one.id) for one in speakers), *marked])
        then = _by_name((one.name, one.id) for one in speakers)
        taken: dict[str, str] = {}

        def own(name: str) -> str:
            found = first.get(name.casefold()) or then.get(name.casefold()) or {name}
            if len(found) > 1:
                raise UsageError(
                    f"{self.name} names the speaker {name!r}, who is {' and '.join(sorted(found))}.",
                    fix="Name the one that is meant.",
                )
            return next(iter(found))

        def entry(name: str) -> str:
            found = own(name)
            if taken.setdefault(found, name) != name:
                raise UsageError(
                    f"{self.name} has two entries for {found}: {taken[found]!r} and {name!r}.",
                    fix="Make them one.",
                )
            return found

        return replace(
            self,
            off_screen=frozenset(map(entry, self.off_screen)),
            faces={entry(name): faces for name, faces in self.faces.items()},
            manners=tuple(
                replace(one, speaker=own(one.speaker), to=own(one.to) if one.to else None)
                for one in self.manners
            ),
            leads=frozenset(map(entry, self.leads)),
            voices={entry(name): voices for name, voices in self.voices.items()},
            names={entry(name): called for name, called in self.names.items()},
            known_as={speaker.id: speaker.name for speaker in speakers if speaker.name},
        )

    def check_speakers(self, speakers: Iterable[str]) -> None:
        """Hold the speakers of every entry against those of the transcript.

        Raises:
            UsageError: a speaker nobody knows.
        """
        talking = {name for manner in self.manners for name in (manner.speaker, manner.to) if name}
        named = {*self.off_screen, *self.faces, *self.leads, *self.voices, *self.names, *talking}
        self._known("speaker", named, speakers, "No speakers were told apart.")

    def check_faces(self, faces: Iterable[str]) -> None:
        """Hold the faces it names against those of the video.

        Raises:
            UsageError: a face nobody knows.
        """
        named = {name for group in self.faces.values() for name in group} - set(SIDES)
        self._known("face", named, faces, "No face was found.")

    def _known(self, what: str, named: Iterable[str], there: Iterable[str], none: str) -> None:
        known = sorted(there)
        unknown = sorted(set(named).difference(known))
        known = [f"{one} ({self.known_as[one]})" if one in self.known_as else one for one in known]
        if unknown:
            raise UsageError(
                f"{self.name} names the {what} {unknown[0]!r}, who is not in this video."
                if what == "speaker"
                else f"{self.name} names the {what} {unknown[0]!r}, which is not in this video.",
                why=f"{what.capitalize()}s: {', '.join(known)}." if known else none,
                fix="Name one of them, or take the entry out.",
            )

    def face(self, speaker: str | None, faces: Sequence[Placed]) -> str | None:
        """The face of a shot that the file gives to a speaker, or None where it says nothing of this shot.

        Args:
            faces: of the shot.
        """
        named = self.faces.get(speaker or "", ())
        for face in faces:
            if face.name in named:
                return face.name
        if len(faces) > 1 and named and named[0] in SIDES:
            across = sorted(faces, key=lambda face: face.box[0] + face.box[2])
            return across[0 if named[0] == SIDES[0] else -1].name
        return None


def _by_name(named: Iterable[tuple[str | None, str]]) -> dict[str, set[str]]:
    """Ids of speakers by names, whatever their capitals."""
    found: dict[str, set[str]] = {}
    for name, speaker in named:
        if name:
            found.setdefault(name.casefold(), set()).add(speaker)
    return found


def read_cast(path: Path) -> CastFile:
    """Read a cast file, UTF-8.

    Raises:
        UsageError: it cannot be read, is not TOML, or says what has no meaning.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        # Of TOML, the reason names line and column.
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path} cannot be read as a cast file.", why=f"{why}.", fix=_FORM) from error
    _only(path, "", said, "speakers", "manners", "keep")
    entries = _table(path, "speakers", said.get("speakers", {}))
    speakers = {name: _faces(path, name, entry) for name, entry in entries.items()}
    return CastFile(
        path.name,
        frozenset(name for name, faces in speakers.items() if faces == (NOBODY,)),
        {name: faces for name, faces in speakers.items() if faces not in ((NOBODY,), ())},
        _manners(path, said.get("manners", [])),
        frozenset(name for name, entry in entries.items() if _leads(path, name, entry)),
        {name: _voices(path, name, entry["voice"]) for name, entry in entries.items() if "voice" in entry},
        _keep(path, said.get("keep", [])),
        {name: _called(path, name, entry["name"]) for name, entry in entries.items() if "name" in entry},
    )


_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


def _moment(text: str) -> int:
    """A time as a clock shows it, `1:02.5`, in samples; -1 if it is none."""
    parts = _CLOCK.fullmatch(text.strip())
    if parts is None:
        return -1
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return round((hours * 3600 + minutes * 60 + seconds) * SAMPLE_RATE)


def seconds_of(text: str, what: str) -> float:
    """A time as a clock shows it, in seconds.

    Args:
        what: is said so, for the message.

    Raises:
        UsageError: it is none.
    """
    at = _moment(text)
    if at < 0:
        raise UsageError(f"{what} {text!r} is no time.", fix="Write it like 1:02.5 or 62.5.")
    return at / SAMPLE_RATE


def _keep(path: Path, value: Any) -> tuple[tuple[int, int], ...]:
    """The entries [[keep]], as samples, joined where they meet."""
    found: list[tuple[int, int]] = []
    for entry in value if isinstance(value, list) else [value]:
        words = entry if isinstance(entry, dict) else {}
        start, stop = (_moment(str(words.get(name, ""))) for name in ("from", "to"))
        if set(words) != {"from", "to"} or not 0 <= start < stop:
            raise UsageError(
                f"{path}: an entry of `keep` cannot be used.",
                why="It says from when to when, the first before the second.",
                fix='Write [[keep]] and below it from = "1:02.5" and to = "1:10".',
            )
        found.append((start, stop))
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return tuple(joined)


def _called(path: Path, name: str, value: Any) -> str:
    """What an entry calls its speaker."""
    if isinstance(value, str) and value.strip():
        return " ".join(value.split())
    raise UsageError(
        f"{path}: [speakers.{name}] says {value!r} for `name`.", fix='Write a name, "Anna", or leave it out.'
    )


def _voices(path: Path, name: str, value: Any) -> Mapping[str, str]:
    """What an entry says of its speaker's voice: language, or "" for all, to name."""
    by_language = {"": value} if isinstance(value, str) else value
    if isinstance(by_language, dict) and by_language:
        named = {str(tag): voice for tag, voice in by_language.items()}
        if all(isinstance(voice, str) and voice.strip() for voice in named.values()):
            return named
    raise UsageError(
        f"{path}: [speakers.{name}] says {value!r} for `voice`.",
        why='Known are a name, "anna", and a name for each language, { ja = "hana" }.',
        fix=_FORM,
    )


_MANNERS = ("from", "to", "language", "register", "self", "other", "dialect")
_MANNERS_FORM = (
    'Write [[manners]] and below it from = "speaker1", and of to, language, register, self, other and '
    'dialect what you know, e.g. to = "speaker2" and register = "polite".'
)


def _manners(path: Path, value: Any) -> tuple[Manner, ...]:
    """The entries [[manners]]."""
    found = []
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        words = entry if isinstance(entry, dict) else {}
        wrong = sorted(set(words) - set(_MANNERS)) or [
            name for name, said in words.items() if not (isinstance(said, str) and said.strip())
        ]
        if wrong or "from" not in words or not set(words) & {"register", "self", "other", "dialect"}:
            why = f"{wrong[0]!r} has no meaning there." if wrong else "It does not say who, or not how."
            raise UsageError(f"{path}: an entry of `manners` cannot be used.", why=why, fix=_MANNERS_FORM)
        if words.get("register") not in (None, *REGISTERS):
            why = f"register is one of {', '.join(REGISTERS)}."
            raise UsageError(f"{path}: an entry of `manners` cannot be used.", why=why, fix=_MANNERS_FORM)
        found.append(
            Manner(
                words["from"], words.get("to"), words.get("language"), words.get("register"),
                words.get("self"), words.get("other"), words.get("dialect"),
            )
        )  # fmt: skip
    return tuple(found)


def _leads(path: Path, name: str, entry: Mapping[str, Any]) -> bool:
    """Whether an entry calls its speaker a lead."""
    said = entry.get("lead", False)
    if not isinstance(said, bool):
        raise UsageError(f"{path}: [speakers.{name}] says {said!r} for `lead`.", fix="Say true or false.")
    return said


def _faces(path: Path, name: str, entry: Any) -> tuple[str, ...]:
    """What an entry says of its speaker's face."""
    place = f"speakers.{name}"
    said = _table(path, place, entry)
    _only(path, place, said, "face", "lead", "name", "voice")
    if "face" not in said and said:
        return ()
    value = said.get("face")
    if value in (NOBODY, *SIDES):
        return (str(value),)
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and names and all(_is_name(item) for item in names):
        return tuple(names)
    found = f"{value!r}" if "face" in said else "nothing"
    raise UsageError(
        f"{path}: [{place}] says {found} for `face`.",
        why=f'Known are "{NOBODY}", "{SIDES[0]}", "{SIDES[1]}" and names of faces.',
        fix=_FORM,
    )


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9]+[a-z]+", value) is not None


def _table(path: Path, place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: `{place}` is not a table.", fix=_FORM)
    return value


def _only(path: Path, place: str, said: Mapping[str, Any], *keys: str) -> None:
    other = sorted(set(said) - set(keys))
    if other:
        where = f"[{place}]" if place else "the file"
        known = ", ".join(keys)
        raise UsageError(
            f"{path}: {other[0]!r} in {where} has no meaning.", why=f"Known: {known}.", fix=_FORM
        )
