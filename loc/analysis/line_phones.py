"""Timed phones of lines of the source: what `loc.analysis.alignment` finds of a known text in its sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loc import packages
from loc.analysis.alignment import align_english
from loc.analysis.recognition import fingerprint
from loc.analysis.voice_activity import read_analysis
from loc.artifacts import SAMPLE_RATE, Phones, Sound
from loc.media.sound import slice_key
from loc.runner import Action, Make, Out, Runner, Site
from loc.store.keys import digest_value

MARGIN = SAMPLE_RATE // 5
"""Samples of sound taken before and after a line: subtitles begin and end beside the voice."""


@dataclass(frozen=True)
class SaidLine:
    """A line of English: id (never in a key), where it is heard, samples, and what is said."""

    name: str
    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class TimedLine:
    """The phones of a line, none where its text does not fit the sound; and where they begin, samples."""

    phones: Phones
    place: int


def time_lines(runner: Runner, site: Site, sound: Sound, lines: Sequence[SaidLine]) -> list[TimedLine]:
    """The phones of each line: one `analysis.align` action each.

    Args:
        sound: the source's speech.

    Raises:
        NotMade: in look mode, when a line has not been aligned.
    """
    made = runner.map([_aligning(runner, site, sound, line) for line in lines], parallel=True)
    return [
        TimedLine(item.model("phones", Phones), max(0, line.start - MARGIN))
        for line, item in zip(lines, made, strict=True)
    ]


def _aligning(runner: Runner, site: Site, sound: Sound, line: SaidLine) -> tuple[Action, Make]:
    """Find when each sound of a line is spoken.

    Reads: the line's speech, with 0.2 s on each side; its text.
    Leaves out: its id; who speaks; the dub and its language.
    """
    start, stop = max(0, line.start - MARGIN), min(sound.samples, line.stop + MARGIN)

    def make(out: Out) -> None:
        found = align_english(read_analysis(runner.store, sound, start, stop), line.text)
        out.model("phones", found or Phones(alphabet="arpabet", phones=()))
        out.detail["phones"] = len(found.phones) if found else 0

    action = Action(
        name="analysis.align",
        version=1,
        site=Site(site.stage, f"line {line.name}", site.language),
        inputs={"sound": slice_key(sound, start, stop), "text": digest_value(line.text)},
        programs={**fingerprint(), "soxr": packages.version("soxr")},
    )
    return action, make
