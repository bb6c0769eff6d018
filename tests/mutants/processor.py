"""The processor without what keeps strangers out and forgotten intents in sight."""

from tests.mutants.mutant import Mutant, without

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
)  # fmt: skip
