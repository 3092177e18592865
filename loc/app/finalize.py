"""`loc finalize`: a finished run once more, with finals for more of its cuts, everything else as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loc.app.record import FINISHED, RunRecord, runs, runs_of
from loc.errors import UsageError
from loc.settings import Settings, reads_as_finals
from loc.store.workdir import WorkDir

HERE = ("work_dir", "data_dir", "workers", "device", "nice")
"""Settings that belong to the machine and the moment, not to the run that goes on."""

NOT_AGAIN = ("summary", "overwrite", "force", "deadline")
"""Settings that were said for one command and hold for no other: they would have files replaced that nobody
named now."""


def settings_for(store: WorkDir, video: Path, cuts: str, settings: Settings) -> Settings:
    """The settings of the newest finished run of a video, with finals for some more of its cuts.

    Args:
        cuts: numbers as in the report, `2` or `1,4-7`.
        settings: of this command: where things lie.

    Raises:
        UsageError: `cuts` names none, or there is no such run, or it drew no mouths.
        InputError: the video cannot be read.
    """
    wanted = cuts.replace(" ", "")
    if not wanted[:1].isdigit() or not reads_as_finals(wanted):
        raise UsageError(
            f"--cuts: {cuts!r} names no cuts.", fix="Say numbers as in the report, e.g. 2 or 1,4-7."
        )
    record = _newest(store, video)
    known = {
        name: value
        for name, value in record.given.items()
        if name in Settings.model_fields and name not in NOT_AGAIN
    }
    if known.get("lipsync") is False:
        raise UsageError(
            f"The newest finished run of {video} drew no mouths.",
            why="It was made with --no-lipsync, and finals take the place of drafts.",
            fix=f"loc run {video} --lang {','.join(record.languages)}",
        )
    given = {**known, **{name: getattr(settings, name) for name in HERE}}
    return Settings(**{**given, "finals": _more(given, wanted)})


def _newest(store: WorkDir, video: Path) -> RunRecord:
    is_one = runs_of(store, video)
    for record in runs(store):
        # One that ended before the video has no drafts to take the place of.
        whole = record.given and not record.given.get("until")
        if record.exit_code in FINISHED and whole and is_one(record):
            return record
    raise UsageError(
        f"There is no finished run of {video} in {store.root}.",
        why="Finals take the place of the drafts of a finished run.",
        fix=f"loc run {video} --lang LANG",
    )


def _more(given: dict[str, Any], wanted: str) -> str:
    """What `--finals` comes to: what the run had, and the cuts that are named now."""
    quality = given.get("quality", "standard")
    had = given.get("finals") or {"draft": "none", "standard": "auto", "max": "all"}[quality]
    if had == "all" and given.get("finals_limit") is None:
        return "all"
    return wanted if had == "none" else f"{had},{wanted}"
