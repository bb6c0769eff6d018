"""Watching: one feed for the whole edge, however many of its clients watch.

`feed` holds the session with a notifier, `hub` hands each event to the mailboxes of those who watch it,
`mailbox` bounds what a slow one costs, `stream` turns a mailbox into a client's messages, `cursor`
is what a client comes back with.
"""
