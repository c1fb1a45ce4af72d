"""The base of all runners that talk to a server speaking OpenAI's chat completions."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from harness.errors import FatalError, RequestError, RetryableError
from harness.types import Completion, ModelSpec, Request, RunnerOptions, Supports
from runners.chat_body import chat_body, read_completion
from runners.contract import identify, not_started, refuse_unsupported
from runners.http_errors import error_from_response, error_in_body, redact
from runners.options import SERVER_OPTIONS, Option, body_fields, switch
from runners.probe import TOKEN_LIMITS, is_conclusive, is_honoured, probe_request
from runners.progress import ProgressWatch, counters
from runners.providers import Provider

if TYPE_CHECKING:
    import openai

# The openai client insists on a key; servers that need none ignore this one.
NO_KEY = "none"
CONNECT_TIMEOUT_S = 30.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class OpenAIChatRunner:
    """Sends requests to one server; subclasses say which, and may start it.

    The client never retries by itself: the engine does, with the server's own wishes at hand.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = SERVER_OPTIONS

    name: str
    supports: Supports

    def __init__(self, spec: ModelSpec, options: RunnerOptions, provider: Provider) -> None:
        extra = options.extra
        self.name = spec.name
        self.spec = spec
        self.options = options
        self.provider = provider
        self.served_model = extra.get("model", spec.model_id)
        self.key_env = extra.get("key_env", provider.key_env)
        self.supports = Supports(
            forms=provider.forms,
            max_top_logprobs=(
                0 if self.served_model.startswith(provider.fixed_sampling) else provider.max_top_logprobs
            ),
            context=spec.context,
        )
        self._omitted = tuple(name for name in extra.get("omit", "").split(",") if name)
        self._added = body_fields(extra)
        self._probing = switch(extra, "probe", True)
        self._client: openai.AsyncOpenAI | None = None
        # Set by runners that start the server themselves.
        self._watch: ProgressWatch | None = None

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """What tells this model's answers from another's; a model of this machine is read once for it."""
        return identify(self.provider.name, self.served_model, self.spec, self.options, self.OPTIONS, self._weights())

    def check(self) -> None:
        """Raise ModelUnavailable if the model cannot run here."""

    async def __aenter__(self) -> Self:
        """Make the server reachable; nothing is sent to it yet."""
        try:
            self._client = self._new_client(await self._start())
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections and stop what was started."""
        client, self._client = self._client, None
        try:
            if client is not None:
                await client.close()
        finally:
            await self._stop()

    async def probe(self, request: Request) -> None:
        """Raise FatalError unless the server was seen to enforce grammars of the request's form."""
        refuse_unsupported(self.name, self.supports, request)
        form = None if request.constraint is None else request.constraint.form
        if form is None or not self._probing:
            return
        for max_tokens in TOKEN_LIMITS:
            try:
                completion = await self._send(probe_request(form, max_tokens))
            except RequestError as error:
                raise FatalError(
                    f"{self.name}: the server refuses a {form} grammar ({error}); use --constrain none, "
                    "or name a form that it honours with -M constrain_with=FORM"
                ) from error
            if is_conclusive(completion):
                break
        if not is_honoured(completion, form):
            raise FatalError(
                f"{self.name}: the server ignores the constraint: held to one word by a {form} grammar, "
                f"it wrote {completion.text[:60]!r}; use --constrain none"
            )

    async def generate(self, request: Request) -> Completion:
        """Ask the model once. Raises FatalError for a constraint or log-probabilities that it cannot give."""
        refuse_unsupported(self.name, self.supports, request)
        answer = self._send(request)
        return await (answer if self._watch is None else self._watch.wait_for(answer))

    async def _start(self) -> str:
        """Make the server reachable and return its base URL, ``/v1`` included."""
        return self.options.base_url or self.provider.base_url

    async def _stop(self) -> None:
        """Stop what ``_start`` started."""

    def _key_variable(self) -> str:
        """The environment variable that holds the key to send; empty where none is to be sent."""
        return ""

    def _api_key(self) -> str:
        """The key to send; never part of a message, a log or an identity."""
        return os.environ.get(self._key_variable()) or NO_KEY

    def _weights(self) -> Sequence[Path]:
        """The files or the folder of a model that is loaded from this machine."""
        return ()

    @property
    def base_url(self) -> str:
        """Where the started server answers, ``/v1`` included."""
        return str(self._connection.base_url).rstrip("/")

    @property
    def _connection(self) -> openai.AsyncOpenAI:
        if self._client is None:
            raise not_started(self.name)
        return self._client

    def _new_client(self, base_url: str) -> openai.AsyncOpenAI:
        import urllib.request

        import httpx2
        import openai

        from runners.connections import SpreadTransport

        if not base_url.startswith(("http://", "https://")):
            raise FatalError(f"base URL {base_url!r}: an address such as http://127.0.0.1:8000/v1 is needed")
        connections = self.options.max_connections
        # A proxy of the environment cannot reach this machine's own servers.
        is_local = httpx2.URL(base_url).host in LOOPBACK
        behind_proxy = bool(urllib.request.getproxies()) and not is_local
        return openai.AsyncOpenAI(
            base_url=base_url,
            api_key=self._api_key(),
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            http_client=openai.DefaultAsyncHttpx2Client(
                transport=None if behind_proxy else SpreadTransport(connections, trust_env=not is_local),
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=connections),
                trust_env=not is_local,
            ),
        )

    async def _progress(self) -> object:
        """What the started server's ``/metrics`` say of its work; None where they say nothing."""
        import httpx2
        import openai

        address = f"{self.base_url.removesuffix('/v1')}/metrics"
        try:
            response = await self._connection.get(address, cast_to=httpx2.Response)
        except openai.APIStatusError:
            return None
        return counters(response.text)

    async def _send(self, request: Request) -> Completion:
        body = chat_body(request, self.served_model, self.spec, self.provider)
        for name in self._omitted:
            body.pop(name, None)
        started = time.perf_counter()
        answer = await self._post("/chat/completions", body | self._added)
        return read_completion(answer, request, time.perf_counter() - started)

    async def _post(self, path: str, body: Mapping[str, object]) -> object:
        """Post JSON, return the JSON of the answer; every failure becomes an error of ``harness.errors``."""
        import httpx2
        import openai

        client = self._connection
        key = self._api_key()
        key_env = "" if key == NO_KEY else self._key_variable()
        try:
            response = await client.post(path, body=body, cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            raise error_from_response(
                error.status_code,
                error.response.headers,
                error.response.text,
                model=self.served_model,
                key_env=key_env,
                key=key,
            ) from None
        except openai.APITimeoutError:
            raise RetryableError(f"no connection to {client.base_url} within {CONNECT_TIMEOUT_S:g} s") from None
        except openai.APIConnectionError as error:
            reason = error.__cause__ or error
            cause = redact(str(reason) or type(reason).__name__, key)
            raise RetryableError(f"connection to {client.base_url} failed: {cause}") from None
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            raise RetryableError("the server's answer is not complete JSON") from None
        error_body = error_in_body(answer, model=self.served_model, key_env=key_env, key=key, headers=response.headers)
        if error_body is not None:
            raise error_body
        return answer
