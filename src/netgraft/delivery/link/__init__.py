"""Links that lose time, bits and packets: a model, a proxy that is one between real sockets, codes against errors."""
