"""The processor's settings."""

from dataclasses import dataclass
from pathlib import Path

from services.common.chain.near.connect import urls_problem
from services.common.config import ServiceSettings, setting
from services.processor.alert_settings import AlertSettings
from services.processor.solvers import fees_of

_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class WorkSettings(AlertSettings):
    """How it works; the embedded shape takes the same."""

    verifier_id: str = setting("verifier.near", help="Account of the Verifier contract")
    solvers: tuple[str, ...] = setting(
        ("solver.near",), help="Solvers by account, by comma; who of them is asked: docs/operations.md"
    )
    solver_fees: tuple[str, ...] = setting(
        (), help="Fees by solver as `account=basis points`, by comma; they count in the choice, nothing else"
    )
    solver_breaker_failures: int = setting(
        5, unit="failures", minimum=1, help="Failures of a solver in a row after which it is passed over"
    )
    solver_breaker_ms: int = setting(
        30_000, unit="ms", minimum=1, help="How long such a solver is passed over before one intent tries it"
    )
    solver_refresh_ms: int = setting(
        10_000,
        unit="ms",
        minimum=100,
        help="Time between looks at solverStats, where there are several solvers",
    )
    lease_ms: int = setting(
        30_000, unit="ms", minimum=300, maximum=86_400_000, help="Length of a claim; renewed at a third of it"
    )
    poll_ms: int = setting(
        1_000, unit="ms", minimum=10, help="Time between looks for due intents; new ones wake it at once"
    )
    claim_limit: int = setting(
        100, unit="intents", minimum=1, maximum=1_000, help="Intents claimed in one call"
    )
    max_in_flight: int = setting(
        512, unit="intents", minimum=1, maximum=10_000, help="Intents followed at the same time"
    )
    solve_attempts: int = setting(
        3, unit="attempts", minimum=1, help="Solves refused outright by final receipts before an intent fails"
    )
    funds_intents: int = setting(
        100,
        unit="intents",
        minimum=0,
        help="Submission pauses while the relayer's balance cannot pay for this many; 0: only when the chain refuses",
    )
    funds_every_ms: int = setting(
        30_000, unit="ms", minimum=100, help="Time between looks at the relayer's balance and the gas price"
    )
    tx_validity_blocks: int = setting(
        86_400, unit="blocks", minimum=1, help="Blocks for which the chain takes a transaction's block hash"
    )
    observe_every_ms: int = setting(
        1_000,
        unit="ms",
        minimum=10,
        help="Time between looks for new final blocks, to see what others do on chain",
    )
    observe_catch_up_blocks: int = setting(
        1_000,
        unit="blocks",
        minimum=1,
        help="Further behind, all open intents are looked at on chain in place of the blocks missed",
    )
    stuck_every_ms: int = setting(
        15_000, unit="ms", minimum=10, help="Time between looks for overdue intents, which are resolved"
    )
    stuck_after_ms: int = setting(
        60_000, unit="ms", minimum=0, help="How long an intent is overdue before it is looked at"
    )
    stuck_person_ms: int = setting(
        600_000,
        unit="ms",
        minimum=0,
        help="How long an intent is overdue before people are told, whatever is done",
    )
    processor_owner: str | None = setting(
        None,
        help="Name of this replica in its key's lease, the same after a restart; default: host name and PORT",
    )

    def check(self) -> str | None:
        """What is wrong with the settings together, as one line."""
        if not self.solvers:
            return "SOLVERS: at least one solver is needed"
        try:
            fees_of(self.solver_fees)
        except ValueError as error:
            return str(error)
        return None


@dataclass(frozen=True, kw_only=True)
class ProcessorSettings(WorkSettings, ServiceSettings):
    """Everything `python -m services.processor` takes."""

    port: int = setting(50056, unit="port", minimum=0, maximum=_PORT, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9456,
        unit="port",
        minimum=0,
        maximum=_PORT,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    max_message_bytes: int = setting(
        4 << 20,
        unit="bytes",
        minimum=1_024,
        maximum=1 << 28,
        help="Largest request taken; answers may be 4 times it",
    )
    admin_token: str | None = setting(
        None, secret=True, help="Token that operators' calls need; without one only loopback is admitted"
    )
    admin_token_file: Path | None = setting(None, help="File that holds ADMIN_TOKEN")
    store_target: str = setting("127.0.0.1:50054", help="Address of the store")
    validator_target: str = setting("127.0.0.1:50052", help="Address of the validator")
    chain_url: tuple[str, ...] = setting(
        ("http://127.0.0.1:3030",), help="NEAR JSON-RPC endpoints by comma, in order of trust",
    )  # fmt: skip
    chain_id: str | None = setting(
        None,
        help="chain_id of the nodes; one of another is never used. Default: that of the first that answers",
    )
    signer_key_file: Path | None = setting(
        None,
        help="NEAR credentials file {account_id, public_key, private_key}, or a list of such: the pool of keys",
    )
    signer_keys: tuple[str, ...] = setting(
        (),
        help="More of the pool, by comma: paths of such files, or env:NAME for a variable that holds the same",
    )
    signer_key_index: int | None = setting(
        None, unit="number", minimum=0,
        help="This key of the pool alone, counted from 0; default: whichever no other replica holds",
    )  # fmt: skip

    def check(self) -> str | None:
        """What is wrong with the settings together, as one line."""
        if self.signer_key_file is None and not self.signer_keys:
            return "SIGNER_KEY_FILE: is required, or SIGNER_KEYS"
        problem = urls_problem(self.chain_url)
        return super().check() or (f"CHAIN_URL: {problem}" if problem else None)
