"""Adapters of LLMs: what is learned, that a killed training resumes, what is stored, and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.encoders.seen import Role, seen_by
from harness.errors import InputError, ModelUnavailable, StorageError
from harness.methods.candidates import GoldAndUnrelatedPairs
from harness.runs.config import RunConfig
from harness.training.fit import TrainingJob, train_encoder
from harness.training.folder import LOCK
from harness.training.llm.card import CARD
from harness.training.llm.config import LlmTrainingConfig
from harness.training.llm.examples import Exchange, Exchanges, exchanges_of
from harness.training.llm.figure import FIGURE, draw_training
from harness.training.llm.fit import AdapterJob, steps_of, train_adapter
from harness.training.llm.trainer import AdapterTrainer
from harness.training.memory import within_memory
from harness.training.trainer import Epoch
from runners.adapters import CONFIG, RECORD, WEIGHTS
from tests.commands import error_line, harness, harness_here
from tests.documents import document
from tests.encoders.small import Killed, Recorder
from tests.tiny_llm import tiny_llm

OPTIONS = {"epochs": "2", "batch_size": "2", "lr": "0.01", "rank": "4", "choose_documents": "0", "max_length": "4096"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llm(tmp_path_factory.mktemp("model"))


@pytest.fixture
def job(model: Path, corpus: Path) -> AdapterJob:
    run = RunConfig(model=str(model), prompt="compact")
    return AdapterJob(run, str(corpus), choose=2, report=0, few_shot=6, options=OPTIONS)


def test_a_killed_training_resumes_within_an_epoch_to_the_same_losses(
    job: AdapterJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.folder.STORED_EVERY", 0.0)
    whole = Recorder()
    trained = train_adapter(job, tmp_path / "whole", whole)
    with pytest.raises(Killed):
        train_adapter(job, tmp_path / "cut", Recorder(killed_in=2))
    resumed = Recorder()
    train_adapter(job, tmp_path / "cut", resumed)
    assert [line.loss for line in resumed.lines] == [line.loss for line in whole.lines[-len(resumed.lines) :]]
    assert [line.held_out_loss for line in resumed.lines][-1] == whole.lines[-1].held_out_loss
    assert whole.lines[-1].loss < whole.lines[0].loss
    what, begun, of = whole.judged[0]
    assert (what, begun) == ("held-out loss, batches", 0)
    assert of > 0, "who watches hears of what takes long without a step"
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    again = train_adapter(job, tmp_path / "whole", Recorder())
    assert again.as_json() == trained.as_json(), "a finished training is not trained again"
    with pytest.raises(InputError, match="holds another training"):
        train_adapter(replace(job, seed=1), tmp_path / "whole", Recorder())


@pytest.mark.parametrize("prompt", ["compact", "facts"])
def test_a_relation_that_only_the_documents_to_choose_by_have_is_told(
    job: AdapterJob, corpus: Path, tmp_path: Path, prompt: str
) -> None:
    train, dev = tmp_path / "train.json", tmp_path / "dev.json"
    content = json.loads(corpus.read_text(encoding="utf-8"))
    countries = [{**one, "labels": [label for label in one["labels"] if label["r"] == "P17"]} for one in content[:9]]
    train.write_text(json.dumps(countries), encoding="utf-8")
    dev.write_text(json.dumps(content[9:12]), encoding="utf-8")
    chosen = replace(job, run=replace(job.run, prompt=prompt), train=str(train), dev=str(dev), few_shot=None)
    encoder = TrainingJob("atlop", str(train), str(dev), options={})
    for training in (
        lambda: train_adapter(chosen, tmp_path / "a", Recorder()),
        lambda: train_encoder(encoder, tmp_path / "b", Recorder()),
    ):
        with pytest.raises(InputError) as refused:
            training()
        told = str(refused.value)
        assert told.startswith(f"--dev {dev}: document 'Document ")
        assert "has a label of relation 'P" in told
        assert told.endswith(f"put a rel_info.json with the relations of both files beside {train}")


def test_two_processes_do_not_train_in_one_folder(job: AdapterJob, tmp_path: Path) -> None:
    script = (
        "import sys, time, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); "
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / LOCK)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(InputError, match="another process trains there; wait for it"):
            train_adapter(replace(job, options={**OPTIONS, "epochs": "1"}), tmp_path, Recorder())
        other.kill()
    train_adapter(replace(job, options={**OPTIONS, "epochs": "1"}), tmp_path, Recorder())
    assert not (tmp_path / LOCK).exists()


def test_the_folder_tells_what_the_adapter_is_for_and_what_it_saw(job: AdapterJob, tmp_path: Path) -> None:
    train_adapter(replace(job, options={**OPTIONS, "epochs": "1"}), tmp_path, Recorder())
    adapter = json.loads((tmp_path / RECORD).read_text())
    assert adapter["base"]["name"] == f"transformers/{job.run.model}"
    assert (adapter["base"]["layers"], adapter["base"]["hidden_size"]) == (2, 32)
    assert adapter["prompt"]["name"] == "compact"
    card = (tmp_path / CARD).read_text()
    assert card.startswith("---\nbase_model: ")
    assert f"harness run --model transformers/{job.run.model} --prompt compact --adapter FOLDER" in card
    for part in ("library_name: peft", "6 documents of", "| 1 (kept) |", "There were no documents to report on."):
        assert part in card
    figure = tmp_path / FIGURE
    assert ("![Loss and F1 by epoch](curve.svg)" in card) == figure.is_file() == (find_spec("matplotlib") is not None)
    modes = {(tmp_path / name).stat().st_mode for name in (CONFIG, WEIGHTS)}
    assert len(modes) == 1, "who may read the configuration may read the weights"
    lora = json.loads((tmp_path / CONFIG).read_text())
    assert (lora["r"], lora["base_model_name_or_path"]) == (4, job.run.model)
    from harness.datasets.registry import load_dataset

    seen = seen_by(tmp_path)
    roles = [seen.role(document) for document in load_dataset(job.train).documents]
    assert roles.count(Role.TRAINED_ON) == 6
    assert roles.count(Role.CHOSEN_BY) == 2


def test_the_figure_shows_losses_and_f1_of_answered_epochs(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    curve = [Epoch(1, 1.5, 1.0), Epoch(2, 1.0, 1.0, f1=0.25), Epoch(3, 0.9, 1.0, f1=0.3)]
    assert draw_training(tmp_path, curve, 3)
    drawn = (tmp_path / FIGURE).read_text()
    assert drawn.count('id="axes_') == 2
    assert draw_training(tmp_path, [Epoch(1, 1.5, 1.0, held_out_loss=1.4)], 1)
    assert (tmp_path / FIGURE).read_text().count('id="axes_') == 1


def test_answers_alone_are_learned_each_token_alike() -> None:
    class Model(torch.nn.Module):
        """Logits that depend on the token and its position alone."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(50, 50, generator=torch.Generator().manual_seed(0)))

        def forward(self, input_ids: Any, logits_to_keep: torch.Tensor, **_: Any) -> Any:
            logits = self.weight[input_ids] * (1 + torch.arange(input_ids.shape[1])[:, None])
            return type("Output", (), {"logits": logits[:, logits_to_keep]})

    from accelerate import Accelerator

    exchanges = [Exchange((1, 2, 3), (4, 5)), Exchange((6,), (7, 8, 9, 10))]
    found = Exchanges([[one] for one in exchanges])
    losses = []
    for at_once in (1, 2):
        config = LlmTrainingConfig(at_once=at_once)
        losses.append(
            AdapterTrainer(Model(), config, found, Accelerator(cpu=True)).loss_of(found.all(), lambda *_: None)
        )
    model = Model()
    expected = []
    for one in exchanges:
        tokens = torch.tensor([*one.prompt, *one.answer])
        logits = model.weight[tokens] * (1 + torch.arange(len(tokens))[:, None])
        start = len(one.prompt) - 1
        expected.append(torch.nn.functional.cross_entropy(logits[start:-1], tokens[start + 1 :], reduction="sum"))
    assert losses == pytest.approx([float(sum(expected).detach()) / 6] * 2, rel=1e-5)


def test_an_epoch_has_other_exchanges_and_at_most_so_many_of_a_document() -> None:
    found = Exchanges([[Exchange((number,), (document,)) for number in range(9)] for document in range(3)])
    first, second = found.of_epoch(1, 0, 4), found.of_epoch(2, 0, 4)
    assert len(first) == len(second) == 12
    assert first != second
    assert first == found.of_epoch(1, 0, 4)
    assert len(found.of_epoch(1, 0, 0)) == 27


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_exchanges_that_share_their_text_have_the_losses_and_gradients_of_exchanges_apart(
    model: Path, attention: str
) -> None:
    from accelerate import Accelerator
    from transformers import AutoModelForCausalLM

    text = (11, 12, 13, 14)
    first = [Exchange((*text, 5, 6), (7, 8)), Exchange((*text, 5, 9), (1,)), Exchange((*text, 2), (3, 4, 5))]
    alone = [Exchange((30, 31), (32, 33))]
    same = [Exchange((40, 41), (42,)), Exchange((40, 41), (43, 44))]
    losses, gradients = [], []
    for max_length, at_once in ((0, 1), (100, 1), (100, 3), (11, 2)):
        found = Exchanges([first, alone, same], max_length=max_length)
        trained = AutoModelForCausalLM.from_pretrained(model, attn_implementation=attention)
        trainer = AdapterTrainer(trained, LlmTrainingConfig(at_once=at_once), found, Accelerator(cpu=True))
        losses.append(trainer.loss_of(found.all(), lambda *_: None))
        trainer._optimizer.zero_grad = lambda **_: None
        trainer._step(found.all())
        gradients.append(trained.model.layers[0].self_attn.q_proj.weight.grad.clone())
        assert sum(one.answered for one in found.all()) == 11
    assert losses == pytest.approx(losses[:1] * 4, rel=1e-5)
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], rtol=1e-3, atol=1e-6)


def test_shared_text_is_read_once_up_to_the_longest_sequence() -> None:
    exchanges = [Exchange((1, 2, 3, number), (9, 9)) for number in range(4, 8)]
    apart, together, in_two = (Exchanges([exchanges], max_length=most).all() for most in (0, 15, 9))
    assert [len(one) for one in apart] == [6, 6, 6, 6]
    assert [(one.shared, len(one)) for one in together] == [((1, 2, 3), 15)]
    assert [len(one) for one in in_two] == [9, 9]
    assert [rest for one in in_two for rest in one.rests] == [Exchange((number,), (9, 9)) for number in range(4, 8)]


def test_a_training_on_shared_text_takes_fewer_steps(job: AdapterJob, tmp_path: Path) -> None:
    rhf = replace(job, run=replace(job.run, prompt="rhf"), step="facts", few_shot=2)
    steps = []
    for shared in ("false", "true"):
        seen = Recorder()
        train_adapter(replace(rhf, options={**OPTIONS, "share_text": shared}), tmp_path / shared, seen)
        steps.append(len(seen.losses))
    assert steps[1] < steps[0]


@pytest.mark.parametrize(("na", "expected"), [("0", 0), ("0.5", 2), ("100", 8)])
def test_pairs_without_a_relation_are_sampled_and_all_pairs_shuffled(na: str, expected: int) -> None:
    related = [(0, 1), (1, 2), (2, 3), (3, 0)]
    mentions = [[(0, place, place + 1, "LOC")] for place in range(4)]
    asked = document("a b c d", mentions, [(head, "P17", tail) for head, tail in related])
    source = GoldAndUnrelatedPairs(seed=3, ratio=float(na), is_shuffled=True)
    pairs = source.pairs(asked)
    assert set(related) <= set(pairs)
    assert len(set(pairs)) == len(pairs) == 4 + expected
    assert list(pairs) != sorted(pairs)
    assert pairs == source.pairs(asked)


def test_a_training_asks_about_sampled_pairs(job: AdapterJob, tmp_path: Path) -> None:
    options = {**OPTIONS, "epochs": "1", "na": "1"}
    pairwise = replace(job, run=replace(job.run, prompt="pairwise"), choose=1, few_shot=1, options=options)
    with pytest.raises(InputError, match="the prompt has no answer for pairs without a relation"):
        train_adapter(replace(job, options=options), tmp_path / "compact", Recorder())
    assert train_adapter(pairwise, tmp_path / "pairwise", Recorder()).best is not None
    listed = tmp_path / "pairs.json"
    titles = [one["title"] for one in json.loads(Path(job.train).read_text(encoding="utf-8"))]
    listed.write_text(json.dumps({title: [] for title in titles}), encoding="utf-8")
    of_file = replace(pairwise, run=replace(pairwise.run, candidates=str(listed)))
    with pytest.raises(InputError, match=r"would not ask about those of --candidates .*pairs\.json"):
        train_adapter(of_file, tmp_path / "listed", Recorder())


def test_memory_that_runs_out_is_one_line_and_other_errors_are_theirs(
    job: AdapterJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        torch.empty(1 << 58)  # More than any machine has: torch's own error.

    monkeypatch.setattr(AdapterTrainer, "_step", fails)
    with pytest.raises(ModelUnavailable, match="out of memory: lower -O at_once"):
        train_adapter(job, tmp_path, Recorder())
    with pytest.raises(RuntimeError, match="another"), within_memory("nothing"):
        raise RuntimeError("another")


def test_a_training_that_diverges_stops_before_its_weights_are_spoilt(job: AdapterJob, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the training diverged, its loss is (nan|inf): lower -O lr"):
        train_adapter(replace(job, options={**OPTIONS, "lr": "1e30", "epochs": "4"}), tmp_path, Recorder())


def test_a_training_that_came_to_nothing_leaves_its_folder_to_the_next(
    job: AdapterJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.training.folder.STORED_EVERY", 1e9)
    diverging = replace(job, options={**OPTIONS, "lr": "1e30", "epochs": "4"})
    with pytest.raises(InputError, match="diverged"):
        train_adapter(diverging, tmp_path, Recorder())
    assert not (tmp_path / WEIGHTS).exists()
    assert train_adapter(replace(job, options={**OPTIONS, "epochs": "1"}), tmp_path, Recorder()).best is not None
    with pytest.raises(InputError, match="holds another training"):
        train_adapter(diverging, tmp_path, Recorder())


def test_what_another_process_trained_in_the_meantime_is_not_trained_again(
    job: AdapterJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(job, options={**OPTIONS, "epochs": "1"})
    train_adapter(short, tmp_path, Recorder())
    stored = (tmp_path / WEIGHTS).stat().st_mtime_ns
    monkeypatch.setattr("harness.training.llm.fit.finished_training", lambda *_: None)
    with pytest.raises(InputError, match="another process has just trained this"):
        train_adapter(short, tmp_path, Recorder())
    assert (tmp_path / WEIGHTS).stat().st_mtime_ns == stored


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_disk_that_is_full_is_told_in_one_line(job: AdapterJob, tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    # The record of the training fits, the adapter's weights do not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(StorageError, match="cannot be written") as told:
            train_adapter(replace(job, options={**OPTIONS, "epochs": "1"}), tmp_path / "out", Recorder())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out" / WEIGHTS).exists()


def test_every_step_of_a_prompt_can_have_an_adapter(job: AdapterJob) -> None:
    assert steps_of(replace(job, run=replace(job.run, prompt="rhf"))) == ["relations", "heads", "facts"]


def test_an_adapter_of_one_step_is_chosen_by_its_loss_and_has_no_scores_of_its_own(
    job: AdapterJob, tmp_path: Path
) -> None:
    options = {**OPTIONS, "epochs": "1", "exchanges": "1", "choose_documents": "2"}
    of_step = replace(job, run=replace(job.run, prompt="rhf"), step="relations", report=1, few_shot=2, options=options)
    trained = train_adapter(of_step, tmp_path / "relations", Recorder())
    assert trained.best is not None
    assert (trained.best.f1, trained.reported) == (None, None), "the other steps would be asked with it, too"
    assert trained.best.held_out_loss is not None
    card = (tmp_path / "relations" / CARD).read_text(encoding="utf-8")
    assert "one of them alone is not" in card
    assert "choose_documents" not in card


def test_of_epochs_with_the_same_f1_the_last_is_kept(job: AdapterJob, tmp_path: Path) -> None:
    options = {**OPTIONS, "lr": "1e-6", "choose_documents": "1"}
    trained = train_adapter(replace(job, options=options), tmp_path, Recorder())
    assert trained.best is not None
    assert (trained.best.f1, trained.best.epoch) == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": "redocred:dev", "data_dir": Path("nowhere")}, "nowhere"),
        ({"options": {"max_length": "20"}}, "longer than 20 tokens .* raise -O max_length"),
        ({"options": {"epoch": "3"}}, "-O epoch: there is alpha, at_once, "),
        ({"options": {"targets": "nothing"}}, "-O targets=nothing: "),
        ({"options": {"targets": "embed_tokens"}}, "model.embed_tokens is no linear layer"),
        ({"options": {"lr": "inf"}}, "-O lr: Input should be a finite number"),
        ({"options": {"epochs": "9" * 20}}, "-O epochs: Input should be less than or equal to 10000"),
        ({"options": {"alpha": "9" * 40}}, "-O alpha: Input should be less than 1000000000"),
        ({"preset": "papers"}, "--preset papers: there is lmrc, lmrc-baseline, autore"),
        ({"step": "heads"}, "--step heads: the prompt asks the documents for extract"),
        ({"few_shot": None, "choose": 30}, r"cannot spare 30 .* give fewer \(--choose, --report\)"),
    ],
)
def test_what_cannot_be_trained_is_refused(job: AdapterJob, tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_adapter(replace(job, **change), tmp_path, Recorder())


def test_files_with_nothing_to_learn_from_are_refused(job: AdapterJob, corpus: Path, tmp_path: Path) -> None:
    content = json.loads(corpus.read_text(encoding="utf-8"))
    files = {"empty": [], "unlabelled": [{**one, "labels": []} for one in content]}
    for name, documents in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(documents), encoding="utf-8")
    shutil.copy(corpus.with_name("rel_info.json"), tmp_path)
    empty, unlabelled = (str(tmp_path / f"{name}.json") for name in files)
    for change, message in (
        ({"train": empty}, "there is no document in it"),
        ({"train": unlabelled}, "no document has a label"),
        ({"dev": empty}, "there is no document in it; leave it out"),
    ):
        with pytest.raises(InputError, match=message):
            train_adapter(replace(job, **change), tmp_path / "out", Recorder())


def test_a_single_document_can_be_learned(job: AdapterJob, tmp_path: Path) -> None:
    one = replace(job, few_shot=1, choose=0, options={**OPTIONS, "epochs": "1"})
    assert train_adapter(one, tmp_path, Recorder()).best is not None


def test_exchanges_that_are_too_long_are_told(caplog: pytest.LogCaptureFixture) -> None:
    class Asking:
        def demonstrate(self, document: Any) -> list[Any]:
            request = type("Asked", (), {"messages": document.sentences[0]})
            return [type("Shown", (), {"request": request, "answer": "y", "step": "extract"})]

    class Chat:
        def prompt_tokens(self, messages: Any) -> list[int]:
            return [1] * len(messages)

    def tokenizer(_text: str, **_more: object) -> dict[str, list[int]]:
        return {"input_ids": [2]}

    documents = [document(" ".join("a" * length), []) for length in (5, 50, 60)]
    asking: Any = Asking()
    config = LlmTrainingConfig(max_length=20)
    for context, advice in ((1000, "-O max_length takes more"), (20, "that is all that the model reads")):
        found = exchanges_of(documents, asking, Chat(), tokenizer, 3, config, context)
        assert (len(found.by_document), found.too_long) == (1, 2)
        told = "2 of 3 exchanges have more than 20 tokens (the longest 62) and are left out"
        assert f"{told}: {advice}" in caplog.text
    with pytest.raises(InputError, match=r"longer than 5 tokens .* that is all that the model reads"):
        exchanges_of(documents, asking, Chat(), tokenizer, 3, config, 5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_four_bits_take_a_gpu(job: AdapterJob, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="leave out -O quantize=4bit"):
        train_adapter(replace(job, options={"quantize": "4bit"}), tmp_path, Recorder())


def test_the_command_trains_and_says_what_came_of_it(model: Path, corpus: Path, tmp_path: Path) -> None:
    options = [part for name, value in OPTIONS.items() for part in ("-O", f"{name}={value}")]
    common = [
        "train",
        "llm",
        "--model",
        str(model),
        "--prompt",
        "compact",
        "--train",
        str(corpus),
        "--out",
        str(tmp_path),
    ]
    done = harness_here(*common, "--choose", "2", "--report", "0", "--few-shot", "2", *options, "--json")
    (trained,) = json.loads(done.stdout)
    assert trained["folder"] == str(tmp_path / "seed-0")
    assert "--each-step" in error_line(harness_here(*common, "--step", "facts", "--each-step"))


def test_the_card_has_a_command_that_runs_and_no_command_shows_a_librarys_warnings(
    model: Path, corpus: Path, tmp_path: Path
) -> None:
    options = [f"-O{name}={value}" for name, value in OPTIONS.items()]
    done = harness(
        "train", "llm", "--model", model, "--prompt", "compact", "--train", corpus, "--choose", 2, "--report", 0,
        "--few-shot", 2, *options, "-P", "types=hidden", "--display", "plain", "--out", tmp_path / "out",
    )  # fmt: skip
    folder = tmp_path / "out" / "seed-0"
    assert done.stdout.startswith(f"{folder}: loss "), done.stderr
    assert " of documents held out, in epoch " in done.stdout
    assert all(", held-out loss " in line for line in done.stderr.splitlines()), "nothing else is told"
    card = (folder / CARD).read_text(encoding="utf-8")
    assert f"--model transformers/{model} --prompt compact -P types=hidden --adapter FOLDER" in card
    on_card = next(line for line in card.splitlines() if line.startswith("    harness "))
    words = on_card.replace("FOLDER", str(folder)).split()[1:]
    run = harness(
        *words,
        "--dataset",
        "sample",
        "--limit",
        1,
        "--results-dir",
        tmp_path / "results",
        "-M",
        "device=cpu",
        "--max-tokens",
        64,
    )
    assert "1/1 documents" in run.stderr, "it is asked, though its answer may be cut"
    merged = harness("train", "merge", "--model", model, "--adapter", folder, "--out", tmp_path / "merged")
    assert merged.returncode == 0, merged.stderr
    assert "Warning" not in run.stderr + merged.stderr
    two = harness("run", "--model", "smollm2-135m", "--prompt", "compact", "--adapter", folder, "--adapter", "other")
    assert f"--adapter: given as {folder} and as other; leave out one of them" in error_line(two)
    for name, advice in (
        (tmp_path / "merged", "no trained encoder; a folder with an LLM's weights is transformers/"),
        (folder, f"give it as --adapter {folder}"),
    ):
        refused = harness("run", "--model", name, "--prompt", "compact", "--dataset", "sample")
        assert advice in error_line(refused)


def test_few_documents_make_a_table_and_a_curve(model: Path, corpus: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    options = [f"-O{key}={value}" for key, value in OPTIONS.items() if key not in ("epochs", "batch_size")]
    done = harness_here(
        "train", "few-shot", "--train", corpus, "--llm", model, "--prompt", "pairwise", "-n", 3, "--no-all",
        "--seeds", 1, "--steps", 2, "--epochs", 1, "--choose", 0, "--report", 1, "-Ona=0", *options,
        "--out", tmp_path, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["model"], row["n"]) for row in rows] == [(f"pairwise {model.name}", 3)]
    folder = tmp_path / f"pairwise-{model.name}" / "n-3" / "seed-0"
    assert json.loads((folder / RECORD).read_text())["training"]["epochs"] == 2
    assert "</svg>" in (tmp_path / "few_shot.svg").read_text(encoding="utf-8")
