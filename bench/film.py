"""Films for the figures: drawn on the spot, as large and as long as wanted.

A film is a short clip in a loop, stream by stream, with subtitles in which no two lines are alike: else one
utterance would serve every repetition.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as graph
import pysubs2

from loc.media import ffmpeg

PROGRAM = "ffmpeg"

JAPANESE = ("こんにちは。", "これは別の言語です。", "口元を見てください。", "音楽はそのままです。")
SPANISH = ("Hola a todos.", "Este vídeo habla otro idioma.", "Mire mi boca.", "La música no cambia.")
"""For the four lines of the drawn sample; short, for a number will stand before each."""


@dataclass(frozen=True)
class Film:
    """A video, and its subtitles by language."""

    video: Path
    texts: Mapping[str, Path]


def draw(folder: Path, size: tuple[int, int]) -> Film:
    """The presenter's sample of 12.7 s (two shots, music, 25 frames per second) in a size of its own."""
    from tests.presenter import SAMPLE, render, write_subtitles

    video = folder / "drawn.mp4"
    truth = render(dataclasses.replace(SAMPLE, size=size), video)
    texts = {"ja": JAPANESE, "es": SPANISH}
    for language, lines in texts.items():
        write_subtitles(folder / f"drawn-{language}.srt", truth.lines, lines)
    return Film(video, {language: folder / f"drawn-{language}.srt" for language in texts})


def lengthen(film: Film, minutes: float, folder: Path) -> Film:
    """The film repeated until it is at least `minutes` long, its streams copied, its lines numbered."""
    seconds = float(ffmpeg.probe(film.video, "ffprobe")["format"]["duration"])
    times = max(1, math.ceil(minutes * 60 / seconds))
    video = folder / f"film{film.video.suffix}"
    repeat_video(film.video, times, video)
    texts = {language: folder / f"film-{language}.srt" for language in film.texts}
    for language, text in film.texts.items():
        repeat_text(text, times, seconds, texts[language])
    return Film(video, texts)


def repeat_video(clip: Path, times: int, target: Path) -> None:
    """Concatenate a clip with itself without coding anything; one repetition begins where both the picture
    and the sound of the one before have ended."""
    listing = target.with_suffix(".txt")
    listing.write_text(f"file '{clip.absolute()}'\n" * times, encoding="utf-8")
    copies = graph.input(str(listing), f="concat", safe=0).output(str(target), c="copy", **ffmpeg.BITEXACT)
    ffmpeg.run(copies, PROGRAM)


def repeat_text(text: Path, times: int, seconds: float, target: Path) -> None:
    """Subtitles for `times` repetitions, the first word of every line the repetition's number."""
    once = pysubs2.load(str(text))
    repeated = pysubs2.SSAFile()
    for number in range(times):
        for cue in once:
            moved = cue.copy()
            moved.shift(s=number * seconds)
            moved.plaintext = f"{number + 1}, {cue.plaintext}"
            repeated.append(moved)
    repeated.save(str(target), format_="srt")


def edit_one_line(source: Path, target: Path, where: float = 0.5) -> int:
    """Copy a subtitle file with one cue's text shortened by its last word; which cue it was, from 0.

    Args:
        where: 0..1, the cue's place among all.
    """
    subtitles = pysubs2.load(str(source))
    number = int(len(subtitles) * where)
    words = subtitles[number].plaintext.split()
    # A line without spaces between words loses its last sign but one: the last ends the sentence.
    whole = subtitles[number].plaintext
    subtitles[number].plaintext = " ".join(words[:-1]) if len(words) > 2 else whole[:-2] + whole[-1:]
    subtitles.save(str(target), format_="srt")
    return number


def pixels(text: str) -> tuple[int, int]:
    """`640x360`."""
    width, _, height = text.partition("x")
    return int(width), int(height)
