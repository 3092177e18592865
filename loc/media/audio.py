"""Decoding one sound track onto the programme's clock: 48 kHz, sample 0 at the first picture's time.

Samples are placed by their timestamps, not by counting: a track that begins late is padded, sound from
before the picture is cut off, lost packets leave silence. What an encoder put before the sound (AAC
priming, edit lists) is removed by the demuxer and decoder, which know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import soxr

from loc.artifacts import SAMPLE_RATE, AudioStream
from loc.errors import InputError
from loc.media.demux import packets
from loc.media.ffmpeg import LOCAL_ONLY, LONG_LOOK, file_url
from loc.media.sound import Samples
from loc.media.timeline import LEAP_S, STREAMED, Stretch

MAX_CHANNELS = 2
"""More channels than stereo are mixed down."""

TOLERANCE_S = Fraction(20, 1000)
"""Timestamps that stray less than this from the count of samples are rounding (Matroska's are whole
milliseconds) and are not followed: each correction is a click. One lost packet of AAC is 21 ms."""

DISCONTINUITY_S = 1
"""A timestamp this far behind the samples already placed, where no clock of the picture begins anew, begins
one of the sound: what follows is put right behind what came before. A smaller step back repeats sound, and
the repeat is cut."""

GOES_ON_S = Fraction(1, 2)
"""Sound that comes this near to what was placed is of the same recording, also beside pictures of another."""

REACH = 1 << 22
"""Bytes by which sound may lie before or behind its pictures in a file: a second at 30 Mbit/s. Files of
several clocks are streams, whose players hold no more."""

PADDING = SAMPLE_RATE * 50 // 1000
"""Sound that outlasts the picture by no more than this many samples is cut: lossy codecs fill up their last
packet (21 ms of AAC, twice that at 24 kHz), and no picture could be shown to it."""

SILENCE_PIECE = SAMPLE_RATE
"""Samples of silence made at a time, so that a gap of an hour costs no memory."""


def output_channels(track: AudioStream) -> int:
    """Channels that `decode_track` gives: those of the track, at most stereo."""
    return min(MAX_CHANNELS, max(1, track.channels))


@dataclass
class Losses:
    """What a decode could not give, known when it has ended.

    Args:
        damaged: packets that the decoder refused, and the place where the file breaks off.
        missing: samples of silence put in between, where timestamps leave gaps.
        ended: samples from sample 0 to the end of the last sound.
    """

    damaged: int = 0
    missing: int = 0
    ended: int = 0


def decode_track(
    path: Path,
    track: AudioStream,
    start: Fraction,
    picture: int,
    stretches: Sequence[Stretch],
    losses: Losses | None = None,
) -> Iterator[Samples]:
    """The track from the time `start` on, in pieces of float32 [n, channels] at 48 kHz.

    Never shorter than the picture, and longer only where there is sound behind it. More than two channels
    are mixed down to stereo by ffmpeg's standard matrix, scaled so that it cannot clip.

    Args:
        start: seconds on the container's clock that sample 0 belongs to.
        picture: length of the picture in samples.
        stretches: the parts of the file with a clock of their own, of `Timeline.stretches`: sound keeps its
            offset to the pictures of its part, and what of it overlaps is cut.
        losses: told what is lost.

    Raises:
        InputError: the file or track cannot be opened or read, or not one packet of it can be decoded.
    """
    channels = output_channels(track)
    losses = losses or Losses()
    with open_track(path, track) as (container, stream):
        decoder = _Decoder(path, container, stream, track, losses)
        if decoder.rate:
            placed = _resampled(decoder.placed(start, stretches), decoder.rate, channels)
            yield from _fitted(placed, picture, channels, losses)
        if decoder.decoded == 0:
            raise InputError(
                f"Sound track {track.track} of {path} cannot be decoded.",
                why=f"Not one packet of its {track.codec} stream gave sound.",
                fix="Choose another track with --audio-track, or check that the file plays.",
            )


def _fitted(pieces: Iterable[Samples], picture: int, channels: int, losses: Losses) -> Iterator[Samples]:
    """`pieces` without an encoder's padding behind the picture, with silence up to its end."""
    total = 0
    behind: list[Samples] = []
    for piece in pieces:
        inside = max(0, picture - total)
        total += len(piece)
        if inside:
            yield piece[:inside]
        # An empty slice would hold on to the whole piece, and hours of them to the whole sound.
        if inside < len(piece):
            behind.append(piece[inside:])
        if total - picture > PADDING:
            yield from behind
            behind.clear()
    losses.ended = total
    yield from _silence(picture - total, channels)


def _silence(samples: int, channels: int) -> Iterator[Samples]:
    while samples > 0:
        count = min(samples, SILENCE_PIECE)
        yield np.zeros((count, channels), dtype=np.float32)
        samples -= count


def _resampled(pieces: Iterable[Samples], rate: int, channels: int) -> Iterator[Samples]:
    """`pieces` at 48 kHz, as one stream; soxr takes its own delay out."""
    if rate == SAMPLE_RATE:
        yield from pieces
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, channels, dtype="float32", quality="HQ")
    for piece in pieces:
        yield _two_dimensional(stream.resample_chunk(piece), channels)
    yield _two_dimensional(stream.resample_chunk(np.zeros((0, channels), np.float32), last=True), channels)


def _two_dimensional(samples: Any, channels: int) -> Samples:
    """soxr gives one channel as [n]."""
    return np.asarray(samples, dtype=np.float32).reshape(-1, channels)


class _Clock:
    """Where frames of sound belong: counts samples, and follows timestamps only where they really differ.

    Args:
        start: seconds on the container's clock that sample 0 belongs to.
        stretches: the parts of the file with a clock of their own.
        leaps: whether timestamps that leap behind the end of the picture are believed.
    """

    def __init__(self, start: Fraction, rate: int, stretches: Sequence[Stretch], *, leaps: bool) -> None:
        self._start = start
        self._rate = rate
        self._stretches = stretches
        self._leaps = leaps
        self._current = 0
        """Which stretch the sound is in."""
        self._placed = 0
        self._shift = 0
        """Samples by which sound is placed elsewhere than its stretch says: its own clock began anew."""
        self.begun = False
        """Whether a frame has been placed."""
        self._aligned = False
        """Whether one of this stretch has, so that the next may be counted on from it."""

    def place(self, frame: Any, position: int | None, samples: int) -> tuple[int, int]:
        """(samples of the frame to leave out at its start, samples of silence missing before it).

        Args:
            position: byte of the file at which the frame's packet begins.
            samples: length of the frame.
        """
        ahead = 0 if frame.pts is None else self._ahead(Fraction(frame.pts * frame.time_base), position)
        skipped, missing = min(samples, max(0, -ahead)), max(0, ahead)
        self._placed += missing + samples - skipped
        self._aligned = self._aligned or skipped < samples
        self.begun = self.begun or self._aligned
        return skipped, missing

    def _ahead(self, time: Fraction, position: int | None) -> int:
        """Samples between what has been placed and where a frame of this timestamp belongs."""
        if self._goes_over(time, position):
            self._shift, self._aligned = 0, False
        stretch = self._stretches[self._current]
        ahead = self._against(stretch, time)
        if not self._aligned:
            return ahead
        own = ahead + self._shift
        if abs(ahead) <= GOES_ON_S * self._rate or not self._is_plausible(own):
            leapt = not self._leaps and ahead > LEAP_S * self._rate and time > stretch.last + LEAP_S
            self._shift = -ahead if leapt or ahead <= -DISCONTINUITY_S * self._rate else 0
        ahead += self._shift
        return 0 if abs(ahead) <= TOLERANCE_S * self._rate else ahead

    def _is_plausible(self, ahead: int) -> bool:
        """Whether sound goes on, or does so behind a gap."""
        return -DISCONTINUITY_S * self._rate < ahead <= LEAP_S * self._rate

    def _goes_over(self, time: Fraction, position: int | None) -> bool:
        """Whether a frame begins another stretch: of those whose pictures are near in the file, the one by
        whose clock it sounds nearest to what came before, if it does not go on in its own."""
        if len(self._stretches) == 1:
            return False
        before, ahead = self._current, self._against(self._stretches[self._current], time)
        if abs(ahead) <= GOES_ON_S * self._rate and self._is_near(before, position):
            return False
        near = [place for place in range(len(self._stretches)) if self._is_near(place, position)]
        if self._aligned and ahead <= -DISCONTINUITY_S * self._rate and len(near) > 1 and before in near:
            near.remove(before)
        self._current = min(near, key=lambda place: abs(self._against(self._stretches[place], time)))
        return self._current != before

    def _is_near(self, place: int, position: int | None) -> bool:
        """Whether sound at a byte of the file may belong to the pictures of a stretch."""
        if position is None:
            return place >= self._current
        behind = place + 1 < len(self._stretches) and position >= self._stretches[place + 1].position + REACH
        return position >= self._stretches[place].position - REACH and not behind

    def _against(self, stretch: Stretch, time: Fraction) -> int:
        """Samples between what has been placed and a timestamp by the clock of a stretch."""
        return round((time + stretch.shift - self._start) * self._rate) - self._placed


class _Decoder:
    """One sound track, decoded packet by packet in its own rate."""

    def __init__(self, path: Path, container: Any, stream: Any, track: AudioStream, losses: Losses) -> None:
        self._path = path
        self._losses = losses
        self._container = container
        self._stream = stream
        self._channels = output_channels(track)
        self._converters: dict[tuple[str, str, int], Any] = {}
        self.rate = int(stream.codec_context.sample_rate or track.sample_rate)
        self.decoded = 0

    def placed(self, start: Fraction, stretches: Sequence[Stretch]) -> Iterator[Samples]:
        """Consecutive float32 [n, channels] at `rate`, the first sample at the time `start`."""
        leaps = self._container.format.name not in STREAMED
        clock = _Clock(start, self.rate, stretches, leaps=leaps)
        for frame, position in self._frames():
            samples = self._convert(frame)
            begun = clock.begun
            skipped, missing = clock.place(frame, position, len(samples))
            if begun:
                self._losses.missing += round(Fraction(missing * SAMPLE_RATE, self.rate))
            yield from _silence(missing, self._channels)
            if skipped < len(samples):
                yield samples[skipped:]

    def _frames(self) -> Iterator[tuple[Any, int | None]]:
        """Decoded frames, and where their packets begin in the file; damaged packets are counted and passed
        over, and their time stays silent.

        Raises:
            InputError: the disk or the network failed.
        """
        position: int | None = None
        for packet in packets(self._path, self._container.demux(self._stream), self._count_damage):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self._count_damage()
                continue
            # Several packets of a program stream may lie in one, and only the first then says where.
            position = position if packet.pos is None else packet.pos
            yield from ((frame, position) for frame in frames)

    def _count_damage(self) -> None:
        self._losses.damaged += 1

    def _convert(self, frame: Any) -> Samples:
        """A frame as float32 [n, channels] in the track's rate; a broadcast may change its format midway."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind not in self._converters:
            self._converters[kind] = self._converter(frame)
        converted = [part.to_ndarray() for part in self._converters[kind].resample(frame)]
        joined = np.concatenate(converted, axis=1).T if converted else np.zeros((0, self._channels))
        if joined.dtype == np.int32:
            joined = joined / np.float64(1 << 31)
        self.decoded += len(joined)
        return np.ascontiguousarray(joined, dtype=np.float32)

    def _converter(self, frame: Any) -> Any:
        """To planar float; a mix-down by way of integers, for which ffmpeg scales its matrix not to clip."""
        mixed = frame.layout.nb_channels > self._channels
        layout = "mono" if self._channels == 1 else "stereo"
        return av.AudioResampler(format="s32p" if mixed else "fltp", layout=layout, rate=self.rate)


@contextmanager
def open_track(path: Path, track: AudioStream) -> Iterator[tuple[Any, Any]]:
    """PyAV's container and stream of one sound track of a local file.

    Raises:
        InputError: the file or the track cannot be opened.
    """
    container = _opened(path)
    if _begins_later(container, track):
        container.close()
        container = _opened(path, LONG_LOOK)
    with container:
        try:
            stream: Any = container.streams[track.index]
        except IndexError as error:
            raise InputError(f"{path} has no stream {track.index} any more.") from error
        if stream.codec_context is None:
            raise InputError(
                f"Sound track {track.track} of {path} cannot be decoded.",
                why=f"There is no decoder for {track.codec}.",
                fix="Choose another track with --audio-track.",
            )
        yield container, stream


def _opened(path: Path, look: Mapping[str, str] | None = None) -> Any:
    try:
        return av.open(file_url(path), options={**LOCAL_ONLY, **(look or {})}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(
            f"{path} cannot be opened.", why=str(error), fix="Check that the file plays."
        ) from error


def _begins_later(container: Any, track: AudioStream) -> bool:
    """Whether a track's sound was not met yet: the stream is not there, or its rate is not known."""
    if track.index >= len(container.streams):
        return True
    coded = container.streams[track.index].codec_context
    return coded is not None and not coded.sample_rate
