"""Wire types: what deployables, the command line and clients exchange."""
