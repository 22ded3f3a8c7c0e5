"""What a user types as a seed: an id in any of its forms, the address of a paper, or a title."""

from __future__ import annotations

import re
import unicodedata

from refnet.domain.addresses import KNOWN_SITES, from_address, from_prefixed, is_address
from refnet.domain.errors import InvalidIdentifier
from refnet.domain.id_forms import (
    Identifiers,
    arxiv_from_doi,
    from_acl,
    from_arxiv,
    from_doi,
    from_openalex,
    from_paper_id,
    from_pmcid,
    in_best_order,
    plain,
    without_punctuation,
)
from refnet.domain.seeds import Seed

__all__ = ["arxiv_from_doi", "identify", "in_best_order", "looks_like_file", "parse_seed", "shown"]

MAX_LENGTH = 2_000
_FILES = (".bib", ".bibtex", ".biblatex", ".ris", ".json")
_PREFIXED = re.compile(
    r"(doi|arxiv(?: preprint)?|mag|acl|pmid|pubmed|pmcid|pmc|corpus ?id|s2cid|url|openalex)"
    r"(\s*[:=]\s*|\s+)(\S.*)",
    re.IGNORECASE,
)
_EXAMPLES = {
    "doi": "a DOI looks like 10.1145/3292500.3330701",
    "arxiv": "an arXiv id looks like 1706.03762 or hep-th/9711200",
    "mag": "a MAG id is a number, as in MAG:112218234",
    "acl": "an ACL Anthology id looks like P18-1001 or 2020.acl-main.1",
    "pmid": "a PMID is a number, as in PMID:19872477",
    "pubmed": "a PMID is a number, as in PMID:19872477",
    "pmcid": "a PMCID looks like PMC2323736",
    "pmc": "a PMCID looks like PMC2323736",
    "corpusid": "a CorpusId is a number, as in CorpusId:215416146",
    "s2cid": "a CorpusId is a number, as in CorpusId:215416146",
    "url": f"refnet knows the addresses of {KNOWN_SITES}",
    "openalex": "Semantic Scholar knows the OpenAlex ids below W4200000000 alone; give the DOI",
}
#: Zero-width joiner and non-joiner: the only invisible characters that words are written with.
_JOINERS = "\u200c\u200d"
_OTHER_FILE = re.compile(r"\S{1,500}\.(?:nbib|enw|enl|xml|rdf|txt|csv|tsv|xlsx?|docx?|md|pdf)", re.IGNORECASE)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_ID_WITHIN = re.compile(r"(?:https?://|\bdoi:\s?10\.|\barxiv:\s?[0-9]|\bpmid:\s?[0-9])\S{1,200}", re.IGNORECASE)


def parse_seed(text: str) -> Seed:
    """The paper that a text names.

    Raises InvalidIdentifier, whose sentence names the text and says what to write instead.
    """
    _refuse_unreadable(text)
    words = " ".join("".join(c for c in text if c in _JOINERS or unicodedata.category(c) != "Cf").split())
    if forced := re.match(r"title\s*:\s*", words, re.IGNORECASE):
        title = words[forced.end() :]
        if not any(c.isalnum() for c in title):
            raise InvalidIdentifier(f"{shown(text)} holds no title: write it behind, as in title:GloVe.")
        return Seed(input=text, title=title)
    if identifiers := identify(words):
        return Seed(input=text, identifiers=identifiers)
    if why := _why_no_title(words):
        raise InvalidIdentifier(f"{shown(text)} {why}")
    return Seed(input=text, title=words)


def identify(text: str) -> Identifiers:
    """Every id that follows from a text that is one id, best first; nothing where it is none."""
    bare = without_punctuation(plain(text))
    if is_address(bare) and (found := from_address(bare)):
        return found
    if prefixed := _PREFIXED.fullmatch(plain(text)):
        kind = prefixed[1].lower().removesuffix(" preprint")
        if found := from_prefixed(kind, prefixed[3]) or from_prefixed(kind, without_punctuation(prefixed[3])):
            return found
    if bare[:3].upper() == "PMC" and (found := from_pmcid(bare)):
        return found
    return from_paper_id(bare) or from_doi(text) or from_arxiv(text) or from_acl(bare) or from_openalex(bare)


def looks_like_file(text: str) -> bool:
    """Whether the text is the name of a bibliography rather than a paper; no file is looked at."""
    low = text.strip().lower()
    return low.endswith(_FILES) and "://" not in low and not low.startswith("title:")


def shown(text: str) -> str:
    """The text in quotes for a message: short, and inert in a terminal."""
    safe = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:81].strip())
    return f"“{safe[:80]}…”" if len(text) > 80 else f"“{safe}”"


def _refuse_unreadable(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise InvalidIdentifier(f"{shown(text)} is longer than {MAX_LENGTH:,} characters: give one id or one title.")
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r" for c in text):
        raise InvalidIdentifier(f"{shown(text)} holds control characters or broken text: type it anew.")
    if not plain(text):
        raise InvalidIdentifier("An empty text names no paper: give a DOI, an arXiv id, or a title in quotes.")


def _why_no_title(words: str) -> str | None:
    """Why a text that is no id is no title either, with the cure."""
    text = plain(words)
    if is_address(text) and " " not in text:
        return f"is no address of a paper that refnet knows; it knows {KNOWN_SITES}: give the paper's DOI."
    if re.fullmatch(r"[0-9]+", text):
        return f"could be several kinds of id: write PMID:{text[:12]}, MAG:{text[:12]} or CorpusId:{text[:12]}."
    if re.fullmatch(r"10/[a-z0-9]{3,10}", text, re.IGNORECASE):
        return f"is a short DOI, unknown to Semantic Scholar: open https://doi.org/{text}, give the full DOI."
    if re.fullmatch(r"W[0-9]{4,12}", text, re.IGNORECASE):
        return f"is an id of OpenAlex's own: {_EXAMPLES['openalex']}."
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed and prefixed[2].strip() and " " not in prefixed[3]:
        kind = re.sub(r" preprint| ", "", prefixed[1].lower())
        return f"is no valid id: {_EXAMPLES[kind]}."
    if _OTHER_FILE.fullmatch(text):
        return "looks like a file that refnet does not read: export it as .bib, .ris or CSL-JSON (.json)."
    if found := _ID_WITHIN.search(text):
        return f"holds the id {shown(found[0])} in other text: give the id alone, or title: and the title."
    # Chinese, Japanese and Korean titles need no space.
    if len(_CJK.findall(text)) >= 4 or (" " in text and sum(c.isalpha() for c in text) >= 2):
        return None
    return "is no id that refnet knows: give a DOI, arXiv id, PMID:… or CorpusId:…, or title: and the title."
