"""Tiny pretrained encoders with random weights, saved to a folder as a hub's would be."""

from __future__ import annotations

from pathlib import Path

WORDS = [
    "lies",
    "on",
    "the",
    "in",
    "below",
    "river",
    "town",
    "land",
    "person",
    "location",
    "organization",
    "time",
    "number",
    "other",
]
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "*",
    *"abcdefghijklmnopqrstuvwxyz0123456789.,",
    *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789"),
    *WORDS,
]

OF_ITS_OWN = {
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "longformer": {"attention_window": [16, 16]},
    "modernbert": {"local_attention": 8, "global_attn_every_n_layers": 2},
    "t5": {"d_kv": 8, "d_ff": 48},
}
"""What an architecture's configuration needs besides, to be tiny and to show what it does otherwise than BERT."""


def save_tiny_encoder(folder: Path, kind: str = "bert", positions: int = 64) -> Path:
    """A two-layer model of an architecture of transformers and a WordPiece tokenizer; no dropout."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=positions + 2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
        **OF_ITS_OWN.get(kind, {}),
    )
    torch.manual_seed(7)
    model = AutoModel.from_config(config)
    # The usual small initial weights would make all attention flat, and mistakes in it invisible.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return folder
