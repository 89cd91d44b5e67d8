//! Tests that need registries: Debian's, one with the referrers API, and servers of our own that misbehave; and the
//! tools that copy from them.

mod agent_image;
mod carried;
mod crls;
mod forms;
mod layer_files;
mod listings;
mod logins;
mod mirrors;
mod registries;
mod tls;
mod tools;
