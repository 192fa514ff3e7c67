//! What `kwo status` and a plan say, judged: the answers are those of `status/`, and here each becomes a check.

use kwo_planner::plain::counted;
use kwo_planner::units::moment;
use std::collections::BTreeSet;

use jiff::Timestamp;
use kwo_planner::kinds::Kind;
use kwo_planner::plan::Plan;
use kwo_planner::resource::ResourceId;

use super::check::{
    AGREEMENT, API_CERTIFICATE, CERTIFICATES, CLOCK, Check, GUARD, LOCK, NETWORK_POLICIES, NODES, REGISTRY,
    RESOLVERS, RIGHTS_TO_APPLY, RIGHTS_TO_PLAN, SERVER, TENANTS, TLS_SAN, TOKENS, TRAEFIK, Topic, VERSION,
    few,
};
use super::workloads::{aged, available, credentials, places, pods};
use crate::providers::LastRun;
use crate::status::{Agreement, Answer, Node, Status};

/// The oldest minor version whose admission policies kwo can rely on.
const OLDEST: u32 = 30;

/// So many minor versions a kubelet may be behind the API server.
const BEHIND: u32 = 3;

/// All checks of a cluster that cannot be asked.
pub(super) fn none(why: &str, none_named: bool) -> Vec<Check> {
    // Without a kubeconfig there are no contexts either.
    let failed = match SERVER.failed(why) {
        failed if none_named => failed.todo(
            "name a kubeconfig; that of k3s is on the node, and root can read it",
            "sudo kwo doctor --kubeconfig /etc/rancher/k3s/k3s.yaml",
        ),
        failed => failed.todo(
            "see which contexts there are, and choose one with `--context`",
            "kubectl config get-contexts",
        ),
    };
    let topics = [
        CLOCK,
        VERSION,
        RIGHTS_TO_PLAN,
        RIGHTS_TO_APPLY,
        LOCK,
        AGREEMENT,
        GUARD,
        NETWORK_POLICIES,
        NODES,
        TRAEFIK,
        RESOLVERS,
        REGISTRY,
        TENANTS,
        TOKENS,
        TLS_SAN,
        API_CERTIFICATE,
        CERTIFICATES,
    ];
    let unknown = topics.map(|topic| topic.cannot_tell("there is no cluster to ask"));
    std::iter::once(failed).chain(unknown).collect()
}

/// What the status and the plan say.
pub(super) fn judged(status: &Status, plan: Result<&Plan, &String>, roster: bool) -> Vec<Check> {
    let Status {
        format_version: _,
        kwo: _,
        roster: _,
        server: said,
        agreement,
        nodes,
        disks: _,
        backup: _,
        k3s: _,
        traefik,
        resolvers,
        certificates: _,
        registry,
        tenants,
        tokens,
        last_run,
        departed: _,
        last_sync: _,
    } = status;
    let without = |topic: Topic| topic.not_asked("there is no roster to compare with");
    let of_roster = |topic: Topic, check: &dyn Fn() -> Check| if roster { check() } else { without(topic) };
    vec![
        server(&said.address, &said.version),
        version(&said.version, nodes),
        lock(last_run),
        of_roster(AGREEMENT, &|| agrees(agreement)),
        of_roster(GUARD, &|| guard(plan)),
        ready(nodes),
        pods(traefik),
        of_roster(RESOLVERS, &|| credentials(resolvers)),
        of_roster(REGISTRY, &|| available(registry.as_ref())),
        of_roster(TENANTS, &|| places(tenants)),
        aged(tokens),
    ]
}

fn server(address: &str, version: &Answer<String>) -> Check {
    match version {
        Answer::Found(version) => SERVER.ok(format!("{address} answers: {version}")),
        Answer::CouldNotLook(why) => {
            SERVER.failed(why).todo("is it up, and is it the one that you mean?", "kubectl cluster-info")
        }
    }
}

/// The minor version of `v1.34.1+k3s1`.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("v1.")?;
    rest.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
}

fn version(server: &Answer<String>, nodes: &Answer<Vec<Node>>) -> Check {
    let said = match server {
        Answer::Found(said) => said,
        Answer::CouldNotLook(why) => return VERSION.cannot_tell(why),
    };
    let Some(here) = minor(said) else {
        return VERSION.cannot_tell(format!("`{said}` is not a version that kwo can read"));
    };
    if here < OLDEST {
        return VERSION
            .failed(format!("{said} is older than 1.{OLDEST}, which kwo's admission policies need"))
            .todo("update k3s, one minor version after the other", "kubectl version");
    }
    let nodes = match nodes {
        Answer::Found(nodes) => nodes,
        Answer::CouldNotLook(why) => return VERSION.cannot_tell(format!("{said}; of the nodes: {why}")),
    };
    let far =
        |node: &&Node| minor(&node.version).is_some_and(|theirs| theirs > here || theirs + BEHIND < here);
    let far: Vec<String> =
        nodes.iter().filter(far).map(|node| format!("{} {}", node.name, node.version)).collect();
    if far.is_empty() {
        return VERSION.ok(format!("{said}, and every node fits it"));
    }
    VERSION.failed(format!("{said} does not go with: {}", few(&far))).todo(
        "a kubelet may be up to 3 minor versions older than the API server, and never newer",
        "kubectl get nodes -o wide",
    )
}

fn lock(last: &Answer<Option<LastRun>>) -> Check {
    let run = match last {
        Answer::CouldNotLook(why) => return LOCK.cannot_tell(why),
        Answer::Found(None) => return LOCK.ok("nobody holds it, and nobody ever did"),
        Answer::Found(Some(run)) => run,
    };
    let LastRun { holder, running, since, heard } = run;
    let time = |time: &Option<Timestamp>| time.map_or_else(|| "an unknown time".to_owned(), moment);
    match (holder, running) {
        (None, _) => LOCK.ok(format!("nobody holds it; the last run ended at {}", time(heard))),
        (Some(holder), true) => LOCK.ok(format!("{holder} holds it since {}, and is at work", time(since))),
        (Some(holder), false) => LOCK
            .warning(format!(
                "{holder} took it at {}, and broke off: last seen at {}",
                time(since),
                time(heard)
            ))
            .todo(
                "nothing has to be done: the next run takes it over, and goes on where that one broke off",
                "kwo apply",
            ),
    }
}

fn agrees(agreement: &Answer<Agreement>) -> Check {
    let agreement = match agreement {
        Answer::CouldNotLook(why) => return AGREEMENT.cannot_tell(why),
        Answer::Found(agreement) => agreement,
    };
    let counts = [
        (agreement.changes(), "change is wanted", "changes are wanted"),
        (agreement.held.len(), "object is held", "objects are held"),
        (agreement.not_compared.len(), "object could not be compared", "objects could not be compared"),
        (agreement.leftover_access.len(), "right is left over", "rights are left over"),
        (agreement.leftover_in_force.len(), "left-over object is in force", "left-over objects are in force"),
        (agreement.foreign_access.len(), "right is not kwo's", "rights are not kwo's"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(*count, one, many))
        .collect();
    match (agreement.in_agreement, told.is_empty()) {
        (Some(true), true) => AGREEMENT.ok("the cluster agrees with the roster"),
        (None, _) => {
            AGREEMENT.cannot_tell(told.join(", ")).todo("see what could not be compared", "kwo plan")
        }
        (Some(_), false) => AGREEMENT.warning(told.join(", ")).todo("see each of them", "kwo plan"),
        (Some(false), true) => {
            AGREEMENT.warning("the cluster does not agree with the roster").todo("see why", "kwo plan")
        }
    }
}

/// Are these kwo's rules about what may be written?
fn guards(id: &ResourceId) -> bool {
    matches!(id.known_kind(), Some(Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding))
}

fn guard(plan: Result<&Plan, &String>) -> Check {
    let plan = match plan {
        Ok(plan) => plan,
        Err(why) => return GUARD.cannot_tell(why),
    };
    let (mut missing, mut unseen) = (BTreeSet::new(), BTreeSet::new());
    for step in plan.steps.iter().filter(|step| guards(&step.id)) {
        let what = if step.creates() { "is missing" } else { "was changed" };
        missing.insert(format!("{} {what}", step.id));
    }
    for held in plan.held.iter().filter(|held| guards(&held.id)) {
        unseen.insert(format!("{}: {}", held.id, held.hold));
    }
    let (missing, unseen): (Vec<String>, Vec<String>) =
        (missing.into_iter().collect(), unseen.into_iter().collect());
    match (missing.as_slice(), unseen.as_slice()) {
        ([], []) => GUARD.ok("every admission policy that the roster needs is in place"),
        ([], unseen) => GUARD.cannot_tell(few(unseen)).todo("see why", "kwo plan"),
        (missing, _) => GUARD.failed(few(missing)).todo("put them in place", "kwo apply"),
    }
}

fn ready(nodes: &Answer<Vec<Node>>) -> Check {
    match nodes {
        Answer::CouldNotLook(why) => NODES.cannot_tell(why),
        Answer::Found(nodes) if nodes.is_empty() => {
            NODES.failed("there are none").todo("is k3s up on the node?", "kubectl get nodes")
        }
        Answer::Found(nodes) => {
            let down: Vec<&str> =
                nodes.iter().filter(|node| !node.ready).map(|node| node.name.as_str()).collect();
            let pressed: Vec<String> = nodes
                .iter()
                .flat_map(|node| node.pressures().map(|(kind, said)| (node, kind, said)))
                .filter(|(_, _, said)| *said == Some(true))
                .map(|(node, kind, _)| format!("{} says {kind}", node.name))
                .collect();
            match down.as_slice() {
                [] if !pressed.is_empty() => NODES
                    .failed(few(&pressed))
                    .todo("the kubelet evicts pods; see what it lacks", "kubectl describe nodes"),
                [] => NODES.ok(format!("all {} are ready", nodes.len())),
                down => NODES
                    .failed(format!("not ready: {}", few(down)))
                    .todo("see the conditions of the node", "kubectl describe nodes"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn found<T>(value: T) -> Answer<T> {
        Answer::Found(value)
    }

    fn silent<T>() -> Answer<T> {
        Answer::CouldNotLook("no answer".to_owned())
    }

    fn node_of(version: &str, ready: bool) -> Node {
        let said = Some(false);
        let (disk_pressure, memory_pressure, pid_pressure) = (said, said, said);
        let (name, version) = ("n".to_owned(), version.to_owned());
        Node { name, ready, version, disk_pressure, memory_pressure, pid_pressure }
    }

    #[test]
    fn kubelets_are_not_newer_than_the_server_and_not_much_older() {
        let outcome = |server: &str, kubelet: &str| {
            version(&found(server.to_owned()), &found(vec![node_of(kubelet, true)])).outcome
        };
        assert_eq!(outcome("v1.34.1+k3s1", "v1.34.1+k3s1"), Outcome::Ok);
        assert_eq!(outcome("v1.34.1+k3s1", "v1.31.9+k3s1"), Outcome::Ok);
        assert_eq!(outcome("v1.34.1+k3s1", "v1.30.9+k3s1"), Outcome::Failed);
        assert_eq!(outcome("v1.34.1+k3s1", "v1.35.0+k3s1"), Outcome::Failed);
        assert_eq!(outcome("v1.29.1+k3s1", "v1.29.1+k3s1"), Outcome::Failed);
        assert_eq!(outcome("who knows", "v1.29.1"), Outcome::CannotTell);
        assert_eq!(version(&silent(), &silent()).outcome, Outcome::CannotTell);
    }

    #[test]
    fn the_lock_is_free_in_use_or_left_behind() {
        let run = |holder: Option<&str>, running| LastRun {
            holder: holder.map(str::to_owned),
            running,
            since: None,
            heard: None,
        };
        assert_eq!(lock(&found(None)).outcome, Outcome::Ok);
        assert_eq!(lock(&found(Some(run(None, false)))).outcome, Outcome::Ok);
        assert_eq!(lock(&found(Some(run(Some("a"), true)))).outcome, Outcome::Ok);
        assert_eq!(lock(&found(Some(run(Some("a"), false)))).outcome, Outcome::Warning);
        assert_eq!(lock(&silent()).outcome, Outcome::CannotTell);
    }

    #[test]
    fn nodes_are_ready_or_named() {
        assert_eq!(ready(&found(vec![node_of("", true)])).outcome, Outcome::Ok);
        assert_eq!(ready(&found(vec![node_of("", true), node_of("", false)])).found, "not ready: n");
        assert_eq!(ready(&found(Vec::new())).outcome, Outcome::Failed);
        let full = Node { disk_pressure: Some(true), ..node_of("", true) };
        assert_eq!(ready(&found(vec![node_of("", true), full])).found, "n says DiskPressure");
        // Nobody can say it of one that is silent, and then it is not ready either.
        let silent = Node { pid_pressure: None, ..node_of("", true) };
        assert_eq!(ready(&found(vec![silent])).outcome, Outcome::Ok);
    }

    #[test]
    fn a_cluster_that_cannot_be_asked_fails_one_check_alone() {
        let checks = none("no kubeconfig", true);
        assert_eq!(checks.iter().filter(|check| check.outcome == Outcome::Failed).count(), 1);
        assert!(checks.iter().skip(1).all(|check| check.outcome == Outcome::CannotTell));
    }
}
