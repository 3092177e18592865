"""People who do not exist: drawn presenters with a voice, for the demo and as the truth of tests.

A `Script` says who speaks what in which shots; `render` draws, voices and encodes it, and returns the
`Truth`: phones and times of every line, the opening of every mouth in every frame, shots, speakers, boxes.

    python -m tests.presenter FOLDER       the sample of the demo
    python -m tests.presenter --sheet PNG  a contact sheet
    python -m tests.presenter --compare SOURCE DUB JPEG  frames before and after
"""

from tests.presenter.film import Film, render, shoot
from tests.presenter.looks import HUGO, MINA, NORA, OTTO, PRESENTERS, Presenter
from tests.presenter.samples import (
    SAMPLE,
    SHORT,
    SHORT_PAIR,
    SHORT_TWO_SHOTS,
    Sample,
    dialogue,
    load_truth,
    write_sample,
    write_subtitles,
)
from tests.presenter.script import FaceTruth, LineTruth, Said, Script, Shot, ShotTruth, Truth
from tests.presenter.sheet import draw_sheet
from tests.presenter.voice import Soundtrack, soundtrack

__all__ = [
    "HUGO",
    "MINA",
    "NORA",
    "OTTO",
    "PRESENTERS",
    "SAMPLE",
    "SHORT",
    "SHORT_PAIR",
    "SHORT_TWO_SHOTS",
    "FaceTruth",
    "Film",
    "LineTruth",
    "Presenter",
    "Said",
    "Sample",
    "Script",
    "Shot",
    "ShotTruth",
    "Soundtrack",
    "Truth",
    "dialogue",
    "draw_sheet",
    "load_truth",
    "render",
    "shoot",
    "soundtrack",
    "write_sample",
    "write_subtitles",
]
