"""What a finished run amounts to: totals over its documents, official scores, and how to say them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.engine.asking import Traffic
from harness.label_source import NO_LABELS, NOT_SCORED, LabelSource
from harness.methods.candidates import GOLD
from harness.methods.questions import OPTIONS
from harness.methods.settings import GIVEN
from harness.prompting.relations import COUNTED_TYPES
from harness.records.manifest import CompleteManifest, UsageTotals
from harness.records.metrics import Metrics
from harness.runs.consistency import check_scores, check_to_rank
from harness.runs.failures import Failure, failed_too_often, failures_of
from harness.runs.manifest import RunManifest
from harness.runs.planned_run import Scope
from harness.runs.score_tables import ScoreTables
from harness.runs.sources.encoder_origin import seen_told
from harness.runs.stored_config import retry_command
from harness.runs.totals import RunTotals
from harness.runs.training_file import training_of
from harness.scoring.submission import write_submission
from harness.store import PREDICTIONS, RunFolder
from harness.types import PredictionSource


@dataclass(frozen=True)
class RunResult:
    """A complete, scored run: its folder and the two files that describe it."""

    folder: RunFolder
    manifest: CompleteManifest
    metrics: Metrics

    @classmethod
    def load(cls, folder: RunFolder) -> RunResult:
        """Raises InputError for a run that has not ended, and for scores that do not follow from their counts."""
        result = cls(folder, folder.complete_manifest(), folder.read_metrics())
        check_scores(folder, result.metrics)
        return result

    @classmethod
    def to_rank(cls, folder: RunFolder, manifest: CompleteManifest) -> RunResult:
        """The result of a run that may be ranked; InputError where its files do not fit each other."""
        result = cls(folder, manifest, folder.read_metrics())
        check_to_rank(folder, manifest, result.metrics)
        return result

    @property
    def tables(self) -> ScoreTables:
        """The run's scores: overall, by relation, by document."""
        return ScoreTables(self.metrics)

    @property
    def coverage(self) -> float:
        """Documents that ended ``ok``, as a fraction of all documents of the split."""
        return self.manifest.statuses.get("ok", 0) / max(1, self.manifest.documents.in_split)

    @property
    def is_whole_split(self) -> bool:
        documents = self.manifest.documents
        return documents.asked == documents.in_split

    @property
    def consults_gold(self) -> str:
        """What the run took from labels instead of asking for it: ``candidates``, the result of a step, or types.

        Types are those by which earlier versions chose the options of ``choice`` and ``judge``.
        """
        question = self.manifest.question
        if question.candidates == GOLD:
            return "candidates"
        options = question.prompt.options
        if question.relation_texts == COUNTED_TYPES and OPTIONS in options and question.refine is None:
            return "argument types"
        given = options.get(GIVEN, "none")
        return "" if given == "none" else given

    @property
    def seen_by_encoder(self) -> str:
        """In words, if the encoder of the run saw its documents in training, or may have: such scores say nothing."""
        encoder = self.manifest.encoder
        return seen_told(encoder) if encoder or self.manifest.source == PredictionSource.ENCODER else ""

    @property
    def seen_by_adapter(self) -> str:
        """As ``seen_by_encoder``, of the LoRA adapters that answered."""
        return "; ".join(dict.fromkeys(one.seen for one in self.manifest.adapters if one.seen))

    @property
    def chosen_by_documents(self) -> str:
        """In words, the options of the run that are known to be chosen by the scores of its own documents."""
        return "; ".join(
            f"{one.option} was chosen by {one.documents:,} of the {one.of:,} documents"
            for one in self.manifest.chosen_settings
        )

    def knowing_documents(self) -> Iterator[str]:
        """Each reason, in words, why its scores on these documents say less than others'; none for most runs."""
        if self.consults_gold:
            yield f"consults gold: the {self.consults_gold} come from the labels"
        yield from filter(None, (self.seen_by_encoder, self.seen_by_adapter, self.chosen_by_documents))
        for part in self.manifest.combines:
            yield from (f"combines {part.run_id}, which is not ranked: {reason}" for reason in part.not_ranked)
        for run in self.manifest.built_on:
            yield from (f"asks about the triplets of {run.run_id}: {reason}" for reason in run.not_ranked)

    @property
    def label_source(self) -> LabelSource:
        """Who wrote the labels that the run was scored against."""
        return self.metrics.label_source

    @property
    def is_scored(self) -> bool:
        """Whether there were gold labels; without them no score is available."""
        return self.label_source != NO_LABELS

    @property
    def failures(self) -> list[Failure]:
        """The documents without a full answer by status, with the commonest error of each and what helps."""
        return failures_of(self.manifest, f"`{retry_command(self.folder, self.manifest)}` asks again")

    def failed_too_often(self, most: float) -> bool:
        """Whether more than the share ``most`` of the documents asked about have no full answer, or none has one."""
        return failed_too_often(self.manifest, most)

    @property
    def seconds(self) -> float:
        """Wall time of the sessions in which the model was asked, or the encoder scored, anything."""
        return float(sum(session.seconds for session in self.manifest.sessions if session.has_worked))

    @property
    def answers_of_other_runs(self) -> int:
        """Answers that the journal already held from other runs: their time is not in ``seconds``."""
        spent = self.manifest.spent
        return max(0, self.manifest.usage.requests - (spent.requests if spent else 0))

    @property
    def documents_per_hour(self) -> float | None:
        """As many as were asked about in the model's time; None where answers came from other runs, or took no time."""
        if self.answers_of_other_runs or not self.seconds:
            return None
        return 3600 * self.manifest.documents.asked / self.seconds

    @property
    def cost_usd(self) -> float | None:
        """What the run's tokens cost at the price in models.toml; None without a price."""
        prices, usage = self.manifest.prices, self.manifest.usage
        if prices.price_in is None or prices.price_out is None:
            return None
        # What came in batches is paid for in part.
        saved = 1 - prices.batch if prices.batch is not None else 0.0
        prompt_tokens = usage.prompt_tokens - saved * usage.batch_prompt_tokens
        completion_tokens = usage.completion_tokens - saved * usage.batch_completion_tokens
        return (prompt_tokens * prices.price_in + completion_tokens * prices.price_out) / 1e6

    def as_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        manifest, metrics = self.manifest.as_json(), self.metrics.as_json()
        return {
            "run_id": self.folder.run_id,
            "run_dir": str(self.folder.path),
            "status": manifest["status"],
            "metrics": metrics["metrics"],
            "labels": asdict(self.label_source),
            "not_scored": None if self.is_scored else NOT_SCORED,
            "silver": self.label_source.silver or None,
            "steps": metrics.get("steps"),
            "refinement": metrics.get("refinement"),
            "proposal": metrics.get("proposal"),
            "retrieval": metrics.get("retrieval"),
            "end_to_end": metrics.get("end_to_end"),
            "macro": self.metrics.macro if self.is_scored else None,
            "consults_gold": self.consults_gold or None,
            "seen_by_encoder": self.seen_by_encoder or None,
            "seen_by_adapter": self.seen_by_adapter or None,
            "adapters": manifest.get("adapters", []),
            "seen_documents": manifest.get("encoder", {}).get("seen_documents"),
            "chosen_by_documents": self.chosen_by_documents or None,
            "coverage": self.coverage,
            "whole_split": self.is_whole_split,
            "statuses": manifest["statuses"],
            "failures": [failure._asdict() for failure in self.failures],
            "rejects": manifest["rejects"],
            "details": manifest["details"],
            "alignments": manifest.get("alignments", {}),
            "usage": manifest["usage"],
            "adjusted": manifest.get("adjusted", {}),
            "spent": manifest.get("spent"),
            "seconds": round(self.seconds, 3),
            "cost_usd": self.cost_usd,
        }


def tokens_in_words(usage: UsageTotals) -> str:
    """The tokens of a run; says so where some are an estimate."""
    cached, prompt_tokens = usage.cached_tokens, usage.prompt_tokens
    share = f", {cached / prompt_tokens:.0%} from the prefix cache" if cached and prompt_tokens else ""
    note = f"; an estimate for {usage.estimated:,} answers, whose tokens the server did not report, or wrongly"
    return f"{prompt_tokens:,} prompt{share}, {usage.completion_tokens:,} completion{note if usage.estimated else ''}"


def store_scored(
    folder: RunFolder, manifest: RunManifest, totals: RunTotals, run: Scope, work: Traffic | Mapping[str, float | str]
) -> RunResult:
    """Score a run's records and finish its folder: predictions, metrics, manifest; ``work`` is what the session did."""
    metrics = run.metrics(totals, training_of(run.config))
    write_submission(folder.path / PREDICTIONS, totals.predictions())
    folder.write_metrics(metrics)
    return RunResult(folder, manifest.complete(totals.as_json(), work), metrics)
