"""GLiDRE against plain loops, on label sets of any size and documents of odd shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from harness.encoders.backbone import load_tokenizer
from harness.encoders.batching import Collator, LabelSampler
from harness.encoders.checkpoint import new_model
from harness.encoders.glidre import Glidre
from harness.encoders.glidre_config import GlidreConfig, label_name
from harness.encoders.inference import Inference
from harness.encoders.plain_text import PlainDocumentEncoder
from harness.training.choosing import best_threshold, margins, scores_at
from harness.training.config import TrainingConfig
from harness.training.losses import focal, relation_loss
from harness.training.objectives import PairObjective
from harness.types import Document, RelationSchema
from tests.encoders.glidre_loops import PublishedForm, Words, published_name
from tests.encoders.loops import read_windows
from tests.encoders.test_atlop import ODD, crowd, varied

SHAPES = {
    "published": {"hidden_size": 24},
    "same width": {"hidden_size": 32},
    "logsumexp": {"pooling": "logsumexp"},
    "without context": {"localized_context": False},
    "adaptive": {"adaptive": True},
    "windows": {"window": 16, "overlap": 5},
}
CPU = torch.device("cpu")


def build(encoder: str, schema: RelationSchema, **shape: object) -> tuple[Glidre, Collator, PlainDocumentEncoder]:
    """A model with random weights and no dropout, in double precision, so that equality can be asked for."""
    names = tuple(relation.name for relation in schema.relations)
    options = {"hidden_size": 24, "window": 64, "overlap": 10, "dropout": 0.0, **shape}
    config = GlidreConfig(
        relations=tuple(relation.id for relation in schema.relations),
        label_names=names,
        encoder=encoder,
        label_encoder=encoder,
        **options,
    )
    torch.manual_seed(1)
    model = new_model(config)
    assert isinstance(model, Glidre)
    tokenizer = load_tokenizer(encoder)
    collator = Collator(tokenizer, config.window, config.overlap, len(config.relations))
    return model.double().eval(), collator, PlainDocumentEncoder(tokenizer, config)


def loop_scores(model: Glidre, collator: Collator, encoder: PlainDocumentEncoder, document: Document) -> Tensor:
    """The judge's scores of a document's pairs h != t [p, relations + 1], NA last."""
    config = model.config
    form = PublishedForm(
        {published_name(name): parameter for name, parameter in model.named_parameters()},
        config.pooling,
        config.localized_context,
        config.adaptive,
    )
    states, rows = read_windows(model, collator, encoder.encode(document))
    words = Words.of(document, collator.tokenizer)
    read = [start for start in words.starts if start is not None]
    attention = torch.zeros(len(words.starts), len(words.starts), dtype=torch.double)
    seen = [number for number, start in enumerate(words.starts) if start is not None]
    for number in seen:
        if (start := words.starts[number]) in rows:
            attention = attention.index_put((torch.tensor([number]), torch.tensor(seen)), rows[start].mean(0)[read])
    of_words = torch.zeros(len(words.starts), states.shape[1], dtype=torch.double)
    of_words = of_words.index_copy(0, torch.tensor(seen), states[read])
    labels = form.label_states(model.label_encoder, load_tokenizer(config.label_encoder), list(config.label_names))
    scores = form.scores(form.projected("projection", of_words), attention, words.entities, labels)
    scores = torch.stack([scores[h, t] for h in range(len(scores)) for t in range(len(scores)) if h != t])
    if config.adaptive:
        return torch.cat([scores[:, 1:], scores[:, :1]], 1)
    return torch.cat([scores, torch.zeros_like(scores[:, :1])], 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_and_gradients_equal_those_of_loops(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document], shape: str
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, **SHAPES[shape])
    several = varied(documents)
    batch = collator([encoder.encode(one, with_labels=True) for one in several])
    loss = "adaptive_threshold" if shape == "adaptive" else "focal"
    config = TrainingConfig(loss=loss, focal_gamma=3.0)
    by_loops = copy.deepcopy(model)
    by_loops.encoder.set_attn_implementation("eager")

    logits = model(batch).logits
    expected = torch.cat([loop_scores(by_loops, collator, encoder, one) for one in several])
    torch.testing.assert_close(logits, expected)

    relation_loss(logits, batch.labels, config).backward()
    relation_loss(expected, batch.labels, config).backward()
    judged = dict(by_loops.named_parameters())
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (judged[name].grad is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, judged[name].grad)


def test_the_focal_loss_is_the_sum_of_its_formula() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 4, dtype=torch.double)
    labels = torch.rand(6, 4) < 0.3
    total = 0.0
    for row, holds in zip(logits.sigmoid().tolist(), labels.tolist(), strict=True):
        for probability, hold in zip(row, holds, strict=True):
            right = probability if hold else 1 - probability
            total -= (0.8 if hold else 0.2) * (1 - right) ** 3 * torch.tensor(right).log().item()
    assert focal(logits, labels, 0.8, 3.0).item() == pytest.approx(total)


@pytest.mark.parametrize("name", ODD)
def test_odd_documents_get_a_finite_score_for_every_pair(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, name: str
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, window=16, overlap=5)
    entities = len(ODD[name].entities)
    odd, other = Inference(model, collator, CPU, False).scores(encoder.encode(one) for one in (ODD[name], crowd(3)))
    assert odd.shape == (entities * max(entities - 1, 0), len(schema.relations) + 1)
    assert torch.from_numpy(odd).isfinite().all()
    assert other.shape == (6, len(schema.relations) + 1)


def test_a_document_of_which_no_word_is_read_is_scored(
    tiny_encoder: Callable[[str], str], schema: RelationSchema
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, pooling="logsumexp")
    nothing = ODD["words that tokenise to nothing"]
    nothing = replace(nothing, sentences=(("\u200b", "\u0000"),))
    (scores,) = Inference(model, collator, CPU, False).scores([encoder.encode(nothing)])
    assert scores.shape == (2, len(schema.relations) + 1)
    assert torch.from_numpy(scores).isfinite().all()


@pytest.mark.parametrize("count", [1, 5000])
def test_any_label_set_is_scored(tiny_encoder: Callable[[str], str], schema: RelationSchema, count: int) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    config = model.config.model_copy(
        update={"relations": tuple(map(str, range(count))), "label_names": tuple(map(str, range(count)))}
    )
    other = new_model(config)
    other.load_state_dict(model.state_dict())
    collator = replace(collator, relations=count)
    (scores,) = Inference(other, collator, CPU, False).scores([encoder.encode(crowd(3))])
    assert scores.shape == (6, count + 1)


def test_scores_of_a_relation_do_not_depend_on_the_others(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    alone = RelationSchema(schema.relations[1:2])
    other = new_model(model.config.for_schema(alone)).double()
    other.load_state_dict(model.state_dict())
    (together,) = Inference(model, collator, CPU, False).scores([encoder.encode(documents[0])])
    (single,) = Inference(other, replace(collator, relations=1), CPU, False).scores([encoder.encode(documents[0])])
    assert single[:, 0] == pytest.approx(together[:, 1])


def test_one_long_name_among_many_lengthens_its_own_part_only(
    tiny_encoder: Callable[[str], str], schema: RelationSchema
) -> None:
    model, _, _ = build(tiny_encoder("bert"), schema)
    names = [f"{number} " * (1 + number % 4) for number in range(700)]
    names[5] = "word " * 12
    read = load_tokenizer(model.config.label_encoder)(names, padding=True, return_tensors="pt")
    model.read_as_labels(read["input_ids"], read["attention_mask"])
    sizes = []
    model.label_encoder.register_forward_pre_hook(
        lambda _module, _args, given: sizes.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    model.begin_scoring()
    states, lengths = model._label_states, read["attention_mask"].sum(1)
    assert states is not None
    assert [rows for rows, _ in sizes] == [256, 256, 188]
    assert [width for _, width in sizes[:2]] == [int(lengths.sort().values[place]) for place in (255, 511)]
    assert max(lengths) == sizes[2][1] > 2 * sizes[1][1]
    with torch.no_grad():
        for place in (0, 3, 5, 255, 256, 699):
            ids = read["input_ids"][place : place + 1, : lengths[place]]
            alone = model.label_encoder(input_ids=ids).last_hidden_state[0].mean(0)
            torch.testing.assert_close(states[place], alone)


def test_sampled_labels_hold_all_that_is_gold_and_name_their_columns(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    encoded = [encoder.encode(one, with_labels=True) for one in documents[:2]]
    whole = collator(encoded)
    gold = set(whole.labels.any(0).nonzero()[:, 0].tolist())
    everything, few = model(whole).logits, LabelSampler(collator, len(gold) + 1, collator.relations)(encoded)
    assert gold < set(few.relation.tolist())
    assert len(few.relation) == len(gold) + 1
    assert torch.equal(few.labels, whole.labels[:, few.relation])
    torch.testing.assert_close(model(few).logits[:, :-1], everything[:, few.relation])
    # Relations behind those that are trained on are never drawn.
    trained = max(gold) + 1
    assert max(LabelSampler(collator, collator.relations, trained)(encoded).relation.tolist()) < trained


def test_documents_can_be_chosen_by_over_some_of_the_relations(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    encoded = [encoder.encode(documents[0], with_labels=True)]
    (every,) = Inference(model, collator, CPU, False).scores(encoded)
    (some,) = Inference(model, collator, CPU, False, relation=torch.tensor([2, 0])).scores(encoded)
    assert some == pytest.approx(every[:, [2, 0, -1]])
    encoded[0].labels[:, 2] = [0, 2, 0]
    objective = PairObjective(collator, TrainingConfig(), encoded, (2, 0))
    assert objective._labels(encoded[0])[:, 2].tolist() == [1, 0, 1]
    accelerator: Any = SimpleNamespace(device=CPU, mixed_precision="no")
    above, gold = margins([(objective._labels(encoded[0]), encoded[0].scored_pairs, None)], [some])
    found = scores_at(above, gold, best_threshold(above, gold))
    assert objective.judge(model, accelerator).f1 == pytest.approx(found.f1)


def test_labels_are_read_once_for_all_documents(
    tiny_encoder: Callable[[str], str],
    schema: RelationSchema,
    documents: list[Document],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.encoders.inference.BATCH_TOKENS", 1)
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    calls = []
    model.label_encoder.register_forward_hook(lambda *_: calls.append(1))
    inference = Inference(model, collator, CPU, False)
    list(inference.scores(encoder.encode(one) for one in documents[:5]))
    assert len(calls) == 1


def test_labels_are_read_anew_when_their_encoder_has_learned(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    inference = Inference(model, collator, CPU, False)
    (before,) = inference.scores([encoder.encode(documents[0])])
    with torch.no_grad():
        for parameter in model.label_encoder.parameters():
            parameter.mul_(0.5)
    (after,) = inference.scores([encoder.encode(documents[0])])
    assert after[:, 0] != pytest.approx(before[:, 0])


def test_a_frozen_label_encoder_does_not_learn(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema)
    model.label_encoder.requires_grad_(False)
    model.train()
    batch = collator([encoder.encode(documents[0], with_labels=True)])
    relation_loss(model(batch).logits, batch.labels, TrainingConfig(loss="focal")).backward()
    assert all(parameter.grad is None for parameter in model.label_encoder.parameters())
    assert model.label.inner.weight.grad is not None
    assert not model.label_encoder.training


@pytest.mark.parametrize(("style", "name"), [("upper", "COUNTRY_OF_CITIZENSHIP"), ("name", "country of citizenship")])
def test_label_names_are_written_as_the_model_knows_them(style: str, name: str) -> None:
    assert label_name("country of citizenship", style) == name
