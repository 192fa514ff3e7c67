//! Examples for the help of each command. Every one can be typed as it stands; a test types them.

use std::fmt::Write as _;

use clap::Command;

/// The examples of each command: what for, and the line.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "validate",
        &[
            ("Check the roster in this folder", "kwo validate"),
            ("Check what another program writes", "cat roster.yaml | kwo validate -"),
        ],
    ),
    ("render", &[("Show the objects of a roster to kubectl", "kwo render | kubectl diff -f -")]),
    (
        "plan",
        &[
            ("Look at what would change in the cluster", "kwo plan"),
            ("Look at one tenant only", "kwo plan --tenant alice"),
            ("Try a roster without a cluster", "kwo plan --target dir:./sandbox"),
            ("Save a plan, to apply exactly this one later", "kwo plan --out plan.json"),
        ],
    ),
    (
        "apply",
        &[
            ("Show the plan, ask, and do it", "kwo apply"),
            (
                "Do it without a question, in a directory instead of a cluster",
                "kwo apply --target dir:./sandbox --yes",
            ),
            ("Do exactly what a saved plan says", "kwo apply --plan plan.json"),
        ],
    ),
    (
        "diff",
        &[
            ("What does this branch ask for that `main` does not?", "kwo diff main HEAD"),
            ("What does the roster ask for now, committed or not?", "kwo diff HEAD"),
            ("Compare two files", "kwo diff old.yaml new.yaml"),
        ],
    ),
    (
        "explain",
        &[
            ("What does a tenant get, and from where?", "kwo explain alice"),
            ("What may this person do?", "kwo explain alice@example.com"),
            ("What comes from this line?", "kwo explain roster.yaml:15"),
            (
                "Where does each field of one object come from?",
                "kwo explain kube:ResourceQuota/alice/alice-quota",
            ),
        ],
    ),
    (
        "access",
        &[
            ("Who can read the Secrets of a namespace?", "kwo access who-can get secrets -n alice"),
            ("What may this person do?", "kwo access of bob@example.com"),
        ],
    ),
    (
        "access who-can",
        &[
            ("Who can read the Secrets of a namespace?", "kwo access who-can get secrets -n alice"),
            ("Who can run commands in pods, anywhere?", "kwo access who-can create pods/exec"),
            ("Who may do everything?", "kwo access who-can '*' '*'"),
        ],
    ),
    (
        "access of",
        &[
            (
                "What may this person do, as a member of a group as well?",
                "kwo access of bob@example.com --group ops",
            ),
            ("What may a pipeline do, rule by rule?", "kwo access of serviceaccount:alice/deployer --rules"),
        ],
    ),
    (
        "access diff",
        &[
            ("Who has access that the roster does not give?", "kwo access diff"),
            ("Whose access does this branch change?", "kwo access diff main"),
        ],
    ),
    (
        "access graph",
        &[
            ("Draw who may do what, for a page", "kwo access graph > access.svg"),
            ("Draw what the roster gives, for a comment", "kwo access graph --offline -o markdown"),
        ],
    ),
    (
        "offboard",
        &[
            ("See what would end when a tenant leaves, and what it keeps", "kwo offboard alice"),
            ("End its access; kwo asks you to type a sentence", "kwo offboard alice --stage cut"),
            ("Take that back", "kwo offboard alice --undo"),
            (
                "End what people who left the roster still have",
                "kwo offboard --leftovers --access --stage cut",
            ),
            ("Print the proof", "kwo offboard alice --certificate"),
            (
                "On the node: take out a host that has another name by now",
                "kwo offboard --host old.example.com --node --stage cut --allow-restart",
            ),
        ],
    ),
    (
        "sync",
        &[
            ("See what the next run would do", "kwo sync --dry-run"),
            ("Accept a rewritten branch, once", "kwo sync --allow rewrite"),
        ],
    ),
    ("history", &[("See the last five runs", "kwo history --tail 5")]),
    ("history show", &[("See all of one run", "kwo history show 12")]),
    ("history verify", &[("Check the files alone", "kwo history verify --offline")]),
    (
        "status",
        &[
            ("See the cluster and its tenants", "kwo status"),
            (
                "Fail while somebody has access that the roster does not give",
                "kwo status --fail-on leftover-access,foreign-access",
            ),
        ],
    ),
    (
        "doctor",
        &[
            ("Check everything from here", "kwo doctor"),
            ("Check the node that kwo runs on as well", "kwo doctor --node"),
            ("Write a file for whoever helps you", "kwo doctor --bundle kwo-bundle.tar.zst"),
        ],
    ),
    (
        "capacity",
        &[
            ("See what quotas promise, now and with this roster", "kwo capacity"),
            ("Give it to a program", "kwo capacity -o json"),
        ],
    ),
    (
        "archive",
        &[("See what a file has", "kwo archive list alice-20261129T120000Z.kwoarc --identity key.txt")],
    ),
    (
        "archive verify",
        &[("Is it whole?", "kwo archive verify alice-20261129T120000Z.kwoarc --identity key.txt")],
    ),
    (
        "archive list",
        &[
            ("See what is in it", "kwo archive list alice-20261129T120000Z.kwoarc --identity key.txt"),
            ("Give it to a program", "kwo archive list alice-20261129T120000Z.kwoarc -o json"),
        ],
    ),
    (
        "archive import",
        &[(
            "Show what is missing, ask, and make it",
            "kwo archive import alice-20261129T120000Z.kwoarc --identity key.txt",
        )],
    ),
    (
        "logs",
        &[
            ("Follow what the pods of a tenant write", "kwo logs tenant:alice -f"),
            ("See the last 20 lines of Traefik", "kwo logs traefik --tail 20"),
        ],
    ),
    ("schema", &[("Write the schema of the roster into a file", "kwo schema roster > roster.schema.json")]),
    ("init", &[("Write a first roster into this folder", "kwo init")]),
    (
        "import",
        &[("Write the roster of a cluster that shell scripts set up", "kwo import --out roster.yaml")],
    ),
    ("tenant", &[("Add a tenant", "kwo tenant add dora --owner dora@example.com --yes")]),
    (
        "tenant add",
        &[(
            "Add a tenant with a tier, without a question",
            "kwo tenant add carol --owner carol@example.com --tier large --yes",
        )],
    ),
    (
        "tenant set",
        &[
            ("Move a tenant to another tier", "kwo tenant set alice tier=large --yes"),
            (
                "Set several fields",
                "kwo tenant set alice quota.pods=30 'namespaces=[alice, alice-dev]' --yes",
            ),
        ],
    ),
    ("tenant park", &[("Let no new pods start", "kwo tenant park alice --yes")]),
    ("tenant unpark", &[("Let them start again", "kwo tenant unpark alice --yes")]),
    ("tenant remove", &[("Turn the entry into a comment", "kwo tenant remove carol --yes")]),
    ("member", &[("Let somebody look", "kwo member add alice erin@example.com --yes")]),
    (
        "member add",
        &[
            ("Let somebody deploy", "kwo member add alice frank@example.com --access deployer --yes"),
            (
                "Give a role of your own to a group",
                "kwo member add alice group:ops --cluster-role view --yes",
            ),
        ],
    ),
    ("member remove", &[("Take somebody out", "kwo member remove alice erin@example.com --yes")]),
    (
        "fmt",
        &[
            ("Put the lines of all files of the roster in order", "kwo fmt --yes"),
            ("In a pipeline: fail where that is left to do", "kwo fmt --check"),
        ],
    ),
    ("secrets", &[("Make a key, and encrypt a token for it", "kwo secrets keygen age.key")]),
    (
        "secrets encrypt",
        &[(
            "Encrypt a token for the key of a node",
            "printf %s TOKEN | kwo secrets encrypt --recipient RECIPIENT --out token.age",
        )],
    ),
    ("secrets keygen", &[("Make a key in this folder", "kwo secrets keygen age.key")]),
    (
        "kubeconfig",
        &[
            ("For the pipeline of a namespace, for one hour", "kwo kubeconfig alice"),
            (
                "The same for eight hours, in a file",
                "kwo kubeconfig alice --duration 8h --out alice.kubeconfig",
            ),
            ("For people, who log in with OpenID Connect", "kwo kubeconfig --oidc"),
        ],
    ),
    ("dns", &[("See the resolvers and who uses them", "kwo dns list")]),
    ("dns list", &[("See the resolvers and who uses them", "kwo dns list")]),
    (
        "dns check",
        &[
            ("Ask one provider whether the credentials work", "kwo dns check --resolver letsencrypt"),
            (
                "Does this host lead to the cluster, as a public resolver sees it?",
                "kwo dns check --host www.example.com --dns-server 9.9.9.9",
            ),
        ],
    ),
    ("registry", &[("See whether the registry answers", "kwo registry status")]),
    ("registry status", &[("See whether the registry answers", "kwo registry status")]),
    (
        "registry credentials",
        &[("See how to log in, with the passwords", "kwo registry credentials --show-password")],
    ),
    (
        "registry rotate",
        &[("Make a new password; the old one works for one more day", "kwo registry rotate --grace 24h")],
    ),
    (
        "registry usage",
        &[
            ("See what each tenant's images take, and how much of its quota", "kwo registry usage"),
            ("Tell those whose quota is full, or nearly", "kwo registry usage --events"),
        ],
    ),
    ("systems", &[("Does Vault let kwo in, and which rights are missing?", "kwo systems check")]),
    (
        "systems check",
        &[
            ("Does Vault let kwo in, and which rights are missing?", "kwo systems check"),
            ("Give it to a program", "kwo systems check -o json"),
        ],
    ),
    ("tls", &[("Look at the certificate of a host", "kwo tls check app.example.com")]),
    ("tls check", &[("Look at the certificate of a host", "kwo tls check app.example.com")]),
    ("node", &[("Back up k3s on this node for the owner of a key", "kwo node backup --recipient RECIPIENT")]),
    (
        "node install",
        &[
            ("See what would be done on this machine", "kwo node install roster.yaml --dry-run"),
            ("Make it a node, and apply the roster", "kwo node install roster.yaml"),
            ("Save the plan, and do exactly that plan later", "kwo node install roster.yaml --out plan.json"),
        ],
    ),
    (
        "node upgrade",
        &[
            ("See what would be done, and what is in the way", "kwo node upgrade roster.yaml --dry-run"),
            ("Upgrade k3s, after a backup", "kwo node upgrade roster.yaml --recipient RECIPIENT"),
            ("Go back to the previous version", "kwo node upgrade --rollback"),
        ],
    ),
    (
        "node cleanup",
        &[
            ("What does k3s keep that nothing needs?", "kwo node cleanup --dry-run"),
            ("Remove it, with unused images", "kwo node cleanup --images"),
        ],
    ),
    (
        "node backup",
        &[(
            "Onto another disk, and keep a week of them",
            "kwo node backup --recipient RECIPIENT --to /mnt/backups --keep 7",
        )],
    ),
    (
        "node restore",
        &[
            ("Is it whole, and what is in it?", "kwo node restore FILE --check --identity age.key"),
            (
                "Write its files into an empty folder",
                "kwo node restore FILE --to ./restored --identity age.key",
            ),
        ],
    ),
    ("watch", &[("Plan at every save, without a cluster", "kwo watch --target dir:./sandbox")]),
    ("hook", &[("Listen on another address", "kwo hook --listen 127.0.0.1:9000")]),
    ("install", &[("Look at the files in a folder first", "kwo install --root ./root")]),
    (
        "self-update",
        &[
            (
                "Is there a newer version?",
                "kwo self-update --check --base-url https://releases.example.com/kwo --key release_keys",
            ),
            ("Go back to the previous program", "kwo self-update --rollback"),
        ],
    ),
    ("ci", &[("In a pipeline: plan a request, apply what was merged", "kwo ci -f clusters/prod.yaml")]),
    ("rbac", &[("Give a pipeline the rights to plan", "kwo rbac --for plan | kubectl apply -f -")]),
    ("completion", &[("In ~/.bashrc", "source <(kwo completion bash)")]),
    ("man", &[("Write the pages into a folder, and read one", "kwo man ./man")]),
];

/// The definition with its examples below the options.
pub(super) fn with_examples(command: Command) -> Command {
    below(command, "")
}

fn below(command: Command, path: &str) -> Command {
    let head = *command.get_styles().get_header();
    let own = EXAMPLES.iter().find(|(of, _)| *of == path && !path.is_empty());
    let command = match own {
        None => command,
        Some((_, examples)) => {
            let mut text = format!("{head}Examples:{head:#}");
            for (what, line) in *examples {
                let _ = write!(text, "\n  # {what}\n  {line}");
            }
            command.after_help(text)
        }
    };
    let path = path.to_owned();
    command.mut_subcommands(move |command| {
        let path = format!("{path} {}", command.get_name());
        below(command, path.trim_start())
    })
}
