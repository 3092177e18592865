"""Where outputs go, what they may replace, and that nothing is ever half-written."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from loc.app import export
from loc.artifacts import Ref
from loc.errors import InputError, StorageError, UsageError
from loc.settings import Settings
from loc.store.workdir import WorkDir

Make = Callable[..., Settings]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, "in/talk.ja.mp4"),
        ("out/", "out/talk.ja.mp4"),
        ("out/{lang}/{stem}{ext}", "out/ja/talk.mp4"),
        ("final.mp4", "final.mp4"),
        ("final.webm", "final.webm"),
        ("out.webm/", "out.webm/talk.ja.mp4"),
        ("{stem}-{lang}.MKV", "talk-ja.MKV"),
        ("out/{lang}/", "out/ja/talk.ja.mp4"),
    ],
)
def test_names(settings: Make, output: str | None, expected: str) -> None:
    targets = export.targets_for(Path("in/talk.mov"), "ja", settings(output=output))
    assert targets.video == Path(expected)
    assert targets.subtitles.name == f"{targets.video.stem}.dub.srt"
    assert targets.report.name == f"{targets.video.stem}.report.json"


@pytest.mark.parametrize(
    ("output", "expected"), [(None, "in/talk.ja.mkv"), ("out/{lang}{ext}", "out/ja.mkv"), ("a.mkv", "a.mkv")]
)
def test_container_that_is_named(settings: Make, output: str | None, expected: str) -> None:
    targets = export.targets_for(Path("in/talk.mov"), "ja", settings(output=output, container="mkv"))
    assert targets.video == Path(expected)
    with pytest.raises(UsageError, match=r"final.mp4, but the output of talk.mov is mkv"):
        export.targets_for(Path("talk.mov"), "ja", settings(output="final.mp4", container="mkv"))


@pytest.mark.parametrize(
    "output",
    [
        "final.avi",
        "{nam}.mp4",
        "out/{nam}/",
        "{stem.mp4",
        "{stem!z}.mp4",
        "{stem:d}.mp4",
        "{stem:>{nam}}.mp4",
        "{stem:{}}.mp4",
        "{stem:99999999999999999999}.mp4",
    ],
)
def test_names_that_cannot_be(settings: Make, output: str) -> None:
    with pytest.raises(UsageError):
        export.targets_for(Path("talk.mp4"), "ja", settings(output=output))


def planned(given: Settings, *paths: Path) -> list[tuple[Path, str, export.Targets]]:
    return [
        (path, language, export.targets_for(path, language, given))
        for path in paths
        for language in given.languages
    ]


def test_outputs_that_collide_are_refused_and_no_others(settings: Make) -> None:
    one, two, other = Path("a/talk.mp4"), Path("b/talk.mp4"), Path("b/tell.mp4")
    given = settings(output="out/")
    refused = export.check_distinct(planned(given, one, two, other))
    assert list(refused) == [one, two]
    assert refused[one].what == f"{one} and {two} would both be written to out/talk.ja.mp4."
    assert refused[two].what == f"{two} and {one} would both be written to out/talk.ja.mp4."
    own = export.check_distinct(planned(given, one, two, other), is_own=lambda path: path == two)
    assert own == {}, "that one will be skipped"


def test_outputs_of_a_command_that_all_collide_are_its_own_fault(settings: Make) -> None:
    one, two, three = Path("a/talk.mp4"), Path("b/talk.mp4"), Path("c/talk.mp4")
    given = settings(output="out/")
    for paths in ((one, two), (one, two, three)):
        with pytest.raises(UsageError, match=r"would both be written to out/talk\.ja\.mp4"):
            export.check_distinct(planned(given, *paths))
    given = settings(output="out/{stem}{ext}", languages=("ja", "es"))
    with pytest.raises(UsageError, match=r"talk\.mp4 in ja and in es would both be written to out/talk\.mp4"):
        export.check_distinct(planned(given, one, Path("a/tell.mp4")))


def test_outputs_that_replace_an_input(settings: Make) -> None:
    one, dub = Path("a/talk.mp4"), Path("a/talk.ja.mp4")
    assert export.replaced_inputs(planned(settings(output="a/talk.mp4"), one)) == [(one, one)]
    assert export.replaced_inputs(planned(settings(), dub, one)) == [(one, dub)]


def test_replaces_only_what_it_wrote(store: WorkDir, tmp_path: Path, settings: Make) -> None:
    path = tmp_path / "out" / "talk.ja.mp4"
    assert export.put_object(store, store.put_bytes(b"first"), path, settings())
    assert export.put_object(store, store.put_bytes(b"second"), path, settings())
    assert path.read_bytes() == b"second"
    path.write_bytes(b"edited by hand")
    with pytest.raises(UsageError, match="--overwrite"):
        export.put_object(store, store.put_bytes(b"third"), path, settings())
    assert path.read_bytes() == b"edited by hand"
    assert export.put_object(store, store.put_bytes(b"third"), path, settings(overwrite=True))
    assert path.read_bytes() == b"third"


def test_same_bytes_are_left_alone(store: WorkDir, tmp_path: Path, settings: Make) -> None:
    path, ref = tmp_path / "talk.ja.mp4", store.put_bytes(b"same")
    export.put_object(store, ref, path, settings())
    inode = path.stat().st_ino
    assert not export.put_object(store, ref, path, settings())
    assert path.stat().st_ino == inode


def test_output_is_recorded_and_no_temporary_name_is_left(
    store: WorkDir, tmp_path: Path, settings: Make
) -> None:
    ref = store.put_bytes(b"x" * 100)
    export.put_object(store, ref, tmp_path / "o" / "a.mp4", settings())
    assert store.is_output(ref.sha256)
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["a.mp4"]


def test_full_disk_leaves_the_old_file(
    store: WorkDir, tmp_path: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "o" / "a.mp4"
    export.put_object(store, store.put_bytes(b"old"), path, settings())

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"ne")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_copy", full)
    with pytest.raises(StorageError, match="no space"):
        export.put_object(store, store.put_bytes(b"new"), path, settings())
    assert path.read_bytes() == b"old"
    assert [item.name for item in path.parent.iterdir()] == ["a.mp4"]


def test_folder_that_cannot_be_written_is_found_before_work(
    store: WorkDir, tmp_path: Path, settings: Make
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    targets = export.targets_for(tmp_path / "talk.mp4", "ja", settings(output=str(blocker / "x.{lang}.mp4")))
    with pytest.raises(StorageError, match="cannot be written"):
        export.check_writable(store, targets.all, settings())


@pytest.mark.parametrize("stem", ["動" * 76, "x" * 239])
def test_the_longest_names_can_be_written(store: WorkDir, tmp_path: Path, settings: Make, stem: str) -> None:
    targets = export.targets_for(tmp_path / f"{stem}.mp4", "ja", settings())
    export.check_writable(store, targets.all, settings())
    assert max(len(os.fsencode(path.name)) for path in targets.all) in range(240, 256)
    for path in targets.all:
        assert export.put_bytes(store, b"data", path, settings())
    assert {*tmp_path.iterdir()} == {store.root, *targets.all}


def test_what_a_kill_left_goes_with_the_next(
    store: WorkDir, tmp_path: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "o" / "a.mp4"

    def die(part: Path) -> None:
        part.write_bytes(b"ne")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda _path, **_: None)
        with pytest.raises(KeyboardInterrupt):
            export.place(store, path, Ref(sha256="0" * 64, size=3), die)
    assert len(list(path.parent.iterdir())) == 1
    export.put_bytes(store, b"new", path, settings())
    assert [item.name for item in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("stem", ["動" * 83, "x" * 241, "x" * 251])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_name_that_is_too_long_is_refused_before_work(
    store: WorkDir, tmp_path: Path, settings: Make, stem: str, overwrite: bool
) -> None:
    video = tmp_path / f"{stem}.mp4"
    given = settings(overwrite=overwrite)
    with pytest.raises(UsageError, match="cannot be written") as caught:
        export.check_writable(store, export.targets_for(video, "ja", given).all, given)
    assert "names take 255" in caught.value.why
    assert "-o" in caught.value.fix
    short = settings(output=f"{tmp_path}/out/{{lang}}{{ext}}")
    export.check_writable(store, export.targets_for(video, "ja", short).all, short)
    for output in ("x" * 300 + ".mp4", "x" * 300 + "/"):
        given = settings(output=output, overwrite=overwrite)
        with pytest.raises(UsageError, match="cannot be written"):
            export.check_writable(store, export.targets_for(video, "ja", given).all, given)


def test_an_empty_file_of_ours_is_replaced_and_left_alone(
    store: WorkDir, tmp_path: Path, settings: Make
) -> None:
    """The subtitles of a film in which nobody speaks."""
    targets = export.targets_for(tmp_path / "talk.mp4", "ja", settings())
    targets.subtitles.touch()
    with pytest.raises(UsageError, match="exists and is not replaced"):
        export.check_writable(store, targets.all, settings())
    targets.subtitles.unlink()
    assert export.put_bytes(store, b"", targets.subtitles, settings())
    export.check_writable(store, targets.all, settings())
    assert not export.put_bytes(store, b"", targets.subtitles, settings())
    assert export.put_bytes(store, b"words", targets.subtitles, settings())


def test_a_folder_that_may_not_be_entered_is_found_before_work(
    store: WorkDir, tmp_path: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, **_: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied", str(path))

    given = settings()
    targets = export.targets_for(tmp_path / "locked" / "talk.mp4", "ja", given)
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(StorageError, match="cannot be written"):
        export.check_writable(store, targets.all, given)


@pytest.mark.parametrize(
    ("number", "fix"),
    [
        (errno.EIO, "mounted"),
        (errno.ESTALE, "mounted"),
        (errno.ENOTCONN, "mounted"),
        (errno.ENAMETOOLONG, "shorter"),
    ],
)
def test_a_folder_that_cannot_be_looked_into_is_found_before_work(
    store: WorkDir, tmp_path: Path, settings: Make, number: int, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mount that is lost, and a path that is longer than any may be."""

    def fail(path: Path, **_: object) -> os.stat_result:
        raise OSError(number, os.strerror(number), str(path))

    given = settings()
    targets = export.targets_for(tmp_path / "lost" / "talk.mp4", "ja", given)
    monkeypatch.setattr(Path, "stat", fail)
    with pytest.raises(StorageError, match="cannot be written") as caught:
        export.check_writable(store, targets.all, given)
    assert caught.value.why
    assert fix in caught.value.fix


def test_a_path_that_is_too_long_is_found_before_work(store: WorkDir, settings: Make) -> None:
    given = settings(output="/".join(["x" * 200] * 30) + "/")
    with pytest.raises(StorageError, match="cannot be written") as caught:
        export.check_writable(store, export.targets_for(Path("talk.mp4"), "ja", given).all, given)
    assert "shorter" in caught.value.fix


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO])
def test_an_output_that_cannot_be_read_is_not_replaced_unasked(
    store: WorkDir, tmp_path: Path, settings: Make, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, first, second = tmp_path / "o" / "a.mp4", store.put_bytes(b"first"), store.put_bytes(b"other")
    export.put_object(store, first, path, settings())

    def fail(_store: WorkDir, path: Path) -> tuple[str, int]:
        try:
            raise OSError(number, os.strerror(number), str(path))
        except OSError as error:
            raise InputError(f"{path} cannot be read.", why=os.strerror(number)) from error

    monkeypatch.setattr(WorkDir, "input_digest", fail)
    with pytest.raises(StorageError, match="cannot be read") as caught:
        export.check_writable(store, [path], settings())
    assert os.strerror(number) in caught.value.why
    assert "--overwrite" in caught.value.fix
    for ref in (first, second):
        with pytest.raises(StorageError, match="cannot be read"):
            export.put_object(store, ref, path, settings())
    assert path.read_bytes() == b"first"
    assert export.put_object(store, first, path, settings(overwrite=True))
    assert export.put_object(store, second, path, settings(overwrite=True))
    assert path.read_bytes() == b"other"


def test_read_only_folder_is_found_before_work(store: WorkDir, tmp_path: Path, settings: Make) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a read-only file system")
    try:
        targets = export.targets_for(Path("talk.mp4"), "ja", settings(output=f"{folder}/"))
        with pytest.raises(StorageError, match="cannot be written"):
            export.check_writable(store, targets.all, settings())
        with pytest.raises(StorageError):
            export.put_bytes(store, b"data", targets.video, settings())
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def refuse(*_: object) -> int:
    raise OSError(18, "Invalid cross-device link")


def end_early(source: int, target: int, _count: int) -> int:
    """Copies 5 bytes, then says that there are no more."""
    return os.write(target, os.read(source, 5)) if os.lseek(source, 0, os.SEEK_CUR) == 0 else 0


@pytest.mark.parametrize("copy_file_range", [refuse, end_early])
def test_copy_falls_back_where_ranges_cannot_be_copied(
    store: WorkDir,
    tmp_path: Path,
    settings: Make,
    monkeypatch: pytest.MonkeyPatch,
    copy_file_range: Callable[..., int],
) -> None:
    path, data = tmp_path / "o" / "a.mp4", bytes(range(256)) * 50
    monkeypatch.setattr("os.copy_file_range", copy_file_range)
    assert export.put_object(store, store.put_bytes(data), path, settings())
    assert path.read_bytes() == data


def test_a_copy_that_is_short_replaces_nothing(
    store: WorkDir, tmp_path: Path, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "o" / "a.mp4"
    export.put_object(store, store.put_bytes(b"old"), path, settings())
    ref = store.put_bytes(b"new and longer")
    monkeypatch.setattr("os.copy_file_range", end_early)
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: None)
    with pytest.raises(StorageError, match=r"Could not write .*a\.mp4") as caught:
        export.put_object(store, ref, path, settings())
    assert "0 of its 14 bytes were written" in caught.value.why
    assert path.read_bytes() == b"old"
    assert not store.is_output(ref.sha256)
    assert [item.name for item in path.parent.iterdir()] == ["a.mp4"]
