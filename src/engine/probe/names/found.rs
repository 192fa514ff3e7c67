//! What was found of the names of a roster, as data.

use schemars::JsonSchema;
use serde::Serialize;

/// How it stands with a host, a zone or a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All is as it has to be.
    Works,
    /// Something is wrong.
    Failed,
    /// Nothing is known to be wrong, and not all could be asked.
    Unknown,
}

/// What a sentence says of the state.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Something is wrong.
    Problem,
    /// Something could not be asked.
    Unknown,
    /// Something is good to know.
    Note,
}

/// A sentence without a full stop.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, JsonSchema)]
pub struct Says {
    /// What it says of the state.
    pub weight: Weight,
    /// The sentence.
    pub text: String,
}

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, JsonSchema)]
pub struct Names {
    /// The resolver that stands for those of the world; nothing where none answers.
    pub resolver: Option<String>,
    /// The zones that the hosts lie in.
    pub zones: Vec<ZoneFound>,
    /// The hosts.
    pub hosts: Vec<HostFound>,
}

/// A zone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct ZoneFound {
    /// Its name.
    pub zone: String,
    /// How it stands with it.
    pub state: State,
    /// Its authoritative servers.
    pub servers: Vec<ServerFound>,
    /// Does the zone above say that this one is signed? Nothing where that could not be asked.
    pub signed: Option<bool>,
    /// What there is to say, the worst first.
    pub says: Vec<Says>,
}

/// An authoritative server of a zone.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct ServerFound {
    /// Its name, as the zone has it; of the one that the roster names its address.
    pub name: String,
    /// Where it was asked.
    pub address: Option<String>,
    /// Does the world ask it? Otherwise only the roster names it.
    pub listed: bool,
    /// How it stands with it.
    pub state: State,
    /// The serial of the zone there.
    pub serial: Option<u32>,
}

/// A host.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, JsonSchema)]
pub struct HostFound {
    /// As the roster has it.
    pub host: String,
    /// The name that was asked for: of a wildcard one below it.
    pub asked: String,
    /// The tenant whose it is.
    pub tenant: String,
    /// The zone that it lies in.
    pub zone: String,
    /// How it stands with it.
    pub state: State,
    /// Where the roster wants it to lead.
    pub wanted: Vec<String>,
    /// Where it leads, as the authoritative servers say; of several answers the one that most of them give.
    pub leads: Vec<String>,
    /// How many seconds resolvers may remember the answer, or that there is none.
    pub ttl: Option<u32>,
    /// May the issuer of its certificate issue it? Nothing where kwo sees to none, or could not find out.
    pub certificate: Option<bool>,
    /// What there is to say, the worst first.
    pub says: Vec<Says>,
}

impl Says {
    /// Something is wrong.
    pub(super) fn problem(text: impl Into<String>) -> Says {
        Says { weight: Weight::Problem, text: text.into() }
    }

    /// Something could not be asked.
    pub(super) fn unknown(text: impl Into<String>) -> Says {
        Says { weight: Weight::Unknown, text: text.into() }
    }

    /// Something is good to know.
    pub(super) fn note(text: impl Into<String>) -> Says {
        Says { weight: Weight::Note, text: text.into() }
    }
}

impl State {
    /// The worst of what is said. Sorts it, and says nothing twice.
    pub(super) fn of(says: &mut Vec<Says>) -> State {
        says.sort_by_key(|says| says.weight);
        let mut told = std::collections::BTreeSet::new();
        says.retain(|says| told.insert(says.text.clone()));
        match says.first().map(|first| first.weight) {
            Some(Weight::Problem) => State::Failed,
            Some(Weight::Unknown) => State::Unknown,
            Some(Weight::Note) | None => State::Works,
        }
    }

    /// For people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Works => "works",
            State::Failed => "failed",
            State::Unknown => "unknown",
        }
    }
}

impl Names {
    /// Does everything work?
    #[must_use]
    pub fn is_well(&self) -> bool {
        let zones = self.zones.iter().map(|zone| zone.state);
        zones.chain(self.hosts.iter().map(|host| host.state)).all(|state| state == State::Works)
    }
}
