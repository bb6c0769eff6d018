"""pytest plugin: applies the mutant named by MUTANT before any conftest or test module is imported."""

import os

import pytest

from tests.mutants.table import MUTANTS


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    name = os.environ.get("MUTANT")
    if name:
        mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
        mutant.apply()
