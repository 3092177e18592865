"""Which cuts are drawn and which pass through, and why: pure functions with named limits."""

from __future__ import annotations

from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from loc.analysis.occlusion import COVERED
from loc.artifacts import Reason
from loc.media.durations import window_lasting

if TYPE_CHECKING:
    from loc.analysis.faces import Faces

MAX_YAW = 35.0
"""Degrees: beyond, one corner of the mouth is hidden and cannot be moved."""
MAX_DOWN, MAX_UP = 30.0, 27.0
"""Degrees of pitch as the mesh has it: beyond, the lips are seen from above or below and an opening no longer
shows as a gap. Drawn heads turned on an ellipsoid measure 28..34 when turned down by 42, but 23..32 when
turned up by 55: upward the mesh says less. The clips as filmed reach 10 down and 22 up. Of a downward gaze
the head alone is judged: eyes cast down in a level face hide nothing of its lips."""
MIN_SIZE = 28.0
"""Face scale in pixels: below, the mouth is under 17 px wide and opens by under 6, less than codecs keep."""
MAX_SIZE = 1000.0
"""Face scale in pixels: above, a patch would have to be shrunk to under 0.4 and be visibly soft."""
MIN_CONFIDENCE = 0.5
"""Of the face detector, which confirms the mesh every half second. Real faces in the clips measured
0.72..0.96; below one half the mesh may lie on anything."""
MIN_SHARPNESS = 0.26
"""See `occlusion.sharpness`: a blur of 0.05 face scales (standard deviation). It smears a lip into the other
(each is about 0.1 thick), and the mesh loses them: with blur of 0.05 and 0.07 the apertures it measures
correlate by 0.93 and 0.85 with those of the sharp picture where a mouth opens wide, by 0.4 and 0 where it
opens little."""
MAX_RIVAL = 0.4
"""Size of a face that no track follows over this one's: a smaller one is in the background and does not hold
the conversation; a larger one may be who speaks."""
SEVERAL_FACES = "several-faces"
"""Code of the reason of a cut in which somebody speaks and it is not known who."""

STEADY_S = 0.36
"""Pose and size are judged by their median over this time: the mesh's estimate of them trembles."""
CONFIRMED_S = 1.0
"""The best confidence within this time counts: the detector may miss one look at a blurred frame."""


class Situation(IntEnum):
    """What a frame shows, as far as drawing is concerned. Later ones win."""

    ONE_FACE = 0
    LOW_CONFIDENCE = 1
    BLURRED = 2
    TOO_SMALL = 3
    TOO_LARGE = 4
    OCCLUDED = 5
    LOOKING_DOWN = 6
    LOOKING_UP = 7
    PROFILE = 8
    CUT_OFF = 9
    SEVERAL_FACES = 10
    NO_FACE = 11

    @property
    def code(self) -> str:
        """As in `Reason.code`."""
        return self.name.lower().replace("_", "-")


_DETAILS = {
    Situation.LOW_CONFIDENCE: f"The detector is under {MIN_CONFIDENCE} sure of the face.",
    Situation.BLURRED: "The face is blurred by over a twentieth of the distance from eye to eye.",
    Situation.TOO_SMALL: f"The face is under {MIN_SIZE:.0f} px from eye to eye.",
    Situation.TOO_LARGE: f"The face is over {MAX_SIZE:.0f} px from eye to eye.",
    Situation.OCCLUDED: f"Something covers over {COVERED:.0%} of the lips or the chin, or no lips are seen.",
    Situation.LOOKING_DOWN: f"The face is turned down by over {MAX_DOWN:.0f} degrees.",
    Situation.LOOKING_UP: f"The face is turned up by over {MAX_UP:.0f} degrees.",
    Situation.PROFILE: f"The face is turned aside by over {MAX_YAW:.0f} degrees.",
    Situation.CUT_OFF: "The mouth is partly outside the picture.",
    Situation.SEVERAL_FACES: "Several faces are in view, and which one speaks is not known.",
    Situation.NO_FACE: "No face is in view.",
}

_NO_SPEECH = Reason(code="no-speech", detail="Nobody speaks, in the dub or in the source.")
FADED = Reason(code="faded", detail="What is said in it is over before a mouth would be seen to move.")
_UNSURE = Reason(code=SEVERAL_FACES, detail=_DETAILS[Situation.SEVERAL_FACES])
_OTHERS_SPEAK = Reason(code="others-speak", detail="Others speak, whose face is another or not in view.")
_OFF_SCREEN = Reason(
    code="off-screen", detail="Only speakers who are off screen are heard, as the cast file says."
)


def situations(faces: Faces, width: int, height: int, rate: Fraction) -> npt.NDArray[np.int8]:
    """What each frame of one shot shows, int8 [n], values of `Situation`; what is before a mouth is told by
    `with_occlusion`.

    Args:
        faces: tracks of consecutive frames, short gaps filled.
        width, height: of the picture, coded pixels.
        rate: frames per second.
    """
    from scipy.ndimage import maximum_filter1d

    found, window = faces.found, window_lasting(STEADY_S, rate)
    yaw, pitch, size, sharpness = (
        _steady(values, found, window)
        for values in (faces.pose[:, 0], faces.pose[:, 1], faces.size, faces.sharpness)
    )
    sure = maximum_filter1d(faces.confidence, window_lasting(CONFIRMED_S, rate))
    low, high = _mouth_extent(faces)
    out = (low < 0).any(axis=1) | (high > np.array([width - 1, height - 1])).any(axis=1)
    seen = np.zeros(len(faces), dtype=np.int8)
    for situation, holds in (
        (Situation.LOW_CONFIDENCE, sure < MIN_CONFIDENCE),
        (Situation.BLURRED, sharpness < MIN_SHARPNESS),
        (Situation.TOO_SMALL, size < MIN_SIZE),
        (Situation.TOO_LARGE, size > MAX_SIZE),
        (Situation.LOOKING_DOWN, pitch > MAX_DOWN),
        (Situation.LOOKING_UP, pitch < -MAX_UP),
        (Situation.PROFILE, np.abs(yaw) > MAX_YAW),
        (Situation.CUT_OFF, out),
        (Situation.SEVERAL_FACES, faces.rival > MAX_RIVAL),
        (Situation.NO_FACE, ~found),
    ):
        seen[holds] = situation
    return seen


def with_occlusion(seen: npt.NDArray[np.int8], hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """What each frame shows, where it is also known in which ones something hides the mouth."""
    return np.where(hidden, np.maximum(seen, np.int8(Situation.OCCLUDED)), seen)


def _steady(
    values: npt.NDArray[np.float32], found: npt.NDArray[np.bool_], window: int
) -> npt.NDArray[np.float32]:
    """Running median of `window` frames over those that have a face; 0 elsewhere."""
    from scipy.ndimage import median_filter

    steady = np.zeros(len(values), dtype=np.float32)
    if found.any():
        steady[found] = median_filter(values[found], window, mode="nearest")
    return steady


def _mouth_extent(faces: Faces) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(low, high): corners of the box round the outer lips, float32 [n, 2] each; 0 without a face."""
    from loc.analysis.faces import LIP_OUTER_LOWER, LIP_OUTER_UPPER, places

    lips = np.nan_to_num(faces.points[:, places((*LIP_OUTER_UPPER, *LIP_OUTER_LOWER))])
    return lips.min(axis=1), lips.max(axis=1)


def route(
    situation: Situation,
    *,
    dub_speaks: bool,
    source_speaks: bool,
    others_speak: bool = False,
    off_screen: bool = False,
    unsure: bool = False,
) -> tuple[Literal["draft", "passthrough"], tuple[Reason, ...]]:
    """How a cut is handled.

    Args:
        situation: what the cut shows.
        dub_speaks, source_speaks: whether this face speaks during the cut, in the dub and in the source.
        others_speak: whether another face does, or somebody who is seen in other shots.
        off_screen: whether somebody speaks who is never seen.
        unsure: whether somebody speaks of whom it is not known which face it is.
    """
    reasons = []
    if situation is not Situation.ONE_FACE:
        reasons.append(Reason(code=situation.code, detail=_DETAILS[situation]))
    if not dub_speaks and not source_speaks:
        said = (
            (unsure, _UNSURE),
            (others_speak, _OTHERS_SPEAK),
            (off_screen, _OFF_SCREEN),
            (True, _NO_SPEECH),
        )
        why = next(reason for holds, reason in said if holds)
        if why.code != situation.code:
            reasons.append(why)
    return ("passthrough" if reasons else "draft"), tuple(reasons)
