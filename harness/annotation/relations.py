"""What relations mean, as a language model drafts it from their names and some labels of a corpus."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

from harness.datasets.schema_draft import DraftedText
from harness.models import resolve_model
from harness.runs.config import RunConfig
from harness.runs.sources.llm import runner_of
from harness.types import Dataset, Message, Relation, Request, Sampling

EXAMPLES = 3
"""Labels of a relation that the model is shown."""
AT_ONCE = 8
ENOUGH = 160
"""Tokens of an answer."""
_ANSWER = re.compile(r"Description:\s*(?P<description>[^\n]+\.)\s*\n+Statement:\s*(?P<statement>[^\n]+\.)\s*")
_PROMPT = """\
The relation "{name}" links a head entity to a tail entity.{examples}
Write two lines. The first says in one plain sentence what the relation means, in the words "the head" and "the tail".
The second is a sentence that states the relation, with {{head}} and {{tail}} once each:
Description: The head is ... the tail.
Statement: {{head}} ... {{tail}}."""


async def drafted_texts(dataset: Dataset, config: RunConfig) -> dict[str, DraftedText]:
    """The texts of each relation, by id; relations of which the answer is of another form are left out.

    The model of ``config`` is asked once for each relation. Raises InputError or ModelUnavailable where it cannot be
    had, and as its runner does where it does not answer.
    """
    spec = resolve_model(config.model, config.base_url)
    runner = runner_of(config, spec)
    runner.check()
    examples = _examples(dataset)
    slots = asyncio.Semaphore(min(AT_ONCE, runner.supports.max_connections or AT_ONCE))

    async def draft(relation: Relation) -> DraftedText | None:
        prompt = _PROMPT.format(name=relation.name, examples=examples.get(relation.id, ""))
        async with slots:
            answer = await runner.generate(Request((Message("user", prompt),), Sampling(max_tokens=ENOUGH)))
        return read_text(answer.text)

    async with runner:
        found = await asyncio.gather(*map(draft, dataset.schema.relations))
    return {one.id: text for one, text in zip(dataset.schema.relations, found, strict=True) if text is not None}


def read_text(answer: str) -> DraftedText | None:
    """Description and statement of an answer; None where they are missing or the statement has other slots."""
    match = _ANSWER.search(answer.strip() + "\n")
    if match is None or sorted(re.findall(r"\{[^{}]*\}|[{}]", match["statement"])) != ["{head}", "{tail}"]:
        return None
    return DraftedText(match["description"].strip(), match["statement"].strip())


def _examples(dataset: Dataset) -> Mapping[str, str]:
    """By relation, a sentence that names head and tail of some labels, as part of the prompt."""
    shown: dict[str, list[str]] = {}
    for document in dataset.documents:
        for label in document.labels:
            head, relation, tail = label.triplet
            pairs = shown.setdefault(relation, [])
            if len(pairs) < EXAMPLES and head != tail:
                pairs.append(f"{document.entities[head].name} -> {document.entities[tail].name}")
    return {relation: f" For example, from head to tail: {'; '.join(pairs)}." for relation, pairs in shown.items()}
