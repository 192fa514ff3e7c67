//! The rows of a table in Markdown.

use std::fmt::Display;

use crate::server::Measured;

/// Prints a row of a table: size, what, requests of the API server, wall time, processor time, peak memory, a ratio.
pub(crate) fn row(size: impl Display, what: &str, measured: &Measured, beside: Option<(&Measured, &str)>) {
    let Measured { wall, requests, peak, cpu } = measured;
    let cpu = cpu.map_or_else(String::new, |cpu| format!("{:.2} s", cpu.as_secs_f64()));
    let peak = peak.map_or_else(String::new, |kib| format!("{} MiB", kib / 1024));
    let ratio = beside.map_or_else(String::new, |(other, whose)| {
        format!("{:.2} × the time {whose}", wall.as_secs_f64() / other.wall.as_secs_f64())
    });
    println!("| {size} | {what} | {requests} | {:.2} s | {cpu} | {peak} | {ratio} |", wall.as_secs_f64());
}
