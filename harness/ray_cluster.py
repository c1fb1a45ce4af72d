"""A Ray cluster to work on: one that runs, or one that is started here and ends with the work."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.errors import InputError, ModelUnavailable

LOCAL_STORE_BYTES = 100 << 20
"""The object store of a cluster started here: what passes through it are names of documents and counts."""


@contextmanager
def connected(address: str, workers: int) -> Iterator[Any]:
    """The module ``ray``, connected to ``auto`` (a cluster that runs here, else one started here), or an address.

    Raises ModelUnavailable without the package, and InputError where there is no cluster at the address.
    """
    try:
        import ray
    except ImportError:
        raise ModelUnavailable("--cluster needs Ray: pip install 'docre-harness[ray]'") from None
    if ray.is_initialized():  # whoever connected this process ends the connection
        yield ray
        return
    common: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        if address != "auto":
            ray.init(address=address, **common)
        else:
            try:
                ray.init(address="auto", **common)
            except ConnectionError:
                # Ray's workers give way to all other processes (niceness 15) unless they are told not to.
                os.environ.setdefault("RAY_worker_niceness", "0")
                ray.init(num_cpus=workers, include_dashboard=False, object_store_memory=LOCAL_STORE_BYTES, **common)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--cluster {address}: {str(error).splitlines()[0]}; start one with `ray start`") from None
    try:
        yield ray
    finally:
        ray.shutdown()
