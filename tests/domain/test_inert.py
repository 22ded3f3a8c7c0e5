"""What stands in a note is what the author wrote, and only text."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from refnet.domain import inert

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

#: Signs that begin something in Obsidian, its core plugins, Templater or Dataview, alone or with what follows.
PIECES = (
    "```", "````", "~~~", "```dataviewjs\n", "`= this.x`", "`$= dv`", "`", "<%", "<%+ tp", "<%*", "%>", "{{", "}}", "{%", "%}",
    "%%", "![](http://x.y/z)", "![[", "[[../..]]", "[[", "]]", "](", "<iframe src=x>", "<img src=x>", "<webview", "<svg onload=x>",
    "<!--", "<?", "obsidian://new?x", "file:///etc", "javascript:alert(1)", "java&#115;cript:x", "JaVaScRiPt:x", "data:text/html,x",
    "https://x.org/a_b", "https://x.org/{{a}}", "key:: v", "rating:: 5", "[k:: v]", "^id", " ^block-1", "#tag", "# h", "---", "===",
    "> [!note]", "[^1]", "[^1]: x", "^[x]", "$$", "$x$", "==x==", "*", "_", "__", "|", "| a |\n|---|", "- [ ] t", "1. ", "+ ",
    "&lt;b&gt;", "&#60;%", "\\", "\\<", "\u202e", "\u200b", "\x00", "\ud800", "\n", "\n\n", "\r\n", "\t", "\u2028", " ", "a", "Z", "日本",
    "click A href", ":", "::", "é",
)  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)

#: What no text from outside may bring into a file, whatever reads it.
FORBIDDEN_ANYWHERE = (
    r"<%|%>|\{\{|\}\}|\{%|%\}|%%|!\[|\[\[|\]\]|\]\(|`=|`\$=|```|~~~|\w::\s|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u206f\ufeff\ud800-\udfff]"
)
FORBIDDEN = re.compile(FORBIDDEN_ANYWHERE + r"|(?i:javascript|obsidian|file|data|vbscript):(?=\S)")


def visible(markdown: str) -> str:
    """What a person reads of it."""
    return html.unescape(re.sub(r"<[^<>]+>", "", MARKDOWN.render(markdown))).strip()


ORDINARY = [
    "p < 0.05 and p<0.05, a > b",
    "C# and F#",
    "$\\alpha$-Divergence, $$x$$",
    "50% of 100%",
    "a_b, __init__ and _emphasis_",
    "L1/L2* and A*",
    "x^2 + y^2",
    "1. Introduction",
    "10-fold",
    "- not a list",
    "+ nor this",
    "# no heading",
    "#no tag",
    "Is it [0, 1] or (0, 1]?",
    "std::vector",
    "``LaTeX quotes''",
    "{{BERT}}: {Braces}",
    "\\LaTeX \\\\ and \\* end \\",
    "See https://example.org/a_b?c=d, e@f.org",
    "~5 ~~ 6 == 7 ~~~",
    "---",
    "> quoted",
    "a | b | c",
    "<iframe> a<b>c <% x %>",
    "日本語の題名：実験",
    "R & D; AT&T",
    "&copy; stays",
    "-5 degrees",
    "[!note] x",
    "[ ] a task",
]


@pytest.mark.parametrize("text", ORDINARY)
@pytest.mark.parametrize("before", ["", "- ", "> "])
def test_what_a_person_reads_is_what_the_author_wrote(text: str, before: str) -> None:
    assert visible(before + inert.inline(text)) == text


@pytest.mark.parametrize(
    "text", ["p < 0.05", "C#", "50%", "a_b", "x^2", "10-fold", "https://x.org/a_b", "A: B (C)", "R&D", "日本語"]
)
def test_ordinary_text_is_as_it_was_in_the_source_too(text: str) -> None:
    assert inert.inline(text) == text
    assert inert.value(text) == text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("<i>E. coli</i> R&amp;D", "E. coli R&D"),
        ("a\n  b\tc\u2028d", "a b c d"),
        ("a\u200bb\u202ec\x00d\ud800e", "abcde"),
        ("a<b>c", "a<b>c"),
        ("H<sub>2</SUB>O", "H2O"),
        ("<p>One</p>", "One"),
        ("</i>x<i>", "</i>x<i>"),
    ],
)
def test_entities_harmless_markup_and_invisible_signs_are_gone(given: str, shown: str) -> None:
    assert inert.clean(given) == shown


@given(hostile)
@example("https://x.org/\\{{")
@example(":\n:")
def test_no_text_becomes_anything_but_text(text: str) -> None:
    for before in ("", "- ", "> "):
        tokens = MARKDOWN.parse(before + inert.inline(text))
        kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or []}
        own = {"bullet_list_open", "list_item_open", "blockquote_open"} if before else set()
        closed = {kind.replace("_open", "_close") for kind in own}
        assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"} | own | closed


@given(hostile)
def test_paragraphs_stay_paragraphs(text: str) -> None:
    tokens = MARKDOWN.parse(inert.block(text))
    assert {token.type for token in tokens} <= {"paragraph_open", "paragraph_close", "inline"}
    words = " ".join(inert.clean(paragraph) for paragraph in inert.block(text).split("\n\n"))
    assert not words or visible(inert.block(text))


@given(hostile)
def test_what_a_plugin_looks_for_stands_nowhere(text: str) -> None:
    for written in (inert.inline(text), inert.value(text), inert.block(text)):
        assert not FORBIDDEN.search(written.replace("\n", " "))


@given(hostile)
def test_a_value_made_inert_stays_as_it_is(text: str) -> None:
    assert inert.value(inert.value(text)) == inert.value(text)


@pytest.mark.parametrize("text", ["a #tag", "(#tag)", "a ^block", "^block", "a:: b", "obsidian://x", "javascript:x"])
def test_what_only_obsidian_reads_is_escaped_as_well(text: str) -> None:
    assert "\\" in inert.inline(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://arxiv.org/pdf/1706.03762", "https://arxiv.org/pdf/1706.03762"),
        ("HTTP://Example.org:8080/a b(c)?d=e#page=2", "http://example.org:8080/a%20b%28c%29?d=e#page=2"),
        ("https://x.org/<%=1%>", "https://x.org/%3C%25=1%25%3E"),
        ("https://x.org/a%20b%zz", "https://x.org/a%20b%25zz"),
        ("https://x.org/a::b==c", "https://x.org/a:%3Ab=%3Dc"),
        ("https://x.org/a`[[b]]$c", "https://x.org/a%60%5B%5Bb%5D%5D%24c"),
        ("javascript:alert(1)", None),
        ("java\nscript:alert(1)", None),
        ("obsidian://open", None),
        ("file:///etc/passwd", None),
        ("https://user@host/x", None),
        ("https://", None),
        ("https://x y/z", None),
        ("//x.org/y", None),
        ("10.1000/xyz", None),
        ("https://x.org:99999/", None),
        ("https://[::1", None),
        ("https://x.org/" + "a" * 3000, None),
        ("", None),
        (None, None),
    ],
)
def test_only_plain_web_addresses_become_links(url: str | None, shown: str | None) -> None:
    assert inert.link_url(url) == shown


@given(hostile)
def test_an_address_cannot_leave_its_link(text: str) -> None:
    url = inert.link_url(f"https://x.org/{text}")
    if url is None:
        return
    assert not re.search(FORBIDDEN_ANYWHERE, url)
    (paragraph,) = [token for token in MARKDOWN.parse(f"- [PDF]({url})") if token.type == "inline"]
    assert [child.type for child in paragraph.children or []] == ["link_open", "text", "link_close"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("NLP & IR", "NLP-IR"),
        ("C++", "C"),
        ("1984", "y1984"),
        ("a/b", "a/b"),
        ("3D vision", "3D-vision"),
        ("#x", "x"),
        ("?", None),
    ],
)
def test_a_tag_is_one_that_obsidian_takes(text: str, shown: str | None) -> None:
    assert inert.tag(text) == shown


@pytest.mark.parametrize(
    "piece", ["<i>", "`", "[[", "\\", "<", "&amp;", "https://", "{{", " ", "\n", "::", "_", "</i>", "%%", "a:"]
)
def test_the_time_grows_no_faster_than_the_text(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    begun = time.process_time()
    inert.block(text)
    inert.value(text)
    inert.link_url(f"https://x.org/{text}")
    assert time.process_time() - begun < 2.0
