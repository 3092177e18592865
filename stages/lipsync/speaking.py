"""Which face says what is heard, by a judge: the faces of a shot as filmed, beside the source's own speech.

Asked where several faces are in view and their speed leaves open who speaks, in any language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, FrameRange, Score, Sound
from loc.errors import LocError
from loc.media.sound import slice_key
from loc.runner import Action, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import redraw
from stages.lipsync.redraw import STAGE, Film
from stages.lipsync.score import UNWATCHED
from stages.lipsync.sync import chosen, crops_for
from stages.lipsync.tracks import runs

if TYPE_CHECKING:
    from loc.analysis.sync.judge import Judge
    from stages.lipsync.shot_faces import ShotFace

ENOUGH = 20 * SAMPLE_RATE
"""Samples of speech that are looked at: every picture of them goes through the network once."""
SHORTEST = SAMPLE_RATE // 2
"""Samples under which a stretch is left out: it holds hardly a window of a fifth of a second."""


class Judged:
    """How well the faces of a shot say what is heard.

    Args:
        judge: the first of this machine.
        sound: the source's speech.
        shot: index of the shot.
        faces: of the shot.
    """

    def __init__(
        self, context: Context, film: Film, judge: Judge, sound: Sound, shot: int, faces: Sequence[ShotFace]
    ) -> None:
        self._context, self._film, self._judge, self._sound = context, film, judge, sound
        self._shot, self._start = shot, film.source.shots[shot].start
        self._faces = {face.name: face for face in faces}

    def __call__(self, heard: Sequence[npt.NDArray[np.bool_]], face: str) -> Score:
        """The score of one face; unscored, with a notice, where the judge fails.

        Args:
            heard: bool [frames of the shot] each, where a line is heard.

        Raises:
            NotMade: in look mode, when it has not been judged.
        """
        own, spans = self._faces[face], self._spans(heard)
        work = _judging(self._context, self._film, self._judge, self._sound, own, spans)
        [made] = self._context.runner.attempt([work])
        if isinstance(made, LocError):
            self._context.runner.notice(
                UNWATCHED, f"Who speaks in shot {self._shot + 1} is not judged: {made.what}"
            )
            return Score(measure=self._judge.measure, unscored=made.what)
        return made.model("score", Score)

    def _spans(self, heard: Sequence[npt.NDArray[np.bool_]]) -> list[FrameRange]:
        """Unbroken stretches of speech, until there is enough of it."""
        edges, spans, total = self._film.edges, [], 0
        for first, last in runs(np.any(heard, axis=0)):
            span = FrameRange(start=self._start + first, stop=self._start + last)
            length = int(edges[span.stop] - edges[span.start])
            if length >= SHORTEST and total < ENOUGH:
                spans.append(span)
                total += length
        return spans


def _judging(
    context: Context, film: Film, judge: Judge, sound: Sound, face: ShotFace, spans: Sequence[FrameRange]
) -> tuple[Action, Make]:
    """`lipsync.speaks`: how well a face of the source says what is heard, by a judge.

    Reads: some of the frames in which a speaker is heard, and the source's speech under them; the face's
        tracks in their chunks.
    Leaves out: what is said and by whom; the dub and its language; the face's name.
    """

    def make(out: Out) -> None:
        with redraw.contained("A face could not be judged."):
            found = [_compared(context, film, judge, sound, face, span) for span in spans]
            windows = np.concatenate([one for one in found if len(one)] or [np.zeros((0, 1), np.float32)])
            score = judge.score(windows)
        out.model("score", score)
        out.detail |= {"score": score.model_dump(mode="json", exclude={"unscored"})}

    action = Action(
        name="lipsync.speaks",
        version=3,
        site=context.site(STAGE, f"face {face.name}"),
        inputs={
            "spans": [
                {
                    "pictures": film.key(span),
                    "times": digest_bytes(film.times(span).tobytes()),
                    "tracks": film.tracks_over_key(face, span),
                    "sound": slice_key(sound, int(film.edges[span.start]), int(film.edges[span.stop])),
                }
                for span in spans
            ]
        },
        params={"video": film.source.video},
        backend=judge.key,
        programs={**judge.fingerprint(), **redraw.programs(), **redraw.resampling()},
    )
    return action, make


def _compared(
    context: Context, film: Film, judge: Judge, sound: Sound, face: ShotFace, span: FrameRange
) -> npt.NDArray[np.float32]:
    """The windows of the longest part of a stretch in which the face is in view."""
    from loc.analysis.sync.crops import at_25
    from loc.analysis.voice_activity import read_analysis

    parts = [film.faces(context, face, index, part) for index, part in film.chunks_over(span)]
    boxes = np.concatenate([part.box for part in parts])
    points = np.concatenate([part.points for part in parts])
    there = runs(np.isfinite(boxes).all(axis=1) & np.isfinite(points).all(axis=(1, 2)))
    if not there:
        return np.zeros((0, 1), np.float32)
    first, last = max(there, key=lambda one: one[1] - one[0])
    seen = FrameRange(start=span.start + first, stop=span.start + last)
    shown = at_25(film.times(seen), SAMPLE_RATE).tolist()
    crop = crops_for(judge, film.source.video, boxes[first:last], points[first:last])
    said = read_analysis(context.store, sound, int(film.edges[seen.start]), int(film.edges[seen.stop]))
    return judge.compare(chosen(film.pictures(seen), shown, crop), len(shown), said)
