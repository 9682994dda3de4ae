"""Who may say what: keys, signatures, stamps, and the rules by which a device believes them."""
