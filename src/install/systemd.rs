//! What systemd is told about the units: through `systemctl`, and only where it runs on this very root.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::files::Choice;

/// The units that are enabled, or all that could have been.
#[must_use]
pub fn units(choice: Choice) -> &'static [&'static str] {
    if choice.hook { &["kwo-sync.timer", "kwo-sync.path", "kwo-hook.service"] } else { &["kwo-sync.timer"] }
}

/// All units that somebody could have enabled.
const ALL: &[&str] =
    &["kwo-sync.timer", "kwo-sync.path", "kwo-hook.service", "kwo-roster.path", "kwo-backup.timer"];

/// systemd, as it runs here.
#[derive(Debug)]
pub struct Systemd {
    systemctl: PathBuf,
}

impl Systemd {
    /// Where this is the root of a machine that systemd has started.
    #[must_use]
    pub fn of(root: &Path) -> Option<Systemd> {
        let here = root.canonicalize().is_ok_and(|root| root == Path::new("/"));
        (here && sd_notify::booted().unwrap_or(false)).then(|| Systemd::by("systemctl"))
    }

    /// Reached by this program.
    #[must_use]
    pub fn by(systemctl: impl Into<PathBuf>) -> Systemd {
        Systemd { systemctl: systemctl.into() }
    }

    /// Reads the units anew.
    ///
    /// # Errors
    /// When systemd does not.
    pub fn reload(&self) -> Result<(), String> {
        self.run(&["daemon-reload"], &[])
    }

    /// Lets what waits for edits of a local roster, if it does, wait as its unit says by now.
    ///
    /// # Errors
    /// When systemd does not.
    pub fn wait_anew(&self) -> Result<(), String> {
        let unit = ["kwo-roster.path"];
        let active = self.run(&["is-active", "--quiet"], &unit).is_ok();
        if active { self.run(&["restart"], &unit) } else { Ok(()) }
    }

    /// Starts these units, now and whenever the machine starts.
    ///
    /// # Errors
    /// When systemd does not.
    pub fn enable(&self, units: &[&str]) -> Result<(), String> {
        self.run(&["enable"], units)?;
        // One that runs already is still the old program.
        self.run(&["restart"], units)
    }

    /// Stops those of kwo's units that are among these files, now and for ever. One that is not there is none to stop.
    ///
    /// # Errors
    /// When systemd does not.
    pub fn disable(&self, files: &[String]) -> Result<(), String> {
        let own = |unit: &&&str| files.iter().any(|file| file.rsplit('/').next() == Some(**unit));
        for unit in ALL.iter().filter(own) {
            if self.run(&["cat"], &[unit]).is_ok() {
                self.run(&["disable", "--now"], &[unit])?;
            }
        }
        Ok(())
    }

    fn run(&self, args: &[&str], units: &[&str]) -> Result<(), String> {
        let words = args.iter().chain(units).copied().collect::<Vec<_>>().join(" ");
        let words = format!("{} {words}", self.systemctl.display());
        let output = Command::new(&self.systemctl)
            .args(args)
            .args(units)
            .env("LC_ALL", "C")
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|error| format!("`{words}` cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{words}` failed: {}", errors.lines().next().unwrap_or("it does not say why")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_told_what_to_start_and_stop() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("systemctl");
        let log = folder.path().join("log");
        let text =
            "#!/bin/sh\necho \"$*\" >> \"$(dirname \"$0\")/log\"\n[ \"$*\" != 'cat kwo-roster.path' ]\n";
        std::fs::write(&script, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let systemd = Systemd::by(&script);
        systemd.reload().unwrap();
        systemd.enable(units(Choice { hook: true, node: false })).unwrap();
        systemd.wait_anew().unwrap();
        let units = ["kwo-sync.timer", "kwo-hook.service", "kwo-roster.path"];
        systemd.disable(&units.map(|unit| format!("usr/local/lib/systemd/system/{unit}"))).unwrap();
        assert_eq!(
            std::fs::read_to_string(log).unwrap(),
            "daemon-reload\n\
             enable kwo-sync.timer kwo-sync.path kwo-hook.service\n\
             restart kwo-sync.timer kwo-sync.path kwo-hook.service\n\
             is-active --quiet kwo-roster.path\nrestart kwo-roster.path\n\
             cat kwo-sync.timer\ndisable --now kwo-sync.timer\n\
             cat kwo-hook.service\ndisable --now kwo-hook.service\n\
             cat kwo-roster.path\n"
        );
        assert!(Systemd::by("/nowhere").reload().unwrap_err().contains("cannot be run"));
    }
}
