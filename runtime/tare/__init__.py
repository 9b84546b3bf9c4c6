"""`tare`: the command line of the engine."""
