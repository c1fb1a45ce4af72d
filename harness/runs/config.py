"""What the user asked of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.engine.budget import NO_LIMITS, Limits
from harness.errors import InputError
from harness.redaction import address, has_login, shown
from harness.runs.run_option import ENCODER, IMPORTED, LLM, dashed, default_of, options_of, run_option
from harness.types import ConstraintLevel, PredictionSource

if TYPE_CHECKING:
    from harness.alignment.relations import AlignOver

_ANY_SOURCE = (LLM, ENCODER, IMPORTED)


@dataclass(frozen=True)
class RunConfig:
    """What the user asked for: each option is declared here once.

    ``max_triplets`` and ``max_tokens`` default to the model's or the prompt's own. ``candidates`` is ``gold``, ``all``,
    the path of a file of pairs, or like ``refine`` the name of an encoder or of a stored run with pair scores;
    ``refine_options`` are read by ``refiners.options``. ``align`` names an SBERT model; ``theta`` and ``align_over``
    go with it and have defaults of their own. ``timeout_s`` None leaves the limit to the runner.
    """

    model: str = run_option(
        "A name from `harness models`, provider/name, a GGUF file, or an encoder's folder.", sources=_ANY_SOURCE
    )
    prompt: str = run_option(
        "A name from `harness prompts`, or the path of a folder; encoders take none.", "", axis=str
    )
    dataset: str = run_option("redocred, fewrel, sample, or a DocRED-format file.", "redocred", sources=_ANY_SOURCE)
    split: str | None = run_option(
        "train, dev or test; of Re-DocRED also dev-train, dev-choose and dev-report.", None, sources=_ANY_SOURCE
    )
    data_dir: Path | None = run_option(
        "Folder with train/dev/test_revised.json and rel_info.json (default: fetched data).",
        None,
        sources=_ANY_SOURCE,
        in_question=False,
    )
    limit: int | None = run_option("Only the first N documents (marked as partial).", None, sources=(LLM, ENCODER))
    constrain: ConstraintLevel = run_option(
        "closed: only existing entities and relations; typed: also only relations that fit entity types; "
        "format: any relation; none.",
        "closed",
        axis=str,
    )
    prompt_options: Mapping[str, str] = run_option(
        "An option of the prompt; repeatable.", {}, flags=("-P", "--prompt-option")
    )
    candidates: str | None = run_option(
        "Pairs for a prompt about given pairs: gold, all, a file {title: [[head, tail], ...]}, an encoder, or a "
        "stored run of one.",
        None,
        axis=str,
        is_later=True,
    )
    refine: str | None = run_option(
        "An encoder, or a stored run of one, whose hard pairs the prompt (choice, judge) decides.",
        None,
        axis=str,
        is_later=True,
    )
    refine_options: Mapping[str, str] = run_option(
        "k, hardness, encoder_weight, model_weight, encoder_temperature or model_temperature; repeatable.",
        {},
        flags=("-R", "--refine-option"),
        is_later=True,
    )
    relation_texts: str | None = run_option(
        "A file of relation texts, for prompts that describe relations (default: the shipped ones).",
        None,
        is_later=True,
    )
    shots: int = run_option(
        "Labelled documents to show as examples, drawn by --seed.", 0, least=0, axis=int, is_later=True
    )
    shots_from: str | None = run_option(
        "Where examples come from: a dataset or a file (default: the training split, else sample).", None, is_later=True
    )
    align: str | None = run_option(
        "SBERT model for relations outside the schema: minilm, a folder, or a hub id.", None, axis=str, is_later=True
    )
    theta: float | None = run_option(
        "With --align: least cosine at which the nearest relation is taken (default 0.55).",
        None,
        axis=float,
        is_later=True,
    )
    align_over: AlignOver | None = run_option(
        "With --align: what relations are compared by (default names).", None, is_later=True
    )
    max_triplets: int | None = run_option("Longest list a model may give.", None, least=1, axis=int)
    max_tokens: int | None = run_option("Longest answer, in tokens.", None, least=1, axis=int)
    temperature: float = run_option("0 is greedy decoding.", 0.0, least=0.0, axis=float)
    top_p: float = run_option("Nucleus sampling.", 1.0, least=0.0, most=1.0, axis=float)
    seed: int = run_option("Draws examples, and samples where the server honours a seed.", 0, axis=int)
    repeat: int = run_option("Number of an independent repetition.", 0, least=0, axis=int)
    samples: int = run_option(
        "Answers drawn to each request, which vote on the triplets (needs --temperature).",
        1,
        least=1,
        axis=int,
        is_later=True,
    )
    vote_share: float | None = run_option(
        "With --samples: least share of votes of a predicted triplet (default 0.5).",
        None,
        least=0.0,
        most=1.0,
        axis=float,
        is_later=True,
    )
    base_url: str | None = run_option(
        "OpenAI-compatible address of a server (models of OpenAI: or $OPENAI_BASE_URL).", None
    )
    model_options: Mapping[str, str] = run_option(
        "An option of the runner; repeatable.", {}, flags=("-M", "--model-option"), sources=(LLM, ENCODER)
    )
    max_connections: int = run_option("Most requests in flight.", 64, least=1, in_question=False)
    max_retries: int = run_option("Tries after the first, per request.", 8, least=0, in_question=False)
    timeout_s: float | None = run_option(
        "Seconds for one request (default: 600; none for models that run here).",
        None,
        flags=("--timeout",),
        least=0.1,
        in_question=False,
    )
    limits: Limits = run_option(
        "Seconds, tokens and US dollars after which nothing more is sent.",
        NO_LIMITS,
        flags=("--max-time", "--max-tokens-total", "--max-cost"),
        in_question=False,
    )
    results: Path = run_option(
        "Where runs and the journal are kept.",
        Path("results"),
        flags=("--results-dir",),
        sources=_ANY_SOURCE,
        in_question=False,
    )

    def __post_init__(self) -> None:
        if self.base_url:  # a shell's quotes, or a file's line, leave white space around it
            object.__setattr__(self, "base_url", self.base_url.strip())
        if self.base_url and has_login(self.base_url):
            raise InputError(
                "--base-url must not hold a login: put the key into $OPENAI_API_KEY, or name another variable with "
                "-M key_env=NAME; an @ that belongs to the path is written %40"
            )
        if self.limit is not None and self.limit < 1:
            raise InputError(f"--limit {self.limit}: give at least 1 document")
        if self.samples > 1 and not self.temperature > 0:
            raise InputError("--samples draws different answers only with a --temperature above 0, such as 0.7")
        if self.vote_share is not None and self.samples == 1:
            raise InputError("--vote-share is of the votes of --samples: give 2 or more")
        numbers: dict[str, float | None] = {
            "vote-share": self.vote_share,
            "temperature": self.temperature,
            "top-p": self.top_p,
            "timeout": self.timeout_s,
            "max-cost": self.limits.cost_usd,
            "max-time": self.limits.seconds,
        }
        for option, number in numbers.items():
            if number is not None and not math.isfinite(number):
                raise InputError(f"--{option} {number}: give a finite number")

    def check_source(self, source: PredictionSource) -> None:
        """Raise InputError for an option that was given and that runs of this source do not take."""
        for one in fields(self):
            option = OPTIONS[one.name]
            if source not in option.sources and getattr(self, one.name) != default_of(one):
                typed = " or ".join(flag for flag in option.flags if flag.startswith("--"))
                raise InputError(f"{self.model} is an {source.value}: leave out {typed or f'--{dashed(one.name)}'}")

    def with_absolute_paths(self) -> RunConfig:
        """The same configuration from any working folder."""

        def absolute(name: str | None) -> str | None:
            return str(Path(name).resolve()) if name and Path(name).exists() and ("/" in name or "." in name) else name

        return replace(
            self,
            model=absolute(self.model) or self.model,
            prompt=absolute(self.prompt) or self.prompt,
            dataset=absolute(self.dataset) or self.dataset,
            candidates=absolute(self.candidates),
            refine=absolute(self.refine),
            relation_texts=absolute(self.relation_texts),
            shots_from=absolute(self.shots_from),
            align=absolute(self.align),
            data_dir=self.data_dir and self.data_dir.resolve(),
            model_options={key: absolute(value) or value for key, value in self.model_options.items()},
        )

    def as_json(self) -> dict[str, Any]:
        """The configuration for the manifest; whatever could be a secret is hidden."""
        content = asdict(self)
        content["base_url"] = self.base_url and address(self.base_url)
        content["model_options"] = shown(self.model_options)
        for name in ("data_dir", "results"):
            content[name] = None if content[name] is None else str(content[name])
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RunConfig:
        """Inverse of :meth:`as_json` but for what is hidden; raises InputError for a manifest of another version.

        Use it through ``harness.runs.stored_config``: a stored run is data, and must not choose what is run or reached.
        """
        later = {one.name: default_of(one) for one in fields(cls) if OPTIONS[one.name].is_later}
        content = {**later, **content}
        names = {one.name for one in fields(cls)}
        if content.keys() != names:
            raise InputError(
                "the run's command cannot be rebuilt from its manifest (another version of the harness): type the "
                "original command instead"
            )
        values = dict(content)
        # What manifests hold that were written when every runner had the same default.
        if values["timeout_s"] == 600.0:
            values["timeout_s"] = None
        values["limits"] = Limits(**values["limits"])
        values["data_dir"] = None if values["data_dir"] is None else Path(values["data_dir"])
        values["results"] = Path(values["results"])
        return cls(**values)


OPTIONS = options_of(RunConfig)
"""What is declared of each option, by the name of its field."""
