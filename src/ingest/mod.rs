//! (to come)
pub mod batch;
pub mod redelivery;
