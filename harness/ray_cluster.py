"""A Ray cluster to work on: one that runs, or one that is started here and ends with the work."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from harness.errors import InputError, ModelUnavailable

LOCAL_STORE_BYTES = 200 << 20
"""The object store of a cluster started here: the files of runs that have ended pass through it."""

RETRIES = 10
"""How often Ray starts a worker anew that died, and gives it what it was working on."""

POLL_S = 0.5
CLOSING_S = 30.0


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
        with _ended_by_sigterm():
            yield ray
    finally:
        ray.shutdown()


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within the block, SIGTERM interrupts as SIGINT does: Ray's own handler prints a stack and ends the process.

    A batch system sends it before it ends a job.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)


def gpus_of_a_worker(ray: Any) -> int:
    """One where the cluster has some."""
    return 1 if ray.cluster_resources().get("GPU") else 0


def outcomes(
    ray: Any, worker: type, arguments: Sequence[Any], jobs: Sequence[Any], workers: int, tick: Callable[[], None]
) -> Iterator[Any]:
    """What ``work(job)`` of an actor returns for each job, as they end; a RayError in place of what was lost.

    ``worker`` is the class of the actors, made with ``arguments``; its ``close()`` is called at the end. Ray places up
    to ``workers`` of them, each with a CPU and a GPU if there are some, and starts anew those that die, with the
    job that they had. ``tick`` is called every half second.
    """
    from ray.util import ActorPool

    kind = ray.remote(num_cpus=1, num_gpus=gpus_of_a_worker(ray), max_restarts=RETRIES, max_task_retries=RETRIES)(
        worker
    )
    actors = [kind.remote(*arguments) for _ in range(min(workers, len(jobs)))]
    pool: Any = ActorPool([])  # its methods have no types
    for job in jobs:
        pool.submit(lambda actor, one: actor.work.remote(one), job)
    # An actor that the cluster has no place for yet must not hold a job.
    starting = {actor.__ray_ready__.remote(): actor for actor in actors}
    left = len(jobs)
    while left:
        ready = ray.wait(list(starting), timeout=0 if pool.has_next() else POLL_S)[0] if starting else []
        for one in ready:
            pool.push(starting.pop(one))
        if pool.has_next():
            try:
                outcome = pool.get_next_unordered(timeout=POLL_S)
            except ray.exceptions.RayError as error:
                outcome = error
            except TimeoutError:
                tick()
                continue
            left -= 1
            yield outcome
        tick()
    with suppress(ray.exceptions.RayError):
        ray.wait([actor.close.remote() for actor in actors], num_returns=len(actors), timeout=CLOSING_S)


def why(error: Any) -> str:
    """What a worker's failure was, in a line."""
    text = str(getattr(error, "cause", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__
