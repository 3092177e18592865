"""What a finished dub was made with, and under which licences: read from its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from loc.errors import InputError


class Credit(BaseModel):
    """One part of one backend."""

    model_config = ConfigDict(frozen=True)

    backend: str
    kind: Literal["code", "weights", "voice", "data"]
    item: str
    licence: str
    terms: str | None = None


def credits_of(report: Path) -> list[Credit]:
    """The parts of every backend a report names.

    Raises:
        InputError: it is no report.
    """
    try:
        raw = json.loads(report.read_bytes())
        return [
            Credit(backend=f"{used['stage']}/{used['name']}", **part)
            for used in raw["backends"]
            for part in used["licences"]
        ]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(
            f"{report} is no report of a dub.",
            why=str(error).splitlines()[0],
            fix="Name the VIDEO.LANG.report.json that lies beside the video.",
        ) from error
