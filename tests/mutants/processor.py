"""The processor without what keeps strangers out and forgotten intents in sight."""

from tests.mutants.mutant import Mutant, without

_SETTLE = "tests/contract/test_store_settle.py"
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
)  # fmt: skip
