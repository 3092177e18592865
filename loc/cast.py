"""The cast file: what the user says about who is seen speaking.

    [speakers.speaker2]
    face = "nobody"

A speaker whose face is `nobody` is off screen: a narrator, or somebody behind the camera. What such a speaker
says moves no face.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loc.errors import UsageError

SUFFIX = ".cast.toml"
NOBODY = "nobody"
"""The one face that can be named."""

_FORM = 'Write [speakers.speaker2] and below it face = "nobody", for every speaker who is not seen.'


@dataclass(frozen=True)
class CastFile:
    """A cast file as it was read.

    Args:
        name: of the file, for messages.
        off_screen: ids of the speakers who are never seen.
    """

    name: str
    off_screen: frozenset[str]

    def check(self, speakers: Iterable[str]) -> None:
        """Hold the file's speakers against those of the transcript.

        Raises:
            UsageError: a speaker nobody knows.
        """
        known = sorted(speakers)
        unknown = sorted(self.off_screen.difference(known))
        if unknown:
            raise UsageError(
                f"{self.name} names the speaker {unknown[0]!r}, who is not in this video.",
                why=f"Speakers: {', '.join(known)}." if known else "No speakers were told apart.",
                fix="Name one of them, or take the entry out.",
            )


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
    _only(path, "", said, "speakers")
    speakers = _table(path, "speakers", said.get("speakers", {}))
    return CastFile(path.name, frozenset(_off_screen(path, name, entry) for name, entry in speakers.items()))


def _off_screen(path: Path, name: str, entry: Any) -> str:
    place = f"speakers.{name}"
    said = _table(path, place, entry)
    _only(path, place, said, "face")
    if said.get("face") != NOBODY:
        found = f"{said['face']!r}" if "face" in said else "nothing"
        raise UsageError(
            f"{path}: [{place}] says {found} for `face`.", why=f'Only "{NOBODY}" is known.', fix=_FORM
        )
    return name


def _table(path: Path, place: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: `{place}` is not a table.", fix=_FORM)
    return value


def _only(path: Path, place: str, said: Mapping[str, Any], key: str) -> None:
    other = sorted(set(said) - {key})
    if other:
        where = f"[{place}]" if place else "the file"
        raise UsageError(f"{path}: {other[0]!r} in {where} has no meaning.", why=f"Known: {key}.", fix=_FORM)
