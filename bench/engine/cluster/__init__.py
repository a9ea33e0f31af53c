"""Cells on the nodes of a Ray cluster; nothing here is imported without ``--cluster``."""
