//! The forges: in which headers each says who it is, what happened, and which delivery this is.

use http::HeaderMap;

/// What sends webhooks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Forge {
    /// Forgejo. It sends the headers of Gitea and GitHub as well, and so comes first.
    Forgejo,
    /// Gitea. It sends those of GitHub as well.
    Gitea,
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
}

/// What a delivery is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// Commits were pushed.
    Push,
    /// The forge tries whether somebody listens.
    Ping,
    /// Anything else.
    Other,
}

impl Forge {
    /// All of them, in the order in which a delivery is taken for theirs.
    pub const ALL: [Forge; 4] = [Forge::Forgejo, Forge::Gitea, Forge::GitHub, Forge::GitLab];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Forge::Forgejo => "Forgejo",
            Forge::Gitea => "Gitea",
            Forge::GitHub => "GitHub",
            Forge::GitLab => "GitLab",
        }
    }

    /// Its name in the settings.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Forge::Forgejo => "forgejo",
            Forge::Gitea => "gitea",
            Forge::GitHub => "github",
            Forge::GitLab => "gitlab",
        }
    }

    /// The header with the signature, or with the secret itself.
    pub(super) fn signature(self) -> &'static str {
        match self {
            Forge::Forgejo => "x-forgejo-signature",
            Forge::Gitea => "x-gitea-signature",
            Forge::GitHub => "x-hub-signature-256",
            Forge::GitLab => "x-gitlab-token",
        }
    }

    pub(super) fn event(self, headers: &HeaderMap) -> Event {
        let header = match self {
            Forge::Forgejo => "x-forgejo-event",
            Forge::Gitea => "x-gitea-event",
            Forge::GitHub => "x-github-event",
            Forge::GitLab => "x-gitlab-event",
        };
        match headers.get(header).map(http::HeaderValue::as_bytes) {
            Some(b"push" | b"Push Hook") => Event::Push,
            Some(b"ping") => Event::Ping,
            _ => Event::Other,
        }
    }

    /// What tells this delivery from others, where the forge says it.
    pub(super) fn delivery(self, headers: &HeaderMap) -> Option<&[u8]> {
        let names: &[&str] = match self {
            Forge::Forgejo => &["x-forgejo-delivery", "x-gitea-delivery"],
            Forge::Gitea => &["x-gitea-delivery"],
            Forge::GitHub => &["x-github-delivery"],
            // The event's id is that of all webhooks which the event sets off; the others stay when one is sent again.
            Forge::GitLab => &["webhook-id", "idempotency-key", "x-gitlab-event-uuid"],
        };
        let id = names.iter().find_map(|name| headers.get(*name))?;
        Some(id.as_bytes()).filter(|id| !id.is_empty())
    }
}
