//! Tests that need programs for Windows, which run under wine.

mod windows;
