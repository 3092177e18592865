"""Subtitles in the picture: one action sets the text of a cue, and the chunks it stands in draw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from loc import packages
from loc.artifacts import SAMPLE_RATE, FrameRange, Source
from loc.media import ffmpeg
from loc.media.fonts import font_for, fonts_for
from loc.media.line_rules import line_rules
from loc.media.subtitles import Cue
from loc.media.timeline import Timeline
from loc.media.wrapping import fits, join_lines
from loc.runner import Action, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.deliver.picture import STAGE, Standing
from stages.deliver.subtitles import Languages

if TYPE_CHECKING:
    from loc.media.fonts import Font
    from loc.media.titles import Place


def drawn(
    ctx: Context,
    source: Source,
    timeline: Timeline,
    shown: Sequence[Cue],
    languages: Languages,
    place: Place,
) -> list[Standing]:
    """Set the text of all cues, and say in which frames each stands.

    Raises:
        MissingError: no font has the language's signs, or ffmpeg cannot set text.
    """
    assert ctx.language is not None
    stand, left_out = placed(shown, languages, timeline)
    if left_out:
        begin = left_out[0].start / SAMPLE_RATE
        ctx.notice(
            "not-drawn",
            f"{len(left_out)} subtitles are not drawn, the first after {begin:.1f} s: no picture comes while "
            "they are shown, and the one that stands has no room for them, or the picture is over. "
            "The .srt file has them.",
        )
    first = font_for(ctx.language)
    fonts = [fonts_for(cue.text + cue.below, first) for cue, _ in stand]
    if lost := "".join(dict.fromkeys("".join(left for _, left in fonts))):
        ctx.notice(
            "no-glyph", f"{len(lost)} signs are in no font of this machine and are not drawn: {_named(lost)}."
        )
    work = [
        _set(ctx, source, number, cue, languages, chosen, place)
        for number, ((cue, _), (chosen, _)) in enumerate(zip(stand, fonts, strict=True), start=1)
    ]
    made = ctx.runner.map(work, parallel=True)
    return [
        Standing(frames, item.ref("title"))
        for (_, frames), item in zip(stand, made, strict=True)
        if "title" in item.outputs
    ]


def _named(signs: str) -> str:
    return ", ".join(f"U+{ord(sign):04X}" for sign in signs[:10]) + (", ..." if len(signs) > 10 else "")


def placed(
    shown: Sequence[Cue], languages: Languages, timeline: Timeline
) -> tuple[list[tuple[Cue, FrameRange]], list[Cue]]:
    """The frames that each cue stands in, none in those of another; and the cues that stand in none.

    These are the frames that appear while it is shown. Where most of it would be over before the first of
    them, the one that stands as it begins is the first: a picture may be held for seconds. Cues that fall
    into one frame become one cue where that still is one subtitle.

    Args:
        shown: in time order, without overlap.
    """
    edges = timeline.samples()
    stand: list[tuple[Cue, FrameRange]] = []
    left_out: list[Cue] = []
    for cue in shown:
        begin, end = map(int, np.searchsorted(edges[:-1], [cue.start, cue.stop]))
        waits = min(int(edges[begin]), cue.stop) - cue.start
        first = begin - 1 if waits > 0 and (begin == end or _is_most(waits, cue)) else begin
        if stand and stand[-1][1].stop > first:
            before, frames = stand[-1]
            both = _joined(before, cue)
            if not _is_most(before.stop - max(before.start, int(edges[first])), before):
                stand[-1] = before, FrameRange(start=frames.start, stop=first)
            elif fits(both.text, languages.text) and fits(both.below, languages.below):
                stand[-1] = both, FrameRange(start=frames.start, stop=end)
                continue
            else:
                first = begin
        if first < end:
            stand.append((cue, FrameRange(start=first, stop=end)))
        else:
            left_out.append(cue)
    return stand, left_out


def _is_most(samples: int, cue: Cue) -> bool:
    return 2 * samples >= cue.stop - cue.start


def _joined(cue: Cue, after: Cue) -> Cue:
    text, below = (join_lines(pair) for pair in ((cue.text, after.text), (cue.below, after.below)))
    return Cue(cue.start, after.stop, text, below)


def _set(
    ctx: Context,
    source: Source,
    number: int,
    cue: Cue,
    languages: Languages,
    fonts: Sequence[Font],
    place: Place,
) -> tuple[Action, Make]:
    """Set one text as pixels of the coded picture.

    Reads: the text, in both languages where it is in two; the size and shape of the picture; the font files
        it needs.
    Leaves out: its time and its number; the languages, but for how they let rows be broken.
    """

    from loc.media import titles

    video, program = source.video, ctx.settings.ffmpeg

    text = titles.Text(cue.text, cue.below, (languages.text, languages.below))

    def make(out: Out) -> None:
        title = titles.set_text(text, fonts, video, place, out.folder, program)
        if title is not None:
            out.bytes("title", titles.save_title(title))

    action = Action(
        name="deliver.title",
        version=3,
        site=ctx.site(STAGE, f"subtitle {number}"),
        inputs={
            "text": digest_bytes(cue.text.encode()),
            **({"below": digest_bytes(cue.below.encode())} if cue.below else {}),
        },
        params={
            "size": [video.width, video.height],
            "sample_aspect": video.sample_aspect,
            "rotation": video.rotation,
            **({"mirrored": True} if video.mirrored else {}),
            "place": place,
            "rules": line_rules(languages.text).key(),
            **({"rules below": line_rules(languages.below).key()} if cue.below else {}),
            "families": [font.family for font in fonts],
        },
        programs={
            "ffmpeg": ffmpeg.fingerprint(program),
            "libass": titles.fingerprint(program),
            "opencv": packages.version("opencv-contrib-python"),
            "budoux": packages.version("budoux"),
            **_fingerprints(fonts),
        },
    )
    return action, make


def _fingerprints(fonts: Sequence[Font]) -> dict[str, Any]:
    return {f"font {number}": font.fingerprint() for number, font in enumerate(fonts, start=1)}
