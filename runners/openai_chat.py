"""The base of all runners that talk to a server speaking OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from harness.errors import ContextOverflow, HarnessError, RetryableError, RunnerError
from harness.redaction import redact, remember_address, remember_options
from harness.types import Completion, CountsTokens, Message, ModelSpec, Request, RunnerOptions, Supports
from runners.addresses import Address, given_headers, given_query, read_address
from runners.adjustments import LEFT_OUT, MERGED, Adjustments, leaves_system_out
from runners.chat_answer import completion_of
from runners.chat_body import chat_body, chat_messages
from runners.contract import check_key_variable, identify, key_in, not_started, refuse_unsupported
from runners.headers import request_headers
from runners.http_errors import ErrorTold, json_answer
from runners.label_tokens import NO_LABELS, LabelTokens, whole_labels
from runners.options import SERVER_OPTIONS, Option, body_fields, integer, switch
from runners.probe import check_grammar
from runners.progress import ProgressWatch, counters
from runners.prompt_length import fewest_tokens
from runners.providers import Provider
from runners.samples import choices_apart, is_of_the_number, shared_usage
from runners.served_model import told_of
from runners.server_context import server_context

if TYPE_CHECKING:
    import httpx2

    from runners.connections import BoundedClient

# Stands for no key; it is not sent.
NO_KEY = "none"
CONNECT_TIMEOUT_S = 30.0
# For the questions about the server's context, which no start waits for.
CONTEXT_TIMEOUT_S = 5.0
HEALTH_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


class OpenAIChatRunner:
    """Sends requests to one server; subclasses say which, and may start it.

    Requests are posted with httpx2: importing the client of the openai package takes longer than a short run. Nothing
    is retried here: the engine does that, with the server's own wishes at hand.
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
        check_key_variable(self.key_env)
        remember_address(options.base_url or "")
        remember_options(extra)
        self._omitted = tuple(name for name in extra.get("omit", "").split(",") if name)
        self.supports = Supports(
            forms=provider.forms,
            max_top_logprobs=(
                0 if self.served_model.startswith(provider.fixed_sampling) else provider.max_top_logprobs
            ),
            context=spec.context,
            max_documents=integer(extra, "documents", 1) if "documents" in extra else None,
            continues=provider.continues,
            takes_effort=True,
            samples=provider.samples and "n" not in self._omitted,
            thinking=provider.thinking,
        )
        self._added = body_fields(extra)
        self._probing = switch(extra, "probe", True)
        self._adjustments = Adjustments()
        self._told: set[str] = set()
        self._server_context: int | None = None
        self._client: BoundedClient | None = None
        self._address: Address | None = None
        self._proxy: httpx2.Proxy | None = None
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
                await client.aclose()
        finally:
            await self._stop()

    async def probe(self, request: Request) -> None:
        """Raise FatalError unless the server was seen to enforce grammars of the request's form.

        What it refuses of such a request is found here, too, before any document is asked about, and so is its context.
        """
        refuse_unsupported(self.name, self.supports, request)
        if not self._probing:
            return
        await self._test_system_role(request)
        if request.constraint is not None:
            await check_grammar(self.name, request.constraint.form, request, self._send)
        self._server_context = self._server_context or await self._ask_context()

    async def generate(self, request: Request) -> Completion:
        """Ask the model once.

        Raises FatalError for a constraint or log-probabilities that it cannot give, ContextOverflow without asking
        for a prompt that is longer than the server's context in any tokenizer.
        """
        (completion,) = await self.generate_samples(request, 1)
        return completion

    async def generate_samples(self, request: Request, count: int) -> Sequence[Completion]:
        """Ask the model once for ``count`` answers; from then on for one, where it refuses or does not give several."""
        refuse_unsupported(self.name, self.supports, request)
        context = self._server_context
        if context is not None and (tokens := fewest_tokens(request.messages)) > context:
            raise ContextOverflow(f"the prompt has {tokens} tokens or more, and the server's context is {context}")
        answers = self._send_for(request, count)
        return await (answers if self._watch is None else self._watch.wait_for(answers))

    async def _send_for(self, request: Request, count: int) -> Sequence[Completion]:
        try:
            drawn = await self._send_all(request, count)
        except RunnerError as error:
            if count == 1 or not is_of_the_number(error):
                raise
            drawn = await self._send_all(request, 1)
            self._takes_no_number(str(error))
        return drawn

    def _takes_no_number(self, why: str) -> None:
        if self.supports.samples:
            self.supports = replace(self.supports, samples=False)
            log.warning("%s: samples are asked for one by one from now on: %s", self.name, why)

    async def served(self) -> Mapping[str, object]:
        """What the server's list of models says of this one; empty where it does not tell within a few seconds.

        Raises FatalError where the list has other models and not this one.
        """
        try:
            async with asyncio.timeout(CONTEXT_TIMEOUT_S):
                listing = await self._ask_server("GET", "models", None)
        except TimeoutError:
            return {}
        return told_of(listing, self.served_model, redact(self.base_url, self._api_key()))

    async def answers(self) -> bool:
        """Whether the server is reached, and does not say of itself that it is broken."""
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                response = await self._connection.get(f"{self.root_url}/health")
        except HarnessError:  # it sends something else, such as a way elsewhere, or was never started
            return True
        except Exception:
            return False
        return response.status_code < 500

    async def _start(self) -> str:
        """Make the server reachable and return its base URL, ``/v1`` included."""
        return self.options.base_url or self.provider.base_url

    async def _stop(self) -> None:
        """Stop what ``_start`` started."""

    def _adapter_fields(self, _request: Request) -> dict[str, object]:
        """The body fields that name the request's adapter, where the runner was given adapters."""
        return {}

    def _key_variable(self) -> str:
        """The environment variable that holds the key to send; empty where none is to be sent.

        OpenAI's key is offered, as its own clients do, to a server that the user named, and to no other.
        """
        if "key_env" in self.options.extra or self.key_env:
            return self.key_env
        return "OPENAI_API_KEY" if self.options.base_url else ""

    def _api_key(self) -> str:
        """The key to send; never part of a message, a log or an identity."""
        return key_in(self._key_variable()) or NO_KEY

    def _weights(self) -> Sequence[Path]:
        """The files or the folder of a model that is loaded from this machine."""
        return ()

    @property
    def base_url(self) -> str:
        """Where the started server answers, ``/v1`` included."""
        return str(self._connection.base_url).rstrip("/")

    @property
    def root_url(self) -> str:
        """The server's own address, below which it answers to more than OpenAI's API."""
        return self.base_url.removesuffix("/v1")

    @property
    def _connection(self) -> BoundedClient:
        if self._client is None:
            raise not_started(self.name)
        return self._client

    def _check_connection(self, base_url: str) -> None:
        """Raise InputError for an address, proxy, certificates, headers or parameters that cannot be used."""
        from runners.network import certificates, proxy_for

        address = read_address(base_url)
        certificates(address, proxy_for(address), self.options.extra.get("ca"))
        given_headers(self.options.extra)
        given_query(self.options.extra)

    def _new_client(self, base_url: str) -> BoundedClient:
        import httpx2

        from runners.connections import BoundedClient, SpreadTransport
        from runners.network import certificates, proxy_for

        self._address = read_address(base_url)
        self._proxy = proxy_for(self._address)
        extra, connections = self.options.extra, self.options.max_connections
        trusted, key = certificates(self._address, self._proxy, extra.get("ca")), self._api_key()
        return BoundedClient(
            base_url=self._address.url,
            headers=request_headers(self._address, "" if key == NO_KEY else key, self._key_variable(), extra),
            transport=SpreadTransport(connections, trusted, self._proxy),
            timeout=httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S),
            params=httpx2.QueryParams(self._address.query).merge(given_query(extra)),
            trust_env=False,
        )

    async def _test_system_role(self, request: Request) -> None:
        """Find out whether the chat template leaves system messages out, where the server counts tokens."""
        if not isinstance(self, CountsTokens) or not await leaves_system_out(self.count_tokens, request.messages):
            return
        if self._adjustments.system_role:
            self._adjustments.system_role = False
            log.warning("%s: %s from now on: %s", self.name, MERGED, LEFT_OUT)

    async def _progress(self) -> object:
        """What the started server's ``/metrics`` say of its work; None where they say nothing."""
        response = await self._connection.get(f"{self.root_url}/metrics")
        return counters(response.text) if response.is_success else None

    async def _label_tokens(self, request: Request) -> LabelTokens:  # noqa: ARG002 - for servers that can
        """The tokens whose log-probabilities a server is asked for in place of the most probable ones."""
        return NO_LABELS

    async def _send(self, request: Request) -> Completion:
        (completion,) = await self._send_all(request, 1)
        return completion

    async def _send_all(self, request: Request, count: int) -> Sequence[Completion]:
        """Ask once for ``count`` answers, and again at once without what the server refuses of it."""
        labels = await self._label_tokens(request)
        while True:
            asked, body, notes = self.bodies(request, labels, count)
            started = time.perf_counter()
            try:
                answer = await self._post("/chat/completions", body)
            except RunnerError as error:
                if not self._adjusted(error, asked, body, request):
                    raise
                continue
            seconds = time.perf_counter() - started
            drawn: list[Completion] = []
            choices = choices_apart(answer)
            if len(choices) < count:
                self._takes_no_number(f"the server gave {len(choices)} of {count} answers in one call")
            for one in choices[:count]:
                try:
                    completion = completion_of(one, request, body, notes, seconds)
                except RunnerError:
                    if not drawn:
                        raise
                    break  # The samples from here on are asked for again.
                drawn.append(replace(completion, logprobs=whole_labels(completion.logprobs, labels)))
            return shared_usage(drawn)

    def bodies(
        self, request: Request, labels: LabelTokens = NO_LABELS, samples: int = 1
    ) -> tuple[dict[str, object], dict[str, object], tuple[str, ...]]:
        """The body as it would be asked, as it is sent to this server, and in words how they differ."""
        asked = chat_body(
            request, self.served_model, self.spec, self.provider, system_role=self._adjustments.system_role
        )
        if labels.whole:
            asked["logprob_token_ids"] = list(labels.ids)
        if samples > 1:
            asked["n"] = samples
        for name in self._omitted:
            asked.pop(name, None)
        body, notes = self._adjustments.applied(asked, request)
        return asked, body | self._added | self._adapter_fields(request), notes

    def _adjusted(
        self, error: RunnerError, asked: Mapping[str, object], body: Mapping[str, object], request: Request
    ) -> bool:
        """Whether later requests differ from ``body`` in what the error refuses; tells each change once."""
        if isinstance(error, RetryableError) and error.overloaded:
            return False
        if not self._adjustments.learn(error.answer, body, self._added):
            return False
        for note in self._adjustments.applied(asked, request)[1]:
            if note not in self._told:
                self._told.add(note)
                log.warning("%s: %s from now on: %s", self.name, note, error)
        return True

    async def _post_messages(
        self, path: str, messages: tuple[Message, ...], fields: Mapping[str, object] = MappingProxyType({})
    ) -> object:
        """Post messages as they are sent to be answered, with other fields."""
        options = {"chat_template_kwargs": dict(self.spec.chat)} if self.spec.chat else {}
        while True:
            sent = chat_messages(messages, self.spec, system_role=self._adjustments.system_role)
            body = {**fields, "messages": sent, **options}
            try:
                return await self._post(path, body)
            except RunnerError as error:
                if not self._adjusted(error, body, body, Request(messages)):
                    raise

    async def _ask_context(self) -> int | None:
        """The server's context, if it tells within a few seconds."""
        try:
            async with asyncio.timeout(CONTEXT_TIMEOUT_S):
                at_home = bool(self.options.base_url) or not self.provider.key_env
                return await server_context(self._ask_server, self.served_model, at_home=at_home)
        except TimeoutError:
            return None

    async def _ask_server(self, method: Literal["GET", "POST"], path: str, body: Mapping[str, object] | None) -> object:
        client = self._connection
        url = f"{self.root_url}{path}" if path.startswith("/") else f"/{path}"
        try:
            response = await client.request(method, url, json=body)
            return json.loads(response.text) if response.is_success else None
        except Exception:  # whatever a server that knows no such path does, the run goes on without its context
            return None

    async def _exchange(self, client: BoundedClient, path: str, body: Mapping[str, object]) -> httpx2.Response:
        return await client.post(path, json=body)

    async def _post(self, path: str, body: Mapping[str, object]) -> object:
        """Post JSON, return the JSON of the answer; every failure becomes an error of ``harness.errors``."""
        response = await self.reached(lambda client: self._exchange(client, path, body))
        return json_answer(response.status_code, response.headers, response.text, **self.told_of_errors())

    def told_of_errors(self) -> ErrorTold:
        """What the messages of this server's errors are made with."""
        key = self._api_key()
        return {
            "model": self.served_model,
            "key_env": "" if key == NO_KEY else self._key_variable(),
            "key": key,
            "remedy": self._address.remedy if self._address else "",
        }

    async def reached(self, exchange: Callable[[BoundedClient], Awaitable[httpx2.Response]]) -> httpx2.Response:
        """The response of an exchange over the runner's connection, whatever its status.

        A connection that fails becomes an error of ``harness.errors``.
        """
        import httpx2

        from runners.network import FAILURES, connection_error

        client, key = self._connection, self._api_key()
        try:
            return await exchange(client)
        except httpx2.TimeoutException:
            raise RetryableError(
                f"no connection to {redact(self.base_url, key)} within {CONNECT_TIMEOUT_S:g} s", outage="connection"
            ) from None
        except FAILURES as error:
            where = redact(self.base_url, key)
            raise connection_error(error, lambda text: redact(text, key), where, self._proxy) from None
