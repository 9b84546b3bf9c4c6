"""The deck's five demonstrations, carried out on this host by our own engine."""
