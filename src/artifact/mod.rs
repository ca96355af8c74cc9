//! Images and sources: what is known about an image before it runs, how a source is fetched, how an image is built of it.

pub mod build;
pub mod credentials;
pub mod facts;
pub mod output;
pub mod registry;
pub mod source;
