"""One frozen settings model: every flag, `LOC_...` variable and `loc.toml` key is one field of it.

Order of strength: flag, environment variable, `loc.toml` in the current folder, default. The reference page
and `--help` are generated from the fields' descriptions.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from loc.artifacts import Codec, Container
from loc.deadline import check_form
from loc.errors import UsageError, printable
from loc.policy.licences import Purpose

SETTINGS_FILE = "loc.toml"

Topic = Literal["Job", "Work", "Backends", "Output"]
"""Under which heading `--help` lists a setting."""

CODECS: Mapping[Container, tuple[Codec, ...]] = {
    "mp4": ("h264", "hevc"),
    "mkv": ("h264", "hevc", "vp9"),
    "webm": ("vp9",),
}
"""What each container holds that players expect in it."""

SUMMARY_SUFFIXES = (".json", ".md")
"""Forms of the summary: for programs, and for people."""

PRESETS = (
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


_CUT = "[1-9][0-9]{0,5}"
"""No film has a million cuts."""
_CUTS = f"{_CUT}(-{_CUT})?"
_FINALS = re.compile(f"none|auto|all|((auto|all),)?{_CUTS}(,{_CUTS})*")


def reads_as_finals(value: str) -> bool:
    """Whether `--finals` takes it: none, auto, all, numbers of cuts, or auto or all and numbers."""
    ranges = (part.split("-") for part in value.split(",") if "-" in part)
    return _FINALS.fullmatch(value) is not None and all(int(first) <= int(last) for first, last in ranges)


def default_data_dir() -> Path:
    """The user's XDG data folder, `loc` inside it."""
    named = os.environ.get("XDG_DATA_HOME")
    base = Path(named) if named else Path.home() / ".local" / "share"
    return base / "loc"


def _setting(default: Any, description: str, *flags: str, topic: Topic, **limits: Any) -> Any:
    """A field with all that `--help` and the reference need: its flags and the topic it is listed under."""
    extra: dict[str, Any] = {"flags": list(flags), "topic": topic}
    if callable(default):
        return Field(default_factory=default, description=description, json_schema_extra=extra, **limits)
    return Field(default, description=description, json_schema_extra=extra, **limits)


def _items(value: Any) -> Any:
    """`ja,es` or ["ja,es", "de"] as a tuple of items; anything else is left to validation."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        return value
    return tuple(item.strip() for part in parts for item in part.split(",") if item.strip())


def _pairs(value: Any) -> Any:
    """`a=b,c=d`, or a list of such, as a dict; a mapping (from TOML) as it is."""
    items = _items(value)
    if not isinstance(items, tuple):
        return value
    pairs = [item.partition("=") for item in items]
    if wrong := [name for name, equals, rest in pairs if not (name and equals and rest)]:
        raise ValueError(f"{wrong[0]!r} is not of the form NAME=VALUE")
    return {name.strip(): rest.strip() for name, _, rest in pairs}


class Settings(BaseSettings):
    """Everything that can be set. Frozen; stages read it, none writes it."""

    model_config = SettingsConfigDict(
        env_prefix="LOC_",
        toml_file=SETTINGS_FILE,
        frozen=True,
        extra="forbid",
        validate_default=True,
    )

    languages: Annotated[tuple[str, ...], NoDecode] = _setting(
        (), "Target languages, e.g. ja or ja,es.", "--lang", "-l", topic="Job"
    )
    source_language: str | None = _setting(
        None,
        "Language spoken in the source, e.g. en. Needed without a transcript or a recogniser that can tell.",
        "--from",
        topic="Job",
    )
    output: str | None = _setting(
        None,
        "Where the video goes: a file, a folder, or a template with {stem}, {lang} and {ext} "
        "(default: beside the input, as {stem}.{lang}{ext}).",
        "--output",
        "-o",
        topic="Job",
    )
    audio_track: int | None = _setting(
        None,
        "Which sound track to localize, counted from 1 (default: the default one).",
        "--audio-track",
        topic="Job",
        ge=1,
    )
    transcript: Path | None = _setting(
        None,
        "Subtitle file with what is said (default: VIDEO.LANG.srt beside the video).",
        "--transcript",
        topic="Job",
    )
    translation: Annotated[dict[str, Path], NoDecode] = _setting(
        dict,
        "LANG=FILE: subtitle file with the translation (default: VIDEO.LANG.srt beside the video).",
        "--translation",
        topic="Job",
    )
    cast: Path | None = _setting(
        None,
        "File that says who is seen speaking (default: VIDEO.cast.toml beside the video).",
        "--cast",
        topic="Job",
    )
    glossary: Annotated[tuple[Path, ...], NoDecode] = _setting(
        (),
        "CSV or TSV file with terms, a column for each language; before DATA_DIR/glossary.csv, "
        "which holds for all work.",
        "--glossary",
        topic="Job",
    )
    vocabulary: Annotated[tuple[str, ...], NoDecode] = _setting(
        (),
        "Names and terms that may be said, for recognisers that can be told: Tanaka,Shinjuku.",
        "--vocabulary",
        topic="Job",
    )
    audio: Path | None = _setting(
        None,
        "Sound file with the speech of a picture, which becomes a talking head; or of a folder of pictures.",
        "--audio",
        topic="Job",
    )
    rate: str | None = _setting(
        None,
        "Pictures per second of a picture (default: 25) or of a folder of pictures, e.g. 25 or 24000/1001.",
        "--rate",
        topic="Job",
    )
    motion: Literal["none", "gentle"] = _setting(
        "none", "Let a picture that is held sway and zoom a little.", "--motion", topic="Job"
    )
    min_speakers: int = _setting(1, "At least this many speakers.", "--min-speakers", topic="Job", ge=1)
    max_speakers: int = _setting(8, "At most this many speakers.", "--max-speakers", topic="Job", ge=1)
    match_voices: bool = _setting(
        True,
        "Let a speaker who is like a voice of the bank speak in it, where something knows voices again; who, "
        "and how like, is said.",
        "--match-voices/--no-match-voices",
        topic="Job",
    )
    listen: bool = _setting(
        True,
        "Have spoken lines recognised again and compared with their text, where a recogniser of the language "
        "is here.",
        "--listen/--no-listen",
        topic="Job",
    )
    lipsync: bool = _setting(
        True, "Move the mouths; off leaves the picture as it is.", "--lipsync/--no-lipsync", topic="Job"
    )
    retime_video: bool = _setting(
        False,
        "Show the picture slower, 1.25 times at most, where a line does not fit even at its fastest; the "
        "video becomes longer.",
        "--retime-video/--no-retime-video",
        topic="Job",
    )
    quality: Literal["draft", "standard", "max"] = _setting(
        "standard",
        "draft: no finals; standard: finals on the cuts that deserve them, where a model for them is there; "
        "max: finals on every drawn cut.",
        "--quality",
        topic="Job",
    )
    finals: str | None = _setting(
        None,
        "Which cuts get finals, whatever --quality says: none, auto, all, numbers such as 1,4-7, or both: "
        "auto,4.",
        "--finals",
        topic="Job",
    )
    finals_limit: int | None = _setting(
        None,
        "At most this many cuts get finals, besides those that --finals names by number.",
        "--finals-limit",
        topic="Job",
        ge=0,
    )
    unlike: Literal["warn", "pass"] = _setting(
        "warn",
        "What becomes of drawn cuts whose lips' colour, skin or jaw are not those of who was filmed: warn of "
        "them, or let them pass through as they were.",
        "--unlike",
        topic="Job",
    )
    until: str | None = _setting(None, "Stop after this stage.", "--until", topic="Work")
    force: Annotated[tuple[str, ...], NoDecode] = _setting(
        (), "Make this stage again although it is recorded.", "--force", topic="Work"
    )
    workers: int = _setting(
        lambda: max(1, min(4, os.cpu_count() or 1)),
        "Actions made side by side (default: the number of cores, at most 4).",
        "--workers",
        topic="Work",
        ge=1,
    )
    deadline: str | None = _setting(
        None,
        "When to stop: a local time, e.g. 06:00, a duration, e.g. 5h30m, or none. No action begins after it; "
        "the next run goes on from there.",
        "--deadline",
        topic="Work",
    )
    nice: int = _setting(
        0,
        "Give way to other programs, as nice(1) does, 1 to 19, and at the disk too; 0 leaves it as it is.",
        "--nice",
        topic="Work",
        ge=0,
        le=19,
    )
    work_dir: Path = _setting(
        Path(".loc"), "Folder of the checkpoints; safe to share between runs.", "--work-dir", topic="Work"
    )
    data_dir: Path = _setting(
        default_data_dir,
        "Folder of weights, worker environments and voices (default: the XDG data folder).",
        "--data-dir",
        topic="Work",
    )
    backend: Annotated[dict[str, str], NoDecode] = _setting(
        dict, "STAGE=NAME: use this backend and no other, e.g. dub=espeak.", "--backend", topic="Backends"
    )
    require_quality: Literal["basic", "good", "best"] = _setting(
        "basic",
        "Fail rather than use a backend below this quality.",
        "--require-quality",
        topic="Backends",
    )
    llm_url: str | None = _setting(
        None,
        "Base address of an OpenAI-compatible endpoint for --backend translate=llm, "
        "e.g. http://localhost:11434/v1. Its key is taken from LOC_LLM_KEY alone.",
        "--llm-url",
        topic="Backends",
    )
    llm_model: str | None = _setting(
        None, "The model that is asked for there.", "--llm-model", topic="Backends"
    )
    llm_price: str | None = _setting(
        None,
        "What a million tokens cost there, in and out, e.g. 0.15/0.60: the report then tells what was spent.",
        "--llm-price",
        topic="Backends",
    )
    dub_command: str | None = _setting(
        None,
        "Program and arguments of a speech engine, for --backend dub=command; "
        "it speaks loc's worker protocol.",
        "--dub-command",
        topic="Backends",
    )
    dub_url: str | None = _setting(
        None,
        "Base address of an OpenAI-compatible endpoint for --backend dub=endpoint, "
        "e.g. http://localhost:8880/v1. Its key is taken from LOC_SPEECH_KEY alone.",
        "--dub-url",
        topic="Backends",
    )
    dub_model: str | None = _setting(
        None, "The speech model that is asked for there.", "--dub-model", topic="Backends"
    )
    dub_voices: Annotated[dict[str, str], NoDecode] = _setting(
        dict,
        "CLASS=NAME, of low and high: which of its voices speak for low and high ones.",
        "--dub-voices",
        topic="Backends",
    )
    purpose: Purpose = _setting(
        Purpose.INTERNAL,
        "internal and delivery use commercially licensed models only; research allows others and says so.",
        "--purpose",
        topic="Backends",
    )
    musetalk_preset: Literal[
        "standard", "mouth-weak", "mouth-wide", "jaw-seam", "cheek-float", "close-up"
    ] = _setting(
        "standard",
        "How MuseTalk draws: standard; mouth-weak or mouth-wide (1.0 only) where the mouth opens too little "
        "or too much; jaw-seam, cheek-float, close-up. What is set by itself counts over it.",
        "--musetalk-preset",
        topic="Backends",
    )
    musetalk_bbox_shift: int | None = _setting(
        None,
        "Pixels by which MuseTalk's face box moves down (default: 0); above 0 the mouth opens wider.",
        "--musetalk-bbox-shift",
        topic="Backends",
        ge=-100,
        le=100,
    )
    musetalk_extra_margin: int | None = _setting(
        None,
        "Pixels that MuseTalk's face box goes on under the chin (default: 10; with 1.0: 0).",
        "--musetalk-extra-margin",
        topic="Backends",
        ge=0,
        le=200,
    )
    musetalk_parsing_mode: Literal["jaw", "neck", "raw"] | None = _setting(
        None,
        "What MuseTalk replaces: the face to the jaw's edge, with the neck, or the face as it is found "
        "(default: jaw; with 1.0: raw).",
        "--musetalk-parsing-mode",
        topic="Backends",
    )
    musetalk_left_cheek_width: int | None = _setting(
        None,
        "512ths of the crop, from its middle to the left, within which jaw keeps the cheek (default: 90).",
        "--musetalk-left-cheek-width",
        topic="Backends",
        ge=0,
        le=256,
    )
    musetalk_right_cheek_width: int | None = _setting(
        None,
        "The same to the right.",
        "--musetalk-right-cheek-width",
        topic="Backends",
        ge=0,
        le=256,
    )
    musetalk_audio_padding_left: int | None = _setting(
        None,
        "Frames of 40 ms that MuseTalk hears before a frame's own (default: 2, as it was trained).",
        "--musetalk-audio-padding-left",
        topic="Backends",
        ge=0,
        le=10,
    )
    musetalk_audio_padding_right: int | None = _setting(
        None,
        "The same after it.",
        "--musetalk-audio-padding-right",
        topic="Backends",
        ge=0,
        le=10,
    )
    musetalk_precision: Literal["auto", "fp32", "fp16", "bf16"] | None = _setting(
        None,
        "Numbers MuseTalk computes in on a GPU (default: auto, fp16 from Ampere on); a CPU takes fp32.",
        "--musetalk-precision",
        topic="Backends",
    )
    musetalk_colour_match: bool | None = _setting(
        None,
        "Give the drawn face the light of the picture round it (default: on).",
        "--musetalk-colour-match/--no-musetalk-colour-match",
        topic="Backends",
    )
    musetalk_smoothing: bool | None = _setting(
        None,
        "Hold MuseTalk's boxes and faces steady, less where they move fast (default: off).",
        "--musetalk-smoothing/--no-musetalk-smoothing",
        topic="Backends",
    )
    musetalk_batch_size: int | None = _setting(
        None,
        "Frames MuseTalk draws at once (default: 32 on a GPU, 8 on a CPU).",
        "--musetalk-batch-size",
        topic="Backends",
        ge=1,
        le=256,
    )
    offline: bool = _setting(
        False,
        "Use no network: nothing is pulled, and no remote backend is taken, not even one that was named.",
        "--offline/--no-offline",
        topic="Backends",
    )
    hub: str = _setting(
        "https://huggingface.co",
        "The Hugging Face hub, or a mirror of it, that `loc models pull` asks.",
        "--hub",
        topic="Backends",
        pattern=r"^https?://",
    )
    mirrors: Annotated[dict[str, str], NoDecode] = _setting(
        dict,
        "PREFIX=OTHER: what is published at addresses that begin with PREFIX is pulled from OTHER instead.",
        "--mirror",
        topic="Backends",
    )
    device: str = _setting(
        "auto",
        "What neural models run on: auto, cpu, cuda, cuda:1, mps. It is tried out; auto takes the CPU where "
        "nothing else works, and says so.",
        "--device",
        topic="Backends",
        pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$",
    )
    finals_steps: int = _setting(
        20, "Steps in which finals are drawn.", "--finals-steps", topic="Backends", ge=1, le=100
    )
    finals_guidance: float = _setting(
        1.5,
        "How far finals follow the sound: 1.0 to 3.0; higher follows closer and trembles more.",
        "--finals-guidance",
        topic="Backends",
        ge=1.0,
        le=5.0,
    )
    finals_seed: int = _setting(
        1247, "Seed of the noise that finals start from.", "--finals-seed", topic="Backends", ge=0
    )
    finals_reuse: int = _setting(
        1,
        "Compute the whole network only every so many steps of a final; 3 takes half the time and differs a "
        "little.",
        "--finals-reuse",
        topic="Backends",
        ge=1,
        le=10,
    )
    ffmpeg: str = _setting(
        "ffmpeg", "The ffmpeg program: a name on PATH or a path.", "--ffmpeg", topic="Backends"
    )
    ffprobe: str = _setting(
        "ffprobe", "The ffprobe program that belongs to it.", "--ffprobe", topic="Backends"
    )
    container: Literal["auto", "mp4", "mkv", "webm"] = _setting(
        "auto", "Kind of file that is written (auto: as -o ends, else mp4).", "--container", topic="Output"
    )
    codec: Literal["auto", "h264", "hevc", "vp9"] = _setting(
        "auto",
        "How the picture is coded (auto: vp9 in WebM, else hevc for HDR and h264 for the rest). "
        "h264 turns HDR into SDR.",
        "--codec",
        topic="Output",
    )
    crf: int = _setting(
        18,
        "Constant rate factor of the output on x264's scale; lower is better.",
        "--crf",
        topic="Output",
        ge=0,
        le=51,
    )
    preset: str = _setting(
        "veryfast", "Speed of the encoder by x264's names, ultrafast to veryslow.", "--preset", topic="Output"
    )
    audio_bitrate: int = _setting(
        192, "Bit rate of the output's sound, kbit/s.", "--audio-bitrate", topic="Output", ge=32, le=512
    )
    keep_original_audio: bool = _setting(
        False,
        "Keep the source's own sound as a second track, titled Original.",
        "--keep-original-audio/--no-keep-original-audio",
        topic="Output",
    )
    subtitles: Literal["single", "bilingual"] = _setting(
        "single",
        "bilingual: under each line, what the source says; in the file, in the track and in the picture.",
        "--subtitles",
        topic="Output",
    )
    burn_subtitles: bool = _setting(
        False,
        "Draw the subtitles into the picture, and leave the track of them out.",
        "--burn-subtitles/--no-burn-subtitles",
        topic="Output",
    )
    page: Literal["full", "bare", "none"] = _setting(
        "full",
        "The report as a page: full shows what is said and stills of the cuts, bare neither; none: no page.",
        "--page",
        topic="Output",
    )
    summary: Annotated[tuple[Path, ...], NoDecode] = _setting(
        (),
        "FILE.json or FILE.md, or both: what became of every input, kept current while the run goes on.",
        "--summary",
        topic="Output",
    )
    overwrite: bool = _setting(
        False,
        "Replace an existing output that loc did not write or that was changed since.",
        "--overwrite",
        topic="Output",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_text(cls, value: object) -> object:
        """Records, keys and reports are UTF-8: a name that is not could be written into none of them."""
        try:
            json.dumps(value, default=str, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{printable(value)} is not UTF-8") from error
        return value

    @field_validator("languages", "force", "summary", "glossary", "vocabulary", mode="before")
    @classmethod
    def _split_items(cls, value: Any) -> Any:
        return _items(value)

    @field_validator("backend", "translation", "mirrors", "dub_voices", mode="before")
    @classmethod
    def _split_pairs(cls, value: Any) -> Any:
        return _pairs(value)

    @model_validator(mode="after")
    def _speakers_in_order(self) -> Self:
        if self.min_speakers > self.max_speakers:
            raise ValueError("min_speakers is above max_speakers")
        return self

    @field_validator("deadline")
    @classmethod
    def _readable_deadline(cls, value: str | None) -> str | None:
        return None if value is None or value == "none" else check_form(value)

    @field_validator("summary")
    @classmethod
    def _known_summary(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for path in value:
            if path.suffix.lower() not in SUMMARY_SUFFIXES:
                raise ValueError(f"{path.name} must end in {' or '.join(SUMMARY_SUFFIXES)}")
        return value

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str) -> str:
        if value not in PRESETS:
            raise ValueError(f"must be one of {', '.join(PRESETS)}")
        return value

    @model_validator(mode="after")
    def _cuts_drawn(self) -> Self:
        if not self.lipsync and any(map(str.isdigit, self.finals or "")):
            raise ValueError("finals names cuts, and without lipsync none is drawn")
        return self

    @model_validator(mode="after")
    def _endpoint_named(self) -> Self:
        if self.backend.get("translate") == "llm" and not (self.llm_url and self.llm_model):
            raise ValueError("backend translate=llm needs llm_url and llm_model")
        return self

    @field_validator("llm_url", "dub_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no key, user or query; the key is taken from the environment")
        return value.rstrip("/")

    @field_validator("llm_price")
    @classmethod
    def _two_prices(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\d+(\.\d+)?/\d+(\.\d+)?", value):
            raise ValueError("must be two numbers, e.g. 0.15/0.60")
        return value

    @model_validator(mode="after")
    def _command_named(self) -> Self:
        if self.backend.get("dub") == "command" and not (self.dub_command and words_of(self.dub_command)):
            raise ValueError("backend dub=command needs dub_command, the program to run")
        if self.backend.get("dub") == "endpoint" and not (self.dub_url and self.dub_model):
            raise ValueError("backend dub=endpoint needs dub_url and dub_model")
        if wrong := sorted(set(self.dub_voices) - {"low", "high"}):
            raise ValueError(f"{wrong[0]!r} is no class of voices: low, high")
        return self

    @model_validator(mode="after")
    def _codec_fits(self) -> Self:
        held = CODECS[self.file_type]
        if self.codec != "auto" and self.codec not in held:
            raise ValueError(
                f"codec {self.codec} does not go into {self.file_type}, which takes {' or '.join(held)}"
            )
        return self

    @field_validator("finals")
    @classmethod
    def _readable_finals(cls, value: str | None) -> str | None:
        if value is not None and not reads_as_finals(value.replace(" ", "")):
            raise ValueError(f"{value!r} is neither none, auto, all, nor numbers of cuts such as 1,4-7")
        return value

    @property
    def wants_finals(self) -> bool:
        """Whether any cut may get a final."""
        return (self.finals or ("none" if self.quality == "draft" else "auto")) != "none"

    @property
    def demands_finals(self) -> bool:
        """Whether finals were asked for so plainly that a run without them is none."""
        asked = self.finals not in (None, "none", "auto") or "finals" in self.backend
        return self.wants_finals and (asked or (self.finals is None and self.quality == "max"))

    @property
    def file_type(self) -> Container:
        """The container of outputs."""
        if self.container != "auto":
            return self.container
        named = self.output or ""
        suffix = "" if named.endswith("/") else Path(named).suffix.lower()
        return next((known for known in CODECS if suffix == f".{known}"), "mp4")

    def codec_for(self, *, hdr: bool) -> Codec:
        """How a picture is coded."""
        if self.codec != "auto":
            return self.codec
        if self.file_type == "webm":
            return "vp9"
        return "hevc" if hdr else "h264"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - given by pydantic-settings
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def words_of(command: str) -> list[str]:
    """Program and arguments of a command line, split as a shell does; nothing in it is expanded.

    Raises:
        ValueError: a quote is not closed.
    """
    return shlex.split(command)


def flags_of(name: str) -> tuple[str, ...]:
    """The command-line flags of a field, the long one first."""
    extra = Settings.model_fields[name].json_schema_extra
    flags = extra.get("flags", []) if isinstance(extra, dict) else []
    return tuple(str(flag) for flag in flags) if isinstance(flags, list) else ()


def as_flags(settings: Settings, names: Iterable[str]) -> list[str]:
    """The command-line arguments that give another process these settings, whatever it finds set elsewhere.

    A switch that is off and cannot be said to be off, and what has no value, are left out.
    """
    arguments: list[str] = []
    for name in names:
        flag, value = flags_of(name)[0], getattr(settings, name)
        if isinstance(value, bool):
            on, _, off = flag.partition("/")
            arguments += [on] if value else [off] if off else []
        elif value not in (None, (), {}):
            arguments += [flag, _in_words(value)]
    return arguments


def _in_words(value: Any) -> str:
    """A value as a flag takes it."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value.value if isinstance(value, Enum) else value)


def topic_of(name: str) -> str:
    """The heading a field is listed under."""
    extra = Settings.model_fields[name].json_schema_extra
    return str(extra["topic"]) if isinstance(extra, dict) else ""


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """Merge flags (None or an empty list = not given), environment and `loc.toml`.

    Raises:
        UsageError: a value that does not fit, named with the place it came from.
    """
    given = {name: value for name, value in flags.items() if value is not None and value != []}
    try:
        return Settings(**given)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{SETTINGS_FILE} is not valid TOML.", why=str(error)) from error
    except (UnicodeDecodeError, OSError) as error:
        raise UsageError(
            f"{SETTINGS_FILE} cannot be read.", why=f"{error}.", fix="Save it as UTF-8, readable to you."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        why = first["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"{_place(name, given)} cannot be used.", why=f"{why}.", fix="See `loc run --help`."
        ) from error


def _place(name: str, given: Mapping[str, Any]) -> str:
    """Where a value came from, in the words of whoever wrote it."""
    if not name:
        return "This combination of settings"
    if name in given:
        return flags_of(name)[0].split("/")[0]
    if f"LOC_{name.upper()}" in os.environ:
        return f"LOC_{name.upper()}"
    return f"{name!r} in {SETTINGS_FILE}"
