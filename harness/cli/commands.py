"""The table of commands of `harness`, and how errors become one line and an exit code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.cli import (
    ablate,
    annotate,
    calibrate,
    combine,
    compare,
    data,
    doctor,
    export,
    extract,
    importing,
    journal,
    leaderboard,
    merge,
    models,
    predict,
    prompts,
    report,
    run,
    schema,
    score,
    serve,
    sweep,
    track,
    train,
)
from harness.errors import HarnessError, InputError
from harness.redaction import redact

EXIT_BAD_INPUT, EXIT_STOPPED = 2, 3
_INTERRUPTED = 130
_MOST_NAMED = 8

app = typer.Typer(
    name="harness",
    help="Benchmark LLMs on document-level relation extraction.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"auto_envvar_prefix": "HARNESS", "help_option_names": ["-h", "--help"]},
)
app.command("run", help=run.RUN_EXAMPLES)(run.run)
app.command("retry")(run.retry)
app.command("ablate", help=ablate.ABLATE_EXAMPLES)(ablate.ablate)
app.command("score")(score.score)
app.command("annotate")(annotate.annotate)
app.command("extract")(extract.extract)
app.command("serve")(serve.serve)
app.command("calibrate")(calibrate.calibrate)
app.command("import")(importing.import_)
app.command("combine")(combine.combine)
app.command("predict")(predict.predict)
app.command("merge")(merge.merge)
app.command("export")(export.export)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("compare")(compare.compare)
app.command("track")(track.track)
app.command("card")(track.card)
app.command("report")(report.report)
app.add_typer(sweep.app, name="sweep")
app.add_typer(train.app, name="train")
app.add_typer(data.app, name="data")
app.add_typer(schema.app, name="schema")
app.add_typer(prompts.app, name="prompts")
app.add_typer(models.app, name="models")
app.add_typer(journal.app, name="journal")
app.command("doctor")(doctor.doctor)


def _print_version(value: bool) -> None:
    if value:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, allow_from_autoenv=False, help="Show the version."
        ),
    ] = False,
) -> None:
    """Benchmark LLMs on document-level relation extraction."""


def run_command() -> int:
    """Run the command line; whatever goes wrong is told in one line on stderr. Returns the exit code."""
    try:
        try:
            _load_dotenv(Path(".env"))
            code = app(standalone_mode=False)
        except typer.TyperException as error:
            code = _fail_on_usage(error)
        sys.stdout.flush()
    except HarnessError as error:
        return _fail(str(error), code=error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    # Typer makes a code of an interruption.
    return (
        _fail("stopped; the same command goes on where its work is kept", code=EXIT_STOPPED)
        if code == _INTERRUPTED
        else int(code or 0)
    )


def _load_dotenv(file: Path) -> None:
    """Take the API keys of a .env beside the user's work; variables that are already set win.

    The folder may come from elsewhere: any other variable could send a key to another server, or name a program.
    """
    if not file.is_file():
        return
    from dotenv import dotenv_values

    from runners.providers import KEY_VARIABLES

    keys = KEY_VARIABLES | {"HF_TOKEN"}
    try:
        values = dotenv_values(file, interpolate=False)
        for name in values.keys() & keys:
            os.environ.setdefault(name, values[name] or "")
    except (OSError, ValueError) as error:
        raise InputError(f"{file.resolve()} cannot be read ({error}): correct it, or move it away") from error
    if ignored := [ascii(name)[1:-1] for name in values if name not in keys]:
        more = f" and {len(ignored) - _MOST_NAMED} more" if len(ignored) > _MOST_NAMED else ""
        named = ", ".join(ignored[:_MOST_NAMED])
        print(f"note: .env sets {named}{more}: ignored, only API keys are read from it", file=sys.stderr)


def _fail_on_usage(error: typer.TyperException) -> int:
    """A usage error in one line; `harness` without arguments shows the help instead."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return 0
    hint = f" (see `{context.command_path} --help`)" if context else ""
    # Some versions of typer put before a bad choice what pydantic says of any bad value.
    return _fail(f"{error.format_message().replace(': Value error, ', ': ', 1)}{hint}")


def _fail(message: str, code: int = EXIT_BAD_INPUT) -> int:
    print(f"error: {redact(' '.join(message.split()))}", file=sys.stderr)
    return code
