"""The mutants: which promise, what is taken out, which test must fail then."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants import (
    cache,
    chain,
    contract,
    database,
    devnet,
    keys,
    lists,
    messages,
    observer,
    processor,
    redis,
    retention,
    signatures,
    store,
    tokens,
)
from tests.mutants.mutant import Mutant, without

MUTANTS: tuple[Mutant, ...] = (
    *lists.MUTANTS,
    *chain.MUTANTS,
    *store.MUTANTS,
    *retention.MUTANTS,
    *database.MUTANTS,
    *signatures.MUTANTS,
    *messages.MUTANTS,
    *cache.MUTANTS,
    *contract.MUTANTS,
    *devnet.MUTANTS,
    *tokens.MUTANTS,
    *processor.MUTANTS,
    *keys.MUTANTS,
    *observer.MUTANTS,
    *redis.MUTANTS,
    without(
        "P1", "one-failure-rolls-all-back", "services.store.adapters.sqlite_worker",
        ('    connection.execute("SAVEPOINT one")\n', '    connection.execute("SAVEPOINT one")\n    savepoint = False\n'),
        ("    if job.error is not None:\n        connection.execute(\"ROLLBACK TO one\")\n", ""),
        tests=("tests/contract/test_store_crash.py::test_p01_a_failed_operation_takes_no_other_with_it",),
    ),
    without(
        "P2", "sent-before-stored", "services.processor.lane",
        (
            "            durable = await self._store_all(prepared)\n",
            "            await self._send_all([one.tx for one in prepared])\n"
            "            durable = await self._store_all(prepared)\n",
        ),
        tests=(
            "tests/unit/processor/test_p02_crash.py::test_p02_bytes_are_stored_before_they_are_sent",
            "tests/unit/processor/test_p02_every_await.py::test_p02_killed_wherever_it_waits_an_intent_has_one_effect",
        ),
    ),
    without(
        "P2", "signed-again-instead-of-sent-again", "services.processor.model",
        (
            "    return sorted((tx for tx in record.transactions if tx.status == SIGNED), key=lambda tx: tx.nonce)\n",
            "    return []\n",
        ),
        tests=(
            "tests/unit/processor/test_p02_crash.py::test_p02_the_same_bytes_go_out_again_after_a_crash",
            "tests/unit/processor/test_p02_every_await.py::test_p02_killed_wherever_it_waits_another_replica_takes_over",
        ),
    ),
    without(
        "P3", "version-and-status-not-compared", "services.store.moving",
        (
            '        document["version"] == version\n        and document["versionStatus"] == status.value\n        and ',
            "        ",
        ),
        (
            '        "version": move.seen_version,\n        "status": move.seen_status.value,\n'
            '        "versionStatus": move.seen_status.value,\n',
            "",
        ),
        tests=("tests/contract/test_store_moves.py::test_p03_another_version_stands[sqlite]",),
    ),
    without(
        "P10", "a-broken-record-spoils-its-batch", "services.store.moving",
        ("    except UNFIT:\n        return Refused(corrupt(document or {}))\n", ""),
        tests=("tests/contract/test_store_mongo.py::test_a_record_without_a_field_of_ours_spoils_no_batch[secantus-chainTransactions]",),
    ),
    without(
        "P3", "a-bulk-write-that-did-anything-did-all", "services.store.adapters.mongo_update",
        (' and document.get("lastWrite") == token', ""),
        tests=("tests/contract/test_store_moves.py::test_p03_of_batches_that_race_for_the_same_intents_each_is_moved_once[secantus]",),
    ),
    without(
        "P3", "a-repeat-is-a-conflict", "services.store.moving",
        ("    if _happened(move, document):\n        return AlreadyThere(record_of(document))\n", ""),
        tests=("tests/contract/test_store_moves.py::test_p03_a_repeated_move_is_an_outcome[sqlite]",),
    ),
    without(
        "P4", "an-absent-transaction-has-failed", "services.common.chain.near.chain",
        (
            '            if error.cause in ("UNKNOWN_TRANSACTION", "INVALID_TRANSACTION"):\n                return TxState.UNKNOWN\n',
            '            if error.cause in ("UNKNOWN_TRANSACTION", "INVALID_TRANSACTION"):\n                return TxState.FAILED\n',
        ),
        tests=("tests/unit/chain/test_near_chain.py::test_p04_a_time_out_of_the_node_is_pending_or_unknown_never_failed",),
    ),
    without(
        "P4", "an-outcome-counts-before-it-is-final", "services.common.chain.near.outcome",
        ('    if answer.get("final_execution_status") == FINAL and complete(outcomes) and isinstance', "    if isinstance"),
        tests=("tests/unit/chain/test_near_chain.py::test_p04_an_outcome_counts_only_when_every_receipt_is_final",),
    ),
    without(
        "P4", "an-unknown-error-refuses", "services.common.chain.near.errors",
        (
            '    return BroadcastResult.REFUSED if error.cause == "PARSE_ERROR" else BroadcastResult.UNKNOWN\n',
            "    return BroadcastResult.REFUSED\n",
        ),
        tests=("tests/unit/chain/test_near_errors.py::test_p04_a_node_in_trouble_leaves_a_broadcast_unknown",),
    ),
    without(
        "P5", "a-gap-is-passed-on", "services.edge.watch.stream",
        ("            if event.version == next_ or taken.conflated:\n", "            if True:\n"),
        tests=("tests/rpc/test_edge_grpc.py::test_p05_a_gap_in_the_feed_is_filled_from_the_record",),
    ),
    without(
        "P5", "a-cursor-is-forgotten", "services.edge.watch.cursor",
        ("        self._last[:] = rest\n", ""),
        tests=("tests/rpc/test_edge_grpc.py::test_p05_a_fresh_watcher_gets_a_snapshot_a_resuming_one_what_it_missed",),
    ),
    without(
        "P5", "a-number-without-compare-and-set", "services.store.relay",
        (
            "            if not await self._outbox.number(intent_id, version, 0, sequence):\n                return False\n",
            "            await self._outbox.number(intent_id, version, 0, sequence)\n",
        ),
        (
            "            if not await self._outbox.number(intent_id, version, sequence, chosen):\n                return False\n",
            "            await self._outbox.number(intent_id, version, sequence, chosen)\n",
        ),
        tests=("tests/contract/test_store_crash.py::test_p05_relays_racing_neither_skip_nor_double",),
    ),
    without(
        "statistics", "a-fold-counts-again", "services.store.rollups.batch",
        ("if move.sequence > sequences.get(str(move.partition), 0)]\n", "]\n"),
        tests=("tests/contract/test_store_rollups.py::test_each_event_counts_once_wherever_the_fold_is_cut_off[sqlite]",),
    ),
    without(
        "statistics", "a-position-before-its-roll-ups", "services.store.rollups.fold",
        ("            await self._count(moves)\n            await self._advance(positions, events)\n",
         "            await self._advance(positions, events)\n            await self._count(moves)\n"),
        tests=("tests/property/test_store_rollups.py::test_folders_racing_and_dying_count_each_event_once",),
    ),
    without(
        "statistics", "a-fold-reads-below-the-floor", "services.store.rollups.fold",
        ("            if after[one] >= floors[one]\n", ""),
        tests=("tests/contract/test_store_rollups.py::test_what_lies_below_the_floor_is_never_counted[sqlite]",),
    ),
    without(
        "statistics", "a-lost-race-is-a-count", "services.store.rollups.fold",
        ("        return [one[\"_id\"] for one, done in zip(writes, written, strict=True) if not done]\n", "        return []\n"),
        tests=("tests/property/test_store_rollups.py::test_folders_racing_and_dying_count_each_event_once",),
    ),
    without(
        "P6", "what-comes-last-wins-in-memory", "services.cache.model",
        ("    if (given.version, given.read_at_ms) < (held.version, held.read_at_ms):\n        return held\n", ""),
        tests=("tests/unit/cache/test_service.py::test_p06_a_put_that_comes_late_changes_nothing",),
    ),
    without(
        "P6", "what-comes-last-wins-in-redis", "services.cache.adapters.redis",
        ("  if seen.version > version then return false end\n", ""),
        tests=("tests/contract/test_cache_shared_level.py::test_p06_an_older_version_changes_nothing[redis]",),
    ),
    without(
        "P8", "request-identity-is-not-compared", "services.store.creating",
        (
            '    return IntentError(Reason.REQUEST_REUSED, "This request_id was used for another intent.")\n',
            "    return None\n",
        ),
        tests=("tests/contract/test_store_contract.py::test_p08_other_content_is_refused_and_changes_nothing[sqlite]",),
    ),
    without(
        "P8", "a-repeat-meets-the-verdict", "services.edge.submit",
        ("            recognised = found.get(index)\n", "            recognised = None\n"),
        tests=("tests/rpc/test_edge_grpc.py::test_p08_a_repeat_gets_the_same_bytes_before_any_verdict",),
    ),
    without(
        "P8", "another-content-is-a-repeat", "services.store.creating",
        ("    if standing.content_hash != one.content:\n        return _id_taken(one)\n", ""),
        ("    if held.intent_id == one.intent_id:\n        return _id_taken(one)\n", ""),
        tests=("tests/contract/test_store_contract.py::test_p08_other_content_is_refused_and_changes_nothing[sqlite]",),
    ),
    without(
        "P9", "fields-are-not-bound", "services.validator.rules.terms",
        ("    if sent == signed:\n", "    if sent or not signed:\n"),
        tests=("tests/unit/validator/test_security.py::test_p09_no_field_can_be_changed_after_signing",),
    ),
    without(
        "P9", "a-view-that-cannot-be-had-is-skipped", "services.validator.service",
        ("        if None in case.answers.values():\n", "        if False:\n"),
        tests=("tests/unit/validator/test_security.py::test_views_that_cannot_be_had_make_neither_a_yes_nor_a_no",),
    ),
    without(
        "P9", "anybody-reads-any-record", "services.edge.service",
        ("        if record is None or record.principal != caller.principal:\n", "        if record is None:\n"),
        tests=("tests/e2e/test_principals.py::test_p09_a_principal_sees_and_acts_on_its_own_only",),
    ),
    without(
        "P9", "anybody-watches-any-intent", "services.edge.watch.hub",
        (
            "            found += [record for record in records if record is not None and record.principal == principal]\n",
            "            found += [record for record in records if record is not None]\n",
        ),
        tests=("tests/e2e/test_principals.py::test_p09_a_principal_sees_and_acts_on_its_own_only",),
    ),
    without(
        "P10", "an-exception-says-its-text", "services.common.rpc.guard",
        (
            '        f"The service failed on this call; its log has the cause under id {error_id}.",\n',
            '        f"The service failed on this call: {error}",\n',
        ),
        tests=("tests/rpc/test_common_server.py::test_a_secret_in_an_exception_never_leaves",),
    ),
    without(
        "P10", "any-amount-is-an-amount", "services.validator.rules.amounts",
        ("def input_amount_form(case: Case) -> None:\n", "def input_amount_form(case: Case) -> None:\n    return\n"),
        tests=("tests/unit/validator/test_fields.py::test_p10_amounts_that_are_none",),
    ),
    without(
        "P10", "a-rule-is-left-out-of-the-table", "services.validator.rules.terms",
        ("    recipient, network, deadline_readable,", "    recipient, deadline_readable,"),
        tests=("tests/unit/validator/test_rules.py::test_every_rule_has_an_input_that_fails_it_alone",),
    ),
    without(
        "P10", "an-explanation-grows-with-what-was-sent", "services.validator.explain",
        ("    return _bounded(text)\n", "    return text\n"),
        tests=("tests/unit/validator/test_explain.py::test_p10_an_explanation_is_bounded_and_printable_whatever_was_sent",),
    ),
    without(
        "P10", "bytes-reach-the-parser-unguarded", "services.common.rpc.guard",
        ("            except (DecodeError, ValueError):\n", "            except ZeroDivisionError:\n"),
        tests=("tests/rpc/test_common_server.py::test_bytes_that_are_no_message_are_malformed",),
    ),
    without(
        "P7", "a-redis-that-is-away-is-an-error", "services.cache.shared",
        ("            except Exception as error:\n                return error\n", "            except ZeroDivisionError as error:\n                return error\n"),
        tests=("tests/unit/cache/test_shared.py::test_p07_a_level_that_is_away_is_a_miss_and_then_left_alone",),
    ),
    without(
        "P7", "no-redis-no-submission", "services.edge.limits.fallback",
        ("            except IntentError as error:\n", "            except ZeroDivisionError as error:\n"),
        tests=("tests/contract/test_rate_limiter.py::test_p07_without_redis_this_replica_goes_on_with_its_own_count",),
    ),
    without(
        "P11", "a-shared-call-has-any-size", "services.edge.adapters.coalesced",
        ("            weigh=weight,\n", ""),
        tests=("tests/rpc/test_validator.py::test_p11_callers_share_no_call_larger_than_the_validator_takes",),
    ),
    without(
        "P11", "a-verdict-tells-everything", "services.validator.service",
        ("violations=tuple(case.found[:MAX_TOLD]),", "violations=tuple(case.found),"),
        tests=("tests/unit/validator/bare/test_bounds.py::test_p11_a_batch_of_the_worst_messages_fits_into_one_answer",),
    ),
    without(
        "P11", "any-number-of-intents-is-judged-at-once", "services.validator.service",
        ("        if self._at_once and self._at_once + len(items) > self._most_at_once:\n", "        if self._at_once < 0:\n"),
        tests=("tests/unit/validator/test_overload.py::test_p11_above_the_bound_a_call_is_refused_and_those_before_it_are_judged",),
    ),
    without(
        "P11", "a-cancelled-batch-is-checked-to-its-end", "services.validator.signatures",
        ("        if stop is not None and stop.is_set():\n            return\n", ""),
        tests=("tests/unit/validator/test_overload.py::test_p11_signatures_nobody_waits_for_are_not_checked",),
    ),
    without(
        "P12", "a-drain-tells-nobody", "services.common.rpc.server",
        ("        await self._health.enter_graceful_shutdown()\n", ""),
        tests=("tests/rpc/test_common_drain.py::test_p12_health_turns_off_while_calls_are_still_taken",),
    ),
    without(
        "P12", "a-drain-does-not-wait", "services.common.rpc.server",
        ("        await asyncio.sleep(max(self._settings.drain_wait_ms / 1000, NEWS if self._guard.streams else 0))\n", ""),
        tests=("tests/rpc/test_common_drain.py::test_p12_health_turns_off_while_calls_are_still_taken",),
    ),
)  # fmt: skip
