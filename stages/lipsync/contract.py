"""Lip-sync: tracked faces and dry clips in, patch tracks out. A backend never writes a video."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from loc.artifacts import DubTrack, FrameRange, Source, Stems, Transcript, VideoStream
from loc.backend import Backend
from loc.stage import Slot

if TYPE_CHECKING:
    from loc.analysis.faces import Faces
    from loc.media.frames import Planes

HEARD_RATE = 16_000
"""Samples a second of what backends hear."""

Profile = Mapping[str, npt.NDArray[Any]]
"""What a backend measured of one person in one shot: named arrays, whose meaning is the backend's own."""


Prepared = Mapping[str, npt.NDArray[Any]]
"""What a backend made of a cut's frames before anything is heard: named arrays, whose meaning is its own."""


@dataclass(frozen=True)
class Inputs:
    source: Slot[Source]
    stems: Slot[Stems]
    transcript: Slot[Transcript]
    dub: Slot[DubTrack]


@dataclass(frozen=True)
class MouthPlan:
    """What the mouth should do, per frame of a redraw (n frames).

    `aperture`: float32 [n], 0 closed (the lips touch) .. 1 the person's widest.
    `width`: float32 [n], 1 = neutral, below = rounded, above = spread.
    `opacity`: float32 [n], 0 the source's pixels .. 1 drawn; fades where speech begins and ends.
    """

    aperture: npt.NDArray[np.float32]
    width: npt.NDArray[np.float32]
    opacity: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.opacity)


@dataclass(frozen=True)
class Heard:
    """The dub as one face speaks it: its dry, level-normalised clips, silence where it has none.

    `sound`: float32 [m], mono, 16 kHz, from 1 s before a redraw's first frame to 1 s after its last.
    `middles`: int64 [n], the sample of it in the middle of each frame's time on screen.
    """

    sound: npt.NDArray[np.float32]
    middles: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ShotView:
    """One person over those frames of a shot that may be drawn.

    `tracks`: yields, chunk by chunk, the source indices of its frames (int64 [n]) and their tracks, smoothed
    and without gaps; may be called once per pass. `pictures`: some frames of the source, by their indices in
    rising order.
    """

    video: VideoStream
    tracks: Callable[[], Iterator[tuple[npt.NDArray[np.int64], Faces]]]
    pictures: Callable[[Sequence[int]], Iterator[Planes]]


@dataclass
class Meter:
    """How long a device computed for a redraw, or to prepare a cut; filled by backends that use one.

    `device`: what it is, for people. `seconds`: by the clock, while nothing else is done.
    """

    device: str = ""
    seconds: float = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of the block, which ends, or is followed by another that ends, with a result that
        has left the device."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start


@dataclass(frozen=True)
class CutView:
    """The frames of a cut in one chunk, n consecutive ones, one face.

    `points`, `pictures`: as in `RedrawWindow`. `run_in`: float32 [m, POINT_COUNT, 2], points of those frames
    of the cut before them that the backend asked for (`Preparing.run_in`). `times`: int64 [m + n], samples in
    the middle of each frame's time on screen, counted from the first one's start, those before among them;
    none for a backend that asks for no frames before.
    """

    video: VideoStream
    points: npt.NDArray[np.float32]
    times: npt.NDArray[np.int64]
    pictures: Callable[[], Iterator[Planes]]
    run_in: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0, 2), dtype=np.float32))
    meter: Meter = field(default_factory=Meter)


@dataclass(frozen=True)
class Beside:
    """Drawn frames of a cut in the chunk before or after a redraw's, m of them, next to those of the redraw.

    `points`: float32 [m, POINT_COUNT, 2], as in `RedrawWindow`. `aperture`: float32 [m], as in `MouthPlan`.
    """

    points: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0, 2), dtype=np.float32))
    aperture: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.aperture)


@dataclass(frozen=True)
class RedrawWindow:
    """What a backend reads for one redraw: n consecutive frames of one chunk, one face.

    `points`: float32 [n, POINT_COUNT, 2], mesh points as in `loc.analysis.faces`, coded source pixel centres,
    smoothed, no gaps. `pictures`: yields the n frames in coded orientation; may be called once per pass.
    `first_frame`: the first frame's index in the source, which seeds whatever noise a backend uses.
    `drawn`, `cut`: source indices; which of the frames are to be drawn, and the cut they are in. A backend
        that asked for them (`Finalist.reads`) is given frames around those it draws.
    `heard`: for a backend that hears, what it hears; its `plan` is then closed throughout but for its
        opacity, since phones are not read for it.
    `lent`: for a backend that does not hear, profiles of who is taken for the same person in other shots, the
        nearest shot's first.
    `prepared`, `offset`: for a backend that prepares, what it made of the cut's frames in this chunk, and
        which of them is the first that is drawn; `points` and `pictures` are then empty.
    `before`: for a backend that prepares and reads frames before those it draws (`Preparing.run_in`), what it
        made of the cut's frames in the chunk before; its last ones are the first here.
    `run_in`, `run_out`: for a backend that looks beside what it draws (`Looking`), what it asked for.
    """

    video: VideoStream
    points: npt.NDArray[np.float32]
    plan: MouthPlan
    profile: Profile
    pictures: Callable[[], Iterator[Planes]]
    first_frame: int
    drawn: FrameRange
    cut: FrameRange
    heard: Heard | None = None
    lent: tuple[Profile, ...] = ()
    prepared: Prepared = field(default_factory=dict)
    offset: int = 0
    before: Prepared = field(default_factory=dict)
    run_in: Beside = field(default_factory=Beside)
    run_out: Beside = field(default_factory=Beside)
    meter: Meter = field(default_factory=Meter)


@dataclass(frozen=True)
class Patch:
    """One generated frame.

    `pixels`: uint8 [height, width, 3] RGB, the same size throughout a redraw.
    `matrix`: float64 [2, 3], patch pixel centres to coded source pixel centres.
    `polygon`: float32 [k, 2], outline of the mask in patch pixels, k constant in a redraw.
    `feather`: width of the soft edge inside the polygon, patch pixels.
    """

    pixels: npt.NDArray[np.uint8]
    matrix: npt.NDArray[np.float64]
    polygon: npt.NDArray[np.float32]
    feather: float


class Drafter(Backend, Protocol):
    """A mouth renderer."""

    follows_phones: bool
    """Whether it is driven by the phones of the dub (`RedrawWindow.plan`): agreement of its lips with those
    phones proves no more than that it did as it was told."""

    hears: bool
    """Whether it is driven by sound (`RedrawWindow.heard`) in place of phones."""

    def profile(self, shot: ShotView) -> Profile:
        """Measure what the renderer needs to know of a person over a whole shot, in constant memory.

        Raises:
            LocError: the person cannot be measured; the shot's cuts pass through.
        """
        ...

    def draw(self, window: RedrawWindow) -> Iterator[Patch]:
        """Draw every frame of the window, in order, in constant memory.

        Raises:
            LocError: it failed; the cut becomes a defect and passes through.
        """
        ...


@runtime_checkable
class Preparing(Protocol):
    """A renderer that does all it can of a cut before anything is heard, once for all languages and edits."""

    def prepared_by(self) -> Mapping[str, str]:
        """As `Backend.fingerprint`, of what shapes what it prepares."""
        ...

    def run_in(self, rate: Fraction) -> int:
        """Frames it reads of a cut before those it prepares or draws, so that no joint of chunks shows."""
        ...

    def prepare(self, cut: CutView) -> Prepared:
        """What it makes of the frames of a cut in one chunk.

        Raises:
            LocError: it failed; the cut becomes a defect and passes through.
        """
        ...


@runtime_checkable
class Looking(Protocol):
    """A renderer that looks at what is drawn beside its own frames, in the chunks before and after."""

    def looks(self, rate: Fraction) -> int:
        """Frames it looks at on either side, so that no joint of chunks shows."""
        ...


class Finalist(Drafter, Protocol):
    """A mouth renderer for the cuts that deserve more than a draft."""

    @property
    def model(self) -> str:
        """Its model, as `--backend finals=` takes it."""
        ...

    def reads(self, frames: FrameRange, cut: FrameRange, fps: float) -> FrameRange:
        """The frames of a cut that it reads so that it can draw some of them."""
        ...

    def unverified(self) -> str | None:
        """What of its weights cannot be verified, in words; None where they are known.

        Raises:
            LocError: they are known to be wrong for what they are to do.
        """
        ...

    def second_try(self) -> Finalist:
        """Itself, but drawing another take: for a cut whose lips do not follow what is heard."""
        ...
