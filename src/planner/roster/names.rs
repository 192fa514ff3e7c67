//! Names as Kubernetes knows them: of tenants and namespaces, of bindings, of labels and their values, and of
//! what a quota counts.

use std::str::FromStr;

use super::scalar::{Refusal, quote, text_type};
use crate::plain::acts;

text_type! {
    /// The name of a node: one or more labels of lower-case letters, digits and `-`, with dots between them.
    pub struct NodeName {
        expected: "a node's name such as `node-1` or `node-1.example.com`, at most 63 characters",
        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max: 63
    }
}

text_type! {
    /// A name as Kubernetes takes it for a namespace (a DNS-1123 label): 1 to 63 lower-case letters, digits and
    /// "-", with a letter or digit at both ends.
    pub struct Name {
        expected: "a name: lower-case letters, digits and `-`, at most 63, a letter or digit at both ends",
        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max: 63
    }
}

text_type! {
    /// The name of a class of priority, Ingresses or storage: one or more labels of lower-case letters, digits and `-`,
    /// with dots between them.
    pub struct ClassName {
        expected: "the name of a class such as `high` or `traefik`",
        pattern: "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max: 253
    }
}

text_type! {
    /// The name of a RoleBinding, for a person whose usual one is taken.
    pub struct PathSegment {
        expected: "a name without spaces, `/` and `%`",
        pattern: "^[^\\s/%]+$",
        max: 253
    }
}

text_type! {
    /// The key of a label, as in Kubernetes: `cost-centre` or `example.com/cost-centre`. Keys under kwo.dev,
    /// kubernetes.io and k8s.io are not for tenants.
    pub struct LabelKey {
        expected: "a label key such as `cost-centre` or `example.com/cost-centre`",
        pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max: 317
    }
}

text_type! {
    /// The key of a label that kwo only looks for, in any domain: `app.kubernetes.io/name`.
    pub struct AnyLabelKey {
        expected: "a label key such as `app` or `app.kubernetes.io/name`",
        pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max: 317
    }
}

text_type! {
    /// The value of a label: at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both
    /// ends. It may be empty.
    pub struct LabelValue {
        expected: "a label value: letters, digits, `-`, `_` and `.`, at most 63, a letter or digit at both ends",
        pattern: "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        max: 63
    }
}

text_type! {
    /// What a quota counts or a limit bounds, as Kubernetes calls it: `limits.memory`,
    /// `count/deployments.apps`, `requests.nvidia.com/gpu`.
    pub struct ResourceName {
        expected: "a resource name such as `limits.memory` or `count/deployments.apps`",
        pattern: "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        max: 317
    }
}

impl FromStr for Name {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<Name, Refusal> {
        dns_label(text).map_err(|why| refuse_name("bad-name", "name", text, &why))?;
        Ok(Name(text.into()))
    }
}

impl FromStr for NodeName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<NodeName, Refusal> {
        let refused = |why: &str| Err(refuse_name("bad-node-name", "name of a node", text, why));
        if text.len() > 63 {
            return refused("it is over 63 characters, and the node's label of that name has to hold it");
        }
        match text.split('.').try_for_each(dns_label) {
            Ok(()) => Ok(NodeName(text.into())),
            Err(why) => refused(&why),
        }
    }
}

impl FromStr for ClassName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ClassName, Refusal> {
        let refused = |why: &str| Err(refuse_name("bad-class-name", "name of a class", text, why));
        if text.len() > 253 {
            return refused("it is over 253 characters");
        }
        match text.split('.').try_for_each(dns_label) {
            Ok(()) => Ok(ClassName(text.into())),
            Err(why) => refused(&why),
        }
    }
}

impl FromStr for PathSegment {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<PathSegment, Refusal> {
        let Err(why) = path_segment(text) else { return Ok(PathSegment(text.into())) };
        let refusal = Refusal::new(
            "bad-binding-name",
            format!("{} is not a valid name of a binding: {why}", quote(text)),
        );
        let proposal = text.split(odd).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let helps = text.contains(odd) && !proposal.is_empty() && text.len() <= 253;
        Err(if helps { refusal.hint(format!("write `{proposal}`")) } else { refusal })
    }
}

/// What cannot stand in a part of a path.
fn odd(char: char) -> bool {
    matches!(char, '/' | '%') || !visible(char)
}

/// A name that can be a part of a path, as those of roles and bindings have to be, or why it cannot.
pub(super) fn path_segment(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text == "." || text == ".." {
        return Err("Kubernetes accepts neither `.` nor `..`".to_owned());
    }
    if text.len() > 253 {
        return Err("it is over 253 characters".to_owned());
    }
    match text.chars().find(|char| odd(*char)) {
        Some(bad) => Err(format!("{} is not allowed in it", show(bad))),
        None => Ok(()),
    }
}

impl FromStr for LabelKey {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<LabelKey, Refusal> {
        qualified(text).map_err(|why| {
            Refusal::new("bad-label", format!("{} is not a valid label key: {why}", quote(text)))
        })?;
        if let Some((prefix, name)) = text.split_once('/')
            && let Some(owner) = reserved_domain(prefix)
        {
            let whose = if owner == "kwo.dev" { "kwo" } else { "Kubernetes" };
            let refusal = Refusal::new(
                "reserved-label",
                format!("`{text}` is not for tenants: labels under {owner} belong to {whose}"),
            );
            return Err(refusal.hint(if prefix == "pod-security.kubernetes.io" {
                "a tenant's Pod Security level is that of its tier: `podSecurity:`".to_owned()
            } else {
                format!("use a domain of your own, as in `example.com/{name}`, or no domain: `{name}`")
            }));
        }
        Ok(LabelKey(text.into()))
    }
}

impl FromStr for AnyLabelKey {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<AnyLabelKey, Refusal> {
        qualified(text).map_err(|why| {
            Refusal::new("bad-label", format!("{} is not a valid label key: {why}", quote(text)))
        })?;
        Ok(AnyLabelKey(text.into()))
    }
}

impl FromStr for LabelValue {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<LabelValue, Refusal> {
        if !text.is_empty() {
            label_part(text).map_err(|why| {
                Refusal::new("bad-label", format!("{} is not a valid label value: {why}", quote(text)))
            })?;
        }
        Ok(LabelValue(text.into()))
    }
}

impl FromStr for ResourceName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<ResourceName, Refusal> {
        qualified(text).map_err(|why| {
            Refusal::new(
                "bad-resource-name",
                format!("{} is not a valid name of a resource: {why}", quote(text)),
            )
            .hint("write it as in a ResourceQuota, for example `limits.memory` or `count/deployments.apps`")
        })?;
        Ok(ResourceName(text.into()))
    }
}

/// The refusal of a name, with a proposal where one is obvious.
pub(super) fn refuse_name(code: &'static str, what: &str, text: &str, why: &str) -> Refusal {
    let refusal = Refusal::new(code, format!("{} is not a valid {what}: {why}", quote(text)));
    if let Some((name, comment)) = text.split_once('#') {
        return refusal.hint(format!("a comment needs a space before it: `{name} #{comment}`"));
    }
    let proposal: String = text
        .chars()
        .map(|char| if char == '_' || char == ' ' || char == '.' { '-' } else { char.to_ascii_lowercase() })
        .collect();
    let proposal = proposal.trim_matches('-');
    match dns_label(proposal) {
        Ok(()) if proposal != text => refusal.hint(format!("write `{proposal}`")),
        _ => refusal,
    }
}

/// A DNS-1123 label, or why it is none.
pub(super) fn dns_label(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(bad) = text.chars().find(|char| !matches!(char, 'a'..='z' | '0'..='9' | '-')) {
        return Err(match bad {
            'A'..='Z' => "upper-case letters are not allowed".to_owned(),
            _ => format!("{} is not allowed in it", show(bad)),
        });
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("it starts or ends with `-`".to_owned());
    }
    if text.len() > 63 {
        return Err(format!("it has {} characters, and 63 are allowed", text.len()));
    }
    Ok(())
}

/// A name of Kubernetes' "qualified" kind: one part, or a DNS name, a slash and one part.
pub(super) fn qualified(text: &str) -> Result<(), String> {
    match text.split_once('/') {
        None => label_part(text),
        Some((prefix, name)) => {
            if prefix.is_empty() || prefix.len() > 253 {
                return Err("the part before the `/` must have 1 to 253 characters".to_owned());
            }
            for label in prefix.split('.') {
                dns_label(label).map_err(|why| format!("`{prefix}` is not a valid DNS name: {why}"))?;
            }
            label_part(name)
        }
    }
}

/// The part of a label key after the slash, which is also what a label's value looks like.
fn label_part(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if let Some(bad) =
        text.chars().find(|char| !(char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')))
    {
        return Err(format!("{} is not allowed in it", show(bad)));
    }
    let edge = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric());
    if !edge(text.chars().next()) || !edge(text.chars().next_back()) {
        return Err("it must start and end with a letter or digit".to_owned());
    }
    if text.len() > 63 {
        return Err(format!("it has {} characters, and 63 are allowed", text.len()));
    }
    Ok(())
}

/// The domain, not open to tenants, that a label's prefix belongs to.
pub(super) fn reserved_domain(prefix: &str) -> Option<&'static str> {
    ["kwo.dev", "kubernetes.io", "k8s.io"]
        .into_iter()
        .find(|domain| prefix.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Can it be seen on paper?
pub(super) fn visible(char: char) -> bool {
    char != ' ' && !acts(char)
}

/// A character for a message.
pub(super) fn show(char: char) -> String {
    match char {
        ' ' => "a space".to_owned(),
        '\n' => "a line break".to_owned(),
        '`' => "a back-tick".to_owned(),
        visible_char if visible(visible_char) => format!("`{visible_char}`"),
        other => format!("the character U+{:04X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels_and_keep_their_text() {
        for good in ["no", "012", "1e3", "null", "a", "a-b", &"a".repeat(63)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "~", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert_eq!(
            "Alice_Prod".parse::<Name>().unwrap_err().to_string(),
            "`Alice_Prod` is not a valid name: upper-case letters are not allowed (write `alice-prod`)"
        );
    }

    #[test]
    fn labels_of_the_system_are_not_for_tenants() {
        for good in ["cost-centre", "example.com/x", "notkwo.dev/x", "a.B_c"] {
            assert!(good.parse::<LabelKey>().is_ok(), "{good}");
        }
        for bad in
            ["kwo.dev/x", "a.kwo.dev/x", "app.kubernetes.io/managed-by", "k8s.io/a", "/a", "a/", "a/b/c", "-"]
        {
            assert!(bad.parse::<LabelKey>().is_err(), "{bad}");
        }
        assert!("app.kubernetes.io/name".parse::<AnyLabelKey>().is_ok());
        assert!("".parse::<LabelValue>().is_ok());
        assert!("_a".parse::<LabelValue>().is_err());
    }

    #[test]
    fn binding_names_are_path_segments() {
        assert!("bob@example.com-view".parse::<PathSegment>().is_ok());
        for bad in ["", ".", "..", "a/b", "a%b", "a b", "a\u{7f}"] {
            assert!(bad.parse::<PathSegment>().is_err(), "{bad:?}");
        }
    }
}
