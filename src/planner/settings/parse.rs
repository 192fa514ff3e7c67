//! From the text of the settings to checked settings, and their JSON schema.

use super::document::Settings;
use super::notify::ForgeKind;
use crate::domains::Refused;
use crate::domains::parse::other_kind;
use crate::policy;
use crate::roster::editors;
use crate::roster::of_settings;
use crate::roster::yaml::read;

use crate::roster::{At, Decode, Finding, Findings, SecretRef, SourceFile, Sources};

/// Reads and checks the settings.
///
/// # Errors
/// When anything is wrong with them: with everything that is.
pub fn parse(file: SourceFile) -> Result<Settings, Box<Refused>> {
    let mut findings = Findings::default();
    let node = read(&file, 0, &mut findings);
    findings = findings.told_by(of_settings);
    let settings = node.and_then(|node| match other_kind(&node, "Settings") {
        Some(finding) => {
            findings.push(finding);
            None
        }
        None => Settings::decode(&node, &mut findings),
    });
    if let Some(settings) = &settings {
        check(settings, &mut findings);
    }
    match settings {
        Some(settings) if findings.is_empty() => Ok(settings),
        _ => Err(Box::new(Refused::new(Sources::new(vec![file]), findings))),
    }
}

/// Checks what no single value shows.
fn check(settings: &Settings, findings: &mut Findings) {
    let repository = &settings.repository;
    for (field, secret, fits) in [
        ("token", &repository.token, repository.url.value.takes_token()),
        ("key", &repository.key, repository.url.value.takes_key()),
    ] {
        if let Some(secret) = secret.as_ref().filter(|_| !fits) {
            let message = format!("`{}` cannot use `{field}`", repository.url);
            let finding = Finding::new(
                "useless-secret",
                secret.at,
                message,
                "expected a token for https, a key for ssh, neither for a path",
            );
            findings.push(finding.also(repository.url.at, "the address"));
        }
    }
    if let Some(signers) = settings.trust.as_ref().and_then(|trust| trust.signers.as_ref())
        && signers.ssh.is_none()
        && signers.gpg.is_none()
    {
        findings.push(
            Finding::new(
                "missing-field",
                repository.url.at,
                "`trust.signers` names no file, so kwo would trust nobody",
                "expected `ssh: PATH` or `gpg: PATH` below `signers:`",
            )
            .hint("leave `trust:` out if commits are not signed"),
        );
    }
    if let Some(rules) = &settings.policy {
        policy::check(rules, findings);
    }
    if let Some(target) = &settings.target
        && let (Some(directory), Some(cluster)) = (
            &target.directory,
            target.kubeconfig.as_ref().map(|path| path.at).or(target.context.as_ref().map(|name| name.at)),
        )
    {
        findings.push(
            Finding::new(
                "two-targets",
                directory.at,
                "the target is both a directory and a cluster",
                "expected one of the two",
            )
            .also(cluster, "the cluster"),
        );
    }
    if let Some(target) = &settings.target
        && let (Some(directory), Some(asked)) =
            (&target.directory, settings.verify_access.filter(|asked| asked.value))
    {
        findings.push(
            Finding::new(
                "no-api-server",
                asked.at,
                "a directory has no API server that could be asked who may do what",
                "expected `verifyAccess` only for a cluster",
            )
            .also(directory.at, "the directory")
            .hint("leave `verifyAccess:` out"),
        );
    }
    if let Some(status) = settings.notify.as_ref().and_then(|notify| notify.status.as_ref())
        && matches!(status.forge.value, ForgeKind::Forgejo | ForgeKind::Gitea)
        && status.api.is_none()
    {
        let message = format!("kwo does not know where the API of this {} is", status.forge.value);
        let expected = "expected `api:` beside it: only GitHub and GitLab have one address for everybody";
        findings.push(
            Finding::new("missing-field", status.forge.at, message, expected)
                .hint("write `api: https://HOST/api/v1`"),
        );
    }
    for secret in secrets(settings) {
        if matches!(secret.value, SecretRef::Kube { .. } | SecretRef::Vault { .. } | SecretRef::Generate(_)) {
            let finding = Finding::new(
                "bad-secret",
                secret.at,
                format!("the settings cannot have a secret from `{}`", secret.value),
                "expected `env`, `file`, `credential` or `age`: kwo needs it even without a cluster and a roster",
            );
            findings.push(match secret.value {
                SecretRef::Vault { .. } => finding.hint(
                    "the address of Vault is in the roster, which kwo has not read yet: let Vault Agent or `bao agent` write \
                     the secret into a file, and write `{file: PATH}`",
                ),
                _ => finding,
            });
        }
    }
}

/// Every secret that the settings name.
fn secrets(settings: &Settings) -> impl Iterator<Item = &At<SecretRef>> {
    let notify = settings.notify.iter();
    let told = notify.flat_map(|notify| {
        let webhooks = notify.webhooks.iter().filter_map(|webhook| webhook.secret.as_ref());
        let slack = notify.slack.iter().map(|slack| &slack.url);
        let ntfy = notify.ntfy.iter().filter_map(|ntfy| ntfy.token.as_ref());
        webhooks.chain(slack).chain(ntfy).chain(notify.status.iter().map(|status| &status.token))
    });
    let hook = settings.hook.iter().flat_map(|hook| {
        let of = &hook.secrets;
        [&of.github, &of.forgejo, &of.gitea, &of.gitlab].into_iter().flatten()
    });
    let repository = [&settings.repository.token, &settings.repository.key];
    repository.into_iter().flatten().chain(told).chain(hook)
}

/// The JSON schema of the settings (draft 7), for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    editors::document::<Settings>("kwo settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<&'static str> {
        let file = SourceFile { name: "kwo.yaml".into(), text: text.into() };
        parse(file).map_or_else(|refused| refused.findings.iter().map(|f| f.code).collect(), |_| Vec::new())
    }

    const HEAD: &str = "apiVersion: kwo/v1\nkind: Settings\n";

    #[test]
    fn the_smallest_settings_name_a_repository() {
        let path = format!("{HEAD}repository: {{url: /srv/git/cluster.git}}\n");
        assert!(refused(&path).is_empty());
        assert_eq!(refused(HEAD), ["missing-field"]);
        assert_eq!(refused(&path.replace("Settings", "Roster")), ["other-kind"]);
        assert_eq!(refused(&format!("{path}limit: {{}}\n")), ["unknown-field"]);
    }

    #[test]
    fn no_word_of_a_roster_is_said_of_settings() {
        for text in ["", "- a\n", "a: 1\n---\nb: 1\n", "repository: &a !b *a\n"] {
            let file = SourceFile { name: "kwo.yaml".into(), text: text.into() };
            let said = format!("{:?}", parse(file).unwrap_err().findings);
            for word in ["tenants:", "kwo init", "include:"] {
                assert!(!said.contains(word), "{text}: {said}");
            }
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let with = |more: &str| refused(&format!("{HEAD}repository: {{url: 'https://a.b/c.git'}}\n{more}"));
        assert!(with("trust: {signers: {ssh: /etc/kwo/allowed_signers}}\n").is_empty());
        assert_eq!(with("trust: {signers: {}}\n"), ["missing-field"]);
        assert!(with("trust: {signers: {ssh: /a, gpg: /b}}\n").is_empty());
        assert_eq!(with("target: {directory: /a, context: b}\n"), ["two-targets"]);
        assert_eq!(with("hook: {secrets: {github: {generate: 32}}}\n"), ["bad-secret"]);
        assert_eq!(with("notify: {slack: [{url: https://hooks.example.com/x}]}\n"), ["inline-secret"]);
        let status = |more: &str| {
            with(&format!("notify: {{status: {{project: ops/cluster, token: {{file: /t}}, {more}}}}}\n"))
        };
        assert_eq!(status("forge: forgejo"), ["missing-field"]);
        assert!(status("forge: forgejo, api: https://git.example.com").is_empty());
        assert!(status("forge: github").is_empty());
        let key = format!("{HEAD}repository: {{url: 'https://a.b/c', key: {{file: /k}}}}\n");
        assert_eq!(refused(&key), ["useless-secret"]);
    }
}
