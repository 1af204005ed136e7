"""A problem, and running it over a backend: chunks of work, noise, quadrature, features left out."""
