//! kwo's mark in the comment of a record. Cloudflare has one comment for each record, of at most 100 characters on its
//! plan Free, and whoever wrote something there keeps it. So the mark is short: the uid of the cluster and a part of the
//! sum in Base64, and then the tenant, which makes 100 characters with the longest name of a tenant.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kwo_planner::tree::SmolStr;
use smol_str::format_smolstr;

use crate::providers::dns::records::Comment;

/// The account of a comment that is a mark.
pub(super) const ACCOUNT: &str = "kwo";

/// The form of a mark; that of `mark.rs` begins with the same word.
const FORM: &str = "kwo1";

/// What stands in place of a tenant where there is none.
const NOBODY: &str = "-";

/// How many digits of the sum a mark has: what changes a record by chance leaves them as they are once in 2⁴⁸ times.
pub(super) const SUM_DIGITS: usize = 12;

/// The most characters of a comment, on every plan and on those that cost.
const MOST: usize = 100;
const MOST_OF_PAID: usize = 500;

/// What stands in a comment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CommentParts {
    /// What others wrote.
    pub(super) others: SmolStr,
    /// kwo's mark as `mark.rs` reads it, with as much of the sum as there is; or something that this kwo cannot read.
    pub(super) mark: Option<Comment>,
}

/// Reads a comment.
pub(super) fn read(comment: &str) -> CommentParts {
    let Some((before, rest)) = mark_of(comment) else {
        return CommentParts { others: comment.into(), mark: None };
    };
    let comment = |content: SmolStr| Some(Comment { account: ACCOUNT.into(), content, modified_at: None });
    let mut words = rest.splitn(5, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (form, uid, sum, tenant, after) = (next(), next(), next(), next(), next());
    let of_tenants = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_tenant = (1..=63).contains(&tenant.len()) && tenant.bytes().all(of_tenants);
    let known = (form == FORM && mark_of(after).is_none() && is_tenant)
        .then(|| Some((uid_of(uid)?, hex(&URL_SAFE_NO_PAD.decode(sum).ok()?))))
        .flatten()
        .filter(|(_, sum)| sum.len() == SUM_DIGITS);
    let Some((uid, sum)) = known else {
        // Not to be taken for a mark, whatever it says.
        return CommentParts { others: before.into(), mark: comment(format_smolstr!("unreadable {rest}")) };
    };
    let tenant = if tenant == NOBODY { "" } else { tenant };
    let others = match (before, after) {
        (before, "") => before.into(),
        ("", after) => after.into(),
        (before, after) => format_smolstr!("{before} {after}"),
    };
    CommentParts { others, mark: comment(format_smolstr!("{FORM} cluster={uid} tenant={tenant} sum={sum}")) }
}

/// A comment with what others wrote in the one that is there, and this mark, which is one of `mark.rs`.
///
/// # Errors
/// When there is no room for the mark.
pub(super) fn written(there: &str, mark: &str) -> Result<String, String> {
    let value = |key: &str| mark.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    let (uid, tenant) = (value("cluster").unwrap_or_default(), value("tenant").unwrap_or_default());
    let sum = value("sum").and_then(|sum| bytes(sum.get(..SUM_DIGITS)?));
    let (Some(bytes), Some(sum)) = (bytes(&uid.replace('-', "")), sum) else {
        return Err(format!("the uid {uid} of the cluster is none that a mark at Cloudflare can have"));
    };
    let tenant = if tenant.is_empty() { NOBODY } else { tenant };
    let mark = format!("{FORM} {} {} {tenant}", URL_SAFE_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(sum));
    let others = read(there).others;
    let all = if others.is_empty() { mark } else { format!("{others} {mark}") };
    has_room(there, &others, all.chars().count() - others.chars().count())?;
    Ok(all)
}

/// Is there room for a mark of this tenant beside what others wrote in the comment that is there?
///
/// # Errors
/// When there is none; says how much there is.
pub(super) fn has_room_for(there: &str, tenant: &str) -> Result<(), String> {
    let others = read(there).others;
    // The form, 16 and 6 bytes in Base64, and what stands between them.
    let mark = FORM.len() + 1 + 22 + 1 + 8 + 1 + tenant.len().max(NOBODY.len());
    has_room(there, &others, mark + usize::from(!others.is_empty()))
}

fn has_room(there: &str, others: &str, more: usize) -> Result<(), String> {
    // Only plans that cost take one that is longer, and a mark is a part of it, too.
    let most = if there.chars().count() > MOST { MOST_OF_PAID } else { MOST };
    let others = others.chars().count();
    if others + more <= most {
        return Ok(());
    }
    Err(format!(
        "it has a comment of {others} characters, and beside it is no room for kwo's mark of {more}: Cloudflare takes {most}; \
         shorten the comment by {}",
        others + more - most
    ))
}

/// Where a word begins that has the form of a mark: what stands before it without the space between them, and the rest.
fn mark_of(comment: &str) -> Option<(&str, &str)> {
    let begins = |at: usize| comment[..at].chars().next_back().is_none_or(char::is_whitespace);
    let is_form = |rest: &str| {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let version = word.strip_prefix(ACCOUNT).unwrap_or_default();
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut places = comment.match_indices(ACCOUNT).map(|(at, _)| at);
    let at = places.find(|at| begins(*at) && is_form(&comment[*at..]))?;
    let (before, rest) = comment.split_at(at);
    Some((before.strip_suffix(' ').unwrap_or(before), rest))
}

/// The uid of a cluster in its usual form.
fn uid_of(text: &str) -> Option<String> {
    let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let digits = hex(&bytes);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    Some(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of digits in lower case.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn mark(tenant: &str) -> String {
        format!("kwo1 cluster={UID} tenant={tenant} sum=00112233445566778899aabbccddeeff")
    }

    fn told(comment: &str) -> (String, Option<String>) {
        let CommentParts { others, mark } = read(comment);
        (others.into(), mark.map(|mark| mark.content.into()))
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_beside_what_others_wrote() {
        for tenant in ["alice", "", &"a".repeat(63)] {
            for others in ["", "by hand", "  two  spaces, and kwo itself ", "kwoka"] {
                let Ok(comment) = written(others, &mark(tenant)) else {
                    assert!(tenant.len() > 40 && !others.is_empty());
                    continue;
                };
                let content = format!("kwo1 cluster={UID} tenant={tenant} sum=001122334455");
                assert_eq!(told(&comment), (others.to_owned(), Some(content)), "{comment}");
                assert!(has_room_for(others, tenant).is_ok());
            }
        }
        assert_eq!(written("", &mark("alice")).unwrap(), "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV alice");
        // The longest name of a tenant is what the plan Free has room for.
        assert_eq!(written("", &mark(&"a".repeat(63))).unwrap().len(), 100);
        // What somebody put behind the mark is theirs.
        let (others, mark) = told("by hand kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV alice see the wiki");
        assert_eq!((others.as_str(), mark.is_some()), ("by hand see the wiki", true));
    }

    #[test]
    fn what_looks_like_a_mark_and_is_none_is_unreadable() {
        let good = "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV alice";
        for comment in [
            "kwo2 anything",
            "kwo1",
            "see kwo1",
            &mark("alice"),
            "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV",
            "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RV al\u{1b}[1mice",
            "kwo1 ASNFZ4mrze8BI0VniavN7w ABEiM0RVAA alice",
            "kwo1 ASNFZ4mrze8BI0VniavN ABEiM0RV alice",
            &format!("{good} {good}"),
        ] {
            let (_, mark) = told(comment);
            assert!(mark.is_some_and(|mark| mark.starts_with("unreadable ")), "{comment}");
        }
        assert_eq!(told("about kwo and akwo1"), ("about kwo and akwo1".to_owned(), None));
    }

    #[test]
    fn there_is_room_or_it_is_said_how_much_is_missing() {
        assert!(has_room_for(&"x".repeat(57), "alice").is_ok());
        let why = has_room_for(&"x".repeat(58), "alice").unwrap_err();
        assert!(why.contains("58 characters") && why.ends_with("shorten the comment by 1"), "{why}");
        assert!(written(&"x".repeat(58), &mark("alice")).is_err());
        // A comment of that length is one of a plan that costs.
        assert!(has_room_for(&"x".repeat(101), "alice").is_ok());
        // One that is longer with its mark alone is one of such a plan, too.
        let both = format!("{} {}", written("", &mark("alice")).unwrap(), "x".repeat(60));
        assert!(has_room_for(&both, "alice").is_ok() && has_room_for(&both, "bob").is_ok());
        assert!(written(&both, &mark("alice")).unwrap().starts_with(&format!("{} kwo1 ", "x".repeat(60))));
        assert!(written("", "kwo1 cluster=https://c tenant=alice sum=001122334455").is_err());
    }
}
