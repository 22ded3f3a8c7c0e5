"""Finding the PDF of a paper: the order of places, what is remembered, and when another try is worth while."""

from __future__ import annotations

import hashlib
import logging
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from refnet.adapters.database.downloads import DownloadTable
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.migrate import upgrade
from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.full_text.cache import PdfCache
from refnet.adapters.full_text.download import Downloader
from refnet.adapters.full_text.finder import OpenPdfs
from refnet.adapters.full_text.network import Network
from refnet.adapters.full_text.places import Arxiv, LandingPage, OpenAccessPdf, Place
from refnet.adapters.full_text.public_addresses import allow_list
from refnet.domain.documents import FoundPdf, NoFullText
from refnet.domain.downloads import Download
from refnet.domain.errors import (
    RateLimited,
    SourceUnavailable,
    StorageFull,
    StoreUnavailable,
    TimeLimitReached,
    TransientError,
)
from refnet.domain.papers import Paper
from tests.adapters.disks import fill, small_disk
from tests.adapters.full_text.internet import PDF, Canary, Internet, Paces
from tests.adapters.scripted import Asked, Scripted, answer

HOSTS = ("arxiv.org", "papers.example", "doi.org", "journal.example", "api.semanticscholar.org")
PAPER = Paper(
    "a" * 40,
    "A title",
    external_ids={"ArXiv": "1706.03762", "DOI": "10.1000/7"},
    pdf_url="http://papers.example/7.pdf",
    url="https://www.semanticscholar.org/paper/x",
)
ARXIV, NAMED, PAGE = "arxiv.org/pdf/1706.03762", "papers.example/7.pdf", "doi.org/10.1000/7"
#: Those in use, by http.
USUAL = (Arxiv("http://arxiv.org"), OpenAccessPdf(), LandingPage("http://doi.org"))
HTML = "<html><head>{}</head></html>"
CITES = HTML.format('<meta name="citation_pdf_url" content="http://journal.example/7.pdf">')


class Clock:
    def __init__(self) -> None:
        self.now = 1_750_000_000.0

    def __call__(self, connection: Connection) -> float:
        return self.now


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "refnet.db"
    engine = open_engine(database_url(f"sqlite:///{path}"))
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def engine(empty_database: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copyfile(empty_database, tmp_path / "refnet.db")
    engine = open_engine(database_url(f"sqlite:///{tmp_path / 'refnet.db'}"))
    yield engine
    engine.dispose()


class World:
    """Everything that a finder has, with servers that answer by host and path as `answers` says, else 404."""

    def __init__(self, engine: Engine, internet: Internet, folder: Path) -> None:
        self.answers: dict[str, bytes | str] = {}
        self.clock = Clock()
        self.cache = PdfCache(folder, 10**9)
        self.internet = internet
        self.engine = engine
        self.server = Scripted(self._answer)
        self.longest = 5.0

    def _answer(self, asked: Asked) -> bytes:
        said = self.answers.get(f"{asked.headers['host']}{asked.target}", answer(b"", 404))
        return said if isinstance(said, bytes) else answer(said, headers={"Content-Type": "text/html"})

    def up(self) -> None:
        for number, name in enumerate(HOSTS):
            self.internet.host(name, self.server.place, addresses=[f"93.184.215.{100 + number}"])

    def finder(
        self, allow: str = "", places: Sequence[Place] | None = None, network: Network | None = None
    ) -> OpenPdfs:
        def pace(host: str) -> DatabasePace:
            return DatabasePace(self.engine, host, 1000.0, longest=self.longest)

        downloader = Downloader(pace, private=allow_list(allow), network=network or self.internet.network)
        return OpenPdfs(places or USUAL, downloader, self.cache, DownloadTable(self.engine, clock=self.clock))

    def asked(self) -> list[str]:
        """What was asked since the last time."""
        found = [f"{asked.headers['host']}{asked.target}" for asked in self.server.asked]
        self.server.asked.clear()
        return found


@pytest.fixture
def world(engine: Engine, internet: Internet, tmp_path: Path) -> Iterator[World]:
    world = World(engine, internet, tmp_path / "pdfs")
    with world.server:
        world.up()
        yield world


def text_of(found: FoundPdf | NoFullText) -> bytes:
    assert isinstance(found, FoundPdf)
    return Path(found.path).read_bytes()


# ---------------------------------------------------------------- the order of places


def test_the_preprint_is_taken_where_there_is_one_and_nobody_else_is_asked(world: World) -> None:
    world.answers = {ARXIV: answer(PDF), NAMED: answer(PDF + b"2")}

    found = world.finder().find(PAPER)

    assert text_of(found) == PDF
    assert isinstance(found, FoundPdf)
    assert found.url == f"http://{ARXIV}"
    assert Path(found.path).stem == found.sha256
    assert world.asked() == [ARXIV]


def test_each_place_is_asked_once_until_one_has_it(world: World) -> None:
    world.answers = {ARXIV: answer(b"", 403), NAMED: HTML, PAGE: CITES, "journal.example/7.pdf": answer(PDF)}

    found = world.finder().find(PAPER)

    assert text_of(found) == PDF
    assert isinstance(found, FoundPdf)
    assert found.url == "http://journal.example/7.pdf"
    assert world.asked() == [ARXIV, NAMED, PAGE, "journal.example/7.pdf"]


def test_a_page_where_the_record_names_a_pdf_is_followed_too(world: World) -> None:
    world.answers = {NAMED: CITES, "journal.example/7.pdf": answer(PDF)}

    assert text_of(world.finder().find(PAPER)) == PDF
    assert world.asked() == [ARXIV, NAMED, "journal.example/7.pdf"]


def test_a_page_that_a_page_names_is_followed_no_further(world: World) -> None:
    world.answers = {
        PAGE: CITES,
        "journal.example/7.pdf": HTML.format('<meta name="citation_pdf_url" content="/8.pdf">'),
    }
    world.answers["journal.example/8.pdf"] = answer(PDF)

    assert world.finder().find(PAPER) is NoFullText.NOT_OPEN
    assert world.asked() == [ARXIV, NAMED, PAGE, "journal.example/7.pdf"]


def test_an_address_that_several_places_name_is_asked_once(world: World) -> None:
    world.answers = {NAMED: CITES, PAGE: CITES}

    assert world.finder().find(PAPER) is NoFullText.NOT_OPEN
    assert world.asked() == [ARXIV, NAMED, "journal.example/7.pdf", PAGE]


def test_a_paper_that_nobody_says_is_open_is_not_open_and_nobody_is_asked(world: World) -> None:
    assert world.finder().find(Paper("b" * 40, "Another")) is NoFullText.NOT_OPEN
    assert world.asked() == []


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({}, NoFullText.NOT_OPEN),
        ({PAGE: HTML}, NoFullText.NOT_OPEN),
        ({NAMED: HTML}, NoFullText.NOT_A_PDF),
        ({NAMED: answer(b"GIF89a")}, NoFullText.NOT_A_PDF),
        ({ARXIV: answer(PDF, headers={"Content-Length": "50000001"}), NAMED: HTML}, NoFullText.TOO_LARGE),
    ],
)
def test_of_several_reasons_the_most_telling_is_given(
    answers: dict[str, bytes | str], why: NoFullText, world: World
) -> None:
    world.answers = answers

    assert world.finder().find(PAPER) is why


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://u:password@papers.example/x",
        "http://papers.example/" + "x" * 2_000,
        "http://127.0.0.1/x",
        "x",
        " ",
    ],
)
def test_a_record_that_names_what_is_never_asked_is_passed_over_with_the_reason(
    url: str, world: World, canary: Canary, caplog: pytest.LogCaptureFixture
) -> None:
    paper = Paper("b" * 40, "Another", pdf_url=url)
    with caplog.at_level(logging.INFO, "refnet.adapters.full_text"):
        assert world.finder().find(paper) is NoFullText.NOT_OPEN

    assert world.asked() == []
    assert canary.connections == 0
    assert "No PDF: " in caplog.text
    assert "password@" not in caplog.text


# ---------------------------------------------------------------- what is remembered


def test_what_was_got_is_not_fetched_again_by_anybody(world: World) -> None:
    world.answers = {NAMED: answer(PDF)}
    found = world.finder().find(PAPER)
    world.asked()

    world.answers = {ARXIV: answer(PDF + b"2")}
    world.clock.now += 400 * 86_400.0

    assert world.finder().find(PAPER) == found
    assert world.asked() == []


def test_what_a_page_led_to_is_not_fetched_again_either(world: World) -> None:
    world.answers = {PAGE: CITES, "journal.example/7.pdf": answer(PDF)}
    found = world.finder().find(PAPER)
    world.asked()
    world.clock.now += 400 * 86_400.0

    assert world.finder().find(PAPER) == found
    assert world.asked() == []


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"%PDF-")])
def test_a_file_that_is_gone_or_damaged_is_fetched_again(damage: Callable[[Path], object], world: World) -> None:
    world.answers = {ARXIV: answer(PDF)}
    found = world.finder().find(PAPER)
    assert isinstance(found, FoundPdf)
    damage(Path(found.path))
    world.asked()

    assert world.finder().find(PAPER) == found
    assert text_of(found) == PDF
    assert world.asked() == [ARXIV]


@pytest.mark.parametrize("said", [answer(b"", 403), answer(b"", 404), answer(b"", 410), answer(b"GIF89a"), HTML])
def test_a_refusal_counts_for_thirty_days(said: bytes | str, world: World) -> None:
    world.answers = dict.fromkeys((ARXIV, NAMED, PAGE), said)
    finder = world.finder()
    why = finder.find(PAPER)
    assert isinstance(why, NoFullText)
    assert world.asked() == [ARXIV, NAMED, PAGE]

    world.clock.now += 30 * 86_400.0 - 1
    assert finder.find(PAPER) is why
    assert world.asked() == []
    world.clock.now += 2
    assert finder.find(PAPER) is why
    assert world.asked() == [ARXIV, NAMED, PAGE]


@pytest.mark.parametrize("said", [answer(b"", 500), answer(b"", 502), b"no http\r\n\r\n"])
def test_no_answer_counts_for_less_than_a_minute(said: bytes, world: World) -> None:
    world.answers = dict.fromkeys((ARXIV, NAMED, PAGE), said)
    finder = world.finder()
    with pytest.raises(SourceUnavailable):
        finder.find(PAPER)
    assert world.asked() == [ARXIV, NAMED, PAGE]

    world.clock.now += 49
    with pytest.raises(SourceUnavailable, match="lately") as caught:
        finder.find(PAPER)
    assert caught.value.retry_after == pytest.approx(1.0)
    assert world.asked() == []
    world.clock.now += 2
    world.answers = {ARXIV: answer(PDF)}
    assert text_of(finder.find(PAPER)) == PDF


def test_a_fault_of_this_machines_own_network_is_not_remembered(world: World) -> None:
    def no_network(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    world.answers = {ARXIV: answer(PDF)}
    world.longest = 60.0
    with pytest.raises(SourceUnavailable) as caught:
        world.finder(network=Network(resolve=no_network)).find(PAPER)
    assert not caught.value.reached

    assert text_of(world.finder().find(PAPER)) == PDF


# ---------------------------------------------------------------- another try


def test_a_place_that_does_not_answer_is_passed_over(world: World) -> None:
    world.answers = {ARXIV: answer(b"", 503), NAMED: answer(PDF)}

    assert text_of(world.finder().find(PAPER)) == PDF


def test_where_one_place_has_answered_no_other_is_waited_for(world: World) -> None:
    world.answers = dict.fromkeys((ARXIV, NAMED), answer(b"", 500))

    assert world.finder().find(PAPER) is NoFullText.NOT_OPEN


def test_a_host_that_asks_to_be_left_alone_is_by_everybody_for_as_long_as_it_says(world: World) -> None:
    world.answers = {ARXIV: answer(b"", 429, {"Retry-After": "600"})}
    preprint = Paper("b" * 40, "Another", external_ids={"ArXiv": "2005.11401"})
    only = Paper("a" * 40, "One", external_ids={"ArXiv": "1706.03762"})

    with pytest.raises(RateLimited) as caught:
        world.finder().find(only)
    assert caught.value.retry_after == 600
    with pytest.raises(RateLimited) as caught:
        world.finder().find(preprint)
    assert caught.value.retry_after == pytest.approx(600, abs=30)
    assert world.asked() == [ARXIV]


def test_a_host_that_always_asks_to_be_left_alone_does_not_hold_a_paper_for_ever(world: World) -> None:
    world.answers = {NAMED: answer(b"", 429, {"Retry-After": "1"})}
    finder = world.finder()

    assert finder.find(PAPER) is NoFullText.NOT_OPEN
    assert world.asked() == [ARXIV, NAMED, PAGE]


def test_a_turn_that_comes_soon_is_waited_for_even_where_other_places_refuse(world: World) -> None:
    arxiv = DatabasePace(world.engine, "arxiv.org", 1000.0)
    arxiv.reserve()
    arxiv.failed(RateLimited("asked for by another process", retry_after=30.0))

    with pytest.raises(RateLimited) as caught:
        world.finder().find(PAPER)

    assert caught.value.retry_after == pytest.approx(30, abs=10)
    assert world.asked() == [NAMED, PAGE]


def test_a_later_place_that_has_to_ask_and_gets_no_answer_is_passed_over(world: World) -> None:
    class Index:
        gives_pages = False

        def addresses(self, paper: Paper) -> Sequence[str]:
            raise SourceUnavailable("the index is away")

    world.answers = {PAGE: CITES, "journal.example/7.pdf": answer(PDF)}
    places = (Index(), USUAL[2])

    assert text_of(world.finder(places=places).find(PAPER)) == PDF
    with pytest.raises(SourceUnavailable, match="the index is away"):
        world.finder(places=(Index(),)).find(PAPER)


@pytest.mark.parametrize("at", ["last", "keep"])
@pytest.mark.parametrize("error", [StoreUnavailable("the database is away"), TimeLimitReached("it took too long")])
def test_what_is_none_of_the_places_fault_passes_through(error: TransientError, at: str, world: World) -> None:
    class Away:
        """A memory that cannot be asked, or written."""

        def last(self, url: str) -> Download | None:
            if at == "last":
                raise error
            return None

        def keep(self, answer: Download) -> None:
            raise error

    finder = OpenPdfs(USUAL, Downloader(Paces().__getitem__, network=world.internet.network), world.cache, Away())

    with pytest.raises(type(error)):
        finder.find(PAPER)
    assert world.asked() == ([] if at == "last" else [ARXIV])


# ---------------------------------------------------------------- several processes

RACE = """
import sys
from pathlib import Path
from refnet.adapters.database.downloads import DownloadTable
from refnet.adapters.database.engine import database_url, open_engine
from refnet.adapters.database.pace import DatabasePace
from refnet.adapters.full_text.cache import PdfCache
from refnet.adapters.full_text.download import Downloader
from refnet.adapters.full_text.finder import OpenPdfs
from refnet.adapters.full_text.places import usual_places
from refnet.adapters.full_text.public_addresses import allow_list
from refnet.domain.papers import Paper

place, folder, go = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
engine = open_engine(database_url(f"sqlite:///{folder / 'refnet.db'}"))
downloader = Downloader(lambda host: DatabasePace(engine, host, 100.0), private=allow_list(place))
finder = OpenPdfs(usual_places(f"http://{place}"), downloader, PdfCache(folder / "pdfs", 10**9), DownloadTable(engine))
print("ready", flush=True)
while not go.exists():
    pass
found = finder.find(Paper("a" * 40, "One", external_ids={"ArXiv": "1706.03762"}))
print(found.sha256, Path(found.path).stat().st_size, flush=True)
engine.dispose()
"""


def test_processes_that_look_for_the_same_paper_at_once_all_get_it_and_it_is_kept_once(
    engine: Engine, tmp_path: Path
) -> None:
    body = PDF * 1_000
    with Scripted(lambda asked: answer(body)) as server:
        words = [sys.executable, "-c", RACE, server.place, str(tmp_path), str(tmp_path / "go")]
        racing = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        for process in racing:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        (tmp_path / "go").touch()
        told = [process.communicate()[0] for process in racing]

        assert [process.returncode for process in racing] == [0, 0, 0]
        assert told == [f"{hashlib.sha256(body).hexdigest()} {len(body)}\n"] * 3
        assert [path.name for path in (tmp_path / "pdfs").rglob("*") if path.is_file()] == [
            f"{hashlib.sha256(body).hexdigest()}.pdf"
        ]
        assert {asked.path for asked in server.asked} == {"/pdf/1706.03762"}


# ---------------------------------------------------------------- hostile places


def test_a_page_cannot_name_an_allowed_place_but_one_of_its_own(world: World, canary: Canary) -> None:
    world.internet.host("mirror.internal", world.server.place, addresses=["10.0.0.7"], port=8080)
    page = HTML.format('<meta name="citation_pdf_url" content="http://mirror.internal:8080/7.pdf">')
    world.answers = {PAGE: page, "mirror.internal:8080/7.pdf": answer(PDF), "mirror.internal:8080/page": page}
    finder = world.finder("mirror.internal:8080")

    assert finder.find(PAPER) is NoFullText.NOT_OPEN
    assert finder.find(PAPER) is NoFullText.NOT_OPEN  # nor from memory
    assert world.asked() == [ARXIV, NAMED, PAGE]
    own = Paper("b" * 40, "Another", pdf_url="http://mirror.internal:8080/page")
    assert text_of(finder.find(own)) == PDF
    assert canary.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "::1"])
def test_a_page_cannot_name_a_private_place(address: str, world: World, canary: Canary) -> None:
    world.internet.host("inside.example", addresses=[address])
    world.answers = {PAGE: HTML.format('<meta name="citation_pdf_url" content="http://inside.example/7.pdf">')}

    assert world.finder().find(PAPER) is NoFullText.NOT_OPEN
    assert canary.connections == 0


def test_a_private_address_is_asked_again_once_the_operator_allows_it(world: World) -> None:
    world.internet.host("mirror.internal", world.server.place, addresses=["10.0.0.7"])
    world.answers = {"mirror.internal/7.pdf": answer(PDF)}
    paper = Paper("b" * 40, "Another", pdf_url="http://mirror.internal/7.pdf")

    assert world.finder().find(paper) is NoFullText.NOT_OPEN
    assert text_of(world.finder("mirror.internal:80").find(paper)) == PDF


def test_the_key_of_the_source_is_sent_to_nobody_not_even_to_its_own_host(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMANTIC_SCHOLAR_API_KEY", "canary-secret")
    paper = Paper("b" * 40, "Another", pdf_url="http://api.semanticscholar.org/7.pdf")
    world.answers = {"api.semanticscholar.org/7.pdf": answer(PDF)}

    assert text_of(world.finder().find(paper)) == PDF
    (asked,) = world.server.asked
    assert "canary-secret" not in str(asked)
    assert {"x-api-key", "authorization", "cookie", "referer"} & set(asked.headers) == set()


def test_a_full_disk_stops_the_work_and_is_no_fault_of_the_host(
    engine: Engine, internet: Internet, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        world = World(engine, internet, disk / "pdfs")
        with world.server:
            world.up()
            world.answers = {ARXIV: answer(b"%PDF-" + b"x" * 400_000)}
            fill(disk)
            with pytest.raises(StorageFull):
                world.finder().find(PAPER)
            assert [path for path in (disk / "pdfs").rglob("*") if path.is_file()] == []
            assert world.asked() == [ARXIV]

            (disk / "filling").unlink()
            assert isinstance(world.finder().find(PAPER), FoundPdf)
