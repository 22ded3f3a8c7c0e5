"""Whether refnet knows the notes of a vault for its own, at any moment: what it writes is announced before.

A note that was written first is taken for its reader's after a crash, as soon as there is something new to say in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from refnet.domain import frontmatter
from refnet.domain.baselines import LEAD
from refnet.domain.note_parts import digest_value, find, key_of, split_body
from refnet.domain.notes import Baseline
from refnet.ports import NoteStore


def unannounced(store: NoteStore, vault: Path) -> list[str]:
    """Notes with a part that refnet would not know again, in words. A note that is written meanwhile is passed over."""
    texts = _texts(vault)
    if not texts:
        return []
    key = str(vault.resolve())
    names, baselines = store.note_names(key), store.baselines(key)
    now = _texts(vault)
    found = []
    for paper_id, name in sorted(names.items()):
        if name in texts and now.get(name) == texts[name]:
            parts = [*_unknown(texts[name], baselines.get(paper_id, Baseline({})))]
            if parts:
                found.append(f"{name} was not announced: {', '.join(parts)}")
    return found


def _texts(vault: Path) -> dict[str, str]:
    return {file.stem: file.read_text(encoding="utf-8") for file in (vault / "papers").glob("[!.]*.md")}


def _unknown(text: str, baseline: Baseline) -> Iterator[str]:
    """The parts of a note that no reader has touched of which the baseline does not tell."""
    head = frontmatter.split(text)
    for entry in head.entries:
        part = f"property:{entry.key}"
        if digest_value(frontmatter.value_of(entry.raw)) not in baseline.parts.get(part, ()):
            yield part
    for number, block in enumerate(split_body(head.body)):
        key = key_of(block.heading)
        part = f"section:{key}" if number else LEAD
        is_ours = (key or not number) and "".join(block.lines).strip()
        if is_ours and not find(block.lines, baseline.parts.get(part, ())):
            yield part
