"""What was measured of samples, and the file in which it is accepted.

The file needs nothing beside it, neither the work directory of the run nor its videos: texts, times and
figures as JSON, and a few small pictures, so that a difference can be seen on any machine. Keys are sorted
and every figure has a line of its own, so that version control shows what a change of the baseline changes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import loc
from loc.errors import InputError, UsageError

KIND: Literal["loc-baseline"] = "loc-baseline"
"""By which a baseline is told from any other JSON file."""

SCHEMA: Literal[1] = 1
"""Raised when a figure changes its meaning: files from before cannot be compared with then."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Still(_Part):
    """A part of a frame of the delivered picture, small."""

    frame: int
    """Index of the source's frame."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in pixels of the coded picture, half-open."""
    of: Literal["mouth", "picture"]
    webp: str
    """Base64."""


class Score(_Part):
    """How well the lips of a cut follow the dub and what drawing did to its picture, as the report says."""

    measure: str
    value: float | None
    """None: unscored."""
    offset_ms: float | None
    """Above 0 the lips are late."""
    seam: float | None
    lip_colour: float | None
    sharpness: float | None
    jitter: float | None
    """None: the lips never rest, or the picture was not looked at."""


class Cut(_Part):
    frames: tuple[int, int]
    """First, and one past the last."""
    drawn_frames: int
    score: Score | None
    """None: not drawn."""


class Line(_Part):
    """A line as spoken. Seconds; `start` from the first frame."""

    line: str
    start: float
    seconds: float
    pace: float
    """Times the voice's own: rate * stretch."""
    overrun: float


class Cue(_Part):
    start: float
    """Seconds from the first frame."""
    text: str


class Loudness(_Part):
    """None: silent."""

    integrated_lufs: float | None
    true_peak_dbtp: float | None
    speech_lufs: float | None
    """Of the dub alone, as the report says; the other two are measured on the delivered track."""


class Dub(_Part):
    """One language of one sample, as delivered."""

    cues: tuple[Cue, ...]
    lines: tuple[Line, ...]
    silent: tuple[str, ...]
    """Lines that are not heard."""
    defects: tuple[str, ...]
    """`stage code`, one for each defect."""
    frames: int
    loudness: Loudness
    envelope: str
    """Base64, one byte for each 1 / `ENVELOPE_RATE` s of the delivered sound: see `sound.envelope_of`."""
    cuts: tuple[Cut, ...]
    stills: tuple[Still, ...]


class Work(_Part):
    """What a cold run of one sample into all its languages cost."""

    processor: float
    """Processor seconds of loc and its children for each second of video, divided by those of the calibration
    in the same minutes."""
    peak_mb: float
    """Resident memory of the largest single process, 10^6 bytes."""


class Sample(_Part):
    sha256: str
    seconds: float
    """Length of the programme."""
    dubs: Mapping[str, Dub]
    """By target language."""
    work: Work | None
    """None where anything was found made."""


class Machine(_Part):
    """What processor times depend on beyond what the calibration takes out."""

    processor: str
    cores: int


class Baseline(_Part):
    """All that was measured in one go."""

    kind: Literal["loc-baseline"] = KIND
    schema_version: Literal[1] = SCHEMA
    loc_version: str = Field(default_factory=lambda: loc.__version__)
    machine: Machine
    samples: Mapping[str, Sample]
    """By file name."""


def dump(baseline: Baseline) -> bytes:
    """The file's bytes: the same for the same figures, one figure a line."""
    value = baseline.model_dump(mode="json")
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def read(path: Path) -> Baseline:
    """Read an accepted baseline.

    Raises:
        InputError: it is missing, is something else, or was written by a loc that measured otherwise.
    """
    accept = "Make it with `loc regress accept SAMPLES --baseline FILE`."
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no baseline {path}.", fix=accept) from error
    except OSError as error:
        raise InputError(f"The baseline {path} cannot be read.", why=error.strerror or "") from error
    version = _version(data)
    if version is None:
        raise InputError(f"{path} is not a baseline.", why="It is not a file that `loc regress` wrote.",
                         fix=accept)  # fmt: skip
    if version != SCHEMA:
        raise InputError(
            f"The baseline {path} cannot be compared with.",
            why=f"It has version {version!r} of the figures; this loc measures version {SCHEMA}.",
            fix="Look at the dubs, then accept them anew: `loc regress accept SAMPLES --baseline FILE`.",
        )
    try:
        return Baseline.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"The baseline {path} is damaged.", why=f"{where}: {first['msg']}.",
            fix="Restore it from version control, or accept the dubs anew.",
        ) from error  # fmt: skip


def check_replaceable(path: Path) -> None:
    """Refuse to put a baseline over a file that is none; one of any version is replaced.

    Raises:
        UsageError.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"{path} cannot be replaced.", why=error.strerror or "") from error
    if _version(data) is None:
        raise UsageError(
            f"{path} exists and is not a baseline, so it is not replaced.",
            fix="Name another file with --baseline.",
        )


def _version(data: bytes) -> object | None:
    """The version that a baseline says it has; None of what is no baseline."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("kind") != KIND:
        return None
    version: object = value.get("schema_version", "none")
    return version
