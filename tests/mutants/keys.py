"""The processor without each protection of its keys, and of what it signs anew upon."""

from tests.mutants.mutant import Mutant, without

_CONTRACT = "tests/contract/test_store_keys.py"
_UNIT = "tests/unit/processor/test_p02_keys.py"
_EVIDENCE = "tests/unit/processor/test_p02_evidence.py"
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
    without(
        "P2",
        "nonces-are-counted-from-the-chain",
        "services.processor.lane",
        (
            "            given = await self._keys.nonces(RESERVED, max(seen, self._floor))\n",
            "            given = await self._keys.nonces(RESERVED, max(seen, self._floor))\n"
            "            given = type(given)(first=seen + 1, last=seen + RESERVED)\n",
        ),
        tests=(f"{_UNIT}::test_p02_one_that_slept_over_the_loss_of_its_key_shares_no_nonce",),
    ),
    without(
        "P2",
        "a-key-is-taken-over-without-its-intents",
        "services.processor.worker",
        ("lease_ms=self.limits.lease_ms, reclaim=True", "lease_ms=self.limits.lease_ms, reclaim=False"),
        tests=(f"{_UNIT}::test_p02_what_the_holder_before_still_writes_is_refused",),
    ),
    without(
        "P2",
        "an-unrenewed-lease-signs",
        "services.processor.keys",
        (
            "        return self.held is not None and self._clock.monotonic() < self.held.good_until\n",
            "        return self.held is not None\n",
        ),
        tests=(f"{_UNIT}::test_p02_nothing_is_signed_under_a_lease_that_ran_out_unrenewed",),
    ),
    without(
        "P2",
        "a-lost-key-is-kept",
        "services.processor.keys",
        ('        if not ours:\n            raise KeyLost("another replica holds it now")\n', ""),
        (
            '        if given is None:\n            raise KeyLost("another replica holds it now")\n',
            "        given = given or Nonces(first=above + 1, last=above + count)\n",
        ),
        tests=(f"{_UNIT}::test_p02_who_lost_its_key_signs_nothing_more_with_it",),
    ),
    without(
        "P2",
        "an-old-view-decides",
        "services.processor.model",
        ("    if behind(record, seen):\n        return Decision(do=Do.WAIT)\n", ""),
        tests=(
            f"{_EVIDENCE}::test_p02_a_second_attempt_says_what_it_rests_on_and_no_lagging_view_is_enough",
        ),
    ),
    without(
        "P2",
        "a-contradicted-proof-stands",
        "services.processor.follow",
        (
            "first = passed if passed is None or first is None else first",
            "first = passed if first is None else first",
        ),
        tests=(f"{_EVIDENCE}::test_p02_what_a_later_look_contradicts_is_no_proof",),
    ),
    without(
        "P2",
        "a-key-is-gone-at-any-height",
        "services.processor.follow",
        ("            if height <= tx.block_height:\n                return None\n", ""),
        tests=(f"{_EVIDENCE}::test_p02_a_node_behind_the_signature_proves_no_key_gone[99]",),
    ),
    without(
        "P2",
        "a-block-hash-is-too-old-by-what-was-noted",
        "services.processor.follow",
        (
            "            if block is None or key.block_height > block.height + self.validity:\n",
            "            if block is None or block:\n",
        ),
        tests=(f"{_EVIDENCE}::test_p02_a_block_hash_is_too_old_by_its_block_not_by_what_was_noted",),
    ),
    without(
        "P2",
        "a-solve-the-contract-does-not-know-is-dead",
        "services.processor.follow",
        (
            "        if tx.purpose != VERIFY and seen.status not in OVER:\n",
            '        if tx.purpose != VERIFY and seen.status == "executing":\n',
        ),
        tests=(f"{_EVIDENCE}::test_p02_a_solve_is_not_dead_while_the_contract_may_be_at_work[None]",),
    ),
    without(
        "P2",
        "any-nonce-of-a-node-is-believed",
        "services.common.chain.near.chain",
        ("min((height + 1) * NONCES_A_BLOCK, _MAX_U64)", "_MAX_U64"),
        tests=(
            "tests/unit/chain/test_near_chain.py::test_p02_a_nonce_that_no_chain_can_have_reached_is_nonsense",
        ),
    ),
)
