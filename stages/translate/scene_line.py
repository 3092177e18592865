"""A line of a scene, as an action of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loc.artifacts import Segment
from stages.translate.batches import Batches
from stages.translate.dialogue import Answer
from stages.translate.scene import Scene


@dataclass(frozen=True)
class SceneLine:
    """A line, its scene, its place there, and where its translation comes from."""

    segment: Segment
    scene: Scene
    place: int
    batches: Batches[tuple[Scene, int], Answer]

    @property
    def source(self) -> str:
        return self.scene.source

    @property
    def target(self) -> str:
        return self.scene.target

    @property
    def asks(self) -> tuple[Scene, int]:
        """What is asked for."""
        return self.scene, self.place

    def slice(self) -> Mapping[str, object]:
        """What it reads beyond its own text, for its key."""
        return self.scene.slice(self.place)

    def translate(self) -> Answer:
        """Its translation.

        Raises:
            LocError: there is none.
        """
        return self.batches.get(self.asks)
