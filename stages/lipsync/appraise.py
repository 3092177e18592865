"""What is said of drawn cuts at the end: which do not look like who was filmed, and which deserve a final.

The limits are named, and what is found of one cut is a pure function of its figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from loc.artifacts import PictureScore, Reason
from loc.stage import Context
from stages.lipsync.finals import Decided, Drafted, listed, stretch_of
from stages.lipsync.select import LARGE_FACE, MAX_STRETCH

MOST_LIP_COLOUR = 9.2
"""Colour difference of lips: twice what a final is forgiven (`select.COLOUR_NOISE`), four times what is just
noticeable. `warp` measures 0.4 to 1.1 on three clips."""
TEXTURE = 0.4, 2.0
"""Detail under the mask over the filmed picture's. Filmed faces shrunk to half their size and back keep
0.56 to 0.61 of it, to a third 0.40 to 0.46: under that every pore is gone. Twice as much is noise."""
MOST_SHAPE = 0.05
"""Share of the jaw's width: twice what it differs between the quarters of 100 frames of one person. Two
people may differ by less, see `loc.analysis.likeness`."""

UNLIKE = "unlike"
"""Beginning of the codes of reasons, and code of the notice, that a cut does not look like who was filmed."""
PROPOSED = "final-proposed"
"""Code of the reason that a cut which keeps its draft deserves a final."""


def unlike(picture: PictureScore | None) -> tuple[Reason, ...]:
    """In what a drawn cut does not look like the filmed one; empty where it does, or was not looked at."""
    if picture is None:
        return ()
    low, high = TEXTURE
    found = (
        (
            picture.lip_colour is not None and picture.lip_colour > MOST_LIP_COLOUR,
            f"{UNLIKE}-lips",
            f"The lips' colour is off by {picture.lip_colour or 0:.1f}; {MOST_LIP_COLOUR:g} is the limit.",
        ),
        (
            not low <= picture.sharpness <= high,
            f"{UNLIKE}-texture",
            f"It has {picture.sharpness:.0%} of the filmed detail; {low:.0%} to {high:.0%} are the limits.",
        ),
        (
            picture.shape is not None and picture.shape > MOST_SHAPE,
            f"{UNLIKE}-shape",
            f"The jaw's width is off by {picture.shape or 0:.1%}; {MOST_SHAPE:.0%} is the limit.",
        ),
    )
    return tuple(Reason(code=code, detail=detail) for holds, code, detail in found if holds)


def proposed(number: int, area: float, stretch: float) -> tuple[Reason, ...]:
    """Whether a cut that keeps its draft is so close up that it deserves a final.

    Args:
        number: of the cut.
        area: share of the picture that the face's box fills.
        stretch: pixels of the source per pixel of the draft.
    """
    found = []
    if stretch > MAX_STRETCH:
        found.append(f"it has {stretch:.1f} times the pixels of its draft, across")
    if area > LARGE_FACE:
        found.append(f"it fills {area:.0%} of the picture")
    if not found:
        return ()
    detail = f"The face is close up: {' and '.join(found)}. `loc finalize --cuts {number}` draws it finer."
    return (Reason(code=PROPOSED, detail=detail),)


def appraise(
    context: Context, drafts: Sequence[Drafted], decided: Mapping[int, Decided]
) -> dict[int, Decided]:
    """What becomes of drafted cuts with what is said of them, by their numbers. Where the settings say so,
    those that do not look like who was filmed are not drawn after all."""
    result = {}
    strange = []
    for one in drafts:
        held = decided[one.number]
        found = unlike(held.score.picture if held.score else None)
        passes = bool(found) and context.settings.unlike == "pass"
        reasons = (*found, *held.reasons)
        worse = any(reason.code.startswith("worse-") for reason in held.reasons)
        if not passes and not worse and held.card is None:
            reasons = (*reasons, *proposed(one.number, one.area, stretch_of(context, one.drawn)))
        if found:
            strange.append(one.number)
        drawn = () if passes else held.drawn
        result[one.number] = replace(held, drawn=drawn, reasons=reasons)
    if strange:
        context.notice(UNLIKE, _told(strange, passed=context.settings.unlike == "pass"))
    return result


def _told(numbers: Sequence[int], *, passed: bool) -> str:
    if len(numbers) == 1:
        end = "it passes through." if passed else "look at it, or let it pass with --unlike pass."
        return f"Cut {numbers[0]} does not look like who was filmed; {end}"
    end = "they pass through." if passed else "look at them, or let them pass with --unlike pass."
    return f"Cuts {listed(numbers)} do not look like who was filmed; {end}"
