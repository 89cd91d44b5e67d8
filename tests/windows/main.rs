//! What needs programs for Windows, which run under wine.

mod windows;
