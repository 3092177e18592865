"""The accepted file: the same bytes for the same figures, a diff for a difference, words for what is bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loc.app.regress import baseline as file
from loc.errors import ExitCode, InputError, UsageError
from tests.app.regress.made_up import baseline, with_dub


def test_it_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    path.write_bytes(file.dump(baseline()))
    assert file.read(path) == baseline()
    assert file.dump(file.read(path)) == path.read_bytes()


def test_a_difference_is_a_line_of_a_diff() -> None:
    before, after = (file.dump(each).decode().splitlines() for each in (baseline(), with_dub(frames=251)))
    assert [(a.strip(), b.strip()) for a, b in zip(before, after, strict=True) if a != b] == [
        ('"frames": 250,', '"frames": 251,')
    ]
    assert (
        before
        == json.dumps(
            json.loads("\n".join(before)), indent=1, sort_keys=True, ensure_ascii=False
        ).splitlines()
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a baseline"),
        (b"{", "not a baseline"),
        (b"[1]", "not a baseline"),
        (b'{"samples": {}}', "not a baseline"),
        (b"\xff\xfe", "not a baseline"),
        (b'{"kind": "loc-baseline"}', "version 'none'"),
        (b'{"kind": "loc-baseline", "schema_version": 0}', "version 0"),
        (b'{"kind": "loc-baseline", "schema_version": 1}', "damaged"),
        (file.dump(baseline()).replace(b'"frames": 250', b'"frames": "x"'), "frames"),
        (file.dump(baseline()).replace(b'"frames": 250', b'"more": 1, "frames": 250'), "more"),
    ],
)
def test_what_cannot_be_compared_with_is_an_input_that_cannot_be_used(
    tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "baseline.json"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        file.read(path)
    assert words in str(caught.value)
    assert caught.value.fix
    assert caught.value.code is ExitCode.INPUT


def test_none_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no baseline .*loc regress accept"):
        file.read(tmp_path / "baseline.json")
    with pytest.raises(InputError, match="cannot be read"):
        file.read(tmp_path)


def test_only_a_baseline_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    file.check_replaceable(path)
    for data in (file.dump(baseline()), b'{"kind": "loc-baseline", "schema_version": 0}'):
        path.write_bytes(data)
        file.check_replaceable(path)
    for data in (b"", b'{"name": "package"}', b"notes"):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="not replaced"):
            file.check_replaceable(path)
    with pytest.raises(UsageError, match="cannot be replaced"):
        file.check_replaceable(tmp_path)
