//! The proof of a cut at the registry: whoever holds a password that was cut tries it, as that user would, until the registry
//! refuses it. It reads its users anew within two minutes, so a yes is asked for again for a while.

use std::fmt;
use std::time::Duration;

use kwo_planner::plain::OneLine;
use kwo_planner::tree::SmolStr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::probe::lets_in;
use crate::secrets::Known;

/// How long one answer may take, and between two of them.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);

/// What the registry answered to somebody who was cut.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Door {
    /// The name at the registry.
    pub user: SmolStr,
    /// The host that was asked; empty where none was.
    pub host: SmolStr,
    /// What it answered: yes lets them in. Nothing where it was not asked, or did not answer.
    pub lets_in: Option<bool>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Door {
    /// Is whoever was cut still let in?
    #[must_use]
    pub fn admits(&self) -> bool {
        self.lets_in == Some(true)
    }

    /// Is that left to be shown: it lets them in, or did not answer? What nobody can try is no more than told.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.admits() || self.lets_in.is_none() && !self.host.is_empty()
    }
}

impl fmt::Display for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Door { user, host, lets_in, why } = self;
        let (user, host) = (OneLine(user), OneLine(host));
        match lets_in {
            Some(true) => write!(out, "{host} still lets in {user} with the password that was cut"),
            Some(false) => write!(out, "{host} refuses {user} with the password that was cut (401)"),
            None => write!(out, "whether the registry refuses {user} was not tried: {}", OneLine(why)),
        }
    }
}

/// Tries each of these at each of these hosts; whoever is let in is tried again, as long as this.
pub async fn knock(
    hosts: &[SmolStr],
    logins: &[Known],
    patience: Duration,
    mut waits: impl FnMut(&Door),
) -> Vec<Door> {
    let end = Instant::now() + patience;
    let mut doors = Vec::new();
    for Known { name, password } in logins {
        let closed = |why: &str| Door {
            user: name.clone(),
            host: SmolStr::default(),
            lets_in: None,
            why: why.to_owned(),
        };
        let Some(password) = password else {
            doors.push(closed("kwo does not know the password"));
            continue;
        };
        if hosts.is_empty() {
            doors.push(closed("the roster names no host of a registry"));
        }
        for host in hosts {
            let mut told = false;
            let door = loop {
                let answer = lets_in(&format!("https://{host}"), name, password, PATIENCE).await;
                let (lets_in, why) = answer.map_or_else(|why| (None, why), |yes| (Some(yes), String::new()));
                let door = Door { user: name.clone(), host: host.clone(), lets_in, why };
                if !door.admits() || Instant::now() >= end {
                    break door;
                }
                if !std::mem::replace(&mut told, true) {
                    waits(&door);
                }
                sleep(PAUSE).await;
            };
            doors.push(door);
        }
    }
    doors
}
