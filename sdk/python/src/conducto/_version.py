"""The version: that of the server. A test compares it with `Cargo.toml`."""

__version__ = "0.1.0"
