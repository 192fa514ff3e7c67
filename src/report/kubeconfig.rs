//! A kubeconfig for others, as kubectl reads it.

use super::printed::{Report, unwritten};
use kwo_engine::failure::Failure;
use kwo_engine::kubeconfig::{Kubeconfig, yaml};

impl Report for Kubeconfig<'_> {
    const KIND: Option<&'static str> = None;

    const ONE_LINE: bool = true;

    type Json<'a>
        = &'a Self
    where
        Self: 'a;

    fn text(&self) -> String {
        // Nobody can ask for it: kubectl does not take it.
        Report::yaml(self).unwrap_or_else(|failure| failure.to_string())
    }

    fn json(&self) -> &Self {
        self
    }

    fn yaml(&self) -> Result<String, Failure> {
        yaml(self).map(|text| text.to_string()).map_err(|error| unwritten("YAML", &error))
    }
}
