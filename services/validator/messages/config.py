"""Settings of signed messages on their own."""

from dataclasses import dataclass

from services.common.config import setting
from services.validator.messages.fees import MAX_PIPS
from services.validator.messages.model import ALL_KINDS, MAINNET_KINDS, TGAS, Bounds


@dataclass(frozen=True, kw_only=True)
class MessageSettings:
    """What decides how much of a message is read, and what the contract can do."""

    intent_kinds: tuple[str, ...] = setting(
        MAINNET_KINDS,
        choices=ALL_KINDS,
        help="Kinds of intents that the contract has, by comma; its builds with the feature imt have all",
    )
    max_signed_bytes: int = setting(
        16_384, unit="bytes", minimum=1_024, maximum=1 << 20, help="Longest signed message on its own read"
    )
    max_signed_intents: int = setting(
        64, unit="intents", minimum=1, maximum=1_000, help="Most intents in one such message"
    )
    max_signed_tokens: int = setting(
        128, unit="amounts", minimum=1, maximum=10_000, help="Most amounts of tokens in one such message"
    )
    max_signed_tgas: int = setting(
        1_000,
        unit="TGas",
        minimum=1,
        maximum=100_000,
        help="Most gas that a transaction of the chain may hold",
    )
    protocol_fee_pips: int = setting(
        0,
        unit="pips",
        minimum=0,
        maximum=MAX_PIPS,
        help="What the contract takes of what a token_diff gives, as explanations show it; 1 pip is 0.0001 %%",
    )

    def bounds(self) -> Bounds:
        """As rules go by them."""
        return Bounds(
            max_bytes=self.max_signed_bytes,
            max_intents=self.max_signed_intents,
            max_tokens=self.max_signed_tokens,
            max_gas=self.max_signed_tgas * TGAS,
            kinds=frozenset(self.intent_kinds),
            fee_pips=self.protocol_fee_pips,
        )
