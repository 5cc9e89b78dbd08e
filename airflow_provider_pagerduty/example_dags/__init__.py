"""DAGs to read, to copy from, and to run: `make demo` runs them."""
