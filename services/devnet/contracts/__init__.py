"""Contracts behind a port; the native Verifier and Solver."""
