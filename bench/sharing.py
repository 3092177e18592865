"""How evenly a voice speaks with neighbours that share their time, and without.

    python -m bench.sharing SUBTITLES --lang de --seconds 22 [--out F.json]

Every line of a subtitle file is spoken by the embedded engine, at its natural rate and at the rates that the
fitting asks for; nothing is mixed. Speed is the rate times the compression. The unevenness between neighbours
is counted over lines that follow one another within a second.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

from bench.machine import machine, show
from loc.artifacts import SAMPLE_RATE
from loc.backend import Host
from loc.media.subtitles import Cue, read_cues
from loc.settings import Settings
from stages.dub import fit
from stages.dub.contract import Synthesiser, VoiceRequest
from stages.dub.espeak import Espeak
from stages.dub.fit import Placed, Slot
from stages.dub.openjtalk import OpenJTalk
from stages.dub.sharing import Room
from stages.dub.speech import resampled, trim

TOGETHER = SAMPLE_RATE
"""A change of pace over a longer pause is not heard as one."""


def spoken(engine: Synthesiser, text: str, language: str, rate: float) -> int:
    """Samples of a line at a rate."""
    said = engine.speak(text, language, VoiceRequest("low", 0), rate)
    return len(trim(resampled(said.audio, said.sample_rate))[0])


def placed(engine: Synthesiser, cues: list[Cue], language: str, end: int, *, sharing: bool) -> list[Placed]:
    slots = [Slot(cue.start, cue.stop, "one") for cue in cues]
    natural = [spoken(engine, cue.text, language, 1.0) for cue in cues]
    alone = mock.patch.object(
        fit, "shared", lambda lines, *_: [Room(line.start, line.room_end) for line in lines]
    )
    with contextlib.nullcontext() if sharing else alone:
        rates = fit.choose_rates(slots, natural, end)
        lengths = [spoken(engine, cue.text, language, rate) for cue, rate in zip(cues, rates, strict=True)]
        return fit.place_lines(slots, natural, rates, lengths, end)


def figures(lines: list[Placed], cues: list[Cue]) -> dict[str, Any]:
    speeds = [round(one.fit.rate * one.fit.stretch, 3) for one in lines]
    steps = [
        abs(after - before)
        for (before, after), (one, other) in zip(pairwise(speeds), pairwise(cues), strict=True)
        if other.start - one.stop < TOGETHER
    ]
    ends = [(one.place + one.samples, other.place) for one, other in pairwise(lines)]
    return {
        "speeds": speeds,
        "fastest": max(speeds),
        "step_mean": round(statistics.mean(steps), 3) if steps else None,
        "step_most": round(max(steps), 3) if steps else None,
        "compressed": sum(one.fit.stretch > 1 for one in lines),
        "overrun_s": round(sum(one.fit.overrun for one in lines) / SAMPLE_RATE, 2),
        "overlaps": sum(end > begin for end, begin in ends),
        "off_their_time_s": [round(one.fit.shift / SAMPLE_RATE, 2) for one in lines],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("subtitles", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--seconds", type=float, required=True, help="length of the programme")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    cues = read_cues(given.subtitles.read_bytes(), given.subtitles.name)
    with tempfile.TemporaryDirectory() as folder:
        host = Host(settings=Settings(), scratch=Path(folder))
        engine: Synthesiser = OpenJTalk(host) if given.lang == "ja" else Espeak(host)
        with contextlib.closing(engine):
            end = round(given.seconds * SAMPLE_RATE)
            found = {
                name: figures(placed(engine, cues, given.lang, end, sharing=sharing), cues)
                for name, sharing in (("alone", False), ("shared", True))
            }
    show({"machine": machine(), "language": given.lang, "lines": len(cues), **found}, given.out)


if __name__ == "__main__":
    main()
