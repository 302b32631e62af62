//! The store through its public interface: one binary, so that it is linked once.

mod contract;
mod damage;
mod fixture;
mod lookup;
mod seeding;
