"""Which backends tell speakers apart in a run."""

from __future__ import annotations

from loc.analysis.diarization.contract import Embedder
from loc.backend import Backend
from loc.errors import MissingError
from loc.stage import SPEAKERS, Context


def diarizers(context: Context) -> list[Backend]:
    """The chosen one, then those that may stand in for it; none where none is allowed here."""
    try:
        return [context.backend(SPEAKERS, None), *context.others(SPEAKERS, None)]
    except MissingError:
        return []


def embedder(context: Context) -> Embedder | None:
    """What knows a voice again, whether or not it tells the speakers apart."""
    return next((one for one in diarizers(context) if isinstance(one, Embedder)), None)
