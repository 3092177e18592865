"""Cuts prepared before anything is heard: another language, an edit or another voice is then only drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loc.artifacts import FrameRange
from loc.errors import LocError
from loc.runner import Action, Made, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import redraw
from stages.lipsync.contract import CutView, Drafter, Preparing
from stages.lipsync.redraw import STAGE, Film, Ready, Redraw


def prepare(
    context: Context,
    film: Film,
    backend: Drafter,
    maker: Preparing,
    one: Redraw,
    part: FrameRange,
    cut: FrameRange,
) -> tuple[Action, Make]:
    """`lipsync.prepare`: what a backend makes of a cut in one chunk before anything is heard.

    Reads: the frames of the cut in the chunk, whether they will be drawn or not; the face's tracks in the
        chunk, and in those frames of the cut before it that the backend asks for.
    Leaves out: the dub and its language, but for how long it shows each frame where the backend holds faces
        steady; when anybody speaks; what only shapes the drawing; the numbers of
        cut and chunk, and the face's name.

    Args:
        backend: with `maker`, the same backend, as one that prepares.
        one: any redraw of the cut in the chunk.
        part: the frames of the cut in the chunk.
        cut: the frames of the whole cut.
    """
    reads = maker.run_in(film.source.video.average_rate)
    before = FrameRange(start=max(cut.start, part.start - reads), stop=part.start)
    whole = FrameRange(start=before.start, stop=part.stop)

    def make(out: Out) -> None:
        from loc.media.arrays import save_arrays

        view = CutView(
            video=film.source.video,
            points=film.faces_over(context, one.face, part),
            run_in=film.faces_over(context, one.face, before) if before else redraw.no_points(),
            # Only to hold a face steady it matters how long each frame is shown, which a dub may change.
            times=film.times(whole) if reads else np.empty(0, dtype=np.int64),
            pictures=lambda: film.pictures(part),
        )
        with redraw.contained("The cut could not be prepared."):
            made = maker.prepare(view)
        out.bytes("prepared", save_arrays(made))
        out.detail |= {"frames": len(part), **redraw.metered(view.meter)}

    tracks = film.tracks[one.chunk].frames
    action = Action(
        name="lipsync.prepare",
        version=3,
        site=context.site(STAGE, f"cut {one.cut + 1}, chunk {one.chunk + 1}"),
        inputs={
            "pictures": film.key(part),
            **({"times": digest_bytes(film.times(whole).tobytes())} if reads else {}),
            "tracks": film.tracks_key(one.face, one.chunk),
            "frames": [part.start - tracks.start, part.stop - tracks.start],
            **({"before": film.tracks_over_key(one.face, before)} if before else {}),
        },
        params={"video": film.source.video},
        backend=(backend.card.id, backend.card.version),
        programs={**maker.prepared_by(), **redraw.programs()},
    )
    return action, make


Work = Mapping[tuple[int, int], tuple[Action, Make]]
"""What prepares each (cut, chunk)."""


def work(
    context: Context,
    film: Film,
    backend: Drafter,
    redraws: Sequence[Redraw],
    cuts: Mapping[int, FrameRange],
) -> Work:
    """What prepares some redraws; nothing for a backend that prepares nothing.

    Args:
        cuts: the frames of each cut, by its index.
    """
    if not isinstance(backend, Preparing):
        return {}
    return {
        (one.cut, one.chunk): prepare(
            context, film, backend, backend, one, _part(film, one, cuts), cuts[one.cut]
        )
        for one in redraws
    }


def ready(
    context: Context,
    film: Film,
    backend: Drafter,
    redraws: Sequence[Redraw],
    cuts: Mapping[int, FrameRange],
    preparing: Work,
) -> list[Ready | LocError | None]:
    """What is prepared for each redraw, or why it could not be; None throughout where nothing is prepared.

    Args:
        cuts: as `work`.
        preparing: as `work` gives it.
    """
    made = dict(zip(preparing, context.runner.attempt(list(preparing.values()), parallel=True), strict=True))
    found: list[Ready | LocError | None] = []
    counted: set[tuple[int, int]] = set()
    reads = backend.run_in(film.source.video.average_rate) if made and isinstance(backend, Preparing) else 0
    lengths = {(one.cut, one.frames.stop): len(one.frames) for one in redraws}
    for one in redraws:
        place = one.cut, one.chunk
        result = made.get(place)
        if result is None or isinstance(result, LocError):
            found.append(result)
            continue
        spent = 0.0 if place in counted else redraw.device_seconds(result)
        counted.add(place)
        part = _part(film, one, cuts)
        before = made.get((one.cut, one.chunk - 1))
        earlier = before.ref("prepared") if isinstance(before, Made) else None
        lead = min(reads, lengths.get((one.cut, one.frames.start), 0)) if earlier else 0
        found.append(
            Ready(
                result.ref("prepared"),
                one.frames.start - part.start,
                lead,
                earlier if lead else None,
                spent,
            )
        )
    return found


def _part(film: Film, one: Redraw, cuts: Mapping[int, FrameRange]) -> FrameRange:
    """The frames of a redraw's cut in its chunk."""
    part = cuts[one.cut].intersect(film.source.chunks[one.chunk].frames)
    assert part is not None, "a redraw lies in its cut"
    return part
