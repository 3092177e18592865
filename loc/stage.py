"""What a stage is, what it is given, and how stages hand artifacts on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from loc.artifacts import FrameRange, Reason, Ref, Source, SpeakerMark
from loc.backend import Backend, Card
from loc.cast import CastFile
from loc.errors import InputChangedError
from loc.glossary import Glossary
from loc.media.subtitles import Cue, read_cues, read_said
from loc.runner import NotMade, Runner, Site
from loc.settings import Settings
from loc.store.workdir import InputFile, WorkDir

Artifact = TypeVar("Artifact")

FINALS, SPEAKERS = "finals", "speakers"
"""What cards say in place of a stage that draw finals, and that tell speakers apart."""
HEAR = "hear"
"""Under this name a stage asks for a recogniser of the language it makes, to listen to it."""


class Slot(Generic[Artifact]):
    """An input of a stage: the artifact, or, in look mode, the news that its stage has not been made.

    A stage asks for it as late as it can, so that what does not depend on it is looked at first.
    """

    def __init__(self, stage: str, value: Artifact | None = None, *, made: bool = True) -> None:
        self.stage = stage
        self._value = value
        self._made = made

    @classmethod
    def pending(cls, stage: str) -> Slot[Artifact]:
        return cls(stage, made=False)

    def get(self) -> Artifact:
        """The artifact.

        Raises:
            NotMade: it has not been made (look mode only).
        """
        if not self._made:
            raise NotMade(self.stage)
        return self._value  # type: ignore[return-value]


@dataclass(frozen=True)
class SuppliedText:
    """A subtitle file the user supplied, stored."""

    language: str | None
    ref: Ref
    name: str
    """File name with suffix, which tells the format; never in a key."""
    ids: tuple[str, ...] = ()
    """Stable ids of its cues, in the order in which the file is read, where an import matched them to
    earlier lines; else empty. Never in a key."""
    marks: tuple[SpeakerMark | None, ...] = ()
    """What is known of who speaks its cues, in that order, where an import knew of any; else empty."""


@dataclass(frozen=True)
class Pictures:
    """An input that is pictures: one to be held, or several to be shown one after the other.

    Args:
        paths: in order.
        digests: of each.
        sound: a file with the sound to it; always there with one picture.
        sound_digest: of that.
        rate: frames per second.
        motion: of a single picture.
        files: all of these as they were when their digests were taken.
    """

    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    sound: Path | None
    sound_digest: str | None
    rate: Fraction
    motion: Literal["none", "gentle"]
    files: tuple[InputFile, ...] = ()


@dataclass(frozen=True)
class WantedTake:
    """A take of a line that the user asked for.

    `text`: digest of the text it was asked for. `take`: its number.
    """

    text: str
    take: int


@dataclass(frozen=True)
class Job:
    """One input and everything the user supplied with it.

    `digest`, `size`: of the file; of pictures, a digest over theirs and the sound's, and the sum.
    """

    path: Path
    digest: str
    size: int
    languages: tuple[str, ...]
    source_language: str | None
    """From `--from` or the transcript's name; None where neither says."""
    transcript: SuppliedText | None = None
    translations: Mapping[str, SuppliedText] = field(default_factory=dict)
    cast: CastFile | None = None
    glossary: Glossary = field(default_factory=Glossary)
    pictures: Pictures | None = None
    """Where the input is no video."""
    takes: Mapping[str, Mapping[str, WantedTake]] = field(default_factory=dict)
    """Language -> line -> the take that was asked for, where one was."""
    as_spoken: bool = False
    """Nothing is to be translated: the mouth follows the sound as it is. `languages` is the one it is in."""
    files: tuple[InputFile, ...] = ()
    """What is read where it lies, as it was when its digest was taken."""

    @property
    def has_changed(self) -> bool:
        """Whether something of it is not what `digest` says any more."""
        return any(file.has_changed for file in self.files)

    def require_unchanged(self) -> None:
        """To be called once something of it was read, and before what was made of that is recorded.

        Raises:
            InputChangedError: something of it is not what `digest` says any more.
        """
        for file in self.files:
            if file.has_changed:
                raise InputChangedError(
                    f"{file.path} changed while it was worked on.",
                    why="It was replaced, written to or removed after its digest was taken; nothing made of "
                    "it since is kept.",
                    fix="Leave it as it is while it is worked on, and run the same command again.",
                )


@dataclass(frozen=True)
class CutOutlook:
    """What is known of a cut, whether it is made or not.

    Args:
        number: counted from 1, as in the report.
        shot: index.
        frames: of the source.
        face: name of its face; None where there is none.
        route: how it is handled as far as that is known: until finals are chosen a draft may get one.
        reasons: for that.
        chosen: whether it is known which cuts get finals.
        to_draw: whether its final is still to be drawn.
        device_seconds: that this will take, by what like ones took on this machine for each frame; None where
            none was measured.
        measured: on how many recorded redraws that rests.
        better: of a final that is there: a better model that could draw it anew, as `--backend finals=` takes
            it; None where there is none.
    """

    number: int
    shot: int
    frames: FrameRange
    face: str | None
    route: Literal["draft", "final", "passthrough"]
    reasons: tuple[Reason, ...]
    chosen: bool
    to_draw: bool = False
    device_seconds: float | None = None
    measured: int = 0
    better: str | None = None


@dataclass(frozen=True)
class Context:
    """What a stage works with besides its inputs."""

    runner: Runner
    settings: Settings
    job: Job
    backend: Callable[[str, str | None], Backend]
    """(stage, target language) -> the chosen backend, made on first use and shared by the run."""
    language: str | None = None
    """Target language; None in stages that run once for all."""
    hear: Callable[[Context, str], Context] | None = None
    """(this context, source language) -> the context of what comes after the stage that heard it, with the
    job and the backends for that language."""
    others: Callable[[str, str | None], Sequence[Backend]] = lambda _stage, _language: ()
    """(stage, target language) -> the backends that could do it too, the next best first."""
    card_of: Callable[[Backend], Card] = lambda backend: backend.card
    """The card of the choice that a backend was made for, which names its model."""
    foresee: Callable[[str | None, Sequence[CutOutlook]], None] = lambda _language, _cuts: None
    """(target language, every cut): told as soon as something is known of cuts, and again when more is."""

    @property
    def store(self) -> WorkDir:
        return self.runner.store

    def media(self, source: Source) -> Path:
        """The file whose pictures and sound are worked on: the input, or the plate made of its pictures.

        Raises:
            DamagedObjectError: the plate is missing or changed.
        """
        return self.job.path if source.plate is None else self.store.open_object(source.plate)

    def notice(self, code: str, message: str) -> None:
        """Say aloud what holds for this language; what holds for the whole film, `runner.notice` says."""
        self.runner.notice(code, message, self.language)

    def cues(self, text: SuppliedText) -> list[Cue]:
        """What is said in a supplied subtitle file, and by whom as far as it says so. What an import stored
        is no more than that, and is taken as it is.

        Raises:
            InputError: it cannot be read, or nothing in it is said.
        """
        read = read_cues if text.ids or text.marks else read_said
        cues = read(self.store.read_bytes(text.ref), text.name, self.notice)
        if text.marks:
            cues = [replace(cue, mark=mark) for cue, mark in zip(cues, text.marks, strict=True)]
        return cues

    def site(self, stage: str, unit: str = "") -> Site:
        return Site(stage=stage, unit=unit, language=self.language)


@dataclass(frozen=True)
class Stage:
    """A node of the graph.

    Args:
        name: as in `--until` and `--force`.
        makes: name of the slot its artifact fills.
        inputs: dataclass of `Slot`s; each field's name is the slot it is filled from.
        run: `(context, inputs) -> artifact`.
        per_language: run once for each target language.
        backend: whether a backend is chosen for it.
        also: names of further backends it uses where there are any: as cards have them in place of a stage,
            or `HEAR`.
    """

    name: str
    makes: str
    inputs: type
    run: Callable[[Context, Any], Any]
    per_language: bool = False
    backend: bool = False
    also: tuple[str, ...] = ()
