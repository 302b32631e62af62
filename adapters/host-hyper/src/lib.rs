//! Hosts any handler function on hyper.
