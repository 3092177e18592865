"""Every measure: what it says, which way is better, and how far it may move before that means something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from loc.errors import UsageError


@dataclass(frozen=True)
class Measure:
    """One measure of one dub, or of one sample (`per_sample`).

    Args:
        name: as in `--tolerance` and in every output.
        better: `neither`: both ways from what was accepted are worse; `nearer`: to 0 is better, all else is
            worse.
        tolerance: in `unit`; of a `relative` one, a share of what was accepted. Moving by just as much is the
            same.
        origin: where the tolerance comes from.
        rare: told only of dubs that have it.
    """

    name: str
    title: str
    unit: str
    better: Literal["lower", "higher", "neither", "nearer"]
    tolerance: float
    origin: str
    relative: bool = False
    per_sample: bool = False
    rare: bool = False
    digits: int = 2

    def words(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:.{self.digits}f} {self.unit}".rstrip()


_COUNTED = "Counted. It has no noise."

_EXACT = "The same on every run of one kind of machine."

_UNMEASURED = "Its noise is not measured."

_HALF = "Half of what a cut may move by, as for `agreement`."

MEASURES = (
    Measure("text", "lines that say something else", "lines", "lower", 0, _COUNTED, digits=0),
    Measure(
        "timing.start",
        "farthest that a line begins from where it did",
        "s",
        "lower",
        0.045,
        f"{_EXACT} Sound 45 ms ahead of its picture is noticed (ITU-R BT.1359).",
        digits=3,
    ),
    Measure(
        "timing.heard",
        "farthest that a line sounds from where it did",
        "s",
        "lower",
        0.045,
        "Another AAC encoder moves it by 1 ms. 45 ms as above.",
        digits=3,
    ),
    Measure("timing.frames", "frames", "frames", "neither", 0, _COUNTED, digits=0),
    Measure(
        "fit.pace",
        "pace of the line that moved farthest, times the voice's own",
        "times",
        "lower",
        0.05,
        f"{_EXACT} Five hundredths are five steps of the fitting.",
    ),
    Measure("fit.overrun", "what lines run over, together", "s", "lower", 0.05, _EXACT),
    Measure("fit.silent", "lines that are not heard", "lines", "lower", 0, _COUNTED, digits=0),
    Measure(
        "loudness.integrated",
        "loudness of the track",
        "LUFS",
        "neither",
        0.5,
        "Another AAC encoder moves it by 0.02 LU. 0.5 LU is what EBU R 128 lets a programme be off.",
    ),
    Measure(
        "loudness.peak",
        "true peak of the track",
        "dBTP",
        "lower",
        1.0,
        "Another AAC encoder moves it by 0.14 dB on recorded speech. A single sample decides it.",
    ),
    Measure("loudness.speech", "loudness of the dub alone", "LUFS", "neither", 0.5, f"{_EXACT} As above."),
    Measure(
        "agreement",
        "lips after phones, mean of the drawn cuts",
        "",
        "higher",
        0.05,
        f"{_EXACT} A source that was encoded anew moves it by less than 0.01.",
    ),
    Measure(
        "agreement.cut",
        "lips after phones, in the cut that moved farthest",
        "",
        "higher",
        0.1,
        "A source that was encoded anew moves it by 0.01. Short cuts have few phones to go by.",
    ),
    Measure(
        "agreement.syncnet",
        "confidence of SyncNet, mean of the cuts it scored",
        "",
        "higher",
        0.25,
        f"{_HALF} {_UNMEASURED}",
        rare=True,
    ),
    Measure(
        "agreement.syncnet.cut",
        "confidence of SyncNet, in the cut that moved farthest",
        "",
        "higher",
        0.5,
        f"{_UNMEASURED} By as much a final may score under its draft. Confidences go from 0 to about 10.",
        rare=True,
    ),
    Measure(
        "agreement.stable-syncnet",
        "cosine of StableSyncNet, mean of the cuts it scored",
        "",
        "higher",
        0.05,
        f"{_HALF} {_UNMEASURED}",
        rare=True,
    ),
    Measure(
        "agreement.stable-syncnet.cut",
        "cosine of StableSyncNet, in the cut that moved farthest",
        "",
        "higher",
        0.1,
        f"{_UNMEASURED} By as much a final may score under its draft.",
        rare=True,
    ),
    Measure(
        "agreement.offset",
        "lips late, below 0 early, in the cut that moved farthest",
        "s",
        "nearer",
        0.02,
        f"{_EXACT} It counts whole frames: at 25 a second one frame is worse.",
        digits=3,
    ),
    Measure(
        "picture.drawn",
        "frames with a drawn mouth",
        "frames",
        "higher",
        3,
        f"{_EXACT} A face that is found three frames later is the same face.",
        digits=0,
    ),
    Measure(
        "picture.mouth",
        "mouth that looks least like it did, 1 - SSIM",
        "",
        "lower",
        0.05,
        "Other versions and settings of x264 move it by 0.013 on filmed faces, a source that was encoded "
        "anew by 0.024, twice which is allowed. A mouth that is not drawn moves it by 0.19, one that is out "
        "of focus by 0.17.",
        digits=3,
    ),
    Measure(
        "picture.frame",
        "frame that looks least like it did, 1 - SSIM",
        "",
        "lower",
        0.015,
        "Other versions and settings of x264 move it by 0.007, twice that is allowed.",
        digits=3,
    ),
    Measure(
        "picture.seam",
        "seam, CIE 1976, in the cut that moved farthest",
        "",
        "lower",
        0.5,
        "A source that was encoded anew moves it by 0.15. About 2.3 is just noticeable.",
    ),
    Measure(
        "picture.lips",
        "change of the lips' colour, CIE 1976, in the cut that moved farthest",
        "",
        "lower",
        0.5,
        "A source that was encoded anew moves it by 0.23. About 2.3 is just noticeable.",
    ),
    Measure(
        "picture.sharpness",
        "detail that was kept, 1 = all, in the cut that moved farthest",
        "",
        "higher",
        0.15,
        "A source that was encoded anew moves it by 0.07, twice that is allowed.",
    ),
    Measure(
        "picture.jitter",
        "trembling of resting lips, 1 = as the head, in the cut that moved farthest",
        "",
        "lower",
        0.3,
        "A source that was encoded anew moves it by 0.15, twice that is allowed.",
    ),
    Measure("defects", "defects", "", "lower", 0, _COUNTED, digits=0),
    Measure(
        "time",
        "processor time for each second of video, calibrated",
        "",
        "lower",
        0.3,
        "16 % between the least and the most of ten runs on two cores with other work on them.",
        relative=True,
        per_sample=True,
    ),
    Measure(
        "memory",
        "memory of the largest process",
        "MB",
        "lower",
        0.2,
        "9 % between the least and the most of the same ten runs.",
        relative=True,
        per_sample=True,
        digits=0,
    ),
)

BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}


def tolerances(given: Iterable[str]) -> Mapping[str, float]:
    """Tolerances by measure, with those that were given as NAME=VALUE in place of the defaults.

    Raises:
        UsageError: a name that is no measure, or a value that is no number from 0 up.
    """
    found = {measure.name: measure.tolerance for measure in MEASURES}
    for item in given:
        name, _, value = item.partition("=")
        if name not in found:
            raise UsageError(f"--tolerance: there is no measure {name!r}.", fix=f"Known: {', '.join(found)}.")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        if not 0 <= found[name] < float("inf"):
            raise UsageError(
                f"--tolerance {item} cannot be used.", fix=f"Write a number from 0 up, e.g. {name}=0.2."
            )
    return found
