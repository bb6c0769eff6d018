"""proto <-> domain, for what only the processor is asked."""

import json
from datetime import UTC

from intents.processor.v1 import processor_service_pb2 as pb
from services.common.convert.intents import intent_to_proto
from services.common.domain.outcomes import Overdue, OverduePage


def stuck_to_proto(page: OverduePage) -> pb.ListStuckIntentsResponse:
    return pb.ListStuckIntentsResponse(
        intents=[
            pb.StuckIntent(intent=intent_to_proto(one.record), evidence=_evidence(one))
            for one in page.overdue
        ],
        next_page_token=page.next_page_token,
    )


def _evidence(one: Overdue) -> str:
    lease, due = one.record.lease, one.record.next_action_at
    return json.dumps(
        {
            "cause": one.cause.value,
            "since": one.since.astimezone(UTC).isoformat(),
            "lastEvidence": one.last_evidence,
            "owner": "" if lease is None else lease.owner,
            "nextActionAt": None if due is None else due.astimezone(UTC).isoformat(),
            "transactions": [
                {"hash": tx.hash, "purpose": tx.purpose, "status": tx.status}
                for tx in one.record.transactions
            ],
        },
        separators=(",", ":"),
    )
