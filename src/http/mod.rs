//! (to come)
mod assets;
mod pages;
