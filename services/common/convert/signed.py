"""Signed data: the public message and the domain's."""

from intents.v1 import types_pb2 as types_pb
from services.common.convert.times import ns_stamp, stamp_ns
from services.common.domain.faults import Faults
from services.common.domain.intent import Nep413Payload, SignedData, TonConnectPayload, WebauthnAssertion
from services.common.domain.ton import address_parts


def signed_to_proto(signed: SignedData) -> types_pb.SignedData:
    """The message."""
    message = types_pb.SignedData(
        standard=signed.standard, public_key=signed.public_key, signature=signed.signature
    )
    match signed.payload:
        case Nep413Payload() as envelope:
            message.nep413.message = envelope.message
            message.nep413.nonce = envelope.nonce
            message.nep413.recipient = envelope.recipient
            if envelope.callback_url is not None:
                message.nep413.callback_url = envelope.callback_url
        case TonConnectPayload() as ton:
            message.ton_connect.address = ton.address
            message.ton_connect.domain = ton.domain
            message.ton_connect.timestamp.CopyFrom(ns_stamp(ton.timestamp_ns))
            message.ton_connect.text = ton.text
        case text:
            message.text = text
    if signed.webauthn is not None:
        message.webauthn.authenticator_data = signed.webauthn.authenticator_data
        message.webauthn.client_data_json = signed.webauthn.client_data_json
    return message


def signed_from_proto(message: types_pb.SignedData) -> SignedData:
    """Raises IntentError INVALID_FIELD for an address or instant of ton_connect that is none; the form that a standard
    needs is for the validator to ask."""
    payload: Nep413Payload | TonConnectPayload | str
    match message.WhichOneof("payload"):
        case "nep413":
            envelope = message.nep413
            payload = Nep413Payload(
                message=envelope.message,
                nonce=envelope.nonce,
                recipient=envelope.recipient,
                callback_url=envelope.callback_url if envelope.HasField("callback_url") else None,
            )
        case "ton_connect":
            payload = _ton(message.ton_connect)
        case _:
            payload = message.text
    webauthn = None
    if message.HasField("webauthn"):
        webauthn = WebauthnAssertion(
            authenticator_data=message.webauthn.authenticator_data,
            client_data_json=message.webauthn.client_data_json,
        )
    return SignedData(
        standard=message.standard,
        payload=payload,
        public_key=message.public_key,
        signature=message.signature,
        webauthn=webauthn,
    )


def _ton(message: types_pb.TonConnectPayload) -> TonConnectPayload:
    faults = Faults()
    try:
        address_parts(message.address)
    except ValueError as error:
        faults.add("signed_data.address", str(error))
    if not message.HasField("timestamp"):
        faults.add("signed_data.timestamp", "is missing")
    faults.check()
    return TonConnectPayload(
        address=message.address,
        domain=message.domain,
        timestamp_ns=stamp_ns(message.timestamp, "signed_data.timestamp"),
        text=message.text,
    )
