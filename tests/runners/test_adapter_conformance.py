"""The packaged adapter on every runner that takes adapters, with its real engine (tests/runners/conformance.py)."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from harness.errors import FatalError
from harness.methods.settings import choose_constraint
from harness.methods.table import create_method
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.types import Adapter, Completion, Request, Runner, Sampling
from runners.adapters import CONFIG, TRAINED, read_adapter
from tests.runners.conformance import WITH_ADAPTERS, Engines

for _package in ("peft", "gguf", "safetensors"):
    pytest.importorskip(_package, reason="needs pip install 'docre-harness[adapters,local]'")

one_loop = pytest.mark.asyncio(loop_scope="module")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
PACKAGED = TRAINED / "compact-smollm2"


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> tuple[Adapter, Adapter]:
    """The packaged one, and the same with a quarter of its strength: another adapter."""
    weak = shutil.copytree(PACKAGED, tmp_path_factory.mktemp("adapters") / "weak")
    config = json.loads((weak / CONFIG).read_text(encoding="utf-8"))
    (weak / CONFIG).write_text(json.dumps({**config, "lora_alpha": config["lora_alpha"] / 4}), encoding="utf-8")
    return read_adapter(PACKAGED), read_adapter(weak)


@pytest.fixture(scope="module")
async def engines(adapters: tuple[Adapter, Adapter]) -> AsyncIterator[Engines]:
    engines = Engines(adapters)
    yield engines
    await engines.close()


@pytest.fixture(scope="module", params=WITH_ADAPTERS)
async def runner(engines: Engines, request: pytest.FixtureRequest) -> Runner:
    return await engines.runner(request.param)


@pytest.fixture(scope="module")
def asked() -> Request:
    """What a run of the adapter's prompt asks about a sample document, in its first tokens, without a grammar."""
    config = RunConfig(model="smollm2-135m", prompt="compact", dataset="sample", limit=1)
    experiment = prepare(config, model_needed=False)
    (document,) = experiment.documents
    request = next(iter(experiment.method().demonstrate(document))).request
    return replace(request, sampling=Sampling(max_tokens=6), constraint=None, top_logprobs=5)


@pytest.fixture(scope="module")
def extracted() -> dict[str, set[tuple[str, int, str, int]]]:
    """What each engine extracted, kept because it is compared more than once."""
    return {}


async def told(runner: Runner, asked: Request, adapter: str) -> tuple[str, float]:
    """The first tokens of an answer, and the log-probability of the first one."""
    completion: Completion = await runner.generate(replace(asked, adapter=adapter))
    return completion.text, completion.logprobs[0].logprob


@one_loop
async def test_each_request_is_answered_by_the_adapter_that_it_names(
    runner: Runner, asked: Request, adapters: tuple[Adapter, Adapter]
) -> None:
    names = ("", *(one.sha256 for one in adapters))
    assert set(names[1:]) == set(runner.supports.adapters)
    first = [await told(runner, asked, name) for name in names]
    again = [await told(runner, asked, name) for name in reversed(names)]
    assert len({logprob for _, logprob in first}) == len(names)
    for (text, logprob), (text_again, logprob_again) in zip(first, reversed(again), strict=True):
        assert text == text_again
        assert logprob == pytest.approx(logprob_again, abs=0.05)


@one_loop
async def test_an_adapter_that_the_runner_was_not_given_is_refused(runner: Runner, asked: Request) -> None:
    with pytest.raises(FatalError, match="not started with the adapter 0000"):
        await told(runner, asked, "0" * 64)


@one_loop
@pytest.mark.parametrize("engine", [engine for engine in WITH_ADAPTERS if engine != "transformers"])
async def test_the_first_token_is_as_likely_as_in_transformers(
    engines: Engines, engine: str, asked: Request, adapters: tuple[Adapter, Adapter]
) -> None:
    reference, runner = await engines.runner("transformers"), await engines.runner(engine)
    for adapter in adapters:
        expected = await reference.generate(replace(asked, adapter=adapter.sha256))
        found = await runner.generate(replace(asked, adapter=adapter.sha256))
        assert found.logprobs[0].token == expected.logprobs[0].token
        assert found.logprobs[0].logprob == pytest.approx(expected.logprobs[0].logprob, abs=0.3)


# As without an adapter (tests/runners/test_conformance.py), the last digits decide where two tokens are nearly equal.
@one_loop
@pytest.mark.parametrize("engine", [engine for engine in WITH_ADAPTERS if engine != "transformers"])
async def test_the_adapter_gives_the_triplets_that_it_gives_in_transformers(
    engines: Engines,
    engine: str,
    adapters: tuple[Adapter, Adapter],
    extracted: dict[str, set[tuple[str, int, str, int]]],
) -> None:
    for one in ("transformers", engine):
        runner = await engines.runner(one)
        if one not in extracted:
            extracted[one] = await _extracted(runner, adapters[0])
    first, second = extracted["transformers"], extracted[engine]
    agreement = 2 * len(first & second) / (len(first) + len(second))
    assert len(first) > 3, "the model alone finds hardly any"
    assert agreement >= 0.5, f"{agreement:.2f}: {sorted(first)} against {sorted(second)}"


async def _extracted(runner: Runner, adapter: Adapter) -> set[tuple[str, int, str, int]]:
    """The triplets of two sample documents, asked one by one, greedy, held to the closed grammar."""
    config = RunConfig(
        model="smollm2-135m", prompt="compact", dataset="sample", limit=2, adapter={"": str(adapter.folder)}
    )
    experiment = prepare(config, model_needed=False)
    assert experiment.settings.adapters == {"": adapter.sha256}
    _, form = choose_constraint("closed", runner.supports)
    sampling = replace(experiment.settings.sampling, max_tokens=160)
    method = create_method(replace(experiment.settings, form=form, sampling=sampling))
    return {
        (document.title, *prediction.triplet)
        for document in experiment.documents
        for prediction in (await method.extract(document, runner.generate)).predictions
    }
