from __future__ import annotations

import gzip
import http.client
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest

from refnet.demo.faults import Faults
from refnet.demo.limiter import Limiter
from refnet.demo.log import statistics
from refnet.demo.server import StandIn
from refnet.demo.switches import FAULT_KINDS, Switches
from tests.demo.asking import Got, batch, corpus, get, sha
from tests.servers import ticks

PAPERS = corpus([("a", "b"), ("c", "d")])
FORBIDDEN = (403, {"message": "Forbidden"})


def only(kind: str, **more: object) -> Switches:
    return Switches(faults=1.0, kinds=(kind,), **more)  # type: ignore[arg-type]


def under(switches: Switches, ask: Callable[[StandIn], Got]) -> Got:
    with StandIn(PAPERS, switches) as stand_in:
        return ask(stand_in)


def one(stand_in: StandIn) -> Got:
    return batch(stand_in, [sha("a")], "title,references.title")


@pytest.mark.parametrize("kind", ["500", "502", "503", "504"])
def test_a_server_error_has_its_status_and_a_message(kind: str) -> None:
    got = under(only(kind), one)
    assert got.status == int(kind)
    assert list(got.json) == ["message"]


def test_a_429_comes_without_and_with_a_time_to_wait() -> None:
    assert "Retry-After" not in under(only("429"), one).headers
    assert under(only("429-retry-after"), one).headers["Retry-After"] == "1"
    assert under(only("429-retry-after", retry_after=0.5), one).headers["Retry-After"] == "0.5"
    assert_dated_a_little_ahead(only("429-retry-after", retry_after="date"))


def assert_dated_a_little_ahead(switches: Switches) -> None:
    """Not by the answer's own `Date`, which is put on as it is sent and may be later where this machine stalls."""
    asked = datetime.now(UTC)
    then = parsedate_to_datetime(under(switches, one).headers["Retry-After"])
    assert asked < then <= datetime.now(UTC) + timedelta(seconds=3)


def test_a_429_names_the_key_form_only_to_those_without_a_key() -> None:
    keyless = under(only("429"), one).json
    keyed = under(only("429"), lambda stand_in: batch(stand_in, [sha("a")], key="k")).json
    assert keyless["code"] == "429"
    assert keyed == {"message": "Too Many Requests"}


def test_cut_json_is_half_a_body_with_a_content_length_that_is_true() -> None:
    whole, cut = under(Switches(), one), under(only("cut-json"), one)
    assert (cut.status, cut.headers["Content-Length"]) == (200, str(len(cut.body)))
    assert whole.body.startswith(cut.body)
    assert len(cut.body) == len(whole.body) // 2


def test_cut_early_closes_the_connection_before_the_promised_length() -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        under(only("cut-early"), one)
    assert caught.value.expected is not None
    assert len(caught.value.partial) in {caught.value.expected, caught.value.expected - 1}


def test_html_comes_with_status_200() -> None:
    got = under(only("html"), one)
    assert (got.status, got.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<html>" in got.body


def test_an_error_may_come_with_status_200() -> None:
    got = under(only("error-200"), one)
    assert (got.status, list(got.json)) == (200, ["error"])


def test_a_429_may_come_with_a_date() -> None:
    assert_dated_a_little_ahead(only("429-date"))


def test_rows_may_have_each_others_ids() -> None:
    two = under(only("wrong-id"), lambda stand_in: batch(stand_in, [sha("a"), sha("nobody"), sha("b")], "title"))
    assert [row and row["paperId"] for row in two.json] == [sha("b"), None, sha("a")]
    assert under(only("wrong-id"), one).json[0]["paperId"] == "another id"
    assert under(only("wrong-id"), lambda stand_in: get(stand_in, f"/paper/{sha('a')}")).json is None


def test_every_field_of_a_row_may_be_null() -> None:
    assert set(under(only("null-fields"), one).json[0].values()) == {None}


def test_a_gzip_bomb_is_small_on_the_wire_and_large_when_unpacked() -> None:
    got = under(only("gzip-bomb"), one)
    assert got.headers["Content-Encoding"] == "gzip"
    assert len(got.body) < 200_000
    assert len(gzip.decompress(got.body)) == 100_000_000


def test_a_hang_is_silence_and_then_the_end_of_the_connection() -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        under(only("hang", hang_seconds=0.05), one)


def test_a_hang_that_nobody_answers_runs_into_the_clients_time_out() -> None:
    with StandIn(PAPERS, only("hang", hang_seconds=600)) as stand_in:
        connection = http.client.HTTPConnection(urlsplit(stand_in.url).netloc, timeout=0.1)
        connection.request("GET", f"/graph/v1/paper/{sha('a')}")
        # The client may lose patience before the stand-in has as much as read what it asks.
        assert any(stand_in.log for _ in ticks(30.0))
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert [entry.fault for entry in stand_in.log] == ["hang"]
    # Leaving the block would have raised, had the connection not ended at once.


def test_a_reset_is_a_reset() -> None:
    with pytest.raises(ConnectionResetError) as caught:
        under(only("reset"), one)
    assert caught.type is ConnectionResetError  # not its child that stands for a plain end


def test_faults_take_their_share_and_are_the_same_for_the_same_seed() -> None:
    def drawn(seed: int) -> list[str | None]:
        faults = Faults(Switches(faults=0.3, seed=seed))
        return [faults.draw() for _ in range(2_000)]

    assert drawn(7) == drawn(7) != drawn(8)
    hit = [kind for kind in drawn(7) if kind]
    assert 500 <= len(hit) <= 700
    assert set(hit) == set(FAULT_KINDS)


def test_a_reset_of_the_stand_in_begins_the_faults_anew() -> None:
    with StandIn(PAPERS, Switches(faults=0.5, kinds=("500",))) as stand_in:
        first = [get(stand_in, f"/paper/{sha('a')}").status for _ in range(20)]
        stand_in.reset()
        again = [get(stand_in, f"/paper/{sha('a')}").status for _ in range(20)]
    assert first == again
    assert set(first) == {200, 500}


@pytest.mark.parametrize("status", [500, 504])
def test_a_fatal_paper_fails_every_request_that_holds_it_and_no_other(status: int) -> None:
    switches = Switches(fail_ids=frozenset({sha("a")}), fail_status=status)  # type: ignore[arg-type]
    with StandIn(PAPERS, switches) as stand_in:
        for _ in range(2):
            assert batch(stand_in, [sha("b"), sha("a")]).status == status
        assert get(stand_in, f"/paper/{sha('a')}").status == status
        assert get(stand_in, f"/paper/{sha('a')}/citations").status == status
        assert batch(stand_in, [sha("b"), sha("c")]).status == 200
        assert {entry.fault for entry in stand_in.log} == {"own", None}


def test_the_limiter_goes_by_arrival_and_forgives_a_millisecond() -> None:
    limiter = Limiter(Switches(rps=1))
    arrivals = [100.0, 100.5, 100.9985, 100.9995, 101.9, 101.9990, 103.0]
    assert [limiter.admit(None, at) for at in arrivals] == [True, False, False, True, False, True, True]
    assert limiter.breaches == 3


def test_each_key_has_a_limit_of_its_own_over_all_routes() -> None:
    with StandIn(PAPERS, Switches(rps=0.01)) as stand_in:
        assert batch(stand_in, [sha("a")], key="one").status == 200
        assert get(stand_in, f"/paper/{sha('a')}", key="one").status == 429
        assert get(stand_in, f"/paper/{sha('a')}", key="two").status == 200
        assert get(stand_in, f"/paper/{sha('a')}").status == 200
        refused = get(stand_in, "/paper/search", query="x")
        assert (refused.status, refused.json["code"]) == (429, "429")
        assert "Retry-After" not in refused.headers
        assert stand_in.statistics()["breaches"] == 2
    # As if within one second, which a machine that stalls may need longer for.
    assert statistics([replace(entry, arrived=0.0) for entry in stand_in.log])["max_per_second"] == 5


def test_the_limiter_tells_how_long_to_wait_if_switched_on() -> None:
    with StandIn(PAPERS, Switches(rps=0.01, retry_after=3)) as stand_in:
        batch(stand_in, [sha("a")])
        assert batch(stand_in, [sha("a")]).headers["Retry-After"] == "3"


def test_the_key_is_checked_before_the_limit_and_the_limit_before_all_else() -> None:
    switches = Switches(keys=frozenset({"good"}), keyless=False, rps=0.01, faults=1.0, kinds=("500",))
    with StandIn(PAPERS, switches) as stand_in:

        def nothing(key: str | None) -> Got:
            return get(stand_in, "/paper/unknown", key, fields="nonsense")

        got = [nothing(key) for key in ("bad", None, "good", "good", "bad")]
    assert [(one.status, one.json) for one in (got[0], got[1], got[4])] == [FORBIDDEN] * 3
    assert (got[2].status, got[3].status) == (500, 429)
    assert got[0].headers["x-amzn-ErrorType"] == "ForbiddenException"


def test_without_a_key_one_is_served_unless_switched_off() -> None:
    assert under(Switches(keys=frozenset({"good"})), one).status == 200


def test_a_paper_that_the_same_route_answered_before_is_a_duplicate() -> None:
    with StandIn(PAPERS) as stand_in:
        batch(stand_in, [sha("a"), sha("b")])
        batch(stand_in, [sha("a"), sha("c")])
        get(stand_in, f"/paper/{sha('a')}/citations")
        totals = stand_in.statistics()
    assert (totals["duplicates"], totals["papers"], totals["requests"]) == (1, 3, 3)


def test_the_most_in_a_second_slides_and_takes_arrivals_in_any_order() -> None:
    with StandIn(PAPERS) as stand_in:
        get(stand_in, "/paper/x")
    (entry,) = stand_in.log
    arrivals = [10.0, 11.0, 10.6, 11.3, 11.59, 20.0]
    assert statistics([replace(entry, arrived=at) for at in arrivals])["max_per_second"] == 4


def test_a_stand_in_that_broke_says_so_at_the_end() -> None:
    broken = corpus([], a={"externalIds": {"DOI": "10.1/x"}, "authors": [1]})
    stand_in = StandIn(broken)
    with pytest.raises(AttributeError), stand_in:  # noqa: PT012 -- raised by leaving the block
        with pytest.raises(http.client.RemoteDisconnected):
            get(stand_in, f"/paper/{sha('a')}", fields="authors")
        assert get(stand_in, f"/paper/{sha('a')}").status == 200
