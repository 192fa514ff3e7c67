//! A run that ended badly, as it is printed on standard error: one printer for all of them.

use std::fmt::Write as _;

use kwo_engine::failure::Failure;

/// What happened, what lay behind it, and what to do.
#[must_use]
pub fn text(failure: &Failure) -> String {
    let Failure { exit: _, message, causes, hints } = failure;
    let mut text = String::new();
    if !message.is_empty() {
        let red = anstyle::AnsiColor::Red.on_default().bold();
        let _ = writeln!(text, "{red}error:{red:#} {message}");
    }
    for cause in causes {
        let _ = writeln!(text, "  caused by: {}", cause.replace('\n', "\n    "));
    }
    for hint in hints {
        let cyan = anstyle::AnsiColor::Cyan.on_default();
        let _ = writeln!(text, "{cyan}hint:{cyan:#} {hint}");
    }
    text
}
