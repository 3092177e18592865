"""Which face follows what is said: the lips of each against the phones of the source's own lines.

Asked where several faces are in view, their speed leaves open who speaks, and the lines are English: other
languages have no aligner here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from loc.artifacts import SAMPLE_RATE, Score, Segment, Sound
from loc.runner import Site
from loc.stage import Context
from stages.lipsync.redraw import STAGE, Film

if TYPE_CHECKING:
    from loc.analysis.agreement import Lips
    from stages.lipsync.shot_faces import ShotFace

ENOUGH = 20 * SAMPLE_RATE
"""Samples of lines that are aligned: a real face shows in ten seconds what it will show, and aligning a line
takes a third of its own time."""


class Agreement:
    """How well the faces of a shot follow lines. Each face's lips are read once.

    Args:
        segments: the source's lines, in English.
        sound: the source's speech.
        shot: index of the shot.
        faces: of the shot.
    """

    def __init__(
        self,
        context: Context,
        film: Film,
        segments: Sequence[Segment],
        sound: Sound,
        shot: int,
        faces: Sequence[ShotFace],
    ) -> None:
        self._context, self._film, self._sound, self._shot = context, film, sound, shot
        self._segments = {one.id: one for one in segments}
        self._faces = {face.name: face for face in faces}
        self._lips: dict[str, Lips] = {}

    def __call__(self, lines: Sequence[str], face: str) -> Score:
        """The score of one face.

        Args:
            lines: ids.

        Raises:
            NotMade: in look mode, when a line has not been aligned.
        """
        from loc.analysis.agreement import Spoken, speaking_evidence
        from loc.analysis.line_phones import SaidLine, time_lines

        frames = self._film.source.shots[self._shot]
        zero = int(self._film.edges[frames.start])
        said = [SaidLine(one.id, one.start, one.stop, one.text) for one in self._enough(lines)]
        timed = time_lines(self._context.runner, Site(STAGE), self._sound, said)
        spoken = [Spoken(one.phones, one.place - zero) for one in timed if one.phones.phones]
        if face not in self._lips:
            self._lips[face] = self._read(self._faces[face])
        return speaking_evidence(self._lips[face], spoken, self._film.edges_of(frames))

    def _enough(self, lines: Sequence[str]) -> list[Segment]:
        chosen: list[Segment] = []
        for line in (self._segments[name] for name in lines):
            if line.text.strip() and sum(one.stop - one.start for one in chosen) < ENOUGH:
                chosen.append(line)
        return chosen

    def _read(self, face: ShotFace) -> Lips:
        """The lips of a face in every frame of the shot."""
        from loc.analysis.agreement import Lips, lips
        from loc.analysis.faces import upright_transform

        upright = upright_transform(self._film.source.video)
        parts = []
        for index, chunk in enumerate(self._film.source.chunks):
            if chunk.shot == self._shot:
                first = self._film.tracks[index].frames.start
                own = slice(chunk.frames.start - first, chunk.frames.stop - first)
                parts.append(lips(self._film.tracked(self._context, face, index)[own].points, upright))
        return Lips(
            aperture=np.concatenate([part.aperture for part in parts]),
            width=np.concatenate([part.width for part in parts]),
        )
