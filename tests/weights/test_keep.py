"""Bringing weights onto the shelf and off it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loc.app.models import Listed, listed
from loc.errors import MissingError, RefusedError, UsageError
from loc.policy.licences import Purpose
from loc.settings import Settings
from loc.weights import download, keep, shelf
from loc.weights.keep import Keeper, own_row, spoken
from loc.weights.table import Place, Row, WeightFile, published
from tests.weights.server import Server, hub
from tests.weights.trees import hub_cache, put

REVISION, OTHER_REVISION = "1" * 40, "2" * 40
CONFIG, MODEL = b'{"layers": 2}', b"tensors" * 5000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


OPEN = Row(
    id="open",
    title="Open",
    licence="mit",
    homes=("kept/open",),
    source=Place(kind="hub", place="maker/open"),
    files=(WeightFile(path="config.json"), WeightFile(path="sub/model.bin", also=("sub/model.old",))),
)
PINNED = Row(
    id="pinned",
    title="Pinned",
    licence="mit",
    source=Place(kind="url", place="https://files.example/pinned/"),
    files=(WeightFile(path="model.pt", sha256=sha256(MODEL), size=len(MODEL)),),
)
ROWS = {row.id: row for row in (OPEN, PINNED)}


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "published", lambda: ROWS)
    monkeypatch.setattr(shelf, "published", lambda: ROWS)


@pytest.fixture
def server() -> Iterator[Server]:
    files = hub("maker/open", REVISION, {"config.json": CONFIG, "sub/model.bin": MODEL})
    with Server(files={**files, "/mirror/model.pt": MODEL}) as running:
        yield running


class Desk:
    def __init__(self, server: Server, folder: Path) -> None:
        self.folder = folder
        self.server = server
        self.said: list[str] = []

    def keeper(self, **changes: Any) -> Keeper:
        mirrors = {"https://files.example/pinned/": f"{self.server.url}/mirror/"}
        settings = Settings(
            **{"data_dir": self.folder / "data", "hub": self.server.url, "mirrors": mirrors, **changes}
        )
        return Keeper(settings, self.said.append, sleep=lambda _seconds: None)


@pytest.fixture
def desk(server: Server, tmp_path: Path) -> Desk:
    return Desk(server, tmp_path)


def test_what_the_table_leaves_open_is_what_the_first_pull_finds(desk: Desk, server: Server) -> None:
    keeper = desk.keeper()
    keeper.pull("open")
    assert server.paths()[1:] == [
        f"/maker/open/resolve/{REVISION}/config.json",
        f"/maker/open/resolve/{REVISION}/sub/model.bin",
    ]
    found = keeper.shelf.find("open")
    assert found.files["sub/model.bin"].read_bytes() == MODEL
    assert found.digests == {"config.json": sha256(CONFIG), "sub/model.bin": sha256(MODEL)}
    manifest = keeper.shelf.manifest("open")
    assert manifest is not None
    assert manifest.revision == REVISION
    lock = json.loads((desk.folder / "data/weights/lock.json").read_text())
    assert lock == {"open": {"revision": REVISION, "files": dict(found.digests)}}
    assert any(REVISION in line for line in desk.said)
    assert sum("no digest of" in line for line in desk.said) == 2


def test_a_second_pull_asks_nobody(desk: Desk, server: Server) -> None:
    desk.keeper().pull("open")
    asked = len(server.seen)
    desk.keeper().pull("open")
    assert len(server.seen) == asked


def test_the_first_pull_binds_every_later_one(desk: Desk, server: Server) -> None:
    """Also after the set was removed, and although the repository has moved on."""
    desk.keeper().pull("open")
    desk.keeper().remove("open")
    server.files |= hub("maker/open", OTHER_REVISION, {"config.json": b"new", "sub/model.bin": b"new"})
    desk.keeper().pull("open")
    assert desk.keeper().shelf.find("open").digests["config.json"] == sha256(CONFIG)
    desk.keeper().remove("open")
    server.files[f"/maker/open/resolve/{REVISION}/sub/model.bin"] = b"tampered with"
    with pytest.raises(MissingError, match="another file"):
        desk.keeper().pull("open")
    assert not desk.keeper().shelf.has("open")


def test_a_pull_that_was_cut_goes_on_with_the_files_that_lack(desk: Desk, server: Server) -> None:
    path = f"/maker/open/resolve/{REVISION}/sub/model.bin"
    taken = server.files.pop(path)
    with pytest.raises(MissingError, match="404"):
        desk.keeper().pull("open")
    assert desk.keeper().shelf.lacks(OPEN) == "sub/model.bin is missing"
    server.files[path] = taken
    server.seen.clear()
    desk.keeper().pull("open")
    assert server.paths() == [path]


def test_mirrors_are_asked_instead_and_give_the_published_bytes(desk: Desk, server: Server) -> None:
    desk.keeper().pull("pinned")
    assert server.paths() == ["/mirror/model.pt"]
    assert not any("no digest" in line for line in desk.said)
    desk.keeper().remove("pinned")
    server.files["/mirror/model.pt"] = b"x" * len(MODEL)
    with pytest.raises(MissingError, match="another file"):
        desk.keeper().pull("pinned")


def test_a_mirror_of_the_hub_is_asked_for_the_newest_commit_too(
    desk: Desk, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    served = hub("maker/open", REVISION, {"config.json": CONFIG, "sub/model.bin": MODEL})
    with Server(files={f"/copy{path}": data for path, data in served.items()}) as other:
        desk.keeper(mirrors={f"{server.url}/": f"{other.url}/copy/"}).pull("open")
        assert not any("authorization" in headers for _, headers in other.seen)
    assert len(other.seen) == 3
    assert not server.seen


def test_the_key_to_the_hub_goes_to_no_mirror(
    desk: Desk, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    home = f"/maker/open/resolve/{REVISION}/"
    with Server(files={"/copy/model.bin": MODEL}) as other:
        desk.keeper(mirrors={f"{server.url}{home}sub/": f"{other.url}/copy/"}).pull("open")
        assert [headers.get("authorization") for _, headers in server.seen] == ["Bearer secret"] * 2
        [(path, headers)] = other.seen
    assert path == "/copy/model.bin"
    assert "authorization" not in headers


def test_offline_asks_nobody_and_says_what_else_there_is(desk: Desk, server: Server) -> None:
    with pytest.raises(RefusedError, match="adopt"):
        desk.keeper(offline=True).pull("open")
    assert not server.seen


def test_two_who_pull_fetch_each_file_once(desk: Desk, server: Server) -> None:
    keepers = [desk.keeper() for _ in range(4)]
    threads = [threading.Thread(target=one.pull, args=("open",)) for one in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.seen) == len(set(server.paths())) == 3
    assert desk.keeper().shelf.has("open")


def test_a_repository_without_a_commit_is_no_hub(desk: Desk, server: Server) -> None:
    for answer in (b"{}", b"[]", b'{"sha": "main"}', b"<html>"):
        server.files["/api/models/maker/open/revision/main"] = answer
        with pytest.raises(MissingError):
            desk.keeper().pull("open")


def test_unknown_ids_are_told(desk: Desk) -> None:
    for act in (desk.keeper().pull, desk.keeper().verify, desk.keeper().remove):
        with pytest.raises(UsageError):
            act("none")


def test_a_file_that_was_changed_is_found_and_fetched_again(desk: Desk, server: Server) -> None:
    keeper = desk.keeper()
    keeper.pull("open")
    path = keeper.shelf.find("open").files["sub/model.bin"]
    os.utime(path, ns=(5, 5))
    assert not keeper.shelf.has("open")
    assert [item.fault for item in keeper.verify("open")] == [None, None]
    assert keeper.shelf.has("open")
    path.write_bytes(b"x" * len(MODEL))
    assert "changed" in str(keeper.verify("open")[1].fault)
    assert not keeper.shelf.has("open")
    server.seen.clear()
    keeper.pull("open")
    assert len(server.seen) == 1
    assert path.read_bytes() == MODEL
    path.unlink()
    assert keeper.verify("open")[1].fault == "No such file or directory"
    assert keeper.verify("pinned")[0].fault == "not here"


def test_a_lock_from_another_machine_holds_for_what_is_here_already(desk: Desk, server: Server) -> None:
    """Copied over after other files came in, by a pull or from a tree."""
    desk.keeper().pull("open")
    lock = desk.folder / "data/weights/lock.json"
    pins = json.loads(lock.read_text())
    newer = b"tensors of the other machine"
    pins["open"]["files"]["sub/model.bin"] = sha256(newer)
    lock.write_text(json.dumps(pins))
    keeper = desk.keeper()
    assert str(keeper.shelf.lacks(OPEN)).startswith("sub/model.bin is another file")
    assert [item.fault is None for item in keeper.verify("open")] == [True, False]
    server.files[f"/maker/open/resolve/{REVISION}/sub/model.bin"] = newer
    keeper.pull("open")
    assert keeper.shelf.find("open").files["sub/model.bin"].read_bytes() == newer
    assert json.loads(lock.read_text()) == pins


def test_a_lock_that_cannot_be_read_stops_and_says_so(desk: Desk) -> None:
    path = desk.folder / "data/weights/lock.json"
    path.parent.mkdir(parents=True)
    for broken in ("{", "[]", '{"open": {"files": {"a": "short"}}}'):
        path.write_text(broken)
        with pytest.raises(MissingError, match=r"lock\.json cannot be read"):
            desk.keeper().pull("open")


def test_weights_are_not_used_where_the_lock_cannot_be_read(desk: Desk) -> None:
    desk.keeper().pull("open")
    (desk.folder / "data/weights/lock.json").write_text("{")
    with pytest.raises(MissingError, match=r"lock\.json cannot be read"):
        desk.keeper().shelf.find("open")


def copies(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.read_bytes() in (CONFIG, MODEL)]


TREES: dict[str, Callable[[Path], Path]] = {
    "repository": lambda tree: put(tree, {"open/config.json": CONFIG, "open/sub/model.bin": MODEL}),
    "home": lambda tree: put(tree, {"kept/open/config.json": CONFIG, "kept/open/sub/model.bin": MODEL}),
}


@pytest.mark.parametrize("name", TREES)
def test_trees_of_other_programs_are_used_where_they_lie(
    desk: Desk, server: Server, name: str, tmp_path: Path
) -> None:
    tree = TREES[name](tmp_path / "tree")
    found = desk.keeper().adopt(tree)
    assert found == {"open": ["config.json", "sub/model.bin"]}
    files = desk.keeper().shelf.find("open").files
    assert all(tree in path.parents for path in files.values())
    assert not copies(desk.folder / "data/weights")
    assert not server.seen
    desk.keeper().remove("open")
    assert all(path.exists() for path in files.values())
    assert not desk.keeper().shelf.has("open")


def cache(folder: Path, revision: str, files: dict[str, bytes]) -> Path:
    return hub_cache(folder, "maker/open", revision, files)


def test_a_hubs_cache_is_used_at_its_revision(desk: Desk, tmp_path: Path) -> None:
    tree = cache(tmp_path / "hub", REVISION, {"config.json": CONFIG, "sub/model.bin": MODEL})
    assert desk.keeper().adopt(tree) == {"open": ["config.json", "sub/model.bin"]}
    manifest = desk.keeper().shelf.manifest("open")
    assert manifest is not None
    assert manifest.revision == REVISION
    assert desk.keeper().shelf.find("open").files["sub/model.bin"].read_bytes() == MODEL


def test_what_is_not_pinned_yet_is_listed_as_such(desk: Desk) -> None:
    def open_set() -> Listed:
        return next(item for item in listed(desk.keeper().shelf, Purpose.INTERNAL) if item.row is OPEN)

    assert open_set().state == "not on this machine, not pinned yet"
    desk.keeper().pull("open")
    desk.keeper().remove("open")
    assert (open_set().state, open_set().revision) == ("not on this machine", REVISION)


@pytest.mark.parametrize("left", ["config.json", "sub/model.bin"])
@pytest.mark.parametrize("partial", [OTHER_REVISION, "f" * 40, "0" * 40])
def test_of_several_revisions_in_a_cache_the_whole_one_is_used(
    desk: Desk, tmp_path: Path, partial: str, left: str
) -> None:
    cache(tmp_path / "hub", partial, {left: b"of another commit"})
    tree = cache(tmp_path / "hub", REVISION, {"config.json": CONFIG, "sub/model.bin": MODEL})
    assert desk.keeper().adopt(tree) == {"open": ["config.json", "sub/model.bin"]}
    manifest = desk.keeper().shelf.manifest("open")
    assert manifest is not None
    assert manifest.revision == REVISION
    held = desk.keeper().shelf.find("open").files
    assert [held[name].read_bytes() for name in ("config.json", "sub/model.bin")] == [CONFIG, MODEL]


@pytest.mark.parametrize("partial", ["f" * 40, "0" * 40])
def test_a_revision_is_whole_with_another_form_of_a_file(desk: Desk, tmp_path: Path, partial: str) -> None:
    tree = cache(tmp_path / "hub", REVISION, {"config.json": CONFIG, "sub/model.old": MODEL})
    cache(tmp_path / "hub", partial, {"config.json": b"of another commit"})
    assert desk.keeper().adopt(tree) == {"open": ["config.json", "sub/model.old"]}
    manifest = desk.keeper().shelf.manifest("open")
    assert manifest is not None
    assert manifest.revision == REVISION
    assert desk.keeper().shelf.find("open").files["config.json"].read_bytes() == CONFIG


def test_a_cache_of_another_revision_is_not_taken_for_the_pinned_one(desk: Desk, tmp_path: Path) -> None:
    desk.keeper().pull("open")
    desk.keeper().remove("open")
    tree = cache(tmp_path / "hub", OTHER_REVISION, {"config.json": b"new", "sub/model.bin": b"new"})
    with pytest.raises(MissingError, match="No weights"):
        desk.keeper().adopt(tree)


def test_a_cache_of_another_repository_tells_nothing_by_its_folders(desk: Desk, tmp_path: Path) -> None:
    tree = cache(tmp_path / "hub", REVISION, {"config.json": b"a fork's", "sub/model.bin": b"a fork's"})
    (tree / "models--maker--open").rename(tree / "models--forker--open")
    with pytest.raises(MissingError, match="No weights"):
        desk.keeper().adopt(tree)


def test_a_published_digest_decides_whatever_the_place(desk: Desk, tmp_path: Path) -> None:
    put(tmp_path / "tree", {"model.pt": b"x" * len(MODEL), "old/model.pt": b"short"})
    with pytest.raises(MissingError):
        desk.keeper().adopt(tmp_path / "tree")
    put(tmp_path / "tree", {"anywhere/model.pt": MODEL})
    assert desk.keeper().adopt(tmp_path / "tree") == {"pinned": ["model.pt"]}


def test_what_an_adopted_tree_lacks_can_be_pulled_beside_it(
    desk: Desk, server: Server, tmp_path: Path
) -> None:
    tree = put(tmp_path / "tree", {"open/config.json": CONFIG})
    assert desk.keeper().adopt(tree) == {"open": ["config.json"]}
    desk.keeper().pull("open")
    assert server.paths()[1:] == [f"/maker/open/resolve/{REVISION}/sub/model.bin"]
    assert desk.keeper().shelf.has("open")
    (tree / "open/config.json").write_bytes(b"edited by its owner")
    desk.keeper().pull("open")
    assert (tree / "open/config.json").read_bytes() == b"edited by its owner"
    assert desk.keeper().shelf.find("open").files["config.json"].read_bytes() == CONFIG


def test_a_model_of_the_users_own_is_registered_where_it_lies(desk: Desk, tmp_path: Path) -> None:
    folder = put(tmp_path / "mine", {"config.json": CONFIG, "sub/model.bin": MODEL, ".git/x": b"x"})
    row = own_row(
        "mine", folder, title="Mine", architecture="whisper", licence="mit",
        languages=spoken(["en"], [], ["en-ja"]),
    )  # fmt: skip
    assert [file.path for file in row.files] == ["config.json", "sub/model.bin"]
    assert row.memory_mb > 0
    desk.keeper().register(row, folder)
    found = desk.keeper().shelf.find("mine")
    assert found.row == row
    assert found.digests["sub/model.bin"] == sha256(MODEL)
    for taken in ("mine", "open"):
        with pytest.raises(UsageError, match="taken"):
            desk.keeper().register(row.model_copy(update={"id": taken}), folder)
    (folder / "config.json").write_bytes(b"changed")
    with pytest.raises(UsageError, match="nobody publishes it"):
        desk.keeper().pull("mine")
    desk.keeper().remove("mine")
    assert (folder / "sub/model.bin").exists()
    assert "mine" not in desk.keeper().shelf.rows()


def unreadable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the right to read a file, from root too."""
    pieces = download.pieces

    def refused(asked: Path) -> Iterator[bytes]:
        if asked == path:
            raise PermissionError(13, "Permission denied", str(asked))
        return pieces(asked)

    monkeypatch.setattr(download, "pieces", refused)


def test_a_file_of_a_tree_that_cannot_be_read_is_left_out_and_told(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = put(tmp_path / "tree", {"a/open/config.json": CONFIG, "b/model.pt": MODEL, "c/model.pt": MODEL})
    unreadable(tree / "b/model.pt", monkeypatch)
    assert desk.keeper().adopt(tree) == {"open": ["config.json"], "pinned": ["model.pt"]}
    assert [line for line in desk.said if "b/model.pt is left out: Permission denied" in line]


def test_a_model_that_cannot_be_read_is_not_registered(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "mine", {"config.json": CONFIG, "model.bin": MODEL})
    row = own_row("mine", folder, title="Mine", architecture="whisper", licence="mit")
    unreadable(folder / "model.bin", monkeypatch)
    with pytest.raises(UsageError, match=r"model\.bin cannot be read"):
        desk.keeper().register(row, folder)
    assert "mine" not in desk.keeper().shelf.rows()


def test_what_cannot_be_registered_is_told(tmp_path: Path) -> None:
    facts: dict[str, Any] = {"title": "x", "architecture": "whisper", "licence": "mit"}
    (tmp_path / "empty").mkdir()
    full = put(tmp_path / "full", {"a": b"a"})
    for name, folder in (("x", tmp_path / "none"), ("x", tmp_path / "empty"), ("../x", full), ("X y", full)):
        with pytest.raises(UsageError):
            own_row(name, folder, **facts)
    with pytest.raises(UsageError, match="not of the form"):
        spoken([], [], ["enja"])


def test_removal_leaves_what_it_does_not_know(desk: Desk) -> None:
    keeper = desk.keeper()
    keeper.pull("open")
    mine = desk.folder / "data/weights/open/notes.txt"
    mine.write_text("mine")
    assert keeper.remove("open") == len(CONFIG) + len(MODEL)
    assert mine.read_text() == "mine"
    assert [path.name for path in mine.parent.iterdir()] == ["notes.txt"]


def test_what_was_cut_can_be_removed(desk: Desk, server: Server) -> None:
    server.cuts = [1 << 20, 1 << 20, 10]
    server.on_request = lambda: server.statuses.extend([503] if len(server.seen) > 3 else [])
    with pytest.raises(MissingError):
        desk.keeper().pull("open")
    home = desk.folder / "data/weights/open"
    assert (home / "sub/model.bin.part").stat().st_size == 10
    desk.keeper().remove("open")
    assert not home.exists()


BLOCKED = """
import socket, sys
from loc.process import forbid_network
from loc.errors import RefusedError
forbid_network()
for act in (
    lambda: socket.create_connection(("192.0.2.1", 80), 1),
    lambda: socket.getaddrinfo("example.org", 80),
    lambda: socket.create_connection(("example.org", 80), 1),
):
    try:
        act()
    except RefusedError:
        continue
    sys.exit("not refused")
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
one, two = socket.socketpair()
"""


def test_a_process_that_is_offline_cannot_leave_the_machine() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_rows_are_published_under_one_id_each() -> None:
    assert all(name == row.id for name, row in published().items())
