//! What the plan needs to know that is in no settings: the image, the secrets and configs, and the service
//! as it is.

use crate::arg::Arg;
use crate::service::Service;
use crate::settings::Settings;
use crate::source::Source;

/// What is only known once the binaries are built and the engine is asked.
pub(crate) struct Facts {
    /// The image with its tag.
    pub(crate) image: Arg,
    /// What Swarm is told to run: see `plan::reference`.
    pub(crate) reference: Arg,
    pub(crate) stored: Vec<Stored>,
    /// The service as it is now, if it is there.
    pub(crate) current: Option<Service>,
}

/// A secret or a config.
pub(crate) struct Stored {
    /// `secret` or `config`.
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) source: Source,
    /// Its name in the swarm, which ends with the hash of its content.
    pub(crate) name: Arg,
    /// Its file in the container.
    pub(crate) target: String,
}

impl Stored {
    /// All that the settings ask for, each with the name that `name` gives it, from its kind, its key
    /// and its source.
    pub(crate) fn all<E>(
        settings: &Settings,
        name: impl Fn(&'static str, &str, &Source) -> Result<Arg, E>,
    ) -> Result<Vec<Self>, E> {
        let stored = |kind: &'static str, key: &str, source: &Source, target: String| {
            let (name, source) = (name(kind, key, source)?, source.clone());
            Ok(Self { kind, key: key.to_owned(), source, name, target })
        };
        let secrets = settings.all_secrets().into_iter();
        let secrets = secrets.map(|(key, source)| stored("secret", key, source, key.to_owned()));
        let configs = settings.configs.iter();
        let configs = configs
            .map(|(key, source)| stored("config", key, source, format!("/run/configs/{key}")));
        secrets.chain(configs).collect()
    }
}
