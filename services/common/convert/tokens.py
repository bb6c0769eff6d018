"""Tokens of the registry."""

from intents.v1 import intent_service_pb2 as pb
from services.common.domain.outcomes import TokenInfo


def token_to_proto(token: TokenInfo) -> pb.TokenInfo:
    return pb.TokenInfo(
        id=token.id,
        symbol=token.symbol,
        decimals=token.decimals,
        min_amount="" if token.min_amount is None else str(token.min_amount),
        max_amount="" if token.max_amount is None else str(token.max_amount),
        pairs=token.pairs,
        paused=token.paused,
    )


def token_from_proto(message: pb.TokenInfo) -> TokenInfo:
    return TokenInfo(
        id=message.id,
        symbol=message.symbol,
        decimals=message.decimals,
        min_amount=int(message.min_amount) if message.min_amount else None,
        max_amount=int(message.max_amount) if message.max_amount else None,
        pairs=tuple(message.pairs),
        paused=message.paused,
    )
