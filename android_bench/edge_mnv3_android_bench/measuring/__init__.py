"""Launches by protocol, scheduled, resumed and accepted."""
