"""A share of what `python -m tests.differential` does with a hundred times as many messages."""

from tests.differential.compare import compare


async def test_p09_validator_and_contract_agree_about_every_message() -> None:
    report = await compare(600, seed=1)
    assert report.differences == []
    # neither says yes or no to everything, in no standard
    assert len(report.standards) == 7 and min(report.standards.values()) >= 5
    assert report.refused > 200 and len(report.reasons) >= 10
