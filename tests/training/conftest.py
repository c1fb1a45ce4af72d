"""The corpora and tiny models of the tests of encoders serve those of trainings."""

from tests.encoders.conftest import corpus, documents, schema, tiny_encoder, trained

__all__ = ["corpus", "documents", "schema", "tiny_encoder", "trained"]
