"""Options made from the fields of `Settings`: flag, help, variable and default cannot disagree."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from loc.settings import Settings, flags_of, load_settings, topic_of

Result = TypeVar("Result")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

MUSETALK_FIELDS = tuple(name for name in Settings.model_fields if name.startswith("musetalk_"))
"""MuseTalk's knobs."""

LOOK_FIELDS = (
    "languages",
    "source_language",
    "audio_track",
    "transcript",
    "translation",
    "cast",
    "vocabulary",
    "glossary",
    "audio",
    "rate",
    "motion",
    "min_speakers",
    "max_speakers",
    "match_voices",
    "listen",
    "lipsync",
    "retime_video",
    "quality",
    "finals",
    "finals_limit",
    "unlike",
    "until",
    "force",
    "backend",
    "llm_url",
    "llm_model",
    "llm_price",
    "dub_command",
    "dub_url",
    "dub_model",
    "dub_voices",
    "finals_steps",
    "finals_guidance",
    "finals_seed",
    "finals_reuse",
    "require_quality",
    "purpose",
    "offline",
    "output",
    "container",
    "codec",
    "crf",
    "preset",
    "audio_bitrate",
    "keep_original_audio",
    "subtitles",
    "burn_subtitles",
    "page",
    *MUSETALK_FIELDS,
    "ffmpeg",
    "ffprobe",
    "work_dir",
    "data_dir",
)
"""Settings of commands that look at a job without doing it."""

RUN_FIELDS = (*LOOK_FIELDS, "device", "summary", "overwrite", "workers", "deadline", "nice")


def with_settings(*names: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Give a command one option for each named field; it receives them merged, as `settings`."""

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        hints = typing.get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in inspect.signature(function).parameters.values()
            if parameter.name != "settings"
        ]

        def command(**given: Any) -> Result:
            flags = {name: given.pop(name) for name in names}
            return function(settings=load_settings(flags), **given)

        parameters = [*own, *(_parameter(name) for name in names)]
        command.__doc__ = function.__doc__
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


_METAVARS = {
    "languages": "LANG",
    "source_language": "LANG",
    "until": "STAGE",
    "force": "STAGE",
    "summary": "FILE",
    "deadline": "TIME|DURATION",
    "device": "DEVICE",
}
"""What stands for a value in the help where its type does not say it."""


def _parameter(name: str) -> inspect.Parameter:
    """The command-line parameter of a field; None, or an empty list, where it was not given."""
    kind = _kind(name)
    many = typing.get_origin(kind) is list
    option = typer.Option(
        *flags_of(name),
        help=help_of(name),
        show_default=False,
        metavar=None if kind is bool else _metavar(name),
        rich_help_panel=topic_of(name),
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=[] if many else None,
        annotation=Annotated[kind if many else kind | None, option],
    )


def _plain(name: str) -> Any:
    """A field's type without None."""
    annotation = Settings.model_fields[name].annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(item for item in typing.get_args(annotation) if item is not type(None))
    return annotation


def _kind(name: str) -> Any:
    """What the parser reads for a field. Everything is checked once, by `Settings`."""
    plain = _plain(name)
    if plain in (bool, int):
        return plain
    return list[str] if typing.get_origin(plain) in (tuple, dict) else str


def _metavar(name: str) -> str:
    plain = _plain(name)
    if typing.get_origin(plain) is typing.Literal:
        return "|".join(typing.get_args(plain))
    if isinstance(plain, type) and issubclass(plain, Enum):
        return "|".join(str(item.value) for item in plain)
    if plain is int:
        return "N"
    if plain is Path:
        return "PATH"
    if typing.get_origin(plain) is dict:
        return "NAME=VALUE"
    return _METAVARS.get(name, "TEXT")


def default_of(name: str) -> str | None:
    """A field's default in words; None where there is none or it depends on the machine."""
    field = Settings.model_fields[name]
    value = field.default
    if field.default_factory is not None or value is None or value == ():
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value.value if isinstance(value, Enum) else value)


def help_of(name: str) -> str:
    """Description, default and environment variable of a field."""
    default = default_of(name)
    notes = [f"default: {default}"] if default else []
    notes.append(f"env: LOC_{name.upper()}")
    return f"{Settings.model_fields[name].description} ({'; '.join(notes)})"
