"""Mutants of devnet's own protections: what tests of the processor rest on."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

RULES = "tests/rpc/test_devnet_fault_rules.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "devnet", "a-lost-transaction-comes", "services.devnet.rpc.transactions",
        ("            self._chain.check(tx)\n            return\n        rival", "            self._chain.check(tx)\n        rival"),
        tests=(f"{RULES}::test_a_lost_transaction_is_accepted_and_never_comes",),
    ),
    without(
        "devnet", "a-node-that-forgot-excuses-the-nonce", "services.devnet.rpc.transactions",
        ("                self._chain.check(tx)\n            return\n        if where", "                pass\n            return\n        if where"),
        tests=(f"{RULES}::test_a_forgotten_transaction_was_known_and_its_nonce_is_used",),
    ),
    without(
        "devnet", "a-held-receipt-runs-twice", "services.devnet.node.execute",
        ('                work.queue.append({**item, "held_until": work.moment.height + wait})\n                return\n',
         '                work.queue.append({**item, "held_until": work.moment.height + wait})\n'),
        tests=(f"{RULES}::test_a_receipt_waits_on_a_congested_shard",),
    ),
    without(
        "devnet", "a-failed-receipt-has-effects", "services.devnet.node.runtime",
        ('count_receipt(state, body["actions"], (), failed=True)', 'count_receipt(state, body["actions"], run.logs, failed=False)'),
        tests=("tests/unit/devnet/test_effects.py::test_a_call_that_changed_much_and_failed_has_no_effect",),
    ),
    without(
        "devnet", "a-reorg-reaches-below-final", "services.devnet.node.chain",
        ("if not 0 < depth <= self.not_final:", "if not 0 < depth < self.head.height:"),
        tests=("tests/unit/devnet/test_reorg.py::test_nothing_final_can_be_taken_back",),
    ),
    without(
        "devnet", "a-reorg-is-not-in-the-file", "services.devnet.node.storage",
        ("                self._change(back)\n", ""),
        tests=("tests/unit/devnet/test_reorg.py::test_final_never_changes_and_the_file_says_what_memory_says[1]",),
    ),
    without(
        "devnet", "a-reorg-keeps-outcomes", "services.devnet.node.chain",
        ("dict(kept)", "{}"),
        tests=("tests/unit/devnet/test_reorg.py::test_a_reorg_between_receipts_takes_back_only_what_is_after_it",),
    ),
    without(
        "devnet", "a-vanished-block-keeps-its-contents", "services.devnet.node.chain",
        ("        self.index.roll_back(fork)\n", ""),
        tests=("tests/rpc/test_devnet_following.py::test_a_follower_of_optimistic_blocks_sees_them_replaced",),
    ),
    without(
        "devnet", "a-callback-pays-twice", "services.devnet.node.host",
        ("        self.reserved += bought\n", "        self.reserved += gas\n"),
        tests=("tests/unit/devnet/test_gas.py::test_what_a_callback_did_not_need_comes_back_too",),
    ),
    without(
        "devnet", "storage-needs-no-balance", "services.devnet.node.runtime",
        ("            if lack:\n", "            if False:\n"),
        tests=("tests/unit/devnet/test_upgrade.py::test_an_account_that_cannot_pay_for_its_bytes_does_not_get_them",),
    ),
    without(
        "devnet", "anybody-migrates-the-contract", "services.devnet.contracts.admin",
        ('    if host.predecessor_id != host.account_id:\n        raise Panic("only this contract may migrate itself")\n', ""),
        tests=("tests/unit/devnet/test_upgrade.py::test_only_an_owner_upgrades_and_only_the_contract_migrates",),
    ),
    without(
        "devnet", "final-counts-heights-not-blocks", "services.devnet.node.chain",
        ("return self.back(head, self.rules.finality_lag).height", "return max(head - self.rules.finality_lag, self.earliest.height)"),
        tests=("tests/unit/devnet/test_reorg.py::test_final_never_changes_and_the_file_says_what_memory_says[1]",),
    ),
    without(
        "devnet", "a-rule-outlives-its-count", "services.devnet.faults.registry",
        ("            if rule.count == 0:\n                del self._rules[rule.id]\n", ""),
        tests=("tests/unit/devnet/test_faults.py::test_a_count_ends_it_and_then_it_is_gone",),
    ),
)  # fmt: skip
