//! The listener for pushes.

use super::values::SocketAddress;
use crate::roster::record::record;
use crate::roster::{At, SecretRef};

record! {
    /// The listener for the push webhooks of forges. kwo never reads what they send. A delivery only says "look now".
    pub struct Hook: "the hook" {
        /// The address to listen on. Default: 127.0.0.1:9720.
        pub listen: Option<At<SocketAddress>>,
        /// What each forge signs with. kwo refuses a forge without a secret.
        pub secrets: HookSecrets,
    }
}

record! {
    /// What each forge signs its webhooks with.
    pub struct HookSecrets: "the hook's secrets" {
        /// GitHub: `X-Hub-Signature-256`.
        pub github: Option<At<SecretRef>>,
        /// Forgejo: `X-Forgejo-Signature`.
        pub forgejo: Option<At<SecretRef>>,
        /// Gitea: `X-Gitea-Signature`.
        pub gitea: Option<At<SecretRef>>,
        /// GitLab: `X-Gitlab-Token`, or `webhook-signature` if a signing token is set.
        pub gitlab: Option<At<SecretRef>>,
    }
}

impl Hook {
    /// The address to listen on.
    #[must_use]
    pub fn listen(&self) -> &str {
        self.listen.as_ref().map_or("127.0.0.1:9720", |listen| listen.as_str())
    }
}
