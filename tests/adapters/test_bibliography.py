"""A bibliography gives a seed, or a reason, for each of its entries."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refnet.adapters.bibliography import read_bibliography
from refnet.domain.errors import UnreadableDocument
from refnet.domain.seeds import Seed, Unresolved


def read(folder: Path, name: str, content: str | bytes) -> tuple[list[Seed], list[Unresolved]]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_bibliography(path)


def one(folder: Path, name: str, content: str | bytes) -> Seed:
    seeds, unresolved = read(folder, name, content)
    assert (len(seeds), unresolved) == (1, [])
    return seeds[0]


def ids(seed: Seed) -> list[str]:
    return [str(identifier) for identifier in seed.identifiers]


def bib(folder: Path, fields: str) -> Seed:
    return one(folder, "a.bib", f"@article{{key,\n{fields}\n}}\n")


def refusal(path: Path) -> str:
    with pytest.raises(UnreadableDocument) as caught:
        read_bibliography(path)
    return str(caught.value)


# ---------------------------------------------------------------- real libraries

#: entries in all, entries with an id, entries without id and title
RECORDED = {
    "biblatex-examples.bib": (92, 6, 2),
    "csl-deterministic-1178.csl.json": (26, 14, 0),
    "gecko-example.bib": (6, 6, 0),
    "hostile-quietly-discarded-873.bib": (988, 15, 0),
    "hostile-unexpected-html-1575.biblatex": (1, 0, 0),
    "jabref-authors.bib": (212, 135, 0),
    "jabref-chocolate.bib": (15, 15, 0),
    "jabref-complex.bib": (20, 16, 0),
    "jabref-doi.ris": (1, 1, 0),
    "jabref-scopus.ris": (1, 1, 0),
    "litstudy-springer.ris": (25, 24, 0),
    "obsidian-citation-library.bib": (5, 4, 0),
    "obsidian-citation-library.csl.json": (5, 4, 0),
    "pybtex-cyrillic.bib": (5, 0, 0),
    "pybtex-xampl.bib": (36, 0, 3),
    "refmanager-test.bib": (38, 0, 0),
    "rispy-full.ris": (2, 0, 0),
    "rispy-utf.ris": (1, 0, 0),
    "rispy-wos.ris": (2, 2, 0),
    "wos-29-with-cited-references.bib": (29, 26, 0),
    "zotero-1054-entries-dois.bib": (1053, 1040, 1),
    "zotero-506-entries-dois.bib": (506, 411, 0),
    "zotero-arxiv-460.biblatex": (3, 3, 0),
    "zotero-arxiv-460.bibtex": (3, 3, 0),
    "zotero-chinese-2320.biblatex": (5, 3, 0),
    "zotero-collections-901.bibtex": (36, 6, 0),
    "zotero-language-field-1921.biblatex": (86, 1, 0),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_real_library_gives_a_seed_or_a_reason_for_each_entry(shared: Path, name: str) -> None:
    seeds, unresolved = read_bibliography(shared / "bib" / name)
    with_id = [seed for seed in seeds if seed.identifiers]
    assert (len(seeds) + len(unresolved), len(with_id), len(unresolved)) == RECORDED[name]
    assert all(seed.input.startswith(f"{name}: ") for seed in seeds)
    assert all(seed.identifiers or seed.title for seed in seeds)


def test_all_recorded_bibliographies_but_pubmeds_own_form_are_read(shared: Path) -> None:
    names = {path.name for path in (shared / "bib").iterdir()}
    assert names - set(RECORDED) == {"jabref.nbib"}
    assert ".bib, .ris or CSL-JSON" in refusal(shared / "bib" / "jabref.nbib")


def test_no_entry_of_a_real_bibtex_file_is_lost(shared: Path) -> None:
    for path in sorted((shared / "bib").glob("*.bib*")):
        text = path.read_text(encoding="utf-8-sig")
        kinds = [kind.lower() for kind in re.findall(r"(?m)^\s*@\s*(\w+)\s*[{(]", text)]
        entries = [kind for kind in kinds if kind not in ("comment", "string", "preamble")]
        seeds, unresolved = read_bibliography(path)
        assert len(seeds) + len(unresolved) == len(entries), path.name


def test_one_library_gives_the_same_papers_in_both_of_its_forms(shared: Path) -> None:
    bibtex, _ = read_bibliography(shared / "bib" / "obsidian-citation-library.bib")
    csl, _ = read_bibliography(shared / "bib" / "obsidian-citation-library.csl.json")

    def facts(seeds: list[Seed]) -> list[tuple[str | None, int | None, str | None]]:
        return sorted((seed.citekey, seed.year, seed.family) for seed in seeds)

    assert facts(bibtex) == facts(csl)


# ---------------------------------------------------------------- BibTeX


def test_a_bibtex_entry_gives_ids_title_year_author_and_key(tmp_path: Path) -> None:
    seed = one(
        tmp_path,
        "refs.bib",
        "@inproceedings{lo2020,\n title = {{S2ORC}: The {Semantic Scholar} Open Research Corpus},\n"
        ' author = "Kyle Lo and Lucy Lu Wang",\n year = 2020,\n doi = {10.18653/v1/2020.acl-main.447} }',
    )
    assert ids(seed) == ["DOI:10.18653/v1/2020.acl-main.447", "ACL:2020.acl-main.447"]
    assert seed.input == "refs.bib: lo2020"
    assert seed.title == "S2ORC: The Semantic Scholar Open Research Corpus"
    assert (seed.year, seed.family, seed.citekey) == (2020, "Lo", "lo2020")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("doi = {https://doi.org/10.1000/ABC}", "DOI:10.1000/abc"),
        ("DOI = {10.1000/a\\_b}", "DOI:10.1000/a_b"),
        (
            "doi = {10.1002/(SICI)1096-987X(1998)19:4$<$377::AID-JCC1$>$3.0.CO;2-P}",
            "DOI:10.1002/(sici)1096-987x(1998)19:4<377::aid-jcc1>3.0.co;2-p",
        ),
        ("doi = 10.1000/bare", "DOI:10.1000/bare"),
        ("url = {http://dx.doi.org/10.1000/abc}", "DOI:10.1000/abc"),
        ("url = {https://a.org/x https://arxiv.org/abs/1706.03762}", "ARXIV:1706.03762"),
        ("howpublished = {\\url{https://arxiv.org/abs/1706.03762}}", "ARXIV:1706.03762"),
        ("eprint = {1706.03762v2}, archivePrefix = {arXiv}", "ARXIV:1706.03762"),
        ("eprint = {1706.03762}, eprinttype = {arxiv}", "ARXIV:1706.03762"),
        ("eprint = {arXiv:1706.03762}", "ARXIV:1706.03762"),
        ("eprint = {9711200}, archiveprefix = {arXiv}, primaryclass = {hep-th}", "ARXIV:hep-th/9711200"),
        ("eprint = {19872477}, eprinttype = {pubmed}", "PMID:19872477"),
        ("eprint = {https://arxiv.org/abs/1706.03762}", "ARXIV:1706.03762"),
        ("arxivId = {1706.03762}", "ARXIV:1706.03762"),
        ("journal = {arXiv preprint arXiv:1706.03762}", "ARXIV:1706.03762"),
        ("journal = {CoRR}, volume = {abs/1706.03762}", "ARXIV:1706.03762"),
        ("number = {arXiv:1706.03762}", "ARXIV:1706.03762"),
        ("note = {arXiv: 1706.03762 [cs]}", "ARXIV:1706.03762"),
        ("note = {\\url{http://arxiv.org/abs/1401.2910}}", "ARXIV:1401.2910"),
        ("annote = {Read.\nPMID: 19872477}", "PMID:19872477"),
        ("note = {ISSN: 1; DOI: 10.1000/abc}", "DOI:10.1000/abc"),
        ("pmid = {19872477}", "PMID:19872477"),
        ("pmcid = {PMC2323736}", "PMCID:2323736"),
        ("bdsk-url-1 = {https://doi.org/10.1000/abc}", "DOI:10.1000/abc"),
        ("corpusid = {215416146}", "CorpusId:215416146"),
        ("url = {https://www.semanticscholar.org/p/13756489}", "CorpusId:13756489"),
    ],
)
def test_ids_are_found_in_every_field_that_people_put_them_in(tmp_path: Path, fields: str, expected: str) -> None:
    assert ids(bib(tmp_path, fields)) == [expected]


def test_the_ids_of_an_entry_come_in_the_order_in_which_they_are_tried(tmp_path: Path) -> None:
    seed = bib(tmp_path, "pmid = {1234}, eprint = {1706.03762}, note = {arXiv:1706.03762}, doi = {10.1000/abc}")
    assert ids(seed) == ["DOI:10.1000/abc", "ARXIV:1706.03762", "PMID:1234"]


@pytest.mark.parametrize(
    "fields",
    [
        "note = {Comment on arXiv:1706.03762}",
        "note = {See also doi:10.1000/abc}",
        "abstract = {arXiv:1706.03762}",
        "eprint = {30659}, eprinttype = {National Bureau of Economic Research}",
        "eprint = {1706.03762}, eprinttype = {jstor}",
        "doi = {theDOI}",
        "doi = {10/fqd6hj}",
        "url = {https://example.com/1706.03762}",
        "cited-references = {A, DOI 10.1000/abc}",
    ],
)
def test_an_id_that_may_be_another_papers_is_not_taken(tmp_path: Path, fields: str) -> None:
    seed = bib(tmp_path, f"title = {{On things}}, {fields}")
    assert (ids(seed), seed.title) == ([], "On things")


@pytest.mark.parametrize(
    ("written", "title"),
    [
        (
            "{G{\\'e}rer la \\\"{o} d\\'ocumentation, na\\\"{\\i}ve, Stra{\\ss}e, \\O re}",
            "Gérer la ö dócumentation, naïve, Straße, Øre",
        ),
        ("{{\\v{C}}ech \\c{c} \\H{o} \\k{a} \\r a {\\aa}}", "Čech ç ő ą å å"),
        ("{On $\\alpha$-synuclein}", "On α-synuclein"),
        ("{\\emph{In vivo} growth, 100\\% pure \\& fast}", "In vivo growth, 100% pure & fast"),
        ("{100% of \\textbf{all} R&D}", "100% of all R&D"),
        ("{The {\\TeX}book---a   review~of\n ``it''}", "The TeXbook—a review of “it”"),
        ("{<i>E. coli</i> &amp; \\mkbibquote{us}}", "E. coli & us"),
        ('"Quoted {"}title{"} here"', 'Quoted "title" here'),
        ('{Deep } # "learning" # { now}', "Deep learning now"),
        ("{A: b}, subtitle = {C d}", "A: b: C d"),
        ("{Phase \\{\\{\\vphantom{\\}\\}}{{Transformation}}\\vphantom\\{\\}}", "Phase Transformation"),
    ],
)
def test_tex_in_titles_is_read(tmp_path: Path, written: str, title: str) -> None:
    assert bib(tmp_path, f"title = {written}").title == title


@pytest.mark.parametrize(
    ("author", "family"),
    [
        ("Vaswani, Ashish and Shazeer, Noam", "Vaswani"),
        ("Ashish Vaswani and Noam Shazeer", "Vaswani"),
        ('R{\\"o}nnow, Troels', "Rönnow"),
        ('van den Oord, A{\\"a}ron and others', "van den Oord"),
        ("{van den Oord}, A.", "van den Oord"),
        ("{Barnes and Noble} and Smith, John", "Barnes and Noble"),
        ("{NASA Space Team}", "NASA Space Team"),
        ("family=Hasselt, given=Hado, prefix=van, useprefix=true and Smith, J.", "van Hasselt"),
        ("de Last, Jr., First", "de Last"),
        ("方, 明月 and 林, 佳妮", "方"),
        ("Vaswani, Ashish\n  AND Shazeer, Noam", "Vaswani"),
    ],
)
def test_the_first_authors_family_name_is_kept(tmp_path: Path, author: str, family: str) -> None:
    assert bib(tmp_path, f"title = {{On things}}, author = {{{author}}}").family == family


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ("year = 2017", 2017),
        ("year = {c1998}", 1998),
        ("date = {2014-07-25}", 2014),
        ("year = {2003--2004}", 2003),
        ("year = {in press}", None),
        ("year = {20171}", None),
    ],
)
def test_the_year_is_read_from_year_or_date(tmp_path: Path, fields: str, year: int | None) -> None:
    assert bib(tmp_path, f"title = {{On things}}, {fields}").year == year


def test_strings_are_put_in_and_undefined_ones_harm_nothing(tmp_path: Path) -> None:
    text = '@string{a = "Deep"}\n@string(B = a # { nets})\n@article{k, title = b # " learn", journal = IJCAI-75, month = jan}'
    assert one(tmp_path, "a.bib", text).title == "Deep nets learn"


def test_an_entry_takes_the_year_from_its_book_and_all_from_an_article_it_refers_to(tmp_path: Path) -> None:
    seeds, _ = read(
        tmp_path,
        "a.bib",
        "@inproceedings{a, title = {On things}, crossref = {book}}\n@article{b, crossref = {c}}\n"
        "@article{c, title = {Same thing}, doi = {10.1000/c}}\n"
        "@proceedings{book, title = {Proceedings}, doi = {10.1000/book}, year = 1999}",
    )
    assert [(ids(seed), seed.title, seed.year) for seed in seeds] == [
        ([], "On things", 1999),
        (["DOI:10.1000/c"], "Same thing", None),
        (["DOI:10.1000/c"], "Same thing", None),
        (["DOI:10.1000/book"], "Proceedings", 1999),
    ]


def test_entries_with_one_key_are_all_kept_and_told_apart_by_line(tmp_path: Path) -> None:
    seeds, unresolved = read(tmp_path, "a.bib", "@article{k, title={One thing}}\n\n@article{k, title={Two things}}")
    assert [seed.input for seed in seeds] == ["a.bib: k (line 1)", "a.bib: k (line 3)"]
    assert [seed.citekey for seed in seeds] == ["k", "k"]
    assert unresolved == []


def test_of_a_field_given_twice_the_first_counts(tmp_path: Path) -> None:
    assert bib(tmp_path, "title = {One thing}, title = {Two things}").title == "One thing"


def test_a_broken_entry_is_told_with_its_line_and_the_rest_goes_on(tmp_path: Path) -> None:
    seeds, unresolved = read(
        tmp_path,
        "a.bib",
        "@article{good, title={Good one}}\n@article{bad, title={Never closed,\n year=2000\n"
        "@article{next, title={Good two}}\n@article{nothing, year=2000}\n@article{worse, doi={theDOI}}\n@misc(cut, title={",
    )
    assert [seed.citekey for seed in seeds] == ["good", "next"]
    assert [(entry.input, entry.why.split(":")[0]) for entry in unresolved] == [
        ("a.bib: bad (line 2)", "is not valid BibTeX"),
        ("a.bib: nothing", "has neither an identifier nor a title"),
        ("a.bib: worse", "has no title, and its doi “theDOI” is no valid id"),
        ("a.bib: cut (line 7)", "is not valid BibTeX"),
    ]


def test_comments_are_no_entries(tmp_path: Path) -> None:
    text = """
        Exported by me@home (2020)
        @comment{never closed
        @comment{jabref-meta: groups}
        @preamble{"x"}
        %@article{old,
        % title={Old one}
        %}
        @article{k,
        % doi = {10.1000/old},
          title={New one},
          abstract={of which
        % is text}}
        @comment no braces"""
    seeds, unresolved = read(tmp_path, "a.bib", text)
    assert [(seed.citekey, seed.title, ids(seed)) for seed in seeds] == [("k", "New one", [])]
    assert unresolved == []


def test_an_entry_without_a_key_is_named_by_its_line(tmp_path: Path) -> None:
    seed = one(tmp_path, "a.bib", "\n@article{, title={On things}}")
    assert (seed.input, seed.citekey) == ("a.bib: (line 2)", None)


# ---------------------------------------------------------------- RIS


def ris(*lines: str) -> str:
    return "\n".join(["TY  - JOUR", *lines, "ER  - ", ""])


def test_a_ris_record_gives_ids_title_year_author_and_key(tmp_path: Path) -> None:
    seed = one(
        tmp_path,
        "a.ris",
        ris("ID  - lo2020", "TI  - On things", "AU  - Lo, Kyle", "PY  - 2020/07/", "DO  - 10.1000/abc"),
    )
    assert ids(seed) == ["DOI:10.1000/abc"]
    assert (seed.title, seed.year, seed.family, seed.citekey) == ("On things", 2020, "Lo", "lo2020")
    assert seed.input == "a.ris: entry 1 (line 1)"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DO  - https://doi.org/10.1000/abc", "DOI:10.1000/abc"),
        ("UR  - https://arxiv.org/abs/1706.03762", "ARXIV:1706.03762"),
        ("UR  - https://a.org/x;https://arxiv.org/abs/1706.03762", "ARXIV:1706.03762"),
        ("L2  - https://www.ncbi.nlm.nih.gov/pmc/articles/PMC2323736/", "PMCID:2323736"),
        ("M3  - doi: 10.1000/abc", "DOI:10.1000/abc"),
        ("N1  - arXiv:1706.03762", "ARXIV:1706.03762"),
        ("N1  - Read it.\nPMID: 19872477", "PMID:19872477"),
        ("AN  - PMID: 19872477", "PMID:19872477"),
        ("DB  - PubMed\nAN  - 19872477", "PMID:19872477"),
        ("U1  - 19872477[pmid]", "PMID:19872477"),
        ("U2  - PMC2323736[pmcid]", "PMCID:2323736"),
        ("JO  - arXiv preprint arXiv:1706.03762", "ARXIV:1706.03762"),
    ],
)
def test_ids_are_found_in_every_tag_that_exporters_put_them_in(tmp_path: Path, line: str, expected: str) -> None:
    assert ids(one(tmp_path, "a.ris", ris("TI  - On things", line))) == [expected]


@pytest.mark.parametrize(
    "line", ["AN  - 2004-1234-5", "AN  - 19872477", "N1  - Reply to arXiv:1706.03762", "ID  - 12345"]
)
def test_a_number_of_another_kind_is_no_id_and_no_key(tmp_path: Path, line: str) -> None:
    seed = one(tmp_path, "a.ris", ris("TI  - On things", line))
    assert (ids(seed), seed.citekey) == ([], None)


def test_records_without_an_end_or_a_beginning_are_all_kept(tmp_path: Path) -> None:
    seeds, unresolved = read(
        tmp_path,
        "a.ris",
        "TY  - JOUR\nTI  - Title one\nTY  - JOUR\nTI  - Title two,\ncontinued\nER  - \nTI  - Title three\nER  - \n"
        "TY  - JOUR\nPY  - 2000\nER  - \nTY  - JOUR\nT1  - Title five",
    )
    assert [seed.title for seed in seeds] == ["Title one", "Title two, continued", "Title three", "Title five"]
    assert unresolved == [Unresolved("a.ris: entry 4 (line 9)", "has neither an identifier nor a title")]


def test_other_line_ends_and_spacing_of_ris_are_read(tmp_path: Path) -> None:
    seeds, _ = read(
        tmp_path, "a.ris", "TY - JOUR\r\nTI - Title one\r\nER -\r\n\r\nTY  -  JOUR\rTI  -  Title two\rER  -\r"
    )
    assert [seed.title for seed in seeds] == ["Title one", "Title two"]


def test_web_of_science_records_are_read_under_the_ending_of_ris(tmp_path: Path) -> None:
    text = (
        "FN Clarivate Analytics Web of Science\nVR 1.0\nPT J\nAU van Gogh, V\n   Monet, C\nTI On things and\n   more things\n"
        "PY 2004\nDI 10.1000/abc\nPM 15170338\nCR A B, 1986, DOI 10.1000/cited\nER\n\nPT J\nAU Smith, J\nTI Other things\nER\n\nEF"
    )
    seeds, unresolved = read(tmp_path, "a.ris", text)
    assert unresolved == []
    assert [(seed.title, seed.year, seed.family, ids(seed)) for seed in seeds] == [
        ("On things and more things", 2004, "van Gogh", ["DOI:10.1000/abc", "PMID:15170338"]),
        ("Other things", None, "Smith", []),
    ]


# ---------------------------------------------------------------- CSL-JSON


def csl(folder: Path, **fields: object) -> Seed:
    return one(folder, "a.json", json.dumps([fields]))


def test_a_csl_item_gives_ids_title_year_author_and_key(tmp_path: Path) -> None:
    seed = csl(
        tmp_path,
        id="oord2018",
        title="On <i>things</i>",
        author=[{"family": "Oord", "non-dropping-particle": "van den", "given": "Aäron"}],
        issued={"date-parts": [["2018", 7]]},
        DOI="10.1000/ABC",
        PMID="19872477",
    )
    assert ids(seed) == ["DOI:10.1000/abc", "PMID:19872477"]
    assert (seed.input, seed.citekey) == ("a.json: oord2018", "oord2018")
    assert (seed.title, seed.year, seed.family) == ("On things", 2018, "van den Oord")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"URL": "https://arxiv.org/abs/1706.03762"}, "ARXIV:1706.03762"),
        ({"DOI": "10/fqd6hj", "URL": "https://doi.org/10.1000/abc"}, "DOI:10.1000/abc"),
        ({"PMID": 19872477}, "PMID:19872477"),
        ({"PMCID": "PMC2323736"}, "PMCID:2323736"),
        ({"note": "PMID: 19872477"}, "PMID:19872477"),
        ({"note": "arXiv: 1706.03762\nOther: x"}, "ARXIV:1706.03762"),
        ({"number": "arXiv:1706.03762"}, "ARXIV:1706.03762"),
        ({"container-title": "arXiv:1706.03762 [cs]"}, "ARXIV:1706.03762"),
        ({"archive": "arXiv", "archive_location": "1706.03762"}, "ARXIV:1706.03762"),
        ({"extra": "PMCID: PMC2323736"}, "PMCID:2323736"),
    ],
)
def test_ids_are_found_in_every_field_of_a_csl_item(tmp_path: Path, fields: dict[str, object], expected: str) -> None:
    assert ids(csl(tmp_path, title="On things", **fields)) == [expected]


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"issued": {"raw": "July 2018"}}, (2018, None, None)),
        ({"issued": {"literal": "2018?"}}, (2018, None, None)),
        ({"issued": {"date-parts": [[]]}}, (None, None, None)),
        ({"issued": "2018-01-02"}, (2018, None, None)),
        ({"date": "2018", "creators": [{"lastName": "Lo"}], "citationKey": "lo"}, (2018, "Lo", "lo")),
        ({"author": [{"literal": "Court of Arbitration"}]}, (None, "Court of Arbitration", None)),
        ({"author": "Lo"}, (None, None, None)),
        ({"citation-key": "lo", "id": "http://zotero.org/1"}, (None, None, "lo")),
        ({"id": "http://zotero.org/users/1/items/A"}, (None, None, None)),
        ({"id": 17}, (None, None, None)),
    ],
)
def test_the_other_forms_of_json_libraries_are_read(
    tmp_path: Path, fields: dict[str, object], facts: tuple[int | None, str | None, str | None]
) -> None:
    seed = csl(tmp_path, title=["On things"], **fields)
    assert (seed.year, seed.family, seed.citekey) == facts


def test_a_list_in_items_and_a_single_item_are_read(tmp_path: Path) -> None:
    item = {"type": "book", "title": "On things"}
    assert one(tmp_path, "a.json", json.dumps({"items": [item]})).title == "On things"
    assert one(tmp_path, "a.json", json.dumps(item)).title == "On things"


def test_what_is_no_item_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    seeds, unresolved = read(tmp_path, "a.json", json.dumps([17, {"title": "On things"}, {}, {"title": {"a": 1}}]))
    assert [seed.input for seed in seeds] == ["a.json: entry 2"]
    assert unresolved == [
        Unresolved("a.json: entry 1", "is no JSON object"),
        Unresolved("a.json: entry 3", "has neither an identifier nor a title"),
        Unresolved("a.json: entry 4", "has neither an identifier nor a title"),
    ]


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_files_in_the_encodings_of_unicode_are_read(tmp_path: Path, encoding: str) -> None:
    assert one(tmp_path, "a.bib", "@article{k, title={Gérer l’été}}".encode(encoding)).title == "Gérer l’été"


def test_a_file_in_windows_1252_is_read_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        seed = one(tmp_path, "a.bib", "@article{k, title={Gérer – l’été}}".encode("cp1252"))
    assert seed.title == "Gérer – l’été"
    assert "a.bib is not UTF-8" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "cure"),
    [
        ("a.bib", b"", "is empty"),
        ("a.bib", b" \n ", "is empty"),
        ("a.bib", b"Dear reader", "holds no BibTeX entry"),
        ("a.ris", b"@article{k, title={On things}}", "holds no RIS entry"),
        ("a.bib", b"%PDF-1.7\n\x00\x01\x02\xff\xfe" * 50, "is no text file"),
        ("a.bib", b"PK\x03\x04\x14\x00\x08\x08" * 50, "is no text file"),
        ("a.bib", b"\xff\xfe\x00", "save it as UTF-8"),
        ("a.bib", b"<!DOCTYPE html><style>@media(print){}</style>", "is a web page"),
        ("a.json", b"<?xml version='1.0'?>", "is a web page or XML"),
        ("a.json", b"{", "is not valid JSON"),
        ("a.json", b'{"papers": []}', "without a list of entries"),
        ("a.json", b"[]", "without a list of entries"),
        ("a.json", b'"text"', "without a list of entries"),
        ("a.json", b"[" * 100_000, "nested too deeply"),
        ("a.json", b"[" + b"9" * 5_000 + b"]", "too long"),
        ("a.json", b"[" + b"0," * 30_000 + b"0]", "split it"),
        ("a.bib", b"@a{" * 30_001, "split it"),
        ("a.nbib", b"PMID- 1", ".bib, .ris or CSL-JSON"),
    ],
)
def test_a_file_that_is_no_bibliography_is_refused_with_the_cure(
    tmp_path: Path, name: str, content: bytes, cure: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(path)
    assert cure in message
    assert name in message
    assert message.isprintable()


def test_a_title_of_more_than_2000_characters_is_none(tmp_path: Path) -> None:
    for name, content in (
        ("a.bib", "@a{k, title={" + "ab " * 700 + "}}"),
        ("a.json", json.dumps([{"title": "ab " * 700}])),
    ):
        _, unresolved = read(tmp_path, name, content)
        assert [entry.why for entry in unresolved] == [
            "has no identifier, and its title is longer than 2,000 characters"
        ]
    seed = csl(tmp_path, title="ab " * 700, DOI="10.1000/abc")
    assert (ids(seed), seed.title) == (["DOI:10.1000/abc"], None)


def test_what_is_no_file_is_refused_with_the_cure(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.bib")
    assert "is a folder" in refusal(tmp_path)
    assert "cannot be read" in refusal(tmp_path / "a\0.bib")
    os.mkfifo(tmp_path / "pipe.bib")
    assert "no regular file" in refusal(tmp_path / "pipe.bib")
    (tmp_path / "loop.bib").symlink_to(tmp_path / "loop.bib")
    assert "loop.bib" in refusal(tmp_path / "loop.bib")


def test_a_file_that_may_not_be_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.bib"
    path.write_text("@article{k, title={On things}}")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        assert "change its permissions" in refusal(path)
    finally:
        os.seteuid(user)


def test_a_file_of_more_than_50_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.bib"
    with path.open("wb") as file:
        file.truncate(50_000_001)
    assert "larger than 50 MB" in refusal(path)


def test_nothing_in_a_seed_can_steer_a_terminal_or_break_utf_8(tmp_path: Path) -> None:
    seed = csl(tmp_path, id="k\x1b[2J", title="On\x1b[31m th\ud800ings", author=[{"family": "L\x07o\udfff"}])
    for text in (seed.input, seed.title or "", seed.family or "", seed.citekey or ""):
        text.encode()
        assert text.isprintable()


# ---------------------------------------------------------------- bounds

_MEGABYTE = 1_000_000
HOSTILE = {
    "braces.bib": "@a{k,title={" + "{" * 400_000 + "}" * 400_000 + "}}",
    "unclosed.bib": "@a{k,title={" + "{" * _MEGABYTE,
    "ats.bib": "@a{k,title={ab}}" + "@" * _MEGABYTE,
    "begun.bib": "@a{" * 30_000,
    "one-key.bib": "@a{k,title={ab}}\n" * 30_000,
    "tex.bib": "".join(f"@a{{k{i},title={{" + "\\emph{" * 15 + "\\b" * 200 + "}" * 15 + "}}\n" for i in range(1_900)),
    "accents.bib": "".join(f"@a{{k{i},title={{" + "\\'e" * 600 + "}}\n" for i in range(540)),
    "dollars.bib": "".join(f"@a{{k{i},title={{" + "$" * 1_001 + "}}\n" for i in range(960)),
    "tiny.bib": "".join(f"@a{{k{i},title={{x$y$}}}}\n" for i in range(29_999)),
    "bomb.bib": "@string{a0={"
    + "x" * 1_000
    + "}}\n"
    + "".join(f"@string{{a{i}={{x}} # a{i - 1} # a{i - 1}}}\n" for i in range(1, 25_000))
    + "@a{k,title=a24999}",
    "pieces.bib": "@a{k,title=" + '"a"#' * 200_000 + '"a"}',
    "authors.bib": "@a{k,title={ab},author={{" + "a and " * 160_000 + "}}",
    "note.bib": "@a{k,title={ab},note={" + "\n" * _MEGABYTE + "}}",
    "urls.bib": f"@a{{k,title={{ab}},url={{a{' ' * 9_000}b}}}}\n" * 110,
    "doi.bib": f"@a{{k,title={{ab}},doi={{doi{' ' * 9_000}b}}}}\n" * 110,
    "doi-note.bib": f"@a{{k,title={{ab}},note={{doi{' ' * 9_000}b}}}}\n" * 110,
    "arxiv.bib": f"@a{{k,title={{ab}},arxivid={{arxiv{' ' * 9_000}b}}}}\n" * 110,
    "path.bib": f"@a{{k,title={{ab}},url={{https://arxiv.org{'/a' * 4_500}}}}}\n" * 110,
    "short-path.bib": f"@a{{k,title={{ab}},url={{https://arxiv.org{'/a' * 450}}}}}\n" * 1_050,
    "brackets.bib": f"@a{{k,title={{ab}},doi={{10.1000/{')' * 9_000}}}}}\n" * 110,
    "semicolons.bib": "@a{k,title={ab},note={" + "; " * 500_000 + "}}",
    "lines.ris": "TY  - A\nTI  - b\n" + "c\n" * 500_000,
    "untagged.ris": "TY  - A\n" + "c\n" * 500_000,
    "begun.ris": "TY  - A\n" * 30_000,
    "tags.ris": "TY  - A\n" + "ZZ  - a\n" * 120_000,
    "urls.ris": "TY  - A\nUR  - " + ";" * _MEGABYTE,
    "lines-wos.ris": "PT J\nTI a\n" + "   b\n" * 200_000 + "ER\n",
    "authors-wos.ris": "PT J\nAU a\n" + "   b\n" * 200_000 + "ER\n",
    "notes.json": json.dumps([{"title": "ab", "note": "\n" * 900_000}]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_of_a_megabyte_takes_five_seconds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(HOSTILE[name])
    started = time.process_time()
    seeds, unresolved = read_bibliography(path)
    assert time.process_time() - started < 5
    assert seeds or unresolved


def test_strings_made_of_strings_do_not_fill_the_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "bomb.bib"
    path.write_text(HOSTILE["bomb.bib"])
    tracemalloc.start()
    with caplog.at_level(logging.WARNING):
        read_bibliography(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000
    assert "they are left out" in caplog.text


def test_tex_beyond_the_budget_is_left_out_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        seeds, _ = read(
            tmp_path, "tiny.bib", "".join(f"@a{{k{i},title={{\\emph{{x}} \\O z {i}}}}}\n" for i in range(9_000))
        )
    assert {seed.title for seed in seeds} == {f"x Øz {i}" for i in range(9_000)}
    assert "more TeX than refnet works through" in caplog.text


PIECES = [
    "@article{", "@string{", "@comment{", "@", "{", "}", '"', "=", ",", "#", "\n", "key", "title", "doi", "10.1000/x", "\\", "$",
    "%", "TY  - ", "ER  - ", "TI  - ", "UR  - ", "\nPT ", "AU ", "[", "]", ":", '"title"', "null", "\\begin{", "\\'", "~", "é",
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.sampled_from([".bib", ".ris", ".json"]),
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join),
)
def test_any_text_is_read_or_refused_in_words(tmp_path: Path, suffix: str, text: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        seeds, unresolved = read_bibliography(path)
    except UnreadableDocument:
        return
    assert seeds or unresolved
    assert all(seed.identifiers or seed.title for seed in seeds)
