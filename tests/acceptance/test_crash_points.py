"""The list of crash points holds every commit, publish, rename and outside call of the code; a few of them are tried.

All are tried by `make soak`: tests/soak/test_t05_crash_points.py.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.soak import crash_alone, crashing
from tests.soak.crash_alone import differences
from tests.soak.crash_lists import NOT_REACHED, out_of_date
from tests.soak.crash_points import APART, SOURCE, all_sites, sites
from tests.soak.forking import ForkingRefnet

#: How each kind of site looks to somebody who only reads words.
_WORDS = {
    "commit": r"(?<!def )\bwriting\(|held\.connection\.execute\(",
    "publish": r"\.(?:publish|_?basic_publish|send_task|apply_async|delay)\(|\.batch\(|self\.retry\(",
    "rename": r"os\.(?:replace|link|rename)\(|(?:temporary|part)\.replace\(path\)",
    "remove": r"\.unlink\(|\.rmdir\(",
    "outside": r"client\.send\(|\.handle_request\(|with_raw_response\.create\(|\bchild\.ask\(",
}
#: Other ways to change what outlives a process, and the files in which they are not for that.
_BACK_DOORS = {
    r"\.begin\(\)": {"adapters/database/engine.py", "adapters/database/round_trips.py"},
    # The driver's own, of what `writing` began.
    r"\.commit\(\)": {"adapters/database/round_trips.py"},
    r"\bshutil\.(?!get_terminal_size)": set(),
    # One tries what it must not be able to do, the other whether there is room: that file is gone at the end.
    r"\.write_(?:text|bytes)\(|\.touch\(": {"adapters/pdf/child.py", "adapters/full_text/cache.py"},
    r"\bimport (?:requests|urllib3|aiohttp)\b|urllib\.request|http\.client": set(),
}
_PLANTED = {
    "commit": "with reading(engine) as one, writing(engine) as connection:\n        connection.execute(one)",
    "publish": "app.send_task('crawler.tasks.fetch_paper_metadata')",
    "rename": "os.rename(old, new)",
    "remove": "Path(old).unlink()",
    "outside": "httpx2.get(url)",
}
#: A few points by their scenario, and at which time somebody dies there.
_TRIED = {
    "plain": (
        ("adapters/http.py:HttpClient._exchange:outside:after@crawl", 2),
        ("adapters/database/store.py:Store.record_wave:commit:before@crawl", 2),
        ("adapters/database/store.py:Store.record_wave:commit:after@crawl", 2),
        ("adapters/database/summaries.py:Summaries.save_summaries:commit:after@summarize", 1),
        ("adapters/vault.py:_replace:rename:before@generate", 20),
        ("adapters/vault.py:_replace:rename:after@generate", 20),
        ("adapters/database/notes.py:NoteTables.save_baselines:commit:before@generate", 2),
    ),
    "reading with a model": (
        ("adapters/full_text/cache.py:PdfCache._move:rename:before@read", 2),
        ("adapters/language_model/openai_client.py:OpenAIClient._ask:outside:after@read", 2),
        ("adapters/database/spending.py:Spending.settle:commit:after@read", 2),
    ),
}


@cache
def code() -> dict[str, str]:
    files = {file.relative_to(SOURCE).as_posix(): file.read_text() for file in SOURCE.rglob("*.py")}
    return {name: text for name, text in files.items() if not name.startswith(APART)}


@pytest.mark.parametrize("kind", _WORDS)
def test_the_list_holds_as_many_sites_as_one_counts_by_reading(kind: str) -> None:
    counted = {name: len(re.findall(_WORDS[kind], text)) for name, text in code().items()}
    listed = {name: sum(site.kind == kind for site in sites(name, text)) for name, text in code().items()}

    assert listed == counted
    assert sum(listed.values()) > 0


@pytest.mark.parametrize("words", _BACK_DOORS)
def test_nothing_is_kept_or_asked_for_in_a_way_that_the_list_does_not_know(words: str) -> None:
    assert {name for name, text in code().items() if re.search(words, text)} <= _BACK_DOORS[words]


@pytest.mark.parametrize("kind", _PLANTED)
def test_a_new_site_in_a_module_is_found(kind: str) -> None:
    name = "adapters/http.py"
    text = (SOURCE / name).read_text()

    found = sites(name, f"{text}\n\ndef planted():\n    {_PLANTED[kind]}\n")

    assert [site.name for site in found if site not in sites(name, text)] == [f"{name}:planted:{kind}"]


def test_every_module_with_a_site_is_given_its_points() -> None:
    with_sites = {name for name, text in code().items() if sites(name, text)}

    assert len(with_sites) > 20
    assert [name for name in sorted(with_sites) if not crashing._MAY_HOLD_SITES.search(code()[name])] == []


def test_names_stay_when_lines_move_and_others_come() -> None:
    text = "def f(engine):\n    with writing(engine):\n        pass\n"
    longer = f"# A comment.\n\n{text}    with writing(engine):\n        pass\n"

    assert [site.name for site in sites("a.py", text)] == ["a.py:f:commit"]
    assert [site.name for site in sites("a.py", longer)] == ["a.py:f:commit", "a.py:f:commit#2"]


def test_there_are_points_enough_and_no_two_of_one_name() -> None:
    points = [point for site in all_sites() for point in site.points]

    assert len(points) == len(set(points)) >= 100
    assert NOT_REACHED.keys() >= set(out_of_date(set()))
    assert out_of_date(set()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", _TRIED)
def test_a_crash_is_made_up_for(name: str, tmp_path: Path) -> None:
    [scenario] = [one for one in crash_alone.scenarios() if one.name == name]
    folder, points = tmp_path / "user", tmp_path / "points"
    points.mkdir()
    with ForkingRefnet(tmp_path / "forks", points=points) as crashing_refnet:
        whole = crash_alone.run(crashing_refnet, points, folder, scenario)
        assert whole.faults == []
        for point, nth in _TRIED[name]:
            outcome = crash_alone.run(crashing_refnet, points, folder, scenario, point, nth)
            assert outcome.hit, f"nobody came to {point}"
            assert differences(outcome, whole) == [], point
