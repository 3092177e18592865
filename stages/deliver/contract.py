"""Deliver: everything in; the video, its subtitles and its report out."""

from __future__ import annotations

from dataclasses import dataclass

from loc.artifacts import DubTrack, LipSync, Source, Stems, Transcript, Translation
from loc.stage import Slot


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]
    transcript: Slot[Transcript]
    translation: Slot[Translation]
    dub: Slot[DubTrack]
    lipsync: Slot[LipSync]
