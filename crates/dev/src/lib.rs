//! The developer's tools: sample callbacks, their signatures, and a local stack like the deployed one.

pub mod aws;
pub mod command;
pub mod demo;
pub mod doctor;
pub mod event;
pub mod failed_call;
pub mod failure;
pub mod output;
pub mod payload;
pub mod program;
pub mod samples;
pub mod secret;
pub mod send;
pub mod sign;
pub mod stack;
pub mod transport;
pub mod up;
