"""Where markers go, how windows lie, and how far entities are apart."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from harness.encoders.backbone import load_tokenizer
from harness.encoders.config import ModelConfig
from harness.encoders.text import DocumentEncoder, EncodedDocument, distances, windows
from harness.errors import InputError
from harness.types import Document
from tests.documents import document

Encode = Callable[..., tuple[EncodedDocument, list[str]]]


@pytest.fixture
def encode(tiny_encoder: Callable[[str], str]) -> Encode:
    """Encodes a document, and shows its subwords."""
    tokenizer = load_tokenizer(tiny_encoder("bert"))

    def encode(one: Document, **options: object) -> tuple[EncodedDocument, list[str]]:
        encoded = DocumentEncoder(tokenizer, ModelConfig(relations=("P17", "P36"), **options)).encode(
            one, with_labels=True
        )
        return encoded, tokenizer.convert_ids_to_tokens(encoded.input_ids.tolist())

    return encode


def test_every_mention_is_enclosed_by_markers(encode: Encode) -> None:
    one = document("the town lies\nin the land", [[(0, 0, 2, "LOC"), (1, 2, 3, "LOC")], [(1, 0, 3, "ORG")]])
    encoded, subwords = encode(one)
    assert " ".join(subwords) == "* the town * lies * in the * land * *"
    assert [subwords[place] for place in encoded.mention_position] == ["*", "*", "*"]
    assert encoded.mention_position.tolist() == [0, 8, 5]
    assert encoded.sentence.tolist() == [0] * 5 + [1] * 7


def test_chinese_is_the_same_subwords_whichever_way_it_was_cut_into_tokens(encode: Encode) -> None:
    words = document("北京 大学 在 中国 。", [[(0, 0, 2, "ORG")], [(0, 3, 4, "LOC")]])
    single = document("北 京 大 学 在 中 国 。", [[(0, 0, 4, "ORG")], [(0, 5, 7, "LOC")]])
    first, second = encode(words)[0], encode(single)[0]
    assert first.input_ids.tolist() == second.input_ids.tolist()
    assert first.mention_position.tolist() == second.mention_position.tolist() == [0, 7]


def test_typed_markers_name_the_type(encode: Encode) -> None:
    one = document("town in land", [[(0, 0, 1, "LOC")], [(0, 2, 3, "time")]])
    encoded, subwords = encode(one, typed_markers=True, entity_types=("LOC", "PER"))
    assert " ".join(subwords) == "* location town * in * time land *"
    assert encoded.entity_type.tolist() == [1, 0]


def test_labels_become_indices_without_self_pairs_and_repetitions(
    encode: Encode,
) -> None:
    one = document(
        "town in land", [[(0, 0, 1, "LOC")], [(0, 2, 3, "LOC")]], [(0, "P36", 1), (1, "P17", 1), (0, "P36", 1)]
    )
    assert encode(one)[0].labels.tolist() == [[0, 1, 1]]


def test_a_label_of_an_unknown_relation_is_refused(encode: Encode) -> None:
    one = document("town in land", [[(0, 0, 1, "LOC")], [(0, 2, 3, "LOC")]], [(0, "P999", 1)])
    with pytest.raises(InputError, match="'P999'"):
        encode(one)


@pytest.mark.parametrize(
    ("length", "size", "overlap"), [(1, 10, 3), (10, 10, 3), (11, 10, 3), (17, 10, 3), (18, 10, 3), (999, 10, 9)]
)
def test_windows_cover_everything_and_overlap(length: int, size: int, overlap: int) -> None:
    starts = windows(length, size, overlap)
    covered = set().union(*(range(start, min(start + size, length)) for start in starts))
    assert covered == set(range(length))
    assert starts[-1] == max(0, length - size)
    assert all(later - earlier <= size - overlap for earlier, later in pairwise(starts))


def test_distances_are_those_of_the_nearest_mentions() -> None:
    # Entity 0 in sentences 0 and 9 (subwords 0 and 90), entity 1 in sentence 2 (subword 20).
    in_sentences, in_tokens = distances(np.array([0, 0, 1]), np.array([0, 9, 2]), np.array([0, 90, 20]), 2)
    assert in_sentences.tolist() == [[0, 2], [2, 0]]
    # 20 subwords: between 2**4 and 2**5; the tail after the head, and before it.
    assert in_tokens[0, 1] == 8
    assert in_tokens[1, 0] == 9
