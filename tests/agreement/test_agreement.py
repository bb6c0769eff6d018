"""A share of what `python -m tests.agreement` does with many more submissions."""

from pathlib import Path

from tests.agreement.run import run


async def test_p09_what_is_taken_is_taken_on_chain_and_what_is_refused_would_be_refused(
    tmp_path: Path,
) -> None:
    report = await run(tmp_path, 100, seed=2)
    assert report.differences == []
    assert report.completed >= 5 and report.refused.total() >= 20
