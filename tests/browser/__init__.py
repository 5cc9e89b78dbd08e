"""A package, so that what its fixtures start is ended behind its last test: async tests bear no browser."""
