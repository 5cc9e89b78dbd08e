"""The commands for people: what waits in the outbox, whether this deployment can page, and a test alert."""
