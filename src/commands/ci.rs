//! `kwo ci`

use kwo_planner::plain::counted;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kwo_planner::domains::Roster;
use tempfile::NamedTempFile;

use super::load::{compiled, counted as objects_of};
use super::print::{data, exactly, talk};
use super::{apply, plan};
use crate::cli::Ci;
use crate::pipeline::{
    Event, Note, Pipeline, System, Unknown, Variables, code_quality, findings, holds, recognise, setting,
    tokens, workflow_command,
};
use crate::report::diagnostic;
use crate::report::failure;
use crate::report::markdown::{applied, failed};
use crate::report::plan::Detail;
use crate::report::planned::Planned;
use crate::report::printed::Report as _;
use kwo_engine::failure::{Exit, Failure};
use kwo_engine::forge::{Commented, Forge, Source};
use kwo_engine::out;
use kwo_engine::regular;
use kwo_engine::source;
use kwo_engine::strict::fails;
use kwo_engine::target::Opening;

/// The kubeconfig itself, as pipelines keep it in a secret.
const KUBECONFIG_DATA: &str = "KWO_KUBECONFIG_DATA";

pub(crate) async fn ci(args: Ci) -> Result<Exit, Failure> {
    let variables: Variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let pipeline = pipeline(&variables)?;
    let scene = Scene { variables, pipeline };
    match &scene.pipeline.event {
        Event::Request { number, source } => scene.request(args, *number, source.clone()).await,
        Event::Landed => scene.landed(args).await,
        Event::Other { what } => {
            let why = format!("this is {what}: kwo plans only requests, and applies only the default branch");
            scene.only_checked(&args, &why)
        }
    }
}

fn pipeline(variables: &Variables) -> Result<Pipeline, Failure> {
    let payload = variables.get("GITHUB_EVENT_PATH").and_then(|path| regular::read(Path::new(path)).ok());
    let payload = payload.and_then(|text| serde_json::from_slice(&text).ok());
    recognise(variables, payload.as_ref()).map_err(|unknown| match unknown {
        Unknown::System => Failure::usage(unknown.to_string()).hint(
            "it knows Woodpecker, GitHub Actions, Forgejo Actions and GitLab CI; elsewhere call `kwo validate`, \
`kwo plan` and `kwo apply`",
        ),
        Unknown::Variable { .. } => Failure::new(unknown.to_string())
            .hint("run `kwo ci` as a step of the pipeline, with the variables that the system sets"),
    })
}

/// The pipeline, and the variables of the run.
struct Scene {
    variables: Variables,
    pipeline: Pipeline,
}

impl Scene {
    /// Checks the roster, and plans where it is the repository's own code. To ask the forge where a request comes from
    /// is all that is done before that is known.
    async fn request(&self, mut args: Ci, number: u64, source: Option<Source>) -> Result<Exit, Failure> {
        let forge = &self.pipeline.forge;
        let source = match source {
            Some(source) => Ok(source),
            None => forge.source(number).await,
        };
        match source {
            Ok(Source::Own) => {}
            Ok(Source::Fork(fork)) => {
                return self.only_checked(&args, &format!("the request comes from a fork ({fork})"));
            }
            Err(why) => {
                let why = format!("kwo cannot tell whether the request comes from a fork: {why}");
                return self.only_checked(&args, &why);
            }
        }
        let roster = args.roster.roster.clone();
        let marker = marker(&roster);
        let (said, result) = match self.planned(&mut args).await {
            Ok(made) => {
                let detail = Detail::full(args.full);
                let plan = &made.plan;
                let (hits, overcommitted) = (made.hits.as_ref(), made.overcommitted.as_ref());
                let policy = made.judged.as_ref();
                let reaches = made.reaches.as_ref();
                let planned = Planned { plan, hits, overcommitted, policy, reaches, detail };
                data(&planned.text());
                self.annotate(&args, &holds(plan))?;
                let saved = match &args.plan_file {
                    Some(file) => plan::save(&made, file, None).await,
                    None => Ok(()),
                };
                let held = plan.holds() || !made.keeps_policy() || fails(&args.fail_on, plan);
                let exit = if held { Exit::Held } else { Exit::Done };
                (planned.markdown(), saved.map(|()| exit))
            }
            Err(Refused { said, failure }) => (said, Err(failure)),
        };
        self.summarise(&said)?;
        self.comment(forge, number, &marker, &said).await?;
        result
    }

    async fn planned(&self, args: &mut Ci) -> Result<plan::Made, Refused> {
        let loaded = compiled(self.checked(args)?)?;
        let _kubeconfig = self.kubeconfig(args)?;
        let asks = plan::Asks { hits: true, reaches: true };
        let target = args.target.target()?;
        let opening = Opening::begin(&target.options);
        Ok(plan::made(loaded, &args.roster.roster, target, opening, asks).await?)
    }

    /// Applies what is on the default branch: the reviewed plan where one is named, else what the roster says.
    async fn landed(&self, args: Ci) -> Result<Exit, Failure> {
        let result = self.carried_out(args).await;
        let said = match &result {
            Ok(done) => applied(&done.plan, done.report.as_ref(), &done.stale, done.trouble.as_deref()),
            Err(Refused { said, failure: _ }) => said.clone(),
        };
        self.summarise(&said)?;
        Ok(result.map_err(|refused| refused.failure)?.exit)
    }

    async fn carried_out(&self, mut args: Ci) -> Result<apply::Done, Refused> {
        self.checked(&args)?;
        args.plan_file.as_deref().map_or(Ok(()), is_there)?;
        let _kubeconfig = self.kubeconfig(&mut args)?;
        Ok(apply::run(&args.apply_options()?, None).await?)
    }

    /// Checks the roster and leaves it at that. Nothing here uses a credential, or leaves a comment.
    fn only_checked(&self, args: &Ci, why: &str) -> Result<Exit, Failure> {
        talk(&format!("{why}\nkwo checks only the roster, without the credentials of the cluster\n"));
        let said = match self.checked(args) {
            Ok(roster) => {
                let objects = objects_of(&roster)?;
                let valid = format!(
                    "{} is valid: {}\n",
                    args.roster.roster.display(),
                    counted(objects, "object", "objects")
                );
                talk(&valid);
                Ok(failed("the roster is valid, and was not planned", &format!("{valid}{why}")))
            }
            Err(refused) => Err(refused),
        };
        match said {
            Ok(said) => self.summarise(&said).map(|()| Exit::Done),
            Err(Refused { said, failure }) => {
                self.summarise(&said)?;
                Err(failure)
            }
        }
    }

    /// The roster, or what is wrong with it, said at its lines.
    fn checked(&self, args: &Ci) -> Result<Roster, Refused> {
        match source::load(&args.roster.roster) {
            Ok(roster) => {
                self.annotate(args, &[])?;
                Ok(roster)
            }
            Err(refused) => {
                let text = diagnostic::text(&refused);
                talk(&text);
                self.annotate(args, &findings(&refused))?;
                let said = failed("the roster is not valid", &text);
                Err(Refused { said, failure: Failure::silent(Exit::Failed) })
            }
        }
    }

    fn annotate(&self, args: &Ci, notes: &[Note]) -> Result<(), Failure> {
        match self.pipeline.system {
            System::GitHub => {
                for note in notes {
                    exactly(&format!("{}\n", workflow_command(note)));
                }
                Ok(())
            }
            System::GitLab => {
                let report = format!("{:#}\n", code_quality(notes));
                out::write(&args.code_quality, report.as_bytes(), out::CODE_QUALITY).map(|_| ())
            }
            // These show no lines; what is wrong is in the log and in the comment.
            System::Woodpecker | System::Forgejo => Ok(()),
        }
    }

    /// Adds to the summary of the step, where the system has one.
    fn summarise(&self, said: &str) -> Result<(), Failure> {
        let Some(file) = self.variables.get("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
            return Ok(());
        };
        let added = std::fs::OpenOptions::new().create(true).append(true).open(file);
        added.and_then(|mut file| file.write_all(format!("{said}\n").as_bytes())).map_err(|error| {
            Failure::new(format!("cannot write the step's summary to {file} (GITHUB_STEP_SUMMARY)"))
                .because(&error)
        })
    }

    async fn comment(&self, forge: &Forge, number: u64, marker: &str, said: &str) -> Result<(), Failure> {
        if forge.token.is_none() {
            let tokens = tokens(forge.kind).iter().filter(|name| !name.starts_with("PLUGIN_"));
            let tokens = tokens.copied().collect::<Vec<_>>().join(", ");
            talk(&format!("kwo cannot comment on the request without a token: none of {tokens} is set\n"));
            return Ok(());
        }
        match forge.comment(number, marker, said).await {
            Ok(Commented::New) => talk("kwo wrote a comment with this on the request\n"),
            Ok(Commented::Changed) => talk("kwo changed its comment on the request\n"),
            Ok(Commented::Same) => talk("kwo's comment on the request says this already\n"),
            Err(why) => {
                return Err(Failure::new(format!("kwo cannot write its comment on the request: {why}"))
                    .hint("the token needs the right to read and write comments on requests"));
            }
        }
        Ok(())
    }

    /// Where the kubeconfig stands in a variable, a file with it that ends with the run.
    fn kubeconfig(&self, args: &mut Ci) -> Result<Option<NamedTempFile>, Failure> {
        let names = [Some(KUBECONFIG_DATA), setting(KUBECONFIG_DATA)];
        let given = |name| self.variables.get(name).filter(|value| !value.is_empty());
        let Some(text) = names.into_iter().flatten().find_map(given) else { return Ok(None) };
        let written = NamedTempFile::new().and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            Ok(file)
        });
        let file = written.map_err(|error| {
            Failure::new(format!("cannot put {KUBECONFIG_DATA} into a file for this run")).because(&error)
        })?;
        let kube = &mut args.target.cluster.kube;
        (kube.kubeconfig, kube.passing) = (Some(PathBuf::from(file.path())), true);
        Ok(Some(file))
    }
}

/// Why there is no plan: for the comment, and for the end of the run.
struct Refused {
    said: String,
    failure: Failure,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused { said: failed("it broke off", &failure::text(&failure)), failure }
    }
}

/// Did the pipeline bring the plan along?
fn is_there(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Ok(());
    }
    let name = file.display();
    Err(Failure::new(format!("there is no reviewed plan at {name}")).hint(
        "the pipeline of the request saves it there; without --plan-file kwo plans from the roster and applies it",
    ))
}

/// What kwo's comment about this roster begins with; nobody sees it.
fn marker(roster: &Path) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || "./".contains(char) { char } else { '_' };
    let roster: String = roster.display().to_string().chars().map(plain).collect();
    format!("<!-- kwo ci: {roster} -->")
}
