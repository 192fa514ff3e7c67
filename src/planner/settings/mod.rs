//! kwo's own settings, `kwo.yaml`: what `kwo sync` and `kwo hook` do by themselves. Read as strictly as the roster, by
//! the same types; nothing of it goes into a plan.

mod document;
mod hook;
mod notify;
mod numbers;
mod parse;
mod repository;
mod values;

pub use document::{Drift, Limits, Releases, Settings, Strict, Target};
pub use hook::{Hook, HookSecrets};
pub use notify::{ForgeKind, Notify, Ntfy, Slack, Status, Webhook};
pub use numbers::{Count, Percent, TimeSpan};
pub use parse::{parse, schema};
pub use repository::{Fsck, Repository, Signers, Trust};
pub use values::{
    AbsolutePath, Branch, ContextName, GitUrl, ObjectId, Project, RepositoryPath, SocketAddress, WebUrl,
};
