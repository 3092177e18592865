"""Backends for work that is no run; and many sounds for one avatar in one process: recordings, or rows of a
table spoken by a voice engine."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from loc.analysis.diarization.contract import Embedder
from loc.backend import (
    Backend,
    Card,
    Host,
    Request,
    Resolution,
    cards_of,
    discover,
    installed,
    require,
    resolve,
)
from loc.errors import InputError, LocError, UsageError
from loc.stage import SPEAKERS
from loc.weights.shelf import Shelf
from stages.dub.contract import Synthesiser, VoiceRequest
from stages.lipsync.musetalk import MuseTalk, avatar

if TYPE_CHECKING:
    from loc.settings import Settings

BLOCK = 100
"""Texts that are spoken before the first of them is drawn: voice and avatar take turns on the device, where
one model is at a time, and a model of gigabytes takes seconds to load."""

_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Item:
    """One sound to be spoken.

    Args:
        name: of the file it becomes, without suffix.
        recording: a sound file; None where `text` is spoken.
    """

    name: str
    recording: Path | None = None
    text: str = ""


@dataclass(frozen=True)
class Spoken:
    """What became of an item: its frames, or why there are none."""

    name: str
    path: Path
    frames: int = 0
    error: LocError | None = None


@contextmanager
def backend_of(stage: str, settings: Settings, language: str | None = None) -> Iterator[Backend]:
    """The backend of a stage as a run would choose it, closed at the end.

    Raises:
        MissingError, RefusedError, UsageError: there is none.
    """
    classes = discover()
    names = {MuseTalk.card.name} if stage == MuseTalk.card.stage else None
    card = require(_resolved(stage, settings, classes, names, language))
    with _opened(classes, card, settings) as backend:
        yield backend


@contextmanager
def embedder(settings: Settings) -> Iterator[Embedder | None]:
    """What knows a voice again, as a run would take it, closed at the end; None where there is nothing."""
    classes = discover()
    card = _resolved(SPEAKERS, settings, classes, _embedders(classes)).choice
    if card is None:
        yield None
        return
    with _opened(classes, card, settings) as backend:
        yield cast(Embedder, backend)


def embedders(settings: Settings) -> tuple[str, ...]:
    """The names of those that are complete here, the best first. None is started."""
    classes = discover()
    found = _resolved(SPEAKERS, settings, classes, _embedders(classes))
    ready = [found.choice] if found.choice is not None else []
    return tuple(card.name for card in (*ready, *(one.card for one in found.rejected if one.gate == "rank")))


def engines() -> Mapping[str, bool]:
    """Every speech engine, and whether its voices go by name."""
    speaking = (one for one in discover().values() if one.card.stage == "dub")
    return {one.card.name: cast(type[Synthesiser], one).traits.has_names for one in speaking}


def _embedders(classes: Mapping[str, type[Backend]]) -> set[str]:
    return {one.card.name for one in classes.values() if one.card.stage == SPEAKERS and hasattr(one, "embed")}


def _resolved(
    stage: str,
    settings: Settings,
    classes: Mapping[str, type[Backend]],
    names: Collection[str] | None,
    language: str | None = None,
) -> Resolution:
    """The choice for a stage, among backends of these names alone; None: all."""
    shelf = Shelf(settings.data_dir)
    rows = list(shelf.rows().values())
    cards = [card for one in classes.values() for card in cards_of(one.card, rows)]
    named = settings.backend.get(stage)
    request = Request(stage, target=language, named=named, allow_remote=named is not None)
    among = [card for card in cards if names is None or card.name in names]
    return resolve(request, among, partial(installed, shelf=shelf), settings.purpose)


@contextmanager
def _opened(classes: Mapping[str, type[Backend]], card: Card, settings: Settings) -> Iterator[Backend]:
    with tempfile.TemporaryDirectory(prefix="loc-") as scratch:
        backend = classes[card.id](Host(settings, Path(scratch), settings.purpose, card.model))
        try:
            yield backend
        finally:
            backend.close()


def rows_of(table: Path, template: str) -> list[Item]:
    """An item for each row of a CSV file with a head; `{column}` of the template is the row's.

    Raises:
        InputError: it cannot be read, or has no rows.
        UsageError: the template names a column that is not there.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read as a table.", why=str(error)) from error
    if not rows:
        raise InputError(f"{table} has no rows.", fix="Its first line names the columns.")
    known = [name for name in rows[0] if name]
    if strange := [name for name in _FIELD.findall(template) if name not in known]:
        raise UsageError(
            f"The template names {', '.join(strange)}, which {table.name} does not have.",
            fix=f"Its columns: {', '.join(known)}.",
        )
    width = len(str(len(rows)))

    def said(row: dict[str, str]) -> str:
        return _FIELD.sub(lambda found: row[found[1]] or "", template)

    return [Item(f"{number:0{width}}", text=said(row)) for number, row in enumerate(rows, 1)]


def speak_all(
    name: str, items: Sequence[Item], folder: Path, settings: Settings, language: str | None
) -> Iterator[Spoken]:
    """Let an avatar speak every item; one that fails leaves the others alone.

    Of recordings models are loaded once, of texts those of voice and avatar once for each `BLOCK` of them.

    Args:
        folder: where NAME.mp4 of each goes, and what is spoken meanwhile; made if need be.
        language: of texts.

    Raises:
        MissingError, RefusedError, UsageError: the avatar or a backend is not there.
    """
    with ExitStack() as open_backends:
        drawer = cast(MuseTalk, open_backends.enter_context(backend_of("lipsync", settings)))
        stage = avatar.opened(settings.data_dir, name, drawer)
        voice: Synthesiser | None = None
        if any(item.recording is None for item in items):
            if language is None:
                raise UsageError("Which language the rows are in is not known.", fix="Say it: --lang en.")
            chosen = open_backends.enter_context(backend_of("dub", settings, language))
            voice = cast(Synthesiser, chosen)
        folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(items), BLOCK):
            with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
                block = [
                    _Row(item, folder / f"{item.name}.mp4", item.recording or Path(scratch) / f"{number}.wav")
                    for number, item in enumerate(items[start : start + BLOCK])
                ]
                failed = [_unspoken(row, voice, language, settings) for row in block]
                for row, error in zip(block, failed, strict=True):
                    yield _drawn(row, stage, settings, drawer) if error is None else row.failed(error)


@dataclass(frozen=True)
class _Row:
    """An item and its files: what it becomes, and its sound, which of a text is spoken before it is drawn."""

    item: Item
    target: Path
    sound: Path

    def failed(self, error: LocError) -> Spoken:
        return Spoken(self.item.name, self.target, error=error)


def _unspoken(
    row: _Row, voice: Synthesiser | None, language: str | None, settings: Settings
) -> LocError | None:
    """See that an item may be made, and speak its text; what went wrong, if anything."""
    import soundfile

    try:
        if row.target.exists() and not settings.overwrite:
            raise UsageError(f"{row.target} exists.", fix="--overwrite replaces it.")
        if row.item.recording is None:
            assert voice is not None
            assert language is not None
            said = voice.speak(row.item.text, language, VoiceRequest("high", 0), 1.0)
            soundfile.write(row.sound, said.audio, said.sample_rate, subtype="FLOAT")
    except LocError as error:
        return error
    return None


def _drawn(row: _Row, stage: avatar.Stage, settings: Settings, drawer: MuseTalk) -> Spoken:
    """What became of an item that has a sound."""
    try:
        sound, rate = avatar.read_sound(row.sound)
        frames = avatar.speak(stage, sound, rate, row.target, settings, drawer)
    except LocError as error:
        return row.failed(error)
    return Spoken(row.item.name, row.target, frames)
