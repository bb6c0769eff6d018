"""The processor's keys without each of their protections."""

from tests.mutants.mutant import Mutant, without

_CONTRACT = "tests/contract/test_store_keys.py"
_PROPERTY = "tests/property/test_key_pool.py::TestPool::runTest"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P2",
        "a-keys-fence-is-not-checked",
        "services.store.keys",
        (
            "        return bool(self.state.holder) and self.state.fence == fence\n",
            "        return bool(self.state.holder)\n",
        ),
        tests=(f"{_CONTRACT}::test_p02_who_lost_a_key_is_given_no_nonce_of_it[sqlite]", _PROPERTY),
    ),
    without(
        "P2",
        "a-keys-nonces-begin-where-the-chain-is",
        "services.store.keys",
        ("        first = max(one.state.nonce, asked.above) + 1\n", "        first = asked.above + 1\n"),
        tests=(f"{_CONTRACT}::test_p02_a_nonce_is_given_once_whoever_holds_the_key[sqlite]", _PROPERTY),
    ),
    without(
        "P2",
        "a-key-taken-over-keeps-its-fence",
        "services.store.keys",
        (
            "fence = chosen.state.fence + (0 if chosen.session == session else 1)",
            "fence = max(chosen.state.fence, 1)",
        ),
        tests=(
            f"{_CONTRACT}::test_a_key_lasts_as_long_as_it_is_renewed_and_is_taken_over_after[sqlite]",
            _PROPERTY,
        ),
    ),
)
