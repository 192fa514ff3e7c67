//! kwo replaces itself by a release: fetched, checked by signature and sum, tried, and put in place in one step. What was
//! there stays beside it.

mod fetch;
mod owner;
mod place;
mod signature;
mod sums;
mod tarball;

pub use fetch::{Newer, Source};
pub use owner::packaged;
pub use place::{PREVIOUS, Place};
