//! What several test programs share. Each of them includes this as a module.

pub(crate) mod apiserver;
pub(crate) mod crds;
pub(crate) mod live;
