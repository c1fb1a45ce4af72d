"""The service over real HTTP: what it answers, whom it refuses, and what it does with many at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="the service needs fastapi: pip install 'docre-harness[serve]'")

from harness.loopback import calls_loopback, is_loopback
from harness.serving.guard import Access
from tests.extraction.rules import HOSTILE
from tests.serving.running import TEXT, Running, running

TOKEN = "0123456789abcdef-token"


@pytest.fixture(scope="module")
def serving() -> Iterator[Running]:
    with running(body_bytes=2000) as one:
        yield one


def test_a_text_becomes_entities_and_relations(serving: Running) -> None:
    answer = serving.extract({"text": TEXT})
    assert answer.status == 200
    (found,) = answer.content["documents"]
    assert [one["name"] for one in found["entities"]] == ["Ada", "London", "Acme"]
    assert [(one["head_name"], one["relation"], one["tail_name"]) for one in found["relations"]] == [
        ("Ada", "P19", "London"),
        ("Ada", "own", "Acme"),
    ]


def test_several_texts_come_back_in_order_and_each_request_has_its_own_threshold(serving: Running) -> None:
    several = serving.extract({"texts": [TEXT, "Nobody.", HOSTILE + "\ud800"], "min_score": 0.9}).content["documents"]
    assert [len(one["relations"]) for one in several] == [1, 0, 0]
    assert len(serving.extract({"text": TEXT}).content["documents"][0]["relations"]) == 2


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 422, "give text or texts"),
        ({"text": "a", "texts": ["a"]}, 422, "give text or texts"),
        ({"text": 1}, 422, "text: "),
        ({"texts": []}, 422, "texts: "),
        ({"texts": ["Ada.", " ... "]}, 422, "text 1 holds no sentence"),
        ({"text": "Ada.", "min_score": 2}, 422, "min_score: "),
        ({"text": "Ada.", "min_score": 0}, 422, "min_score: "),
        ({"text": "Ada.", "other": 2}, 422, "other: "),
        (b"{", 422, "JSON"),
        (b"\xff{}", 400, "body"),
        (b"[" * 1900, 400, "body"),
        ({"text": "a" * 3000}, 413, "send fewer or shorter texts"),
        ({"text": "broken"}, 500, "ZeroDivisionError"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(serving: Running, body: object, status: int, reason: str) -> None:
    answer = serving.extract(body)
    assert (answer.status, set(answer.content)) == (status, {"error"})
    assert reason in answer.content["error"]
    assert "\n" not in answer.content["error"]


def test_a_body_of_unknown_length_is_limited_too(serving: Running) -> None:
    connection = serving.connection()
    pieces = (b"a" * 500 for _ in range(5))
    connection.request("POST", "/extract", pieces, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_pages_of_other_origins_cannot_use_it(serving: Running) -> None:
    own = f"127.0.0.1:{serving.port}"
    assert serving.extract({"text": "Ada."}, Origin=f"http://{own}").status == 200
    for origin in ("http://evil.example", "null", f"http://{own}.evil.example", "http://127.0.0.1:1"):
        assert serving.extract({"text": "Ada."}, Origin=origin).status == 403
        assert serving.ask("OPTIONS", "/extract", Origin=origin).status == 403
    # What a form can send without asking.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert serving.extract({"text": "Ada."}, Content_Type=kind).status == 415
    # A name that was pointed at this machine.
    assert serving.extract({"text": "Ada."}, Host=f"evil.example:{serving.port}").status == 421
    answer = serving.ask("GET", "/metrics", Host="evil.example")
    assert (answer.status, "access-control-allow-origin" in answer.headers) == (421, False)


def test_names_of_the_loopback_address() -> None:
    assert all(map(calls_loopback, ("127.0.0.1", "localhost:80", "LOCALHOST", "[::1]:8000", "[::1]", "127.0.0.1:1")))
    assert not any(map(calls_loopback, ("", "evil", "127.0.0.1.evil", "[::1", "::1", "evil[::1]", "0.0.0.0", "[]:1")))
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")


def test_with_a_token_only_the_empty_pages_are_open() -> None:
    with running(Access(loopback=False, token=TOKEN)) as serving:
        for path in ("/", "/docs", "/health", "/static/style.css"):
            assert serving.ask("GET", path).status == 200
        for path in ("/metrics", "/openapi.json", "/nothing", "//metrics"):
            assert serving.ask("GET", path).status == 401
        assert serving.ask("GET", "/static/../metrics").status == 404
        for wrong in ("", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ", "Bearer é"):
            answer = serving.extract({"text": "Ada."}, Authorization=wrong)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert TOKEN not in answer.text
        assert serving.extract({"text": "Ada."}, Authorization=f"Bearer {TOKEN}").status == 200
        assert 'name="token"' in serving.ask("GET", "/").text


def test_requests_that_wait_are_read_together(serving: Running) -> None:
    batches, texts = serving.metric("batches_total"), serving.metric("texts_total")
    serving.may_read.clear()
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(serving.extract, {"text": "First."})
        serving.wait_for("requests_in_flight", 1)
        several = [threads.submit(serving.extract, {"texts": ["Ada.", f"{n}."]}) for n in range(3)]
        broken = threads.submit(serving.extract, {"text": "broken"})
        serving.wait_for("requests_in_flight", 5)
        serving.may_read.set()
        assert first.result().status == 200
        for number, one in enumerate(several):
            assert [each["text"] for each in one.result().content["documents"]] == ["Ada.", f"{number}."]
        # The others of its batch have their answers.
        assert broken.result().status == 500
    assert serving.metric("texts_total") - texts == 7
    assert serving.metric("batches_total") - batches <= 1 + 6


def test_seven_texts_that_wait_are_one_batch() -> None:
    with running() as serving:
        serving.may_read.clear()
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(serving.extract, {"text": "First."})]
            serving.wait_for("requests_in_flight", 1)
            asked += [threads.submit(serving.extract, {"text": TEXT}) for _ in range(7)]
            serving.wait_for("requests_in_flight", 8)
            serving.may_read.set()
            assert [one.result().status for one in asked] == [200] * 8
        assert (serving.metric("batches_total"), serving.metric("texts_total")) == (2, 8)


def test_one_request_too_many_is_told_to_wait_and_the_others_are_answered() -> None:
    with running(requests=1) as serving, ThreadPoolExecutor(1) as threads:
        serving.may_read.clear()
        first = threads.submit(serving.extract, {"text": TEXT})
        serving.wait_for("requests_in_flight", 1)
        refused = serving.extract({"text": TEXT})
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert serving.ask("GET", "/health").status == 200
        serving.may_read.set()
        assert first.result().status == 200


def test_a_request_ends_when_its_time_is_over_and_when_nobody_waits() -> None:
    with running(seconds=0.2, requests=1) as serving:
        serving.may_read.clear()
        late = serving.extract({"text": TEXT})
        assert (late.status, "0.2 s" in late.content["error"]) == (503, True)
        assert serving.metric("requests_in_flight") == 0
        # A body that never comes.
        connection = serving.connection()
        connection.putrequest("POST", "/extract")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "10")
        connection.endheaders(b"{")
        assert connection.getresponse().status == 503
        connection.close()
    with running(requests=1) as serving:
        serving.may_read.clear()
        connection = serving.connection()
        connection.request("POST", "/extract", json.dumps({"text": TEXT}), {"Content-Type": "application/json"})
        serving.wait_for("requests_in_flight", 1)
        connection.close()
        serving.wait_for("requests_in_flight", 0)


def test_an_answer_in_flight_is_finished_when_the_service_is_stopped() -> None:
    with running() as serving, ThreadPoolExecutor(1) as threads:
        serving.may_read.clear()
        asked = threads.submit(serving.extract, {"text": TEXT})
        serving.wait_for("requests_in_flight", 1)
        serving.server.should_exit = True
        serving.may_read.set()
        assert asked.result().status == 200


def test_metrics_are_prometheus_text_and_name_only_own_paths(serving: Running) -> None:
    serving.ask("GET", "/an/address/of/somebody")
    answer = serving.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'harness_requests_total{path="other",status="404"}' in answer.text
    assert "somebody" not in answer.text
    assert serving.metric("request_seconds_count") > 0


def test_what_programs_need_to_know_is_there_without_a_foreign_address(serving: Running) -> None:
    api = serving.ask("GET", "/openapi.json").content
    assert set(api["paths"]) == {"/extract", "/health", "/metrics"}
    for path in ("/docs", "/"):
        answer = serving.ask("GET", path)
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "://" not in answer.text.replace("http-equiv", "")
    assert serving.ask("GET", "/redoc").status == 404
    health = serving.ask("GET", "/health").content
    assert (health["status"], health["entities"], health["relations"]) == ("ok", "names", "rule")
