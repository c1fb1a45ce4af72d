"""The module against plain loops, and on documents of odd shapes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from harness.encoders.atlop import Atlop
from harness.encoders.backbone import load_encoder, load_tokenizer
from harness.encoders.batching import Collator
from harness.encoders.config import ModelConfig
from harness.encoders.inference import Inference
from harness.encoders.text import DocumentEncoder, EncodedDocument
from harness.training.config import TrainingConfig
from harness.training.losses import evidence_loss, relation_loss
from harness.types import Document, Entity, Mention, RelationSchema
from tests.documents import document
from tests.encoders.loops import loop_loss, loop_scores

FULL = {"entity_types": ("LOC", "PER"), "distances": True, "typed_markers": True}
SHAPES = {
    "plain": {},
    "features": FULL,
    "triangle": {**FULL, "reasoning": "triangle"},
    "axial": {**FULL, "reasoning": "axial", "reasoning_layers": 2},
    "windows": {"window": 16, "overlap": 5},
    "proposer": {"task": "rcp", "relations": ("related",)},
}


def build(encoder: str, schema: RelationSchema, shape: str) -> tuple[Atlop, Collator, DocumentEncoder]:
    """A model with random weights and no dropout, in double precision, so that equality can be asked for."""
    options = {
        "relations": tuple(relation.id for relation in schema.relations),
        "window": 64,
        "overlap": 10,
        "projection_size": 16,
        "block_size": 4,
        "pair_size": 8,
        "reasoning_size": 4,
        "dropout": 0.0,
        **SHAPES[shape],
    }
    config = ModelConfig(encoder=encoder, **options)
    torch.manual_seed(1)
    model = Atlop(config, load_encoder(encoder)).double().eval()
    tokenizer = load_tokenizer(encoder)
    collator = Collator(tokenizer, config.window, config.overlap, len(config.relations))
    return model, collator, DocumentEncoder(tokenizer, config)


def varied(documents: list[Document]) -> list[Document]:
    """Documents of different lengths and numbers of entities and mentions."""
    first, second, third = documents[:3]
    longer = replace(
        third,
        sentences=(*third.sentences, (), *second.sentences, *first.sentences),
        entities=(
            *third.entities,
            Entity(
                (Mention("on", 3, 3, 4, "PER"), Mention("on", 0, 3, 4, "PER"), Mention("lies on the", 2, 1, 4, "ORG"))
            ),
        ),
    )
    return [first, longer, replace(second, entities=second.entities[:2], labels=())]


@pytest.mark.parametrize("shape", SHAPES)
def test_scores_and_gradients_equal_those_of_loops(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document], shape: str
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, shape)
    encoded = [encoder.encode(one, with_labels=True) for one in varied(documents)]
    batch = collator(encoded)
    config = TrainingConfig(loss="binary" if shape == "proposer" else "adaptive_threshold")
    by_loops = copy.deepcopy(model)
    by_loops.encoder.set_attn_implementation("eager")

    logits = model(batch).logits
    expected = torch.cat([loop_scores(by_loops, collator, one) for one in encoded])
    torch.testing.assert_close(logits, expected)

    relation_loss(logits, batch.labels, config).backward()
    loop_loss(by_loops, collator, encoded, config).backward()
    judged = dict(by_loops.named_parameters())
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (judged[name].grad is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, judged[name].grad)


@pytest.mark.parametrize("kind", ["roberta", "deberta-v2"])
def test_other_encoders_score_as_loops_do(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document], kind: str
) -> None:
    model, collator, encoder = build(tiny_encoder(kind), schema, "plain")
    encoded = [encoder.encode(one) for one in varied(documents)]
    by_loops = copy.deepcopy(model)
    by_loops.encoder.set_attn_implementation("eager")
    expected = torch.cat([loop_scores(by_loops, collator, one) for one in encoded])
    torch.testing.assert_close(model(collator(encoded)).logits, expected)


def test_scores_do_not_depend_on_the_batch(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, "triangle")
    encoded = [encoder.encode(one) for one in varied(documents)]
    together = list(Inference(model, collator, torch.device("cpu"), False).scores(encoded))
    for one, scores in zip(encoded, together, strict=True):
        (alone,) = Inference(model, collator, torch.device("cpu"), False).scores([one])
        assert alone == pytest.approx(scores, abs=1e-5)
    one_by_one = Inference(model, collator, torch.device("cpu"), False, one_by_one=True)
    first, *_ = one_by_one.scores(encoded)
    *_, last = one_by_one.scores([*encoded[1:], encoded[0]])
    assert (first == last).all()


def crowd(entities: int) -> Document:
    """A document in which every word is an entity."""
    return document(
        " ".join(f"town{number}" for number in range(entities)), [[(0, n, n + 1, "LOC")] for n in range(entities)]
    )


ODD = {
    "no entity": document("the town", []),
    "one entity": document("the town", [[(0, 1, 2, "LOC")]]),
    "sixty entities": crowd(60),
    "mentions far beyond one window": document(
        "\n".join(["the river lies below"] * 40), [[(0, 1, 2, "LOC")], [(39, 1, 2, "LOC"), (20, 0, 2, "PER")]]
    ),
    "empty sentences": Document(
        "T",
        ((), ("town", "river"), ()),
        (Entity((Mention("town", 1, 0, 1, "LOC"),)), Entity((Mention("river", 1, 1, 2, "LOC"),))),
    ),
    "emoji only": document("🦊 🌋\n👩‍👩‍👧", [[(0, 0, 1, "X")], [(0, 1, 2, "Y")], [(1, 0, 1, "Z")]]),
    "words that tokenise to nothing": document("\u200b \u0000 town", [[(0, 0, 1, "LOC")], [(0, 1, 2, "LOC")]]),
    "one span of two entities": document("the town", [[(0, 1, 2, "LOC")], [(0, 1, 2, "PER")]]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_documents_get_a_finite_score_for_every_pair(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, name: str
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, "windows")
    entities = len(ODD[name].entities)
    ordinary = crowd(3)
    inference = Inference(model, collator, torch.device("cpu"), False)
    odd, other = inference.scores(encoder.encode(one) for one in (ODD[name], ordinary))
    assert odd.shape == (entities * max(entities - 1, 0), len(schema.relations) + 1)
    assert torch.from_numpy(odd).isfinite().all()
    assert other.shape == (6, len(schema.relations) + 1)


@pytest.mark.parametrize("relations", [1, 5000])
def test_any_number_of_relations_is_scored(tiny_encoder: Callable[[str], str], relations: int) -> None:
    folder = tiny_encoder("bert")
    config = ModelConfig(
        encoder=folder,
        relations=tuple(map(str, range(relations))),
        window=64,
        overlap=8,
        projection_size=8,
        block_size=2,
    )
    model = Atlop(config, load_encoder(folder))
    tokenizer = load_tokenizer(folder)
    collator = Collator(tokenizer, 64, 8, relations)
    (scores,) = Inference(model, collator, torch.device("cpu"), False).scores(
        [DocumentEncoder(tokenizer, config).encode(crowd(3))]
    )
    assert scores.shape == (6, relations + 1)


def test_evidence_is_the_share_of_a_pairs_attention_in_each_sentence(
    tiny_encoder: Callable[[str], str], schema: RelationSchema, documents: list[Document]
) -> None:
    model, collator, encoder = build(tiny_encoder("bert"), schema, "plain")
    encoded: EncodedDocument = encoder.encode(varied(documents)[1], with_labels=True)
    batch = collator([encoded])
    sentences = model(batch, with_sentences=True).sentences
    assert sentences.shape == batch.evidence.shape == (20, 4)
    assert sentences.detach().sum(1).numpy() == pytest.approx(1.0, abs=1e-3)
    assert not sentences[:, 1].any()
    loss = evidence_loss(sentences, batch.evidence)
    loss.backward()
    assert loss > 0
    assert model.encoder.get_input_embeddings().weight.grad.abs().sum() > 0
