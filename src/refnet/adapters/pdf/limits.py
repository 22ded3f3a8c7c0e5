"""What reading one PDF may take. Both sides hold to it: the child to stop in time, the parent because the child may not."""

from __future__ import annotations

#: Bytes of a file.
MOST_BYTES = 50 * 1024 * 1024
#: Pages of a file that are read.
MOST_PAGES = 2_000
#: Characters of a file that are read. A long book has a million.
MOST_CHARACTERS = 3_000_000
#: Bytes of the child's answer: that much text, each character three bytes, and half as much again around it.
MOST_ANSWER = 14 * 1024 * 1024
#: Seconds of the clock until the parent has its answer, or kills. So many that it is the processor's time which decides,
#: on a busy machine, too: the same PDF is to give the same text.
WALL_SECONDS = 120.0
#: Seconds of the processor after which the child reads no further page, so that what it has read is put in order and
#: sent in time; and the share of the clock's.
READING_SECONDS, READING_SHARE = 10.0, 0.7
#: Seconds of the processor for one paper, after which the system kills.
CPU_SECONDS = 30
#: Bytes of address space of a child.
MEMORY = 1024 * 1024 * 1024
#: Papers read by one child; then a new one, so that nothing of a paper stays for long.
PAPERS_PER_CHILD = 25
#: Seconds after which a child that is asked nothing ends by itself.
IDLE_SECONDS = 120.0
#: Bytes before which `%PDF-` must stand, as PDFium and other readers have it.
HEADER_WITHIN = 1024
