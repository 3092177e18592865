"""Avatars: pictures of a person prepared once, to speak any sound at the cost of UNet, decoder and paste.

An avatar is a folder, `DATA_DIR/avatars/NAME`, made without any sound:

    avatar.json      `Avatar`
    pictures.raw     its frames as coded, plane after plane, frame after frame
    face.npy         of what was baked (`musetalk.baking`) which face each frame shows
    faces.raw        the rest of it, face after face

Frames without a face are shown as they are. Where the sound is longer than the pictures they are shown to
and fro. Nothing is held whole but the sound: frames and faces are written as they come, and mapped.
"""

from __future__ import annotations

import itertools
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from loc.artifacts import SAMPLE_RATE, FrameRange, Frozen, Ratio, VideoStream
from loc.device import Devices
from loc.errors import InputError, MissingError, UsageError
from loc.store.keys import digest_file
from stages.lipsync.contract import HEARD_RATE
from stages.lipsync.musetalk import MuseTalk
from stages.lipsync.musetalk.ahead import Ahead
from stages.lipsync.musetalk.cycle import pick
from stages.lipsync.musetalk.knobs import Knobs, Version

if TYPE_CHECKING:
    from loc.media.frames import Planes
    from loc.settings import Settings
    from stages.lipsync.musetalk.baking import Shown
    from stages.lipsync.musetalk.model import Model

Sound = npt.NDArray[np.float32]
Say = Callable[[str], None]

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RECORD = "avatar.json"
AHEAD = 2
"""Batches that are drawn while an earlier one is pasted and coded."""
SEGMENT = 20 * HEARD_RATE
CONTEXT = 5 * HEARD_RATE
"""A long sound is heard 20 s at a time, with 5 s on either side: 30 s, what the ear was trained on."""
FRESH = HEARD_RATE * 2 // 5
"""A stream is heard anew whenever so much more of it has come: 0.4 s."""
LOOKAHEAD = HEARD_RATE // 5
"""What must be known of a stream after a frame's own window, since the ear looks ahead too: 0.2 s."""
RECALL = 10 * HEARD_RATE
"""How far back a stream is heard."""


class Avatar(Frozen):
    """What an avatar was made of."""

    schema_version: Literal[4] = 4
    name: str
    version: Version
    """Of the MuseTalk it was baked for: boxes and masks depend on it."""
    source: str
    """SHA-256 of the video, or of its pictures one after the other."""
    rate: Ratio
    """Frames per second."""
    frames: int
    faces: int
    """Frames that show one."""
    video: VideoStream
    planes: tuple[tuple[int, int], ...]
    """Height and width of each plane of a frame."""
    latents: tuple[int, ...]
    """Shape of a face's."""
    outline: int
    """Points of the outline of a face's mask."""
    knobs: dict[str, Any]
    vae: dict[str, str]
    """Digests of the weights that saw the faces."""


def _unusable(folder: Path, error: Exception) -> MissingError:
    if not folder.is_dir():
        return MissingError(
            f"There is no avatar {folder.name!r}.",
            fix="`loc avatar list` names those there are; `loc avatar bake` makes one.",
        )
    other_form = isinstance(error, ValidationError)
    return MissingError(
        f"The avatar {folder.name!r} cannot be used.",
        why="Another version of loc made it, or it is damaged." if other_form else f"{error}.",
        fix=f"`loc avatar remove {folder.name}`, and bake it again.",
    )


class Stage:
    """An avatar opened to speak.

    Args:
        folder: of the avatar.

    Raises:
        MissingError: there is no such avatar, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        from stages.lipsync.musetalk.baking import Baked, row_of_face

        try:
            self.record = Avatar.model_validate_json((folder / RECORD).read_bytes())
            self._raw = np.memmap(folder / "pictures.raw", dtype=np.uint8, mode="r")
            row = row_of_face(self.record.latents, self.record.outline)
            faces = np.memmap(folder / "faces.raw", dtype=row, mode="r")
            face = np.load(folder / "face.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _unusable(folder, error) from error
        parts = {name: np.asarray(faces[name]) for name in row.names or ()}
        self.baked = Baked({"face": face, **parts})

    @property
    def knobs(self) -> Knobs:
        return Knobs(**self.record.knobs)

    def picture(self, index: int) -> Planes:
        """A frame as it was."""
        from loc.media.frames import Planes

        deep = self.record.video.bit_depth > 8
        planes, size = [], 2 if deep else 1
        shapes = self.record.planes
        place = index * sum(height * width for height, width in shapes) * size
        for height, width in shapes:
            flat = self._raw[place : place + height * width * size]
            plane = flat.view(np.uint16) if deep else flat
            planes.append(np.asarray(plane).reshape(height, width))
            place += height * width * size
        return Planes(*planes)

    def with_face(self, index: int, drawn: npt.NDArray[np.uint8]) -> Planes:
        """A frame with its face drawn anew."""
        from loc.media.compose import apply_patch
        from stages.lipsync.musetalk.drawing import patch

        number = self.baked.face(index)
        assert number is not None, "it shows a face"
        put = patch(self.baked.place(number), drawn, self.knobs)
        return apply_patch(
            self.picture(index), self.record.video, put.pixels, put.matrix, put.polygon, put.feather, 1.0
        )

    def frames_for(self, samples: int, rate: int) -> int:
        """How many frames a sound takes, its last part of one included."""
        return -int(-Fraction(samples, rate) * self.record.rate // 1)

    def middles(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """The samples, at the rate that is heard, in the middle of frames' times on screen."""
        twice = 2 * np.arange(first, first + count, dtype=np.int64) + 1
        rate = self.record.rate
        return np.asarray(twice * rate.denominator * HEARD_RATE // (2 * rate.numerator), dtype=np.int64)


def home(data_dir: Path) -> Path:
    """Where avatars lie."""
    return data_dir / "avatars"


def folder_of(data_dir: Path, name: str) -> Path:
    """The folder of an avatar, which need not be there.

    Raises:
        UsageError: the name is none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for an avatar.", fix="Use small letters, digits, dots, dashes, underscores."
        )
    return home(data_dir) / name


@dataclass(frozen=True)
class Listed:
    """An avatar that lies in the data folder.

    Args:
        size: bytes of its files.
        record: what it was made of; the error instead, where it is damaged or of an earlier version.
    """

    name: str
    size: int
    record: Avatar | MissingError


def listed(data_dir: Path) -> list[Listed]:
    """Every avatar, by name."""
    folders = sorted(home(data_dir).iterdir()) if home(data_dir).is_dir() else []
    return [
        Listed(folder.name, sum(path.stat().st_size for path in folder.iterdir()), _record(folder))
        for folder in folders
        if NAME.fullmatch(folder.name) and folder.is_dir()
    ]


def _record(folder: Path) -> Avatar | MissingError:
    try:
        return Stage(folder).record
    except MissingError as error:
        return error


def remove(data_dir: Path, name: str) -> None:
    """Take an avatar away.

    Raises:
        MissingError: there is none of this name.
    """
    folder = folder_of(data_dir, name)
    if not folder.is_dir():
        raise MissingError(f"There is no avatar {name!r}.", fix="`loc avatar list` names those there are.")
    shutil.rmtree(folder)


def bake(source: Path, name: str, settings: Settings, backend: MuseTalk, say: Say) -> Avatar:
    """Prepare an avatar from a video, a picture, or a folder of pictures.

    Raises:
        UsageError: the name is taken or none.
        InputError: no frame shows a face.
    """
    target = folder_of(settings.data_dir, name)
    if target.exists():
        raise UsageError(
            f"There is an avatar {name!r}.", fix=f"`loc avatar remove {name}`, or take another name."
        )
    home(settings.data_dir).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home(settings.data_dir), prefix=".") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        film, digest = _film(source, settings, Path(scratch))
        record = _bake(film, digest, name, made, settings, backend, say)
        made.rename(target)
    return record


def _film(source: Path, settings: Settings, scratch: Path) -> tuple[Path, str]:
    """(a video, what stands for its source)."""
    from loc.app.pictures import is_picture, pictures_in, read_rate
    from loc.media.plate import make_plate
    from loc.store.keys import digest_value

    pictures = [source] if is_picture(source) else pictures_in(source) if source.is_dir() else []
    if not pictures:
        return source, digest_file(source)
    plate = scratch / "plate.mkv"
    rate = read_rate(settings.rate or "25")
    make_plate(pictures, None, rate, "none", scratch, plate, settings.ffmpeg)
    return plate, digest_value([digest_file(path) for path in pictures])


def _bake(
    film: Path, digest: str, name: str, folder: Path, settings: Settings, backend: MuseTalk, say: Say
) -> Avatar:
    from loc.analysis.face_tracker import FaceTracker
    from loc.analysis.faces import upright_transform
    from loc.media.frames import first_look, read_frames, scan_frames
    from loc.media.probe import probe_source
    from stages.lipsync.musetalk.baking import bake as baking
    from stages.lipsync.musetalk.baking import quantities, write_rows
    from stages.lipsync.musetalk.following import follow_film
    from stages.lipsync.musetalk.smoothing import SteadyBoxes

    video = probe_source(film, settings).video
    if video.is_hdr:
        say("the pictures are HDR; spoken, they become SDR (BT.709), for players without HDR")
    scan = scan_frames(film, video)
    base = first_look(film, video.index).time_base
    timeline = scan.timeline(base)
    frames = FrameRange(start=0, stop=timeline.count)
    with FaceTracker(video) as tracker:
        rows = folder.with_name("rows")
        followed = follow_film(tracker, read_frames(film, video, timeline, frames), rows, video.average_rate)
    if not followed.seen:
        raise InputError(f"No frame of {name!r} shows a face.", fix="Take pictures that show one, larger.")
    say(f"{followed.seen} of {timeline.count} frames show the face")
    shapes: list[tuple[int, int]] = []
    rate = _rate(video.average_rate)
    with (folder / "pictures.raw").open("wb") as raw, backend.nets() as nets:

        def shown() -> Iterator[Shown]:
            pictures = read_frames(film, video, timeline, frames)
            held_still, upright = SteadyBoxes(), upright_transform(video)
            for planes, points in zip(pictures, followed.points(), strict=True):
                box = quantities(points, upright) if knobs.smoothing else None
                held = (planes.y, planes.u, planes.v)
                shapes[:] = [(plane.shape[0], plane.shape[1]) for plane in held]
                for plane in held:
                    raw.write(plane.tobytes())
                yield planes, points, held_still(box, float(1 / rate))

        knobs, batch = backend.knobs, backend.batch
        batches = baking(nets, shown(), video, knobs, batch, backend.devices)
        face, row = write_rows(batches, folder / "faces.raw")
    if row is None:
        raise InputError(
            f"No face of {name!r} lies inside the picture.", fix="Take pictures that show one whole."
        )
    np.save(folder / "face.npy", face, allow_pickle=False)
    record = Avatar(
        name=name,
        version=backend.version,
        source=digest,
        rate=rate,
        frames=timeline.count,
        faces=int((face >= 0).sum()),
        video=video,
        planes=tuple(shapes),
        latents=row["latents"].shape,
        outline=row["polygon"].shape[0],
        knobs=asdict(knobs),
        vae=dict(backend.sight()),
    )
    (folder / RECORD).write_text(record.model_dump_json(indent=1) + "\n", "utf-8")
    return record


def _rate(rate: Fraction) -> Fraction:
    return rate.limit_denominator(1001) if rate > 0 else Fraction(25)


def opened(data_dir: Path, name: str, backend: MuseTalk) -> Stage:
    """An avatar to speak by a backend's nets.

    Raises:
        MissingError: it is not there, was baked for another version of MuseTalk, or other weights saw its
            faces.
    """
    stage = Stage(folder_of(data_dir, name))
    baked = stage.record.version
    if baked != backend.version:
        raise MissingError(
            f"The avatar {name!r} was baked for MuseTalk {baked}, and {backend.model} is MuseTalk "
            f"{backend.version}.",
            why="Boxes and masks differ between the two.",
            fix=f"Name a model of version {baked} with --backend lipsync=MODEL, or "
            f"`loc avatar remove {name}`, and bake it again.",
        )
    if stage.record.vae != dict(backend.sight()):
        raise MissingError(
            f"The avatar {name!r} was baked with another VAE.",
            fix=f"`loc avatar remove {name}`, and bake it again.",
        )
    return stage


def speak(stage: Stage, sound: Sound, rate: int, target: Path, settings: Settings, backend: MuseTalk) -> int:
    """Let an avatar speak a sound, into an MP4; gives how many frames it has.

    Args:
        sound: float32 [samples], mono.
        rate: samples a second.
        target: the file; an existing one is replaced.
    """
    import soxr

    from loc.media.encode import coding_for, encode_chunk, encode_sound
    from loc.media.mux import About, Picture, SoundPiece, mux

    count = stage.frames_for(len(sound), rate)
    if not count:
        raise InputError(f"There is no sound for {target.name}.")
    heard = soxr.resample(sound, rate, HEARD_RATE)
    with backend.nets() as nets, tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
        rows = _tables(stage, nets, heard, count)
        batch = backend.batch
        drawn = _frames(stage, nets, rows, batch, backend.devices)
        picture, track, whole = (Path(scratch) / name for name in ("p.mp4", "s.m4a", "whole.mp4"))
        coding = coding_for(stage.record.video, "h264", settings.crf, settings.preset)
        with Ahead(drawn, AHEAD * batch) as frames:
            encode_chunk(frames, coding, picture, settings.ffmpeg)
        played = soxr.resample(sound, rate, SAMPLE_RATE).astype(np.float32)[:, None]
        encode_sound([played], 1, settings.audio_bitrate, track, settings.ffmpeg)
        base = 1 / stage.record.rate
        pts = np.arange(count, dtype=np.int64) * base.numerator
        video = stage.record.video
        shown = Picture(
            [picture],
            pts,
            count * base.numerator,
            Fraction(1, base.denominator),
            video.rotation,
            mirrored=video.mirrored,
        )
        mux(whole, shown, [SoundPiece(track)], [], "und", About())
        whole.replace(target)
    return count


def stream(
    stage: Stage, chunks: Iterable[Sound], backend: MuseTalk
) -> Generator[npt.NDArray[np.uint8], None, None]:
    """Frames of an avatar while its sound still comes in, uint8 [height, width, 3] RGB as coded; of HDR
    pictures in SDR, as `speak` codes them.

    A frame comes as soon as 0.3 s after its middle are known (its own window and what the ear looks ahead),
    and the sound is heard anew every 0.4 s; so the first comes when 0.4 s are in. After the last chunk the
    rest follows. The whole is as many frames as `speak` would make.

    Args:
        chunks: float32 [samples], mono, 16 kHz, of any lengths.
    """
    from loc.media.colour import to_rgb
    from loc.media.tonemap import shown_in_sdr

    video = stage.record.video
    with backend.nets() as nets:
        heard = _heard_so_far(stage, nets, chunks)
        for planes in _frames(stage, nets, heard, backend.batch, backend.devices):
            rgb = to_rgb(planes, video)
            yield shown_in_sdr(rgb, video) if video.is_hdr else rgb


def _heard_so_far(stage: Stage, nets: Model, chunks: Iterable[Sound]) -> Iterator[tuple[int, Any]]:
    """(first frame, tokens [n, ...]) of a sound as it comes in, of frames whose own is known."""
    held = np.zeros(0, dtype=np.float32)
    dropped = done = fresh = 0
    for chunk in itertools.chain(chunks, [None]):
        last = chunk is None
        if chunk is not None:
            held = np.concatenate([held, np.asarray(chunk, dtype=np.float32)])
            fresh += len(chunk)
            if fresh < FRESH:
                continue
            fresh = 0
        known = dropped + len(held)
        until = stage.frames_for(known, HEARD_RATE)
        if not last:
            window = (1 + 2 * stage.knobs.audio_padding_right) * HEARD_RATE // 50
            ready = Fraction(max(0, known - LOOKAHEAD - window), HEARD_RATE) * stage.record.rate
            until = max(done, int(ready - Fraction(1, 2)))
        if until > done:
            table = _rows_of(stage, done, until - done) - dropped * 50 // HEARD_RATE
            yield done, _tokens(nets.hear(held), table)
            done = until
        spare = (len(held) - RECALL) // HEARD_RATE * HEARD_RATE
        if spare > 0:
            held, dropped = held[spare:], dropped + spare


def _rows_of(stage: Stage, first: int, count: int) -> npt.NDArray[np.int64]:
    from stages.lipsync.nets.rows import rows_at

    knobs = stage.knobs
    middles = stage.middles(first, count)
    return rows_at(middles, HEARD_RATE, knobs.audio_padding_left, knobs.audio_padding_right)


def _tokens(rows: Any, table: npt.NDArray[np.int64]) -> Any:
    from stages.lipsync.musetalk.model import tokens_of

    return tokens_of(rows, table)


def _tables(stage: Stage, nets: Model, heard: Sound, count: int) -> Iterator[tuple[int, Any]]:
    """(first frame, tokens [n, ...]) of a whole sound, a segment at a time."""
    done = 0
    for start in range(0, len(heard), SEGMENT):
        end = start + SEGMENT
        last = end >= len(heard)
        until = count if last else done + int(np.searchsorted(stage.middles(done, count - done), end))
        first = max(0, start - CONTEXT)
        rows = nets.hear(heard[first : end + CONTEXT])
        table = _rows_of(stage, done, until - done) - first * 50 // HEARD_RATE
        yield done, _tokens(rows, table)
        done = until


def _frames(
    stage: Stage, nets: Model, heard: Iterable[tuple[int, Any]], batch: int, devices: Devices
) -> Iterator[Planes]:
    """The frames that say what is heard, in order."""
    from stages.lipsync.musetalk.saying import said
    from stages.lipsync.musetalk.smoothing import SteadyPixels

    smoothing, gap = stage.knobs.smoothing, float(1 / stage.record.rate)
    steady = SteadyPixels()
    for first, tokens in heard:
        for start in range(0, len(tokens), batch):
            stop = min(start + batch, len(tokens))
            shown = [pick(first + index, stage.record.frames) for index in range(start, stop)]
            numbers = [stage.baked.face(index) for index in shown]
            wanted = [place for place, number in enumerate(numbers) if number is not None]
            made: dict[int, npt.NDArray[np.uint8]] = {}
            if wanted:
                latents = stage.baked.latents([number for number in numbers if number is not None])
                own = tokens[[start + place for place in wanted]]
                made = dict(zip(wanted, said(nets, latents, own, batch, devices), strict=True))
            for place, index in enumerate(shown):
                if place not in made:
                    steady = SteadyPixels()
                    yield stage.picture(index)
                    continue
                drawn = steady(made[place], gap) if smoothing else made[place]
                yield stage.with_face(index, drawn)


def read_sound(path: Path) -> tuple[Sound, int]:
    """The sound of a WAV, FLAC or Ogg file: (float32 [samples] mono, samples a second).

    Raises:
        InputError: it cannot be read.
    """
    import soundfile

    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as sound.", why=str(error)) from error
    return np.asarray(audio.mean(axis=1), dtype=np.float32), int(rate)
