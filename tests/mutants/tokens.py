"""Which tokens are taken, and how many at once, without each of their protections."""

from tests.mutants.mutant import Mutant, without

_WATCHED = "services.validator.adapters.watched"
_HOLDINGS = "tests/unit/validator/test_holdings.py"
_FILES = "tests/unit/validator/test_files.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "tokens",
        "a-bad-file-ends-the-watch",
        _WATCHED,
        ("        except FileRefusedError as error:\n            self._refuse(str(error))\n", ""),
        ("        except Exception as error:\n", "        except ZeroDivisionError as error:\n"),
        tests=(f"{_FILES}::test_a_bad_new_file_keeps_the_old_one_and_says_so_once[half written]",),
    ),
    without(
        "tokens",
        "a-young-file-is-trusted-by-its-time",
        _WATCHED,
        (" and self._clock.now_ns() - status.st_mtime_ns > UNSETTLED_NS", ""),
        tests=(f"{_FILES}::test_a_change_of_the_same_size_and_time_is_seen",),
    ),
    without(
        "tokens",
        "a-file-is-known-by-size-and-time-alone",
        _WATCHED,
        ("stamp = (status.st_dev, status.st_ino, status.st_size,", "stamp = (0, 0, status.st_size,"),
        tests=(f"{_FILES}::test_a_symlink_swapped_as_a_config_map_is_seen",),
    ),
    without(
        "tokens",
        "a-stale-price-is-a-price",
        "services.validator.rules.price",
        ("    if price.at_ns < case.now_ns - case.book.price_max_age_ns:\n", "    if False:\n"),
        tests=(
            "tests/unit/validator/test_prices.py::test_a_price_that_is_none_leaves_the_rules_not_applied[prices2-old]",
        ),
    ),
    without(
        "tokens",
        "an-absent-view-is-a-yes",
        "services.validator.service",
        (
            "                if case.stored or VIEWS[type(case.asked[rule])] not in case.book.accept_without:\n",
            "                if False:\n",
        ),
        tests=(f"{_HOLDINGS}::test_for_each_view_what_its_absence_means_is_a_choice[HasPublicKey]",),
    ),
    without(
        "tokens",
        "the-second-check-takes-an-absence",
        "services.validator.service",
        ("                if case.stored or VIEWS[", "                if VIEWS["),
        tests=(f"{_HOLDINGS}::test_for_each_view_what_its_absence_means_is_a_choice[BalanceOf]",),
    ),
    without(
        "P8",
        "a-repeat-needs-a-place",
        "services.edge.submit",
        ("        doubtful = doubtful | places.refused.keys()\n", ""),
        tests=("tests/unit/edge/test_in_flight.py::test_p08_a_repeat_is_answered_where_there_is_no_place",),
    ),
    without(
        "tokens",
        "an-edge-forgets-what-it-lets-through",
        "services.edge.limits.in_flight",
        ("                one.asked += 1\n", "                one.asked += 0\n"),
        (
            "                held.asked -= 1\n                held.created += index in self.stored\n",
            "                pass\n",
        ),
        tests=("tests/unit/edge/test_in_flight.py::test_of_many_at_once_one_edge_lets_no_more_through",),
    ),
    without(
        "tokens",
        "a-token-has-one-name-on-lists",
        "services.validator.ids",
        (
            "    return token[len(_NEP141) :] if token.startswith(_NEP141) and standard_of(token) else token\n",
            "    return token\n",
        ),
        tests=("tests/unit/validator/test_registry.py::test_lists_know_a_token_by_both_of_its_names",),
    ),
)
