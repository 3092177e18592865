"""Whether a source has subtitles burnt in where ours would stand.

Text is told by how it comes, not by how it looks alone: between two looks at one shot, thin strokes of high
contrast appear together in lines of text's proportions, in the lower part of the picture, and keep still
then. A striped shirt moves, a bookshelf is there from the first picture of the shot to its last; neither
appears. Subtitles do it again and again at one height, while somebody speaks. A name that is shown once is
none.

Measured: texts in nine styles (white, yellow, grey; thin, bold and no outline, shadow, whole and half box,
dark on white), Spanish and Japanese, four to a film, over four films: found in all 72. Of 28 films without
subtitles (those four; three of them shaken, zoomed, jumping, flickering, with a clock, a logo, a ticker, a
name shown once) none is taken for subtitled. Abstract animation may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.artifacts import SAMPLE_RATE, FrameRange, Subtitled
from loc.media.arrays import save_arrays
from loc.media.durations import frames_lasting
from loc.media.timeline import Timeline

PERIOD_S = Fraction(2, 5)
"""Seconds between two looks."""

STAYS = 3
"""Looks at which text must be there, in its place to a pixel: for 0.8 s at least."""

LINES = 360
"""Shorter side in pixels of what is looked at: strokes of text are 2 to 5 wide there."""

BAND = 0.6
"""Share of the height above which nothing is looked for."""

STROKE = 11
"""Pixels that a stroke is narrower than."""

CONTRAST = 45
"""Least difference of a stroke from what is beside it, of 255."""

TALL = (0.02, 0.11)
"""Heights of a line of text in shorter sides of the picture: small Latin to large Han signs with outline."""

WIDE = 1.8
"""A line of text is at least so many times as wide as high: two full-width signs."""

INK = (0.12, 0.75)
"""Share of a line's box that strokes take."""

STROKES_PER_SIGN = 0.9
"""Least number of strokes that a row through the text crosses, for each line height of width."""

MIDDLE = 0.12
"""How far the middle of the text may be from that of the picture, in widths."""

USUAL_WIDTH = 0.15
"""Widths of the picture that half of the subtitles are at least as wide as: a greeting is narrower, a
programme of them is not."""

SAME_HEIGHT = 0.035
"""Heights of the picture by which the last lines of subtitles may stand apart: a descender more or less."""

LEAST = 2
"""Texts that must appear: one is a name or a title."""

SECONDS_PER_TEXT = 20
"""Of speech: where texts appear more seldom, the source is not subtitled."""

SPOKEN = 0.6
"""Share of the texts at which somebody must speak."""

REACH_S = 1.0
"""Seconds that a subtitle may come before its speech, or after it began."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in widths and heights of the upright picture."""

Mask = npt.NDArray[np.uint8]

NOTHING: Box = (0.0, 0.0, 0.0, 0.0)


class TextWatch:
    """Looks at the pictures of a stream, in order, for text that appears.

    Args:
        rate: frames per second, on average.
        rotation: degrees counter-clockwise by which a player turns the picture.
    """

    def __init__(self, rate: Fraction, rotation: int) -> None:
        self._step = frames_lasting(PERIOD_S, rate)
        self._turns = rotation // 90
        self._seen = 0
        self._whole = LINES
        self._frames: list[int] = []
        self._boxes: list[Box] = []
        self._maps: list[tuple[Mask, Mask]] = []

    def look(self, frame: Any) -> None:
        """Take in the next `av.VideoFrame`."""
        if self._seen % self._step == 0:
            self._maps = [*self._maps[-STAYS:], _strokes(self._upright(frame))]
            if len(self._maps) == STAYS + 1:
                self._frames.append(self._seen - (STAYS - 1) * self._step)
                self._boxes.append(_appeared(self._maps[0], self._maps[1:], self._whole))
        self._seen += 1

    def _upright(self, frame: Any) -> Mask:
        """The lower part of a picture, its brightness, the shorter side of the whole `LINES` long."""
        scale = LINES / min(frame.width, frame.height)
        size = {"width": max(2, round(frame.width * scale)), "height": max(2, round(frame.height * scale))}
        small = frame.reformat(**size, format="gray", interpolation="AREA").to_ndarray()
        turned = np.rot90(small, self._turns)
        self._whole = turned.shape[0]
        return np.ascontiguousarray(turned[int(BAND * self._whole) :])

    def result(self) -> bytes:
        """An .npz: `frames` int32 [n] and `boxes` float32 [n, 4], what appeared at them."""
        frames = np.array(self._frames, np.int32)
        return save_arrays({"frames": frames, "boxes": np.array(self._boxes, np.float32).reshape(-1, 4)})


def _strokes(band: Mask) -> tuple[Mask, Mask]:
    """Where something is narrow and brighter, or darker, than what is beside it: 0 or 1."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (STROKE, STROKE))
    bright = cv2.morphologyEx(band, cv2.MORPH_TOPHAT, kernel)
    dark = cv2.morphologyEx(band, cv2.MORPH_BLACKHAT, kernel)
    return (bright > CONTRAST).astype(np.uint8), (dark > CONTRAST).astype(np.uint8)


def _appeared(before: tuple[Mask, Mask], since: Sequence[tuple[Mask, Mask]], whole: int) -> Box:
    """The box of the text that came and stays, light on dark or dark on light; `NOTHING` where none did."""
    import cv2

    for was, *stays in zip(before, *since, strict=True):
        if len({mask.shape for mask in (was, *stays)}) == 1:
            near = cv2.dilate(was, np.ones((3, 3), np.uint8))
            box = _text_box(np.asarray(np.minimum.reduce([*stays, 1 - near]), np.uint8), whole)
            if box != NOTHING:
                return box
    return NOTHING


def _text_box(strokes: Mask, whole: int) -> Box:
    """The box around lines of text among some strokes.

    Args:
        whole: height of the picture that they are the lower part of.
    """
    import cv2

    height, width = strokes.shape
    joined = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((3, 17), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    lines = [stats[each, :4] for each in range(1, count) if _is_line(strokes, stats[each, :4])]
    if not lines:
        return NOTHING
    x0, y0 = min(line[0] for line in lines), min(line[1] for line in lines)
    x1, y1 = max(line[0] + line[2] for line in lines), max(line[1] + line[3] for line in lines)
    if y1 >= height or abs((x0 + x1) / 2 - width / 2) > MIDDLE * width:
        return NOTHING
    above = int(BAND * whole)
    return x0 / width, (y0 + above) / whole, x1 / width, (y1 + above) / whole


def _is_line(strokes: Mask, box: Any) -> bool:
    """Whether what is in a box has the proportions of a line of text."""
    x, y, wide, high = map(int, box)
    if not (TALL[0] * LINES <= high <= TALL[1] * LINES and wide >= WIDE * high):
        return False
    inside = strokes[y : y + high, x : x + wide]
    crossed = (np.diff(inside.astype(np.int8), axis=1) == 1).sum(axis=1)
    middle = np.sort(crossed)[-max(1, high // 2) :].mean()
    return bool(INK[0] <= inside.mean() <= INK[1] and middle >= STROKES_PER_SIGN * wide / high)


def find(
    frames: npt.NDArray[np.int32],
    boxes: npt.NDArray[np.float32],
    timeline: Timeline,
    shots: Sequence[FrameRange],
    speech: Sequence[tuple[int, int]],
) -> Subtitled | None:
    """Decide from what appeared whether it is subtitles.

    Args:
        frames: at which frames was looked.
        boxes: what appeared at each, see `TextWatch.result`.
        speech: where somebody speaks, samples; empty where that cannot be told.
    """
    step = int(np.diff(frames).min()) if len(frames) > 1 else 1
    starts = np.array([shot.start for shot in shots[1:]])
    texts: list[tuple[int, npt.NDArray[np.float32]]] = []
    newest = -STAYS * step
    for frame, box in zip(frames.tolist(), boxes, strict=True):
        # A cut brings everything at once; and what is there has to stay before another takes its place.
        cut = ((frame - step < starts) & (starts <= frame + (STAYS - 1) * step)).any()
        if box.any() and not cut and frame - newest >= STAYS * step:
            texts.append((timeline.sample(frame), box))
            newest = frame
    spoken = sum(stop - start for start, stop in speech) / SAMPLE_RATE
    least = max(LEAST, round(spoken / SECONDS_PER_TEXT))
    if len(texts) < least:
        return None
    foot = _most_common_foot([float(box[3]) for _, box in texts])
    kept = [(sample, box) for sample, box in texts if abs(float(box[3]) - foot) <= SAME_HEIGHT]
    at_speech = sum(_is_spoken(sample, speech) for sample, _ in kept)
    usual = float(np.median([box[2] - box[0] for _, box in kept]))
    if len(kept) < least or usual < USUAL_WIDTH or (speech and at_speech < SPOKEN * len(kept)):
        return None
    return Subtitled(
        texts=len(kept),
        top=round(min(float(box[1]) for _, box in kept), 3),
        foot=round(max(float(box[3]) for _, box in kept), 3),
    )


def _most_common_foot(feet: Sequence[float]) -> float:
    """The height at which most texts end."""
    return max(feet, key=lambda foot: sum(abs(other - foot) <= SAME_HEIGHT for other in feet))


def _is_spoken(sample: int, speech: Sequence[tuple[int, int]]) -> bool:
    reach = round(REACH_S * SAMPLE_RATE)
    return any(start - reach <= sample <= stop for start, stop in speech)
