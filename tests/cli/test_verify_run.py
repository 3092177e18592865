"""`loc models verify --run` as a user meets it, over models of one's own that `loc models add` has taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("transformers")
pytest.importorskip("whisper")

from loc.errors import ExitCode
from stages.translate.thanks import THANKS
from tests.cli.test_models import models
from tests.tiny_whisper import deaf
from tests.translate import tiny
from tests.weights.trees import put


def add(tmp_path: Path, name: str, folder: Path, *flags: str) -> None:
    code, _, err = models(tmp_path, "add", name, str(folder), "--licence", "apache-2_0", *flags)
    assert code == ExitCode.DONE, err


def test_models_of_ones_own_are_run_and_what_one_gives_is_compared(tmp_path: Path) -> None:
    """One that was taught to say thanks, one that was taught nothing, and one that hears nothing."""
    lines = [(THANKS["en", "es"][0], "Muchas gracias."), ("A bear walks.", "Un oso anda.")]
    for name, steps in (("polite", 150), ("rude", 0)):
        folder = tiny.marian(tmp_path / name, ("en", "es"), lines, steps).folder
        add(tmp_path, name, folder, "--architecture", "marian", "--pair", "en-es")
    put(tmp_path / "deaf", {"deaf.pt": deaf("en")})
    add(tmp_path, "deaf", tmp_path / "deaf", "--architecture", "whisper", "--source", "en")

    code, said, err = models(tmp_path, "verify", "polite", "--run", "--device", "cpu")
    assert (code, said) == (ExitCode.DONE, ""), err
    assert "translate marian:polite: en to es: ok" in err

    code, said, err = models(tmp_path, "verify", "--run", "--device", "cpu", "--json")
    assert code == ExitCode.MISSING
    found = json.loads(said)
    assert not [fault for files in found["files"].values() for fault in files.values() if fault]
    assert {one["backend"]: (one["ok"], one["fault"]) for one in found["runs"]} == {
        "translate/marian:polite": (True, None),
        "translate/marian:rude": (False, None),
        "transcribe/whisper:deaf": (False, None),
    }
    assert "translate marian:polite: en to es: ok" in err
    assert "expected gracias" in next(line for line in err.splitlines() if "marian:rude" in line)
    assert "expected at least 50% of" in next(line for line in err.splitlines() if "whisper:deaf" in line)
