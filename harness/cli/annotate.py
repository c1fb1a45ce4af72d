"""`harness annotate`: plain text in, entities and relations in DocRED format out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli.options import (
    Display,
    DisplayOption,
    FailOnErrorOption,
    JsonOption,
    MaxCostOption,
    MaxTimeOption,
    MaxTokensTotalOption,
    PromptOptionsOption,
    ResultsOption,
    key_values,
)

if TYPE_CHECKING:
    from harness.annotation.execute import AnnotationResult
    from harness.experiment.plan import Experiment


def annotate(
    texts: Annotated[Path, typer.Argument(metavar="INPUT", help="A .txt file, a folder of them, or a .jsonl file.")],
    model: Annotated[str, typer.Option(help="A name from `harness models`, provider/name, or a GGUF file.")],
    out: Annotated[Path | None, typer.Option(help="The file to write (default: in the results folder).")] = None,
    schema: Annotated[
        str, typer.Option(help="Relations: redocred, a rel_info.json file, or open (named by the model).")
    ] = "redocred",
    prompt: Annotated[str, typer.Option(help="A prompt of the method annotate, or the path of a folder.")] = "annotate",
    limit: Annotated[int | None, typer.Option(help="Only the first N texts.")] = None,
    constrain: Annotated[
        Literal["closed", "format", "none"] | None,
        typer.Option(help="Default: closed, or format where the schema is open."),
    ] = None,
    prompt_option: PromptOptionsOption = None,
    model_option: Annotated[
        list[str] | None,
        typer.Option("-M", "--model-option", metavar="KEY=VALUE", help="An option of the runner; repeatable."),
    ] = None,
    max_triplets: Annotated[int | None, typer.Option(min=1, help="Most triplets of a document.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 is greedy decoding.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Nucleus sampling.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Sampling seed, where the server honours one.")] = 0,
    base_url: Annotated[str | None, typer.Option(help="OpenAI-compatible address of a server.")] = None,
    max_connections: Annotated[int, typer.Option(min=1, help="Most requests in flight.")] = 64,
    max_retries: Annotated[int, typer.Option(min=0, help="Tries after the first, per request.")] = 8,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one request.")] = 600.0,
    max_time: MaxTimeOption = None,
    max_tokens_total: MaxTokensTotalOption = None,
    max_cost: MaxCostOption = None,
    fail_on_error: FailOnErrorOption = 0.0,
    results_dir: ResultsOption = Path("results"),
    display: DisplayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the entities, their mentions and their relations in plain texts, and write them in DocRED format.

    The model is asked twice a text. Only whole answers become documents; what was dropped is counted. The
    same command typed again resumes: nothing is asked twice.

    \b
    Examples:
      harness annotate article.txt --model smollm2-135m
      harness annotate articles/ --model gpt-4o-mini --schema open --out corpus/annotated.json --max-cost 0.50
    """
    from harness.annotation.plan import OPEN, prepare_annotation
    from harness.engine.budget import Limits
    from harness.experiment.config import RunConfig

    config = RunConfig(
        model=model,
        prompt=prompt,
        dataset=str(texts),
        limit=limit,
        constrain=constrain or ("format" if schema == OPEN else "closed"),
        prompt_options=key_values(prompt_option, "-P"),
        max_triplets=max_triplets,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        base_url=base_url,
        model_options=key_values(model_option, "-M"),
        max_connections=max_connections,
        max_retries=max_retries,
        timeout_s=timeout,
        limits=Limits(tokens=max_tokens_total, cost_usd=max_cost, seconds=max_time),
        results=results_dir,
    )
    result = _execute(prepare_annotation(config, schema), out, display, as_json)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print(result)
    if result.failed_share > fail_on_error:
        typer.echo(
            f"{result.failed_share:.1%} of the documents have no answer: type the same command to ask for them again",
            err=True,
        )
        raise typer.Exit(1)


def _execute(experiment: Experiment, out: Path | None, display: Display | None, quiet: bool) -> AnnotationResult:
    from harness.annotation.execute import annotate as annotate_texts
    from harness.cli.display import default_display, log_to_stderr, make_display

    kind = display or ("none" if quiet else default_display())
    if kind != "none":
        log_to_stderr()
    observer = make_display(kind)
    try:
        return asyncio.run(annotate_texts(experiment, observer, out))
    finally:
        observer.close()


def _print(result: AnnotationResult) -> None:
    from harness.cli.summary import counts, print_lines

    manifest = result.manifest
    usage = manifest["usage"]
    lines = [("documents", f"{manifest['written']['documents']:,} of {manifest['documents']['asked']:,} written")]
    for label in ("dropped", "rejects", "details"):
        if manifest[label]:
            lines.append((label, counts(manifest[label])))
    lines += [(name, f"{count:,}") for name, count in manifest["written"].items() if name != "documents"]
    lines += [
        ("requests", f"{usage['requests']:,}"),
        ("tokens", f"{usage['prompt_tokens']:,} prompt, {usage['completion_tokens']:,} completion"),
        ("written to", str(result.corpus)),
        ("records in", str(result.folder.path)),
    ]
    print_lines(lines)
