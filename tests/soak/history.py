"""What became of every job, step by step: a trigger in the soak's own database writes each change of a job down.

The end of a run may look well although two owners worked on one job, as long as both wrote the same. The history does
not: whoever lost its claim must not change a row any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text

from refnet.adapters.database.engine import writing
from tests.cluster.lab import Lab

_MAKE = (
    "CREATE SCHEMA soak",
    """CREATE TABLE soak.history (
        seq bigserial PRIMARY KEY, at double precision NOT NULL, stage text NOT NULL, paper_id text NOT NULL,
        old_state text, new_state text NOT NULL, old_claim text, new_claim text, ask integer NOT NULL)""",
    """CREATE FUNCTION soak.remember() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO soak.history (at, stage, paper_id, old_state, new_state, old_claim, new_claim, ask) VALUES (
            extract(epoch FROM clock_timestamp()), NEW.stage, NEW.paper_id,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state,
            CASE WHEN TG_OP = 'UPDATE' THEN OLD.claim END, NEW.claim, NEW.ask);
        RETURN NULL;
    END $$""",
    "CREATE TRIGGER made AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION soak.remember()",
    """CREATE TRIGGER changed AFTER UPDATE ON jobs FOR EACH ROW
    WHEN ((OLD.state, OLD.claim, OLD.updated_at) IS DISTINCT FROM (NEW.state, NEW.claim, NEW.updated_at))
    EXECUTE FUNCTION soak.remember()""",
)

#: What may follow on what. Queued and running jobs may be asked for more; only a running one ends.
_ALLOWED = {
    *((None, new) for new in ("queued", "dead")),
    *(("queued", new) for new in ("queued", "running", "dead")),
    *(("running", new) for new in ("running", "queued", "done", "dead")),
    ("done", "queued"),
    ("dead", "queued"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of a job; None before it was there."""

    stage: str
    paper_id: str
    old: str | None
    new: str
    old_claim: str | None
    new_claim: str | None
    #: what is left to ask afterwards
    ask: int

    @property
    def is_allowed(self) -> bool:
        if (self.old, self.new) not in _ALLOWED:
            return False
        if (self.old, self.new) == ("done", "queued") and not self.ask:
            # Not asked for again, but given back by who held it before it was done.
            return False
        return (self.old, self.new) != ("running", "running") or self.old_claim == self.new_claim


def keep_history(lab: Lab) -> None:
    """Begin to write down what becomes of the jobs."""
    with writing(lab.engine) as connection:
        for statement in _MAKE:
            connection.execute(text(statement))


def history(lab: Lab) -> list[Step]:
    rows = lab.query(
        "SELECT stage, paper_id, old_state, new_state, old_claim, new_claim, ask FROM soak.history ORDER BY seq"
    )
    return [Step(*row) for row in rows]


def forged(steps: Sequence[Step]) -> list[Step]:
    """Changes that nobody was entitled to: a job ended or claimed by who did not hold it."""
    return [step for step in steps if not step.is_allowed]


def claims(steps: Sequence[Step]) -> int:
    """How often a job was claimed."""
    return sum((step.old, step.new) == ("queued", "running") for step in steps)
