"""Whether something is before the lips: a hand, a microphone, a mug. No network, no knowledge of objects.

The face mesh goes on guessing lips where a hand hides them, so neither it nor the detector tells. What tells
is colour. Around the mouth each frame is sampled where the mesh lies (`sample`): from inside the lips over
their red to the skin around, at `ANGLES` places around the mouth. So a lip is compared with the same spot of
the same lip, however the mouth opens and the head moves, and always against the person's own skin in the same
frame, which takes light out. On dark skin, or in little light, all that differs from it differs by less; so
differences are given as on skin of L `LIT`, which takes exposure out.

In a shot the frames that plainly show lips are found first (`learn`): lips are redder than the skin around
them, or at least darker and with a line between them. From those frames comes what each spot of this person's
mouth looks like, and how much it varies. Whatever leaves that range is something else (`covered`). Where no
frame of a shot shows lips, all of it counts as covered: a mouth that cannot be seen cannot be drawn well.

The chin is drawn as well. From the same frames comes what it looks like, down to the jaw: its colour, and its
steps from spot to spot, for fingers of the person's own skin differ from it by their edges alone.

Colours are CIE Lab (L 0..100) less the median of the skin samples, exposed as above, in steps of 1. Places
and shares have no unit.

Limits: what has the colour of lips where lips are, and of skin where skin is, is not seen; nor is what hides
under a quarter of the lips or of the chin, or only the inside of an open mouth; nor what rests on the chin in
most of the frames that show the lips. Lips that differ from their skin by under a third of what they do in
the clips are not told from a hand, and are refused. In black and white up to a fifth of the frames is missed.
Thresholds were chosen on the drawn occluders of `tests/occluders` (set `TUNING`) laid over three clips and a
drawn face; `bench/results/refusals.json` has the rates on those of `HELD_OUT` and `FRESH` as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from loc.media.durations import frames_lasting

if TYPE_CHECKING:
    from loc.media.colour import Rgb

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Samples = npt.NDArray[np.int8]
"""int8 [n, ROWS, ANGLES, 3]: Lab less the skin's, exposed, `MISSING` throughout where there is no face."""

_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_AROUND = (57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287, 273, 335, 406, 313, 18, 83, 182, 106, 43)
"""Three rings of the face mesh, each from the corner at the picture's left over the upper lip and back under
the lower one: inner and outer edge of the lips, and the skin around them."""
_UNDER = (57, 43, 106, 182, 83, 18, 313, 406, 335, 273, 287)
_JAW = (172, 136, 150, 176, 148, 152, 377, 400, 379, 365, 397)
"""The lower half of that ring and the jaw under it, from the picture's left."""
_SKIN = (6, 197, 195, 5, 4, 101, 36, 205, 50, 118, 330, 266, 425, 280, 347, 151, 9, 108, 337, 107, 336)
"""Nose, both cheeks, forehead: hair, a hand or glare on fewer than half of them leaves the median alone."""

ANGLES = len(_INNER)
INSIDE, LIP, BESIDE = (0.35, 0.75), (0.1, 0.37, 0.63, 0.9), (0.6, 1.0)
"""Where rows of samples lie: between the mouth's middle and the inner edge, across the lip, and from its
outer edge to the ring around."""
CHIN = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Where rows lie between the ring under the lips and the jaw: the chin that backends draw with the mouth."""
ROWS = len(INSIDE) + len(LIP) + len(BESIDE) + len(CHIN)
MISSING = -128

_INNER_ROWS, _MID_LIP, _LIP, _SKIN_ROWS = slice(0, 3), slice(3, 5), slice(3, 6), slice(6, 8)
"""The innermost sample of the lip is left out: teeth and shadow move across it."""
_CHIN_ROWS = slice(8, ROWS)
_ACROSS_ROWS, _DOWN_ROWS = slice(ROWS, ROWS + len(CHIN)), slice(ROWS + len(CHIN), ROWS + 2 * len(CHIN) - 1)
SIGNS = ROWS + 2 * len(CHIN) - 1
"""What a mouth is judged by: its samples, and steps of the chin's."""

LIT, MOST_GAIN = 60.0, 2.0
"""L of skin under which differences are made larger, and by how much at most. The skin of the clips is of L
66..77 and stays as it is. In half the light L + 16, a* and b* are 0.79 times as large (CIE 15: all are cube
roots of light). At a gain of 2 a step of 8-bit luma is 0.9: with more, coding would be taken for edges."""
REDDER = 3.0
"""Lab steps of a* by which lips are redder than the skin around. In the clips the median is 11 (no lipstick)
and 28; on drawn hands, foam and mugs 0 ± 2."""
DARKER, LINE = 6.0, 5.0
"""Steps of L by which lips are darker than the skin, and by which the mouth's inside differs from them: what
is left of lips where there is no colour."""
SHOWS_LIPS, SHOWS_SHADE = 0.65, 0.75
"""Share of the angles at which lips must be seen for a frame to be learnt from: by their red, or where there
is none, by shade. In the clips 0.65..1 of them show red; made black and white, 0.4..1 show shade. With a hand
over the mouth up to 0.75 show shade in one frame in twenty."""
SHADE_LACKING = 0.2
"""Shade may be seen at this much less of the angles than red: by red alone a ball of red foam is a mouth."""
ROUGH = 3.5
"""Mean step of L from one spot of the skin around to the next from which on only plain lips count: edges of
fingers lie there. In the clips 1..3.4 in the median and under 5 in nine frames of ten, but then their lips
are plain; with hands 3.1..12."""
PLAINLY, PLAINLY_SHADED = 0.85, 0.95
"""Lips this plain, by red or by shade alone, need no smooth skin around them: a beard may be as rough as a
hand. Two fingers with half of the lips between them show shade at up to 0.9 of the angles."""
BELOW_BEST = 0.2
"""Frames this far below the best tenth of a shot are not learnt from: in them part of the lips is hidden."""
MIN_LEARNT = 5
"""Frames, at least: a fifth of a second; or half of a shot that has fewer than ten."""
MAX_LOOKS, MIN_FURTHER = 3, 25
"""Looks of a shot, and the frames of which a further one is learnt: a second of plain lips, for the half that
two fingers leave free shows red at 0.8 of the angles."""
LEARNT_FRAMES = 600
"""Frames of a shot that are looked at, spread evenly: memory stays the same however long it is."""
LEARNT_CLEAR = 0.12
PASSES = 4
"""In so many passes that follow a frame is learnt from if less than this of its lips is covered."""
SEEDS = 12
"""Frames, spread evenly, of which the one that most others look like is begun with."""

SPREAD_FLOOR = (4.0, 3.0, 3.0)
"""Least standard deviation of L, a*, b*: a still face varies less than the next smile or shadow will. In the
clips 90 % of the spots vary by less than 9, 6 and 5."""
FULL_CONTRAST, LEAST_FLOOR = 30.0, 0.4
"""Where lips differ from the skin by less than this (Lab; in the clips 20, 41 and 41), the floor is lower in
proportion, down to this share of it: what moves across a spot by mistake differs less, and so does a hand."""
DEPARTED = 5.5
"""Standard deviations from a spot's middle from which on it is something else. From 5 to 6 every occluder of
the tuning set is found in every frame, and no frame of the clips is refused; at 4, a head that turns is."""

CHIN_FLOOR, STEP_FLOOR = (2.8, 2.1, 2.1), (1.4, 1.0, 1.0)
"""As `SPREAD_FLOOR`, of the chin's colours and of its steps: skin varies less than lips that move."""
CHIN_DEPARTED = 5.0
"""As `DEPARTED`. On the clips as filmed up to 0.05 of the chin departs, bearded or coded hard 0.13; behind a
fist of the person's own skin that hides a quarter of the chin, 0.17 at least, drawn and without grain 0.1."""
STEP = 2
"""Places along the chin, on both sides, whose mean a spot is compared with: a finger covers about four."""

COVERED = 0.15
"""Share of the lips, or of the chin, from which on a mouth counts as hidden: at most 0.13 of the lips on the
clips as filmed."""
STILL_COVERED = 0.08
"""A hidden mouth stays hidden down to this share."""
MARGIN_S = 0.08
"""Around it that counts as well: fingers arrive before they hide a share that counts."""
BRIDGED_S = 0.24
"""A mouth that is free for less than this between two hands is not free."""

_FINE, _APART = 0.02, 4
"""Standard deviation in face scales of the finer of two bands, and how much coarser the other is."""


@dataclass(frozen=True)
class Looks:
    """What mouths look like in one shot: of each sign the middle and the spread.

    float32 [k, SIGNS, ANGLES, 3] each, Lab less the skin's, and steps of it; k 0 where no lips are seen, over
    1 where one look does not explain all, as where the camera turns from one person to another.
    """

    middle: Floats
    spread: Floats


def spots(mesh: npt.NDArray[Any]) -> Floats:
    """Where to sample, float32 [ROWS, ANGLES, 2], in the mesh's pixels.

    Args:
        mesh: [468, 2].
    """
    inner, outer, around = (mesh[list(ring)] for ring in (_INNER, _OUTER, _AROUND))
    middle = inner.mean(axis=0)
    under, jaw = (_along(mesh[list(line)]) for line in (_UNDER, _JAW))
    rows = [
        *(middle + share * (inner - middle) for share in INSIDE),
        *(inner + share * (outer - inner) for share in LIP),
        *(outer + share * (around - outer) for share in BESIDE),
        *(under + share * (jaw - under) for share in CHIN),
    ]
    return np.asarray(np.stack(rows), dtype=np.float32)


def _along(line: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`ANGLES` places along a line of points [k, 2], from its first to its last."""
    steps, given = np.linspace(0, len(line) - 1, ANGLES), np.arange(len(line))
    return np.stack([np.interp(steps, given, line[:, axis]) for axis in (0, 1)], axis=-1)


def sample(view: Rgb, mesh: npt.NDArray[Any]) -> npt.NDArray[np.int8]:
    """The colours of a mouth, int8 [ROWS, ANGLES, 3].

    Args:
        view: uint8 [h, w, 3] RGB, a face upright and about 200 pixels high.
        mesh: [468, 2], pixels of the view.
    """
    import cv2

    mouth = spots(mesh)
    skin = np.asarray(mesh[list(_SKIN)], dtype=np.float32)[None]
    blurred = cv2.blur(view, (3, 3))

    def lab(places: Floats) -> Floats:
        x, y = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
        rgb = cv2.remap(blurred, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))

    own = np.median(lab(skin)[0], axis=0)
    relative = np.rint(_exposed(float(own[0])) * (lab(mouth) - own))
    return np.asarray(np.clip(relative, -127, 127), dtype=np.int8)


def _exposed(lightness: float) -> float:
    """By what Lab differences from skin of this L (0..100) are multiplied, 1..`MOST_GAIN`."""
    return min(max((LIT + 16) / (lightness + 16), 1.0), MOST_GAIN)


def sharpness(view: Rgb, mesh: npt.NDArray[Any], scale: float) -> float:
    """Fine detail of a face over coarse: about 0.6..0.9 in focus, 0.26 blurred by 0.05 of its scale.

    The ratio of two bands of luma four times apart, each the difference of Gaussians a factor of 2 apart, of
    standard deviation from 0.02 and 0.08 face scales on. Contrast and exposure cancel out.

    Args:
        view: uint8 [h, w, 3] RGB.
        mesh: [468, 2], pixels of the view.
        scale: of the face, pixels of the view.
    """
    import cv2

    core = mesh[[33, 263, 105, 334, 61, 291, 152]]
    low = np.maximum(core.min(axis=0) - 0.1 * scale, 0).astype(int)
    high = (core.max(axis=0) + 0.1 * scale).astype(int)
    part = view[low[1] : high[1], low[0] : high[0]]
    if min(part.shape[:2]) < 4 * _APART:
        return 0.0
    fine = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY).astype(np.float32)
    coarse = cv2.resize(fine, None, fx=1 / _APART, fy=1 / _APART, interpolation=cv2.INTER_AREA)

    def band(luma: Any) -> float:
        narrow, wide = (cv2.GaussianBlur(luma, (0, 0), _FINE * scale * width) for width in (1, 2))
        return float((narrow - wide).std())

    return band(fine) / (band(coarse) + 0.5)


def learn(mouths: Samples) -> Looks:
    """What mouths look like in a shot, from those of its frames that show them.

    Args:
        mouths: samples of frames of the shot.
    """
    known = _signs(mouths[_seen(mouths)])
    least = max(1, min(MIN_LEARNT, len(known) // 2))
    evidence, enough = _evidence(known, least)
    open_frames = np.ones(len(known), dtype=bool)
    found: list[Floats] = []
    while len(found) < MAX_LOOKS and open_frames.any():
        best = float(np.percentile(evidence[open_frames], 90))
        clear = open_frames & (evidence >= (PLAINLY if found else max(enough, best - BELOW_BEST)))
        if clear.sum() < (MIN_FURTHER if found else least):
            break
        look, clear = _refined(known, clear, open_frames)
        found.append(look)
        open_frames &= ~clear & (_share(known, look) >= COVERED)
    stacked = np.stack(found) if found else np.zeros((0, 2, SIGNS, ANGLES, 3), dtype=np.float32)
    return Looks(stacked[:, 0], stacked[:, 1])


def _refined(known: Floats, clear: Flags, open_frames: Flags) -> tuple[Floats, Flags]:
    """(the look, the frames it was learnt from), beginning with frames that plainly show lips.

    Of these, with the most that look alike: the middle between two people would be nobody.
    """
    places = np.flatnonzero(clear)
    seeds = places[:: -(-len(places) // SEEDS)]
    looks = [np.stack([known[seed], _floor(known[seed])]) for seed in seeds]
    alike = [_share(known[places], look) < COVERED for look in looks]
    clear = np.zeros_like(clear)
    clear[places[max(alike, key=np.count_nonzero)]] = True
    look = _look(known[clear])
    for _ in range(PASSES):
        again = open_frames & (_share(known, look) < LEARNT_CLEAR)
        if not again.any() or (again == clear).all():
            break
        clear, look = again, _look(known[again])
    return look, clear


def _signs(mouths: Samples) -> Floats:
    """What mouths are judged by, float32 [n, SIGNS, ANGLES, 3]: the samples; how much each spot of the chin
    differs from those beside it, 0 at the ends; and each from the one under it."""
    samples = mouths.astype(np.float32)
    chin = samples[:, _CHIN_ROWS]
    across = np.zeros_like(chin)
    across[:, :, STEP:-STEP] = chin[:, :, STEP:-STEP] - (chin[:, :, 2 * STEP :] + chin[:, :, : -2 * STEP]) / 2
    return np.concatenate([samples, across, np.diff(chin, axis=1)], axis=1)


def _seen(mouths: Samples) -> Flags:
    return np.asarray(mouths[:, 0, 0, 0] != MISSING)


def _evidence(mouths: Floats, least: int) -> tuple[Floats, float]:
    """(how plainly each frame shows lips, float32 [n], 0..1; how plainly they must be seen): by their red, or
    where fewer than `least` frames show enough of it, by shade as well."""
    red, shaded = _lips_seen(mouths)
    light = mouths[:, _SKIN_ROWS, :, 0].mean(axis=1)
    rough = np.abs(light - np.roll(light, 1, axis=1)).mean(axis=1) > ROUGH
    both = np.minimum(red, shaded + SHADE_LACKING)
    both[rough & (both < PLAINLY)] = 0
    shaded[rough & (shaded < PLAINLY_SHADED)] = 0
    if (both >= SHOWS_LIPS).sum() >= least:
        return both, SHOWS_LIPS
    return shaded, SHOWS_SHADE


def _lips_seen(mouths: Floats) -> tuple[Floats, Floats]:
    """Share of the angles at which lips are seen by their red, and by the line between them with red or shade
    around it, float32 [n] each."""
    lip, skin = mouths[:, _MID_LIP].mean(axis=1), mouths[:, _SKIN_ROWS].mean(axis=1)
    redder, darker = lip[..., 1] - skin[..., 1], skin[..., 0] - lip[..., 0]
    line = np.abs(mouths[:, _INNER_ROWS, :, 0] - lip[:, None, :, 0]).max(axis=1) > LINE
    red = redder > REDDER
    shaded = line & (red | (darker > DARKER) & (redder > -REDDER))
    return red.mean(axis=1, dtype=np.float32), shaded.mean(axis=1, dtype=np.float32)


def _look(mouths: Floats) -> Floats:
    """Middle and spread of every sign, float32 [2, SIGNS, ANGLES, 3]."""
    middle = np.median(mouths, axis=0)
    spread = 1.4826 * np.median(np.abs(mouths - middle), axis=0)
    return np.asarray([middle, np.maximum(spread, _floor(middle))], dtype=np.float32)


def _floor(middle: Floats) -> Floats:
    """The least spread of every sign of a mouth, float32 [SIGNS, ANGLES, 3]."""
    apart = middle[_MID_LIP].mean(axis=0) - middle[_SKIN_ROWS].mean(axis=0)
    contrast = np.median(np.linalg.norm(apart, axis=-1))
    share = np.clip(contrast / FULL_CONTRAST, LEAST_FLOOR, 1)
    floor = np.empty_like(middle, dtype=np.float32)
    floor[: _CHIN_ROWS.start] = share * np.array(SPREAD_FLOOR)
    floor[_CHIN_ROWS], floor[ROWS:] = CHIN_FLOOR, STEP_FLOOR
    return floor


def _share(mouths: Floats, look: Floats) -> Floats:
    """Share of the lips that is not what it should be, float32 [n].

    Lips count as covered also where the skin on both sides of them is: what passes over skin, lips and skin
    may be as red as lips.
    """
    departed = np.square((mouths - look[0]) / look[1]).sum(axis=-1) > DEPARTED**2
    lip, skin = departed[:, _LIP].mean(axis=1), departed[:, _SKIN_ROWS].mean(axis=1) > 0.5
    here = np.arange(ANGLES)
    below, beside, opposite = -here % ANGLES, (ANGLES // 2 - here) % ANGLES, (here + ANGLES // 2) % ANGLES
    framed = skin & (skin[:, below] | skin[:, beside] | skin[:, opposite])
    return np.asarray(np.maximum(lip, framed).mean(axis=1), dtype=np.float32)


def _chin_share(mouths: Floats, look: Floats) -> Floats:
    """Share of the chin that is not what it should be, by its colour or by a step to the spots around."""
    departed = np.square((mouths - look[0]) / look[1]).sum(axis=-1) > CHIN_DEPARTED**2
    spots = departed[:, _CHIN_ROWS] | departed[:, _ACROSS_ROWS]
    spots[:, :-1] |= departed[:, _DOWN_ROWS]
    spots[:, 1:] |= departed[:, _DOWN_ROWS]
    return np.asarray(spots.mean(axis=(1, 2)), dtype=np.float32)


def covered(mouths: Samples, looks: Looks) -> Floats:
    """Share of the lips that something hides, or of the chin where that is more, float32 [n], 0..1; NaN where
    there is no face.

    Args:
        looks: of this shot. With none, everything is hidden.
    """
    seen = _seen(mouths)
    known = _signs(mouths[seen])
    least = np.ones(len(known), dtype=np.float32)
    for look in map(np.stack, zip(looks.middle, looks.spread, strict=True)):
        least = np.minimum(least, np.maximum(_share(known, look), _chin_share(known, look)))
    shares = np.full(len(mouths), np.nan, dtype=np.float32)
    shares[seen] = least
    return shares


def occluded(shares: Floats, rate: Fraction) -> Flags:
    """Which frames of one shot show a mouth behind something, bool [n].

    A frame without a face is as the more hidden of the frames around its gap.

    Args:
        shares: what `covered` says of all its frames.
        rate: frames per second.
    """
    from scipy.ndimage import binary_closing, binary_dilation, binary_propagation

    if not len(shares):
        return np.zeros(0, dtype=bool)
    known = _bridged(shares)
    # One frame alone is noise, not a hand.
    steady = np.minimum(known, np.maximum(_moved(known, 1), _moved(known, -1)))
    flags = binary_propagation(steady > COVERED, mask=steady > STILL_COVERED)
    flags = binary_dilation(flags, iterations=frames_lasting(MARGIN_S, rate))
    bridged = frames_lasting(BRIDGED_S, rate)
    edge = bridged // 2
    padded = np.pad(flags, edge, mode="edge")
    return np.asarray(binary_closing(padded, np.ones(bridged))[edge : edge + len(flags)])


def _moved(values: Floats, by: int) -> Floats:
    moved = np.roll(values, by)
    moved[0 if by > 0 else -1] = values[0 if by > 0 else -1]
    return moved


def _bridged(shares: Floats) -> Floats:
    missing = np.isnan(shares)
    if missing.all():
        return np.zeros_like(shares)
    places = np.arange(len(shares))
    before = np.maximum.accumulate(np.where(missing, -1, places))
    after = np.minimum.accumulate(np.where(missing, len(shares), places)[::-1])[::-1]
    left = np.where(before >= 0, shares[np.maximum(before, 0)], 0)
    right = np.where(after < len(shares), shares[np.minimum(after, len(shares) - 1)], 0)
    return np.asarray(np.where(missing, np.maximum(left, right), shares), dtype=np.float32)
