"""The tables. Times are seconds since the epoch, UTC; ids of papers are those of Semantic Scholar."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

#: A row without `fetched_at` is a stub: seen in a list, never asked for itself.
papers = Table(
    "papers",
    metadata,
    Column("paper_id", Text, primary_key=True),
    Column("title", Text),
    Column("year", Integer),
    Column("citation_count", Integer),
    Column("reference_count", Integer),
    Column("venue", Text),
    Column("abstract", Text),
    Column("tldr", Text),
    Column("authors", JSON),
    Column("external_ids", JSON),
    Column("publication_date", Text),
    Column("pdf_url", Text),
    Column("url", Text),
    Column("fetched_at", Double),
    #: the title as it is searched (`domain.papers.folded`), of collected ones
    Column("folded", Text),
    #: the collected ones, which are listed page by page and searched without a look at the papers themselves
    Index(
        "papers_collected",
        "paper_id",
        "year",
        "fetched_at",
        "folded",
        postgresql_where=text("fetched_at IS NOT NULL"),
        sqlite_where=text("fetched_at IS NOT NULL"),
    ),
)

#: One row an edge. `seen` tells in whose list: 1 in the references of the citing paper, 2 in the citations of the
#: cited one, 3 in both.
citations = Table(
    "citations",
    metadata,
    Column("citing", Text, nullable=False),
    Column("cited", Text, nullable=False),
    Column("seen", SmallInteger, nullable=False),
    PrimaryKeyConstraint("citing", "cited"),
    Index("citations_cited", "cited", "citing"),
    sqlite_with_rowid=False,
)

#: Entries of lists that the source could not match to a paper.
unmatched = Table(
    "unmatched",
    metadata,
    Column("paper_id", Text, nullable=False),
    Column("list", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("title", Text),
    Column("year", Integer),
    PrimaryKeyConstraint("paper_id", "list", "key"),
    sqlite_with_rowid=False,
)

#: How much of a list is held. No row: never asked for.
lists = Table(
    "lists",
    metadata,
    Column("paper_id", Text, nullable=False),
    Column("list", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("have", Integer, nullable=False),
    Column("of", Integer),
    Column("fetched_at", Double, nullable=False),
    PrimaryKeyConstraint("paper_id", "list"),
    sqlite_with_rowid=False,
)

#: Ids that the source has merged into another paper.
merged = Table(
    "merged",
    metadata,
    Column("old_id", Text, primary_key=True),
    Column("paper_id", Text, nullable=False),
)

#: What users have asked for, and the paper it turned out to be.
identifiers = Table(
    "identifiers",
    metadata,
    Column("identifier", Text, primary_key=True),
    Column("paper_id", Text, nullable=False),
)

#: Where to find the papers that have, or once had, an external id: `kind:value`, kinds as in `papers.external_ids`, all
#: in lower case.
paper_identifiers = Table(
    "paper_identifiers",
    metadata,
    Column("identifier", Text, nullable=False),
    Column("paper_id", Text, nullable=False),
    PrimaryKeyConstraint("identifier", "paper_id"),
    sqlite_with_rowid=False,
)

crawls = Table(
    "crawls",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("direction", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("limit", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("refresh_before", Double),
    #: what is being worked at while the crawl runs on a cluster; null where one process does it all
    Column("stage", Text),
    #: where the notes belong; `lang` is NULL of a version that did not keep that, and else says nothing: the language
    #: is the vault's
    Column("vault", Text),
    Column("lang", Text),
    #: papers came by hand since it left `crawl`, or its vault got another language, so that it has to go round once more
    Column("again", Boolean),
    #: when workers were last told that its notes are to be begun or ended
    Column("hinted_at", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    #: why it failed; the traceback is there for bugs
    Column("reason", Text),
    Column("traceback", Text),
    #: processes lost while they saw to its vault, the one that is at it now counted in, and who that is
    Column("losses", Integer),
    Column("owner", Text),
    #: the scope of the key that began it; null where the operator did
    Column("claim", Text),
    #: it was stopped: nothing more is collected, and workers only bring its notes to an end
    Column("cancelled", Boolean),
    #: how many papers are summarised from their full text, best first; NULL for all
    Column("full_texts", Integer, server_default="0"),
)

crawl_seeds = Table(
    "crawl_seeds",
    metadata,
    Column("crawl_id", Integer, nullable=False),
    Column("paper_id", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("input", Text, nullable=False),
    Column("citekey", Text),
    PrimaryKeyConstraint("crawl_id", "paper_id"),
)

#: Which paper is in which crawl. `missing` papers were admitted, but the source does not know them (or knows them as
#: another member).
crawl_papers = Table(
    "crawl_papers",
    metadata,
    Column("crawl_id", Integer, nullable=False),
    Column("paper_id", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("missing", Boolean, nullable=False),
    PrimaryKeyConstraint("crawl_id", "paper_id"),
    Index("crawl_papers_depth", "crawl_id", "depth"),
)

#: The ledger: one row per stage and paper.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("stage", Text, nullable=False),
    Column("paper_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ask", Integer, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    #: queued: how many jobs may share a request with this one (null: as many as fit); running: how many do
    Column("share", Integer),
    #: failures of requests that this job was in, and the source's count of successes at the first of them
    Column("faults", Integer, nullable=False),
    Column("faulted_at", BigInteger),
    Column("due_at", Double, nullable=False),
    #: when workers were last told that this job is due; null since it was last claimed
    Column("hinted_at", Double),
    #: who runs it, and the fence: a text that no other claim ever has
    Column("owner", Text),
    Column("claim", Text),
    Column("lease_until", Double),
    Column("reason", Text),
    Column("traceback", Text),
    Column("updated_at", Double, nullable=False),
    UniqueConstraint("stage", "paper_id"),
    Index("jobs_due", "stage", "state", "due_at"),
    Index("jobs_claim", "claim"),
    #: of running jobs, the few that somebody holds
    Index("jobs_owner", "owner", postgresql_where=text("owner IS NOT NULL"), sqlite_where=text("owner IS NOT NULL")),
)

summaries = Table(
    "summaries",
    metadata,
    Column("paper_id", Text, primary_key=True),
    Column("basis", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("made_at", Double, nullable=False),
    #: a list of {claim, quote, page}
    Column("findings", JSON),
    Column("keywords", JSON),
    Column("lang", Text),
    #: a `NoFullText`; NULL where the full text was read, or nobody tried
    Column("why", Text),
    #: a `Provenance`; NULL where the full text was not read
    Column("provenance", JSON),
)

#: What became of an address that a PDF was sought at; refusals are remembered, too.
downloads = Table(
    "downloads",
    metadata,
    Column("url", Text, primary_key=True),
    #: of HTTP; NULL where no answer came
    Column("status", SmallInteger),
    #: a `NoFullText`, or in words what was wrong
    Column("why", Text),
    #: of the file that it gave, in hex
    Column("sha256", Text),
    #: the address of the PDF that a landing page names
    Column("leads_to", Text),
    Column("etag", Text),
    Column("asked_at", Double, nullable=False),
)

#: What a model answered, by all that the answer depends on: it is paid for once.
model_answers = Table(
    "model_answers",
    metadata,
    Column("key", Text, primary_key=True),
    Column("answer", JSON, nullable=False),
    Column("usd", Double, nullable=False),
    Column("made_at", Double, nullable=False),
)

#: US dollars a day (UTC, as 2026-01-31): what calls have cost, and the most that those under way may cost.
spending = Table(
    "spending",
    metadata,
    Column("day", Text, primary_key=True),
    Column("usd", Double, nullable=False),
)

#: What each model was asked for in all.
model_usage = Table(
    "model_usage",
    metadata,
    Column("model", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("usd", Double, nullable=False),
)

note_names = Table(
    "note_names",
    metadata,
    Column("paper_id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

vaults = Table(
    "vaults",
    metadata,
    Column("path", Text, primary_key=True),
    #: of the headings, and of what a model writes
    Column("lang", Text, nullable=False),
    Column("revision", Text),
    #: in words, what was wrong with the vault as a whole when a cluster last wrote to it
    Column("problems", JSON),
)

vault_crawls = Table(
    "vault_crawls",
    metadata,
    Column("path", Text, nullable=False),
    Column("crawl_id", Integer, nullable=False),
    PrimaryKeyConstraint("path", "crawl_id"),
)

vault_notes = Table(
    "vault_notes",
    metadata,
    Column("path", Text, nullable=False),
    Column("paper_id", Text, nullable=False),
    Column("parts", JSON, nullable=False),
    Column("deleted", Boolean, nullable=False),
    #: what became of the note at its last writing on a cluster: why it was left alone, and the parts where a reader's
    #: edit stands against something new
    Column("problem", Text),
    Column("conflicts", JSON),
    PrimaryKeyConstraint("path", "paper_id"),
)

#: Spacing of requests, one row a host.
pace = Table(
    "pace",
    metadata,
    Column("host", Text, primary_key=True),
    Column("next_at", Double, nullable=False),
    Column("blocked_until", Double, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("stretch", Double, nullable=False),
    Column("starts", BigInteger, nullable=False, server_default="0"),
    #: until when it is left alone by those who have the key that it refused, which is told by a few digits of its hash
    Column("refused_until", Double),
    Column("refused_key", Text),
)

#: Celery workers, each row written by the main process of the one it is about.
workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("queues", JSON, nullable=False),
    #: where a worker of the queue `generator` writes notes
    Column("output_dir", Text),
    Column("slots", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    #: since when it leaves work that it has room for, and in words what
    Column("idle_since", Double),
    Column("reason", Text),
)

#: Messages that no worker could run: undecodable, forged, of an unknown task. Ids are from the same sequence as those of
#: jobs, so that one id names one dead letter.
dead_messages = Table(
    "dead_messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    #: of the message, so that one that comes again is the same dead letter
    Column("digest", Text, nullable=False, unique=True),
    Column("queue", Text, nullable=False),
    Column("task", Text),
    Column("task_id", Text),
    Column("reason", Text, nullable=False),
    Column("traceback", Text),
    #: as the broker had it, so that it can be sent again; null where it was too long to keep
    Column("message", LargeBinary),
    #: its task's result is FAILURE on its account
    Column("failed", Boolean, nullable=False),
    Column("times", Integer, nullable=False),
    Column("at", Double, nullable=False),
)

#: The last turn of each periodic task that was taken.
periodic = Table(
    "periodic",
    metadata,
    Column("name", Text, primary_key=True),
    #: when it fell due, in milliseconds since 1970
    Column("slot", BigInteger, nullable=False),
    Column("updated_at", Double, nullable=False),
)

#: Celery's own table of results, with the names, types and sequence that Celery 5.7 gives it (result_extended).
celery_taskmeta = Table(
    "celery_taskmeta",
    metadata,
    Column(
        "id",
        Integer,
        # Old rows are removed, so numbers may come again when they are used up.
        Sequence("task_id_sequence", maxvalue=2**31 - 1, cycle=True, metadata=metadata),
        primary_key=True,
        autoincrement=True,
    ),
    Column("task_id", String(155), unique=True),
    Column("status", String(50)),
    Column("result", LargeBinary),
    Column("date_done", DateTime, index=True),
    Column("traceback", Text),
    Column("children", LargeBinary),
    Column("name", String(155)),
    Column("args", LargeBinary),
    Column("kwargs", LargeBinary),
    Column("worker", String(155)),
    Column("retries", Integer),
    Column("queue", String(155)),
    Column("stamps", LargeBinary),
)

#: Keys of the API, each as its SHA-256.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("used_at", Double),
)

#: Messages of tasks by how they ended and after how long (`domain.counts`), added up over all workers there ever were.
task_counts = Table(
    "task_counts",
    metadata,
    Column("task", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("le", Double, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    PrimaryKeyConstraint("task", "state", "le"),
)

#: The last batch of counts that was added of each worker's main process, so that none is added twice.
count_batches = Table(
    "count_batches",
    metadata,
    Column("writer", Text, primary_key=True),
    Column("batch", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
)

#: Requests to sources by how they were answered, and the seconds that they waited for the rate limit.
request_counts = Table(
    "request_counts",
    metadata,
    Column("source", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("waited", Double, nullable=False),
    PrimaryKeyConstraint("source", "status"),
)

#: Crawls that were asked for and that somebody at work has to begin. Ids are from the same sequence as those of crawls:
#: the first crawl of these seeds has the id of its request.
crawl_requests = Table(
    "crawl_requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    #: what was asked for: as in `domain.requests.Wish`
    Column("seeds", JSON, nullable=False),
    Column("unresolved", JSON, nullable=False),
    Column("depth", Integer, nullable=False),
    Column("limit", Integer, nullable=False),
    Column("direction", Text, nullable=False),
    Column("refresh_days", Double),
    Column("vault", Text),
    #: empty for the vault's own
    Column("lang", Text, nullable=False),
    Column("full_texts", Integer, server_default="0"),
    #: the scope of the key that asked for it; null where the operator did
    Column("claim", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    #: how many of the seeds were looked at so far, and what they turned out to be
    Column("done", Integer, nullable=False),
    Column("found", JSON, nullable=False),
    #: the crawl that it has become
    Column("crawl_id", Integer),
    #: what is being done, and what came of it, as the process tells that does all of it
    Column("progress", JSON),
    Column("report", Text),
    #: who resolves its seeds: a text that no other ever has, and until when
    Column("fence", Text),
    Column("lease_until", Double),
    #: workers lost at it, and time limits that it came to, since a seed was last resolved
    Column("losses", Integer),
    Column("hinted_at", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("crawl_requests_state", "state"),
    Index("crawl_requests_crawl", "crawl_id"),
)

#: Browsers that have signed in, each by the SHA-256 of what its cookie holds.
web_sessions = Table(
    "web_sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("key_id", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)
