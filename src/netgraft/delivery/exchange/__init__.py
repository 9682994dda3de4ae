"""What a device asks a server and how: openings, several chunks at once, retries over tiers."""
