"""Passwords that are none: empty ones, those of examples, those that servers come with, and what nobody filled in."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

#: Whatever stands in everybody's examples, in small letters.
_EXAMPLES = frozenset(
    {
        *("changeme", "change-me", "change_me", "change me", "changeit", "change-this", "change_this"),
        *("password", "passwd", "pass", "your-password", "yourpassword", "your_password", "mypassword"),
        *("your-key", "your-api-key", "your_api_key", "yourapikey", "your-key-here", "your-api-key-here", "api-key"),
        *("placeholder", "replace-me", "replaceme", "replace_me", "todo", "fixme", "xxx", "xxxxxxxx", "12345678"),
        *("flowerpassword", "admin:password", "none", "null", "undefined"),
    }
)
#: What servers come with, and what everybody would name a user of refnet's; nobody else is let in by it as long as they are
#: reached from their own machine alone.
_DEFAULTS = frozenset({"guest", "postgres", "redis", "rabbitmq", "admin", "root", "refnet"})
_OWN_MACHINE = frozenset({None, "", "localhost", "::1"})


def is_none(word: str) -> bool:
    """Whether a password, or a key, is none that somebody chose."""
    word = word.strip()
    unfilled = "${" in word or "$(" in word or (word.startswith("<") and word.endswith(">"))
    return not word or unfilled or word.lower() in _EXAMPLES


def is_default(word: str) -> bool:
    """Whether it is what a server comes with, or refnet's own name: words that stand in every other line of a log."""
    return word.strip().lower() in _DEFAULTS


def holds_none(secret: str) -> bool:
    """Whether a secret stands or falls with such a word: a URL, `user:password`, or keys separated by commas.

    A URL without any password is let pass, and an empty one for a server on the own machine: there are servers that know
    their users otherwise.
    """
    if "://" in secret:
        return _url_holds_none(secret)
    if is_none(secret):
        return True
    _, colon, password = secret.partition(":")
    return is_none(password) if colon else any(is_none(key) for key in secret.split(",") if key.strip())


def _url_holds_none(url: str) -> bool:
    try:
        parts = urlsplit(url)
        given, host = parts.password, parts.hostname
    except ValueError:
        return False  # somebody else says what is wrong with it
    if not given:
        return given is not None and not _is_own_machine(host)
    password = unquote(given)
    return is_none(password) or (is_default(password) and not _is_own_machine(host))


def _is_own_machine(host: str | None) -> bool:
    return host in _OWN_MACHINE or (host is not None and re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None)
