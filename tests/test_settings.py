"""Settings handed to another process arrive as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from cli.options import RUN_FIELDS, with_settings
from loc.policy.licences import Purpose
from loc.settings import Settings, as_flags


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
    import typer

    monkeypatch.chdir(tmp_path)
    settings = Settings(**changes)
    (tmp_path / "loc.toml").write_text("crf = 40\nlipsync = true\n")
    monkeypatch.setenv("LOC_PRESET", "slow")
    received: list[Settings] = []
    app = typer.Typer()

    @app.command()
    @with_settings(*RUN_FIELDS)
    def take(settings: Settings) -> None:
        received.append(settings)

    done = CliRunner().invoke(app, as_flags(settings, RUN_FIELDS))
    assert (done.exit_code, received) == (0, [settings]), done.output


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
