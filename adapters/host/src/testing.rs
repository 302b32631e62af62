//! What tests of hosts and tools share.
