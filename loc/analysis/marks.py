"""What subtitles say of who speaks, held against what the sound says.

A name is believed: lines of one name are one speaker, lines of two are two. So is a change of speaker between
two lines, as the dashes of a dialogue tell of. The sound decides the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loc.analysis.speakers import POINT_SIZE, Floats, Spoken, placed
from loc.artifacts import SpeakerMark


@dataclass(frozen=True)
class Held:
    """Who speaks each line.

    Args:
        labels: of each line: equal for those of one speaker.
        names: of labels that have one.
    """

    labels: Sequence[int]
    names: Mapping[int, str]


def hold(
    lines: Sequence[Spoken],
    labels: Sequence[int],
    marks: Sequence[SpeakerMark | None],
    most: int | None = None,
) -> Held:
    """Labels of lines by what their subtitles say, and where those say nothing, by the labels they have.

    A line without a name that sounds like the lines of one is that speaker's; where it sounds like those of
    several, that of the nearest. Of two lines that are not by the same speaker and sound as if they were, the
    one that is nearer to another speaker is given to that one; where there is no other, the one less like the
    rest to a new one.

    Args:
        lines: in order of time, with their prints.
        labels: by the sound.
        marks: of each line.
        most: speakers there may be; none is added beyond, but those that have names.
    """
    named = [mark.name if mark else None for mark in marks]
    fresh = max(labels, default=-1) + 1
    known = {name: fresh + place for place, name in enumerate(dict.fromkeys(filter(None, named)))}
    room = _Room(lines, [known[name] if name else label for name, label in zip(named, labels, strict=True)])
    heard_as: dict[int, list[int]] = {}
    for name, label in zip(named, labels, strict=True):
        if name and known[name] not in heard_as.setdefault(label, []):
            heard_as[label].append(known[name])
    alike = {
        line: room.nearest(line, heard_as[label])
        for line, label in enumerate(labels)
        if named[line] is None and label in heard_as
    }
    for line, label in alike.items():
        room.labels[line] = label
    for line in range(1, len(lines)):
        mark = marks[line]
        if mark and mark.changes and room.labels[line] == room.labels[line - 1]:
            free = [one for one in (line - 1, line) if named[one] is None]
            _part(room, free, marks, most)
    return Held(room.labels.tolist(), {label: name for name, label in known.items()})


class _Room:
    """Lines with their labels, int64 [n], and where they lie in sound."""

    def __init__(self, lines: Sequence[Spoken], labels: Sequence[int]) -> None:
        self.labels = np.array(labels, dtype=np.int64)
        self._weights = np.array([line.print.voiced_frames for line in lines])
        self._points: Floats = np.zeros((len(lines), POINT_SIZE))
        if self._weights.any():
            self._points[self._weights > 0] = placed(
                [line.print for line in lines if line.print.voiced_frames]
            )

    def distance(self, line: int, label: int) -> float | None:
        """Of a line from the other lines of a label, in scatters of one speaker; None where the line or all
        of those are voiceless."""
        weights = np.where(self.labels == label, self._weights, 0)
        weights[line] = 0
        if not self._weights[line] or not weights.any():
            return None
        return float(np.linalg.norm(self._points[line] - np.average(self._points, axis=0, weights=weights)))

    def nearest(self, line: int, labels: Iterable[int]) -> int:
        """Of labels the one that a line is nearest to in sound; where that is not known, the one that was
        heard last before it, or first after it."""

        def far(label: int) -> tuple[float, int]:
            apart = self.distance(line, label)
            steps = np.flatnonzero(self.labels == label) - line
            before, after = steps[steps < 0], steps[steps > 0]
            away = -before[-1] if len(before) else len(self.labels) + (after[0] if len(after) else 0)
            return (apart if apart is not None else np.inf, int(away))

        return min(labels, key=far)


def _part(room: _Room, free: Sequence[int], marks: Sequence[SpeakerMark | None], most: int | None) -> None:
    """Give one of two lines of one label another.

    Args:
        free: those of them that have no name.
    """
    there = sorted(set(room.labels.tolist()))
    options = []
    for line in free:
        label = int(room.labels[line])
        own = room.distance(line, label)
        others = sorted({*there} - {label, *_beside(room, line, marks)})
        if others:
            target = room.nearest(line, others)
            apart = room.distance(line, target)
            gain = own - apart if own is not None and apart is not None else 0.0
            options.append((gain, line, target))
        elif most is None or len(there) < most:
            # The second of two answers, where the sound says nothing.
            options.append((own if own is not None else np.inf, line, max(there) + 1))
    if options:
        _, line, target = max(options)
        room.labels[line] = target


def _beside(room: _Room, line: int, marks: Sequence[SpeakerMark | None]) -> set[int]:
    """Labels of the lines that are not by the speaker of this one."""
    mark, after = marks[line], marks[line + 1] if line + 1 < len(marks) else None
    found = [line - 1] if line and mark and mark.changes else []
    return {int(room.labels[one]) for one in [*found, *([line + 1] if after and after.changes else [])]}
