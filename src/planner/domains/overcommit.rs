//! `cluster.overcommit`: how many times what the nodes can give the quotas of all tenants together may promise. It makes
//! no object; `capacity/` compares.

use crate::domains::quota::is_device;
use crate::roster::record::record;
use crate::roster::{At, Finding, Findings, Quantity};

record! {
    /// How many times what the nodes can give the quotas of tenants may promise. Few tenants use all of their quota, so
    /// more than 1 is usual.
    pub struct Overcommit: "overcommit" {
        /// Of CPU, which slows down where all ask for it at once. Default: 4.
        pub cpu: Option<At<Quantity>>,
        /// Of memory, which ends pods where all ask for it at once. Default: 1.5.
        pub memory: Option<At<Quantity>>,
        /// Of pods: a node of k3s runs 110. Default: 4.
        pub pods: Option<At<Quantity>>,
    }
}

impl Overcommit {
    /// Where the roster says nothing of it.
    pub const USUAL: Overcommit = Overcommit { cpu: None, memory: None, pods: None };

    /// How many times what is there of this resource may be promised; nothing where kwo does not judge. Nobody can share
    /// a device or a huge page.
    #[must_use]
    pub fn most(&self, resource: &str) -> Option<Quantity> {
        let Overcommit { cpu, memory, pods } = self;
        let said = |ratio: &Option<At<Quantity>>, usual| {
            Some(ratio.as_ref().map_or_else(|| Quantity::thousandths(usual), |ratio| ratio.value.clone()))
        };
        match resource {
            "cpu" => said(cpu, 4000),
            "memory" => said(memory, 1500),
            "pods" => said(pods, 4000),
            _ if is_device(resource) || resource.starts_with("hugepages-") => said(&None, 1000),
            _ => None,
        }
    }
}

/// A ratio is above zero.
pub(crate) fn check(overcommit: Option<&Overcommit>, findings: &mut Findings) {
    let Some(Overcommit { cpu, memory, pods }) = overcommit else { return };
    for ratio in [cpu, memory, pods].into_iter().flatten() {
        if ratio.is_negative() || ratio.value == Quantity::zero() {
            let message = format!("`{ratio}` is not a valid ratio");
            let finding = Finding::new("bad-ratio", ratio.at, message, "expected a number above 0");
            findings.push(finding.hint("1.5 lets quotas promise half as much again as the nodes can give"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_usual_ratio_or_is_not_judged() {
        let most = |resource: &str| {
            let most = Overcommit::USUAL.most(resource);
            most.map(|ratio| ratio.to_string())
        };
        assert_eq!(most("cpu").as_deref(), Some("4"));
        assert_eq!(most("memory").as_deref(), Some("1500m"));
        assert_eq!(most("pods").as_deref(), Some("4"));
        assert_eq!(most("nvidia.com/gpu").as_deref(), Some("1"));
        assert_eq!(most("hugepages-2Mi").as_deref(), Some("1"));
        assert_eq!((most("storage"), most("ephemeral-storage")), (None, None));
    }
}
