//! What needs no counterpart: the program in a cleared environment, rosters and settings, plans as people read them, files
//! of a node below a folder, a cluster that a test plays, and what strangers can write.

mod backup;
mod cli;
mod hook;
mod house;
mod install;
mod logs;
mod node;
mod rosters;
mod scenarios;
mod strangers;
mod wire;
