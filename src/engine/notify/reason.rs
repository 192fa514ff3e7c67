//! The reasons of the Events that kwo makes, which is how programs tell them apart. The manual has this list.

/// Why there is an Event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// A run did in a namespace what it had to do.
    Synced,
    /// A run did not do all of it, or failed.
    SyncFailed,
    /// A run was refused as a whole.
    SyncRefused,
    /// The server gives other access than the roster.
    SyncAccessDiffers,
    /// Images take nearly what they may.
    RegistryQuotaNearlyExceeded,
    /// Images take more than they may.
    RegistryQuotaExceeded,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 6] = [
        Reason::Synced,
        Reason::SyncFailed,
        Reason::SyncRefused,
        Reason::SyncAccessDiffers,
        Reason::RegistryQuotaNearlyExceeded,
        Reason::RegistryQuotaExceeded,
    ];

    /// As the Event has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Synced => "Synced",
            Reason::SyncFailed => "SyncFailed",
            Reason::SyncRefused => "SyncRefused",
            Reason::SyncAccessDiffers => "SyncAccessDiffers",
            Reason::RegistryQuotaNearlyExceeded => "RegistryQuotaNearlyExceeded",
            Reason::RegistryQuotaExceeded => "RegistryQuotaExceeded",
        }
    }

    /// Is the Event a warning?
    #[must_use]
    pub fn warns(self) -> bool {
        self != Reason::Synced
    }

    /// What it is about.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Reason::Synced => "the Namespace that a run changed",
            Reason::SyncFailed => {
                "the Namespace that a run could not change, and the Lease `kwo` in `kube-system`"
            }
            Reason::SyncRefused | Reason::SyncAccessDiffers => "the Lease `kwo` in `kube-system`",
            Reason::RegistryQuotaNearlyExceeded | Reason::RegistryQuotaExceeded => {
                "each Namespace of the tenant"
            }
        }
    }

    /// When kwo makes it.
    #[must_use]
    pub fn when(self) -> &'static str {
        match self {
            Reason::Synced => "`kwo sync` did all that there was to do in the namespace",
            Reason::SyncFailed => {
                "`kwo sync` did not do all that there was to do in the namespace; or the run failed as a whole"
            }
            Reason::SyncRefused => {
                "`kwo sync` did nothing, because the commit or its plan is one that the settings do not allow"
            }
            Reason::SyncAccessDiffers => {
                "after the run, the API server answers questions about access in another way than the roster"
            }
            Reason::RegistryQuotaNearlyExceeded => {
                "`kwo registry usage --events` found that the images of the tenant take 85 % of their quota or more"
            }
            Reason::RegistryQuotaExceeded => {
                "`kwo registry usage --events` found that the images of the tenant take more than their quota"
            }
        }
    }
}
