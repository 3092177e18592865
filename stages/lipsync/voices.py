"""Which voices move which face: speech of the source and clips of the dub, shared out by the cast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from loc.artifacts import SAMPLE_RATE, Casting, Clip, Segment
from loc.cast import CastFile
from stages.lipsync.plan import Range, without
from stages.lipsync.shot_faces import ShotFace

CUE_SLACK = SAMPLE_RATE // 2
"""Samples by which a line may be heard before and after its times in the transcript: subtitles begin and end
up to half a second off the voice. Lines of other faces are not taken for it."""

UNSURE = "?"
"""Stands for the face of a speaker whose face is not known. No face has this name."""


@dataclass(frozen=True)
class Voices:
    """What is heard of one face in its shot, and beside it.

    Args:
        source: when the face speaks in the source, samples.
        clips: what it says in the dub.
        others: when, in source or dub, somebody else in the film speaks: another face, or one in other shots.
        off_screen: when somebody speaks who is never seen.
        unsure: when somebody speaks and it is not known which face that is.
    """

    source: list[Range]
    clips: tuple[Clip, ...]
    others: list[Range]
    off_screen: list[Range]
    unsure: list[Range]

    @property
    def dub(self) -> list[Range]:
        """When the face speaks in the dub, samples."""
        return [heard(clip) for clip in self.clips]


@dataclass(frozen=True)
class ShotVoices:
    """Shares out what is heard in one shot.

    Args:
        castings: of the shot.
        segments: the source's lines by id.
        speech: when the source speaks in the shot, samples.
        faces: of the shot.
        said: what the cast file says, if there is one.
    """

    castings: Sequence[Casting]
    segments: dict[str, Segment]
    speech: Sequence[Range]
    faces: Sequence[ShotFace]
    said: CastFile | None

    @property
    def _alone(self) -> str | None:
        """The name of the shot's only face, if it has one."""
        return self.faces[0].name if len(self.faces) == 1 else None

    def of(self, face: str | None, clips: Iterable[Clip]) -> Voices:
        """What is heard of a face. Where it is the only one, speech that is in no line is its own."""
        mine = self._lines(lambda casting: casting.face == face and face is not None)
        unsure = self._lines(lambda casting: casting.by == "unsure")
        off_screen = self._lines(lambda casting: casting.by == "cast-file" and casting.face is None)
        others = self._lines(
            lambda casting: casting.face != face and (casting.face is not None or casting.by == "listener")
        )
        near = [(start - CUE_SLACK, stop + CUE_SLACK) for start, stop in (*others, *off_screen)]
        if face is not None and face == self._alone:
            source = without(self.speech, without(near, mine))
        else:
            other = without([*near, *unsure], mine)
            wide = [(start - CUE_SLACK, stop + CUE_SLACK) for start, stop in mine]
            source = [part for a, b in without(wide, other) for part in _common(self.speech, (a, b))]
        held = []
        for clip in clips:
            speaks = self._face_of(clip)
            if speaks == face and face is not None:
                held.append(clip)
            elif speaks == UNSURE:
                unsure.append(heard(clip))
            elif self._is_off_screen(clip):
                off_screen.append(heard(clip))
            else:
                others.append(heard(clip))
        return Voices(source, tuple(held), others, off_screen, unsure)

    def _lines(self, wanted: Callable[[Casting], bool]) -> list[Range]:
        return [
            (self.segments[name].start, self.segments[name].stop)
            for casting in self.castings
            if wanted(casting)
            for name in casting.segments
        ]

    def _face_of(self, clip: Clip) -> str | None:
        """The face that speaks a clip of the dub, None for nobody in the picture, or `UNSURE`.

        The dub speaks later or longer than the source, so a clip may reach a shot in which its speaker says
        nothing, and a source may be silent: then the cast file is asked, and a face that is alone speaks it.
        """
        if self._is_off_screen(clip):
            return None
        same = [casting for casting in self.castings if casting.speaker == clip.speaker]
        if not same:
            said = self.said.face(clip.speaker, self.faces) if self.said else None
            return said or self._alone or UNSURE
        best = max(same, key=lambda casting: max(self._nearness(clip, name) for name in casting.segments))
        return UNSURE if best.by == "unsure" else best.face

    def _is_off_screen(self, clip: Clip) -> bool:
        return self.said is not None and clip.speaker in self.said.off_screen

    def _nearness(self, clip: Clip, segment: str) -> int:
        """Samples that a clip and a line share; below 0, how far they are apart."""
        line = self.segments[segment]
        return min(line.stop, clip.place + clip.samples) - max(line.start, clip.place)


def heard(clip: Clip) -> Range:
    """When a clip is heard, samples."""
    return clip.place, clip.place + clip.samples


def _common(ranges: Iterable[Range], within: Range) -> list[Range]:
    cut = [(max(a, within[0]), min(b, within[1])) for a, b in ranges]
    return [(a, b) for a, b in cut if a < b]
