"""Speakers by the pitch and timbre of their lines: signal statistics, nothing to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from loc import packages
from loc.backend import Card, Host, LicensedPart


class Statistics:
    """The backend `speakers/statistics`: what it goes by, `loc.analysis.speakers.group`, needs no model."""

    card: ClassVar[Card] = Card(
        stage="speakers",
        name="statistics",
        version="1",
        summary="Tells speakers apart by pitch and timbre; voices of one kind may pass for one.",
        family="embedded",
        quality="basic",
        runs="in-process",
        licences=(LicensedPart("code", "scipy", "bsd-3-clause"),),
    )

    def __init__(self, host: Host) -> None:
        del host

    def fingerprint(self) -> Mapping[str, str]:
        """What groups."""
        return {"scipy": packages.version("scipy")}

    def close(self) -> None:
        """Nothing is held."""
