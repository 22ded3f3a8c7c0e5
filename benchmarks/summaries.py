"""How much of an author's abstract the offline summariser says, and how many of the author's keywords, beside others.

    python benchmarks/summaries.py [--papers ../shared/data/pdf] [--list]

The papers of a folder (`paper-*.pdf`) are read as refnet reads them. Their abstracts and keywords are taken out of what the
summarisers get. ROUGE (Lin, 2004; F1 of rouge-score, with its stemmer) compares with the abstract; a summary is cut to the
abstract's length, in words, in Japanese in signs, and Japanese is compared by pairs of signs. `lead` is the beginning of the
introduction; sumy's LexRank gets its sentences and words from refnet, since its own need data from the network.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import mean

import yake
from measuring import note, table
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer
from sumy.models.dom import ObjectDocumentModel, Paragraph
from sumy.models.dom import Sentence as SumySentence
from sumy.nlp.stemmers import Stemmer, null_stemmer
from sumy.summarizers.lex_rank import LexRankSummarizer
from sumy.utils import get_stop_words

from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.domain.documents import ASIDE, Document, FoundPdf, SectionKind
from refnet.domain.extractive import ExtractiveSummarizer, rank, take
from refnet.domain.keywords import frequent_phrases
from refnet.domain.papers import Paper
from refnet.domain.passages import WORTH, passages
from refnet.domain.sentences import join_sentences
from refnet.domain.terms import is_english, stem
from refnet.domain.wording import is_japanese

PAPERS = Path(__file__).parent.parent.parent / "shared" / "data" / "pdf"
SCORES = ("rouge1", "rouge2", "rougeL")
KEYWORDS = 10
#: A shorter abstract is a slip of the reader's.
SHORTEST_ABSTRACT = 200
#: What publishers print behind an abstract, where it was read as a part of it.
BEHIND = re.compile(r"CCS CONCEPTS|KEYWORDS|Key ?words|Index Terms|ACM Reference|キーワード")


@dataclass(frozen=True)
class Case:
    name: str
    abstract: str
    document: Document

    @property
    def japanese(self) -> bool:
        return self.document.lang == "ja"

    def size(self, text: str) -> int:
        return len(text) if self.japanese else len(text.split())

    def cut(self, text: str) -> str:
        wanted = self.size(self.abstract)
        return text[:wanted] if self.japanese else " ".join(text.split()[:wanted])

    def body(self) -> list[str]:
        """Every sentence that refnet's summariser gets, whatever it is."""
        return [
            one.text
            for section in self.document.sections
            if section.kind in WORTH and section.title != ASIDE
            for one in section.sentences
        ]


class PairsOfSigns(Tokenizer):
    """Tokens of Japanese for ROUGE."""

    def tokenize(self, text: str) -> list[str]:
        signs = re.sub(r"[\s、。，．]", "", text)
        return [signs[at : at + 2] for at in range(len(signs) - 1)]


class Words:
    """What sumy asks of a tokenizer."""

    def to_words(self, sentence: str) -> Sequence[str]:
        return (
            PairsOfSigns().tokenize(sentence) if is_japanese(sentence) else re.findall(r"[^\W\d_]+", sentence.lower())
        )


def read(folder: Path) -> list[tuple[str, Document]]:
    """The papers that have a text, with abstracts and keywords still in."""
    reader = BoundedPdfReader()
    found = []
    for path in sorted(folder.glob("*.pdf")):
        document = reader.read(str(path))
        if isinstance(document, Document):
            found.append((path.stem, document))
    reader.close()
    return found


def case(name: str, document: Document) -> Case | None:
    """None for a paper without an abstract, or of neither language (one in the folder is a page of Lorem ipsum)."""
    if not name.startswith("paper-"):
        return None
    kinds = [section.kind for section in document.sections]
    if SectionKind.ABSTRACT not in kinds or SectionKind.INTRODUCTION not in kinds:
        return None
    at = kinds.index(SectionKind.ABSTRACT)
    if at > kinds.index(SectionKind.INTRODUCTION):
        return None
    sentences = [one.text for one in document.sections[at].sentences]
    if document.lang == "ja":
        sentences = [one for one in sentences if is_japanese(one)]
    elif not is_english(sentences):
        return None
    abstract = BEHIND.split(join_sentences(sentences))[0].strip()
    if len(abstract) < SHORTEST_ABSTRACT:
        return None
    rest = tuple(one for one in document.sections if one.kind is not SectionKind.ABSTRACT)
    return Case(name, abstract, replace(document, sections=rest, keywords=()))


def as_in_the_note(given: Case) -> str:
    paper = Paper(paper_id=given.name, title="")
    return ExtractiveSummarizer().summarize(paper, given.document, FoundPdf("", "", ""), "en").text


def ranking(given: Case) -> str:
    ranked = rank(passages(given.document))
    wanted = given.size(given.abstract)
    taken = take(
        ranked, [True] * len(ranked.passages), lambda those: sum(given.size(one.text) for one in those) >= wanted
    )
    return join_sentences(ranked.passages[at].text for at in sorted(taken))


def lead(given: Case) -> str:
    sentences = [one.text for one in given.document.of(SectionKind.INTRODUCTION)] or given.body()
    return join_sentences(sentences[:60])


def lex_rank(sentences: Callable[[Case], list[str]]) -> Callable[[Case], str]:
    def summarise(given: Case) -> str:
        model = ObjectDocumentModel([Paragraph([SumySentence(one, Words()) for one in sentences(given)])])
        summarizer = LexRankSummarizer(null_stemmer if given.japanese else Stemmer("english"))
        if not given.japanese:
            summarizer.stop_words = get_stop_words("english")
        wanted = given.size(given.abstract)

        def until_long_enough(rated):
            taken, size = [], 0
            for one in rated:
                if size >= wanted:
                    break
                taken.append(one)
                size += given.size(str(one.sentence))
            return taken

        return join_sentences(str(one) for one in summarizer(model, until_long_enough))

    return summarise


METHODS: dict[str, Callable[[Case], str]] = {
    "refnet, as in the note": as_in_the_note,
    "refnet's ranking, to the abstract's length": ranking,
    "sumy LexRank on the same sentences": lex_rank(lambda given: [one.text for one in passages(given.document)]),
    "sumy LexRank on all sentences": lex_rank(Case.body),
    "lead of the introduction": lead,
}


def compare(cases: Sequence[Case], listed: bool) -> str:
    english = RougeScorer(SCORES, use_stemmer=True)
    japanese = RougeScorer(SCORES, tokenizer=PairsOfSigns())
    rows = []
    for name, method in METHODS.items():
        scores: dict[bool, list[list[float]]] = {False: [], True: []}
        begun = time.process_time()
        texts = [method(one) for one in cases]
        seconds = (time.process_time() - begun) / len(cases)
        for one, text in zip(cases, texts, strict=True):
            found = (japanese if one.japanese else english).score(one.abstract, one.cut(text))
            scores[one.japanese].append([found[score].fmeasure for score in SCORES])
            if listed:
                note(f"{name}: {one.name}: {' '.join(f'{score:.3f}' for score in scores[one.japanese][-1])}")
        shown = [
            "/".join(f"{mean(column):.3f}"[1:] for column in zip(*scores[wide], strict=True)) for wide in (False, True)
        ]
        rows.append((name, *shown, f"{1000 * seconds:,.0f}"))
    counts = [sum(one.japanese is wide for one in cases) for wide in (False, True)]
    head = ("method", f"English R1/R2/RL, {counts[0]} papers", f"Japanese, {counts[1]} papers", "ms CPU a paper")
    return table(head, rows)


def key(word: str) -> str:
    return " ".join(stem(one) for one in re.findall(r"[^\W_]+", word.lower()))


def compare_keywords(read_papers: Sequence[tuple[str, Document]], listed: bool) -> str:
    """Of the authors' keywords how many are found as they are, and how many with a word in common."""
    given = [(name, one) for name, one in read_papers if len(one.keywords) > 1]
    methods: dict[str, Callable[[Document], list[str]]] = {
        "refnet": _own_keywords,
        "YAKE on the same sentences": lambda document: _yake(document, [one.text for one in passages(document)]),
        "YAKE on all sentences": lambda document: _yake(document, Case("", "", document).body()),
    }
    rows = []
    for name, method in methods.items():
        exact = partly = every = 0
        begun = time.process_time()
        found = [method(document) for _, document in given]
        seconds = (time.process_time() - begun) / len(given)
        for (paper, document), words in zip(given, found, strict=True):
            keys = [key(one) for one in words]
            if listed:
                note(f"{name}: {paper}: {', '.join(words)}")
            for own in map(key, document.keywords):
                every += 1
                exact += own in keys
                partly += any(_share(own, one, document.lang) for one in keys)
        rows.append(
            (name, f"{exact} ({exact / every:.2f})", f"{partly} ({partly / every:.2f})", f"{1000 * seconds:,.0f}")
        )
    head = (
        f"{KEYWORDS} keywords, {len(given)} papers",
        f"exactly, of {every}",
        "with a word in common",
        "ms CPU a paper",
    )
    return table(head, rows)


def _own_keywords(document: Document) -> list[str]:
    return frequent_phrases([one.text for one in passages(document)], most=KEYWORDS)


def _yake(document: Document, sentences: Sequence[str]) -> list[str]:
    extractor = yake.KeywordExtractor(lan=document.lang, n=3, top=KEYWORDS)
    return [word for word, _ in extractor.extract_keywords(join_sentences(sentences))]


def _share(one: str, other: str, lang: str) -> bool:
    if lang == "ja":
        return one in other or other in one
    return bool(set(one.split()) & set(other.split()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--papers", type=Path, default=PAPERS)
    parser.add_argument("--list", action="store_true", help="tell the figures of each paper, too")
    given = parser.parse_args()
    found = read(given.papers)
    cases = [made for name, document in found if (made := case(name, document))]
    if not cases:
        parser.error(f"no papers with an abstract in {given.papers}")
    note(f"{len(found)} documents, {len(cases)} of them papers with an abstract")
    print(compare(cases, given.list))
    print()
    print(compare_keywords(found, given.list))
    versions = ", ".join(f"{name} {version(name)}" for name in ("sumy", "yake", "rouge-score"))
    print(f"\nBeside {versions}. Times are those of the processor.")


if __name__ == "__main__":
    main()
