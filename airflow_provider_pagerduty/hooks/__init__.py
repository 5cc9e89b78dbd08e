"""The hooks: connections, regions, and the two senders (requests and httpx) of one delivery policy."""
