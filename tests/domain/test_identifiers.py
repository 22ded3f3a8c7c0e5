"""What a user may type as a seed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.errors import InvalidIdentifier
from refnet.domain.identifiers import arxiv_from_doi, in_best_order, looks_like_file, parse_seed, shown
from refnet.domain.seeds import Identifier, IdentifierKind, Seed

SHA = "649def34f8be52c8b66281af98ae884c09aef38b"


def ids(text: str) -> list[str]:
    return [str(identifier) for identifier in parse_seed(text).identifiers]


def outcome(text: str) -> tuple[Seed | None, str]:
    try:
        return parse_seed(text), ""
    except InvalidIdentifier as error:
        return None, str(error)


def refusal(text: str) -> str:
    with pytest.raises(InvalidIdentifier) as caught:
        parse_seed(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SHA, SHA),
        (SHA.upper(), SHA),
        ("CorpusId:215416146", "CorpusId:215416146"),
        ("corpusID: 215416146", "CorpusId:215416146"),
        ("MAG:112218234", "MAG:112218234"),
        ("PMID:19872477", "PMID:19872477"),
        ("pmid 19872477", "PMID:19872477"),
        ("PMC2323736", "PMCID:2323736"),
        ("PMCID:PMC2323736", "PMCID:2323736"),
        ("PMCID: 2323736", "PMCID:2323736"),
        ("W2741809807", "MAG:2741809807"),
        ("openalex:w2741809807", "MAG:2741809807"),
        ("ACL:W12-3903", "ACL:W12-3903"),
        ("1706.03762", "ARXIV:1706.03762"),
        ("arXiv:1706.03762v5", "ARXIV:1706.03762"),
        ("ARXIV: 1706.03762", "ARXIV:1706.03762"),
        ("arXiv:1706.03762v5 [cs.CL] 6 Dec 2017", "ARXIV:1706.03762"),
        ("arXiv preprint arXiv:1706.03762", "ARXIV:1706.03762"),
        ("0704.0001", "ARXIV:0704.0001"),
        ("hep-th/9711200v3", "ARXIV:hep-th/9711200"),
        ("HEP-TH/9711200", "ARXIV:hep-th/9711200"),
        ("math.GT/0309136", "ARXIV:math/0309136"),
        ("１７０６．０３７６２", "ARXIV:1706.03762"),
        ("10.1145/3292500.3330701", "DOI:10.1145/3292500.3330701"),
        ("10.1016/J.ADDR.2015.01.008", "DOI:10.1016/j.addr.2015.01.008"),
        ("doi:10.1145/3292500.3330701", "DOI:10.1145/3292500.3330701"),
        ("DOI 10.1145/3292500.3330701.", "DOI:10.1145/3292500.3330701"),
        ("DOI: https://doi.org/10.1145/3292500.3330701", "DOI:10.1145/3292500.3330701"),
        ("10.1000%2Fxyz", "DOI:10.1000/xyz"),
        ("(10.1016/S0022-2836(84)80011-X),", "DOI:10.1016/s0022-2836(84)80011-x"),
        ("“10.1000/xyz”", "DOI:10.1000/xyz"),
        ("10.1016/0022-2836(84)", "DOI:10.1016/0022-2836(84)"),
        ("(10.1016/0022-2836(84))", "DOI:10.1016/0022-2836(84)"),
        ("10.1000/a\u2013b", "DOI:10.1000/a\u2013b"),
        ("10.1000/\u200bxyz\ufeff", "DOI:10.1000/xyz"),
        ("10.1101/2020.01.01.123456v2", "DOI:10.1101/2020.01.01.123456"),
    ],
)
def test_an_id_is_read_in_every_form_that_people_write(text: str, expected: str) -> None:
    assert ids(text) == [expected]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://doi.org/10.1016/S0022-2836(84)80011-X", "DOI:10.1016/s0022-2836(84)80011-x"),
        ("http://dx.doi.org/10.1000/abc?utm_source=x#top", "DOI:10.1000/abc"),
        ("doi.org/10.1000/abc", "DOI:10.1000/abc"),
        (
            "https://doi.org/10.1002/(SICI)1096-987X(199803)19:4%3C377::AID-JCC1%3E3.0.CO;2-P",
            "DOI:10.1002/(sici)1096-987x(199803)19:4<377::aid-jcc1>3.0.co;2-p",
        ),
        ("https://link.springer.com/article/10.1007/s11192-018-2820-9/tables/1", "DOI:10.1007/s11192-018-2820-9"),
        ("https://link.springer.com/content/pdf/10.1007/s11192-018-2820-9.pdf", "DOI:10.1007/s11192-018-2820-9"),
        ("https://dl.acm.org/doi/pdf/10.1145/3292500.3330701", "DOI:10.1145/3292500.3330701"),
        ("https://dl.acm.org/citation.cfm?id=2939672.2939785", "DOI:10.1145/2939672.2939785"),
        ("https://dl.acm.org/citation.cfm?id=2939785", "URL:https://dl.acm.org/citation.cfm?id=2939785"),
        ("https://onlinelibrary.wiley.com/doi/full/10.1002/asi.24750", "DOI:10.1002/asi.24750"),
        ("https://www.science.org/doi/abs/10.1126/science.1252319", "DOI:10.1126/science.1252319"),
        ("https://www.frontiersin.org/articles/10.3389/fnins.2017.00001/full", "DOI:10.3389/fnins.2017.00001"),
        (
            "https://journals.plos.org/plosone/article?id=10.1371/journal.pone.0000308",
            "DOI:10.1371/journal.pone.0000308",
        ),
        ("https://academic.oup.com/nar/article/doi/10.1093/nar/gkw1164/2770660", "DOI:10.1093/nar/gkw1164"),
        ("https://www.biorxiv.org/content/10.1101/2020.01.01.123456v1.full.pdf", "DOI:10.1101/2020.01.01.123456"),
        ("https://www.biorxiv.org/content/10.1101/2020.01.01.123456v1.full.pdf+html", "DOI:10.1101/2020.01.01.123456"),
        ("https://www.biorxiv.org/content/early/2017/08/01/171496", "DOI:10.1101/171496"),
        ("https://www.medrxiv.org/content/10.1101/2020.03.03.20029843v3", "DOI:10.1101/2020.03.03.20029843"),
        ("https://arxiv.org/abs/1706.03762v5", "ARXIV:1706.03762"),
        ("http://arxiv.org/pdf/1706.03762v5.pdf", "ARXIV:1706.03762"),
        ("https://www.arxiv.org/html/1706.03762#S1", "ARXIV:1706.03762"),
        ("arxiv.org/abs/hep-th/9711200v3", "ARXIV:hep-th/9711200"),
        ("https://ar5iv.labs.arxiv.org/html/1706.03762", "ARXIV:1706.03762"),
        ("https://www.alphaxiv.org/abs/1706.03762v2", "ARXIV:1706.03762"),
        ("https://huggingface.co/papers/1706.03762", "ARXIV:1706.03762"),
        ("URL:https://arxiv.org/abs/1706.03762", "ARXIV:1706.03762"),
        ("https://pubmed.ncbi.nlm.nih.gov/19872477/", "PMID:19872477"),
        ("https://www.ncbi.nlm.nih.gov/pubmed/19872477", "PMID:19872477"),
        ("https://europepmc.org/article/MED/19872477", "PMID:19872477"),
        ("https://www.ncbi.nlm.nih.gov/pmc/articles/PMC2323736/", "PMCID:2323736"),
        ("https://pmc.ncbi.nlm.nih.gov/articles/PMC2323736/pdf/a.pdf", "PMCID:2323736"),
        ("https://aclanthology.org/N03-1017.pdf", "ACL:N03-1017"),
        ("https://openalex.org/W2741809807", "MAG:2741809807"),
        ("https://api.openalex.org/works/w2741809807", "MAG:2741809807"),
        (f"https://www.semanticscholar.org/paper/Construction-Of-It/{SHA}?utm_source=x#citing", SHA),
        (f"https://www.semanticscholar.org/paper/{SHA.upper()}", SHA),
        (f"https://www.semanticscholar.org/reader/{SHA}", SHA),
        ("https://www.semanticscholar.org/p/13756489", "CorpusId:13756489"),
        ("https://api.semanticscholar.org/CorpusID:13756489", "CorpusId:13756489"),
        (
            "https://api.semanticscholar.org/graph/v1/paper/DOI:10.1145/3292500.3330701/citations?fields=title",
            "DOI:10.1145/3292500.3330701",
        ),
        ("<https://doi.org/10.1000/xyz>", "DOI:10.1000/xyz"),
    ],
)
def test_the_address_of_a_paper_is_read_for_the_id_in_it(address: str, expected: str) -> None:
    assert ids(address) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.48550/arXiv.1706.03762", ["ARXIV:1706.03762", "DOI:10.48550/arxiv.1706.03762"]),
        ("https://doi.org/10.48550/ARXIV.1706.03762v2", ["ARXIV:1706.03762", "DOI:10.48550/arxiv.1706.03762"]),
        ("10.48550/arXiv.hep-th/9711200", ["ARXIV:hep-th/9711200", "DOI:10.48550/arxiv.hep-th/9711200"]),
        ("10.18653/v1/N18-3011", ["DOI:10.18653/v1/n18-3011", "ACL:N18-3011"]),
        ("ACL:P18-1001", ["ACL:P18-1001", "DOI:10.18653/v1/p18-1001"]),
        ("p18-1001", ["ACL:P18-1001", "DOI:10.18653/v1/p18-1001"]),
        ("2020.ACL-main.1", ["ACL:2020.acl-main.1", "DOI:10.18653/v1/2020.acl-main.1"]),
        ("https://aclanthology.org/2020.acl-main.1.pdf", ["ACL:2020.acl-main.1", "DOI:10.18653/v1/2020.acl-main.1"]),
        ("https://www.aclweb.org/anthology/P/P18/P18-1001v2.pdf", ["ACL:P18-1001", "DOI:10.18653/v1/p18-1001"]),
    ],
)
def test_a_paper_known_by_several_ids_is_asked_for_by_the_surest_first(text: str, expected: list[str]) -> None:
    assert ids(text) == expected


def test_arxivs_own_doi_yields_to_the_arxiv_id_and_other_dois_come_before_it() -> None:
    arxiv = Identifier(IdentifierKind.ARXIV, "1706.03762")
    own = Identifier(IdentifierKind.DOI, "10.48550/arxiv.1706.03762")
    doi = Identifier(IdentifierKind.DOI, "10.1000/x")
    pmid = Identifier(IdentifierKind.PMID, "1")
    assert in_best_order([pmid, own, arxiv, doi, arxiv]) == (doi, arxiv, own, pmid)


def test_only_dois_of_arxiv_give_an_arxiv_id() -> None:
    assert arxiv_from_doi("10.48550/ARXIV.1706.03762v3") == "1706.03762"
    assert arxiv_from_doi("10.48550/arxiv.nonsense") is None
    assert arxiv_from_doi("10.1145/1706.03762") is None


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Attention is all you need", "Attention is all you need"),
        ("  Attention is\nall you\tneed ", "Attention is all you need"),
        ("title:BERT", "BERT"),
        ("Title: 10.1000/xyz", "10.1000/xyz"),
        ("ACL 2020", "ACL 2020"),
        ("MAG: A gentle introduction", "MAG: A gentle introduction"),
        ("数字化转型与企业创新", "数字化转型与企業创新".replace("業", "业")),
        ("Visual\u200b learning\u202e", "Visual learning"),
    ],
)
def test_words_that_are_no_id_are_a_title(text: str, title: str) -> None:
    seed = parse_seed(text)
    assert (seed.title, seed.identifiers, seed.input) == (title, (), text)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("", "give a DOI"),
        (" \n\t", "give a DOI"),
        ("\u200b\ufeff", "names no paper"),
        ("title:", "holds no title"),
        ("title: …!", "holds no title"),
        ("123456", "PMID:123456, MAG:123456 or CorpusId:123456"),
        ("BERT", "title: and the title"),
        ("?? !!", "title: and the title"),
        ("doi:garbage", "10.1145/3292500.3330701"),
        ("arXiv:9999.99999", "1706.03762"),
        ("arXiv:1501.1234", "1706.03762"),
        ("arXiv:1713.1234", "1706.03762"),
        ("arXiv:0601.0001", "1706.03762"),
        ("CorpusId:abc", "CorpusId:215416146"),
        ("MAG:0", "MAG:112218234"),
        ("PMID:١٢٣٤", "PMID:19872477"),
        ("W4385245566", "give the DOI"),
        ("10/fqd6hj", "https://doi.org/10/fqd6hj"),
        ("https://example.com/paper", "arXiv, Semantic Scholar"),
        ("https://www.nature.com/articles/s41586-020-2649-2", "give the paper's DOI"),
        ("https://arxiv.org/list/cs/recent", "give the paper's DOI"),
        ("https://arxiv.org@example.com/abs/1706.03762", "give the paper's DOI"),
        ("https://www.semanticscholar.org/author/A-B/40348417", "give the paper's DOI"),
        ("https://aclanthology.org/volumes/2020.acl-main/", "give the paper's DOI"),
        ("http://[::1/abs", "give the paper's DOI"),
        ("URL:https://example.com", "arXiv, Semantic Scholar"),
        ("Comment on arXiv:1706.03762", "give the id alone"),
        ("library.nbib", ".bib, .ris or CSL-JSON"),
        ("10.1000/ab%00c", "give a DOI"),
        ("10.1000/ab%ff", "give a DOI"),
        ("a\x00 b", "type it anew"),
        ("a\x1b[31m b", "type it anew"),
        ("a\udc80 b", "type it anew"),
        ("a " * 1_001, "one id or one title"),
    ],
)
def test_what_names_no_paper_is_refused_with_the_cure(text: str, cure: str) -> None:
    message = refusal(text)
    assert cure in message
    assert message.isprintable()
    assert len(message) < 400


def test_a_refusal_names_what_was_typed() -> None:
    assert refusal("BERT").startswith("“BERT” ")
    assert refusal("x" * 500).startswith("“" + "x" * 80 + "…” ")


def test_a_text_shown_to_the_user_cannot_steer_the_terminal() -> None:
    assert shown("a\x1b[2J\u202eb\n") == "“a\ufffd[2J\ufffdb”"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("refs.bib", True),
        ("/home/me/My Library.BIB", True),
        ("x.bibtex", True),
        ("x.biblatex", True),
        ("x.ris", True),
        ("x.csl.json", True),
        ("x.nbib", False),
        ("10.1000/x", False),
        ("https://example.com/x.json", False),
        ("title: how to read .bib", False),
    ],
)
def test_files_are_told_by_their_ending(text: str, expected: bool) -> None:
    assert looks_like_file(text) is expected


@given(
    st.lists(
        st.sampled_from(
            ["10.", "/", "doi:", "arxiv", ":", "https://", "doi.org/", "[", "(", "%2", "%00", "v1", ".", " ", "9"]
        )
        | st.characters(),
        max_size=30,
    ).map("".join)
)
def test_any_text_is_a_seed_or_is_refused_in_words(text: str) -> None:
    seed, message = outcome(text)
    assert message.isprintable()
    if seed is not None:
        assert bool(seed.identifiers) != bool(seed.title)
        for identifier in seed.identifiers:
            assert identifier.value.isprintable()
            assert not any(c.isspace() for c in identifier.value)


@pytest.mark.parametrize(
    "piece",
    ["10.", "1", "10.1000/", "arXiv:", "doi:", "((", "a.", "/10.1/", "%25", "https://", ";", "[", "v1", "\n", " "],
)
def test_no_text_takes_long_to_be_read(piece: str) -> None:
    text = piece * 2_000
    for form in (text, f"https://doi.org/{text}", f"https://x.org/10.1000/{text}", f"arXiv:{text}", f"title:{text}"):
        started = time.process_time()
        outcome(form[:2_000])
        assert time.process_time() - started < 0.5
