"""Mutants of the chain adapter: what a node's answers may not do, and endpoints that disagree."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

SEVERAL = "tests/unit/chain/test_several.py::"
ANSWERS = "tests/property/test_chain_answers.py::"
NEAR = "tests/unit/chain/test_near_chain.py::"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P4", "unknown-to-one-is-unknown-to-all", "services.common.chain.several.chain",
        ("        if found.state is TxState.PENDING and not wait_final:\n", "        if True:\n"),
        tests=(SEVERAL + "test_p04_unknown_to_one_is_not_unknown_to_all",),
    ),
    without(
        "P4", "unknown-proves-though-one-is-silent", "services.common.chain.several.second",
        ("    if len(said) < len(answers):\n", "    if False:\n"),
        tests=(SEVERAL + "test_p04_unknown_is_no_proof_while_one_has_not_answered",),
    ),
    without(
        "P4", "unknown-counts-to-the-highest-block", "services.common.chain.several.second",
        ("block_height=min([found.block_height,", "block_height=max([found.block_height,"),
        tests=(SEVERAL + "test_p04_unknown_to_all_is_so_up_to_the_block_that_all_have",),
    ),
    without(
        "P4", "one-endpoints-word-is-an-end", "services.common.chain.several.second",
        ("    if not states:\n        return TxOutcome(state=TxState.PENDING) if _may_answer(others) else found\n", "    if True:\n        return found\n"),
        tests=(SEVERAL + "test_p04_an_end_that_one_alone_tells_is_no_end",),
    ),
    without(
        "P4", "of-two-ends-the-first-counts", "services.common.chain.several.second",
        ("    return replace(one, block_height=0) == replace(other, block_height=0)\n", "    return True\n"),
        tests=(SEVERAL + "test_p04_two_ends_that_differ_are_none_until_two_tell_the_same",),
    ),
    without(
        "P4", "of-two-words-the-bolder-counts", "services.common.chain.several.second",
        ("    return one if _RANK.get(one.status, 3) <= _RANK", "    return one if _RANK.get(one.status, 3) > _RANK"),
        tests=(SEVERAL + "test_p04_of_two_words_about_an_intent_the_one_that_claims_less_counts",),
    ),
    without(
        "P4", "a-word-that-cannot-be-true-counts", "services.common.chain.several.second",
        ('    return {one.status, other.status} != {"completed", "failed"} and _body(one) == _body(other)\n', "    return True\n"),
        tests=(SEVERAL + "test_p04_two_words_that_cannot_both_be_true_are_an_error_until_two_agree",),
    ),
    without(
        "P4", "the-last-refusal-counts", "services.common.chain.several.chain",
        ("                break\n        return min(answers, key=lambda answer: _WEIGHT.index(answer.result))\n", "                break\n        return answers[-1]\n"),
        tests=(SEVERAL + "test_p04_bytes_are_refused_only_where_everybody_refuses_them",),
    ),
    without(
        "P4", "bytes-sent-again-go-to-one", "services.common.chain.several.chain",
        ("        if signed_bytes in self._sent:\n", "        if False:\n"),
        tests=(SEVERAL + "test_p04_what_one_alone_holds_without_an_end_goes_out_again_to_all",),
    ),
    without(
        "P2", "the-highest-nonce-counts", "services.common.chain.several.chain",
        ("replace(min(found, key=lambda key: key.nonce)", "replace(max(found, key=lambda key: key.nonce)"),
        tests=(SEVERAL + "test_a_nonce_is_used_and_a_key_gone_only_where_all_say_so",),
    ),
    without(
        "P4", "the-highest-block-wins", "services.common.chain.several.survey",
        ("    return found is not None and found.hash == low.final.hash\n", "    return True\n"),
        tests=(SEVERAL + "test_a_higher_block_without_evidence_counts_for_nothing",),
    ),
    without(
        "P2", "a-node-of-another-chain-is-asked", "services.common.chain.several.survey",
        ("        if found and found != network:\n", "        if False:\n"),
        tests=(SEVERAL + "test_a_node_of_another_chain_is_never_asked_and_named_in_one_line",),
    ),
    without(
        "P2", "a-node-of-a-chain-not-known-yet-is-asked", "services.common.chain.several.chain",
        (" if one.standing is rank and one.verified]\n", " if one.standing is rank]\n"),
        tests=(SEVERAL + "test_one_whose_chain_is_not_known_yet_is_asked_by_nobody_though_it_is_the_last",),
    ),
    without(
        "P4", "unknown-without-a-block-seen-before", "services.common.chain.near.chain",
        ("        if answer is TxState.UNKNOWN and not wait_final:\n", "        if False:\n"),
        tests=(NEAR + "test_p04_a_hash_that_is_unknown_is_so_up_to_a_final_block_seen_before",),
    ),
    without(
        "P4", "a-batch-of-views-at-any-blocks", "services.common.chain.near.chain",
        ("        at = await self._node.final_block() if len(asked) > 1 else None\n", "        at = None\n"),
        tests=(NEAR + "test_views_are_asked_at_a_final_block_and_answered_in_order",),
    ),
    without(
        "P4", "an-absent-contract-has-refused", "services.common.chain.near.errors",
        ("_ABSENT = (Advice.RETRY_LATER, Failure.NO_CONTRACT)\n", "_ABSENT = (Advice.FINAL, Failure.CONTRACT)\n"),
        tests=("tests/unit/chain/test_near_errors.py::test_p04_only_the_contracts_own_word_is_about_the_intent",),
    ),
    without(
        "P4", "any-failed-receipt-ends-an-intent", "services.processor.model",
        ("    return _kind_of(text) in NOT_THE_INTENTS or ", "    return "),
        tests=("tests/unit/processor/test_p04_unknown.py::test_p04_a_receipt_that_says_nothing_of_the_intent_does_not_end_it",),
    ),
    without(
        "P4", "receipts-of-another-transaction-count", "services.common.chain.near.outcome",
        ('    if first["id"] != tx_hash or said["hash"] != tx_hash:\n', "    if False:\n"),
        tests=(ANSWERS + "test_p04_a_failure_that_is_not_this_transactions_final_one_is_none",),
    ),
    without(
        "P4", "negative-gas-counts", "services.common.chain.near.outcome",
        ("    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:\n", "    if not isinstance(value, int):\n"),
        tests=(ANSWERS + "test_p04_a_failure_that_is_not_this_transactions_final_one_is_none",),
    ),
    without(
        "P4", "a-receipt-twice-counts-twice", "services.common.chain.near.outcome",
        ("    bodies = [outcome[\"outcome\"] for outcome in outcomes.values()]\n", "    bodies = [one[\"outcome\"] for one in [answer[\"transaction_outcome\"], *answer[\"receipts_outcome\"]]]\n"),
        tests=(ANSWERS + "test_receipts_in_any_order_and_twice_are_the_same_outcome",),
    ),
    without(
        "P4", "the-answer-to-another-question-counts", "services.common.chain.near.transport",
        ('        if not isinstance(answer, Mapping) or answer.get("id") not in (request_id, str(request_id)):\n', "        if not isinstance(answer, Mapping):\n"),
        tests=(ANSWERS + "test_p04_the_answer_to_another_question_is_none",),
    ),
    without(
        "P10", "an-answer-of-any-size-is-read", "services.common.chain.near.transport",
        ("        if size > MAX_ANSWER:\n", "        if size < 0:\n"),
        ("    if (response.content_length or 0) > MAX_ANSWER:\n", "    if False:\n"),
        tests=(ANSWERS + "test_p10_an_answer_is_bounded_before_it_is_read",),
    ),
    without(
        "P10", "what-a-contract-returns-is-not-looked-at", "services.common.chain.near.questions",
        ("    if not isinstance(returned, list):\n", "    if False:\n"),
        tests=(ANSWERS + "test_p10_a_contract_that_answers_nonsense_is_no_answer",),
    ),
    without(
        "P9", "any-key-file-signs", "services.common.chain.near.signer",
        ("            if state.st_mode & stat.S_IRWXO:\n", "            if False:\n"),
        tests=("tests/unit/chain/test_near_signing.py::test_p09_a_key_file_open_to_everybody_signs_nothing",),
    ),
    without(
        "P4", "low-balance-is-signed-over", "services.processor.service",
        ("            case Do.SIGN if self.funds.low:\n                return Pause(LONG_WAIT)\n", ""),
        tests=("tests/unit/processor/test_funds.py::test_p04_low_balance_pauses_submission_and_fails_nobody",),
    ),
    without(
        "P4", "a-refusal-for-money-pauses-nothing", "services.processor.lane",
        ("            self._low_balance(answer.detail)\n", "            pass\n"),
        tests=("tests/unit/processor/test_funds.py::test_p04_bytes_nobody_could_pay_for_go_out_again_and_nothing_new_is_signed_meanwhile",),
    ),
    without(
        "P13", "what-is-held-keeps-all-else-waiting", "services.common.chain.near.transport",
        ("self._held if timeout > DEFAULT_TIMEOUT else self._prompt", "self._held"),
        tests=("tests/unit/chain/test_transport.py::test_p13_answers_held_until_final_keep_no_broadcast_waiting",),
    ),
    without(
        "P4", "the-first-is-believed-where-the-second-is-silent", "services.common.chain.several.second",
        ("    return any(endpoint.standing is Standing.USABLE for endpoint in silent)\n", "    return False\n"),
        tests=(
            SEVERAL + "test_p04_an_end_waits_for_the_second_word_until_the_second_counts_as_away",
            SEVERAL + "test_p04_a_contracts_word_waits_for_the_second_until_it_counts_as_away",
        ),
    ),
    without(
        "P4", "a-survey-forgets-what-was-not-answered", "services.common.chain.several.survey",
        ("        endpoint.strikes = min(endpoint.strikes, STRIKES - 1)\n", "        endpoint.strikes = 0\n"),
        tests=(SEVERAL + "test_p04_an_end_waits_for_the_second_word_until_the_second_counts_as_away",),
    ),
    without(
        "P2", "a-key-is-sure-though-one-is-silent", "services.common.chain.several.chain",
        ("        sure = not self._left(others, more)\n", "        sure = True\n"),
        tests=(SEVERAL + "test_p02_a_key_proves_nothing_while_one_has_not_answered",),
    ),
    without(
        "P2", "a-nonce-that-not-all-call-used-is-proof", "services.processor.follow",
        ("        if not key.sure:\n", "        if False:\n"),
        tests=("tests/unit/processor/test_p02_evidence.py::test_p02_a_nonce_that_not_all_call_used_is_no_proof",),
    ),
    without(
        "P13", "a-survey-that-failed-is-the-last", "services.common.chain.several.chain",
        ("                except Exception as error:\n", "                except IntentError as error:\n"),
        tests=("tests/unit/chain/test_survey.py::test_p13_a_survey_that_failed_is_followed_by_the_next",),
    ),
)  # fmt: skip
