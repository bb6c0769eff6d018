"""What a signed message must meet to be acted on, in the order of near/intents."""

from services.devnet.contracts import plain, signed
from services.devnet.contracts.ledger import key_belongs, nonce_is_used, salt_is_valid
from services.devnet.contracts.native import load
from services.devnet.contracts.port import Host, Panic
from services.devnet.contracts.signed import Signed


def admit(host: Host, message: Signed, intent: plain.Plain) -> int:
    """All but the nonce -> the deadline, Unix ns. Raises Panic with the first fault."""
    if message.recipient != host.account_id:
        raise Panic("the message names another contract")
    if message.network != load(host, "config")["network"]:
        raise Panic("the message is for another network")
    deadline = plain.instant(message.deadline, "message deadline")
    if deadline <= host.timestamp:
        raise Panic("deadline has expired")
    if message.inner_deadline is not None and message.inner_deadline != deadline:
        raise Panic("deadline: the intent's and the message's differ")
    said = message.intent
    if isinstance(said, Panic) or not intent.same_as(said) or intent.deadline != said.deadline:
        raise Panic("the intent is not the one that was signed")
    if message.signer_id != intent.user_account:
        raise Panic("signer_id is not user_account")
    if not key_belongs(host, intent.user_account, message.key):
        raise Panic("public key doesn't exist for user_account")
    return deadline


def check_nonce(host: Host, message: Signed, deadline: int) -> None:
    """A versioned nonce keeps its own terms; each is used once. Raises Panic."""
    nonce = signed.versioned(message.nonce)
    if nonce is not None:
        if not salt_is_valid(host, nonce.salt.hex()):
            raise Panic("invalid salt")
        if deadline > nonce.deadline:
            raise Panic("deadline is later than the nonce's")
        if nonce.deadline <= host.timestamp:
            raise Panic("nonce has expired")
    if nonce_is_used(host, message.signer_id, message.nonce):
        raise Panic("nonce was already used")
