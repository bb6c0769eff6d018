"""Signed in each of the seven standards, an intent goes all its way: taken, stored, verified and solved on chain."""

import pytest

from intents_client import connect, intent_to_json
from services.common.domain.signing import STANDARDS, intent_digest
from services.common.encoding import b58encode
from tests.harness.shapes import Shape
from tests.harness.signing import to_domain, to_proto
from tests.harness.standards import StandardWallet

TIME = 60.0


@pytest.mark.timeout(120)
async def test_p09_each_standard_is_carried_to_its_end(shape: Shape) -> None:
    wallets = [StandardWallet(one, f"{shape.name}-way") for one in STANDARDS]
    wallets.append(StandardWallet("webauthn", f"{shape.name}-way", curve="ed25519"))
    bodies = [wallet.sign_plain() for wallet in wallets]
    async with connect(shape.target, deadline=30) as client:
        assert list((await client.info()).standards) == list(STANDARDS)
        for body in bodies[::2]:
            await client.submit(to_proto(body))
        for body in bodies[1::2]:
            async with shape.session.post(f"{shape.http}/api/intents", json=body) as response:
                assert response.status == 202, await response.text()
        for body in bodies:
            record = intent_to_json(await client.wait(body["id"], timeout=TIME))
            assert record["status"] == "completed", record
            signed = to_domain(body).signed_data
            assert signed is not None and record["intentHash"] == b58encode(intent_digest(signed))
    await shape.agree([body["id"] for body in bodies])
