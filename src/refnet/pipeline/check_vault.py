"""What is wrong with a vault, or not as refnet left it. Nothing is changed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from refnet.domain import inert
from refnet.domain.baselines import foreign_edits, was_written
from refnet.domain.errors import UnreadableDocument
from refnet.domain.frontmatter import BrokenNote, property_of
from refnet.pipeline.generate import INDEX
from refnet.pipeline.standing import Standing
from refnet.ports import NoteStore, Vault

_LINK = re.compile(r"(?<!\\)\[\[([^\[\]|#^\n]+)(?:[|#^][^\[\]\n]*)?\]\]")
_CODE = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n.*?(?:^ {0,3}\1[^\n]*$|\Z)|`[^`\n]*`", re.DOTALL | re.MULTILINE)


class LinkedVault(Vault, Protocol):
    """A vault that knows what links can reach."""

    def link_targets(self) -> set[str]:
        """Every name and path that a wikilink in the vault may have, those of notes without extension."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is `unreadable`, `duplicate id`, `missing note`, `foreign edit`, `moved note`, `broken link`
    or `not ours`.

    `where` is the file, `what` a sentence for the user. What is no `fault` is only worth knowing.
    """

    kind: str
    where: str
    what: str
    fault: bool = True


def check(store: NoteStore, vault: LinkedVault) -> list[Finding]:
    """All findings, in the order of files. A reader's own properties and sections are none."""
    standing = Standing.of(store, vault)
    paper_of = {name: paper_id for paper_id, name in standing.names.items()}
    targets = {_folded(target) for target in vault.link_targets()}
    known = {inert.value(paper_id) for paper_id in standing.names}
    by_id: dict[str, list[str]] = {}
    findings: list[Finding] = []
    for name in sorted(standing.present):
        where = f"papers/{name}.md"
        try:
            text = vault.read(name) or ""
            told = property_of(text, "paper_id")
            edits = _edits(text, standing, paper_of.get(name), where)
        except (UnreadableDocument, BrokenNote) as error:
            findings.append(Finding("unreadable", where, f"{error}", fault=name in paper_of))
            continue
        if told:
            by_id.setdefault(told, []).append(where)
        if name not in paper_of and told not in known:
            findings.append(Finding("not ours", where, "is no note of refnet's, and is left alone", fault=False))
            continue
        findings += [*edits, *_broken_links(text, targets, where)]
    findings += _broken_links(vault.read_own(INDEX) or "", targets, f"refnet/{INDEX}")
    for name, where, text in vault.elsewhere(standing.present & paper_of.keys()):
        with suppress(BrokenNote):
            if property_of(text, "paper_id") == inert.value(paper_of[name]):
                by_id.setdefault(inert.value(paper_of[name]), []).append(where)
    findings += [
        Finding("duplicate id", where, f"has the paper_id of {files[0]}")
        for files in by_id.values()
        for where in files[1:]
    ]
    findings += _missing(standing)
    return sorted(findings, key=lambda found: (found.where, found.kind, found.what))


def _edits(text: str, standing: Standing, paper_id: str | None, where: str) -> list[Finding]:
    baseline = standing.baselines.get(paper_id or "")
    if baseline is None:
        return []
    return [
        Finding("foreign edit", where, f"{part.replace(':', ' ')} is not as refnet wrote it, and is kept so")
        for part in foreign_edits(text, baseline)
    ]


def _broken_links(text: str, targets: set[str], where: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for found in _LINK.finditer(_CODE.sub("", text)):
        target = found[1].strip().removesuffix("\\")
        if target in seen:
            continue
        seen.add(target)
        name = _folded(target.removesuffix(".md"))
        # A path may be given from any folder on: its last part decides here.
        if name not in targets and name.rpartition("/")[2] not in targets:
            yield Finding("broken link", where, f"links to {target}, which is not there")


def _missing(standing: Standing) -> Iterator[Finding]:
    if standing.emptied:
        yield Finding(
            "missing note", "papers", "holds none of the notes that were written; the next write writes all anew"
        )
        return
    for where in standing.moved.values():
        what = "was moved out of papers/ and is no longer brought up to date; move it back to have that again"
        yield Finding("moved note", where, what, fault=False)
    for paper_id in standing.ids:
        if paper_id in standing.moved:
            continue
        name, baseline = standing.names.get(paper_id), standing.baselines.get(paper_id)
        if name is None or name in standing.present or baseline is None or baseline.deleted:
            continue
        if was_written(baseline):
            yield Finding(
                "missing note", f"papers/{name}.md", "was written and is not there; the next write takes it for deleted"
            )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
