"""Backends: their cards, and how one is chosen.

A backend is a class with a `card` and the methods its stage's `contract.py` asks for. It is found through
the entry-point group `loc.backends`; the built-in ones are declared there too, in `pyproject.toml`.
Importing a backend's module must be cheap: heavy packages are imported inside its methods.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, runtime_checkable

from loc import environments
from loc.device import Devices, Resident, devices_of, gib
from loc.errors import MissingError, RefusedError, UsageError
from loc.policy.licences import Purpose, refusal
from loc.weights.shelf import Shelf, Weights
from loc.weights.table import Row, published

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Model = TypeVar("Model")

ENTRY_POINTS = "loc.backends"

NeedKind = Literal["package", "program", "data", "weights", "environment", "network"]
Quality = Literal["basic", "good", "best"]
QUALITIES: tuple[Quality, ...] = ("basic", "good", "best")
Family = Literal["embedded", "neural", "remote"]

LAWFUL = "Name another with --backend; --purpose research, if that is what it is for."
"""The ways out where a licence forbids what was chosen."""


@dataclass(frozen=True)
class Need:
    """Something that must be there before a backend can work.

    `name` is an import name (package), a program on PATH, a data package, a weights id, an environment of
    workers, or a host.
    `install` is the command that brings it. `path` is the file by which data is known to be there.
    """

    kind: NeedKind
    name: str
    install: str = ""
    path: str = ""


@dataclass(frozen=True)
class LicensedPart:
    """A part of a backend and the licence it stands under (an id of `licences.toml`)."""

    kind: Literal["code", "weights", "voice", "data"]
    item: str
    licence: str


@dataclass(frozen=True)
class Languages:
    """What a backend can do. Tags are BCP-47 primary tags, lower case; "*" stands for any language.

    `source`: what it hears or reads; `target`: what it writes or speaks (translate, dub).
    `pairs`: where set, the only (source, target) pairs, each with what it needs beyond the card's `needs`.
    `needs_language`: whether the source language must be known.
    """

    source: Collection[str] = ("*",)
    target: Collection[str] = ("*",)
    pairs: Mapping[tuple[str, str], tuple[Need, ...]] | None = None
    except_target: Collection[str] = ()
    detects: bool = False
    """Of a recogniser: whether it can tell which of its languages is spoken."""


@dataclass(frozen=True)
class Card:
    """What a backend is, without loading it."""

    stage: str
    name: str
    version: str
    """Raise it when the output changes; it is in every key."""
    summary: str
    family: Family
    quality: Quality
    runs: Literal["in-process", "subprocess", "remote"]
    needs: tuple[Need, ...] = ()
    languages: Languages = field(default_factory=Languages)
    memory_mb: int = 0
    """Resident memory it adds at work, MiB."""
    licences: tuple[LicensedPart, ...] = ()
    cost: str = "free"
    only_named: bool = False
    """Never chosen unless it is named; all that is remote is so."""
    architecture: str | None = None
    """Of a backend that loads one of several models: what their rows in the table of weights call it. Such a
    card is no choice; `cards_of` makes one for each row."""
    checkpoint: tuple[str, ...] = ()
    """How the one file of a model ends that such a backend loads; empty where it takes several, by name."""
    beside: tuple[str, ...] = ()
    """Paths of files that must be beside that one."""
    model: str | None = None
    """Id of the weights of this choice."""
    rank: int = 0
    """Among choices of one quality the lowest comes first."""

    @property
    def id(self) -> str:
        """`stage/name`."""
        return f"{self.stage}/{self.name}"

    @property
    def choice(self) -> str:
        """`stage/name`, or `stage/name:model`: one choice among all."""
        return self.id if self.model is None else f"{self.id}:{self.model}"

    def goes_by(self, named: str) -> bool:
        """Whether `--backend STAGE=named` means this card: by name, by model, or by both, `name:model`."""
        return named in (self.name, self.model, f"{self.name}:{self.model}")


@dataclass(frozen=True)
class Host:
    """What a backend is given when it is made."""

    settings: Any
    """`loc.settings.Settings`, frozen."""
    scratch: Path
    """A folder for temporary files, removed after the run."""
    purpose: Purpose = Purpose.INTERNAL
    model: str | None = None
    """Id of the weights it is to load, where its card names an architecture."""
    run: Devices | None = None
    """The devices of the run it is made for; None outside one."""

    @property
    def devices(self) -> Devices:
        """Where models run: for what computes in halves of a batch where memory ends."""
        return self.run or devices_of(self.settings.data_dir, self.settings.device)

    def notice(self, code: str, message: str) -> None:
        """Tell the run of something that people should know, a fallback say; outside a run nobody listens."""
        if self.run is not None:
            self.run.say(code, message)

    def resident(
        self,
        title: str,
        memory_mb: int,
        load: Callable[[str], Model],
        unload: Callable[[Model], None] = lambda _model: None,
    ) -> Resident[Model]:
        """A model for the device of this run, loaded in its `with` block: see `Devices.resident`."""
        return self.devices.resident(title, memory_mb, load, unload)

    def weights(self, weights_id: str) -> Weights:
        """A set of weights on this machine.

        Raises:
            RefusedError: its licence does not allow the purpose.
            MissingError: it is not here, incomplete or changed.
        """
        shelf = Shelf(self.settings.data_dir)
        row = shelf.rows().get(weights_id)
        if row is not None and (why := refusal(row.licence, self.purpose)):
            raise RefusedError(
                f"The weights {weights_id} may not be used for the purpose {self.purpose}.",
                why=f"{row.title}: {why}.",
                fix=LAWFUL,
            )
        return shelf.find(weights_id)


@runtime_checkable
class Backend(Protocol):
    """What every backend of every stage has."""

    card: ClassVar[Card]

    def __init__(self, host: Host) -> None: ...

    def fingerprint(self) -> Mapping[str, str]:
        """Name -> version or digest of every program, package and data set that shapes the result."""
        ...

    def close(self) -> None:
        """Free memory and end children. May be called twice."""
        ...


@dataclass(frozen=True)
class Room:
    """The memory that a backend will take, and how it will work to stay within what is free.

    Args:
        device: for people.
        needs_mb: MiB at the fullest moment.
        free_mb: MiB that are free now; None where the device does not tell.
        how: in words.
    """

    device: str
    needs_mb: int
    free_mb: int | None
    how: str

    def __str__(self) -> str:
        free = "" if self.free_mb is None else f" of {gib(self.free_mb)} free"
        return f"about {gib(self.needs_mb)}{free} on {self.device}: {self.how}"


@runtime_checkable
class Sized(Protocol):
    """A backend that knows before it starts how much memory it will take."""

    def room(self, *, wait: bool = False) -> Room:
        """Look at the device it would run on, from which idle models of this run are unloaded.

        Args:
            wait: for models of other processes to leave it first.

        Raises:
            MissingError: however sparingly it works, there is no room; or the device does not compute.
        """
        ...


@dataclass(frozen=True)
class Tried:
    """One thing a backend did with its model on something known."""

    what: str
    """That was done, e.g. `en to es`."""
    expected: str
    """What must come out, in words."""
    found: str
    ok: bool


@dataclass(frozen=True)
class StockVoice:
    """A voice as engines are asked for one: neither by name nor by a recording."""

    voice_class: str
    variant: int = 0
    name: None = None
    reference: None = None


class Speech(Protocol):
    """Lets a built-in voice say something."""

    def __call__(self, text: str, language: str) -> npt.NDArray[np.float32]:
        """Its sound, float32 [n], mono, 48 kHz, full scale 1.0. `language`: BCP-47 primary tag.

        Raises:
            LocError: no built-in voice speaks it here.
        """
        ...


@runtime_checkable
class SelfChecking(Protocol):
    """A backend that can show on something known that it understands its weights."""

    def self_check(self, speech: Speech) -> Iterator[Tried]:
        """Do it. What is known is written here or computed, never a recording of a real person.

        Args:
            speech: for what has to be said.

        Raises:
            LocError: the weights cannot be loaded or used.
        """
        ...


@runtime_checkable
class Checking(Protocol):
    """A backend that can say before any work that it would refuse what the settings ask of it."""

    def check(self) -> None:
        """Look at the settings it was made with, and load nothing.

        Raises:
            LocError: it would refuse them at work.
        """
        ...


@dataclass(frozen=True)
class Request:
    """What a stage needs a backend for."""

    stage: str
    source: str | None = None
    """Source language, where known and relevant."""
    target: str | None = None
    named: str | None = None
    """`--backend stage=name`: no other will do."""
    minimum: Quality = "basic"
    allow_remote: bool = False
    """True only where a remote backend was named."""
    heard: bool = False
    """Without a source language: whether the recogniser will tell it, so that any may turn out to be it."""


@dataclass(frozen=True)
class Rejected:
    """A backend that was not taken, and why. `gate` orders: licence, language, needs, quality."""

    card: Card
    gate: Literal["licence", "remote", "unnamed", "language", "needs", "quality", "rank", "name"]
    reason: str
    missing: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Resolution:
    request: Request
    choice: Card | None
    rejected: tuple[Rejected, ...]


def needs_of(card: Card, request: Request) -> tuple[Need, ...]:
    """Everything a card needs for a request, its language pair's data included."""
    extra: tuple[Need, ...] = ()
    if card.languages.pairs is not None and request.source and request.target:
        extra = card.languages.pairs.get((request.source, request.target), ())
    return card.needs + extra


def _language_reason(card: Card, request: Request) -> str | None:
    languages = card.languages
    if languages.pairs is not None:
        if request.source is None:
            if not request.heard:
                return "the source language is not known"
            known = any(target == request.target for _, target in languages.pairs)
            return None if known else f"no pair to {request.target}"
        if (request.source, request.target) not in languages.pairs:
            return f"no pair {request.source} to {request.target}"
        return None
    if request.source is not None and "*" not in languages.source and request.source not in languages.source:
        return f"does not know the language {request.source!r}"
    told = "*" in languages.source or (languages.detects and len(languages.source) > 1)
    if request.source is None and request.stage == "transcribe" and not told:
        return "the source language is not known"
    if request.target is not None and (
        request.target in languages.except_target
        or ("*" not in languages.target and request.target not in languages.target)
    ):
        return f"cannot produce the language {request.target!r}"
    return None


def _reject(
    card: Card, request: Request, installed: Callable[[Need], bool], purpose: Purpose
) -> Rejected | None:
    if request.named is not None and not card.goes_by(request.named):
        return Rejected(card, "name", f"{request.named!r} was asked for")
    for part in card.licences:
        if why := refusal(part.licence, purpose):
            return Rejected(card, "licence", f"{part.item}: {why}")
    known = published()
    for need in needs_of(card, request):
        row = known.get(need.name) if need.kind == "weights" else None
        if row is not None and (why := refusal(row.licence, purpose)):
            return Rejected(card, "licence", f"{row.title}: {why}")
    if card.runs == "remote" and not request.allow_remote:
        off = "with --offline" if request.named else "unless named"
        return Rejected(card, "remote", f"remote backends are off {off}")
    if card.only_named and request.named is None:
        return Rejected(card, "unnamed", "off unless named")
    if why := _language_reason(card, request):
        return Rejected(card, "language", why)
    missing = tuple(need for need in needs_of(card, request) if not installed(need))
    if missing:
        names = ", ".join(f"{need.kind} {need.name}" for need in missing)
        return Rejected(card, "needs", f"missing: {names}", missing)
    if QUALITIES.index(card.quality) < QUALITIES.index(request.minimum):
        return Rejected(card, "quality", f"quality {card.quality} is under the required {request.minimum}")
    return None


def resolve(
    request: Request, cards: Sequence[Card], installed: Callable[[Need], bool], purpose: Purpose
) -> Resolution:
    """Choose a backend: licence first, then language, needs, quality.

    Pure: the same arguments give the same answer. Among those left the best quality wins, then the one
    that names the target language itself over one that takes any, then the name.
    """
    rejected: list[Rejected] = []
    fit: list[Card] = []
    for card in cards:
        if card.stage != request.stage:
            continue
        reason = _reject(card, request, installed, purpose)
        if reason is None:
            fit.append(card)
        else:
            rejected.append(reason)

    def rank(card: Card) -> tuple[int, int, int, str, str]:
        specific = request.target is not None and request.target in card.languages.target
        order = (-QUALITIES.index(card.quality), 0 if specific else 1)
        return (*order, card.rank, card.name, card.model or "")

    fit.sort(key=rank)
    rejected += [
        Rejected(card, "rank", f"{fit[0].choice.partition('/')[2]} ranks above it") for card in fit[1:]
    ]
    return Resolution(request, fit[0] if fit else None, tuple(rejected))


def ranking(
    request: Request, cards: Sequence[Card], installed: Callable[[Need], bool], purpose: Purpose
) -> tuple[Card, ...]:
    """Every card that `resolve` would take if those before it were not there, the best first."""
    found = resolve(request, cards, installed, purpose)
    if found.choice is None:
        return ()
    return (found.choice, *(item.card for item in found.rejected if item.gate == "rank"))


def require(resolution: Resolution, *, ways_out: str = "") -> Card:
    """The choice, or an error that names the reason of every backend that was considered.

    Raises:
        UsageError: a backend was named that does not exist.
        RefusedError: only the licence stood in the way.
        MissingError: nothing fits; `ways_out` is appended to the remedy.
    """
    if resolution.choice is not None:
        return resolution.choice
    request = resolution.request
    considered = [item for item in resolution.rejected if item.gate != "name"]
    if request.named is not None and not considered:
        known = ", ".join(sorted({item.card.name for item in resolution.rejected})) or "none"
        raise UsageError(
            f"There is no backend {request.named!r} for {request.stage}.", fix=f"Known: {known}."
        )
    what = f"No backend can {request.stage}"
    if request.target:
        what += (
            f" {request.source or 'an unknown language'} to {request.target}"
            if (request.stage == "translate")
            else f" {request.target}"
        )
    why = (
        "; ".join(f"{item.card.choice.partition('/')[2]}: {item.reason}" for item in considered)
        or "None is installed."
    )
    installs = [need.install for item in considered for need in item.missing if need.install]
    fix = " ".join(part for part in (ways_out, *dict.fromkeys(installs)) if part)
    if considered and all(item.gate == "licence" for item in considered):
        raise RefusedError(f"{what}.", why=why, fix=f"{ways_out} {LAWFUL}".strip())
    raise MissingError(f"{what}.", why=why, fix=fix)


def discover() -> dict[str, type[Backend]]:
    """Every backend class by card id, in name order.

    Raises:
        UsageError: an entry point that cannot be loaded, is no backend, or goes by the name of another; it
            names the distribution.
    """
    found: dict[str, type[Backend]] = {}
    places: dict[str, str] = {}
    for entry in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda item: item.name):
        where = entry.dist.name if entry.dist else "?"
        try:
            backend = entry.load()
        except Exception as error:
            raise UsageError(
                f"The backend {entry.name!r} of {where} could not be loaded.",
                why=f"{type(error).__name__}: {error}",
                fix=f"Repair or uninstall {where}.",
            ) from error
        card = getattr(backend, "card", None)
        if not isinstance(card, Card):
            raise UsageError(f"{entry.name!r} of {where} is no backend.", why="It has no card.")
        place = f"{entry.name!r} of {where}"
        if found.setdefault(card.id, backend) is not backend:
            raise UsageError(
                f"Two backends are called {card.id}.",
                why=f"One is {places[card.id]}, the other {place}.",
                fix="Give one of them another name in its card, or uninstall what brings it.",
            )
        places[card.id] = place
    return found


def cards_of(card: Card, rows: Sequence[Row]) -> list[Card]:
    """The choices a backend offers: its card, or one for each model of its architecture, here or not."""
    if card.architecture is None:
        return [card]
    return [_with_model(card, row) for row in rows if row.architecture == card.architecture]


def _with_model(card: Card, row: Row) -> Card:
    spoken = row.languages
    languages = card.languages
    if spoken is not None:
        pairs = None if spoken.pairs is None else dict.fromkeys(spoken.pairs, ())
        languages = replace(languages, source=spoken.source, target=spoken.target, pairs=pairs)
    return replace(
        card,
        model=row.id,
        rank=row.rank,
        quality=row.quality or card.quality,
        memory_mb=row.memory_mb or card.memory_mb,
        languages=languages,
        needs=(*card.needs, Need("weights", row.id, row.mended_by)),
        licences=(*card.licences, LicensedPart("weights", row.title, row.licence)),
    )


def package_installed(name: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None


def program_installed(name: str) -> bool:
    """Whether a program is on PATH or is an executable path."""
    return shutil.which(name) is not None


def installed(need: Need, shelf: Shelf) -> bool:
    """Whether a need is met on this machine, with the weights of a data folder: what `resolve` is given
    outside tests.

    A host is not knocked at here; whether it answers is seen when it is called.
    """
    if need.kind == "package":
        return package_installed(need.name)
    if need.kind == "program":
        return program_installed(need.name)
    if need.kind == "network":
        return True
    if need.kind == "weights":
        return shelf.has(need.name)
    if need.kind == "environment":
        return environments.find(shelf.folder.parent, need.name).lacks() is None
    return bool(need.path) and Path(need.path).is_file()
