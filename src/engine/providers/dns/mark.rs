//! kwo's mark on a record set: which cluster keeps it, for which tenant, and a sum of what was written. The sum tells what
//! somebody else changed since from what the roster says anew. It stands in a comment of the set, beside those of others.

use kwo_planner::tree::SmolStr;
use sha2::{Digest as _, Sha256};

use super::records::{Comment, RecordSet};

/// The account of kwo's comments.
const ACCOUNT: &str = "kwo";

/// The version of the form of a mark.
const FORM: &str = "kwo1";

/// The cluster of a mark that kwo cannot read.
pub(super) const UNREADABLE: &str = "that this kwo cannot read";

/// A mark.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    /// The uid of the cluster.
    pub(super) cluster: SmolStr,
    pub(super) tenant: SmolStr,
    /// Of the records and the TTL, as kwo wrote them or found them when it took them over.
    pub(super) sum: SmolStr,
}

/// Whose a record set is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Whose {
    /// That of this cluster.
    Ours(Mark),
    /// That of another one, with its uid.
    Others(SmolStr),
    /// Nobody's whom kwo knows.
    Nobodys,
}

impl Mark {
    /// The mark for what stands in this set.
    pub(super) fn of(cluster: &str, tenant: &str, set: &RecordSet) -> Mark {
        Mark { cluster: cluster.into(), tenant: tenant.into(), sum: sum(set) }
    }

    /// As a comment.
    pub(super) fn comment(&self) -> Comment {
        let Mark { cluster, tenant, sum } = self;
        let content = format!("{FORM} cluster={cluster} tenant={tenant} sum={sum}");
        Comment { account: ACCOUNT.into(), content: content.into(), modified_at: None }
    }

    /// Reads a comment of kwo; nothing where this kwo cannot.
    pub(super) fn parse(comment: &Comment) -> Option<Mark> {
        let mut words = comment.content.split(' ').filter(|word| !word.is_empty());
        (words.next()? == FORM).then_some(())?;
        let mut mark = Mark { cluster: "".into(), tenant: "".into(), sum: "".into() };
        for word in words {
            match word.split_once('=') {
                Some(("cluster", value)) => mark.cluster = value.into(),
                Some(("tenant", value)) => mark.tenant = value.into(),
                Some(("sum", value)) => mark.sum = value.into(),
                _ => {}
            }
        }
        (!mark.cluster.is_empty()).then_some(mark)
    }
}

/// Whose it is. Of several marks one of another cluster counts: then two clusters want it, and kwo leaves it alone.
pub(super) fn whose(set: &RecordSet, cluster: &str) -> Whose {
    let mut own = None;
    for comment in set.comments.iter().filter(|comment| comment.account == ACCOUNT) {
        match Mark::parse(comment) {
            Some(mark) if mark.cluster == cluster => {
                own.get_or_insert(mark);
            }
            Some(mark) => return Whose::Others(mark.cluster),
            // What kwo cannot read, a newer one may have written.
            None => return Whose::Others(UNREADABLE.into()),
        }
    }
    own.map_or(Whose::Nobodys, Whose::Ours)
}

/// The comments that are not kwo's.
pub(super) fn of_others(set: &RecordSet) -> impl Iterator<Item = &Comment> {
    set.comments.iter().filter(|comment| comment.account != ACCOUNT)
}

/// Half a SHA-256 of the records and the TTL.
pub(super) fn sum(set: &RecordSet) -> SmolStr {
    let RecordSet { name: _, of, ttl, records, comments: _ } = set;
    let mut sha = Sha256::new();
    sha.update(format!("{of} {ttl}"));
    for record in records {
        sha.update(format!("\n{record}"));
    }
    sha.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(comments: &[(&str, &str)]) -> RecordSet {
        let comment = |(account, content): &(&str, &str)| Comment {
            account: (*account).into(),
            content: (*content).into(),
            modified_at: None,
        };
        RecordSet {
            name: "a.example.com".into(),
            of: "A".into(),
            ttl: 300,
            records: vec!["192.0.2.1".into()],
            comments: comments.iter().map(comment).collect(),
        }
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let mark = Mark::of("uid-1", "alice", &set(&[]));
        let comment = mark.comment();
        let marked = set(&[("ops", "hello"), ("kwo", &comment.content)]);
        assert_eq!(whose(&marked, "uid-1"), Whose::Ours(mark));
        assert_eq!(whose(&marked, "uid-2"), Whose::Others("uid-1".into()));
        assert_eq!(of_others(&marked).count(), 1);
    }

    #[test]
    fn what_another_one_may_have_marked_is_not_ours() {
        let ours = "kwo1 cluster=u tenant=a sum=s";
        for (comments, is) in [
            (vec![], Whose::Nobodys),
            (vec![("ops", ours)], Whose::Nobodys),
            (vec![("kwo", ours), ("kwo", "kwo1 cluster=v tenant=a")], Whose::Others("v".into())),
            (vec![("kwo", "kwo2 owner=u")], Whose::Others("that this kwo cannot read".into())),
            (vec![("kwo", "kwo1 cluster= tenant=a")], Whose::Others("that this kwo cannot read".into())),
        ] {
            assert_eq!(whose(&set(&comments), "u"), is, "{comments:?}");
        }
    }
}
