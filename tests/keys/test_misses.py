"""What is made again when one thing changes: exactly what reads it, and what reads the changed result.

Every case changes one input of a finished job and runs the real graph again. The names expected are patterns
(`fnmatch`) over the names of all actions met; what no pattern names has to be found made.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import av
import pytest

from cli.graph import load_graph
from loc import packages
from loc.app.plan import looking
from loc.app.run import prepare
from loc.app.walk import look_at
from loc.media import ffmpeg
from loc.policy.licences import Purpose
from loc.store.keys import digest_value
from loc.store.workdir import WorkDir
from stages.dub import espeak, openjtalk
from stages.lipsync.warp import Warp
from stages.translate.apertium import Apertium
from tests.actions.ledger import COMMAND
from tests.actions.page import PAGE, page
from tests.keys.rig import ENGLISH, HEARD, JAPANESE, Names, Outcome, Rig, fields

PICTURE = ("deliver.encode * chunk *", "deliver.mux *", "deliver.still *")
SOUND = (
    *("dub.mix {0} *", "dub.meter {0} mix, *", "dub.loudness {0}", "deliver.audio {0} *", "deliver.mux {0}"),
    "deliver.peaks {0} dub, *",
)
"""What follows from other clips, or the same at other places."""
SEEN = (
    *("lipsync.draw {0} cut {1}, *", "lipsync.watch {0} cut {1}, *", "lipsync.score {0} cut {1}"),
    *("deliver.encode {0} chunk {1}", "deliver.still {0} cut {1}"),
)
"""What follows in the picture. Each line has a cut, and a chunk, of its own."""


def heard_in(language: str, *lines: int) -> tuple[str, ...]:
    """What follows from other speech in some lines."""
    sound = [pattern.format(language) for pattern in SOUND]
    return (*sound, *(pattern.format(language, line) for line in lines for pattern in SEEN))


def spoken(language: str, line: int) -> tuple[str, ...]:
    """What follows from another text of one line."""
    return (
        f"dub.speak {language} line l000{line}*",
        f"dub.clip {language} line l000{line}",
        f"deliver.subtitles {language}",
        *heard_in(language, line),
    )


def matching(names: Names, patterns: tuple[str, ...]) -> Names:
    """The names that a pattern matches; a pattern that matches none is a mistake in the table."""
    for pattern in patterns:
        assert any(fnmatchcase(name, pattern) for name in names), f"no action is called {pattern}"
    return frozenset(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))


CHANGED: set[tuple[str, str]] = set()
"""Fields of keys that the cases which have run so far have changed."""

RAN: list[str] = []
"""The tests of this file that have begun."""

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest) -> None:
    RAN.append(request.node.originalname)


def check(outcome: Outcome, *patterns: str) -> None:
    CHANGED.update(outcome.changed)
    assert outcome.missed == matching(outcome.met, patterns)


def another_version(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let a package of this environment say that it is another version."""
    installed = packages.version
    monkeypatch.setattr(packages, "version", lambda name: "0.0" if name == package else installed(name))


def another_program(program: str, folder: Path) -> str:
    """A program that does as `program` does and calls itself another build."""
    wrapper = folder / f"other-{program}"
    real = shutil.which(program)
    wrapper.write_text(
        "#!/bin/sh\n"
        f'[ "$*" = -version ] || exec {real} "$@"\n'
        f'{real} -version | sed "s/^configuration:/configuration: --another/"\n'
    )
    wrapper.chmod(0o755)
    return str(wrapper)


DRAWING = ("lipsync.profile *", "lipsync.draw *")
WATCHING = ("lipsync.watch *",)


def test_the_page_of_actions_is_current(rig: Rig) -> None:
    """Another action, another name in a key, another word about it: the page has to follow."""
    if PAGE.read_text(encoding="utf-8") != page(rig.records()):
        pytest.fail(f"{PAGE.name} is stale: run `{COMMAND} --page` and commit it.", pytrace=False)


def test_a_key_is_made_of_all_of_its_fields(rig: Rig) -> None:
    for record in rig.records():
        assert digest_value(record.fields) == record.key
        for name in ("version", *fields(record)):
            part, _, field = name.partition(".")
            inside = {**record.fields[part], field: "another"} if field else "another"
            assert digest_value({**record.fields, part: inside}) != record.key, f"{record.name} {name}"


def test_nothing_is_made_where_nothing_it_reads_has_changed(copy: Rig, tmp_path: Path) -> None:
    """Another place of the store and of the outputs, other file names and forms, purpose and threads."""
    for path in copy.folder.glob("talk.*"):
        if "dub" not in path.name and "report" not in path.name:
            path.rename(copy.folder / path.name.replace("talk", "renamed"))
    japanese = copy.folder / "renamed.ja.srt"
    text = japanese.read_text(encoding="utf-8")
    japanese.unlink()
    japanese.write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8")
    moved = Rig(copy.folder, copy.lines, "renamed.mp4")
    elsewhere = {"output": f"{tmp_path}/out/", "data_dir": tmp_path / "data"}
    check(moved.run(purpose=Purpose.RESEARCH, workers=1, languages=("es", "ja"), **elsewhere))


SETTINGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "quality of the picture": ({"crf": 30}, PICTURE),
    "preset": ({"preset": "ultrafast"}, PICTURE),
    "bit rate of the sound": (
        {"audio_bitrate": 96},
        ("deliver.audio *", "deliver.original *", "deliver.mux *"),
    ),
    "another container": (
        {"languages": ("es",), "source_language": "en", "container": "webm"},
        ("deliver.encode *", "deliver.still *", "deliver.audio *", "deliver.original *", "deliver.mux *"),
    ),
    "no original sound": ({"keep_original_audio": False}, ("deliver.mux *",)),
    "most speakers": ({"max_speakers": 7}, ("transcribe.speakers",)),
    "no lip-sync": ({"lipsync": False}, ("deliver.encode * chunk *", "deliver.mux *")),
    "subtitles in the picture": (
        {"languages": ("es",), "source_language": "en", "burn_subtitles": True},
        ("deliver.title es *", "deliver.encode es chunk *", "deliver.mux es", "deliver.still es *"),
    ),
    # The Japanese ones have been drawn into the picture before.
    "both languages": ({"subtitles": "bilingual"}, ("deliver.subtitles es", "deliver.mux *")),
    "a picture that may be slowed and need not be": ({"retime_video": True}, ()),
    # Made again, and the same again: nothing follows.
    "stages by force": ({"force": ("separate", "dub")}, ("separate.*", "dub.*")),
    "another sound track": (
        {"audio_track": 2},
        (
            *("ingest.master", "analysis.voice *", "ingest.cuts", "separate.*", "transcribe.*"),
            *("dub.meter * speech, *", "dub.level *", "deliver.peaks * source, *", "deliver.original *"),
            # Mouths close where the source speaks and the dub does not.
            *heard_in("ja", 1, 2),
            *heard_in("es", 1, 2),
        ),
    ),
}


def test_a_speaker_who_is_not_seen(copy: Rig) -> None:
    """Nothing is drawn anew, and nothing but the picture and its stills is made again."""
    (copy.folder / "talk.cast.toml").write_text('[speakers.speaker1]\nface = "nobody"\n', encoding="utf-8")
    check(copy.run(), "deliver.encode * chunk *", "deliver.still *", "deliver.mux *")


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(copy: Rig, case: str) -> None:
    changes, misses = SETTINGS[case]
    check(copy.run(**changes), *misses)


def test_another_language(copy: Rig) -> None:
    """Its own lines, and only the frames in which they are spoken."""
    copy.say("de", ("Vielleicht bewegen sich Leute.", "Bob sah einen Bären."))
    check(
        copy.run(languages=("ja", "es", "de")),
        *("dub.speak de *", "dub.clip de *", "deliver.subtitles de", *heard_in("de", 1, 2)),
    )


def test_one_line_of_the_transcript(copy: Rig) -> None:
    copy.say("en", ("Cats move.", ENGLISH[1]))
    check(copy.run(), "translate.line es l0001", *spoken("es", 1))


def test_what_the_transcript_says_of_a_speaker(copy: Rig) -> None:
    """A change before the first line makes nobody another."""
    copy.say("en", (f">> {ENGLISH[0]}", ENGLISH[1]))
    check(copy.run(), "transcribe.speakers")


def test_one_line_of_a_translation(copy: Rig) -> None:
    copy.say("ja", ("猫は泳ぎます。", JAPANESE[1]))
    check(copy.run(), *spoken("ja", 1))


def test_the_time_of_one_cue(copy: Rig) -> None:
    """A line that is as long as before is not spoken again when it moves, but heard and seen elsewhere."""
    copy.say("ja", JAPANESE, shifts=(-480, 0))
    check(copy.run(), "deliver.subtitles ja", *heard_in("ja", 1))


def test_the_language_of_a_transcript(copy: Rig) -> None:
    """What is spoken does not matter to a supplied translation; the track of the original is named by it."""
    (copy.folder / "talk.en.srt").rename(copy.folder / "talk.fr.srt")
    check(copy.run(languages=("ja",)), "deliver.mux ja")


def test_what_is_heard(copy: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recogniser, its language and its version matter to its windows, and to nothing before them."""
    (copy.folder / "talk.en.srt").unlink()
    check(copy.run(**HEARD))
    with monkeypatch.context() as patch:
        another_version(patch, "pocketsphinx")
        check(copy.run(**HEARD), "transcribe.window window *")
    graph, settings = load_graph(), copy.settings(**HEARD)
    store = WorkDir(settings.work_dir)
    prepared = prepare(copy.path, graph, store, settings)
    # No recogniser of this installation knows another language, but its key can be asked for.
    german = replace(prepared, job=replace(prepared.job, source_language="de"))
    with looking(german, graph, store, settings) as context:
        look_at(german.stages, context, german.job.languages)
        looks = context.runner.looks
    assert {look.action.name for look in looks if not look.hit} == {"transcribe.window"}
    CHANGED.add(("transcribe.window", "params.language"))
    assert {look.action.name for look in looks if look.hit} >= {"separate.block", "analysis.voice"}


def test_another_file_with_the_same_sound(copy: Rig) -> None:
    """What was made of the sound is found by the sound, what was made of the pictures is made again."""
    titled = copy.folder / "titled.mp4"
    args = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(copy.path),
        "-map",
        "0",
        "-c",
        "copy",
        "-metadata",
        "title=Talk",
    ]
    subprocess.run([*args, str(titled)], check=True)
    titled.replace(copy.path)
    check(
        copy.run(),
        *("ingest.probe", "ingest.scan", "ingest.master", "faces.track *", *DRAWING, *WATCHING, *PICTURE),
        "deliver.original *",
    )


def recode(rig: Rig, *given: str) -> None:
    """Put a film in the place of another; its name stays."""
    other = rig.folder / "other.mov"
    args = ["ffmpeg", "-v", "error", "-i", str(rig.path), *given, str(other)]
    subprocess.run(args, check=True)
    other.replace(rig.path)


def test_a_film_of_another_shape(copy: Rig) -> None:
    """Of pixels that are not square, turned over, with colours sited elsewhere, in twice as many frames and
    another time base: all of the picture is made again, and nothing of the sound."""
    coding = ("-map", "0", "-c:a", "copy", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "12")
    recode(
        copy,
        *("-vf", "scale=360:270,hflip,vflip,fps=50,setsar=4/3", "-chroma_sample_location", "topleft"),
        *("-video_track_timescale", "90000", *coding),
    )
    recode(copy, "-map", "0", "-c", "copy", "-metadata:s:v:0", "rotate=180")
    check(
        copy.run(),
        *("ingest.*", "faces.*", "lipsync.*", *PICTURE, "deliver.original *"),
    )


def test_a_film_in_one_channel(copy: Rig) -> None:
    """Its sound is not coded. The pictures are found to be the same, but where the mouth comes to rest with
    the source's voice; nothing is spoken or translated again."""
    recode(copy, "-map", "0:v", "-map", "0:a:0", "-c:v", "copy", "-ac", "1", "-c:a", "pcm_s16le")
    check(
        copy.run(),
        *("ingest.probe", "ingest.scan", "ingest.master", "analysis.*", "separate.*", "transcribe.*"),
        *("faces.track *", *DRAWING, *WATCHING, "lipsync.score * cut 2", *PICTURE),
        *("dub.mix *", "dub.meter *", "dub.level *", "dub.loudness *"),
        *("deliver.audio *", "deliver.original *", "deliver.peaks *"),
    )


LISTENING = ("analysis.voice *", "transcribe.voice *")

VERSIONS: dict[str, tuple[str, ...]] = {
    "mediapipe": ("faces.track *", *WATCHING),
    "opencv-contrib-python": (
        "ingest.scan",
        "faces.track *",
        *DRAWING,
        *WATCHING,
        "deliver.encode *",
        "deliver.still *",
    ),
    "scenedetect": ("ingest.scan",),
    "webrtcvad-wheels": ("analysis.voice *",),
    "soxr": ("ingest.master", *LISTENING, "dub.speak *"),
    "scipy": (
        *("separate.*", "transcribe.*", "dub.clip *", "dub.meter *", "dub.mix *"),
        *DRAWING,
        *WATCHING,
        "lipsync.score *",
    ),
    "pyrnnoise": ("separate.*",),
    "espeakng-loader": ("dub.speak es *",),
    # By these Japanese is read.
    "pyopenjtalk-plus": ("dub.speak ja *",),
    "SudachiPy": ("dub.speak ja *",),
    "SudachiDict-core": ("dub.speak ja *",),
}


@pytest.mark.parametrize("package", VERSIONS)
def test_another_package_that_gives_the_same(
    copy: Rig, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Whoever works with it works again; the result is the same, so nothing follows."""
    another_version(monkeypatch, package)
    check(copy.run(), *VERSIONS[package])


def test_another_decoder(copy: Rig, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    request.addfinalizer(ffmpeg.decoder_fingerprint.cache_clear)
    monkeypatch.setattr(av, "__version__", "0.0")
    ffmpeg.decoder_fingerprint.cache_clear()
    check(
        copy.run(),
        *("ingest.probe", "ingest.scan", "ingest.master", "faces.track *", *DRAWING, *WATCHING, *PICTURE),
        "deliver.original *",
    )


def test_another_ffmpeg(copy: Rig, tmp_path: Path) -> None:
    """Whatever it encodes, and the one clip that it compressed."""
    other = another_program("ffmpeg", tmp_path)
    coded = ("deliver.encode *", "deliver.audio *", "deliver.original *")
    check(copy.run(ffmpeg=other), "dub.clip ja line l0002", *coded)


def test_another_ffprobe(copy: Rig, tmp_path: Path) -> None:
    check(copy.run(ffprobe=another_program("ffprobe", tmp_path)), "ingest.probe", "deliver.mux *")


def test_another_version_of_a_backend(copy: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Warp, "card", replace(Warp.card, version="0"))
    check(copy.run(), *DRAWING)


def test_another_dictionary_of_a_pair(copy: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Apertium, "pair_fingerprint", lambda *_: {"apertium-eng-spa": "another"})
    check(copy.run(), "translate.line es *")


def another_voice(monkeypatch: pytest.MonkeyPatch, folder: Path, old: bytes, new: bytes) -> None:
    """Open JTalk's voice with something else in its header."""
    voice = folder / "another.htsvoice"
    data = openjtalk._voice_file().read_bytes()
    assert data.count(old) == 1
    voice.write_bytes(data.replace(old, new))
    monkeypatch.setattr(openjtalk, "_voice_file", lambda: voice)


def test_another_voice_that_sounds_the_same(
    copy: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    another_voice(monkeypatch, tmp_path, b"COMMENT:\n", b"COMMENT:another\n")
    check(copy.run(), "dub.speak ja *")


def test_another_voice(copy: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every line of its language, and what follows from its sound."""
    another_voice(monkeypatch, tmp_path, b"ALPHA=0.55", b"ALPHA=0.50")
    check(copy.run(), "dub.speak ja *", "dub.clip ja *", *heard_in("ja", 1, 2))


def test_other_data_of_espeak(copy: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another package found first on the import path, by us and by the worker, whose low voice is lower."""
    package = tmp_path / "site" / "espeakng_loader"
    shutil.copytree(espeak._package_folder(), package, copy_function=os.link)
    voice = package / "espeak-ng-data" / "voices" / "!v" / espeak.VOICES["low"][0][1:]
    text = voice.read_text()
    assert "pitch 80 122" in text
    voice.unlink()
    voice.write_text(text.replace("pitch 80 122", "pitch 70 110"))
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    # Where it has been imported, by another test, that one is found first.
    monkeypatch.delitem(sys.modules, "espeakng_loader", raising=False)
    check(copy.run(), "dub.speak es *", "dub.clip es *", "deliver.subtitles es", *heard_in("es", 1, 2))


ELSEWHERE: dict[str, dict[str, tuple[str, ...]]] = {
    # What is made again then is asked of a stage alone.
    "dub/test_bed.py: test_blocks_without_a_kept_voice_are_the_same_objects": {"dub.bed": ("inputs.kept",)},
    "dub/test_command.py: test_a_line_with_a_fault_is_asked_for_again": {"dub.speak": ("params.take",)},
    "lipsync/musetalk/test_run.py: test_a_knob_costs_what_it_shapes": {
        "lipsync.draw": ("inputs.prepared", "programs.knobs"),
        "lipsync.prepare": ("programs.knobs",),
    },
    "transcribe/test_speaking.py: test_nothing_is_made_twice_and_an_edited_line_alone_again": {
        "transcribe.speakers": ("inputs.samples", "inputs.vectors"),
        "transcribe.vector": ("inputs.speech",),
    },
    "transcribe/test_whisper.py: test_other_weights_hear_again_and_the_same_do_not": {
        "dub.hear": ("programs.weights *",),
        "transcribe.window": ("programs.weights *",),
    },
    "translate/test_fitting.py: test_the_limit_is_in_the_key_and_not_where_it_came_from": {
        "translate.fit": ("params.limit",),
    },
    "translate/test_run.py: test_another_model_is_never_taken_for_the_one_before": {
        "translate.line": ("backend",),
    },
    # From here on the fields are only known to be in the key. Facts of a file: no film here differs in them.
    "test_a_key_is_made_of_all_of_its_fields, for facts of the film": {
        "deliver.mux": ("params.content_light", "params.mastering"),
        "deliver.original": ("inputs.start",),
        "deliver.still": ("params.tone_map", "params.width"),
        "deliver.title": ("params.place", "params.rotation", "params.sample_aspect", "params.size"),
        "ingest.master": ("inputs.picture", "inputs.start"),
        "ingest.plate": ("inputs.pictures", "inputs.sound", "params.rate"),
        "ingest.scan": ("inputs.stream",),
        "lipsync.*": ("inputs.tracks", "params.video"),
        "retime.block": ("params.channels",),
    },
    # The ledger watches the code in which these stand.
    "test_a_key_is_made_of_all_of_its_fields, for constants of the code": {
        "analysis.voice": ("inputs.warm_up",),
        "deliver.peaks": ("params.per_second",),
        "deliver.still": ("params.quality",),
        "dub.clip": ("params.lufs",),
        "dub.level": ("params.clip_lufs",),
        "dub.meter": ("params.samples", "params.true_peak"),
        "dub.mix": ("params.samples",),
        "ingest.master": ("params.sample_rate",),
        "ingest.plate": ("params.motion",),
        "lipsync.score": ("params.measure", "programs.numpy"),
    },
    # Met once as the job is drawn, in runs with settings of their own that no case runs again.
    "test_a_key_is_made_of_all_of_its_fields, for other backends and settings": {
        "analysis.align": ("inputs.sound", "inputs.text", "programs.*"),
        "deliver.mux": ("inputs.slowed",),
        "deliver.title": ("params.families", "programs.*"),
        "dub.align": ("inputs.audio", "inputs.guide", "inputs.guide phones", "programs.*"),
        "dub.bank": ("backend", "inputs.recording", "programs.*"),
        "dub.bed": ("inputs.background", "inputs.speech"),
        "dub.follow": (
            *("inputs.phones", "inputs.speech", "inputs.utterance", "params.samples", "programs.*"),
        ),
        "dub.hear": ("backend", "inputs.audio", "inputs.text", "params.language", "programs.*"),
        "dub.liken": ("backend", "inputs.audio", "inputs.recording", "programs.*"),
        "dub.reference": ("inputs.background", "inputs.speech", "programs.*"),
        "dub.speak": (
            *("backend", "inputs.reference", "params.variant", "params.voice_class", "programs.engine"),
            *("programs.espeak-ng", "programs.libespeak-ng"),
        ),
        "ingest.plate": ("programs.*",),
        "lipsync.draw": ("inputs.before", "inputs.beside", "programs.*"),
        "lipsync.final": (
            *("backend", "inputs.clips", "inputs.cut", "inputs.drawn", "inputs.opacity", "inputs.pictures"),
            *("inputs.times", "programs.*"),
        ),
        "lipsync.prepare": (
            *("backend", "inputs.before", "inputs.frames", "inputs.pictures", "inputs.times", "programs.*"),
        ),
        "lipsync.profile": ("programs.*",),
        "lipsync.speaks": ("backend", "inputs.spans", "programs.*"),
        "lipsync.sync": ("backend", "inputs.runs", "programs.*"),
        "retime.block": ("inputs.parts", "params.samples"),
        "retime.stretch": (
            *("inputs.sound", "params.after", "params.before", "params.samples", "programs.ffmpeg"),
        ),
        "separate.*": ("backend",),
        "separate.block": ("inputs.own",),
        "transcribe.language": ("backend", "inputs.speech", "programs.*"),
        "transcribe.laughs": ("inputs.speech", "programs.*"),
        "transcribe.speakers": ("inputs.turns", "params.embedder", "params.min_speakers"),
        "transcribe.turns": (
            *("backend", "inputs.speech", "params.max_speakers", "params.min_speakers", "programs.*"),
        ),
        "transcribe.vector": ("backend", "programs.*"),
        "transcribe.window": ("backend", "inputs.speech", "programs.*"),
        "translate.fit": (
            *("backend", "inputs.source", "inputs.terms", "inputs.text", "params.source", "params.target"),
            "programs.*",
        ),
        "translate.line": ("inputs.scene", "params.source", "params.target", "programs.*"),
        "translate.pace": ("backend", "params.language", "params.voice_*", "params.variant", "programs.*"),
    },
}
"""Fields that no case here changes, as patterns: the test that changes them, or at least looks at them in the
key -> action -> fields."""


@pytest.mark.parametrize("named", ELSEWHERE)
def test_whoever_is_said_to_change_a_field_is_there(named: str) -> None:
    file, separated, name = named.rpartition(": ")
    path = TESTS / file if separated else Path(__file__)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name.partition(",")[0] in functions


def test_every_field_of_every_key_is_changed_by_a_case(rig: Rig) -> None:
    """The last one, since it looks at what the others have changed. Another field in a key needs a case, here
    or elsewhere."""
    cases = [name for name in globals() if name.startswith("test_")]
    if len(RAN) < len(cases) - 3 + len(SETTINGS) + len(VERSIONS) + len(ELSEWHERE):
        pytest.skip("only where all cases have run")
    there = {(record.name, name) for record in rig.records() for name in fields(record)}
    unchanged = {f"{action} {name}" for action, name in there - CHANGED}
    patterns = [
        f"{action} {name}" for own in ELSEWHERE.values() for action, names in own.items() for name in names
    ]
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in unchanged)]
    assert not idle, "changed by a case of this file, or in no key any more"
    left = sorted(name for name in unchanged if not any(fnmatchcase(name, pattern) for pattern in patterns))
    if left:
        pytest.fail("No case changes these:\n" + "\n".join(left), pytrace=False)
