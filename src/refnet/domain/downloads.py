"""What became of an address that a PDF was sought at, and for how long that counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from refnet.domain.documents import NoFullText

#: Seconds for which an address is not asked again: after a refusal, or a page without a PDF; and after no answer that counts,
#: which is less than the minute after which a worker tries a paper again. A host is spared by its pace.
REFUSED_FOR, UNANSWERED_FOR = 30 * 86_400.0, 50.0
_REFUSALS = frozenset(NoFullText)


@dataclass(frozen=True, slots=True)
class Download:
    """The last answer of an address.

    `status` is HTTP's, None where no answer came. `sha256` is that of the PDF it gave, in hex; `leads_to` the address of the PDF that
    a page there names. `why` is a `NoFullText` where it gave neither, or, where no answer counted, in words what was wrong. `age` is
    the seconds since.
    """

    url: str
    status: int | None = None
    why: str | None = None
    sha256: str | None = None
    leads_to: str | None = None
    etag: str | None = None
    age: float = 0.0

    @property
    def refusal(self) -> NoFullText | None:
        """Why there is no PDF, where that was the answer."""
        return NoFullText(self.why) if self.why in _REFUSALS else None

    @property
    def counts_for(self) -> float:
        """Seconds for which it still counts, 0 where it does not. That an address gave a PDF counts for ever: it may be kept."""
        if self.sha256 is not None:
            return math.inf
        most = REFUSED_FOR if self.refusal is not None or self.leads_to is not None else UNANSWERED_FOR
        return max(0.0, most - max(0.0, self.age))
