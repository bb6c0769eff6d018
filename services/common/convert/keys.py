"""Access keys of a pool, and their nonces."""

from intents.store.v1 import store_service_pb2 as pb
from services.common.convert.times import moment, timestamp
from services.common.domain.keys import KeyAnswer, KeyRef, KeyState, NonceRequest, Nonces, PoolKey


def pool_key_to_proto(key: PoolKey) -> pb.PoolKey:
    return pb.PoolKey(chain_id=key.chain_id, account_id=key.account_id, public_key=key.public_key)


def pool_key_from_proto(message: pb.PoolKey) -> PoolKey:
    return PoolKey(chain_id=message.chain_id, account_id=message.account_id, public_key=message.public_key)


def key_answer_to_proto(answer: KeyAnswer) -> pb.LeaseKeyResponse:
    lease = None if answer.lease is None else _state_to_proto(answer.lease)
    return pb.LeaseKeyResponse(lease=lease, states=[_state_to_proto(one) for one in answer.states])


def key_answer_from_proto(message: pb.LeaseKeyResponse) -> KeyAnswer:
    return KeyAnswer(
        lease=_state_from_proto(message.lease) if message.HasField("lease") else None,
        states=tuple(_state_from_proto(one) for one in message.states),
    )


def key_ref_to_proto(ref: KeyRef) -> pb.KeyRef:
    return pb.KeyRef(key=pool_key_to_proto(ref.key), fence=ref.fence)


def key_ref_from_proto(message: pb.KeyRef) -> KeyRef:
    return KeyRef(key=pool_key_from_proto(message.key), fence=message.fence)


def nonce_request_to_proto(asked: NonceRequest) -> pb.NonceRequest:
    key = pb.KeyRef(key=pool_key_to_proto(asked.key), fence=asked.fence)
    return pb.NonceRequest(key=key, count=asked.count, above=asked.above)


def nonce_request_from_proto(message: pb.NonceRequest) -> NonceRequest:
    ref = key_ref_from_proto(message.key)
    return NonceRequest(key=ref.key, fence=ref.fence, count=message.count, above=message.above)


def nonces_to_proto(nonces: Nonces | None) -> pb.NonceRange:
    return pb.NonceRange() if nonces is None else pb.NonceRange(first=nonces.first, last=nonces.last)


def nonces_from_proto(message: pb.NonceRange) -> Nonces | None:
    return Nonces(first=message.first, last=message.last) if message.first else None


def _state_to_proto(state: KeyState) -> pb.KeyState:
    return pb.KeyState(
        key=pool_key_to_proto(state.key),
        fence=state.fence,
        holder=state.holder,
        expires_at=None if state.expires_at is None else timestamp(state.expires_at),
        nonce=state.nonce,
    )


def _state_from_proto(message: pb.KeyState) -> KeyState:
    return KeyState(
        key=pool_key_from_proto(message.key),
        fence=message.fence,
        holder=message.holder,
        expires_at=moment(message.expires_at) if message.HasField("expires_at") else None,
        nonce=message.nonce,
    )
