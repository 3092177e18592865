"""Settings handed to another process arrive as they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import ValidationError
from typer.testing import CliRunner

from cli.options import RUN_FIELDS, with_settings
from cli.regress import loc_run
from loc.policy.licences import Purpose
from loc.settings import Settings, as_flags, load_settings


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"languages": ("ja", "es"), "source_language": "en", "crf": 23, "preset": "fast"},
        {"lipsync": False, "keep_original_audio": True, "overwrite": True, "workers": 3},
        {"backend": {"dub": "espeak", "lipsync": "warp"}, "purpose": Purpose.RESEARCH, "force": ("dub",)},
        {
            "work_dir": Path("a b/c"),
            "translation": {"ja": Path("x.srt")},
            "output": "out/",
            "container": "mkv",
        },
    ],
)
def test_flags_give_the_settings_back(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a file and a variable that say otherwise."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(**changes)
    (tmp_path / "loc.toml").write_text("crf = 40\nlipsync = true\n")
    monkeypatch.setenv("LOC_PRESET", "slow")
    assert received(as_flags(settings, RUN_FIELDS)) == settings


def received(flags: Sequence[str]) -> Settings:
    """What a run makes of its flags."""
    taken: list[Settings] = []
    app = typer.Typer()

    @app.command()
    @with_settings(*RUN_FIELDS)
    def take(settings: Settings) -> None:
        taken.append(settings)

    done = CliRunner().invoke(app, list(flags))
    assert (done.exit_code, len(taken)) == (0, 1), done.output
    return taken[0]


@pytest.mark.parametrize("place", ["file", "variables"])
def test_a_sample_takes_nothing_that_is_of_a_whole_night(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if place == "file":
        (tmp_path / "loc.toml").write_text('summary = ["night.json"]\ndeadline = "06:00"\ncrf = 40\n')
    else:
        monkeypatch.setenv("LOC_SUMMARY", "night.json")
        monkeypatch.setenv("LOC_DEADLINE", "06:00")
        monkeypatch.setenv("LOC_CRF", "40")
    given = load_settings({})
    assert given.deadline == "06:00"
    flags = list(loc_run(Path("talk.mp4"), given))
    found = received(flags[flags.index("--json") + 1 : flags.index("--")])
    assert found == given.model_copy(update={"summary": (), "deadline": None})


@pytest.mark.parametrize(
    "said", ["", "some", "0", "1,", "3-", "-3", "1..4", "7-4", "auto,5-2", "all,", "1-9999999", "9" * 5000]
)
def test_what_names_no_cuts_is_refused_at_once(said: str) -> None:
    with pytest.raises(ValidationError, match="numbers of cuts"):
        Settings(finals=said)


@pytest.mark.parametrize("said", ["3", "auto,3", "all,1-2"])
def test_cuts_are_not_named_where_none_is_drawn(said: str) -> None:
    with pytest.raises(ValidationError, match="without lipsync"):
        Settings(finals=said, lipsync=False)
    assert Settings(finals="all", lipsync=False).finals == "all"
