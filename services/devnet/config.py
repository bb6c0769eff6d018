"""Settings of the node."""

from dataclasses import dataclass
from pathlib import Path

from services.common.config import ServiceSettings, setting
from services.devnet.node.keys import is_account_id


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """Embedded and alone alike; an empty STATE_FILE keeps the chain in memory only."""

    host: str = setting("127.0.0.1", help="Address the JSON-RPC port binds to")
    port: int = setting(
        3030, unit="port", minimum=0, maximum=65_535, help="JSON-RPC port; 0 takes a free one"
    )
    admin_port: int = setting(
        9457,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    state_file: Path | None = setting(
        Path("data/devnet.db"), help="SQLite file of the chain's state; empty keeps it in memory"
    )
    seed: str = setting("devnet", secret=True, help="Text the genesis keys are derived from")
    genesis_file: Path | None = setting(
        None, help="JSON {accounts: [{account_id, balance, keys}], rates, balances} added to genesis"
    )
    chain_id: str = setting("localnet", help="The network's name, which signed intents repeat")
    verifier_account: str = setting("verifier.near", help="Account of the Verifier contract")
    solver_accounts: tuple[str, ...] = setting(
        ("solver.near",), help="Accounts of Solver contracts, all on the Verifier's list"
    )
    owner_account: str = setting("owner.near", help="Account that owns the contracts")
    relayer_account: str = setting("relayer.near", help="Account of the processors")
    relayer_keys: int = setting(
        8, unit="keys", minimum=1, maximum=1_000, help="Access keys of the relayer, one a processor"
    )
    block_time_ms: int = setting(
        100, unit="ms", minimum=0, maximum=60_000, help="Pace of blocks; 0 makes them by devnet_advance only"
    )
    finality_lag: int = setting(
        2, unit="blocks", minimum=0, maximum=50, help="How far the final block is behind the newest"
    )
    tx_validity_blocks: int = setting(
        36_000,
        unit="blocks",
        minimum=1,
        maximum=1_000_000,
        help="Age at which a block hash is too old to send with",
    )
    gas_price: int = setting(
        100_000_000, unit="yoctoNEAR", minimum=1, maximum=10**12, help="Price of one gas"
    )
    rpc_timeout_ms: int = setting(
        10_000, unit="ms", minimum=1, maximum=600_000, help="Wait for a transaction before TIMEOUT_ERROR"
    )
    max_body_bytes: int = setting(
        2 << 20, unit="bytes", minimum=1_024, maximum=64 << 20, help="Largest JSON-RPC request taken"
    )
    scenario_file: Path | None = setting(
        None, help="JSON or YAML {faults: [rule, …]}: faults in force from the start (docs/devnet.md)"
    )
    devnet_control: bool = setting(
        True, help="Whether the devnet_* methods are there: counts, faults, blocks by hand"
    )

    def check(self) -> str | None:
        """What does not fit together, None if all does."""
        named = (self.verifier_account, self.owner_account, self.relayer_account, *self.solver_accounts)
        for account_id in named:
            if not is_account_id(account_id):
                return f"{account_id!r} is not an account id"
        if len(set(named)) != len(named):
            return "VERIFIER_ACCOUNT, SOLVER_ACCOUNTS, OWNER_ACCOUNT and RELAYER_ACCOUNT must be different accounts"
        return None if self.solver_accounts else "SOLVER_ACCOUNTS: at least one is needed"
