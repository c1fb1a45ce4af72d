"""The service's addresses: texts in, entities and relations out, and pages about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness import __version__
from harness.errors import HarnessError, InputError
from harness.extraction.inputs import Text, text_of_json
from harness.extraction.page import page_data, shared_data
from harness.extraction.pipeline import Extractor, Outcome
from harness.report.pages import PACKAGE, SERVED_POLICY, page_environment
from harness.serving.batches import Batches
from harness.serving.guard import STATIC, Access, App, Guard, Limits
from harness.serving.metrics import CONTENT_TYPE, Metrics

LEAST_SCORE = 0.05
"""Below, a text of a few hundred words has tens of thousands of triplets."""
MOST_TEXTS = 256
_ANSWER = """\
For each text its `title`, `text`, `sentences`, `entities` and `relations`, as `harness extract` writes them. All
offsets are characters of `text`; `head` and `tail` are places in `entities`."""
_ERRORS = {
    401: "The token is missing or wrong.",
    413: "The body is larger than the service allows.",
    415: "The content is not JSON.",
    422: "A field is wrong, or a text holds no sentence.",
    429: "Too many requests at once: Retry-After says when to try again.",
    503: "There was no answer in the time that the service gives a request.",
}


class ExtractRequest(BaseModel):
    """One text or several, and what is kept of their relations."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"text": "Ada Lovelace was born in London.", "min_score": 0.6}}
    )

    text: Annotated[str | None, Field(description="One text, plain.")] = None
    texts: Annotated[
        list[str] | None, Field(description="Several texts in place of one.", min_length=1, max_length=MOST_TEXTS)
    ] = None
    min_score: Annotated[
        float | None,
        Field(
            description="Keep relations of this probability or more (default: the service's own).", ge=LEAST_SCORE, le=1
        ),
    ] = None

    explain: Annotated[
        bool, Field(description="Give each relation the ranking of its pair: the best relations and NA.")
    ] = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.texts is None):
            raise ValueError("give text or texts")
        return self

    def as_texts(self) -> list[Text]:
        """The texts; InputError, with its number, for one that holds no sentence."""
        found = []
        several = self.texts if self.texts is not None else [self.text or ""]
        for number, text in enumerate(several):
            try:
                found.append(text_of_json(str(number), "", text))
            except InputError as error:
                raise InputError(f"text {number} {error}") from None
        return found


class ExtractAnswer(BaseModel):
    """What was found, text by text."""

    documents: Annotated[list[dict[str, Any]], Field(description=_ANSWER)]


class ServiceError(BaseModel):
    """Why there is no answer."""

    error: Annotated[str, Field(description="What is wrong and what helps, in one line.")]


def service(extractor: Extractor, finder: str, access: Access, limits: Limits) -> App:
    """The service of an extractor that is loaded; ``finder`` is the name of what finds its entities."""
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
    from starlette.exceptions import HTTPException
    from starlette.staticfiles import StaticFiles

    # Where they lie on this machine is nobody's business.
    finder, system = (Path(name).name if Path(name).exists() else name for name in (finder, extractor.system))
    metrics = Metrics()
    batches = Batches(extractor, metrics)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        batches.close()

    app = FastAPI(
        title="docre-harness",
        version=__version__,
        summary="Entities and relations of texts",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )

    async def read(request: ExtractRequest) -> list[Outcome]:
        least = extractor.least if request.min_score is None else request.min_score
        return await batches.read(request.as_texts(), least)

    async def extract(request: ExtractRequest) -> Any:
        """Find the entities and relations of one text, or of several."""
        found = await read(request)
        return JSONResponse({"documents": [one.extracted.as_json(explain=request.explain) for one in found]})

    async def page(request: ExtractRequest) -> Any:
        outcomes = await read(request)
        shared = shared_data([one.extracted.title for one in outcomes], extractor.schema, system)
        return JSONResponse({"shared": shared, "documents": [page_data(one) for one in outcomes]})

    async def health() -> dict[str, str]:
        """Say that the models are loaded, and which they are."""
        return {"status": "ok", "version": __version__, "entities": finder, "relations": system}

    async def counters() -> Any:
        """Counters for Prometheus."""
        return PlainTextResponse(metrics.text(), headers={"content-type": CONTENT_TYPE})

    errors: dict[int | str, dict[str, Any]] = {
        status: {"description": text, "model": ServiceError} for status, text in _ERRORS.items()
    }
    app.add_api_route("/extract", extract, methods=["POST"], response_model=ExtractAnswer, responses=errors)
    app.add_api_route("/page", page, methods=["POST"], include_in_schema=False)
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/metrics", counters, methods=["GET"], response_class=PlainTextResponse)

    environment = page_environment(SERVED_POLICY)
    pages = {
        "/": environment.get_template("paste.html").render(
            system=system, finder=finder, least=LEAST_SCORE, with_token=bool(access.token)
        ),
        "/docs": environment.get_template("service.html").render(api=app.openapi(), limits=limits, access=access),
    }
    for path, content in pages.items():
        answer = HTMLResponse(content, headers={"content-security-policy": f"{SERVED_POLICY}; frame-ancestors 'none'"})
        app.add_api_route(path, lambda answer=answer: answer, methods=["GET"], include_in_schema=False)
    app.mount(STATIC, StaticFiles(directory=PACKAGE / "static"))

    def told(status: int, reason: str) -> JSONResponse:
        return JSONResponse({"error": " ".join(reason.split())}, status)

    async def wrong_field(_: object, error: Exception) -> Any:
        assert isinstance(error, RequestValidationError)
        return told(422, _first_fault(error.errors()))

    async def wrong_text(_: object, error: Exception) -> Any:
        return told(422, str(error))

    async def wrong_address(_: object, error: Exception) -> Any:
        assert isinstance(error, HTTPException)
        return told(error.status_code, f"{error.detail}; /docs tells what there is")

    async def failure(_: object, error: Exception) -> Any:
        # Without its message, which may hold a piece of the text.
        return told(500, f"the service failed about this text ({type(error).__name__})")

    app.add_exception_handler(Exception, failure)
    app.add_exception_handler(RequestValidationError, wrong_field)
    app.add_exception_handler(HarnessError, wrong_text)
    app.add_exception_handler(HTTPException, wrong_address)
    return Guard(app, access, limits, metrics, ("/extract", "/page", "/health", "/metrics", *pages))


def _first_fault(faults: Sequence[Any]) -> str:
    place = ".".join(str(part) for part in faults[0]["loc"] if part != "body")
    reason = str(faults[0]["msg"]).removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason
