"""Licences as data: what may be used for which purpose.

The table is `licences.toml` beside this file; cards and weights name its row ids and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Purpose(StrEnum):
    """What a dub is made for; decides which licences may be used."""

    INTERNAL = "internal"
    """Only models whose licence allows commercial use. The default."""
    RESEARCH = "research"
    """Non-commercial models too; the output says so."""
    DELIVERY = "delivery"
    """As internal, and consent, provenance and a passed gate are demanded."""


class ReadOn(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    date: str


class Licence(BaseModel):
    """One row of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    spdx: str | None = None
    commercial: Literal["yes", "terms", "no"]
    terms: str | None = None
    """What must be observed or passed on."""
    substitute: str | None = None
    """For a refused licence: what to use instead."""
    read: ReadOn


@cache
def table() -> Mapping[str, Licence]:
    """Licence id -> row."""
    raw = tomllib.loads(resources.files("loc.policy").joinpath("licences.toml").read_text("utf-8"))
    return {name: Licence(**row) for name, row in raw.items()}


def refusal(licence_id: str, purpose: Purpose) -> str | None:
    """Why a licence may not be used for a purpose, or None if it may. An unknown id is refused."""
    licence = table().get(licence_id)
    if licence is None:
        return f"licence {licence_id!r} is not in the licence table"
    if licence.commercial == "no" and purpose is not Purpose.RESEARCH:
        substitute = f"; use {licence.substitute} instead" if licence.substitute else ""
        return f"{licence.name} forbids commercial use{substitute}"
    return None
