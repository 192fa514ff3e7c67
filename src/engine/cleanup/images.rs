//! The images of the container runtime, by the program that k3s brings for it. It is run where k3s unpacked it: `k3s crictl` would
//! unpack k3s first, and with that change which folder is the current one. What it answers is bounded, and is believed only where
//! all of it is understood.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kwo_planner::cleanup::Stored;
use kwo_planner::plain::one_line;
use rustix::process::geteuid;
use serde::Deserialize;
use smol_str::SmolStr;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use super::unpacked::Data;
use crate::regular;

/// How long the runtime may take to answer.
const ANSWER: Duration = Duration::from_secs(60);
/// No answer is longer.
const LONGEST: u64 = 16 << 20;

/// The container runtime of a node.
#[derive(Clone, Debug)]
pub struct Runtime {
    program: PathBuf,
    config: PathBuf,
    /// The image of the sandbox that each pod begins with, where the runtime was told one.
    sandbox: Option<String>,
}

#[derive(Deserialize)]
struct Images {
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    id: SmolStr,
    #[serde(default)]
    repo_tags: Vec<SmolStr>,
    #[serde(default)]
    repo_digests: Vec<SmolStr>,
    #[serde(default)]
    size: Size,
    #[serde(default)]
    pinned: bool,
}

/// Protocol Buffers write numbers of 64 bits as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Text(String),
    Number(u64),
}

impl Default for Size {
    fn default() -> Size {
        Size::Number(0)
    }
}

#[derive(Deserialize)]
struct Containers {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    id: SmolStr,
    #[serde(default)]
    image: Named,
    #[serde(default)]
    image_ref: SmolStr,
    #[serde(default)]
    image_id: SmolStr,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(default)]
    image: SmolStr,
    #[serde(default)]
    user_specified_image: SmolStr,
}

impl Runtime {
    /// That of the machine that runs.
    ///
    /// # Errors
    /// When there is none that can be asked, in words.
    pub fn of(data: &Data) -> Result<Runtime, String> {
        if !data.is_live() {
            return Err("the container runtime below another root than / does not run here".to_owned());
        }
        if data.loads_images() {
            let folder = data.data.join("agent/images");
            let folder = one_line(&folder.to_string_lossy()).into_owned();
            return Err(format!("k3s loads images from files in {folder}, and no registry may have them"));
        }
        let config = data.data.join("agent/etc/crictl.yaml");
        let program = data.named.join("current/bin/crictl");
        if !program.exists() || !config.exists() {
            return Err("k3s has not started here yet".to_owned());
        }
        match others_may_change(&program) {
            Ok(false) => {
                let told = data.data.join("agent/etc/containerd/config.toml");
                let sandbox = match regular::text(&told) {
                    Ok(text) => sandbox(&text),
                    Err(error) => {
                        let told = one_line(&told.to_string_lossy()).into_owned();
                        return Err(format!(
                            "kwo cannot read {told}, which says what each pod needs: {error}"
                        ));
                    }
                };
                Ok(Runtime { program, config, sandbox })
            }
            Ok(true) => Err(format!("somebody else than root may change {}", program.display())),
            Err(error) => Err(format!("kwo cannot look at {}: {error}", program.display())),
        }
    }

    /// The images, and which of them a container has.
    ///
    /// # Errors
    /// When the runtime does not say, or not all of it is understood.
    pub async fn images(&self) -> Result<Vec<Stored>, String> {
        // An image that came after the containers were listed may have one that nobody sees. So only what was there before counts.
        let before: Images = self.asks(&["images", "--output", "json"]).await?;
        let containers: Containers = self.asks(&["ps", "--all", "--output", "json"]).await?;
        let images: Images = self.asks(&["images", "--output", "json"]).await?;
        let before: BTreeSet<SmolStr> = before.images.into_iter().map(|image| image.id).collect();
        let judged = judged(&images.images, &containers.containers, self.sandbox.as_deref())?;
        Ok(judged.into_iter().filter(|image| before.contains(&image.id)).collect())
    }

    /// Removes an image.
    ///
    /// # Errors
    /// When the runtime does not.
    pub async fn remove(&self, id: &str) -> Result<(), String> {
        self.run(&["rmi", id]).await.map(drop)
    }

    async fn asks<T: for<'de> Deserialize<'de>>(&self, words: &[&str]) -> Result<T, String> {
        let answer = self.run(words).await?;
        // What the reader says may quote what others wrote.
        serde_json::from_slice(&answer)
            .map_err(|_| format!("kwo does not understand what `crictl {}` answers", words.join(" ")))
    }

    async fn run(&self, words: &[&str]) -> Result<Vec<u8>, String> {
        let shown = format!("`crictl {}`", words.join(" "));
        let mut command = Command::new(&self.program);
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        command.env("CRI_CONFIG_FILE", &self.config).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ran = async {
            let mut child = command.spawn()?;
            let (out, err) = (child.stdout.take(), child.stderr.take());
            let (out, err) = tokio::try_join!(read(out), read(err))?;
            if out.len() as u64 > LONGEST || err.len() as u64 > LONGEST {
                return Err(std::io::Error::other("it answers too much"));
            }
            Ok((child.wait().await?, out, err))
        };
        let ran = timeout(ANSWER, ran).await;
        let ran = ran.map_err(|_| format!("{shown} gave no answer for {} s", ANSWER.as_secs()))?;
        let (status, out, err) = ran.map_err(|error| format!("{shown} cannot be run: {error}"))?;
        if status.success() {
            return Ok(out);
        }
        let errors = String::from_utf8_lossy(&err);
        let last = errors.lines().rev().find(|line| !line.trim().is_empty());
        Err(format!("{shown} failed: {}", one_line(last.unwrap_or("it does not say why"))))
    }
}

/// May somebody else than root change a program, or put another one in its place?
fn others_may_change(program: &Path) -> std::io::Result<bool> {
    let found = program.canonicalize()?;
    let (named, real) = (program.ancestors().take(3), found.ancestors().take(3));
    for path in named.chain(real) {
        let seen = std::fs::metadata(path)?;
        if ![0, geteuid().as_raw()].contains(&seen.uid()) || seen.mode() & 0o022 != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(from) = from {
        from.take(LONGEST + 1).read_to_end(&mut text).await?;
    }
    Ok(text)
}

/// The image of the sandbox in the configuration of containerd: version 2 calls it `sandbox_image`, version 3 `sandbox`.
fn sandbox(config: &str) -> Option<String> {
    let values = config.lines().filter_map(|line| line.split_once('='));
    let mut named =
        values.filter(|(key, _)| matches!(key.trim().trim_matches('"'), "sandbox_image" | "sandbox"));
    named
        .next()
        .map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|value| !value.is_empty())
}

/// Which images a container has. One that nobody knows the image of may have any.
fn judged(images: &[Image], containers: &[Container], sandbox: Option<&str>) -> Result<Vec<Stored>, String> {
    let mut used = BTreeSet::new();
    for Container { id, image, image_ref, image_id } in containers {
        let said = [&image.image, &image.user_specified_image, image_ref, image_id];
        let said: Vec<&SmolStr> = said.into_iter().filter(|said| !said.is_empty()).collect();
        let has = |found: &&Image| said.iter().any(|said| found.names().any(|name| name == *said));
        let mut found = images.iter().filter(has).peekable();
        if found.peek().is_none() {
            let id: String = id.chars().take(13).collect();
            return Err(format!(
                "the container {} has an image that the runtime does not list",
                one_line(&id)
            ));
        }
        used.extend(found.map(|found| found.id.clone()));
    }
    let stored = images.iter().map(|image| {
        if !is_id(&image.id) {
            return Err("the runtime lists an image whose id is none".to_owned());
        }
        let bytes = match &image.size {
            Size::Text(text) => text.parse().unwrap_or(0),
            Size::Number(number) => *number,
        };
        let names = if image.repo_tags.is_empty() { &image.repo_digests } else { &image.repo_tags };
        let is_sandbox = |name: &SmolStr| {
            is_pause(name)
                || sandbox.is_some_and(|sandbox| name == sandbox || name.ends_with(&format!("/{sandbox}")))
        };
        let (id, pinned) = (image.id.clone(), image.pinned || image.names().any(is_sandbox));
        // What the runtime pulled has a digest of the registry. What somebody loaded by hand has none, and no other place.
        let by_hand = image.repo_digests.is_empty();
        Ok(Stored { used: used.contains(&id), id, names: names.clone(), bytes, pinned, by_hand })
    });
    stored.collect()
}

/// Is it the image of the sandbox that each pod begins with? No container has it, and an older runtime does not pin it.
fn is_pause(name: &str) -> bool {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().is_some_and(|last| last == "pause" || last.ends_with("-pause"))
}

/// It becomes a word of a command.
fn is_id(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Image {
    fn names(&self) -> impl Iterator<Item = &SmolStr> {
        std::iter::once(&self.id).chain(&self.repo_tags).chain(&self.repo_digests)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const USED: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    const FREE: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

    /// A program in the place of crictl, which answers with files of its folder and notes what it is told.
    fn standing_in(folder: &Path, ps: &str, images: &str) -> Runtime {
        let program = folder.join("crictl");
        fs::write(folder.join("ps"), ps).unwrap();
        fs::write(folder.join("images"), images).unwrap();
        let at = folder.display();
        let text = format!(
            "#!/bin/sh\necho \"$@ $CRI_CONFIG_FILE\" >> {at}/told\ncase $1 in rmi) echo gone >&2; [ $2 != {USED} ] ;; *) cat {at}/$1 ;; esac\n"
        );
        fs::write(folder.join("text"), text).unwrap();
        // Another process writes it: what this one has open, others inherit, and then nobody can run it.
        let line = "cp text new && chmod 755 new && mv -f new crictl";
        let made = std::process::Command::new("sh").args(["-c", line]).current_dir(folder).status();
        assert!(made.unwrap().success());
        Runtime { program, config: "/c.yaml".into(), sandbox: None }
    }

    fn images() -> String {
        format!(
            r#"{{"images": [
                {{"id": "{USED}", "repoTags": ["docker.io/library/a:1"], "repoDigests": ["docker.io/library/a@{USED}"], "size": "7", "more": {{}}}},
                {{"id": "{FREE}", "repoTags": [], "repoDigests": ["b@{FREE}"], "size": 5, "pinned": false}}]}}"#
        )
    }

    fn ps(image: &str) -> String {
        format!(r#"{{"containers": [{{"id": "c1", "image": {{"image": "{image}"}}, "imageRef": ""}}]}}"#)
    }

    #[tokio::test]
    async fn an_image_is_used_by_whatever_name_a_container_has_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in [USED, "docker.io/library/a:1", &format!("docker.io/library/a@{USED}")] {
            let found = standing_in(folder.path(), &ps(name), &images()).images().await.unwrap();
            let found: Vec<(&str, bool, u64, &str)> = found
                .iter()
                .map(|one| (one.id.as_str(), one.used, one.bytes, one.names[0].as_str()))
                .collect();
            assert_eq!(
                found,
                [(USED, true, 7, "docker.io/library/a:1"), (FREE, false, 5, &format!("b@{FREE}"))]
            );
        }
        let told = fs::read_to_string(folder.path().join("told")).unwrap();
        let told: Vec<&str> = told.lines().take(3).map(|line| line.split(" /c").next().unwrap()).collect();
        assert_eq!(told, ["images --output json", "ps --all --output json", "images --output json"]);
    }

    #[test]
    fn a_program_that_others_may_change_is_not_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/bin");
        fs::create_dir_all(&data).unwrap();
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("current")).unwrap();
        fs::write(data.join("k3s"), "").unwrap();
        std::os::unix::fs::symlink("k3s", data.join("crictl")).unwrap();
        let program = folder.path().join("current/bin/crictl");
        assert!(!others_may_change(&program).unwrap());
        for path in [data.join("k3s"), data.clone(), folder.path().join("a")] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            assert!(others_may_change(&program).unwrap(), "{}", path.display());
            fs::set_permissions(&path, before).unwrap();
        }
        assert!(others_may_change(&folder.path().join("none")).is_err());
    }

    #[test]
    fn the_image_of_the_sandbox_stays() {
        for (yes, name) in [
            (true, "docker.io/rancher/mirrored-pause:3.6"),
            (true, "registry.k8s.io/pause@sha256:11"),
            (true, "localhost:5000/pause:3"),
            (false, "registry.example.com/pause/app:1"),
            (false, "docker.io/library/pauses:1"),
            (false, USED),
        ] {
            assert_eq!(is_pause(name), yes, "{name}");
        }
        let image = |tag: &str| Image {
            id: USED.into(),
            repo_tags: vec![tag.into()],
            repo_digests: vec![format!("a@{USED}").into()],
            size: Size::default(),
            pinned: false,
        };
        let one = |tag: &str, sandbox: Option<&str>| judged(&[image(tag)], &[], sandbox).unwrap().remove(0);
        assert!(one("rancher/mirrored-pause:3.6", None).pinned);
        assert!(!one("a:1", None).pinned && !one("a:1", None).by_hand);
        // Whatever it is called, containerd is told which one it is.
        let version_2 =
            "[plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"registry.local/infra/box:1\"\n";
        let version_3 = "[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = 'infra/box:1'\n";
        for config in [version_2, version_3] {
            assert!(one("registry.local/infra/box:1", sandbox(config).as_deref()).pinned, "{config}");
        }
        assert_eq!(sandbox("version = 3\n"), None);
        // An image that somebody loaded by hand is in no registry.
        let loaded = Image { repo_digests: Vec::new(), ..image("app:1") };
        assert!(judged(&[loaded], &[], None).unwrap()[0].by_hand);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_no_answer() {
        let folder = tempfile::tempdir().unwrap();
        for (ps, images, said) in [
            // By another name than the runtime has it.
            (ps("a:1"), images(), "the container c1 has an image that the runtime does not list"),
            (ps(""), images(), "does not list"),
            ("{}".to_owned(), images(), "kwo does not understand what `crictl ps"),
            (ps(USED), "[]".to_owned(), "kwo does not understand what `crictl images"),
            (ps(USED), images().replace(FREE, "--all"), "an image whose id is none"),
        ] {
            let why = standing_in(folder.path(), &ps, &images).images().await.unwrap_err();
            assert!(why.contains(said), "{why}");
        }
        let nowhere =
            Runtime { program: folder.path().join("nowhere"), config: PathBuf::new(), sandbox: None };
        assert!(nowhere.images().await.unwrap_err().contains("cannot be run"));
        // More than anybody reads.
        let long = standing_in(folder.path(), "", &images());
        fs::write(folder.path().join("ps"), " ".repeat(usize::try_from(LONGEST).unwrap() + 2)).unwrap();
        let why = long.images().await.unwrap_err();
        assert!(why.contains("too much"), "{why}");
    }

    #[tokio::test]
    async fn an_image_is_removed_by_its_id_or_the_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = standing_in(folder.path(), "", "");
        runtime.remove(FREE).await.unwrap();
        assert_eq!(runtime.remove(USED).await.unwrap_err(), format!("`crictl rmi {USED}` failed: gone"));
    }
}
