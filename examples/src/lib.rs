//! Examples, each under sixty lines.
