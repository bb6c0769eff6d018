"""Mutants of the contract's own checks of signatures, which the validator is held against."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

AGREE = "tests/differential/test_differential.py::test_p09_validator_and_contract_agree_about_every_message"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P9", "the-contract-takes-another-network", "services.devnet.contracts.admission",
        ('    if message.network != load(host, "config")["network"]:\n        raise Panic("the message is for another network")\n', ""),
        tests=(AGREE,),
    ),
    without(
        "P9", "the-contract-takes-any-address-of-ton", "services.devnet.contracts.ton",
        ("if len(raw) != 36 or raw[0] not in _TAGS or _crc16(raw) != 0:", "if len(raw) != 36 or raw[0] not in _TAGS:"),
        tests=("tests/unit/devnet/test_ton.py::test_p09_what_is_no_address_is_refused",),
    ),
    without(
        "P9", "a-simulation-forgets-nonces", "services.devnet.contracts.simulation",
        ("        return self._written[key] if key in self._written else self._host.read(key)\n", "        return self._host.read(key)\n"),
        tests=("tests/unit/devnet/test_simulation.py::test_messages_are_tried_one_after_the_other",),
    ),
    without(
        "P9", "a-simulation-while-paused", "services.devnet.contracts.verifier",
        ("    refuse_paused(host)\n    return simulate(", "    return simulate("),
        tests=("tests/unit/devnet/test_simulation.py::test_p09_a_trial_says_what_the_call_says",),
    ),
    without(
        "P9", "the-contract-takes-a-high-s", "services.devnet.crypto.weierstrass",
        ("0 < s <= curve.n // 2 and curve.has(key)", "0 < s < curve.n and curve.has(key)"),
        tests=("tests/unit/devnet/test_crypto.py::test_p09_nothing_else_holds[p256]",),
    ),
    without(
        "P9", "the-contract-takes-weak-keys", "services.devnet.crypto.curves",
        ("y % _FIELD not in _WEAK_Y and ", ""),
        tests=("tests/unit/devnet/test_crypto.py::test_p09_weak_ed25519_keys_sign_nothing",),
    ),
)  # fmt: skip
