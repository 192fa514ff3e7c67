//! The ids of all that a roster wants, without the objects: how many there are, and whether one is asked for twice.

use std::collections::BTreeMap;

use crate::resource::{Clash, Reason, Resource, ResourceId};
use crate::roster::Sources;
use crate::systems::System;
use crate::tree::SmolStr;

/// Scope, name and why.
type Asked = (SmolStr, SmolStr, Reason);

/// Ids by system and kind: within a kind they come nearly in order, so that sorting them costs little.
#[derive(Default)]
pub(super) struct Ids {
    kinds: BTreeMap<(System, SmolStr), Vec<Asked>>,
}

impl Extend<Resource> for Ids {
    fn extend<I: IntoIterator<Item = Resource>>(&mut self, resources: I) {
        for Resource { id: ResourceId { system, kind, scope, name }, because, .. } in resources {
            self.kinds.entry((system, kind)).or_default().push((scope, name, because));
        }
    }
}

impl Ids {
    /// How many there are.
    pub(super) fn count(self, sources: &Sources) -> Result<usize, Clash> {
        let mut count = 0;
        for ((system, kind), mut ids) in self.kinds {
            ids.sort_by(|(scope, name, _), (scope_b, name_b, _)| (scope, name).cmp(&(scope_b, name_b)));
            let twice = ids.windows(2).find(|pair| (&pair[0].0, &pair[0].1) == (&pair[1].0, &pair[1].1));
            if let Some([(scope, name, first), (_, _, second)]) = twice {
                let id = ResourceId { system, kind, scope: scope.clone(), name: name.clone() };
                return Err(Clash::of(id, [first, second], sources));
            }
            count += ids.len();
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domains::parse;
    use crate::domains::{compile, count};
    use crate::kinds::Kind;
    use crate::resource::Desired;

    use crate::roster::SourceFile;
    use crate::tree::Tree;

    #[test]
    fn what_is_asked_for_twice_is_told_as_when_it_is_made() {
        let role = |name: &str| ResourceId::kube(Kind::Role, "a", name);
        let asked = |names: [&str; 3]| {
            names.map(|name| Resource::new(role(name), Tree::Null, Arc::new([]), Reason::Always))
        };
        for names in [["c", "b", "c"], ["a", "a", "b"], ["b", "a", "c"]] {
            let mut ids = Ids::default();
            ids.extend(asked(names));
            let made = Desired::new(asked(names).into(), Arc::default()).map(|made| made.resources().len());
            assert_eq!(ids.count(&Sources::default()), made);
        }
    }

    #[test]
    fn what_is_the_same_for_the_tenants_of_a_tier_is_made_once() {
        let text = "{apiVersion: kwo/v1, kind: Roster, tenants: {a: {}, b: {}, c: {quota: {pods: 3}}, \
                    d: {quota: {pods: 3}}}}"
            .to_owned();
        let roster = parse(Sources::new(vec![SourceFile { name: String::new(), text }])).unwrap();
        let desired = compile(&roster).unwrap();
        assert_eq!(count(&roster).unwrap(), desired.resources().len());
        let quota = |tenant: &str| {
            let id = ResourceId::kube(Kind::ResourceQuota, tenant, format!("{tenant}-quota"));
            let quota = desired.get(&id).unwrap();
            let Some(Tree::Map(spec)) = quota.body.get("spec") else { panic!("{quota:?}") };
            (Arc::clone(spec), quota.fields.clone())
        };
        let ((a, of_a), (b, of_b)) = (quota("a"), quota("b"));
        assert!(Arc::ptr_eq(&a, &b) && of_a.share(&of_b) && of_a == of_b);
        // So is what tenants say alike, and each keeps its own reason.
        let ((c, of_c), (d, of_d)) = (quota("c"), quota("d"));
        assert!(Arc::ptr_eq(&c, &d) && of_c.share(&of_d) && of_c != of_d && a != c);
    }
}
