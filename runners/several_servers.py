"""One model on several servers: their addresses, that all serve the same, and how the engine asks each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import FatalError, InputError
from harness.redaction import address, has_login
from harness.types import Completion, ModelSpec, Request, Runner, RunnerOptions, Supports
from runners.addresses import FILE_PREFIX, read_address
from runners.openai_chat import OpenAIChatRunner
from runners.served_model import difference

OTHER_FILES = 256

log = logging.getLogger(__name__)

Addresses = Callable[[], Sequence[str]]


class AddressList:
    """The addresses of ``--base-url``, separated by white space; ``@FILE`` stands for those in a file, one a line.

    The file is read again whenever it has changed. Raises InputError for one without an address; later, such a file
    leaves the addresses as they were.
    """

    def __init__(self, base_url: str) -> None:
        self._parts = base_url.split()
        self._stamps: dict[Path, tuple[int, int]] = {}
        self._read: dict[Path, list[str]] = {}
        self._told: set[str] = set()
        for file in self._files():
            self._read_again(file)

    def __call__(self) -> Sequence[str]:
        """The addresses now, each once."""
        for file in self._files():
            try:
                self._read_again(file)
            except InputError as error:
                if str(error) not in self._told:
                    self._told.add(str(error))
                    log.warning("%s; the servers stay as they were", error)
        named = (self._read[Path(one[1:])] if one.startswith(FILE_PREFIX) else [one] for one in self._parts)
        return list(dict.fromkeys(one for several in named for one in several))

    def _files(self) -> list[Path]:
        return [Path(part[1:]) for part in self._parts if part.startswith(FILE_PREFIX)]

    def _read_again(self, file: Path) -> None:
        try:
            status = file.stat()
            if (stamp := (status.st_mtime_ns, status.st_size)) == self._stamps.get(file):
                return
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--base-url {FILE_PREFIX}{file}: the file cannot be read ({error})") from None
        addresses = [text for line in lines if (text := line.partition("#")[0].strip())]
        if not addresses:
            raise InputError(f"--base-url {FILE_PREFIX}{file}: the file names no server: write one address a line")
        for one in addresses:
            read_address(one)
            if has_login(one):
                raise InputError(f"--base-url {FILE_PREFIX}{file}: an address must not hold a login")
        self._stamps[file], self._read[file] = stamp, addresses


class OneOfSeveral:
    """A server as the engine asks it: its answers carry its name, and it serves what the others do."""

    def __init__(self, name: str, runner: OpenAIChatRunner, group: SeveralServersRunner) -> None:
        self.name = name
        self.supports = runner.supports
        self.told: Mapping[str, object] = {}
        """What the server says of its model."""
        self._runner = runner
        self._group = group

    @property
    def identity(self) -> Mapping[str, str]:
        return self._group.identity

    def check(self) -> None:
        self._runner.check()

    async def __aenter__(self) -> Self:
        await self._runner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.__aexit__(kind, error, trace)

    async def probe(self, request: Request) -> None:
        """As ``Runner.probe``; FatalError, too, where the server serves another model than those before it."""
        self.told = await self._runner.served()
        self._group.compare(self)
        await self._runner.probe(request)

    async def generate(self, request: Request) -> Completion:
        return replace(await self._runner.generate(request), server=self.name)

    async def generate_samples(self, request: Request, count: int) -> Sequence[Completion]:
        drawn = await self._runner.generate_samples(request, count)
        self.supports = self._runner.supports
        return [replace(one, server=self.name) for one in drawn]

    async def answers(self) -> bool:
        return await self._runner.answers()


class SeveralServersRunner:
    """The runner of a model on several servers: its identity names none of them but the first address.

    So more servers may be added, and others dropped, while a run goes on and between its sessions. ``build`` makes the
    runner of the server with a name; ``like`` is the runner that has the model's identity and is never started.
    """

    def __init__(self, like: OpenAIChatRunner, names: Addresses, build: Callable[[str], OpenAIChatRunner]) -> None:
        self.name = like.name
        each = like.supports.max_documents
        self.supports: Supports = replace(like.supports, max_documents=each and each * len(names()))
        self._like = like
        self._names = names
        self._build = build
        self._known: dict[str, OneOfSeveral] = {}

    @property
    def identity(self) -> Mapping[str, str]:
        return self._like.identity

    def servers(self) -> Sequence[OneOfSeveral]:
        """Those that are named now."""
        return [self._server(name) for name in self._names()]

    def compare(self, server: OneOfSeveral) -> None:
        """Raise FatalError where ``server`` says something else of its model than another one."""
        for other in self.servers():
            if other is not server and (what := difference(server.told, other.told)):
                raise FatalError(
                    f"{server.name} and {other.name} serve different models ({what}): answers would depend on which "
                    "of them is asked. Name servers of one model"
                )

    def check(self) -> None:
        for server in self.servers():
            server.check()

    async def __aenter__(self) -> Self:
        """Start the first server, for callers that do not spread requests."""
        await self.servers()[0].__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.servers()[0].__aexit__(kind, error, trace)

    async def probe(self, request: Request) -> None:
        await self.servers()[0].probe(request)

    async def generate(self, request: Request) -> Completion:
        return await self.servers()[0].generate(request)

    def _server(self, name: str) -> OneOfSeveral:
        if name not in self._known:
            allow_open_files((len(self._known) + 1) * self._like.options.max_connections)
            self._known[name] = OneOfSeveral(address(name), self._build(name), self)
        return self._known[name]


def allow_open_files(connections: int) -> None:
    """Let this process open so many connections, as far as the hard limit goes: a usual limit is 1,024 files."""
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if resource.RLIM_INFINITY != soft < wanted:
        with suppress(OSError, ValueError):
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def on_addresses(
    build: Callable[[ModelSpec, RunnerOptions], Runner], spec: ModelSpec, options: RunnerOptions
) -> SeveralServersRunner:
    """The runner of a model on the servers that ``options.base_url`` names.

    Its identity has the first address, as if that were the only one, or the file's name. Raises InputError for a
    model that no server is asked for.
    """
    first = str(options.base_url).split()[0]
    shown = f"{FILE_PREFIX}{Path(first[1:]).name}" if first.startswith(FILE_PREFIX) else first

    def build_one(base_url: str) -> OpenAIChatRunner:
        named = replace(spec, name=f"{spec.name} at {address(base_url)}")
        return asked_over_http(build(named, replace(options, base_url=base_url)))

    def asked_over_http(runner: Runner) -> OpenAIChatRunner:
        if not isinstance(runner, OpenAIChatRunner):
            raise InputError(f"--base-url: no server is asked for {spec.name}")
        return runner

    like = asked_over_http(build(spec, replace(options, base_url=shown)))
    return SeveralServersRunner(like, AddressList(str(options.base_url)), build_one)
