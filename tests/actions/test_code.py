"""What is found to lie behind an action, on a small tree and on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loc.analysis.sync.judge import JUDGES
from tests.actions.code import Code, Definition
from tests.actions.ledger import ROOT, State, read_code

STAGE = '''
"""A stage."""
from __future__ import annotations
from typing import TYPE_CHECKING
from loc import tools
from loc.errors import Fault
from loc.runner import Action

if TYPE_CHECKING:
    from loc.kinds import Kind

LEVEL = 2
UNUSED = 3

def build(kind: Kind, unused: int = 0):
    """Build it."""
    from loc import late
    def make(out):
        if LEVEL > 1:
            raise Fault("words")
        out.bytes("x", tools.work(kind) + late.more() + helper())
    return Action(name="a.b", version=LEVEL, inputs={"x": key()}, programs=print_of()), make

def helper():
    run("loc.worker_of_its_own")
    UNUSED = 4
    return UNUSED

def run(module): ...
def key(): ...
def print_of(): ...
def other(): ...
'''

TREE = {
    "loc/__init__.py": "",
    "loc/errors.py": "class Fault(Exception): ...",
    "loc/runner.py": "class Action: ...",
    "loc/kinds.py": "class Kind(Base):\n    size: int\nclass Base: ...\nclass Stranger: ...",
    "loc/tools.py": "from loc.deep import depth\ndef work(x):\n    return depth() + x\ndef idle(): ...",
    "loc/deep.py": "def depth():\n    return sum(depth_of(i) for i in range(3))\ndef depth_of(i): return i",
    "loc/late.py": "def more(): return 1\ndef less(): return 0",
    "loc/worker_of_its_own.py": "def main(): ...",
    "stages/__init__.py": "",
    "stages/one.py": STAGE,
}

BUILD = Definition("stages.one", "build")


def tree(folder: Path, **changed: str) -> Code:
    """The small tree, the text of some modules replaced."""
    for name, text in TREE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(changed.get(path.stem, text))
    return Code(folder)


def test_a_closure_follows_calls_types_and_workers_and_nothing_else(tmp_path: Path) -> None:
    assert [str(item) for item in tree(tmp_path).closure(BUILD)] == [
        "loc.deep:depth",
        "loc.deep:depth_of",
        "loc.kinds:Base",
        "loc.kinds:Kind",
        "loc.late:more",
        "loc.tools:work",
        "loc.worker_of_its_own:main",
        "stages.one:LEVEL",
        "stages.one:build",
        "stages.one:helper",
        "stages.one:run",
    ]


def test_actions_are_found_with_their_versions(tmp_path: Path) -> None:
    [action] = tree(tmp_path).subjects()
    assert (action.name, action.version, action.root) == ("a.b", 2, BUILD)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Build it."""', '"""Build it in other words."""'),
        ("LEVEL = 2", "# Why.\nLEVEL = 2\n'''What it is.'''"),
        ("unused: int = 0", "unused: float = 0"),
        ('Fault("words")', 'Fault("other words")'),
        ('inputs={"x": key()}', 'inputs={"y": key()}'),
    ],
)
def test_words_types_and_keys_do_not_count(tmp_path: Path, old: str, new: str) -> None:
    before, after = tree(tmp_path), tree(tmp_path, one=STAGE.replace(old, new))
    assert STAGE.count(old) == 1
    for item in before.closure(BUILD):
        assert before.digest(item) == after.digest(item)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LEVEL > 1", "LEVEL > 0"),
        ("unused: int = 0", "unused: int = 1"),
        ('out.bytes("x"', 'out.bytes("y"'),
        ("raise Fault", "raise ValueError"),
    ],
)
def test_code_counts(tmp_path: Path, old: str, new: str) -> None:
    before, after = tree(tmp_path), tree(tmp_path, one=STAGE.replace(old, new))
    assert before.digest(BUILD) != after.digest(BUILD)


def test_a_field_of_a_class_counts(tmp_path: Path) -> None:
    kind = Definition("loc.kinds", "Kind")
    changed = TREE["loc/kinds.py"].replace("size: int", "size: float")
    assert tree(tmp_path).digest(kind) != tree(tmp_path, kinds=changed).digest(kind)


@pytest.fixture(scope="module")
def code() -> Code:
    return Code(ROOT)


@pytest.fixture(scope="module")
def state() -> State:
    return read_code()


@pytest.mark.parametrize(
    ("name", "on", "not_on"),
    [
        ("dub.speak", "stages.dub.speech:trim", "loc.media.mux:mux"),
        ("dub.mix", "stages.dub.loudness:oversampled_peaks", "stages.dub.speech:trim"),
        ("deliver.encode", "loc.media.compose:apply_patch", "stages.lipsync.warp.render:draw_patch"),
        ("deliver.mux", "loc.media.mux:mux", "loc.media.encode:encode_chunk"),
        ("lipsync.draw", "loc.analysis.phones:mouth_curve", "loc.analysis.face_tracker:FaceTracker"),
        ("ingest.cuts", "stages.ingest.chunks:cut_chunks", "loc.analysis.voice_activity:measure"),
        ("lipsync/warp", "stages.lipsync.warp.spline:fit", "stages.lipsync.plan:mouth"),
        ("dub/espeak", "stages.dub.espeak_worker:Engine", "stages.dub.openjtalk:OpenJTalk"),
        ("translate/apertium", "stages.translate.apertium_worker:restore", "loc.worker:Worker"),
        ("judge/syncnet", "loc.analysis.sync.mfcc:mfcc", "loc.analysis.sync.stable:agreements"),
        ("judge/stable-syncnet", "loc.analysis.sync.mel:mel", "loc.analysis.sync.syncnet:distances"),
    ],
)
def test_real_closures(code: Code, state: State, name: str, on: str, not_on: str) -> None:
    closure = {str(item) for item in state.closures[name]}
    assert on in closure
    assert not_on not in closure
    module, _, definition = not_on.partition(":")
    assert definition in code.modules[module].nodes


def test_every_judge_has_a_version_in_the_ledger(state: State) -> None:
    known = {name for name in state.versions if name.startswith("judge/")}
    assert known == {f"judge/{kind.measure}" for kind in JUDGES}
