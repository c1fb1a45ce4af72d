"""What the user asked of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.encoders.entities import FINDER
from harness.engine.budget import NO_LIMITS, Limits
from harness.errors import InputError
from harness.redaction import address, has_login, shown
from harness.runs.given import check_given
from harness.runs.run_option import ENCODER, IMPORTED, LLM, RunOption, options_of, run_option
from harness.runs.selection import Stratum, check_choice
from harness.types import AlignOver, ConstraintLevel, Given, PredictionSource, RelationsPerPair

_ANY_SOURCE = (LLM, ENCODER, IMPORTED)
_OF_DOCUMENTS: dict[str, Any] = {"sources": (LLM, ENCODER), "annotates": False}
_OF_ENTITIES: dict[str, Any] = {**_OF_DOCUMENTS, "in_prompt": True}
_CHOOSES_DOCUMENTS: dict[str, Any] = {**_OF_DOCUMENTS, "part": "selection"}


@dataclass(frozen=True)
class RunConfig:
    """What the user asked for: each option is declared here once.

    ``max_triplets`` and ``max_tokens`` default to the model's or the prompt's own. ``candidates`` is ``gold``, ``all``,
    the path of a file of pairs, or like ``refine`` the name of an encoder or of a stored run with pair scores;
    ``refine_options`` are read by ``refiners.options``. ``align`` names an SBERT model; ``theta`` and ``align_over``
    go with it and have defaults of their own. ``timeout_s`` None leaves the limit to the runner.
    """

    model: str = run_option(
        "A name from `harness models`, provider/name, a GGUF file, or an encoder's folder.",
        sources=_ANY_SOURCE,
        may_be_path=True,
    )
    prompt: str = run_option(
        "A name from `harness prompts`, or the path of a folder; encoders take none.",
        "",
        axis=True,
        annotates=False,
        may_be_path=True,
    )
    dataset: str = run_option(
        "A corpus such as redocred or sample, or a DocRED-format file.",
        "redocred",
        sources=_ANY_SOURCE,
        annotates=False,
        may_be_path=True,
    )
    split: str | None = run_option(
        "train, dev or test; of Re-DocRED also dev-train, dev-choose and dev-report.",
        None,
        sources=_ANY_SOURCE,
        annotates=False,
        part="dataset",
        in_prompt=True,
    )
    data_dir: Path | None = run_option(
        "Folder with the corpus' files, or with a folder of its name (default: fetched data).",
        None,
        sources=_ANY_SOURCE,
        annotates=False,
        in_question=False,
        may_be_path=True,
        in_prompt=True,
    )
    limit: int | None = run_option("Only the first N documents (marked as partial).", None, sources=(LLM, ENCODER))
    sample: int | None = run_option(
        "Only N documents, drawn by --seed (marked as partial).", None, least=1, **_CHOOSES_DOCUMENTS
    )
    stratify: Stratum | None = run_option(
        "With --sample: spread it evenly over the documents' length or number of entities.",
        None,
        **_CHOOSES_DOCUMENTS,
    )
    documents: tuple[str, ...] = run_option(
        "Only these titles, or those of a file with a title a line; repeatable (marked as partial).",
        (),
        may_be_path=True,
        **_CHOOSES_DOCUMENTS,
    )
    range: str | None = run_option(
        "Only the documents A:B, from 0 and without B (marked as partial).", None, **_CHOOSES_DOCUMENTS
    )
    part: str | None = run_option(
        "One part of the chosen documents: K/N by a hash of their titles, or A:B; `harness merge` joins the parts.",
        None,
        **_OF_DOCUMENTS,
    )
    prompt_options: Mapping[str, str] = run_option(
        "An option of the prompt; repeatable.", {}, flags=("-P", "--prompt-option"), part="prompt", in_prompt=True
    )
    constrain: ConstraintLevel = run_option(
        "closed: only existing entities and relations; typed: also only relations that fit entity types; "
        "format: any relation; none.",
        "closed",
        axis=True,
        annotates=False,
        part="constraint",
        in_prompt=True,
    )
    candidates: str | None = run_option(
        "Pairs for a prompt about pairs: gold, all, a file {title: [[head, tail], ...]}, an encoder, or a stored run.",
        None,
        axis=True,
        annotates=False,
        may_be_path=True,
        in_prompt=True,
    )
    relations_per_pair: RelationsPerPair = run_option(
        "one: every candidate pair is known to hold exactly one relation, the best one (of an LLM: --prompt "
        "single-choice).",
        "any",
        sources=(ENCODER,),
        annotates=False,
    )
    given: Given = run_option("What is given of the entities; --finder does the rest.", "entities", **_OF_ENTITIES)
    finder: str = run_option(
        "With --given: entities-minilm, a folder of `harness train entities`, or llm: the LLM is asked for them.",
        FINDER,
        part="given",
        may_be_path=True,
        **_OF_ENTITIES,
    )
    refine: str | None = run_option(
        "An encoder, or a stored run of one, whose hard pairs the prompt (choice, judge) decides.",
        None,
        axis=True,
        annotates=False,
        may_be_path=True,
        in_prompt=True,
    )
    refine_options: Mapping[str, str] = run_option(
        "k, hardness, encoder_weight, model_weight, encoder_temperature or model_temperature; repeatable.",
        {},
        flags=("-R", "--refine-option"),
        annotates=False,
        in_prompt=True,
        part="refine",
    )
    relation_texts: str | None = run_option(
        "A file of relation texts, for prompts that describe relations (default: the shipped ones), or names: made "
        "of the schema's names.",
        None,
        annotates=False,
        may_be_path=True,
        in_prompt=True,
    )
    retrieve_relations: int | None = run_option(
        "Ask about K relations a document: those whose texts are most similar to its sentences.",
        None,
        least=1,
        axis=True,
        annotates=False,
        part="retrieval",
        in_prompt=True,
    )
    retriever: str | None = run_option(
        "With --retrieve-relations: the SBERT model, as for --align (default: minilm, or minilm-multilingual).",
        None,
        annotates=False,
        part="retrieval",
        may_be_path=True,
        in_prompt=True,
    )
    shots: int = run_option(
        "Labelled documents to show as examples, drawn by --seed.",
        0,
        least=0,
        axis=True,
        annotates=False,
        in_prompt=True,
    )
    shots_from: str | None = run_option(
        "Where examples come from: a dataset or a file (default: the training split, else sample).",
        None,
        annotates=False,
        part="shots",
        may_be_path=True,
        in_prompt=True,
    )
    align: str | None = run_option(
        "SBERT model for relations outside the schema: minilm, minilm-multilingual, a folder, or a hub id.",
        None,
        axis=True,
        annotates=False,
        part="alignment",
        may_be_path=True,
    )
    theta: float | None = run_option(
        "With --align: least cosine at which the nearest relation is taken (default 0.55).",
        None,
        axis=True,
        annotates=False,
        part="alignment",
    )
    align_over: AlignOver | None = run_option(
        "With --align: what relations are compared by (default names).", None, annotates=False, part="alignment"
    )
    max_triplets: int | None = run_option("Longest list a model may give.", None, least=1, axis=True)
    window: int | None = run_option(
        "Ask about parts of at most so many words, which overlap by a fifth, and join their triplets.",
        None,
        least=10,
        axis=True,
        annotates=False,
        in_prompt=True,
    )
    max_tokens: int | None = run_option("Longest answer, in tokens.", None, least=1, axis=True, part="sampling")
    temperature: float = run_option("0 is greedy decoding.", 0.0, least=0.0, axis=True, part="sampling")
    top_p: float = run_option("Nucleus sampling.", 1.0, least=0.0, most=1.0, axis=True, part="sampling")
    seed: int = run_option(
        "Draws --sample and examples, and tokens where the server honours a seed.",
        0,
        sources=(LLM, ENCODER),
        axis=True,
        part="sampling",
        in_prompt=True,
    )
    reasoning_effort: str | None = run_option(
        "How much a reasoning model thinks, such as low or high, for servers that take it.",
        None,
        axis=True,
        part="sampling",
    )
    thinking_tokens: int | None = run_option(
        "Most tokens that a reasoning model thinks before an answer, for servers that take a budget; 0: none.",
        None,
        least=0,
        axis=True,
        part="sampling",
    )
    repeat: int = run_option("Number of an independent repetition.", 0, least=0, axis=True, annotates=False)
    samples: int = run_option(
        "Answers drawn to each request, which vote on the triplets (needs --temperature).",
        1,
        least=1,
        axis=True,
        annotates=False,
        part="votes",
    )
    vote_share: float | None = run_option(
        "With --samples: least share of votes of a predicted triplet (default 0.5).",
        None,
        least=0.0,
        most=1.0,
        axis=True,
        annotates=False,
        part="votes",
    )
    base_url: str | None = run_option(
        "OpenAI-compatible address of a server (models of OpenAI: or $OPENAI_BASE_URL); repeatable, @FILE names a "
        "file of them.",
        None,
        part="model",
        is_list=True,
    )
    model_options: Mapping[str, str] = run_option(
        "An option of the runner; repeatable.",
        {},
        flags=("-M", "--model-option"),
        sources=(LLM, ENCODER),
        part="model",
        may_be_path=True,
    )
    adapter: Mapping[str, str] = run_option(
        "Folder of a LoRA adapter that answers, or a packaged one (compact-smollm2); STEP=FOLDER for a step of the "
        "prompt; repeatable.",
        {},
        flags=("--adapter",),
        bare=True,
        part="adapters",
        may_be_path=True,
    )
    max_connections: int = run_option("Most requests in flight, at each server.", 64, least=1, in_question=False)
    max_retries: int = run_option("Tries after the first, per request.", 8, least=0, in_question=False)
    timeout_s: float | None = run_option(
        "Seconds for one request (default: 600; none for models that run here).",
        None,
        flags=("--timeout",),
        least=0.1,
        in_question=False,
    )
    limits: Limits = run_option(
        "The budget.",
        NO_LIMITS,
        in_question=False,
        parts={
            "seconds": RunOption(
                "Seconds after which nothing more is sent; requests in flight are awaited.",
                flags=("--max-time",),
                least=0.0,
            ),
            "tokens": RunOption("Tokens for the whole run.", flags=("--max-tokens-total",), least=1),
            "cost_usd": RunOption("US dollars for the whole run.", flags=("--max-cost",), least=0.0),
        },
    )
    results: Path = run_option(
        "Where runs and the journal are kept.",
        Path("results"),
        flags=("--results-dir",),
        env="HARNESS_RESULTS_DIR",
        sources=_ANY_SOURCE,
        in_question=False,
    )

    def __post_init__(self) -> None:
        if self.base_url:  # a shell's quotes, or a file's line, leave white space around it
            object.__setattr__(self, "base_url", self.base_url.strip())
        if any(map(has_login, (self.base_url or "").split())):
            raise InputError(
                "--base-url must not hold a login: put the key into $OPENAI_API_KEY, or name another variable with "
                "-M key_env=NAME; an @ that belongs to the path is written %40"
            )
        for option in OPTIONS.values():
            for typed, value in option.typed(getattr(self, option.name)):
                typed.check(value)
        check_choice(self)
        check_given(self)
        if self.samples > 1 and not self.temperature > 0:
            raise InputError("--samples draws different answers only with a --temperature above 0, such as 0.7")
        if self.vote_share is not None and self.samples == 1:
            raise InputError("--vote-share is of the votes of --samples: give 2 or more")

    def check_source(self, source: PredictionSource) -> None:
        """Raise InputError for an option that was given and that runs of this source do not take."""
        for option in OPTIONS.values():
            value = getattr(self, option.name)
            # All that an encoder draws is a sample of documents.
            is_unused = option.name == "seed" and source == PredictionSource.ENCODER and not self.sample
            if (source not in option.sources or is_unused) and value != option.default:
                given = (typed.flag for typed, one in option.typed(value) if one != typed.default)
                kind = "an LLM" if source == PredictionSource.LLM else f"an {source.value}"
                raise InputError(f"{self.model} is {kind}: leave out {' or '.join(given)}")

    def question(self, resolved: Mapping[str, Any], source: PredictionSource) -> dict[str, Any]:
        """The question of a run: all that can change its result, as JSON.

        ``resolved`` are the parts of the question that stand for what options name, such as a file's checksum; None
        stands for a part that the run has not. Every other option of the source is a part by its value, left out at
        its default, so that an option that is added later changes no id.
        """
        own = {
            option.part: getattr(self, option.name)
            for option in OPTIONS.values()
            if option.in_question and source in option.sources and option.part not in resolved
            if getattr(self, option.name) != option.default
        }
        return {part: value for part, value in {**resolved, **own}.items() if value is not None}

    def with_absolute_paths(self) -> RunConfig:
        """The same configuration from any working folder."""

        def absolute(value: Any) -> Any:
            match value:
                case Path():
                    return value.resolve()
                case str():
                    return (
                        str(Path(value).resolve()) if ("/" in value or "." in value) and Path(value).exists() else value
                    )
                case Mapping():
                    return {key: absolute(one) for key, one in value.items()}
            return value

        named = (option.name for option in OPTIONS.values() if option.may_be_path)
        return replace(self, **{name: absolute(getattr(self, name)) for name in named})

    def as_json(self) -> dict[str, Any]:
        """The configuration for the manifest; whatever could be a secret is hidden."""
        content = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
        content["base_url"] = self.base_url and " ".join(map(address, self.base_url.split()))
        content["model_options"] = shown(self.model_options)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RunConfig:
        """Inverse of :meth:`as_json` but for what is hidden; what a manifest lacks has its default.

        Raises InputError for a manifest of a later version, and for a value of another type. Use it through
        ``harness.runs.stored_config``: a stored run is data, and must not choose what is run or reached.
        """
        from pydantic import TypeAdapter, ValidationError

        from harness.records.base import first_fault

        if content.keys() - OPTIONS.keys():
            raise InputError(
                "the run's command cannot be rebuilt from its manifest (another version of the harness): type the "
                "original command instead"
            )
        values = dict(content)
        # What manifests hold that were written when every runner had the same default.
        if values.get("timeout_s") == 600.0:
            values["timeout_s"] = None
        try:
            checked = TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            raise InputError(f"the run's manifest is damaged: config.{first_fault(error)}") from None
        # Numbers as they were written: the run's id is a hash of them.
        return replace(checked, **{name: value for name, value in values.items() if _is_number(value)})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


OPTIONS = options_of(RunConfig)
"""What is declared of each option, by the name of its field."""
