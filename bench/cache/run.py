"""The bench `cache`: what Redis' round trips cost, what memory keeps, what a hit costs."""

from bench.cache.hits import hits
from bench.cache.policies import policies
from bench.cache.redis import loads
from bench.frame import Options, Report


def run(options: Options) -> Report:
    """Raises BenchError where the run proves nothing."""
    parts = {"Redis": loads(options), "hits": hits(options), "policies": policies(options)}
    return Report(
        bench="cache",
        rows=[row for found in parts.values() for row in found.rows],
        notes=[note for found in parts.values() for note in found.notes],
        details={name: found.details for name, found in parts.items()},
    )
