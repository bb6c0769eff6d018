"""Access keys: a lease with a fence, and nonces that are handed out once.

One document a key, whose `_id` is chain, account and public key. Every change compares the document's revision, so of
two who come at once one is told how it stands. The fence grows with every holder.

What keeps two holders from one nonce is not the lease's end, which is a matter of clocks: a nonce is reserved here,
under the fence, before anything is signed with it, and the mark up to which nonces were reserved only grows. Whoever
held the key before may still have some of its own and can harm nobody with them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import Final, TypeVar

from services.common.domain.keys import KeyAnswer, KeyRef, KeyState, NonceRequest, Nonces, PoolKey
from services.common.errors import IntentError, Reason
from services.common.observe import logs
from services.store.model import joined
from services.store.ports import Document, Keep, Kept, Program

logger = logging.getLogger(__name__)

KIND: Final = "keys"
ROUNDS: Final = 32
"""Looks again where others were faster; each time one of them got something done."""
UNREADABLE: Final = "unreadable"
"""Told as the holder of a key whose document somebody broke; a person has to repair it."""
_HIGHEST: Final = (1 << 63) - 1

R = TypeVar("R", KeyRef, NonceRequest)
A = TypeVar("A")


def key_id(key: PoolKey) -> str:
    """`_id` of its document."""
    return joined(key.chain_id, key.account_id, key.public_key)


def leasing(
    keys: Sequence[PoolKey], *, holder: str, session: str, until: datetime, now: datetime, reclaim: bool
) -> Program[KeyAnswer]:
    """The first of these that is this session's already, else (`reclaim`) this holder's, else nobody's.

    A repeat of the same session gets the same lease, renewed, under the same fence.
    """
    for _ in range(ROUNDS):
        found: dict[str, Document] = yield Kept(KIND, [key_id(key) for key in keys])
        standing = [_read(key, found.get(key_id(key))) for key in keys]
        states = tuple(one.state for one in standing)
        chosen = _choose(standing, holder, session, now, reclaim)
        if chosen is None:
            return KeyAnswer(lease=None, states=states)
        fence = chosen.state.fence + (0 if chosen.session == session else 1)
        after = {**chosen.document, "holder": holder, "session": session, "expiresAt": until, "fence": fence}
        written: Sequence[bool] = yield Keep(KIND, [after])
        if written[0]:
            return KeyAnswer(lease=_read(chosen.state.key, after).state, states=states)
    raise _busy()


def _choose(
    standing: Sequence["_Standing"], holder: str, session: str, now: datetime, reclaim: bool
) -> "_Standing | None":
    free: list[_Standing] = []
    ours: list[_Standing] = []
    for one in standing:
        if one.broken:
            continue
        if one.session == session:
            return one
        ends = one.state.expires_at
        if reclaim and one.state.holder == holder:
            ours.append(one)
        elif ends is None or ends <= now:
            free.append(one)
    return next(iter((*ours, *free)), None)


def renewing_keys(refs: Sequence[KeyRef], until: datetime) -> Program[list[bool]]:
    """True where still held, also if the lease had run out and nobody came."""

    def judge(ref: KeyRef, one: _Standing) -> tuple[bool, Document | None]:
        if not one.held_under(ref.fence):
            return False, None
        return True, {**one.document, "expiresAt": until}

    return (yield from _settled(refs, judge, False))


def releasing_keys(refs: Sequence[KeyRef]) -> Program[list[bool]]:
    """True where given back, now or before."""

    def judge(ref: KeyRef, one: _Standing) -> tuple[bool, Document | None]:
        if not one.held_under(ref.fence):
            return not one.state.holder and one.state.fence == ref.fence, None
        return True, {**one.document, "holder": "", "session": "", "expiresAt": None}

    return (yield from _settled(refs, judge, False))


def reserving(requests: Sequence[NonceRequest]) -> Program[list[Nonces | None]]:
    """Nonces nobody was given before; None where another holds the key, or nobody."""

    def judge(asked: NonceRequest, one: _Standing) -> tuple[Nonces | None, Document | None]:
        if not one.held_under(asked.fence):
            return None, None
        first = max(one.state.nonce, asked.above) + 1
        last = first + asked.count - 1
        if last > _HIGHEST:
            raise IntentError(Reason.INVALID_FIELD, "above: no nonce is left above it.")
        return Nonces(first=first, last=last), {**one.document, "nonce": last}

    return (yield from _settled(requests, judge, None))


def _settled(
    asked: Sequence[R], judge: Callable[[R, "_Standing"], tuple[A, Document | None]], lost: A
) -> Program[list[A]]:
    """What `judge` says of each as it stands, once its change, if it brings one, is written."""
    answers: list[A] = [lost] * len(asked)
    pending = list(range(len(asked)))
    for _ in range(ROUNDS + len(asked)):
        found: dict[str, Document] = yield Kept(KIND, [key_id(asked[one].key) for one in pending])
        tried: list[tuple[int, A, Document]] = []
        later: list[int] = []
        taken: set[PoolKey] = set()
        for index in pending:
            key = asked[index].key
            if key in taken:
                # two of one key: each by what stands after the one before it
                later.append(index)
                continue
            one = _read(key, found.get(key_id(key)))
            if one.broken:
                continue
            answer, after = judge(asked[index], one)
            if after is None:
                answers[index] = answer
            else:
                taken.add(key)
                tried.append((index, answer, after))
        if tried:
            written: Sequence[bool] = yield Keep(KIND, [after for _, _, after in tried])
            for (index, answer, _), done in zip(tried, written, strict=True):
                if done:
                    answers[index] = answer
                else:
                    later.append(index)
        if not later:
            return answers
        pending = sorted(later)
    raise _busy()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """`session` None where nobody holds it. `broken`: its nonces are not known, nobody is given it."""

    state: KeyState
    document: Document
    session: str | None = None
    broken: bool = False

    def held_under(self, fence: int) -> bool:
        return bool(self.state.holder) and self.state.fence == fence


def _read(key: PoolKey, document: Document | None) -> _Standing:
    if document is None:
        return _Standing(state=KeyState(key=key), document=_new(key))
    holder, session, ends = (document.get(name) for name in ("holder", "session", "expiresAt"))
    fence, nonce, revision = (document.get(name) for name in ("fence", "nonce", "revision"))
    if not (
        isinstance(holder, str)
        and isinstance(session, str)
        and isinstance(fence, int)
        and isinstance(nonce, int)
        and isinstance(revision, int)
        and isinstance(ends, datetime if holder else NoneType)
    ):
        logs.event(logger, logging.ERROR, "store.unreadable_key", key=key.public_key)
        return _Standing(state=KeyState(key=key, holder=UNREADABLE), document=document, broken=True)
    return _Standing(
        state=KeyState(key=key, fence=fence, holder=holder, expires_at=ends, nonce=nonce),
        document=document,
        session=session if holder else None,
    )


def _new(key: PoolKey) -> Document:
    return {
        "_id": key_id(key), "revision": 0, "chainId": key.chain_id, "accountId": key.account_id,
        "publicKey": key.public_key, "holder": "", "session": "", "fence": 0, "expiresAt": None, "nonce": 0,
    }  # fmt: skip


def _busy() -> IntentError:
    return IntentError(Reason.OVERLOADED, "Too many ask for these keys at once; ask again.", retry_after=0.5)
