"""The validator's settings."""

from dataclasses import dataclass, replace
from pathlib import Path

from services.common.config import ServiceSettings, setting
from services.common.domain.outcomes import TokenInfo
from services.validator.ids import TOKEN_STANDARDS
from services.validator.messages.config import MessageSettings
from services.validator.model import VIEWS, RuleBook
from services.validator.registry import (
    DEFAULT_TOKENS,
    MAX_DECIMALS,
    Registry,
    RegistryError,
    account_names,
    token_names,
)

_TOKENS = tuple(f"{token.id}/{token.symbol}/{token.decimals}" for token in DEFAULT_TOKENS)


@dataclass(frozen=True, kw_only=True)
class RuleSettings(MessageSettings):
    """What decides a verdict; the embedded shape takes the same."""

    network: str = setting("localnet", help="chain_id that a signed message must name")
    verifier_id: str = setting("verifier.near", help="Account of the Verifier contract")
    actions: tuple[str, ...] = setting(("swap", "transfer"), help="Actions accepted, by comma")
    tokens: tuple[str, ...] = setting(
        _TOKENS,
        help="Tokens known by name, each id/symbol/decimals, by comma; without TOKEN_REGISTRY_FILE",
    )
    token_registry_file: Path | None = setting(
        None,
        help="File of the tokens in TOKENS's place, with limits, pairs and lists; read again when it changes",
    )
    token_registry_poll_ms: int = setting(
        1_000, unit="ms", minimum=100, maximum=3_600_000, help="Time between looks at that file"
    )
    unknown_tokens: tuple[str, ...] = setting(
        ("nep141",),
        choices=TOKEN_STANDARDS,
        help="Standards of which any well-formed token id is taken besides those known; empty: none",
    )
    allowed_tokens: tuple[str, ...] = setting((), help="The only tokens taken, by comma; empty: all")
    denied_tokens: tuple[str, ...] = setting((), help="Tokens never taken, by comma")
    allowed_accounts: tuple[str, ...] = setting((), help="The only users taken, by comma; empty: all")
    denied_accounts: tuple[str, ...] = setting((), help="Users never taken, by comma")
    max_intents_at_once: int = setting(
        4_096, unit="intents", minimum=1, help="Intents being judged at once before OVERLOADED is answered"
    )
    require_signature: bool = setting(True, help="Whether an intent without its user's signature is refused")
    max_lifetime_ms: int = setting(
        24 * 3600 * 1000, unit="ms", minimum=1_000, help="Furthest a deadline may lie ahead"
    )
    min_lifetime_ms: int = setting(
        0, unit="ms", minimum=0, maximum=86_400_000, help="Nearest a new intent's deadline may lie ahead"
    )
    clock_skew_ms: int = setting(
        0, unit="ms", minimum=0, maximum=3_600_000, help="Error of clients' clocks that both bounds grant"
    )
    prices_file: Path | None = setting(
        None, help="File of prices that least outputs are held against; read again when it changes"
    )
    prices_poll_ms: int = setting(
        1_000, unit="ms", minimum=100, maximum=3_600_000, help="Time between looks at that file"
    )
    price_max_age_ms: int = setting(
        60_000, unit="ms", minimum=1, maximum=86_400_000, help="Age at which a price counts no more"
    )
    price_margin_bps: int = setting(
        100, unit="bps", minimum=0, maximum=10_000, help="How far a least output may be off the prices"
    )
    check_balance: bool = setting(False, help="Whether the user must hold the input at the Verifier")
    check_registration: bool = setting(
        False, help="Whether the user must be registered with the contract of a fungible output token"
    )
    simulate: bool = setting(
        False, help="Whether the Verifier is asked to try each new signed message (simulate_intents)"
    )
    accept_without_views: tuple[str, ...] = setting(
        ("mt_balance_of", "storage_balance_of"),
        choices=tuple(name for name in VIEWS.values() if name != "current_salt"),
        help="Views whose absence holds up no new intent, the processor asking again; others answer unavailable",
    )
    default_lifetime: int = setting(
        3600, unit="s", minimum=1, help="Lifetime of an unsigned intent without a deadline"
    )

    def check(self) -> str | None:
        """What is wrong with the settings together, as one line."""
        if not self.actions:
            return "ACTIONS: at least one action is needed"
        if len(self.actions) > 16:
            return "ACTIONS: at most 16, they label metrics"
        if self.default_lifetime * 1000 > self.max_lifetime_ms:
            return "DEFAULT_LIFETIME: must not exceed MAX_LIFETIME_MS"
        if self.min_lifetime_ms >= self.max_lifetime_ms:
            return "MIN_LIFETIME_MS: must be less than MAX_LIFETIME_MS"
        try:
            self.rule_book()
        except RegistryError as error:
            return str(error)
        return None

    def rule_book(self) -> RuleBook:
        """The rules these settings make, TOKEN_REGISTRY_FILE left out. Raises RegistryError, which names a setting."""
        return RuleBook(
            network=self.network,
            verifying_contract=self.verifier_id,
            actions=self.actions,
            registry=self.bounded(self._tokens()),
            signature_required=self.require_signature,
            max_lifetime_ns=self.max_lifetime_ms * 10**6,
            min_lifetime_ns=self.min_lifetime_ms * 10**6,
            clock_skew_ns=self.clock_skew_ms * 10**6,
            price_max_age_ns=self.price_max_age_ms * 10**6,
            price_margin_bps=self.price_margin_bps,
            check_balance=self.check_balance,
            check_registration=self.check_registration,
            simulate=self.simulate,
            accept_without=frozenset(self.accept_without_views),
            default_lifetime_ns=self.default_lifetime * 10**9,
            messages=self.bounds(),
        )

    def bounded(self, registry: Registry) -> Registry:
        """`registry` under these settings: what they say of unknown tokens, their lists and its own together.
        Raises RegistryError."""
        return replace(
            registry,
            unknown=frozenset(self.unknown_tokens),
            allowed_tokens=registry.allowed_tokens | token_names(self.allowed_tokens, "ALLOWED_TOKENS"),
            denied_tokens=registry.denied_tokens | token_names(self.denied_tokens, "DENIED_TOKENS"),
            allowed_accounts=registry.allowed_accounts
            | account_names(self.allowed_accounts, "ALLOWED_ACCOUNTS"),
            denied_accounts=registry.denied_accounts | account_names(self.denied_accounts, "DENIED_ACCOUNTS"),
        )

    def _tokens(self) -> Registry:
        try:
            return Registry(tokens=tuple(map(_token, self.tokens)))
        except ValueError as error:
            raise RegistryError(f"TOKENS: {error}") from None


@dataclass(frozen=True, kw_only=True)
class ValidatorSettings(RuleSettings, ServiceSettings):
    """Everything `python -m services.validator` takes."""

    port: int = setting(50052, unit="port", minimum=0, maximum=65_535, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9452,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    max_message_bytes: int = setting(
        4 << 20,
        unit="bytes",
        minimum=1_024,
        maximum=1 << 28,
        help="Largest batch taken; answers may be 4 times it",
    )
    cache_target: str = setting("127.0.0.1:50053", help="Address of the cache, which answers chain views")
    cache_timeout_ms: int = setting(
        2_000,
        unit="ms",
        minimum=1,
        help="Longest wait for chain views before an item is answered as unavailable",
    )


def _token(text: str) -> TokenInfo:
    parts = text.split("/")
    well = len(parts) == 3 and all(parts) and parts[2].isdecimal() and len(parts[2]) < 3
    if not well or int(parts[2]) > MAX_DECIMALS:
        raise ValueError(f"{text!r} is not id/symbol/decimals, with decimals 0 to {MAX_DECIMALS}")
    return TokenInfo(id=parts[0], symbol=parts[1], decimals=int(parts[2]))
