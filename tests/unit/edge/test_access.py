"""Tokens, addresses, settings."""

import asyncio
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.common.clock import SystemClock
from services.common.config import load
from services.common.errors import IntentError, Reason
from services.common.rpc.runtime import run
from services.edge.__main__ import hash_token as command
from services.edge.app import build
from services.edge.auth import Authenticator, TokensFileError, hash_token, read_tokens, token_line
from services.edge.config import Settings
from services.edge.limits.address import client_address, grpc_peer, networks, subject

TOKEN = "0123456789abcdef0123"


def test_a_line_made_is_a_line_read(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(token_line("alice", TOKEN) + "\n\n" + token_line("bob", TOKEN[::-1]) + "\n")
    authenticator = Authenticator(read_tokens(file))
    caller = authenticator.caller(f"Bearer {TOKEN}", "1.2.3.4")
    assert (caller.principal, caller.token, caller.subject) == ("alice", True, "principal:alice")
    assert TOKEN not in file.read_text()


def test_without_tokens_everybody_is_anonymous_and_counts_by_address() -> None:
    caller = Authenticator({}).caller("Bearer whatever", "1.2.3.4")
    assert (caller.principal, caller.token, caller.subject) == ("anonymous", False, "1.2.3.4")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", TOKEN, f"Basic {TOKEN}", "Bearer " + "x" * 5_000]
)
def test_anything_else_is_unauthenticated(header: str | None) -> None:
    with pytest.raises(IntentError) as caught:
        Authenticator({hash_token(TOKEN): "alice"}).caller(header, "")
    assert caught.value.reason is Reason.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no tokens"),
        ("{", "not JSON"),
        ("[]", "object"),
        ('{"a b": "sha256:' + "0" * 64 + '"}', "principal"),
        ('{"anonymous": "sha256:' + "0" * 64 + '"}', "principal"),
        ('{"alice": "plain-token"}', "sha256"),
        ('{"a": "sha256:' + "0" * 64 + '"}\n{"b": "sha256:' + "0" * 64 + '"}', "line 2"),
    ],
)
def test_a_tokens_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(TokensFileError, match=why) as caught:
        read_tokens(file)
    assert "plain-token" not in str(caught.value)


def test_hash_token_prints_the_line_and_nothing_of_the_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(TOKEN + "\n"))
    assert command(["alice"]) == 0
    assert json.loads(capsys.readouterr().out) == {"alice": hash_token(TOKEN)}
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert command([]) == 2
    assert "short" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:1.2.3.4:5", "1.2.3.4"),
        ("ipv6:%5B::1%5D:5", "::1"),
        ("ipv6:[2001:db8::1]:5", "2001:db8::1"),
        ("unix:", "unix:"),
    ],
)
def test_a_grpc_peer_gives_its_address(peer: str, expected: str) -> None:
    assert grpc_peer(peer) == expected


def test_an_ipv6_caller_counts_by_its_64_and_a_mapped_one_as_ipv4() -> None:
    assert subject("2001:db8::1") == subject("2001:db8::ffff:2") == "2001:db8::/64"
    assert subject("2001:db8:0:1::1") != subject("2001:db8::1")
    assert subject("::ffff:1.2.3.4") == "1.2.3.4"


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["rubbish"], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.7"], "10.0.0.7"),
        ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
    ],
)
def test_forwarding_is_believed_as_far_as_trusted_proxies_wrote_it(
    peer: str, headers: list[str], expected: str
) -> None:
    assert client_address(peer, headers, networks(["10.0.0.0/8"])) == expected


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({"HOST": "0.0.0.0"}, "HOST: 0.0.0.0 can be reached by others"),
        ({"HTTP_HOST": "::"}, "HTTP_HOST: :: can be reached by others"),
        ({"HTTP_HOST": "edge.example"}, "HTTP_HOST: edge.example can be reached"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,nonsense"}, "TRUSTED_PROXIES: 'nonsense' is not"),
        ({"RATE_LIMIT_MAX": "0"}, "RATE_LIMIT_MAX: '0' is out of range"),
        ({"REDIS_URL": "nonsense"}, "edge: REDIS_URL: must be redis://"),
    ],
)
def test_bad_settings_end_with_one_line_and_code_2(
    env: dict[str, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        load(Settings, prog="edge", env=env, argv=[])
    printed = capsys.readouterr().err
    assert caught.value.code == 2
    assert complaint in printed and printed.count("\n") == 1


def test_p09_an_open_address_needs_tokens_or_an_explicit_word(tmp_path: Path) -> None:
    assert load(Settings, prog="edge", env={"HOST": "::1", "HTTP_HOST": "localhost"}, argv=[]).check() is None
    assert load(
        Settings, prog="edge", env={"HOST": "0.0.0.0", "INSECURE_ANONYMOUS": "true"}, argv=[]
    ).insecure_anonymous
    tokens = tmp_path / "tokens"
    tokens.write_text(token_line("alice", "alice-token-0123456789"))
    assert load(
        Settings, prog="edge", env={"HOST": "0.0.0.0", "TOKENS_FILE": str(tokens)}, argv=[]
    ).tokens_file


def test_the_process_lists_its_settings() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "services.edge", "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    for name in (
        "RATE_LIMIT_MAX",
        "RATE_LIMIT_WINDOW_MS",
        "TRUSTED_PROXIES",
        "TOKENS_FILE",
        "HTTP_PORT",
        "STORE_TARGET",
    ):
        assert name in shown


@pytest.mark.parametrize("file", ["none", "."])
async def test_p09_a_tokens_file_that_cannot_be_read_is_a_bad_setting(
    tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(port=0, http_port=0, admin_port=0, tokens_file=tmp_path / file)
    assert await run("edge", settings, build, SystemClock(), asyncio.Event()) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("edge: TOKENS_FILE: ") and printed.count("\n") == 1
