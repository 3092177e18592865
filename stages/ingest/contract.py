"""Ingest: the file in, a `Source` out. It takes no artifact and no backend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Inputs:
    """Ingest reads the job's file only."""
