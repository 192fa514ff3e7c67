//! Who gets a message when a run changes something, fails or recovers.

use super::values::{Project, WebUrl};
use crate::roster::record::{choice, record};
use crate::roster::{At, SecretRef};

record! {
    /// Who gets messages.
    pub struct Notify: "the notifications" {
        /// Addresses that get the report as JSON.
        pub webhooks: Vec<Webhook>,
        /// Slack, or a service that accepts Slack's incoming webhooks: Mattermost, Rocket.Chat, Discord's `/slack`.
        pub slack: Vec<Slack>,
        /// Topics of ntfy.
        pub ntfy: Vec<Ntfy>,
        /// The forge where the commit gets its status.
        pub status: Option<Status>,
    }
}

record! {
    /// An address that gets the report as JSON.
    pub struct Webhook: "a webhook" {
        /// The address.
        pub url: At<WebUrl>,
        /// What the body is signed with: `X-Kwo-Signature-256: sha256=…`, an HMAC in hexadecimal digits.
        pub secret: Option<At<SecretRef>>,
    }
}

record! {
    /// An incoming webhook of Slack.
    pub struct Slack: "a Slack webhook" {
        /// Its address, which is a secret.
        pub url: At<SecretRef>,
    }
}

record! {
    /// A topic of ntfy.
    pub struct Ntfy: "an ntfy topic" {
        /// The address of the topic.
        pub url: At<WebUrl>,
        /// The token that may publish there.
        pub token: Option<At<SecretRef>>,
    }
}

record! {
    /// The forge where the commit gets its status.
    pub struct Status: "the commit status" {
        /// What runs there.
        pub forge: At<ForgeKind>,
        /// Where its API is. Default: that of github.com or gitlab.com.
        pub api: Option<At<WebUrl>>,
        /// The repository there: `owner/name`.
        pub project: At<Project>,
        /// The token that may set statuses.
        pub token: At<SecretRef>,
    }
}

choice! {
    /// What runs a forge.
    pub enum ForgeKind: "forge" {
        /// GitHub.
        GitHub = "github",
        /// Forgejo.
        Forgejo = "forgejo",
        /// Gitea.
        Gitea = "gitea",
        /// GitLab.
        GitLab = "gitlab",
    }
}
