"""The processor without what keeps strangers out and forgotten intents in sight."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

_SETTLE = "tests/contract/test_store_settle.py"
_STUCK = "tests/unit/processor/test_p13_stuck.py"
_ALERTS = "tests/unit/processor/test_alerts.py"
_LANE = "tests/unit/processor/test_lane.py"
_ADMISSION = "tests/rpc/test_processor_admission.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P9", "operators-calls-need-no-token", "services.processor.admission",
        ("            self.admit(context)\n", ""),
        tests=(f"{_ADMISSION}::test_p09_every_method_is_denied_without_the_token[GetWork]",),
    ),
    without(
        "P9", "without-a-token-anybody-is-admitted", "services.processor.admission",
        ("            if not on_loopback(peer):\n", "            if not peer:\n"),
        tests=(f"{_ADMISSION}::test_p09_without_a_token_nobody_else_is_admitted[ipv4:10.0.0.7:4711]",),
    ),
    without(
        "P9", "loopback-needs-no-token", "services.processor.admission",
        ("        if self._token is None:\n", "        if self._token is None or on_loopback(peer):\n"),
        tests=(f"{_ADMISSION}::test_p09_with_a_token_loopback_is_not_enough",),
    ),
    without(
        "P9", "the-processor-serves-without-admission", "services.processor.app",
        ("                interceptors=[Admission(token, observe)],\n", ""),
        tests=("tests/rpc/test_processor.py::test_p09_a_processor_with_a_token_asks_for_it",),
    ),
    without(
        "P4", "an-operator-ends-what-may-still-land", "services.store.attending",
        ("    if why := may_still_land(document, Status.FAILED):\n", "    if why := \"\":\n"),
        tests=(f"{_SETTLE}::test_p04_p13_nothing_is_ended_while_signed_bytes_may_get_on_chain[sqlite]",),
    ),
    without(
        "P13", "an-act-leaves-no-entry", "services.store.attending",
        ('{"resolutions": noted, **(push or {})}', "push or {}"),
        tests=(f"{_SETTLE}::test_p13_a_note_is_kept_and_changes_nothing_else[sqlite]",),
    ),
    without(
        "P13", "the-processor-fills-records-with-notes", "services.store.attending",
        ("    if asked.by.startswith(BY_OPERATOR):\n", "    if asked.by:\n"),
        tests=(f"{_SETTLE}::test_p13_what_the_processor_finds_again_is_one_entry_what_a_person_does_one_each_time[sqlite]",),
    ),
    without(
        "P13", "what-is-overdue-is-looked-at-and-left", "services.processor.resolver",
        ("                return await self._rebroadcast(sight)\n", '                return ""\n'),
        tests=(f"{_STUCK}::test_p13_bytes_that_a_dead_owner_never_sent_are_sent_unchanged",),
    ),
    without(
        "P13", "what-is-due-is-not-woken", "services.processor.resolver",
        ("            await self._note(sight, diagnosis, Act.WAKE)\n", "            pass\n"),
        tests=(f"{_STUCK}::test_p13_what_is_over_fails_with_evidence",),
    ),
    without(
        "P13", "no-person-is-told", "services.processor.resolver",
        ('            self.alerts.tell("STUCK", intent_id, diagnosis.why, diagnosis.evidence)\n', ""),
        tests=(f"{_STUCK}::test_p13_what_no_program_may_decide_is_handed_to_a_person_once",),
    ),
    without(
        "P13", "what-is-stuck-is-not-counted", "services.processor.resolver",
        ("            self._stuck(finding.value).set(counted[finding])\n", "            pass\n"),
        tests=(f"{_STUCK}::test_p13_what_no_program_may_decide_is_handed_to_a_person_once",),
    ),
    without(
        "P13", "an-operators-act-is-not-kept", "services.processor.operating",
        ("        await self._keep(report, Act.WAKE if due else Act.NOTE, by, reason)\n", ""),
        tests=(f"{_STUCK}::test_p13_a_person_resolves_and_who_why_and_what_was_seen_is_kept",),
    ),
    without(
        "P13", "operators-need-no-reason", "services.processor.operating",
        ("        _check_words(by, reason)\n", ""),
        tests=(f"{_STUCK}::test_p13_an_act_without_who_or_why_is_none",),
    ),
    without(
        "P4", "what-the-contract-holds-verified-is-failed", "services.processor.stuck",
        ('    if seen.status == "verified" and not expired(record, seen):\n', "    if not seen:\n"),
        tests=(f"{_STUCK}::test_p04_p13_nobody_fails_what_the_contract_holds[verified]",),
    ),
    without(
        "P4", "a-chain-that-is-away-says-it-is-over", "services.processor.stuck",
        ("    if known:\n        return Finding.WAIT", "    if known or True:\n        return Finding.FAIL"),
        tests=(f"{_STUCK}::test_p04_p13_a_chain_that_cannot_be_asked_ends_nothing",),
    ),
    without(
        "P2", "another-solver-while-the-first-may-act", "services.processor.solvers",
        ("        if signed:\n            return signed[-1].solver_id\n", ""),
        tests=("tests/property/test_solver_choice.py::test_p02_nobody_else_is_asked_while_the_first_may_still_act",),
    ),
    without(
        "P13", "the-alarm-is-on-a-metric-that-is-not-there", "services.processor.resolver",
        ('            "intents_stuck",\n', '            "intents_stuck_now",\n'),
        tests=("tests/arch/test_alert_rules.py::test_p13_rules_name_metrics_labels_and_values_that_exist",),
    ),
    without(
        "P13", "the-same-notice-again-and-again", "services.processor.alerts",
        ("        if last is not None and moment - last < self._repeat:\n", "        if last is not None and moment < last:\n"),
        tests=(f"{_ALERTS}::test_the_same_notice_is_given_once_until_its_time_is_over",),
    ),
    without(
        "P13", "notices-wait-without-end", "services.processor.alerts",
        ("        if self._webhook is not None and len(self._queue) >= MAX_QUEUE:\n", "        if self._webhook is None and self._queue:\n"),
        tests=(f"{_ALERTS}::test_a_receiver_that_hangs_delays_nobody_and_the_queue_has_an_end",),
    ),
    without(
        "P9", "a-redirect-takes-notices-elsewhere", "services.processor.webhook",
        ("allow_redirects=False", "allow_redirects=True"),
        tests=(f"{_ALERTS}::test_a_redirect_is_not_followed",),
    ),
    without(
        "P9", "the-webhooks-url-is-logged", "services.processor.webhook",
        ("            raise NotDelivered(type(error).__name__, again=True) from None\n", "            raise NotDelivered(self._url, again=True) from None\n"),
        tests=(f"{_ALERTS}::test_neither_url_nor_header_is_ever_logged",),
    ),
    without(
        "P9", "details-of-the-inside-for-everybody", "services.processor.failures",
        (" if self._development else None", ""),
        tests=("tests/unit/processor/test_failures.py::test_what_nobody_foresaw_reaches_people_and_its_details_the_log_alone_unless_in_development[False]",),
    ),
    without(
        "P13", "nothing-is-sent-again-while-nothing-can-be-signed", "services.processor.lane",
        ("                # what is signed already needs nothing of what is missing here\n                await self._send_waiting()\n", ""),
        tests=(f"{_LANE}::test_p13_bytes_go_out_again_while_the_only_key_is_of_no_use",),
    ),
    without(
        "P13", "nothing-is-sent-again-while-nothing-can-be-stored", "services.processor.lane",
        ("                    await self._send_waiting()\n                    await self._clock.sleep(due)\n", "                    await self._clock.sleep(due)\n"),
        tests=(f"{_LANE}::test_p13_bytes_go_out_again_while_the_store_takes_nothing[writes]",),
    ),
    without(
        "P4", "a-receipt-without-a-word-ends-a-verification", "services.processor.model",
        (" and not _says_little(refused):\n", ":\n"),
        tests=("tests/unit/processor/test_p04_unknown.py::test_p04_a_verification_that_ran_out_of_gas_is_tried_again_with_more[other]",),
    ),
    without(
        "P4", "the-next-try-has-no-more-gas", "services.processor.model",
        ("    return min(GAS[purpose] << min(short, 4), MOST_GAS)\n", "    return GAS[purpose]\n"),
        tests=("tests/unit/processor/test_p04_unknown.py::test_p04_a_verification_that_ran_out_of_gas_is_tried_again_with_more[out_of_gas]",),
    ),
)  # fmt: skip
