"""What every runner does alike, each shown with its real engine (tests/runners/conformance.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import get_args

import pytest

from harness.answers.entities import EntityForm
from harness.answers.option import Option, OptionForm
from harness.answers.reasoned import WORD_CHARACTERS, ReasonedForm
from harness.answers.triplet_reading import parse_triplets
from harness.answers.triplets import TripletForm
from harness.datasets.registry import load_dataset
from harness.errors import ContextOverflow, FatalError, RunnerError
from harness.methods.settings import choose_constraint
from harness.methods.table import create_method
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.types import ConstraintLevel, CountsTokens, DrawsSamples, GrammarForm, Message, Request, Runner, Sampling
from runners.in_process import InProcessRunner
from tests.runners.conformance import CONTEXT, ENGINES, Engines, ask, new_runner, only, skip_without
from tests.variants import VARIANTS, kind_of, settings_of

one_loop = pytest.mark.asyncio(loop_scope="module")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NAMES = ("Zoë Ångström", "東京", "O'Neill (Ltd.)", "Saint-Étienne | nord")
RELATIONS = ("country", "place of birth", "head of government")
FORMS: tuple[GrammarForm, ...] = get_args(GrammarForm)


@pytest.fixture(scope="module")
async def engines() -> AsyncIterator[Engines]:
    engines = Engines()
    yield engines
    await engines.close()


@pytest.fixture(scope="module", params=ENGINES)
async def runner(engines: Engines, request: pytest.FixtureRequest) -> Runner:
    return await engines.runner(request.param)


@pytest.fixture(scope="module")
def extracted() -> dict[str, set[tuple[str, int, str, int]]]:
    """What each engine extracted, kept because it is compared more than once."""
    return {}


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_runner_that_is_not_started_answers_nothing(engine: str) -> None:
    skip_without(engine)
    runner = new_runner(engine, "http://127.0.0.1:1/v1" if engine == "openai_api" else None)
    runner.check()
    with pytest.raises(FatalError, match="not started"):
        await runner.generate(ask("Hello"))


@one_loop
async def test_the_runner_keeps_its_contract(runner: Runner) -> None:
    assert isinstance(runner, Runner)
    assert runner.identity["provider"]
    assert runner.identity["model"]
    assert runner.supports.forms
    assert runner.supports.context == CONTEXT
    runner.check()


@one_loop
async def test_a_plain_answer_has_text_tokens_and_time(runner: Runner) -> None:
    await runner.probe(ask("Name a colour."))
    completion = await runner.generate(ask("Name a colour."))
    assert completion.text.strip()
    assert completion.usage.prompt_tokens > 10
    assert 0 < completion.usage.completion_tokens <= 16
    assert completion.latency_s > 0
    assert completion.logprobs == ()


@one_loop
@pytest.mark.parametrize("form", FORMS)
async def test_a_closed_answer_is_valid_in_every_form_that_is_claimed(runner: Runner, form: GrammarForm) -> None:
    if form not in runner.supports.forms:
        for call in (runner.probe, runner.generate):
            with pytest.raises(FatalError, match=form):
                await call(ask("Hello", constraint=only("yes", form)))
        return
    await runner.probe(ask("Hello", constraint=only("yes", form)))
    grammar = TripletForm(NAMES, RELATIONS, "closed", 2)
    shown = "\n".join(f"({head} | country | {tail})" for head, tail in (("Ann", "Bob"), ("Bob", "Ann")))
    messages = (
        Message("user", "Write the facts about Ann and Bob."),
        Message("assistant", f"{shown}\nEND"),
        Message("user", f"Write the facts about {', '.join(NAMES)}."),
    )
    completion = await runner.generate(Request(messages, Sampling(max_tokens=200), grammar.render(form)))
    assert completion.finish_reason == "stop"
    parsed = parse_triplets(completion.text)
    assert parsed.rejects == ()
    assert 1 <= len(parsed.entries) <= 2
    for head, relation, tail in parsed.entries:
        assert {head, tail} <= set(NAMES)
        assert relation in RELATIONS
        assert head != tail or form in ("regex", "json_schema")
    assert form == "json_schema" or completion.text.endswith("END")


@one_loop
async def test_sentences_named_for_triplets_are_those_of_the_document(runner: Runner) -> None:
    form = runner.supports.forms[0]
    grammar = TripletForm(("Ann", "Bob"), RELATIONS, "closed", 2, sentences=12)
    messages = (
        Message("user", "[0] Ann lives in Rome.\n[1] Bob was born there.\nWrite the facts with their sentences."),
        Message("assistant", "(Ann | country | Bob | 0, 1)\nEND"),
        Message("user", "[0] Bob is a king.\n[11] Ann is at home.\nWrite the facts with their sentences."),
    )
    completion = await runner.generate(Request(messages, Sampling(max_tokens=120), grammar.render(form)))
    parsed = grammar.read(completion)
    assert (completion.finish_reason, parsed.rejects, parsed.terminated) == ("stop", (), True)
    assert any(one.evidence for one in parsed.entries)


@one_loop
async def test_a_list_can_end_at_once_and_must_end_in_its_terminator(runner: Runner) -> None:
    grammar = TripletForm(("one",), RELATIONS, "closed", 2)
    completion = await runner.generate(ask("List facts.", 40, grammar.render(runner.supports.forms[0])))
    assert (completion.text, completion.finish_reason) == ("END", "stop")


@one_loop
async def test_one_grammar_holds_reasoning_and_the_answer_after_it(runner: Runner) -> None:
    form = ReasonedForm(TripletForm(("one",), RELATIONS, "closed", 2), words=3)
    completion = await runner.generate(ask("List facts.", 60, form.render(runner.supports.forms[0])))
    apart = form.apart(completion)
    assert (apart.text, apart.finish_reason) == ("END", "stop")
    words = apart.reasoning.split(" ")
    assert 1 <= len(words) <= 3
    assert all(1 <= len(word) <= WORD_CHARACTERS for word in words)


@one_loop
@pytest.mark.parametrize("level", ["typed", "format"])
async def test_the_engine_reads_the_grammars_of_all_prompts(runner: Runner, level: ConstraintLevel) -> None:
    """The most that a grammar holds: types or free relations, evidence, and reasoning before the answer."""
    dataset = load_dataset("sample")
    document = next(iter(dataset.documents))
    constraints = set()
    if level == "format":
        entities = EntityForm(("Person", "Location"), 40, 10)
        constraints.add(entities.render(choose_constraint(level, runner.supports)[1]))
    for prompt in VARIANTS:
        kind = kind_of(prompt)
        in_order = prompt in ("compact", "grouped") and level == "format"  # they list relations in the schema's order
        if not kind.ranks_candidates and not in_order:  # some are answered by one token, or as judge
            _, form = choose_constraint(level, runner.supports, kind.forms)
            more = {"evidence": "sentences"} if kind.names_evidence else {}
            settings = replace(settings_of(prompt, dataset.schema, form, reasoning="brief", **more), level=level)
            demonstrations = create_method(settings).demonstrate(document)
            constraints |= {one.request.constraint for one in {one.step: one for one in demonstrations}.values()}
    assert len(constraints) > 8
    for constraint in constraints:
        completion = await runner.generate(ask("Hello", 1, constraint))
        assert completion.usage.completion_tokens == 1


@one_loop
async def test_the_token_limit_cuts_and_says_so(runner: Runner) -> None:
    completion = await runner.generate(ask("Count from 1 to 900.", 5))
    assert (completion.finish_reason, completion.usage.completion_tokens) == ("length", 5)


@one_loop
async def test_greedy_answers_repeat_themselves(runner: Runner) -> None:
    first, second = [await runner.generate(ask("Tell me about Paris.")) for _ in range(2)]
    assert first.text == second.text


@one_loop
async def test_a_stop_text_ends_the_answer_and_stays_out_of_it(runner: Runner) -> None:
    request = ask("Say yes.", 8, only("one, two, three", runner.supports.forms[0]))
    completion = await runner.generate(replace(request, sampling=Sampling(max_tokens=12, stop=(", two",))))
    assert (completion.text, completion.finish_reason) == ("one", "stop")


@one_loop
async def test_seeds_and_repeats_tell_samples_apart_and_bring_them_back(runner: Runner) -> None:
    warm = replace(ask("Write a story about"), sampling=Sampling(max_tokens=12, temperature=1.5, top_p=0.95, seed=7))
    samples = [await runner.generate(replace(warm, repeat=repeat)) for repeat in (0, 0, 1, 2, 3)]
    assert samples[0].text == samples[1].text
    assert len({sample.text for sample in samples[1:]}) > 1


@one_loop
async def test_several_samples_come_in_one_call_or_one_by_one(runner: Runner) -> None:
    if not isinstance(runner, DrawsSamples):
        pytest.skip("it draws one sample a call")
    warm = replace(ask("Write a story about"), sampling=Sampling(max_tokens=12, temperature=1.5, top_p=0.95, seed=7))
    drawn = list(await runner.generate_samples(warm, 3))
    if len(drawn) < 3:
        assert not runner.supports.samples, "it is not asked so again"
    else:
        assert len({sample.text for sample in drawn}) > 1
    assert drawn[0].usage.prompt_tokens > 0
    assert {sample.usage.prompt_tokens for sample in drawn[1:]} <= {0}
    assert all(0 < sample.usage.completion_tokens <= 12 for sample in drawn)


@one_loop
async def test_log_probabilities_come_with_alternatives_best_first(runner: Runner) -> None:
    completion = await runner.generate(ask("Name a colour.", 2, top_logprobs=5))
    assert len(completion.logprobs) == 2
    for token in completion.logprobs:
        assert len(token.top) == 5
        assert token.top[0] == (token.token, token.logprob)
        values = [logprob for _, logprob in token.top]
        assert values == sorted(values, reverse=True)
        assert token.logprob < 0


@one_loop
@pytest.mark.parametrize("labels", [("true", "false"), ("A", "B", "C")])
async def test_labels_are_read_however_improbable_they_are(runner: Runner, labels: tuple[str, ...]) -> None:
    form = OptionForm(tuple(map(Option, labels)))
    request = ask("Tell me about Paris.", 4, form.render(runner.supports.forms[0]), top_logprobs=2)
    known = form.read(await runner.generate(replace(request, labels=labels))).probabilities
    assert known
    assert all(known.read), "also outside the two most probable tokens"
    # Transformers and vLLM return every token that spells a label, llama.cpp the 1,000 most probable ones.
    assert max(known.unread) < (1e-9 if isinstance(runner, InProcessRunner) else 0.02)


@one_loop
async def test_a_begun_answer_goes_on(runner: Runner) -> None:
    begun = Request((Message("user", "Count to nine."), Message("assistant", "1 2 3 4")), Sampling(max_tokens=2))
    if not runner.supports.continues:
        with pytest.raises(FatalError, match="starts every answer anew"):
            await runner.generate(begun)
        return
    completion = await runner.generate(replace(begun, top_logprobs=5))
    assert not completion.text.startswith("1 2 3 4"), "the beginning is the prompt's"
    assert completion.text.split()[:1] == ["5"]
    assert "".join(token.token for token in completion.logprobs).split()[:1] == ["5"]


@one_loop
async def test_a_prompt_that_is_too_long_is_an_overflow(runner: Runner) -> None:
    with pytest.raises(ContextOverflow, match=str(CONTEXT)):
        await runner.generate(ask("word " * 5000))


@one_loop
async def test_a_grammar_that_cannot_be_read_is_an_error_and_spoils_nothing(runner: Runner) -> None:
    form = runner.supports.forms[0]
    broken = replace(only("yes", form), text={"gbnf": "root ::= nothing", "lark": "start: nothing"}[form])
    with pytest.raises(RunnerError):
        await runner.generate(ask("Hello", 5, broken))
    assert (await runner.generate(ask("Hello", 5, only("yes", form)))).text == "yes"


@one_loop
async def test_eight_at_once_get_each_its_own_answer(runner: Runner) -> None:
    words = [f"answer-{number}" for number in range(8)]
    form = runner.supports.forms[0]
    completions = await asyncio.gather(*(runner.generate(ask("Hello", 16, only(word, form))) for word in words))
    assert [completion.text for completion in completions] == words


@one_loop
async def test_what_is_asked_together_is_answered_as_if_asked_alone(runner: Runner) -> None:
    requests = [ask("Name a colour.", 6), ask("Tell me about the city of Paris and its river.", 6)]
    alone = [(await runner.generate(request)).text for request in requests]
    together = await asyncio.gather(*(runner.generate(request) for request in requests))
    assert [completion.text for completion in together] == alone


@one_loop
async def test_a_cancelled_request_leaves_the_others_alone(runner: Runner) -> None:
    long = asyncio.create_task(runner.generate(ask("Tell me a very long story.", 2000)))
    await asyncio.sleep(0.2)
    long.cancel()
    with pytest.raises(asyncio.CancelledError):
        await long
    completion = await runner.generate(ask("Hello", 5, only("yes", runner.supports.forms[0])))
    assert completion.text == "yes"


# A template that refuses a system message, as Gemma's does, and one that leaves it out.
TURNS = (
    "{% for message in messages %}{% if message.role != 'system' %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endif %}{% endfor %}<|im_start|>assistant\n"
)
REFUSING = (
    f"{{% if messages[0].role == 'system' %}}{{{{ raise_exception('System role not supported') }}}}{{% endif %}}{TURNS}"
)


@one_loop
@pytest.mark.parametrize("template", [REFUSING, TURNS], ids=["refuses", "leaves out"])
async def test_a_system_message_that_the_template_does_not_take_opens_the_users(
    runner: Runner, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(runner, InProcessRunner):
        pytest.skip("llama.cpp does so itself; for other servers see test_openai_chat.py and test_vllm_server.py")
    for name, value in (("_template", template), ("_system_role", True), ("_takes_system", False)):
        monkeypatch.setattr(runner, name, value)
    messages = (Message("system", "Be brief."), Message("user", "Name a colour."))
    apart = await runner.generate(Request(messages, Sampling(max_tokens=2)))
    merged = await runner.generate(ask("Be brief.\n\nName a colour.", 2))
    assert apart.adjusted == ("system message put into the first user message",)
    assert merged.adjusted == ()
    assert (apart.text, apart.usage) == (merged.text, merged.usage)


@one_loop
async def test_a_system_message_that_the_template_takes_stays_one(runner: Runner) -> None:
    messages = (Message("system", "Be brief."), Message("user", "Name a colour."))
    asked = Request(messages, Sampling(max_tokens=2), only("red", runner.supports.forms[0]))
    await runner.probe(asked)
    assert (await runner.generate(asked)).adjusted == ()


@one_loop
async def test_tokens_are_counted_as_they_are_charged(runner: Runner) -> None:
    if not isinstance(runner, CountsTokens):
        pytest.skip("a server behind an API counts no tokens in advance")
    request = ask("Extract é <|im_end|> from 東京.", 1)
    completion = await runner.generate(request)
    assert await runner.count_tokens(request.messages) == completion.usage.prompt_tokens


# Where the two best tokens are nearly equal, the last digits decide, and one such token changes the rest of the
# answer: llama.cpp multiplies the 4-bit weights with 8-bit activations and sums in another order when its cache
# holds a part of the prompt; transformers has the same weights, unpacked, in float32; vLLM has them in bfloat16.
@one_loop
@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        ("llama_cpp", "openai_api", 0.8),
        ("llama_cpp", "transformers", 0.5),
        ("vllm_server", "vllm_inprocess", 0.7),
        ("vllm_inprocess", "llama_cpp", 0.3),
    ],
)
async def test_the_same_weights_give_the_same_triplets(
    engines: Engines, extracted: dict[str, set[tuple[str, int, str, int]]], one: str, other: str, least: float
) -> None:
    for engine in (one, other):
        runner = await engines.runner(engine)
        if engine not in extracted:
            extracted[engine] = await _extracted(runner)
    first, second = extracted[one], extracted[other]
    assert first
    agreement = 2 * len(first & second) / (len(first) + len(second))
    assert agreement >= least, f"{agreement:.2f}: {sorted(first)} against {sorted(second)}"


async def _extracted(runner: Runner) -> set[tuple[str, int, str, int]]:
    """The triplets of three sample documents, asked one by one, greedy, held to the closed grammar."""
    config = RunConfig(model="smollm2-135m", prompt="tagged", dataset="sample", limit=3, max_triplets=4)
    experiment = prepare(config, model_needed=False)
    _, form = choose_constraint("closed", runner.supports)
    method = create_method(replace(experiment.settings, form=form))
    return {
        (document.title, *prediction.triplet)
        for document in experiment.documents
        for prediction in (await method.extract(document, runner.generate)).predictions
    }
