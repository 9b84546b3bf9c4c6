"""Bridges, veth pairs and addresses."""
