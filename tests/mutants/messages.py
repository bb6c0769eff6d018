"""Mutants of the rules on signed messages on their own."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

_HOSTILE = "tests/unit/validator/bare/test_hostile.py"
_RULES = "tests/unit/validator/bare/test_rules.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P9", "a-message-by-anybodys-key", "services.validator.messages.rules.execution",
        ('    if payload is not None and case.said("key-registered") is False:\n', "    if payload is None:\n        return\n    if payload.intents is None:\n"),
        tests=("tests/unit/validator/bare/test_standards.py::test_whose_key_it_is_the_contract_says",),
    ),
    without(
        "P10", "a-message-of-any-size", "services.validator.messages.reading",
        ("    if size > most:\n", "    if size < 0:\n"), ("    return size <= most\n", "    return True\n"),
        tests=(f"{_HOSTILE}::test_webauthns_client_data_is_bounded_too",),
    ),
    without(
        "P10", "any-number-of-intents", "services.validator.messages.reading",
        ("    if len(listed) > notes.bounds.max_intents:\n", "    if len(listed) < 0:\n"),
        tests=(f"{_RULES}::test_p10_every_rule_on_messages_is_needed",),
    ),
    without(
        "P10", "any-number-of-digits", "services.validator.messages.numbers",
        ("    if len(digits) > _LONGEST or (value", "    if (value"),
        tests=(f"{_HOSTILE}::test_p10_long_values_are_refused_by_their_field[an amount of 10^6 digits]",),
    ),
    without(
        "P10", "a-notification-is-passed-over", "services.validator.messages.kinds",
        ("    if attempt.faults:\n", "    if attempt.faults and not value:\n"),
        tests=(f"{_RULES}::test_p10_every_rule_on_messages_is_needed",),
    ),
    without(
        "P10", "sums-of-any-size", "services.validator.messages.moves",
        ("            if high - low > _MOST:\n", "            if high < low:\n"),
        tests=(f"{_RULES}::test_p10_every_rule_on_messages_is_needed",),
    ),
    without(
        "P10", "a-message-on-its-own-is-stored", "services.edge.submit",
        ("            elif submissions[index].intent is None:\n", "            elif submissions[index].signed_data is submissions:\n"),
        tests=("tests/unit/edge/test_service.py::test_a_message_on_its_own_is_judged_and_then_said_not_to_be_executed",),
    ),
)  # fmt: skip
