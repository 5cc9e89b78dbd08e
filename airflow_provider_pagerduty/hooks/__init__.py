"""The hooks: connections, regions, and the two senders (urllib3 and httpx) of one delivery policy."""
