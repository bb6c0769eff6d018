"""Stage 1 of a message: is it of a size and shape that is read here, and do its intents say something?"""

from typing import Final

from services.common.errors import Reason
from services.validator.messages import model
from services.validator.messages.fields import PAYLOAD
from services.validator.messages.gas import first_beyond, gas_of
from services.validator.messages.model import TGAS
from services.validator.messages.rules.faults import INTENT, intents_of, payload_of, readable, summary
from services.validator.model import Case
from services.validator.rules.rule import Kind, Rule, rule

_JSON_MEND: Final = "Sign a message in plain JSON, as near/intents' SDKs build it."

size: Final = readable(
    "message-size",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    PAYLOAD,
    asks="The message is at most MAX_SIGNED_BYTES, webauthn's client data at most 16384 bytes; longer is not read.",
    mend="Sign a shorter message, or several.",
)
depth: Final = readable(
    "message-depth",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    PAYLOAD,
    asks="The message nests no deeper than 32; the contract reads 127.",
    mend=_JSON_MEND,
)
keys: Final = readable(
    "message-keys",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    PAYLOAD,
    asks="No object in the message has a key twice; of some the contract takes the last.",
    mend="Name each key once: what two readers read differently, a user has not agreed to.",
)
digits: Final = readable(
    "message-numbers",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    PAYLOAD,
    asks="No JSON number in the message has more than 64 digits.",
    mend="Send amounts as strings; no field takes such a number.",
)
count: Final = readable(
    "intents-count",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    f"{PAYLOAD}.intents",
    asks="The message holds at most MAX_SIGNED_INTENTS intents, none at all also being a message.",
    mend="Sign several messages.",
)
entries: Final = readable(
    "tokens-count",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    (f"{INTENT}.diff", f"{INTENT}.tokens", f"{INTENT}.token_ids", f"{INTENT}.amounts"),
    asks="The message names at most MAX_SIGNED_TOKENS amounts of tokens, over all its intents.",
    mend="Sign several messages.",
)
by_name: Final = readable(
    "objects-by-name",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    (
        INTENT,
        f"{INTENT}.intent",
        f"{INTENT}.state_init.V1",
    ),
    asks="Intents are objects, their kind is named; the contract also reads lists, and kinds by number.",
    mend="Write each intent as an object with its fields by name.",
)
notification: Final = readable(
    "notification-readable",
    Kind.POLICY,
    Reason.INVALID_MESSAGE,
    tuple(f"{INTENT}.{name}" for name in ("msg", "state_init", "state_init.V1", "min_gas")),
    asks="A notification can be read: the contract moves the tokens and passes over one that it cannot.",
    mend="Give msg as a string, min_gas as a number of gas, and state_init in its form; or none of the three.",
)


@rule(
    "account-allowed",
    Kind.POLICY,
    Reason.ACCOUNT_NOT_ALLOWED,
    f"{PAYLOAD}.signer_id",
    asks="The signer is let in by the lists of accounts (ALLOWED_ACCOUNTS, DENIED_ACCOUNTS and the registry's).",
    mend="Ask whoever runs this installation.",
    reads=(),
    seen=lambda case: None if (payload := payload_of(case)) is None else payload.signer_id,
)
def account_allowed(case: Case) -> None:
    payload = payload_of(case)
    if payload is not None and not case.book.registry.lets_account(payload.signer_id):
        case.add(
            f"{PAYLOAD}.signer_id", Reason.ACCOUNT_NOT_ALLOWED, f"{payload.signer_id} is not let in here"
        )


@rule(
    "tokens-named",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    (f"{INTENT}.diff", f"{INTENT}.tokens", f"{INTENT}.token_ids"),
    asks="A token_diff, transfer, mt_withdraw, imt_mint or imt_burn names at least one token.",
    mend="Name the tokens it is about, or leave the intent out.",
    reads=(),
    seen=summary,
)
def tokens_named(case: Case) -> None:
    for where, intent in intents_of(case):
        match intent:
            case model.TokenDiff(diff=named):
                name = "diff"
            case model.Transfer(tokens=named) | model.ImtMint(tokens=named) | model.ImtBurn(tokens=named):
                name = "tokens"
            case model.MtWithdraw(token_ids=named):
                name = "token_ids"
            case _:
                continue
        if not named:
            case.add(f"{where}.{name}", Reason.INVALID_MESSAGE, f"{where}.{name} names no token")


@rule(
    "amounts-paired",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{INTENT}.amounts",
    asks="An mt_withdraw has an amount for each of its token_ids.",
    mend="Make both lists of one length.",
    reads=(),
    seen=summary,
)
def amounts_paired(case: Case) -> None:
    for where, intent in intents_of(case):
        if isinstance(intent, model.MtWithdraw) and len(intent.token_ids) != len(intent.amounts):
            case.add(
                f"{where}.amounts",
                Reason.INVALID_MESSAGE,
                f"{where}.amounts holds {len(intent.amounts)} amounts for {len(intent.token_ids)} token_ids",
            )


@rule(
    "transfer-to-another",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{INTENT}.receiver_id",
    asks="A transfer goes to another account than the signer's.",
    mend="Name who is to receive it.",
    reads=(),
    seen=summary,
)
def transfer_to_another(case: Case) -> None:
    for where, intent in intents_of(case):
        if isinstance(intent, model.Transfer) and intent.receiver_id == case.intent.user_account:
            field = f"{where}.receiver_id"
            case.add(field, Reason.INVALID_MESSAGE, f"{field} is the signer, {intent.receiver_id}")


def _gas(case: Case) -> str | None:
    payload = payload_of(case)
    return None if payload is None else f"{sum(map(gas_of, payload.intents)) / TGAS:g} TGas set aside"


@rule(
    "gas-within-limit",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    INTENT,
    asks="The calls that the intents make need no more gas, min_gas counted, than a transaction may hold "
    "(MAX_SIGNED_TGAS).",
    mend="Lower min_gas, or sign several messages.",
    reads=(),
    seen=_gas,
)
def gas_within_limit(case: Case) -> None:
    payload, most = payload_of(case), case.book.messages.max_gas
    beyond = first_beyond(payload.intents, most) if payload is not None else None
    if beyond is not None:
        where = f"{PAYLOAD}.intents[{beyond}]"
        case.add(
            where,
            Reason.INVALID_MESSAGE,
            f"{where} is the one with which calls need more than {most // TGAS} TGas",
        )


RULES: Final[tuple[Rule, ...]] = (
    size, depth, keys, digits, count, entries, by_name, notification, account_allowed, tokens_named, amounts_paired,
    transfer_to_another, gas_within_limit,
)  # fmt: skip
