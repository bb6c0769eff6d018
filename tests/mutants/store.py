"""The store without each of its protections."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.mutants.mutant import Mutant, without


def _acknowledge_before_commit() -> None:
    from services.store.adapters import sqlite_worker as worker

    commit = worker.Worker._run

    def run(self: Any, connection: sqlite3.Connection, jobs: list[Any]) -> None:
        if not self._transactional:
            commit(self, connection, jobs)
            return
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            worker._attempt(job, connection)
        worker._deliver(jobs)
        connection.execute("COMMIT")

    worker.Worker._run = run  # type: ignore[method-assign]


def _no_fence() -> None:
    from services.store import moving
    from services.store.adapters import sqlite_program

    seen, matches = moving._as_seen, sqlite_program.matches

    def as_seen(document: Any, version: int, status: Any, fence: int | None) -> bool:
        return seen(document, version, status, None)

    def match(document: Any, where: Mapping[str, Any]) -> bool:
        return matches(document, {path: value for path, value in where.items() if path != "lease.fence"})

    moving._as_seen, sqlite_program.matches = as_seen, match


def _any_move() -> None:
    from services.store import moving

    moving.legal = lambda before, after: True  # type: ignore[attr-defined]


def _no_compare() -> None:
    from services.store.adapters.mongo_program import MongoProgram

    update = MongoProgram._update

    async def blind(self: Any, writes: Sequence[Any]) -> Any:
        return await update(self, [replace(write, where={}) for write in writes])

    MongoProgram._update = blind  # type: ignore[method-assign]


def _overwrite_foreign() -> None:
    from services.store import moving

    move = moving._move

    def blind(one: Any, document: Any, now: Any) -> Any:
        if document is not None:
            document = {**document, "status": document["versionStatus"]}
        answer = move(one, document, now)
        if isinstance(answer, moving.Write):
            answer = replace(answer, where={path: v for path, v in answer.where.items() if path != "status"})
        return answer

    moving._move = blind


def _cancel_anything() -> None:
    from services.store import moving

    move = moving._move

    def lenient(one: Any, document: Any, now: Any) -> Any:
        if one.fence is not None or document is None:
            return move(one, document, now)
        answer = move(one, {**document, "chainTransactions": []}, now)
        if isinstance(answer, moving.Write):
            unsafe = {"chainTransactions", "chainRevision"}
            answer = replace(
                answer, where={path: v for path, v in answer.where.items() if path not in unsafe}
            )
        return answer

    moving._move = lenient


def _number_not_written_down() -> None:
    from services.store.relay import Relay, event_document

    async def entry(self: Any, document: Any, partition: int, version: int, sequence: int) -> bool:
        while True:
            chosen = self._heads[partition] + 1
            standing = await self._outbox.append(event_document(document, version, partition, chosen))
            self._heads[partition] = chosen
            if standing is None:
                unboxed: bool = await self._outbox.unbox(document["_id"], version, sequence)
                return unboxed

    Relay._relay_entry = entry  # type: ignore[method-assign]


def _gaps_are_skipped() -> None:
    from services.store import log

    log.unbroken = lambda events, after: list(events)


def _nonces_are_free() -> None:
    from services.store import creating

    creating.nonce_key = lambda submission: None  # type: ignore[attr-defined]


def _requests_are_not_remembered() -> None:
    from services.store import creating

    draft = creating.draft

    def forgetful(new: Any, now: Any) -> Any:
        answer = draft(new, now)
        if isinstance(answer, creating.Draft):
            answer.request = None
        return answer

    from services.store import service

    service.draft = forgetful  # type: ignore[attr-defined]


def _anybody_may_repeat() -> None:
    from services.store import creating

    settled = creating._settled

    def open_to_all(one: Any, standing: Any) -> Any:
        return settled(one, replace(standing, principal=one.principal))

    creating._settled = open_to_all


_CONTRACT = "tests/contract/test_store_contract.py"
_MOVES = "tests/contract/test_store_moves.py"
_CRASH = "tests/contract/test_store_crash.py"
_EVENTS = "tests/contract/test_store_events.py"
_SCHEMA = "tests/contract/test_store_schema.py"
_ADOPTION = "tests/contract/test_store_adoption.py"
_RESOLVE = "tests/contract/test_store_resolve.py"
_OVERDUE = "tests/contract/test_store_overdue.py"
_CLAIMS = "tests/contract/test_store_claims.py"
_MONGO = "tests/contract/test_store_mongo.py"
_OTHER = f"{_CONTRACT}::test_p08_other_content_is_refused_and_changes_nothing[sqlite]"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        promise="P1",
        name="store-acknowledges-before-commit",
        apply=_acknowledge_before_commit,
        tests=(f"{_CRASH}::test_p01_an_answer_waits_for_the_commit",),
    ),
    Mutant(
        promise="P2",
        name="store-takes-bytes-without-fence",
        apply=_no_fence,
        tests=(f"{_MOVES}::test_p02_signed_bytes_are_stored_under_version_status_and_fence[sqlite]",),
    ),
    Mutant(
        promise="P3",
        name="store-allows-any-move",
        apply=_any_move,
        tests=(f"{_MOVES}::test_p03_only_legal_moves[sqlite]",),
    ),
    Mutant(
        promise="P3",
        name="store-moves-without-compare",
        apply=_no_compare,
        tests=(f"{_MOVES}::test_p03_of_many_movers_one_moves[secantus]",),
    ),
    Mutant(
        promise="P3",
        name="store-overwrites-what-was-written-past-it",
        apply=_overwrite_foreign,
        tests=(f"{_MONGO}::test_p03_a_write_past_us_is_seen_and_never_overwritten[secantus]",),
    ),
    without(
        "P3",
        "migrate-overwrites-a-move",
        "services.store.migrating.renew",
        ("    where = {name: document.get(name) for name in JUDGED_BY}\n", "    where: Document = {}\n"),
        tests=(f"{_SCHEMA}::test_p03_a_move_at_the_same_time_is_not_undone_by_a_migration[sqlite]",),
    ),
    without(
        "P3",
        "store-serves-a-newer-schema",
        "services.store.migrating.schema",
        ("<= _version(standing) <= SCHEMA:", "<= _version(standing):"),
        tests=(f"{_SCHEMA}::test_p03_a_schema_that_this_version_does_not_know_is_not_served[sqlite-newer]",),
    ),
    without(
        "P1",
        "adoption-deletes-before-it-inserts",
        "services.store.migrating.adopt",
        (
            "            standing = await self.storage.run(_inserting(ours))\n",
            "            await self._remove(stranger)\n"
            "            standing = await self.storage.run(_inserting(ours))\n",
        ),
        tests=(
            f"{_ADOPTION}::test_p01_cut_off_between_any_two_steps_nothing_is_lost_and_a_repeat_goes_on[java]",
        ),
    ),
    without(
        "P8",
        "store-creates-beside-what-waits-to-be-adopted",
        "services.store.adapters.mongo_program",
        ("        if not self.strangers:\n", "        if not self.strangers or intent_ids:\n"),
        tests=(
            f"{_ADOPTION}::test_p08_an_intent_that_waits_to_be_adopted_is_not_created_beside_it[java-another-id]",
        ),
    ),
    without(
        "P4",
        "an-execution-of-another-system-is-cancelled",
        "services.store.moving",
        (
            '    if move.fence is None and document.get("held") and',
            "    if move.fence is None and not document and",
        ),
        tests=(f"{_ADOPTION}::test_p04_what_has_not_ended_is_held_for_a_person[java-executing]",),
    ),
    without(
        "P4",
        "a-person-ends-what-may-still-land",
        "services.store.resolving",
        ("(why := may_still_land(document, to))", '(why := "")'),
        tests=(f"{_RESOLVE}::test_p04_what_may_still_land_is_not_ended_without_a_word_more[sqlite-accept]",),
    ),
    without(
        "P4",
        "a-person-overlooks-what-is-signed-meanwhile",
        "services.store.resolving",
        ('"versionStatus", "chainRevision", "updatedAt"', '"versionStatus", "updatedAt"'),
        tests=(f"{_RESOLVE}::test_p04_bytes_signed_at_the_same_time_are_judged_too",),
    ),
    Mutant(
        promise="P4",
        name="store-cancels-after-signing",
        apply=_cancel_anything,
        tests=(f"{_MOVES}::test_p04_nothing_is_cancelled_once_bytes_are_stored[sqlite]",),
    ),
    without(
        "P3",
        "who-hands-over-goes-on-writing",
        "services.store.claiming",
        ("""        "lease.fence": document["lease"]["fence"] + 1,\n""", ""),
        tests=(f"{_CLAIMS}::test_p03_who_hands_over_writes_nothing_more[sqlite]",),
    ),
    without(
        "P3",
        "anybody-takes-what-was-handed-over",
        "services.store.claiming",
        ("reserved_for=HANDED + owner if", 'reserved_for=HANDED + "p-2" if'),
        tests=(f"{_CLAIMS}::test_p03_a_handed_lease_is_its_new_owners_alone_at_once[sqlite]",),
    ),
    without(
        "P13",
        "claims-go-by-time-alone",
        "services.store.claiming",
        ("if len(due) == room and left > 0:", "if not room:"),
        tests=(f"{_CLAIMS}::test_p13_one_users_flood_does_not_hold_up_others[sqlite]",),
    ),
    without(
        "P13",
        "a-lease-is-lost-because-its-holder-moved",
        "services.store.claiming",
        ("                pending.append(index)\n", "                pass\n"),
        tests=(
            "tests/contract/test_store_lease_races.py::"
            "test_p13_leases_renewed_while_their_holder_moves_one_are_all_held[secantus]",
        ),
    ),
    without(
        "P13",
        "every-claim-begins-with-the-same-user",
        "services.store.claiming",
        ("    turns.after = heads.upto\n", ""),
        tests=(f"{_CLAIMS}::test_p13_turns_go_round_whatever_the_limit[sqlite]",),
    ),
    without(
        "P13",
        "the-open-ends-of-intents-are-not-kept",
        "services.store.document",
        ('"openUntil": None if ended else document["expiresAt"]', '"openUntil": None'),
        tests=(f"{_OVERDUE}::test_p13_an_intent_past_its_deadline_is_told_whoever_holds_it[sqlite]",),
    ),
    without(
        "P13",
        "a-page-of-what-is-overdue-ends-the-list-early",
        "services.store.overdue",
        (
            "                return OverduePage(overdue=tuple(found), next_page_token=encode_token(cause, after))\n"
            "            continue\n",
            "                return OverduePage(overdue=tuple(found))\n            continue\n",
        ),
        tests=(f"{_OVERDUE}::test_p13_a_page_reads_so_many_and_no_more[sqlite]",),
    ),
    without(
        "P13",
        "only-writes-of-later-statuses-are-seen",
        "services.store.adapters.sqlite_overdue",
        ("WHERE status <> version_status ", "WHERE status <> version_status AND status > version_status "),
        tests=(f"{_OVERDUE}::test_p13_every_pair_of_statuses_is_found[sqlite]",),
    ),
    without(
        "P13",
        "what-is-held-has-no-time",
        "services.store.adapters.sqlite_rows",
        ("        None if held is None else ms(held),\n", "        None,\n"),
        tests=(f"{_OVERDUE}::test_p13_each_cause_is_found[sqlite]",),
    ),
    Mutant(
        promise="P5",
        name="relay-does-not-write-its-number-down",
        apply=_number_not_written_down,
        tests=("tests/property/test_store_log.py::test_p05_relays_racing_and_dying_neither_skip_nor_double",),
    ),
    Mutant(
        promise="P5",
        name="log-reader-skips-gaps",
        apply=_gaps_are_skipped,
        tests=(f"{_EVENTS}::test_p05_a_reader_waits_at_a_gap",),
    ),
    Mutant(promise="P8", name="store-frees-nonces", apply=_nonces_are_free, tests=(_OTHER,)),
    Mutant(promise="P8", name="store-forgets-requests", apply=_requests_are_not_remembered, tests=(_OTHER,)),
    Mutant(promise="P8", name="store-lets-anybody-repeat", apply=_anybody_may_repeat, tests=(_OTHER,)),
)
