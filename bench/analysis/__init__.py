"""Statistics, fits, capacity and verdicts: pure functions of tables, with nothing of how they were measured."""
