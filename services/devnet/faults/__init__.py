"""Faults a test asks the node for. They live in memory: a restart forgets all but those of `SCENARIO_FILE`.

`kinds.py` is the table of what there is, `rules.py` one fault with its bounds, `registry.py` holds those in force
and decides when one strikes, `numbers.py` is the short form of `devnet_faults`, `scenario.py` reads a file of rules.
"""

from services.devnet.faults.kinds import KINDS
from services.devnet.faults.registry import Faults
from services.devnet.faults.rules import Occasion, Rule, read_rule
from services.devnet.faults.scenario import ScenarioError, load_scenario

__all__ = ["KINDS", "Faults", "Occasion", "Rule", "ScenarioError", "load_scenario", "read_rule"]
