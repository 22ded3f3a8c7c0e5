"""The parts of a note that tell what a paper says: its summary and its findings."""

from __future__ import annotations

from refnet.domain import inert
from refnet.domain.fallback_words import worded
from refnet.domain.note_words import Words
from refnet.domain.subjects import is_cjk
from refnet.domain.summaries import ABSTRACT, NOTHING, Finding, Summary

#: What closes a sentence, and would stand in the way of what follows it.
_CLOSING = " .:;。："


def summary_section(summary: Summary | None, abstract: str, say: Words, remark: str = "") -> str:
    """A callout whose title says what the summary rests on, and why it is not the full text; `remark` stands at its end."""
    if summary is None:
        return ""
    text = inert.block(summary.text)
    if not text and not (summary.basis == NOTHING and summary.why):
        return ""
    if summary.basis == ABSTRACT and inert.clean(summary.text) == inert.clean(abstract):
        text = say.same_as_abstract
    parts = [part for part in (text, _keywords(summary, say), _origin(summary, say), remark and f"*{remark}*") if part]
    lines = "\n\n".join(parts).split("\n") if parts else []
    return "\n".join([f"> [!summary] {_title(summary, say)}", *(f"> {line}" if line else ">" for line in lines)])


def findings_section(summary: Summary | None, say: Words, copy: str | None = None) -> str:
    """One line a finding: what was found, the words of the paper, and the page of its PDF where they stand: of its `copy`,
    as a link has it, where there is one.
    """
    if summary is None or not summary.findings:
        return ""
    url = copy or (inert.link_url(summary.provenance.pdf_url) if summary.provenance else None)
    return "\n".join(line for one in summary.findings if (line := _finding(one, url, say)))


def findings_alone(summary: Summary | None, say: Words, copy: str | None = None) -> str:
    """The findings with who made them, for a note whose summary is not the one that they belong to."""
    listed = findings_section(summary, say, copy)
    origin = _origin(summary, say) if summary is not None else ""
    return f"{origin}\n\n{listed}" if listed and origin else listed


def _finding(finding: Finding, url: str | None, say: Words) -> str:
    claim = inert.inline(inert.clean(finding.claim).rstrip(_CLOSING))
    quote = inert.inline(finding.quote)
    if not quote:
        return ""
    page = say.page.format(page=finding.page)
    place = f"[{page}]({url.partition('#')[0]}#page={finding.page})" if url else page
    return f"- {claim}: “{quote}” ({place})" if claim else f"- “{quote}” ({place})"


def _in_brackets(why: str, say: Words) -> str:
    for told, ours in say.faults.items():
        why = why.replace(told, ours)
    return f" ({inert.inline(why)})" if why else ""


def _title(summary: Summary, say: Words) -> str:
    why = say.why.get(summary.why or "")
    if why and summary.basis in say.basis_why:
        return say.basis_why[summary.basis].format(why=why)
    return say.basis.get(summary.basis) or inert.inline(summary.basis)


def _keywords(summary: Summary, say: Words) -> str:
    # Each by itself, so that none can reach into the next.
    words = [word for one in summary.keywords if (word := inert.inline(one))]
    return say.keywords.format(words=", ".join(words)) if words else ""


def _origin(summary: Summary, say: Words) -> str:
    origin = summary.provenance
    if origin is None:
        return ""
    made = (
        say.by_model.format(model=inert.inline(origin.model), prompt=inert.inline(origin.prompt or ""))
        if origin.model
        else say.offline
    )
    parts = [made]
    if origin.fallback:
        parts.append(say.fallback.format(why=inert.inline(worded(origin.fallback, say.fallbacks, say.faults))))
    parts.append(say.pages.format(read=f"{origin.pages_read:,}", of=f"{origin.pages:,}"))
    if origin.picture_pages:
        parts.append(say.picture_pages.format(count=f"{origin.picture_pages:,}"))
    if origin.damaged_pages:
        parts.append(say.damaged_pages.format(count=f"{origin.damaged_pages:,}"))
    if origin.dropped:
        parts.append(say.dropped.format(count=f"{origin.dropped:,}", why=_in_brackets(origin.dropped_why, say)))
    if origin.model and (translated := sum(is_cjk(one.claim) != is_cjk(one.quote) for one in summary.findings)):
        parts.append(say.translated.format(count=f"{translated:,}"))
    if origin.left_out:
        parts.append(say.left_out.format(count=f"{origin.left_out:,}"))
    if origin.hidden:
        parts.append(say.hidden.format(count=f"{origin.hidden:,}"))
    return "*" + say.joined.join(parts) + "*"
