"""A run's outcome on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.amounts import amount
from harness.datasets.corpora import CORPORA
from harness.label_source import NO_LABELS, NOT_SCORED
from harness.runs.failures import Failure
from harness.runs.results import RunResult, tokens_in_words
from harness.scoring.closure import RULES
from harness.types import PredictionSource

if TYPE_CHECKING:
    from harness.alignment.decisions import Example
    from harness.records.manifest import AlignmentExample, CompleteManifest, EncoderOrigin
    from harness.records.metrics import (
        Metrics,
        ProposalScores,
        RefinementScores,
        RetrievalScores,
        StepScores,
        StoredEndToEnd,
        StoredScores,
    )
    from harness.runs.closure import ClosureScores

NOT_AVAILABLE = "n/a"
LONGEST_EXAMPLE = 40


def print_result(result: RunResult) -> None:
    """Scores, coverage, tokens, time, cost, and where the run was stored."""
    print_lines(result_lines(result))


def print_realigned(result: RunResult) -> None:
    """Scores, coverage and what was aligned, for a run whose files stay as they are."""
    print_lines([*answer_lines(result), ("stored", f"nothing; {result.folder.path} is as it was")])


def print_scores(scored: Metrics) -> None:
    """The official scores alone."""
    print_lines(score_lines(scored))


def print_lines(lines: list[tuple[str, str]]) -> None:
    """Names and values in two columns."""
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"{name:<{width}}  {value}")


def print_closure(closed: ClosureScores) -> None:
    """What the closure of the predictions adds to F1, and how many triplets each rule added."""
    gain = 100 * (closed.after.f1 - closed.before.f1)
    lines = [("closure F1", f"{100 * closed.after.f1:.2f} ({gain:+.2f}; apart from the scores above)")]
    lines += [
        (f"{rule} adds", f"{closed.right.get(rule, 0):,} right, {closed.wrong.get(rule, 0):,} wrong") for rule in RULES
    ]
    print_lines(lines)


def answer_lines(result: RunResult) -> list[tuple[str, str]]:
    """What the answers are worth: scores, coverage, rejects, and what was aligned, with examples."""
    manifest = result.manifest
    documents = manifest.documents
    lines = [*score_lines(result.metrics, result.manifest.question.dataset.name), *step_lines(result.metrics.steps)]
    lines += end_to_end_lines(result.metrics.end_to_end, manifest.question.entities_given)
    lines += refinement_lines(result.metrics.refinement, manifest.details)
    lines += proposal_lines(result.metrics.proposal, manifest.encoder)
    lines += retrieval_lines(result.metrics.retrieval)
    told = [one for one in (result.seen_by_encoder, result.seen_by_adapter) if one]
    seen = [one.seen_documents for one in manifest.adapters]
    if manifest.encoder and manifest.encoder.seen_documents:
        seen.insert(0, manifest.encoder.seen_documents)
    if told:
        lines.append(("seen before", f"{'; '.join(told)}; not ranked"))
    elif seen:
        lines.append(("seen before", f"none of the {amount(seen[0].documents, 'document')}"))
    lines += adapter_lines(manifest)
    if result.chosen_by_documents:
        lines.append(("chosen here", f"{result.chosen_by_documents}; not ranked"))
    if result.consults_gold:
        lines.append(("consults gold", f"the {result.consults_gold} come from the labels; not ranked"))
    scope = "" if result.is_whole_split else f"; partial: {documents.asked} of {documents.in_split} asked"
    lines.append(("coverage", f"{result.coverage:.1%} ({counts(manifest.statuses)}{scope})"))
    lines += failure_lines(result.failures)
    if manifest.rejects:
        lines.append(("rejects", counts(manifest.rejects)))
    if manifest.details:
        lines.append(("details", counts(manifest.details)))
    lines += example_lines(manifest.alignments)
    return lines


def adapter_lines(manifest: CompleteManifest) -> list[tuple[str, str]]:
    """A line for each adapter that was trained for something else than it was asked."""
    return [("adapter", f"{one.name}: {one.asked_otherwise}") for one in manifest.adapters if one.asked_otherwise]


def failure_lines(failures: Sequence[Failure]) -> list[tuple[str, str]]:
    """Two lines for each status other than ``ok``: the commonest error, and which option helps."""
    lines = []
    for one in failures:
        documents = f"{one.documents:,} document" + ("s" if one.documents > 1 else "")
        lines += [(one.status, f"{documents}: {one.error}" if one.error else documents), ("what helps", one.remedy)]
    return lines


def example_lines(alignments: Mapping[str, Sequence[AlignmentExample | Example]]) -> list[tuple[str, str]]:
    """A line each for relations outside the schema that were kept, dropped and written from tail to head."""
    return [(f"e.g. {kind}", "; ".join(map(_example, alignments[kind]))) for kind in alignments]


def _example(example: AlignmentExample | Example) -> str:
    text = example.text
    shown = text if len(text) <= LONGEST_EXAMPLE else f"{text[:LONGEST_EXAMPLE]}..."
    return f"{shown!r} ~ {example.relation} {example.cosine:.2f} ({example.times:,}x)"


def result_lines(result: RunResult) -> list[tuple[str, str]]:
    manifest = result.manifest
    lines = answer_lines(result)
    if manifest.source == PredictionSource.ENCODER:
        loading_s = manifest.sessions[-1].loading_seconds
        rate = manifest.documents.asked / max(result.seconds - loading_s, 1e-9)
        return [
            *lines,
            ("time", f"{result.seconds:,.1f} s ({rate:,.1f} documents/s once loaded)"),
            ("stored in", str(result.folder.path)),
        ]
    if manifest.source == PredictionSource.IMPORTED:
        return [*lines, ("stored in", str(result.folder.path))]
    if manifest.adjusted:
        lines.append(("adjusted", f"{counts(manifest.adjusted)}: the server refuses these requests as asked"))
    if manifest.servers:
        lines.append(("servers", counts(manifest.servers)))
    level, asked = manifest.question.constraint.level, manifest.config.constrain
    if level != asked:
        lines.append(("constraint", f"{level}: {asked} is not possible, the model cannot be held to a grammar"))
    lines += [
        ("requests", f"{manifest.usage.requests:,}"),
        ("tokens", tokens_in_words(manifest.usage)),
        ("time", f"{result.seconds:,.1f} s{_borrowed(result)}"),
        ("cost", NOT_AVAILABLE if result.cost_usd is None else f"${result.cost_usd:.4f}"),
        ("stored in", str(result.folder.path)),
    ]
    return lines


def _borrowed(result: RunResult) -> str:
    count = result.answers_of_other_runs
    return f" ({count:,} answers came from the journal of other runs)" if count else ""


def score_lines(scored: Metrics, dataset: str = "") -> list[tuple[str, str]]:
    """Precision, recall, F1 and the breakdowns, in percent with two decimals; with what the corpus scores besides."""
    scores, source = scored.official, scored.label_source
    correct, predicted, gold = (f"{one or 0:,}" for one in (scores.correct, scores.predicted, scores.gold))
    if source == NO_LABELS:
        return [("scores", NOT_SCORED), ("predicted", f"{predicted} triplets")]

    def percent(score: float | None) -> str:
        return NOT_AVAILABLE if score is None else f"{100 * score:.2f}"

    outside = scores.not_candidates
    corpus = CORPORA.get(dataset)
    mentions = [percent(one) for one in (scores.mention_precision, scores.mention_recall, scores.mention_f1)]
    evidence = [percent(one) for one in (scores.evidence_precision, scores.evidence_recall, scores.evidence_f1)]
    ign = "n/a: no training file" if scores.ign_f1 is None else percent(scores.ign_f1)
    return [
        *([("labels", source.silver)] if source.silver else []),
        ("precision", f"{percent(scores.precision)} ({correct} of {predicted} predicted)"),
        ("recall", f"{percent(scores.recall)} ({correct} of {gold} gold)"),
        *([("not scored", f"{outside:,} predictions for pairs that are no candidates")] if outside else []),
        ("F1", percent(scores.f1)),
        *([("mention level", "P {}, R {}, F1 {}".format(*mentions))] if corpus and corpus.mention_level else []),
        ("Ign F1", ign),
        ("intra / inter F1", f"{percent(scores.intra_f1)} / {percent(scores.inter_f1)}"),
        ("macro P / R", f"{percent(scored.macro['precision'])} / {percent(scored.macro['recall'])}"),
        ("macro / pair F1", f"{percent(scores.macro_f1)} / {percent(scores.pair_f1)}"),
        *([("evidence", "P {}, R {}, F1 {}".format(*evidence))] if scores.evidence_f1 is not None else []),
    ]


def step_lines(steps: StepScores | None) -> list[tuple[str, str]]:
    """Precision, recall and F1 of each step, in percent with two decimals."""
    if steps is None:
        return []
    condition = "" if steps.given == "none" else f" given gold {steps.given}"
    return [
        (
            f"{step}{condition}",
            f"{_brief(one)} ({one.correct:,} of {one.predicted:,} found, {one.gold:,} gold)",
        )
        for step, one in steps.asked().items()
    ]


def end_to_end_lines(scored: StoredEndToEnd | None, given: str) -> list[tuple[str, str]]:
    """What of the entities that were found is right; the scores above are of triplets between exactly gold ones."""
    if scored is None:
        return []
    names = ("mentions", "entities", "relaxed")
    told = [
        (name, f"{_brief(one)}{' (given)' if name == given else ''}")
        for name in names
        for one in [getattr(scored, name)]
    ]
    return [("given", f"{given}; the scores above are of triplets between exactly gold entities"), *told]


def refinement_lines(refinement: RefinementScores | None, details: Mapping[str, int]) -> list[tuple[str, str]]:
    """What an LLM added to an encoder: scores before and after, what was asked, and the bound of any LLM."""
    if refinement is None:
        return []
    low, high = refinement.interval
    hard, easy = details.get("hard_pairs", 0), details.get("easy_pairs", 0)
    undecided = details.get("undecided", 0)
    return [
        ("encoder alone", _brief(refinement.encoder)),
        (
            "refined",
            f"F1 {100 * refinement.f1_difference:+.2f} (95% {100 * low:+.2f} to {100 * high:+.2f}, "
            f"p {refinement.p_value:.3f})",
        ),
        ("added", f"{refinement.added:,}: {refinement.added_right:,} right, {refinement.added_wrong:,} wrong"),
        ("pairs", f"{hard:,} hard, {easy:,} easy"),
        *([("undecided", f"{undecided:,} questions for want of probabilities")] if undecided else []),
        ("a perfect LLM", _brief(refinement.perfect_llm)),
    ]


def retrieval_lines(retrieval: RetrievalScores | None) -> list[tuple[str, str]]:
    """How much of the gold the chosen relations leave to be found."""
    if retrieval is None:
        return []
    share = 100 * retrieval.found / max(1, retrieval.gold)
    told = f"{share:.2f} recall at most: {retrieval.found:,} of {retrieval.gold:,} gold triplets have one of the"
    return [("retrieval", f"{told} {retrieval.relations} relations, of {retrieval.of:,}, that their document has")]


def proposal_lines(proposal: ProposalScores | None, encoder: EncoderOrigin | None) -> list[tuple[str, str]]:
    """What the candidate pairs are worth, which errors are theirs, and what they save."""
    if proposal is None:
        return []
    lines = [
        ("candidate pairs", _brief(proposal.pairs)),
        *([("proposed above", _threshold(encoder))] if encoder and encoder.threshold is not None else []),
        ("a perfect LLM", _brief(proposal.perfect_llm)),
        (
            "their errors",
            f"{proposal.share_of_errors:.1%} of {proposal.missed + proposal.wrong:,}: "
            f"{proposal.not_proposed:,} missed with their pair, {proposal.unrelated:,} on unrelated pairs"
            + (f"; {proposal.not_offered:,} missed as no option had their relation" if proposal.not_offered else ""),
        ),
    ]
    if saved := proposal.saved:
        compared = ", about ".join((_compared(saved.requests, "requests"), _compared(saved.tokens, "tokens")))
        lines.append(("against all pairs", f"{compared} than pairwise over all of them"))
    return lines


def _threshold(encoder: EncoderOrigin) -> str:
    chosen = f", chosen on {encoder.chosen_on}" if encoder.chosen_on else ""
    return f"NA's score {encoder.threshold:+.2f}{chosen}"


def _compared(saved: int, noun: str) -> str:
    """How many fewer ``noun`` a run took than another, or how many more where less than none were saved."""
    return f"{abs(saved):,} {'more' if saved < 0 else 'fewer'} {noun}"


def _brief(scores: StoredScores) -> str:
    return f"P {100 * scores.precision:.2f}, R {100 * scores.recall:.2f}, F1 {100 * scores.f1:.2f}"


def counts(numbers: Mapping[str, int]) -> str:
    """``7 ok, 2 truncated``, the most frequent first."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ordered)
