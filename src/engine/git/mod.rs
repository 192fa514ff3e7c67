//! A git repository as kwo uses it: a bare clone that is fetched, its commits, who signed them, the files in them. All
//! of it by the program `git`, which brings the transports, the proxies and the signatures that people set up.

mod clone;
mod commits;
mod fault;
mod files;
mod here;
mod objects;
mod process;
mod signature;
mod signed;
mod signers;

pub use clone::{Access, Clone};
pub use fault::Fault;
pub use files::export;
pub use process::GitError;
pub use signed::Unsigned;
pub use signers::readable_signers;
