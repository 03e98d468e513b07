//! Whole-system tests: real Redis, real readers, real processes.
