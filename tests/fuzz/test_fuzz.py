"""A share of what `python -m tests.fuzz` does a thousand times as often."""

from tests.fuzz.run import fuzz


async def test_p10_whatever_comes_gets_a_typed_answer() -> None:
    report = await fuzz(1_500, seed=3)
    assert report.found == []
    assert report.answers["valid"] > 10 and len(report.answers) > 15
