"""Lists without each of their protections."""

from tests.mutants.mutant import Mutant, without

_LISTS = "tests/contract/test_store_lists.py"
_LITTLE = f"{_LISTS}::test_p10_a_list_that_finds_little_does_not_read_everything"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P10",
        "page-token-of-other-filters",
        "services.store.model",
        ("*(later if any(later) else ())", ""),
        tests=(f"{_LISTS}::test_p10_a_page_token_is_of_its_own_filters_only[sqlite-solver]",),
    ),
    without(
        "P10",
        "sqlite-list-looks-at-everything",
        "services.store.adapters.sqlite_page",
        ("most if walk.rest else limit]", "-1 if walk.rest else limit]"),
        tests=(f"{_LITTLE}[sqlite]",),
    ),
    without(
        "P10",
        "mongo-list-looks-at-everything",
        "services.store.adapters.mongo_page",
        ("    if walk.rest and not by_hash:\n", "    if False:\n"),
        tests=(f"{_LITTLE}[secantus]",),
    ),
    without(
        "P10",
        "earlier-file-is-not-filed",
        "services.store.adapters.sqlite_filing",
        ("connection.execute(sql, (PORTION,)).fetchall()", "[]"),
        tests=(f"{_LISTS}::test_a_file_of_an_earlier_version_is_filed_when_it_is_opened",),
    ),
)
