"""`loc models pull` and `adopt` as a user meets them: weights of the table from a server on this machine and
from trees of other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loc.errors import ExitCode
from loc.weights.table import published
from tests.cli.test_models import models
from tests.weights.server import Server, hub
from tests.weights.trees import hub_cache, put

TENSORS = b"tensors" * 5000
OPEN = published()["whisper-tiny-hf"]
"""Nobody states what its files are."""
FILES = {"config.json": b"{}", "model.safetensors": TENSORS}
PINNED = published()["whisper-tiny"]
"""Its file's digest is published."""
RESEARCH = published()["htdemucs"]
HUB = "https://huggingface.co/"


@pytest.fixture
def mirror() -> Iterator[Server]:
    """Holds these sets under `/copy/`, in place of the hub and of whoever publishes the pinned one."""
    assert OPEN.source.revision is not None
    assert RESEARCH.source.revision is not None
    served = hub(OPEN.source.place, OPEN.source.revision, FILES)
    served |= hub(
        RESEARCH.source.place, RESEARCH.source.revision, {file.path: TENSORS for file in RESEARCH.files}
    )
    files = {f"/copy{path}": data for path, data in served.items()}
    with Server(files={**files, "/copy/tiny.pt": b"not Whisper"}) as server:
        yield server


def pull(tmp_path: Path, mirror: Server, *args: str) -> tuple[int, str, str]:
    prefixes = (HUB, PINNED.source.place)
    flags = [flag for prefix in prefixes for flag in ("--mirror", f"{prefix}={mirror.url}/copy/")]
    return models(tmp_path, "pull", *args, *flags)


def model_of(tmp_path: Path) -> Path:
    """Where the large file of the open set lies once it is whole."""
    return tmp_path / "data/weights" / OPEN.id / "model.safetensors"


def parts(said: str) -> set[str]:
    """Which of what, why and fix an error names."""
    return {line.split(":")[0].strip() for line in said.splitlines()} & {"error", "why", "fix"}


def test_a_set_is_pulled_from_a_mirror_checked_and_listed(mirror: Server, tmp_path: Path) -> None:
    code, said, err = pull(tmp_path, mirror, OPEN.id)
    assert (code, said) == (ExitCode.DONE, f"{OPEN.id}\n"), err
    assert "no digest of model.safetensors is published" in err
    _, paths, _ = models(tmp_path, "path", OPEN.id)
    assert {Path(line).name: Path(line).read_bytes() for line in paths.splitlines()} == FILES
    rows = {row["id"]: row for row in json.loads(models(tmp_path, "list", "--json")[1])}
    assert (rows[OPEN.id]["state"], rows[OPEN.id]["revision"]) == ("here", OPEN.source.revision)
    asked = len(mirror.seen)
    assert pull(tmp_path, mirror, OPEN.id)[:2] == (ExitCode.DONE, f"{OPEN.id}\n")
    assert len(mirror.seen) == asked


def test_another_hub_is_asked_in_place_of_the_one(mirror: Server, tmp_path: Path) -> None:
    assert models(tmp_path, "pull", OPEN.id, "--hub", f"{mirror.url}/copy")[0] == ExitCode.DONE
    assert len(mirror.seen) == len(FILES)


def test_a_pull_that_is_cut_goes_on_by_itself(mirror: Server, tmp_path: Path) -> None:
    mirror.cuts = [1 << 20, 1000]
    assert pull(tmp_path, mirror, OPEN.id)[0] == ExitCode.DONE
    assert [headers.get("range") for _, headers in mirror.seen] == [None, None, "bytes=1000-"]
    assert model_of(tmp_path).read_bytes() == TENSORS


def test_a_pull_that_ended_goes_on_in_the_next_one(mirror: Server, tmp_path: Path) -> None:
    mirror.cuts = [1 << 20, 1000]
    mirror.on_request = lambda: mirror.statuses.extend([404] if len(mirror.seen) == 3 else [])
    code, said, err = pull(tmp_path, mirror, OPEN.id)
    assert (code, said) == (ExitCode.MISSING, "")
    assert parts(err) == {"error", "why", "fix"}
    assert not model_of(tmp_path).exists()
    mirror.on_request = lambda: None
    mirror.seen.clear()
    assert pull(tmp_path, mirror, OPEN.id)[0] == ExitCode.DONE
    [(path, headers)] = mirror.seen
    assert path.endswith("/model.safetensors")
    assert headers["range"] == "bytes=1000-"
    assert model_of(tmp_path).read_bytes() == TENSORS


def test_what_is_for_research_alone_is_refused_before_anything_is_asked(
    mirror: Server, tmp_path: Path
) -> None:
    code, said, err = pull(tmp_path, mirror, OPEN.id, RESEARCH.id)
    assert (code, said) == (ExitCode.REFUSED, "")
    assert f"error: {RESEARCH.title} was not pulled." in err
    assert "forbids commercial use" in err
    assert "fix: --purpose research allows it." in err
    assert not mirror.seen
    code, said, _ = pull(tmp_path, mirror, RESEARCH.id, "--purpose", "research")
    assert (code, said) == (ExitCode.DONE, f"{RESEARCH.id}\n")


def test_another_file_than_the_published_one_is_told_and_not_kept(mirror: Server, tmp_path: Path) -> None:
    code, said, err = pull(tmp_path, mirror, PINNED.id)
    assert (code, said) == (ExitCode.MISSING, "")
    assert "error: tiny.pt is another file than the one wanted." in err
    assert f"not {PINNED.files[0].sha256}." in err
    assert "fix: Try again later; or pull from the publisher and not from a mirror." in err
    assert not list((tmp_path / "data").rglob("tiny.pt*"))


def test_another_file_than_that_of_the_first_pull_is_told_too(mirror: Server, tmp_path: Path) -> None:
    assert pull(tmp_path, mirror, OPEN.id)[0] == ExitCode.DONE
    assert models(tmp_path, "remove", OPEN.id)[0] == ExitCode.DONE
    [path] = [path for path in mirror.files if path.endswith("/model.safetensors")]
    mirror.files[path] = TENSORS[::-1]
    code, _, err = pull(tmp_path, mirror, OPEN.id)
    assert code == ExitCode.MISSING
    assert "error: model.safetensors is another file than the one wanted." in err
    assert parts(err) == {"error", "why", "fix"}


def state(tree: Path) -> dict[Path, tuple[int, int, int, bytes | str]]:
    """Everything of a tree: kind and rights, size and date of each, and its bytes or where it leads."""
    found = {}
    for path in tree.rglob("*"):
        about = path.lstat()
        held: bytes | str = ""
        if path.is_symlink():
            held = str(path.readlink())
        elif path.is_file():
            held = path.read_bytes()
        found[path] = (about.st_mode, about.st_size, about.st_mtime_ns, held)
    return found


def cached(tree: Path) -> None:
    hub_cache(tree, OPEN.source.place, OPEN.source.revision or "", FILES)


def beside_musetalk(tree: Path) -> None:
    put(tree, {"models/whisper/config.json": b"{}", "models/whisper/pytorch_model.bin": TENSORS})


@pytest.mark.parametrize(
    ("lay", "model"), [(cached, "model.safetensors"), (beside_musetalk, "pytorch_model.bin")]
)
def test_weights_are_adopted_where_they_lie_and_nothing_is_copied_or_changed(
    lay: Callable[[Path], None], model: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    lay(tree)
    before = state(tree)
    code, said, err = models(tmp_path, "adopt", str(tree))
    assert code == ExitCode.DONE, err
    assert said == f"{OPEN.id}: config.json, {model}\n"
    listed = {row["id"]: row for row in json.loads(models(tmp_path, "list", "--json")[1])}
    assert (listed[OPEN.id]["state"], listed[OPEN.id]["here"]) == ("adopted", True)
    paths = [Path(line) for line in models(tmp_path, "path", OPEN.id)[1].splitlines()]
    assert [path.read_bytes() for path in paths] == list(FILES.values())
    assert all(tree in path.parents for path in paths)
    assert models(tmp_path, "verify", OPEN.id)[0] == ExitCode.DONE
    held = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not [path for path in held if path.is_symlink() or path.read_bytes() in FILES.values()]
    assert models(tmp_path, "remove", OPEN.id)[0] == ExitCode.DONE
    assert state(tree) == before


def test_what_an_adopted_tree_lacks_is_named_with_what_brings_it(tmp_path: Path) -> None:
    put(tmp_path / "tree", {"whisper-tiny-hf/config.json": b"{}"})
    code, said, _ = models(tmp_path, "adopt", str(tmp_path / "tree"), OPEN.id)
    assert code == ExitCode.DONE
    assert said.startswith(f"{OPEN.id}: config.json (still model.safetensors is missing: ")
    assert f"loc models pull {OPEN.id}" in said


def test_a_tree_without_weights_is_told(tmp_path: Path) -> None:
    put(tmp_path / "tree", {"notes.txt": b"none"})
    code, said, err = models(tmp_path, "adopt", str(tmp_path / "tree"))
    assert (code, said) == (ExitCode.MISSING, "")
    assert "error: No weights of the table were found in" in err
    assert "`loc models add` registers a model of your own" in err
