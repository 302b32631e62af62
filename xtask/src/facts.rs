//! What the plan needs to know that is in no settings: the image, the secrets and configs, and the service
//! as it is.

use anyhow::Result;

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

/// From the kind, the key and the source of a secret or a config to its name.
type NameOf<'a> = &'a dyn Fn(&str, &str, &Source) -> Result<Arg>;

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
    /// All that the settings ask for, each with the name that this function gives it.
    pub(crate) fn all(settings: &Settings, name: NameOf<'_>) -> Result<Vec<Self>> {
        let stored = |kind, key: &str, source: &Source, target: String| {
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
