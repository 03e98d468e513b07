//! One program that measures everything side by side.
