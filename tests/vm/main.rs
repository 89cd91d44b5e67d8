//! Tests that need a whole node with a kernel of its own.

mod node;
