//! kwo beside a real forge: pushes that it delivers, statuses and comments that it shows, forks that it knows of. The
//! forge is Gitea; Forgejo has the same API.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up ends here")]

mod pipelines;
mod project;
mod push;
mod requests;
