"""Runs cells, judges their images and stores their results."""
