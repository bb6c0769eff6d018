"""Following the chain without each of its protections."""

from tests.mutants.mutant import Mutant, without

_UNIT = "tests/unit/processor/test_observer.py"
_CHAIN = "tests/contract/test_chain_following.py"
_PLACES = "tests/contract/test_store_places.py"
_LOOKED = f"{_UNIT}::test_p13_where_blocks_cannot_tell_all_that_is_open_is_looked_at"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P13",
        "the-place-moves-on-before-what-changed-is-handled",
        "services.processor.observer",
        ("            await self._handle(found.changes)\n", ""),
        (
            "                self._at = found.upto\n",
            "                self._at = found.upto\n                await self._handle(found.changes)\n",
        ),
        tests=(f"{_UNIT}::test_p13_what_could_not_be_handled_is_handled_again",),
    ),
    without(
        "P13",
        "what-is-not-final-is-followed",
        "services.common.chain.near.following",
        (
            "final = await self._node.final_block()",
            'final = await self._node._block({"finality": "optimistic"})',
        ),
        tests=(f"{_CHAIN}::test_what_is_not_final_is_not_told_and_if_it_vanishes_never",),
    ),
    without(
        "P13",
        "blocks-a-node-lost-are-taken-for-skipped-heights",
        "services.common.chain.near.following",
        ("if height > last + 1:", "if False:"),
        tests=(f"{_CHAIN}::test_a_gap_that_is_no_skipped_height_is_missing",),
    ),
    without(
        "P13",
        "what-a-node-cannot-name-is-passed-over",
        "services.common.chain.near.following",
        ("unnamed = unnamed or not events", "pass"),
        tests=(f"{_CHAIN}::test_a_node_that_cannot_say_what_changed_says_that_something_did",),
    ),
    without(
        "P13",
        "a-change-of-anything-wakes-nobody",
        "services.processor.observer",
        ("if any(change.intent_id is None for change in changes):", "if False:"),
        tests=(f"{_LOOKED}[unnamed]",),
    ),
    without(
        "P13",
        "lost-blocks-are-jumped-over-without-a-look",
        "services.processor.observer",
        ("        await self._look(cause)\n", ""),
        tests=(f"{_LOOKED}[missing]", f"{_LOOKED}[behind]", f"{_LOOKED}[first]"),
    ),
    without(
        "P13",
        "what-is-under-a-lease-as-it-changes-is-not-waited-for",
        "services.processor.observer",
        ("if not busy or tries * AGAIN >= BUSY:", "if True:"),
        tests=(f"{_UNIT}::test_p13_what_is_under_a_lease_as_it_changes_is_woken_when_it_rests",),
    ),
    without(
        "P13",
        "a-followers-place-goes-back",
        "services.store.places",
        (
            'if place is not None and (not before["hash"] or place.height > before["height"]):',
            "if place is not None:",
        ),
        tests=(f"{_PLACES}::test_p13_a_place_never_goes_back[sqlite]",),
    ),
)
