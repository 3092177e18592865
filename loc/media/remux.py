"""Taking one coded sound track out of a file, packet by packet, onto the programme's clock.

Nothing is decoded. The result is an MP4 whose edit list holds the times to a sample, whatever container the
track came from: time 0 is the first picture's, as in a file of `loc.media.encode.encode_sound`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error

from loc.artifacts import SAMPLE_RATE, AudioStream, Container
from loc.media.audio import TOLERANCE_S, open_track
from loc.media.demux import packets
from loc.media.ffmpeg import file_url
from loc.store.workdir import storage_error

COPIED: Mapping[Container, frozenset[str]] = {
    "mp4": frozenset({"aac", "ac3", "alac", "eac3", "mp3"}),
    "mkv": frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"}),
    "webm": frozenset({"opus"}),
}
"""Codecs that players expect in each container, and that MP4 can hold on the way there; by ffmpeg's names."""

RUN_UP_S: Mapping[str, Fraction] = {
    # RFC 7845, section 4.6: 80 ms until the decoder has converged.
    "opus": Fraction(80, 1000),
    # A packet's data may begin up to 511 bytes before it (ISO 11172-3), which at 32 kbit/s are 128 ms.
    "mp3": Fraction(150, 1000),
}
"""What a decoder wants to have heard before the first sample that counts."""

OVERLAP_S = Fraction(1, 100)
"""The same for codecs whose packets overlap with the one before, or stand alone: just that one."""


class CannotCopy(Exception):  # noqa: N818 - news, not a failure
    """The packets do not make one unbroken track at their times. The message says why, in half a sentence."""


def unfit_codec(track: AudioStream, container: Container) -> str | None:
    """Why a track's codec is not put into a container, in half a sentence; None where it is."""
    return None if track.codec in COPIED[container] else f"{track.codec} is not put into {container}"


def take_sound(source: Path, track: AudioStream, start: Fraction, target: Path) -> None:
    """Write the packets that sound from `start` on, and what the decoder needs before them.

    Args:
        start: seconds on the container's clock that time 0 of the result belongs to.
        target: an MP4, whatever its suffix.

    Raises:
        CannotCopy: times are missing, go back or leave gaps; packets are damaged or edited out.
        InputError: the file cannot be opened, or the disk or the network failed.
        StorageError: the target cannot be written.
    """
    options = {"fflags": "+bitexact", "movie_timescale": str(SAMPLE_RATE)}
    with open_track(source, track) as (container, stream):
        needed = start - RUN_UP_S.get(track.codec, OVERLAP_S)
        packets = _unbroken(_behind(_packets(source, container, stream), needed), start)
        first = next(packets, None)
        if first is None:
            raise CannotCopy("none of it lies beside the picture")
        ticks = round(start / stream.time_base)
        try:
            with av.open(file_url(target), "w", format="mp4", options=options) as output:
                copy = output.add_stream_from_template(stream)
                for packet in chain([first], packets):
                    packet.stream = copy
                    packet.pts = packet.dts = packet.pts - ticks
                    output.mux_one(packet)
        except av.error.FFmpegError as error:
            cause = OSError(error.errno, error.strerror)
            raise storage_error("The original sound could not be written.", cause) from error


def _packets(source: Path, container: Any, stream: Any) -> Iterator[Any]:
    """All packets with their times.

    Raises:
        CannotCopy
        InputError
    """

    def broken() -> None:
        raise CannotCopy("the file breaks off within it")

    for packet in packets(source, container.demux(stream), broken):
        if not packet.size:
            continue
        if packet.pts is None:
            raise CannotCopy("its packets have no times")
        yield packet


def _behind(packets: Iterable[Any], needed: Fraction) -> Iterator[Any]:
    """The packets that end behind a time in seconds."""
    return (packet for packet in packets if _end(packet) > needed)


def _unbroken(packets: Iterable[Any], start: Fraction) -> Iterator[Any]:
    """The packets, each beginning where the one before ended, as far as that one says how long it is.

    Raises:
        CannotCopy
    """
    earliest = latest = None
    for packet in packets:
        at = packet.pts * packet.time_base
        if packet.is_corrupt:
            raise CannotCopy("packets of it are damaged")
        if packet.is_discard and at >= start:
            raise CannotCopy("parts of it are edited out")
        if earliest is not None and at <= earliest:
            raise CannotCopy("its times go back")
        if latest is not None and at > latest:
            raise CannotCopy("its times leave gaps")
        # Before it is handed on, since who takes it moves it.
        due = _end(packet)
        earliest, latest = max(at, due - TOLERANCE_S), due + TOLERANCE_S if packet.duration else None
        yield packet


def _end(packet: Any) -> Fraction:
    """Second at which the sound of a packet ends; of one that does not say, begins."""
    return Fraction((packet.pts + (packet.duration or 0)) * packet.time_base)
