"""Fetching one file: whole and right, or not in its place; gone on with where it was cut."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from loc.errors import MissingError, StorageError, UsageError
from loc.weights import download
from loc.weights.download import ATTEMPTS, Wanted, fetch
from tests.weights.server import Server

DATA = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(files={"/a.bin": DATA}) as running:
        yield running


class Fetcher:
    """Fetches into a folder; pauses are written down and not made."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.path = server, folder / "sub" / "a.bin"
        self.part = self.path.with_name("a.bin.part")
        self.pauses: list[float] = []
        self.moved: list[tuple[int, int | None]] = []

    def __call__(self, url: str = "", **facts: Any) -> str:
        wanted = Wanted(url or f"{self.server.url}/a.bin", **facts)
        with download.client() as http:
            return fetch(http, wanted, self.path, lambda *far: self.moved.append(far), self.pauses.append)

    def left(self, data: bytes, tag: str | None = None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.part.write_bytes(data)
        if tag is not None:
            self.part.with_name("a.bin.part.tag").write_text(tag)

    def is_clean(self) -> bool:
        return sorted(path.name for path in self.path.parent.iterdir()) == ["a.bin"]


@pytest.fixture
def fetcher(server: Server, tmp_path: Path) -> Fetcher:
    return Fetcher(server, tmp_path)


@pytest.mark.parametrize("facts", [{}, {"sha256": SHA256}, {"size": len(DATA)}])
def test_a_file_comes_whole(fetcher: Fetcher, facts: dict[str, Any]) -> None:
    assert fetcher(**facts) == SHA256
    assert fetcher.path.read_bytes() == DATA
    assert fetcher.is_clean()
    assert fetcher.moved[-1] == (len(DATA), len(DATA))


def test_what_is_cut_goes_on_where_it_ended(fetcher: Fetcher, server: Server) -> None:
    server.cuts = [1000, 70_000, 1]
    assert fetcher(sha256=SHA256) == SHA256
    assert fetcher.path.read_bytes() == DATA
    asked = [headers.get("range") for _, headers in server.seen]
    assert asked == [None, "bytes=1000-", "bytes=71000-", "bytes=71001-"]
    assert all("if-range" in headers for _, headers in server.seen[1:])
    assert not fetcher.pauses
    done = [far for far, _ in fetcher.moved]
    assert done == sorted(done)


def test_a_server_that_knows_no_ranges_gives_it_again(fetcher: Fetcher, server: Server) -> None:
    server.cuts, server.ranges = [1000], False
    assert fetcher() == SHA256
    assert fetcher.path.read_bytes() == DATA


def test_two_versions_of_a_file_are_never_joined(fetcher: Fetcher, server: Server) -> None:
    fetcher.left(b"of another version", '"old"')
    assert fetcher() == SHA256
    assert fetcher.path.read_bytes() == DATA


def test_a_part_of_which_nothing_is_known_is_thrown_away(fetcher: Fetcher, server: Server) -> None:
    fetcher.left(b"of another version")
    assert fetcher() == SHA256
    assert fetcher.path.read_bytes() == DATA
    assert len(server.seen) == 1


def test_a_part_with_other_bytes_is_found_out_and_fetched_again(fetcher: Fetcher, server: Server) -> None:
    server.etags = False
    fetcher.left(b"x" * 500)
    assert fetcher(sha256=SHA256) == SHA256
    assert fetcher.path.read_bytes() == DATA
    assert len(server.seen) == 2


def test_another_file_is_never_put_in_place(fetcher: Fetcher) -> None:
    with pytest.raises(MissingError) as caught:
        fetcher(sha256="0" * 64)
    assert "another file than the one wanted" in caught.value.what
    assert SHA256 in caught.value.why
    assert not fetcher.path.exists()
    assert not fetcher.part.exists()
    with pytest.raises(MissingError, match="256000 bytes, not 5"):
        fetcher(size=5)


def test_the_digest_that_a_hub_states_is_held_against_what_comes(
    fetcher: Fetcher, server: Server, tmp_path: Path
) -> None:
    server.linked = {"/a.bin": SHA256}
    assert fetcher() == SHA256
    fetcher.path.unlink()
    server.linked = {"/a.bin": "0" * 64}
    with pytest.raises(MissingError, match="another file"):
        fetcher()


def test_a_redirect_to_another_host_is_followed_without_the_key(
    fetcher: Fetcher, server: Server, tmp_path: Path
) -> None:
    with Server(files={"/blob": DATA}) as other:
        server.redirects = {"/b.bin": f"{other.url.replace('127.0.0.1', 'localhost')}/blob"}
        server.linked = {"/b.bin": SHA256}
        assert fetcher(f"{server.url}/b.bin", token="secret") == SHA256
        assert server.seen[0][1]["authorization"] == "Bearer secret"
        assert "authorization" not in other.seen[0][1]


def test_a_key_and_certificates_that_cannot_be_used_are_named(
    fetcher: Fetcher, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="key in HF_TOKEN cannot be sent"):
        fetcher(token="sécret")
    with download.client() as http, pytest.raises(UsageError, match="key in HF_TOKEN cannot be sent"):
        download.get_json(http, f"{server.url}/api", "sécret")
    assert server.seen == []
    monkeypatch.setenv("SSL_CERT_FILE", str(fetcher.path / "none.pem"))
    with pytest.raises(UsageError, match="file in SSL_CERT_FILE"):
        fetcher()


def test_a_question_is_asked_as_often_as_a_file(server: Server) -> None:
    server.files["/api"] = b'{"sha": 1}'
    server.statuses, server.headers = [503] * (ATTEMPTS - 1), {"Retry-After": "7"}
    pauses: list[float] = []
    with download.client() as http:
        assert download.get_json(http, f"{server.url}/api", sleep=pauses.append) == {"sha": 1}
        assert pauses == [7.0] * (ATTEMPTS - 1)
        server.statuses = [503] * ATTEMPTS
        with pytest.raises(MissingError, match="answered 503"):
            download.get_json(http, f"{server.url}/api", sleep=pauses.append)
    assert len(server.seen) == 2 * ATTEMPTS


def test_a_fault_without_words_goes_by_its_name() -> None:
    def late(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("")

    with httpx.Client(transport=httpx.MockTransport(late)) as http, pytest.raises(MissingError) as caught:
        download.get_json(http, "https://hub.example/api", sleep=lambda _seconds: None)
    assert caught.value.why == "ConnectTimeout."


def test_a_part_that_is_whole_is_taken(fetcher: Fetcher, server: Server) -> None:
    fetcher.left(DATA)
    assert fetcher(sha256=SHA256) == SHA256
    assert server.seen[0][1]["range"] == f"bytes={len(DATA)}-"
    assert fetcher.is_clean()


def test_a_part_longer_than_the_file_is_thrown_away(fetcher: Fetcher) -> None:
    fetcher.left(DATA + b"more")
    assert fetcher(sha256=SHA256) == SHA256
    fetcher.path.unlink()
    fetcher.left(DATA + b"more")
    assert fetcher(size=len(DATA)) == SHA256


def test_what_is_not_there_is_not_asked_for_again(fetcher: Fetcher, server: Server) -> None:
    with pytest.raises(MissingError) as caught:
        fetcher(f"{server.url}/none.bin")
    assert "404" in caught.value.why
    assert "none.bin" in caught.value.what
    assert len(server.seen) == 1
    assert not fetcher.pauses


def test_a_repository_that_asks_for_an_agreement_is_told(fetcher: Fetcher, server: Server) -> None:
    server.statuses = [403]
    with pytest.raises(MissingError, match="HF_TOKEN"):
        fetcher()


def test_a_busy_server_is_asked_again_when_it_says(fetcher: Fetcher, server: Server) -> None:
    server.statuses, server.headers = [503, 429], {"Retry-After": "7"}
    assert fetcher() == SHA256
    assert fetcher.pauses == [7, 7]


def test_who_never_answers_is_given_up_and_what_came_is_kept(fetcher: Fetcher, server: Server) -> None:
    server.cuts = [1000]
    server.on_request = lambda: server.statuses.extend([503] if len(server.seen) > 1 else [])
    with pytest.raises(MissingError, match="kept"):
        fetcher()
    assert fetcher.part.read_bytes() == DATA[:1000]
    assert fetcher.pauses == [2 * 2**step for step in range(ATTEMPTS - 1)]


def test_a_server_that_is_not_there_is_told(fetcher: Fetcher) -> None:
    with pytest.raises(MissingError, match="ConnectError"):
        fetcher("http://127.0.0.1:9/a.bin")
    with pytest.raises(MissingError):
        fetcher("http://[::1/a.bin")


def test_a_disk_that_is_too_small_is_seen_before(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("loc.weights.download.shutil.disk_usage", lambda _folder: Usage)
    with pytest.raises(StorageError, match="There is no room"):
        fetcher()
    assert not fetcher.path.exists()


def test_a_disk_that_fills_keeps_what_came(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as filled:
        filled.setattr("loc.weights.download.os.fsync", full)
        with pytest.raises(StorageError, match="no space left"):
            fetcher()
    assert not fetcher.path.exists()
    assert fetcher(sha256=SHA256) == SHA256
