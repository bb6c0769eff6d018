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
