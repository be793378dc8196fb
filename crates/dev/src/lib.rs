//! What a developer has on their desk: samples of callbacks, their signatures, and a stack like the deployed one.

pub mod demo;
pub mod samples;
pub mod sign;
pub mod stack;
