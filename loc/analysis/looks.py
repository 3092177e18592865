"""What the mouth of each face of a shot looks like, learnt from its tracks by `loc.analysis.occlusion`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loc.analysis import occlusion
from loc.analysis.faces import foremost, read_faces
from loc.artifacts import ChunkTracks, Source
from loc.media.arrays import load_arrays, save_arrays
from loc.runner import Action, Make, Out, Runner, Site
from loc.store.workdir import WorkDir


@dataclass(frozen=True)
class Person:
    """A face of a shot.

    Args:
        shot: index of the shot.
        name: of the face; never in a key.
        parts: by index of the chunk, the tracks in it that are this face.
    """

    shot: int
    name: str
    parts: Mapping[int, tuple[int, ...]]


def learn_looks(
    runner: Runner, site: Site, source: Source, tracks: Sequence[ChunkTracks], people: Sequence[Person]
) -> tuple[occlusion.Looks, ...]:
    """What the mouth of each face looks like: one `faces.looks` action each.

    Raises:
        NotMade: in look mode, when a face has not been looked at.
    """
    made = runner.map(
        [_looking(runner.store, site, source, tracks, person) for person in people], parallel=True
    )
    return tuple(occlusion.Looks(**load_arrays(runner.store.open_object(item.ref("looks")))) for item in made)


def _looking(
    store: WorkDir, site: Site, source: Source, tracks: Sequence[ChunkTracks], person: Person
) -> tuple[Action, Make]:
    """Learn what the mouth of one face looks like.

    Reads: the colours round the mouth in the face's tracks in the shot: all frames, or 600 spread evenly.
    Leaves out: the pictures; the face's name; whatever is said or set.
    """
    chunks = [index for index, chunk in enumerate(source.chunks) if chunk.shot == person.shot]
    parts = {index: sorted(person.parts.get(index, ())) for index in chunks}
    frames = sum(len(source.chunks[index].frames) for index in chunks)
    every = -(-frames // occlusion.LEARNT_FRAMES)

    def make(out: Out) -> None:
        mouths = []
        for index in chunks:
            own, held = source.chunks[index].frames, tracks[index]
            first = -(own.start - source.shots[person.shot].start) % every
            wanted = slice(own.start - held.frames.start + first, own.stop - held.frames.start, every)
            faces = read_faces(store, held)
            mouths.append(foremost([faces[part] for part in parts[index]], len(held.frames)).mouth[wanted])
        looks = occlusion.learn(np.concatenate(mouths))
        out.bytes("looks", save_arrays({"middle": looks.middle, "spread": looks.spread}))
        out.detail["looks"] = len(looks.middle)

    action = Action(
        name="faces.looks",
        version=5,
        site=Site(site.stage, f"face {person.name}", site.language),
        inputs={
            "tracks": [
                {
                    "arrays": tracks[index].arrays,
                    "start": tracks[index].frames.start,
                    "parts": parts[index],
                }
                for index in chunks
            ],
            "chunks": [[source.chunks[i].frames.start, source.chunks[i].frames.stop] for i in chunks],
        },
    )
    return action, make
