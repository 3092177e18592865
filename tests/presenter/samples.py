"""Ready scripts: the sample of the demo, and short ones for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import pysubs2

from loc.artifacts import SAMPLE_RATE
from tests.presenter.film import render
from tests.presenter.looks import HUGO, MINA, NORA, OTTO
from tests.presenter.script import LineTruth, Said, Script, Shot, Truth

SAMPLE = Script(
    lines=(
        Said(MINA, "Hello, and welcome to the studio.", pause=0.4),
        Said(MINA, "This video was made to be spoken in another language."),
        Said(MINA, "Watch my mouth. It will follow the new voice.", pause=0.7),
        Said(MINA, "The music and the picture remain as they were."),
    ),
    shots=(Shot(0, "medium", "study"), Shot(2, "close", "plain")),
)
"""About twelve seconds, two shots, music."""

SAMPLE_JAPANESE = (
    "こんにちは。スタジオへようこそ。",
    "この動画は、別の言語で話すために作られました。",
    "口元を見てください。新しい声に合わせて動きます。",
    "音楽と映像は、元のままです。",
)

SHORT = Script(
    lines=(Said(MINA, "My mum baked apple pie.", pause=0.3),),
    shots=(Shot(0, "close", "plain"),),
    tail=0.4,
    size=(640, 360),
)
"""About two seconds of one person, small: bilabials and open vowels."""

SHORT_TWO_SHOTS = Script(
    lines=(Said(OTTO, "Maybe people move.", pause=0.3), Said(OTTO, "Bob saw a papa bear.", pause=0.5)),
    shots=(Shot(0, "medium", "study", (OTTO,)), Shot(1, "close", "plain", (OTTO,))),
    tail=0.3,
    size=(640, 360),
)
"""About three seconds with one hard cut."""

SHORT_PAIR = Script(
    lines=(Said(MINA, "Do you know the way?", pause=0.3), Said(OTTO, "No, but my map may help.", pause=0.4)),
    shots=(Shot(0, "pair", "study", (MINA, OTTO)),),
    tail=0.3,
    size=(640, 360),
)
"""Two people in one shot, speaking in turn."""


def dialogue(kind: Literal["octave", "same"]) -> Script:
    """Two voices in turn without music, for telling speakers apart: an octave apart, or of one class."""
    first, second = (OTTO, NORA) if kind == "octave" else (OTTO, HUGO)
    texts = (
        "Good morning. Did you finish the report about the harbour?",
        "Almost. There are two more pages, and then it is done.",
        "Could you send it to me before lunch? The meeting begins at one.",
        "Yes, of course. I only need to check the last numbers again.",
        "Thank you. That will help all of us a great deal.",
        "You are welcome. I will bring the photographs as well.",
    )
    lines = tuple(Said((first, second)[i % 2], text, pause=0.45) for i, text in enumerate(texts))
    return Script(lines=lines, shots=(Shot(0, "medium", "plain", (first,)),), music=False)


@dataclass(frozen=True)
class Sample:
    """The files of a sample, all in one folder."""

    video: Path
    english: Path
    japanese: Path
    truth: Path


def write_sample(folder: Path) -> Sample:
    """Write `sample.mp4`, its subtitles in English and Japanese, and, last, what is true of it."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = Sample(
        video=folder / "sample.mp4",
        english=folder / "sample.en.srt",
        japanese=folder / "sample.ja.srt",
        truth=folder / "sample.truth.json",
    )
    part = folder / ".sample.part.mp4"
    truth = render(SAMPLE, part)
    part.replace(sample.video)
    write_subtitles(sample.english, truth.lines, [line.text for line in truth.lines])
    write_subtitles(sample.japanese, truth.lines, SAMPLE_JAPANESE)
    sample.truth.write_text(truth.model_dump_json(indent=1), encoding="utf-8")
    return sample


def write_subtitles(path: Path, lines: Sequence[LineTruth], texts: Sequence[str]) -> None:
    """An .srt file with one cue for each line."""
    cues = pysubs2.SSAFile()
    for line, text in zip(lines, texts, strict=True):
        start, stop = (round(Fraction(at * 1000, SAMPLE_RATE)) for at in (line.start, line.stop))
        cues.append(pysubs2.SSAEvent(start=start, end=stop, text=text))
    cues.save(str(path), encoding="utf-8", format_="srt")


def load_truth(path: Path) -> Truth:
    """Read back a `.truth.json`."""
    return Truth.model_validate_json(path.read_text(encoding="utf-8"))
