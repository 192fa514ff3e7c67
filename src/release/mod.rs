//! kwo replaces itself by a release: fetched, checked by signature and sum, tried, and put in place in one step. What was
//! there stays beside it.

mod fetch;
mod guard;
mod owner;
mod place;
mod signature;
mod sums;
mod swap;
mod tarball;

pub use fetch::{Newer, Source};
pub use owner::packaged;
pub use place::{PREVIOUS, Place, this_program};
