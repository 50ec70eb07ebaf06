"""Splitting requests between the two versions: one module per kind of router."""
