"""The section headings of 15 papers, labelled by hand: what a finder of sections is measured against.

How they were made: every page of each file was rendered with pypdfium2 at some 60 dots per inch, three pages in a row,
and looked at by eye; what stands below was written down from the pictures alone, and a second time looked at, enlarged,
for the keywords. No program that finds headings had a part in it, and none of its answers was looked at before. At the
end each title was looked up in the bare text of the page named, to catch slips of the pen: all stand there (one with
its accent apart from its letter), and nothing was changed. The files are the recorded papers beside the repository, of
whose text nothing but headings and keywords is here.

What counts: headings at the top level, abstract, back matter, appendices and references included. A heading that runs
into its paragraph ("Abstract. In this paper", "謝辞 …") counts, and says so. `Labelled.others` are headings that are
printed larger or bolder than the text but are no section at the top level (of papers without numbers those a level
below, of all papers contents, keyword and rights blocks): whoever finds one has neither found a section nor made one up.

Titles stand as printed, except that small capitals and capitals are written in lower case where the reader would say
them so: compare without regard to case. A title over several lines is one line here. `kinds` are judged by the heading,
the likeliest first; there are more where the heading leaves it open.
"""

from __future__ import annotations

from typing import NamedTuple

from refnet.domain.documents import SectionKind

ABSTRACT, INTRODUCTION, RELATED = SectionKind.ABSTRACT, SectionKind.INTRODUCTION, SectionKind.RELATED
METHODS, RESULTS, DISCUSSION = SectionKind.METHODS, SectionKind.RESULTS, SectionKind.DISCUSSION
CONCLUSION, OTHER, APPENDIX = SectionKind.CONCLUSION, SectionKind.OTHER, SectionKind.APPENDIX
THANKS, REFERENCES = SectionKind.ACKNOWLEDGEMENTS, SectionKind.REFERENCES


class Heading(NamedTuple):
    """`number` is as printed without its full stop, empty where there is none; `page` is that of the file, from 1."""

    number: str
    title: str
    page: int
    kinds: tuple[SectionKind, ...]
    run_in: bool = False


class Labelled(NamedTuple):
    """`keywords` are the authors' own, empty where the paper prints none; of two languages, the paper's own first."""

    headings: tuple[Heading, ...]
    keywords: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def _h(number: str, title: str, page: int, *kinds: SectionKind, run_in: bool = False) -> Heading:
    return Heading(number, title, page, kinds, run_in)


PAPERS: dict[str, Labelled] = {
    "paper-acl-2020.acl-main.207-specter.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Model", 2, METHODS),
            _h("3", "SciDocs Evaluation Framework", 3, OTHER, METHODS, RESULTS),
            _h("4", "Experiments", 5, RESULTS, METHODS),
            _h("5", "Results", 6, RESULTS),
            _h("6", "Analysis", 7, RESULTS, DISCUSSION),
            _h("7", "Related Work", 8, RELATED),
            _h("8", "Conclusions and Future Work", 9, CONCLUSION),
            _h("", "Acknowledgements", 9, THANKS),
            _h("", "References", 9, REFERENCES),
            _h("A", "Appendix A - Baseline Details", 12, APPENDIX),
        )
    ),
    "paper-acl-N18-3011.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Structure of The Literature Graph", 2, OTHER, METHODS),
            _h("3", "Extracting Metadata", 2, OTHER, METHODS),
            _h("4", "Entity Extraction and Linking", 4, OTHER, METHODS),
            _h("5", "Other Research Problems", 6, OTHER, DISCUSSION),
            _h("6", "Conclusion and Future Work", 7, CONCLUSION),
            _h("", "References", 8, REFERENCES),
        )
    ),
    "paper-acm-2302.07302-citesee.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Related Work", 3, RELATED),
            _h("3", "Preliminary Interviews", 4, OTHER, METHODS),
            _h("4", "System Design", 5, METHODS, OTHER),
            _h("5", "Study 1: Discover Relevant Citations", 8, OTHER, METHODS, RESULTS),
            _h("6", "Study 2: Field Deployment", 11, OTHER, METHODS, RESULTS),
            _h("7", "Limitations and Future Work", 13, DISCUSSION, CONCLUSION),
            _h("8", "Conclusion", 14, CONCLUSION),
            _h("", "Acknowledgments", 14, THANKS),
            _h("", "References", 14, REFERENCES),
        ),
        ("reading interfaces", "scientific papers", "personalization"),
        ("CCS Concepts", "Keywords", "ACM Reference Format:"),
    ),
    "paper-acm-2304.02623-beyond-summarization.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Characterizing Expository Writing", 2, OTHER),
            _h("3", "Designing AI Supports for Expository Writing", 2, OTHER, METHODS),
            _h("4", "Conclusion", 3, CONCLUSION),
            _h("", "Acknowledgments", 3, THANKS),
            _h("", "References", 3, REFERENCES),
        ),
        ("AI-Assisted Writing", "Summarization", "Expert Writing", "Augmented Writing", "Expository Writing"),
        ("Keywords",),
    ),
    "paper-bmc-cermine-test1.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("", "Introduction", 1, INTRODUCTION),
            _h("", "Methods", 1, METHODS),
            _h("", "Conclusion", 2, CONCLUSION),
            _h("", "Author details", 2, OTHER),
            _h("", "Authors' contributions", 2, OTHER),
            _h("", "Competing interests", 2, OTHER),
            _h("", "References", 2, REFERENCES),
        )
    ),
    "paper-clinical-science-cermine-example3.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("", "Introduction", 1, INTRODUCTION),
            _h("", "Materials and Methods", 2, METHODS),
            _h("", "Results", 3, RESULTS),
            _h("", "Discussion", 6, DISCUSSION),
            _h("", "Clinical Perspectives", 8, OTHER, DISCUSSION, CONCLUSION),
            _h("", "Author Contribution", 8, OTHER),
            _h("", "Acknowledgements", 8, THANKS),
            _h("", "Funding", 8, OTHER, THANKS),
            _h("", "References", 8, REFERENCES),
            # The supplement begins on page 10, with sections of its own.
            _h("", "Materials and Methods", 10, METHODS, APPENDIX),
            _h("", "References", 13, REFERENCES),
        ),
        (
            "angiotensin-converting enzyme (ACE)",
            "crystal structure",
            "in silico screening",
            "inhibitor design",
            "kinetics",
            "RXP407",
        ),
        (
            "Modelling methodology and synthesis",
            "Inhibition characterization",
            "Protein purification and X-ray crystallography",
            "Supplementary Online Data",
            "SHOP search",
            "Synthesis",
        ),
    ),
    "paper-eacl-2023.121-longeval.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Survey of human evaluation practices", 2, OTHER, RELATED),
            _h("3", "The LongEval guidelines for faithfulness human evaluation", 3, OTHER, METHODS),
            _h("4", "Related Work", 9, RELATED),
            _h("5", "Conclusion", 9, CONCLUSION),
            _h("", "Limitations", 10, DISCUSSION, OTHER),
            _h("", "Ethical Considerations", 10, OTHER),
            _h("", "Acknowledgments", 10, THANKS),
            _h("", "References", 10, REFERENCES),
            _h("", "Appendix", 14, APPENDIX),
            _h("A", "Bootstrap analysis of inter-annotator variance", 14, APPENDIX),
            _h("B", "Human evaluation details", 14, APPENDIX),
            _h("C", "Additional Survey Statistics", 16, APPENDIX),
            _h("D", "Automatic summarization metrics used for evaluation", 16, APPENDIX),
            _h("E", "Learning effect while annotating long-form summaries", 16, APPENDIX),
            _h("F", "Partial summary annotation with pearson correlation", 16, APPENDIX),
            _h("G", "Metric correlations using Kendall's Tau", 16, APPENDIX),
        )
    ),
    "paper-icml-agarwal11.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Convex relaxations and matrix decomposition", 2, OTHER, METHODS),
            _h("3", "Main results and their consequences", 4, RESULTS),
            _h("4", "Proof sketches for main theorem corollaries", 6, OTHER, METHODS),
            _h("5", "Experimental results", 7, RESULTS),
            _h("6", "Discussion", 7, DISCUSSION),
            _h("", "References", 8, REFERENCES),
        )
    ),
    "paper-ieee-2a774230-disk-storage.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT, run_in=True),
            _h("I", "Introduction", 1, INTRODUCTION),
            _h("II", "System Parameters", 2, OTHER, METHODS),
            _h("III", "Data Placement for Scalable Video", 3, OTHER, METHODS),
            _h("IV", "Interactivity in Scalable VBR Video", 6, OTHER, METHODS),
            _h("V", "True VCR Functionality", 8, OTHER, METHODS),
            _h("VI", "Multiple Disk Video Storage", 8, OTHER, METHODS),
            _h("VII", "Conclusions", 11, CONCLUSION),
            _h("", "Appendix Mean Admission Delay", 12, APPENDIX),
            _h("", "References", 12, REFERENCES),
        ),
        ("Data storage", "hard disk", "scalable coding", "server", "video"),
        ("Index Terms",),
    ),
    "paper-jcap-0807.3577.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT, run_in=True),
            _h("1", "Introduction", 2, INTRODUCTION),
            _h("2", "The Buchert scheme", 4, OTHER, METHODS),
            _h("3", "The Lemaître–Tolman model", 5, OTHER, METHODS),
            _h("4", "The apparent and average accelerations", 6, OTHER),
            _h("5", "Connection between the deceleration parameter and observations", 7, OTHER, RESULTS),
            _h("6", "Conclusions", 9, CONCLUSION),
            _h("", "Acknowledgments", 11, THANKS),
            _h("", "Appendix. Model specification", 11, APPENDIX),
            _h("", "References", 14, REFERENCES),
        ),
        ("dark energy theory", "supernova type Ia", "cosmological constant experiments", "superclusters and voids"),
        ("Keywords", "ArXiv ePrint", "Contents"),
    ),
    "paper-pods-probabilistic-xml.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Preliminaries", 2, OTHER, METHODS, RELATED),
            _h("3", "Recursive Markov Chains", 3, OTHER, METHODS),
            _h("4", "Tractable RMC Fragments", 4, OTHER, RESULTS),
            _h("5", "Between p-Documents and RMCs", 5, OTHER, RESULTS),
            _h("6", "Combined Complexity", 7, OTHER, RESULTS),
            _h("7", "Discussion", 8, DISCUSSION),
            _h("8", "References", 8, REFERENCES),
            _h("", "Appendix", 9, APPENDIX),
            _h("A", "Related Work", 9, APPENDIX, RELATED),
            _h("B", "Material for Section 3", 9, APPENDIX),
            _h("C", "Material for Section 4", 9, APPENDIX),
            _h("D", "Material for Section 5", 11, APPENDIX),
            _h("E", "Material for Section 6", 11, APPENDIX),
        )
    ),
    "paper-springer-bogner2019.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("", "Introduction", 2, INTRODUCTION),
            _h("", "Background", 3, RELATED, INTRODUCTION, OTHER),
            _h("", "Experiment Design", 5, METHODS),
            _h("", "Experiment Results", 10, RESULTS),
            _h("", "Metric Analysis", 13, RESULTS, OTHER),
            _h("", "Discussion", 17, DISCUSSION),
            _h("", "Threats to Validity", 19, DISCUSSION, OTHER),
            _h("", "Lessons Learned from the Experiment", 21, DISCUSSION, CONCLUSION, OTHER),
            _h("", "Conclusion", 21, CONCLUSION),
            _h("", "Acknowledgements", 22, THANKS),
            _h("", "Additional Information and Declarations", 23, OTHER),
            _h("", "References", 23, REFERENCES),
        ),
        (
            "Design patterns",
            "Evolvability",
            "Modifiability",
            "Controlled experiment",
            "Metrics",
            "Service-oriented architecture",
            "Service-based systems",
            "Microservices",
        ),
        (
            "Subjects",
            "Keywords",
            "Design patterns",
            "Related work",
            "Metric definitions",
            "Metric results",
            "Funding",
            "Grant Disclosures",
            "Competing Interests",
            "Author Contributions",
            "Data Availability",
        ),
    ),
    "paper-usenix-map-reduce.pdf": Labelled(
        (
            _h("", "Abstract", 1, ABSTRACT),
            _h("1", "Introduction", 1, INTRODUCTION),
            _h("2", "Programming Model", 2, OTHER, METHODS),
            _h("3", "Implementation", 3, METHODS, OTHER),
            _h("4", "Refinements", 6, OTHER, METHODS),
            _h("5", "Performance", 8, RESULTS, OTHER),
            _h("6", "Experience", 10, OTHER, RESULTS, DISCUSSION),
            _h("7", "Related Work", 11, RELATED),
            _h("8", "Conclusions", 12, CONCLUSION),
            _h("", "Acknowledgements", 12, THANKS),
            _h("", "References", 12, REFERENCES),
            _h("A", "Word Frequency", 13, APPENDIX),
        )
    ),
    "paper-japanese-ipsj-serverspec.pdf": Labelled(
        (
            _h("", "概要", 1, ABSTRACT, run_in=True),
            _h("", "Abstract", 1, ABSTRACT, run_in=True),
            _h("1", "はじめに", 2, INTRODUCTION),
            _h("2", "サーバの構成管理とテスト手法", 2, OTHER, METHODS, RELATED),
            _h("3", "提案するサーバテスト手法", 3, METHODS),
            _h("4", "提案手法の評価", 5, RESULTS, METHODS),
            _h("5", "まとめ", 5, CONCLUSION),
            _h("", "謝辞", 6, THANKS, run_in=True),
            _h("", "参考文献", 6, REFERENCES),
        )
    ),
    "paper-japanese-jinmoncom-draft.pdf": Labelled(
        (
            _h("", "概要", 1, ABSTRACT, run_in=True),
            _h("", "Abstract", 1, ABSTRACT, run_in=True),
            _h("1", "はじめに", 1, INTRODUCTION),
            _h("2", "先行研究", 2, RELATED),
            _h("3", "方法", 4, METHODS),
            _h("4", "結果", 5, RESULTS),
            _h("5", "考察", 6, DISCUSSION),
            _h("6", "結論", 7, CONCLUSION),
            _h("", "謝辞", 7, THANKS, run_in=True),
            _h("", "参考文献", 7, REFERENCES),
        ),
        (
            "八代集",
            "語彙分析",
            "和歌",
            "言語変化",
            "the Hachidaishu",
            "waka",
            "lexical analysis",
            "language change",
        ),
        ("キーワード", "Keywords"),
    ),
}
