//! The garbage collection of the registry: the script that its container runs, with the real program. It collects only
//! while nobody can push, whatever happens in the middle.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kwo_planner::domains::parse;
use kwo_planner::domains::registry_objects::in_cluster;
use kwo_planner::roster::{SourceFile, Sources};
use kwo_planner::tree::Tree;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use testkit::peers::registry::{Registry, User};
use testkit::peers::{free_port, local, program};

const ROSTER: &str =
    "apiVersion: kwo/v1\nkind: Roster\nregistry: {hosts: [r.example.com], garbageCollection: {day: every}}\n";
/// As in the image: what the variables of the container do not say.
const CONFIG: &str = "version: 0.1\nstorage:\n  cache: {blobdescriptor: inmemory}\n  filesystem: {rootdirectory: \
                      /var/lib/registry}\nhttp: {addr: ':5000', debug: {addr: '127.0.0.1:DEBUG'}}\n";
const CI: User<'_> = User { name: "ci", password: "password" };

/// The container of the registry, as the roster wants it.
fn container() -> Tree {
    let file = SourceFile { name: "roster.yaml".to_owned(), text: ROSTER.to_owned() };
    let wanted = in_cluster(&parse(Sources::new(vec![file])).unwrap()).unwrap();
    let deployment =
        wanted.resources().iter().find(|resource| resource.id.to_string().contains("Deployment"));
    deployment.unwrap().body.at("/spec/template/spec/containers/0").unwrap().clone()
}

/// What stands in for the pod: a volume, a folder for the program, and the script with the paths of this test.
struct Place {
    folder: TempDir,
    script: String,
    variables: Vec<(String, String)>,
    address: SocketAddr,
}

impl Place {
    /// Nothing where there is no such program.
    fn new() -> Option<Place> {
        let program = program("docker-registry")?;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let address = local(free_port());
        let config = CONFIG.replace("DEBUG", &free_port().to_string());
        fs::write(path("config.yml"), config).unwrap();
        let hash = bcrypt::hash_with_result("password", 4).unwrap().format_for_version(bcrypt::Version::TwoY);
        fs::write(path("htpasswd"), format!("ci:{hash}\n")).unwrap();
        fs::create_dir_all(path("bin")).unwrap();
        fs::create_dir(path("volume")).unwrap();
        // It waits before it collects, and does as if it did not know how to read only, or ends, where the test wants that.
        let wrapper = format!(
            "#!/bin/sh\n[ ! -e {deaf} ] || unset REGISTRY_STORAGE_MAINTENANCE_READONLY\n[ ! -e {mute} ] || exit 1\nif [ \
             \"$1\" = garbage-collect ]; then while [ ! -e {go} ]; do sleep 0.1; done; fi\nexec {program} \"$@\"\n",
            deaf = path("deaf"),
            mute = path("mute"),
            go = path("go"),
            program = program.display(),
        );
        fs::write(path("bin/registry"), wrapper).unwrap();
        fs::set_permissions(path("bin/registry"), fs::Permissions::from_mode(0o755)).unwrap();
        let container = container();
        let words: Vec<&str> = container
            .get("command")
            .unwrap()
            .items()
            .iter()
            .map(|word| word.as_text().unwrap().as_str())
            .collect();
        let [shell, "-c", script, "registry"] = words[..] else { panic!("{words:?}") };
        assert_eq!(shell, "sh");
        // What the kubelet makes of it.
        let script = script.replace("$$", "$");
        let script = script.replace("/etc/docker/registry/config.yml", &path("config.yml"));
        let script = script.replace("127.0.0.1:5099", &local(free_port()).to_string());
        let script = script.replace("sleep 1\n", "sleep 0.2\n").replace("sleep 60", "sleep 1");
        let script = script.replace("/tmp/kwo-empty", &path("empty"));
        let mut variables: Vec<(String, String)> = Vec::new();
        for variable in container.get("env").unwrap().items() {
            let text = |key: &str| variable.get(key).and_then(Tree::as_text).unwrap().to_string();
            let value = match text("name").as_str() {
                "REGISTRY_AUTH_HTPASSWD_PATH" => path("htpasswd"),
                "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY" => path("volume"),
                _ => text("value"),
            };
            variables.push((text("name"), value));
        }
        variables.push(("REGISTRY_HTTP_ADDR".to_owned(), address.to_string()));
        // Nobody is there, and nothing on this machine is asked for by it.
        variables.push(("http_proxy".to_owned(), "http://127.0.0.1:1".to_owned()));
        variables.push(("PATH".to_owned(), format!("{}:/usr/local/bin:/usr/bin:/bin", path("bin"))));
        Some(Place { folder, script, variables, address })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Pod {
        self.start_with(&[])
    }

    /// The same, with `args` of somebody else.
    fn start_with(&self, args: &[&str]) -> Pod {
        let log = self.path("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new("sh")
            .args(["-c", &self.script, "registry"])
            .args(args)
            .env_clear()
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        let pod = Pod { child, log, address: self.address };
        pod.until("it takes connections", || TcpStream::connect(self.address).is_ok());
        pod
    }

    /// As if somebody asked for it.
    fn due(&self) {
        self.collected(UNIX_EPOCH);
    }

    /// As if the last time had been then.
    fn collected(&self, time: SystemTime) {
        fs::write(self.path("log"), "").unwrap();
        let stamp =
            File::options().create(true).append(true).open(self.path("volume/kwo-collected")).unwrap();
        stamp.set_modified(time).unwrap();
    }

    /// When the last time was.
    fn last(&self) -> SystemTime {
        fs::metadata(self.path("volume/kwo-collected")).unwrap().modified().unwrap()
    }

    /// Every day, and the last time was so long ago.
    fn daily(&mut self, ago: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let at = (now - ago).as_secs() % (24 * 3600);
        let variable = self.variables.iter_mut().find(|(name, _)| name == "KWO_COLLECT_AT");
        variable.unwrap().1 = at.to_string();
    }
}

/// The processes of the container; they end with this.
struct Pod {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
}

impl Pod {
    #[track_caller]
    fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < end, "{what} never came: {}", self.said());
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[track_caller]
    fn says(&self, words: &str) {
        self.until(words, || self.said().contains(words));
    }

    /// Without what the registry itself says of each request.
    fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap();
        let told = |line: &&str| !line.starts_with("time=") && !line.starts_with("127.0.0.1 ");
        log.lines().filter(told).map(|line| format!("{line}\n")).collect()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
        // The registry is a child of the script, and for a moment it may still take a connection.
        for _ in 0..100 {
            if TcpStream::connect(self.address).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn post(registry: &Registry) -> u16 {
    let answer = registry.try_ask(CI, "POST", "/v2/alice/web/blobs/uploads/", b"");
    answer.map_or(0, |answer| answer.status())
}

fn blob(registry: &Registry, repository: &str, digest: &str) -> u16 {
    registry.ask(CI, "GET", &format!("/v2/{repository}/blobs/{digest}"), b"").status()
}

#[test]
fn what_no_image_needs_is_collected_and_never_beside_a_push() {
    let Some(place) = Place::new() else { return };
    let pod = place.start();
    let registry = Registry::at(place.address);
    let kept = registry.push(CI, "alice/web", "v1", b"a layer that stays");
    let gone = registry.push(CI, "alice/old", "v1", b"a layer that goes");
    let manifest = registry.ask(CI, "GET", "/v2/alice/old/manifests/v1", b"");
    let digest = manifest.header("docker-content-digest").unwrap();
    let deleted = registry.ask(CI, "DELETE", &format!("/v2/alice/old/manifests/{digest}"), b"");
    assert_eq!((deleted.status(), blob(&registry, "alice/old", &gone)), (202, 200));

    // While it collects nobody can push, and everybody can pull.
    place.due();
    pod.until("a refused push", || post(&registry) == 405);
    let pulled = registry.ask(CI, "GET", "/v2/alice/web/manifests/v1", b"").status();
    assert_eq!((pulled, blob(&registry, "alice/web", &kept)), (200, 200));
    // The power goes off in the middle. Afterwards there is a registry that takes pushes, and it does not begin again at once.
    drop(pod);
    let pod = place.start();
    registry.push(CI, "alice/web", "v2", b"after the power cut");
    assert_ne!(place.last(), UNIX_EPOCH);

    // Where another pod has the volume, or this one does not refuse, nothing is collected.
    let lock = place.path("volume/kwo-lock");
    let mut other =
        Command::new("flock").arg("-s").arg(&lock).args(["sleep", "120"]).process_group(0).spawn().unwrap();
    fs::write(place.path("go"), "").unwrap();
    place.due();
    pod.says("kwo: nothing is collected: another pod that runs this script uses the volume\n");
    pod.until("a push", || post(&registry) == 202);
    kill_process_group(Pid::from_child(&other), Signal::KILL).unwrap();
    other.wait().unwrap();
    fs::write(place.path("deaf"), "").unwrap();
    place.due();
    pod.says("kwo: nothing is collected: a read-only registry of this image accepts a push\n");
    assert_eq!((post(&registry), blob(&registry, "alice/old", &gone)), (202, 200));
    fs::remove_file(place.path("deaf")).unwrap();
    fs::write(place.path("mute"), "").unwrap();
    place.due();
    pod.says("kwo: nothing is collected: no answer shows whether a read-only registry of this image refuses a push\n");
    fs::remove_file(place.path("mute")).unwrap();
    // The same where something else than this program remembers layers, or has them.
    let config = fs::read_to_string(place.path("config.yml")).unwrap();
    for (more, why) in [
        (
            "redis: {addr: 'redis:6379'}\n",
            "the registry may use Redis, which goes on to know layers that are gone",
        ),
        (
            "proxy: {remoteurl: x}\n",
            "the registry is a cache of another one, and stores also what somebody pulls",
        ),
        ("", "the registry may store in another place than the folder of its volume"),
    ] {
        let other =
            if more.is_empty() { config.replace("  filesystem", "  s3") } else { format!("{config}{more}") };
        fs::write(place.path("config.yml"), other).unwrap();
        place.due();
        pod.says(&format!("kwo: nothing is collected: {why}\n"));
    }
    fs::write(place.path("config.yml"), config).unwrap();
    assert_eq!((post(&registry), blob(&registry, "alice/old", &gone)), (202, 200));

    place.due();
    pod.says("kwo: the garbage collection ended with 0\n");
    pod.until("a push", || post(&registry) == 202);
    assert_eq!((blob(&registry, "alice/old", &gone), blob(&registry, "alice/web", &kept)), (404, 200));
    for tag in ["v1", "v2"] {
        assert_eq!(registry.ask(CI, "GET", &format!("/v2/alice/web/manifests/{tag}"), b"").status(), 200);
    }

    // What was collected can be pushed again: nothing remembers that it was there.
    registry.push(CI, "alice/old", "v2", b"a layer that goes");
    assert_eq!(blob(&registry, "alice/old", &gone), 200);

    // The pod ends in order, with all that it runs.
    let mut pod = pod;
    kill_process(pod.pid(), Signal::TERM).unwrap();
    let ended = pod.child.wait().unwrap();
    assert_eq!((ended.code(), TcpStream::connect(place.address).is_err()), (Some(0), true), "{}", pod.said());
}

#[test]
fn a_volume_that_cannot_be_locked_is_served_and_never_collected() {
    let Some(place) = Place::new() else { return };
    let volume = place.path("volume");
    fs::create_dir(Path::new(&volume).join("kwo-lock")).unwrap();
    let pod = place.start();
    pod.says("kwo: nothing will be collected: the volume cannot be locked\n");
    Registry::at(place.address).push(CI, "alice/web", "v1", b"a layer");
}

#[test]
fn a_time_that_is_over_for_an_hour_is_left_out() {
    let Some(mut place) = Place::new() else { return };
    let days = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    place.collected(days);
    place.daily(Duration::from_secs(2 * 3600));
    let pod = place.start();
    // The script has looked twice.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!((pod.said().as_str(), place.last()), ("", days));
    drop(pod);
    // Within the hour it is time. A variable that names Redis is as good as a line of the configuration.
    place.daily(Duration::from_secs(600));
    place.variables.push(("REGISTRY_REDIS_ADDR".to_owned(), "127.0.0.1:1".to_owned()));
    let pod = place.start();
    pod.says(
        "kwo: nothing is collected: the registry may use Redis, which goes on to know layers that are gone\n",
    );
    assert!(place.last() > days);
}

#[test]
fn args_of_somebody_else_count_and_then_nothing_is_collected() {
    let Some(place) = Place::new() else { return };
    // Only one of the two configurations is there.
    fs::rename(place.path("config.yml"), place.path("other.yml")).unwrap();
    let other = place.path("other.yml").display().to_string();
    for args in [&[other.as_str()][..], &["serve", &other], &["registry", "serve", &other]] {
        let pod = place.start_with(args);
        pod.says("kwo: nothing will be collected: the container has args, and the registry runs with them\n");
        Registry::at(place.address).push(CI, "alice/web", "v1", b"a layer");
        // It keeps others from collecting.
        let lock = place.path("volume/kwo-lock");
        let taken = Command::new("flock").args(["-n", "-x"]).arg(&lock).arg("true").status().unwrap();
        assert!(!taken.success());
        drop(pod);
        fs::write(place.path("log"), "").unwrap();
    }
}
