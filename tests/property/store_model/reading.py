"""Reading records, lists, counts and the log; and whether everything agrees."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.common.domain.intent import IntentEvent, IntentRecord
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery, RequestIdentity
from services.common.domain.statistics import StatisticsQuery
from tests.property.store_model.values import IDS, PRINCIPALS, USERS, ids, queries, replicas
from tests.property.store_model.world import Reader, World


class Reading(World):
    """Through either replica."""

    @rule(which=replicas, id=ids)
    def get(self, which: int, id: str) -> None:
        (record,) = self.run(self.replicas[which].store.get([id]))
        if record is None:
            assert id not in self.model.intents
        else:
            self.same(record)

    @rule(which=replicas, principal=st.sampled_from(PRINCIPALS), request=st.sampled_from(["r-1", "r-2"]))
    def get_by_request(self, which: int, principal: str, request: str) -> None:
        identity = RequestIdentity(principal=principal, method="SubmitIntent", request_id=request)
        (record,) = self.run(self.replicas[which].store.get([identity]))
        expected = self.model.by_request(principal, request)
        assert (None if record is None else record.intent_id) == (expected and expected.sent.id)

    @rule(which=replicas, query=queries)
    def list_pages(self, which: int, query: ListQuery) -> None:
        found: list[IntentRecord] = []
        token = ""
        while True:
            page = self.run(self.replicas[which].store.list(replace(query, page_token=token)))
            assert len(page.records) == query.page_size or not page.next_page_token
            found += page.records
            token = page.next_page_token
            if not token:
                break
        assert [one.intent_id for one in found] == self.model.listed(query)
        for record in found:
            self.same(record)

    @rule(which=replicas, principal=st.sampled_from(["", *PRINCIPALS]), user=st.sampled_from(["", *USERS]))
    def count(self, which: int, principal: str, user: str) -> None:
        """What waits in an outbox is counted once it is in the log."""
        outbox = self.replicas[which].storage.outbox
        waiting = outbox is not None and self.run(outbox.waiting(1))
        counted = self._counted(which, principal, user)
        if not waiting:
            assert counted == self._there(principal, user)

    def _counted(self, which: int, principal: str, user: str) -> dict[Status, int]:
        asked = StatisticsQuery(principal=principal, user_id=user)
        return dict(self.run(self.replicas[which].store.statistics(asked)).counts)

    def _there(self, principal: str, user: str) -> dict[Status, int]:
        return {
            status: len(self.model.listed(ListQuery(principal=principal, user_id=user, status=status)))
            for status in Status
        }

    @rule(which=replicas)
    def begin_at_the_tail(self, which: int) -> None:
        page = self.run(self.replicas[which].store.list_events(tail=True))
        assert page.events == ()
        self.readers = [*self.readers[:1], Reader(cursor=page.cursor, late=True)]

    @rule(which=replicas, data=st.data(), limit=st.integers(1, 4))
    def read_events(self, which: int, data: st.DataObject, limit: int) -> None:
        self.read(data.draw(st.sampled_from(self.readers)), which, limit)

    def read(self, reader: Reader, which: int, limit: int) -> bool:
        """Whether it has reached the end."""
        page = self.run(self.replicas[which].store.list_events(reader.cursor, limit=limit))
        assert len(page.events) <= limit
        for event in page.events:
            known = reader.told.get(event.intent_id, event.version - 1 if reader.late else 0)
            assert event.version == known + 1, (event, known)
            reader.told[event.intent_id] = event.version
            self._happened(event)
        reader.cursor = page.cursor
        return bool(page.at_end)

    def _happened(self, event: IntentEvent) -> None:
        intent = self.model.intents[event.intent_id]
        entry = intent.history[event.version - 1]
        assert (event.status, event.actor, event.reason) == (entry.status, entry.actor, entry.reason)
        assert (event.user_id, event.principal) == (intent.sent.user, intent.sent.principal)

    @rule(which=replicas)
    def everything_agrees(self, which: int) -> None:
        """Once the outbox is empty: every reader has been told every version, every record is as it should be."""
        self.drain(which)
        for reader in self.readers:
            while not self.read(reader, which, 1000):
                pass
            for id, intent in self.model.intents.items():
                assert reader.told.get(id, intent.version if reader.late else 0) == intent.version
        for record in self.run(self.replicas[which].store.get(IDS)):
            if record is not None:
                self.same(record)
        for principal in ("", *PRINCIPALS):
            for user in ("", *USERS):
                assert self._counted(which, principal, user) == self._there(principal, user)

    def drain(self, which: int) -> None:
        replica = self.replicas[which]
        if replica.relay is not None:
            while left := self.run(replica.outbox.waiting(100)):
                for document in left:
                    self.run(replica.relay.relay(document))

    def teardown(self) -> None:
        try:
            if self.replicas:
                self.everything_agrees(0)
        finally:
            for one in self.replicas:
                self.run(one.storage.close())
            self.runner.close()
