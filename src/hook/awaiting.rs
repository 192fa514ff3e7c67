//! The other half of a listener that only writes a trigger: it waits for that file, takes it away and runs. So what faces
//! the network needs none of the rights that the run has.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::figures::Figures;
use super::runner::{Runner, Say, Work};
use kwo_engine::run::told;

/// How often it looks. The folder may be one of another container, so nothing is watched.
const EVERY: Duration = Duration::from_millis(500);

/// Runs this program once, and whenever the file is there, until it is stopped. A run that goes on then has this much time left.
pub async fn awaiting(
    trigger: &Path,
    (program, args): (PathBuf, Vec<OsString>),
    grace: Duration,
    say: impl Fn(&str) + Send + Sync + 'static,
    stop: watch::Receiver<bool>,
) {
    let (figures, say): (_, Say) = (Arc::new(Figures::new(jiff::Timestamp::now())), Arc::new(say));
    let runner = Runner::new(Work::Program(program, args), grace, figures, Arc::clone(&say));
    let looks = async {
        // A push that came while nobody waited, or whose file went with a pod, is in the repository.
        runner.want();
        let mut trouble = None;
        while !*stop.borrow() {
            match taken(trigger) {
                Ok(true) => runner.want(),
                Ok(false) => trouble = None,
                // Said once, and not twice a second.
                Err(why) if trouble.as_ref() == Some(&why) => {}
                Err(why) => {
                    say(&format!("cannot take the trigger {} away: {why}", trigger.display()));
                    trouble = Some(why);
                }
            }
            tokio::select! {
                () = told(&stop) => {}
                () = sleep(EVERY) => {}
            }
        }
    };
    // What is taken away before a run begins stands for all pushes until then; a later one writes the file again.
    tokio::join!(looks, runner.serve(stop.clone()));
}

/// Was the file there? It is gone now. What cannot be taken away starts nothing: it would do so for ever.
fn taken(trigger: &Path) -> Result<bool, String> {
    match std::fs::remove_file(trigger) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}
