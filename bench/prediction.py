"""Which actions an edited line must make again, by place and time alone: not by asking the store.

What an edit may reach follows from what a line is: it is spoken, made a clip, mixed into the blocks where it
sounds, seen on the mouth while it sounds and a little around, and it is part of the finished file. Lines that
have to give way to it are refitted, and count as it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.artifacts import BLOCK_SAMPLES, SAMPLE_RATE, FrameTable
from loc.media.encode import SOUND_CODECS, sound_parts
from loc.media.probe import Facts
from loc.media.timeline import load_timeline
from loc.runner import Made
from loc.store.workdir import WorkDir
from stages.dub.loudness import FILTER_CONTEXT, PEAK_CONTEXT
from stages.dub.mix import CONTEXT
from stages.ingest.stage import ScanFacts
from stages.lipsync.plan import REACH

Event = dict[str, Any]
Report = dict[str, Any]
Range = tuple[int, int]

Unit = tuple[str, str]
"""An action, and what people call it: `("lipsync.draw", "cut 2, frame 40")`."""

ONCE = ("dub.loudness", "deliver.mux", "deliver.subtitles")
"""What holds every line, and is made once."""


@dataclass(frozen=True)
class Ran:
    """A run that has ended: its events, its report, and the work directory."""

    events: Sequence[Event]
    report: Report
    store: WorkDir

    def made(self, action: str) -> Iterator[Made]:
        """What the actions of one name made, now or earlier."""
        for event in self.events:
            if event["type"] == "action-done" and event["action"] == action:
                record = self.store.find_action(event["key"])
                assert record is not None
                yield Made(self.store, record.key, record.outputs, record.detail, event["hit"])

    def placed(self, action: str) -> set[tuple[Range, str]]:
        """The frames that each action of one name reads, and what people call it."""
        found = set()
        for event in self.events:
            if event["type"] == "action-done" and event["action"] == action:
                record = self.store.find_action(event["key"])
                assert record is not None
                start, stop = record.fields["inputs"]["pictures"]["frames"]
                found.add(((start, stop), event["unit"]))
        return found

    def frames(self, action: str) -> set[Range]:
        """The frames that each action of one name reads."""
        return {frames for frames, _ in self.placed(action)}

    def edges(self) -> npt.NDArray[np.int64]:
        """The sample at which each frame appears, and the picture's end."""
        (probe,), (scanned,) = self.made("ingest.probe"), self.made("ingest.scan")
        scan = scanned.model("scan", ScanFacts)
        table = FrameTable(count=scan.count, table=scanned.ref("table"), duration=scan.duration)
        return load_timeline(self.store, table, probe.model("facts", Facts).video.time_base).samples()

    def lines(self) -> dict[str, Report]:
        """The report's lines by id."""
        return {line["line"]: line for line in self.report["lines"]}


def misses(events: Iterable[Event]) -> Iterator[Unit]:
    """What was made, of all that is told of a run."""
    for event in events:
        if event["type"] == "action-done" and not event["hit"]:
            yield event["action"], event["unit"]


def difference(made: Iterable[Unit], expected: Iterable[Unit]) -> dict[str, list[str]]:
    """What was made and not expected, as often, and what was expected and not made; nothing where the two
    agree."""
    own, other = Counter(made), Counter(expected)
    found = {"not expected": own - other, "not made": other - own}
    return {name: sorted(map(" ".join, units.elements())) for name, units in found.items() if units}


def edited_line_misses(before: Ran, after: Ran, edited: str) -> set[Unit]:
    """What must be made when the text of line `edited` changes.

    Args:
        before, after: the runs with the old and with the new text.
    """
    old, new = before.lines(), after.lines()
    refitted = {line for line in new if line == edited or _fit(old[line]) != _fit(new[line])}
    moved = {line for line in new if line in refitted or old[line]["start"] != new[line]["start"]}
    sounding = [_span(lines[line]) for line in moved for lines in (old, new)]
    faster = {line for line in refitted if new[line]["rate"] != 1.0}
    blocks = _blocks(sounding, CONTEXT, CONTEXT)
    redraws = _redraws(before, after, sounding)
    encoded = {
        (span, unit)
        for span, unit in after.placed("deliver.encode")
        if any(_meet(span, redraw) for redraw in redraws)
    }
    stills = after.placed("deliver.still")
    shown = {still for still in stills if any(_meet(still[0], span) for span, _ in encoded)}
    expected = {
        **{action: {""} for action in ONCE},
        "dub.speak": {f"line {edited}", *(f"line {line}, faster" for line in faster)},
        "dub.clip": {f"line {line}" for line in refitted},
        "dub.mix": {f"block {block + 1}" for block in blocks},
        "deliver.peaks": {f"dub, block {block + 1}" for block in blocks},
        "deliver.audio": _coded_parts(blocks, before.report),
        "dub.meter": {f"mix, block {block + 1}" for block in _metered(blocks, before.report)},
        **{
            action: {unit for span, unit in after.placed(action) if span in redraws}
            for action in ("lipsync.draw", "lipsync.watch")
        },
        "lipsync.score": _rated(after, redraws, sounding),
        "deliver.encode": {unit for _, unit in encoded},
        "deliver.still": {unit for _, unit in shown | (stills - before.placed("deliver.still"))},
    }
    return {(action, unit) for action, units in expected.items() for unit in units}


def _meet(one: Range, other: Range) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _fit(line: Report) -> tuple[float, float]:
    return line["seconds"], line["rate"]


def _span(line: Report) -> Range:
    start = round(line["start"] * SAMPLE_RATE)
    return start, start + round(line["seconds"] * SAMPLE_RATE)


def _blocks(spans: Iterable[Range], before: int, after: int) -> set[int]:
    """The blocks of a sound whose reach, so much before and after them, spans fall on."""
    return {
        block
        for start, stop in spans
        for block in range(max(0, start - after) // BLOCK_SAMPLES, (stop + before) // BLOCK_SAMPLES + 1)
    }


def _metered(blocks: Iterable[int], report: Report) -> set[int]:
    """The blocks whose meter reads one of some blocks: themselves, the one after and the one before."""
    last = (round(report["source"]["seconds"] * SAMPLE_RATE) - 1) // BLOCK_SAMPLES
    around = _blocks(
        [(block * BLOCK_SAMPLES, (block + 1) * BLOCK_SAMPLES - 1) for block in blocks],
        FILTER_CONTEXT,
        PEAK_CONTEXT,
    )
    return {block for block in around if block <= last}


def _coded_parts(blocks: set[int], report: Report) -> set[str]:
    """The parts of the coded sound that read any of some blocks of the mix."""
    samples = round(report["source"]["seconds"] * SAMPLE_RATE)
    return {
        f"part {number}"
        for number, part in enumerate(sound_parts(samples, SOUND_CODECS["mp4"]))
        if any(part.start // BLOCK_SAMPLES <= block <= (part.stop - 1) // BLOCK_SAMPLES for block in blocks)
    }


def _rated(after: Ran, redraws: set[Range], sounding: Sequence[Range]) -> set[str]:
    """Cuts in which, from the first drawn frame to the last, a changed line sounds or a redraw changed."""
    edges, watched, found = after.edges(), after.frames("lipsync.watch"), set()
    for number, cut in enumerate(after.report["cuts"], 1):
        if not cut["drawn_frames"]:
            continue
        first, last = cut["frames"]
        own = [span for span in watched if first <= span[0] < last]
        span = min(start for start, _ in own), max(stop for _, stop in own)
        heard = any(a < edges[span[1]] + REACH and b > edges[span[0]] - REACH for a, b in sounding)
        if heard or redraws & set(own):
            found.add(f"cut {number}")
    return found


def _redraws(before: Ran, after: Ran, sounding: Sequence[Range]) -> set[Range]:
    """Frames of the redraws, of either run, that a changed line shapes or that only one of the runs has."""
    edges = after.edges()
    both = before.frames("lipsync.draw"), after.frames("lipsync.draw")
    shaped = {
        (first, last)
        for first, last in both[0] | both[1]
        if any(start < edges[last] + REACH and stop > edges[first] - REACH for start, stop in sounding)
    }
    return shaped | (both[0] ^ both[1])
