"""The tiny encoders of the tests of encoders serve those of annotations."""

from tests.encoders.conftest import tiny_encoder

__all__ = ["tiny_encoder"]
