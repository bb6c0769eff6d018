"""The validator's settings: what they make, and what is refused."""

import pytest

from services.common.config import load
from services.validator.config import ValidatorSettings
from services.validator.messages.model import DEFAULT_BOUNDS, TGAS, Bounds
from services.validator.registry import DEFAULT_TOKENS


def settings(**env: str) -> ValidatorSettings:
    return load(ValidatorSettings, prog="validator", env=env, argv=[])


def test_defaults_are_the_workshops() -> None:
    book = settings().rule_book()
    assert book.registry.tokens == DEFAULT_TOKENS
    assert (book.network, book.verifying_contract, book.actions) == (
        "localnet",
        "verifier.near",
        ("swap", "transfer"),
    )
    assert book.signature_required
    assert (book.max_lifetime_ns, book.default_lifetime_ns) == (86_400 * 10**9, 3_600 * 10**9)


def test_settings_make_the_rule_book() -> None:
    book = settings(ACTIONS="stake", TOKENS="x.near/X/2", REQUIRE_SIGNATURE="false", NETWORK="n").rule_book()
    assert (book.actions, book.network, book.signature_required) == (("stake",), "n", False)
    assert [(token.id, token.symbol, token.decimals) for token in book.registry.tokens] == [
        ("x.near", "X", 2)
    ]


@pytest.mark.parametrize(
    "env",
    [
        {"TOKENS": "USDC"},
        {"TOKENS": "USDC/USDC/39"},
        {"TOKENS": "USDC//6"},
        {"ACTIONS": " "},
        {"ACTIONS": ",".join(map(str, range(17)))},
        {"DEFAULT_LIFETIME": "90000"},
        {"MAX_LIFETIME_MS": "soon"},
        {"REQUIRE_SIGNATURE": "perhaps"},
        {"TOKENS": "USDC/USDC/6,USDC/USDC/6"},
        {"UNKNOWN_TOKENS": "nep142"},
        {"DENIED_TOKENS": "US DC"},
        {"ALLOWED_ACCOUNTS": "Alice"},
        {"TOKEN_REGISTRY_POLL_MS": "10"},
        {"MIN_LIFETIME_MS": "86400000"},
        {"INTENT_KINDS": "plain"},
        {"MAX_SIGNED_INTENTS": "0"},
        {"PROTOCOL_FEE_PIPS": "1000001"},
    ],
)
def test_a_bad_setting_ends_with_one_line_and_code_2(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        settings(**env)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert next(iter(env)) in shown


def test_settings_bound_messages() -> None:
    assert settings().rule_book().messages == DEFAULT_BOUNDS
    bounds = settings(
        INTENT_KINDS="transfer,imt_mint", MAX_SIGNED_BYTES="2048", MAX_SIGNED_INTENTS="3", MAX_SIGNED_TOKENS="4",
        MAX_SIGNED_TGAS="300", PROTOCOL_FEE_PIPS="1",
    ).rule_book().messages  # fmt: skip
    assert bounds == Bounds(
        max_bytes=2048, max_intents=3, max_tokens=4, max_gas=300 * TGAS, fee_pips=1,
        kinds=frozenset(("transfer", "imt_mint")),
    )  # fmt: skip
