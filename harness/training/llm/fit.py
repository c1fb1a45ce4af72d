"""From a model, a prompt and labelled documents to an adapter on disk, and what the model scores with it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.datasets.splits import CHOOSE, REPORT, Split
from harness.encoders.config import with_options
from harness.encoders.seen import Seen, seen_by
from harness.errors import ContextOverflow, InputError
from harness.json_files import json_text
from harness.methods.base import PromptMethod
from harness.models import load_models, on_runner
from harness.prompting.variant import load_variant
from harness.runs.config import RunConfig
from harness.runs.plan import Experiment, prepare
from harness.scoring.official import score
from harness.training.data import check_relations, data_record, labels_record, split_to_train_on
from harness.training.earlier import refuse_seen
from harness.training.fit import begun
from harness.training.folder import Trained, TrainingFolder, finished_training
from harness.training.llm.adapter import checkpoint_activations, new_adapter, save_adapter
from harness.training.llm.card import write_card
from harness.training.llm.config import PRESETS, LlmTrainingConfig
from harness.training.llm.examples import exchanges_of, with_sampled_pairs
from harness.training.llm.figure import draw_training
from harness.training.memory import within_memory
from harness.training.processes import is_one_of_several, on_this_machine
from harness.types import Dataset, Document, Prediction
from runners.adapters import WEIGHTS, merged_into
from runners.hardware import usable_cores

if TYPE_CHECKING:
    from accelerate import Accelerator

    from harness.training.llm.trainer import AdapterTrainer
    from harness.training.trainer import Watcher
    from runners.transformers_local import TransformersRunner

RUNNER = "transformers"
"""The runner that a model is trained through: it also answers the documents to choose by."""

ANSWERED_TOGETHER = 8

Judging = Callable[[int, int], None]
"""Who hears how many of how many documents are answered."""


@dataclass(frozen=True)
class AdapterJob:
    """What the user asked for: an adapter of one seed, for one prompt, or one ``step`` of a prompt in steps.

    ``run`` says what a run would ask: model, prompt, its options, candidates. The documents are those of a
    DataJob. ``preset`` names settings of a paper, which ``options``, fields of LlmTrainingConfig, change.
    """

    run: RunConfig
    train: str
    dev: str | None = None
    test: str | None = None
    choose: int = CHOOSE
    report: int = REPORT
    few_shot: int | None = None
    seed: int = 0
    data_dir: Path | None = None
    step: str | None = None
    preset: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> LlmTrainingConfig:
        """The training's settings; InputError for an option or a preset that there is not."""
        if self.preset is not None and self.preset not in PRESETS:
            raise InputError(f"--preset {self.preset}: there is {', '.join(PRESETS)}")
        if unknown := sorted(
            self.options.keys() - LlmTrainingConfig.model_fields.keys() | self.options.keys() & {"seed"}
        ):
            names = sorted(LlmTrainingConfig.model_fields.keys() - {"seed"})
            raise InputError(f"-O {unknown[0]}: there is {', '.join(names)}" + " (and --seed)")
        preset = PRESETS[self.preset] if self.preset else {}
        return with_options(LlmTrainingConfig(**preset, seed=self.seed), self.options)


def steps_of(job: AdapterJob) -> list[str]:
    """The steps that the prompt asks about the training documents, in their order."""
    dataset, split, _ = split_to_train_on(job)
    method = _experiment(job, dataset).method()
    return list(dict.fromkeys(one.step for document in split.train for one in method.demonstrate(document)))


@within_memory("lower -O at_once or -O max_length, or add -O checkpointing=true")
def train_adapter(job: AdapterJob, folder: Path, watcher: Watcher) -> Trained:
    """Train, keep the best adapter in ``folder``, and score the reporting documents with it.

    A training that was cut off resumes from the last step that was stored when the same job is run again; of one that
    is finished, the stored outcome is given back. Raises InputError for unfit data or options, or a folder that holds
    another training.
    """
    return asyncio.run(_train(job, folder, watcher))


async def _train(job: AdapterJob, folder: Path, watcher: Watcher) -> Trained:
    config = job.config()
    dataset, split, origin = split_to_train_on(job)
    check_relations(job, split, dataset.schema)
    if not any(document.labels for document in dataset.documents):
        raise InputError(f"--train {job.train}: no document has a label: only empty answers would be learned")
    experiment = _experiment(job, dataset)
    # What a run leaves out is no part, so that an option that runs are given later changes no training.
    asked = {name: value for name, value in experiment.resolved().items() if name != "dataset" and value is not None}
    question = {
        "task": "llm",
        "asked": asked,
        "step": job.step,
        "training": config.model_dump(mode="json", exclude_none=True),
        "data": data_record(job, split, origin),
    }
    # As it is stored: JSON has no tuples.
    question = json.loads(json_text(question))
    if (merged := merged_into(experiment.spec.model_id)) is not None:
        refuse_seen(seen_by(merged.folder), split, job)
    if (finished := finished_training(folder, question, WEIGHTS)) is not None:
        return finished
    runner: Any = experiment.runner
    accelerator = begun(config, on_cpu=runner.is_on_cpu)
    is_sharded = bool(accelerator.distributed_type == "FSDP")
    if is_sharded and (split.report or (split.choose and config.choose_documents)):
        raise InputError(
            "with FSDP no process can answer documents by itself: give -O choose_documents=0 and --report 0, "
            "and score with `harness run`"
        )
    runner.load_for_training(quantize=config.quantize == "4bit", shard=is_sharded)
    async with runner:
        return await _trained(job, config, experiment, runner, split, question, folder, watcher, accelerator)


async def _trained(
    job: AdapterJob,
    config: LlmTrainingConfig,
    experiment: Experiment,
    runner: TransformersRunner,
    split: Split,
    question: Mapping[str, Any],
    folder: Path,
    watcher: Watcher,
    accelerator: Accelerator,
) -> Trained:
    from accelerate.utils import set_seed

    from harness.training.llm.trainer import AdapterTrainer
    from harness.training.trainer import Epoch

    model, tokenizer = runner.loaded
    context = model.config.max_position_embeddings
    method = _within_context(experiment, context).method()
    taught = with_sampled_pairs(method, config.na, config.seed)
    exchanges = partial(
        exchanges_of,
        method=taught,
        chat=runner,
        tokenizer=tokenizer,
        end=runner.end_of_turn,
        config=config,
        context=context,
        step=job.step,
    )
    train = exchanges(split.train)
    is_part = _is_part(job, method, split.train)
    answered = split.choose[: config.choose_documents] if config.choose_documents and not is_part else ()
    judged = exchanges(split.choose) if split.choose and not answered else None
    base = _base(job, experiment, runner)
    facts = {
        "base": base,
        "prompt": question["asked"]["prompt"],
        "output": experiment.settings.output,
        "step": job.step,
        "training": question["training"],
    }
    set_seed(config.seed)
    adapted = new_adapter(model, config)
    if config.checkpointing:
        checkpoint_activations(adapted)
    trainer = AdapterTrainer(adapted, config, train, accelerator)

    seen = Seen.of(split.train, split.choose, experiment.dataset.schema)
    files = TrainingFolder(folder, question, seen, trainer, WEIGHTS, labels_record(split.train))
    files.begin()
    files.resume()
    while not trainer.is_over:
        loss, seconds = trainer.train_epoch(watcher, files.finished)
        started, epoch = time.perf_counter(), len(trainer.progress.curve) + 1
        line, quality = Epoch(epoch, loss, seconds), float(epoch)
        if judged is not None:
            held_out = trainer.loss_of(judged.all(), partial(watcher.judging, "held-out loss, batches"))
            line, quality = replace(line, held_out_loss=held_out), -held_out
        elif answered and (epoch == config.epochs or epoch % config.choose_every == 0):
            found = await _scores(answered, method, trainer, runner, partial(watcher.judging, "answering documents"))
            line = replace(line, precision=found["precision"], recall=found["recall"], f1=found["f1"])
            quality = found["f1"]
        elif answered:
            quality = -1.0
        line = replace(line, seconds=line.seconds + time.perf_counter() - started)
        best = trainer.progress
        # Of epochs alike, such as those without a right triplet yet, the last has learned most.
        is_best = epoch == 1 or quality >= best.best_f1
        if is_best:
            best.best_f1, best.best_epoch = quality, epoch
            weights = trainer.weights()
            if trainer.is_main_process:
                save_adapter(folder, trainer.model, weights, _loaded(job.run.model), facts)
        trainer.end_epoch(line)
        files.finished()
        watcher.epoch(line, is_best)
    judging = partial(watcher.judging, "answering documents for the report")
    reported = await _reported(() if is_part else split.report, method, trainer, runner, folder, judging)
    progress = trainer.progress
    seconds = sum(line.seconds for line in progress.curve)
    trained = Trained(folder, progress.curve[progress.best_epoch - 1], reported, seconds)
    if trainer.is_main_process:
        is_drawn = draw_training(folder, progress.curve, progress.best_epoch)
        write_card(folder, question, job.run, base["name"], progress, trained, is_drawn=is_drawn, is_part=is_part)
    files.end(trained)
    trainer.wait_for_others()
    return trained


def _is_part(job: AdapterJob, method: PromptMethod, documents: Sequence[Document]) -> bool:
    """Whether other steps of the prompt, for which the adapter is not, would have a share in its scores."""
    return job.step is not None and any(
        one.step != job.step for document in documents for one in method.demonstrate(document)
    )


def _experiment(job: AdapterJob, dataset: Dataset) -> Experiment:
    """What a run of the prompt would ask, with the model in this process and the prompt's own number of triplets."""
    model = on_runner(job.run.model, RUNNER)
    variant = load_variant(job.run.prompt)
    most = job.run.max_triplets or variant.description.max_triplets
    # Processes that train together share the cores.
    threads = {"threads": str(max(1, usable_cores() // on_this_machine()))} if is_one_of_several() else {}
    options = {**threads, **job.run.model_options}
    run = replace(job.run, model=model, model_options=options, dataset=job.train, max_triplets=most)
    return prepare(run, dataset=dataset)


def _within_context(experiment: Experiment, context: int) -> Experiment:
    """The experiment with answers of half the context at most, which is known once the model is loaded."""
    sampling = experiment.settings.sampling
    sampling = replace(sampling, max_tokens=min(sampling.max_tokens, context // 2))
    return replace(experiment, settings=replace(experiment.settings, sampling=sampling))


def _base(job: AdapterJob, experiment: Experiment, runner: TransformersRunner) -> dict[str, Any]:
    """The model that the adapter is for, as far as others can be told from it."""
    from runners.content import file_digest
    from runners.model_file import is_gguf

    model, _ = runner.loaded
    spec, file = experiment.spec, Path(experiment.spec.model_id).expanduser()
    is_file = is_gguf(spec.model_id) and file.is_file()
    return {
        "name": _run_as(job.run.model),
        "file_sha256": file_digest(file) if is_file else spec.extra.get("file_sha256"),
        "architecture": model.config.model_type,
        "hidden_size": model.config.hidden_size,
        "layers": model.config.num_hidden_layers,
        "vocabulary": model.config.vocab_size,
    }


def _loaded(model: str) -> str:
    """The model of a training as transformers, and other software, names what it loads."""
    return on_runner(model, RUNNER).removeprefix(f"{RUNNER}/")


def _run_as(model: str) -> str:
    """The value of ``--model`` by which a run asks the model of a training: a row by its name, on the row's runner."""
    row = model.removeprefix(f"{RUNNER}/")
    return row if row in load_models() else on_runner(model, RUNNER) if Path(model).is_dir() else model


async def _scores(
    documents: Sequence[Document],
    method: PromptMethod,
    trainer: AdapterTrainer,
    runner: TransformersRunner,
    judging: Judging,
) -> dict[str, Any]:
    """The official scores of the model as it is now, answering as in a run; each process answers its share."""
    trainer.model.eval()
    together = asyncio.Semaphore(ANSWERED_TOGETHER)

    mine, done = trainer.share(documents), itertools.count(1)
    judging(0, len(mine))

    async def predicted(document: Document) -> tuple[Prediction, ...]:
        async with together:
            try:
                return (await method.extract(document, runner.generate)).predictions
            except ContextOverflow:  # which a run counts as a document without an answer
                return ()
            finally:
                judging(next(done), len(mine))

    found = await asyncio.gather(*map(predicted, mine))
    answers = trainer.gathered([(one.title, list(answer)) for one, answer in zip(mine, found, strict=True)])
    return score(documents, dict(answers)).as_dict()


async def _reported(
    documents: Sequence[Document],
    method: PromptMethod,
    trainer: AdapterTrainer,
    runner: TransformersRunner,
    folder: Path,
    judging: Judging,
) -> Mapping[str, Any] | None:
    """The scores of what was kept on the reporting documents; None where there are none."""
    if not documents:
        return None
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    trainer.wait_for_others()  # the main process stores what is read here
    set_peft_model_state_dict(trainer.model, load_file(folder / WEIGHTS))
    return await _scores(documents, method, trainer, runner, judging)
