"""M2M100, MADLAD-400 and Marian: sentence translators of the transformers package, from official checkpoints.

A checkpoint is the files of its repository, as published or as a fine-tune saved them: `config.json`, the
files of its tokenizer, and `model.safetensors` or `pytorch_model.bin`. Nothing is fetched, no code of a
checkpoint is run, and every tensor must be where the configuration says.

Decoding is beam search without sampling, in float32. Sentences of like lengths go through together: what they
are padded with is masked, and each may take the room of its own length, so a sentence comes out as it does
alone, up to the rounding of sums in another order. `bench/translation.py` counts on how many that tells, and
measures what batches gain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from loc import packages
from loc.backend import Card, Host, Languages, LicensedPart, Need, Speech, Tried
from loc.device import if_memory_lasts
from loc.errors import InputError, LocError
from stages.translate import codes
from stages.translate.checkpoint import load_model, reading
from stages.translate.contract import Translated
from stages.translate.thanks import give_thanks

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import GenerationConfig, PreTrainedModel

VERSION = "3"

BEAMS = 4
"""Hypotheses kept: Marian's published models were tuned with 4 to 6; more cost time in proportion."""

VARIANTS = 8
"""Hypotheses to choose from where the best one will not do: they differ little, and more differ less."""

BATCH = 16
"""Sentences at a time: beyond it the processor is no better used, and a stop loses more."""

STEP = 4
"""A sentence's room is that of its length in tokens, rounded up to a multiple of this."""

SPREAD = 1.5
"""The longest of a batch has at most this many times the tokens of the shortest, and `STEP` more:
translations are about as long as their sources, and the short ones wait for the long."""

ROOM, ROOM_FACTOR = 16, 3
"""Tokens a translation may take: this many and this many times its source. What does not end there never
does."""

MARGIN = 0.3
"""Natural logarithms: by how much the mean token of a hypothesis may be less likely than that of the best of
its beam. What is further away leaves words out: of a model that knows its lines by heart, every fragment."""

_NEEDS = tuple(
    Need("package", name, "pip install 'loc[neural]'") for name in ("torch", "transformers", "sentencepiece")
)
_CODE = LicensedPart("code", "transformers", "apache-2_0")


class _Seq2Seq:
    """What the three families share: files, batches, beam search. Subclasses know model and tokenizer."""

    card: ClassVar[Card]
    model_type: ClassVar[str]
    """`model_type` of the checkpoint's config.json."""
    _tokenizer: Any

    def __init__(self, host: Host) -> None:
        assert host.model is not None
        self._host = host
        self._weights = host.weights(host.model)
        row = self._weights.row
        self._net = host.resident(row.title, row.memory_mb or self.card.memory_mb, self._read)
        self._ready = False

    def fingerprint(self) -> Mapping[str, str]:
        """Versions of the packages, digests of the weights, and how decoding is set."""
        named = ("torch", "transformers", "tokenizers", "sentencepiece")
        return {
            **{name: packages.version(name) for name in named},
            **self._weights.fingerprint(),
            "decoding": f"beams {BEAMS} or {VARIANTS}, room {ROOM} + {ROOM_FACTOR} x, step {STEP}, float32",
        }

    def batches(self, sentences: Sequence[str], source: str, target: str) -> list[list[str]]:
        """Sentences of like lengths together, the short ones first."""
        self._prepare()
        lengths = {one: len(self._encode(one, source, target)) for one in dict.fromkeys(sentences)}
        found: list[list[str]] = []
        for sentence in sorted(lengths, key=lambda one: lengths[one]):
            if found and len(found[-1]) < BATCH and lengths[sentence] <= _most(lengths[found[-1][0]]):
                found[-1].append(sentence)
            else:
                found.append([sentence])
        return found

    def translate_batch(
        self, sentences: Sequence[str], source: str, target: str
    ) -> Sequence[Translated | LocError]:
        """Translate sentences all at once, or in parts where memory ends."""
        return self._generate(sentences, source, target, BEAMS, 1)

    def _generate(
        self, sentences: Sequence[str], source: str, target: str, beams: int, kept: int
    ) -> list[Translated | LocError]:
        """The `kept` best of each sentence, one after the other; of one that is too long, or needs more
        memory than there is, an error alone."""
        self._prepare()
        with self._net as model:
            longest = self._longest(model)
            rows = [self._encode(sentence, source, target) for sentence in sentences]
            fitting = [row for row in rows if _rounded(len(row)) <= longest]

            def alone(row: list[int]) -> list[Translated | LocError]:
                made = if_memory_lasts(lambda: self._translate([row], target, model, beams, kept))
                return self._too_large(row, beams) if made is None else made

            def attempt(size: int) -> list[list[Translated | LocError]]:
                if size == 1:
                    return [alone(row) for row in fitting]
                parts = [fitting[first : first + size] for first in range(0, len(fitting), size)]
                made = (self._translate(part, target, model, beams, kept) for part in parts)
                return [part[first : first + kept] for part in made for first in range(0, len(part), kept)]

            made = iter(
                self._host.devices.halving(f"{self.card.name}'s sentences", len(fitting), attempt)
                if fitting
                else ()
            )
        found: list[Translated | LocError] = []
        for row in rows:
            if _rounded(len(row)) <= longest:
                found += next(made)
            else:
                found.append(InputError("The sentence is too long for the translator."))
        return found

    def _too_large(self, row: list[int], beams: int) -> list[Translated | LocError]:
        self._host.notice(
            "memory-ended",
            f"Memory ended with one sentence of {len(row)} tokens, of which {self.card.name} was to keep "
            f"{beams} hypotheses; going on without.",
        )
        return [
            InputError(
                "Memory ended with the sentence alone.",
                fix="Name another device with --device, or a smaller model with --backend.",
            )
        ]

    def _translate(
        self, rows: list[list[int]], target: str, model: Any, beams: int, kept: int
    ) -> list[Translated | LocError]:
        import torch

        length = max(map(len, rows))
        pad = int(model.config.pad_token_id)
        ids = torch.tensor([row + [pad] * (length - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        rooms = [min(ROOM + ROOM_FACTOR * _rounded(len(row)), self._longest(model) - 1) for row in rows]
        with torch.inference_mode():
            made = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                generation_config=self._decoding(model, target, max(rooms), beams, kept),
                stopping_criteria=[_OwnRoom(rooms)],
            )
        found = [self._result(row, model) for row in made.sequences.tolist()]
        if kept == 1:
            return found
        scores = made.sequences_scores.view(-1, kept)
        near = (scores >= scores[:, :1] - MARGIN).flatten().tolist()
        return [
            one if good else InputError("The translator thinks little of it.")
            for one, good in zip(found, near, strict=True)
        ]

    def alternatives(self, sentence: str, source: str, target: str) -> Sequence[str]:
        """The hypotheses of a wider beam that came to an end and are about as likely as the best, which comes
        first; each once."""
        found = self._generate([sentence], source, target, VARIANTS, VARIANTS)
        return list(dict.fromkeys(one.text for one in found if isinstance(one, Translated)))

    def self_check(self, speech: Speech) -> Iterator[Tried]:  # noqa: ARG002 - nothing is heard
        """Say thanks in the languages it knows."""

        def translate(sentence: str, source: str, target: str) -> str | LocError:
            [made] = self.translate_batch([sentence], source, target)
            return made.text if isinstance(made, Translated) else made

        return give_thanks(self._weights.row.languages, translate)

    def close(self) -> None:
        """Free the model."""
        self._net.close()

    def _result(self, ids: list[int], model: PreTrainedModel) -> Translated | LocError:
        end = int(model.config.eos_token_id)
        # The first token is the one that decoding starts from, which may be the end's own.
        if end not in ids[1:]:
            return InputError("The translator did not come to an end.")
        return Translated(self._decode(ids[1 : ids.index(end, 1)]).strip(), unknown_words=0)

    def _prepare(self) -> None:
        """Read all but the model."""
        if not self._ready:
            title, folder = self._weights.row.title, self._folder()
            with reading(title):
                _check_type(folder, self.model_type, title)
                self._load_tokenizer(folder)
            self._ready = True

    def _read(self, device: str) -> PreTrainedModel:
        from transformers import GenerationConfig

        self._prepare()
        title = self._weights.row.title
        model: Any = load_model(self._model_class(), self._folder(), title)
        if (known := self._known()) > model.config.vocab_size:
            raise InputError(
                f"{title} cannot be loaded.",
                why=f"Its tokenizer knows {known} tokens, its network {model.config.vocab_size}.",
                fix="Pull or register it again, with the files that belong together.",
            )
        # What the checkpoint suggests would fill what we leave open: Marian's ends a text by force where its
        # room ends, so that half a translation looks like a whole one.
        model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
        placed: PreTrainedModel = model.to(device)
        return placed

    def _folder(self) -> Path:
        return self._weights.gathered(self._host.scratch)

    def _code(self, table: Mapping[str, str], language: str) -> str:
        if language not in table:
            raise self._unknown(language)
        return table[language]

    def _unknown(self, language: str) -> InputError:
        return InputError(
            f"{self._weights.row.title} does not know the language {language!r}.",
            fix="Name another translator with --backend translate=NAME.",
        )

    def _decoding(
        self, model: PreTrainedModel, target: str, room: int, beams: int, kept: int
    ) -> GenerationConfig:
        from transformers import GenerationConfig

        config = model.config
        decoding: GenerationConfig = GenerationConfig(  # type: ignore[no-untyped-call]
            num_beams=beams,
            num_return_sequences=kept,
            do_sample=False,
            early_stopping=True,
            length_penalty=1.0,
            max_new_tokens=room,
            return_dict_in_generate=True,
            output_scores=kept > 1,
            decoder_start_token_id=config.decoder_start_token_id,
            eos_token_id=config.eos_token_id,
            pad_token_id=config.pad_token_id,
            # Marian starts from the pad and was never taught not to write it.
            suppress_tokens=[config.pad_token_id],
            forced_bos_token_id=self._first(target),
        )
        return decoding

    def _longest(self, model: PreTrainedModel) -> int:
        return int(model.config.max_position_embeddings)

    def _known(self) -> int:
        """How many tokens a text may be made of."""
        return 1 + int(max(self._tokenizer.get_vocab().values()))

    def _first(self, target: str) -> int | None:  # noqa: ARG002 - a hook
        """The token a translation must begin with."""
        return None

    def _model_class(self) -> Any:
        raise NotImplementedError

    def _load_tokenizer(self, folder: Path) -> None:
        raise NotImplementedError

    def _encode(self, sentence: str, source: str, target: str) -> list[int]:
        raise NotImplementedError

    def _decode(self, ids: list[int]) -> str:
        raise NotImplementedError


class Marian(_Seq2Seq):
    """A model of one pair of languages, in general an OPUS-MT one."""

    card: ClassVar[Card] = Card(
        stage="translate",
        name="marian",
        version=VERSION,
        summary="OPUS-MT models, one for each pair of languages.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=_NEEDS,
        licences=(_CODE,),
        memory_mb=900,
        architecture="marian",
    )
    model_type = "marian"

    def _model_class(self) -> Any:
        from transformers import MarianMTModel

        return MarianMTModel

    def _load_tokenizer(self, folder: Path) -> None:
        from transformers import MarianTokenizer

        self._tokenizer = MarianTokenizer.from_pretrained(folder, local_files_only=True)

    def _encode(self, sentence: str, source: str, target: str) -> list[int]:  # noqa: ARG002
        return list(self._tokenizer(sentence)["input_ids"])

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


class M2M100(_Seq2Seq):
    """One model for about a hundred languages, in every direction."""

    card: ClassVar[Card] = Card(
        stage="translate",
        name="m2m100",
        version=VERSION,
        summary="M2M100: one model for every direction among 100 languages.",
        family="neural",
        quality="good",
        runs="in-process",
        needs=_NEEDS,
        languages=Languages(source=tuple(codes.M2M100), target=tuple(codes.M2M100)),
        licences=(_CODE,),
        memory_mb=2500,
        architecture="m2m100",
    )
    model_type = "m2m_100"

    def _model_class(self) -> Any:
        from transformers import M2M100ForConditionalGeneration

        return M2M100ForConditionalGeneration

    def _load_tokenizer(self, folder: Path) -> None:
        from transformers import M2M100Tokenizer

        self._tokenizer = M2M100Tokenizer.from_pretrained(folder, local_files_only=True)

    def _encode(self, sentence: str, source: str, target: str) -> list[int]:  # noqa: ARG002
        self._tokenizer.src_lang = self._code(codes.M2M100, source)
        return list(self._tokenizer(sentence)["input_ids"])

    def _known(self) -> int:
        # Languages come after the words.
        return 1 + int(max(self._tokenizer.lang_code_to_id.values()))

    def _first(self, target: str) -> int:
        return int(self._tokenizer.get_lang_id(self._code(codes.M2M100, target)))

    def _decode(self, ids: list[int]) -> str:
        languages = set(self._tokenizer.lang_code_to_id.values())
        words = [one for one in ids if one not in languages]
        return str(self._tokenizer.decode(words, skip_special_tokens=True))


class Madlad(_Seq2Seq):
    """MADLAD-400: a T5 that is told the target language by the first token of the source."""

    card: ClassVar[Card] = Card(
        stage="translate",
        name="madlad",
        version=VERSION,
        summary="MADLAD-400: one model for 400 languages, large.",
        family="neural",
        quality="best",
        runs="in-process",
        needs=_NEEDS,
        languages=Languages(source=tuple(codes.MADLAD), target=tuple(codes.MADLAD)),
        licences=(_CODE,),
        memory_mb=12500,
        architecture="madlad",
    )
    model_type = "t5"

    _LONGEST: ClassVar[int] = 512
    """Tokens; relative positions have no limit, training had this one."""

    def _model_class(self) -> Any:
        from transformers import T5ForConditionalGeneration

        return T5ForConditionalGeneration

    def _load_tokenizer(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        # As published: the package's own T5 tokenizer builds a new one from the same vocabulary.
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def _encode(self, sentence: str, source: str, target: str) -> list[int]:  # noqa: ARG002
        token = f"<2{self._code(codes.MADLAD, target)}>"
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise self._unknown(target)
        return [number, *self._tokenizer.encode(sentence).ids]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _longest(self, model: PreTrainedModel) -> int:  # noqa: ARG002
        return self._LONGEST

    def _known(self) -> int:
        # T5's own marks of gaps, which some files add beyond the network's, stand in no text.
        return 1 + int(max(self._tokenizer.get_vocab(with_added_tokens=False).values()))


class _OwnRoom:
    """Ends the hypotheses of a sentence where they would end if it were alone.

    Args:
        rooms: tokens that each sentence's translation may take.
    """

    def __init__(self, rooms: Sequence[int]) -> None:
        self._rooms = rooms

    def __call__(self, hypotheses: Tensor, scores: object, **_: object) -> Tensor:
        """Whether each of these has to end, bool [n], of int64 [n, length], as many of each sentence."""
        import torch

        del scores
        # The first token is the one that decoding starts from.
        ended = [hypotheses.shape[1] > room for room in self._rooms]
        of_each = hypotheses.shape[0] // len(self._rooms)
        return torch.tensor(ended, device=hypotheses.device).repeat_interleave(of_each)


def _rounded(length: int) -> int:
    return math.ceil(length / STEP) * STEP


def _most(shortest: int) -> int:
    """Tokens that the longest of a batch may have."""
    return int(SPREAD * shortest) + STEP


def _check_type(folder: Path, wanted: str, title: str) -> None:
    """See that a checkpoint is of the family it was registered for.

    Raises:
        InputError: it is not.
    """
    from transformers import AutoConfig

    found = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
    if found != wanted:
        raise InputError(
            f"{title} cannot be loaded.",
            why=f"Its config.json says {found!r}, not {wanted!r}.",
            fix="Register it under the architecture it has.",
        )
