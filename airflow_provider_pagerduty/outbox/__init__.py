"""Events that could not be delivered: kept in a table, and delivered later, in their order."""
