"""Cuts prepared before anything is heard: another language, an edit or another voice is then only drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loc.artifacts import FrameRange
from loc.errors import LocError
from loc.runner import Action, Make, Out
from loc.stage import Context
from loc.store.keys import digest_bytes
from stages.lipsync import redraw
from stages.lipsync.contract import CutView, Drafter, Preparing
from stages.lipsync.redraw import STAGE, Film, Ready, Redraw


def prepare(
    context: Context, film: Film, backend: Drafter, maker: Preparing, one: Redraw, part: FrameRange
) -> tuple[Action, Make]:
    """`lipsync.prepare`: what a backend makes of a cut in one chunk before anything is heard.

    Reads: the frames of the cut in the chunk, whether they will be drawn or not; the face's tracks in the
        chunk.
    Leaves out: the dub and its language; when anybody speaks; what only shapes the drawing; the numbers of
        cut and chunk, and the face's name.

    Args:
        backend: with `maker`, the same backend, as one that prepares.
        one: any redraw of the cut in the chunk.
        part: the frames of the cut in the chunk.
    """

    def make(out: Out) -> None:
        from loc.media.arrays import save_arrays

        view = CutView(
            video=film.source.video,
            points=film.faces_over(context, one.face, part),
            times=film.times(part),
            pictures=lambda: film.pictures(part),
        )
        with redraw.contained("The cut could not be prepared."):
            made = maker.prepare(view)
        out.bytes("prepared", save_arrays(made))
        out.detail |= {"frames": len(part)}

    tracks = film.tracks[one.chunk].frames
    action = Action(
        name="lipsync.prepare",
        version=3,
        site=context.site(STAGE, f"cut {one.cut + 1}, chunk {one.chunk + 1}"),
        inputs={
            "pictures": film.key(part),
            "times": digest_bytes(film.times(part).tobytes()),
            "tracks": film.tracks_key(one.face, one.chunk),
            "frames": [part.start - tracks.start, part.stop - tracks.start],
        },
        params={"video": film.source.video},
        backend=(backend.card.id, backend.card.version),
        programs={**maker.prepared_by(), **redraw.programs()},
    )
    return action, make


def ready(
    context: Context,
    film: Film,
    backend: Drafter,
    redraws: Sequence[Redraw],
    cuts: Mapping[int, FrameRange],
) -> list[Ready | LocError | None]:
    """What is prepared for each redraw, or why it could not be; None throughout for a backend that prepares
    nothing.

    Args:
        cuts: the frames of each cut, by its index.
    """
    if not isinstance(backend, Preparing):
        return [None] * len(redraws)
    parts = [cuts[one.cut].intersect(film.source.chunks[one.chunk].frames) for one in redraws]
    work: dict[tuple[int, int], tuple[Action, Make]] = {}
    for one, part in zip(redraws, parts, strict=True):
        assert part is not None, "a redraw lies in its cut"
        work.setdefault((one.cut, one.chunk), prepare(context, film, backend, backend, one, part))
    made = dict(zip(work, context.runner.attempt(list(work.values()), parallel=True), strict=True))
    found: list[Ready | LocError | None] = []
    for one, part in zip(redraws, parts, strict=True):
        result = made[one.cut, one.chunk]
        if isinstance(result, LocError):
            found.append(result)
        elif part is not None:
            found.append(Ready(result.ref("prepared"), one.frames.start - part.start))
    return found
