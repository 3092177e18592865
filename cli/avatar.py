"""`loc avatar`: prepare a person once, and let it speak any sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import MUSETALK_FIELDS, JsonFlag, with_settings
from cli.output import say, table, write_json
from loc.errors import ExitCode, MissingError, UsageError
from loc.settings import Settings

if TYPE_CHECKING:
    from stages.lipsync.musetalk.avatar import Listed

app = typer.Typer(add_completion=False, no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the avatar.", show_default=False)]
SHARED = ("backend", "purpose", "device", "data_dir", "ffmpeg", "ffprobe")

SPEAKING = (
    "languages",
    "overwrite",
    "crf",
    "preset",
    "audio_bitrate",
    "musetalk_batch_size",
    "musetalk_precision",
)


@app.callback()
def _group() -> None:
    """Prepare a person once, and let it speak any sound."""


@app.command("bake")
@with_settings("rate", *MUSETALK_FIELDS, *SHARED)
def bake(
    source: Annotated[Path, typer.Argument(help="Video, picture or folder of pictures.", show_default=False)],
    name: Annotated[str, typer.Option("--name", "-n", help="What it will be called.", show_default=False)],
    settings: Settings,
    as_json: JsonFlag = False,
) -> None:
    """Prepare an avatar: its faces, their masks, and what the model sees of them."""
    from typing import cast

    from stages.lipsync.musetalk import MuseTalk, avatar
    from stages.studio import backend_of

    with backend_of("lipsync", settings) as backend:
        record = avatar.bake(source, name, settings, cast(MuseTalk, backend), say)
    if as_json:
        write_json(record.model_dump(mode="json"))
    else:
        typer.echo(
            f"{record.name}: {record.frames} frames, {record.faces} with a face, {record.rate} a second"
        )


@app.command("speak")
@with_settings(*SPEAKING, *SHARED)
def speak(
    name: Name,
    settings: Settings,
    sounds: Annotated[
        list[Path] | None, typer.Argument(help="WAV, FLAC or Ogg files.", show_default=False)
    ] = None,
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder of the videos.")] = Path(),
    rows: Annotated[
        Path | None, typer.Option("--rows", help="CSV file; a video for each row.", show_default=False)
    ] = None,
    template: Annotated[
        str, typer.Option("--template", help="What is said for a row; {column} is the row's.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Let an avatar speak recordings, or rows of a table in a synthetic voice. A bad item fails alone."""
    from stages.studio import Item, rows_of, speak_all

    if bool(sounds) == bool(rows):
        raise UsageError("Name either sound files or --rows.")
    if rows is not None and not template:
        raise UsageError(
            "What is to be said for each row is not known.", fix='Say it: --template "Hello {name}".'
        )
    if len(settings.languages) > 1:
        raise UsageError("An avatar speaks one language at a time.", fix="Name one with --lang.")
    items = rows_of(rows, template) if rows is not None else [Item(path.stem, path) for path in sounds or ()]
    if len({item.name for item in items}) < len(items):
        raise UsageError("Two of the sound files have one name.", fix="Speak them into folders of their own.")
    language = settings.languages[0] if settings.languages else None
    failed, told = 0, []
    for done in speak_all(name, items, folder, settings, language):
        failed += done.error is not None
        told.append(
            {"name": done.name, "path": str(done.path), "frames": done.frames}
            | ({"error": str(done.error)} if done.error else {})
        )
        if not as_json:
            typer.echo(f"{done.path}: {done.error or f'{done.frames} frames'}")
    if as_json:
        write_json(told)
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


@app.command("list")
@with_settings("data_dir")
def show(settings: Settings, as_json: JsonFlag = False) -> None:
    """Show the avatars there are."""
    from stages.lipsync.musetalk.avatar import listed

    found = listed(settings.data_dir)
    if as_json:
        write_json([_as_json(one) for one in found])
        return
    for line in table([_row(one) for one in found], ("avatar", "frames", "rate", "size")):
        typer.echo(line)
    for one in found:
        if isinstance(one.record, MissingError):
            say(f"{one.name} cannot be used: {one.record.why} {one.record.fix}")


@app.command("remove")
@with_settings("data_dir")
def drop(name: Name, settings: Settings) -> None:
    """Take an avatar away."""
    from stages.lipsync.musetalk.avatar import remove

    remove(settings.data_dir, name)
    say(f"{name} removed.")


def _row(one: Listed) -> tuple[str, str, str, str]:
    size = f"{one.size / (1 << 20):.1f} MiB"
    if isinstance(one.record, MissingError):
        return one.name, "-", "-", size
    return one.name, str(one.record.frames), str(one.record.rate), size


def _as_json(one: Listed) -> dict[str, Any]:
    if isinstance(one.record, MissingError):
        return {"name": one.name, "bytes": one.size, "problem": one.record.why}
    return {**one.record.model_dump(mode="json"), "bytes": one.size}
