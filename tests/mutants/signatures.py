"""Mutants of the signature standards."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

_CURVES = "tests/unit/validator/test_curves.py"
_STANDARDS = "tests/unit/validator/test_standards.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P9", "any-signature-is-good", "services.validator.signatures",
        ("            case.key, case.proven = key, True\n", "            case.key = key\n        case.proven = True\n"),
        tests=("tests/unit/validator/test_security.py::test_p09_wrong_signature",),
    ),
    without(
        "P9", "a-p256-signature-has-two-forms", "services.validator.standards.curves",
        ("0 < s <= _P256_ORDER // 2", "0 < s < _P256_ORDER"),
        tests=(f"{_CURVES}::test_p09_a_p256_signature_has_one_form_and_its_key_one",),
    ),
    without(
        "P9", "a-secp256k1-signature-has-two-forms", "services.validator.standards.curves",
        ('    if signature[32:64] > _SECP256K1_HALF:\n        return None\n', ""),
        tests=(f"{_CURVES}::test_p09_a_secp256k1_signature_yields_its_key_in_one_form",),
    ),
    without(
        "P9", "a-key-of-small-order-signs", "services.validator.standards.curves",
        (" and not _weak(key)", ""),
        tests=(f"{_CURVES}::test_p09_an_r_of_small_order_counts_and_a_key_of_small_order_never",),
    ),
    without(
        "P9", "an-authenticator-without-its-user", "services.validator.standards.webauthn",
        ("    if not flags & _UP:\n", "    if flags is None:\n"),
        tests=(f"{_STANDARDS}::test_p09_authenticator_data_needs_its_length_and_a_user_who_was_there",),
    ),
    without(
        "P9", "any-challenge-is-the-payloads", "services.validator.standards.webauthn",
        ("    return None if asked == challenge else ", "    return None if asked else "),
        tests=(f"{_STANDARDS}::test_p09_no_bit_and_no_field_of_a_published_message_can_change",),
    ),
    without(
        "P9", "a-recovered-key-is-anybodys", "services.validator.rules.chain",
        (
            "    if case.key is None or len(account) not in IMPLICIT_LENGTHS or implicit_account(case.key) == account:\n",
            "    if case.key is None or case.standard is None or case.standard.recovers or implicit_account(case.key) == account:\n",
        ),
        tests=(f"{_STANDARDS}::test_p09_the_account_is_the_one_the_key_derives_or_has_registered_it[erc191-secp256k1]",),
    ),
    without(
        "P9", "the-validator-takes-another-network", "services.validator.rules.terms",
        ("    if case.message.network != case.book.network:\n", "    if case.message.network is None:\n"),
        tests=("tests/differential/test_differential.py::test_p09_validator_and_contract_agree_about_every_message",),
    ),
    without(
        "P9", "client-data-of-any-depth", "services.validator.rules.signature",
        ("    if case.client_too_deep:\n        case.add(", "    if False:\n        case.add("),
        tests=("tests/unit/validator/test_rules.py::test_p10_every_rule_is_needed",),
    ),
    without(
        "P9", "a-used-nonce-is-no-matter", "services.validator.rules.chain",
        ('    if case.said("nonce-unused") is True and not case.excused:\n', "    if False:\n"),
        tests=("tests/unit/validator/test_security.py::test_p09_a_used_nonce_is_no_fault_of_the_intent_that_the_contract_keeps",),
    ),
    without(
        "P9", "a-timestamp-after-the-deadline", "services.validator.rules.signature",
        (" and payload.timestamp_ns > until:\n", " and payload.timestamp_ns < 0:\n"),
        tests=(f"{_STANDARDS}::test_p09_a_timestamp_of_ton_connect_may_be_the_deadline_and_no_later",),
    ),
    without(
        "P9", "asked-at-once-anyone-is-the-signer", "services.validator.rules.terms",
        ("        and message.signer_id == case.intent.user_account\n", ""),
        tests=("tests/unit/validator/test_wells.py::test_p10_what_a_rule_alone_refuses_is_refused_in_the_same_words",),
    ),
    without(
        "P9", "asked-at-once-any-proof-is-one", "services.validator.rules.signature",
        (" or not case.proven:\n", ":\n"),
        tests=("tests/unit/validator/test_wells.py::test_p10_what_a_rule_alone_refuses_is_refused_in_the_same_words",),
    ),
    without(
        "P9", "read-quickly-keys-may-come-twice", "services.validator.usual",
        (""" or text.count('"') != 2 * (2 * len(value) + 1 + texts)""", ""),
        tests=("tests/property/test_usual_message.py::test_p09_a_key_that_came_twice_is_left_to_the_exact_reader",),
    ),
    without(
        "P9", "read-quickly-a-number-begins-with-its-literal", "services.validator.usual",
        (r"([^\s,}]+)", r"([\d.]+)"),
        tests=("tests/property/test_usual_message.py::test_p09_a_number_counts_by_its_literal",),
    ),
    without(
        "P9", "client-data-read-quickly-may-say-it-twice", "services.validator.standards.webauthn",
        ("""        and text.count('"') == 2 * (len(kinds) + texts)\n""", ""),
        tests=(f"{_STANDARDS}::test_p09_client_data_is_read_as_the_contract_reads_it",),
    ),
)  # fmt: skip
