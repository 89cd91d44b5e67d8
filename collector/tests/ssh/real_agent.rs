//! One visit with the real agent: what it says of a store is what comes home.
