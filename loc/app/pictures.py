"""Inputs that are pictures: one that is to talk, or a folder of them at a rate."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from loc.errors import InputError, UsageError
from loc.settings import Settings
from loc.stage import Pictures
from loc.store.keys import digest_value
from loc.store.workdir import WorkDir

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

DEFAULT_RATE = Fraction(25)
LEAST_RATE, MOST_RATE = 1, 120

_NTSC = {"23.976": 24, "23.98": 24, "29.97": 30, "47.952": 48, "59.94": 60, "119.88": 120}
"""What people write for so many thousand pictures in 1001 seconds."""


def is_picture(path: Path) -> bool:
    """Whether a file goes by the name of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_folder(path: Path) -> bool:
    """Whether a path is a folder. One that cannot be looked at is none: who reads it says why."""
    with contextlib.suppress(OSError):
        return path.is_dir()
    return False


def pictures_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, `frame2` before `frame10`; hidden files are none.

    Raises:
        InputError: it cannot be read.
    """
    try:
        found = [entry for entry in folder.iterdir() if entry.is_file() and entry.name[0] != "."]
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read.", why=error.strerror or "") from error
    return sorted(filter(is_picture, found), key=_in_order)


def _in_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def read_rate(text: str) -> Fraction:
    """Pictures per second.

    Raises:
        UsageError: not a rate.
    """
    try:
        rate = Fraction(_NTSC[text] * 1000, 1001) if text in _NTSC else Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(
            f"--rate {text!r} is no rate.", fix="Write pictures per second: 25, 29.97, 24000/1001."
        ) from error
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UsageError(
            f"--rate {text} is out of reach.",
            why=f"Rates are {LEAST_RATE} to {MOST_RATE} pictures per second.",
        )
    return rate


def open_pictures(path: Path, store: WorkDir, settings: Settings) -> tuple[Pictures, str, int] | None:
    """(an input's pictures, a digest that stands for it, its size in bytes), or None where it is no picture.

    Raises:
        InputError: a picture without sound, a folder without pictures or without a rate, an unreadable file.
        UsageError: a setting for pictures beside a video, or for one beside several, or a rate that is none.
    """
    gentle = settings.motion != "none"
    rate = None if settings.rate is None else read_rate(settings.rate)
    if is_folder(path):
        paths = pictures_in(path)
        if gentle and len(paths) > 1:
            raise UsageError(
                f"--motion goes with one picture, and {path} holds {len(paths)}.",
                why="Several are shown one after the other, and none is held.",
                fix="Leave it out.",
            )
        if rate is None:
            raise InputError(
                f"{path} holds pictures, and it is not known how many are shown in a second.",
                fix="Say it with --rate, e.g. --rate 25.",
            )
    elif is_picture(path):
        paths = [path]
        if settings.audio is None:
            raise InputError(
                f"{path} is a picture, and there is nothing for it to say.",
                fix="Name the speech with --audio, e.g. --audio speech.wav.",
            )
    else:
        given = {"audio": settings.audio is not None, "rate": rate is not None, "motion": gentle}
        for name, is_given in given.items():
            if is_given:
                raise UsageError(
                    f"--{name} goes with pictures, and {path.name} is none.",
                    why=f"Pictures end in {', '.join(PICTURE_SUFFIXES)}.",
                    fix="Leave it out, or run pictures by themselves.",
                )
        return None
    held = [store.open_input(picture) for picture in paths]
    sound = store.open_input(settings.audio) if settings.audio is not None else None
    files = (*held, sound) if sound is not None else tuple(held)
    pictures = Pictures(
        paths=tuple(paths),
        digests=tuple(picture.sha256 for picture in held),
        sound=settings.audio,
        sound_digest=sound.sha256 if sound is not None else None,
        rate=rate or DEFAULT_RATE,
        motion=settings.motion,
        files=files,
    )
    digest = _together(pictures.digests, pictures.sound_digest)
    return pictures, digest, sum(file.size for file in files)


def _together(pictures: Sequence[str], sound: str | None) -> str:
    return digest_value({"pictures": pictures, "sound": sound})


def digest_beside(path: Path, store: WorkDir) -> Callable[[Path | None], str]:
    """What stands for an input beside each sound: the digest of a video, which has its own, or of pictures.

    Raises:
        InputError: it cannot be read; also by what is given, where the sound cannot be.
    """
    paths = [path] if is_picture(path) else pictures_in(path) if is_folder(path) else []
    if not paths:
        video = store.input_digest(path)[0]
        return lambda _: video
    pictures = [store.input_digest(picture)[0] for picture in paths]
    return lambda sound: _together(pictures, None if sound is None else store.input_digest(sound)[0])
