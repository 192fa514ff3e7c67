//! NetworkPolicies: does one allow less than before? It looks for everything that the old rules allow, piece by
//! piece, in the new rules. Policies add up: what another one opens stays open, and kwo reports that separately.

use super::few;
use super::pieces::{covers, everything, is_for, lost, pieces, requirements, which};
use crate::tree::Tree;

/// The two ways, with the names of their rules and of the ends in them.
const WAYS: [(&str, &str, &str); 2] = [("Ingress", "ingress", "from"), ("Egress", "egress", "to")];

/// What a policy lets through less than before, one direction after the other.
pub(super) fn narrowed(before: &Tree, after: &Tree) -> Option<String> {
    let told = WAYS.iter().filter_map(|(way, rules, peers)| {
        let now = is_for(after, way).then(|| pieces(after, rules, peers))?;
        // Pods that it did not select were not bounded by it.
        let selected = covers(
            &requirements(before.at("/spec/podSelector")),
            &requirements(after.at("/spec/podSelector")),
        );
        if before.get("spec").is_none() || !selected || !is_for(before, way) {
            let whole = lost(&everything(), &now).is_empty();
            let what = if *way == "Ingress" { "its pods are reached only by" } else { "its pods reach only" };
            return (!whole).then(|| format!("{what} what the rules name"));
        }
        let lost = lost(&pieces(before, rules, peers), &now);
        let what =
            if *way == "Ingress" { "its pods are no longer reached by" } else { "its pods no longer reach" };
        Some(format!("{what} {}", few(&lost)?))
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// What one policy lets through in the namespace of another one that closes it, one way after the other, as sentences:
/// who may reach what.
pub(crate) fn opened(policy: &Tree, closed: &Tree, namespace: &str) -> Vec<Opened> {
    let pods = format!("{} of {namespace}", which(&requirements(policy.at("/spec/podSelector"))));
    let told = WAYS.iter().filter_map(|(way, rules, peers)| {
        if !is_for(policy, way) || !is_for(closed, way) {
            return None;
        }
        let others = few(&lost(&pieces(policy, rules, peers), &pieces(closed, rules, peers)))?;
        let ends = if *way == "Ingress" { (others, pods.clone()) } else { (pods.clone(), others) };
        Some(Opened { from: ends.0, to: ends.1 })
    });
    told.collect()
}

/// One end that may reach the other, in words.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Opened {
    pub(crate) from: String,
    pub(crate) to: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tree;
    use super::*;

    fn policy(spec: &str) -> Tree {
        tree(&format!(r#"{{"spec":{spec}}}"#))
    }

    fn egress(rules: &str) -> Tree {
        policy(&format!(r#"{{"podSelector":{{}},"policyTypes":["Egress"],"egress":{rules}}}"#))
    }

    fn block(cidr: &str, except: &str, ports: &str) -> String {
        format!(r#"{{"to":[{{"ipBlock":{{"cidr":"{cidr}","except":[{except}]}}}}],"ports":[{ports}]}}"#)
    }

    #[test]
    fn what_is_no_longer_reached_is_told() {
        let all = egress("[{}]");
        let internet = |except: &str| egress(&format!("[{}]", block("0.0.0.0/0", except, "")));
        let web =
            egress(&format!("[{}]", block("0.0.0.0/0", "", r#"{"port":443},{"port":8000,"endPort":8010}"#)));
        let halves = egress(&format!("[{},{}]", block("0.0.0.0/1", "", ""), block("128.0.0.0/1", "", "")));
        let pods = |selector: &str| egress(&format!(r#"[{{"to":[{{"podSelector":{selector}}}]}}]"#));
        let of_namespaces = egress(r#"[{"to":[{"namespaceSelector":{}}]}]"#);
        let nothing = egress("[]");
        let no_type = policy(r#"{"podSelector":{},"policyTypes":["Ingress"],"ingress":[{}]}"#);
        for (before, after, expected) in [
            (&Tree::Null, &nothing, Some("its pods reach only what the rules name")),
            (&Tree::Null, &all, None),
            (&no_type, &all, None),
            (&no_type, &internet(""), Some("its pods reach only what the rules name")),
            (&all, &no_type, None),
            (&all, &internet(""), Some("its pods no longer reach all others")),
            (&internet(""), &all, None),
            (&internet(""), &internet(r#""10.0.0.0/8""#), Some("its pods no longer reach 10.0.0.0/8")),
            (&internet(r#""10.0.0.0/8""#), &internet(r#""10.1.0.0/16""#), None),
            (
                &internet(r#""10.0.0.0/8""#),
                &internet(r#""10.0.0.0/8","169.254.169.254/32""#),
                Some("its pods no longer reach 169.254.169.254"),
            ),
            (&internet(""), &halves, None),
            (&halves, &internet(""), None),
            (&web, &internet(""), None),
            (
                &web,
                &egress(&format!(
                    "[{}]",
                    block("0.0.0.0/0", "", r#"{"port":443},{"port":8000,"endPort":8005}"#)
                )),
                Some("its pods no longer reach 0.0.0.0/0 (TCP 8006-8010)"),
            ),
            (
                &web,
                &egress(&format!(
                    "[{}]",
                    block("0.0.0.0/0", "", r#"{"port":443,"protocol":"UDP"},{"port":8000,"endPort":8010}"#)
                )),
                Some("its pods no longer reach 0.0.0.0/0 (TCP 443)"),
            ),
            (&pods("{}"), &of_namespaces, None),
            (&of_namespaces, &pods("{}"), Some("its pods no longer reach all pods of all namespaces")),
            (&pods(r#"{"matchLabels":{"a":"b"}}"#), &pods("{}"), None),
            (
                &pods("{}"),
                &pods(r#"{"matchLabels":{"a":"b"}}"#),
                Some("its pods no longer reach all pods of its namespace"),
            ),
            (
                &pods(r#"{"matchLabels":{"a":"b"}}"#),
                &pods(r#"{"matchExpressions":[{"key":"a","operator":"In","values":["b","c"]}]}"#),
                None,
            ),
            (&nothing, &nothing, None),
        ] {
            assert_eq!(narrowed(before, after).as_deref(), expected, "{before} → {after}");
        }
    }

    #[test]
    fn pods_that_were_not_selected_were_not_bounded() {
        let of =
            |selector: &str| policy(&format!(r#"{{"podSelector":{selector},"policyTypes":["Ingress"]}}"#));
        let (some, all) = (of(r#"{"matchLabels":{"never":"true"}}"#), of("{}"));
        let expected = Some("its pods are reached only by what the rules name");
        assert_eq!(narrowed(&some, &all).as_deref(), expected);
        assert_eq!(narrowed(&all, &some), None);
        // Without types it is for what comes in, and for what goes out where there are rules for that.
        let bare = policy(r#"{"podSelector":{}}"#);
        assert_eq!(narrowed(&Tree::Null, &bare).as_deref(), expected);
        let out = policy(r#"{"podSelector":{},"egress":[{"to":[{"podSelector":{}}]}],"ingress":[{}]}"#);
        assert_eq!(narrowed(&Tree::Null, &out).as_deref(), Some("its pods reach only what the rules name"));
    }

    /// A network by its address and the bits of its size, an exception in it, the first port and how many more.
    type Rule = (u8, u8, Option<(u8, u8)>, Option<(u8, u8)>);

    /// Rules over eight addresses and four ports, as networks with an exception and ranges of ports.
    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        let network = (0_u8..8, 0_u8..4);
        let ports = proptest::option::of((0_u8..4, 0_u8..3));
        let rule = (network, proptest::option::of((0_u8..8, 1_u8..3)), ports);
        proptest::collection::vec(
            rule.prop_map(|((at, size), except, ports)| (at, size, except, ports)),
            0..4,
        )
    }

    fn within(at: u8, size: u8, address: u8) -> bool {
        at >> size == address >> size
    }

    fn body(rules: &[Rule]) -> Tree {
        let cidr = |at: u8, size: u8| format!("10.0.0.{}/{}", (at >> size) << size, 32 - size);
        let rules: Vec<String> = rules
            .iter()
            .map(|(at, size, except, ports)| {
                let except = except.map_or(String::new(), |(at, size)| format!("\"{}\"", cidr(at, size)));
                let ports = ports.map_or(String::new(), |(first, more)| {
                    format!(r#"{{"port":{},"endPort":{}}}"#, first + 80, first + more + 80)
                });
                block(&cidr(*at, *size), &except, &ports)
            })
            .collect();
        egress(&format!("[{}]", rules.join(",")))
    }

    proptest! {
        /// A packet that passed and no longer does is told; where there is none, nothing is told.
        #[test]
        fn a_policy_tightens_when_a_packet_no_longer_passes(was in rules(), will in rules()) {
            let passes = |rules: &[Rule], address: u8, port: u8| {
                rules.iter().any(|(at, size, except, ports)| {
                    within(*at, *size, address)
                        && except.is_none_or(|(at, size)| !within(at, size, address))
                        && ports.is_none_or(|(first, more)| (first..=first + more).contains(&port))
                })
            };
            // The last one stands for all ports that no rule names.
            let lost = (0..8).any(|address| {
                (0..8).any(|port| passes(&was, address, port) && !passes(&will, address, port))
            });
            let found = narrowed(&body(&was), &body(&will));
            prop_assert_eq!(found.is_some(), lost, "{:?}", found);
        }
    }
}
