"""MuseTalk's knobs, as its users know them, and the presets, which are numbers in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from loc.errors import UsageError

if TYPE_CHECKING:
    from loc.settings import Settings

Mode = Literal["jaw", "neck", "raw"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]
Version = Literal["1.0", "1.5"]


@dataclass(frozen=True)
class Knobs:
    """What shapes a drawn face.

    Args:
        bbox_shift: pixels by which the middle of the box moves down; above 0 the mouth opens wider.
        extra_margin: pixels added to the box under the chin.
        parsing_mode: what is replaced, see `region.region`.
        left_cheek_width, right_cheek_width: 512ths of the crop.
        audio_padding_left, audio_padding_right: frames of 40 ms heard before and after a frame's own.
        precision: of the nets on a GPU; a CPU always computes in fp32.
        colour_match: whether the drawn face takes the light of the picture round its mask.
        smoothing: whether boxes and drawn faces are held steady, less where they move fast.
    """

    bbox_shift: int = 0
    extra_margin: int = 10
    parsing_mode: Mode = "jaw"
    left_cheek_width: int = 90
    right_cheek_width: int = 90
    audio_padding_left: int = 2
    audio_padding_right: int = 2
    precision: Precision = "auto"
    colour_match: bool = True
    smoothing: bool = False

    @property
    def baking(self) -> dict[str, Any]:
        """Those that shape what is made of a face before anything is heard, by name."""
        return {name: value for name, value in asdict(self).items() if name in _BAKING}

    @property
    def drawing(self) -> dict[str, Any]:
        """Those that shape what is drawn of a baked face, by name."""
        return {name: value for name, value in asdict(self).items() if name not in _BAKING or name in _BOTH}


_BOTH = frozenset({"precision", "smoothing"})
_BAKING = _BOTH | {"bbox_shift", "extra_margin", "parsing_mode", "left_cheek_width", "right_cheek_width"}

PRESETS: Mapping[str, Mapping[str, int | str]] = {
    "standard": {},
    "mouth-weak": {"bbox_shift": 7},
    "mouth-wide": {"bbox_shift": -5},
    "jaw-seam": {"extra_margin": 18},
    "cheek-float": {"left_cheek_width": 105, "right_cheek_width": 105},
    "close-up": {"precision": "fp32"},
}
"""What each preset changes of the defaults: for mouths that open too little or too much, a seam under the
jaw, cheeks that float, and faces close up."""
VERSION_DEFAULTS: Mapping[Version, Mapping[str, int | str]] = {
    "1.5": {},
    "1.0": {"extra_margin": 0, "parsing_mode": "raw"},
}
"""1.0 knew neither a margin nor the jaw's mask."""


def knobs_of(settings: Settings, version: Version) -> Knobs:
    """The knobs of a run: what is set by itself, over the preset, over the version's defaults.

    Raises:
        UsageError: a preset that does nothing known with this version.
    """
    preset = PRESETS[settings.musetalk_preset]
    if version == "1.5" and "bbox_shift" in preset:
        raise UsageError(
            f"The preset {settings.musetalk_preset} is for MuseTalk 1.0.",
            why="MuseTalk's own scripts hold the shift of the box at 0 with 1.5, and no measurement shows "
            "that it opens or closes the mouth there.",
            fix=f"Use --backend lipsync=musetalk-1.0, or try --musetalk-bbox-shift {preset['bbox_shift']}.",
        )
    knobs = replace(Knobs(), **VERSION_DEFAULTS[version])  # type: ignore[arg-type]
    knobs = replace(knobs, **preset)  # type: ignore[arg-type]
    given = {
        "bbox_shift": settings.musetalk_bbox_shift,
        "extra_margin": settings.musetalk_extra_margin,
        "parsing_mode": settings.musetalk_parsing_mode,
        "left_cheek_width": settings.musetalk_left_cheek_width,
        "right_cheek_width": settings.musetalk_right_cheek_width,
        "audio_padding_left": settings.musetalk_audio_padding_left,
        "audio_padding_right": settings.musetalk_audio_padding_right,
        "precision": settings.musetalk_precision,
        "colour_match": settings.musetalk_colour_match,
        "smoothing": settings.musetalk_smoothing,
    }
    return replace(knobs, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
