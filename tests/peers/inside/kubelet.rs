//! What a node would do with a container of a pod, by hand: its volumes, its environment, its user, no capability. Only
//! what the pod says and what a kubelet adds by itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::apiserver::{self, kubectl, kubectl_ok};
use testkit::live::forbidden;
use testkit::peers::Running;
use testkit::run::Ran;

use super::image::{Image, image};

const RUNNER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/inside/container.sh");

/// A node, with what outlives a pod: the volumes of claims.
pub(crate) struct Node {
    folder: TempDir,
    /// Where the API server is, for a pod.
    api: [String; 2],
    image: &'static Image,
}

/// A pod on it: its volumes are there, and no container runs.
pub(crate) struct Pod<'n> {
    node: &'n Node,
    folder: TempDir,
    pod: Value,
}

impl Node {
    /// Nothing where no container can be made.
    #[track_caller]
    pub(crate) fn new() -> Option<Node> {
        let mut probe = Command::new("unshare");
        probe.args(["--mount", "--uts", "--ipc", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/mnt"]);
        match probe.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {}
            other => return forbidden(&format!("no container can be made: {other:?}")),
        }
        let kubeconfig = fs::read_to_string(apiserver::kubeconfig()?).unwrap();
        let server =
            kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: https://")).unwrap();
        let (host, port) = server.trim_matches('"').split_once(':').unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Some(Node { folder, api: [host.to_owned(), port.to_owned()], image: image()? })
    }

    /// Makes the volumes of a pod that the API server has admitted.
    pub(crate) fn pod(&self, pod: Value) -> Pod<'_> {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let made = Pod { node: self, folder, pod };
        for volume in made.pod["spec"]["volumes"].as_array().unwrap() {
            made.fill(volume);
        }
        made
    }

    /// What a claim holds.
    pub(crate) fn claim(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("claim-{name}"))
    }
}

impl Pod<'_> {
    fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} of {value:#}"))
    }

    fn number(value: &Value, pointer: &str) -> u32 {
        let number =
            value.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {value:#}"));
        u32::try_from(number).unwrap()
    }

    /// Where a volume is here.
    fn volume(&self, volume: &Value) -> PathBuf {
        match volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str) {
            Some(claim) => self.node.claim(claim),
            None => self.folder.path().join("volumes").join(Self::text(volume, "/name")),
        }
    }

    fn fill(&self, volume: &Value) {
        let folder = self.volume(volume);
        fs::create_dir_all(&folder).unwrap();
        let group = Self::number(&self.pod, "/spec/securityContext/fsGroup");
        let namespace = Self::text(&self.pod, "/metadata/namespace");
        let put = |name: &str, bytes: &[u8], mode: u32| {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            chown(&path, Some(0), Some(group)).unwrap();
        };
        let object = |kind: &str, name: &str| -> Value {
            serde_json::from_str(&kubectl_ok(&["get", kind, name, "-n", namespace, "-o", "json"])).unwrap()
        };
        let mode = |source: &Value| u32::try_from(source["defaultMode"].as_u64().unwrap()).unwrap();
        let texts = |object: &Value| -> Vec<(String, String)> {
            let data = object["data"].as_object().into_iter().flatten();
            data.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())).collect()
        };
        if let Some(source) = volume.get("configMap") {
            for (name, text) in texts(&object("configmap", Self::text(source, "/name"))) {
                put(&name, text.as_bytes(), mode(source));
            }
        } else if let Some(source) = volume.get("secret") {
            let name = Self::text(source, "/secretName");
            let there = kubectl(&["get", "secret", name, "-n", namespace]).status.success();
            assert!(there || source["optional"] == true, "the pod would wait for the Secret {name}");
            for (name, _) in there.then(|| texts(&object("secret", name))).into_iter().flatten() {
                let secret = Self::text(source, "/secretName");
                let template = format!("{{{{index .data {name:?} | base64decode}}}}");
                let text = kubectl_ok(&[
                    "get",
                    "secret",
                    secret,
                    "-n",
                    namespace,
                    "-o",
                    "go-template",
                    "--template",
                    &template,
                ]);
                put(&name, text.as_bytes(), mode(source));
            }
        } else if let Some(source) = volume.get("projected") {
            for part in source["sources"].as_array().unwrap() {
                if let Some(token) = part.get("serviceAccountToken") {
                    let account = Self::text(&self.pod, "/spec/serviceAccountName");
                    let seconds = format!("--duration={}s", token["expirationSeconds"]);
                    let token = kubectl_ok(&["create", "token", account, "-n", namespace, &seconds]);
                    put("token", token.trim().as_bytes(), mode(source));
                } else if let Some(config) = part.get("configMap") {
                    let text = object("configmap", Self::text(config, "/name"));
                    put("ca.crt", Self::text(&text["data"], "/ca.crt").as_bytes(), mode(source));
                } else {
                    assert_eq!(part.pointer("/downwardAPI/items/0/path").unwrap(), "namespace", "{part}");
                    put("namespace", namespace.as_bytes(), mode(source));
                }
            }
        }
        // As a kubelet hands over what may be written.
        let written = volume.get("emptyDir").is_some() || volume.get("persistentVolumeClaim").is_some();
        fs::set_permissions(&folder, fs::Permissions::from_mode(if written { 0o2775 } else { 0o755 }))
            .unwrap();
        chown(&folder, Some(0), Some(group)).unwrap();
    }

    /// The words that run a container of it, with another command if one is given.
    fn words(&self, container: &str, instead: Option<&[&str]>) -> Vec<String> {
        let spec = &self.pod["spec"];
        let all = spec["containers"].as_array().unwrap();
        let container = all.iter().find(|found| found["name"] == container).unwrap();
        let Image { root, config, .. } = self.node.image;
        let mut mounts = Vec::new();
        for mount in container["volumeMounts"].as_array().unwrap() {
            let (name, path) = (Self::text(mount, "/name"), Self::text(mount, "/mountPath"));
            let volume =
                spec["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == name).unwrap();
            fs::create_dir_all(root.join(&path[1..])).unwrap();
            let mode = if mount["readOnly"] == true { "ro" } else { "rw" };
            mounts.push(format!("{}:{path}:{mode}", self.volume(volume).display()));
        }
        let bounds = &container["securityContext"];
        assert_eq!(bounds["capabilities"]["drop"], serde_json::json!(["ALL"]));
        assert_eq!(bounds["allowPrivilegeEscalation"], false);
        let writes = if bounds["readOnlyRootFilesystem"] == true { "ro" } else { "rw" };
        let user = Self::number(spec, "/securityContext/runAsUser");
        let group = Self::number(spec, "/securityContext/runAsGroup");
        assert_eq!(config["User"], format!("{user}:{group}"));
        let [host, port] = &self.node.api;
        let mut words = vec![
            root.display().to_string(),
            Self::text(spec, "/hostname").to_owned(),
            format!("{user}:{group}"),
            Self::number(spec, "/securityContext/fsGroup").to_string(),
            writes.to_owned(),
        ];
        words.extend(mounts);
        words.push("--".to_owned());
        // What a kubelet gives to every container.
        words.push(format!("KUBERNETES_SERVICE_HOST={host}"));
        words.push(format!("KUBERNETES_SERVICE_PORT={port}"));
        // The image's own variables, below those of the container.
        words.extend(config["Env"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()));
        for variable in container["env"].as_array().unwrap() {
            words.push(format!("{}={}", Self::text(variable, "/name"), Self::text(variable, "/value")));
        }
        words.push("--".to_owned());
        let own: Vec<&str> =
            container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        words.extend(instead.unwrap_or(&own).iter().map(|word| (*word).to_owned()));
        words
    }

    /// Runs a container of it to its end.
    #[track_caller]
    pub(crate) fn run(&self, container: &str, instead: Option<&[&str]>) -> Ran {
        let words = self.words(container, instead);
        Ran::of(&Command::new(RUNNER).args(words).stdin(Stdio::null()).output().unwrap())
    }

    /// Starts a container of it.
    pub(crate) fn start(&self, container: &str, instead: Option<&[&str]>) -> Running {
        let logs = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        Running::start(Path::new(RUNNER), &self.words(container, instead), &[], &logs)
    }
}
