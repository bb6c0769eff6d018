"""keygen, sign: what needs no server, or only its GetInfo."""

import argparse
import json
from pathlib import Path

from intents_client import Account, Keypair, SigningInfo
from services.cli import exits, options, output
from services.cli.exits import Failure


def add(commands: options.Commands) -> None:
    """keygen and sign."""
    keygen = options.add_command(commands, "keygen", help="make a key and its account")
    keygen.add_argument(
        "--out", type=Path, default=Path("intents-key.json"), help="file to write (default intents-key.json)"
    )
    keygen.add_argument(
        "--account", help="a named account this key is registered for (default: the key's own)"
    )
    options.add_json(keygen)
    keygen.set_defaults(run=run_keygen)

    sign = options.add_command(commands, "sign", help="sign an intent and print the body to submit")
    options.add_intent(sign)
    options.add_signing(sign)
    sign.add_argument("--network", help="network to sign for (default: ask the edge)")
    sign.add_argument("--verifier", help="contract to sign for (default: ask the edge)")
    options.add_common(sign)
    sign.set_defaults(run=run_sign)


async def run_keygen(args: argparse.Namespace) -> int:
    """Writes the file; shows everything but the secret."""
    pair = Keypair.generate()
    account = Account(account_id=args.account or pair.implicit_account, keypair=pair)
    try:
        account.save(args.out)
    except FileExistsError:
        raise Failure(
            exits.USAGE, f"{args.out} exists, and keys are never overwritten: choose another file with --out"
        ) from None
    except OSError as error:
        raise Failure(exits.USAGE, f"{args.out} cannot be written: {error.strerror}") from None
    shown = {"account_id": account.account_id, "public_key": pair.public_key, "file": str(args.out)}
    if args.json:
        output.emit_json(shown)
    else:
        output.pairs(shown)
    return exits.OK


async def run_sign(args: argparse.Namespace) -> int:
    """The body goes to standard output, ready for `intents submit -`."""
    body = options.body_of(args)
    if body.get("signed_data") is not None:
        raise Failure(
            exits.USAGE, f"{args.file} is signed already; submit it with `intents submit {args.file}`"
        )
    options.account_of(args)
    if args.network and args.verifier:
        info = SigningInfo(network=args.network, verifying_contract=args.verifier)
    else:
        async with options.client_of(args) as client:
            told = await client.info()
        info = SigningInfo(
            network=args.network or told.network, verifying_contract=args.verifier or told.verifying_contract
        )
    print(json.dumps(options.signed(args, body, info), indent=None if args.json else 2))
    return exits.OK
