"""Where models, their code, and images come from."""
