"""What the user asked of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.engine.budget import NO_LIMITS, Limits
from harness.errors import InputError
from harness.redaction import address, has_login, shown
from harness.types import ConstraintLevel

if TYPE_CHECKING:
    from harness.experiment.aligning import AlignOver

# Fields that manifests of layout 1 were first written without, and what their absence means.
_LATER_FIELDS: Mapping[str, Any] = {
    "candidates": None,
    "refine": None,
    "refine_options": {},
    "relation_texts": None,
    "shots": 0,
    "shots_from": None,
    "align": None,
    "theta": None,
    "align_over": None,
}


@dataclass(frozen=True)
class RunConfig:
    """What the user asked for. The fields from ``max_connections`` on cannot change an answer.

    ``max_triplets`` and ``max_tokens`` default to the model's or the prompt's own; ``limit`` takes
    the first documents of the split only. ``candidates`` is ``gold``, ``all``, the path of a file of pairs, or like
    ``refine`` the name of an encoder or of a stored run with pair scores; ``refine_options`` are read by
    ``refiners.options``. ``relation_texts`` is the name or path of a file of them. ``shots`` documents of
    ``shots_from`` (a corpus or a file) are demonstrated. An encoder is run without a prompt.
    ``align`` names an SBERT model; ``theta`` and ``align_over`` go with it and have defaults of their own.
    ``timeout_s`` bounds one request; None leaves it to the runner.
    """

    model: str
    prompt: str = ""
    dataset: str = "redocred"
    split: str | None = None
    data_dir: Path | None = None
    limit: int | None = None
    constrain: ConstraintLevel = "closed"
    prompt_options: Mapping[str, str] = field(default_factory=dict)
    candidates: str | None = None
    refine: str | None = None
    refine_options: Mapping[str, str] = field(default_factory=dict)
    relation_texts: str | None = None
    shots: int = 0
    shots_from: str | None = None
    align: str | None = None
    theta: float | None = None
    align_over: AlignOver | None = None
    max_triplets: int | None = None
    max_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    repeat: int = 0
    base_url: str | None = None
    model_options: Mapping[str, str] = field(default_factory=dict)
    max_connections: int = 64
    max_retries: int = 8
    timeout_s: float | None = None
    limits: Limits = NO_LIMITS
    results: Path = Path("results")

    def __post_init__(self) -> None:
        if self.base_url and has_login(self.base_url):
            raise InputError(
                "--base-url must not hold a login: put the key into $OPENAI_API_KEY, or name another variable with "
                "-M key_env=NAME; an @ that belongs to the path is written %40"
            )
        if self.limit is not None and self.limit < 1:
            raise InputError(f"--limit {self.limit}: give at least 1 document")
        numbers: dict[str, float | None] = {
            "temperature": self.temperature,
            "top-p": self.top_p,
            "timeout": self.timeout_s,
            "max-cost": self.limits.cost_usd,
            "max-time": self.limits.seconds,
        }
        for option, number in numbers.items():
            if number is not None and not math.isfinite(number):
                raise InputError(f"--{option} {number}: give a finite number")

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

        Use it through ``harness.experiment.stored``: a stored run is data, and must not choose what is run or reached.
        """
        content = {**_LATER_FIELDS, **content}
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
