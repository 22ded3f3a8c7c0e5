"""Which addresses are on the public internet."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.adapters.full_text.public_addresses import all_public, allow_list, is_public

_NOT_PUBLIC = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 100.100.100.200 127.0.0.1 127.255.255.254 127.1.2.3
    168.63.129.16 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.192 192.0.2.1
    192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 224.0.0.251 239.255.255.255
    240.0.0.1 255.255.255.255
    :: ::1 ::2 ::7f00:1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:224.0.0.1
    ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::a00:1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8 64:ff9b:1:ffff::1 100::1 100:0:0:1::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1
    2002:808:808::1 2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1 3fff::1 4000::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254
    fe80::1 fe80::1%eth0 fe80::a9fe:a9fe fec0::1 ff01::1 ff02::1 ff0e::1 2606:4700::1111%eth0
"""
_ON_THE_INTERNET = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.215.14 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 151.101.131.42
    168.63.129.15 168.63.129.17 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.167.255.255 192.169.0.0 223.255.255.255
    ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:200::1 2001:4860:4860::8888 2003::1 2606:4700::1111 2a04:4e42::347 2620:fe::fe
"""
NOT_PUBLIC, ON_THE_INTERNET = _NOT_PUBLIC.split(), _ON_THE_INTERNET.split()


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_of_this_machine_its_networks_or_of_no_use_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ON_THE_INTERNET)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "2130706433", "0x7f.1", "8.8.8.8/32", "8.8.8.8:80", "[2606:4700::1111]"]
)
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_however_ipv6_carries_it(number: int) -> None:
    plain = IPv4Address(number)

    assert is_public(f"::ffff:{plain}") == is_public(f"64:ff9b::{plain}") == is_public(str(plain))
    assert not is_public(f"::{plain}")
    assert not is_public(f"2606:4700::5efe:{plain}")


def test_of_several_addresses_each_has_to_be_public() -> None:
    assert all_public(["8.8.8.8", "2606:4700::1111"])
    assert not all_public(["8.8.8.8", "127.0.0.1"])
    assert not all_public(["::1", "8.8.8.8"])
    assert not all_public([])


def test_the_list_of_allowed_places_is_read_as_settings_take_it() -> None:
    assert allow_list(" Mirror.Example:8080, 127.0.0.1:80,[::1]:443 ,") == {
        "mirror.example:8080",
        "127.0.0.1:80",
        "[::1]:443",
    }
    assert allow_list("") == frozenset()
