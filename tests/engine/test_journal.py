"""The journal keeps every answer under everything that shaped it, across processes and kills."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.engine.journal import Journal, request_key
from harness.engine.repair import repair_journal
from harness.errors import StorageError
from harness.types import Completion, Constraint, Message, Request, Sampling, TokenLogprob, Usage

IDENTITY = {"provider": "openai", "model": "m", "revision": "", "base_url": "http://a"}
REQUEST = Request((Message("user", "hello"),), Sampling(), Constraint("regex", "a"))
ANSWER = Completion(
    "text é |",
    "stop",
    Usage(10, 5, 3),
    reasoning="because",
    logprobs=(TokenLogprob("A", -0.5, (("A", -0.5), ("B", -1.0))),),
    latency_s=0.25,
)


def test_an_answer_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put(b"k", "run", ANSWER)
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.get(b"k") == ANSWER
        assert journal.get(b"other") is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(REQUEST, messages=(Message("system", "hello"),)),
        replace(REQUEST, messages=(Message("user", "hello "),)),
        replace(REQUEST, constraint=None),
        replace(REQUEST, constraint=Constraint("gbnf", "a")),
        replace(REQUEST, sampling=Sampling(temperature=0.1)),
        replace(REQUEST, sampling=Sampling(seed=1)),
        replace(REQUEST, sampling=Sampling(max_tokens=7)),
        replace(REQUEST, top_logprobs=5),
        replace(REQUEST, repeat=1),
    ],
)
def test_whatever_can_change_an_answer_changes_the_key(changed: Request) -> None:
    assert request_key(IDENTITY, changed) != request_key(IDENTITY, REQUEST)


@pytest.mark.parametrize("field", IDENTITY)
def test_the_model_is_part_of_the_key(field: str) -> None:
    assert request_key({**IDENTITY, field: "another"}, REQUEST) != request_key(IDENTITY, REQUEST)


def test_the_key_is_stable_across_processes() -> None:
    code = (
        "from harness.engine.journal import request_key\n"
        "from harness.types import *\n"
        f"identity = {dict(reversed(IDENTITY.items()))!r}\n"
        "request = Request((Message('user', 'hello'),), Sampling(), Constraint('regex', 'a'))\n"
        "print(request_key(identity, request).hex())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == request_key(IDENTITY, REQUEST).hex()


def test_what_a_run_spent_is_counted_apart_from_other_runs(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put(b"a", "one", ANSWER)
        journal.put(b"b", "one", ANSWER)
        journal.put(b"c", "two", ANSWER)
        assert journal.spent("one") == (2, 20, 10)
        assert journal.spent("none") == (0, 0, 0)


def test_two_processes_write_one_journal_at_once_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from harness.engine.journal import Journal\n"
        "from harness.types import Completion\n"
        "with Journal(Path(sys.argv[1])) as journal:\n"
        "    for number in range(400):\n"
        "        journal.put(f'{sys.argv[2]} {number}'.encode(), sys.argv[2], Completion('x', 'stop'))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("a", "b", "c")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    with Journal(path) as journal:
        assert [journal.spent(name).requests for name in ("a", "b", "c")] == [400, 400, 400]
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_five_processes_that_answer_the_same_requests_all_use_the_first_answer(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from harness.engine.journal import Journal\n"
        "from harness.types import Completion\n"
        "with Journal(Path(sys.argv[1])) as journal:\n"
        "    for number in range(60):\n"
        "        stored = journal.put(f'{number}'.encode(), sys.argv[2], Completion(sys.argv[2], 'stop'))\n"
        "        print(stored.text)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    writers = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in "abcde"]
    used = [writer.communicate()[0].split() for writer in writers]
    assert [len(answers) for answers in used] == [60] * 5
    with Journal(path) as journal:
        stored = [journal.get(f"{number}".encode()) for number in range(60)]
        assert used == [[answer.text for answer in stored if answer]] * 5
        assert [journal.spent(name).requests for name in "abcde"] == [60] * 5, "what is not used is spent as well"


def test_only_a_retry_replaces_an_answer_and_it_knows_its_own(tmp_path: Path) -> None:
    other = replace(ANSWER, text="other")
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.put(b"k", "one", ANSWER) == ANSWER
        assert journal.put(b"k", "two", other) == ANSWER
        assert not journal.was_given_in("retry", b"k")
        assert journal.put(b"k", "two", other, retry="retry") == other
        assert journal.get(b"k") == other
        assert journal.was_given_in("retry", b"k")
        assert not journal.was_given_in("another retry", b"k")
        journal.end_retry("retry")
        assert not journal.was_given_in("retry", b"k")
        assert (journal.spent("one").requests, journal.spent("two").requests) == (1, 2)


UNREADABLE = {
    "no JSON": "'{'",
    "another value": "'[]'",
    "a wrong type": """'{"text": 5}'""",
    "nothing": "''",
    "a number": "17",
    "bytes": "x'ff00'",
    "text that is not UTF-8": "CAST(x'22ff22' AS TEXT)",
    "nested without end": "replace(hex(zeroblob(5000)), '00', '[')",
    "infinity": "replace(completion, '-0.5', '-Infinity')",
    "a number beyond all limits": "replace(completion, '-0.5', '1e999')",
    "more tokens than there are": "replace(completion, '10', '1' || hex(zeroblob(20)))",
    "fewer tokens than none": "replace(completion, '10', '-10')",
    "another ending": "replace(completion, 'stop', 'end')",
}


@pytest.mark.parametrize("stored", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_answer_that_cannot_be_read_counts_as_none_and_is_replaced(tmp_path: Path, stored: str) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        for key in (b"a", b"b"):
            journal.put(key, "run", ANSWER)
        journal._connection.execute(f"UPDATE answers SET completion = {stored} WHERE key = ?", (b"a",))
        assert journal.get(b"a") is None
        assert journal.get(b"b") == ANSWER
        assert journal.put(b"a", "run", ANSWER) == ANSWER
        assert journal.get(b"a") == ANSWER


def test_a_damaged_page_is_told_and_repaired_without_the_answers_on_it(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    keys = [request_key({"number": str(number)}, REQUEST) for number in range(300)]
    with Journal(path) as journal:
        for key in keys:
            journal.put(key, "run", replace(ANSWER, text="x" * 600))
    content = bytearray(path.read_bytes())
    leaf = next(
        page
        for page in range(4096, len(content), 4096)
        if content[page] == 10 and b"x" * 600 in content[page : page + 4096]
    )
    content[leaf : leaf + 4096] = b"\xaa" * 4096
    path.write_bytes(content)
    with Journal(path) as journal:
        readable = 0
        for key in keys:
            try:
                readable += journal.get(key) is not None
            except StorageError as error:
                assert "doctor --repair-journal" in str(error)  # noqa: PT017 - one of many
    assert 200 < readable < 300
    saved, damaged = repair_journal(path)
    assert saved == readable
    assert damaged.read_bytes()[leaf] == 0xAA
    with Journal(path) as journal:
        assert sum(journal.get(key) is not None for key in keys) == readable
        assert journal.spent("run").requests == readable
        assert journal.put(keys[0], "run", ANSWER)
    with pytest.raises(StorageError, match="move it away"):
        repair_journal(path)


def fill(journal: Journal) -> None:
    for number in range(1000):
        journal.put(str(number).encode(), "run", replace(ANSWER, text="x" * 4000))


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with Journal(path) as journal:
        journal.put(b"before", "run", ANSWER)
        pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
        journal._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StorageError, match="Free some space") as raised:
            fill(journal)
        assert "\n" not in str(raised.value)
    with Journal(path) as journal:
        assert journal.get(b"before") == ANSWER


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but long enough to be read as one" * 50, b"{}" * 400]
)
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j.sqlite").write_bytes(content)
    with pytest.raises(StorageError, match=r"j\.sqlite"):
        Journal(tmp_path / "j.sqlite")


def test_a_journal_of_another_layout_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal._connection.execute("PRAGMA user_version=99")
    with pytest.raises(StorageError, match="layout 99"):
        Journal(tmp_path / "j.sqlite")
