//! The store through its public interface: one binary, so that it is linked once.

mod contract;
mod create;
mod damage;
mod file_system;
mod fixture;
mod format;
mod lookup;
mod seeding;
