"""Which cut a device should have: its situation, what cuts cost there, the decision and its reasons."""
