"""What RabbitMQ refuses at the start of a worker: a queue that is there with other arguments, or that is still held."""

from __future__ import annotations

import re
import shlex

from amqp.exceptions import PreconditionFailed

#: Seconds between two tries of a worker whose queue is refused, at first and at last; in between it doubles.
FIRST_REFUSAL, LONGEST_REFUSAL = 0.25, 2.0

_OTHERWISE = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for (?P<kind>queue|exchange) '(?P<name>[^']+)' in vhost '(?P<vhost>[^']*)'"
)


def made_otherwise(error: BaseException) -> str | None:
    """In words with the cure, which queue or exchange is there with other arguments than refnet's; None where the error
    says nothing of the kind.
    """
    found = _OTHERWISE.search(str(error)) if isinstance(error, PreconditionFailed) else None
    if found is None:
        return None
    name, vhost = shlex.quote(found["name"]), shlex.quote(found["vhost"])
    what = f"RabbitMQ has {'a' if found['kind'] == 'queue' else 'an'} {found['kind']} {found['name']}"
    if found["kind"] == "queue":
        cure = (
            f"Delete it: rabbitmqctl delete_queue -p {vhost} {name} (with --if-empty only while nothing waits in it). "
            "Nothing of a crawl is lost with it, but tasks in it that somebody sent by hand are."
        )
    else:
        cure = (
            f"Delete it, or give refnet a virtual host of its own: rabbitmqctl add_vhost refnet (this one is {vhost})."
        )
    return f"{what} that was made with another {found['argument']} than refnet's, so it cannot be used. {cure}"
