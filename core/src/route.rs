//! From a path to a route. Segments stay encoded; methods and responses are not matched here.

use crate::HealthRoute;

/// A route of the account service, as a path selects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Health(HealthRoute<'a>),
    /// `/accounts/{id}`, the id still percent-encoded.
    Account(&'a str),
}

impl<'a> Route<'a> {
    /// The route of `path`, which may have one trailing slash. A path matches in its encoded form.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        if let Some(route) = HealthRoute::of(path) {
            return Some(Self::Health(route));
        }
        let id = path.strip_suffix('/').unwrap_or(path).strip_prefix("/accounts/")?;
        (!id.is_empty() && !id.contains('/')).then_some(Self::Account(id))
    }
}
