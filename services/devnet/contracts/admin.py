"""The Verifier's owners: roles, pause, upgrade, the solvers allowed, salts."""

from typing import Final

from services.devnet.contracts.native import (
    Args,
    Later,
    Method,
    account_arg,
    event,
    load,
    require_owner,
    save,
    text_arg,
)  # fmt: skip
from services.devnet.contracts.port import TGAS, Host, Panic
from services.devnet.node.keys import sha256

ROLES: Final = ("owner", "pauser")
MIGRATE_GAS: Final = 50 * TGAS


def init(host: Host, args: Args) -> None:
    """`{owner, network, solvers, balances}`; once, by the account itself. `network` is the chain's id."""
    if host.predecessor_id != host.account_id or host.read("config") is not None:
        raise Panic("already initialised")
    network, owner = text_arg(args, "network"), account_arg(args, "owner")
    save(host, "config", {"network": network, "paused": False})
    save(host, f"r|owner|{owner}", True)
    solvers, balances = args.get("solvers", []), args.get("balances", {})
    if not isinstance(solvers, list) or not isinstance(balances, dict):
        raise Panic("solvers: a list, balances: an object")
    for solver in solvers:
        save(host, f"s|{solver}", True)
    for account_id, tokens in balances.items():
        for token, units in tokens.items():
            save(host, f"b|{account_id}|{token}", units)
    salt = sha256(f"{host.account_id} {network}".encode())[:4].hex()
    save(host, "salt", salt)
    save(host, f"salt|{salt}", True)


def refuse_paused(host: Host) -> None:
    """Raises Panic while paused."""
    if load(host, "config")["paused"]:
        raise Panic("the contract is paused")


def _role(args: Args) -> str:
    role = text_arg(args, "role")
    if role not in ROLES:
        raise Panic(f"role: one of {', '.join(ROLES)}")
    return role


def grant_role(host: Host, args: Args) -> None:
    require_owner(host)
    account_id, role = account_arg(args), _role(args)
    save(host, f"r|{role}|{account_id}", True)
    event(host, "role_granted", {"account_id": account_id, "role": role})


def revoke_role(host: Host, args: Args) -> None:
    """An owner cannot give up its own ownership: there is always one."""
    require_owner(host)
    account_id, role = account_arg(args), _role(args)
    if role == "owner" and account_id == host.predecessor_id:
        raise Panic("an owner cannot revoke itself")
    host.remove(f"r|{role}|{account_id}")
    event(host, "role_revoked", {"account_id": account_id, "role": role})


def has_role(host: Host, args: Args) -> bool:
    return load(host, f"r|{_role(args)}|{account_arg(args)}") is not None


def _set_paused(host: Host, paused: bool) -> None:
    require_owner(host, "pauser")
    save(host, "config", {**load(host, "config"), "paused": paused})
    event(host, "paused" if paused else "unpaused", {"account_id": host.predecessor_id})


def pause(host: Host, args: Args) -> None:
    _set_paused(host, True)


def unpause(host: Host, args: Args) -> None:
    _set_paused(host, False)


def is_paused(host: Host, args: Args) -> bool:
    return bool(load(host, "config")["paused"])


def upgrade(host: Host, args: Args) -> Later:
    """`{code}`: other code takes this contract's place and migrates its state, both or neither. An owner only.

    Works while paused, and while intents are executing: their callbacks find the new code.
    """
    require_owner(host)
    code = text_arg(args, "code")
    event(host, "upgrade_begun", {"account_id": host.predecessor_id, "code": code})
    return Later(host.deploy(code, "migrate", b"{}", MIGRATE_GAS))


def contract_version(host: Host, args: Args) -> int:
    """Which layout the contract's state has."""
    return int(load(host, "config").get("version", 1))


def migrate(host: Host, args: Args) -> int:
    """The second version's: the state of the first becomes its own. Once, by the contract itself."""
    if host.predecessor_id != host.account_id:
        raise Panic("only this contract may migrate itself")
    config = load(host, "config")
    if config.get("version", 1) != 1:
        raise Panic("the state is migrated already")
    save(host, "config", {**config, "version": 2})
    event(host, "upgraded", {"version": 2})
    return 2


def fee(host: Host, args: Args) -> int:
    """Of near/intents, in pips: this Verifier takes none."""
    return 0


def add_solver(host: Host, args: Args) -> None:
    require_owner(host)
    solver = account_arg(args)
    save(host, f"s|{solver}", True)
    event(host, "solver_added", {"account_id": solver})


def remove_solver(host: Host, args: Args) -> None:
    require_owner(host)
    solver = account_arg(args)
    host.remove(f"s|{solver}")
    event(host, "solver_removed", {"account_id": solver})


def is_solver(host: Host, args: Args) -> bool:
    return load(host, f"s|{account_arg(args)}") is not None


def rotate_salt(host: Host, args: Args) -> str:
    """`{invalidate_current?}`; the salt before stays valid unless told otherwise. Returns the new one."""
    require_owner(host)
    before = load(host, "salt")
    salt = sha256(f"{host.account_id} {before} {host.block_height}".encode())[:4].hex()
    if args.get("invalidate_current") is True:
        host.remove(f"salt|{before}")
    save(host, "salt", salt)
    save(host, f"salt|{salt}", True)
    event(host, "salt_rotated", {"current": salt})
    return salt


ADMIN: Final[dict[str, Method]] = {
    "init": Method(init),
    "grant_role": Method(grant_role),
    "revoke_role": Method(revoke_role),
    "has_role": Method(has_role, view=True),
    "pause": Method(pause),
    "unpause": Method(unpause),
    "is_paused": Method(is_paused, view=True),
    "upgrade": Method(upgrade),
    "contract_version": Method(contract_version, view=True),
    "fee": Method(fee, view=True),
    "add_solver": Method(add_solver),
    "remove_solver": Method(remove_solver),
    "is_solver": Method(is_solver, view=True),
    "rotate_salt": Method(rotate_salt),
}
SECOND: Final[dict[str, Method]] = {"migrate": Method(migrate, gas=1_000_000_000_000)}
"""What the second version has besides: it is the same contract, with its version in its state, to rehearse on."""
