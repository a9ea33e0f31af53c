"""Trained weights that ship with the project: `<data set>/<name>.safetensors` and `weights.json`."""
