"""Subtitles in the picture: one action sets the text of a cue, and the chunks it stands in draw it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from loc import packages
from loc.artifacts import FrameRange, Source
from loc.media import ffmpeg
from loc.media.fonts import font_for, fonts_for
from loc.media.line_rules import line_rules
from loc.media.subtitles import Cue
from loc.media.timeline import Timeline
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
    first = font_for(ctx.language)
    fonts = [fonts_for(cue.text + cue.below, first) for cue in shown]
    if lost := "".join(dict.fromkeys("".join(left for _, left in fonts))):
        ctx.notice(
            "no-glyph", f"{len(lost)} signs are in no font of this machine and are not drawn: {_named(lost)}."
        )
    work = [
        _set(ctx, source, number, cue, languages, chosen, place)
        for number, (cue, (chosen, _)) in enumerate(zip(shown, fonts, strict=True), start=1)
    ]
    made = ctx.runner.map(work, parallel=True)
    return [
        Standing(frames, item.ref("title"))
        for cue, item in zip(shown, made, strict=True)
        if "title" in item.outputs and (frames := _frames(cue, timeline)) is not None
    ]


def _named(signs: str) -> str:
    return ", ".join(f"U+{ord(sign):04X}" for sign in signs[:10]) + (", ..." if len(signs) > 10 else "")


def _frames(cue: Cue, timeline: Timeline) -> FrameRange | None:
    """The frames that appear while a cue is shown; None where it is over before the next one comes."""
    begin, end = np.searchsorted(timeline.samples()[:-1], [cue.start, cue.stop])
    return FrameRange(start=int(begin), stop=int(end)) if begin < end else None


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
        version=2,
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
