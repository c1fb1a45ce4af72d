"""What is printed acts on no terminal, fits any encoding, and outlives whoever reads it."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.commands import run_command
from harness.cli.tables import print_table
from harness.cli.terminal import console, guarded_streams, print_exact
from harness.visible import one_line, visible
from tests.commands import environment

ATTACKS = {
    "osc": "\x1b]0;title\x07",
    "csi": "\x1b[2J\x1b[8m",
    "c1": "\x9b2J\x90\x9c",
    "bidi": "\u202e\u2066\u2069\u200f\u061c",
    "return": "a\rb",
    "back": "a\b\x7f",
    "half": "\ud800",
    "separator": "\u2028\u0085",
}


@pytest.fixture(params=["file", "terminal"])
def screen(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], str]:
    """What is written to standard output, which is a file or a terminal, while a function is called."""

    def written(act: Callable[[], object]) -> str:
        if request.param == "file":
            raw = io.BytesIO()
            with io.TextIOWrapper(raw, encoding="utf-8") as stream, monkeypatch.context() as patch:
                patch.setattr(sys, "stdout", stream)
                with guarded_streams():
                    act()
                stream.flush()
                return raw.getvalue().decode()
        ours, theirs = pty.openpty()
        with os.fdopen(theirs, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            with guarded_streams():
                act()
            stream.flush()
            text = os.read(ours, 100_000).decode()
        os.close(ours)
        return text.replace("\r\n", "\n")

    written.is_terminal = request.param == "terminal"  # type: ignore[attr-defined]
    return written


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_characters_that_act_are_shown_as_escapes(attack: str, screen: Callable[[Callable[[], object]], str]) -> None:
    shown = screen(lambda: print(f"<{attack}>"))
    assert shown == f"<{visible(attack)}>\n"
    assert visible(attack).replace("\n", "").isprintable()


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_tables_keep_their_own_styles_and_no_other(attack: str, screen: Callable[[Callable[[], object]], str]) -> None:
    own = screen(lambda: print_table("heading", [["name"], ["cell"]]))
    shown = screen(lambda: print_table(f"heading {attack}", [["name"], [f"cell {attack}\n"]]))
    assert shown.count("\x1b") == own.count("\x1b")
    assert visible(shown.replace("\x1b", "")) == shown.replace("\x1b", "")
    assert f"cell {one_line(attack)}\\n" in shown


def test_what_rich_is_given_is_cleaned_too(screen: Callable[[Callable[[], object]], str]) -> None:
    assert "<\\x1b[2J>" in screen(lambda: console().print("<\x1b[2J>"))


def test_a_prompt_is_exact_in_a_file_and_visible_on_a_terminal(screen: Callable[[Callable[[], object]], str]) -> None:
    shown = screen(lambda: print_exact("\x1b[2J"))
    assert shown == ("\\x1b[2J\n" if screen.is_terminal else "\x1b[2J\n")  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_has_not_is_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding) as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with guarded_streams():
            print_table("Ł", [["é"], ["日本"]])
            print("Ł ±")
        stream.flush()
        text = raw.getvalue().decode(encoding)
    assert "\\u65e5\\u672c" in text
    assert "\\u0141 " in text


def outcome(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with guarded_streams():
        return run_command()


@pytest.mark.parametrize("arguments", [(), ("models",), ("models", "--json"), ("prompts",)])
def test_a_full_device_is_one_line(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert outcome(patch, *arguments) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: cannot write the output: ")


def test_a_reader_that_has_gone_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        patch.setattr(sys, "stderr", pipe)
        assert outcome(patch, "models") == 0
        assert outcome(patch, "nonsense") == 2
    assert capfd.readouterr().err == ""


def test_closed_streams_lead_to_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert outcome(monkeypatch, "models") == 0
    assert outcome(monkeypatch, "nonsense") == 2
    assert sys.stdout is None


def test_an_interruption_before_anything_is_started_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.commands._load_dotenv", interrupt)
    assert outcome(monkeypatch, "models") == 3
    monkeypatch.setattr("harness.cli.commands._load_dotenv", lambda _path: None)
    monkeypatch.setattr("harness.models.load_models", lambda: interrupt(Path()))
    assert outcome(monkeypatch, "models") == 3
    assert (
        capsys.readouterr().err.splitlines() == ["error: stopped; the same command goes on where its work is kept"] * 2
    )


def test_an_interruption_of_the_imports_is_one_line() -> None:
    code = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'harness.cli.ablate':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "from harness.cli.main import main\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (3, "error: stopped; the same command goes on where its work is kept\n")
