"""What to lower when a training needs more memory than there is, in one line instead of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import ModelUnavailable

# What torch says on GPUs, on Linux, and on Windows and macOS. The last three are what libraries of CUDA say when they
# find no memory to work in: seen on an H100 whose memory other trainings had taken.
_WORDINGS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "mha_graph.execute",
)


@contextmanager
def within_memory(advice: str) -> Iterator[None]:
    """Raise ModelUnavailable with the ``advice`` where memory runs out inside; also a decorator."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(one in str(error) for one in _WORDINGS):
            raise
        raise ModelUnavailable(f"the training is out of memory: {advice}") from error
