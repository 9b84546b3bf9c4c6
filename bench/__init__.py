"""The platform: launches instances through one contract, measures them, and analyses what was measured."""
