"""No address, redirect, page, name or proxy leads a download to a place that is not public: canaries listen, and nobody comes.

A connection that is let through to any address without a server of the test's own ends at the canary, whatever its port.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from refnet.adapters.full_text.download import Downloader
from refnet.adapters.full_text.network import Network, NotPublic
from refnet.adapters.full_text.public_addresses import allow_list
from refnet.adapters.full_text.reply import NoPdfThere
from refnet.adapters.full_text.urls import UrlRefused
from refnet.settings import load_settings
from tests.adapters.full_text.internet import PDF, PUBLIC, Canary, Internet, Paces, downloader, fetched
from tests.adapters.scripted import Asked, Scripted, answer

#: Ways to write addresses that are not public, most of which resolvers take.
_HOSTS = """
    127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0x7f.0.0.1 0177.0.0.1 0177.1 017700000001 127.000.000.001 127.0.0.1. localhost
    localhost. LOCALHOST a.localhost 127。0。0。1 0 0.0.0.0 0x0 10.0.0.1 10.1 0xa.1 012.0.0.1 167772161 172.16.0.1 192.168.1.1 3232235777
    0300.0250.1.1 100.64.0.1 100.100.100.200 169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 168.63.129.16
    192.0.0.192 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255
    [::] [::1] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:127.0.0.1] [::ffff:169.254.169.254]
    [::ffff:10.0.0.1] [64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:a9fe:a9fe::1] [fe80::1]
    [2001:0:4136:e378:8000:63bf:80ff:fffe] [fd00:ec2::254] [fc00::1] [fec0::1] [ff02::1] [2001:db8::1] [2606:4700::5efe:7f00:1]
"""
HOSTS = _HOSTS.split()
URLS = [
    *(f"http://{host}/x.pdf" for host in HOSTS),
    *(f"https://{host}/x.pdf" for host in HOSTS[:8]),
    *(f"http://{PUBLIC}:{port}/x.pdf" for port in (22, 25, 81, 5432, 5555, 6379, 8080)),
    "http://papers.example@127.0.0.1/x.pdf",
    "http://papers.example\\@127.0.0.1/x.pdf",
    "http://127.0.0.1\\@papers.example/x.pdf",
    "http://127.0.0.1%00.papers.example/x.pdf",
    "http://①②⑦.⓪.⓪.①/x.pdf",
    "http://[fe80::1%25lo]/x.pdf",
    "http:127.0.0.1/x.pdf",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "file:///etc/passwd",
]
#: What a name may resolve to although it looks public.
RESOLVED = [
    ["127.0.0.1"],
    ["::1"],
    [PUBLIC, "127.0.0.1"],
    ["10.0.0.1", PUBLIC],
    [PUBLIC, "::ffff:169.254.169.254"],
    ["fe80::1%eth0"],
    ["64:ff9b::a00:1"],
    [],
]


@pytest.mark.parametrize("url", URLS)
def test_an_address_that_is_not_public_is_refused_however_it_is_written(
    url: str, internet: Internet, canary: Canary
) -> None:
    with pytest.raises((UrlRefused, NotPublic)):
        fetched(downloader(internet), url)

    assert canary.connections == 0
    assert internet.connected == []


@pytest.mark.parametrize("host", HOSTS)
def test_nor_does_a_redirect_of_a_public_place_lead_there(host: str, internet: Internet, canary: Canary) -> None:
    with Scripted(lambda asked: answer(b"", 302, {"Location": f"http://{host}/x.pdf"})) as server:
        internet.host("papers.example", server.place)
        with pytest.raises(NoPdfThere, match="leads astray"):
            fetched(downloader(internet), "http://papers.example/x.pdf")

    assert canary.connections == 0
    assert internet.connected == [(PUBLIC, 80)]


@pytest.mark.parametrize("addresses", RESOLVED, ids=str)
def test_a_name_is_refused_where_one_of_its_addresses_is_not_public(
    addresses: list[str], internet: Internet, canary: Canary
) -> None:
    internet.host("papers.example", addresses=addresses)

    with pytest.raises(NotPublic):
        fetched(downloader(internet), "http://papers.example/x.pdf")
    assert canary.connections == 0


def test_the_canary_would_have_been_reached_without_the_check(internet: Internet, canary: Canary) -> None:
    internet.host("papers.example", addresses=["127.0.0.1"])

    assert fetched(downloader(internet, allow="papers.example:80"), "http://papers.example/x.pdf") == PDF
    assert canary.connections == 1


def test_a_name_that_resolves_to_something_else_the_second_time_is_connected_to_where_it_was_checked(
    internet: Internet, canary: Canary
) -> None:
    turns = itertools.count()
    with Scripted(lambda asked: answer(PDF)) as server:
        internet.host("papers.example", server.place)
        internet.names["papers.example"] = lambda: [PUBLIC] if next(turns) == 0 else ["127.0.0.1"]
        downloads = downloader(internet)

        assert fetched(downloads, "http://papers.example/x.pdf") == PDF
        assert internet.resolved == ["papers.example"]
        with pytest.raises(NotPublic):
            fetched(downloads, "http://papers.example/x.pdf")

    assert canary.connections == 0
    assert internet.connected == [(PUBLIC, 80)]


def test_a_name_that_turns_private_between_two_steps_of_a_redirect_is_refused(
    internet: Internet, canary: Canary
) -> None:
    turns = itertools.count()
    with Scripted(lambda asked: answer(b"", 302, {"Location": "/again"})) as server:
        internet.host("papers.example", server.place)
        internet.names["papers.example"] = lambda: [PUBLIC] if next(turns) == 0 else ["127.0.0.1"]

        with pytest.raises(NoPdfThere, match="leads astray"):
            fetched(downloader(internet), "http://papers.example/x.pdf")

    assert canary.connections == 0


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://papers.example/x",
        "http://u:p@papers.example/",
        "data:,%25PDF-",
    ],
)
def test_a_redirect_to_another_scheme_or_with_a_password_ends_there(
    location: str, internet: Internet, canary: Canary
) -> None:
    with Scripted(lambda asked: answer(b"", 307, {"Location": location})) as server:
        internet.host("papers.example", server.place)
        with pytest.raises(NoPdfThere, match="leads astray"):
            fetched(downloader(internet), "http://papers.example/x.pdf")

        assert len(server.asked) == 1
    assert canary.connections == 0


def test_a_redirect_leads_from_https_to_http_but_no_further_than_public_places(
    internet: Internet, canary: Canary
) -> None:
    # By http in both cases: what matters is the address of the second step.
    with Scripted(lambda asked: answer(PDF if asked.path == "/y" else b"", 200 if asked.path == "/y" else 301,
                                       {"Location": "http://other.example/y"})) as server:  # fmt: skip
        internet.host("papers.example", server.place)
        internet.host("other.example", server.place, addresses=["151.101.131.42"])

        assert fetched(downloader(internet), "http://papers.example/x") == PDF
    assert internet.connected == [(PUBLIC, 80), ("151.101.131.42", 80)]
    assert canary.connections == 0


@pytest.mark.parametrize("steps", [6, 7, 10])
def test_six_redirects_are_followed_and_no_more(steps: int, internet: Internet) -> None:
    def step(asked: Asked) -> bytes:
        done = int(asked.path.strip("/"))
        return answer(PDF) if done == steps else answer(b"", 302, {"Location": f"/{done + 1}"})

    with Scripted(step) as server:
        internet.host("papers.example", server.place)
        downloads = downloader(internet)
        if steps == 6:
            assert fetched(downloads, "http://papers.example/0") == PDF
        else:
            with pytest.raises(NoPdfThere, match="More than 6 redirects"):
                fetched(downloads, "http://papers.example/0")
        assert len(server.asked) == 7


def test_a_loop_of_redirects_ends(internet: Internet) -> None:
    with Scripted(lambda asked: answer(b"", 302, {"Location": asked.target})) as server:
        internet.host("papers.example", server.place)
        with pytest.raises(NoPdfThere, match="redirects"):
            fetched(downloader(internet), "http://papers.example/x")
        assert len(server.asked) == 7


@pytest.mark.parametrize(
    "variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
)
def test_a_proxy_of_the_environment_is_not_used(
    variable: str, internet: Internet, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scheme in ("http", "socks5"):
        monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{canary.port}")
        with Scripted(lambda asked: answer(PDF)) as server:
            internet.host("papers.example", server.place)
            assert fetched(downloader(internet), "http://papers.example/x.pdf") == PDF

            with pytest.raises(NotPublic):
                fetched(downloader(internet), "http://169.254.169.254/latest/meta-data/")
    assert os.environ[variable]
    assert canary.connections == 0


def test_with_the_systems_own_network_no_port_of_loopback_is_reached(canary: Canary) -> None:
    downloads = Downloader(Paces().__getitem__)
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):  # noqa: S104
        for port in (canary.port, 80, 443):
            with pytest.raises(NotPublic):
                fetched(downloads, f"http://{host}:{port}/")

    assert canary.connections == 0


# ---------------------------------------------------------------- places that the operator allows


def test_an_allowed_place_is_reached_by_the_systems_own_network(canary: Canary) -> None:
    place = f"127.0.0.1:{canary.port}"
    downloads = Downloader(Paces().__getitem__, private=allow_list(place))

    assert fetched(downloads, f"http://{place}/x.pdf") == PDF
    assert canary.connections == 1


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0x7f.1"])
def test_an_allowed_place_is_allowed_as_it_is_written_and_not_otherwise(
    host: str, internet: Internet, canary: Canary
) -> None:
    downloads = downloader(internet, allow=f"127.0.0.1:{canary.port}")

    for port in (canary.port, 80):
        with pytest.raises(NotPublic):
            fetched(downloads, f"http://{host}:{port}/")
    with pytest.raises(NotPublic):
        fetched(downloads, "http://127.0.0.1/")
    assert canary.connections == 0


@pytest.mark.parametrize("middle", [[], ["http://other.example/"]])
def test_a_public_place_cannot_send_a_download_to_an_allowed_one(
    middle: list[str], internet: Internet, canary: Canary
) -> None:
    chain = [*middle, "http://mirror.internal:8080/delete?all"]
    with Scripted(lambda asked: answer(b"", 302, {"Location": chain.pop(0)})) as server:
        internet.host("papers.example", server.place)
        internet.host("other.example", server.place, addresses=["151.101.131.42"])
        internet.host("mirror.internal", addresses=["10.0.0.7"], port=8080)
        with pytest.raises(NoPdfThere, match="leads astray"):
            fetched(downloader(internet, allow="mirror.internal:8080"), "http://papers.example/x.pdf")

    assert canary.connections == 0


def test_nor_once_an_allowed_place_has_sent_it_to_a_public_one(internet: Internet, canary: Canary) -> None:
    with (
        Scripted(lambda asked: answer(b"", 302, {"Location": "http://papers.example/"})) as mirror,
        Scripted(lambda asked: answer(b"", 302, {"Location": "http://mirror.internal:8080/secret"})) as papers,
    ):
        internet.host("mirror.internal", mirror.place, addresses=["10.0.0.7"], port=8080)
        internet.host("papers.example", papers.place)
        with pytest.raises(NoPdfThere, match="leads astray"):
            fetched(downloader(internet, allow="mirror.internal:8080"), "http://mirror.internal:8080/x")

        assert [asked.path for asked in mirror.asked] == ["/x"]


def test_an_allowed_place_may_send_it_on_within_what_is_allowed(internet: Internet) -> None:
    with Scripted(lambda asked: answer(PDF) if asked.path == "/y" else answer(b"", 302, {"Location": "/y"})) as mirror:
        internet.host("mirror.internal", mirror.place, addresses=["10.0.0.7"], port=8080)

        assert fetched(downloader(internet, allow="mirror.internal:8080"), "http://mirror.internal:8080/x") == PDF


def test_an_allowed_place_is_not_reached_where_a_page_named_it(internet: Internet, canary: Canary) -> None:
    internet.host("mirror.internal", addresses=["10.0.0.7"], port=8080)

    with pytest.raises(NotPublic):
        fetched(downloader(internet, allow="mirror.internal:8080"), "http://mirror.internal:8080/x", private=False)
    assert canary.connections == 0


def test_where_only_allowed_places_may_be_reached_no_other_is_not_even_resolved(
    internet: Internet, canary: Canary
) -> None:
    paces = Paces()
    with Scripted(
        lambda asked: answer(PDF) if asked.path == "/x" else answer(b"", 302, {"Location": "//papers.example"})
    ) as mirror:
        internet.host("mirror.internal", mirror.place, addresses=["10.0.0.7"], port=8080)
        internet.host("papers.example")
        downloads = Downloader(
            paces.__getitem__, private=allow_list("mirror.internal:8080"), private_only=True, network=internet.network
        )

        assert fetched(downloads, "http://mirror.internal:8080/x") == PDF
        with pytest.raises(NotPublic, match="only those"):
            fetched(downloads, "http://papers.example/x")
        with pytest.raises(NoPdfThere, match="only those"):
            fetched(downloads, "http://mirror.internal:8080/away")
        with pytest.raises(NotPublic, match="only those"):
            fetched(downloads, "http://mirror.internal:8080/x", private=False)

    assert set(internet.resolved) == {"mirror.internal"}
    assert {host: pace.starts for host, pace in paces.items()} == {"mirror.internal": 2}
    assert canary.connections == 0


def test_the_network_of_a_downloader_is_the_systems_unless_a_test_gives_it_another() -> None:
    downloads = Downloader(Paces().__getitem__)

    assert downloads._network == Network()


def test_no_file_that_comes_with_refnet_allows_a_place(root: Path) -> None:
    examples = [root / "compose.yaml", *(path for path in (root / "deploy").rglob("*") if path.is_file())]
    lines = [line for path in examples for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]

    assert len(lines) > 100
    assert [line for line in lines if "ALLOW_PRIVATE_HOSTS=" in line and not line.rstrip().endswith("=")] == []
    assert load_settings().allow_private_hosts == ""
