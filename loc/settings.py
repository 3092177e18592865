"""One frozen settings model: every flag, `LOC_...` variable and `loc.toml` key is one field of it.

Order of strength: flag, environment variable, `loc.toml` in the current folder, default. The reference page and
`--help` are generated from the fields' descriptions.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from loc.errors import UsageError
from loc.policy.licences import Purpose

SETTINGS_FILE = "loc.toml"

X264_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)


def default_data_dir() -> Path:
    """The user's XDG data folder, `loc` inside it."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(base) / "loc"


class Settings(BaseSettings):
    """Everything that can be set. Frozen; stages read it, none writes it."""

    model_config = SettingsConfigDict(
        env_prefix="LOC_",
        toml_file=SETTINGS_FILE,
        frozen=True,
        extra="forbid",
        validate_default=True,
    )

    work_dir: Path = Field(
        Path(".loc"), description="Folder of the checkpoints; safe to share between runs."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of weights, worker environments and voices (default: the XDG data folder).",
    )
    ffmpeg: str = Field("ffmpeg", description="The ffmpeg program: a name on PATH or a path.")
    ffprobe: str = Field("ffprobe", description="The ffprobe program that belongs to it.")
    source_language: str | None = Field(
        None, description="Language spoken in the source, e.g. en. Needed without a transcript file."
    )
    audio_track: int | None = Field(
        None, ge=1, description="Which sound track to localize, counted from 1 (default: the default one)."
    )
    transcript: Path | None = Field(
        None, description="Subtitle file with what is said (default: VIDEO.LANG.srt beside the video)."
    )
    translation: dict[str, Path] = Field(
        default_factory=dict,
        description="LANG=FILE: subtitle file with the translation (default: VIDEO.LANG.srt beside the video).",
    )
    backend: dict[str, str] = Field(
        default_factory=dict, description="STAGE=NAME: use this backend and no other, e.g. dub=espeak."
    )
    require_quality: Literal["basic", "good", "best"] = Field(
        "basic", description="Fail rather than use a backend below this quality."
    )
    purpose: Purpose = Field(
        Purpose.INTERNAL,
        description="internal and delivery use commercially licensed models only; research allows others and says so.",
    )
    min_speakers: int = Field(1, ge=1, description="At least this many speakers.")
    max_speakers: int = Field(8, ge=1, description="At most this many speakers.")
    lipsync: bool = Field(True, description="Move the mouths; off leaves the picture as it is.")
    crf: int = Field(18, ge=0, le=51, description="x264 constant rate factor of the output; lower is better.")
    preset: str = Field("veryfast", description="x264 preset of the output.")
    audio_bitrate: int = Field(192, ge=32, le=512, description="AAC bit rate of the output, kbit/s.")
    until: str | None = Field(None, description="Stop after this stage.")
    force: tuple[str, ...] = Field((), description="Make this stage again although it is recorded.")
    overwrite: bool = Field(
        False, description="Replace an existing output that loc did not write or that was changed since."
    )
    workers: int = Field(
        default_factory=lambda: max(1, min(4, os.cpu_count() or 1)),
        ge=1,
        description="Actions made side by side (default: the number of cores, at most 4).",
    )

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str) -> str:
        if value not in X264_PRESETS:
            raise ValueError(f"must be one of {', '.join(X264_PRESETS)}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(flags: dict[str, Any]) -> Settings:
    """Merge flags (None = not given), environment and `loc.toml`.

    Raises:
        UsageError: a value that does not fit, named with the place it came from.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{SETTINGS_FILE} is not valid TOML.", why=str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        if name in given:
            place = f"--{name.replace('_', '-')}"
        elif f"LOC_{name.upper()}" in os.environ:
            place = f"LOC_{name.upper()}"
        else:
            place = f"{name!r} in {SETTINGS_FILE}"
        raise UsageError(f"{place} cannot be used.", why=first["msg"] + ".", fix="See `loc run --help`.") from error
