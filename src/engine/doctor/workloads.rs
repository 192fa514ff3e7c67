//! What runs in the cluster for its tenants: Traefik, the resolvers, the registry, the namespaces and the tokens of
//! pipelines, as `kwo status` sees them.

use super::check::{Check, REGISTRY, RESOLVERS, TENANTS, TOKENS, TRAEFIK, few};
use crate::providers::TokenState;
use crate::status::{Answer, Pod, Registry, Replicas, Resolver, Tenant, Tokens};
use kwo_planner::plain::counted;

/// A token that never ends should be younger than this.
const OLD: i64 = 365;

pub(super) fn pods(traefik: &Answer<Vec<Pod>>) -> Check {
    let todo = "see what it waits for";
    let command = "kubectl describe pods -n kube-system -l app.kubernetes.io/name=traefik";
    match traefik {
        Answer::CouldNotLook(why) => TRAEFIK.cannot_tell(why),
        Answer::Found(pods) if pods.is_empty() => TRAEFIK
            .not_asked("there are no pods of it in kube-system: another ingress controller may be at work"),
        Answer::Found(pods) => {
            let down = |pod: &&Pod| pod.phase != "Running" || pod.ready < pod.containers;
            let down: Vec<&str> = pods.iter().filter(down).map(|pod| pod.name.as_str()).collect();
            match down.as_slice() {
                [] => TRAEFIK.ok(format!("pods that run: {}", pods.len())),
                down if down.len() < pods.len() => {
                    TRAEFIK.warning(format!("not ready: {}", few(down))).todo(todo, command)
                }
                down => TRAEFIK.failed(format!("not ready: {}", few(down))).todo(todo, command),
            }
        }
    }
}

pub(super) fn credentials(resolvers: &[Resolver]) -> Check {
    let (mut missing, mut unknown) = (Vec::new(), None);
    for resolver in resolvers {
        match &resolver.credentials {
            Answer::CouldNotLook(why) => unknown = Some(format!("{}: {why}", resolver.name)),
            Answer::Found(keys) => missing.extend(
                keys.iter()
                    .filter(|(_, there)| !**there)
                    .map(|(key, _)| format!("{} of {}", key, resolver.name)),
            ),
        }
    }
    match (missing.as_slice(), unknown) {
        ([], _) if resolvers.is_empty() => RESOLVERS.not_asked("the roster asks for no certificates"),
        ([], Some(why)) => RESOLVERS.cannot_tell(why),
        ([], None) => RESOLVERS.ok("every credential is there; `kwo dns check` tries them"),
        (missing, _) => RESOLVERS
            .failed(format!("the cluster does not have: {}", few(missing)))
            .todo("apply the roster where its secrets can be read", "kwo apply"),
    }
}

pub(super) fn available(registry: Option<&Registry>) -> Check {
    let Some(Registry { hosts, replicas, old_passwords: _ }) = registry else {
        return REGISTRY.not_asked("the roster asks for none");
    };
    let (todo, command) = ("see what it waits for", "kubectl describe deployment registry -n kube-system");
    match replicas {
        Answer::CouldNotLook(why) => REGISTRY.cannot_tell(why),
        Answer::Found(None) => REGISTRY.failed("its Deployment is not there").todo("make it", "kwo apply"),
        Answer::Found(Some(Replicas { wanted, available })) if available < wanted => REGISTRY
            .failed(format!("{available} of {} available", counted(*wanted, "replica is", "replicas are")))
            .todo(todo, command),
        Answer::Found(Some(_)) => REGISTRY.ok(format!("it runs for {}", few(hosts))),
    }
}

pub(super) fn places(tenants: &[Tenant]) -> Check {
    let (mut wrong, mut unknown) = (Vec::new(), None);
    for space in tenants.iter().flat_map(|tenant| &tenant.namespaces) {
        match (&space.phase, &space.quotas) {
            (Answer::CouldNotLook(why), _) | (_, Answer::CouldNotLook(why)) => unknown = Some(why.clone()),
            (Answer::Found(None), _) => wrong.push(format!("{} is not there", space.name)),
            (Answer::Found(Some(phase)), _) if phase != "Active" => {
                wrong.push(format!("{} is {phase}", space.name));
            }
            (_, Answer::Found(quotas)) if quotas.is_empty() => {
                wrong.push(format!("{} has no ResourceQuota", space.name));
            }
            (_, Answer::Found(quotas)) => {
                let full = quotas.iter().flat_map(|quota| &quota.uses);
                let full =
                    full.filter(|have| have.percent.is_none_or(|percent| percent > 100) && have.used != "0");
                wrong.extend(full.map(|have| {
                    format!(
                        "{} uses {} of {}, and {} is allowed",
                        space.name, have.used, have.resource, have.hard
                    )
                }));
            }
        }
    }
    match (wrong.as_slice(), unknown) {
        ([], Some(why)) => TENANTS.cannot_tell(why),
        ([], None) => TENANTS.ok(format!("tenants: {}", tenants.len())),
        (wrong, _) => TENANTS.warning(few(wrong)).todo("see all of them", "kwo status"),
    }
}

pub(super) fn aged(tokens: &Tokens) -> Check {
    let Tokens { kubeconfigs, long_lived } = tokens;
    let mut wrong: Vec<String> = Vec::new();
    for kept in kubeconfigs.iter().flatten() {
        match &kept.token {
            Answer::CouldNotLook(why) => return TOKENS.cannot_tell(why),
            Answer::Found(None) => wrong.push(format!("the kubeconfig of {} is not there", kept.namespace)),
            Answer::Found(Some(token)) if token.state == TokenState::Ended => {
                wrong.push(format!("the token of {} has ended", kept.namespace));
            }
            Answer::Found(Some(_)) => {}
        }
    }
    match long_lived {
        Answer::CouldNotLook(why) => TOKENS.cannot_tell(why),
        Answer::Found(tokens) => {
            let old = tokens.iter().filter(|token| token.days > OLD);
            wrong.extend(old.map(|token| {
                format!(
                    "the token of {} never ends, and is {} old",
                    token.namespace,
                    counted(token.days, "day", "days")
                )
            }));
            match wrong.as_slice() {
                [] => TOKENS.ok(format!("tokens that never end: {}", tokens.len())),
                wrong => TOKENS
                    .warning(few(wrong))
                    .todo("give pipelines kubeconfigs with tokens that end", "kwo status --node"),
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

    #[test]
    fn pods_are_ready_or_named() {
        let pod = |ready| Pod {
            name: "t".to_owned(),
            phase: "Running".to_owned(),
            containers: 1,
            ready,
            restarts: 0,
        };
        assert_eq!(pods(&found(vec![pod(1)])).outcome, Outcome::Ok);
        assert_eq!(pods(&found(vec![pod(1), pod(0)])).outcome, Outcome::Warning);
        assert_eq!(pods(&found(vec![pod(0)])).outcome, Outcome::Failed);
        assert_eq!(pods(&found(Vec::new())).outcome, Outcome::NotAsked);
        assert_eq!(pods(&silent()).outcome, Outcome::CannotTell);
    }

    #[test]
    fn a_credential_a_registry_and_a_namespace_are_there_or_named() {
        let resolver = |there| Resolver {
            name: "r".to_owned(),
            provider: None,
            credentials: found([("KEY".to_owned(), there)].into()),
        };
        assert_eq!(credentials(&[resolver(true)]).outcome, Outcome::Ok);
        assert_eq!(credentials(&[resolver(false)]).found, "the cluster does not have: KEY of r");
        assert_eq!(credentials(&[]).outcome, Outcome::NotAsked);
        let registry = |available| Registry {
            hosts: vec!["r.example.com".to_owned()],
            old_passwords: Answer::Found(Vec::new()),
            replicas: found(Some(Replicas { wanted: 1, available })),
        };
        assert_eq!(available(Some(&registry(1))).outcome, Outcome::Ok);
        assert_eq!(available(Some(&registry(0))).outcome, Outcome::Failed);
        assert_eq!(available(None).outcome, Outcome::NotAsked);
        let tenant = |phase: Option<&str>, quotas| Tenant {
            name: "t".to_owned(),
            parked: false,
            namespaces: vec![crate::status::Space {
                name: "s".to_owned(),
                phase: found(phase.map(str::to_owned)),
                quotas: found(quotas),
            }],
        };
        let quota = |used: &str, percent| crate::status::Quota {
            name: "q".to_owned(),
            uses: vec![crate::status::Use {
                resource: "pods".to_owned(),
                used: used.to_owned(),
                hard: "5".to_owned(),
                percent,
            }],
        };
        assert_eq!(places(&[tenant(Some("Active"), vec![quota("5", Some(100))])]).outcome, Outcome::Ok);
        assert_eq!(places(&[tenant(Some("Active"), vec![quota("6", Some(120))])]).outcome, Outcome::Warning);
        assert_eq!(places(&[tenant(Some("Active"), Vec::new())]).found, "s has no ResourceQuota");
        assert_eq!(places(&[tenant(Some("Terminating"), Vec::new())]).found, "s is Terminating");
        assert_eq!(places(&[tenant(None, Vec::new())]).found, "s is not there");
    }

    #[test]
    fn tokens_end_or_are_named() {
        let tokens = |days| Tokens {
            kubeconfigs: None,
            long_lived: found(vec![crate::status::LongLived {
                namespace: "s".to_owned(),
                secret: "t".to_owned(),
                made: jiff::Timestamp::now(),
                days,
            }]),
        };
        assert_eq!(aged(&tokens(365)).outcome, Outcome::Ok);
        assert_eq!(aged(&tokens(366)).outcome, Outcome::Warning);
        let kept = |token| Tokens {
            kubeconfigs: Some(vec![crate::status::Kept { namespace: "s".to_owned(), token }]),
            long_lived: found(Vec::new()),
        };
        assert_eq!(aged(&kept(found(None))).found, "the kubeconfig of s is not there");
        assert_eq!(aged(&kept(silent())).outcome, Outcome::CannotTell);
    }
}
