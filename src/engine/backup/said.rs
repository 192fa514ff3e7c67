//! What is said to k3s on a machine: in its configuration, by the words and variables of its unit, and in the files of
//! variables that the unit reads. What is said there may be secret, so no message repeats more than the kind of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kwo_planner::k3s::Joins;
use serde_json::Value;
use smol_str::format_smolstr;

use super::error::BackupError;

/// Something that can be said to k3s.
pub(super) struct Word {
    /// As its configuration calls it.
    key: &'static str,
    /// As options call it.
    options: &'static [&'static str],
    /// The variable, if k3s reads one.
    variable: Option<&'static str>,
}

/// Where its data is.
pub(super) const DATA_DIR: Word =
    Word { key: "data-dir", options: &["--data-dir", "-d"], variable: Some("K3S_DATA_DIR") };
/// Where its configuration is.
pub(super) const CONFIG_FILE: Word =
    Word { key: "config", options: &["--config", "-c"], variable: Some("K3S_CONFIG_FILE") };
/// The name of the node.
pub(super) const NODE_NAME: Word =
    Word { key: "node-name", options: &["--node-name"], variable: Some("K3S_NODE_NAME") };
/// Where it puts snapshots of etcd.
pub(super) const SNAPSHOT_DIR: Word =
    Word { key: "etcd-snapshot-dir", options: &["--etcd-snapshot-dir"], variable: None };
/// The database of its objects.
const ENDPOINT: Word = Word {
    key: "datastore-endpoint",
    options: &["--datastore-endpoint"],
    variable: Some("K3S_DATASTORE_ENDPOINT"),
};

/// The server that it joins.
const SERVER: Word = Word { key: "server", options: &["--server", "-s"], variable: Some("K3S_URL") };

/// The arguments of the API server; with the plus they come after those that were said before.
const ARGS: &str = "kube-apiserver-arg";
const MORE_ARGS: &str = "kube-apiserver-arg+";
/// Arguments with a slash in front that name no file which has to be there.
const NOT_READ: [&str; 7] = [
    "audit-log-path",
    "authorization-always-allow-paths",
    "cert-dir",
    "cors-allowed-origins",
    "etcd-prefix",
    "log-dir",
    "log-file",
];

/// All that is said.
#[derive(Default)]
pub(super) struct Said {
    /// The configuration. What comes later counts.
    pub(super) documents: Vec<(PathBuf, Value)>,
    /// The units, their drop-ins and the files of variables, each word by word.
    pub(super) words: Vec<(PathBuf, Vec<String>)>,
}

impl Said {
    /// The files that say something.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let words = self.words.iter().map(|(file, _)| file.as_path());
        words.chain(self.documents.iter().map(|(file, _)| file.as_path()))
    }

    /// What is said of this, first by the unit.
    pub(super) fn text(&self, word: &Word) -> Option<String> {
        let of_unit = self.words.iter().rev().find_map(|(_, words)| said(words, word));
        of_unit.map(str::to_owned).or_else(|| {
            let mut found = self.documents.iter().rev().filter_map(|(_, value)| value[word.key].as_str());
            found.find(|text| !text.is_empty()).map(str::to_owned)
        })
    }

    /// The files that the API server is told to read. Without one of them it does not start.
    pub(super) fn needed(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (_, document) in &self.documents {
            if !document[ARGS].is_null() {
                found.clear();
            }
            for said in [&document[ARGS], &document[MORE_ARGS]] {
                let one = said.as_str().into_iter();
                let many = said.as_array().into_iter().flatten().filter_map(Value::as_str);
                found.extend(one.chain(many).flat_map(paths));
            }
        }
        for (_, words) in &self.words {
            let mut rest = words.iter();
            while let Some(word) = rest.next() {
                match word.strip_prefix("--").and_then(|word| word.strip_prefix(ARGS)) {
                    Some("") => found.extend(rest.next().into_iter().flat_map(|arg| paths(arg))),
                    Some(more) => found.extend(more.strip_prefix('=').into_iter().flat_map(paths)),
                    None => {}
                }
            }
        }
        found
    }

    /// What makes it a part of something else than one server with its database beside it. The values may be secret.
    pub(super) fn joins(&self) -> Vec<Joins> {
        let of_document = |word: &Word| {
            let mut all = self.documents.iter().rev();
            let (file, value) = all.find(|(_, document)| !document[word.key].is_null())?;
            (value[word.key].as_str() != Some("")).then_some((word.key, file))
        };
        let of_unit =
            |word: &Word| self.words.iter().find_map(|(file, words)| Some((named(words, word)?.0, file)));
        let found = |word: &Word| {
            let (said, file) = of_document(word).or_else(|| of_unit(word))?;
            let file = format_smolstr!("{}", file.display());
            Some(Joins { server: word.key == SERVER.key, word: said.into(), file })
        };
        [SERVER, ENDPOINT].iter().filter_map(found).collect()
    }

    /// Is it the database beside its data? The address of another one may have a password in it.
    pub(super) fn datastore(&self) -> Result<(), BackupError> {
        let external = |file: &Path, endpoint: &str| {
            Err(BackupError::External { kind: kind(endpoint).to_owned(), file: file.to_owned() })
        };
        for (file, value) in self.documents.iter().rev() {
            match &value[ENDPOINT.key] {
                Value::Null => {}
                Value::String(endpoint) if endpoint.is_empty() => break,
                Value::String(endpoint) => return external(file, endpoint),
                _ => return external(file, ""),
            }
        }
        for (file, words) in &self.words {
            if let Some(endpoint) = said(words, &ENDPOINT) {
                return external(file, endpoint);
            }
        }
        Ok(())
    }
}

/// The words of a unit or of a file of variables. A line may go on in the next one.
pub(super) fn words(text: &str) -> Vec<String> {
    let whole = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = whole.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let words = lines.flat_map(str::split_whitespace).map(|word| {
        let word = word.strip_prefix("Environment=").unwrap_or(word);
        word.trim_matches(QUOTES).to_owned()
    });
    words.collect()
}

const QUOTES: [char; 2] = ['\'', '"'];

/// The last that these words say of it.
fn said<'w>(words: &'w [String], word: &Word) -> Option<&'w str> {
    named(words, word).map(|(_, value)| value)
}

/// The same, with the option or variable that says it.
fn named<'w>(words: &'w [String], word: &Word) -> Option<(&'w str, &'w str)> {
    let mut found = None;
    // Options before that are those of a shell, or of whatever else starts k3s.
    let mut server = false;
    let mut rest = words.iter();
    while let Some(next) = rest.next() {
        // Another directive of the unit is another command.
        server &= !(next.starts_with("Exec") && next.contains('='));
        server |= next == "server";
        let split = next.split_once('=');
        if let Some((name, value)) = split.filter(|(name, _)| {
            word.variable == Some(*name) || (server && word.options.contains(name) && name.starts_with("--"))
        }) {
            found = Some((name, value.trim_matches(QUOTES)));
        } else if server && word.options.contains(&next.as_str()) {
            found = rest.next().map(|value| (next.as_str(), value.as_str()));
        }
    }
    found.filter(|(_, value)| !value.is_empty())
}

/// The files that an argument of the API server names.
fn paths(arg: &str) -> Vec<String> {
    let Some((name, value)) = arg.trim_matches(QUOTES).split_once('=') else { return Vec::new() };
    let name = name.trim_start_matches('-');
    let parts: Vec<&str> = match name {
        name if NOT_READ.contains(&name) => Vec::new(),
        // A certificate, its key, and the names that they are for.
        "tls-sni-cert-key" => value.split([',', ':']).collect(),
        _ => vec![value],
    };
    let paths = parts.into_iter().map(|part| part.trim_matches(QUOTES)).filter(|part| part.starts_with('/'));
    // Two slashes are one.
    paths
        .map(|part| Path::new(part).components().collect::<PathBuf>().to_string_lossy().into_owned())
        .collect()
}

/// What kind of database an address is of, and nothing else of it.
fn kind(endpoint: &str) -> &'static str {
    match endpoint.split_once("://").map_or("", |(scheme, _)| scheme) {
        "postgres" | "postgresql" => "PostgreSQL",
        "mysql" => "MySQL or MariaDB",
        "nats" | "nats+tls" => "NATS",
        "http" | "https" => "an etcd elsewhere",
        "sqlite" => "a SQLite database elsewhere",
        _ => "one that kwo does not know",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_the_api_server_reads_are_known() {
        let document = |text: &str| (PathBuf::from("c"), serde_yaml::from_str::<Value>(text).unwrap());
        let said = |documents: &[&str], unit: &str| {
            let documents = documents.iter().map(|text| document(text)).collect();
            let words = vec![(PathBuf::from("u"), words(unit))];
            Said { documents, words }.needed().into_iter().collect::<Vec<String>>()
        };
        assert_eq!(said(&["kube-apiserver-arg: authentication-config=/etc//a.yaml"], ""), ["/etc/a.yaml"]);
        let many = "kube-apiserver-arg: [audit-policy-file=/p, audit-log-path=/l, etcd-prefix=/r, v=2, bare, \
                    'tls-sni-cert-key=/c,/k:n.example', service-account-issuer=https://i]";
        assert_eq!(said(&[many], ""), ["/c", "/k", "/p"]);
        assert_eq!(said(&["kube-apiserver-arg: a=/a", "kube-apiserver-arg: [b=/b]"], ""), ["/b"]);
        assert_eq!(said(&["kube-apiserver-arg: a=/a", "kube-apiserver-arg+: [b=/b]"], ""), ["/a", "/b"]);
        let unit = "ExecStart=k3s server '--kube-apiserver-arg' 'x=/x' \"--kube-apiserver-arg=y=/y\"";
        assert_eq!(said(&["{}"], unit), ["/x", "/y"]);
    }

    #[test]
    fn what_joins_another_cluster_is_found_wherever_it_is_said() {
        let document = |text: &str| (PathBuf::from("c"), serde_yaml::from_str::<Value>(text).unwrap());
        let joins = |documents: &[&str], unit: &str| {
            let documents = documents.iter().map(|text| document(text)).collect();
            let words = vec![(PathBuf::from("u"), words(unit))];
            Said { documents, words }.joins()
        };
        let found = |word: &str, file: &str| {
            let server = !word.to_ascii_lowercase().contains("datastore");
            vec![Joins { server, word: word.into(), file: file.into() }]
        };
        assert_eq!(joins(&["server: https://a:6443"], ""), found("server", "c"));
        assert_eq!(joins(&["server: [x]", "server: ''"], ""), []);
        assert_eq!(joins(&["tls-san: [server]"], "ExecStart=/usr/local/bin/k3s server --tls-san server"), []);
        assert_eq!(joins(&["datastore-endpoint: 7"], ""), found("datastore-endpoint", "c"));
        assert_eq!(joins(&[], "K3S_URL=https://a:6443"), found("K3S_URL", "u"));
        assert_eq!(joins(&[], "K3S_DATASTORE_ENDPOINT=x"), found("K3S_DATASTORE_ENDPOINT", "u"));
        assert_eq!(
            joins(&[], "ExecStart=k3s server --datastore-endpoint=x"),
            found("--datastore-endpoint", "u")
        );
        assert_eq!(joins(&[], "ExecStart=k3s server --server https://a"), found("--server", "u"));
        assert_eq!(joins(&[], "ExecStart=k3s server -s https://a"), found("-s", "u"));
    }

    #[test]
    fn what_a_unit_says_is_read_as_systemd_and_k3s_do() {
        // As the installer of k3s writes it: each word on a line of its own.
        let unit = "[Service]\n# ExecStart=k3s server --data-dir /old\nEnvironmentFile=-/etc/default/%N\n\
                    ExecStartPre=/bin/sh -c 'true'\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\
                    \t'--data-dir' \\\n\t'/data/k3s' \\\n\t'--datastore-endpoint' \\\n\t'postgres://u:p@n/k3s' \\\n";
        let words = words(unit);
        assert_eq!(said(&words, &DATA_DIR), Some("/data/k3s"));
        assert_eq!(said(&words, &ENDPOINT), Some("postgres://u:p@n/k3s"));
        assert_eq!(said(&words, &CONFIG_FILE), None);
        for (text, expected) in [
            ("K3S_DATA_DIR='/a'", Some("/a")),
            ("K3S_DATA_DIR=", None),
            ("Environment=\"K3S_DATA_DIR=/b\" X=1", Some("/b")),
            ("ExecStart=k3s server --data-dir=/c", Some("/c")),
            ("ExecStart=k3s server -d /d", Some("/d")),
            ("ExecStart=/bin/sh -d /e", None),
            ("ExecStart=k3s server --data-dir", None),
            ("OTHER_K3S_DATA_DIR=/f", None),
        ] {
            assert_eq!(said(&super::words(text), &DATA_DIR), expected, "{text}");
        }
    }
}
