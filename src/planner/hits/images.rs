//! Images, pull policies and the volumes of pods, as `kwo-allowed` and `kwo-tiers` judge them: what of a pod its tier does not allow.

use super::rules::{Broken, Rules, claim};
use crate::domains::{Policy, is_of_the_network};
use crate::tree::{SmolStr, Tree};

/// What of a pod is refused.
pub(super) fn pod(rules: &Rules, pod: &Tree) -> Vec<Broken> {
    let broken = |why, what: SmolStr| Broken { of: Policy::Allowed, why, what };
    let items = |pointer: &str| pod.at(pointer).map_or(&[][..], Tree::items);
    let containers = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
    let containers = || containers.iter().flat_map(|list| items(list));
    let volumes = || items("/spec/volumes").iter();
    let images = || volumes().filter_map(|volume| volume.get("image"));
    let text = |tree: &Tree, key: &str| tree.get(key).and_then(Tree::as_text).cloned().unwrap_or_default();
    let mut found = Vec::new();
    if let Some(volume) = volumes().find(|volume| rules.no_network_volumes && is_of_the_network(volume)) {
        let why = "the node mounts a volume of it from the network, which the tier does not allow";
        found.push(Broken { of: Policy::Tiers, why, what: text(volume, "name") });
    }
    if let Some(registries) = &rules.registries {
        let all =
            containers().map(|one| text(one, "image")).chain(images().map(|one| text(one, "reference")));
        let foreign = all.map(|image| full_name(&image)).find(|name| !is_of(name, registries));
        let why = "an image is from a registry that the tier does not allow";
        found.extend(foreign.map(|name| broken(why, name.into())));
    }
    if rules.always_pulls {
        let says = |policy: SmolStr| policy == "Always";
        let container = containers().find(|one| !says(text(one, "imagePullPolicy")));
        let why = "a container does not say `imagePullPolicy: Always`";
        found.extend(container.map(|one| broken(why, text(one, "name"))));
        let volume =
            volumes().find(|one| one.get("image").is_some_and(|image| !says(text(image, "pullPolicy"))));
        let why = "an image volume does not say `pullPolicy: Always`";
        found.extend(volume.map(|one| broken(why, text(one, "name"))));
    }
    let refused = volumes().find_map(|volume| {
        let template = volume.at("/ephemeral/volumeClaimTemplate")?;
        // What names no class gets the default one with the claim, and the claim is judged.
        claim(rules, template).into_iter().find(|broken| !broken.what.is_empty())
    });
    let why = "the tier does not allow the storage class of one of its volumes";
    found.extend(refused.map(|refused| broken(why, refused.what)));
    found
}

/// An image as the runtime reads it: the host is written out.
fn full_name(image: &str) -> String {
    let host = image.split_once('/').filter(|(first, _)| {
        first.contains(['.', ':'])
            || *first == "localhost"
            || first.chars().any(|char| char.is_ascii_uppercase())
    });
    let (host, rest) = match host {
        Some((host, rest)) => (host.to_ascii_lowercase(), rest),
        None => ("docker.io".to_owned(), image),
    };
    if !["docker.io", "index.docker.io"].contains(&host.as_str()) {
        return format!("{host}/{rest}");
    }
    let digits = rest.strip_prefix("sha").and_then(|rest| rest.split_once(':'));
    if digits
        .is_some_and(|(digits, _)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return format!("the image id {rest}");
    }
    let library = if rest.contains('/') { "" } else { "library/" };
    format!("docker.io/{library}{rest}")
}

/// Is it of one of these registries, or parts of one? What is no name of an image is of none.
fn is_of(name: &str, registries: &[SmolStr]) -> bool {
    is_image(name)
        && registries.iter().any(|registry| {
            name.strip_prefix(registry.as_str()).is_some_and(|rest| {
                rest.starts_with('/')
                    || (registry.contains('/') && (rest.is_empty() || rest.starts_with([':', '@'])))
            })
        })
}

/// `host/part/part:tag@digest`, each part in small letters with single separators.
fn is_image(name: &str) -> bool {
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    let digest = digest.is_none_or(|digest| {
        digest.rsplit_once(':').is_some_and(|(kind, sum)| {
            let plain = |char: char| char.is_ascii_alphanumeric() || "+._-".contains(char);
            !kind.is_empty()
                && kind.chars().all(plain)
                && sum.len() >= 32
                && sum.chars().all(|char| char.is_ascii_hexdigit())
        })
    });
    let Some((host, path)) = name.split_once('/') else { return false };
    let (path, tag) = match path.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (path, None),
    };
    let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let tag = tag
        .is_none_or(|tag| tag.starts_with(word) && tag.chars().all(|char| word(char) || ".-".contains(char)));
    digest && tag && !host.is_empty() && !host.contains(' ') && path.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let separators = part.split(plain).filter(|between| !between.is_empty());
    part.starts_with(plain)
        && part.ends_with(plain)
        && separators
            .into_iter()
            .all(|between| matches!(between, "." | "_" | "__") || between.chars().all(|char| char == '-'))
}

#[cfg(test)]
mod tests {
    use super::super::super::tightens::tree;
    use super::*;

    #[test]
    fn images_are_read_as_the_runtime_reads_them() {
        for (image, name) in [
            ("nginx", "docker.io/library/nginx"),
            ("a/b:1", "docker.io/a/b:1"),
            ("index.docker.io/nginx", "docker.io/library/nginx"),
            ("Registry.example.com/a", "registry.example.com/a"),
            ("localhost/a", "localhost/a"),
            ("host:5000/a/b", "host:5000/a/b"),
            ("sha256:abc", "the image id sha256:abc"),
        ] {
            assert_eq!(full_name(image), name);
        }
        let own: Vec<SmolStr> =
            ["registry.example.com", "docker.io/library", "ghcr.io/a/b"].map(Into::into).into();
        for (image, expected) in [
            ("nginx", true),
            ("nginx:1.27", true),
            ("library/nginx", true),
            ("evil/nginx", false),
            ("registry.example.com/any/thing@sha256:0123456789abcdef0123456789abcdef", true),
            ("registry.example.com/any@sha256:01", false),
            ("registry.example.com.evil.com/a", false),
            ("registry.example.com:5000/a", false),
            ("ghcr.io/a/b", true),
            ("ghcr.io/a/b:1", true),
            ("ghcr.io/a/bc", false),
            ("ghcr.io/a/b/c", true),
            ("registry.example.com/a..b", false),
            ("registry.example.com/a__b/c---d", true),
            ("registry.example.com/a___b", false),
            ("registry.example.com/a:b/c", false),
            ("sha256:abc", false),
            ("", false),
        ] {
            assert_eq!(is_of(&full_name(image), &own), expected, "{image}");
        }
    }

    #[test]
    fn every_container_and_volume_of_a_pod_is_judged() {
        let rules = Rules {
            registries: Some(vec!["a.example.com".into()]),
            always_pulls: true,
            storage_classes: Some(vec!["fast".into()]),
            ..Rules::default()
        };
        let found = |spec: &str| {
            let broken = pod(&rules, &tree(&format!(r#"{{"spec":{spec}}}"#)));
            broken.iter().map(|broken| broken.what.to_string()).collect::<Vec<_>>()
        };
        let good = r#"{"name":"g","image":"a.example.com/x","imagePullPolicy":"Always"}"#;
        assert_eq!(found(&format!(r#"{{"containers":[{good}]}}"#)), [""; 0]);
        assert_eq!(
            found(&format!(
                r#"{{"containers":[{good}],"initContainers":[{{"name":"i","image":"b.example.com/x"}}]}}"#
            )),
            ["b.example.com/x", "i"]
        );
        assert_eq!(
            found(&format!(
                r#"{{"containers":[{good}],"volumes":[{{"name":"v","image":{{"reference":"x"}}}},
                {{"name":"e","ephemeral":{{"volumeClaimTemplate":{{"spec":{{"storageClassName":"slow"}}}}}}}},
                {{"name":"d","ephemeral":{{"volumeClaimTemplate":{{"spec":{{}}}}}}}}]}}"#
            )),
            ["docker.io/library/x", "v", "slow"]
        );
    }
}
