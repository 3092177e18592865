"""The `loc` command: finds the subcommand, loads it alone, and turns errors into words and exit codes."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("cli.run", "Localize videos."),
    "regen": ("cli.regen", "Have lines of a dub said again, another way."),
    "plan": ("cli.plan", "Show what a run would do, with what, and what is made already."),
    "explain": ("cli.explain", "Show for every action whether it is made, and if not, what changed."),
    "finalize": ("cli.finalize", "Give cuts of a finished run their finals."),
    "status": ("cli.status", "Show the runs of a work directory."),
    "subtitles": ("cli.subtitles", "Take subtitles out, and edited ones back in."),
    "regress": ("cli.regress", "Compare the dubs of samples with accepted ones."),
    "models": ("cli.models", "Look after weights and environments of neural models."),
    "licences": ("cli.licences", "Show what everything stands under, or what one dub was made with."),
    "avatar": ("cli.avatar", "Prepare a person once, and let it speak any sound."),
    "voices": ("cli.voices", "Look after the people of the voice bank."),
    "cache": ("cli.cache", "Look after the work directory."),
    "doctor": ("cli.doctor", "Check this machine: tools, backends, folders."),
}
"""Name -> (module, short help). A module is imported only when its command is called; each has an `app`."""

EPILOGUE = (
    "Exit codes: 0 done, 1 internal error, 2 usage, 3 done with defects, 4 input, 5 missing, 6 refused, "
    "7 storage, 8 some inputs failed, 9 deadline, 130 interrupted."
)


STORAGE, INTERRUPTED = 7, 130
"""As in `loc.errors.ExitCode`, which is not imported for `--help`."""


class LazyGroup(TyperGroup):
    """Lists every command without importing any of them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Stand-ins carry name and short help, which is all that a listing needs.
        self.commands = {name: TyperCommand(name=name, help=text) for name, (_, text) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, stand_in if name is None else load_command(name), rest


def load_command(name: str) -> Any:
    """Import a command's module and build it. Every thread that it starts shares the process's heap."""
    from loc.process import keep_heap_small

    keep_heap_small()
    command = typer.main.get_command(importlib.import_module(COMMANDS[name][0]).app)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOGUE,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import loc

        typer.echo(f"loc {loc.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and end."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Localize video: the same video, speaking another language."""


def main() -> NoReturn:
    """Entry point of the `loc` script; always ends the process with a documented exit code."""
    debug = "--debug" in sys.argv[1:]
    # `--debug` may stand anywhere; the group alone declares it.
    arguments = (["--debug"] if debug else []) + [item for item in sys.argv[1:] if item != "--debug"]
    signals = _Signals()
    try:
        code = app(args=arguments, prog_name="loc")
    except SystemExit as end:
        code = end.code
    except Exception as error:  # noqa: BLE001 - the one place where every error becomes words and a code
        code = report_error(error, debug=debug)
    _leave(INTERRUPTED if signals.came else code if isinstance(code, int) else 1 if code else 0)


class _Signals:
    """Makes every signal that asks for an end a KeyboardInterrupt, which no handler of errors swallows.

    One that whoever started the process has it ignore stays so: under nohup it goes on when the terminal
    closes, and in the background of a script (`&`) Ctrl-C is for others.
    """

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._interrupt)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt


def report_error(error: Exception, *, debug: bool) -> int:
    """Print what failed, why and what mends it; with `debug` the traceback first."""
    from loc.errors import InternalError, LocError, StorageError

    if debug:
        import traceback

        traceback.print_exception(error)
    said: LocError
    if isinstance(error, LocError):
        said = error
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        said = StorageError("What this command prints cannot be written.", why=os.strerror(errno.ENOSPC))
    else:
        said = InternalError.of(error)
    print_error(said)
    return int(said.code)


def print_error(error: Any, prefix: str = "error") -> None:
    """What failed, why, and what mends it, on stderr; nowhere, where that takes no more."""
    with contextlib.suppress(OSError):
        typer.echo(f"{prefix}: {error.what}", err=True)
        for label, text in (("why", error.why), ("fix", error.fix)):
            if text:
                lines = text.splitlines()
                typer.echo(f"  {label}: " + "\n       ".join(lines), err=True)


def _leave(code: int) -> NoReturn:
    """End the process. After an interrupt, without waiting for threads whose work is not kept; children die
    with the process."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            # Whoever read it has gone, or its disk is full; the interpreter must not try again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and error.errno == errno.ENOSPC:
                code = code or STORAGE
    if code == INTERRUPTED:
        os._exit(code)
    sys.exit(code)
