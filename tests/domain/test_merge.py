"""What a reader did to a note survives every update."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.domain.baselines import digests_of, foreign_edits, pending, undo_rename, was_written
from refnet.domain.merge import merge
from refnet.domain.note_text import Rendered, render, to_text
from refnet.domain.notes import Baseline, Neighbour, NoteContent, NoteList
from refnet.domain.papers import Author, ListState, Paper
from refnet.domain.summaries import FULL_TEXT, Finding, Provenance, Summary


def note(**changes: object) -> NoteContent:
    paper = Paper(
        "ab12", "BERT: a Title", (Author("A B"), Author("C D")), 2019, "NAACL", "First text.", citation_count=5
    )
    fields = {key: changes.pop(key) for key in ("summary", "references", "citations", "tags") if key in changes}
    return NoteContent(replace(paper, **changes), "B 2019 BERT a Title", **fields)  # type: ignore[arg-type]


def linked(*names: str, state: ListState | None = ListState.COMPLETE) -> NoteList:
    return NoteList(tuple(Neighbour(name, name, 2000, name) for name in names), 0, len(names), state)


OLD = render(note(references=linked("One", "Two"), summary=Summary("Short.", "tldr")))
NEW = render(
    note(
        abstract="Better text.\n\nIn two paragraphs.",
        year=2020,
        references=linked("One", "Three", "Two"),
        citations=linked("Four"),
        summary=Summary("Long.", "abstract"),
    )
)
WRITTEN = Baseline(digests_of(OLD))
TEXT = to_text(OLD)


def updated(text: str, rendered: Rendered = NEW, baseline: Baseline | None = WRITTEN) -> tuple[str, set[str]]:
    """The text after an update, which a second one leaves alone, and the conflicts."""
    merged = merge(text, rendered, baseline)
    assert merged.problem is None
    again = merge(merged.text, rendered, Baseline(merged.digests))
    assert (again.text, again.digests) == (merged.text, merged.digests)
    return merged.text, set(merged.kept)


def test_an_untouched_note_becomes_the_new_one() -> None:
    assert updated(TEXT) == (to_text(NEW), set())
    assert merge(TEXT, NEW, WRITTEN).digests == digests_of(NEW)


def test_a_note_that_is_not_there_is_written_whole() -> None:
    assert merge(None, NEW, None).text == to_text(NEW)


def test_a_readers_own_properties_and_comments_stay_where_they_are() -> None:
    text = TEXT.replace("year: 2019\n", "# mine\nrating:   5   # of 5\nyear: 2019\nstatus:\n  - 'to read'\n\n")
    assert updated(text) == (
        to_text(NEW).replace("year: 2020\n", "# mine\nrating:   5   # of 5\nyear: 2020\nstatus:\n  - 'to read'\n\n"),
        set(),
    )


def test_properties_that_obsidian_spelled_anew_are_still_ours() -> None:
    text = (
        TEXT.replace('title: "BERT: a Title"', "title: 'BERT: a Title'")
        .replace('venue: "NAACL"', "venue: NAACL")
        .replace('  - "A B"\n  - "C D"\n', "- A B\n- C D\n")
    )
    changed = render(note(venue="ACL", authors=(Author("E F"),)))
    after, kept = updated(text, changed)
    assert not kept
    assert "title: 'BERT: a Title'\n" in after
    assert 'venue: "ACL"\n' in after
    assert 'authors:\n  - "E F"\nyear' in after


def test_an_edited_property_stays_and_is_a_conflict_only_when_ours_changed() -> None:
    text = TEXT.replace("year: 2019", "year: 1999").replace('venue: "NAACL"', "venue: mine")
    after, kept = updated(text)
    assert "year: 1999\n" in after
    assert "venue: mine\n" in after
    assert kept == {"property:year"}


def test_a_comment_behind_our_value_is_not_lost() -> None:
    after, kept = updated(TEXT.replace("year: 2019\n", "year: 2019 # doubtful\n"))
    assert "year: 2019 # doubtful\n" in after
    assert kept == {"property:year"}


def test_a_deleted_property_or_section_stays_deleted() -> None:
    text = TEXT.replace("year: 2019\n", "").replace("## Abstract\n\nFirst text.\n\n", "")
    after, kept = updated(text)
    assert "year:" not in after
    assert "## Abstract" not in after
    assert "## Cited by\n\n- [[Four]]\n" in after
    assert not kept


def test_an_edit_taken_back_is_ours_again() -> None:
    edited = merge(TEXT.replace("year: 2019", "year: 1999"), NEW, WRITTEN)
    assert "year: 2020\n" in merge(edited.text.replace("year: 1999", "year: 2019"), NEW, Baseline(edited.digests)).text
    assert "year: 2020\n" in merge(edited.text.replace("year: 1999", "year: 2020"), NEW, Baseline(edited.digests)).text


def test_an_edited_section_stays_whole_and_the_others_are_updated() -> None:
    after, kept = updated(TEXT.replace("- [[Two]]", "- ==[[Two]]== read this"))
    assert "- [[One]]\n- ==[[Two]]== read this\n" in after
    assert "[[Three]]" not in after
    assert "Better text." in after
    assert kept == {"section:references"}


@pytest.mark.parametrize(
    ("before", "mine"),
    [
        ("## Abstract", "My text before the first heading."),
        ("First text.", "My text above ours."),
        ("## Summary", "My text below ours."),
        ("## Links", "- [[Mine]] right below the list"),
        ("## Summary", "## My section\n\nwith text"),
        ("## Summary", "### My notes on the abstract\n\n- with\n- text"),
        ("## Links", "# A great heading of mine"),
        ("## Summary", "```\n## References\n- [[no]]\n```"),
        ("## Summary", "    ## Links in code"),
    ],
)
def test_a_readers_text_anywhere_stays_there_while_ours_is_updated(before: str, mine: str) -> None:
    after, kept = updated(TEXT.replace(before, f"{mine}\n\n{before}", 1))
    assert mine in after
    assert not kept
    assert "First text." not in after
    assert "Better text.\n\nIn two paragraphs.\n" in after
    assert "- [[One]]\n- [[Three]]\n- [[Two]]\n" in after
    assert after.index(mine) < after.index("## Links\n\n- [Sem")


def test_text_at_the_end_of_the_file_stays_there() -> None:
    after, kept = updated(TEXT + "\nMy last words")
    assert after.endswith("b12)\n\nMy last words")
    assert not kept


def test_a_renamed_heading_keeps_its_new_name_and_our_text_goes_on() -> None:
    after, kept = updated(TEXT.replace("## References", "## What it cites").replace("## Abstract", "### Abstract"))
    assert "## What it cites\n\n- [[One]]\n- [[Three]]\n- [[Two]]\n" in after
    assert "### Abstract\n\nBetter text." in after
    assert "## References" not in after
    assert not kept


def test_a_renamed_heading_stays_when_our_text_below_it_goes() -> None:
    after, kept = updated(TEXT.replace("## Abstract", "## My abstract"), render(note(abstract=None)))
    assert "## My abstract\n" in after
    assert "First text." not in after
    assert not kept


def test_sections_in_another_order_keep_it() -> None:
    abstract = "## Abstract\n\nFirst text.\n\n"
    after, _ = updated(TEXT.replace(abstract, "").replace("## Links", f"{abstract}## Links"))
    headings = [line for line in after.split("\n") if line.startswith("## ")]
    assert headings == ["## Summary", "## References", "## Abstract", "## Cited by", "## Links"] or headings == [
        "## Summary",
        "## References",
        "## Cited by",
        "## Abstract",
        "## Links",
    ]
    assert "Better text." in after


def test_the_first_lines_are_updated_beside_a_readers_own() -> None:
    text = TEXT.replace("**BERT: a Title**", "Read this!\n\n**BERT: a Title**")
    after, kept = updated(text)
    assert "Read this!\n\n**BERT: a Title**\n\nA B, C D · NAACL · 2020\n" in after
    assert not kept


def test_a_section_that_has_nothing_to_say_any_more_goes_unless_the_reader_wrote_in_it() -> None:
    bare = render(note(abstract=None, references=linked("One", "Two")))
    after, kept = updated(TEXT, bare)
    assert after == to_text(bare)
    assert not kept
    after, kept = updated(TEXT.replace("First text.", "First text.\n\nMine."), bare)
    assert "## Abstract\n\nMine.\n" in after
    after, kept = updated(TEXT.replace("First text.", "My own text."), bare)
    assert "## Abstract\n\nMy own text.\n" in after
    assert kept == {"section:abstract"}


def test_a_readers_section_with_a_heading_of_ours_is_no_conflict() -> None:
    after, kept = updated(TEXT + "\n## Key findings\n\nMine.\n")
    assert after.endswith("## Key findings\n\nMine.\n")
    assert not kept


def test_another_language_replaces_our_headings_and_nothing_else() -> None:
    japanese = render(note(references=linked("One", "Two"), summary=Summary("Short.", "tldr")), "ja")
    assert updated(TEXT, japanese) == (to_text(japanese), set())
    text = TEXT.replace("First text.", "My text.") + "\n## Summary of mine\n\n## 要約\n\nMine.\n"
    after, kept = updated(text, japanese)
    assert "## 要旨\n\nMy text.\n" in after
    assert after.endswith("\n## Summary of mine\n\n## 要約\n\nMine.\n")
    assert not kept
    assert merge(to_text(japanese), OLD, Baseline(digests_of(japanese))).text == TEXT


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_and_byte_order_mark_survive(newline: str, mark: str) -> None:
    after, kept = updated(mark + TEXT.replace("\n", newline))
    assert after == mark + to_text(NEW).replace("\n", newline)
    assert not kept


@pytest.mark.parametrize("broken", ["year: [2019", 'mine: "x', "mine: a: b", "just text"])
def test_a_note_with_broken_properties_is_left_alone_and_told(broken: str) -> None:
    text = TEXT.replace("year: 2019", broken)
    merged = merge(text, NEW, WRITTEN)
    assert merged.text == text
    assert merged.problem
    assert merged.digests == WRITTEN.parts


def test_a_note_whose_code_never_ends_is_left_alone_and_told() -> None:
    text = TEXT.replace("First text.", "First text.\n\n```\nMine.")
    merged = merge(text, NEW, WRITTEN)
    assert merged.text == text
    assert merged.problem == "a block of code in it begins and never ends"


def test_without_a_baseline_only_what_equals_ours_is_ours() -> None:
    after, kept = updated(TEXT, NEW, None)
    assert "First text." in after
    assert "year: 2019\n" in after
    assert "## Cited by\n\n- [[Four]]\n" in after
    assert {"property:year", "section:abstract", "section:references"} <= kept
    assert "property:title" not in kept
    digests = merge(TEXT, NEW, None).digests
    later = merge(after, NEW, Baseline(digests))
    assert not later.kept


def test_a_readers_file_without_properties_gets_ours_and_keeps_its_text() -> None:
    after, _ = updated("My text.\n\n# Mine\nmore", NEW, None)
    assert after.startswith('---\ntitle: "BERT')
    assert "---\nMy text.\n\n# Mine\nmore\n" in after
    assert after.count("---\n") == 2


def test_properties_at_the_very_end_of_a_file_are_closed_before_text_follows() -> None:
    after, _ = updated("---\nmine: 1\n---", NEW, None)
    assert "mine: 1\n---\n\n**BERT: a Title**\n" in after


def test_first_lines_that_refnet_took_away_are_no_conflict_with_a_readers() -> None:
    bare = render(NoteContent(Paper("ab12", ""), "ab12"))
    announced = Baseline(pending(WRITTEN, digests_of(bare)))
    merged = merge(to_text(bare).replace("---\n\n", "---\n\nMine.\n\n"), bare, announced)
    assert not merged.kept
    assert merged.digests == digests_of(bare)


def test_an_emptied_note_stays_empty() -> None:
    changed = render(note(abstract="Better.", references=linked("One"), summary=Summary("Long.", "tldr")))
    assert updated("", changed) == ("", set())


@pytest.mark.parametrize("happened", [False, True])
def test_a_crash_between_announcement_and_the_new_baseline_freezes_nothing(*, happened: bool) -> None:
    bare = render(note(abstract=None, venue=None, authors=(), year=None))
    for before, after in ((OLD, NEW), (NEW, OLD), (OLD, bare), (bare, OLD)):
        announced = Baseline(pending(Baseline(digests_of(before)), digests_of(after)))
        text = to_text(after if happened else before)
        assert was_written(announced)
        for last in (before, after, NEW):
            merged = merge(text, last, announced)
            assert merged.text == to_text(last)
            assert not merged.kept
            assert merged.digests == digests_of(last)


def test_a_note_that_was_only_announced_was_never_written() -> None:
    assert not was_written(Baseline(pending(None, digests_of(NEW))))
    assert not was_written(Baseline({}))
    assert was_written(WRITTEN)


def test_links_that_obsidian_changed_after_a_renaming_are_ours() -> None:
    text = TEXT.replace("[[Two]]", "[[Zwei]]")
    assert updated(text)[1] == {"section:references"}
    followed = Baseline(undo_rename(text, {"Two": "Zwei"}, WRITTEN))
    after, kept = updated(text, render(note(references=linked("Five", "One", "Zwei"))), followed)
    assert "- [[Five]]\n- [[One]]\n- [[Zwei]]\n" in after
    assert not kept
    assert undo_rename(TEXT, {"Two": "Zwei"}, WRITTEN) == WRITTEN.parts


def test_edits_can_be_listed() -> None:
    text = (
        TEXT.replace("year: 2019", "year: 1").replace('venue: "NAACL"\n', "mine: x\n").replace("First text.", "Mine.")
    )
    assert foreign_edits(text, WRITTEN) == ("property:year", "property:venue", "section:abstract")
    assert foreign_edits(TEXT.replace("## Summary", "Mine.\n\n## Summary"), WRITTEN) == ()


# ---------------------------------------------------------------- nothing is ever lost

own_lines = st.sampled_from(
    [
        "Mine.",
        "",
        "- mine",
        "- [[One]]",
        "> mine",
        "## Mine",
        "### Mine",
        "# M",
        "---",
        "```",
        "~~~",
        "    code",
        "$$",
        "%%",
        "| a |",
        "***",
    ]
) | st.text(alphabet="ab #-`~*\t\u2028\x0b", max_size=6).map("z{}".format)
own_heads = st.sampled_from(
    ["mine: 1", "# mine", "", "list:\n  - x", "note: |\n  text\n\n  more", "'quoted': \"x\"  # c"]
)
renderings = st.sampled_from(
    [
        OLD,
        NEW,
        render(note(abstract=None)),
        render(note(references=linked("Two"), year=None)),
        render(note(citations=NoteList((), 0, 9, ListState.WITHHELD)), "ja"),
        render(NoteContent(Paper("ab12", "T"), "T")),
    ]
)


@given(st.data())
def test_no_line_of_a_reader_is_ever_lost_and_a_second_update_changes_nothing(data: st.DataObject) -> None:
    first = data.draw(renderings)
    lines = to_text(first).split("\n")
    end = lines.index("---", 1)
    mine: list[str] = []
    for line in data.draw(st.lists(own_lines, max_size=4)):
        lines.insert(data.draw(st.integers(end + 1, len(lines))), line)
        mine.append(line)
    for at, head in enumerate(dict.fromkeys(data.draw(st.lists(own_heads, max_size=2)))):
        key = next(place for place in range(end + at, 0, -1) if not lines[place].startswith((" ", "\t")))
        lines[key:key] = head.split("\n")
        mine += head.split("\n")
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    text = newline.join(lines)
    baseline = data.draw(st.sampled_from([None, Baseline(digests_of(first))]))
    for _ in range(2):
        rendered = data.draw(renderings)
        merged = merge(text, rendered, baseline)
        if merged.problem:
            assert merged.text == text
            return
        text, baseline = merged.text, Baseline(merged.digests)
        held = Counter(line.removesuffix("\r") for line in text.split("\n"))
        wanted = Counter(line for line in mine if line.strip())
        assert not wanted - held
        again = merge(text, rendered, baseline)
        assert (again.text, again.digests) == (merged.text, merged.digests)


@given(st.lists(renderings, min_size=2, max_size=4))
def test_an_untouched_note_is_always_the_latest(steps: list[Rendered]) -> None:
    text, baseline = None, None
    for rendered in steps:
        merged = merge(text, rendered, baseline)
        assert merged.text == to_text(rendered)
        assert not merged.kept
        text, baseline = merged.text, Baseline(merged.digests)


@given(
    st.text(max_size=60) | st.text(alphabet="-#:ab\n\r \ufeff`", max_size=40).map("---\na: 1\n---\n{}".format),
    renderings,
)
def test_any_file_at_all_is_taken_without_loss(text: str, rendered: Rendered) -> None:
    merged = merge(text, rendered, None)
    again = merge(merged.text, rendered, Baseline(merged.digests))
    assert again.text == merged.text
    kept = Counter(line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n") if line.strip())
    assert not kept - Counter(line.rstrip("\r") for line in merged.text.removeprefix("\ufeff").split("\n"))


# ---------------------------------------------------------------- a summary and its findings


def _summarised(model: str | None, found: str) -> Rendered:
    origin = Provenance("https://x.org/a.pdf", "ab" * 32, 4, 4, model=model, prompt="1" if model else None)
    made = Summary(f"It counts {found}.", FULL_TEXT, (Finding("", f"We count {found} in all.", 2),), provenance=origin)
    return render(NoteContent(Paper("p1", "Counting"), "Counting", summary=made))


def test_findings_say_who_made_them_below_a_summary_that_the_reader_keeps() -> None:
    first, second = _summarised("gpt", "stars"), _summarised(None, "moons")
    edited = to_text(first).replace("It counts stars.", "It counts stars, I think.")

    merged = merge(edited, second, Baseline(digests_of(first)))

    assert "stars, I think.\n" in merged.text
    assert "By the language model gpt" in merged.text
    findings = merged.text.partition("## Key findings\n\n")[2]
    assert findings.startswith(
        "*Sentences of the paper, chosen offline. 4 of 4 pages read.*\n\n- “We count moons in all.”"
    )
    again = merge(merged.text, second, Baseline(merged.digests))
    assert (again.text, again.digests) == (merged.text, merged.digests)
    back = merge(merged.text.replace("stars, I think", "stars"), second, Baseline(merged.digests))
    assert back.text == to_text(second)


def test_a_summary_says_that_the_findings_below_are_the_reader_s() -> None:
    first, second = _summarised("gpt", "stars"), _summarised(None, "moons")
    edited = to_text(first).replace("We count stars", "They count stars")

    merged = merge(edited, second, Baseline(digests_of(first)))

    assert "They count stars in all." in merged.text
    assert "> *The key findings below are those of an earlier summary, as you changed them.*\n" in merged.text
    again = merge(merged.text, second, Baseline(merged.digests))
    assert (again.text, again.digests) == (merged.text, merged.digests)


def test_nothing_more_is_said_where_the_reader_took_the_findings_out_or_nothing_is_new() -> None:
    first, second = _summarised("gpt", "stars"), _summarised(None, "moons")
    text = to_text(first)
    without = text.partition("## Key findings")[0] + "## Links" + text.partition("## Links")[2]

    assert "key findings below" not in merge(without, second, Baseline(digests_of(first))).text
    edited = text.replace("It counts stars.", "It counts stars, I think.")
    assert merge(edited, first, Baseline(digests_of(first))).text == edited
