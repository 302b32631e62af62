//! The embedded account store, on native_db.
