//! What `kwo systems check` asks of a Vault: is it open, does kwo get in, are the auth methods and the engine there that the
//! roster names, and which rights are missing.

use kwo_planner::observed::Sighting;
use kwo_planner::resource::ResourceId;
use kwo_planner::vault::{DEPLOYER, VaultKind};
use kwo_planner::vault_rights::{Named, Right, rights};
use serde_json::{Value, json};
use smol_str::SmolStr;

use super::methods::methods;
use super::session::Session;
use super::{keys, roles, things, users};
use crate::providers::{Checkup, RightFound};

/// All questions. `cluster` says whose the marks are.
pub(super) async fn check(session: &Session, cluster: Result<SmolStr, Sighting>) -> Checkup {
    let mut found = Checkup::new("vault", session.server());
    let cluster_id = match session.health().await {
        Ok((id, version)) => {
            found.version = Some(version.into()).filter(|version: &String| !version.is_empty());
            id
        }
        Err(why) => return found.with("server", Err(why.into())),
    };
    found = found.with("server", Ok(format!("it is unsealed, and its cluster_id is {cluster_id}")));
    match session.logged_in().await {
        Ok(how) => found = found.with("login", Ok(how)),
        Err(why) => return found.with("login", Err(why.into())),
    }
    let policies = things::policies(session).await;
    let read = policies.map(|ours| format!("kwo reads policies, and {} of them are kwo's", ours.len()));
    found = found.with("read", read.map_err(String::from));
    found = match methods(session).await {
        Err(why) => found.with("people", Err(why.into())),
        Ok(methods) => {
            let there = |mount: &str| format!("the auth method {mount} is there");
            let people = methods.accessor(session, &session.people).map(|_| there(&session.people));
            let found = found.with("people", people.map_err(String::from));
            match &session.pipelines {
                None => found,
                Some(mount) => {
                    let pipelines = methods.kubernetes(session, mount).map(|_| there(mount));
                    found.with("pipelines", pipelines.map_err(String::from))
                }
            }
        }
    };
    if let Some(mount) = &session.deployers {
        let id = ResourceId::vault(VaultKind::SecretsRole, mount.clone(), DEPLOYER);
        let engine = roles::one(session, &id).await;
        let engine = engine.map(|_| format!("the secrets engine {mount} is there"));
        found = found.with("deployers", engine.map_err(String::from));
    }
    if let Some(mount) = &session.transit {
        // No namespace has a name like this, so no key is there.
        let id = ResourceId::vault(VaultKind::TransitKey, mount.clone(), "kwo-_");
        let engine = keys::one(session, &id).await;
        let engine = engine.map(|_| format!("the secrets engine {mount} is there"));
        found = found.with("transit", engine.map_err(String::from));
    }
    if let Some(path) = &session.users {
        let list = users::one(session, path).await;
        let list = list.map(|_| format!("kwo can read the entry {path}"));
        found = found.with("users", list.map_err(String::from));
    }
    found = match cluster {
        Ok(uid) => found.with("mark", Ok(format!("kwo marks what it makes there with {uid}"))),
        Err(Sighting::Unknown { why } | Sighting::LeftOut { why }) => found.with("mark", Err(why.into())),
        Err(Sighting::Absent | Sighting::Present(_)) => found,
    };
    with_rights(session, found).await
}

/// The rights that kwo needs, and the lines of a policy that give those that are missing.
async fn with_rights(session: &Session, mut found: Checkup) -> Checkup {
    let needed = rights(Named {
        pipelines: session.pipelines.as_deref(),
        deployers: session.deployers.as_deref(),
        transit: session.transit.as_deref(),
        own_roles: session.own_roles.as_deref(),
        users: session.users.as_deref().and_then(|path| session.in_store(path)),
    });
    let paths: Vec<String> = needed.iter().map(Right::asked).collect();
    let told = match session.post("sys/capabilities-self", &json!({"paths": paths})).await {
        Ok(told) => told,
        Err(refusal) => {
            let right = Right { path: "sys/capabilities-self".to_owned(), can: &["update"] };
            let why = format!("kwo cannot ask which rights it has: {refusal}");
            return found.with("rights", Err(why)).mended_by(right.lines(right.can));
        }
    };
    let mut todo = Vec::new();
    for right in &needed {
        // HashiCorp Vault has no such list, and kwo does without.
        if session.versions.get() == Some(&false) && right.path == "sys/policies/detailed/acl" {
            continue;
        }
        let can = told[right.asked()].as_array().map(Vec::as_slice).unwrap_or_default();
        let may =
            |word: &&&str| can.iter().filter_map(Value::as_str).any(|can| can == **word || can == "root");
        let missing: Vec<&str> = right.can.iter().filter(|word| !may(word)).copied().collect();
        if !missing.is_empty() {
            // A policy that is named anew for a path has to say all that is given there.
            todo.extend(right.lines(right.can));
        }
        found.rights.push(RightFound {
            path: right.path.clone(),
            has: right.can.iter().filter(may).map(ToString::to_string).collect(),
            missing: missing.into_iter().map(str::to_owned).collect(),
        });
    }
    let lacks: Vec<String> = found
        .rights
        .iter()
        .filter(|right| !right.missing.is_empty())
        .map(|right| format!("{} {}", right.missing.join(" and "), right.path))
        .collect();
    let said = match lacks.is_empty() {
        true => Ok("kwo has all that it needs".to_owned()),
        false => Err(format!("kwo may not {}", lacks.join(", "))),
    };
    found.with("rights", said).mended_by(todo)
}
