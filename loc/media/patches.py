"""Patch tracks on disk: lossless pixels in FFV1, placement in .npz. See `loc.artifacts.PatchTrack`.

Both files are reproducible: the same frames and numbers give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from loc.errors import StorageError
from loc.media.arrays import load_arrays, save_arrays

Pixels = npt.NDArray[np.uint8]
"""RGB, [height, width, 3]."""

_CODER = {
    # Version 3 with a checksum in every slice: damage shows as an error, not as a wrong face.
    "level": "3",
    "slicecrc": "1",
    "slices": "4",
    # Golomb-Rice with the small context: 12 % more bytes than the range coder, a third less time.
    "coder": "0",
    "context": "0",
}
_LAYOUT = "bgr0"
"""FFV1's 8-bit RGB: four bytes a pixel, the last unused."""
_NOMINAL_RATE = 25
"""Matroska wants a rate. Nobody reads it: a patch's time is its frame's place in the source."""


@dataclass(frozen=True)
class Placement:
    """Where `count` patches lie; the arrays of `loc.artifacts.PatchTrack.placement`."""

    matrix: npt.NDArray[np.float64]
    """[count, 2, 3]: patch pixel centres (x, y) to coded source pixel centres."""
    polygon: npt.NDArray[np.float32]
    """[count, k, 2]: outline of the mask, patch pixels."""
    feather: npt.NDArray[np.float32]
    """[count]: width of the soft edge inside the polygon, patch pixels."""
    opacity: npt.NDArray[np.float32]
    """[count]: 0..1."""

    def __len__(self) -> int:
        return len(self.opacity)


def save_placement(placement: Placement) -> bytes:
    """The bytes of a placement file."""
    return save_arrays(
        {
            "matrix": placement.matrix.astype(np.float64),
            "polygon": placement.polygon.astype(np.float32),
            "feather": placement.feather.astype(np.float32),
            "opacity": placement.opacity.astype(np.float32),
        }
    )


def load_placement(path: Path) -> Placement:
    """Read a placement file.

    Raises:
        StorageError: it is no placement.
    """
    arrays = load_arrays(path)
    try:
        return Placement(arrays["matrix"], arrays["polygon"], arrays["feather"], arrays["opacity"])
    except KeyError as error:
        raise StorageError(f"{path.name[:12]} is no placement.", why=f"It lacks {error}.") from error


def write_patches(path: Path, frames: Iterable[Pixels]) -> int:
    """Write frames of one size as lossless intra FFV1 in Matroska, one at a time; returns how many.

    Raises:
        ValueError: no frame, or frames of different sizes.
    """
    import av

    count = 0
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        stream: Any = None
        for pixels in frames:
            height, width = pixels.shape[:2]
            if stream is None:
                stream = _open_stream(container, width, height)
            elif (stream.width, stream.height) != (width, height):
                raise ValueError("the patches of a track have one size")
            container.mux(stream.encode(_to_frame(pixels)))
            count += 1
        if stream is None:
            raise ValueError("a patch track has at least one frame")
        container.mux(stream.encode())
    return count


def _open_stream(container: Any, width: int, height: int) -> Any:
    stream = container.add_stream("ffv1", rate=_NOMINAL_RATE, options=dict(_CODER))
    stream.width, stream.height, stream.pix_fmt = width, height, _LAYOUT
    stream.codec_context.gop_size = 1
    # One thread: chunks are drawn side by side already, and slices cost nothing to code in order.
    stream.codec_context.thread_count = 1
    return stream


def read_patches(path: Path, width: int, height: int, count: int) -> Iterator[Pixels]:
    """The frames of a patch file in order.

    Raises:
        StorageError: it cannot be decoded, or size or number of frames differ from what is asked.
    """
    for decoded in skim_patches(path, width, height, count):
        yield decoded()


def skim_patches(path: Path, width: int, height: int, count: int) -> Iterator[Callable[[], Pixels]]:
    """The frames of a patch file in order, each decoded only if it is called before the next is taken.

    Raises:
        StorageError: as `read_patches`, here or when a frame is called.
    """
    import av

    seen = 0
    try:
        with av.open(str(path), format="matroska") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                if packet.size:
                    seen += 1
                    yield lambda packet=packet: _decoded(packet, width, height)  # type: ignore[misc]
    except (av.FFmpegError, IndexError) as error:
        raise _undecodable(str(error)) from error
    if seen != count:
        raise StorageError(f"A patch track has {seen} frames, not {count}.")


def _decoded(packet: Any, width: int, height: int) -> Pixels:
    import av

    try:
        (frame,) = packet.decode()
    except (av.FFmpegError, ValueError) as error:
        raise _undecodable(str(error)) from error
    if (frame.width, frame.height) != (width, height):
        raise StorageError(f"Patches are {frame.width}x{frame.height}, not {width}x{height}.")
    return _to_pixels(frame)


def _undecodable(why: str) -> StorageError:
    return StorageError("A patch track cannot be decoded.", why=why)


def _to_frame(pixels: Pixels) -> Any:
    """A picture in the coder's layout.

    Bytes are moved here: PyAV's conversion starts threads for each picture, which on busy cores took twenty
    times as long as the moving itself.
    """
    import av
    import cv2

    height, width = pixels.shape[:2]
    frame = av.VideoFrame(width, height, _LAYOUT)
    cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGRA, dst=_four_bytes(frame))
    return frame


def _to_pixels(frame: Any) -> Pixels:
    """The RGB of a decoded picture."""
    import cv2

    if frame.format.name != _LAYOUT:
        raise StorageError(f"Patches are coded as {frame.format.name}, not {_LAYOUT}.")
    return np.asarray(cv2.cvtColor(_four_bytes(frame), cv2.COLOR_BGRA2RGB), dtype=np.uint8)


def _four_bytes(frame: Any) -> npt.NDArray[np.uint8]:
    """A view of a picture's pixels, uint8 [height, width, 4] BGR and one unused."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : 4 * frame.width].reshape(frame.height, frame.width, 4)
