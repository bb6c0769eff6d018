"""The log's retention, those who read and write the log in the face of it, and backups, without their protections."""

from tests.mutants.mutant import Mutant, without

_RACE = "tests/property/test_store_log.py::test_p05_retention_racing_with_relays_loses_and_doubles_nothing"
_CONTRACT = "tests/contract/test_store_retention.py"
_BACKUP = "tests/contract/test_store_backup.py"
_WATCHED = "tests/rpc/test_watch_past_retention.py::test_p05_a_watcher_whose_place_is_gone_gets_latest_states_conflated"
_RACES = "tests/contract/test_store_retention_races.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P5", "relay-does-not-read-the-floor", "services.store.relay",
        ("            if told and sequence > await self._outbox.floor(partition):\n", "            if told:\n"),
        tests=(_RACE,),
    ),
    without(
        "P5", "relay-reads-the-floor-of-its-own-insert-only", "services.store.relay",
        (
            "            if told and sequence > await self._outbox.floor(partition):\n",
            "            if told and (standing or sequence > await self._outbox.floor(partition)):\n",
        ),
        tests=(f"{_RACES}::test_p05_a_relay_overtaken_by_retention_tells_its_event_elsewhere[java]",),
    ),
    without(
        "P5", "dropped-before-it-is-archived", "services.store.retention.run",
        (
            "        where = await self._archive.put(partition, events)\n        await self._unbox(events)\n"
            "        if not await self._storage.run(_raising(partition, through)):\n            return 0\n",
            "        await self._unbox(events)\n"
            "        if not await self._storage.run(_raising(partition, through)):\n            return 0\n"
            "        where = await self._archive.put(partition, events)\n",
        ),
        tests=(
            f"{_CONTRACT}::test_p05_retention_cut_off_anywhere_has_dropped_nothing_that_is_not_archived[sqlite]",
        ),
    ),
    without(
        "P5", "archive-has-its-name-before-it-is-whole", "services.store.durable",
        ("        with part.open(\"xb\")", "        part = target\n        with part.open(\"wb\")"),
        tests=(
            f"{_CONTRACT}::test_p05_retention_cut_off_anywhere_has_dropped_nothing_that_is_not_archived[sqlite]",
        ),
    ),
    without(
        "P5", "outbox-entries-outlive-what-is-dropped", "services.store.retention.run",
        ("        await self._unbox(events)\n", ""),
        tests=(_RACE,),
    ),
    without(
        "P5", "the-newest-event-is-dropped", "services.store.retention.run",
        ("min(head - 1, counted[partition][0])", "min(head, counted[partition][0])"),
        tests=(_RACE,),
    ),
    without(
        "P5", "deleted-before-the-floor-is-raised", "services.store.retention.run",
        (
            "        if not await self._storage.run(_raising(partition, through)):\n",
            "        await self._delete(partition, through)\n"
            "        if not await self._storage.run(_raising(partition, through)):\n",
        ),
        tests=(_RACE,),
    ),
    without(
        "P5", "retention-believes-what-it-read-below-the-floor", "services.store.retention.run",
        ("        if not events or (await self._storage.floors())[partition] != floor:\n", "        if not events:\n"),
        tests=(f"{_RACES}::test_p05_retention_overtaken_by_another_believes_nothing_below_the_floor[java]",),
    ),
    without(
        "P5", "roll-ups-are-overtaken", "services.store.retention.run",
        ("min(head - 1, counted[partition][0])", "head - 1"),
        tests=(f"{_CONTRACT}::test_p05_nothing_is_dropped_that_the_roll_ups_have_not_counted[sqlite]",),
    ),
    without(
        "P5", "an-expired-cursor-waits", "services.store.log",
        ("            if any(positions[one] < floors[one] for one in asked):\n", "            if floors is None:\n"),
        tests=(f"{_CONTRACT}::test_p05_what_is_dropped_is_archived_and_the_rest_reads_on[sqlite]",),
    ),
    without(
        "P5", "a-cursor-beyond-the-end-waits", "services.store.log",
        ("        if any(position > head for", "        if all(position < 0 for"),
        tests=(f"{_CONTRACT}::test_p05_a_cursor_beyond_the_end_is_refused[sqlite]",),
    ),
    without(
        "P1", "a-backup-is-of-many-moments", "services.store.backup.copy",
        ('        reading.execute("BEGIN")\n', ""),
        tests=(f"{_BACKUP}::test_p01_a_backup_is_of_one_moment",),
    ),
    without(
        "P1", "a-backup-has-its-name-before-it-is-whole", "services.store.backup.copy",
        ('    part = target.with_name(target.name + ".part")\n', "    part = target\n"),
        ("        part.unlink(missing_ok=True)\n", "        pass\n"),
        tests=(f"{_BACKUP}::test_p01_a_backup_cut_off_anywhere_is_whole_or_not_there",),
    ),
    without(
        "P1", "a-restored-store-takes-the-place-of-another", "services.store.backup.restore",
        ("        os.link(part, target)\n", "        os.replace(part, target)\n"),
        tests=(f"{_BACKUP}::test_p01_a_store_made_while_one_is_restored_there_stays",),
    ),
    without(
        "P5", "a-restored-store-keeps-its-identity", "services.store.backup.restore",
        ("        await storage.renew_identity()\n", ""),
        tests=(_WATCHED,),
    ),
    without(
        "P5", "a-feed-does-not-begin-anew", "services.notifier.feed",
        ("                if error.reason is not Reason.CURSOR_EXPIRED:\n", "                if error:\n"),
        tests=(_WATCHED,),
    ),
)  # fmt: skip
