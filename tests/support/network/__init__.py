"""Servers, proxies and ports on this machine, for tests that need them."""
