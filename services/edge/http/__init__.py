"""HTTP/JSON, server-sent events and socket.io, on one port."""
